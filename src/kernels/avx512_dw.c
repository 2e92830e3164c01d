/* avx512_dw.c: depthwise convolution with VNNI, 64 channels at a time.
 *
 * vpdpbusd adds four products per lane: here four kernel rows of one channel. Unpack
 * instructions interleave four rows of one column of the map; the result goes into a
 * buffer of columns, which serves all outputs that see the column, and two output rows
 * where the kernel is less than a multiple of 4 high (the second row's weights sit one
 * lower). Taller kernels take several groups of four rows. A kernel of one row uses
 * four neighbouring columns in place of the rows.
 *
 * The unpacks leave channel 16*l + 4*v + e of a block in vector v, lane 4*l + e, and
 * the packs of the epilogue undo exactly that order. A last block of at most 32 (16)
 * channels holds them for 2 (4) jobs; a job is a row, or pair of rows, of an output
 * image. Padding is read from a row of zeros, so no image is copied. */
#include "kernels/avx512_dw.h"
#include "kernels/avx512_round.h"

#if MICO_KERNELS_X86

#define BUFFER_BYTES ((size_t)20 << 10)

/* ---- shape --------------------------------------------------------------------- */

/* How an op is run; it depends on the node only. */
typedef struct layout {
    bool flat;                   /* one kernel row: "rows" are neighbouring columns */
    size_t rows_out;             /* output rows of a job: 1 or 2 */
    size_t groups;               /* of four rows */
    size_t rows_in;              /* of those, rows that have a weight */
    size_t kw, dilation, stride; /* kernel columns, along the buffer's columns */
    size_t channels, times;      /* of the input; outputs for each of them */
    size_t blocks;
} layout;

static layout layout_of(const mico_op *op)
{
    const mico_window *win = &op->node->window;
    layout l = {.flat = win->kh == 1 && win->kw > 1,
                .rows_out = 1,
                .groups = (win->kh + 3) / 4,
                .rows_in = win->kh,
                .kw = win->kw,
                .dilation = win->dilation_w,
                .stride = win->stride_w,
                .channels = op->node->groups};

    if (l.flat) {
        l.rows_in = win->kw < 4 ? win->kw : 4;
        l.kw = (win->kw + 3) / 4;
        l.dilation *= 4;
    } else if (win->stride_h == 1 && win->dilation_h == 1 && win->kh % 4 != 0) {
        l.rows_out = 2;
        l.rows_in++;
    }
    l.times = op->weights->c_out / l.channels;
    l.blocks = (l.channels + MICO_DW_BLOCK - 1) / MICO_DW_BLOCK;
    return l;
}

/* Jobs that share the vectors of a block, and the channels that it has. */
static size_t block_parts(const layout *l, size_t block)
{
    const size_t left = l->channels - block * MICO_DW_BLOCK;

    return left > 32 ? 1 : left > 16 ? 2 : 4;
}

static size_t block_channels(const layout *l, size_t block)
{
    const size_t left = l->channels - block * MICO_DW_BLOCK;

    return left < MICO_DW_BLOCK ? left : MICO_DW_BLOCK;
}

/* Output channel of lane k = 16*vector + lane of a block; SIZE_MAX if there is none. */
static size_t lane_channel(const layout *l, size_t time, size_t block, size_t k)
{
    const size_t v = k / 16, lane = k % 16;
    const size_t at =
        (16 * (lane / 4) + 4 * v + lane % 4) % (MICO_DW_BLOCK / block_parts(l, block));

    return at < block_channels(l, block)
               ? (block * MICO_DW_BLOCK + at) * l->times + time
               : SIZE_MAX;
}

/* Output columns that share one filling of the buffer, and the buffer's columns. */
static size_t tile_width(const layout *l, size_t out_w)
{
    const size_t span = (l->kw - 1) * l->dilation + 1;
    const size_t fits = BUFFER_BYTES / MICO_DW_COLUMN_BYTES / l->groups;
    const size_t columns = fits > 2 * span ? fits : 2 * span;
    size_t tile = (columns - span) / l->stride + 1;

    if (tile > 12)
        tile -= tile % 12; /* whole strips */
    return tile < out_w ? tile : out_w;
}

