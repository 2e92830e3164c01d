/* CART regression trees (Breiman 2001) grown on histograms of coded features.
 *
 * A split of n samples with sum s into halves maximises sl^2/nl + sr^2/nr, which
 * minimises the squared error. Thresholds are midpoints of neighbouring values that
 * occur in the node. Like scikit-learn, a node looks at max_features random features
 * and goes on until one of them can split.
 *
 * Targets are integers while trees grow, and a sum and its count share one 64-bit
 * number: a sample costs one addition a feature, and sums are exact in any order. A
 * bootstrap sample is a list of distinct samples with weights. */
#include "search/forest.h"

#include "core/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PREDICT_ROWS 128
#define SIDE         4 /* features whose histograms are filled side by side */

typedef struct grower {
    const mico_forest_data *data;
    const mico_forest_options *options;
    mico_forest *forest;
    mico_rng *rng;
    uint64_t noise;      /* state of a fast generator, seeded by rng for each tree */
    size_t n;            /* distinct samples of the tree */
    double middle, unit; /* target = middle + unit * integer */
    unsigned count_bits;
    int64_t *whole;   /* [n] integer targets */
    int64_t *packed;  /* [n] (weight * integer) << count_bits, plus weight */
    uint32_t *weight; /* [n] */
    double *inverse;  /* [n + 1] 1/i */
    uint8_t *column;  /* [n_features][n] codes, transposed: one feature is contiguous */
    uint32_t *sample; /* [n] indices, those of a node side by side */
    uint32_t *right;  /* [n] scratch */
    size_t *feature;  /* [n_features] a permutation */
} grower;

/* A sum of targets and how many they are. */
typedef struct total {
    int64_t sum, count;
} total;

typedef struct split {
    double gain;
    size_t feature, low, high; /* the codes of the node on both sides of the cut */
    total left;
} split;

typedef struct job {
    uint32_t node;
    size_t begin, end, depth;
    total total;
} job;

