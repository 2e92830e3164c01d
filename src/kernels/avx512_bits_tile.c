/* avx512_bits_tile.c: the bit-counting register tile: pixels times groups of channels.
 *
 * Lanes are 16 output channels; a word of 32 bits of a pixel is broadcast to them. One
 * xor, one count, one add do 512 multiply-accumulates. */
#include "kernels/avx512_bits_internal.h"

#if MICO_KERNELS_X86

#define BITS_INLINE static inline __attribute__((always_inline)) MICO_AVX512_BITS

/* (b ^ s) & m as the truth table of a ternary-logic instruction on (s, m, b). */
#define XOR_AND 0x48

/* ---- counting -------------------------------------------------------------------- */

/* acc += t; as an asm statement, lest gcc copies accumulators at every loop end. */
BITS_INLINE __m512i add_in_place(__m512i acc, __m512i t)
{
    __asm__("vpaddd %1, %0, %0" : "+v"(acc) : "v"(t));
    return acc;
}

/* One word of m pixels, `step` apart, against nr groups. In a cut word of the form sign
 * only the bits of `tail` count. */
BITS_INLINE void count_word(__m512i *count, const uint8_t *in, size_t step,
                            const uint32_t *w, __m512i tail, const int m, const int nr,
                            const mico_bits_form form, const bool cut)
{
    __m512i s[2], keep[2];
#pragma GCC unroll 2
    for (int j = 0; j < nr; j++) {
        s[j] = _mm512_load_si512(w + 16 * j);
        keep[j] = form == MICO_BITS_MASK ? _mm512_load_si512(w + 16 * (nr + j)) : tail;
    }
#pragma GCC unroll 16
    for (int i = 0; i < m; i++) {
        int32_t word;

        memcpy(&word, in + (size_t)(i % 3) * step, 4);
        if (i % 3 == 2)
            in += 3 * step;
        const __m512i b = _mm512_set1_epi32(word);
#pragma GCC unroll 2
        for (int j = 0; j < nr; j++) {
            __m512i t;

            if (form == MICO_BITS_PLANES)
                t = _mm512_and_si512(s[j], b);
            else if (form == MICO_BITS_MASK || cut)
                t = _mm512_ternarylogic_epi32(s[j], keep[j], b, XOR_AND);
            else
                t = _mm512_xor_si512(s[j], b);
            count[i * nr + j] = add_in_place(count[i * nr + j], _mm512_popcnt_epi32(t));
        }
    }
}

/* One pass over the window: adds the counts of one plane with another. */
BITS_INLINE void count_pass(__m512i *count, const mico_bits_line *t, const uint8_t *in,
                            const uint32_t *w, const int m, const int nr,
                            const mico_bits_form form)
{
    const size_t n = t->window.n_whole, all = t->window.n_words;
    const __m512i tail = _mm512_set1_epi32((int32_t)t->window.tail);

    for (size_t k = 0; k < n; k++) {
        count_word(count, in + t->word_at[k], t->in_step, w, tail, m, nr, form, false);
        w += (form == MICO_BITS_MASK ? 32 : 16) * nr;
    }
    if (form != MICO_BITS_SIGN)
        return;
    for (size_t k = n; k < all; k++, w += 16 * nr)
        count_word(count, in + t->word_at[k], t->in_step, w, tail, m, nr, form, true);
}

/* Counts to accumulators in float32: count * step + bias is a small integer. Inner
 * pixels have one pattern, which is the same from the first to the last. */
BITS_INLINE void add_bias(__m512 *acc, const __m512i *count, const mico_bits_line *t,
                          const float *bias, size_t x, const int m, const int nr)
{
    const __m512 step = _mm512_set1_ps((float)t->recipe->step);
    const uint32_t *pattern = t->pattern + x;

    if (pattern[0] == pattern[m - 1]) {
#pragma GCC unroll 2
        for (int j = 0; j < nr; j++) {
            const __m512 b = _mm512_loadu_ps(bias + pattern[0] + 16 * j);
#pragma GCC unroll 16
            for (int i = 0; i < m; i++)
                acc[i * nr + j] =
                    _mm512_fmadd_ps(_mm512_cvtepi32_ps(count[i * nr + j]), step, b);
        }
        return;
    }
#pragma GCC unroll 16
    for (int i = 0; i < m * nr; i++)
        acc[i] =
            _mm512_fmadd_ps(_mm512_cvtepi32_ps(count[i]), step,
                            _mm512_loadu_ps(bias + pattern[i / nr] + 16 * (i % nr)));
}

