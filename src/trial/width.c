/* Widths and schemes: parsing, printing, packing. */
#include "trial/trial.h"

#include "core/hash.h"

#include <stdio.h>
#include <string.h>

static const struct {
    uint8_t width;
    const char *text;
    double bits;
    unsigned stored;
} widths[MICO_N_WIDTHS] = {
    {1, "1", 1, 1}, {MICO_TERNARY, "t", 1.58, 2},
    {2, "2", 2, 2}, {3, "3", 3, 3},
    {4, "4", 4, 4}, {5, "5", 5, 5},
    {6, "6", 6, 6}, {7, "7", 7, 7},
    {8, "8", 8, 8},
};

bool mico_width_valid(uint8_t width)
{
    return (width >= 1 && width <= 8) || width == MICO_TERNARY;
}

size_t mico_width_index(uint8_t width)
{
    return width == MICO_TERNARY ? 1 : width == 1 ? 0 : width;
}

uint8_t mico_width_at(size_t index)
{
    return widths[index].width;
}

double mico_width_bits(uint8_t width)
{
    return widths[mico_width_index(width)].bits;
}

unsigned mico_width_stored(uint8_t width)
{
    return widths[mico_width_index(width)].stored;
}

const char *mico_width_text(uint8_t width)
{
    return widths[mico_width_index(width)].text;
}

bool mico_width_parse(const char *text, uint8_t *out)
{
    for (size_t i = 0; i < MICO_N_WIDTHS; i++) {
        if (strcmp(text, widths[i].text) == 0) {
            *out = widths[i].width;
            return true;
        }
    }
    if (strcmp(text, "1.58") == 0 || strcmp(text, "1.5") == 0) {
        *out = MICO_TERNARY;
        return true;
    }
    return false;
}

/* "w4a8": all layers alike. */
static bool parse_uniform(mico_scheme *out, const char *text, size_t n_layers)
{
    char weight[8];
    const char *a = strchr(text, 'a');
    uint8_t w, v;

    if (text[0] != 'w' || a == NULL || (size_t)(a - text) > sizeof weight)
        return false;
    snprintf(weight, sizeof weight, "%.*s", (int)(a - text - 1), text + 1);
    if (!mico_width_parse(weight, &w) || !mico_width_parse(a + 1, &v))
        return false;
    memset(out->bits, w, n_layers);
    memset(out->bits + n_layers, v, n_layers);
    return true;
}

/* "8/4,8/8,...": a pair a layer. */
static mico_status parse_pairs(mico_scheme *out, const char *text, size_t n_layers,
                               mico_err *err)
{
    char pair[16], part[16];
    const char *rest = text;
    size_t l = 0;

    while (mico_text_next(&rest, ',', pair, sizeof pair)) {
        const char *inside = pair;
        uint8_t w, a;

        if (!mico_text_next(&inside, '/', part, sizeof part) ||
            !mico_width_parse(part, &w) ||
            !mico_text_next(&inside, '\0', part, sizeof part) ||
            !mico_width_parse(part, &a))
            return mico_fail(
                err, MICO_ESCHEME,
                "scheme: '%s' (layer %zu) is not weight/activation with widths "
                "1, t, 2..8",
                pair, l + 1);
        if (l < n_layers) {
            out->bits[l] = w;
            out->bits[n_layers + l] = a;
        }
        l++;
    }
    if (l != n_layers)
        return mico_fail(err, MICO_ESCHEME,
                         "scheme: %zu pairs for a network of %zu quantizable layers", l,
                         n_layers);
    return MICO_OK;
}

