/* Runs the MPI pool with a service that misbehaves, and accounts for every task.
 *
 *     mpirun -n N wire_mpi shared|dedicated TASKS     every reply is right
 *     mpirun -n N wire_mpi idle SECONDS               nothing to do: costs no CPU
 *     mpirun -n N wire_mpi keeper                     rank 1 loses its zygote
 *     mpirun -n N wire_mpi silent                     rank 1 stops for ever
 *     mpirun --enable-recovery -n N wire_mpi killed   rank 1 dies
 *     mpirun -n N wire_mpi version                    rank 1 is another program */
#include "support/wire_service.h"

#include <signal.h>
#include <string.h>

/* The time limit is by the clock: generous where 64 ranks share few cores. */
static mico_limits limits = {0.5, (uint64_t)1 << 30};

static int fail(const char *what)
{
    fprintf(stderr, "wire_mpi: %s\n", what);
    return 1;
}

/* "check", the sum of what follows, 5 MB: larger than any eager limit. */
static mico_status load_large(mico_pool *pool, mico_err *err)
{
    size_t n = 5000000;
    uint8_t *blob = mico_xcalloc(n, 1);
    uint32_t sum = 0;
    mico_status rc;

    memcpy(blob, "check", 6);
    for (size_t i = 10; i < n; i++) {
        blob[i] = (uint8_t)(i * 2654435761u >> 13);
        sum = sum * 31 + blob[i];
    }
    memcpy(blob + 6, &sum, sizeof sum);
    rc = mico_pool_load(pool, &limits, blob, n, err);
    free(blob);
    return rc;
}

typedef struct tally {
    unsigned char *seen;
    uint32_t total;
    unsigned right, wrong, lost, twice, by_rank[64];
} tally;

static void take(tally *t, mico_reply *reply)
{
    uint32_t number = (uint32_t)(reply->item[0].ticket & 0xffffffff);

    if (number >= t->total || t->seen[number]++ > 0)
        t->twice++;
    if (reply_is_right(reply))
        t->right++;
    else if (reply->item[0].outcome.state == MICO_STATE_INFRASTRUCTURE)
        t->lost++;
    else {
        t->wrong++;
        fprintf(stderr, "wire_mpi: ticket %llx on rank %u: state %d, %s\n",
                (unsigned long long)reply->item[0].ticket, reply->worker,
                (int)reply->item[0].outcome.state, reply->item[0].outcome.reason);
    }
    t->by_rank[reply->worker % 64]++;
    mico_reply_free(reply);
}

/* Tasks first..last-1, as deed chooses; false where the pool fails. */
static bool run(mico_pool *pool, tally *t, uint32_t first, uint32_t last,
                enum deed (*choose)(uint32_t))
{
    uint32_t next = first, done = first;
    mico_reply reply;
    mico_err err;

    while (done < last) {
        while (next < last && mico_pool_idle(pool) > 0) {
            mico_task task = make_task(choose(next), next);

            next++;
            if (mico_pool_submit(pool, &task, &err) != MICO_OK) {
                fail(err.text);
                return false;
            }
        }
        if (mico_pool_next(pool, &reply, 30)) {
            take(t, &reply);
            done++;
        } else if (mico_pool_workers(pool) == 0) {
            return false;
        }
    }
    return true;
}

static enum deed choose_payload(uint32_t number)
{
    return number % 10 == 0 ? DO_PAYLOAD : choose_deed(number);
}

static enum deed choose_slow(uint32_t number)
{
    (void)number;
    return DO_SLOWLY;
}

static int account(mico_pool *pool, uint32_t n)
{
    tally t = {.seen = mico_xcalloc(n, 1), .total = n};
    mico_err err;
    bool ok;

    if (mico_pool_load(pool, &limits, (const uint8_t *)"ok", 2, &err) != MICO_OK)
        return fail(err.text);
    ok = run(pool, &t, 0, n / 2, choose_deed);
    if (!ok || load_large(pool, &err) != MICO_OK)
        return fail("second study");
    ok = run(pool, &t, n / 2, n, choose_payload);
    printf("%u tasks, %zu workers: right %u, wrong %u, lost %u, twice %u\n", n,
           mico_pool_workers(pool), t.right, t.wrong, t.lost, t.twice);
    free(t.seen);
    return !ok || t.right != n || t.twice > 0;
}

