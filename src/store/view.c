/* The HDF5 view of a run: rebuilt whole, or extended by what changed since the last
 * flush.
 *
 * Reading it back is reader.c's; docs/FORMAT.md describes the layout for people. */
#include "store/columns.h"
#include "store/parts.h"
#include "store/store_internal.h"

#include "core/file.h"
#include "core/hash.h"
#include "core/mem.h"
#include "core/seal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMN_NAME_SIZE (MICO_NAME_SIZE + 32)
#define GROW_BYTES       ((size_t)1 << 20)

/* What the file holds of a study. */
typedef struct held {
    size_t checks;
    size_t settled; /* rows before this one were finished and need no rewriting */
    double best;    /* best feasible accuracy among them; NaN where there is none */
    bool has_calib, complete;
} held;

struct mico_view {
    const char *path;
    hid_t file; /* in memory; -1: none yet */
    size_t n_studies, n_starts;
    bool ended; /* the last start */
    held *study;
};

/* ---- layers and problem --------------------------------------------------------- */

/* The layer scale with what is known of each layer, in a group of its own or a study's.
 */
void mico_part_put_layers(mico_h5 *h, hid_t group, const mico_study_run *study)
{
    hsize_t n = study->problem.space.n_layers;
    const char **text = mico_xcalloc(n, sizeof *text);

    for (size_t l = 0; l < n; l++)
        text[l] = study->problem.layer_name[l];
    mico_h5_put_texts(h, group, "layer", n, text);
    mico_h5_scale(h, group, "layer");
    for (size_t l = 0; l < n; l++)
        text[l] = study->layer_kind + l * MICO_NAME_SIZE;
    mico_h5_put_texts(h, group, "kind", n, text);
    mico_h5_put(h, group, "macs", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, 1, &n,
                study->problem.layer_macs);
    mico_h5_put(h, group, "weights", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, 1, &n,
                study->layer_weights);
    mico_h5_attach(h, group, "kind", 0, "layer");
    mico_h5_attach(h, group, "macs", 0, "layer");
    mico_h5_attach(h, group, "weights", 0, "layer");
    mico_column_explain(h, group, "macs", "1", "multiply-accumulates per input");
    mico_column_explain(h, group, "weights", "1", "number of weights");
    free(text);
}

static bool name_taken(const char *name)
{
    static const char *const others[] = {
        "trial",   "layer",     "kind",        "macs",        "weights", "accuracy",
        "loss",    "violation", "feasible",    "best_so_far", "front",   "checks",
        "problem", "job",       "weight_bits", "act_bits",
    };

    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (strcmp(name, others[i]) == 0)
            return true;
    for (size_t c = 0; c < mico_trial_table.n_columns; c++)
        if (strcmp(name, mico_trial_table.column[c].name) == 0)
            return true;
    return false;
}

/* A cost's column is called like the cost, unless that name is taken. */
static void cost_column(const mico_problem *problem, size_t m,
                        char out[COLUMN_NAME_SIZE])
{
    char link[MICO_NAME_SIZE], other[MICO_NAME_SIZE];
    bool taken;

    mico_link_name(problem->metric[m].name, link);
    taken = name_taken(link);
    for (size_t k = 0; k < m && !taken; k++) {
        mico_link_name(problem->metric[k].name, other);
        taken = strcmp(link, other) == 0;
    }
    if (taken)
        snprintf(out, COLUMN_NAME_SIZE, "cost%zu_%s", m, link);
    else
        snprintf(out, COLUMN_NAME_SIZE, "%s", link);
}

