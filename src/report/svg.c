/* Plots as inline SVG: axes with round ticks, marks with tips, steps, a legend below.
 */
#include "report/internal.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WIDTH       MICO_SVG_WIDTH
#define LEFT        70.0
#define RIGHT       20.0
#define TOP         36.0
#define FLOOR       320.0 /* lower edge of the frame */
#define LEGEND      382.0 /* baseline of the legend's first line */
#define LINE        19.0
#define LETTER      6.8 /* widest mean width of a letter that common fonts have */
#define GRID_COLOR  "#dde3e8"
#define FRAME_COLOR "#8795a1"

void mico_svg_begin(mico_str *out, double height, const char *title)
{
    mico_str_add(
        out,
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %.0f %.0f' role='img' "
        "font-family='sans-serif' font-size='12' fill='#33414e' aria-label='",
        WIDTH, height);
    mico_add_escaped(out, title);
    mico_str_add(out, "'>\n<rect width='100%%' height='100%%' fill='#fff'/>\n"
                      "<text x='14' y='22' font-size='14' font-weight='bold'>");
    mico_add_escaped(out, title);
    mico_str_add(out, "</text>\n");
}

/* ---- coordinates ----------------------------------------------------------------- */

static double at_x(const mico_plot *plot, double x)
{
    double share = (x - plot->x_min) / (plot->x_max - plot->x_min);

    return LEFT + fmin(fmax(share, 0), 1) * (WIDTH - LEFT - RIGHT);
}

static double at_y(const mico_plot *plot, double y)
{
    double share = (y - plot->y_min) / (plot->y_max - plot->y_min);

    return FLOOR - fmin(fmax(share, 0), 1) * (FLOOR - TOP);
}

/* A margin around the data, wide enough for doubles to tell the ticks apart. */
static void widen(double *low, double *high)
{
    double margin, least;

    if (!isfinite(*low) || !isfinite(*high) || *low > *high)
        *low = 0, *high = 1;
    margin = (*high - *low) * 0.04;
    least = fmax(fabs(*low), fabs(*high)) * 1e-9;
    if (!(margin > least))
        margin = *high != 0 ? fabs(*high) * 0.05 : 1;
    *low -= margin;
    *high += margin;
}

/* Step of about n ticks: 1, 2 or 5 times a power of ten. */
static double round_step(double range, int n)
{
    double rough = range / n, power = pow(10, floor(log10(rough))),
           digit = rough / power;

    return power * (digit < 1.5 ? 1 : digit < 3.5 ? 2 : digit < 7.5 ? 5 : 10);
}

/* One unit for a whole axis, and as many decimals as its step needs. */
static void tick_text(double value, double largest, double step, char out[40])
{
    static const char *const prefix[] = {"", " k", " M", " G", " T"};
    double factor = 1;
    size_t i = 0;

    if (largest >= 1e4) /* so that trials up to there keep their digits */
        for (; i < 4 && largest / factor >= 1e3; i++)
            factor *= 1e3;
    if (largest / factor >= 1e6 || step / factor < 1e-9)
        snprintf(out, 40, "%.6g", value);
    else
        snprintf(out, 40, "%.*f%s", (int)fmax(0, -floor(log10(step / factor) + 1e-9)),
                 value / factor, value != 0 ? prefix[i] : "");
}

static void axis(mico_plot *plot, bool vertical)
{
    double low = vertical ? plot->y_min : plot->x_min;
    double high = vertical ? plot->y_max : plot->x_max;
    double step = round_step(high - low, vertical ? 6 : 7), first;

    if (!vertical && plot->x_whole)
        step = fmax(step, 1);
    first = ceil(low / step);
    for (int i = 0; i < 20 && (first + i) * step <= high; i++) {
        double v = (first + i) * step;
        char text[40];

        tick_text(v, fmax(fabs(low), fabs(high)), step, text);
        if (vertical)
            mico_str_add(plot->out,
                         "<path d='M%.1f %.1fH%.1f' stroke='" GRID_COLOR "'/>"
                         "<text x='%.1f' y='%.1f' text-anchor='end'>%s</text>\n",
                         LEFT, at_y(plot, v), WIDTH - RIGHT, LEFT - 7,
                         at_y(plot, v) + 4, text);
        else
            mico_str_add(plot->out,
                         "<path d='M%.1f %.1fV%.1f' stroke='" GRID_COLOR "'/>"
                         "<text x='%.1f' y='%.1f' text-anchor='middle'>%s</text>\n",
                         at_x(plot, v), TOP, FLOOR, at_x(plot, v), FLOOR + 17, text);
    }
}

