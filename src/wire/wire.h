/* wire.h: a pool of workers behind one interface: inline, MPI, fake.
 *
 * The driver loads a study into the pool and hands it tasks; the pool finds an idle
 * worker, and gives back replies in whatever order they finish. Evaluation never runs
 * in the calling process: a *zygote*, forked before MPI starts, forks an *evaluator*
 * that keeps the loaded study and is replaced when it crashes, hangs or runs out of
 * memory. That costs one attempt of one task and is told as the task's outcome.
 *
 *     main:   zygote = mico_zygote_start(&service, &err);      before MPI_Init
 *             pool = mico_pool_inline(zygote);                 or mico_pool_mpi(..)
 *     driver: mico_pool_load(pool, &limits, blob, n);
 *             while (...) {
 *                 while (work && mico_pool_idle(pool) > 0)
 *                     mico_pool_submit(pool, &task);
 *                 if (mico_pool_next(pool, &reply, 0.05))
 *                     ... mico_reply_free(&reply);
 *             }
 *             mico_pool_close(pool);
 *
 * A task is a *bundle* of one or more schemes, evaluated together so that what they
 * share is computed once. Where a bundle of several dies nobody knows whose fault it
 * was: all its schemes come back with the same failed state, and the driver asks for
 * each alone. */
#ifndef MICO_WIRE_WIRE_H
#define MICO_WIRE_WIRE_H

#include "core/err.h"
#include "core/pack.h"
#include "trial/trial.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MICO_BUNDLE_MOST 64 /* schemes of one task */

typedef enum mico_task_kind {
    MICO_TASK_CALIBRATE = 1, /* answer: payload = packed mico_calib */
    MICO_TASK_TRIAL = 2,     /* answer: outcomes */
} mico_task_kind;

typedef struct mico_task_item {
    uint64_t ticket; /* the driver's number for it; comes back in the reply */
    uint32_t attempt;
    mico_scheme scheme; /* no layers: none is needed (calibration, fp32) */
} mico_task_item;

typedef struct mico_task {
    mico_task_kind kind;
    mico_mode mode;
    mico_split_name split;
    uint64_t from, to; /* images [from, to) of the split; to = 0: all that follow */
    bool want_right;   /* the reply is to say which images were predicted correctly */
    uint32_t n;        /* 1 .. MICO_BUNDLE_MOST */
    mico_task_item item[MICO_BUNDLE_MOST];
} mico_task;

/* One scheme's part of a reply. */
typedef struct mico_reply_item {
    uint64_t ticket;
    mico_outcome outcome; /* of the attempt, on the task's images */
    double loss_sum;      /* what outcome.loss is the mean of */
    uint64_t *right;      /* bit i%64 of word i/64: the task's i-th image was predicted
                             correctly; NULL unless asked for and done */
} mico_reply_item;

typedef struct mico_reply {
    uint32_t worker;     /* rank that did it */
    mico_status blame;   /* of a failure: MICO_EJOB where only another job can help
                            (its [run] memory is too small), else MICO_ECOMM */
    uint64_t held_bytes; /* memory that network, images and buffers take there; or 0 */
    uint8_t *payload;    /* calibrate: the blob; else NULL */
    size_t payload_bytes;
    uint32_t n; /* as in the task, in its order */
    mico_reply_item item[MICO_BUNDLE_MOST];
} mico_reply;

void mico_reply_free(mico_reply *reply);

/* Packing, shared by sockets and MPI; get fails on damaged or foreign bytes. */
void mico_task_put(mico_writer *w, const mico_task *task);
mico_status mico_task_get(mico_reader *r, mico_task *out, mico_err *err);
void mico_reply_put(mico_writer *w, const mico_reply *reply);
mico_status mico_reply_get(mico_reader *r, mico_reply *out, mico_err *err);

/* What is known of one scheme on the first images of a split: parts in order, added up.
 * Any division of a split gives the same counts and bits. */
typedef struct mico_partial {
    uint64_t images, correct;
    double loss_sum, seconds;
    uint64_t *right; /* of all images so far; NULL once a part came without bits */
} mico_partial;

