/* The lowering: a network's quantised weights and input tables, made once per width. */
#include "plan/plan_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A channel's scale is at least this part of the tensor's, so that the biases of
 * channels without (or nearly without) weights stay representable. */
#define CHANNEL_FLOOR (1.0 / 1024)

static bool all_finite(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i]))
            return false;
    return true;
}

static size_t layer_taps(const mico_node *node)
{
    return node->window.kh * node->window.kw * (node->c_in / node->groups);
}

static void find_bad_layer(mico_lowering *low)
{
    low->bad_layer = NONE;
    for (size_t l = 0; l < low->net->n_layers; l++) {
        const mico_node *node = &low->net->node[low->net->layer[l]];

        if (all_finite(node->weight, node->c_out * layer_taps(node)) &&
            (node->bias == NULL || all_finite(node->bias, node->c_out)))
            continue;
        low->bad_layer = l;
        return;
    }
}

size_t plan_input_channels(const mico_net *net)
{
    const mico_shape *shape = &net->tensor[net->input].shape;

    return shape->rank == 3 ? shape->dim[0] : mico_shape_count(shape);
}

/* Preprocessing spread over all channels of the input; the rows of a matrix share one.
 */
static void find_preprocessing(mico_lowering *low)
{
    const mico_net *net = low->net;
    size_t channels = plan_input_channels(net);
    size_t alike = channels / net->tensor[net->input].shape.dim[0];

    low->mul = mico_arena_alloc(&low->arena, channels * sizeof *low->mul);
    low->add = mico_arena_alloc(&low->arena, channels * sizeof *low->add);
    for (size_t c = 0; c < channels; c++) {
        size_t row = c / alike;
        size_t from = row < net->n_preprocess ? row : net->n_preprocess - 1;

        low->mul[c] = net->n_preprocess > 0 ? net->mul[from] : 1;
        low->add[c] = net->n_preprocess > 0 ? net->add[from] : 0;
    }
}

mico_lowering *mico_lowering_new(const mico_net *net, const mico_calib *calib,
                                 const mico_quant *quant)
{
    mico_lowering *low = mico_xcalloc(1, sizeof *low);

    low->net = net;
    low->calib = calib;
    low->quant = *quant;
    if (quant->profile == MICO_PROFILE_MICO) { /* upstream leaves no choice */
        low->quant.granularity = MICO_PER_TENSOR;
        low->quant.weight_rule = MICO_WEIGHT_MICO;
        low->quant.unsigned_acts = false;
    }
    if (quant->profile == MICO_PROFILE_ARES) { /* symmetric, one scale a tensor */
        low->quant.granularity = MICO_PER_TENSOR;
        low->quant.unsigned_acts = false;
    }
    low->weights = mico_arena_alloc(&low->arena, net->n_layers * MICO_N_WIDTHS *
                                                     sizeof(const mico_qweights *));
    find_bad_layer(low);
    find_preprocessing(low);
    if (calib->n_tensors == net->n_tensors)
        plan_storage_find(low);
    return low;
}

void mico_lowering_free(mico_lowering *low)
{
    if (low == NULL)
        return;
    mico_arena_free(&low->arena);
    free(low);
}

/* Scale of every output channel: docs/INTEGER.md 2.2. */
static void weight_scales(const mico_lowering *low, const mico_node *node,
                          uint8_t width, double *scale)
{
    size_t taps = layer_taps(node), n = node->c_out * taps;
    double whole, floor_scale;

    if (low->quant.granularity == MICO_PER_TENSOR) {
        whole = mico_weight_scale(node->weight, n, width, low->quant.weight_rule);
        for (size_t c = 0; c < node->c_out; c++)
            scale[c] = whole;
        return;
    }
    floor_scale =
        CHANNEL_FLOOR * mico_weight_scale(node->weight, n, width, MICO_WEIGHT_MICO);
    for (size_t c = 0; c < node->c_out; c++) {
        scale[c] = mico_weight_scale(node->weight + c * taps, taps, width,
                                     low->quant.weight_rule);
        if (scale[c] < floor_scale)
            scale[c] = floor_scale;
    }
}

/* [c_in/groups][kh][kw] to [kh][kw][c_in/groups]. */
static void channels_last(const int8_t *from, const mico_node *node, int8_t *to)
{
    size_t area = node->window.kh * node->window.kw, depth = node->c_in / node->groups;

    for (size_t i = 0; i < depth; i++)
        for (size_t p = 0; p < area; p++)
            to[p * depth + i] = from[i * area + p];
}

