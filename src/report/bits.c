/* The strip of a scheme's widths, layer by layer. */
#include "report/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define LEFT     92.0
#define PER_ROW  20
#define NAME_LEN 14

/* Blue for many bits, pale for few; dark text where the cell is pale. */
static void cell(mico_str *out, double x, double y, double width, uint8_t bits)
{
    double share = (mico_width_bits(bits) - 1) / 7;
    int red = (int)(235 - 205 * share), green = (int)(243 - 142 * share),
        blue = (int)(251 - 79 * share);

    mico_str_add(out,
                 "<rect x='%.1f' y='%.1f' width='%.1f' height='26' rx='3' "
                 "fill='rgb(%d,%d,%d)'/><text x='%.1f' y='%.1f' text-anchor='middle' "
                 "fill='%s'>%s</text>\n",
                 x, y, width - 3, red, green, blue, x + (width - 3) / 2, y + 18,
                 share > 0.8 ? "#fff" : "#223", mico_width_text(bits));
}

static void name_below(mico_str *out, double x, double y, const char *name)
{
    char cut[4 * NAME_LEN + 8];

    mico_cut_middle(name, NAME_LEN, cut, sizeof cut);
    mico_str_add(
        out, "<text transform='translate(%.1f %.1f) rotate(60)' font-size='11'>", x, y);
    mico_str_add(out, "<title>");
    mico_add_escaped(out, name);
    mico_str_add(out, "</title>");
    mico_add_escaped(out, cut);
    mico_str_add(out, "</text>\n");
}

/* Two cells and the longest name, which stands at 60 degrees. */
static double row_height(const mico_study_run *study)
{
    size_t longest = 0;

    for (size_t l = 0; l < study->problem.space.n_layers; l++)
        if (strlen(study->problem.layer_name[l]) > longest)
            longest = strlen(study->problem.layer_name[l]);
    return 80 + 5.8 * (double)(longest < NAME_LEN ? longest : NAME_LEN);
}

void mico_figure_bits(const mico_study_run *study, mico_str *out)
{
    size_t n = study->problem.space.n_layers, n_rows = (n + PER_ROW - 1) / PER_ROW;
    bool feasible;
    size_t chosen = mico_report_chosen(study, &feasible);
    double width =
        fmin(46, (MICO_SVG_WIDTH - LEFT - 30) / (n < PER_ROW ? (double)n : PER_ROW));
    double row = row_height(study);
    const uint8_t *bits;
    char title[96];

    if (chosen == study->n_trials)
        return;
    bits = study->trial[chosen].scheme.bits;
    snprintf(title, sizeof title, "Bits per layer of the %s scheme, trial %zu",
             feasible ? "best" : "least violating", chosen);
    mico_svg_begin(out, 30 + row * (double)n_rows + 24, title);
    for (size_t r = 0; r < n_rows; r++) {
        double y = 40 + row * (double)r;

        mico_str_add(out,
                     "<text x='14' y='%.1f'>weights</text><text x='14' y='%.1f'>"
                     "activations</text>\n",
                     y + 18, y + 48);
        for (size_t l = r * PER_ROW; l < n && l < (r + 1) * PER_ROW; l++) {
            double x = LEFT + width * (double)(l - r * PER_ROW);

            cell(out, x, y, width, bits[l]);
            cell(out, x, y + 30, width, bits[n + l]);
            name_below(out, x + width / 2 - 6, y + 70, study->problem.layer_name[l]);
        }
    }
    mico_str_add(
        out,
        "<text x='14' y='%.1f'>Each column is a layer, in execution order; darker: "
        "more bits; t: ternary.</text>\n</svg>\n",
        30 + row * (double)n_rows + 12);
}
