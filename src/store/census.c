/* Every scheme of a small space with its number of right answers: order, lookup,
 * digest, and how one is made of a finished run. */
#include "store/store.h"

#include "core/hash.h"
#include "core/mem.h"
#include "core/pack.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- order ---------------------------------------------------------------------- */

mico_status mico_census_count(const mico_space *space, size_t *n, mico_err *err)
{
    size_t count = 1;

    for (size_t v = 0; v < space->n_vars; v++) {
        if (count > MICO_CENSUS_MOST / space->var[v].n)
            return mico_fail(
                err, MICO_ELIMIT,
                "a table of %.4g schemes, more than %zu; allow fewer widths",
                mico_space_size(space), MICO_CENSUS_MOST);
        count *= space->var[v].n;
    }
    *n = count;
    return MICO_OK;
}

void mico_census_levels(const mico_space *space, size_t index, uint8_t *levels)
{
    for (size_t v = space->n_vars; v-- > 0;) {
        levels[v] = (uint8_t)(index % space->var[v].n);
        index /= space->var[v].n;
    }
}

size_t mico_census_index(const mico_space *space, const uint8_t *levels)
{
    size_t index = 0;

    for (size_t v = 0; v < space->n_vars; v++)
        index = index * space->var[v].n + levels[v];
    return index;
}

/* ---- lookup --------------------------------------------------------------------- */

static bool find_level(const mico_options *options, uint8_t width, uint8_t *level)
{
    for (uint8_t i = 0; i < options->n; i++) {
        if (options->width[i] == width) {
            *level = i;
            return true;
        }
    }
    return false;
}

size_t mico_census_find(const mico_census *census, const mico_scheme *scheme)
{
    const mico_space *space = &census->problem.space;
    uint8_t levels[MICO_MAX_GENES] = {0};
    mico_scheme found;

    if (scheme->n_layers != space->n_layers)
        return census->n;
    for (size_t g = 0; g < 2 * space->n_layers; g++) {
        size_t v = space->var_of[g];

        if (!find_level(&space->var[v], scheme->bits[g], &levels[v]))
            return census->n;
    }
    /* genes that share a variable must agree */
    mico_space_scheme(space, levels, &found);
    return mico_scheme_equal(&found, scheme) ? mico_census_index(space, levels)
                                             : census->n;
}

void mico_census_answer(const mico_census *census, const mico_scheme *scheme,
                        mico_outcome *outcome)
{
    size_t i = mico_census_find(census, scheme);

    *outcome = (mico_outcome){.state = MICO_STATE_DONE, .images = census->images};
    if (i == census->n) {
        *outcome = (mico_outcome){.state = MICO_STATE_BAD_OUTPUT};
        snprintf(outcome->reason, sizeof outcome->reason,
                 "the table does not hold this scheme");
    } else if (census->correct[i] == MICO_CENSUS_REFUSED) {
        *outcome = (mico_outcome){.state = MICO_STATE_REFUSED};
        snprintf(outcome->reason, sizeof outcome->reason,
                 "refused when the table was made");
    } else {
        outcome->correct = census->correct[i];
        outcome->loss = census->loss != NULL ? census->loss[i] : 0;
    }
}

/* ---- setting and digest --------------------------------------------------------- */

/* Keys that say what a scheme is evaluated on and how: part of the digest, so a new key
 * whose default changes nothing is better left out. */
static bool is_setting(const char *section, const char *key)
{
    static const char *const keys[] = {
        "data.transform",    "data.calibration",   "data.search",
        "space.granularity", "space.weight_scale", "space.act_range",
        "space.percentile",  "space.act_codes",    "space.profile",
    };
    char name[160];

    snprintf(name, sizeof name, "%s.%s", section, key);
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (strcmp(name, keys[i]) == 0)
            return true;
    return false;
}

char *mico_census_setting(const char *canonical)
{
    char section[64] = "";
    mico_str out = {0};

    mico_str_put(&out, "", 0);
    for (const char *line = canonical; *line != '\0';) {
        size_t n = strcspn(line, "\n"), key = strcspn(line, " =");
        char name[64];

        if (n > 2 && line[0] == '[' && line[n - 1] == ']') {
            snprintf(section, sizeof section, "%.*s", (int)(n - 2), line + 1);
        } else if (key < n && key < sizeof name) {
            snprintf(name, sizeof name, "%.*s", (int)key, line);
            if (is_setting(section, name))
                mico_str_add(&out, "%s.%.*s\n", section, (int)n, line);
        }
        line += n + (line[n] == '\n');
    }
    return out.text != NULL ? out.text : mico_xstrdup("");
}

uint64_t mico_census_digest(const mico_census *census)
{
    const mico_space *space = &census->problem.space;
    mico_writer w = {0};
    uint64_t digest;

    mico_put_u64(&w, census->net_hash);
    mico_put_u64(&w, census->data_hash);
    mico_put_text(&w, census->setting);
    mico_put_u64(&w, census->images);
    mico_put_u64(&w, space->n_layers);
    for (size_t g = 0; g < 2 * space->n_layers; g++)
        mico_put_u32(&w, space->var_of[g]);
    for (size_t v = 0; v < space->n_vars; v++)
        mico_put_bytes(&w, space->var[v].width, space->var[v].n);
    for (size_t i = 0; i < census->n; i++)
        mico_put_u32(&w, census->correct[i]);
    digest = mico_hash(w.bytes, w.len, 0);
    mico_writer_free(&w);
    return digest;
}

/* ---- from a run ----------------------------------------------------------------- */

