/* eval_internal.h: what the files of this folder share: tensor places, scores, float
 * runs. */
#ifndef MICO_EVAL_INTERNAL_H
#define MICO_EVAL_INTERNAL_H

#include "eval/eval.h"
#include "kernels/kernels.h"

#define MICO_EVAL_LIMIT_BYTES ((size_t)1 << 32) /* of all the buffers of one run */

/* ---- places.c: tensors of a run in one memory block, by lifetime -------------------
 */

/* Steps are numbered in execution order. A tensor is alive from its first to its last
 * step, both included, so that no operation reads what it writes. */
typedef struct mico_places {
    size_t n, capacity;
    size_t *bytes; /* of one image; set by the caller after a reset */
    size_t *first, *last, *offset;
    size_t *size, *order, *live; /* scratch of assign */
    size_t total;
} mico_places;

void mico_places_reset(mico_places *places, size_t n);
void mico_places_free(mico_places *places);
void mico_places_use(mico_places *places, size_t tensor, size_t step);

/* Offsets (multiples of 64) and total for n_images of each tensor's bytes, with 64
 * bytes of slack behind each. MICO_ELIMIT above MICO_EVAL_LIMIT_BYTES. */
mico_status mico_places_assign(mico_places *places, size_t n_images, mico_err *err);

/* Images at a time so that the places take about `bytes`: 1..most. Assigns for them. */
mico_status mico_places_group(mico_places *places, size_t bytes, size_t most,
                              size_t *n_images, mico_err *err);

/* ---- score.c: predictions and losses -----------------------------------------------
 */

/* Takes one image's outputs, x = scale*value in class order: fills in images, correct,
 * the sum of losses and the prediction (the lowest index of the largest value). */
void mico_score_add(mico_result *result, const double *value, size_t n, double scale,
                    uint16_t label);

/* Turns the sum of losses into the mean and stores the seconds since start_s. */
void mico_score_finish(mico_result *result, double start_s);

/* Images [first, first + n) must exist and fit the network. */
mico_status mico_split_check(const mico_net *net, const mico_data *data, size_t first,
                             size_t n, mico_err *err);

/* ---- float_ops.c: one node over n images in (C,H,W) order --------------------------
 */

#define MICO_PATCH_FLOATS                                                              \
    ((size_t)1 << 17) /* im2col tile, unless one row needs more                        \
                       */

/* Floats of im2col scratch that a node wants; 0 where none. */
size_t mico_float_patch(const mico_net *net, const mico_node *node);

/* weight replaces node->weight of layers; patch holds mico_float_patch floats. */
void mico_float_node(const mico_net *net, const mico_node *node, const float *weight,
                     const float *const *in, float *out, size_t n, float *patch);

/* ---- fp32.c: runs of the float network ---------------------------------------------
 */

/* Fake quantisation of a run: the layers' weights, already quantised, and the scheme,
 * of which the activation widths are used. */
typedef struct mico_fake {
    const float *const *weight; /* [n_layers] */
    const mico_scheme *scheme;
} mico_fake;

typedef struct mico_floats {
    const mico_net *net;
    mico_places places;
    size_t chunk; /* images at a time */
    uint8_t *memory;
    float *patch;     /* im2col */
    float *quantised; /* a layer's input in a fake run */
    double *value;    /* outputs of one image */
} mico_floats;

mico_status mico_floats_new(mico_floats **out, const mico_net *net, mico_err *err);
void mico_floats_free(mico_floats *floats);

/* Runs n <= chunk images; returns the outputs [n][outputs], valid until the next run.
 */
const float *mico_floats_run(mico_floats *floats, const mico_data *data, size_t first,
                             size_t n, const mico_fake *fake,
                             void (*see)(void *ctx, size_t tensor, const float *values,
                                         size_t count),
                             void *ctx);

/* Scores a split by float runs; fake may be NULL. */
mico_status mico_floats_score(mico_floats *floats, const mico_split *split,
                              const mico_fake *fake, mico_result *result,
                              mico_err *err);

/* ---- fake.c: upstream's quantisers in float32 --------------------------------------
 */

/* Weights of one layer, per tensor. */
void mico_fake_weights(float *out, const float *w, size_t n, uint8_t width);

/* Activations: `rows` rows of n values, one scale a row. */
void mico_fake_acts(float *out, const float *x, size_t rows, size_t n, uint8_t width);

/* ---- int.c: runs of plans ----------------------------------------------------------
 */

typedef struct mico_packed { /* weights in one kernel's order */
    const mico_qweights *weights;
    const mico_kernel *kernel;
    void *bytes;
} mico_packed;

typedef struct mico_step { /* one plan operation, ready to run */
    const mico_kernel *kernel;
    const void *packed;
    void *consts;
} mico_step;

typedef struct mico_ints {
    mico_lowering *lowering; /* made at first use */
    size_t n_packed, packed_capacity;
    mico_packed *packed;
    size_t step_capacity;
    mico_step *step;
    mico_places places;
    size_t memory_bytes, scratch_bytes, value_capacity;
    uint8_t *memory, *scratch;
    double *value; /* outputs of one image in class order */
} mico_ints;

void mico_ints_free(mico_ints *ints);

struct mico_eval {
    const mico_net *net;
    const mico_calib *calib;
    mico_quant quant;
    char *isa;
    mico_floats *floats;        /* made at first use */
    float **fake_weight;        /* [n_layers][MICO_N_WIDTHS], made at first use */
    const float **layer_weight; /* [n_layers]: of the scheme that runs */
    mico_ints ints;
};

/* As many layers as the network, valid widths. */
mico_status mico_scheme_check(const mico_net *net, const mico_scheme *scheme,
                              mico_err *err);

/* The evaluator's float buffers. */
mico_status mico_eval_floats(mico_eval *eval, mico_floats **out, mico_err *err);

#endif
