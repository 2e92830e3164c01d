/* A pool over MPI: rank 0 hands out tasks, the other ranks relay them to their zygotes.
 *
 * Open MPI 4.1 never reports a dead rank, and a blocking call to one never returns.
 * Hence: nobody blocks in MPI (Iprobe, Irecv and Test, with a growing sleep in
 * between); rank 0 has at most one message under way to each rank and none to a rank
 * that went silent; the requests and buffers of lost ranks are leaked on purpose; there
 * is no collective call after the start. */
#include "wire/wire_internal.h"

#include "core/clock.h"
#include "core/mem.h"

#include <mpi.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HELLO_S                                                                        \
    120.0 /* for all ranks to report: hundreds start on one node at times              \
           */
#define LEAVE_S                                                                        \
    15.0              /* for all ranks to say goodbye: their zygotes may need a while  \
                       */
#define SHORT_S 50e-6 /* the shortest sleep between looks at MPI */
#define AWAY_S  5.0   /* rank 0 looked away for so long: it cannot blame others */

/* MPI itself exists once a process; so does what we know about it. */
static struct {
    MPI_Comm comm;
    pid_t launcher;
    bool lost; /* a rank is: MPI_Finalize would wait for it for ever */
} mpi;

/* ---- messages under way -------------------------------------------------------- */

typedef struct parcel {
    struct parcel *next;
    MPI_Request request;
    int peer;
    mico_message type;
    uint8_t *bytes;
    size_t n;
} parcel;

static void parcel_free(parcel *p)
{
    free(p->bytes);
    free(p);
}

static bool is_over(MPI_Request *request)
{
    int flag = 0;

    return MPI_Test(request, &flag, MPI_STATUS_IGNORE) != MPI_SUCCESS || flag;
}

/* Starts to receive whatever has been announced; appends to *list. */
static void receive_announced(parcel **list)
{
    MPI_Status s;
    int flag;

    while (*list != NULL)
        list = &(*list)->next;
    while (MPI_Iprobe(MPI_ANY_SOURCE, MPI_ANY_TAG, mpi.comm, &flag, &s) ==
               MPI_SUCCESS &&
           flag) {
        parcel *p = mico_xcalloc(1, sizeof *p);
        int n = 0;

        MPI_Get_count(&s, MPI_BYTE, &n);
        p->peer = s.MPI_SOURCE;
        p->type = (mico_message)s.MPI_TAG;
        p->n = (size_t)n;
        p->bytes = mico_xcalloc(p->n, 1);
        MPI_Irecv(p->bytes, n, MPI_BYTE, p->peer, s.MPI_TAG, mpi.comm, &p->request);
        *list = p;
        list = &p->next;
    }
}

/* Takes a message that is here out of the list; NULL where none is. in_order: none that
 * was announced earlier may be outstanding. */
static parcel *take_received(parcel **list, bool in_order)
{
    for (; *list != NULL; list = &(*list)->next) {
        parcel *p = *list;

        if (is_over(&p->request)) {
            *list = p->next;
            return p;
        }
        if (in_order)
            return NULL;
    }
    return NULL;
}

/* Sleep between looks at MPI: 50 us doubling to 1 ms, and longer the longer there is no
 * news. A look costs 10 to 40 us, so 64 ranks that wait take a few percent of one core.
 */
typedef struct backoff {
    double sleep_s, news_s;
} backoff;

static void backoff_reset(backoff *b)
{
    b->sleep_s = SHORT_S;
    b->news_s = mico_now_s();
}

static double backoff_next(backoff *b)
{
    double s = b->sleep_s, quiet_s = mico_now_s() - b->news_s;

    b->sleep_s = 2 * s < 1e-3 ? 2 * s : 1e-3;
    if (quiet_s > 10)
        return 50e-3;
    return quiet_s > 2 ? 20e-3 : quiet_s > 0.25 ? 5e-3 : s;
}

/* ---- rank 0 -------------------------------------------------------------------- */

typedef enum rank_state { RANK_UNKNOWN, RANK_IDLE, RANK_BUSY, RANK_LOST } rank_state;

