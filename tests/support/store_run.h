/* store_run.h: a small made-up run for tests of store and report, and its comparison.
 */
#ifndef MICO_TESTS_STORE_RUN_H
#define MICO_TESTS_STORE_RUN_H

#include "core/file.h"
#include "core/mem.h"
#include "store/store.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STORE_RUN_LAYERS  3
#define STORE_RUN_STUDIES 2

typedef struct store_run {
    mico_study_run study[STORE_RUN_STUDIES];
    mico_about about;
} store_run;

static inline mico_problem store_run_problem(size_t which)
{
    mico_problem p = {0};

    p.space.n_layers = STORE_RUN_LAYERS;
    p.space.n_vars = 2 * STORE_RUN_LAYERS;
    for (size_t g = 0; g < 2 * STORE_RUN_LAYERS; g++) {
        p.space.var[g] = (mico_options){3, {MICO_TERNARY, 4, 8}};
        p.space.var_of[g] = (uint16_t)g;
    }
    p.n_metrics = which + 1;
    for (size_t m = 0; m < p.n_metrics; m++) {
        snprintf(p.metric[m].name, MICO_NAME_SIZE, "%s",
                 m == 0 ? "bops" : "table:a/b.csv");
        snprintf(p.metric[m].unit, sizeof p.metric[m].unit, "%s",
                 m == 0 ? "" : "cycles");
        p.metric[m].constant = 10.0 * (double)m;
        p.metric[m].table = mico_xcalloc(
            STORE_RUN_LAYERS * MICO_N_WIDTHS * MICO_N_WIDTHS, sizeof(double));
        for (size_t i = 0; i < STORE_RUN_LAYERS * MICO_N_WIDTHS * MICO_N_WIDTHS; i++)
            p.metric[m].table[i] = (double)(i % MICO_N_WIDTHS + 1) *
                                   (double)(i / MICO_N_WIDTHS % MICO_N_WIDTHS + 1);
    }
    p.n_constraints = 1;
    p.constraint[0] = (mico_constraint){0, 120, "bops <= 120"};
    p.goal = which == 0 ? MICO_GOAL_ACCURACY : MICO_GOAL_PARETO;
    p.pareto_metric = which;
    p.layer_macs = mico_xcalloc(STORE_RUN_LAYERS, sizeof(double));
    p.layer_name = mico_xcalloc(STORE_RUN_LAYERS, MICO_NAME_SIZE);
    for (size_t l = 0; l < STORE_RUN_LAYERS; l++) {
        p.layer_macs[l] = 1000.0 * (double)(l + 1);
        snprintf(p.layer_name[l], MICO_NAME_SIZE, "conv%zu", l);
    }
    return p;
}

static inline void store_run_make(store_run *r)
{
    static char kinds[STORE_RUN_LAYERS * MICO_NAME_SIZE] = "conv";
    static double weights[STORE_RUN_LAYERS] = {9, 18, 27};
    static char canonical[] = "[search]\nmethod = random\n[space]\nprofile = integer\n",
                method[] = "random";

    memset(r, 0, sizeof *r);
    for (size_t s = 0; s < STORE_RUN_STUDIES; s++) {
        snprintf(r->study[s].name, MICO_NAME_SIZE, "study/%zu", s);
        r->study[s].key = 0xabcdef0123456789u + s;
        r->study[s].canonical = canonical;
        r->study[s].searcher = method;
        r->study[s].problem = store_run_problem(s);
        r->study[s].layer_kind = kinds;
        r->study[s].layer_weights = weights;
    }
    r->about = (mico_about){.job_text = "[net]\nfile = \303\251.h5\n",
                            .job_path = "jobs/x.ini",
                            .job_hash = 1,
                            .net_hash = 2,
                            .data_hash = 3,
                            .net_path = "x.h5",
                            .data_path = "images",
                            .n_studies = STORE_RUN_STUDIES,
                            .study = r->study};
    snprintf(r->about.start.when, sizeof r->about.start.when, "2026-01-02T03:04:05Z");
    snprintf(r->about.start.host, sizeof r->about.start.host, "node1");
    snprintf(r->about.start.version, sizeof r->about.start.version, "0.1.0");
    snprintf(r->about.start.argv, sizeof r->about.start.argv, "mico-sweep jobs/x.ini");
    r->about.start.ranks = 4;
}

