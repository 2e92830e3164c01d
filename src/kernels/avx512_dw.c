/* avx512_dw.c: depthwise convolution with VNNI, 64 channels at a time.
 *
 * vpdpbusd adds four products per lane. Four kernel rows of one column are interleaved
 * by unpack instructions so that a lane holds four taps of one channel; each column of
 * the padded image is interleaved once and serves all outputs of the strip that see it.
 * The unpacks leave channel 16*l + 4*v + e of a block in vector v, lane 4*l + e, and
 * the packs of the epilogue undo exactly that order. Kernels taller than 4 take several
 * passes. */
#include "kernels/avx512_internal.h"

#if MICO_KERNELS_X86

#define SLACK_BYTES 64 /* the last pixel is read 64 channels wide */
#define BLOCK       ((size_t)64)

/* Channel of a block in vector v (0-3), lane (0-15). */
static size_t lane_channel(size_t v, size_t lane)
{
    return 16 * (lane / 4) + 4 * v + lane % 4;
}

static size_t blocks_of(size_t channels)
{
    return (channels + BLOCK - 1) / BLOCK;
}

static bool supports(const mico_plan *plan, const mico_op *op)
{
    return op->kind == MICO_OP_CONV && op->node->groups > 1 &&
           op->node->groups == op->node->c_in && op->node->groups == op->node->c_out &&
           op->node->window.dilation_h == 1 && op->node->window.dilation_w == 1 &&
           mico_op_output(plan, op)->format.width != 32 && mico_avx512_mac_ok(plan, op);
}

/* ---- packing ------------------------------------------------------------------- */

/* [block][row pass][kernel column][vector][lane][4 rows] */
static size_t packed_bytes(const mico_op *op)
{
    const mico_window *win = &op->node->window;

    return blocks_of(op->weights->c_out) * ((win->kh + 3) / 4) * win->kw * 256;
}

static void pack(const mico_op *op, void *packed)
{
    const mico_window *win = &op->node->window;
    const size_t channels = op->weights->c_out;
    int8_t *to = packed;

    for (size_t b = 0; b < blocks_of(channels); b++)
        for (size_t row = 0; row < win->kh; row += 4)
            for (size_t kx = 0; kx < win->kw; kx++)
                for (size_t k = 0; k < 256; k++) {
                    const size_t c = b * BLOCK + lane_channel(k / 64, k / 4 % 16);
                    const size_t ky = row + k % 4;

                    *to++ = c < channels && ky < win->kh
                                ? op->weights->q[(c * win->kh + ky) * win->kw + kx]
                                : 0;
                }
}

/* ---- the strip ----------------------------------------------------------------- */

typedef struct strip {
    const int8_t *packed; /* of the block */
    const int32_t *bias;  /* [vector][lane] of the block */
    const double *scale;  /* as bias */
    const mico_epilogue *epilogue;
    size_t kh, kw, stride;
    size_t row_step, pixel_step; /* bytes in the padded image */
    size_t out_step;
    __mmask64 mask; /* channels of the block that exist */
} strip;

/* Four rows of 64 channels -> four vectors of 16 channels times 4 rows. */
MICO_INLINE void interleave(__m512i *q, const uint8_t *const *row)
{
    const __m512i r0 = _mm512_loadu_si512(row[0]), r1 = _mm512_loadu_si512(row[1]);
    const __m512i r2 = _mm512_loadu_si512(row[2]), r3 = _mm512_loadu_si512(row[3]);
    const __m512i lo01 = _mm512_unpacklo_epi8(r0, r1);
    const __m512i hi01 = _mm512_unpackhi_epi8(r0, r1);
    const __m512i lo23 = _mm512_unpacklo_epi8(r2, r3);
    const __m512i hi23 = _mm512_unpackhi_epi8(r2, r3);

    q[0] = _mm512_unpacklo_epi16(lo01, lo23);
    q[1] = _mm512_unpackhi_epi16(lo01, lo23);
    q[2] = _mm512_unpacklo_epi16(hi01, hi23);
    q[3] = _mm512_unpackhi_epi16(hi01, hi23);
}

