/* A results file (HDF5) back into a run. */
#include "store/columns.h"
#include "store/parts.h"
#include "store/store_internal.h"

#include "core/file.h"
#include "core/hash.h"
#include "core/mem.h"
#include "core/seal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REMEDY "the next start of its sweep makes a new one"

/* ---- problem -------------------------------------------------------------------- */

typedef struct text_slots { /* texts of fixed size, row_bytes apart */
    mico_h5 *h;
    const char *name;
    char *first;
    size_t size, row_bytes;
} text_slots;

static void take_slot(void *data, size_t i, const char *text)
{
    text_slots *t = data;

    if (strlen(text) >= t->size)
        mico_h5_wrong(t->h, "dataset %s holds a text of %zu bytes", t->name,
                      strlen(text));
    else
        memcpy(t->first + i * t->row_bytes, text, strlen(text) + 1);
}

static void get_slots(mico_h5 *h, hid_t group, const char *name, size_t n, char *first,
                      size_t size, size_t row_bytes)
{
    text_slots slots = {h, name, first, size, row_bytes};

    mico_h5_get_texts(h, group, name, n, take_slot, &slots);
}

static void get_space(mico_h5 *h, hid_t group, mico_space *space)
{
    size_t cells = space->n_vars * MICO_N_WIDTHS, genes = 2 * space->n_layers;
    uint8_t *options = mico_xcalloc(cells, 1);
    int64_t var_of[MICO_MAX_GENES];

    mico_h5_get(h, group, "options", H5T_NATIVE_UINT8, cells, options, cells);
    mico_h5_get(h, group, "variable_of", H5T_NATIVE_INT64, genes, var_of,
                genes * sizeof *var_of);
    for (size_t v = 0; v < space->n_vars; v++) {
        const uint8_t *width = options + v * MICO_N_WIDTHS;

        while (space->var[v].n < MICO_N_WIDTHS && width[space->var[v].n] != 0)
            space->var[v].n++;
        memcpy(space->var[v].width, width, space->var[v].n);
    }
    for (size_t g = 0; g < genes && mico_h5_ok(h); g++) {
        if (var_of[g] < 0 || var_of[g] >= (int64_t)space->n_vars)
            mico_h5_wrong(h, "gene %zu has no search variable", g);
        else
            space->var_of[g] = (uint16_t)var_of[g];
    }
    free(options);
}

static void get_metrics(mico_h5 *h, hid_t group, mico_problem *problem, size_t n)
{
    size_t cells = problem->space.n_layers * MICO_N_WIDTHS * MICO_N_WIDTHS;
    double constant[MICO_MAX_METRICS], *table;

    if (n == 0 || !mico_h5_ok(h))
        return;
    get_slots(h, group, "cost", n, problem->metric[0].name, MICO_NAME_SIZE,
              sizeof problem->metric[0]);
    get_slots(h, group, "cost_unit", n, problem->metric[0].unit,
              sizeof problem->metric[0].unit, sizeof problem->metric[0]);
    mico_h5_get(h, group, "cost_constant", H5T_NATIVE_DOUBLE, n, constant,
                n * sizeof *constant);
    table = mico_xcalloc(n * cells, sizeof *table);
    mico_h5_get(h, group, "cost_table", H5T_NATIVE_DOUBLE, n * cells, table,
                n * cells * sizeof *table);
    for (; problem->n_metrics < n; problem->n_metrics++) {
        mico_metric *metric = &problem->metric[problem->n_metrics];

        metric->constant = constant[problem->n_metrics];
        metric->table = mico_xcalloc(cells, sizeof *table);
        memcpy(metric->table, table + problem->n_metrics * cells,
               cells * sizeof *table);
    }
    free(table);
}

static void get_constraints(mico_h5 *h, hid_t group, mico_problem *problem, size_t n)
{
    double limit[MICO_MAX_METRICS];
    int64_t metric[MICO_MAX_METRICS];

    if (n == 0 || !mico_h5_ok(h))
        return;
    get_slots(h, group, "constraint", n, problem->constraint[0].text,
              sizeof problem->constraint[0].text, sizeof problem->constraint[0]);
    mico_h5_get(h, group, "constraint_limit", H5T_NATIVE_DOUBLE, n, limit,
                n * sizeof *limit);
    mico_h5_get(h, group, "constraint_cost", H5T_NATIVE_INT64, n, metric,
                n * sizeof *metric);
    for (size_t c = 0; c < n; c++) {
        problem->constraint[c].limit = limit[c];
        problem->constraint[c].metric = metric[c] < 0 ? SIZE_MAX : (size_t)metric[c];
    }
    problem->n_constraints = n;
}

