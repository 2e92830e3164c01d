/* mico compare --selftest: searchers on problems whose optimum is known. */
#include "cli/tool_selftest.h"

#include "cli/common.h"
#include "core/mem.h"
#include "search/search.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFAULT_SEEDS  5
#define DEFAULT_BUDGET 300
#define MOST_METHODS   64
#define MOST_SEEDS     1000
#define COLUMNS        5 /* methods side by side */

typedef struct cell {
    bool done;
    mico_selftest_result result;
    char error[400];
} cell;

typedef struct shared {
    atomic_size_t next;
    cell cell[]; /* [problem][method][seed] */
} shared;

typedef struct selftest {
    size_t n_problems, n_methods, n_seeds;
    uint64_t budget;
    mico_selftest **problem;
    const char **name; /* [n_problems] */
    char method[MOST_METHODS][32];
    shared *all;
    size_t bytes;
} selftest;

static size_t n_cells(const selftest *t)
{
    return t->n_problems * t->n_methods * t->n_seeds;
}

static const cell *cells_of(const selftest *t, size_t problem, size_t method)
{
    return &t->all->cell[(problem * t->n_methods + method) * t->n_seeds];
}

/* ---- what is run ------------------------------------------------------------------
 */

static mico_status choose_methods(selftest *t, const char *list, mico_err *err)
{
    for (size_t i = 0; list == NULL && i < mico_n_searchers; i++)
        if (strcmp(mico_searchers[i]->name, "grid") != 0 &&
            mico_searchers[i]->missing == NULL && t->n_methods < MOST_METHODS)
            snprintf(t->method[t->n_methods++], sizeof t->method[0], "%s",
                     mico_searchers[i]->name);
    while (list != NULL && t->n_methods < MOST_METHODS &&
           mico_text_next(&list, ',', t->method[t->n_methods], sizeof t->method[0]))
        t->n_methods++;
    if (t->n_methods == 0 || t->n_methods == MOST_METHODS)
        return mico_fail(err, MICO_EUSAGE, "--methods: needs 1 to %d searchers",
                         MOST_METHODS - 1);
    return MICO_OK;
}

/* "labs" is all whose names begin with "labs-". */
static bool is_meant(const char *name, const char *operand)
{
    size_t n = strlen(operand);

    return strncmp(name, operand, n) == 0 && (name[n] == '\0' || name[n] == '-');
}

static bool is_chosen(const mico_options_line *o, mico_selftest_facts facts)
{
    if (o->n_operands == 0)
        return !facts.needs_data || o->data != NULL;
    for (int i = 0; i < o->n_operands; i++)
        if (is_meant(facts.name, o->operand[i]))
            return true;
    return false;
}

/* Where an operand means nothing, opening it says so. */
static mico_status check_operand(const char *operand, mico_err *err)
{
    mico_selftest *none;

    for (size_t i = 0; i < mico_selftest_count(); i++)
        if (is_meant(mico_selftest_at(i).name, operand))
            return MICO_OK;
    return mico_selftest_open(&none, operand, NULL, err);
}

static mico_status choose_problems(selftest *t, const mico_options_line *o,
                                   mico_err *err)
{
    size_t n = mico_selftest_count();
    mico_status rc = MICO_OK;

    for (int i = 0; i < o->n_operands && rc == MICO_OK; i++)
        rc = check_operand(o->operand[i], err);
    t->problem = mico_xcalloc(n, sizeof *t->problem);
    t->name = mico_xcalloc(n, sizeof *t->name);
    for (size_t i = 0; i < n && rc == MICO_OK; i++) {
        mico_selftest_facts facts = mico_selftest_at(i);

        if (!is_chosen(o, facts))
            continue;
        rc = mico_selftest_open(&t->problem[t->n_problems], facts.name, o->data, err);
        if (rc == MICO_OK)
            t->name[t->n_problems++] = facts.name;
    }
    return rc;
}

