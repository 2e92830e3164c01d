/* avx512_float_mac.c: convolutions and linear layers of the profiles dynamic and mico:
 * quantise to codes, run the integer tile, rescale in float32 while the line is in L1.
 */
#include "kernels/avx512_float.h"

#if MICO_KERNELS_X86

#define SLACK_BYTES 64 /* the last run is read up to its whole quads */
#define LINEAR_ROWS ((size_t)16)

/* ---- constants ------------------------------------------------------------------- */

/* For the tile: its scales (not used: raw lines) and the bias that takes the codes'
 * zero away; for the rescaling: scales of weights and biases. 16 channels a group. */
static size_t lanes_of(const mico_op *op)
{
    return mico_mac_groups(op->weights->c_out) * 16;
}

/* Less than 16 channels: lines are rescaled as one run of values, 16 at a time, with
 * scales and biases that repeat after this many; else 0. */
static size_t flat_of(const mico_op *op)
{
    return op->weights->c_out < 16 ? 16 * op->weights->c_out : 0;
}

static size_t consts_bytes(const mico_plan *plan, const mico_op *op)
{
    (void)plan;
    return lanes_of(op) * (sizeof(double) + sizeof(int32_t) + 2 * sizeof(float)) +
           2 * flat_of(op) * sizeof(float);
}

static void prepare(const mico_plan *plan, const mico_op *op, void *consts)
{
    const mico_qweights *w = op->weights;
    const uint32_t zero = op->act_signed ? 128 : 0;
    const size_t lanes = lanes_of(op);
    int32_t *bias = (int32_t *)((double *)consts + lanes);
    const size_t flat = flat_of(op);
    float *scale = (float *)(bias + lanes), *add = scale + lanes, *turns = add + lanes;

    memset(consts, 0, consts_bytes(plan, op));
    for (size_t c = 0; c < w->c_out; c++) {
        bias[c] = (int32_t)(0 - zero * (uint32_t)w->sum[c]);
        scale[c] = op->scale_f32[c];
        add[c] = op->bias_f32[c];
    }
    for (size_t i = 0; i < flat; i++) {
        turns[i] = scale[i % w->c_out];
        turns[flat + i] = add[i % w->c_out];
    }
}

/* Any float32 add of the op's result to another tensor. */
static bool fuses(const mico_plan *plan, const mico_op *op, const mico_op *add)
{
    (void)plan;
    return add->kind == MICO_OP_ADD && add->rounding == MICO_ROUND_FLOAT &&
           add->in[0] != add->in[1] && (add->in[0] == op->out || add->in[1] == op->out);
}

typedef struct layer {
    const mico_op *op, *add; /* add: a fused residual add, or NULL */
    mico_mac_consts consts;
    const float *scale, *bias;
    mico_mac_line line;
    uint8_t pad; /* code of padding */
} layer;

static layer layer_of(const mico_call *call)
{
    const mico_op *op = call->op;
    const size_t lanes = lanes_of(op);
    layer l = {.op = op, .add = call->add};

    l.consts.scale = call->consts;
    l.consts.bias = (const int32_t *)(l.consts.scale + lanes);
    l.scale = (const float *)(l.consts.bias + lanes);
    l.bias = l.scale + lanes;
    l.line = (mico_mac_line){.packed = call->packed,
                             .epilogue = &op->epilogue,
                             .c_out = op->weights->c_out,
                             .out_step = op->weights->c_out * sizeof(float),
                             .raw = true};
    l.pad = (uint8_t)(mico_float_pad(op) + (op->act_signed ? 128 : 0));
    return l;
}

/* The bounds of the op and of the add. */
typedef struct limits {
    __m512 lo, hi, add_lo, add_hi;
} limits;

MICO_INLINE limits limits_of(const layer *l)
{
    const mico_op *last = l->add != NULL ? l->add : l->op;

    return (limits){_mm512_set1_ps(l->op->lo_f32), _mm512_set1_ps(l->op->hi_f32),
                    _mm512_set1_ps(last->lo_f32), _mm512_set1_ps(last->hi_f32)};
}