static size_t tile_columns(const layout *l, size_t width)
{
    return (width - 1) * l->stride + (l->kw - 1) * l->dilation + 1;
}

static bool supports(const mico_plan *plan, const mico_op *op)
{
    return op->kind == MICO_OP_CONV && op->node->groups > 1 &&
           op->node->groups == op->node->c_in &&
           mico_op_output(plan, op)->format.width != 32 &&
           (mico_avx512_mac_ok(plan, op) || mico_round_narrow(plan, op));
}

/* ---- packing ------------------------------------------------------------------- */

/* [time][block][group][kernel column][vector][output row][lane][4 rows] */
static size_t block_bytes(const layout *l)
{
    return l->groups * l->kw * MICO_DW_COLUMN_BYTES * l->rows_out;
}

static size_t packed_bytes(const mico_op *op)
{
    const layout l = layout_of(op);

    return l.times * l.blocks * block_bytes(&l);
}

/* Weight of channel c at row `row` (of the job's input rows) and column kx. */
static int8_t weight_at(const layout *l, const mico_op *op, size_t c, size_t row,
                        size_t kx, size_t row_out)
{
    const mico_window *win = &op->node->window;
    const size_t y = l->flat ? 0 : row - row_out, x = l->flat ? 4 * kx + row : kx;

    if (c == SIZE_MAX || row < row_out || y >= win->kh || x >= win->kw)
        return 0;
    return op->weights->q[(c * win->kh + y) * win->kw + x];
}

static void pack(const mico_op *op, void *packed)
{
    const layout l = layout_of(op);
    int8_t *to = packed;

    for (size_t b = 0; b < l.times * l.blocks; b++)
        for (size_t tap = 0; tap < l.groups * l.kw; tap++)
            for (size_t v = 0; v < 4; v++)
                for (size_t r = 0; r < l.rows_out; r++)
                    for (size_t k = 0; k < 64; k++)
                        *to++ = weight_at(&l, op,
                                          lane_channel(&l, b / l.blocks, b % l.blocks,
                                                       16 * v + k / 4),
                                          tap / l.kw * 4 + k % 4, tap % l.kw, r);
}

/* The consts: a vector's worth of header, then [time][block]. */
typedef struct header {
    bool single; /* all accumulators are within the proof of avx512_single.h */
} header;

static size_t consts_bytes(const mico_plan *plan, const mico_op *op)
{
    const layout l = layout_of(op);

    (void)plan;
    return 64 + l.times * l.blocks * sizeof(mico_dw_consts);
}

static void prepare(const mico_plan *plan, const mico_op *op, void *consts)
{
    const layout l = layout_of(op);
    const uint32_t zero = (uint32_t)mico_op_input(plan, op, 0)->zero;
    const mico_qweights *w = op->weights;
    header *head = consts;
    mico_dw_consts *to = (mico_dw_consts *)((uint8_t *)consts + 64);

    memset(consts, 0, consts_bytes(plan, op));
    head->single = op->rounding == MICO_ROUND_HALF_UP;
    for (size_t b = 0; b < l.times * l.blocks; b++)
        for (size_t k = 0; k < 64; k++) {
            const size_t c = lane_channel(&l, b / l.blocks, b % l.blocks, k);

            if (c == SIZE_MAX)
                continue;
            const int64_t bias = op->bias[c];
            const int64_t bound =
                (bias < 0 ? -bias : bias) + 255 * (int64_t)w->abs_sum[c];

            /* modulo 2^32, as the accumulation is: only the final sum must fit */
            to[b].bias[k] =
                (int32_t)((uint32_t)op->bias[c] - zero * (uint32_t)w->sum[c]);
            if (op->rounding == MICO_ROUND_ARES) {
                to[b].scale[k] = op->scale_f32[c];
                continue;
            }
            to[b].mult[k] = op->mult[c];
            to[b].shift[k] = op->shift[c];
            to[b].wide[k] = mico_scale_of(op->mult[c], op->shift[c]);
            to[b].scale[k] = (float)to[b].wide[k];
            head->single =
                head->single && mico_single_ok(bound, op->mult[c], op->shift[c]);
        }
}

