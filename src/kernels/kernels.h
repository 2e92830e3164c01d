/* kernels.h: integer operators on codes: one table, portable C always last.
 *
 * Every entry computes exactly the same bytes; they differ in speed and in what they
 * support. mico_kernel_find takes the first entry of the table that this CPU has and
 * that supports the operation. Nothing here allocates: callers ask for sizes and pass
 * memory (64-byte aligned).
 *
 * Layout: spatial tensors [h][w][c], codes of docs/INTEGER.md; images of a batch lie
 * one after the other, tensor.bytes apart. */
#ifndef MICO_KERNELS_KERNELS_H
#define MICO_KERNELS_KERNELS_H

#include "plan/plan.h"

typedef struct mico_kernel {
    const char *name; /* op_detail_isa, e.g. "conv_direct_avx512vnni", "conv_c" */
    const char *isa;  /* "c", "avx512vnni" */
    bool (*supports)(const mico_plan *plan, const mico_op *op);
    /* weights in the kernel's own order; NULL where it needs none. Depends on the
     * weights and the node only, so it is kept for all plans that share op->weights. */
    size_t (*packed_bytes)(const mico_op *op);
    void (*pack)(const mico_op *op, void *packed);
    size_t (*scratch_bytes)(const mico_plan *plan, const mico_op *op); /* NULL: none */
    void (*run)(const mico_plan *plan, const mico_op *op, const void *packed,
                const uint8_t *const *in, uint8_t *out, size_t n_images, void *scratch);
} mico_kernel;

/* The table, best first; ends with the portable C entries (one per op kind). */
extern const mico_kernel *const mico_kernels[];
extern const size_t mico_n_kernels;

/* True if this CPU runs entries of that isa. */
bool mico_isa_here(const char *isa);

/* First entry that runs here and supports op. only_isa: NULL, or restrict to that isa
 * and "c" (tests, benches, MICO_ISA in the environment of the programs). */
const mico_kernel *mico_kernel_find(const mico_plan *plan, const mico_op *op,
                                    const char *only_isa);

/* The input op: n raw images (n * elements values of this type, (C,H,W) order) to
 * codes. */
void mico_input_u8(const mico_plan *plan, const uint8_t *raw, uint8_t *out, size_t n);
void mico_input_s8(const mico_plan *plan, const int8_t *raw, uint8_t *out, size_t n);
void mico_input_f32(const mico_plan *plan, const float *raw, uint8_t *out, size_t n);

/* floor(acc * mult / 2^shift + 1/2) in 64-bit integers: the one rounding rule. */
static inline int64_t mico_requantize(int64_t acc, int32_t mult, unsigned shift)
{
    return (acc * mult + ((int64_t)1 << (shift - 1))) >> shift;
}

#endif
