/* avx2_tile.c: the AVX2 register tile under convolutions and linear layers. */
#include "kernels/avx2_internal.h"

#if MICO_KERNELS_X86

/* Vectors of 8 channels share broadcasts in blocks of 2, the last block may have 1. */
#define BLOCK_CHANNELS ((size_t)16)

/* ---- packing ------------------------------------------------------------------- */

/* Weight e of a run, 0 behind its end. */
static int weight_at(const mico_avx2_weights *w, size_t channel, size_t run, size_t e)
{
    return channel < w->c_out && e < w->run
               ? w->q[(channel * w->n_runs + run) * w->run + e]
               : 0;
}

/* True if the weights of one run that meet in an int16 lane over depth quads have sums
 * within +-128 by sign. */
static bool run_fits(const int8_t *q, size_t run, uint64_t depth)
{
    for (size_t k = 0; k < run; k += 4 * depth) {
        const size_t end = run - k < 4 * depth ? run : k + 4 * depth;
        int up[2] = {0, 0}, down[2] = {0, 0};

        for (size_t e = k; e < end; e++) {
            const size_t lane = e / 2 % 2;

            up[lane] += q[e] > 0 ? q[e] : 0;
            down[lane] -= q[e] < 0 ? q[e] : 0;
        }
        if (up[0] > 128 || up[1] > 128 || down[0] > 128 || down[1] > 128)
            return false;
    }
    return true;
}

static bool depth_fits(const mico_avx2_weights *w, uint64_t depth)
{
    for (size_t r = 0; r < w->c_out * w->n_runs; r++)
        if (!run_fits(w->q + r * w->run, w->run, depth))
            return false;
    return true;
}

uint64_t mico_avx2_depth(const mico_avx2_weights *w, uint64_t most)
{
    uint64_t depth = 0, next = 1;

    for (; next <= most && depth_fits(w, next); next *= 2)
        depth = next;
    return depth == 2 ? 1 : depth; /* two do not pay for the way to memory and back */
}

size_t mico_avx2_packed_bytes(const mico_avx2_weights *w, uint64_t depth)
{
    return mico_avx2_lanes(w->c_out) / 8 * w->n_runs * mico_avx2_steps(w->run, depth) *
           32;
}

void mico_avx2_pack(const mico_avx2_weights *w, uint64_t depth, int8_t *to)
{
    const size_t steps = mico_avx2_steps(w->run, depth), each = depth > 0 ? 4 : 2;

    for (size_t first = 0; first < w->c_out; first += BLOCK_CHANNELS) {
        const size_t lanes = w->c_out - first > 8 ? 16 : 8;

        for (size_t run = 0; run < w->n_runs; run++)
            for (size_t s = 0; s < steps; s++)
                for (size_t lane = 0; lane < lanes; lane++)
                    for (size_t e = 0; e < each; e++) {
                        const int q = weight_at(w, first + lane, run, each * s + e);

                        if (depth > 0) {
                            *to++ = (int8_t)q;
                        } else {
                            const int16_t wide = (int16_t)q;

                            memcpy(to, &wide, 2);
                            to += 2;
                        }
                    }
    }
}

/* ---- constants ----------------------------------------------------------------- */

static size_t group_count(const mico_op *op)
{
    return op->kind == MICO_OP_CONV ? op->node->groups : 1;
}

static size_t lane_count(const mico_op *op)
{
    const size_t groups = group_count(op);

    return groups * mico_avx2_lanes(op->weights->c_out / groups);
}

size_t mico_avx2_consts_bytes(const mico_plan *plan, const mico_op *op)
{
    (void)plan;
    return lane_count(op) * (sizeof(int32_t) + sizeof(double));
}