typedef struct rank {
    rank_state state;
    bool gone;       /* said goodbye: nothing more will come from it */
    bool silent;     /* nothing is sent to it, nothing awaited from it, ever again */
    uint64_t loaded; /* generation of the study it has (or will have before its task) */
    double heard_s;
    mico_task task;
    bool sending;
    MPI_Request request;
    uint8_t *sent;    /* freed when the request is over; NULL for the shared study */
    mico_writer wait; /* the task's message, behind the study's */
    bool stop;        /* to be told to stop */
} rank;

typedef struct mpi_pool {
    mico_zygote *own;
    int n_ranks;
    rank *ranks; /* [0] is this rank's zygote, lost from the start without one */
    double silence_s, looked_s;
    uint64_t generation;
    mico_writer study; /* the LOAD message of this generation */
    parcel *incoming;
    backoff backoff;
    mico_reply *ready; /* queue of finished tasks */
    size_t n_ready, ready_capacity;
    mico_err err; /* what a HELLO revealed */
} mpi_pool;

static void push_ready(mpi_pool *p, int r, mico_reply *reply)
{
    p->ready = mico_grow(p->ready, p->n_ready, &p->ready_capacity, sizeof *p->ready);
    reply->worker = (uint32_t)r;
    p->ready[p->n_ready++] = *reply;
}

static void lose(mpi_pool *p, int r, const char *why)
{
    rank *k = &p->ranks[r];

    if (k->state == RANK_BUSY) {
        mico_reply reply;

        mico_reply_fail(&reply, &k->task, MICO_STATE_INFRASTRUCTURE, "rank %d %s", r,
                        why);
        push_ready(p, r, &reply);
    }
    k->state = RANK_LOST;
}

/* Also leaks what is half received from it. */
static void lose_silent(mpi_pool *p, int r, const char *why)
{
    parcel **list = &p->incoming;

    lose(p, r, why);
    p->ranks[r].silent = true;
    mpi.lost = true;
    while (*list != NULL) {
        if ((*list)->peer == r)
            *list = (*list)->next;
        else
            list = &(*list)->next;
    }
}

static void send_to(mpi_pool *p, int r, mico_message type, const uint8_t *bytes,
                    size_t n)
{
    rank *k = &p->ranks[r];

    if (MPI_Isend(bytes, (int)n, MPI_BYTE, r, (int)type, mpi.comm, &k->request) !=
        MPI_SUCCESS)
        lose_silent(p, r, "cannot be reached");
    else
        k->sending = true;
}

/* What STOP carries where MPI_Finalize would wait for a lost rank. */
static const uint8_t somebody_lost = 1;

/* One message at a time: the study, then the task, then the end. */
static void pump_sends(mpi_pool *p, int r)
{
    rank *k = &p->ranks[r];

    if (k->sending) {
        if (!is_over(&k->request))
            return;
        k->sending = false;
        free(k->sent);
        k->sent = NULL;
    }
    if (k->state == RANK_BUSY && k->loaded != p->generation) {
        k->loaded = p->generation;
        send_to(p, r, MICO_MSG_LOAD, p->study.bytes, p->study.len);
    } else if (k->wait.len > 0 && k->state == RANK_BUSY) {
        k->sent = k->wait.bytes;
        send_to(p, r, MICO_MSG_TASK, k->sent, k->wait.len);
        k->wait = (mico_writer){0};
    } else if (k->stop) {
        k->stop = false;
        send_to(p, r, MICO_MSG_STOP, mpi.lost ? &somebody_lost : NULL, mpi.lost);
    }
}

static void hear_hello(mpi_pool *p, const parcel *m)
{
    rank *k = &p->ranks[m->peer];
    mico_reader r = {.bytes = m->bytes, .len = m->n};
    uint8_t version = mico_get_u8(&r);
    char host[256];

    mico_get_text(&r, host, sizeof host);
    if (version != MICO_WIRE_VERSION)
        mico_fail(&p->err, MICO_ECOMM,
                  "rank %d (%s): speaks version %u, rank 0 version %d; run the same "
                  "program on every rank",
                  m->peer, r.bad ? "unknown host" : host, version, MICO_WIRE_VERSION);
    else if (k->state == RANK_UNKNOWN)
        k->state = RANK_IDLE;
}

