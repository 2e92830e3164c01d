/* Fuzz target: an NNF1 graph and its weights (the text, a zero byte, the rest) end in a
 * sound network or in a message. */
#include "net/net.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* Reads all that a layer has. */
static double touch(const mico_net *net, size_t l)
{
    const mico_node *node = mico_layer_node(net, l);
    size_t n = mico_layer_weights(net, l);
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)node->weight[i] * 0;
    for (size_t c = 0; node->bias != NULL && c < node->c_out; c++)
        sum += (double)node->bias[c] * 0;
    if (net->has_fixed != (node->fixed != NULL))
        abort();
    for (size_t i = 0; node->fixed != NULL && i < n; i++)
        sum += node->fixed->weight[i] * 0.0;
    for (size_t c = 0; node->fixed != NULL && c < node->c_out; c++)
        sum += node->fixed->bias[c] * 0.0 + (double)node->fixed->scale[c] * 0;
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    const uint8_t *zero = n > 0 ? memchr(bytes, 0, n) : NULL;
    size_t n_text = zero != NULL ? (size_t)(zero - bytes) : n;
    size_t n_weights = zero != NULL ? n - n_text - 1 : 0;
    mico_net *net = NULL;
    mico_err err = {0};
    double sum = 0;

    if (mico_net_from_nnf1(&net, (const char *)bytes, n_text,
                           zero != NULL ? zero + 1 : bytes, n_weights, "fuzz",
                           &err) != MICO_OK) {
        if (net != NULL || err.text[0] == '\0')
            abort(); /* a failure sets no output and says why */
        return 0;
    }
    for (size_t l = 0; l < net->n_layers; l++)
        sum += touch(net, l);
    for (size_t t = 0; t < net->n_tensors; t++)
        if (mico_shape_count(&net->tensor[t].shape) == 0 ||
            (net->has_fixed && !(net->tensor[t].fixed_scale > 0)))
            abort();
    if (sum != 0 || net->hash == 0)
        abort();
    mico_net_free(net);
    return 0;
}
