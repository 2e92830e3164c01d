/* avx512_dw_strip.c: columns of interleaved rows, and the strips of outputs on them. */
#include "kernels/avx512_dw.h"
#include "kernels/avx512_round.h"

#if MICO_KERNELS_X86

/* ---- columns ------------------------------------------------------------------- */

/* One row: 64 channels, or the parts one after the other. */
MICO_INLINE __m512i load_row(const uint8_t *const *p, size_t k, size_t at,
                             __mmask64 mask, const int parts, const bool full)
{
    if (parts == 1)
        return full ? _mm512_loadu_si512(p[k] + at)
                    : _mm512_maskz_loadu_epi8(mask, p[k] + at);
    if (parts == 2) {
        __m256i half[2];

        for (size_t i = 0; i < 2; i++)
            half[i] = full
                          ? _mm256_loadu_si256((const __m256i *)(p[4 * i + k] + at))
                          : _mm256_maskz_loadu_epi8((__mmask32)mask, p[4 * i + k] + at);
        return _mm512_inserti64x4(_mm512_castsi256_si512(half[0]), half[1], 1);
    }
    __m128i quarter[4];

    for (size_t i = 0; i < 4; i++)
        quarter[i] = full ? _mm_loadu_si128((const __m128i *)(p[4 * i + k] + at))
                          : _mm_maskz_loadu_epi8((__mmask16)mask, p[4 * i + k] + at);
    const __m256i low =
        _mm256_inserti128_si256(_mm256_castsi128_si256(quarter[0]), quarter[1], 1);
    const __m256i high =
        _mm256_inserti128_si256(_mm256_castsi128_si256(quarter[2]), quarter[3], 1);

    return _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
}

/* Four rows of 64 channels -> four vectors of 16 channels times 4 rows. */
MICO_INLINE void interleave(uint8_t *q, const uint8_t *const *p, size_t at,
                            __mmask64 mask, const int parts, const bool full)
{
    const __m512i r0 = load_row(p, 0, at, mask, parts, full);
    const __m512i r1 = load_row(p, 1, at, mask, parts, full);
    const __m512i r2 = load_row(p, 2, at, mask, parts, full);
    const __m512i r3 = load_row(p, 3, at, mask, parts, full);
    const __m512i lo01 = _mm512_unpacklo_epi8(r0, r1);
    const __m512i hi01 = _mm512_unpackhi_epi8(r0, r1);
    const __m512i lo23 = _mm512_unpacklo_epi8(r2, r3);
    const __m512i hi23 = _mm512_unpackhi_epi8(r2, r3);

    _mm512_store_si512(q, _mm512_unpacklo_epi16(lo01, lo23));
    _mm512_store_si512(q + 64, _mm512_unpackhi_epi16(lo01, lo23));
    _mm512_store_si512(q + 128, _mm512_unpacklo_epi16(hi01, hi23));
    _mm512_store_si512(q + 192, _mm512_unpackhi_epi16(hi01, hi23));
}

/* Columns x..end-1, in which some rows (flat) or all are padding. */
MICO_INLINE void fill_border(const mico_dw_source *s, uint8_t *q, size_t x, size_t end,
                             const int parts, const bool full)
{
    const uint8_t *p[4 * MICO_DW_PARTS];

    for (; x < end && !s->flat; x++, q += MICO_DW_COLUMN_BYTES)
        for (size_t v = 0; v < 4; v++)
            _mm512_store_si512(q + 64 * v, _mm512_set1_epi8((char)*s->zeros));
    for (; x < end; x++, q += MICO_DW_COLUMN_BYTES) {
        for (size_t k = 0; k < 4 * (size_t)parts; k++) {
            const size_t at = x + s->shift[k % 4] - s->pad;

            p[k] = at < s->width ? s->row[k] + at * s->pixel_bytes : s->zeros;
        }
        interleave(q, p, 0, s->mask, parts, full);
    }
}