void mico_avx2_prepare(const mico_plan *plan, const mico_op *op, void *consts)
{
    const mico_qweights *w = op->weights;
    const uint32_t zero = (uint32_t)mico_op_input(plan, op, 0)->zero;
    const size_t each = w->c_out / group_count(op), lanes = mico_avx2_lanes(each);
    double *scale = consts;
    int32_t *bias = (int32_t *)(scale + lane_count(op));

    memset(consts, 0, mico_avx2_consts_bytes(plan, op));
    for (size_t c = 0; c < w->c_out; c++) {
        const size_t k = c / each * lanes + c % each;

        /* Modulo 2^32, as the accumulation is: only the final sum must fit. */
        bias[k] = (int32_t)((uint32_t)op->bias[c] - zero * (uint32_t)w->sum[c]);
        if (op->rounding == MICO_ROUND_HALF_UP && op->mult != NULL)
            scale[k] = mico_avx2_scale(op->mult[c], op->shift[c]);
    }
}

bool mico_avx2_mac_ok(const mico_plan *plan, const mico_op *op)
{
    const mico_plan_tensor *y = mico_op_output(plan, op);

    if (mico_op_input(plan, op, 0)->format.width == 32)
        return false;
    if (op->rounding != MICO_ROUND_HALF_UP)
        return mico_finish_of(op->rounding) != NULL;
    return y->format.width == 32 || mico_avx2_narrow(y, &op->epilogue);
}

void mico_avx2_finish_wide(const mico_plan *plan, const mico_op *op, uint8_t *out,
                           size_t n_images)
{
    const mico_plan_tensor *y = mico_op_output(plan, op);
    const size_t c_out = op->weights->c_out, count = n_images * (y->bytes / 4);

    if (y->format.width != 32 || op->rounding != MICO_ROUND_HALF_UP || op->mult == NULL)
        return;
    for (size_t i = 0; i < count; i++) {
        const size_t c = i % c_out;

        mico_value_put(
            y, &op->epilogue,
            mico_requantize(mico_value_get(y, out, i), op->mult[c], op->shift[c]), out,
            i);
    }
}

MICO_AVX2 void mico_avx2_widen(const uint8_t *in, size_t n, uint16_t *out)
{
    size_t i = 0;

    for (; i + 16 <= n; i += 16)
        _mm256_storeu_si256((__m256i *)(out + i), _mm256_cvtepu8_epi16(_mm_loadu_si128(
                                                      (const __m128i *)(in + i))));
    for (; i < n; i++)
        out[i] = in[i];
}

/* ---- the tile ------------------------------------------------------------------ */

enum { WIDE, SHALLOW, DEEP, VNNI }; /* depth 0, 1, more; none */

/* Pixels hang on base pointers three apart: addresses are base + 0, 1, 2 times step. */
MICO_AVX2_INLINE __m256i tile_broadcast(const uint8_t *const *base, size_t step,
                                        size_t offset, const int i)
{
    int32_t dword;

    memcpy(&dword, base[i / 3] + (size_t)(i % 3) * step + offset, 4);
    return _mm256_set1_epi32(dword);
}

/* One step of one run: nr weight vectors, one broadcast dword per pixel. sum: int32,
 * of DEEP int16. */
MICO_AVX2_INLINE void tile_step(__m256i *sum, const uint8_t *const *base, size_t step,
                                size_t offset, const int8_t *w, const int kind,
                                const int m, const int nr)
{
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i wv[2];
#pragma GCC unroll 8
    for (int j = 0; j < nr; j++)
        wv[j] = _mm256_load_si256((const __m256i *)(w + 32 * j));
#pragma GCC unroll 8
    for (int i = 0; i < m; i++) {
        const __m256i b = tile_broadcast(base, step, offset, i);
#pragma GCC unroll 8
        for (int j = 0; j < nr; j++) {
            __m256i *s = &sum[i * nr + j];

            if (kind == VNNI)
                *s = mico_avxvnni_dot(*s, b, wv[j]);
            else if (kind == WIDE)
                *s = mico_avx2_add32(*s, _mm256_madd_epi16(b, wv[j]));
            else if (kind == SHALLOW)
                *s = mico_avx2_add32(
                    *s, _mm256_madd_epi16(_mm256_maddubs_epi16(b, wv[j]), ones));
            else
                *s = mico_avx2_add16(*s, _mm256_maddubs_epi16(b, wv[j]));
        }
    }
}