static void put_space(mico_h5 *h, hid_t group, const mico_space *space)
{
    hsize_t size[2] = {space->n_vars, MICO_N_WIDTHS}, genes = 2 * space->n_layers;
    uint8_t *options = mico_xcalloc(space->n_vars, MICO_N_WIDTHS);
    int64_t var_of[MICO_MAX_GENES];

    for (size_t v = 0; v < space->n_vars; v++)
        memcpy(options + v * MICO_N_WIDTHS, space->var[v].width, space->var[v].n);
    for (size_t g = 0; g < genes; g++)
        var_of[g] = space->var_of[g];
    mico_h5_put(h, group, "options", H5T_STD_U8LE, H5T_NATIVE_UINT8, 2, size, options);
    mico_h5_put(h, group, "variable_of", H5T_STD_I64LE, H5T_NATIVE_INT64, 1, &genes,
                var_of);
    mico_column_explain(h, group, "options", "bit",
                        "allowed widths of each search variable; 0 is none");
    mico_column_explain(h, group, "variable_of", NULL,
                        "search variable of each layer's weights, then activations");
    free(options);
}

static void put_metrics(mico_h5 *h, hid_t group, const mico_problem *problem)
{
    hsize_t n = problem->n_metrics, layers = problem->space.n_layers;
    hsize_t size[4] = {n, layers, MICO_N_WIDTHS, MICO_N_WIDTHS};
    size_t cells = (size_t)layers * MICO_N_WIDTHS * MICO_N_WIDTHS;
    char columns[MICO_MAX_METRICS][COLUMN_NAME_SIZE];
    const char *name[MICO_MAX_METRICS], *unit[MICO_MAX_METRICS],
        *column[MICO_MAX_METRICS];
    double constant[MICO_MAX_METRICS], *table;

    if (n == 0)
        return;
    table = mico_xcalloc(n * cells, sizeof *table);
    for (size_t m = 0; m < n; m++) {
        cost_column(problem, m, columns[m]);
        column[m] = columns[m];
        name[m] = problem->metric[m].name;
        unit[m] = problem->metric[m].unit;
        constant[m] = problem->metric[m].constant;
        memcpy(table + m * cells, problem->metric[m].table, cells * sizeof *table);
    }
    mico_h5_put_texts(h, group, "cost", n, name);
    mico_h5_put_texts(h, group, "cost_column", n, column);
    mico_h5_put_texts(h, group, "cost_unit", n, unit);
    mico_h5_put(h, group, "cost_constant", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, 1, &n,
                constant);
    mico_h5_put(h, group, "cost_table", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, 4, size,
                table);
    mico_column_explain(h, group, "cost_table", NULL,
                        "by cost, layer, weight and activation width (1, t, 2, ... 8)");
    free(table);
}

static void put_constraints(mico_h5 *h, hid_t group, const mico_problem *problem)
{
    hsize_t n = problem->n_constraints;
    const char *text[MICO_MAX_METRICS];
    double limit[MICO_MAX_METRICS];
    int64_t metric[MICO_MAX_METRICS];

    if (n == 0)
        return;
    for (size_t c = 0; c < n; c++) {
        text[c] = problem->constraint[c].text;
        limit[c] = problem->constraint[c].limit;
        metric[c] = (int64_t)problem->constraint[c].metric;
    }
    mico_h5_put_texts(h, group, "constraint", n, text);
    mico_h5_put(h, group, "constraint_limit", H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, 1, &n,
                limit);
    mico_h5_put(h, group, "constraint_cost", H5T_STD_I64LE, H5T_NATIVE_INT64, 1, &n,
                metric);
}

void mico_part_put_problem(mico_h5 *h, hid_t where, const mico_problem *problem)
{
    hid_t group = mico_h5_group(h, where, "problem");

    mico_h5_attr_int(h, group, ".", "layers", (int64_t)problem->space.n_layers);
    mico_h5_attr_int(h, group, ".", "variables", (int64_t)problem->space.n_vars);
    mico_h5_attr_int(h, group, ".", "costs", (int64_t)problem->n_metrics);
    mico_h5_attr_int(h, group, ".", "constraints", (int64_t)problem->n_constraints);
    mico_h5_attr_int(h, group, ".", "goal", (int64_t)problem->goal);
    mico_h5_attr_int(h, group, ".", "front_cost", (int64_t)problem->pareto_metric);
    put_space(h, group, &problem->space);
    put_metrics(h, group, problem);
    put_constraints(h, group, problem);
    mico_h5_close(group);
}