/* Up to 16 accumulators at y become results; x: what a fused add adds, or NULL. */
MICO_INLINE void finish(float *y, const float *x, __mmask16 mask, __m512 scale,
                        __m512 bias, const limits *m)
{
    const __m512i acc = _mm512_castps_si512(mico_vec_load(y, mask));
    __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(acc), scale);

    v = mico_vec_clip(_mm512_add_ps(v, bias), m->lo, m->hi);
    if (x != NULL)
        v = mico_vec_clip(_mm512_add_ps(v, mico_vec_load(x, mask)), m->add_lo,
                          m->add_hi);
    mico_vec_store(y, mask, v);
}

/* All values of a line as one run. */
static MICO_AVX512 void rescale_flat(const layer *l, float *y, const float *x, size_t n,
                                     float s_x)
{
    const size_t flat = flat_of(l->op);
    const float *scale = l->bias + lanes_of(l->op), *bias = scale + flat;
    const __m512 s = _mm512_set1_ps(s_x);
    const limits m = limits_of(l);

    for (size_t i = 0, at = 0; i < n; i += 16) {
        finish(y + i, x != NULL ? x + i : NULL, mico_mask16(n - i),
               _mm512_mul_ps(s, _mm512_loadu_ps(scale + at)),
               _mm512_loadu_ps(bias + at), &m);
        at = at + 16 < flat ? at + 16 : 0;
    }
}

/* Accumulators of n pixels become results, in place: one block of groups. other: what
 * a fused add adds to them. */
static MICO_AVX512 void rescale(const layer *l, uint8_t *line, const uint8_t *other,
                                size_t n, size_t first, size_t n_groups, float s_x)
{
    const limits m = limits_of(l);
    const size_t c_out = l->line.c_out;
    float *y = (float *)(void *)line;
    const float *x = l->add != NULL ? (const float *)(const void *)other : NULL;

    if (c_out < 16) {
        rescale_flat(l, y, x, n * c_out, s_x);
        return;
    }
    for (size_t c = 16 * first; c < 16 * (first + n_groups) && c < c_out; c += 16) {
        const __m512 scale =
            _mm512_mul_ps(_mm512_set1_ps(s_x), _mm512_loadu_ps(l->scale + c));
        const __m512 bias = _mm512_loadu_ps(l->bias + c);
        const __mmask16 mask = mico_mask16(c_out - c);

        for (size_t p = 0; p < n; p++)
            finish(y + p * c_out + c, x != NULL ? x + p * c_out + c : NULL, mask, scale,
                   bias, &m);
    }
}

/* ---- convolution ----------------------------------------------------------------- */

typedef struct conv {
    layer layer;
    const mico_window *win;
    mico_float_blocks blocks;
    bool one_line;             /* pointwise: the rows of a block follow each other */
    uint32_t *seen_h, *seen_w; /* how often a block's windows see each row, column */
    uint8_t *codes;            /* of a block's box */
} conv;

static bool conv_supports(const mico_plan *plan, const mico_op *op)
{
    (void)plan;
    return op->kind == MICO_OP_CONV && op->rounding == MICO_ROUND_FLOAT &&
           op->node->groups == 1 && op->node->window.dilation_h == 1 &&
           op->node->window.dilation_w == 1;
}

static size_t conv_packed_bytes(const mico_op *op)
{
    const size_t kh = op->node->window.kh;

    return mico_mac_packed_bytes(op->weights->c_out, kh, op->weights->taps / kh);
}

static void conv_pack(const mico_op *op, void *packed)
{
    const size_t kh = op->node->window.kh;

    mico_mac_pack(op->weights->q, op->weights->c_out, kh, op->weights->taps / kh,
                  packed);
}

static size_t counts_bytes(const mico_float_blocks *b)
{
    return mico_round_up((b->span_h + b->span_w) * sizeof(uint32_t), 64);
}

static size_t conv_scratch(const mico_plan *plan, const mico_op *op)
{
    const mico_float_blocks b = mico_float_blocks_of(plan, op);

    return counts_bytes(&b) +
           mico_round_up(b.span_h * b.span_w * b.in.c + SLACK_BYTES, 64);
}

static void count_seen(const conv *s, const mico_float_block *k)
{
    const mico_window *win = s->win;

    mico_float_count(k->h, win->kh, win->stride_h, 1, s->seen_h, k->rows);
    mico_float_count(k->w, win->kw, win->stride_w, 1, s->seen_w, k->cols);
}

