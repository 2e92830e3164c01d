/* The evaluations of `mico bench-table`: a process a core, one pipe back. */
#include "cli/tool_bench.h"

#include "core/clock.h"
#include "core/mem.h"
#include "eval/eval.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define REDRAW_S 0.5
#define PLAIN_S  30.0

/* ---- in the children --------------------------------------------------------------
 */

static void evaluate(const mico_bench *bench, mico_eval *eval, size_t bundle,
                     mico_bench_part *part)
{
    const mico_bench_order *order = &bench->order;
    size_t n = mico_bench_order_count(order, bundle);
    mico_scheme *scheme = mico_xcalloc(n, sizeof *scheme);
    const mico_scheme **pointer = mico_xcalloc(n, sizeof *pointer);
    mico_answer *answer = mico_xcalloc(n, sizeof *answer);
    const mico_split *split = &bench->world->splits.search;
    mico_err err;

    memset(part, 0, sizeof *part);
    part->bundle = bundle;
    for (size_t i = 0; i < n; i++) {
        uint8_t levels[MICO_MAX_GENES];

        mico_bench_order_levels(order, bundle * MICO_BENCH_BUNDLE + i, levels);
        mico_space_scheme(order->space, levels, &scheme[i]);
        pointer[i] = &scheme[i];
    }
    if (mico_eval_bundle(eval, pointer, answer, n, split, split->count, &err) ==
        MICO_OK) {
        part->n = (uint32_t)n;
        for (size_t i = 0; i < n; i++) {
            bool good = answer[i].status == MICO_OK;

            part->correct[i] =
                good ? (uint32_t)answer[i].result.correct : MICO_CENSUS_REFUSED;
            part->loss[i] = good ? answer[i].result.loss : NAN;
        }
    } else {
        snprintf(part->error, sizeof part->error, "%.399s", err.text);
    }
    free(scheme);
    free(pointer);
    free(answer);
}

/* A message of at most PIPE_BUF bytes is written as a whole, whoever else writes. */
static bool send_part(int fd, const mico_bench_part *part)
{
    mico_writer body = {0}, message = {0};
    bool good;

    mico_bench_part_put(&body, part);
    mico_put_bytes(&message, body.bytes, body.len);
    good = message.len <= PIPE_BUF &&
           write(fd, message.bytes, message.len) == (ssize_t)message.len;
    mico_writer_free(&body);
    mico_writer_free(&message);
    return good;
}

/* Every processes-th bundle that is not done, from the k-th on. */
static _Noreturn void child(const mico_bench *bench, size_t k, int fd)
{
    mico_eval *eval =
        mico_eval_new(bench->world->net, bench->calib, &bench->world->quant);
    size_t bundles = mico_bench_order_bundles(&bench->order), turn = 0;
    mico_bench_part part;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    mico_eval_set_isa(eval, getenv("MICO_ISA"));
    for (size_t b = 0; b < bundles; b++) {
        if (bench->done[b] || turn++ % bench->processes != k)
            continue;
        evaluate(bench, eval, b, &part);
        if (!send_part(fd, &part) || part.error[0] != '\0')
            break;
    }
    _exit(0);
}

/* ---- in the parent ----------------------------------------------------------------
 */

bool mico_bench_take(mico_bench *bench, const mico_bench_part *part)
{
    mico_census *census = bench->census;

    if (part->bundle >= mico_bench_order_bundles(&bench->order) ||
        part->n != mico_bench_order_count(&bench->order, part->bundle))
        return false;
    for (uint32_t i = 0; i < part->n; i++) {
        uint8_t levels[MICO_MAX_GENES];
        size_t at;

        if (part->correct[i] > census->images &&
            part->correct[i] != MICO_CENSUS_REFUSED)
            return false;
        mico_bench_order_levels(&bench->order, part->bundle * MICO_BENCH_BUNDLE + i,
                                levels);
        at = mico_census_index(bench->order.space, levels);
        census->correct[at] = part->correct[i];
        census->loss[at] = part->loss[i];
    }
    if (!bench->done[part->bundle])
        bench->n_done++;
    bench->done[part->bundle] = true;
    return true;
}

static bool read_all(int fd, uint8_t *bytes, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t got = read(fd, bytes + at, n - at);

        if (got == 0 || (got < 0 && errno != EINTR))
            return false;
        at += got > 0 ? (size_t)got : 0;
    }
    return true;
}