/* ---- a study -------------------------------------------------------------------- */

static void put_objective(mico_h5 *h, hid_t group, const mico_problem *problem)
{
    mico_str limits = {0};
    char text[MICO_NAME_SIZE + 64] = "highest accuracy";

    if (problem->goal == MICO_GOAL_PARETO)
        snprintf(text, sizeof text, "front of accuracy against %s",
                 problem->n_metrics > 0 ? problem->metric[problem->pareto_metric].name
                                        : "nothing");
    for (size_t c = 0; c < problem->n_constraints; c++)
        mico_str_add(&limits, "%s%s", c > 0 ? "; " : "", problem->constraint[c].text);
    mico_h5_attr_text(h, group, ".", "objective", text);
    mico_h5_attr_text(h, group, ".", "constraints",
                      limits.text != NULL ? limits.text : "");
    mico_str_free(&limits);
}

static void make_derived(mico_h5 *h, hid_t group, const mico_problem *problem)
{
    static const struct {
        const char *name, *units, *text;
    } derived[] = {
        {"accuracy", "1", "correct/images; NaN if not measured"},
        {"violation", "1", "sum of cost/limit - 1 over exceeded limits"},
        {"best_so_far", "1", "best feasible accuracy of this and earlier trials"},
    };

    for (size_t i = 0; i < sizeof derived / sizeof derived[0]; i++) {
        mico_h5_column(h, group, derived[i].name, H5T_IEEE_F64LE, 0, "trial", NULL);
        mico_column_explain(h, group, derived[i].name, derived[i].units,
                            derived[i].text);
    }
    mico_h5_column(h, group, "feasible", H5T_STD_I8LE, 0, "trial", NULL);
    mico_h5_attr_flags(h, group, "feasible", 2, "no yes");
    for (size_t m = 0; m < problem->n_metrics; m++) {
        const mico_metric *metric = &problem->metric[m];
        char name[COLUMN_NAME_SIZE];

        cost_column(problem, m, name);
        mico_h5_column(h, group, name, H5T_IEEE_F64LE, 0, "trial", NULL);
        mico_column_explain(h, group, name, metric->unit, metric->name);
    }
    mico_h5_column(h, group, "front", H5T_STD_I64LE, 0, "front", NULL);
    mico_column_explain(h, group, "front", NULL,
                        "non-dominated feasible trials by ascending cost");
}

/* Whose arithmetic the study's integers follow: [space] profile of its job text. */
static void put_profile(mico_h5 *h, hid_t group, const char *job)
{
    const char *at = strstr(job, "\nprofile = ");
    char name[32];

    if (at == NULL)
        return;
    at += strlen("\nprofile = ");
    snprintf(name, sizeof name, "%.*s", (int)strcspn(at, "\n"), at);
    mico_h5_attr_text(h, group, ".", "profile", name);
}

static void make_study(mico_h5 *h, hid_t studies, const mico_study_run *study,
                       size_t index)
{
    size_t n_layers = study->problem.space.n_layers;
    char link[MICO_NAME_SIZE], layer[MICO_NAME_SIZE + 32];
    hid_t group, checks;

    mico_link_name(study->name, link);
    snprintf(layer, sizeof layer, "/studies/%s/layer", link);
    group = mico_h5_group(h, studies, link);
    mico_h5_attr_text(h, group, ".", "name", study->name);
    mico_h5_attr_int(h, group, ".", "index", (int64_t)index);
    mico_h5_attr_hex(h, group, ".", "key", study->key);
    mico_h5_attr_text(h, group, ".", "searcher", study->searcher);
    mico_h5_attr_int(h, group, ".", "complete", 0);
    mico_h5_attr_hex(h, group, ".", "digest", 0);
    put_objective(h, group, &study->problem);
    put_profile(h, group, study->canonical);
    mico_h5_put_text(h, group, "job", study->canonical);
    mico_part_put_layers(h, group, study);
    mico_part_put_problem(h, group, &study->problem);
    mico_table_make(h, group, &mico_trial_table);
    mico_bits_make(h, group, "trial", "layer", n_layers);
    make_derived(h, group, &study->problem);
    checks = mico_h5_group(h, group, "checks");
    mico_table_make(h, checks, &mico_check_table);
    mico_bits_make(h, checks, "check", layer, n_layers);
    mico_h5_column(h, checks, "accuracy", H5T_IEEE_F64LE, 0, "check", NULL);
    mico_column_explain(h, checks, "accuracy", "1",
                        "correct/images; NaN if not measured");
    mico_h5_close(checks);
    mico_h5_close(group);
}