/* n steps from the base pointers on, which advance. */
MICO_AVX2_INLINE const int8_t *tile_steps(__m256i *sum, const uint8_t **base,
                                          size_t step, size_t n, const int8_t *w,
                                          const int kind, const int m, const int nr)
{
    for (; n >= 2; n -= 2, w += 64 * nr) {
        tile_step(sum, base, step, 0, w, kind, m, nr);
        tile_step(sum, base, step, 4, w + 32 * nr, kind, m, nr);
#pragma GCC unroll 8
        for (int i = 0; i < (m + 2) / 3; i++)
            base[i] += 8;
    }
    if (n > 0) {
        tile_step(sum, base, step, 0, w, kind, m, nr);
        w += 32 * nr;
#pragma GCC unroll 8
        for (int i = 0; i < (m + 2) / 3; i++)
            base[i] += 4;
    }
    return w;
}

/* DEEP: sums of depth quads in int16, then into acc. */
MICO_AVX2_INLINE const int8_t *tile_deep(__m256i *acc, const uint8_t **base,
                                         const mico_avx2_line *t, const int8_t *w,
                                         const int m, const int nr)
{
    const __m256i ones = _mm256_set1_epi16(1);

    for (size_t left = t->steps, n; left > 0; left -= n) {
        __m256i sum[8];

        n = left < t->depth ? left : t->depth;
#pragma GCC unroll 8
        for (int i = 0; i < m * nr; i++)
            sum[i] = _mm256_setzero_si256();
        w = tile_steps(sum, base, t->in_step, n, w, DEEP, m, nr);
#pragma GCC unroll 8
        for (int i = 0; i < m * nr; i++)
            acc[i] = mico_avx2_add32(acc[i], _mm256_madd_epi16(sum[i], ones));
    }
    return w;
}

/* Accumulates m pixels times nr vectors over all runs. */
MICO_AVX2_INLINE void tile_accumulate(__m256i *acc, const mico_avx2_line *t,
                                      const uint8_t *in, const int8_t *w,
                                      const int32_t *bias, const int kind, const int m,
                                      const int nr)
{
#pragma GCC unroll 8
    for (int i = 0; i < m * nr; i++)
        acc[i] = _mm256_load_si256((const __m256i *)(bias + 8 * (i % nr)));
    for (size_t row = 0; row < t->n_rows; row++, in += t->row_step)
        for (size_t column = 0; column < t->n_columns; column++) {
            const uint8_t *base[3];
#pragma GCC unroll 8
            for (int i = 0; i < (m + 2) / 3; i++)
                base[i] = in + column * t->column_step + 3 * (size_t)i * t->in_step;
            if (kind == DEEP)
                w = tile_deep(acc, base, t, w, m, nr);
            else
                w = tile_steps(acc, base, t->in_step, t->steps, w, kind, m, nr);
        }
}

/* Stores int32 accumulators; the last vector may be cut by c_out. */
MICO_AVX2_INLINE void tile_store_raw(const __m256i *acc, const mico_avx2_line *t,
                                     uint8_t *out, size_t first, const int m,
                                     const int nr)
{
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
#pragma GCC unroll 8
    for (int j = 0; j < nr; j++) {
        const size_t channel = first + 8 * (size_t)j, left = t->c_out - channel;
        const __m256i mask =
            _mm256_cmpgt_epi32(_mm256_set1_epi32(left < 8 ? (int)left : 8), lane);
#pragma GCC unroll 8
        for (int i = 0; i < m; i++)
            _mm256_maskstore_epi32(
                (int *)(void *)(out + (size_t)i * t->out_step + 4 * channel), mask,
                acc[i * nr + j]);
    }
}

