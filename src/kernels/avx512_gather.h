/* avx512_gather.h: rows under a kernel woven into one, for inputs of few channels.
 *
 * A run of a 3-channel 3x3 kernel has 9 bytes, for which vpdpbusd needs 3 quads; the 3
 * runs need 9, but 27 bytes are only 7. So the kh bytes-of-a-pixel above each other are
 * put side by side, once a row of outputs: [x][ky][c]. The kernel then is one run. */
#ifndef MICO_KERNELS_AVX512_GATHER_H
#define MICO_KERNELS_AVX512_GATHER_H

#include "kernels/avx512_internal.h"

#if MICO_KERNELS_X86

#define MICO_GATHER_ROWS 8

/* True if it pays for the op on this CPU (it needs AVX-512 VBMI). */
bool mico_gather_wanted(const mico_op *op);

/* One channel's weights in the order of the woven run: [kx][ky][c]. */
#define MICO_GATHER_TAPS 512
void mico_gather_weights(const mico_op *op, size_t channel, int8_t *to);

typedef struct mico_gather {
    __m512i index[MICO_GATHER_ROWS];
    __mmask64 mask[MICO_GATHER_ROWS];
    size_t rows, c, pixels; /* of a step */
} mico_gather;

void mico_gather_init(mico_gather *g, size_t rows, size_t c);

/* Weaves n pixels of rows that lie row_step apart. Writes, and reads of each row, up to
 * 63 bytes too many. */
void mico_gather_row(const mico_gather *g, const uint8_t *in, size_t row_step, size_t n,
                     uint8_t *out);

#endif
#endif
