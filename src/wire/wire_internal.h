/* wire_internal.h: what the files of wire share: messages, channels, the zygote's two
 * ends.
 *
 * Who talks to whom, always with the same messages:
 *
 *     driver --MPI--> worker rank --socket--> zygote --socket--> evaluator
 *     LOAD, TASK, STOP                       LOAD, TASK         TASK
 *     HELLO, REPLY, BEAT, BYE                REPLY              READY | FAILED, REPLY
 */
#ifndef MICO_WIRE_WIRE_INTERNAL_H
#define MICO_WIRE_WIRE_INTERNAL_H

#include "wire/wire.h"

#include <sys/types.h>

#define MICO_WIRE_VERSION  2
#define MICO_MESSAGE_LIMIT ((size_t)64 << 20) /* bytes of one message */

/* Loading reads networks and data sets from file systems that may be slow today. */
#define MICO_LOAD_TIMEOUT_S 600.0

/* A rank beats every BEAT_S; the driver gives it up after SILENCE_S. */
#define MICO_BEAT_S    2.0
#define MICO_SILENCE_S 60.0

/* Exit code of an evaluator whose memory ran out. */
#define MICO_EXIT_OOM 97

typedef enum mico_message {
    MICO_MSG_HELLO = 1, /* version, host */
    MICO_MSG_LOAD,      /* limits, blob */
    MICO_MSG_TASK,
    MICO_MSG_REPLY,
    MICO_MSG_BEAT,   /* empty: still here */
    MICO_MSG_STOP,   /* empty: leave */
    MICO_MSG_BYE,    /* empty: will do no more work */
    MICO_MSG_READY,  /* empty: the study is loaded */
    MICO_MSG_FAILED, /* status, and why it could not be loaded */
} mico_message;

/* Words that hold a bit for each image. */
static inline size_t mico_bit_words(uint64_t images)
{
    return (size_t)(images / 64 + (images % 64 > 0));
}

/* ---- msg.c: packing beside tasks and replies --------------------------- */

void mico_load_put(mico_writer *w, const mico_limits *limits, const uint8_t *blob,
                   size_t n);

/* *blob points into the reader's bytes. */
mico_status mico_load_get(mico_reader *r, mico_limits *limits, const uint8_t **blob,
                          size_t *n, mico_err *err);

/* An empty reply to this task. */
void mico_reply_begin(mico_reply *reply, const mico_task *task);

/* True if the reply is one to this task: its tickets, its images, bits if asked for. */
bool mico_reply_answers(const mico_reply *reply, const mico_task *task);

/* A reply that says why there is no answer to this task. */
void mico_reply_fail(mico_reply *reply, const mico_task *task, mico_state state,
                     const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* ---- channel.c: frames {u32 length, u8 type, bytes} over a stream socket  */

/* Never blocks, except in mico_channel_wait. */
typedef struct mico_channel {
    int fd;      /* -1: closed */
    bool ended;  /* the peer is gone; frames that are here already can still be taken */
    bool broken; /* the peer announced a frame above the limit */
    mico_writer out;
    size_t out_at;
    uint8_t *in;
    size_t in_at, in_len, in_capacity;
} mico_channel;

typedef struct mico_frame {
    mico_message type;
    const uint8_t *bytes; /* until the next pump */
    size_t n;
} mico_frame;

void mico_channel_open(mico_channel *c, int fd); /* takes fd */
void mico_channel_close(mico_channel *c);
void mico_channel_send(mico_channel *c, mico_message type, const void *bytes, size_t n);

/* Sends and receives what can be without waiting. */
void mico_channel_pump(mico_channel *c);
bool mico_channel_take(mico_channel *c, mico_frame *frame);
bool mico_channel_unsent(const mico_channel *c);

/* Waits until something can be done on c (NULL or ended: just waits), at most timeout_s
 * (< 0: for ever); then pumps. False: a signal came in between. */
bool mico_channel_wait(mico_channel *c, double timeout_s);

/* ---- zygote.c, evaluator.c --------------------------------------------- */

struct mico_zygote {
    pid_t pid;
    mico_channel channel;
};

/* mico_zygote_start with another limit for loading (tests). */
mico_status mico_zygote_start_with(mico_zygote **out, const mico_service *service,
                                   double load_timeout_s, mico_err *err);

/* Hands messages to the zygote. */
void mico_zygote_load(mico_zygote *zygote, const mico_limits *limits,
                      const uint8_t *blob, size_t n);
void mico_zygote_task(mico_zygote *zygote, const mico_task *task);

/* True if the answer to `task` is there, or can no longer come (the zygote is gone). */
bool mico_zygote_answer(mico_zygote *zygote, const mico_task *task, mico_reply *reply);

/* The life of the zygote's process (broker.c). */
_Noreturn void mico_broker_run(int fd, pid_t parent, const mico_service *service,
                               double load_timeout_s);

/* The life of an evaluator: loads, then serves until its socket ends. */
_Noreturn void mico_evaluator_run(int fd, const mico_service *service,
                                  const uint8_t *blob, size_t n, uint64_t memory_bytes);

/* ---- pool_mpi.c -------------------------------------------------------- */

/* mico_pool_mpi with another patience (tests). */
mico_status mico_pool_mpi_with(mico_pool **out, mico_zygote *own, double silence_s,
                               mico_err *err);

/* mico_mpi_serve under another version (tests). */
mico_status mico_mpi_serve_as(mico_zygote *zygote, uint8_t version, mico_err *err);

#endif
