/* The zygote's process: forks an evaluator, feeds it tasks, outlives whatever it does.
 *
 * One thread, one ppoll, nothing blocks: the rank's socket, the evaluator's socket, and
 * a signalfd that tells of dead children (an end of the evaluator's socket is no proof
 * of its death and no end no proof of its life: what it forked may hold the socket). */
#include "wire/wire_internal.h"

#include "core/clock.h"
#include "core/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define DYING_S                                                                        \
    1.0 /* from the end of its socket to its death: nobody should need more */
#define KILL_S                                                                         \
    5.0 /* a killed process can hang in the kernel; then it is left behind             \
         */

typedef struct broker {
    const mico_service *service;
    double load_timeout_s;
    pid_t parent;
    int signals;
    mico_channel rank;

    mico_limits limits;
    uint8_t *blob;
    size_t blob_bytes;

    pid_t pid; /* of the evaluator; 0: none */
    bool dead; /* it is, and waits to be reaped */
    bool ready;
    mico_channel evaluator;

    bool busy;
    mico_task task;
    mico_status blame; /* of what goes wrong with it: mico_reply.blame */
    double start_s, deadline_s;
} broker;

/* ---- the evaluator's life ----------------------------------------------- */

static void drain_signals(broker *b)
{
    struct signalfd_siginfo info;

    while (read(b->signals, &info, sizeof info) > 0)
        continue;
}

static bool has_died(pid_t pid)
{
    siginfo_t info = {0};

    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == pid;
}

/* As the subreaper we also get what evaluators left behind. */
static void reap_orphans(broker *b)
{
    siginfo_t info = {0};

    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid != 0 && info.si_pid != b->pid) {
        waitpid(info.si_pid, NULL, WNOHANG);
        info.si_pid = 0;
    }
}

/* Ends the evaluator after grace_s and kills what it left behind in its group. Returns
 * its wait status, or -1 where it cannot be had. */
static int end_evaluator(broker *b, double grace_s)
{
    double until_s = mico_now_s() + grace_s;
    struct pollfd f = {.fd = b->signals, .events = POLLIN};
    bool killed = false;
    int status = -1;

    while (!has_died(b->pid)) {
        if (mico_now_s() < until_s) {
            poll(&f, 1, 1 + (int)(1000 * (until_s - mico_now_s())));
            drain_signals(b);
            continue;
        }
        if (killed)
            break;
        kill(-b->pid, SIGKILL);
        kill(b->pid, SIGKILL);
        killed = true;
        until_s = mico_now_s() + KILL_S;
    }
    /* While it is a zombie its number, and so its group's, cannot be anyone else's. */
    kill(-b->pid, SIGKILL);
    if (waitpid(b->pid, &status, WNOHANG) != b->pid || killed)
        status = -1; /* our own signal tells nothing */
    mico_channel_close(&b->evaluator);
    b->pid = 0;
    b->dead = b->ready = false;
    reap_orphans(b); /* their signals may have been drained above */
    return status;
}

/* Signals back to normal, except those by which users and batch systems talk to the
 * rank: a trial that runs while a job is asked to leave has not crashed. */
static void reset_signals(void)
{
    static const int ignored[] = {SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
    sigset_t none;

    sigemptyset(&none);
    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_DFL);
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        signal(ignored[i], SIG_IGN);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool start_evaluator(broker *b)
{
    int ends[2];
    pid_t me = getpid(), pid;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return false;
    pid = fork();
    if (pid == 0) {
        setpgid(0, 0);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != me)
            _exit(0);
        reset_signals();
        close(b->signals);
        close(b->rank.fd);
        close(ends[0]);
        mico_evaluator_run(ends[1], b->service, b->blob, b->blob_bytes,
                           b->limits.memory_bytes);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return false;
    }
    setpgid(pid, pid); /* both do it: whoever is first */
    mico_channel_open(&b->evaluator, ends[0]);
    b->pid = pid;
    return true;
}

