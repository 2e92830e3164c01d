/* avx512_bits_internal.h: dot products of few-bit integers by counting bits.
 *
 * Activations q = offset + step * sum_p 2^p b_p with bits b_p; padding is b = 0 without
 * offset. Weights come in three forms, with s and m words of bits:
 *
 *     1 bit      w = +1 where s else -1         sum b*w = pos - pop(b ^ s)
 *     ternary    the same, 0 where m is 0       sum b*w = pos - pop((b ^ s) & m)
 *     2-4 bits   w = l - 2h (2 bits)            sum b*w = pop(b & l) - 2 pop(b & h)
 *
 * pos: the number of weights +1 (b*w with b = (1+t)/2, t = +-1, is (w + t*w)/2). So
 *
 *     acc = bias + offset * (sum of w inside of the map) + step * sum_p 2^p (sum b_p*w)
 *
 * where all but the counts is known beforehand: a bias per channel and border pattern.
 *
 * The epilogue is that of avx512_internal.h in single precision, which is exact here:
 * |acc| <= 2^24, |acc * scale| < 2^30, the 22 bits of mult and the addend are floats,
 * the fused multiply-add rounds once, and it rounds down: no integer lies between its
 * result and the exact value, so that both have the same floor. */
#ifndef MICO_KERNELS_AVX512_BITS_INTERNAL_H
#define MICO_KERNELS_AVX512_BITS_INTERNAL_H

#include "kernels/avx512_internal.h"

#if MICO_KERNELS_X86

#define MICO_AVX512_BITS                                                               \
    __attribute__((                                                                    \
        target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512vpopcntdq")))

/* ---- what is counted ------------------------------------------------------------- */

typedef enum mico_bits_form {
    MICO_BITS_SIGN,  /* 1-bit weights */
    MICO_BITS_MASK,  /* ternary */
    MICO_BITS_PLANES /* 2 to 4 bits, two's complement */
} mico_bits_form;

/* One pass over the window: one plane of activations, one of weights. Before it the
 * counts so far are multiplied by factor (Horner's rule; signs included). */
typedef struct mico_bits_pass {
    size_t act_plane, weight_plane;
    int32_t factor;
} mico_bits_pass;

#define MICO_BITS_PASSES 4

typedef struct mico_bits_recipe {
    mico_bits_form form;
    int32_t offset, step; /* of q */
    uint8_t lowest;       /* code of all b_p = 0 */
    size_t act_planes, weight_planes, n_passes;
    mico_bits_pass pass[MICO_BITS_PASSES];
} mico_bits_recipe;

/* True if a conv or linear op can be counted: bytes in, bytes or int32 out, few bits,
 * accumulators of at most 2^24. */
bool mico_bits_ok(const mico_plan *plan, const mico_op *op);

/* False for other widths. */
bool mico_bits_recipe_of(const mico_plan *plan, const mico_op *op,
                         mico_bits_recipe *recipe);

mico_bits_form mico_bits_form_of(const mico_qweights *weights);

/* ---- weights --------------------------------------------------------------------- */

/* A window is n_rows runs of kw pixels of pixel_bits bits, of which c are channels: in
 * words of 32 bits. The last word of a run may be cut: the bits that are not in `tail`
 * are another pixel's. Words are listed row by row, but cut ones last (only the form
 * sign tells them apart: in the others such bits meet weights of 0).
 *
 * Pixels of 16 bits are woven where a row's last word would be half empty: for each
 * pixel there is a word with the pixel below it, for two rows at once, and a word with
 * the pixel right of it, for the last row of an odd number: 5 words for 3x3, not 6. */
typedef struct mico_bits_window {
    size_t n_rows, kw, c, pixel_bits;
    bool woven;
    size_t n_words, n_whole; /* all, and those that are not cut */
    uint32_t tail;
} mico_bits_window;

mico_bits_window mico_bits_window_of(const mico_op *op);

/* Where word k lies: its (first) row, and its place in the row: in words, if woven in
 * pixels, and then whether its upper half is the pixel below. */
typedef struct mico_bits_word {
    size_t row, at;
    bool below;
} mico_bits_word;

mico_bits_word mico_bits_word_of(const mico_bits_window *window, size_t k);

/* Packed weights: [block of groups][plane][word][s, or s and m][group][16]. */
size_t mico_bits_packed_bytes(const mico_op *op);
void mico_bits_pack(const mico_op *op, void *packed);

/* ---- constants ------------------------------------------------------------------- */

/* Accumulators are kept negated in the forms sign and mask, and with them scale and
 * bias. The bias without what the offset adds, offset * sum, for each border pattern
 * with the sum of the weights inside of the map. */
float mico_bits_scale(const mico_op *op, const mico_bits_recipe *recipe,
                      size_t channel);
float mico_bits_bias(const mico_op *op, const mico_bits_recipe *recipe, size_t channel);
float mico_bits_offset(const mico_bits_recipe *recipe, int32_t sum);
int32_t mico_bits_sum(const int8_t *q, size_t n);

/* int32 results with multipliers: requantises stored accumulators. */
void mico_bits_finish_wide(const mico_call *call);

/* ---- the line -------------------------------------------------------------------- */

/* Constants of an epilogue, in registers. */
typedef struct mico_bits_store {
    __m512 addend;
    __m512i top, twice, offset;
} mico_bits_store;

mico_bits_store mico_bits_store_of(const mico_epilogue *epilogue);

typedef struct mico_bits_line {
    mico_bits_store store;
    const mico_bits_recipe *recipe;
    mico_bits_window window;
    const uint8_t *in; /* plane 0 */
    size_t plane_step, in_step, n;
    const uint32_t *word_at; /* bytes from a pixel to each word of its window */
    const uint32_t *packed;
    const float *scale;
    const float *bias;
    const uint32_t *pattern; /* of each pixel: where its biases lie */
    uint8_t *out;
    size_t out_step, c_out;
    bool raw;
} mico_bits_line;

/* All channels of all pixels. Groups of 16 channels go in blocks of two, then one. */
void mico_bits_run(const mico_bits_line *line);

static inline size_t mico_bits_groups(size_t c_out)
{
    return (c_out + 15) / 16;
}

static inline size_t mico_bits_block(size_t groups_left)
{
    return groups_left >= 2 ? 2 : 1;
}

/* ---- planes of activations ------------------------------------------------------- */

/* Codes to bits: n pixels of c codes, pixel_bits apart (c codes if c is a multiple of
 * 8, whole bytes otherwise), into plane p at out + p * plane_step. Up to 7 bytes behind
 * the line are cleared. */
void mico_bits_planes(const mico_bits_recipe *recipe, const uint8_t *codes, size_t n,
                      size_t c, size_t pixel_bits, uint8_t *out, size_t plane_step);

/* Weaves n pixels of 16 bits: a word with the pixel `width` further, another with the
 * next one. Reads up to width + 64 pixels further, writes whole 64 of n words. */
void mico_bits_weave(const uint8_t *pixels, size_t n, size_t width, uint8_t *below,
                     uint8_t *right);

#endif
#endif