static double accuracy_or_nan(const mico_outcome *outcome)
{
    return outcome->state == MICO_STATE_DONE ? mico_accuracy(outcome) : NAN;
}

/* Columns computed from scheme and outcome. Returns in `then` where the next flush goes
 * on. */
static void write_derived(mico_h5 *h, hid_t group, const mico_study_run *study,
                          held *have)
{
    const mico_problem *problem = &study->problem;
    size_t from = have->settled, n = study->n_trials, k = n - from;
    double *accuracy = mico_xcalloc(k, sizeof *accuracy);
    double *violation = mico_xcalloc(k, sizeof *violation);
    double *best = mico_xcalloc(k, sizeof *best);
    int8_t *feasible = mico_xcalloc(k, 1);
    double running = have->best;
    bool settled = true;

    for (size_t i = 0; i < k; i++) {
        const mico_trial *trial = &study->trial[from + i];

        accuracy[i] = accuracy_or_nan(&trial->outcome);
        violation[i] = mico_violation(problem, &trial->scheme);
        feasible[i] = !(violation[i] > 0);
        if (feasible[i])
            running = fmax(running, accuracy[i]); /* fmax passes over NaN */
        best[i] = running;
        settled = settled && trial->outcome.state != MICO_STATE_PENDING;
        if (settled) {
            have->settled = from + i + 1;
            have->best = running;
        }
    }
    mico_h5_rows(h, group, "accuracy", H5T_NATIVE_DOUBLE, 0, from, n, accuracy);
    mico_h5_rows(h, group, "violation", H5T_NATIVE_DOUBLE, 0, from, n, violation);
    mico_h5_rows(h, group, "feasible", H5T_NATIVE_INT8, 0, from, n, feasible);
    mico_h5_rows(h, group, "best_so_far", H5T_NATIVE_DOUBLE, 0, from, n, best);
    for (size_t m = 0; m < problem->n_metrics; m++) {
        char name[COLUMN_NAME_SIZE];

        for (size_t i = 0; i < k; i++)
            accuracy[i] =
                mico_metric_cost(&problem->metric[m], &study->trial[from + i].scheme);
        cost_column(problem, m, name);
        mico_h5_rows(h, group, name, H5T_NATIVE_DOUBLE, 0, from, n, accuracy);
    }
    free(accuracy);
    free(violation);
    free(best);
    free(feasible);
}

static void write_front(mico_h5 *h, hid_t group, const mico_study_run *study)
{
    size_t *index = mico_xcalloc(study->n_trials, sizeof *index);
    int64_t *id = mico_xcalloc(study->n_trials, sizeof *id);
    size_t n = mico_front(&study->problem, study->trial, study->n_trials, index);

    for (size_t i = 0; i < n; i++)
        id[i] = (int64_t)index[i];
    mico_h5_rows(h, group, "front", H5T_NATIVE_INT64, 0, 0, n, id);
    free(index);
    free(id);
}

static void write_checks(mico_h5 *h, hid_t where, const mico_study_run *study,
                         size_t from)
{
    size_t n = study->n_checks;
    double *accuracy;
    hid_t group;

    if (n == from)
        return;
    group = mico_h5_open(h, where, "checks");
    accuracy = mico_xcalloc(n - from, sizeof *accuracy);
    for (size_t i = from; i < n; i++)
        accuracy[i - from] = accuracy_or_nan(&study->check[i].outcome);
    mico_h5_rows(h, group, "accuracy", H5T_NATIVE_DOUBLE, 0, from, n, accuracy);
    mico_bits_write(h, group, &study->check[0].scheme, sizeof(mico_check),
                    study->problem.space.n_layers, from, n);
    mico_table_write(h, group, &mico_check_table, study->check, from, n);
    free(accuracy);
    mico_h5_close(group);
}