void mico_part_get_problem(mico_h5 *h, hid_t where, mico_problem *problem)
{
    hid_t group = mico_h5_open(h, where, "problem");
    size_t costs, constraints;
    mico_err why;

    problem->space.n_layers =
        (size_t)mico_h5_get_attr_int(h, group, "layers", 1, MICO_MAX_LAYERS);
    problem->space.n_vars =
        (size_t)mico_h5_get_attr_int(h, group, "variables", 1, MICO_MAX_GENES);
    costs = (size_t)mico_h5_get_attr_int(h, group, "costs", 0, MICO_MAX_METRICS);
    constraints =
        (size_t)mico_h5_get_attr_int(h, group, "constraints", 0, MICO_MAX_METRICS);
    problem->goal =
        (mico_goal)mico_h5_get_attr_int(h, group, "goal", 0, MICO_GOAL_PARETO);
    problem->pareto_metric =
        (size_t)mico_h5_get_attr_int(h, group, "front_cost", 0, MICO_MAX_METRICS);
    if (mico_h5_ok(h)) {
        get_space(h, group, &problem->space);
        get_metrics(h, group, problem, costs);
        get_constraints(h, group, problem, constraints);
    }
    if (mico_h5_ok(h) && mico_problem_check(problem, &why) != MICO_OK)
        mico_h5_wrong(h, "%s", why.text);
    mico_h5_close(group);
}

void mico_part_get_layers(mico_h5 *h, hid_t group, mico_study_run *study)
{
    size_t n = study->problem.space.n_layers;
    mico_problem *problem = &study->problem;

    if (!mico_h5_ok(h))
        return;
    problem->layer_macs = mico_xcalloc(n, sizeof *problem->layer_macs);
    problem->layer_name = mico_xcalloc(n, sizeof *problem->layer_name);
    study->layer_kind = mico_xcalloc(n, MICO_NAME_SIZE);
    study->layer_weights = mico_xcalloc(n, sizeof *study->layer_weights);
    get_slots(h, group, "layer", n, problem->layer_name[0], MICO_NAME_SIZE,
              MICO_NAME_SIZE);
    get_slots(h, group, "kind", n, study->layer_kind, MICO_NAME_SIZE, MICO_NAME_SIZE);
    mico_h5_get(h, group, "macs", H5T_NATIVE_DOUBLE, n, problem->layer_macs,
                n * sizeof *problem->layer_macs);
    mico_h5_get(h, group, "weights", H5T_NATIVE_DOUBLE, n, study->layer_weights,
                n * sizeof *study->layer_weights);
}

/* ---- trials, checks, starts ----------------------------------------------------- */

static void *rows_for(mico_h5 *h, size_t n, size_t size, const char *what)
{
    void *rows = NULL;
    mico_err why;

    if (mico_h5_ok(h) && mico_try_array(&rows, n, size, MICO_STORE_MAX_TRIALS * size,
                                        what, &why) != MICO_OK)
        mico_h5_wrong(h, "%s", why.text);
    return rows;
}

static void check_scheme(mico_h5 *h, const mico_scheme *scheme, const char *what,
                         size_t i)
{
    for (size_t g = 0; g < 2 * scheme->n_layers && mico_h5_ok(h); g++)
        if (!mico_width_valid(scheme->bits[g]))
            mico_h5_wrong(h, "%s %zu has the impossible width %d", what, i,
                          scheme->bits[g]);
}

static void check_outcome(mico_h5 *h, const mico_outcome *outcome, const char *what,
                          size_t i)
{
    mico_err why;

    if (mico_h5_ok(h) && mico_outcome_check(outcome, &why) != MICO_OK)
        mico_h5_wrong(h, "%s %zu: %s", what, i, why.text);
}