/* The accumulators of m pixels, negated in the forms sign and mask; count: room. */
BITS_INLINE void accumulate(__m512 *acc, __m512i *count, const mico_bits_line *t,
                            const uint8_t *in, const uint32_t *w, const float *bias,
                            size_t x, const int m, const int nr,
                            const mico_bits_form form)
{
    const mico_bits_recipe *r = t->recipe;
    const size_t plane = 16 * (size_t)nr * t->window.n_words; /* of weights */

#pragma GCC unroll 16
    for (int i = 0; i < m * nr; i++)
        count[i] = _mm512_setzero_si512();
    count_pass(count, t, in + r->pass[0].act_plane * t->plane_step,
               w + r->pass[0].weight_plane * plane, m, nr, form);
    for (size_t p = 1; p < r->n_passes; p++) {
        const __m512i factor = _mm512_set1_epi32(r->pass[p].factor);
#pragma GCC unroll 16
        for (int i = 0; i < m * nr; i++)
            count[i] = _mm512_mullo_epi32(count[i], factor);
        count_pass(count, t, in + r->pass[p].act_plane * t->plane_step,
                   w + r->pass[p].weight_plane * plane, m, nr, form);
    }
    add_bias(acc, count, t, bias, x, m, nr);
}

/* ---- epilogue -------------------------------------------------------------------- */

MICO_AVX512_BITS mico_bits_store mico_bits_store_of(const mico_epilogue *e)
{
    const int low = e->lo + 128;
    mico_bits_store v;

    v.addend = _mm512_set1_ps(0.5f - (float)low);
    v.top = _mm512_set1_epi8((char)(e->hi - low));
    v.twice = _mm512_set1_epi8((char)(e->step == 2 ? -1 : 0));
    v.offset = _mm512_set1_epi8((char)(uint8_t)(e->base + e->step * low));
    return v;
}

