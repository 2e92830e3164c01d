/* Fuzz target: ONNX models of any bytes end in a sound network or in a message. */
#include "net/net.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    mico_net *net = NULL;
    mico_err err = {0};
    double macs = 0;

    if (mico_net_from_onnx(&net, bytes, n, "fuzz", &err) != MICO_OK) {
        if (net != NULL || err.text[0] == '\0')
            abort(); /* a failure sets no output and says why */
        return 0;
    }
    for (size_t l = 0; l < net->n_layers; l++) {
        const mico_node *node = mico_layer_node(net, l);

        macs += mico_layer_macs(net, l);
        for (size_t i = 0; i < mico_layer_weights(net, l); i++)
            macs += (double)node->weight[i] * 0; /* all of them are there, and finite */
        for (size_t c = 0; node->bias != NULL && c < node->c_out; c++)
            macs += (double)node->bias[c] * 0;
    }
    for (size_t i = 0; i < net->n_nodes; i++)
        if (mico_shape_count(&net->tensor[net->node[i].out].shape) == 0)
            abort();
    if (!(macs >= 0) || net->hash == 0)
        abort();
    mico_net_free(net);
    return 0;
}