/* Stores the codes of 16 or 8 channels of each pixel, fewer at c_out. */
MICO_AVX2_INLINE void tile_store(const __m256i *acc, const mico_avx2_line *t,
                                 uint8_t *out, size_t first, const int m, const int nr)
{
    const mico_avx2_epilogue e = mico_avx2_epilogue_of(t->epilogue);
    const double *scale = t->scale + first;
    const size_t left = t->c_out - first;

    out += first;
#pragma GCC unroll 8
    for (int i = 0; i < m; i++, out += t->out_step) {
        if (nr == 2) {
            mico_avx2_store(
                out, mico_avx2_codes16(acc[2 * i], acc[2 * i + 1], scale, &e), left);
        } else {
            const __m128i z0 =
                mico_avx2_round(_mm256_castsi256_si128(acc[i]), scale, &e);
            const __m128i z1 =
                mico_avx2_round(_mm256_extracti128_si256(acc[i], 1), scale + 4, &e);

            mico_avx2_store(out, mico_avx2_codes(z0, z1, z0, z1, &e),
                            left < 8 ? left : 8);
        }
    }
}

typedef void (*tile_fn)(const mico_avx2_line *t, const uint8_t *in, uint8_t *out,
                        size_t first);

#define TILE(target, kind, m, nr)                                                      \
    static target void tile_##kind##_##m##x##nr(                                       \
        const mico_avx2_line *t, const uint8_t *in, uint8_t *out, size_t first)        \
    {                                                                                  \
        const int8_t *w =                                                              \
            t->packed + first / 8 * t->n_rows * t->n_columns * t->steps * 32;          \
        __m256i acc[(m) * (nr)];                                                       \
                                                                                       \
        tile_accumulate(acc, t, in, w, t->bias + first, kind, m, nr);                  \
        if (t->raw)                                                                    \
            tile_store_raw(acc, t, out, first, m, nr);                                 \
        else                                                                           \
            tile_store(acc, t, out, first, m, nr);                                     \
    }
#define TILES(target, kind)                                                            \
    TILE(target, kind, 8, 1)                                                           \
    TILE(target, kind, 4, 1)                                                           \
    TILE(target, kind, 2, 1)                                                           \
    TILE(target, kind, 1, 1)                                                           \
    TILE(target, kind, 4, 2)                                                           \
    TILE(target, kind, 2, 2)                                                           \
    TILE(target, kind, 1, 2)
TILES(MICO_AVX2, WIDE)
TILES(MICO_AVX2, SHALLOW)
TILES(MICO_AVX2, DEEP)
TILES(MICO_AVXVNNI, VNNI)

/* Largest tile first, halving; [kind][vectors of a block - 1]. */
#define FAMILIES(kind)                                                                 \
    {                                                                                  \
        {tile_##kind##_8x1, tile_##kind##_4x1, tile_##kind##_2x1, tile_##kind##_1x1},  \
            {tile_##kind##_4x2, tile_##kind##_2x2, tile_##kind##_1x2},                 \
    }
static const tile_fn tile_families[4][2][4] = {FAMILIES(WIDE), FAMILIES(SHALLOW),
                                               FAMILIES(DEEP), FAMILIES(VNNI)};

static int kind_of(uint64_t depth)
{
    if (depth == MICO_AVX2_VNNI)
        return VNNI;
    return depth == 0 ? WIDE : depth == 1 ? SHALLOW : DEEP;
}

/* Whole tiles from the left; the rest is the smallest tile that covers it, moved left
 * where it would stick out (the pixels that it does twice get the same bytes). */
static void run_line(const mico_avx2_line *line, size_t first)
{
    const size_t vectors = line->c_out - first > 8 ? 2 : 1;
    const tile_fn *fn = tile_families[kind_of(line->depth)][vectors - 1];
    size_t size = 8 / vectors, x = 0;

    while (x < line->n) {
        const size_t left = line->n - x;

        for (; size > line->n || size / 2 >= left; size /= 2)
            fn++;
        if (size > left)
            x = line->n - size;
        (*fn)(line, line->in + x * line->in_step, line->out + x * line->out_step,
              first);
        x += size;
    }
}

void mico_avx2_run(mico_avx2_line line, size_t n_lines, size_t line_step_in,
                   size_t line_step_out)
{
    const uint8_t *in = line.in;
    uint8_t *out = line.out;

    for (size_t first = 0; first < line.c_out; first += BLOCK_CHANNELS)
        for (size_t y = 0; y < n_lines; y++) {
            line.in = in + y * line_step_in;
            line.out = out + y * line_step_out;
            run_line(&line, first);
        }
}

#endif