/* Brings a study's group up to date. */
static void write_study(mico_h5 *h, hid_t studies, const mico_study_run *study,
                        held *have)
{
    size_t from = have->settled, n = study->n_trials;
    bool has_calib = study->calib != NULL;
    char link[MICO_NAME_SIZE];
    hid_t group;

    if (from == n && have->checks == study->n_checks && have->has_calib == has_calib &&
        have->complete == study->complete)
        return;
    mico_link_name(study->name, link);
    group = mico_h5_open(h, studies, link);
    if (n > from) {
        write_derived(h, group, study, have);
        mico_bits_write(h, group, &study->trial[0].scheme, sizeof(mico_trial),
                        study->problem.space.n_layers, from, n);
        write_front(h, group, study);
        mico_table_write(h, group, &mico_trial_table, study->trial, from, n);
    }
    write_checks(h, group, study, have->checks);
    if (has_calib && !have->has_calib) {
        hsize_t bytes = study->calib_bytes;

        mico_h5_put(h, group, "problem/calibration", H5T_STD_U8LE, H5T_NATIVE_UINT8, 1,
                    &bytes, study->calib);
    }
    if (study->complete) {
        mico_h5_attr_int(h, group, ".", "complete", 1);
        mico_h5_attr_hex(h, group, ".", "digest", study->digest);
    }
    mico_h5_close(group);
    have->checks = study->n_checks;
    have->has_calib = has_calib;
    have->complete = study->complete;
}

/* ---- the file ------------------------------------------------------------------- */

static void make_root(mico_h5 *h, hid_t root, const mico_run *run)
{
    hid_t group;

    mico_h5_attr_int(h, root, ".", "mico_format", MICO_H5_FORMAT);
    mico_h5_attr_text(h, root, ".", "title", "mixed-precision quantization search");
    mico_h5_attr_text(h, root, ".", "created", run->start[0].when);
    mico_h5_put_text(h, root, "job", run->job_text);
    mico_h5_attr_text(h, root, "job", "path", run->job_path);
    mico_h5_attr_hex(h, root, "job", "hash", run->job_hash);
    group = mico_h5_group(h, root, "provenance");
    mico_h5_attr_text(h, group, ".", "net_path", run->net_path);
    mico_h5_attr_hex(h, group, ".", "net_hash", run->net_hash);
    mico_h5_attr_text(h, group, ".", "data_path", run->data_path);
    mico_h5_attr_hex(h, group, ".", "data_hash", run->data_hash);
    mico_h5_close(group);
    group = mico_h5_group(h, root, "provenance/starts");
    mico_table_make(h, group, &mico_start_table);
    mico_h5_close(group);
    group = mico_h5_group(h, root, "network");
    mico_part_put_layers(h, group, &run->study[0]);
    mico_h5_close(group);
    group = mico_h5_group(h, root, "studies");
    for (size_t s = 0; s < run->n_studies; s++)
        make_study(h, group, &run->study[s], s);
    mico_h5_close(group);
}

/* A start changes only by its end. */
static void write_starts(mico_h5 *h, mico_view *view, const mico_run *run)
{
    const mico_start *last = &run->start[run->n_starts - 1];
    bool ended = last->ended[0] != '\0';
    hid_t group;

    if (view->n_starts == run->n_starts && view->ended == ended)
        return;
    group = mico_h5_open(h, view->file, "provenance/starts");
    mico_table_write(h, group, &mico_start_table, run->start,
                     view->n_starts > 0 ? view->n_starts - 1 : 0, run->n_starts);
    mico_h5_close(group);
    mico_h5_attr_text(h, view->file, "provenance", "version", last->version);
    mico_h5_attr_text(h, view->file, "provenance", "libraries", last->libraries);
    mico_h5_attr_text(h, view->file, "provenance", "argv", last->argv);
    mico_h5_attr_text(h, view->file, "provenance", "host", last->host);
    mico_h5_attr_text(h, view->file, "provenance", "environment", last->environment);
    view->n_starts = run->n_starts;
    view->ended = ended;
}