static int32_t saturate(int64_t v)
{
    return (int32_t)(v > INT32_MAX ? INT32_MAX : v < -INT32_MAX ? -INT32_MAX : v);
}

/* Integers of channel c in the network's order; the profile may change its scale:
 * tflite takes both from the network, ares scales are float32 and its weights lie
 * within +-qmax. */
static void make_row(const mico_lowering *low, const mico_node *node, size_t c,
                     uint8_t width, double *scale, int8_t *row)
{
    size_t taps = layer_taps(node);
    int least = width == 1 ? -1 : -mico_q_max(width, true);

    if (low->quant.profile == MICO_PROFILE_TFLITE && node->fixed != NULL) {
        scale[c] = (double)node->fixed->scale[c];
        memcpy(row, node->fixed->weight + c * taps, taps);
        return;
    }
    if (low->quant.profile == MICO_PROFILE_ARES)
        scale[c] = (double)(float)scale[c];
    mico_weight_quantize(node->weight + c * taps, taps, width, scale[c], row);
    for (size_t i = 0; i < taps && low->quant.profile == MICO_PROFILE_ARES; i++)
        row[i] = (int8_t)(row[i] < least ? least : row[i]);
}

static const mico_qweights *quantize_layer(mico_lowering *low, size_t layer,
                                           uint8_t width)
{
    const mico_node *node = &low->net->node[low->net->layer[layer]];
    size_t taps = layer_taps(node), c_out = node->c_out;
    mico_arena *arena = &low->arena;
    mico_qweights *w = mico_arena_alloc(arena, sizeof *w);
    int8_t *q = mico_arena_alloc(arena, c_out * taps);
    double *scale = mico_arena_alloc(arena, c_out * sizeof *scale);
    int32_t *sum = mico_arena_alloc(arena, c_out * sizeof *sum);
    int32_t *abs_sum = mico_arena_alloc(arena, c_out * sizeof *abs_sum);
    int8_t *row = mico_xcalloc(taps, 1);

    weight_scales(low, node, width, scale);
    for (size_t c = 0; c < c_out; c++) {
        int64_t s = 0, a = 0;

        make_row(low, node, c, width, scale, row);
        for (size_t i = 0; i < taps; i++) {
            s += row[i];
            a += row[i] < 0 ? -row[i] : row[i];
        }
        sum[c] = saturate(s);
        abs_sum[c] = saturate(a);
        channels_last(row, node, q + c * taps);
    }
    free(row);
    *w = (mico_qweights){layer, width, c_out, taps, q, scale, sum, abs_sum};
    return w;
}

const mico_qweights *mico_lowering_weights(mico_lowering *low, size_t layer,
                                           uint8_t width)
{
    const mico_qweights **slot;

    if (layer >= low->net->n_layers || !mico_width_valid(width))
        return NULL;
    slot = &low->weights[layer * MICO_N_WIDTHS + mico_width_index(width)];
    if (*slot == NULL)
        *slot = quantize_layer(low, layer, width);
    return *slot;
}

/* Codes of 256 raw values from `first` on, for each channel. */
static const uint8_t *make_lut(mico_lowering *low, int first, const mico_plan_tensor *t,
                               mico_rounding rounding)
{
    size_t channels = plan_input_channels(low->net);
    uint8_t *lut = mico_arena_alloc(&low->arena, channels * 256);

    for (size_t c = 0; c < channels; c++)
        for (int i = 0; i < 256; i++) {
            double x = (double)(first + i) * low->mul[c] + low->add[c];

            lut[c * 256 + (size_t)i] = mico_input_code(t, rounding, x);
        }
    return lut;
}

void plan_luts(mico_lowering *low, const mico_plan_tensor *t, mico_rounding rounding,
               const uint8_t **lut_u8, const uint8_t **lut_s8)
{
    bool is_signed = t->format.is_signed;
    size_t i = mico_width_index(t->format.width);

    if (low->lut_u8[is_signed][i] == NULL) {
        low->lut_u8[is_signed][i] = make_lut(low, 0, t, rounding);
        low->lut_s8[is_signed][i] = make_lut(low, -128, t, rounding);
    }
    *lut_u8 = low->lut_u8[is_signed][i];
    *lut_s8 = low->lut_s8[is_signed][i];
}

uint64_t mico_lowering_bytes(const mico_lowering *low)
{
    uint64_t bytes = 0;

    for (size_t i = 0; low != NULL && i < low->net->n_layers * MICO_N_WIDTHS; i++)
        if (low->weights[i] != NULL)
            bytes += low->weights[i]->c_out *
                     (low->weights[i]->taps + sizeof(double) + 2 * sizeof(int32_t));
    return bytes;
}
