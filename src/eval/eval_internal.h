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
    uint64_t limit; /* of total; set by the caller after a reset */
} mico_places;

void mico_places_reset(mico_places *places, size_t n);
void mico_places_free(mico_places *places);
void mico_places_use(mico_places *places, size_t tensor, size_t step);

/* Offsets (multiples of 64) and total for n_images of each tensor's bytes, with 64
 * bytes of slack behind each. MICO_ELIMIT above the limit. */
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

/* Turns the sum of losses into the mean and adds the seconds. */
void mico_score_finish(mico_result *result, double seconds);

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

/* ---- program.c: the plans of a bundle merged into one list of steps ----------------
 */

/* A value is what an operation makes of its inputs. Operations of two plans that read
 * the same values and have the same key make the same bytes, so that they are one step.
 */
typedef struct mico_value_key {
    const mico_node *node;
    const mico_qweights *weights;
    double scale; /* of the result */
    uint32_t kind, width, is_signed, is_float, act_width, n_in;
    uint64_t in[MICO_MAX_INPUTS]; /* ids */
} mico_value_key;

/* Numbers keys: equal keys, equal ids, for the life of the evaluator. */
typedef struct mico_names {
    size_t n, capacity, n_slots;
    mico_value_key *key; /* [n]: of each id */
    uint32_t *slot;      /* id + 1, or 0 */
} mico_names;

uint64_t mico_names_id(mico_names *names, const mico_value_key *key);
void mico_names_free(mico_names *names);

typedef struct mico_step {
    const mico_plan *plan;
    const mico_op *op;
    const mico_kernel *kernel; /* NULL: the input operation */
    const void *packed, *consts;
    const mico_op
        *add; /* fused residual add, and the value it reads besides, or NULL */
    size_t other;
    size_t in[MICO_MAX_INPUTS], out; /* values */
    double seconds;                  /* while timing */
} mico_step;

typedef struct mico_value {
    uint64_t id;
    size_t bytes;        /* of one image */
    size_t readers;      /* steps, and plans that end with it */
    size_t depth;        /* layers on the longest way to it */
    double work;         /* multiply-accumulates of an image on the way */
    const uint8_t *kept; /* of the split's first image, or NULL: it is computed */
    uint8_t *keep;       /* where its images are written, or NULL: a place */
} mico_value;

typedef struct mico_program {
    size_t n_plans, n_steps, n_values, plan_capacity, step_capacity, value_capacity;
    mico_plan **plan;
    size_t *output; /* [n_plans]: values */
    mico_step *step;
    mico_value *value;
    uint32_t *where; /* by id: value + 1, or 0 */
    size_t where_capacity;
    mico_places places;
    size_t scratch_bytes;
    double work_apart, work_shared; /* an image: of all plans alone; of the steps */
    mico_arena consts;
} mico_program;

/* Multiply-accumulates (else results) of an operation, an image. */
double mico_program_work(const mico_plan *plan, const mico_op *op);

/* Adds a plan, which the program takes. share: false keeps its steps its own. */
void mico_program_add(mico_program *program, mico_names *names, mico_plan *plan,
                      bool share);

/* Drops the steps that nobody needs, once kept values are marked. */
void mico_program_trim(mico_program *program);

/* Kernels, fused adds (unless fuse is false, which keeps every tensor), lifetimes. */
mico_status mico_program_finish(mico_program *program, mico_eval *eval, bool fuse,
                                mico_err *err);
void mico_program_reset(mico_program *program);
void mico_program_free(mico_program *program);

/* ---- keep.c: values of a whole split, kept from bundle to bundle --------------------
 */

typedef struct mico_kept {
    uint64_t id, used, hits; /* used: the bundle that last read or made it */
    const mico_data *data;
    size_t first, count; /* images */
    uint64_t bytes;
    double worth; /* work that a hit may save, a byte */
    bool complete;
    uint8_t *memory;
} mico_kept;

typedef struct mico_keeper {
    size_t n, capacity;
    mico_kept *kept;
    uint64_t bytes, clock;
} mico_keeper;

/* Marks the program's values that are kept for these images. */
void mico_keeper_find(mico_keeper *keeper, mico_program *program,
                      const mico_split *split);

/* Chooses values of the trimmed program to keep (sets their `keep`), most worthwhile
 * first, within the budget. */
void mico_keeper_choose(mico_keeper *keeper, mico_program *program,
                        const mico_split *split, uint64_t budget_bytes,
                        size_t n_layers);

/* Drops what is worth least until the rest is within the budget. */
void mico_keeper_limit(mico_keeper *keeper, uint64_t budget_bytes);

/* After the run: what was written is complete, or (false) given up. */
void mico_keeper_settle(mico_keeper *keeper, bool complete);
void mico_keeper_free(mico_keeper *keeper);

/* ---- block.c: how many images at a time ---------------------------------------------
 */

#define MICO_BLOCK_SIZES 10 /* working sets of 2^16 .. 2^25 bytes */

/* Finds the fastest working set by timing the blocks of real runs. All zero: not yet
 * started. */
typedef struct mico_blocks {
    bool started, settled, up;
    size_t at, best, n_timed;
    double least_s, best_s; /* an image, at `at` and at `best` */
} mico_blocks;

/* Working set to use next, and what an image of a block of it took. */
size_t mico_blocks_next(const mico_blocks *blocks);
void mico_blocks_note(mico_blocks *blocks, double image_s);

/* ---- int.c: runs of programs --------------------------------------------------------
 */

typedef struct mico_packed { /* weights in one kernel's order */
    const mico_qweights *weights;
    const mico_kernel *kernel;
    void *bytes;
    size_t n_bytes;
} mico_packed;

typedef struct mico_ints {
    mico_lowering *lowering; /* made at first use */
    size_t n_packed, packed_capacity;
    mico_packed *packed;
    uint64_t packed_bytes;
    mico_names names;
    mico_program program;
    mico_keeper keeper;
    mico_blocks blocks;
    size_t memory_bytes, scratch_bytes, value_capacity;
    uint8_t *memory, *scratch;
    double *value;         /* outputs of one image in class order */
    mico_step_time *times; /* of the last program, while timing */
    size_t n_times;
    bool timing;
    double work_apart, work_done; /* multiply-accumulates asked for, and done */
} mico_ints;

/* Weights in the kernel's order: from the cache, or packed now. */
const void *mico_ints_packed(mico_ints *ints, const mico_op *op,
                             const mico_kernel *kernel);
void mico_ints_free(mico_ints *ints);

struct mico_eval {
    const mico_net *net;
    const mico_calib *calib;
    mico_quant quant;
    char *isa;
    mico_tuner *tuner; /* NULL: the first kernel that fits */
    mico_eval_options options;
    mico_floats *floats;        /* made at first use */
    float **fake_weight;        /* [n_layers][MICO_N_WIDTHS], made at first use */
    const float **layer_weight; /* [n_layers]: of the scheme that runs */
    mico_ints ints;
};

/* The kernel for an operation. */
const mico_kernel *mico_eval_kernel(mico_eval *eval, const mico_plan *plan,
                                    const mico_op *op);

/* As many layers as the network, valid widths. */
mico_status mico_scheme_check(const mico_net *net, const mico_scheme *scheme,
                              mico_err *err);

/* The evaluator's float buffers. */
mico_status mico_eval_floats(mico_eval *eval, mico_floats **out, mico_err *err);

#endif
