/* peers.h: one layer shape, and libraries that can run it. */
#ifndef MICO_BENCH_PEERS_H
#define MICO_BENCH_PEERS_H

#include "core/mem.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

typedef struct bench_shape {
    char name[32], kind[8]; /* "conv", "dw", "fc" */
    size_t c_in, h, w, c_out, kh, kw, stride_h, stride_w;
    size_t pad_top, pad_left, pad_bottom, pad_right;
    size_t oh, ow, groups, taps; /* derived */
} bench_shape;

/* Reads a file of shapes (see shapes.txt); returns how many, exits on a bad line. */
size_t bench_shapes_read(const char *path, bench_shape **out);

/* Multiply-accumulates of one image, those on padding counted. */
static inline double bench_macs(const bench_shape *s)
{
    return (double)(s->c_out * s->oh * s->ow) * (double)s->taps;
}

/* A library. Everything that can be done once (packing, layouts, memory) is done by
 * open; run is what is timed. */
typedef struct bench_peer {
    const char *key, *title; /* of JSON, of the table */
    void (*version)(char *out, size_t size);
    void *(*open)(const bench_shape *s, size_t batch); /* NULL: not possible */
    void (*run)(void *ctx);
    void (*close)(void *ctx);
    const char *(*how)(void *ctx); /* its implementation; may be NULL */
} bench_peer;

extern const bench_peer bench_onednn_u8s8, bench_onednn_s8s8, bench_xnnpack,
    bench_sgemm;

/* Ours: `bits` wide weights and activations; isa NULL: the best of this CPU. */
void *bench_ours_open(const bench_shape *s, size_t batch, unsigned weight_bits,
                      unsigned act_bits, const char *isa);
void bench_ours_run(void *ctx);
const char *bench_ours_kernel(void *ctx);
void bench_ours_close(void *ctx);

#endif
