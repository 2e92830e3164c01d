/* Journal records as bytes: the ABOUT record, events, and the replay of a whole
 * journal. */
#include "store/store_internal.h"

#include "core/hash.h"
#include "core/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- texts ---------------------------------------------------------------------- */

static void put_text(mico_writer *w, const char *text)
{
    mico_put_text(w, text != NULL ? text : "");
}

/* Text of any length as its own allocation; NULL and r->bad if there is none. */
static char *get_long_text(mico_reader *r)
{
    size_t n;
    const uint8_t *p = mico_get_bytes(r, &n);
    char *text;

    if (p == NULL || n > MICO_STORE_MAX_TEXT || memchr(p, 0, n) != NULL) {
        r->bad = true;
        return NULL;
    }
    text = mico_xcalloc(n + 1, 1);
    memcpy(text, p, n);
    return text;
}

/* A small enumeration stored in one byte. */
static uint8_t get_below(mico_reader *r, uint8_t limit)
{
    uint8_t v = mico_get_u8(r);

    if (v >= limit) {
        r->bad = true;
        return 0;
    }
    return v;
}

/* ---- the problem ---------------------------------------------------------------- */

static size_t table_cells(const mico_problem *problem)
{
    return problem->space.n_layers * MICO_N_WIDTHS * MICO_N_WIDTHS;
}

static void put_space(mico_writer *w, const mico_space *space)
{
    mico_put_u32(w, (uint32_t)space->n_layers);
    mico_put_u32(w, (uint32_t)space->n_vars);
    for (size_t v = 0; v < space->n_vars; v++)
        mico_put_bytes(w, space->var[v].width, space->var[v].n);
    for (size_t g = 0; g < 2 * space->n_layers; g++)
        mico_put_u32(w, space->var_of[g]);
}

static void get_space(mico_reader *r, mico_space *space)
{
    space->n_layers = mico_get_u32(r);
    space->n_vars = mico_get_u32(r);
    if (space->n_layers > MICO_MAX_LAYERS || space->n_vars > MICO_MAX_GENES)
        r->bad = true;
    for (size_t v = 0; v < space->n_vars && !r->bad; v++) {
        size_t n;
        const uint8_t *p = mico_get_bytes(r, &n);

        if (p == NULL || n > MICO_N_WIDTHS) {
            r->bad = true;
            break;
        }
        space->var[v].n = (uint8_t)n;
        memcpy(space->var[v].width, p, n);
    }
    for (size_t g = 0; !r->bad && g < 2 * space->n_layers; g++) {
        uint32_t v = mico_get_u32(r);

        if (v >= space->n_vars)
            r->bad = true;
        space->var_of[g] = (uint16_t)v;
    }
}

void mico_problem_put(mico_writer *w, const mico_problem *problem)
{
    put_space(w, &problem->space);
    mico_put_u32(w, (uint32_t)problem->n_metrics);
    for (size_t m = 0; m < problem->n_metrics; m++) {
        const mico_metric *metric = &problem->metric[m];

        mico_put_text(w, metric->name);
        mico_put_text(w, metric->unit);
        mico_put_f64(w, metric->constant);
        for (size_t i = 0; i < table_cells(problem); i++)
            mico_put_f64(w, metric->table[i]);
    }
    mico_put_u32(w, (uint32_t)problem->n_constraints);
    for (size_t c = 0; c < problem->n_constraints; c++) {
        mico_put_u32(w, (uint32_t)problem->constraint[c].metric);
        mico_put_f64(w, problem->constraint[c].limit);
        mico_put_text(w, problem->constraint[c].text);
    }
    mico_put_u8(w, (uint8_t)problem->goal);
    mico_put_u32(w, (uint32_t)problem->pareto_metric);
    for (size_t l = 0; l < problem->space.n_layers; l++) {
        mico_put_f64(w, problem->layer_macs != NULL ? problem->layer_macs[l] : 0);
        put_text(w, problem->layer_name != NULL ? problem->layer_name[l] : "");
    }
}

static void get_metric(mico_reader *r, mico_problem *problem)
{
    mico_metric *metric = &problem->metric[problem->n_metrics];
    size_t cells = table_cells(problem);

    mico_get_text(r, metric->name, sizeof metric->name);
    mico_get_text(r, metric->unit, sizeof metric->unit);
    metric->constant = mico_get_f64(r);
    if (r->bad ||
        r->len - r->at < 8 * cells) { /* before allocating what is not there */
        r->bad = true;
        return;
    }
    metric->table = mico_xcalloc(cells, sizeof *metric->table);
    for (size_t i = 0; i < cells; i++)
        metric->table[i] = mico_get_f64(r);
    problem->n_metrics++;
}

