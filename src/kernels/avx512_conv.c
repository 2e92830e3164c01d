/* avx512_conv.c: direct convolution with VNNI: no im2col, a kernel row is one run.
 *
 * In [h][w][c] the kw*c bytes under one row of the kernel are contiguous, so an output
 * pixel is kh straight runs. Where there is a halo the image is first copied into the
 * scratch with it (code of 0), which removes all border cases; else it is read in
 * place. The copy has a plane per group of a grouped convolution and per phase of a
 * dilated one (columns x with equal x mod dilation), so that runs are contiguous there
 * too. Rows, and in small maps columns, of the kernel that lie in the halo are not
 * computed. For few channels the copy is woven (avx512_gather.h): a pixel is one run
 * then. */
#include "kernels/avx512_conv.h"

#if MICO_KERNELS_X86

static bool supports(const mico_plan *plan, const mico_op *op)
{
    if (op->kind != MICO_OP_CONV || !mico_mac_ok(plan, op))
        return false;
    const mico_conv_map g = mico_conv_map_of(plan, op);

    return g.image + mico_op_output(plan, op)->bytes <= UINT32_MAX / g.images;
}

/* ---- weights ------------------------------------------------------------------- */

static size_t packed_rows(const mico_op *op)
{
    return mico_gather_wanted(op) ? 1 : op->node->window.kh;
}

static size_t group_packed_bytes(const mico_op *op)
{
    return mico_mac_packed_bytes(op->weights->c_out / op->node->groups, packed_rows(op),
                                 op->weights->taps / packed_rows(op));
}

static size_t packed_bytes(const mico_op *op)
{
    return op->node->groups * group_packed_bytes(op);
}

static void pack(const mico_op *op, void *packed)
{
    const size_t groups = op->node->groups, c_out = op->weights->c_out / groups;
    const size_t kh = op->node->window.kh, taps = op->weights->taps;
    int8_t woven[MICO_GATHER_TAPS];

    if (mico_gather_wanted(op)) {
        memset(packed, 0, packed_bytes(op));
        for (size_t c = 0; c < c_out; c++) {
            mico_gather_weights(op, c, woven);
            mico_mac_pack_channel(woven, c, c_out, 1, taps, packed);
        }
        return;
    }
    for (size_t g = 0; g < groups; g++)
        mico_mac_pack(op->weights->q + g * c_out * taps, c_out, kh, taps / kh,
                      (char *)packed + g * group_packed_bytes(op));
}

/* ---- constants: a bias for each band ------------------------------------------- */

static size_t lanes_of(const mico_op *op)
{
    return op->node->groups * mico_mac_groups(op->weights->c_out / op->node->groups) *
           16;
}

static size_t consts_bytes(const mico_plan *plan, const mico_op *op)
{
    const mico_conv_map g = mico_conv_map_of(plan, op);

    return mico_mac_consts_bytes(plan, op) +
           mico_conv_count_bands(&g, &op->node->window) * lanes_of(op) *
               sizeof(int32_t);
}

/* Sum of the weights of channel o that the band uses. */
static int32_t band_sum(const mico_op *op, const mico_conv_band *b, size_t o)
{
    const mico_window *win = &op->node->window;
    const size_t pixel = op->weights->taps / (win->kh * win->kw);
    const int8_t *q = op->weights->q + o * op->weights->taps;
    int32_t sum = 0;

    for (size_t row = b->row; row < b->row + b->rows; row++)
        for (size_t k = (row * win->kw + b->col) * pixel;
             k < (row * win->kw + b->col + b->cols) * pixel; k++)
            sum += q[k];
    return sum;
}

/* bias - zero * (sum of the weights that are used), modulo 2^32. */
static void prepare(const mico_plan *plan, const mico_op *op, void *consts)
{
    const mico_conv_map g = mico_conv_map_of(plan, op);
    const uint32_t zero = (uint32_t)mico_op_input(plan, op, 0)->zero;
    const size_t per_group = op->weights->c_out / g.groups, lanes = lanes_of(op);
    int32_t *bias =
        (int32_t *)(void *)((char *)consts + mico_mac_consts_bytes(plan, op));
    mico_conv_band b = mico_conv_first_band(&g, &op->node->window);

    mico_mac_prepare(plan, op, consts);
    do {
        memset(bias, 0, lanes * sizeof *bias);
        for (size_t c = 0; c < op->weights->c_out; c++)
            bias[c / per_group * (lanes / g.groups) + c % per_group] =
                (int32_t)((uint32_t)op->bias[c] - zero * (uint32_t)band_sum(op, &b, c));
        bias += lanes;
    } while (mico_conv_next_band(&g, &op->node->window, &b));
}

/* ---- scratch: [finish line][bands][from][to][padded][images] --------------------- */

