/* Plots as inline SVG: axes with round ticks, dots with tips, steps, marked lines. */
#include "report/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define WIDTH  720.0
#define HEIGHT 360.0
#define LEFT   70.0
#define RIGHT  20.0
#define TOP    34.0
#define BOTTOM 52.0

void mico_add_escaped(mico_str *out, const char *text)
{
    for (; *text != '\0'; text++) {
        switch (*text) {
        case '&':
            mico_str_add(out, "&amp;");
            break;
        case '<':
            mico_str_add(out, "&lt;");
            break;
        case '>':
            mico_str_add(out, "&gt;");
            break;
        case '"':
            mico_str_add(out, "&quot;");
            break;
        default:
            mico_str_put(out, text, 1);
        }
    }
}

void mico_short_number(double value, char out[32])
{
    static const struct {
        double factor;
        const char *prefix;
    } prefixes[] = {{1e12, " T"}, {1e9, " G"}, {1e6, " M"}, {1e3, " k"}};

    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        if (fabs(value) >= prefixes[i].factor) {
            snprintf(out, 32, "%.4g%s", value / prefixes[i].factor, prefixes[i].prefix);
            return;
        }
    }
    snprintf(out, 32, "%.4g", value);
}

static double at_x(const mico_plot *plot, double x)
{
    return LEFT + (x - plot->x_min) / (plot->x_max - plot->x_min) * (WIDTH - LEFT - RIGHT);
}

static double at_y(const mico_plot *plot, double y)
{
    return HEIGHT - BOTTOM -
           (y - plot->y_min) / (plot->y_max - plot->y_min) * (HEIGHT - TOP - BOTTOM);
}

/* Step of about n ticks: 1, 2 or 5 times a power of ten. */
static double round_step(double range, int n)
{
    double rough = range / n, power = pow(10, floor(log10(rough))), digit = rough / power;

    return power * (digit < 1.5 ? 1 : digit < 3.5 ? 2 : digit < 7.5 ? 5 : 10);
}

static void widen(double *low, double *high)
{
    double margin = (*high - *low) * 0.04;

    if (!(margin > 0))
        margin = *high != 0 ? fabs(*high) * 0.05 : 1;
    *low -= margin;
    *high += margin;
}

static void x_axis(mico_plot *plot)
{
    double step = round_step(plot->x_max - plot->x_min, 7);

    for (double v = ceil(plot->x_min / step) * step; v <= plot->x_max; v += step) {
        char text[32];

        mico_short_number(fabs(v) < step / 1e6 ? 0 : v, text);
        mico_str_add(plot->out,
                     "<line x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f' class='grid'/>"
                     "<text x='%.1f' y='%.1f' text-anchor='middle'>%s</text>\n",
                     at_x(plot, v), TOP, at_x(plot, v), HEIGHT - BOTTOM, at_x(plot, v),
                     HEIGHT - BOTTOM + 16, text);
    }
}

static void y_axis(mico_plot *plot)
{
    double step = round_step(plot->y_max - plot->y_min, 6);

    for (double v = ceil(plot->y_min / step) * step; v <= plot->y_max; v += step) {
        char text[32];

        mico_short_number(fabs(v) < step / 1e6 ? 0 : v, text);
        mico_str_add(plot->out,
                     "<line x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f' class='grid'/>"
                     "<text x='%.1f' y='%.1f' text-anchor='end'>%s</text>\n",
                     LEFT, at_y(plot, v), WIDTH - RIGHT, at_y(plot, v), LEFT - 6,
                     at_y(plot, v) + 4, text);
    }
}

void mico_plot_begin(mico_plot *plot)
{
    widen(&plot->x_min, &plot->x_max);
    widen(&plot->y_min, &plot->y_max);
    mico_str_add(plot->out,
                 "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 %.0f %.0f' "
                 "font-family='sans-serif' font-size='12'>\n"
                 "<style>.grid{stroke:#dde3e8;stroke-width:1}text{fill:#33414e}</style>\n"
                 "<rect width='100%%' height='100%%' fill='#ffffff'/>\n"
                 "<text x='%.1f' y='20' font-size='14' font-weight='bold'>",
                 WIDTH, HEIGHT, LEFT);
    mico_add_escaped(plot->out, plot->title);
    mico_str_add(plot->out, "</text>\n");
    x_axis(plot);
    y_axis(plot);
    mico_str_add(plot->out,
                 "<rect x='%.1f' y='%.1f' width='%.1f' height='%.1f' fill='none' "
                 "stroke='#8795a1'/>\n<text x='%.1f' y='%.1f' text-anchor='middle'>",
                 LEFT, TOP, WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM,
                 (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 14);
    mico_add_escaped(plot->out, plot->x_label);
    mico_str_add(plot->out,
                 "</text>\n<text transform='translate(16 %.1f) rotate(-90)' "
                 "text-anchor='middle'>",
                 (TOP + HEIGHT - BOTTOM) / 2);
    mico_add_escaped(plot->out, plot->y_label);
    mico_str_add(plot->out, "</text>\n");
}

void mico_plot_dot(mico_plot *plot, double x, double y, double radius, const char *color,
                   const char *tip)
{
    mico_str_add(plot->out, "<circle cx='%.1f' cy='%.1f' r='%.1f' fill='%s' "
                            "fill-opacity='0.75'><title>",
                 at_x(plot, x), at_y(plot, y), radius, color);
    mico_add_escaped(plot->out, tip);
    mico_str_add(plot->out, "</title></circle>\n");
}

void mico_plot_steps(mico_plot *plot, const double *x, const double *y, size_t n,
                     const char *color)
{
    if (n == 0)
        return;
    mico_str_add(plot->out, "<path fill='none' stroke='%s' stroke-width='2' d='M%.1f %.1f",
                 color, at_x(plot, x[0]), at_y(plot, y[0]));
    for (size_t i = 1; i < n; i++)
        mico_str_add(plot->out, " H%.1f V%.1f", at_x(plot, x[i]), at_y(plot, y[i]));
    mico_str_add(plot->out, "'/>\n");
}

void mico_plot_hline(mico_plot *plot, double y, const char *color, const char *label)
{
    if (y < plot->y_min || y > plot->y_max)
        return;
    mico_str_add(plot->out,
                 "<line x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f' stroke='%s' "
                 "stroke-dasharray='5 4'/><text x='%.1f' y='%.1f' text-anchor='end' "
                 "style='fill:%s'>",
                 LEFT, at_y(plot, y), WIDTH - RIGHT, at_y(plot, y), color,
                 WIDTH - RIGHT - 4, at_y(plot, y) - 4, color);
    mico_add_escaped(plot->out, label);
    mico_str_add(plot->out, "</text>\n");
}

void mico_plot_vline(mico_plot *plot, double x, const char *color, const char *label)
{
    if (x < plot->x_min || x > plot->x_max)
        return;
    mico_str_add(plot->out,
                 "<line x1='%.1f' y1='%.1f' x2='%.1f' y2='%.1f' stroke='%s' "
                 "stroke-dasharray='5 4'/><text transform='translate(%.1f %.1f) rotate(-90)' "
                 "style='fill:%s'>",
                 at_x(plot, x), TOP, at_x(plot, x), HEIGHT - BOTTOM, color,
                 at_x(plot, x) - 4, HEIGHT - BOTTOM - 6, color);
    mico_add_escaped(plot->out, label);
    mico_str_add(plot->out, "</text>\n");
}

void mico_plot_end(mico_plot *plot)
{
    mico_str_add(plot->out, "</svg>\n");
}