static inline void store_run_drop(store_run *r)
{
    for (size_t s = 0; s < STORE_RUN_STUDIES; s++)
        mico_problem_free(&r->study[s].problem);
}

/* Scheme number k in base 3, first gene fastest. */
static inline mico_scheme store_run_scheme(size_t k)
{
    static const uint8_t widths[] = {MICO_TERNARY, 4, 8};
    mico_scheme scheme = {.n_layers = STORE_RUN_LAYERS};

    for (size_t g = 0; g < 2 * STORE_RUN_LAYERS; g++, k /= 3)
        scheme.bits[g] = widths[k % 3];
    return scheme;
}

/* Trial id: every fifth repeats trial 1, every seventh crashes; else some accuracy. */
static inline mico_trial store_run_trial(size_t id)
{
    bool again = id > 1 && id % 5 == 0;
    size_t k = again ? 1 : id;
    mico_trial t = {.id = id,
                    .dup_of = again ? 1 : MICO_NO_TRIAL,
                    .scheme = store_run_scheme(k),
                    .worker = (uint32_t)(1 + id % 3),
                    .attempts = 1};

    t.outcome = (mico_outcome){.state = MICO_STATE_DONE,
                               .images = 1000,
                               .correct = 500 + k * 37 % 400,
                               .loss = 1.0 / (1.0 + (double)k),
                               .seconds = 0.25};
    if (k % 7 == 6) {
        t.outcome = (mico_outcome){.state = MICO_STATE_CRASHED, .seconds = 0.5};
        snprintf(t.outcome.reason, sizeof t.outcome.reason, "signal 11 in trial %zu",
                 k);
        t.attempts = 2;
    }
    return t;
}

static inline mico_check store_run_check(bool fp32)
{
    mico_check c = {.mode = fp32 ? MICO_MODE_FP32 : MICO_MODE_INT,
                    .split = MICO_SPLIT_FINAL,
                    .trial = fp32 ? MICO_NO_TRIAL : 1};

    snprintf(c.name, sizeof c.name, "%s", fp32 ? "fp32" : "best");
    if (!fp32)
        c.scheme = store_run_scheme(1);
    c.outcome = (mico_outcome){.state = MICO_STATE_DONE,
                               .images = 10000,
                               .correct = fp32 ? 9100 : 8900,
                               .loss = 0.3,
                               .seconds = 2};
    return c;
}