static void get_trials(mico_h5 *h, hid_t group, mico_study_run *study)
{
    size_t n = mico_table_rows(h, group, &mico_trial_table, MICO_STORE_MAX_TRIALS);

    study->trial = rows_for(h, n, sizeof *study->trial, "trials");
    if (study->trial == NULL)
        return;
    study->n_trials = study->trial_capacity = n;
    mico_table_read(h, group, &mico_trial_table, study->trial, n);
    mico_bits_read(h, group, &study->trial[0].scheme, sizeof *study->trial,
                   study->problem.space.n_layers, n);
    for (size_t i = 0; i < n && mico_h5_ok(h); i++) {
        mico_trial *trial = &study->trial[i];

        trial->id = i;
        check_scheme(h, &trial->scheme, "trial", i);
        if (trial->outcome.state != MICO_STATE_PENDING)
            check_outcome(h, &trial->outcome, "trial", i);
        if (trial->dup_of != MICO_NO_TRIAL && trial->dup_of >= i)
            mico_h5_wrong(h, "trial %zu duplicates a later one", i);
    }
}

static void get_checks(mico_h5 *h, hid_t where, mico_study_run *study)
{
    hid_t group = mico_h5_open(h, where, "checks");
    size_t n = mico_table_rows(h, group, &mico_check_table, MICO_STORE_MAX_CHECKS);

    study->check = rows_for(h, n, sizeof *study->check, "checks");
    if (study->check != NULL) {
        study->n_checks = n;
        mico_table_read(h, group, &mico_check_table, study->check, n);
        mico_bits_read(h, group, &study->check[0].scheme, sizeof *study->check,
                       study->problem.space.n_layers, n);
        for (size_t i = 0; i < n && mico_h5_ok(h); i++) {
            mico_check *check = &study->check[i];

            if (check->scheme.bits[0] == 0) /* fp32 has no widths */
                check->scheme = (mico_scheme){0};
            check_scheme(h, &check->scheme, "check", i);
            check_outcome(h, &check->outcome, "check", i);
            if (check->trial != MICO_NO_TRIAL && check->trial >= study->n_trials)
                mico_h5_wrong(h, "check %zu repeats a trial that is not there", i);
        }
    }
    mico_h5_close(group);
}

static void get_calib(mico_h5 *h, hid_t group, mico_study_run *study)
{
    static const char name[] = "problem/calibration";

    if (!mico_h5_has(h, group, name))
        return;
    study->calib_bytes = mico_h5_length(h, group, name, 1, NULL, MICO_STORE_MAX_CALIB);
    study->calib = rows_for(h, study->calib_bytes, 1, "calibration");
    if (study->calib != NULL)
        mico_h5_get(h, group, name, H5T_NATIVE_UINT8, study->calib_bytes, study->calib,
                    study->calib_bytes);
}

static void get_starts(mico_h5 *h, hid_t root, mico_run *run)
{
    hid_t group = mico_h5_open(h, root, "provenance/starts");
    size_t n = mico_table_rows(h, group, &mico_start_table, MICO_STORE_MAX_STARTS);

    run->start = rows_for(h, n, sizeof *run->start, "starts");
    if (run->start != NULL) {
        run->n_starts = n;
        mico_table_read(h, group, &mico_start_table, run->start, n);
    }
    mico_h5_close(group);
}

/* ---- studies and the file ------------------------------------------------------- */

static void get_study(mico_h5 *h, hid_t group, mico_study_run *study)
{
    mico_h5_get_attr_in(h, group, "name", study->name, sizeof study->name);
    study->key = mico_h5_get_attr_hex(h, group, "key");
    study->searcher = mico_h5_get_attr(h, group, "searcher");
    study->canonical = mico_h5_get_text(h, group, "job");
    study->complete = mico_h5_get_attr_int(h, group, "complete", 0, 1) == 1;
    study->digest = mico_h5_get_attr_hex(h, group, "digest");
    mico_part_get_problem(h, group, &study->problem);
    mico_part_get_layers(h, group, study);
    get_trials(h, group, study);
    get_checks(h, group, study);
    get_calib(h, group, study);
}

/* Studies stand in the file by name; attribute index is their place in the run. */
static void get_studies(mico_h5 *h, hid_t root, mico_run *run)
{
    hid_t studies = mico_h5_open(h, root, "studies");
    H5G_info_t info = {0};

    if (mico_h5_ok(h) && (H5Gget_info(studies, &info) < 0 || info.nlinks < 1 ||
                          info.nlinks > MICO_STORE_MAX_STUDIES))
        mico_h5_wrong(h, "no studies, or too many");
    if (!mico_h5_ok(h))
        goto out;
    run->n_studies = (size_t)info.nlinks;
    run->study = mico_xcalloc(run->n_studies, sizeof *run->study);
    for (size_t i = 0; i < run->n_studies && mico_h5_ok(h); i++) {
        char link[256] = "";
        int64_t place;
        hid_t group;

        if (H5Lget_name_by_idx(studies, ".", H5_INDEX_NAME, H5_ITER_INC, i, link,
                               sizeof link, H5P_DEFAULT) < 0)
            mico_h5_fail(h, "studies");
        group = mico_h5_open(h, studies, link);
        place = mico_h5_get_attr_int(h, group, "index", 0, (int64_t)run->n_studies - 1);
        if (mico_h5_ok(h) && run->study[place].canonical != NULL)
            mico_h5_wrong(h, "two studies have index %d", (int)place);
        if (mico_h5_ok(h))
            get_study(h, group, &run->study[place]);
        if (!mico_h5_ok(h) && h->err != NULL)
            mico_err_append(h->err, " (study %s)", link);
        mico_h5_close(group);
    }
out:
    mico_h5_close(studies);
}

