/* avx512_dw.h: the two halves of the depthwise convolution: what runs over an image,
 * avx512_dw.c, and what fills columns and multiplies them, avx512_dw_strip.c. */
#ifndef MICO_KERNELS_AVX512_DW_H
#define MICO_KERNELS_AVX512_DW_H

#include "kernels/avx512_single.h"

#if MICO_KERNELS_X86

#define MICO_DW_BLOCK        ((size_t)64)  /* channels */
#define MICO_DW_COLUMN_BYTES ((size_t)256) /* 64 channels times four rows */
#define MICO_DW_PARTS        4             /* jobs that may share a block */

/* What a plan adds for one (time, block): in lane order. */
typedef struct mico_dw_consts {
    float scale[64];
    int32_t bias[64];
    double wide[64]; /* scales again, for accumulators that no float holds */
    int32_t mult[64], shift[64]; /* profile tflite */
} mico_dw_consts;

/* Where the four rows of a group come from, for each part of the block. */
typedef struct mico_dw_source {
    const uint8_t *row[4 * MICO_DW_PARTS]; /* [part][k]: pixel 0 of it, or zeros */
    size_t shift[4];                       /* of row k against the columns (flat) */
    const uint8_t *zeros;
    size_t pad, width, pixel_bytes;
    __mmask64 mask; /* channels of a part */
    bool flat;
} mico_dw_source;

/* Columns first..first+n-1 of the padded map into q. */
void mico_dw_fill(const mico_dw_source *s, size_t parts, bool full, uint8_t *q,
                  size_t first, size_t n);

/* What the strips of a block share. */
typedef struct mico_dw_strip {
    const int8_t *weights; /* of the block */
    const mico_dw_consts *consts;
    const mico_epilogue *epilogue;
    size_t groups, kw;
    size_t group_bytes, tap_bytes, step_bytes; /* in the buffer */
    size_t pixel_bytes;                        /* of the output */
    uint8_t *out[2][MICO_DW_PARTS];            /* [row][part] */
    __mmask64 mask;                            /* channels of a part */
    bool full, single;
    mico_rounding rounding;
} mico_dw_strip;

/* n outputs of each of `rows` rows from the columns q on; moves s->out behind them. */
void mico_dw_row(mico_dw_strip *s, const uint8_t *q, size_t n, size_t rows,
                 size_t parts);

#endif
#endif
