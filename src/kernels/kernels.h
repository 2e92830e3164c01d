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

/* One call of a kernel: n_images of the inputs to as many of the output. */
typedef struct mico_call {
    const mico_plan *plan;
    const mico_op *op;
    const void *packed, *consts;
    const uint8_t *const *in;
    uint8_t *out;
    size_t n_images;
    void *scratch;
    /* A fused residual add, or NULL: the only reader of op's result. `out` then
     * receives the add's result; op's own result is never stored. other: the add's
     * other input. */
    const mico_op *add;
    const uint8_t *other;
} mico_call;

typedef struct mico_kernel {
    const char *name; /* op_detail_isa, e.g. "conv_direct_avx512vnni", "conv_c" */
    const char *isa;  /* "c", "avx2", "avx512vnni", "avx512vpopcnt" */
    bool (*supports)(const mico_plan *plan, const mico_op *op);
    /* True if a call may carry this add, which reads op's result. NULL: never. */
    bool (*fuses)(const mico_plan *plan, const mico_op *op, const mico_op *add);
    /* Weights in the kernel's own order; NULL where it needs none. They depend on the
     * weights and the node only, so they are kept for all plans that share op->weights.
     */
    size_t (*packed_bytes)(const mico_op *op);
    void (*pack)(const mico_op *op, void *packed);
    /* What belongs to the plan's operation beside the weights (biases, multipliers in
     * vector form), made once a plan. NULL: none. */
    size_t (*consts_bytes)(const mico_plan *plan, const mico_op *op);
    void (*prepare)(const mico_plan *plan, const mico_op *op, void *consts);
    size_t (*scratch_bytes)(const mico_plan *plan, const mico_op *op); /* NULL: none */
    void (*run)(const mico_call *call);
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

/* ---- choice by measurement -------------------------------------------------------
 *
 * Where several fast entries support a conv or linear layer the tuner takes the fastest
 * on this machine: it times them once for each shape (and for few-bit widths, each
 * pair) and remembers, also in a file. The entry that mico_kernel_find would take stays
 * unless another is more than 3 % faster. Results never depend on it.
 *
 *     mico_tuner *tuner = mico_tuner_new(path.text, NULL, true);
 *     const mico_kernel *kernel = mico_tuner_choose(tuner, plan, op);
 *     ...
 *     mico_tuner_save(tuner); */
typedef struct mico_tuner mico_tuner;

/* cache_file: NULL where nothing is to be kept. A file that is missing, damaged or of
 * another CPU or program counts as empty. measure: false takes the first entry always.
 */
mico_tuner *mico_tuner_new(const char *cache_file, const char *only_isa, bool measure);
void mico_tuner_free(mico_tuner *tuner); /* saves */

/* As mico_kernel_find, which only_isa is for; a few milliseconds where the operation's
 * like has not been met. All memory that measuring takes is given back. */
const mico_kernel *mico_tuner_choose(mico_tuner *tuner, const mico_plan *plan,
                                     const mico_op *op);

/* Writes new times to the cache file, if there are any: together with what other
 * processes have written meanwhile. A file that cannot be written is no error. */
void mico_tuner_save(mico_tuner *tuner);

/* Appends the file for this CPU and program in $MICO_CACHE_DIR, else
 * $XDG_CACHE_HOME/mico-sweep, else $HOME/.cache/mico-sweep; false where none is set. */
bool mico_tuner_default_path(mico_str *out);

/* A line of totals and one for each choice: kernel, time, the others' times. */
void mico_tuner_report(const mico_tuner *tuner, mico_str *out);

/* ---- input -------------------------------------------------------------------- */

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
