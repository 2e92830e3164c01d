/* avx512_conv.h: where the pixels of a convolution lie: copies, bands, lists. */
#ifndef MICO_KERNELS_AVX512_CONV_H
#define MICO_KERNELS_AVX512_CONV_H

#include "kernels/avx512_gather.h"
#include "kernels/avx512_mac.h"

#if MICO_KERNELS_X86

/* Runs are read in quads: up to 3 bytes behind the last one. */
#define MICO_CONV_SLACK 64

typedef struct mico_conv_map {
    mico_extent in, out;
    size_t c, groups, phases; /* c: channels of a group */
    size_t run;               /* bytes of a kernel row */
    bool copy;
    size_t pitch, lead;  /* bytes of a row of a plane, and before its first pixel */
    size_t plane, image; /* bytes */
    bool woven;
    size_t pad_pitch, pad_lead, pad_image; /* of the copy before it is woven */
    size_t images;                         /* at once */
    bool joined;                           /* their pixels are in the same lists */
    bool split_rows, split_cols;           /* bands leave out what lies in the halo */
} mico_conv_map;

mico_conv_map mico_conv_map_of(const mico_plan *plan, const mico_op *op);

/* Images that are copied at once: without a halo at most the last one of all. */
size_t mico_conv_copied(const mico_conv_map *g);

/* Bytes from image to image, and from row to row under the kernel, as they are read. */
size_t mico_conv_image_step(const mico_conv_map *g);
size_t mico_conv_row_step(const mico_conv_map *g, const mico_window *win);

/* Outputs [y, y_end) x [x, x_end), which see the same rows [row, row + rows) and
 * columns [col, col + cols) of the kernel; others lie in the halo. before: outputs of
 * the bands before. Woven rows count as all. */
typedef struct mico_conv_band {
    size_t y, y_end, x, x_end, row, rows, col, cols, before;
} mico_conv_band;

/* The first band, the next one; false after the last. */
mico_conv_band mico_conv_first_band(const mico_conv_map *g, const mico_window *win);
bool mico_conv_next_band(const mico_conv_map *g, const mico_window *win,
                         mico_conv_band *b);
size_t mico_conv_count_bands(const mico_conv_map *g, const mico_window *win);

/* Images in the lists of the next two: all that are done at once, or one. */
size_t mico_conv_listed(const mico_conv_map *g);

/* Each band's outputs, image by image: where in its image the band's window begins, and
 * where the output goes that is out_step bytes long. */
void mico_conv_fill(const mico_conv_map *g, const mico_window *win, size_t out_step,
                    uint32_t *from, uint32_t *to);

/* One image to where the tiles read it. padded: pad_image bytes, only where woven; the
 * halo of the one of both that has one was filled before. */
void mico_conv_copy(const mico_conv_map *g, const mico_window *win,
                    const mico_gather *how, const uint8_t *image, uint8_t zero,
                    uint8_t *padded, uint8_t *to);

#endif
#endif
