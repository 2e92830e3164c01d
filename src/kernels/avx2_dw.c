/* avx2_dw.c: depthwise convolution with AVX2, 32 channels at a time.
 *
 * Four kernel rows of one column are interleaved by unpack instructions so that a dword
 * holds four taps of one channel, as vpmaddubsw and vpmaddwd want them; each column of
 * the padded image is interleaved once and serves all outputs of the strip that see it.
 * The unpacks leave channel 16*h + 4*v + e of a block in vector v, lane 4*h + e, and
 * the packs of the epilogue undo exactly that order. Kernels taller than 4 take several
 * passes.
 *
 * Weights that could saturate (avx2_internal.h) are split, w = a + b with |a|, |b| <=
 * 64, into two sets, the sums of which are added: each pair sum of either is exact. */
#include "kernels/avx2_internal.h"

#if MICO_KERNELS_X86

#define SLACK_BYTES 64 /* the last pixel is read 32 channels wide */
#define BLOCK       ((size_t)32)
#define SET_BYTES   ((size_t)128) /* weights of a block, four rows of one column */

/* Channel of a block in vector v (0-3), lane (0-7). */
static size_t lane_channel(size_t v, size_t lane)
{
    return 16 * (lane / 4) + 4 * v + lane % 4;
}

static size_t block_count(size_t channels)
{
    return (channels + BLOCK - 1) / BLOCK;
}

static bool supports(const mico_plan *plan, const mico_op *op)
{
    return op->kind == MICO_OP_CONV && op->node->groups > 1 &&
           op->node->groups == op->node->c_in && op->node->groups == op->node->c_out &&
           op->rounding == MICO_ROUND_HALF_UP &&
           mico_op_output(plan, op)->format.width != 32 && mico_avx2_mac_ok(plan, op);
}

/* ---- packing ------------------------------------------------------------------- */

/* Weight at (ky, kx) of a channel; 0 outside. */
static int weight_at(const mico_op *op, size_t channel, size_t ky, size_t kx)
{
    const mico_window *win = &op->node->window;

    return channel < op->weights->c_out && ky < win->kh
               ? op->weights->q[(channel * win->kh + ky) * win->kw + kx]
               : 0;
}

/* 1, or 0 where two neighbouring rows of one sign add up to more than 128. */
static uint64_t depth_of(const mico_op *op)
{
    const mico_window *win = &op->node->window;

    for (size_t c = 0; c < op->weights->c_out; c++)
        for (size_t ky = 0; ky < win->kh; ky += 2)
            for (size_t kx = 0; kx < win->kw; kx++) {
                const int a = weight_at(op, c, ky, kx);
                const int b = weight_at(op, c, ky + 1, kx);

                if ((a > 0 && b > 0 && a + b > 128) || (a < 0 && b < 0 && a + b < -128))
                    return 0;
            }
    return 1;
}

static size_t sets_of(uint64_t depth)
{
    return depth == 0 ? 2 : 1;
}

static size_t block_bytes(const mico_op *op, size_t sets)
{
    const mico_window *win = &op->node->window;

    return (win->kh + 3) / 4 * win->kw * sets * SET_BYTES;
}

/* One set of weights, two where the depth is 0: [block][row pass][kernel
 * column][set][vector][lane][4 rows]. */
static size_t bytes_at(const mico_op *op, uint64_t depth)
{
    return MICO_AVX2_HEADER +
           block_count(op->weights->c_out) * block_bytes(op, sets_of(depth));
}

static void pack_at(const mico_op *op, uint64_t depth, void *packed)
{
    const mico_window *win = &op->node->window;
    const size_t sets = sets_of(depth);
    const mico_avx2_header header = {depth};
    int8_t *to = (int8_t *)packed + MICO_AVX2_HEADER;

    memset(packed, 0, MICO_AVX2_HEADER);
    memcpy(packed, &header, sizeof header);
    for (size_t b = 0; b < block_count(op->weights->c_out); b++)
        for (size_t row = 0; row < win->kh; row += 4)
            for (size_t kx = 0; kx < win->kw; kx++)
                for (size_t k = 0; k < sets * SET_BYTES; k++) {
                    const size_t in_set = k % SET_BYTES;
                    const size_t c =
                        b * BLOCK + lane_channel(in_set / 32, in_set / 4 % 8);
                    const int w = weight_at(op, c, row + k % 4, kx);

                    /* halves: w/2 towards 0, and the rest */
                    *to++ = (int8_t)(sets == 1 ? w : k < SET_BYTES ? w / 2 : w - w / 2);
                }
}

