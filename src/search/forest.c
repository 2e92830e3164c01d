/* CART regression trees (Breiman 2001) grown on histograms of coded features.
 *
 * A split of n samples with sum s into halves maximises sl^2/nl + sr^2/nr, which
 * minimises the squared error. Thresholds are midpoints of neighbouring values that
 * occur in the node. Like scikit-learn, a node looks at max_features random features
 * and goes on until one of them can split. */
#include "search/forest.h"

#include "core/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct grower {
    const mico_forest_data *data;
    const mico_forest_options *options;
    mico_forest *forest;
    mico_rng *rng;
    uint8_t *column;  /* [n_features][n] codes, transposed: one feature is contiguous */
    uint32_t *sample; /* [n] indices, those of a node side by side */
    double *target;   /* [n] of the node at work, less its mean */
    double total;     /* their sum: zero but for rounding */
    size_t *feature;  /* [n_features] a permutation */
} grower;

typedef struct split {
    double gain;
    size_t feature, code; /* code: the last value of the left side that occurs */
    uint8_t cut;
} split;

typedef struct job {
    uint32_t node;
    size_t begin, end, depth;
} job;

/* The largest code whose value is at most the midpoint between two values. */
static uint8_t cut_between(const double *values, size_t low, size_t high)
{
    double threshold = values[low] / 2 + values[high] / 2;
    size_t cut = low;

    while (cut + 1 < high && values[cut + 1] <= threshold)
        cut++;
    return (uint8_t)cut;
}

/* Improves *best by the splits on feature f; false if f is constant in the node. */
static bool try_feature(const grower *g, const job *j, size_t f, split *best)
{
    const uint8_t *column = g->column + f * g->data->n;
    double sum[MICO_FOREST_CODES] = {0}, left = 0;
    uint32_t count[MICO_FOREST_CODES] = {0};
    size_t n = j->end - j->begin, n_left = 0, low = MICO_FOREST_CODES;

    for (size_t i = j->begin; i < j->end; i++) {
        size_t code = column[g->sample[i]];

        sum[code] += g->target[i];
        count[code]++;
    }
    for (size_t c = 0; c < MICO_FOREST_CODES; c++) {
        if (count[c] == 0)
            continue;
        if (low < MICO_FOREST_CODES) {
            double right = g->total - left;
            double gain =
                left * left / (double)n_left + right * right / (double)(n - n_left);

            if (gain > best->gain || (gain == best->gain && f < best->feature))
                *best = (split){gain, f, low, cut_between(g->data->values[f], low, c)};
        }
        left += sum[c];
        n_left += count[c];
        low = c;
    }
    return n_left != count[low];
}

/* Looks at random features, drawn without replacement. */
static bool find_split(grower *g, const job *j, split *best)
{
    size_t d = g->data->n_features, limit = g->options->max_features;
    bool found = false;

    if (limit == 0 || limit > d)
        limit = d;
    *best = (split){.gain = -1};
    for (size_t k = 0; k < d && (k < limit || !found); k++) {
        size_t pick = k, f;

        if (limit < d)
            pick += mico_rng_below(g->rng, d - k);
        f = g->feature[pick];
        g->feature[pick] = g->feature[k];
        g->feature[k] = f;
        found |= try_feature(g, j, f, best);
    }
    return found;
}

/* Moves the samples of the left side to the front; returns where the right side begins.
 */
static size_t partition(grower *g, const job *j, const split *s)
{
    const uint8_t *column = g->column + s->feature * g->data->n;
    size_t middle = j->begin;

    for (size_t i = j->begin; i < j->end; i++) {
        uint32_t sample = g->sample[i];

        if (column[sample] <= s->code) {
            g->sample[i] = g->sample[middle];
            g->sample[middle++] = sample;
        }
    }
    return middle;
}