/* False: all children are gone. */
static bool receive(int fd, mico_bench_part *part)
{
    uint8_t bytes[PIPE_BUF];
    mico_reader head = {.bytes = bytes, .len = 8}, body;
    uint64_t n;

    if (!read_all(fd, bytes, 8))
        return false;
    n = mico_get_u64(&head);
    if (n > sizeof bytes || !read_all(fd, bytes, (size_t)n))
        return false;
    body = (mico_reader){.bytes = bytes, .len = (size_t)n};
    return mico_bench_part_get(&body, part);
}

static void show(const mico_bench *bench, double start_s, size_t before,
                 double *shown_s)
{
    bool terminal = isatty(STDERR_FILENO);
    double now_s = mico_now_s(), elapsed_s = now_s - start_s;
    size_t n = mico_bench_order_bundles(&bench->order), done = bench->n_done;
    double rate = (double)(done - before) / (elapsed_s > 0 ? elapsed_s : 1);
    char left[32] = "-";

    if (bench->quiet || now_s - *shown_s < (terminal ? REDRAW_S : PLAIN_S))
        return;
    *shown_s = now_s;
    if (rate > 0)
        mico_text_duration((double)(n - done) / rate, left);
    fprintf(stderr, "%s%5.1f %% of %zu schemes  %.0f a second  eta %s%s",
            terminal ? "\r" : "", 100.0 * (double)done / (double)n, bench->order.n,
            rate * (double)MICO_BENCH_BUNDLE, left, terminal ? "\033[K" : "\n");
    fflush(stderr);
}

static mico_status collect(mico_bench *bench, int fd, mico_err *err)
{
    double start_s = mico_now_s(), shown_s = start_s;
    size_t before = bench->n_done;
    mico_bench_part *part = mico_xcalloc(1, sizeof *part);
    mico_status rc = MICO_OK;

    while (rc == MICO_OK && receive(fd, part)) {
        if (part->error[0] != '\0')
            rc = mico_fail(err, MICO_ENET, "%s", part->error);
        else if (!mico_bench_take(bench, part))
            rc = mico_fail(err, MICO_EBUG, "an evaluator's answer makes no sense");
        else
            rc = mico_bench_partial_add(&bench->partial, part, err);
        show(bench, start_s, before, &shown_s);
    }
    if (!bench->quiet && isatty(STDERR_FILENO))
        fputs("\r\033[K", stderr);
    free(part);
    return rc;
}

/* Waits for all; says how one ended that should not have. */
static void reap(const pid_t *pid, size_t n, char *how, size_t size)
{
    how[0] = '\0';
    for (size_t k = 0; k < n; k++) {
        int status = 0;

        if (waitpid(pid[k], &status, 0) == pid[k] && WIFSIGNALED(status) &&
            WTERMSIG(status) != SIGPIPE)
            snprintf(how, size, "an evaluator died: %s", strsignal(WTERMSIG(status)));
        else if (WIFEXITED(status) && WEXITSTATUS(status) != 0)
            snprintf(how, size, "an evaluator gave up");
    }
}

mico_status mico_bench_run(mico_bench *bench, mico_err *err)
{
    size_t bundles = mico_bench_order_bundles(&bench->order), n = 0;
    pid_t *pid;
    int ends[2];
    char how[160];
    mico_status rc = MICO_OK;

    if (bench->n_done == bundles)
        return MICO_OK;
    if (bench->processes > bundles - bench->n_done)
        bench->processes = bundles - bench->n_done;
    if (pipe(ends) != 0)
        return mico_fail(err, MICO_EIO, "no pipe: %s", strerror(errno));
    pid = mico_xcalloc(bench->processes, sizeof *pid);
    fflush(NULL);
    for (; n < bench->processes && rc == MICO_OK; n++) {
        pid[n] = fork();
        if (pid[n] == 0) {
            close(ends[0]);
            child(bench, n, ends[1]);
        }
        if (pid[n] < 0) {
            rc = mico_fail(err, MICO_EIO, "no process: %s", strerror(errno));
            break;
        }
    }
    close(ends[1]);
    if (rc == MICO_OK)
        rc = collect(bench, ends[0], err);
    close(ends[0]); /* those that still write end now */
    reap(pid, n, how, sizeof how);
    free(pid);
    if (rc == MICO_OK && bench->n_done < bundles)
        rc = mico_fail(err, MICO_ECOMM, "%s; the same command goes on from here",
                       how[0] != '\0' ? how : "the evaluators ended early");
    return rc;
}