static void get_problem(mico_reader *r, mico_problem *problem)
{
    size_t n;

    get_space(r, &problem->space);
    n = mico_get_u32(r);
    if (n > MICO_MAX_METRICS)
        r->bad = true;
    for (size_t m = 0; m < n && !r->bad; m++)
        get_metric(r, problem);
    problem->n_constraints = mico_get_u32(r);
    if (problem->n_constraints > MICO_MAX_METRICS)
        r->bad = true;
    for (size_t c = 0; c < problem->n_constraints && !r->bad; c++) {
        mico_constraint *constraint = &problem->constraint[c];

        constraint->metric = mico_get_u32(r);
        constraint->limit = mico_get_f64(r);
        mico_get_text(r, constraint->text, sizeof constraint->text);
    }
    problem->goal = (mico_goal)get_below(r, MICO_GOAL_PARETO + 1);
    problem->pareto_metric = mico_get_u32(r);
    if (r->bad)
        return;
    n = problem->space.n_layers;
    problem->layer_macs = mico_xcalloc(n, sizeof *problem->layer_macs);
    problem->layer_name = mico_xcalloc(n, sizeof *problem->layer_name);
    for (size_t l = 0; l < n; l++) {
        problem->layer_macs[l] = mico_get_f64(r);
        mico_get_text(r, problem->layer_name[l], MICO_NAME_SIZE);
    }
}

/* ---- about ---------------------------------------------------------------------- */

static void put_study(mico_writer *w, const mico_study_run *study)
{
    mico_put_text(w, study->name);
    mico_put_u64(w, study->key);
    put_text(w, study->canonical);
    put_text(w, study->searcher);
    mico_problem_put(w, &study->problem);
    for (size_t l = 0; l < study->problem.space.n_layers; l++) {
        put_text(w, study->layer_kind != NULL ? study->layer_kind + l * MICO_NAME_SIZE
                                              : "");
        mico_put_f64(w, study->layer_weights != NULL ? study->layer_weights[l] : 0);
    }
}

static void get_study(mico_reader *r, mico_study_run *study)
{
    size_t n;

    mico_get_text(r, study->name, sizeof study->name);
    study->key = mico_get_u64(r);
    study->canonical = get_long_text(r);
    study->searcher = get_long_text(r);
    get_problem(r, &study->problem);
    if (r->bad)
        return;
    n = study->problem.space.n_layers;
    study->layer_kind = mico_xcalloc(n, MICO_NAME_SIZE);
    study->layer_weights = mico_xcalloc(n, sizeof *study->layer_weights);
    for (size_t l = 0; l < n; l++) {
        mico_get_text(r, study->layer_kind + l * MICO_NAME_SIZE, MICO_NAME_SIZE);
        study->layer_weights[l] = mico_get_f64(r);
    }
}

mico_status mico_about_put(mico_writer *w, const mico_about *about, mico_err *err)
{
    put_text(w, about->job_text);
    put_text(w, about->job_path);
    mico_put_u64(w, about->job_hash);
    mico_put_u64(w, about->net_hash);
    mico_put_u64(w, about->data_hash);
    put_text(w, about->net_path);
    put_text(w, about->data_path);
    mico_put_u32(w, (uint32_t)about->n_studies);
    for (size_t s = 0; s < about->n_studies; s++) {
        const mico_problem *problem = &about->study[s].problem;
        mico_status rc = mico_problem_check(problem, err);

        if (rc != MICO_OK)
            return mico_recast(err, MICO_EBUG, about->study[s].name);
        put_study(w, &about->study[s]);
    }
    return MICO_OK;
}

/* Study names address HDF5 groups, so their link names must differ. */
static mico_status check_names(const mico_run *run, mico_err *err)
{
    char(*link)[MICO_NAME_SIZE] = mico_xcalloc(run->n_studies, sizeof *link);
    mico_status rc = MICO_OK;

    for (size_t s = 0; s < run->n_studies && rc == MICO_OK; s++) {
        mico_link_name(run->study[s].name, link[s]);
        for (size_t t = 0; t < s && rc == MICO_OK; t++)
            if (strcmp(link[s], link[t]) == 0)
                rc =
                    mico_fail(err, MICO_EFORMAT, "studies %s and %s have the same name",
                              run->study[t].name, run->study[s].name);
    }
    free(link);
    return rc;
}

mico_status mico_about_get(mico_run **out, const uint8_t *bytes, size_t n,
                           mico_err *err)
{
    mico_reader r = {bytes, n, 0, false};
    mico_run *run = mico_xcalloc(1, sizeof *run);
    mico_status rc = MICO_OK;
    size_t n_studies;

    run->job_text = get_long_text(&r);
    mico_get_text(&r, run->job_path, sizeof run->job_path);
    run->job_hash = mico_get_u64(&r);
    run->net_hash = mico_get_u64(&r);
    run->data_hash = mico_get_u64(&r);
    mico_get_text(&r, run->net_path, sizeof run->net_path);
    mico_get_text(&r, run->data_path, sizeof run->data_path);
    n_studies = mico_get_u32(&r);
    if (n_studies == 0 || n_studies > MICO_STORE_MAX_STUDIES)
        r.bad = true;
    for (size_t s = 0; s < n_studies && !r.bad && rc == MICO_OK; s++) {
        rc = mico_room((void **)&run->study, s, sizeof *run->study, n_studies,
                       "studies", err);
        if (rc != MICO_OK)
            break;
        run->study[s] = (mico_study_run){0};
        run->n_studies++;
        get_study(&r, &run->study[s]);
        if (!r.bad)
            rc = mico_problem_check(&run->study[s].problem, err);
    }
    if (rc == MICO_OK && !mico_reader_ok(&r))
        rc = mico_fail(err, MICO_EFORMAT, "the description of the job makes no sense");
    if (rc == MICO_OK)
        rc = check_names(run, err);
    if (rc == MICO_OK)
        *out = run;
    else
        mico_run_free(run);
    return rc;
}