MICO_AVX2_PACKERS

/* ---- the strip ----------------------------------------------------------------- */

typedef struct strip {
    const int8_t *packed; /* of the block */
    const int32_t *bias;  /* [vector][lane] of the block */
    const double *scale;  /* as bias */
    const mico_epilogue *epilogue;
    size_t kh, kw, stride, dilation; /* of columns */
    size_t row_step, pixel_step;     /* of kernel rows, and bytes a pixel */
    size_t out_step, channels;       /* that exist in the block */
} strip;

/* Four rows of 32 channels -> four vectors of 8 channels times 4 rows. */
MICO_AVX2_INLINE void interleave(__m256i *q, const uint8_t *const *row)
{
    const __m256i r0 = _mm256_loadu_si256((const __m256i *)row[0]);
    const __m256i r1 = _mm256_loadu_si256((const __m256i *)row[1]);
    const __m256i r2 = _mm256_loadu_si256((const __m256i *)row[2]);
    const __m256i r3 = _mm256_loadu_si256((const __m256i *)row[3]);
    const __m256i lo01 = _mm256_unpacklo_epi8(r0, r1);
    const __m256i hi01 = _mm256_unpackhi_epi8(r0, r1);
    const __m256i lo23 = _mm256_unpacklo_epi8(r2, r3);
    const __m256i hi23 = _mm256_unpackhi_epi8(r2, r3);

    q[0] = _mm256_unpacklo_epi16(lo01, lo23);
    q[1] = _mm256_unpackhi_epi16(lo01, lo23);
    q[2] = _mm256_unpacklo_epi16(hi01, hi23);
    q[3] = _mm256_unpackhi_epi16(hi01, hi23);
}

/* Sets of weights: one, two, one for AVX-VNNI. */
enum { ONE, TWO, VNNI };
#define SETS(kind) ((kind) == TWO ? 2 : 1)

/* acc += four taps of each channel of one vector, by one set of its weights. */
MICO_AVX2_INLINE __m256i dot_set(__m256i acc, __m256i q, const int8_t *w)
{
    const __m256i ones = _mm256_set1_epi16(1);
    const __m256i part = _mm256_load_si256((const __m256i *)w);

    return mico_avx2_add32(acc, _mm256_madd_epi16(_mm256_maddubs_epi16(q, part), ones));
}

/* The same by all its weights; w: of vector 0. */
MICO_AVX2_INLINE __m256i dot(__m256i acc, __m256i q, const int8_t *w, const int v,
                             const int kind)
{
    w += 32 * v;
    if (kind == VNNI)
        return mico_avxvnni_dot(acc, q, _mm256_load_si256((const __m256i *)w));
    acc = dot_set(acc, q, w);
    return kind == TWO ? dot_set(acc, q, w + SET_BYTES) : acc;
}

MICO_AVX2_INLINE void strip_store(const __m256i *acc, const strip *s, uint8_t *out,
                                  const int m)
{
    const mico_avx2_epilogue e = mico_avx2_epilogue_of(s->epilogue);
#pragma GCC unroll 8
    for (int i = 0; i < m; i++, out += s->out_step) {
        __m128i lo[4], hi[4];
#pragma GCC unroll 8
        for (int v = 0; v < 4; v++) {
            const __m256i a = acc[4 * i + v];

            lo[v] = mico_avx2_round(_mm256_castsi256_si128(a), s->scale + 8 * v, &e);
            hi[v] = mico_avx2_round(_mm256_extracti128_si256(a, 1),
                                    s->scale + 8 * v + 4, &e);
        }
        mico_avx2_store(out, mico_avx2_codes(lo[0], lo[1], lo[2], lo[3], &e),
                        s->channels);
        if (s->channels > 16)
            mico_avx2_store(out + 16, mico_avx2_codes(hi[0], hi[1], hi[2], hi[3], &e),
                            s->channels - 16);
    }
}

/* The four rows of a pass; those that do not exist have zero weights. */
MICO_AVX2_INLINE void pass_rows(const uint8_t **row, const strip *s, const uint8_t *in,
                                size_t pass)
{
    for (size_t r = 0; r < 4; r++)
        row[r] = in + (pass + r < s->kh ? pass + r : s->kh - 1) * s->row_step;
}

