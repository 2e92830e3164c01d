/* What records mean: checking and applying events to a run, digests, releasing a run.
 */
#include "store/store_internal.h"

#include "core/hash.h"
#include "core/mem.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mico_link_name(const char *name, char out[MICO_NAME_SIZE])
{
    size_t n = 0;

    for (; name[n] != '\0' && n < MICO_NAME_SIZE - 1; n++) {
        unsigned char c = (unsigned char)name[n];
        bool plain = c < 0x80 && (isalnum(c) || (n > 0 && strchr("-.:+", c) != NULL));

        out[n] = plain ? (char)c : '_';
    }
    if (n == 0)
        out[n++] = '_';
    out[n] = '\0';
}

mico_status mico_recast(mico_err *err, mico_status status, const char *prefix)
{
    mico_err_prefix(err, "%s", prefix);
    if (err != NULL)
        err->status = status;
    return status;
}

mico_status mico_room(void **array, size_t n, size_t size, size_t limit,
                      const char *what, mico_err *err)
{
    void *more;

    if (n >= limit)
        return mico_fail(err, MICO_ELIMIT, "more than %zu %s", limit, what);
    if ((n & (n - 1)) != 0)
        return MICO_OK;
    more = realloc(*array, (n > 0 ? 2 * n : 1) * size);
    if (more == NULL)
        return mico_fail(err, MICO_ENOMEM, "no memory for %zu %s", n + 1, what);
    *array = more;
    return MICO_OK;
}

/* ---- checks --------------------------------------------------------------------- */

static bool options_good(const mico_options *options)
{
    if (options->n < 1 || options->n > MICO_N_WIDTHS)
        return false;
    for (size_t i = 0; i < options->n; i++) {
        if (!mico_width_valid(options->width[i]))
            return false;
        if (i > 0 && mico_width_index(options->width[i - 1]) >=
                         mico_width_index(options->width[i]))
            return false;
    }
    return true;
}

static bool metric_good(const mico_metric *metric, size_t cells)
{
    if (metric->name[0] == '\0' || !(metric->constant > -INFINITY) ||
        metric->table == NULL)
        return false;
    for (size_t i = 0; i < cells;
         i++) /* +infinity: this pair of widths is impossible */
        if (!(metric->table[i] > -INFINITY))
            return false;
    return true;
}

mico_status mico_problem_check(const mico_problem *problem, mico_err *err)
{
    const mico_space *space = &problem->space;
    size_t cells = space->n_layers * MICO_N_WIDTHS * MICO_N_WIDTHS;

    if (space->n_layers < 1 || space->n_layers > MICO_MAX_LAYERS)
        return mico_fail(err, MICO_EFORMAT, "%zu layers, not 1 to %d", space->n_layers,
                         MICO_MAX_LAYERS);
    if (space->n_vars < 1 || space->n_vars > 2 * space->n_layers)
        return mico_fail(err, MICO_EFORMAT, "%zu search variables, not 1 to %zu",
                         space->n_vars, 2 * space->n_layers);
    for (size_t v = 0; v < space->n_vars; v++)
        if (!options_good(&space->var[v]))
            return mico_fail(err, MICO_EFORMAT, "widths of search variable %zu", v);
    for (size_t g = 0; g < 2 * space->n_layers; g++)
        if (space->var_of[g] >= space->n_vars)
            return mico_fail(err, MICO_EFORMAT, "gene %zu has no search variable", g);
    if (problem->n_metrics > MICO_MAX_METRICS ||
        problem->n_constraints > MICO_MAX_METRICS)
        return mico_fail(err, MICO_EFORMAT, "more than %d costs or constraints",
                         MICO_MAX_METRICS);
    for (size_t m = 0; m < problem->n_metrics; m++)
        if (!metric_good(&problem->metric[m], cells))
            return mico_fail(err, MICO_EFORMAT, "cost %zu has no name or no numbers",
                             m);
    for (size_t c = 0; c < problem->n_constraints; c++)
        if (problem->constraint[c].metric >= problem->n_metrics ||
            isnan(problem->constraint[c].limit))
            return mico_fail(err, MICO_EFORMAT,
                             "constraint %zu has no cost or no limit", c);
    if (problem->pareto_metric > 0 && problem->pareto_metric >= problem->n_metrics)
        return mico_fail(err, MICO_EFORMAT, "the front's cost is not among the costs");
    return MICO_OK;
}

