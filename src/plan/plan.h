/* plan.h: the integer plan: network + scheme + calibration, lowered once, run
 * everywhere.
 *
 * docs/INTEGER.md is the normative text; names here are its names. A plan is plain
 * data: a list of integer operations over tensors of 8-bit codes. Evaluation, cost
 * models and code generators consume it and nothing else.
 *
 *     mico_lowering *low = mico_lowering_new(net, calib, &quant);
 *     mico_plan *plan;
 *     if (mico_lower(&plan, low, &scheme, &err) != MICO_OK) ...   (may be refused)
 *     ...
 *     mico_plan_free(plan); mico_lowering_free(low);
 *
 * A lowering keeps the quantised weights of every (layer, width) it has met, so
 * lowering the next scheme quantises nothing again; plans borrow them and must die
 * first.
 *
 * Codes: a value q of a tensor is stored as the byte q + zero, zero = 128 in signed and
 * 0 in unsigned formats; x = scale * q. Spatial tensors lie channels last: [h][w][c].
 */
#ifndef MICO_PLAN_PLAN_H
#define MICO_PLAN_PLAN_H

#include "core/err.h"
#include "core/mem.h"
#include "core/pack.h"
#include "core/text.h"
#include "net/net.h"
#include "trial/trial.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- how to quantise (one per study) -----------------------------------------------
 */

typedef enum mico_granularity { MICO_PER_CHANNEL, MICO_PER_TENSOR } mico_granularity;
typedef enum mico_weight_rule { MICO_WEIGHT_MSE, MICO_WEIGHT_MICO } mico_weight_rule;
typedef enum mico_range_rule {
    MICO_RANGE_MSE,
    MICO_RANGE_MAX,
    MICO_RANGE_PERCENTILE
} mico_range_rule;

/* Whose arithmetic (docs/INTEGER.md section 10). X(suffix, text) */
#define MICO_PROFILE_LIST(X)                                                           \
    X(INTEGER, "integer") /* ours: static scales, integer multipliers */               \
    X(DYNAMIC, "dynamic") /* a scale per sample and layer input; float rescale */      \
    X(MICO, "mico")       /* upstream's C runtime: dynamic scales, float rescale */    \
    X(ARES, "ares")       /* static scales, float32 multiplier, half to even */        \
    X(TFLITE, "tflite")   /* int8 networks that bring their own integers */

typedef enum mico_profile {
#define MICO_PROFILE_ENUM(suffix, text) MICO_PROFILE_##suffix,
    MICO_PROFILE_LIST(MICO_PROFILE_ENUM)
#undef MICO_PROFILE_ENUM
        MICO_N_PROFILES
} mico_profile;

typedef struct mico_quant {
    mico_profile profile;
    mico_granularity granularity; /* of weight scales */
    mico_weight_rule weight_rule;
    mico_range_rule range_rule; /* of activation scales */
    double percentile;          /* of |x|, e.g. 0.9999 (range_rule percentile) */
    bool unsigned_acts;         /* unsigned codes for tensors that are never negative */
} mico_quant;

/* The name of a profile, and the other way round (false: there is no such name). */
const char *mico_profile_text(mico_profile profile);
bool mico_profile_parse(const char *text, mico_profile *profile);

extern const mico_quant mico_quant_default; /* per channel, mse, mse, 0.9999, signed */

/* Quantiser primitives (docs/INTEGER.md section 2), usable alone; round half to even in
 * the quantisers, as upstream. Largest and smallest integer of a format: */
int mico_q_min(uint8_t width, bool is_signed);
int mico_q_max(uint8_t width, bool is_signed);

/* Scale of n weights by the rule; > 0 always. */
double mico_weight_scale(const float *w, size_t n, uint8_t width,
                         mico_weight_rule rule);

/* Integers of n weights at a scale. 1 bit: +1 where w >= 0, else -1. */
void mico_weight_quantize(const float *w, size_t n, uint8_t width, double scale,
                          int8_t *q);

/* One activation: 1 bit signed is +1 where x > 0, else -1. */
int mico_act_quantize(double x, uint8_t width, bool is_signed, double scale);

/* ---- calibration -------------------------------------------------------------------
 */

#define MICO_HISTOGRAM_BINS 4096

/* What a run of the fp32 network over the calibration images saw in one tensor. */
typedef struct mico_observation {
    double min, max, mean_abs;
    uint64_t count;
    double bin_width; /* histogram of |x|: bin i counts [i, i+1) * bin_width */
    uint64_t bins[MICO_HISTOGRAM_BINS];
} mico_observation;