/* m neighbouring outputs of one row for a kernel 3 wide: all accumulators stay in
 * registers. */
MICO_AVX2_INLINE void strip_3(const strip *s, const uint8_t *in, uint8_t *out,
                              const int m, const int stride, const int kind)
{
    const int8_t *w = s->packed;
    __m256i acc[8];
#pragma GCC unroll 8
    for (int i = 0; i < 4 * m; i++)
        acc[i] = _mm256_load_si256((const __m256i *)(s->bias + 8 * (i % 4)));
    for (size_t pass = 0; pass < s->kh; pass += 4, w += 3 * 128 * SETS(kind)) {
        const uint8_t *row[4];

        pass_rows(row, s, in, pass);
#pragma GCC unroll 8
        for (int x = 0; x < (m - 1) * stride + 3; x++) {
            __m256i q[4];

            interleave(q, row);
            for (int r = 0; r < 4; r++)
                row[r] += s->pixel_step;
#pragma GCC unroll 8
            for (int i = 0; i < m; i++) {
                const int kx = x - i * stride;

                if (kx < 0 || kx >= 3)
                    continue;
#pragma GCC unroll 8
                for (int v = 0; v < 4; v++)
                    acc[4 * i + v] =
                        dot(acc[4 * i + v], q[v], w + 128 * SETS(kind) * kx, v, kind);
            }
        }
    }
    strip_store(acc, s, out, m);
}

typedef void (*strip_fn)(const strip *s, const uint8_t *in, uint8_t *out);

#define STRIP(target, m, stride, kind)                                                 \
    static target void strip_##m##_s##stride##_##kind(const strip *s,                  \
                                                      const uint8_t *in, uint8_t *out) \
    {                                                                                  \
        strip_3(s, in, out, m, stride, kind);                                          \
    }

/* One output of any kernel width: columns one after the other. */
MICO_AVX2_INLINE void strip_any(const strip *s, const uint8_t *in, uint8_t *out,
                                const int kind)
{
    const int8_t *w = s->packed;
    __m256i acc[4], q[4];

    for (int v = 0; v < 4; v++)
        acc[v] = _mm256_load_si256((const __m256i *)(s->bias + 8 * v));
    for (size_t pass = 0; pass < s->kh; pass += 4) {
        const uint8_t *row[4];

        pass_rows(row, s, in, pass);
        for (size_t kx = 0; kx < s->kw; kx++, w += 128 * SETS(kind)) {
            interleave(q, row);
            for (int v = 0; v < 4; v++) {
                acc[v] = dot(acc[v], q[v], w, v, kind);
                row[v] += s->dilation * s->pixel_step;
            }
        }
    }
    strip_store(acc, s, out, 1);
}

#define STRIPS(target, kind)                                                           \
    STRIP(target, 2, 1, kind)                                                          \
    STRIP(target, 2, 2, kind)                                                          \
    STRIP(target, 1, 1, kind)                                                          \
    static target void strip_any_##kind(const strip *s, const uint8_t *in,             \
                                        uint8_t *out)                                  \
    {                                                                                  \
        strip_any(s, in, out, kind);                                                   \
    }
STRIPS(MICO_AVX2, ONE)
STRIPS(MICO_AVX2, TWO)
STRIPS(MICO_AVXVNNI, VNNI)

/* By kind: pairs of outputs at strides 1 and 2, single ones, any kernel. */
static const struct strip_family {
    strip_fn pair[2], one, any;
} strip_families[3] = {
    [ONE] = {{strip_2_s1_ONE, strip_2_s2_ONE}, strip_1_s1_ONE, strip_any_ONE},
    [TWO] = {{strip_2_s1_TWO, strip_2_s2_TWO}, strip_1_s1_TWO, strip_any_TWO},
    [VNNI] = {{strip_2_s1_VNNI, strip_2_s2_VNNI}, strip_1_s1_VNNI, strip_any_VNNI},
};

/* One output row: pairs of outputs, then a last one. */
static void row_run(const strip *s, const struct strip_family *f, const uint8_t *in,
                    uint8_t *out, size_t width)
{
    const bool three = s->kw == 3 && s->dilation == 1;
    const size_t step = s->stride * s->pixel_step;
    size_t x = 0;

    for (; three && s->stride <= 2 && x + 2 <= width; x += 2)
        f->pair[s->stride - 1](s, in + x * step, out + x * s->out_step);
    for (; x < width; x++)
        (three ? f->one : f->any)(s, in + x * step, out + x * s->out_step);
}