/* Sets the node's value and centred targets; true if all its targets are alike. */
static bool summarise(grower *g, const job *j)
{
    double sum = 0, mean;
    bool alike = true;

    for (size_t i = j->begin; i < j->end; i++) {
        double y = g->data->y[g->sample[i]];

        sum += y;
        alike &= y == g->data->y[g->sample[j->begin]];
    }
    mean = alike ? g->data->y[g->sample[j->begin]] : sum / (double)(j->end - j->begin);
    g->total = 0;
    for (size_t i = j->begin; i < j->end; i++) {
        g->target[i] = g->data->y[g->sample[i]] - mean;
        g->total += g->target[i];
    }
    g->forest->node[j->node].value = mean;
    return alike;
}

static uint32_t new_nodes(mico_forest *f, size_t n)
{
    uint32_t first = (uint32_t)f->n_nodes;

    for (size_t i = 0; i < n; i++) {
        f->node = mico_grow(f->node, f->n_nodes, &f->capacity, sizeof *f->node);
        f->node[f->n_nodes++] = (mico_forest_node){0};
    }
    return first;
}

/* Grows one tree over sample[0..n). stack holds at most one open sibling a level. */
static uint32_t grow_tree(grower *g, job *stack)
{
    size_t n_open = 0, max_depth = g->options->max_depth;
    uint32_t root = new_nodes(g->forest, 1);

    stack[n_open++] = (job){root, 0, g->data->n, 0};
    while (n_open > 0) {
        job j = stack[--n_open];
        size_t middle;
        uint32_t left;
        split s;

        if (summarise(g, &j) || (max_depth > 0 && j.depth >= max_depth) ||
            !find_split(g, &j, &s))
            continue;
        middle = partition(g, &j, &s);
        left = new_nodes(g->forest, 2);
        g->forest->node[j.node].left = left;
        g->forest->node[j.node].feature = (uint16_t)s.feature;
        g->forest->node[j.node].cut = s.cut;
        stack[n_open++] = (job){left + 1, middle, j.end, j.depth + 1};
        stack[n_open++] = (job){left, j.begin, middle, j.depth + 1};
    }
    return root;
}

void mico_forest_fit(mico_forest *out, const mico_forest_data *data,
                     const mico_forest_options *options, mico_rng *rng)
{
    size_t n = data->n, d = data->n_features;
    grower g = {.data = data, .options = options, .forest = out, .rng = rng};
    job *stack = mico_xcalloc(n + 2, sizeof *stack);

    *out = (mico_forest){.n_trees = options->n_trees};
    out->root = mico_xcalloc(out->n_trees, sizeof *out->root);
    g.column = mico_xcalloc(n * d, 1);
    g.sample = mico_xcalloc(n, sizeof *g.sample);
    g.target = mico_xcalloc(n, sizeof *g.target);
    g.feature = mico_xcalloc(d, sizeof *g.feature);
    for (size_t i = 0; i < n; i++)
        for (size_t f = 0; f < d; f++)
            g.column[f * n + i] = data->codes[i * d + f];
    for (size_t f = 0; f < d; f++)
        g.feature[f] = f;
    for (size_t t = 0; t < out->n_trees; t++) {
        for (size_t i = 0; i < n; i++)
            g.sample[i] = (uint32_t)(options->bootstrap ? mico_rng_below(rng, n) : i);
        out->root[t] = grow_tree(&g, stack);
    }
    free(stack);
    free(g.column);
    free(g.sample);
    free(g.target);
    free(g.feature);
}

void mico_forest_predict(const mico_forest *forest, const uint8_t *codes, double *mean,
                         double *deviation)
{
    double sum = 0, squares = 0, first = 0, n = (double)forest->n_trees;

    for (size_t t = 0; t < forest->n_trees; t++) {
        const mico_forest_node *node = &forest->node[forest->root[t]];
        double y;

        while (node->left != 0)
            node = &forest->node[node->left + (codes[node->feature] > node->cut)];
        if (t == 0)
            first = node->value;
        y = node->value - first; /* near zero: squares lose no digits */
        sum += y;
        squares += y * y;
    }
    *mean = first + sum / n;
    *deviation = sqrt(fmax(0, squares / n - sum / n * (sum / n)));
}

void mico_forest_free(mico_forest *forest)
{
    free(forest->node);
    free(forest->root);
    *forest = (mico_forest){0};
}