static inline bool store_run_same_double(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static inline bool store_run_same_outcome(const mico_outcome *a, const mico_outcome *b)
{
    return a->state == b->state && a->images == b->images && a->correct == b->correct &&
           store_run_same_double(a->loss, b->loss) &&
           store_run_same_double(a->seconds, b->seconds) &&
           strcmp(a->reason, b->reason) == 0;
}

static inline bool store_run_same_trial(const mico_trial *a, const mico_trial *b)
{
    return a->id == b->id && a->dup_of == b->dup_of &&
           mico_scheme_equal(&a->scheme, &b->scheme) && a->worker == b->worker &&
           a->attempts == b->attempts && a->proposed_at == b->proposed_at &&
           a->finished_at == b->finished_at &&
           store_run_same_outcome(&a->outcome, &b->outcome);
}

static inline bool store_run_same_check(const mico_check *a, const mico_check *b)
{
    return strcmp(a->name, b->name) == 0 && a->mode == b->mode &&
           a->split == b->split && a->trial == b->trial &&
           a->scheme.n_layers == b->scheme.n_layers &&
           mico_scheme_equal(&a->scheme, &b->scheme) &&
           store_run_same_outcome(&a->outcome, &b->outcome);
}

static inline bool store_run_same_problem(const mico_problem *a, const mico_problem *b)
{
    size_t n = a->space.n_layers;

    if (n != b->space.n_layers || a->space.n_vars != b->space.n_vars ||
        a->n_metrics != b->n_metrics || a->n_constraints != b->n_constraints ||
        a->goal != b->goal || a->pareto_metric != b->pareto_metric)
        return false;
    for (size_t v = 0; v < a->space.n_vars; v++)
        if (a->space.var[v].n != b->space.var[v].n ||
            memcmp(a->space.var[v].width, b->space.var[v].width, a->space.var[v].n) !=
                0)
            return false;
    for (size_t m = 0; m < a->n_metrics; m++)
        if (strcmp(a->metric[m].name, b->metric[m].name) != 0 ||
            strcmp(a->metric[m].unit, b->metric[m].unit) != 0 ||
            a->metric[m].constant != b->metric[m].constant ||
            memcmp(a->metric[m].table, b->metric[m].table,
                   n * MICO_N_WIDTHS * MICO_N_WIDTHS * sizeof(double)) != 0)
            return false;
    for (size_t c = 0; c < a->n_constraints; c++)
        if (a->constraint[c].metric != b->constraint[c].metric ||
            a->constraint[c].limit != b->constraint[c].limit ||
            strcmp(a->constraint[c].text, b->constraint[c].text) != 0)
            return false;
    return memcmp(a->space.var_of, b->space.var_of,
                  2 * n * sizeof a->space.var_of[0]) == 0 &&
           memcmp(a->layer_macs, b->layer_macs, n * sizeof(double)) == 0 &&
           memcmp(a->layer_name, b->layer_name, n * MICO_NAME_SIZE) == 0;
}

static inline bool store_run_same_study(const mico_study_run *a,
                                        const mico_study_run *b)
{
    size_t n = a->problem.space.n_layers;

    if (strcmp(a->name, b->name) != 0 || a->key != b->key ||
        a->n_trials != b->n_trials || a->n_checks != b->n_checks ||
        a->complete != b->complete || (a->complete && a->digest != b->digest) ||
        strcmp(a->canonical, b->canonical) != 0 ||
        strcmp(a->searcher, b->searcher) != 0 || a->calib_bytes != b->calib_bytes ||
        (a->calib_bytes > 0 && memcmp(a->calib, b->calib, a->calib_bytes) != 0) ||
        !store_run_same_problem(&a->problem, &b->problem) ||
        memcmp(a->layer_kind, b->layer_kind, n * MICO_NAME_SIZE) != 0 ||
        memcmp(a->layer_weights, b->layer_weights, n * sizeof(double)) != 0)
        return false;
    for (size_t t = 0; t < a->n_trials; t++)
        if (!store_run_same_trial(&a->trial[t], &b->trial[t]))
            return false;
    for (size_t c = 0; c < a->n_checks; c++)
        if (!store_run_same_check(&a->check[c], &b->check[c]))
            return false;
    return true;
}

static inline bool store_run_same(const mico_run *a, const mico_run *b)
{
    if (a->n_studies != b->n_studies || a->n_starts != b->n_starts ||
        strcmp(a->job_text, b->job_text) != 0 ||
        strcmp(a->job_path, b->job_path) != 0 || a->job_hash != b->job_hash ||
        a->net_hash != b->net_hash || a->data_hash != b->data_hash ||
        strcmp(a->net_path, b->net_path) != 0 ||
        strcmp(a->data_path, b->data_path) != 0)
        return false;
    for (size_t s = 0; s < a->n_starts; s++)
        if (strcmp(a->start[s].when, b->start[s].when) != 0 ||
            strcmp(a->start[s].host, b->start[s].host) != 0 ||
            strcmp(a->start[s].version, b->start[s].version) != 0 ||
            strcmp(a->start[s].argv, b->start[s].argv) != 0 ||
            strcmp(a->start[s].libraries, b->start[s].libraries) != 0 ||
            strcmp(a->start[s].environment, b->start[s].environment) != 0 ||
            strcmp(a->start[s].ended, b->start[s].ended) != 0 ||
            a->start[s].ranks != b->start[s].ranks)
            return false;
    for (size_t s = 0; s < a->n_studies; s++)
        if (!store_run_same_study(&a->study[s], &b->study[s]))
            return false;
    return true;
}

/* A fresh folder below the current one, and its removal with all files in it. */
static inline void store_run_folder(char out[64])
{
    snprintf(out, 64, "store-XXXXXX");
    if (mkdtemp(out) == NULL)
        abort();
}

static inline void store_run_remove(const char *folder)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    char path[512];

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        unlink(path);
    }
    if (dir != NULL)
        closedir(dir);
    rmdir(folder);
}

#endif