hid_t mico_part_new_file(mico_h5 *h)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), create = H5Pcreate(H5P_FILE_CREATE),
          file;
    char name[MICO_H5_NAME_SIZE];

    snprintf(name, sizeof name, MICO_H5_MEMORY, "written", h->path);
    H5Pset_fapl_core(access, GROW_BYTES, false);
    H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
    H5Pset_link_creation_order(create, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED);
    file = H5Fcreate(name, H5F_ACC_TRUNC, create, access);
    if (file < 0)
        mico_h5_fail(h, "cannot make a file in memory");
    H5Pclose(create);
    H5Pclose(access);
    return file;
}

/* The file's bytes, sealed. */
mico_writer mico_part_bytes(mico_h5 *h, hid_t file)
{
    ssize_t bytes = 0;
    mico_writer w = {0};

    if (mico_h5_ok(h) && (H5Fflush(file, H5F_SCOPE_GLOBAL) < 0 ||
                          (bytes = H5Fget_file_image(file, NULL, 0)) <= 0))
        mico_h5_fail(h, "cannot finish the file");
    if (!mico_h5_ok(h))
        return w;
    w.len = (size_t)bytes;
    w.capacity = w.len + MICO_SEAL_BYTES;
    w.bytes = mico_xcalloc(w.capacity, 1);
    if (H5Fget_file_image(file, w.bytes, w.len) != bytes)
        mico_h5_fail(h, "cannot copy the file");
    mico_seal_put(&w);
    return w;
}

static void drop_file(mico_view *view)
{
    if (view->file >= 0)
        H5Fclose(view->file);
    view->file = -1;
    view->n_starts = 0;
    for (size_t s = 0; s < view->n_studies; s++)
        view->study[s] = (held){.best = NAN};
}

mico_view *mico_view_new(const char *path, size_t n_studies)
{
    mico_view *view = mico_xcalloc(1, sizeof *view);

    *view = (mico_view){.path = path, .file = -1, .n_studies = n_studies};
    view->study = mico_xcalloc(n_studies, sizeof *view->study);
    drop_file(view);
    return view;
}

void mico_view_free(mico_view *view)
{
    if (view == NULL)
        return;
    drop_file(view);
    free(view->study);
    free(view);
}

mico_status mico_view_flush(mico_view *view, const mico_run *run, mico_err *err)
{
    mico_writer image;
    hid_t studies;
    bool complete = true;
    mico_status rc;
    mico_h5 h;

    mico_h5_begin(&h, view->path, MICO_ESTORE, err);
    if (view->file < 0) {
        view->file = mico_part_new_file(&h);
        make_root(&h, view->file, run);
    }
    studies = mico_h5_open(&h, view->file, "studies");
    for (size_t s = 0; s < run->n_studies; s++) {
        write_study(&h, studies, &run->study[s], &view->study[s]);
        complete = complete && run->study[s].complete;
    }
    mico_h5_close(studies);
    write_starts(&h, view, run);
    mico_h5_attr_int(&h, view->file, ".", "complete", complete);
    mico_h5_attr_hex(&h, view->file, ".", "digest", mico_run_digest(run));
    image = mico_part_bytes(&h, view->file);
    rc = mico_h5_end(&h);
    if (rc != MICO_OK)
        drop_file(view); /* whatever it holds now; the next flush makes a new one */
    else if (mico_file_write(view->path, image.bytes, image.len, err) != MICO_OK)
        rc = mico_recast(err, MICO_ESTORE, "results file");
    mico_writer_free(&image);
    return rc;
}