static _Noreturn void leave(broker *b)
{
    if (b->pid != 0)
        end_evaluator(b, 0);
    _exit(0);
}

/* ---- answers ------------------------------------------------------------ */

static void answer(broker *b, const mico_reply *reply)
{
    mico_writer w = {0};

    mico_reply_put(&w, reply);
    mico_channel_send(&b->rank, MICO_MSG_REPLY, w.bytes, w.len);
    mico_writer_free(&w);
    b->busy = false;
}

static void answer_failure(broker *b, mico_state state, const char *reason)
{
    mico_reply reply;

    if (!b->busy)
        return;
    mico_reply_fail(&reply, &b->task, state, "%s", reason);
    reply.blame = b->blame;
    for (uint32_t i = 0; i < reply.n; i++)
        reply.item[i].outcome.seconds = (mico_now_s() - b->start_s) / reply.n;
    answer(b, &reply);
}

/* A study that cannot be loaded is not the scheme's fault, whatever went wrong; but it
 * is the job's if that leaves too little memory for it. */
static void answer_death(broker *b, int status, bool loaded)
{
    mico_str text = {0};
    mico_state state = MICO_STATE_CRASHED;

    if (!loaded)
        mico_str_add(&text, "loading the study: ");
    if (status == -1) {
        mico_str_add(&text, "its end could not be observed");
    } else if (WIFEXITED(status) && WEXITSTATUS(status) == MICO_EXIT_OOM) {
        state = MICO_STATE_OUT_OF_MEMORY;
        mico_str_add(&text, "no memory left");
        if (b->limits.memory_bytes > 0) {
            b->blame = MICO_EJOB;
            mico_str_add(&text, " (limit %.0f MiB)",
                         (double)b->limits.memory_bytes / 1048576.0);
        }
    } else if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
        state =
            MICO_STATE_OUT_OF_MEMORY; /* we did not: it was the kernel, most likely */
        mico_str_add(&text, "killed from outside, as when a machine is out of memory");
    } else if (WIFSIGNALED(status)) {
        const char *name = sigabbrev_np(WTERMSIG(status));

        if (name != NULL)
            mico_str_add(&text, "SIG%s", name);
        else
            mico_str_add(&text, "signal %d", WTERMSIG(status));
    } else {
        mico_str_add(&text, "exit code %d", WEXITSTATUS(status));
    }
    answer_failure(b, loaded ? state : MICO_STATE_INFRASTRUCTURE, text.text);
    mico_str_free(&text);
}

static void answer_overdue(broker *b)
{
    bool loaded = b->ready;
    mico_str text = {0};

    end_evaluator(b, 0);
    mico_str_add(&text, "%safter %.1f s", loaded ? "" : "loading the study: no end ",
                 loaded ? b->limits.timeout_s * b->task.n : b->load_timeout_s);
    answer_failure(b, loaded ? MICO_STATE_TIMEOUT : MICO_STATE_INFRASTRUCTURE,
                   text.text);
    mico_str_free(&text);
}

static void reject(broker *b, const char *reason)
{
    end_evaluator(b, 0);
    answer_failure(b, MICO_STATE_BAD_OUTPUT, reason);
}

/* ---- what the evaluator says -------------------------------------------- */

static void pass_task(broker *b)
{
    mico_writer w = {0};

    mico_task_put(&w, &b->task);
    mico_channel_send(&b->evaluator, MICO_MSG_TASK, w.bytes, w.len);
    mico_writer_free(&w);
    b->start_s = mico_now_s();
    b->deadline_s = b->limits.timeout_s > 0
                        ? b->start_s + b->limits.timeout_s * b->task.n
                        : INFINITY;
}