/* Scales of every tensor in every format; what travels to the workers, so that all use
 * the same numbers whatever their CPU. */
typedef struct mico_calib {
    size_t n_tensors;
    struct mico_calib_tensor {
        double min, max;
        double scale[2][MICO_N_WIDTHS]; /* [signed][width index] */
    } * tensor;
} mico_calib;

/* Scale of an observed tensor by the rule (> 0 always). */
double mico_act_scale(const mico_observation *seen, uint8_t width, bool is_signed,
                      const mico_quant *quant);

/* Table of all scales from the observations of all tensors. */
mico_calib *mico_calib_new(const mico_observation *seen, size_t n_tensors,
                           const mico_quant *quant);
void mico_calib_free(mico_calib *calib);
void mico_calib_put(mico_writer *w, const mico_calib *calib);
mico_status mico_calib_get(mico_reader *r, mico_calib **out, mico_err *err);

/* ---- the plan ----------------------------------------------------------------------
 */

typedef struct mico_format {
    uint8_t width; /* 1..8, MICO_TERNARY, or 32: int32 logits or float32, no zero */
    bool is_float; /* float32 (width 32): profiles dynamic and mico, ares logits */
    bool is_signed;
    double scale;
} mico_format;

/* y = clamp(floor(acc * mult / 2^shift + 1/2), lo, hi); code = base + step * y.
 * 0 <= mult < 2^22, 1 <= shift <= 45. 1-bit signed: y is 0 or 1 and step 2, for the
 * codes of -1 and +1. Operations that keep the format carry the format's own lo and hi.
 */
typedef struct mico_epilogue {
    int32_t lo, hi, base, step;
} mico_epilogue;

/* How an operation rounds. Kernels support the roundings that they name, no others. */
typedef enum mico_rounding {
    MICO_ROUND_HALF_UP, /* integer multipliers, the epilogue's formula */
    MICO_ROUND_ARES,    /* float32 product, half to even */
    MICO_ROUND_TFLITE,  /* 31-bit doubling multiply, rounding shift */
    MICO_ROUND_FLOAT    /* float32 results: profiles dynamic and mico */
} mico_rounding;

/* Integer weights of one layer at one width, shared by all plans of a lowering. */
typedef struct mico_qweights {
    size_t layer;
    uint8_t width;
    size_t c_out, taps;     /* taps = kh * kw * (c_in/groups) */
    const int8_t *q;        /* [c_out][kh][kw][c_in/groups] */
    const double *scale;    /* [c_out]; all alike when per tensor */
    const int32_t *sum;     /* [c_out] sum of q */
    const int32_t *abs_sum; /* [c_out] sum of |q| */
} mico_qweights;

/* X(suffix, text) */
#define MICO_OP_LIST(X)                                                                \
    X(INPUT, "input") /* raw image -> codes */                                         \
    X(CONV, "conv")   /* accumulate, bias, requantise per channel, clamp */            \
    X(LINEAR, "linear")                                                                \
    X(ADD, "add")         /* floor((q0*m0 + q1*m1) / 2^shift + 1/2), clamp */          \
    X(CONCAT, "concat")   /* each input requantised by mult[i], shift[i] */            \
    X(MAXPOOL, "maxpool") /* on codes; padding never wins */                           \
    X(AVGPOOL, "avgpool") /* requantise the sum by mult[count], shift[count] */        \
    X(CLAMP, "clamp")     /* lo, hi on q, same format */                               \
    X(REQUANT, "requant") /* q -> another format: mult[0], shift[0] */                 \
    X(FLATTEN, "flatten") /* [h][w][c] -> (c,h,w) order */                             \
    X(RESHAPE, "reshape") /* through (c,h,w) order */                                  \
    X(PAD, "pad")         /* with code of 0 */                                         \
    X(SLICE, "slice")                                                                  \
    X(TRANSPOSE, "transpose")

typedef enum mico_op_kind {
#define MICO_OP_ENUM(suffix, text) MICO_OP_##suffix,
    MICO_OP_LIST(MICO_OP_ENUM)
#undef MICO_OP_ENUM
        MICO_N_OP_KINDS
} mico_op_kind;

