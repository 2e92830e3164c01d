/* net_file.h: the network file as its writer and its reader see it (docs/FORMAT.md).
 *
 * Strings are of fixed length: HDF5 1.10 trusts the lengths inside variable-length ones
 * and would overrun its buffers on a damaged file. */
#ifndef MICO_NET_FILE_H
#define MICO_NET_FILE_H

#include "net/net_internal.h"

#define NET_FILE_FORMAT  "mico-network"
#define NET_FILE_VERSION 1

/* net_parse.c: the network of the graph's text, without parameters and not finished;
 * (*has_bias)[i] tells whether node i has one. Release it with free(). */
mico_status mico_net_parse_graph(mico_net **out, bool **has_bias, const char *text,
                                 mico_err *err);

#endif