BITS_INLINE __m512i rounded(__m512 acc, __m512 scale, const mico_bits_store *e)
{
    const __m512 t = _mm512_fmadd_round_ps(acc, scale, e->addend,
                                           _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);

    return _mm512_cvt_roundps_epi32(t, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}

/* Codes of four vectors of accumulators, in their order. */
BITS_INLINE __m512i codes64(const __m512 *acc, __m512 scale_even, __m512 scale_odd,
                            const mico_bits_store *e)
{
    const __m512i order =
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i z01 = _mm512_packs_epi32(rounded(acc[0], scale_even, e),
                                           rounded(acc[1], scale_odd, e));
    const __m512i z23 = _mm512_packs_epi32(rounded(acc[2], scale_even, e),
                                           rounded(acc[3], scale_odd, e));
    __m512i z = _mm512_packs_epi16(z01, z23);

    z = _mm512_min_epi8(z, e->top);
    z = _mm512_add_epi8(z, _mm512_and_si512(z, e->twice));
    return _mm512_permutexvar_epi32(order, _mm512_add_epi8(z, e->offset));
}

/* Codes of pixel i of those in the vector. */
BITS_INLINE __m256i pixel_of(__m512i codes, const int i, const int nr)
{
    if (nr == 2)
        return i == 0 ? _mm512_castsi512_si256(codes)
                      : _mm512_extracti64x4_epi64(codes, 1);
    return _mm256_castsi128_si256(i == 0   ? _mm512_castsi512_si128(codes)
                                  : i == 1 ? _mm512_extracti32x4_epi32(codes, 1)
                                  : i == 2 ? _mm512_extracti32x4_epi32(codes, 2)
                                           : _mm512_extracti32x4_epi32(codes, 3));
}

typedef enum placing { APART, TOGETHER, CUT } placing; /* pixels; groups that are cut */

/* Stores n <= 4 / nr pixels of nr groups. */
BITS_INLINE void store_pixels(__m512i codes, uint8_t *out, size_t out_step,
                              __mmask32 left, const int n, const int nr,
                              const placing place)
{
    if (place == TOGETHER && n * nr == 4) {
        _mm512_storeu_si512(out, codes);
        return;
    }
#pragma GCC unroll 4
    for (int i = 0; i < n; i++, out += out_step) {
        const __m256i v = pixel_of(codes, i, nr);

        if (place == CUT)
            _mm256_mask_storeu_epi8(out, left, v);
        else if (nr == 2)
            _mm256_storeu_si256((__m256i *)out, v);
        else
            _mm_storeu_si128((__m128i *)out, _mm256_castsi256_si128(v));
    }
}

BITS_INLINE void store_placed(const __m512 *acc, const mico_bits_line *t, uint8_t *out,
                              size_t first, const int m, const int nr,
                              const placing place)
{
    const __m512 scale_0 = _mm512_loadu_ps(t->scale + 16 * first);
    const __m512 scale_1 =
        nr == 2 ? _mm512_loadu_ps(t->scale + 16 * first + 16) : scale_0;
    const size_t left = t->c_out - 16 * first;
    const __mmask32 mask = nr == 2 ? mico_mask32(left) : mico_mask16(left);
    const int each = 4 / nr; /* pixels a vector of codes */

#pragma GCC unroll 16
    for (int i = 0; i < m; i += each) {
        const int n = m - i < each ? m - i : each;
        __m512 a[4];
#pragma GCC unroll 4
        for (int k = 0; k < 4; k++)
            a[k] = acc[i * nr + (k < n * nr ? k : k % nr)];
        store_pixels(codes64(a, scale_0, scale_1, &t->store), out, t->out_step, mask, n,
                     nr, place);
        out += (size_t)n * t->out_step;
    }
}

BITS_INLINE void store_codes(const __m512 *acc, const mico_bits_line *t, uint8_t *out,
                             size_t first, const int m, const int nr)
{
    if (t->c_out - 16 * first < 16 * (size_t)nr)
        store_placed(acc, t, out, first, m, nr, CUT);
    else if (t->out_step == 16 * (size_t)nr)
        store_placed(acc, t, out, first, m, nr, TOGETHER);
    else
        store_placed(acc, t, out, first, m, nr, APART);
}

/* Stores int32 accumulators, which are kept negated unless `form` is planes. */
BITS_INLINE void store_raw(const __m512 *acc, const mico_bits_line *t, uint8_t *out,
                           size_t first, const int m, const int nr,
                           const mico_bits_form form)
{
#pragma GCC unroll 8
    for (int j = 0; j < nr; j++) {
        const __mmask16 mask = mico_mask16(t->c_out - 16 * (first + (size_t)j));
#pragma GCC unroll 32
        for (int i = 0; i < m; i++) {
            __m512i v = _mm512_cvtps_epi32(acc[i * nr + j]);

            if (form != MICO_BITS_PLANES)
                v = _mm512_sub_epi32(_mm512_setzero_si512(), v);
            _mm512_mask_storeu_epi32(out + (size_t)i * t->out_step + 64 * j, mask, v);
        }
    }
}

/* ---- tiles ----------------------------------------------------------------------- */

/* n tiles of the line from pixel x on, the groups from `first` on. */
typedef void (*tile_fn)(const mico_bits_line *t, size_t x, size_t n, size_t first);

#define TILE(m, nr, form, FORM)                                                        \
    static MICO_AVX512_BITS void tile_##m##x##nr##_##form(                             \
        const mico_bits_line *t, size_t x, size_t n, size_t first)                     \
    {                                                                                  \
        const size_t vectors = MICO_BITS_##FORM == MICO_BITS_MASK ? 2 : 1;             \
        const uint32_t *w = t->packed + 16 * first * t->recipe->weight_planes *        \
                                            t->window.n_words * vectors;               \
        const uint8_t *in = t->in + x * t->in_step;                                    \
        uint8_t *out = t->out + x * t->out_step + 16 * first * (t->raw ? 4 : 1);       \
                                                                                       \
        for (; n > 0; n--, x += (m)) {                                                 \
            __m512i count[(m) * (nr)];                                                 \
            __m512 acc[(m) * (nr)];                                                    \
                                                                                       \
            accumulate(acc, count, t, in, w, t->bias + 16 * first, x, m, nr,           \
                       MICO_BITS_##FORM);                                              \
            if (t->raw)                                                                \
                store_raw(acc, t, out, first, m, nr, MICO_BITS_##FORM);                \
            else                                                                       \
                store_codes(acc, t, out, first, m, nr);                                \
            in += (m)*t->in_step;                                                      \
            out += (m)*t->out_step;                                                    \
        }                                                                              \
    }
#define TILES(form, FORM)                                                              \
    TILE(8, 2, form, FORM)                                                             \
    TILE(4, 2, form, FORM)                                                             \
    TILE(2, 2, form, FORM)                                                             \
    TILE(1, 2, form, FORM)                                                             \
    TILE(16, 1, form, FORM)                                                            \
    TILE(8, 1, form, FORM)                                                             \
    TILE(4, 1, form, FORM)                                                             \
    TILE(2, 1, form, FORM)                                                             \
    TILE(1, 1, form, FORM)
TILES(sign, SIGN)
TILES(mask, MASK)
TILES(planes, PLANES)

/* Halving from 16 / block pixels. */
#define FAMILY(form)                                                                   \
    {                                                                                  \
        {tile_16x1_##form, tile_8x1_##form, tile_4x1_##form, tile_2x1_##form,          \
         tile_1x1_##form},                                                             \
        {                                                                              \
            tile_8x2_##form, tile_4x2_##form, tile_2x2_##form, tile_1x2_##form         \
        }                                                                              \
    }
static const tile_fn tiles[3][2][5] = {FAMILY(sign), FAMILY(mask), FAMILY(planes)};

/* Whole tiles from the left; the rest is the smallest tile that covers it, moved left
 * where it would stick out (the pixels that it does twice get the same bytes). */
static void run_block(const mico_bits_line *line, const tile_fn *fn, size_t size,
                      size_t first)
{
    size_t level = 0, x = 0;

    while (x < line->n) {
        const size_t left = line->n - x;

        while (size > line->n || size / 2 >= left) {
            size /= 2;
            level++;
        }
        if (size > left)
            x = line->n - size;
        fn[level](line, x, left > size ? left / size : 1, first);
        x += left > size ? left / size * size : size;
    }
}

void mico_bits_run(const mico_bits_line *line)
{
    const size_t groups = mico_bits_groups(line->c_out);

    for (size_t first = 0, block; first < groups; first += block) {
        block = mico_bits_block(groups - first);
        run_block(line, tiles[line->recipe->form][block - 1], 16 / block, first);
    }
}

#endif
