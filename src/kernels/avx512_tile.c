/* avx512_tile.c: the VNNI register tiles under convolutions and linear layers. */
#include "kernels/avx512_store.h"

#if MICO_KERNELS_X86

/* Where the pixels of a tile lie. In a tile of one group they are in_step apart and
 * hang on every fourth: x86 has no registers for 16 pointers, but addresses p, p +
 * step, p + 2*step and, with one more register, p + 3*step. */
typedef struct pixels {
    const uint8_t *at[8];
    size_t step, step3;
} pixels;

MICO_INLINE const uint8_t *pixel_at(const pixels *p, int i, const bool strided)
{
    if (!strided)
        return p->at[i];
    return i % 4 == 3 ? p->at[i / 4] + p->step3
                      : p->at[i / 4] + (size_t)(i % 4) * p->step;
}

/* One quad of one run: nr weight vectors, one broadcast dword per pixel. */
MICO_INLINE void tile_quad(__m512i *acc, const pixels *p, size_t k, const int8_t *w,
                           const int m, const int nr, const bool strided)
{
    __m512i wv[4];
#pragma GCC unroll 4
    for (int j = 0; j < nr; j++)
        wv[j] = _mm512_load_si512(w + 64 * j);
#pragma GCC unroll 32
    for (int i = 0; i < m; i++) {
        int32_t quad;

        memcpy(&quad, pixel_at(p, i, strided) + k, 4);
        const __m512i b = _mm512_set1_epi32(quad);
#pragma GCC unroll 4
        for (int j = 0; j < nr; j++)
            acc[i * nr + j] = mico_dot(acc[i * nr + j], b, wv[j]);
    }
}

/* Accumulates m pixels times nr groups over all runs. */
MICO_INLINE void tile_accumulate(__m512i *acc, const mico_mac *t, const uint8_t *in,
                                 const uint32_t *from, size_t first, const int m,
                                 const int nr, const bool strided)
{
    const size_t quads = first * t->all_rows * t->all_quads +
                         (t->first_row * t->all_quads + t->first_quad) * (size_t)nr;
    const size_t skipped = (t->all_quads - t->quads) * (size_t)nr * 64;
    const int8_t *w = t->packed + quads * 64;
    const int n_at = strided ? (m + 3) / 4 : m;
    pixels p = {.step = t->in_step, .step3 = 3 * t->in_step};
#pragma GCC unroll 8
    for (int i = 0; i < n_at; i++)
        p.at[i] = in + from[strided ? 4 * i : i];
#pragma GCC unroll 32
    for (int i = 0; i < m * nr; i++)
        acc[i] = _mm512_loadu_si512(t->consts.bias + 16 * (first + (size_t)(i % nr)));
    for (size_t row = 0; row < t->n_rows; row++, w += skipped) {
        size_t q = t->quads, k = 0;

        for (; q >= 4; q -= 4, k += 16, w += 256 * nr) {
            if (!strided) /* one index register, not m pointers that count */
                __asm__("" : "+r"(k));
#pragma GCC unroll 4
            for (size_t u = 0; u < 4; u++)
                tile_quad(acc, &p, k + 4 * u, w + 64 * (size_t)nr * u, m, nr, strided);
        }
        for (; q > 0; q--, k += 4, w += 64 * nr) {
            if (!strided)
                __asm__("" : "+r"(k));
            tile_quad(acc, &p, k, w, m, nr, strided);
        }
#pragma GCC unroll 8
        for (int i = 0; i < n_at; i++)
            p.at[i] += t->row_step;
    }
}

typedef void (*tile_fn)(const mico_mac *t, const uint8_t *in, const uint32_t *from,
                        const uint32_t *to, uint8_t *out, size_t first);

#define TILE(name, m, nr, strided)                                                     \
    static MICO_AVX512 void name(const mico_mac *t, const uint8_t *in,                 \
                                 const uint32_t *from, const uint32_t *to,             \
                                 uint8_t *out, size_t first)                           \
    {                                                                                  \
        __m512i acc[(m) * (nr)];                                                       \
                                                                                       \
        tile_accumulate(acc, t, in, from, first, m, nr, strided);                      \
        mico_tile_store(acc, t, out, to, first, m, nr);                                \
    }
