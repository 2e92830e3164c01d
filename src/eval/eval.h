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

typedef struct mico_result {
    uint64_t images, correct;
    double loss; /* mean cross-entropy, nats */
    double seconds;
    uint16_t *predictions; /* if not NULL on entry: room for split->count, filled */
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

/* True-integer inference of docs/INTEGER.md. MICO_ESCHEME where the plan is refused. */
mico_status mico_eval_int(mico_eval *eval, const mico_scheme *scheme,
                          const mico_split *split, mico_result *result, mico_err *err);

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
