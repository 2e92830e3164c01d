/* fp32.c: runs the float network over images, a chunk at a time. */
#include "core/clock.h"
#include "eval/eval_internal.h"

#include <cblas.h> /* openblas_set_num_threads */
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES ((size_t)4 << 20) /* of live tensors */
#define CHUNK_MOST  ((size_t)64)

/* Sizes that OpenBLAS takes as int, and scratch that must be allocated. */
static mico_status check_sizes(const mico_net *net, mico_err *err)
{
    for (size_t i = 0; i < net->n_nodes; i++) {
        const mico_node *node = &net->node[i];
        size_t patch = mico_float_patch(net, node);

        if (mico_shape_count(&net->tensor[node->in[0]].shape) > INT_MAX ||
            mico_shape_count(&net->tensor[node->out].shape) > INT_MAX ||
            node->c_in * node->window.kh * node->window.kw > INT_MAX ||
            patch > MICO_EVAL_LIMIT_BYTES / sizeof(float))
            return mico_fail(err, MICO_ELIMIT,
                             "node \"%s\" of network \"%s\" is too large to run",
                             node->name, net->name);
    }
    return MICO_OK;
}

static mico_status place_tensors(mico_floats *floats, mico_err *err)
{
    const mico_net *net = floats->net;
    mico_places *places = &floats->places;

    mico_places_reset(places, net->n_tensors);
    for (size_t t = 0; t < net->n_tensors; t++)
        places->bytes[t] = mico_shape_count(&net->tensor[t].shape) * sizeof(float);
    mico_places_use(places, net->input, 0);
    for (size_t i = 0; i < net->n_nodes; i++) {
        const mico_node *node = &net->node[i];

        for (size_t k = 0; k < node->n_in; k++)
            mico_places_use(places, node->in[k], i + 1);
        mico_places_use(places, node->out, i + 1);
    }
    mico_places_use(places, net->output, net->n_nodes + 1);
    return mico_places_group(places, CHUNK_BYTES, CHUNK_MOST, &floats->chunk, err);
}

mico_status mico_floats_new(mico_floats **out, const mico_net *net, mico_err *err)
{
    mico_floats *floats = mico_xcalloc(1, sizeof *floats);
    size_t patch = 0, input = 0;
    mico_status rc;

    floats->net = net;
    if ((rc = check_sizes(net, err)) != MICO_OK ||
        (rc = place_tensors(floats, err)) != MICO_OK)
        goto out;
    for (size_t i = 0; i < net->n_nodes; i++) {
        size_t n = mico_float_patch(net, &net->node[i]);

        patch = n > patch ? n : patch;
    }
    for (size_t l = 0; l < net->n_layers; l++) {
        size_t n = mico_shape_count(&net->tensor[mico_layer_node(net, l)->in[0]].shape);

        input = n > input ? n : input;
    }
    floats->memory = mico_xaligned(floats->places.total + 64);
    floats->patch = mico_xaligned((patch + 1) * sizeof(float));
    floats->quantised = mico_xaligned((input * floats->chunk + 1) * sizeof(float));
    floats->value = mico_xcalloc(mico_shape_count(&net->tensor[net->output].shape),
                                 sizeof *floats->value);
    /* One thread an evaluator: workers are processes, and sums keep their order. */
    openblas_set_num_threads(1);
    *out = floats;
    floats = NULL;
out:
    mico_floats_free(floats);
    return rc;
}

void mico_floats_free(mico_floats *floats)
{
    if (floats == NULL)
        return;
    mico_places_free(&floats->places);
    free(floats->memory);
    free(floats->patch);
    free(floats->quantised);
    free(floats->value);
    free(floats);
}

static float *value_of(const mico_floats *floats, size_t tensor)
{
    return (float *)(void *)(floats->memory + floats->places.offset[tensor]);
}

/* x = raw*mul + add in float, per channel where there are several. */
static void preprocess(const mico_net *net, const mico_data *data, size_t first,
                       size_t n, float *x)
{
    size_t count = mico_shape_count(&net->tensor[net->input].shape);
    size_t channels = net->n_preprocess > 0 ? net->n_preprocess : 1;
    size_t per_channel = count / channels, at = first * count;

    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < channels; c++) {
            float mul = net->n_preprocess > 0 ? net->mul[c] : 1;
            float add = net->n_preprocess > 0 ? net->add[c] : 0;

            for (size_t k = 0; k < per_channel; k++, at++) {
                float raw = data->type == MICO_RAW_U8 ? ((const uint8_t *)data->raw)[at]
                            : data->type == MICO_RAW_S8
                                ? ((const int8_t *)data->raw)[at]
                                : ((const float *)data->raw)[at];

                *x++ = raw * mul + add;
            }
        }
}