typedef struct mico_op {
    mico_op_kind kind;
    const mico_node *node; /* of the network; window, perm, ... are read from it; NULL
                              for input and requant */
    size_t layer;          /* quantizable layer index, or SIZE_MAX */
    size_t n_in, in[MICO_MAX_INPUTS], out; /* plan tensors */
    const mico_qweights *weights;          /* conv, linear */
    const int32_t *bias;                   /* conv, linear: [c_out] at scale s_x*s_w */
    const int32_t *mult;  /* conv, linear: [c_out], NULL where the logits
                             are the accumulators; add: [2]; concat: [n_in];
                             avgpool: [kh*kw + 1] by count; requant: [1] */
    const uint8_t *shift; /* as mult; add: [1] */
    /* MICO_ROUND_TFLITE: 31-bit multipliers and shifts of 1..62; add: [3], of the
     * inputs and of the sum. MICO_ROUND_ARES: conv, linear, concat and requant have
     * scale_f32 ([c_out], [n_in], [1]; logits bias_f32 besides), add and avgpool mult
     * and shift (0 or 24), avgpool's mult[0] being 1 where sums are divided by their
     * count. */
    mico_rounding rounding;
    mico_epilogue epilogue; /* all that requantise; clamp: lo, hi */
    int64_t acc_bound;      /* proven bound of |accumulator| */
    /* input: code of raw value v of channel c is lut[c*256 + v] (u8; s8: v+128); for
     * float images x = raw*mul[c] + add[c], in double, goes to mico_input_code.
     * Each element of an input that is not {c,h,w} is a channel. */
    const uint8_t *lut_u8, *lut_s8;
    const float *mul, *add; /* [channels] */
    /* MICO_ROUND_FLOAT. conv, linear: y = acc * (s_x * scale_f32[c]) + bias_f32[c], the
     * input made integers of act_width at the scale s_x found at run time; act_blocks:
     * by the rules of profile mico, a scale for each group and block of outputs. All:
     * the result is kept between lo_f32 and hi_f32. */
    const float *bias_f32, *scale_f32; /* conv, linear: [c_out] */
    float lo_f32, hi_f32;              /* of a fused clip or clamp, else infinite */
    uint8_t act_width;                 /* conv, linear; else 0 */
    bool act_signed, act_blocks;
} mico_op;

typedef struct mico_plan_tensor {
    mico_shape shape; /* rank 1 {n}, or 3 {c,h,w} stored [h][w][c] */
    mico_format format;
    size_t bytes; /* per image: elements, times 4 for int32 logits */
    size_t zero;  /* 128 signed, 0 unsigned and 32 bits; tflite: any, 0..255 */
} mico_plan_tensor;

typedef struct mico_plan {
    const mico_net *net;
    mico_scheme scheme;
    size_t n_tensors, n_ops;
    mico_plan_tensor *tensor;
    mico_op *op;   /* in execution order; op[0] is the input */
    size_t output; /* plan tensor */
    mico_arena arena;
} mico_plan;

typedef struct mico_lowering mico_lowering;

/* Borrows net and calib (calib->n_tensors must be net->n_tensors) until free. */
mico_lowering *mico_lowering_new(const mico_net *net, const mico_calib *calib,
                                 const mico_quant *quant);
void mico_lowering_free(mico_lowering *low);

/* Weights of a layer at a width, from the cache or made now. */
const mico_qweights *mico_lowering_weights(mico_lowering *low, size_t layer,
                                           uint8_t width);

/* Bytes of the quantised weights that it holds (0 for NULL). */
uint64_t mico_lowering_bytes(const mico_lowering *low);

/* Lowers a scheme. MICO_ESCHEME where it is refused: the message names the layer and
 * the bound that would not fit into 32 bits. */
mico_status mico_lower(mico_plan **out, mico_lowering *low, const mico_scheme *scheme,
                       mico_err *err);
void mico_plan_free(mico_plan *plan);

/* The code of one preprocessed value of the network's input. */
uint8_t mico_input_code(const mico_plan_tensor *t, mico_rounding rounding, double x);
const char *mico_op_text(mico_op_kind kind);

/* The normalised multiplier of a positive ratio: mult/2^shift ~ ratio with mult in
 * [2^(bits-1), 2^bits) where the shift's range [1, 45] allows. MICO_ESCHEME above
 * 2^(bits-2). Convolutions and linear layers use 22 bits, all others 20. */
mico_status mico_multiplier(double ratio, unsigned bits, int32_t *mult, uint8_t *shift,
                            mico_err *err);

/* Table of the plan for people: op, shapes, formats, widths, scales, multipliers,
 * bounds. */
void mico_plan_print(const mico_plan *plan, mico_str *out);

#endif