/* ---- running -----------------------------------------------------------------------
 */

static _Noreturn void child(const selftest *t)
{
    size_t i;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while ((i = atomic_fetch_add(&t->all->next, 1)) < n_cells(t)) {
        const char *method = t->method[i / t->n_seeds % t->n_methods];
        cell *c = &t->all->cell[i];
        mico_err err;

        if (mico_selftest_run(t->problem[i / (t->n_methods * t->n_seeds)], method,
                              1 + i % t->n_seeds, t->budget, NULL, &c->result,
                              &err) != MICO_OK)
            snprintf(c->error, sizeof c->error, "%.399s", err.text);
        c->done = true;
    }
    _exit(0);
}

static mico_status check_cells(const selftest *t, mico_err *err)
{
    for (size_t i = 0; i < n_cells(t); i++) {
        const cell *c = &t->all->cell[i];
        const char *name = t->name[i / (t->n_methods * t->n_seeds)];
        const char *method = t->method[i / t->n_seeds % t->n_methods];

        if (c->error[0] != '\0')
            return mico_fail(err, MICO_EUSAGE, "%s: %s", name, c->error);
        if (!c->done)
            return mico_fail(err, MICO_ECOMM, "searcher %s died on %s, seed %zu",
                             method, name, 1 + i % t->n_seeds);
    }
    return MICO_OK;
}