/* ---- events --------------------------------------------------------------------- */

static void put_start(mico_writer *w, const mico_start *start)
{
    mico_put_text(w, start->when);
    mico_put_text(w, start->host);
    mico_put_text(w, start->version);
    mico_put_text(w, start->argv);
    mico_put_text(w, start->libraries);
    mico_put_text(w, start->environment);
    mico_put_u32(w, start->ranks);
}

static void get_start(mico_reader *r, mico_start *start)
{
    mico_get_text(r, start->when, sizeof start->when);
    mico_get_text(r, start->host, sizeof start->host);
    mico_get_text(r, start->version, sizeof start->version);
    mico_get_text(r, start->argv, sizeof start->argv);
    mico_get_text(r, start->libraries, sizeof start->libraries);
    mico_get_text(r, start->environment, sizeof start->environment);
    start->ranks = mico_get_u32(r);
}

static void put_check(mico_writer *w, const mico_check *check)
{
    mico_put_text(w, check->name);
    mico_put_u8(w, (uint8_t)check->mode);
    mico_put_u8(w, (uint8_t)check->split);
    mico_put_u64(w, check->trial);
    mico_put_u8(w, check->scheme.n_layers > 0);
    if (check->scheme.n_layers > 0)
        mico_scheme_put(w, &check->scheme);
    mico_outcome_put(w, &check->outcome);
}

static void get_check(mico_reader *r, mico_check *check)
{
    mico_get_text(r, check->name, sizeof check->name);
    check->mode = (mico_mode)get_below(r, MICO_MODE_FP32 + 1);
    check->split = (mico_split_name)get_below(r, MICO_SPLIT_FINAL + 1);
    check->trial = mico_get_u64(r);
    if (get_below(r, 2) == 1)
        mico_scheme_get(r, &check->scheme);
    mico_outcome_get(r, &check->outcome);
}

void mico_event_put(mico_writer *w, const mico_event *event)
{
    const mico_trial *trial = &event->trial;

    if (event->type != MICO_RECORD_START && event->type != MICO_RECORD_END)
        mico_put_u32(w, event->study);
    switch (event->type) {
    case MICO_RECORD_ABOUT:
        break;
    case MICO_RECORD_START:
        put_start(w, &event->start);
        break;
    case MICO_RECORD_CALIB:
        mico_put_bytes(w, event->calib, event->calib_bytes);
        break;
    case MICO_RECORD_PROPOSE:
        mico_put_u64(w, trial->id);
        mico_put_u64(w, trial->dup_of);
        mico_scheme_put(w, &trial->scheme);
        break;
    case MICO_RECORD_RESULT:
        mico_put_u64(w, trial->id);
        mico_put_u32(w, trial->worker);
        mico_put_u32(w, trial->attempts);
        mico_outcome_put(w, &trial->outcome);
        break;
    case MICO_RECORD_CHECK:
        put_check(w, &event->check);
        break;
    case MICO_RECORD_COMPLETE:
        mico_put_u64(w, event->digest);
        break;
    case MICO_RECORD_END:
        mico_put_text(w, event->start.ended);
        break;
    }
}

void mico_event_get(mico_reader *r, uint32_t type, mico_event *event)
{
    mico_trial *trial = &event->trial;

    memset(event, 0, sizeof *event);
    event->type = (mico_record)type;
    if (type != MICO_RECORD_START && type != MICO_RECORD_END)
        event->study = mico_get_u32(r);
    switch (type) {
    case MICO_RECORD_START:
        get_start(r, &event->start);
        break;
    case MICO_RECORD_CALIB:
        event->calib = mico_get_bytes(r, &event->calib_bytes);
        break;
    case MICO_RECORD_PROPOSE:
        trial->id = mico_get_u64(r);
        trial->dup_of = mico_get_u64(r);
        mico_scheme_get(r, &trial->scheme);
        break;
    case MICO_RECORD_RESULT:
        trial->id = mico_get_u64(r);
        trial->worker = mico_get_u32(r);
        trial->attempts = mico_get_u32(r);
        mico_outcome_get(r, &trial->outcome);
        break;
    case MICO_RECORD_CHECK:
        get_check(r, &event->check);
        break;
    case MICO_RECORD_COMPLETE:
        event->digest = mico_get_u64(r);
        break;
    case MICO_RECORD_END:
        mico_get_text(r, event->start.ended, sizeof event->start.ended);
        break;
    default:
        r->bad = true;
    }
    if (!mico_reader_ok(r))
        r->bad = true;
}