static void hear_reply(mpi_pool *p, const parcel *m)
{
    rank *k = &p->ranks[m->peer];
    mico_reader r = {.bytes = m->bytes, .len = m->n};
    mico_reply reply;
    mico_err err;

    if (k->state != RANK_BUSY)
        return; /* given up before, and told so */
    if (mico_reply_get(&r, &reply, &err) != MICO_OK) {
        lose(p, m->peer, "sent a damaged reply");
    } else if (!mico_reader_ok(&r) || !mico_reply_answers(&reply, &k->task)) {
        mico_reply_free(&reply);
        lose(p, m->peer, "sent a reply to another task");
    } else {
        k->state = RANK_IDLE;
        push_ready(p, m->peer, &reply);
    }
}

static void hear(mpi_pool *p, const parcel *m)
{
    p->ranks[m->peer].heard_s = mico_now_s();
    if (m->type == MICO_MSG_HELLO) {
        hear_hello(p, m);
    } else if (m->type == MICO_MSG_REPLY) {
        hear_reply(p, m);
    } else if (m->type == MICO_MSG_BYE) {
        lose(p, m->peer, "left");
        p->ranks[m->peer].gone = true;
    }
}

static void hear_own(mpi_pool *p)
{
    rank *k = &p->ranks[0];
    mico_reply reply;

    if (k->state == RANK_LOST)
        return;
    mico_channel_pump(&p->own->channel);
    if (k->state == RANK_BUSY && mico_zygote_answer(p->own, &k->task, &reply)) {
        k->state = RANK_IDLE;
        push_ready(p, 0, &reply);
        backoff_reset(&p->backoff);
    }
    if (p->own->channel.ended || p->own->channel.broken)
        lose(p, 0, "has no evaluator any more");
}

/* Everything that can be done without waiting. */
static void progress(mpi_pool *p)
{
    double now_s = mico_now_s();
    bool was_away = now_s - p->looked_s > AWAY_S;
    parcel *m;

    p->looked_s = now_s;
    receive_announced(&p->incoming);
    while ((m = take_received(&p->incoming, false)) != NULL) {
        if (m->type != MICO_MSG_BEAT)
            backoff_reset(&p->backoff);
        hear(p, m);
        parcel_free(m);
    }
    hear_own(p);
    for (int r = 1; r < p->n_ranks; r++) {
        rank *k = &p->ranks[r];

        if (k->silent)
            continue;
        pump_sends(p, r);
        if (was_away)
            k->heard_s = now_s; /* their beats may still be on their way */
        if (k->state != RANK_LOST && now_s - k->heard_s > p->silence_s)
            lose_silent(p, r, "went silent");
    }
}

static bool is_transferring(const mpi_pool *p)
{
    bool any = p->incoming != NULL;

    for (int r = 1; r < p->n_ranks; r++)
        any = any || (p->ranks[r].sending && !p->ranks[r].silent);
    return any;
}

/* Sleeps as long as the back-off says, or less where our own zygote has news. Large
 * messages move only while both ends look at MPI. */
static bool rest(mpi_pool *p, double left_s)
{
    double s = is_transferring(p) ? SHORT_S : backoff_next(&p->backoff);
    bool own = p->ranks[0].state != RANK_LOST;

    return mico_channel_wait(own ? &p->own->channel : NULL, left_s < s ? left_s : s);
}

static mico_status pool_load(void *state, const mico_limits *limits,
                             const uint8_t *blob, size_t n, mico_err *err)
{
    mpi_pool *p = state;
    bool used = false;

    for (int r = 0; r < p->n_ranks; r++) {
        if (p->ranks[r].state == RANK_BUSY)
            return mico_fail(err, MICO_EBUG,
                             "study: cannot change while a task is out");
        used = used || p->ranks[r].sending;
    }
    if (used)
        p->study = (mico_writer){0}; /* a lost rank's request still refers to it */
    p->study.len = 0;
    mico_load_put(&p->study, limits, blob, n);
    p->generation++;
    if (p->ranks[0].state != RANK_LOST)
        mico_zygote_load(p->own, limits, blob, n);
    return MICO_OK;
}

static size_t count(const mpi_pool *p, bool idle_only)
{
    size_t n = 0;

    for (int r = 0; r < p->n_ranks; r++)
        n += p->ranks[r].state == RANK_IDLE ||
             (!idle_only && p->ranks[r].state == RANK_BUSY);
    return n;
}

static size_t pool_idle(void *state)
{
    progress(state);
    return count(state, true);
}

static size_t pool_workers(void *state)
{
    return count(state, false);
}

