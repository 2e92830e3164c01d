/* avx512_mac.h: sums over runs of bytes for many pixels: convolutions, linear layers.
 *
 * A pixel is n_rows contiguous runs of 4*quads bytes, row_step apart, the first at
 * in + from[pixel]; its results go to out + to[pixel]. Both rise. Weights are packed in
 * blocks of 4, 2 or 1 groups of 16 output channels: [block][row][quad][group][16][4];
 * the groups of a block share the broadcast of a quad of the input.
 *
 * Requantisation (see avx512_internal.h for z, lo, hi): in float32 where every
 * accumulator is at most 2^24 and every |t| at most 2^30, else in double. In float32
 * acc, scale and the addend are exact, and the fma rounds once, *downwards*. An integer
 * that is not above the exact t is not above the rounded one either (integers up to
 * 2^24 are floats), so both have the same floor; beyond 2^24 both are clamped. */
#ifndef MICO_KERNELS_AVX512_MAC_H
#define MICO_KERNELS_AVX512_MAC_H

#include "kernels/avx512_internal.h"

#if MICO_KERNELS_X86

typedef enum mico_mac_store { /* what becomes of the accumulators */
                              MICO_STORE_FLOAT,
                              MICO_STORE_DOUBLE,
                              MICO_STORE_RAW /* int32 */
} mico_mac_store;

typedef struct mico_mac {
    mico_vec_epilogue narrow; /* double */
    __m512 addend;            /* float32, and the bytes of both */
    __m512i top, twice, offset;
    const int8_t *packed;
    mico_mac_consts consts;
    mico_mac_store store;
    size_t row_step;
    size_t all_rows, all_quads; /* packed */
    /* Of these a pixel has; from[] is of the first. */
    size_t first_row, n_rows, first_quad, quads;
    size_t c_out, out_step; /* out_step: bytes of a whole pixel */
    /* Pixels k*line .. (k+1)*line - 1 of a list, which begins with one of these, lie
     * in_step bytes apart. */
    size_t line, in_step;
} mico_mac;

/* Packs one channel's [n_rows][run] into packed memory that was cleared. */
void mico_mac_pack_channel(const int8_t *q, size_t channel, size_t c_out, size_t n_rows,
                           size_t run, void *packed);

/* True if a kernel that follows mico_mac_new can do the op: as mico_avx512_mac_ok, or
 * any rounding that has a finish. */
bool mico_mac_ok(const mico_plan *plan, const mico_op *op);

/* A kernel's consts_bytes and prepare, and its fuses. Each of the node's groups has
 * whole groups of lanes. */
size_t mico_mac_consts_bytes(const mico_plan *plan, const mico_op *op);
void mico_mac_prepare(const mico_plan *plan, const mico_op *op, void *consts);
bool mico_mac_fuses(const mico_plan *plan, const mico_op *op, const mico_op *add);

/* What a call's op and constants say; the caller adds packed, rows, quads and lines. */
mico_mac mico_mac_new(const mico_call *call);

/* The mac of one of the node's groups, whose packed weights take packed_bytes. */
mico_mac mico_mac_of_group(const mico_mac *mac, const mico_op *op, size_t group,
                           size_t packed_bytes);

/* n pixels: all blocks, or the one that begins with group `first`. */
void mico_mac_pixels(const mico_mac *mac, const uint8_t *in, const uint32_t *from,
                     const uint32_t *to, size_t n, uint8_t *out);
void mico_mac_block_run(const mico_mac *mac, const uint8_t *in, const uint32_t *from,
                        const uint32_t *to, size_t n, uint8_t *out, size_t first);

/* What is left to do on `n` finished pixels from pixel `first` of the call on: int32
 * results with multipliers, a fused add. */
void mico_mac_after(const mico_call *call, size_t first, size_t n);

/* Bytes of a line of that many pixels' accumulators; 0 where op has no finish. */
size_t mico_mac_line_bytes(const mico_op *op, size_t pixels);

/* All of a call whose pixels lie step bytes apart, one run of `run` bytes each: linear
 * layers and pointwise convolutions. */
void mico_mac_run_line(const mico_call *call, const mico_mac *mac, size_t run,
                       size_t n);
size_t mico_mac_run_line_scratch(const mico_op *op, size_t run);

#endif
#endif