/* Adds what was found on the images that follow; part's state is done. */
void mico_partial_add(mico_partial *sum, const mico_reply_item *part);
void mico_partial_outcome(const mico_partial *sum, mico_outcome *out);
void mico_partial_free(mico_partial *sum);

/* Limits of the evaluation of one scheme (a bundle of n has n times the time); 0 =
 * none. */
typedef struct mico_limits {
    double timeout_s;
    uint64_t memory_bytes;
} mico_limits;

/* What an evaluator does; runs in the child. load builds the state from the driver's
 * blob (NULL: failed, err says why; MICO_EJOB: and the job must change); serve answers
 * one task: the reply has the task's tickets, states are for it to set. */
typedef struct mico_service {
    void *(*load)(const uint8_t *blob, size_t n, mico_err *err);
    void (*serve)(void *state, const mico_task *task, mico_reply *reply);
} mico_service;

/* Addresses that this process uses, which is what a limit on memory counts; 0 where
 * that cannot be known. */
uint64_t mico_used_bytes(void);

/* ---- zygote -------------------------------------------------------------- */

typedef struct mico_zygote mico_zygote;

/* Forks the zygote. Call before threads, MPI or big allocations exist. */
mico_status mico_zygote_start(mico_zygote **out, const mico_service *service,
                              mico_err *err);

/* Ends zygote and evaluator (also happens when the parent dies). */
void mico_zygote_stop(mico_zygote *zygote);

/* ---- pools --------------------------------------------------------------- */

typedef struct mico_pool mico_pool;

typedef struct mico_pool_type {
    const char *name;
    mico_status (*load)(void *state, const mico_limits *limits, const uint8_t *blob,
                        size_t n, mico_err *err);
    size_t (*idle)(void *state);
    mico_status (*submit)(void *state, const mico_task *task, mico_err *err);
    bool (*next)(void *state, mico_reply *reply, double timeout_s);
    size_t (*workers)(void *state);
    void (*close)(void *state);
} mico_pool_type;

/* Wraps an implementation (tests bring their own fake one). */
mico_pool *mico_pool_new(const mico_pool_type *type, void *state);

/* One evaluator under this process's zygote. Takes the zygote. */
mico_pool *mico_pool_inline(mico_zygote *zygote);

/* Sets the study that tasks refer to; evaluators load it with their first task. No task
 * may be outstanding. */
mico_status mico_pool_load(mico_pool *pool, const mico_limits *limits,
                           const uint8_t *blob, size_t n, mico_err *err);
size_t mico_pool_idle(mico_pool *pool);    /* tasks that can be submitted now */
size_t mico_pool_workers(mico_pool *pool); /* that still answer */
mico_status mico_pool_submit(mico_pool *pool, const mico_task *task, mico_err *err);

/* Waits up to timeout_s for a finished task. A lost worker's task comes back with state
 * MICO_STATE_INFRASTRUCTURE. */
bool mico_pool_next(mico_pool *pool, mico_reply *reply, double timeout_s);
void mico_pool_close(mico_pool *pool);

/* ---- MPI (pool_mpi.c) ---------------------------------------------------- */

/* Starts MPI; *rank and *n_ranks. */
mico_status mico_mpi_start(int *argc, char ***argv, int *rank, int *n_ranks,
                           mico_err *err);

/* On rank 0: all other ranks, and this one's zygote too unless NULL (dedicated driver).
 * Takes the zygote. */
mico_status mico_pool_mpi(mico_pool **out, mico_zygote *own, mico_err *err);

/* On the other ranks: relays between rank 0 and the zygote until told to stop. Takes
 * the zygote. */
mico_status mico_mpi_serve(mico_zygote *zygote, mico_err *err);

/* Ends MPI: everyone calls it. False where a rank was lost: MPI_Finalize would wait for
 * it for ever and was not called; leave with mico_mpi_abort(code) then, so that mpirun
 * ends the lost rank too and passes on the code. */
bool mico_mpi_end(void);

/* Ends the whole MPI job at once with this exit code. Does not return. */
_Noreturn void mico_mpi_abort(int code);

#endif