static void get_root(mico_h5 *h, hid_t root, mico_run *run)
{
    hid_t job = -1, provenance;

    if (mico_h5_ok(h) && H5Aexists(root, "mico_format") <= 0)
        mico_h5_wrong(h, "not a results file of mico-sweep (no attribute mico_format)");
    mico_h5_get_attr_int(h, root, "mico_format", 1, MICO_H5_FORMAT);
    run->job_text = mico_h5_get_text(h, root, "job");
    if (mico_h5_ok(h))
        job = H5Dopen2(root, "job", H5P_DEFAULT);
    mico_h5_get_attr_in(h, job, "path", run->job_path, sizeof run->job_path);
    run->job_hash = mico_h5_get_attr_hex(h, job, "hash");
    if (job >= 0)
        H5Dclose(job);
    provenance = mico_h5_open(h, root, "provenance");
    mico_h5_get_attr_in(h, provenance, "net_path", run->net_path, sizeof run->net_path);
    run->net_hash = mico_h5_get_attr_hex(h, provenance, "net_hash");
    mico_h5_get_attr_in(h, provenance, "data_path", run->data_path,
                        sizeof run->data_path);
    run->data_hash = mico_h5_get_attr_hex(h, provenance, "data_hash");
    mico_h5_close(provenance);
}

/* A file that another program has changed has lost its seal and is taken as it is. */
mico_status mico_part_check_bytes(const char *path, const uint8_t *bytes, size_t n,
                                  const char *remedy, mico_err *err)
{
    if (n < 8 || memcmp(bytes, "\x89HDF\r\n\x1a\n", 8) != 0)
        return mico_fail(err, MICO_EFORMAT, "%s: not an HDF5 file", path);
    if (mico_seal_check(bytes, n) == MICO_SEAL_BROKEN)
        return mico_fail(err, MICO_EFORMAT, "%s: damaged (wrong checksum); %s", path,
                         remedy);
    return MICO_OK;
}

hid_t mico_part_open_bytes(mico_h5 *h, uint8_t *bytes, size_t n, const char *remedy)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), file = -1;
    char name[MICO_H5_NAME_SIZE], what[160];

    snprintf(name, sizeof name, MICO_H5_MEMORY, "read", h->path);
    snprintf(what, sizeof what, "cannot open (%s)", remedy);
    if (H5Pset_fapl_core(access, 1 << 16, false) < 0 ||
        H5Pset_file_image(access, bytes, n) < 0 ||
        (file = H5Fopen(name, H5F_ACC_RDONLY, access)) < 0)
        mico_h5_fail(h, what);
    H5Pclose(access);
    return file;
}

mico_status mico_results_load(mico_run **out, const char *path, mico_err *err)
{
    mico_run *run = NULL;
    uint8_t *bytes = NULL;
    size_t n;
    mico_h5 h;
    hid_t file;
    mico_status rc = mico_file_read(&bytes, &n, path, MICO_STORE_MAX_H5, err);

    if (rc == MICO_OK)
        rc = mico_part_check_bytes(path, bytes, n, REMEDY, err);
    if (rc != MICO_OK)
        goto out;
    run = mico_xcalloc(1, sizeof *run);
    mico_h5_begin(&h, path, MICO_EFORMAT, err);
    file = mico_part_open_bytes(&h, bytes, n, REMEDY);
    get_root(&h, file, run);
    get_starts(&h, file, run);
    get_studies(&h, file, run);
    if (file >= 0)
        H5Fclose(file);
    rc = mico_h5_end(&h);
    if (rc == MICO_OK)
        *out = run;
    else
        mico_run_free(run);
out:
    free(bytes);
    return rc;
}