static size_t within(size_t x, size_t lo, size_t hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

/* Columns first..first+n-1 of the padded map. */
MICO_INLINE void fill(const mico_dw_source *s, uint8_t *q, size_t first, size_t n,
                      const int parts, const bool full)
{
    const size_t end = first + n, step = s->pixel_bytes;
    const size_t inner = s->width > s->shift[3] ? s->width - s->shift[3] : 0;
    const size_t from = within(s->pad, first, end);
    const size_t to = within(s->pad + inner, from, end);
    const __mmask64 mask = s->mask;
    const uint8_t *p[4 * MICO_DW_PARTS];
    size_t at = (from - s->pad) * step;

#pragma GCC unroll 16
    for (size_t k = 0; k < 4 * (size_t)parts; k++)
        p[k] = s->row[k] + s->shift[k % 4] * step;
    fill_border(s, q, first, from, parts, full);
    q += (from - first) * MICO_DW_COLUMN_BYTES;
    for (size_t x = from; x < to; x++, q += MICO_DW_COLUMN_BYTES, at += step)
        interleave(q, p, at, mask, parts, full);
    fill_border(s, q, to, end, parts, full);
}

typedef void (*fill_fn)(const mico_dw_source *s, uint8_t *q, size_t first, size_t n);

#define FILL(parts, full)                                                              \
    static MICO_AVX512 void fill_##parts##_##full(const mico_dw_source *s, uint8_t *q, \
                                                  size_t first, size_t n)              \
    {                                                                                  \
        fill(s, q, first, n, parts, full);                                             \
    }
FILL(1, 0)
FILL(1, 1)
FILL(2, 0)
FILL(2, 1)
FILL(4, 0)
FILL(4, 1)

void mico_dw_fill(const mico_dw_source *s, size_t parts, bool full, uint8_t *q,
                  size_t first, size_t n)
{
    static const fill_fn all[3][2] = {
        {fill_1_0, fill_1_1}, {fill_2_0, fill_2_1}, {fill_4_0, fill_4_1}};

    all[parts / 2][full](s, q, first, n);
}

/* ---- strips -------------------------------------------------------------------- */

MICO_INLINE void put(uint8_t *const *out, size_t at, __m512i codes, __mmask64 mask,
                     bool full, const int parts)
{
    if (parts == 1) {
        if (full)
            _mm512_storeu_si512(out[0] + at, codes);
        else
            _mm512_mask_storeu_epi8(out[0] + at, mask, codes);
        return;
    }
    if (parts == 2) {
        const __m256i low = _mm512_castsi512_si256(codes);
        const __m256i high = _mm512_extracti64x4_epi64(codes, 1);

        if (full) {
            _mm256_storeu_si256((__m256i *)(out[0] + at), low);
            _mm256_storeu_si256((__m256i *)(out[1] + at), high);
        } else {
            _mm256_mask_storeu_epi8(out[0] + at, (__mmask32)mask, low);
            _mm256_mask_storeu_epi8(out[1] + at, (__mmask32)mask, high);
        }
        return;
    }
    const __m128i quarter[4] = {
        _mm512_castsi512_si128(codes), _mm512_extracti32x4_epi32(codes, 1),
        _mm512_extracti32x4_epi32(codes, 2), _mm512_extracti32x4_epi32(codes, 3)};
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
        if (full)
            _mm_storeu_si128((__m128i *)(out[i] + at), quarter[i]);
        else
            _mm_mask_storeu_epi8(out[i] + at, (__mmask16)mask, quarter[i]);
}

/* One output of each row in double precision: for accumulators of any size. */
MICO_INLINE void store_wide(const mico_dw_strip *s, const __m512i *acc, const int rows,
                            const int parts)
{
    const mico_vec_epilogue e = mico_vec_epilogue_of(s->epilogue);
#pragma GCC unroll 2
    for (int r = 0; r < rows; r++) {
        __m256i lo[4], hi[4];
#pragma GCC unroll 4
        for (int v = 0; v < 4; v++) {
            const __m512i a = acc[4 * r + v];
            const double *scale = s->consts->wide + 16 * v;

            lo[v] =
                mico_vec_round(_mm512_castsi512_si256(a), _mm512_loadu_pd(scale), &e);
            hi[v] = mico_vec_round(_mm512_extracti64x4_epi64(a, 1),
                                   _mm512_loadu_pd(scale + 8), &e);
        }
        const __m256i first = mico_vec_codes(lo[0], lo[1], lo[2], lo[3], &e);
        const __m256i last = mico_vec_codes(hi[0], hi[1], hi[2], hi[3], &e);

        put(s->out[r], 0, _mm512_inserti64x4(_mm512_castsi256_si512(first), last, 1),
            s->mask, s->full, parts);
    }
}

