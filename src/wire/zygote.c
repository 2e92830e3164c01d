/* The rank's end of a zygote: starts it, talks to it, ends it. */
#include "wire/wire_internal.h"

#include "core/clock.h"
#include "core/mem.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define STOP_S 8.0 /* more than the zygote gives its evaluator */

mico_status mico_zygote_start_with(mico_zygote **out, const mico_service *service,
                                   double load_timeout_s, mico_err *err)
{
    pid_t me = getpid(), pid;
    int ends[2];
    mico_zygote *z;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return mico_fail(err, MICO_EIO, "zygote: no socket: %s", strerror(errno));
    fflush(NULL); /* else text that waits in a buffer could be printed by both */
    pid = fork();
    if (pid == 0) {
        close(ends[0]);
        mico_broker_run(ends[1], me, service, load_timeout_s);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return mico_fail(err, MICO_EIO, "zygote: no process: %s", strerror(errno));
    }
    z = mico_xcalloc(1, sizeof *z);
    z->pid = pid;
    mico_channel_open(&z->channel, ends[0]);
    *out = z;
    return MICO_OK;
}

mico_status mico_zygote_start(mico_zygote **out, const mico_service *service,
                              mico_err *err)
{
    return mico_zygote_start_with(out, service, MICO_LOAD_TIMEOUT_S, err);
}

void mico_zygote_stop(mico_zygote *zygote)
{
    double until_s = mico_now_s() + STOP_S;

    if (zygote == NULL)
        return;
    mico_channel_close(&zygote->channel);
    while (waitpid(zygote->pid, NULL, WNOHANG) == 0) {
        if (mico_now_s() > until_s)
            kill(zygote->pid, SIGKILL);
        mico_sleep_s(0.0005);
    }
    free(zygote);
}

void mico_zygote_load(mico_zygote *zygote, const mico_limits *limits,
                      const uint8_t *blob, size_t n)
{
    mico_writer w = {0};

    mico_load_put(&w, limits, blob, n);
    mico_channel_send(&zygote->channel, MICO_MSG_LOAD, w.bytes, w.len);
    mico_writer_free(&w);
}

void mico_zygote_task(mico_zygote *zygote, const mico_task *task)
{
    mico_writer w = {0};

    mico_task_put(&w, task);
    mico_channel_send(&zygote->channel, MICO_MSG_TASK, w.bytes, w.len);
    mico_writer_free(&w);
}

bool mico_zygote_answer(mico_zygote *zygote, const mico_task *task, mico_reply *reply)
{
    mico_channel *c = &zygote->channel;
    mico_frame f;
    mico_err err;

    if (mico_channel_take(c, &f)) {
        mico_reader r = {.bytes = f.bytes, .len = f.n};

        if (f.type == MICO_MSG_REPLY && mico_reply_get(&r, reply, &err) == MICO_OK) {
            if (mico_reply_answers(reply, task))
                return true;
            mico_reply_free(reply);
        }
        c->ended = true; /* a zygote that talks nonsense is as good as gone */
    }
    if (!c->ended && !c->broken)
        return false;
    mico_reply_fail(reply, task, MICO_STATE_INFRASTRUCTURE,
                    "the evaluator's keeper is gone");
    return true;
}