/* ---- marks and lines ------------------------------------------------------------- */

static void shape(mico_str *out, double x, double y, const mico_style *style)
{
    double r = style->size;

    switch (style->shape) {
    case MICO_SHAPE_DOT:
        mico_str_add(out,
                     "<circle cx='%.1f' cy='%.1f' r='%.1f' fill='%s' "
                     "stroke='#fff' stroke-width='0.6'",
                     x, y, r, style->color);
        break;
    case MICO_SHAPE_HOLLOW:
        mico_str_add(out,
                     "<circle cx='%.1f' cy='%.1f' r='%.1f' fill='#fff' stroke='%s'", x,
                     y, r, style->color);
        break;
    case MICO_SHAPE_SQUARE:
        mico_str_add(out,
                     "<rect x='%.1f' y='%.1f' width='%.1f' height='%.1f' fill='%s'",
                     x - r, y - r, 2 * r, 2 * r, style->color);
        break;
    case MICO_SHAPE_DIAMOND:
        mico_str_add(out,
                     "<path d='M%.1f %.1fl%.1f %.1fl%.1f %.1fl%.1f %.1fz' fill='%s' "
                     "stroke='#fff' stroke-width='1.5'",
                     x, y - r, r, r, -r, r, -r, -r, style->color);
        break;
    case MICO_SHAPE_DOWN:
        mico_str_add(out, "<path d='M%.1f %.1fh%.1fl%.1f %.1fz' fill='%s'", x - r,
                     y - r, 2 * r, -r, 1.7 * r, style->color);
        break;
    default:
        mico_str_add(out,
                     "<path d='M%.1f %.1fl%.1f %.1fm0 %.1fl%.1f %.1f' stroke='%s' "
                     "stroke-width='2' fill='none'",
                     x - r, y - r, 2 * r, 2 * r, -2 * r, -2 * r, 2 * r, style->color);
    }
}

static void line_style(mico_str *out, const mico_style *style)
{
    mico_str_add(out, " fill='none' stroke='%s' stroke-width='%.1f'", style->color,
                 style->size);
    if (style->dash != NULL)
        mico_str_add(out, " stroke-dasharray='%s'", style->dash);
    mico_str_add(out, "/>\n");
}

void mico_plot_mark(mico_plot *plot, double x, double y, const mico_style *style,
                    const char *tip)
{
    if (!isfinite(x) || !isfinite(y))
        return;
    shape(plot->out, at_x(plot, x), at_y(plot, y), style);
    mico_str_add(plot->out, "><title>");
    mico_add_escaped(plot->out, tip);
    mico_str_add(plot->out, "</title></%s>\n",
                 style->shape <= MICO_SHAPE_HOLLOW   ? "circle"
                 : style->shape == MICO_SHAPE_SQUARE ? "rect"
                                                     : "path");
}

void mico_plot_steps(mico_plot *plot, const double *x, const double *y, size_t n,
                     const mico_style *style)
{
    bool open = false;

    for (size_t i = 0; i < n; i++) {
        if (!isfinite(x[i]) || !isfinite(y[i]))
            continue;
        mico_str_add(plot->out, open ? "H%.1fV%.1f" : "<path d='M%.1f %.1f",
                     at_x(plot, x[i]), at_y(plot, y[i]));
        open = true;
    }
    if (!open)
        return;
    mico_str_add(plot->out, "'");
    line_style(plot->out, style);
}