/* One output of each row by the other roundings. */
MICO_INLINE void store_round(const mico_dw_strip *s, const __m512i *acc, const int rows,
                             const int parts)
{
    const mico_epilogue *k = s->epilogue;
    const mico_single e = mico_single_of(k);
    const __m512i low = _mm512_set1_epi32(k->lo + 128);
#pragma GCC unroll 2
    for (int r = 0; r < rows; r++) {
        __m512i z[4];
#pragma GCC unroll 4
        for (int v = 0; v < 4; v++) {
            const mico_dw_consts *c = s->consts;
            const __m512i a = acc[4 * r + v];

            if (s->rounding == MICO_ROUND_ARES) {
                z[v] = mico_ares_16(_mm512_mul_ps(_mm512_cvtepi32_ps(a),
                                                  _mm512_load_ps(c->scale + 16 * v)),
                                    _mm512_set1_ps((float)k->lo),
                                    _mm512_set1_ps((float)k->hi));
            } else {
                const mico_scale16 scale =
                    mico_scale16_of(_mm512_load_si512(c->mult + 16 * v),
                                    _mm512_load_si512(c->shift + 16 * v));

                z[v] = _mm512_min_epi32(_mm512_max_epi32(mico_scale_16(a, &scale),
                                                         _mm512_set1_epi32(k->lo)),
                                        _mm512_set1_epi32(k->hi));
            }
            z[v] = _mm512_sub_epi32(z[v], low);
        }
        put(s->out[r], 0, mico_single_codes(z, &e), s->mask, s->full, parts);
    }
}

MICO_INLINE void store(const mico_dw_strip *s, const __m512i *acc, const int m,
                       const int rows, const int parts)
{
    const mico_single e = mico_single_of(s->epilogue);
    const size_t step = s->pixel_bytes;
    const __mmask64 mask = s->mask;
    const bool full = s->full;
    __m512 scale[4];

#pragma GCC unroll 4
    for (int v = 0; v < 4; v++)
        scale[v] = _mm512_load_ps(s->consts->scale + 16 * v);
#pragma GCC unroll 32
    for (int k = 0; k < m * rows; k++) {
        __m512i z[4];
#pragma GCC unroll 4
        for (int v = 0; v < 4; v++)
            z[v] = mico_single_round(acc[4 * k + v], scale[v], &e);
        put(s->out[k / m], (size_t)(k % m) * step, mico_single_codes(z, &e), mask, full,
            parts);
    }
}

/* One kernel column for m neighbouring outputs of each row. */
MICO_INLINE void tap_run(__m512i *acc, const uint8_t *q, const int8_t *w, size_t step,
                         const int m, const int rows)
{
#pragma GCC unroll 4
    for (int v = 0; v < 4; v++, w += 64 * rows) {
        const __m512i w0 = _mm512_load_si512(w);
        const __m512i w1 = _mm512_load_si512(w + 64 * (rows - 1));
#pragma GCC unroll 8
        for (int i = 0; i < m; i++) {
            const __m512i codes = _mm512_load_si512(q + (size_t)i * step + 64 * v);

            acc[4 * i + v] = mico_dot(acc[4 * i + v], codes, w0);
            if (rows == 2)
                acc[4 * (m + i) + v] = mico_dot(acc[4 * (m + i) + v], codes, w1);
        }
    }
}

/* How a strip runs: requantised one by one, any kernel, or three columns of one group.
 * gcc 12 allocates registers well only in straight code; and loops must have one turn
 * at least, or the accumulators live in memory. */
enum { SINGLY, ANY, THREE, KINDS };