/* ---- the op -------------------------------------------------------------------- */

static size_t padded_bytes(const mico_extent *e, const mico_window *win)
{
    return (e->h + win->pad_top + win->pad_bottom) *
           (e->w + win->pad_left + win->pad_right) * e->c;
}

static size_t scratch_bytes(const mico_plan *plan, const mico_op *op)
{
    const mico_extent e = mico_extent_of(mico_op_input(plan, op, 0));

    return mico_round_up(padded_bytes(&e, &op->node->window) + SLACK_BYTES, 64);
}

static size_t consts_bytes(const mico_plan *plan, const mico_op *op)
{
    (void)plan;
    return block_count(op->weights->c_out) * BLOCK * (sizeof(double) + sizeof(int32_t));
}

/* Bias and scale in lane order; channels that do not exist get zeros. */
static void prepare(const mico_plan *plan, const mico_op *op, void *consts)
{
    const size_t channels = op->weights->c_out, lanes = block_count(channels) * BLOCK;
    const uint32_t zero = (uint32_t)mico_op_input(plan, op, 0)->zero;
    double *scale = consts;
    int32_t *bias = (int32_t *)(scale + lanes);

    memset(consts, 0, consts_bytes(plan, op));
    for (size_t k = 0; k < lanes; k++) {
        const size_t c = k / BLOCK * BLOCK + lane_channel(k % BLOCK / 8, k % 8);

        if (c >= channels)
            continue;
        bias[k] =
            (int32_t)((uint32_t)op->bias[c] - zero * (uint32_t)op->weights->sum[c]);
        scale[k] = mico_avx2_scale(op->mult[c], op->shift[c]);
    }
}

/* All blocks of one padded image. */
static void run_image(const mico_call *call, strip s, uint64_t depth,
                      const uint8_t *padded, uint8_t *out)
{
    const struct strip_family *f = &strip_families[depth == MICO_AVX2_VNNI ? VNNI
                                                   : depth == 0            ? TWO
                                                                           : ONE];
    const mico_op *op = call->op;
    const mico_extent to = mico_extent_of(mico_op_output(call->plan, op));
    const size_t rows_step =
        op->node->window.stride_h * (s.row_step / op->node->window.dilation_h);

    for (size_t c = 0; c < to.c; c += BLOCK) {
        s.channels = to.c - c < BLOCK ? to.c - c : BLOCK;
        for (size_t oy = 0; oy < to.h; oy++)
            row_run(&s, f, padded + oy * rows_step + c, out + oy * to.w * to.c + c,
                    to.w);
        s.packed += block_bytes(op, sets_of(depth));
        s.bias += BLOCK;
        s.scale += BLOCK;
    }
}

static void run(const mico_call *call)
{
    const mico_op *op = call->op;
    const mico_plan_tensor *x = mico_op_input(call->plan, op, 0);
    const mico_plan_tensor *y = mico_op_output(call->plan, op);
    const mico_window *win = &op->node->window;
    const mico_extent e = mico_extent_of(x);
    const size_t line = (e.w + win->pad_left + win->pad_right) * e.c;
    uint8_t *padded = call->scratch;
    uint8_t *inside = padded + win->pad_top * line + win->pad_left * e.c;
    mico_avx2_header header;
    strip s = {.packed = (const int8_t *)call->packed + MICO_AVX2_HEADER,
               .scale = call->consts,
               .epilogue = &op->epilogue,
               .kh = win->kh,
               .kw = win->kw,
               .stride = win->stride_w,
               .dilation = win->dilation_w,
               .row_step = win->dilation_h * line,
               .pixel_step = e.c,
               .out_step = e.c};

    memcpy(&header, call->packed, sizeof header);
    s.bias = (const int32_t *)(s.scale + block_count(e.c) * BLOCK);
    memset(padded, (int)x->zero, padded_bytes(&e, win) + SLACK_BYTES);
    for (size_t n = 0; n < call->n_images; n++) {
        const uint8_t *image = call->in[0] + n * x->bytes;

        for (size_t r = 0; r < e.h; r++)
            memcpy(inside + r * line, image + r * e.w * e.c, e.w * e.c);
        run_image(call, s, header.depth, padded, call->out + n * y->bytes);
    }
}

MICO_AVX2_ENTRIES(conv_depthwise, consts_bytes, prepare)

#endif