/* "mico:8,4,...": all weights, then all activations. */
static mico_status parse_flat(mico_scheme *out, const char *text, size_t n_layers,
                              mico_err *err)
{
    char part[16];
    const char *rest = text;
    size_t g = 0;

    while (mico_text_next(&rest, ',', part, sizeof part)) {
        uint8_t width;

        if (!mico_width_parse(part, &width))
            return mico_fail(err, MICO_ESCHEME,
                             "scheme: '%s' (entry %zu) is not a width of 1, t, 2..8",
                             part, g + 1);
        if (g < 2 * n_layers)
            out->bits[g] = width;
        g++;
    }
    if (g != 2 * n_layers)
        return mico_fail(
            err, MICO_ESCHEME,
            "scheme: %zu widths for a network of %zu quantizable layers (2 x "
            "%zu are needed)",
            g, n_layers, n_layers);
    return MICO_OK;
}

mico_status mico_scheme_parse(mico_scheme *out, const char *text, size_t n_layers,
                              mico_err *err)
{
    mico_scheme scheme = {.n_layers = n_layers};
    mico_status rc = MICO_OK;

    if (n_layers == 0 || n_layers > MICO_MAX_LAYERS)
        return mico_fail(err, MICO_ESCHEME, "scheme: a network of %zu layers has none",
                         n_layers);
    if (strncmp(text, "mico:", 5) == 0)
        rc = parse_flat(&scheme, text + 5, n_layers, err);
    else if (text[0] == 'w' && !parse_uniform(&scheme, text, n_layers))
        rc = mico_fail(err, MICO_ESCHEME,
                       "scheme: '%s' is not of the form w8a8 with widths 1, t, 2..8",
                       text);
    else if (text[0] != 'w')
        rc = parse_pairs(&scheme, text, n_layers, err);
    if (rc == MICO_OK)
        *out = scheme;
    return rc;
}

void mico_scheme_print(const mico_scheme *scheme, char out[MICO_SCHEME_TEXT])
{
    size_t n = scheme->n_layers, used = 0;
    bool alike = true;

    for (size_t l = 1; l < n; l++)
        alike = alike && scheme->bits[l] == scheme->bits[0] &&
                scheme->bits[n + l] == scheme->bits[n];
    out[0] = '\0';
    if (n > 0 && alike) {
        snprintf(out, MICO_SCHEME_TEXT, "w%sa%s", mico_width_text(scheme->bits[0]),
                 mico_width_text(scheme->bits[n]));
        return;
    }
    for (size_t l = 0; l < n; l++)
        used += (size_t)snprintf(out + used, MICO_SCHEME_TEXT - used, "%s%s/%s",
                                 l > 0 ? "," : "", mico_width_text(scheme->bits[l]),
                                 mico_width_text(scheme->bits[n + l]));
}

bool mico_scheme_equal(const mico_scheme *a, const mico_scheme *b)
{
    return a->n_layers == b->n_layers && memcmp(a->bits, b->bits, 2 * a->n_layers) == 0;
}

int mico_scheme_order(const mico_scheme *a, const mico_scheme *b)
{
    for (size_t i = 0; i < a->n_layers && i < b->n_layers; i++) {
        const int acts = a->bits[a->n_layers + i] - b->bits[b->n_layers + i];
        const int weights = a->bits[i] - b->bits[i];

        if (acts != 0 || weights != 0)
            return acts != 0 ? acts : weights;
    }
    return 0;
}

uint64_t mico_scheme_hash(const mico_scheme *scheme)
{
    return mico_hash(scheme->bits, 2 * scheme->n_layers, scheme->n_layers);
}

void mico_scheme_put(mico_writer *w, const mico_scheme *scheme)
{
    mico_put_bytes(w, scheme->bits, 2 * scheme->n_layers);
}

void mico_scheme_get(mico_reader *r, mico_scheme *scheme)
{
    size_t n;
    const uint8_t *bits = mico_get_bytes(r, &n);

    *scheme = (mico_scheme){0};
    if (bits == NULL || n % 2 != 0 || n > MICO_MAX_GENES) {
        r->bad = true;
        return;
    }
    for (size_t g = 0; g < n; g++)
        r->bad = r->bad || !mico_width_valid(bits[g]);
    if (r->bad)
        return;
    scheme->n_layers = n / 2;
    memcpy(scheme->bits, bits, n);
}