/* m neighbouring outputs of each row; q is the first one's column in the buffer. */
MICO_INLINE void strip_run(const mico_dw_strip *s, const uint8_t *q, const int m,
                           const int rows, const int parts, const int kind)
{
    const int8_t *w = s->weights;
    const size_t step = s->step_bytes, bytes = MICO_DW_COLUMN_BYTES * (size_t)rows;
    size_t g = s->groups;
    __m512i acc[24];
#pragma GCC unroll 32
    for (int k = 0; k < 4 * m * rows; k++)
        acc[k] = _mm512_load_si512(s->consts->bias + 16 * (k % 4));
    if (kind == THREE) {
#pragma GCC unroll 3
        for (size_t kx = 0; kx < 3; kx++)
            tap_run(acc, q + kx * s->tap_bytes, w + kx * bytes, step, m, rows);
        store(s, acc, m, rows, parts);
        return;
    }
    do {
        const uint8_t *tap = q;
        size_t kx = s->kw;

        do {
            tap_run(acc, tap, w, step, m, rows);
            tap += s->tap_bytes;
            w += bytes;
        } while (--kx > 0);
        q += s->group_bytes;
    } while (--g > 0);
    if (kind == ANY)
        store(s, acc, m, rows, parts);
    else if (s->rounding == MICO_ROUND_HALF_UP)
        store_wide(s, acc, rows, parts);
    else
        store_round(s, acc, rows, parts);
}

typedef void (*strip_fn)(const mico_dw_strip *s, const uint8_t *q);

#define STRIP(m, rows, parts, kind)                                                    \
    static MICO_AVX512 void strip_##m##x##rows##_##parts##_##kind(                     \
        const mico_dw_strip *s, const uint8_t *q)                                      \
    {                                                                                  \
        strip_run(s, q, m, rows, parts, kind);                                         \
    }
#define STRIPS(parts)                                                                  \
    STRIP(1, 1, parts, SINGLY)                                                         \
    STRIP(1, 1, parts, ANY)                                                            \
    STRIP(2, 1, parts, ANY)                                                            \
    STRIP(4, 1, parts, ANY)                                                            \
    STRIP(1, 1, parts, THREE)                                                          \
    STRIP(2, 1, parts, THREE)                                                          \
    STRIP(4, 1, parts, THREE)                                                          \
    STRIP(1, 2, parts, SINGLY)                                                         \
    STRIP(1, 2, parts, ANY)                                                            \
    STRIP(2, 2, parts, ANY)                                                            \
    STRIP(1, 2, parts, THREE)                                                          \
    STRIP(2, 2, parts, THREE)                                                          \
    STRIP(3, 2, parts, THREE)
STRIPS(1)
STRIPS(2)
STRIPS(4)

/* [rows - 1][kind]: strips of one, of two, and of the most. */
#define STRIP_ROWS(parts)                                                              \
    {                                                                                  \
        {{strip_1x1_##parts##_SINGLY, NULL, NULL},                                     \
         {strip_1x1_##parts##_ANY, strip_2x1_##parts##_ANY, strip_4x1_##parts##_ANY},  \
         {strip_1x1_##parts##_THREE, strip_2x1_##parts##_THREE,                        \
          strip_4x1_##parts##_THREE}},                                                 \
        {                                                                              \
            {strip_1x2_##parts##_SINGLY, NULL, NULL},                                  \
                {strip_1x2_##parts##_ANY, strip_2x2_##parts##_ANY, NULL},              \
            {                                                                          \
                strip_1x2_##parts##_THREE, strip_2x2_##parts##_THREE,                  \
                    strip_3x2_##parts##_THREE                                          \
            }                                                                          \
        }                                                                              \
    }

/* n outputs of each row, in the largest strips. Four are two of two rather than three
 * and one. */
void mico_dw_row(mico_dw_strip *s, const uint8_t *q, size_t n, size_t rows,
                 size_t parts)
{
    static const strip_fn all[3][2][KINDS][3] = {STRIP_ROWS(1), STRIP_ROWS(2),
                                                 STRIP_ROWS(4)};
    static const uint8_t most[2][KINDS] = {{1, 4, 4}, {1, 2, 3}};
    const int kind = !s->single ? SINGLY : s->groups == 1 && s->kw == 3 ? THREE : ANY;
    const size_t best = most[rows - 1][kind];

    while (n > 0) {
        const bool whole = n >= best && !(best == 3 && n == 4);
        const size_t m = whole ? best : n >= 2 ? 2 : 1;

        all[parts / 2][rows - 1][kind][m < 3 ? m - 1 : 2](s, q);
        q += m * s->step_bytes;
        n -= m;
        for (size_t r = 0; r < rows; r++)
            for (size_t i = 0; i < parts; i++)
                s->out[r][i] += m * s->pixel_bytes;
    }
}

#endif
