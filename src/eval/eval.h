/* eval.h: runs networks over data: integer, fake-quantised, fp32.
 *
 * An evaluator belongs to one network and one data set and keeps what candidates share:
 * quantised and packed weights, quantised inputs, buffers. One thread; no allocation
 * once it has met its schemes' widths.
 *
 *     mico_calib *calib;
 *     rc = mico_calibrate(&calib, net, &splits.calibration, &quant, &err);
 *     mico_eval *eval = mico_eval_new(net, calib, &quant);
 *     rc = mico_eval_int(eval, &scheme, &splits.search, &result, &err);
 */
#ifndef MICO_EVAL_EVAL_H
#define MICO_EVAL_EVAL_H

#include "data/data.h"
#include "net/net.h"
#include "plan/plan.h"
#include "trial/trial.h"

/* One scheme's answers to the first `images` images of a split. */
typedef struct mico_result {
    uint64_t images, correct;
    double loss;           /* mean cross-entropy, nats */
    double loss_sum;       /* what it is the mean of, summed in image order */
    double seconds;        /* of a bundle: this scheme's share */
    uint16_t *predictions; /* if not NULL on entry: room for split->count, filled */
    uint64_t *right; /* if not NULL: MICO_RIGHT_WORDS(split->count) words, filled: image
                        i was predicted correctly if bit i%64 of word i/64 is set */
} mico_result;

/* Runs the fp32 network over a split, twice (ranges, then histograms), and derives the
 * scales of every tensor. Same machine, same bits; other CPUs may differ in the last
 * bits of sums, which is why rank 0's table is the one that all ranks use. */
mico_status mico_calibrate(mico_calib **out, const mico_net *net,
                           const mico_split *split, const mico_quant *quant,
                           mico_err *err);

typedef struct mico_eval mico_eval;

/* Borrows net and calib. calib may be NULL if only fp32 and fake are asked for. */
mico_eval *mico_eval_new(const mico_net *net, const mico_calib *calib,
                         const mico_quant *quant);
void mico_eval_free(mico_eval *eval);

/* Restricts kernels to this isa (and portable C); NULL: the best of this CPU. */
void mico_eval_set_isa(mico_eval *eval, const char *isa);

/* From here on measurements on this machine choose among kernels, which all give the
 * same results; cached: the user's cache keeps them for other evaluators. Undone by
 * mico_eval_set_isa. */
void mico_eval_tune(mico_eval *eval, bool cached);

/* What was measured, a line for each choice. */
void mico_eval_tuning(const mico_eval *eval, mico_str *out);

/* True-integer inference of docs/INTEGER.md. MICO_ESCHEME where the plan is refused. */
mico_status mico_eval_int(mico_eval *eval, const mico_scheme *scheme,
                          const mico_split *split, mico_result *result, mico_err *err);

/* One scheme of a bundle. */
typedef struct mico_answer {
    mico_result result; /* zero but for the pointers, or that of an earlier call */
    mico_status status; /* MICO_ESCHEME: refused, MICO_ENET: outputs are not finite; err
                           says why, result means nothing */
    mico_err err;
} mico_answer;

/* Evaluates n schemes at once and computes what they share only once; the answers are
 * those of n single evaluations, bit for bit. Each result goes on from its own `images`
 * (all n must stand at the same image) up to image `to` of the split (racing: call
 * again with a larger `to`, with those schemes that are worth it). Fails as a whole
 * only where nothing was evaluated (data that do not fit, memory). */
mico_status mico_eval_bundle(mico_eval *eval, const mico_scheme *const *scheme,
                             mico_answer *answer, size_t n, const mico_split *split,
                             uint64_t to, mico_err *err);

/* What the evaluator may use. */
typedef struct mico_eval_options {
    bool reuse;           /* compute shared work of a bundle once (default true) */
    uint64_t keep_bytes;  /* kept activations of earlier bundles; 0 (default): none */
    uint64_t limit_bytes; /* of all buffers of a run together with the kept ones; too
                             little for one image is an error. 0: 4 GiB */
    size_t block_images;  /* images at a time; 0 (default): found by measurement */
} mico_eval_options;

void mico_eval_set_options(mico_eval *eval, const mico_eval_options *options);

/* Bytes that the evaluator holds now: weights, packed weights, buffers, kept values. */
uint64_t mico_eval_bytes(const mico_eval *eval);

/* What one step of a run took. */
typedef struct mico_step_time {
    char name[MICO_NET_NAME];        /* of the node; "" for input and copies */
    const char *op, *kernel;         /* who ran it; "" for the input */
    bool fused_add;                  /* the residual add behind it is part of it */
    uint8_t weight_width, act_width; /* of layers, else 0 */
    double macs;                     /* an image; 0 unless a layer */
    double seconds;                  /* of all images */
    uint64_t in_bytes, out_bytes;    /* an image */
} mico_step_time;

/* As mico_eval_int, with a clock around each step. The caller frees *steps. */
mico_status mico_eval_times(mico_eval *eval, const mico_scheme *scheme,
                            const mico_split *split, mico_result *result,
                            mico_step_time **steps, size_t *n_steps, mico_err *err);

/* Upstream's fake quantisation in fp32: weights per tensor, activations dynamic per row
 * (linear) or per sample and channel (conv). */
mico_status mico_eval_fake(mico_eval *eval, const mico_scheme *scheme,
                           const mico_split *split, mico_result *result, mico_err *err);

mico_status mico_eval_fp32(mico_eval *eval, const mico_split *split,
                           mico_result *result, mico_err *err);

/* Dispatches on mode (scheme is ignored for fp32). */
mico_status mico_eval_run(mico_eval *eval, mico_mode mode, const mico_scheme *scheme,
                          const mico_split *split, mico_result *result, mico_err *err);

/* Codes of every plan tensor for one image: the harness of bit-exactness tests. Calls
 * see with each plan tensor once it is complete. */
mico_status mico_eval_trace(mico_eval *eval, const mico_scheme *scheme,
                            const mico_data *data, size_t image,
                            void (*see)(void *ctx, const mico_plan *plan, size_t tensor,
                                        const uint8_t *codes),
                            void *ctx, mico_err *err);

/* fp32 forward of n images: raw (as stored) to logits [n][outputs]. see (may be NULL)
 * is called per image chunk and tensor with values in (C,H,W) order, chunk images at a
 * time. */
mico_status mico_forward_fp32(const mico_net *net, const mico_data *data, size_t first,
                              size_t n, float *logits,
                              void (*see)(void *ctx, size_t tensor, const float *values,
                                          size_t count),
                              void *ctx, mico_err *err);

#endif