mico_status mico_outcome_check(const mico_outcome *outcome, mico_err *err)
{
    if (outcome->state <= MICO_STATE_PENDING || outcome->state >= MICO_N_STATES)
        return mico_fail(err, MICO_EFORMAT, "an outcome with state %d",
                         (int)outcome->state);
    if (outcome->images > INT64_MAX || outcome->correct > outcome->images)
        return mico_fail(err, MICO_EFORMAT,
                         "an outcome with %" PRIu64 " of %" PRIu64 " images right",
                         outcome->correct, outcome->images);
    return MICO_OK;
}

static mico_status admit_propose(mico_study_run *study, const mico_trial *trial,
                                 mico_err *err)
{
    if (trial->id != study->n_trials)
        return mico_fail(err, MICO_EFORMAT, "trial %" PRIu64 " follows trial %zu",
                         trial->id, study->n_trials - 1);
    if (trial->scheme.n_layers != study->problem.space.n_layers)
        return mico_fail(err, MICO_EFORMAT, "trial %" PRIu64 " has %zu layers, not %zu",
                         trial->id, trial->scheme.n_layers,
                         study->problem.space.n_layers);
    if (trial->dup_of != MICO_NO_TRIAL &&
        (trial->dup_of >= trial->id ||
         !mico_scheme_equal(&trial->scheme, &study->trial[trial->dup_of].scheme)))
        return mico_fail(err, MICO_EFORMAT,
                         "trial %" PRIu64 " is no duplicate of trial %" PRIu64,
                         trial->id, trial->dup_of);
    return mico_room((void **)&study->trial, study->n_trials, sizeof *study->trial,
                     MICO_STORE_MAX_TRIALS, "trials", err);
}

static mico_status admit_result(const mico_study_run *study, const mico_trial *trial,
                                mico_err *err)
{
    if (trial->id >= study->n_trials)
        return mico_fail(err, MICO_EFORMAT, "a result for trial %" PRIu64 " of %zu",
                         trial->id, study->n_trials);
    if (study->trial[trial->id].outcome.state != MICO_STATE_PENDING)
        return mico_fail(err, MICO_EFORMAT, "a second result for trial %" PRIu64,
                         trial->id);
    return mico_outcome_check(&trial->outcome, err);
}

static mico_status admit_check(mico_study_run *study, const mico_check *check,
                               mico_err *err)
{
    if (check->scheme.n_layers != 0 &&
        check->scheme.n_layers != study->problem.space.n_layers)
        return mico_fail(err, MICO_EFORMAT, "check %s has %zu layers, not %zu",
                         check->name, check->scheme.n_layers,
                         study->problem.space.n_layers);
    if (check->scheme.n_layers == 0 && check->mode != MICO_MODE_FP32)
        return mico_fail(err, MICO_EFORMAT, "check %s has no scheme", check->name);
    if (check->trial != MICO_NO_TRIAL && check->trial >= study->n_trials)
        return mico_fail(err, MICO_EFORMAT, "check %s of trial %" PRIu64 " of %zu",
                         check->name, check->trial, study->n_trials);
    if (mico_outcome_check(&check->outcome, err) != MICO_OK)
        return MICO_EFORMAT;
    return mico_room((void **)&study->check, study->n_checks, sizeof *study->check,
                     MICO_STORE_MAX_CHECKS, "checks", err);
}

static mico_status admit_study(mico_study_run *study, const mico_event *event,
                               mico_err *err)
{
    if (study->complete)
        return mico_fail(err, MICO_EFORMAT, "a record behind the end of the study");
    switch (event->type) {
    case MICO_RECORD_CALIB:
        if (study->calib != NULL || event->calib_bytes < 1 ||
            event->calib_bytes > MICO_STORE_MAX_CALIB)
            return mico_fail(err, MICO_EFORMAT, "a second or empty calibration");
        return MICO_OK;
    case MICO_RECORD_PROPOSE:
        return admit_propose(study, &event->trial, err);
    case MICO_RECORD_RESULT:
        return admit_result(study, &event->trial, err);
    case MICO_RECORD_CHECK:
        return admit_check(study, &event->check, err);
    default:
        return MICO_OK;
    }
}

mico_status mico_event_admit(mico_run *run, const mico_event *event, mico_err *err)
{
    mico_status rc;

    if (event->type == MICO_RECORD_START)
        return mico_room((void **)&run->start, run->n_starts, sizeof *run->start,
                         MICO_STORE_MAX_STARTS, "starts", err);
    if (run->n_starts == 0)
        return mico_fail(err, MICO_EFORMAT, "a record before the first start");
    if (event->type == MICO_RECORD_END) {
        if (run->start[run->n_starts - 1].ended[0] != '\0')
            return mico_fail(err, MICO_EFORMAT, "a second end of a start");
        return MICO_OK;
    }
    if (event->study >= run->n_studies)
        return mico_fail(err, MICO_EFORMAT, "study %" PRIu32 " of %zu", event->study,
                         run->n_studies);
    rc = admit_study(&run->study[event->study], event, err);
    if (rc != MICO_OK)
        mico_err_prefix(err, "study %s", run->study[event->study].name);
    return rc;
}

