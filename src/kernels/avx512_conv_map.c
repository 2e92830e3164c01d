/* avx512_conv_map.c: where the pixels of a convolution lie: copies, bands, lists. */
#include "kernels/avx512_conv.h"

#if MICO_KERNELS_X86

/* Weights that a second-level cache does not hold beside all else are used for several
 * images; maps of few pixels, too, for whole tiles. */
#define BIG_WEIGHTS_BYTES  ((size_t)256 * 1024)
#define BIG_WEIGHTS_IMAGES ((size_t)8)
#define JOINED_MAP         ((size_t)64) /* pixels */
#define JOINED_IMAGES      ((size_t)4)
#define SMALL_MAP          ((size_t)16)
#define SMALL_IMAGES       ((size_t)32)
#define IMAGES_BYTES       ((size_t)1024 * 1024) /* but not more than this, copied */

static void weave_map(mico_conv_map *g, const mico_window *win)
{
    g->copy = true;
    g->pad_image = g->image;
    g->c *= win->kh;
    g->run *= win->kh;
    g->pitch = (g->in.w + win->pad_left + win->pad_right) * g->c + MICO_CONV_SLACK;
    g->pitch = mico_round_up(g->pitch, 64);
    g->lead = 0;
    g->plane = g->out.h * g->pitch;
    g->image = g->plane + MICO_CONV_SLACK;
}

static void group_images(mico_conv_map *g, const mico_op *op)
{
    const size_t pixels = g->out.h * g->out.w;
    const bool big = op->weights->c_out * op->weights->taps > BIG_WEIGHTS_BYTES;

    g->images = 1;
    if (op->rounding != MICO_ROUND_HALF_UP)
        return; /* a finish takes whole rows of one image */
    g->joined = pixels <= JOINED_MAP;
    if (big)
        g->images = BIG_WEIGHTS_IMAGES;
    else if (g->joined)
        g->images = JOINED_IMAGES;
    if (pixels < SMALL_MAP)
        g->images = SMALL_IMAGES;
}

mico_conv_map mico_conv_map_of(const mico_plan *plan, const mico_op *op)
{
    const mico_window *win = &op->node->window;
    mico_conv_map g = {.in = mico_extent_of(mico_op_input(plan, op, 0)),
                       .out = mico_extent_of(mico_op_output(plan, op)),
                       .groups = op->node->groups,
                       .phases = win->kw > 1 ? win->dilation_w : 1,
                       .woven = mico_gather_wanted(op)};

    group_images(&g, op);
    g.c = g.in.c / g.groups;
    g.run = win->kw * g.c;
    g.copy = win->pad_top + win->pad_bottom + win->pad_left + win->pad_right > 0 ||
             g.groups > 1 || g.phases > 1 || (g.joined && g.run % 4 != 0);
    if (g.phases == 1) /* rows are copied by cache lines */
        g.lead = (64 - win->pad_left * g.c % 64) % 64;
    g.pitch = (g.in.w + win->pad_left + win->pad_right + g.phases - 1) / g.phases * g.c;
    g.pitch = mico_round_up(g.lead + g.pitch, 64);
    g.plane = (g.in.h + win->pad_top + win->pad_bottom) * g.pitch;
    g.image = g.plane * g.phases * g.groups + MICO_CONV_SLACK; /* whole cache lines */
    g.split_cols = g.joined && !g.woven && g.phases == 1 && g.c % 4 == 0;
    g.split_rows = !g.woven && (g.joined || g.out.w >= 4);
    g.pad_pitch = g.pitch;
    g.pad_lead = g.lead;
    if (g.woven)
        weave_map(&g, win);
    while (g.images > 1 && g.images * g.image > IMAGES_BYTES)
        g.images /= 2;
    return g;
}

size_t mico_conv_copied(const mico_conv_map *g)
{
    return g->copy ? g->images : g->run % 4 != 0 ? 1 : 0;
}

size_t mico_conv_image_step(const mico_conv_map *g)
{
    return g->copy ? g->image : g->in.h * g->in.w * g->in.c;
}

static size_t pitch_of(const mico_conv_map *g)
{
    return g->copy ? g->pitch : g->in.w * g->in.c;
}

size_t mico_conv_row_step(const mico_conv_map *g, const mico_window *win)
{
    return win->dilation_h * pitch_of(g);
}

/* ---- bands --------------------------------------------------------------------- */

/* One axis: size values behind pad of halo, a kernel of k taps, step apart. */
typedef struct axis {
    size_t size, out, pad, k, stride, step;
    bool split;
} axis;

static axis axis_h(const mico_conv_map *g, const mico_window *win)
{
    return (axis){g->in.h,       g->out.h,        win->pad_top, win->kh,
                  win->stride_h, win->dilation_h, g->split_rows};
}

static axis axis_w(const mico_conv_map *g, const mico_window *win)
{
    return (axis){g->in.w,       g->out.w,        win->pad_left, win->kw,
                  win->stride_w, win->dilation_w, g->split_cols};
}

/* Taps [first, first + n) of output i lie inside. */
static void taps_of(const axis *a, size_t i, size_t *first, size_t *n)
{
    const size_t top = i * a->stride, bottom = a->pad + a->size;
    size_t end = a->k;

    *first = top < a->pad ? (a->pad - top + a->step - 1) / a->step : 0;
    if (top + (a->k - 1) * a->step >= bottom)
        end = top < bottom ? (bottom - top + a->step - 1) / a->step : 0;
    *n = *first < end ? end - *first : 0;
    if (*n == 0)
        *first = 0;
}