/* ---- jobs ---------------------------------------------------------------------- */

/* One or two output rows of an image. Those that do not exist go to a spare row. */
typedef struct job {
    const uint8_t *image;
    size_t y; /* first output row */
    uint8_t *out[2];
} job;

typedef struct work {
    const mico_call *call;
    layout shape;
    mico_extent in, out;
    size_t tile;
    const uint8_t *zeros; /* an input row of zeros, at least 64 bytes */
    uint8_t *columns, *waiting;
} work;

/* The rows of group g for the parts, from channel `channel` on. Rows without a weight
 * may be any. */
static void find_rows(const work *w, const job *jobs, size_t parts, size_t g,
                      size_t channel, mico_dw_source *s)
{
    const mico_window *win = &w->call->op->node->window;
    const size_t row_bytes = w->in.w * w->in.c;

    for (size_t k = 0; k < 4; k++) {
        const size_t most = w->shape.flat ? 0 : w->shape.rows_in - 1;
        const size_t row = (4 * g + k < most ? 4 * g + k : most) * win->dilation_h;

        for (size_t i = 0; i < parts; i++) {
            /* above the map: wraps to a large number */
            const size_t y = jobs[i].y * win->stride_h + row - win->pad_top;

            s->row[4 * i + k] =
                (y < w->in.h ? jobs[i].image + y * row_bytes : w->zeros) + channel;
        }
    }
}

/* One block of the jobs: fills the buffer and runs the strips, tile by tile. */
static MICO_AVX512 void run_block(const work *w, const job *jobs, size_t count,
                                  size_t block, size_t time)
{
    const layout *l = &w->shape;
    const mico_call *call = w->call;
    const mico_window *win = &call->op->node->window;
    const size_t parts = block_parts(l, block), channels = block_channels(l, block);
    const size_t b = time * l->blocks + block, tile = w->tile;
    const bool full = channels == MICO_DW_BLOCK / parts;
    mico_dw_source src = {.zeros = w->zeros,
                          .pad = win->pad_left,
                          .width = w->in.w,
                          .pixel_bytes = w->in.c,
                          .mask = mico_mask64(channels),
                          .flat = l->flat};
    mico_dw_strip s = {
        .weights = (const int8_t *)call->packed + b * block_bytes(l),
        .consts = (const mico_dw_consts *)((const uint8_t *)call->consts + 64) + b,
        .epilogue = &call->op->epilogue,
        .groups = l->groups,
        .kw = l->kw,
        .group_bytes = tile_columns(l, tile) * MICO_DW_COLUMN_BYTES,
        .tap_bytes = l->dilation * MICO_DW_COLUMN_BYTES,
        .step_bytes = l->stride * MICO_DW_COLUMN_BYTES,
        .pixel_bytes = w->in.c,
        .mask = src.mask,
        .full = full,
        .single = ((const header *)call->consts)->single,
        .rounding = call->op->rounding};

    for (size_t k = 0; k < 4 && l->flat; k++)
        src.shift[k] = k * win->dilation_w;
    for (size_t j = 0; j < count; j += parts) {
        for (size_t r = 0; r < l->rows_out; r++)
            for (size_t i = 0; i < parts; i++)
                s.out[r][i] = jobs[j + i].out[r] + block * MICO_DW_BLOCK;
        for (size_t x = 0; x < w->out.w; x += tile) {
            const size_t n = w->out.w - x < tile ? w->out.w - x : tile;

            for (size_t g = 0; g < l->groups; g++) {
                find_rows(w, jobs + j, parts, g, block * MICO_DW_BLOCK, &src);
                mico_dw_fill(&src, parts, full, w->columns + g * s.group_bytes,
                             x * l->stride, tile_columns(l, n));
            }
            mico_dw_row(&s, w->columns, n, l->rows_out, parts);
        }
    }
}

/* ---- the op -------------------------------------------------------------------- */

#define MAX_JOBS 8 /* a multiple of MICO_DW_PARTS */

static size_t zeros_bytes(const work *w)
{
    const size_t n = w->in.w * w->in.c;

    return mico_round_up(n < 64 ? 64 : n, 64);
}