/* ---- commits -------------------------------------------------------------------- */

static void commit_propose(mico_study_run *study, const mico_event *event)
{
    const mico_trial *trial = &event->trial;
    size_t n = study->n_trials, capacity = 1;

    study->trial[n] = (mico_trial){.id = trial->id,
                                   .dup_of = trial->dup_of,
                                   .scheme = trial->scheme,
                                   .proposed_at = event->sequence};
    study->n_trials = n + 1;
    while (capacity < study->n_trials)
        capacity *= 2;
    study->trial_capacity = capacity;
}

static void commit_result(mico_study_run *study, const mico_event *event)
{
    const mico_trial *from = &event->trial;
    mico_trial *trial = &study->trial[from->id];

    trial->outcome = from->outcome;
    trial->worker = from->worker;
    trial->attempts = from->attempts;
    trial->finished_at = event->sequence;
}

void mico_event_commit(mico_run *run, const mico_event *event)
{
    mico_study_run *study = run->n_studies > 0 ? &run->study[event->study] : NULL;

    switch (event->type) {
    case MICO_RECORD_ABOUT:
        break;
    case MICO_RECORD_START:
        run->start[run->n_starts] = event->start;
        run->start[run->n_starts++].ended[0] = '\0';
        break;
    case MICO_RECORD_CALIB:
        study->calib = mico_xcalloc(event->calib_bytes, 1);
        memcpy(study->calib, event->calib, event->calib_bytes);
        study->calib_bytes = event->calib_bytes;
        break;
    case MICO_RECORD_PROPOSE:
        commit_propose(study, event);
        break;
    case MICO_RECORD_RESULT:
        commit_result(study, event);
        break;
    case MICO_RECORD_CHECK:
        study->check[study->n_checks++] = event->check;
        break;
    case MICO_RECORD_COMPLETE:
        study->complete = true;
        study->digest = event->digest;
        break;
    case MICO_RECORD_END:
        memcpy(run->start[run->n_starts - 1].ended, event->start.ended,
               sizeof event->start.ended);
        break;
    }
}

/* ---- digests -------------------------------------------------------------------- */

/* Only integer-mode checks: fp32 and fake results depend on the machine's libm and
 * BLAS. */
static uint64_t check_digest(uint64_t key, const mico_check *check)
{
    mico_writer w = {0};
    uint64_t digest;

    mico_put_text(&w, check->name);
    mico_put_u8(&w, (uint8_t)check->split);
    mico_put_u32(&w, (uint32_t)check->scheme.n_layers);
    mico_put_bytes(&w, check->scheme.bits, 2 * check->scheme.n_layers);
    mico_put_u8(&w, (uint8_t)check->outcome.state);
    mico_put_u64(&w, check->outcome.images);
    mico_put_u64(&w, check->outcome.correct);
    digest = mico_hash(w.bytes, w.len, key);
    mico_writer_free(&w);
    return digest;
}

uint64_t mico_study_digest(const mico_study_run *study)
{
    uint64_t sum = 0;

    for (size_t t = 0; t < study->n_trials; t++)
        if (study->trial[t].outcome.state != MICO_STATE_PENDING)
            sum += mico_trial_digest(study->key, &study->trial[t]);
    for (size_t c = 0; c < study->n_checks; c++)
        if (study->check[c].mode == MICO_MODE_INT)
            sum += check_digest(study->key, &study->check[c]);
    return sum;
}

uint64_t mico_run_digest(const mico_run *run)
{
    uint64_t sum = 0;

    for (size_t s = 0; s < run->n_studies; s++) {
        mico_writer w = {0};

        mico_put_u64(&w, s);
        mico_put_u64(&w, run->study[s].key);
        mico_put_u64(&w, mico_study_digest(&run->study[s]));
        sum += mico_hash(w.bytes, w.len, 0);
        mico_writer_free(&w);
    }
    return sum;
}

void mico_run_free(mico_run *run)
{
    if (run == NULL)
        return;
    for (size_t s = 0; s < run->n_studies; s++) {
        mico_study_run *study = &run->study[s];

        free(study->canonical);
        free(study->searcher);
        mico_problem_free(&study->problem);
        free(study->layer_kind);
        free(study->layer_weights);
        free(study->calib);
        free(study->trial);
        free(study->check);
    }
    free(run->study);
    free(run->start);
    free(run->job_text);
    free(run);
}
