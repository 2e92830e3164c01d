/* kernels_internal.h: what the files of this folder share: entries, values, scratch. */
#ifndef MICO_KERNELS_INTERNAL_H
#define MICO_KERNELS_INTERNAL_H

#include "kernels/kernels.h"

#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#define MICO_KERNELS_X86 1
/* The build never passes -march: one program runs everywhere and asks the CPU first. */
#define MICO_AVX512                                                                    \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
#else
#define MICO_KERNELS_X86 0
#endif

/* Portable entries (ref_*.c): the specification. */
extern const mico_kernel mico_kernel_conv_c, mico_kernel_linear_c, mico_kernel_add_c,
    mico_kernel_concat_c, mico_kernel_maxpool_c, mico_kernel_avgpool_c,
    mico_kernel_clamp_c, mico_kernel_requant_c, mico_kernel_flatten_c,
    mico_kernel_reshape_c, mico_kernel_pad_c, mico_kernel_slice_c,
    mico_kernel_transpose_c;
extern const mico_kernel mico_kernel_conv_round_c, mico_kernel_linear_round_c,
    mico_kernel_add_ares_c, mico_kernel_concat_ares_c, mico_kernel_avgpool_ares_c,
    mico_kernel_requant_ares_c, mico_kernel_add_tflite_c, mico_kernel_avgpool_tflite_c;
extern const mico_kernel mico_kernel_conv_float_c, mico_kernel_linear_float_c,
    mico_kernel_add_float_c, mico_kernel_concat_float_c, mico_kernel_maxpool_float_c,
    mico_kernel_avgpool_float_c, mico_kernel_clamp_float_c;

/* The portable entry of one kind of operation, without exceptions. */
#define MICO_C_KERNEL(stem, KIND, run_function)                                        \
    static bool stem##_supports(const mico_plan *plan, const mico_op *op)              \
    {                                                                                  \
        (void)plan;                                                                    \
        return op->kind == MICO_OP_##KIND && op->rounding == MICO_ROUND_HALF_UP;       \
    }                                                                                  \
    const mico_kernel mico_kernel_##stem##_c = {.name = #stem "_c",                    \
                                                .isa = "c",                            \
                                                .supports = stem##_supports,           \
                                                .run = run_function};

#if MICO_KERNELS_X86
extern const mico_kernel mico_kernel_conv_direct_avx512vnni,
    mico_kernel_conv_depthwise_avx512vnni, mico_kernel_linear_avx512vnni,
    mico_kernel_add_avx512vnni, mico_kernel_concat_avx512vnni,
    mico_kernel_maxpool_avx512vnni, mico_kernel_avgpool_avx512vnni,
    mico_kernel_clamp_avx512vnni, mico_kernel_requant_avx512vnni,
    mico_kernel_requant_avx512vbmi, mico_kernel_concat_avx512vbmi;
extern const mico_kernel mico_kernel_conv_bits_avx512vpopcnt,
    mico_kernel_linear_bits_avx512vpopcnt;
extern const mico_kernel mico_kernel_conv_float_avx512vnni,
    mico_kernel_conv_depthwise_float_avx512vnni, mico_kernel_linear_float_avx512vnni,
    mico_kernel_add_float_avx512vnni, mico_kernel_clamp_float_avx512vnni,
    mico_kernel_pool_float_avx512vnni;
extern const mico_kernel mico_kernel_add_tflite_avx512, mico_kernel_add_ares_avx512;
extern const mico_kernel mico_kernel_conv_direct_avxvnni,
    mico_kernel_conv_depthwise_avxvnni, mico_kernel_linear_avxvnni;
extern const mico_kernel mico_kernel_conv_direct_avx2, mico_kernel_conv_depthwise_avx2,
    mico_kernel_linear_avx2, mico_kernel_add_avx2, mico_kernel_concat_avx2,
    mico_kernel_maxpool_avx2, mico_kernel_avgpool_avx2, mico_kernel_clamp_avx2,
    mico_kernel_requant_avx2;
#endif

/* ---- other roundings ----------------------------------------------------------- */

/* Turns n_pixels * c_out accumulators (bias + sum of q*w) of a conv or linear op into
 * its stored values: [pixel][c_out] -> c_out values a pixel at `out`. */
typedef void (*mico_finish)(const mico_call *call, const int32_t *acc, size_t n_pixels,
                            uint8_t *out);

/* The finish of a rounding other than half up; NULL where there is none. */
mico_finish mico_finish_of(mico_rounding rounding);

/* ---- values -------------------------------------------------------------------- */

static inline const mico_plan_tensor *mico_op_input(const mico_plan *plan,
                                                    const mico_op *op, size_t i)
{
    return &plan->tensor[op->in[i]];
}

static inline const mico_plan_tensor *mico_op_output(const mico_plan *plan,
                                                     const mico_op *op)
{
    return &plan->tensor[op->out];
}

/* Bytes of one stored value. */
static inline size_t mico_value_bytes(const mico_plan_tensor *t)
{
    return t->format.width == 32 ? 4 : 1;
}

/* q of stored value i. */
static inline int32_t mico_value_get(const mico_plan_tensor *t, const uint8_t *data,
                                     size_t i)
{
    int32_t q;

    if (t->format.width != 32)
        return (int32_t)data[i] - (int32_t)t->zero;
    memcpy(&q, data + 4 * i, sizeof q);
    return q;
}

/* Clamps y and stores it as value i: code = base + step*y, or y itself in 32 bits. */
static inline void mico_value_put(const mico_plan_tensor *t, const mico_epilogue *e,
                                  int64_t y, uint8_t *data, size_t i)
{
    int32_t q = (int32_t)(y < e->lo ? e->lo : y > e->hi ? e->hi : y);

    if (t->format.width != 32)
        data[i] = (uint8_t)(e->base + e->step * q);
    else
        memcpy(data + 4 * i, &q, sizeof q);
}

static inline size_t mico_round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

/* Channels, height, width of a spatial tensor; a plain array is all channels. */
typedef struct mico_extent {
    size_t c, h, w;
} mico_extent;

static inline mico_extent mico_extent_of(const mico_plan_tensor *t)
{
    mico_extent e = {t->shape.dim[0], 1, 1};

    if (t->shape.rank == 3) {
        e.h = t->shape.dim[1];
        e.w = t->shape.dim[2];
    } else if (t->shape.rank == 2) {
        e.c *= t->shape.dim[1];
    }
    return e;
}

/* ---- parts of the portable entries ----------------------------------------------- */

/* The accumulator of channel oc: of a convolution at (oy, ox), of a linear layer. */
int32_t mico_conv_sum(const mico_plan_tensor *in, const mico_op *op,
                      const uint8_t *data, size_t oy, size_t ox, size_t oc);
int32_t mico_linear_sum(const mico_plan_tensor *in, const mico_op *op,
                        const uint8_t *data, size_t oc);

#endif