static void copy_problem(mico_census *census, const mico_study_run *study)
{
    const mico_problem *from = &study->problem;
    mico_problem *to = &census->problem;
    size_t n = from->space.n_layers, cells = n * MICO_N_WIDTHS * MICO_N_WIDTHS;

    *to = *from;
    to->n_constraints = 0;
    to->goal = MICO_GOAL_ACCURACY;
    to->pareto_metric = 0;
    for (size_t m = 0; m < to->n_metrics; m++) {
        to->metric[m].table = mico_xcalloc(cells, sizeof(double));
        memcpy(to->metric[m].table, from->metric[m].table, cells * sizeof(double));
    }
    to->layer_macs = mico_xcalloc(n, sizeof *to->layer_macs);
    memcpy(to->layer_macs, from->layer_macs, n * sizeof *to->layer_macs);
    to->layer_name = mico_xcalloc(n, sizeof *to->layer_name);
    memcpy(to->layer_name, from->layer_name, n * sizeof *to->layer_name);
    census->layer_kind = mico_xcalloc(n, MICO_NAME_SIZE);
    memcpy(census->layer_kind, study->layer_kind, n * MICO_NAME_SIZE);
    census->layer_weights = mico_xcalloc(n, sizeof *census->layer_weights);
    memcpy(census->layer_weights, study->layer_weights,
           n * sizeof *census->layer_weights);
}

/* Enters one trial; true where it is the first of its scheme. */
static mico_status enter(mico_census *census, const mico_trial *trial, bool *known,
                         size_t *n_known, mico_err *err)
{
    const mico_outcome *outcome = &trial->outcome;
    size_t i = mico_census_find(census, &trial->scheme);

    if (outcome->state != MICO_STATE_DONE && outcome->state != MICO_STATE_REFUSED &&
        outcome->state != MICO_STATE_BAD_OUTPUT)
        return MICO_OK;
    if (i == census->n || known[i])
        return MICO_OK;
    if (outcome->state == MICO_STATE_DONE) {
        if (outcome->images == 0 || outcome->images >= MICO_CENSUS_REFUSED ||
            outcome->correct > outcome->images ||
            (census->images > 0 && outcome->images != census->images))
            return mico_fail(err, MICO_EFORMAT,
                             "trial %llu was evaluated on %llu images, others on %llu",
                             (unsigned long long)trial->id,
                             (unsigned long long)outcome->images,
                             (unsigned long long)census->images);
        census->images = outcome->images;
        census->correct[i] = (uint32_t)outcome->correct;
        census->loss[i] = outcome->loss;
    }
    known[i] = true;
    (*n_known)++;
    return MICO_OK;
}

static void take_checks(mico_census *census, const mico_study_run *study)
{
    for (size_t c = 0; c < study->n_checks; c++) {
        const mico_check *check = &study->check[c];

        if (check->mode == MICO_MODE_FP32 && check->split == MICO_SPLIT_SEARCH &&
            check->outcome.state == MICO_STATE_DONE &&
            check->outcome.images == census->images)
            census->fp32_correct = (int64_t)check->outcome.correct;
    }
}

mico_status mico_census_from_run(mico_census **out, const mico_run *run, size_t study,
                                 mico_err *err)
{
    const mico_study_run *s = &run->study[study];
    mico_census *census = mico_xcalloc(1, sizeof *census);
    const char *slash = strrchr(run->net_path, '/');
    size_t n_known = 0;
    bool *known = NULL;
    mico_status rc = mico_census_count(&s->problem.space, &census->n, err);

    if (rc != MICO_OK)
        goto out;
    copy_problem(census, s);
    census->net_hash = run->net_hash;
    census->data_hash = run->data_hash;
    census->calib_hash = s->calib != NULL ? mico_hash(s->calib, s->calib_bytes, 0) : 0;
    census->fp32_correct = -1;
    census->setting = mico_census_setting(s->canonical);
    snprintf(census->net, sizeof census->net, "%.63s",
             slash != NULL ? slash + 1 : run->net_path);
    if (run->n_starts > 0)
        snprintf(census->version, sizeof census->version, "%s",
                 run->start[run->n_starts - 1].version);
    census->correct = mico_xcalloc(census->n, sizeof *census->correct);
    census->loss = mico_xcalloc(census->n, sizeof *census->loss);
    known = mico_xcalloc(census->n, sizeof *known);
    for (size_t i = 0; i < census->n; i++) {
        census->correct[i] = MICO_CENSUS_REFUSED;
        census->loss[i] = NAN;
    }
    for (size_t t = 0; t < s->n_trials && rc == MICO_OK; t++)
        rc = enter(census, &s->trial[t], known, &n_known, err);
    if (rc == MICO_OK && (n_known < census->n || census->images == 0))
        rc = mico_fail(
            err, MICO_EUNMET,
            "study %s: %zu of %zu schemes have no result; a table needs all of "
            "them: search.method = grid, no subject_to, a budget that large",
            s->name, census->n - n_known, census->n);
    take_checks(census, s);
    census->digest = rc == MICO_OK ? mico_census_digest(census) : 0;
out:
    free(known);
    if (rc == MICO_OK)
        *out = census;
    else
        mico_census_free(census);
    return rc;
}

void mico_census_free(mico_census *census)
{
    if (census == NULL)
        return;
    mico_problem_free(&census->problem);
    free(census->setting);
    free(census->layer_kind);
    free(census->layer_weights);
    free(census->correct);
    free(census->loss);
    free(census);
}