static size_t finish_rows(const mico_conv_map *g) /* about 48 pixels */
{
    return g->out.w < 48 ? 48 / g->out.w : 1;
}

static size_t bands_bytes(const mico_conv_map *g, const mico_window *win)
{
    return mico_round_up(mico_conv_count_bands(g, win) * sizeof(mico_conv_band), 64);
}

static size_t list_bytes(const mico_conv_map *g)
{
    return mico_round_up(mico_conv_listed(g) * g->out.h * g->out.w * sizeof(uint32_t),
                         64);
}

static bool is_line(const mico_conv_map *g, const mico_window *win)
{
    return !g->copy && win->kh == 1 && win->kw == 1 && win->stride_h == 1 &&
           win->stride_w == 1;
}

static size_t scratch_bytes(const mico_plan *plan, const mico_op *op)
{
    const mico_conv_map g = mico_conv_map_of(plan, op);

    if (is_line(&g, &op->node->window))
        return mico_mac_run_line_scratch(op, g.run);
    return mico_mac_line_bytes(op, finish_rows(&g) * g.out.w) +
           bands_bytes(&g, &op->node->window) + 2 * list_bytes(&g) + g.pad_image +
           mico_conv_copied(&g) * g.image;
}

/* ---- running ------------------------------------------------------------------- */

typedef struct job {
    const mico_call *call;
    const mico_conv_map *g;
    mico_mac mac;
    size_t group_packed_bytes, n_bands;
    mico_conv_band *bands;
    uint32_t *from, *to;      /* lists */
    uint8_t *padded, *images; /* copies */
    mico_gather weave;
    const int32_t *bias; /* of the first band */
} job;

/* The mac of a group and a band. */
static mico_mac mac_of(const job *j, size_t group, size_t index)
{
    const size_t lanes = lanes_of(j->call->op);
    const mico_conv_band *b = &j->bands[index];
    mico_mac m = mico_mac_of_group(&j->mac, j->call->op, group, j->group_packed_bytes);

    if (!j->g->woven) {
        m.first_row = b->row;
        m.n_rows = b->rows;
    }
    if (j->g->split_cols) {
        m.first_quad = b->col * j->g->c / 4;
        m.quads = b->cols * j->g->c / 4;
    }
    m.consts.bias = j->bias + index * lanes + group * (lanes / j->g->groups);
    return m;
}

/* One group of n images, codes or int32 to `out`. */
static void run_group(const job *j, size_t group, const uint8_t *in, size_t n,
                      uint8_t *out)
{
    const mico_conv_map *g = j->g;
    const size_t groups = mico_mac_groups(j->call->op->weights->c_out / g->groups);
    const size_t out_image = g->out.h * g->out.w * j->mac.out_step;
    const size_t listed = mico_conv_listed(g), lists = g->joined ? 1 : n;
    const size_t images = g->joined ? n : 1;

    for (size_t k = 0; k < j->n_bands; k++) {
        const mico_conv_band *b = &j->bands[k];
        const size_t pixels = (b->y_end - b->y) * (b->x_end - b->x) * images;
        const size_t start = b->before * listed;
        const mico_mac m = mac_of(j, group, k);

        for (size_t first = 0; first < groups; first += mico_mac_block(groups - first))
            for (size_t i = 0; i < lists; i++)
                mico_mac_block_run(&m, in + i * mico_conv_image_step(g),
                                   j->from + start, j->to + start, pixels,
                                   out + i * out_image, first);
    }
}

/* One image whose accumulators wait in the scratch, line by line, for the finish. Bands
 * are rows here, and outputs follow each other: `to` serves any of them. */
static void run_finish(const job *j, const uint8_t *in, uint8_t *out)
{
    const mico_call *call = j->call;
    const mico_finish finish = mico_finish_of(call->op->rounding);
    const mico_conv_map *g = j->g;
    const size_t per_group = call->op->weights->c_out / g->groups;
    const size_t pixel_bytes =
        g->out.c * mico_value_bytes(mico_op_output(call->plan, call->op));

    for (size_t k = 0; k < j->n_bands; k++)
        for (size_t y = j->bands[k].y, end; y < j->bands[k].y_end; y = end) {
            const size_t most = y + finish_rows(g), start = y * g->out.w;

            end = most < j->bands[k].y_end ? most : j->bands[k].y_end;
            for (size_t group = 0; group < g->groups; group++) {
                const mico_mac m = mac_of(j, group, k);

                mico_mac_pixels(&m, in + group * g->plane * g->phases, j->from + start,
                                j->to, (end - y) * g->out.w,
                                (uint8_t *)call->scratch + group * per_group * 4);
            }
            finish(call, call->scratch, (end - y) * g->out.w,
                   out + start * pixel_bytes);
        }
}