/* The scale of what a block's windows see. */
static mico_float_scale scale_of_block(const conv *s, const mico_float_block *k,
                                       const float *x)
{
    const mico_op *op = s->layer.op;
    const mico_window *win = s->win;
    const size_t depth = s->blocks.in.c;
    const bool mean = mico_float_mean(op), whole = win->kw >= win->stride_w && !mean;
    const double n = (double)(k->h * k->w * win->kh * win->kw * depth);
    double partial[MICO_PARTIALS] = {0};
    float max = 0;

    for (size_t r = k->y0; r < k->y1; r++) {
        const size_t step = whole ? k->x1 - k->x0 : 1; /* a row's pixels adjoin */

        for (size_t c = k->x0; s->seen_h[r] > 0 && c < k->x1; c += step) {
            const float *v = x + mico_float_pixel(&s->blocks, win, k, r, c) * depth;
            const double times = (double)s->seen_h[r] * (double)s->seen_w[c];

            if (mean && times > 0)
                mico_avx512_sum(v, depth, times, partial);
            else if (whole || times > 0)
                max = mico_avx512_max(v, step * depth, max);
        }
    }
    if (mean)
        max = (float)(mico_float_total(partial) / n);
    return mico_float_scale_of(op, max);
}

/* memset of the few bytes at a border. */
MICO_INLINE void fill(uint8_t *to, uint8_t byte, size_t n)
{
    const __m512i v = _mm512_set1_epi8((char)byte);

    for (size_t i = 0; i < n; i += 64)
        _mm512_mask_storeu_epi8(to + i, mico_mask64(n - i), v);
}

/* Codes of the rows of the box that are read, padding around them. */
static MICO_AVX512 void quantize_box(const conv *s, const mico_float_block *k,
                                     const float *x, float scale)
{
    const size_t depth = s->blocks.in.c, row = k->cols * depth;
    const size_t left = k->x0 * depth, right = k->x1 * depth;
    const uint8_t pad = s->layer.pad;
    uint8_t *to = s->codes;

    for (size_t r = 0; r < k->rows; r++, to += row) {
        if (s->seen_h[r] == 0)
            continue;
        if (r < k->y0 || r >= k->y1 || left == right) {
            fill(to, pad, row);
            continue;
        }
        fill(to, pad, left);
        mico_avx512_codes(s->layer.op,
                          x + mico_float_pixel(&s->blocks, s->win, k, r, k->x0) * depth,
                          right - left, scale, to + left);
        fill(to + right, pad, row - right);
    }
    memset(to, pad, 4); /* read with the last quad, times 0 */
}

static void conv_block(const conv *s, const mico_float_block *k, float s_x, uint8_t *y,
                       const uint8_t *other)
{
    const size_t depth = s->blocks.in.c;
    const size_t lines = s->one_line ? 1 : k->h, n = s->one_line ? k->h * k->w : k->w;
    const size_t groups = mico_mac_groups(s->layer.line.c_out);
    mico_mac_line line = s->layer.line;
    size_t block, at;

    line.consts = &s->layer.consts;
    line.in_step = s->win->stride_w * depth;
    line.row_step = k->cols * depth;
    line.n_rows = s->win->kh;
    line.quads = (s->win->kw * depth + 3) / 4;
    line.n = n;
    for (size_t first = 0; first < groups; first += block) {
        block = mico_mac_block(groups - first);
        for (size_t oy = 0; oy < lines; oy++) {
            line.in = s->codes + oy * s->win->stride_h * line.row_step;
            at = ((k->oy + oy) * s->blocks.out.w + k->ox) * line.out_step;
            line.out = y + at;
            mico_mac_run(&line, first);
            rescale(&s->layer, line.out, other + at, n, first, block, s_x);
        }
    }
}

static void conv_image(const conv *s, const float *x, uint8_t *y, const uint8_t *other)
{
    const mico_float_blocks *b = &s->blocks;
    const mico_op *op = s->layer.op;
    mico_float_scale scale = {0};

    if (!op->act_blocks)
        scale = mico_avx512_scale(op, x, b->in.c * b->in.h * b->in.w);
    for (size_t oy = 0; oy < b->out.h; oy += b->h)
        for (size_t ox = 0; ox < b->out.w; ox += b->w) {
            const mico_float_block k = mico_float_block_at(b, s->win, oy, ox);

            count_seen(s, &k);
            if (op->act_blocks)
                scale = scale_of_block(s, &k, x);
            quantize_box(s, &k, x, scale.k);
            conv_block(s, &k, scale.s, y, other);
        }
}