/* Upstream quantises a layer's input before the layer pads it: a row is the last axis
 * of a linear layer's input, a channel's H*W of a convolution's. */
static const float *quantise_input(mico_floats *floats, const mico_node *node, size_t n,
                                   uint8_t width)
{
    const mico_shape *shape = &floats->net->tensor[node->in[0]].shape;
    size_t count = mico_shape_count(shape), row = count;

    if (node->kind == MICO_NODE_CONV)
        row = shape->dim[1] * shape->dim[2];
    mico_fake_acts(floats->quantised, value_of(floats, node->in[0]), n * (count / row),
                   row, width);
    return floats->quantised;
}

const float *mico_floats_run(mico_floats *floats, const mico_data *data, size_t first,
                             size_t n, const mico_fake *fake,
                             void (*see)(void *ctx, size_t tensor, const float *values,
                                         size_t count),
                             void *ctx)
{
    const mico_net *net = floats->net;
    size_t layer = 0;

    preprocess(net, data, first, n, value_of(floats, net->input));
    if (see != NULL)
        see(ctx, net->input, value_of(floats, net->input),
            n * mico_shape_count(&net->tensor[net->input].shape));
    for (size_t i = 0; i < net->n_nodes; i++) {
        const mico_node *node = &net->node[i];
        const float *in[MICO_MAX_INPUTS] = {NULL}, *weight = node->weight;
        bool is_layer = node->kind == MICO_NODE_CONV || node->kind == MICO_NODE_LINEAR;

        for (size_t k = 0; k < node->n_in; k++)
            in[k] = value_of(floats, node->in[k]);
        if (fake != NULL && is_layer) {
            size_t n_layers = fake->scheme->n_layers;

            weight = fake->weight[layer];
            in[0] =
                quantise_input(floats, node, n, fake->scheme->bits[n_layers + layer]);
        }
        layer += is_layer;
        mico_float_node(net, node, weight, in, value_of(floats, node->out), n,
                        floats->patch);
        if (see != NULL)
            see(ctx, node->out, value_of(floats, node->out),
                n * mico_shape_count(&net->tensor[node->out].shape));
    }
    return value_of(floats, net->output);
}

mico_status mico_floats_score(mico_floats *floats, const mico_split *split,
                              const mico_fake *fake, mico_result *result, mico_err *err)
{
    const mico_net *net = floats->net;
    size_t outputs = mico_shape_count(&net->tensor[net->output].shape);
    double start_s = mico_now_s(), *value = floats->value;
    mico_result found = {.predictions = result->predictions, .right = result->right};
    mico_status rc =
        mico_split_check(net, split->data, split->first, split->count, err);

    if (rc != MICO_OK)
        return rc;
    for (size_t i = 0, n; i < split->count; i += n) {
        const float *logits;

        n = split->count - i < floats->chunk ? split->count - i : floats->chunk;
        logits =
            mico_floats_run(floats, split->data, split->first + i, n, fake, NULL, NULL);
        for (size_t k = 0; k < n; k++, logits += outputs) {
            for (size_t c = 0; c < outputs; c++) {
                if (!isfinite(logits[c]))
                    return mico_fail(err, MICO_ENET,
                                     "network \"%s\" gives %g for image %zu; check its"
                                     " weights and the preprocessing",
                                     net->name, (double)logits[c],
                                     split->first + i + k);
                value[c] = logits[c];
            }
            mico_score_add(&found, value, outputs, 1,
                           split->data->label[split->first + i + k]);
        }
    }
    mico_score_finish(&found, mico_now_s() - start_s);
    *result = found;
    return MICO_OK;
}

mico_status mico_forward_fp32(const mico_net *net, const mico_data *data, size_t first,
                              size_t n, float *logits,
                              void (*see)(void *ctx, size_t tensor, const float *values,
                                          size_t count),
                              void *ctx, mico_err *err)
{
    size_t outputs = mico_shape_count(&net->tensor[net->output].shape);
    mico_floats *floats = NULL;
    mico_status rc;

    if ((rc = mico_split_check(net, data, first, n, err)) != MICO_OK ||
        (rc = mico_floats_new(&floats, net, err)) != MICO_OK)
        goto out;
    for (size_t i = 0, m; i < n; i += m) {
        const float *values;

        m = n - i < floats->chunk ? n - i : floats->chunk;
        values = mico_floats_run(floats, data, first + i, m, NULL, see, ctx);
        if (logits != NULL)
            memcpy(logits + i * outputs, values, m * outputs * sizeof *logits);
    }
out:
    mico_floats_free(floats);
    return rc;
}
