/* net_internal.h: what the files of src/net share with each other. */
#ifndef MICO_NET_INTERNAL_H
#define MICO_NET_INTERNAL_H

#include "net/net.h"

/* Limits that keep a hostile file from costing more than a clear message. */
#define NET_MAX_ELEMENTS ((size_t)1 << 28) /* of one tensor or one weight */
#define NET_MAX_LAYERS   ((size_t)256)     /* a scheme's widths are stored in bytes */
#define NET_MAX_NODES    ((size_t)16384)

/* Copies text that came from elsewhere: cut at size, anything but printable ASCII
 * replaced by '_', so that every later JSON, HDF5 and terminal takes it. */
void mico_net_copy_text(char *out, size_t size, const char *text);

/* "feature map 'x'" is checked for rank 1..3, positive dimensions and the limit. */
mico_status mico_net_check_shape(const mico_shape *shape, const char *what,
                                 mico_err *err);

/* Checks the node's own parameters and its input shapes, sets the shape of its output.
 */
mico_status mico_net_infer_node(mico_net *net, const mico_node *node, mico_err *err);

/* Stable order of execution: node i depends on the nodes dep[first[i]..first[i+1])
 * (MICO_NO_TENSOR: on none). Writes the nodes that `root` needs to order[], each behind
 * those it depends on and otherwise in the given order. Returns n_order, or 0 and a
 * node on a cycle in *cycle. */
size_t mico_net_order(size_t n, const size_t *first, const size_t *dep, size_t root,
                      size_t *order, size_t *cycle);

uint64_t mico_net_hash(const mico_net *net);

/* net_fixed.c: checks the fixed integers of a network that has them, shapes known. */
mico_status mico_net_check_fixed(const mico_net *net, mico_err *err);

/* Copies the integers of a layer into the network's arena: n weights, c_out channels.
 */
const mico_fixed *mico_net_fixed(mico_net *net, const int8_t *weight, size_t n,
                                 const int32_t *bias, const float *scale, size_t c_out);

/* The kind's text; kind is in range. */
const char *mico_net_kind_text(mico_node_kind kind);

#endif