static void conv_run(const mico_call *call)
{
    const mico_plan_tensor *x = mico_op_input(call->plan, call->op, 0);
    const mico_plan_tensor *y = mico_op_output(call->plan, call->op);
    const mico_window *win = &call->op->node->window;
    conv s = {.layer = layer_of(call), .win = win};
    const uint8_t *other = call->add != NULL ? call->other : call->out; /* not read */
    uint8_t *scratch = call->scratch;

    s.blocks = mico_float_blocks_of(call->plan, call->op);
    s.one_line = win->kh == 1 && win->kw == 1 && win->stride_h == 1 &&
                 win->stride_w == 1 && s.blocks.w == s.blocks.out.w;
    s.seen_h = call->scratch;
    s.seen_w = s.seen_h + s.blocks.span_h;
    s.codes = scratch + counts_bytes(&s.blocks);
    for (size_t n = 0; n < call->n_images; n++)
        conv_image(&s, (const float *)(const void *)(call->in[0] + n * x->bytes),
                   call->out + n * y->bytes, other + n * y->bytes);
}

const mico_kernel mico_kernel_conv_float_avx512vnni = {.name = "conv_float_avx512vnni",
                                                       .isa = "avx512vnni",
                                                       .supports = conv_supports,
                                                       .fuses = fuses,
                                                       .packed_bytes =
                                                           conv_packed_bytes,
                                                       .pack = conv_pack,
                                                       .consts_bytes = consts_bytes,
                                                       .prepare = prepare,
                                                       .scratch_bytes = conv_scratch,
                                                       .run = conv_run};

/* ---- linear ---------------------------------------------------------------------- */

static bool linear_supports(const mico_plan *plan, const mico_op *op)
{
    (void)plan;
    return op->kind == MICO_OP_LINEAR && op->rounding == MICO_ROUND_FLOAT;
}

static size_t linear_packed_bytes(const mico_op *op)
{
    return mico_mac_packed_bytes(op->weights->c_out, 1, op->weights->taps);
}

static void linear_pack(const mico_op *op, void *packed)
{
    mico_mac_pack(op->weights->q, op->weights->c_out, 1, op->weights->taps, packed);
}

static size_t linear_scratch(const mico_plan *plan, const mico_op *op)
{
    (void)plan;
    return mico_round_up(LINEAR_ROWS * mico_round_up(op->weights->taps, 4), 64);
}

static void linear_run(const mico_call *call)
{
    const size_t taps = call->op->weights->taps, row = mico_round_up(taps, 4);
    layer l = layer_of(call);
    const size_t groups = mico_mac_groups(l.line.c_out);
    const uint8_t *other = call->add != NULL ? call->other : call->out; /* not read */
    uint8_t *codes = call->scratch;

    memset(codes, 0, LINEAR_ROWS * row);
    l.line.consts = &l.consts;
    l.line.in = codes;
    l.line.in_step = row;
    l.line.n_rows = 1;
    l.line.quads = row / 4;
    for (size_t n = 0; n < call->n_images; n += LINEAR_ROWS) {
        const size_t left = call->n_images - n;
        const float *x = (const float *)(const void *)call->in[0] + n * taps;
        float s_x[LINEAR_ROWS];

        l.line.n = left < LINEAR_ROWS ? left : LINEAR_ROWS;
        l.line.out = call->out + n * l.line.out_step;
        for (size_t i = 0; i < l.line.n; i++, x += taps) {
            const mico_float_scale scale = mico_avx512_scale(call->op, x, taps);

            s_x[i] = scale.s;
            mico_avx512_codes(call->op, x, taps, scale.k, codes + i * row);
        }
        for (size_t g = 0; g < groups; g += mico_mac_block(groups - g))
            mico_mac_run(&l.line, g);
        for (size_t i = 0; i < l.line.n; i++)
            rescale(&l, l.line.out + i * l.line.out_step,
                    other + (n + i) * l.line.out_step, 1, 0, groups, s_x[i]);
    }
}

const mico_kernel mico_kernel_linear_float_avx512vnni = {
    .name = "linear_float_avx512vnni",
    .isa = "avx512vnni",
    .supports = linear_supports,
    .fuses = fuses,
    .packed_bytes = linear_packed_bytes,
    .pack = linear_pack,
    .consts_bytes = consts_bytes,
    .prepare = prepare,
    .scratch_bytes = linear_scratch,
    .run = linear_run};

#endif
