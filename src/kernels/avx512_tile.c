/* avx512_tile.c: the VNNI register tile under convolutions and linear layers. */
#include "kernels/avx512_internal.h"

#if MICO_KERNELS_X86

size_t mico_mac_groups(size_t c_out)
{
    return (c_out + 15) / 16;
}

size_t mico_mac_block(size_t groups_left)
{
    return groups_left >= 4 ? 4 : groups_left >= 2 ? 2 : 1;
}

size_t mico_mac_packed_bytes(size_t c_out, size_t n_rows, size_t run)
{
    return mico_mac_groups(c_out) * n_rows * ((run + 3) / 4) * 64;
}

void mico_mac_pack(const int8_t *q, size_t c_out, size_t n_rows, size_t run,
                   void *packed)
{
    const size_t groups = mico_mac_groups(c_out), quads = (run + 3) / 4;
    int8_t *to = packed;

    for (size_t g = 0, block; g < groups; g += block) {
        block = mico_mac_block(groups - g);
        for (size_t row = 0; row < n_rows; row++)
            for (size_t k = 0; k < quads * 4; k += 4)
                for (size_t lane = 0; lane < 16 * block; lane++)
                    for (size_t e = k; e < k + 4; e++) {
                        const size_t oc = 16 * g + lane;

                        *to++ = oc < c_out && e < run ? q[(oc * n_rows + row) * run + e]
                                                      : 0;
                    }
    }
}

size_t mico_mac_consts_bytes(const mico_plan *plan, const mico_op *op)
{
    (void)plan;
    return mico_mac_groups(op->weights->c_out) * 16 *
           (sizeof(int32_t) + sizeof(double));
}

void mico_mac_prepare(const mico_plan *plan, const mico_op *op, void *consts)
{
    const mico_qweights *w = op->weights;
    const uint32_t zero = (uint32_t)mico_op_input(plan, op, 0)->zero;
    const size_t lanes = mico_mac_groups(w->c_out) * 16;
    double *scale = consts;
    int32_t *bias = (int32_t *)(scale + lanes);

    for (size_t c = 0; c < lanes; c++) {
        bias[c] = 0;
        scale[c] = 0;
        if (c >= w->c_out)
            continue;
        /* Modulo 2^32, as the accumulation is: only the final sum must fit. */
        bias[c] = (int32_t)((uint32_t)op->bias[c] - zero * (uint32_t)w->sum[c]);
        if (op->mult != NULL)
            scale[c] = mico_scale_of(op->mult[c], op->shift[c]);
    }
}

mico_mac_consts mico_mac_consts_of(const mico_call *call)
{
    const double *scale = call->consts;

    return (mico_mac_consts){
        scale,
        (const int32_t *)(scale + mico_mac_groups(call->op->weights->c_out) * 16)};
}

bool mico_avx512_mac_ok(const mico_plan *plan, const mico_op *op)
{
    const mico_plan_tensor *y = mico_op_output(plan, op);

    if (mico_op_input(plan, op, 0)->format.width == 32 ||
        op->rounding != MICO_ROUND_HALF_UP)
        return false;
    return y->format.width == 32 || mico_epilogue_narrow(y, &op->epilogue);
}

void mico_mac_finish_wide(const mico_plan *plan, const mico_op *op, uint8_t *out,
                          size_t n_images)
{
    const mico_plan_tensor *y = mico_op_output(plan, op);
    const size_t c_out = op->weights->c_out, count = n_images * (y->bytes / 4);

    if (y->format.width != 32 || op->mult == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        const size_t c = i % c_out;

        mico_value_put(
            y, &op->epilogue,
            mico_requantize(mico_value_get(y, out, i), op->mult[c], op->shift[c]), out,
            i);
    }
}

/* ---- the tile ------------------------------------------------------------------ */

/* One quad of one run: nr weight vectors, one broadcast dword per pixel. Pixels hang on
 * base pointers three apart: their addresses are base + 0, 1, 2 times step. */
MICO_INLINE void tile_quad(__m512i *acc, const uint8_t *const *base, size_t step,
                           size_t offset, const int8_t *w, const int m, const int nr)
{
    __m512i wv[4];
#pragma GCC unroll 32
    for (int j = 0; j < nr; j++)
        wv[j] = _mm512_load_si512(w + 64 * j);
#pragma GCC unroll 32
    for (int i = 0; i < m; i++) {
        int32_t quad;

        memcpy(&quad, base[i / 3] + (size_t)(i % 3) * step + offset, 4);
        const __m512i b = _mm512_set1_epi32(quad);
#pragma GCC unroll 32
        for (int j = 0; j < nr; j++)
            acc[i * nr + j] = mico_dot(acc[i * nr + j], b, wv[j]);
    }
}

/* Accumulates m pixels times nr groups over all runs. */
MICO_INLINE void tile_accumulate(__m512i *acc, const mico_mac_line *t,
                                 const uint8_t *in, const int8_t *w,
                                 const int32_t *bias, const int m, const int nr)
{
    const size_t step = t->in_step;
#pragma GCC unroll 32
    for (int i = 0; i < m * nr; i++)
        acc[i] = _mm512_load_si512(bias + 16 * (i % nr));
    for (size_t row = 0; row < t->n_rows; row++, in += t->row_step) {
        const uint8_t *base[6];
        size_t q = t->quads;
#pragma GCC unroll 32
        for (int i = 0; i < (m + 2) / 3; i++)
            base[i] = in + 3 * (size_t)i * step;
        for (; q >= 4; q -= 4) {
#pragma GCC unroll 32
            for (int u = 0; u < 4; u++)
                tile_quad(acc, base, step, 4 * (size_t)u, w + 64 * nr * u, m, nr);
#pragma GCC unroll 32
            for (int i = 0; i < (m + 2) / 3; i++)
                base[i] += 16;
            w += 256 * nr;
        }
        for (; q > 0; q--) {
            tile_quad(acc, base, step, 0, w, m, nr);
#pragma GCC unroll 32
            for (int i = 0; i < (m + 2) / 3; i++)
                base[i] += 4;
            w += 64 * nr;
        }
    }
}