/* SplitMix64 (Steele, Lea and Flood 2014). */
static uint64_t next_noise(grower *g)
{
    uint64_t z = g->noise += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* 0 .. n-1, n below 2^31; its bias is n/2^32. */
static size_t noise_below(grower *g, size_t n)
{
    return (size_t)((next_noise(g) >> 32) * n >> 32);
}

static total unpack(const grower *g, int64_t packed)
{
    const int64_t count = packed & (((int64_t)1 << g->count_bits) - 1);

    return (total){packed >> g->count_bits, count}; /* rounds down, also below 0 */
}

/* ---- splits -----------------------------------------------------------------------
 */

/* The largest code whose value is at most the midpoint between two values. */
static uint8_t cut_between(const double *values, size_t low, size_t high)
{
    double threshold = values[low] / 2 + values[high] / 2;
    size_t cut = low;

    while (cut + 1 < high && values[cut + 1] <= threshold)
        cut++;
    return (uint8_t)cut;
}

/* What a split explains: n times sl^2/nl + sr^2/nr - s^2/n. */
static double gain_of(const grower *g, const job *j, total left)
{
    const double n = (double)j->total.count, nl = (double)left.count;
    const double rest = (double)left.sum * n - nl * (double)j->total.sum;

    return rest * rest * g->inverse[left.count] *
           g->inverse[j->total.count - left.count];
}

/* Improves *best by the splits on feature f; false if f is constant in the node. */
static bool try_histogram(const grower *g, const job *j, size_t f, const int64_t *sums,
                          split *best)
{
    total left = {0};
    size_t low = MICO_FOREST_CODES;

    for (size_t c = 0; c < MICO_FOREST_CODES; c++) {
        total here;

        if (sums[c] == 0) /* a count is never 0: no sample has this code */
            continue;
        if (low < MICO_FOREST_CODES) {
            const double gain = gain_of(g, j, left);

            if (gain > best->gain || (gain == best->gain && f < best->feature))
                *best = (split){gain, f, low, c, left};
        }
        here = unpack(g, sums[c]);
        left.sum += here.sum;
        left.count += here.count;
        low = c;
    }
    return left.count != unpack(g, sums[low]).count;
}

/* Histograms of the first 4, 2 or 1 of n features over the samples of a node; returns
 * how many. Several at once hide what adding to memory takes. */
static size_t fill(const grower *g, const job *j, const size_t *features, size_t n,
                   int64_t sums[SIDE][MICO_FOREST_CODES])
{
    const size_t m = n >= 4 ? 4 : n >= 2 ? 2 : 1;
    const uint8_t *column[SIDE];

    for (size_t k = 0; k < SIDE; k++)
        column[k] = g->column + features[k < m ? k : 0] * g->data->n;
    memset(sums, 0, m * sizeof *sums);
    for (size_t i = j->begin; i < j->end; i++) {
        const size_t s = g->sample[i];
        const int64_t packed = g->packed[s];

        sums[0][column[0][s]] += packed;
        if (m == 1)
            continue;
        sums[1][column[1][s]] += packed;
        if (m == 2)
            continue;
        sums[2][column[2][s]] += packed;
        sums[3][column[3][s]] += packed;
    }
    return m;
}

/* Two samples: every feature that tells them apart gains the same. */
static bool try_pair(const grower *g, const job *j, const size_t *features, size_t n,
                     split *best)
{
    const uint32_t a = g->sample[j->begin], b = g->sample[j->begin + 1];

    for (size_t k = 0; k < n; k++) {
        const uint8_t *column = g->column + features[k] * g->data->n;
        const uint32_t low = column[a] < column[b] ? a : b, high = a + b - low;
        const total left = {(int64_t)g->weight[low] * g->whole[low],
                            (int64_t)g->weight[low]};

        if (column[a] != column[b] && (best->gain < 0 || features[k] < best->feature))
            *best = (split){0, features[k], column[low], column[high], left};
    }
    return best->gain >= 0;
}

/* Improves *best by the splits on n features; false if all are constant in the node. */
static bool try_features(const grower *g, const job *j, const size_t *features,
                         size_t n, split *best)
{
    int64_t sums[SIDE][MICO_FOREST_CODES];
    bool found = false;

    if (j->end - j->begin == 2)
        return try_pair(g, j, features, n, best);
    for (size_t k = 0, m; k < n; k += m) {
        m = fill(g, j, features + k, n - k, sums);
        for (size_t i = 0; i < m; i++)
            found |= try_histogram(g, j, features[k + i], sums[i], best);
    }
    return found;
}

/* Moves a random one of the features from k on to place k. */
static void draw_feature(grower *g, size_t k)
{
    size_t pick = k + noise_below(g, g->data->n_features - k), f = g->feature[pick];

    g->feature[pick] = g->feature[k];
    g->feature[k] = f;
}

/* Looks at random features, drawn without replacement. */
static bool find_split(grower *g, const job *j, split *best)
{
    size_t d = g->data->n_features, limit = g->options->max_features;
    bool found;

    if (limit == 0 || limit > d)
        limit = d;
    *best = (split){.gain = -1};
    for (size_t k = 0; k < limit && limit < d; k++)
        draw_feature(g, k);
    found = try_features(g, j, g->feature, limit, best);
    for (size_t k = limit; k < d && !found; k++) {
        draw_feature(g, k);
        found = try_features(g, j, g->feature + k, 1, best);
    }
    return found;
}

/* ---- trees ------------------------------------------------------------------------
 */

/* Moves the samples of the left side to the front; returns where the right side begins.
 */
static size_t partition(grower *g, const job *j, const split *s)
{
    const uint8_t *column = g->column + s->feature * g->data->n;
    size_t middle = j->begin, n_right = 0;

    for (size_t i = j->begin; i < j->end; i++) {
        const uint32_t sample = g->sample[i];
        const bool left = column[sample] <= s->low;

        g->sample[middle] = sample;
        g->right[n_right] = sample;
        middle += left;
        n_right += !left;
    }
    memcpy(g->sample + middle, g->right, n_right * sizeof *g->right);
    return middle;
}

/* Sets the node's value; true if all its targets are alike. */
static bool summarise(grower *g, const job *j)
{
    const double *y = g->data->y, first = y[g->sample[j->begin]];
    size_t i = j->begin;

    while (i < j->end && y[g->sample[i]] == first)
        i++;
    g->forest->node[j->node].value =
        i == j->end
            ? first
            : g->middle + g->unit * ((double)j->total.sum / (double)j->total.count);
    return i == j->end;
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

/* Weights and the list of those that are not 0; returns the sum of all targets. */
static total draw_samples(grower *g)
{
    const size_t n = g->data->n;
    total all = {0};

    for (size_t i = 0; i < n; i++)
        g->weight[i] = !g->options->bootstrap;
    for (size_t i = 0; g->options->bootstrap && i < n; i++)
        g->weight[noise_below(g, n)]++;
    g->n = 0;
    for (size_t i = 0; i < n; i++) {
        const int64_t sum = (int64_t)g->weight[i] * g->whole[i];

        g->packed[i] = sum * ((int64_t)1 << g->count_bits) + (int64_t)g->weight[i];
        g->sample[g->n] = (uint32_t)i;
        g->n += g->weight[i] > 0;
        all.sum += sum;
        all.count += (int64_t)g->weight[i];
    }
    return all;
}

/* Grows one tree. stack holds at most one open sibling a level. */
static uint32_t grow_tree(grower *g, job *stack)
{
    size_t n_open = 0, max_depth = g->options->max_depth;
    uint32_t root = new_nodes(g->forest, 1);
    total all;

    g->noise = (uint64_t)mico_rng_below(g->rng, (size_t)1 << 31) << 31;
    g->noise |= mico_rng_below(g->rng, (size_t)1 << 31);
    all = draw_samples(g);
    stack[n_open++] = (job){root, 0, g->n, 0, all};
    while (n_open > 0) {
        job j = stack[--n_open];
        size_t middle;
        uint32_t left;
        total right;
        split s;

        if (summarise(g, &j) || (max_depth > 0 && j.depth >= max_depth) ||
            !find_split(g, &j, &s))
            continue;
        middle = partition(g, &j, &s);
        left = new_nodes(g->forest, 2);
        g->forest->node[j.node].left = left;
        g->forest->node[j.node].feature = (uint16_t)s.feature;
        g->forest->node[j.node].cut =
            cut_between(g->data->values[s.feature], s.low, s.high);
        right = (total){j.total.sum - s.left.sum, j.total.count - s.left.count};
        stack[n_open++] = (job){left + 1, middle, j.end, j.depth + 1, right};
        stack[n_open++] = (job){left, j.begin, middle, j.depth + 1, s.left};
    }
    return root;
}

/* Integer targets: as fine as sums of n of them, with their count, fit into 62 bits,
 * and into the 53 of a double. */
static void round_targets(grower *g)
{
    const size_t n = g->data->n;
    const double *y = g->data->y;
    double low = y[0], high = y[0];
    unsigned bits = 0;

    for (size_t i = 1; i < n; i++) {
        low = fmin(low, y[i]);
        high = fmax(high, y[i]);
    }
    while (n >> g->count_bits != 0)
        g->count_bits++;
    bits = 52 - g->count_bits;
    if (bits > 62 - 2 * g->count_bits)
        bits = 62 - 2 * g->count_bits;
    g->middle = low / 2 + high / 2;
    g->unit = ldexp(high / 2 - low / 2, -(int)bits);
    for (size_t i = 0; i < n; i++)
        g->whole[i] = g->unit > 0 ? llround((y[i] - g->middle) / g->unit) : 0;
}

static void grower_init(grower *g, const mico_forest_data *data)
{
    const size_t n = data->n, d = data->n_features;
    const size_t stride = data->stride > 0 ? data->stride : d;

    g->whole = mico_xcalloc(n, sizeof *g->whole);
    g->packed = mico_xcalloc(n, sizeof *g->packed);
    g->weight = mico_xcalloc(n, sizeof *g->weight);
    g->inverse = mico_xcalloc(n + 1, sizeof *g->inverse);
    for (size_t i = 1; i <= n; i++)
        g->inverse[i] = 1 / (double)i;
    g->column = mico_xcalloc(n * d, 1);
    g->sample = mico_xcalloc(n + 1, sizeof *g->sample);
    g->right = mico_xcalloc(n + 1, sizeof *g->right);
    g->feature = mico_xcalloc(d, sizeof *g->feature);
    for (size_t i = 0; i < n; i++)
        for (size_t f = 0; f < d; f++)
            g->column[f * n + i] = data->codes[i * stride + f];
    for (size_t f = 0; f < d; f++)
        g->feature[f] = f;
    round_targets(g);
}

void mico_forest_fit(mico_forest *out, const mico_forest_data *data,
                     const mico_forest_options *options, mico_rng *rng)
{
    grower g = {.data = data, .options = options, .forest = out, .rng = rng};
    job *stack = mico_xcalloc(data->n + 2, sizeof *stack);

    *out = (mico_forest){.n_trees = options->n_trees};
    out->root = mico_xcalloc(out->n_trees, sizeof *out->root);
    grower_init(&g, data);
    for (size_t t = 0; t < out->n_trees; t++)
        out->root[t] = grow_tree(&g, stack);
    free(stack);
    free(g.whole);
    free(g.packed);
    free(g.weight);
    free(g.inverse);
    free(g.column);
    free(g.sample);
    free(g.right);
    free(g.feature);
}

static double leaf_value(const mico_forest_node *nodes, uint32_t root,
                         const uint8_t *codes)
{
    const mico_forest_node *node = &nodes[root];

    while (node->left != 0)
        node = &nodes[node->left + (codes[node->feature] > node->cut)];
    return node->value;
}

/* At most PREDICT_ROWS rows, tree after tree: both stay in the first cache. */
static void predict_block(const mico_forest *forest, const uint8_t *codes,
                          size_t stride, size_t n, double *mean, double *deviation)
{
    const double n_trees = (double)forest->n_trees;
    double sum[PREDICT_ROWS] = {0}, squares[PREDICT_ROWS] = {0}, first[PREDICT_ROWS];

    for (size_t i = 0; i < n; i++)
        first[i] = leaf_value(forest->node, forest->root[0], codes + i * stride);
    for (size_t t = 1; t < forest->n_trees; t++) {
        for (size_t i = 0; i < n; i++) {
            /* near zero: squares lose no digits */
            const double y =
                leaf_value(forest->node, forest->root[t], codes + i * stride) -
                first[i];

            sum[i] += y;
            squares[i] += y * y;
        }
    }
    for (size_t i = 0; i < n; i++) {
        const double shift = sum[i] / n_trees;

        mean[i] = first[i] + shift;
        deviation[i] = sqrt(fmax(0, squares[i] / n_trees - shift * shift));
    }
}

void mico_forest_predict(const mico_forest *forest, const uint8_t *codes, size_t stride,
                         size_t n, double *mean, double *deviation)
{
    for (size_t i = 0; i < n; i += PREDICT_ROWS)
        predict_block(forest, codes + i * stride, stride,
                      n - i < PREDICT_ROWS ? n - i : PREDICT_ROWS, mean + i,
                      deviation + i);
}

void mico_forest_free(mico_forest *forest)
{
    free(forest->node);
    free(forest->root);
    *forest = (mico_forest){0};
}