/* The evaluator's last word: it could not load the study. */
static void pass_load_failure(broker *b, const mico_frame *f)
{
    mico_reader r = {.bytes = f->bytes, .len = f->n};
    mico_err err;
    mico_str text = {0};

    if (mico_get_u8(&r) == MICO_EJOB)
        b->blame = MICO_EJOB;
    mico_get_text(&r, err.text, sizeof err.text);
    mico_str_add(&text, "loading the study: %s", err.text);
    end_evaluator(b, DYING_S);
    answer_failure(b, MICO_STATE_INFRASTRUCTURE, text.text);
    mico_str_free(&text);
}

static void pass_reply(broker *b, const mico_frame *f)
{
    mico_reader r = {.bytes = f->bytes, .len = f->n};
    mico_reply reply;
    mico_err err;

    if (mico_reply_get(&r, &reply, &err) != MICO_OK) {
        reject(b, err.text);
        return;
    }
    if (!mico_reader_ok(&r) || !mico_reply_answers(&reply, &b->task))
        reject(b, r.at < r.len ? "reply message: too long" : "reply to another task");
    else
        answer(b, &reply);
    mico_reply_free(&reply);
}

static void hear_evaluator(broker *b)
{
    mico_frame f;

    mico_channel_pump(&b->evaluator);
    while (b->pid != 0 && mico_channel_take(&b->evaluator, &f)) {
        if (f.type == MICO_MSG_READY && !b->ready && b->busy) {
            b->ready = true;
            pass_task(b);
        } else if (f.type == MICO_MSG_FAILED && !b->ready && b->busy) {
            pass_load_failure(b, &f);
        } else if (f.type == MICO_MSG_REPLY && b->ready && b->busy) {
            pass_reply(b, &f);
        } else {
            reject(b, "a message out of turn");
        }
    }
    if (b->pid != 0 && b->evaluator.broken)
        reject(b, "a message above the limit");
    if (b->pid != 0 && (b->dead || b->evaluator.ended)) {
        bool loaded = b->ready;

        answer_death(b, end_evaluator(b, DYING_S), loaded);
    }
}

/* ---- what the rank says ------------------------------------------------- */

static void take_study(broker *b, const mico_frame *f)
{
    mico_reader r = {.bytes = f->bytes, .len = f->n};
    const uint8_t *blob;
    size_t n;

    if (b->pid != 0)
        end_evaluator(b, 0);
    if (mico_load_get(&r, &b->limits, &blob, &n, NULL) != MICO_OK)
        leave(b);
    free(b->blob);
    b->blob = memcpy(mico_xcalloc(n, 1), blob, n);
    b->blob_bytes = n;
}

static void take_task(broker *b, const mico_frame *f)
{
    mico_reader r = {.bytes = f->bytes, .len = f->n};

    if (mico_task_get(&r, &b->task, NULL) != MICO_OK)
        leave(b);
    if (b->pid != 0)
        hear_evaluator(b); /* not one that died or went mad since its last task */
    b->busy = true;
    b->blame = MICO_ECOMM;
    b->start_s = mico_now_s();
    if (b->blob == NULL) {
        answer_failure(b, MICO_STATE_INFRASTRUCTURE, "no study was loaded");
    } else if (b->pid != 0 && b->ready) {
        pass_task(b);
    } else if (start_evaluator(b)) {
        b->deadline_s = b->start_s + b->load_timeout_s;
    } else {
        mico_err err;

        mico_fail(&err, MICO_EIO, "no evaluator: %s", strerror(errno));
        answer_failure(b, MICO_STATE_INFRASTRUCTURE, err.text);
    }
}

static void hear_rank(broker *b)
{
    mico_frame f;

    mico_channel_pump(&b->rank);
    if (b->rank.ended || b->rank.broken)
        leave(b);
    while (!b->busy && mico_channel_take(&b->rank, &f)) {
        if (f.type == MICO_MSG_LOAD)
            take_study(b, &f);
        else if (f.type == MICO_MSG_TASK)
            take_task(b, &f);
        else
            leave(b);
    }
}