/* The first idle rank that has the study loaded, else the first idle one: so the data
 * set lies in the memory of few ranks while there is little to do. */
static int choose_rank(const mpi_pool *p)
{
    int cold = -1;

    for (int r = 0; r < p->n_ranks; r++) {
        if (p->ranks[r].state != RANK_IDLE)
            continue;
        if (p->ranks[r].loaded == p->generation)
            return r;
        if (cold < 0)
            cold = r;
    }
    return cold;
}

static mico_status pool_submit(void *state, const mico_task *task, mico_err *err)
{
    mpi_pool *p = state;
    int r = choose_rank(p);
    rank *k;

    if (p->generation == 0)
        return mico_fail(err, MICO_EBUG, "task: no study was loaded");
    if (count(p, false) == 0)
        return mico_fail(err, MICO_ECOMM, "no worker is left");
    if (r < 0)
        return mico_fail(err, MICO_EBUG, "task: no idle worker");
    k = &p->ranks[r];
    k->task = *task;
    k->state = RANK_BUSY;
    backoff_reset(&p->backoff);
    if (r == 0) {
        k->loaded = p->generation;
        mico_zygote_task(p->own, task);
        return MICO_OK;
    }
    k->wait.len = 0;
    mico_task_put(&k->wait, task);
    pump_sends(p, r);
    return MICO_OK;
}

static bool pool_next(void *state, mico_reply *reply, double timeout_s)
{
    mpi_pool *p = state;
    double until_s = mico_now_s() + timeout_s;

    for (;;) {
        double left_s;

        progress(p);
        if (p->n_ready > 0) {
            *reply = p->ready[0];
            p->n_ready--;
            memmove(p->ready, p->ready + 1, p->n_ready * sizeof *p->ready);
            return true;
        }
        left_s = until_s - mico_now_s();
        /* A signal ends the wait, so that the caller can look at its flags. */
        if (left_s <= 0 || !rest(p, left_s))
            return false;
    }
}

/* Tells all ranks to stop and waits for their goodbyes, but not for ever. */
static void say_goodbye(mpi_pool *p)
{
    double until_s = mico_now_s() + LEAVE_S;
    bool all_gone = false;

    for (int r = 1; r < p->n_ranks; r++) {
        rank *k = &p->ranks[r];

        k->stop = !k->silent;
        if (k->state == RANK_BUSY)
            k->state = RANK_IDLE; /* a late answer is of no use */
    }
    while (!all_gone && mico_now_s() < until_s) {
        progress(p);
        all_gone = true;
        for (int r = 1; r < p->n_ranks; r++) {
            rank *k = &p->ranks[r];

            all_gone = all_gone && (k->silent || (k->gone && !k->stop && !k->sending));
        }
        if (!all_gone)
            rest(p, 0.01);
    }
    mpi.lost = mpi.lost || !all_gone;
}

static void pool_close(void *state)
{
    mpi_pool *p = state;

    say_goodbye(p);
    mico_zygote_stop(p->own);
    while (p->n_ready > 0)
        mico_reply_free(&p->ready[--p->n_ready]);
    if (mpi.lost)
        return; /* MPI may still read and write our buffers */
    for (int r = 0; r < p->n_ranks; r++) {
        mico_writer_free(&p->ranks[r].wait);
        free(p->ranks[r].sent);
    }
    mico_writer_free(&p->study);
    free(p->ranks);
    free(p->ready);
    free(p);
}

static const mico_pool_type mpi_type = {
    .name = "mpi",
    .load = pool_load,
    .idle = pool_idle,
    .submit = pool_submit,
    .next = pool_next,
    .workers = pool_workers,
    .close = pool_close,
};

/* Waits until every rank has said hello. */
static mico_status meet(mpi_pool *p, mico_err *err)
{
    double until_s = mico_now_s() + HELLO_S;

    for (;;) {
        int missing = 0;

        progress(p);
        for (int r = p->n_ranks - 1; r > 0; r--)
            if (p->ranks[r].state == RANK_UNKNOWN)
                missing = r;
        if (p->err.status != MICO_OK)
            return mico_fail(err, p->err.status, "%s", p->err.text);
        if (missing == 0)
            return MICO_OK;
        if (mico_now_s() > until_s)
            return mico_fail(
                err, MICO_ECOMM,
                "rank %d (of %d) has not reported within %.0f s; start again", missing,
                p->n_ranks, HELLO_S);
        rest(p, 0.01);
    }
}

