/* worker.h: what an evaluator process does with a study and its tasks.
 *
 * A *world* is a study made real: network with its preprocessing, data, splits. Rank 0
 * opens one to check a job before anything starts; every evaluator opens its own from
 * the driver's blob (mico_study_put) and answers tasks with it. */
#ifndef MICO_WORKER_WORKER_H
#define MICO_WORKER_WORKER_H

#include "data/data.h"
#include "eval/eval.h"
#include "job/job.h"
#include "net/net.h"
#include "plan/plan.h"
#include "wire/wire.h"

typedef struct mico_world {
    mico_net *net;
    mico_dataset *data;
    mico_splits splits;
    mico_quant quant;
} mico_world;

/* Loads and checks everything the study names. */
mico_status mico_world_open(mico_world *world, const mico_study *study, mico_err *err);
void mico_world_close(mico_world *world);

/* Memory that images, labels and parameters take. */
uint64_t mico_world_bytes(const mico_world *world);

/* Sets preprocessing from texts such as "0.0039" or "0.017,0.0175,0.0174" (both empty:
 * leaves the network's own). */
mico_status mico_world_preprocess(mico_net *net, const char *mul, const char *add,
                                  mico_err *err);

/* Quantisation options from the words of the job keys. */
mico_status mico_world_quant(mico_quant *quant, const char *profile,
                             const char *granularity, const char *weight_scale,
                             const char *act_range, const char *act_codes,
                             double percentile, mico_err *err);

/* Makes the BLAS library take its work buffer; MICO_ELIMIT where it does not fit. */
mico_status mico_worker_claim_blas(mico_err *err);

/* Sets an evaluator up for this machine: $MICO_ISA restricts its kernels; unless
 * $MICO_TUNE is "off" measurements choose them, which the cache of the user keeps. */
void mico_world_tune(mico_eval *eval);

extern const mico_service mico_worker_service;

#endif