/* Rows that wait: the spare one and, where a channel has several outputs, those of a
 * bunch of jobs. */
static size_t waiting_bytes(const work *w)
{
    return mico_round_up(w->out.w * w->in.c, 64);
}

static uint8_t *waiting_row(const work *w, size_t time, size_t j, size_t r)
{
    return w->waiting + (1 + (time * MAX_JOBS + j) * 2 + r) * waiting_bytes(w);
}

static work work_of(const mico_plan *plan, const mico_op *op)
{
    work w = {.shape = layout_of(op),
              .in = mico_extent_of(mico_op_input(plan, op, 0)),
              .out = mico_extent_of(mico_op_output(plan, op))};

    w.tile = tile_width(&w.shape, w.out.w);
    return w;
}

static size_t columns_bytes(const work *w)
{
    return w->shape.groups * tile_columns(&w->shape, w->tile) * MICO_DW_COLUMN_BYTES;
}

static size_t scratch_bytes(const mico_plan *plan, const mico_op *op)
{
    const work w = work_of(plan, op);
    const size_t rows = w.shape.times > 1 ? w.shape.times * MAX_JOBS * 2 : 0;

    return zeros_bytes(&w) + columns_bytes(&w) + (1 + rows) * waiting_bytes(&w);
}

/* Puts a row's channels together: output channel c*times + t is channel c of time t. */
static void merge_row(const work *w, size_t j, size_t r, uint8_t *out)
{
    const size_t times = w->shape.times, n = w->out.w * w->in.c;

    for (size_t t = 0; t < times; t++) {
        const uint8_t *from = waiting_row(w, t, j, r);

        for (size_t k = 0; k < n; k++)
            out[k * times + t] = from[k];
    }
}

/* `count` jobs, at most MAX_JOBS. */
static void run_jobs(const work *w, const job *jobs, size_t count)
{
    const layout *l = &w->shape;
    const job spare = {jobs[0].image, jobs[0].y, {w->waiting, w->waiting}};
    job mine[MAX_JOBS];

    for (size_t j = 0; j < MAX_JOBS; j++)
        mine[j] = j < count ? jobs[j] : spare;
    for (size_t t = 0; t < l->times; t++) {
        for (size_t k = 0; k < count * 2 && l->times > 1; k++)
            if (jobs[k / 2].out[k % 2] != w->waiting)
                mine[k / 2].out[k % 2] = waiting_row(w, t, k / 2, k % 2);
        for (size_t b = 0; b < l->blocks; b++)
            run_block(w, mine, count, b, t);
    }
    for (size_t k = 0; k < count * 2 && l->times > 1; k++)
        if (jobs[k / 2].out[k % 2] != w->waiting)
            merge_row(w, k / 2, k % 2, jobs[k / 2].out[k % 2]);
}

static void run(const mico_call *call)
{
    const mico_plan_tensor *x = mico_op_input(call->plan, call->op, 0);
    const mico_plan_tensor *y = mico_op_output(call->plan, call->op);
    work w = work_of(call->plan, call->op);
    const size_t rows = w.shape.rows_out, row_bytes = w.out.w * w.out.c;
    job jobs[MAX_JOBS];
    size_t count = 0;

    w.call = call;
    w.zeros = call->scratch;
    w.columns = (uint8_t *)call->scratch + zeros_bytes(&w);
    w.waiting = w.columns + columns_bytes(&w);
    memset(call->scratch, (int)x->zero, zeros_bytes(&w));
    for (size_t n = 0; n < call->n_images; n++)
        for (size_t oy = 0; oy < w.out.h; oy += rows) {
            uint8_t *to = call->out + n * y->bytes + oy * row_bytes;
            const bool two = rows == 2 && oy + 1 < w.out.h;

            jobs[count++] = (job){
                call->in[0] + n * x->bytes, oy, {to, two ? to + row_bytes : w.waiting}};
            if (count == MAX_JOBS) {
                run_jobs(&w, jobs, count);
                count = 0;
            }
        }
    if (count > 0)
        run_jobs(&w, jobs, count);
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
