/* plan_internal.h: what the files of plan share: the exact rounding, the storage
 * classes, the lowering. */
#ifndef MICO_PLAN_PLAN_INTERNAL_H
#define MICO_PLAN_PLAN_INTERNAL_H

#include "plan/plan.h"

/* Lower bound of the statistic a scale is made from (upstream's epsilon); also the
 * scale of a tensor that was never seen to differ from 0. */
#define STATISTIC_FLOOR 1e-5

/* Bits of multipliers (docs/INTEGER.md section 5). */
#define CONV_MULT_BITS  22u
#define SMALL_MULT_BITS 20u
#define MAX_SHIFT       45

#define NONE SIZE_MAX

/* Each channel of the input has two tables of 256 codes. */
#define MAX_INPUT_CHANNELS ((size_t)1 << 18)

/* rne(v) of |v| < 2^51 in the default rounding mode of IEEE double arithmetic: adding
 * 1.5 * 2^52 leaves no bit below the units. One addition where nearbyint is a call. */
static inline double round_even(double v)
{
    const double big = 0x1.8p52;

    return (v + big) - big;
}

/* rne(v) clipped to the integers [lo, hi]; clipping first gives the same and keeps the
 * rounding in its range. Not-a-number counts as lo. */
static inline double round_clip(double v, double lo, double hi)
{
    v = v > lo ? v : lo;
    v = v < hi ? v : hi;
    return round_even(v);
}

/* Storage classes: all tensors that hold codes of one format, because only operations
 * that move or select codes lie between them. Depends on the network alone. */
typedef struct storage {
    size_t *root;    /* [tensor] the arithmetic result whose scale the class takes; NONE
                        for    int32 logits and for results that a fused clip replaces */
    size_t *clip;    /* [node] the clip node fused into it, or NONE */
    bool *fused;     /* [node] a clip that lives in its producer's epilogue */
    size_t *layer;   /* [node] quantizable layer index, or NONE */
    bool *is_signed; /* [root tensor] */
    bool logits;     /* the network output is raw accumulators */
} storage;

struct mico_lowering {
    const mico_net *net;
    const mico_calib *calib;
    mico_quant quant;
    storage storage;
    const mico_qweights **weights;           /* [layer][width index], NULL: not yet */
    const uint8_t *lut_u8[2][MICO_N_WIDTHS]; /* [signed][width index] of the input */
    const uint8_t *lut_s8[2][MICO_N_WIDTHS];
    float *mul, *add; /* [channels of the input] */
    size_t
        bad_layer; /* first layer with a weight or bias that is not finite, or NONE */
    mico_arena arena;
};

/* Fills low->storage (arrays in the lowering's arena). */
void plan_storage_find(mico_lowering *low);

/* Widths of all classes under a scheme: width[root tensor]. */
void plan_storage_widths(const mico_lowering *low, const mico_scheme *scheme,
                         uint8_t *width);

/* The input's tables for its tensor, from the cache or made now. */
void plan_luts(mico_lowering *low, const mico_plan_tensor *t, mico_rounding rounding,
               const uint8_t **lut_u8, const uint8_t **lut_s8);

/* Channels of the network's input: each element is one unless it is spatial. */
size_t plan_input_channels(const mico_net *net);

/* Fills a new plan of profile dynamic or mico (lower_float.c). */
mico_status plan_lower_float(mico_plan *plan, mico_lowering *low,
                             const mico_scheme *scheme, mico_err *err);

/* Makes an integer plan one of profile ares (lower_ares.c). */
mico_status plan_make_ares(mico_plan *plan, mico_err *err);

/* Fills a new plan of profile tflite (lower_tflite.c). */
mico_status plan_lower_tflite(mico_plan *plan, mico_lowering *low,
                              const mico_scheme *scheme, mico_err *err);

/* Largest |q| of a format. */
int plan_q_max_abs(uint8_t width, bool is_signed);

#endif