MICO_INLINE void strip_store(const __m512i *acc, const strip *s, uint8_t *out,
                             const int m)
{
    const mico_vec_epilogue e = mico_vec_epilogue_of(s->epilogue);
#pragma GCC unroll 32
    for (int i = 0; i < m; i++) {
        __m256i lo[4], hi[4];
#pragma GCC unroll 32
        for (int v = 0; v < 4; v++) {
            const __m512i a = acc[4 * i + v];

            lo[v] = mico_vec_round(_mm512_castsi512_si256(a),
                                   _mm512_load_pd(s->scale + 16 * v), &e);
            hi[v] = mico_vec_round(_mm512_extracti64x4_epi64(a, 1),
                                   _mm512_load_pd(s->scale + 16 * v + 8), &e);
        }
        const __m256i first = mico_vec_codes(lo[0], lo[1], lo[2], lo[3], &e);
        const __m256i last = mico_vec_codes(hi[0], hi[1], hi[2], hi[3], &e);
        const __m512i codes =
            _mm512_inserti64x4(_mm512_castsi256_si512(first), last, 1);
        uint8_t *to = out + (size_t)i * s->out_step;

        if (s->mask == ~(__mmask64)0)
            _mm512_storeu_si512(to, codes);
        else
            _mm512_mask_storeu_epi8(to, s->mask, codes);
    }
}

/* m neighbouring outputs of one row. kw and stride are constants in the fast instances:
 * then all accumulators stay in registers. */
MICO_INLINE void strip_run(const strip *s, const uint8_t *in, uint8_t *out, const int m,
                           const int kw, const int stride)
{
    const int8_t *w = s->packed;
    __m512i acc[16];
#pragma GCC unroll 32
    for (int i = 0; i < 4 * m; i++)
        acc[i] = _mm512_load_si512(s->bias + 16 * (i % 4));
    for (size_t pass = 0; pass < s->kh; pass += 4, w += 256 * kw) {
        const uint8_t *row[4];

        for (size_t r = 0; r < 4; r++) { /* rows that do not exist have zero weights */
            const size_t ky = pass + r < s->kh ? pass + r : s->kh - 1;

            row[r] = in + ky * s->row_step;
        }
#pragma GCC unroll 32
        for (int x = 0; x < (m - 1) * stride + kw; x++) {
            __m512i q[4];

            interleave(q, row);
            for (int r = 0; r < 4; r++)
                row[r] += s->pixel_step;
#pragma GCC unroll 32
            for (int i = 0; i < m; i++) {
                const int kx = x - i * stride;

                if (kx < 0 || kx >= kw)
                    continue;
#pragma GCC unroll 32
                for (int v = 0; v < 4; v++)
                    acc[4 * i + v] = mico_dot(acc[4 * i + v], q[v],
                                              _mm512_load_si512(w + 256 * kx + 64 * v));
            }
        }
    }
    strip_store(acc, s, out, m);
}

typedef void (*strip_fn)(const strip *s, const uint8_t *in, uint8_t *out);

#define STRIP(m, kw, stride)                                                           \
    static MICO_AVX512 void strip_##m##_k##kw##s##stride(                              \
        const strip *s, const uint8_t *in, uint8_t *out)                               \
    {                                                                                  \
        strip_run(s, in, out, m, kw, stride);                                          \
    }
STRIP(4, 3, 1)
STRIP(2, 3, 1)
STRIP(1, 3, 1)
STRIP(4, 3, 2)
STRIP(2, 3, 2)

/* One output of any kernel width: columns one after the other. */
static MICO_AVX512 void strip_1(const strip *s, const uint8_t *in, uint8_t *out)
{
    const int8_t *w = s->packed;
    __m512i acc[4], q[4];

    for (int v = 0; v < 4; v++)
        acc[v] = _mm512_load_si512(s->bias + 16 * v);
    for (size_t pass = 0; pass < s->kh; pass += 4) {
        const uint8_t *row[4];

        for (size_t r = 0; r < 4; r++)
            row[r] = in + (pass + r < s->kh ? pass + r : s->kh - 1) * s->row_step;
        for (size_t kx = 0; kx < s->kw; kx++, w += 256) {
            interleave(q, row);
#pragma GCC unroll 32
            for (int v = 0; v < 4; v++) {
                acc[v] = mico_dot(acc[v], q[v], _mm512_load_si512(w + 64 * v));
                row[v] += s->pixel_step;
            }
        }
    }
    strip_store(acc, s, out, 1);
}

/* One output row: the largest strips that fit. */
static void row_run(const strip *s, const uint8_t *in, uint8_t *out, size_t width)
{
    static const strip_fn fast[2][3] = {{strip_4_k3s1, strip_2_k3s1, strip_1_k3s1},
                                        {strip_4_k3s2, strip_2_k3s2, strip_1_k3s1}};
    const bool general = s->kw != 3 || s->stride > 2;
    size_t size = general ? 1 : 4, level = 0;

    for (size_t x = 0; x < width; x += size) {
        for (; size > width - x; size /= 2)
            level++;
        const strip_fn fn = general ? strip_1 : fast[s->stride - 1][level];

        fn(s, in + x * s->stride * s->pixel_step, out + x * s->out_step);
    }
}