static int idle(mico_pool *pool, double seconds)
{
    double cpu_s = mico_cpu_s();
    mico_reply reply;

    for (double end_s = mico_now_s() + seconds; mico_now_s() < end_s;)
        if (mico_pool_next(pool, &reply, 0.25))
            return fail("a reply to nothing");
    cpu_s = mico_cpu_s() - cpu_s;
    printf("idle for %.1f s: rank 0 took %.1f ms of CPU\n", seconds, 1000 * cpu_s);
    return cpu_s > 0.05 * seconds; /* usually 0.002; a busy wait takes all it gets */
}

/* Rank 1 fails in some way while slow tasks run: all are accounted for, some as lost.
 */
static int survive(mico_pool *pool, uint32_t n)
{
    tally t = {.seen = mico_xcalloc(n, 1), .total = n};
    size_t before = mico_pool_workers(pool);
    mico_err err;
    bool ok;

    if (mico_pool_load(pool, &limits, (const uint8_t *)"ok", 2, &err) != MICO_OK)
        return fail(err.text);
    ok = run(pool, &t, 0, n, choose_slow);
    printf("%u tasks, %zu then %zu workers: right %u, lost %u, twice %u, rank 1 %u\n",
           n, before, mico_pool_workers(pool), t.right, t.lost, t.twice, t.by_rank[1]);
    free(t.seen);
    /* A rank that had just finished a task takes none with it. */
    return !ok || t.lost > 1 || t.right != n - t.lost || t.twice > 0 ||
           mico_pool_workers(pool) != before - 1;
}

static void stop_self(int signal_number)
{
    (void)signal_number;
    raise(SIGSTOP);
}

static void kill_self(int signal_number)
{
    (void)signal_number;
    raise(SIGKILL);
}

static pid_t zygote_pid;

static void kill_zygote(int signal_number)
{
    (void)signal_number;
    kill(zygote_pid, SIGKILL);
}

static int serve(const char *mode, int rank, mico_zygote *zygote)
{
    uint8_t version = MICO_WIRE_VERSION;
    mico_err err;

    zygote_pid = zygote->pid;
    if (rank == 1 && strcmp(mode, "silent") == 0)
        signal(SIGALRM, stop_self), alarm(1);
    if (rank == 1 && strcmp(mode, "killed") == 0)
        signal(SIGALRM, kill_self), alarm(1);
    if (rank == 1 && strcmp(mode, "keeper") == 0)
        signal(SIGALRM, kill_zygote), alarm(1);
    if (rank == 1 && strcmp(mode, "version") == 0)
        version++;
    if (mico_mpi_serve_as(zygote, version, &err) != MICO_OK)
        return fail(err.text);
    return 0;
}

static int drive(const char *mode, const char *arg, mico_zygote *zygote)
{
    bool silent = strcmp(mode, "silent") == 0 || strcmp(mode, "killed") == 0;
    mico_pool *pool;
    mico_err err;
    int rc = 2;

    if (strcmp(mode, "dedicated") == 0 || strcmp(mode, "idle") == 0) {
        mico_zygote_stop(zygote);
        zygote = NULL;
    }
    if (mico_pool_mpi_with(&pool, zygote, silent ? 6.0 : 60.0, &err) != MICO_OK) {
        fprintf(stderr, "%s\n", err.text);
        return strcmp(mode, "version") == 0 && strstr(err.text, "rank 1 (") != NULL &&
                       strstr(err.text, "version 3") != NULL
                   ? 0
                   : 1;
    }
    if (strcmp(mode, "version") == 0)
        rc = fail("another version was accepted");
    else if (strcmp(mode, "idle") == 0)
        rc = idle(pool, atof(arg));
    else if (strcmp(mode, "shared") == 0 || strcmp(mode, "dedicated") == 0)
        rc = account(pool, (uint32_t)atoi(arg));
    else
        rc = survive(pool, 200);
    mico_pool_close(pool);
    return rc;
}

int main(int argc, char **argv)
{
    mico_zygote *zygote;
    mico_err err;
    int rank, n_ranks, rc;

    if (argc < 2)
        return fail("usage: see the head of wire_mpi.c");
    if (mico_zygote_start(&zygote, &test_service, &err) != MICO_OK ||
        mico_mpi_start(&argc, &argv, &rank, &n_ranks, &err) != MICO_OK)
        return fail(err.text);
    if (n_ranks > 8)
        limits.timeout_s = 5;
    if (rank == 0)
        rc = drive(argv[1], argc > 2 ? argv[2] : "0", zygote);
    else
        rc = serve(argv[1], rank, zygote);
    if (!mico_mpi_end()) {
        fflush(NULL);
        mico_mpi_abort(rc);
    }
    return rc;
}