TILE(tile_16x1, 16, 1, true)
TILE(tile_8x1, 8, 1, false)
TILE(tile_4x1, 4, 1, false)
TILE(tile_2x1, 2, 1, false)
TILE(tile_1x1, 1, 1, false)
TILE(tile_8x2, 8, 2, false)
TILE(tile_4x2, 4, 2, false)
TILE(tile_2x2, 2, 2, false)
TILE(tile_1x2, 1, 2, false)
TILE(tile_6x4, 6, 4, false)
TILE(tile_4x4, 4, 4, false)
TILE(tile_2x4, 2, 4, false)
TILE(tile_1x4, 1, 4, false)

/* Tiles of a block of 1, 2, 4 groups, largest first. */
typedef struct tile_size {
    size_t m;
    tile_fn fn;
} tile_size;

static const tile_size sizes_1[] = {{16, tile_16x1},
                                    {8, tile_8x1},
                                    {4, tile_4x1},
                                    {2, tile_2x1},
                                    {1, tile_1x1}},
                       sizes_2[] = {{8, tile_8x2},
                                    {4, tile_4x2},
                                    {2, tile_2x2},
                                    {1, tile_1x2}},
                       sizes_4[] = {
                           {6, tile_6x4}, {4, tile_4x4}, {2, tile_2x4}, {1, tile_1x4}};

/* The tile for the next of `left` pixels: the largest that is not much too large (it is
 * moved left where it sticks out), and 4 + 4 rather than 6 + 2 or 6 + 1. */
static const tile_size *choose(const tile_size *s, size_t block, size_t left, size_t n)
{
    if (block == 4) {
        if (left >= 9 || left == 6 || (left == 5 && n >= 6))
            return s;
        s++;
    }
    while (s->m > n || (s->m > left && s[1].m >= left))
        s++;
    return s;
}

void mico_mac_block_run(const mico_mac *t, const uint8_t *in, const uint32_t *from,
                        const uint32_t *to, size_t n, uint8_t *out, size_t first)
{
    const size_t block = mico_mac_block(mico_mac_groups(t->c_out) - first);
    const tile_size *sizes = block == 4 ? sizes_4 : block == 2 ? sizes_2 : sizes_1;

    if (block == 1 && t->line % 16 != 0)
        sizes++; /* 16 pixels are not always in_step apart */
    for (size_t x = 0; x < n;) {
        const tile_size *s = choose(sizes, block, n - x, n);

        if (s->m > n - x)
            x = n - s->m;
        s->fn(t, in, from + x, to + x, out, first);
        x += s->m;
    }
}

void mico_mac_pixels(const mico_mac *t, const uint8_t *in, const uint32_t *from,
                     const uint32_t *to, size_t n, uint8_t *out)
{
    const size_t groups = mico_mac_groups(t->c_out);

    for (size_t first = 0; first < groups; first += mico_mac_block(groups - first))
        mico_mac_block_run(t, in, from, to, n, out, first);
}

#define LINE ((size_t)192)

void mico_mac_run(const mico_mac_line *line, size_t first)
{
    uint32_t from[LINE], to[LINE];
    mico_mac m;

    memset(&m, 0, sizeof m);
    m.packed = line->packed;
    m.consts = *line->consts;
    m.store = MICO_STORE_RAW;
    m.row_step = line->row_step;
    m.all_quads = m.quads = line->quads;
    m.all_rows = m.n_rows = line->n_rows;
    m.c_out = line->c_out;
    m.out_step = line->out_step;
    m.line = LINE;
    m.in_step = line->in_step;
    for (size_t i = 0; i < LINE && i < line->n; i++) {
        from[i] = (uint32_t)(i * line->in_step);
        to[i] = (uint32_t)(i * line->out_step);
    }
    for (size_t x = 0; x < line->n; x += LINE)
        mico_mac_block_run(&m, line->in + x * line->in_step, from, to,
                           line->n - x < LINE ? line->n - x : LINE,
                           line->out + x * line->out_step, first);
}

#endif