/* Stores int32 accumulators. */
MICO_INLINE void tile_store_raw(const __m512i *acc, const mico_mac_line *t,
                                uint8_t *out, size_t first, const int m, const int nr)
{
#pragma GCC unroll 32
    for (int j = 0; j < nr; j++) {
        const size_t channel = 16 * (first + (size_t)j);
        const __mmask16 mask = mico_mask16(t->c_out - channel);
#pragma GCC unroll 32
        for (int i = 0; i < m; i++)
            _mm512_mask_storeu_epi32(out + (size_t)i * t->out_step + 4 * channel, mask,
                                     acc[i * nr + j]);
    }
}

/* Stores the codes of two groups of one pixel, or of one group of two pixels; the last
 * group may be cut by c_out. */
MICO_INLINE void tile_store(const __m512i *acc, const mico_mac_line *t, uint8_t *out,
                            size_t first, const int m, const int nr)
{
    const mico_vec_epilogue e = mico_vec_epilogue_of(t->epilogue);
    const double *scale = t->consts->scale + 16 * first;
    const size_t left = t->c_out - 16 * first;

    out += 16 * first;
    if (nr == 1) {
        const __mmask16 mask = mico_mask16(left);
#pragma GCC unroll 32
        for (int i = 0; i < m; i += 2) {
            const int next = i + 1 < m ? i + 1 : i;
            const __m256i b = mico_vec_codes32(acc[i], scale, acc[next], scale, &e);
            uint8_t *to = out + (size_t)i * t->out_step;
            uint8_t *to_next = out + (size_t)next * t->out_step;

            if (mask == 0xffff) {
                _mm_storeu_si128((__m128i *)to, _mm256_castsi256_si128(b));
                _mm_storeu_si128((__m128i *)to_next, _mm256_extracti128_si256(b, 1));
            } else {
                _mm_mask_storeu_epi8(to, mask, _mm256_castsi256_si128(b));
                _mm_mask_storeu_epi8(to_next, mask, _mm256_extracti128_si256(b, 1));
            }
        }
        return;
    }
#pragma GCC unroll 32
    for (int j = 0; j < nr; j += 2) {
        const __mmask32 mask = mico_mask32(left - 16 * (size_t)j);
#pragma GCC unroll 32
        for (int i = 0; i < m; i++) {
            const __m256i b =
                mico_vec_codes32(acc[i * nr + j], scale + 16 * j, acc[i * nr + j + 1],
                                 scale + 16 * j + 16, &e);
            uint8_t *to = out + (size_t)i * t->out_step + 16 * j;

            if (mask == ~(__mmask32)0)
                _mm256_storeu_si256((__m256i *)to, b);
            else
                _mm256_mask_storeu_epi8(to, mask, b);
        }
    }
}

typedef void (*tile_fn)(const mico_mac_line *t, const uint8_t *in, uint8_t *out,
                        size_t first);

#define TILE(m, nr)                                                                    \
    static MICO_AVX512 void tile_##m##x##nr(const mico_mac_line *t, const uint8_t *in, \
                                            uint8_t *out, size_t first)                \
    {                                                                                  \
        const int8_t *w = t->packed + first * t->n_rows * t->quads * 64;               \
        __m512i acc[(m) * (nr)];                                                       \
                                                                                       \
        tile_accumulate(acc, t, in, w, t->consts->bias + 16 * first, m, nr);           \
        if (t->raw)                                                                    \
            tile_store_raw(acc, t, out, first, m, nr);                                 \
        else                                                                           \
            tile_store(acc, t, out, first, m, nr);                                     \
    }
TILE(16, 1)
TILE(8, 1)
TILE(4, 1)
TILE(2, 1)
TILE(1, 1)
TILE(8, 2)
TILE(4, 2)
TILE(2, 2)
TILE(1, 2)
TILE(4, 4)
TILE(2, 4)
TILE(1, 4)

/* Largest tile first, halving. */
static const struct tile_family {
    size_t largest;
    tile_fn fn[5];
} tile_families[5] = {
    [1] = {16, {tile_16x1, tile_8x1, tile_4x1, tile_2x1, tile_1x1}},
    [2] = {8, {tile_8x2, tile_4x2, tile_2x2, tile_1x2}},
    [4] = {4, {tile_4x4, tile_2x4, tile_1x4}},
};

/* Whole tiles from the left; the rest is the smallest tile that covers it, moved left
 * where it would stick out (the pixels that it does twice get the same bytes). */
void mico_mac_run(const mico_mac_line *line, size_t first)
{
    const struct tile_family *f =
        &tile_families[mico_mac_block(mico_mac_groups(line->c_out) - first)];
    size_t size = f->largest, level = 0, x = 0;

    while (x < line->n) {
        const size_t left = line->n - x;

        while (size > line->n || size / 2 >= left) {
            size /= 2;
            level++;
        }
        if (size > left)
            x = line->n - size;
        f->fn[level](line, line->in + x * line->in_step, line->out + x * line->out_step,
                     first);
        x += size;
    }
}

#endif