void mico_plot_band(mico_plot *plot, const double *x, const double *low,
                    const double *high, size_t n, const char *color)
{
    bool open = false;

    for (size_t i = 0; i < n; i++) {
        if (!isfinite(x[i]) || !isfinite(low[i]) || !isfinite(high[i]))
            continue;
        mico_str_add(plot->out, open ? "H%.1fV%.1f" : "<path d='M%.1f %.1f",
                     at_x(plot, x[i]), at_y(plot, high[i]));
        open = true;
    }
    if (!open)
        return;
    for (size_t i = n; i-- > 0;)
        if (isfinite(x[i]) && isfinite(low[i]) && isfinite(high[i]))
            mico_str_add(plot->out, "V%.1fH%.1f", at_y(plot, low[i]), at_x(plot, x[i]));
    mico_str_add(plot->out, "z' fill='%s' fill-opacity='0.15'/>\n", color);
}

void mico_plot_hline(mico_plot *plot, double y, const mico_style *style)
{
    mico_str_add(plot->out, "<path d='M%.1f %.1fH%.1f'", LEFT, at_y(plot, y),
                 WIDTH - RIGHT);
    line_style(plot->out, style);
}

void mico_plot_vline(mico_plot *plot, double x, const mico_style *style)
{
    if (!isfinite(x))
        return;
    mico_str_add(plot->out, "<path d='M%.1f %.1fV%.1f'", at_x(plot, x), TOP, FLOOR);
    line_style(plot->out, style);
}

/* ---- legend and frame ------------------------------------------------------------ */

void mico_plot_key(mico_plot *plot, const mico_style *style, const char *fmt, ...)
{
    char text[sizeof plot->key[0].text];
    va_list ap;

    if (plot->n_keys == MICO_PLOT_KEYS)
        return;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    plot->key[plot->n_keys].style = *style;
    mico_cut_middle(text, 90, plot->key[plot->n_keys].text, sizeof text);
    plot->n_keys++;
}

/* Places the keys side by side while there is room; draws them unless out is NULL.
 * Returns the baseline of the last line. */
static double legend(const mico_plot *plot, mico_str *out)
{
    double x = LEFT, y = LEGEND;

    for (size_t k = 0; k < plot->n_keys; k++) {
        const mico_style *style = &plot->key[k].style;
        double symbol = style->shape == MICO_SHAPE_NONE   ? 0
                        : style->shape == MICO_SHAPE_LINE ? 34
                                                          : 18;
        double width = symbol + LETTER * (double)strlen(plot->key[k].text) + 16;

        if (x > LEFT && x + width > WIDTH) {
            x = LEFT;
            y += LINE;
        }
        if (out != NULL) {
            if (style->shape == MICO_SHAPE_LINE) {
                mico_str_add(out, "<path d='M%.1f %.1fh28'", x, y - 4);
                line_style(out, style);
            } else if (style->shape != MICO_SHAPE_NONE) {
                shape(out, x + 6, y - 4, style);
                mico_str_add(out, "/>");
            }
            mico_str_add(out, "<text x='%.1f' y='%.1f'>", x + symbol, y);
            mico_add_escaped(out, plot->key[k].text);
            mico_str_add(out, "</text>\n");
        }
        x += width;
    }
    return y;
}

void mico_plot_begin(mico_plot *plot)
{
    widen(&plot->x_min, &plot->x_max);
    widen(&plot->y_min, &plot->y_max);
    mico_svg_begin(plot->out, legend(plot, NULL) + 14, plot->title);
    axis(plot, false);
    axis(plot, true);
    mico_str_add(plot->out,
                 "<rect x='%.1f' y='%.1f' width='%.1f' height='%.1f' fill='none' "
                 "stroke='" FRAME_COLOR "'/>\n<text x='%.1f' y='%.1f' "
                 "text-anchor='middle'>",
                 LEFT, TOP, WIDTH - LEFT - RIGHT, FLOOR - TOP,
                 (LEFT + WIDTH - RIGHT) / 2, FLOOR + 36);
    mico_add_escaped(plot->out, plot->x_label);
    mico_str_add(plot->out,
                 "</text>\n<text transform='translate(18 %.1f) rotate(-90)' "
                 "text-anchor='middle'>",
                 (TOP + FLOOR) / 2);
    mico_add_escaped(plot->out, plot->y_label);
    mico_str_add(plot->out, "</text>\n");
    legend(plot, plot->out);
}

void mico_plot_end(mico_plot *plot)
{
    mico_str_add(plot->out, "</svg>\n");
}