/* The end of the outputs from i on that see the same taps as i. */
static size_t band_of(const axis *a, size_t i, size_t *first, size_t *n)
{
    size_t next_first, next_n;

    *first = 0;
    *n = a->k;
    if (!a->split)
        return a->out;
    for (taps_of(a, i++, first, n); i < a->out; i++) {
        taps_of(a, i, &next_first, &next_n);
        if (next_first != *first || next_n != *n)
            break;
    }
    return i;
}

static void set_band(const mico_conv_map *g, const mico_window *win, mico_conv_band *b)
{
    const axis h = axis_h(g, win), w = axis_w(g, win);

    b->y_end = band_of(&h, b->y, &b->row, &b->rows);
    b->x_end = band_of(&w, b->x, &b->col, &b->cols);
    if (b->rows == 0 || b->cols == 0) /* all halo */
        b->row = b->rows = b->col = b->cols = 0;
}

mico_conv_band mico_conv_first_band(const mico_conv_map *g, const mico_window *win)
{
    mico_conv_band b = {0};

    set_band(g, win, &b);
    return b;
}

bool mico_conv_next_band(const mico_conv_map *g, const mico_window *win,
                         mico_conv_band *b)
{
    b->before += (b->y_end - b->y) * (b->x_end - b->x);
    b->x = b->x_end < g->out.w ? b->x_end : 0;
    if (b->x == 0)
        b->y = b->y_end;
    if (b->y == g->out.h)
        return false;
    set_band(g, win, b);
    return true;
}

size_t mico_conv_count_bands(const mico_conv_map *g, const mico_window *win)
{
    mico_conv_band b = mico_conv_first_band(g, win);
    size_t n = 1;

    while (mico_conv_next_band(g, win, &b))
        n++;
    return n;
}

/* ---- lists --------------------------------------------------------------------- */

size_t mico_conv_listed(const mico_conv_map *g)
{
    return g->joined ? g->images : 1;
}

/* Where in its image the window of output column x begins, from its row's start. */
static size_t column_at(const mico_conv_map *g, size_t x)
{
    return g->phases == 1 ? x * g->c : x % g->phases * g->plane + x / g->phases * g->c;
}

void mico_conv_fill(const mico_conv_map *g, const mico_window *win, size_t out_step,
                    uint32_t *from, uint32_t *to)
{
    const size_t pitch = pitch_of(g), images = mico_conv_listed(g);
    const size_t step = g->woven ? pitch : win->stride_h * pitch;
    const size_t lead = g->copy ? g->lead : 0;
    mico_conv_band b = mico_conv_first_band(g, win);

    do {
        const size_t skipped = b.row * mico_conv_row_step(g, win) + b.col * g->c;

        for (size_t i = 0; i < images; i++)
            for (size_t y = b.y; y < b.y_end; y++) {
                const size_t row = i * mico_conv_image_step(g) + y * step + lead;
                const size_t first = (i * g->out.h + y) * g->out.w;

                for (size_t x = b.x; x < b.x_end; x++) {
                    *from++ =
                        (uint32_t)(row + skipped + column_at(g, x * win->stride_w));
                    *to++ = (uint32_t)((first + x) * out_step);
                }
            }
    } while (mico_conv_next_band(g, win, &b));
}

/* ---- the copy ------------------------------------------------------------------ */

/* Rows of the only plane. Each begins at a cache line; what follows it up to the next
 * line is halo (or nothing). */
static MICO_AVX512 void copy_rows(const mico_conv_map *g, const mico_window *win,
                                  const uint8_t *image, uint8_t zero, uint8_t *to)
{
    const size_t line = g->in.w * g->in.c;
    const __m512i halo = _mm512_set1_epi8((char)zero);

    to += win->pad_top * g->pad_pitch + g->pad_lead + win->pad_left * g->in.c;
    for (size_t y = 0; y < g->in.h; y++, image += line, to += g->pad_pitch) {
        size_t k = 0;

        for (; k + 64 <= line; k += 64)
            _mm512_store_si512(to + k, _mm512_loadu_si512(image + k));
        if (k < line)
            _mm512_store_si512(
                to + k, _mm512_mask_loadu_epi8(halo, mico_mask64(line - k), image + k));
    }
}

/* Pixels one by one to the planes of their groups and phases. */
static void copy_planes(const mico_conv_map *g, const mico_window *win,
                        const uint8_t *image, uint8_t *to)
{
    for (size_t y = 0; y < g->in.h; y++)
        for (size_t x = 0; x < g->in.w; x++) {
            const size_t at = x + win->pad_left;
            uint8_t *pixel = to + at % g->phases * g->plane +
                             (y + win->pad_top) * g->pitch + g->lead +
                             at / g->phases * g->c;

            for (size_t k = 0; k < g->groups; k++, image += g->c)
                memcpy(pixel + k * g->phases * g->plane, image, g->c);
        }
}

/* Each output row's rows under the kernel side by side, from a padded copy. */
static void weave(const mico_conv_map *g, const mico_window *win,
                  const mico_gather *how, const uint8_t *padded, uint8_t *to)
{
    for (size_t y = 0; y < g->out.h; y++, to += g->pitch)
        mico_gather_row(how, padded + g->pad_lead + y * win->stride_h * g->pad_pitch,
                        win->dilation_h * g->pad_pitch,
                        g->in.w + win->pad_left + win->pad_right, to);
}

void mico_conv_copy(const mico_conv_map *g, const mico_window *win,
                    const mico_gather *how, const uint8_t *image, uint8_t zero,
                    uint8_t *padded, uint8_t *to)
{
    if (g->woven) {
        copy_rows(g, win, image, zero, padded);
        weave(g, win, how, padded, to);
    } else if (g->groups == 1 && g->phases == 1) {
        copy_rows(g, win, image, zero, to);
    } else {
        copy_planes(g, win, image, to);
    }
}

#endif
