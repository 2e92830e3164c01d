/* Writes the seeds of corpus/journal: make_journal_corpus FOLDER
 *
 * One journal with every type of record, one without any, one torn. Linked like the
 * unit tests (mico_store). */
#include "core/file.h"
#include "store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void must(mico_status rc, const mico_err *err)
{
    if (rc == MICO_OK)
        return;
    fprintf(stderr, "%s\n", err->text);
    exit(1);
}

/* One layer with few widths: seeds should be small. */
static void make_study(mico_study_run *study, double *table)
{
    static char kind[MICO_NAME_SIZE] = "conv", canonical[] = "[net]\n",
                method[] = "nsga2";
    static char name[1][MICO_NAME_SIZE] = {"c"};
    static double macs[1] = {9}, weights[1] = {3};
    mico_problem *problem = &study->problem;

    for (size_t i = 0; i < MICO_N_WIDTHS * MICO_N_WIDTHS; i++)
        table[i] = (double)i;
    snprintf(study->name, sizeof study->name, "s");
    study->key = 7;
    study->canonical = canonical;
    study->searcher = method;
    study->layer_kind = kind;
    study->layer_weights = weights;
    problem->space = (mico_space){.n_layers = 1, .n_vars = 2, .var_of = {0, 1}};
    problem->space.var[0] = (mico_options){3, {1, MICO_TERNARY, 8}};
    problem->space.var[1] = (mico_options){2, {4, 8}};
    problem->n_metrics = 1;
    problem->metric[0] = (mico_metric){.name = "bops", .unit = "1", .table = table};
    problem->n_constraints = 1;
    problem->constraint[0] = (mico_constraint){0, 60, "bops <= 60"};
    problem->layer_macs = macs;
    problem->layer_name = name;
}

static void add_records(mico_store *store, mico_err *err)
{
    mico_check check = {
        .name = "fp32",
        .mode = MICO_MODE_FP32,
        .trial = MICO_NO_TRIAL,
        .outcome = {.state = MICO_STATE_DONE, .images = 8, .correct = 7}};

    must(mico_store_calib(store, 0, (const uint8_t *)"\1\2", 2, err), err);
    for (uint64_t id = 0; id < 3; id++) {
        mico_trial trial = {.id = id,
                            .dup_of = id == 2 ? 0 : MICO_NO_TRIAL,
                            .scheme = {1, {id == 1 ? 1 : 8, 4}},
                            .worker = 1};

        trial.outcome.state = id == 1 ? MICO_STATE_CRASHED : MICO_STATE_DONE;
        trial.outcome.images = trial.outcome.correct = id == 1 ? 0 : 5;
        snprintf(trial.outcome.reason, sizeof trial.outcome.reason, "%s",
                 id == 1 ? "signal 11" : "");
        must(mico_store_propose(store, 0, &trial, err), err);
        must(mico_store_result(store, 0, &trial, err), err);
    }
    must(mico_store_check(store, 0, &check, err), err);
    check =
        (mico_check){.name = "best", .scheme = {1, {8, 4}}, .outcome = check.outcome};
    must(mico_store_check(store, 0, &check, err), err);
    must(mico_store_complete(store, 0, 1, err), err);
}

/* A seed is the journal without its ending; the results file is not wanted. */
static void make_seed(const char *folder, const char *name, const mico_about *about,
                      bool full, size_t torn)
{
    char results[1000], journal[1000], seed[1000];
    mico_store *store = NULL;
    uint8_t *bytes = NULL;
    size_t n = 0;
    mico_err err;

    snprintf(results, sizeof results, "%s/%s.h5", folder, name);
    snprintf(journal, sizeof journal, "%s/%s.journal", folder, name);
    snprintf(seed, sizeof seed, "%s/%s", folder, name);
    must(mico_store_open(&store, results, about, MICO_STORE_FRESH, &err), &err);
    if (full)
        add_records(store, &err);
    must(mico_store_close(store, "complete", &err), &err);
    must(mico_file_read(&bytes, &n, journal, (size_t)1 << 20, &err), &err);
    must(mico_file_write(seed, bytes, n - torn, &err), &err);
    unlink(journal);
    unlink(results);
    free(bytes);
}

int main(int argc, char **argv)
{
    double table[MICO_N_WIDTHS * MICO_N_WIDTHS];
    mico_study_run study = {0};
    mico_about about = {.job_text = "[net]\n",
                        .n_studies = 1,
                        .study = &study,
                        .start = {.when = "2026-01-02T03:04:05Z", .ranks = 1}};

    if (argc != 2) {
        fprintf(stderr, "usage: make_journal_corpus FOLDER\n");
        return 2;
    }
    make_study(&study, table);
    make_seed(argv[1], "empty", &about, false, 0);
    make_seed(argv[1], "full", &about, true, 0);
    make_seed(argv[1], "torn", &about, true, 50);
    return 0;
}