mico_status mico_pool_mpi_with(mico_pool **out, mico_zygote *own, double silence_s,
                               mico_err *err)
{
    mpi_pool *p = mico_xcalloc(1, sizeof *p);
    mico_status rc;

    MPI_Comm_size(mpi.comm, &p->n_ranks);
    p->own = own;
    p->ranks = mico_xcalloc((size_t)p->n_ranks, sizeof *p->ranks);
    p->ranks[0].state = own != NULL ? RANK_IDLE : RANK_LOST;
    p->silence_s = HELLO_S + silence_s; /* only those who said hello are to beat */
    p->looked_s = mico_now_s();
    for (int r = 0; r < p->n_ranks; r++)
        p->ranks[r].heard_s = p->looked_s;
    backoff_reset(&p->backoff);
    rc = meet(p, err);
    p->silence_s = silence_s;
    if (rc == MICO_OK)
        *out = mico_pool_new(&mpi_type, p);
    else
        pool_close(p);
    return rc;
}

mico_status mico_pool_mpi(mico_pool **out, mico_zygote *own, mico_err *err)
{
    return mico_pool_mpi_with(out, own, MICO_SILENCE_S, err);
}

/* ---- the other ranks ----------------------------------------------------------- */

typedef struct relay {
    mico_zygote *zygote; /* NULL: it is gone */
    bool busy, stop;
    mico_task task;
    parcel *incoming, *outgoing;
    double beat_s;
    backoff backoff;
} relay;

/* Takes the writer's bytes. */
static void post(relay *y, mico_message type, mico_writer *w)
{
    parcel *p = mico_xcalloc(1, sizeof *p);

    p->type = type;
    p->bytes = w->bytes;
    p->n = w->len;
    *w = (mico_writer){0};
    p->next = y->outgoing;
    y->outgoing = p;
    MPI_Isend(p->bytes, (int)p->n, MPI_BYTE, 0, (int)type, mpi.comm, &p->request);
}

static void clear_posted(relay *y)
{
    parcel **list = &y->outgoing;

    while (*list != NULL) {
        parcel *p = *list;

        if (is_over(&p->request)) {
            *list = p->next;
            parcel_free(p);
        } else {
            list = &p->next;
        }
    }
}

static void post_reply(relay *y, mico_reply *reply)
{
    mico_writer w = {0};

    mico_reply_put(&w, reply);
    post(y, MICO_MSG_REPLY, &w);
    mico_reply_free(reply);
    y->busy = false;
}

static mico_status relay_message(relay *y, const parcel *m, mico_err *err)
{
    mico_reader r = {.bytes = m->bytes, .len = m->n};
    mico_limits limits;
    const uint8_t *blob;
    size_t n;
    mico_status rc = MICO_OK;

    if (m->type == MICO_MSG_STOP) {
        y->stop = true;
        mpi.lost = m->n > 0;
    } else if (m->type == MICO_MSG_LOAD) {
        rc = mico_load_get(&r, &limits, &blob, &n, err);
        if (rc == MICO_OK && y->zygote != NULL)
            mico_zygote_load(y->zygote, &limits, blob, n);
    } else if (m->type == MICO_MSG_TASK) {
        rc = mico_task_get(&r, &y->task, err);
        if (rc == MICO_OK && y->zygote != NULL) {
            mico_zygote_task(y->zygote, &y->task);
            y->busy = true;
        }
    }
    return rc;
}

/* Passes on the zygote's answer; says goodbye once the zygote is gone. */
static void relay_answer(relay *y)
{
    mico_reply reply;
    mico_writer none = {0};

    if (y->zygote == NULL)
        return;
    mico_channel_pump(&y->zygote->channel);
    if (y->busy && mico_zygote_answer(y->zygote, &y->task, &reply)) {
        post_reply(y, &reply);
        backoff_reset(&y->backoff);
    }
    if (y->zygote->channel.ended || y->zygote->channel.broken) {
        mico_zygote_stop(y->zygote);
        y->zygote = NULL;
        post(y, MICO_MSG_BYE, &none);
    }
}