/* ---- the process -------------------------------------------------------- */

static void hear_signals(broker *b)
{
    drain_signals(b);
    if (getppid() != b->parent)
        leave(b);
    if (b->pid != 0 && has_died(b->pid))
        b->dead = true;
    reap_orphans(b);
}

static void wait_for_news(broker *b)
{
    struct pollfd f[3] = {{.fd = b->signals, .events = POLLIN},
                          {.fd = b->rank.fd, .events = POLLIN},
                          {.fd = b->pid != 0 ? b->evaluator.fd : -1, .events = POLLIN}};
    double s = b->busy ? b->deadline_s - mico_now_s() : INFINITY;
    struct timespec t;

    if (mico_channel_unsent(&b->rank))
        f[1].events |= POLLOUT;
    if (b->pid != 0 && mico_channel_unsent(&b->evaluator))
        f[2].events |= POLLOUT;
    s = s < 0 ? 0 : s > 1e6 ? 1e6 : s;
    t.tv_sec = (time_t)s;
    t.tv_nsec = (long)((s - (double)t.tv_sec) * 1e9);
    ppoll(f, 3, &t, NULL);
}

/* Simulators that an evaluator runs must not take themselves for ranks of this job. */
static void forget_launcher(void)
{
    static const char *const prefixes[] = {"OMPI_", "PMIX_", "PMI_", "ORTE_"};
    extern char **environ;

    for (size_t i = 0; environ != NULL && environ[i] != NULL;) {
        size_t p = 0, n = sizeof prefixes / sizeof prefixes[0];
        char name[256];
        size_t len = strcspn(environ[i], "=");

        while (p < n && strncmp(environ[i], prefixes[p], strlen(prefixes[p])) != 0)
            p++;
        if (p == n || len >= sizeof name) {
            i++;
            continue;
        }
        memcpy(name, environ[i], len);
        name[len] = '\0';
        unsetenv(name);
        i = 0;
    }
}

/* Nothing but the socket and the standard files, and nothing from the terminal. */
static int keep_only(int fd)
{
    int null_fd = open("/dev/null", O_RDONLY);

    if (null_fd >= 0)
        dup2(null_fd, 0);
    if (fd != 3) {
        dup2(fd, 3);
        fcntl(3, F_SETFD, FD_CLOEXEC);
    }
    close_range(4, ~0u, 0);
    return 3;
}

_Noreturn void mico_broker_run(int fd, pid_t parent, const mico_service *service,
                               double load_timeout_s)
{
    static const int ignored[] = {SIGINT,  SIGTERM, SIGUSR1, SIGUSR2, SIGQUIT,
                                  SIGPIPE, SIGTSTP, SIGTTIN, SIGTTOU};
    broker b = {.service = service,
                .load_timeout_s = load_timeout_s,
                .parent = parent,
                .evaluator = {.fd = -1}};
    sigset_t watched;

    /* The parent's death wakes us by SIGHUP instead of killing us, so that the
     * evaluator's whole group goes with us; its socket ends too, whichever is noticed
     * first. */
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGHUP);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        signal(ignored[i], SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    signal(SIGHUP, SIG_DFL);
    sigemptyset(&watched);
    sigaddset(&watched, SIGCHLD);
    sigaddset(&watched, SIGHUP);
    sigprocmask(SIG_SETMASK, &watched, NULL);
    if (getppid() != parent)
        _exit(0);
    mico_channel_open(&b.rank, keep_only(fd));
    b.signals = signalfd(-1, &watched, SFD_NONBLOCK | SFD_CLOEXEC);
    if (b.signals < 0)
        _exit(1);
    forget_launcher();
    for (;;) {
        wait_for_news(&b);
        hear_signals(&b);
        if (b.pid != 0)
            hear_evaluator(&b);
        if (b.busy && mico_now_s() >= b.deadline_s)
            answer_overdue(&b);
        hear_rank(&b);
    }
}