/* ---- the op -------------------------------------------------------------------- */

static size_t padded_bytes(const mico_extent *e, const mico_window *win)
{
    return (e->h + win->pad_top + win->pad_bottom) *
           (e->w + win->pad_left + win->pad_right) * e->c;
}

static size_t consts_bytes(const mico_plan *plan, const mico_op *op)
{
    (void)plan;
    return blocks_of(op->weights->c_out) * BLOCK * (sizeof(double) + sizeof(int32_t));
}

static size_t scratch_bytes(const mico_plan *plan, const mico_op *op)
{
    const mico_extent e = mico_extent_of(mico_op_input(plan, op, 0));

    return mico_round_up(padded_bytes(&e, &op->node->window) + SLACK_BYTES, 64);
}

/* Bias and scale in lane order; channels that do not exist get zeros. */
static void prepare(const mico_plan *plan, const mico_op *op, void *consts)
{
    const size_t channels = op->weights->c_out, lanes = blocks_of(channels) * BLOCK;
    const uint32_t zero = (uint32_t)mico_op_input(plan, op, 0)->zero;
    double *scale = consts;
    int32_t *bias = (int32_t *)(scale + lanes);

    for (size_t k = 0; k < lanes; k++) {
        const size_t c = k / BLOCK * BLOCK + lane_channel(k % BLOCK / 16, k % 16);

        bias[k] = 0;
        scale[k] = 0;
        if (c >= channels)
            continue;
        bias[k] =
            (int32_t)((uint32_t)op->bias[c] - zero * (uint32_t)op->weights->sum[c]);
        scale[k] = mico_scale_of(op->mult[c], op->shift[c]);
    }
}

static void run(const mico_call *call)
{
    const mico_plan *plan = call->plan;
    const mico_op *op = call->op;
    const uint8_t *const *in = call->in;
    uint8_t *out = call->out;
    const size_t n_images = call->n_images;
    const void *packed = call->packed;
    void *scratch = call->scratch;
    const mico_plan_tensor *x = mico_op_input(plan, op, 0);
    const mico_plan_tensor *y = mico_op_output(plan, op);
    const mico_window *win = &op->node->window;
    const mico_extent e = mico_extent_of(x), to = mico_extent_of(y);
    const size_t blocks = blocks_of(e.c), block_bytes = packed_bytes(op) / blocks;
    const double *scale = call->consts;
    const int32_t *bias = (const int32_t *)(scale + blocks * BLOCK);
    uint8_t *padded = scratch;
    strip s = {.epilogue = &op->epilogue,
               .kh = win->kh,
               .kw = win->kw,
               .stride = win->stride_w,
               .row_step = (e.w + win->pad_left + win->pad_right) * e.c,
               .pixel_step = e.c,
               .out_step = e.c};

    memset(padded, (int)x->zero, padded_bytes(&e, win) + SLACK_BYTES);
    for (size_t n = 0; n < n_images; n++) {
        for (size_t r = 0; r < e.h; r++)
            memcpy(padded + (win->pad_top + r) * s.row_step + win->pad_left * e.c,
                   in[0] + n * x->bytes + r * e.w * e.c, e.w * e.c);
        for (size_t b = 0; b < blocks; b++) {
            const size_t left = e.c - b * BLOCK;

            s.packed = (const int8_t *)packed + b * block_bytes;
            s.bias = bias + b * BLOCK;
            s.scale = scale + b * BLOCK;
            s.mask = left >= 64 ? ~(__mmask64)0 : ((__mmask64)1 << left) - 1;
            for (size_t oy = 0; oy < to.h; oy++)
                row_run(&s, padded + oy * win->stride_h * s.row_step + b * BLOCK,
                        out + n * y->bytes + oy * to.w * e.c + b * BLOCK, to.w);
        }
    }
}

const mico_kernel mico_kernel_conv_depthwise_avx512vnni = {
    .name = "conv_depthwise_avx512vnni",
    .isa = "avx512vnni",
    .supports = supports,
    .packed_bytes = packed_bytes,
    .pack = pack,
    .consts_bytes = consts_bytes,
    .prepare = prepare,
    .scratch_bytes = scratch_bytes,
    .run = run};

#endif