/* Images [first, first + n), which lie at `in` as the map says. */
static void run_images(const job *j, const uint8_t *in, size_t first, size_t n)
{
    const mico_conv_map *g = j->g;
    const mico_plan_tensor *y = mico_op_output(j->call->plan, j->call->op);
    const size_t pixels = g->out.h * g->out.w;
    uint8_t *out = j->call->out + first * y->bytes;

    if (j->call->op->rounding != MICO_ROUND_HALF_UP) {
        run_finish(j, in, out);
        return;
    }
    for (size_t group = 0; group < g->groups; group++)
        run_group(j, group, in + group * g->plane * g->phases, n,
                  out + group * (g->out.c / g->groups) * mico_value_bytes(y));
    mico_mac_after(j->call, first * pixels, n * pixels);
}

static void carve_scratch(job *j)
{
    const mico_conv_map *g = j->g;
    const mico_window *win = &j->call->op->node->window;
    uint8_t *at = (uint8_t *)j->call->scratch +
                  mico_mac_line_bytes(j->call->op, finish_rows(g) * g->out.w);

    j->bands = (mico_conv_band *)(void *)at;
    at += bands_bytes(g, win);
    j->from = (uint32_t *)(void *)at;
    j->to = (uint32_t *)(void *)(at + list_bytes(g));
    j->padded = at + 2 * list_bytes(g);
    j->images = j->padded + g->pad_image;
}

static void prepare_job(job *j)
{
    const mico_call *call = j->call;
    const mico_conv_map *g = j->g;
    const mico_window *win = &call->op->node->window;
    const uint8_t zero = (uint8_t)mico_op_input(call->plan, call->op, 0)->zero;
    const size_t images = g->images < call->n_images ? g->images : call->n_images;

    carve_scratch(j);
    j->group_packed_bytes = group_packed_bytes(call->op);
    j->bias =
        (const int32_t *)(const void *)((const char *)call->consts +
                                        mico_mac_consts_bytes(call->plan, call->op));
    j->mac.all_rows = j->mac.n_rows = packed_rows(call->op);
    j->mac.all_quads = j->mac.quads =
        (call->op->weights->taps / j->mac.all_rows + 3) / 4;
    j->mac.line = g->phases > 1 || g->split_cols ? 1 : g->out.w;
    j->mac.in_step = win->stride_w * g->c;
    j->mac.row_step = mico_conv_row_step(g, win);
    mico_conv_band b = mico_conv_first_band(g, win);

    do
        j->bands[j->n_bands++] = b;
    while (mico_conv_next_band(g, win, &b));
    mico_conv_fill(g, win, j->mac.out_step, j->from, j->to);
    if (g->woven) {
        mico_gather_init(&j->weave, win->kh, g->in.c);
        memset(j->padded, zero, g->pad_image);
    } else if (g->copy) {
        memset(j->images, zero, images * g->image);
    }
}

static void run(const mico_call *call)
{
    const mico_window *win = &call->op->node->window;
    const mico_plan_tensor *x = mico_op_input(call->plan, call->op, 0);
    const mico_conv_map g = mico_conv_map_of(call->plan, call->op);
    job j = {.call = call, .g = &g, .mac = mico_mac_new(call)};

    if (is_line(&g, win)) {
        mico_mac_run_line(call, &j.mac, g.run, call->n_images * g.out.h * g.out.w);
        return;
    }
    prepare_job(&j);
    for (size_t first = 0, n; first < call->n_images; first += n) {
        const uint8_t *in = call->in[0] + first * x->bytes;

        n = call->n_images - first < g.images ? call->n_images - first : g.images;
        if (!g.copy && g.run % 4 != 0 && first + n == call->n_images) {
            if (n > 1) {
                n--; /* the last image, whose last quad sticks out, goes alone */
            } else {
                memcpy(j.images, in, x->bytes);
                in = j.images;
            }
        }
        for (size_t i = 0; g.copy && i < n; i++)
            mico_conv_copy(&g, win, &j.weave, in + i * x->bytes, (uint8_t)x->zero,
                           j.padded, j.images + i * g.image);
        run_images(&j, g.copy ? j.images : in, first, n);
    }
}

/* ---- the entry ----------------------------------------------------------------- */

const mico_kernel mico_kernel_conv_direct_avx512vnni = {.name =
                                                            "conv_direct_avx512vnni",
                                                        .isa = "avx512vnni",
                                                        .supports = supports,
                                                        .fuses = mico_mac_fuses,
                                                        .packed_bytes = packed_bytes,
                                                        .pack = pack,
                                                        .consts_bytes = consts_bytes,
                                                        .prepare = prepare,
                                                        .scratch_bytes = scratch_bytes,
                                                        .run = run};

#endif