static mico_status relay_step(relay *y, mico_err *err)
{
    mico_status rc = MICO_OK;
    mico_writer none = {0};
    parcel *m;

    receive_announced(&y->incoming);
    while (rc == MICO_OK && (m = take_received(&y->incoming, true)) != NULL) {
        backoff_reset(&y->backoff);
        rc = relay_message(y, m, err);
        parcel_free(m);
    }
    relay_answer(y);
    clear_posted(y);
    if (mico_now_s() - y->beat_s > MICO_BEAT_S) {
        y->beat_s = mico_now_s();
        if (getppid() != mpi.launcher)
            return mico_fail(err, MICO_ECOMM, "the MPI launcher is gone");
        if (y->outgoing == NULL)
            post(y, MICO_MSG_BEAT, &none);
    }
    return rc;
}

/* While a task runs nothing is due from rank 0, and the zygote's socket wakes us. */
static void relay_rest(relay *y)
{
    double s = backoff_next(&y->backoff);

    if (y->outgoing != NULL || y->incoming != NULL)
        s = SHORT_S; /* large messages move only while both ends look */
    else if (y->busy && s >= 1e-3)
        s = 20e-3;
    mico_channel_wait(y->zygote != NULL ? &y->zygote->channel : NULL, s);
}

mico_status mico_mpi_serve_as(mico_zygote *zygote, uint8_t version, mico_err *err)
{
    relay y = {.zygote = zygote, .beat_s = mico_now_s()};
    mico_status rc = MICO_OK;
    mico_writer w = {0};
    char host[256] = "";
    double until_s;

    gethostname(host, sizeof host - 1);
    mico_put_u8(&w, version);
    mico_put_text(&w, host);
    post(&y, MICO_MSG_HELLO, &w);
    backoff_reset(&y.backoff);
    while (rc == MICO_OK && !y.stop) {
        rc = relay_step(&y, err);
        if (rc == MICO_OK && !y.stop)
            relay_rest(&y);
    }
    if (y.zygote != NULL && rc == MICO_OK)
        post(&y, MICO_MSG_BYE, &w);
    mico_zygote_stop(y.zygote);
    until_s = mico_now_s() + LEAVE_S;
    for (clear_posted(&y); y.outgoing != NULL && mico_now_s() < until_s;
         clear_posted(&y))
        mico_sleep_s(0.001);
    mpi.lost = mpi.lost || rc != MICO_OK || y.outgoing != NULL;
    return rc;
}

mico_status mico_mpi_serve(mico_zygote *zygote, mico_err *err)
{
    return mico_mpi_serve_as(zygote, MICO_WIRE_VERSION, err);
}

/* ---- start and end ------------------------------------------------------------- */

mico_status mico_mpi_start(int *argc, char ***argv, int *rank_out, int *n_ranks,
                           mico_err *err)
{
    int provided = 0;

    /* Where ranks outnumber cores, one that polls without yielding starves the rest. */
    setenv("OMPI_MCA_mpi_yield_when_idle", "1", 0);
    signal(SIGPIPE, SIG_IGN); /* Open MPI's TCP transport writes to dead ranks */
    mpi.launcher = getppid();
    if (MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS ||
        provided < MPI_THREAD_FUNNELED)
        return mico_fail(err, MICO_ECOMM, "MPI does not start");
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    if (MPI_Comm_dup(MPI_COMM_WORLD, &mpi.comm) != MPI_SUCCESS)
        return mico_fail(err, MICO_ECOMM, "MPI does not start: no communicator");
    MPI_Comm_set_errhandler(mpi.comm, MPI_ERRORS_RETURN);
    MPI_Comm_rank(mpi.comm, rank_out);
    MPI_Comm_size(mpi.comm, n_ranks);
    return MICO_OK;
}

bool mico_mpi_end(void)
{
    int r = 0;

    if (!mpi.lost) {
        MPI_Comm_free(&mpi.comm);
        MPI_Finalize();
        return true;
    }
    /* A rank that leaves now ends the job with *its* exit code; rank 0's is the one
     * that counts. Where mpirun lets the others live (--enable-recovery) they leave
     * later. */
    MPI_Comm_rank(mpi.comm, &r);
    if (r > 0)
        mico_sleep_s(LEAVE_S);
    return false;
}

_Noreturn void mico_mpi_abort(int code)
{
    MPI_Abort(MPI_COMM_WORLD, code);
    _exit(code); /* under --enable-recovery MPI_Abort may come back */
}