static mico_status run_all(selftest *t, size_t processes, mico_err *err)
{
    pid_t *pid;
    size_t n = 0;

    t->bytes = sizeof(shared) + n_cells(t) * sizeof(cell);
    t->all =
        mmap(NULL, t->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (t->all == MAP_FAILED) {
        t->all = NULL;
        return mico_fail(err, MICO_ENOMEM, "no memory for the results: %s",
                         strerror(errno));
    }
    pid = mico_xcalloc(processes, sizeof *pid);
    fflush(NULL);
    for (; n < processes; n++) {
        pid[n] = fork();
        if (pid[n] == 0)
            child(t);
        if (pid[n] < 0)
            break;
    }
    for (size_t k = 0; k < n; k++)
        waitpid(pid[k], NULL, 0);
    free(pid);
    if (n == 0)
        return mico_fail(err, MICO_EIO, "no process: %s", strerror(errno));
    return check_cells(t, err);
}

/* ---- what is said ------------------------------------------------------------------
 */

typedef struct summary {
    size_t reached;
    double to_target; /* median evaluations; INFINITY: most do not reach it */
    double gap;       /* median distance from the optimum, as a share of it */
} summary;

static int by_value(const void *a, const void *b)
{
    const double *p = a, *q = b;

    return *p < *q ? -1 : *p > *q;
}

static double median(double *x, size_t n)
{
    qsort(x, n, sizeof *x, by_value);
    return n % 2 != 0 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

static summary summarize(const selftest *t, size_t problem, size_t method)
{
    const cell *c = cells_of(t, problem, method);
    double *effort = mico_xcalloc(t->n_seeds, sizeof *effort);
    double *gap = mico_xcalloc(t->n_seeds, sizeof *gap);
    summary sum = {0};

    for (size_t s = 0; s < t->n_seeds; s++) {
        const mico_selftest_result *r = &c[s].result;

        sum.reached += r->to_target > 0;
        effort[s] = r->to_target > 0 ? (double)r->to_target : INFINITY;
        gap[s] = fabs(r->best - r->optimum) / r->optimum;
    }
    sum.to_target = median(effort, t->n_seeds);
    sum.gap = median(gap, t->n_seeds);
    free(effort);
    free(gap);
    return sum;
}

static void print_text(const selftest *t)
{
    printf("%llu evaluations, %zu seeds: how many seeds reach the optimum (0.99 of an "
           "optimal\nhypervolume), and the median evaluations that it takes, else the "
           "median gap\n",
           (unsigned long long)t->budget, t->n_seeds);
    for (size_t first = 0; first < t->n_methods; first += COLUMNS) {
        size_t end = first + COLUMNS < t->n_methods ? first + COLUMNS : t->n_methods;

        printf("\n%-27s%10s", "", "optimum");
        for (size_t m = first; m < end; m++)
            printf("  %14s", t->method[m]);
        putchar('\n');
        for (size_t p = 0; p < t->n_problems; p++) {
            printf("%-27s%10.6g", t->name[p], cells_of(t, p, 0)->result.optimum);
            for (size_t m = first; m < end; m++) {
                summary sum = summarize(t, p, m);

                if (isfinite(sum.to_target))
                    printf("  %5zu %8.0f", sum.reached, sum.to_target);
                else
                    printf("  %5zu %+7.2f%%", sum.reached, 100 * sum.gap);
            }
            putchar('\n');
        }
    }
}

static json_t *method_json(const selftest *t, size_t problem, size_t method)
{
    const cell *c = cells_of(t, problem, method);
    json_t *best = json_array(), *effort = json_array();

    for (size_t s = 0; s < t->n_seeds; s++) {
        const mico_selftest_result *r = &c[s].result;

        json_array_append_new(best, json_real(r->best));
        json_array_append_new(effort, r->to_target > 0
                                          ? json_integer((json_int_t)r->to_target)
                                          : json_null());
    }
    return json_pack("{s:s, s:o, s:o}", "method", t->method[method], "to_target",
                     effort, "best", best);
}

static void print_json(const selftest *t)
{
    json_t *problems = json_array();

    for (size_t p = 0; p < t->n_problems; p++) {
        const mico_selftest_result *r = &cells_of(t, p, 0)->result;
        json_t *methods = json_array();

        for (size_t m = 0; m < t->n_methods; m++)
            json_array_append_new(methods, method_json(t, p, m));
        json_array_append_new(problems,
                              json_pack("{s:s, s:f, s:f, s:o}", "problem", t->name[p],
                                        "optimum", r->optimum, "target", r->target,
                                        "methods", methods));
    }
    mico_json_print(json_pack("{s:I, s:I, s:o}", "budget", (json_int_t)t->budget,
                              "seeds", (json_int_t)t->n_seeds, "problems", problems));
}

mico_status mico_tool_selftest(const mico_options_line *o, mico_err *err)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    size_t processes = o->jobs > 0 ? (size_t)o->jobs : cores > 0 ? (size_t)cores : 1;
    selftest t = {.n_seeds = o->seeds > 0 ? (size_t)o->seeds : DEFAULT_SEEDS,
                  .budget = o->budget > 0 ? (uint64_t)o->budget : DEFAULT_BUDGET};
    mico_status rc;

    if (o->limits != NULL || o->also != NULL || o->upstream || o->n_sets > 0 ||
        o->output != NULL || o->title != NULL)
        return mico_fail(err, MICO_EUSAGE,
                         "--selftest goes with --methods, --seeds, --budget, --data, "
                         "--jobs and --json only");
    if (t.n_seeds > MOST_SEEDS || processes > 1024 || t.budget > 10000000)
        return mico_fail(err, MICO_EUSAGE,
                         "--selftest takes up to %d seeds, 1024 jobs and a budget of "
                         "10000000",
                         MOST_SEEDS);
    rc = choose_methods(&t, o->methods, err);
    if (rc == MICO_OK)
        rc = choose_problems(&t, o, err);
    if (rc == MICO_OK)
        rc = run_all(&t, processes, err);
    if (rc == MICO_OK && o->json)
        print_json(&t);
    if (rc == MICO_OK && !o->json)
        print_text(&t);
    for (size_t i = 0; i < t.n_problems; i++)
        mico_selftest_free(t.problem[i]);
    free(t.problem);
    free(t.name);
    if (t.all != NULL)
        munmap(t.all, t.bytes);
    return rc;
}
