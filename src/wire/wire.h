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
 *             mico_pool_close(pool); */
#ifndef MICO_WIRE_WIRE_H
#define MICO_WIRE_WIRE_H

#include "core/err.h"
#include "core/pack.h"
#include "trial/trial.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum mico_task_kind {
    MICO_TASK_CALIBRATE = 1, /* answer: payload = packed mico_calib */
    MICO_TASK_TRIAL = 2,     /* answer: outcome */
} mico_task_kind;

typedef struct mico_task {
    uint64_t ticket; /* the driver's number for it; comes back in the reply */
    mico_task_kind kind;
    mico_mode mode;
    mico_split_name split;
    uint32_t attempt;
    mico_scheme scheme;
} mico_task;

typedef struct mico_reply {
    uint64_t ticket;
    uint32_t worker;      /* rank that did it */
    mico_outcome outcome; /* of the attempt */
    uint8_t *payload;     /* calibrate: the blob; else NULL */
    size_t payload_bytes;
} mico_reply;

void mico_reply_free(mico_reply *reply);

/* Packing, shared by sockets and MPI; get fails on damaged or foreign bytes. */
void mico_task_put(mico_writer *w, const mico_task *task);
mico_status mico_task_get(mico_reader *r, mico_task *out, mico_err *err);
void mico_reply_put(mico_writer *w, const mico_reply *reply);
mico_status mico_reply_get(mico_reader *r, mico_reply *out, mico_err *err);

/* Limits of one evaluation; 0 = none. */
typedef struct mico_limits {
    double timeout_s;
    uint64_t memory_bytes;
} mico_limits;

/* What an evaluator does; runs in the child. load builds the state from the driver's
 * blob (NULL: failed, err says why); serve answers one task. */
typedef struct mico_service {
    void *(*load)(const uint8_t *blob, size_t n, mico_err *err);
    void (*serve)(void *state, const mico_task *task, mico_reply *reply);
} mico_service;

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
