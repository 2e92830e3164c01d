/* From a command line to checked studies and an open store. */
#include "cli/sweep_setup.h"

#include "cli/common.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/hash.h"
#include "core/mem.h"
#include "search/search.h"
#include "version.h"
#include "worker/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

mico_status mico_setup_job(mico_setup *setup, const mico_sweep_options *o,
                           mico_err *err)
{
    mico_str errors = {0};
    mico_status rc = mico_job_load(&setup->job, o->job, o->set, o->n_sets, &errors);
    char *line = errors.text, *newline;

    /* a mico_err holds one message, a job file any number: all but the last go out here
     */
    while (rc != MICO_OK && line != NULL && (newline = strchr(line, '\n')) != NULL) {
        *newline = '\0';
        if (newline[1] == '\0')
            break;
        fprintf(stderr, "mico-sweep: %s\n", line);
        line = newline + 1;
    }
    if (rc != MICO_OK)
        mico_fail(err, rc, "%s", line != NULL ? line : "bad job file");
    mico_str_free(&errors);
    return rc;
}

static mico_status results_path(mico_setup *setup, const mico_sweep_options *o,
                                mico_err *err)
{
    char stem[1024];

    if (o->only_study != MICO_ALL_STUDIES && o->only_study >= setup->job->n_studies)
        return mico_fail(err, MICO_EUSAGE,
                         "--only-study %zu: the job has studies 0 to %zu",
                         o->only_study, setup->job->n_studies - 1);
    mico_stem(o->job, stem, sizeof stem);
    if (o->output != NULL)
        snprintf(setup->results, sizeof setup->results, "%s", o->output);
    else if (o->only_study != MICO_ALL_STUDIES)
        snprintf(setup->results, sizeof setup->results, "results/%s-s%zu.h5", stem,
                 o->only_study);
    else
        snprintf(setup->results, sizeof setup->results, "results/%s.h5", stem);
    return MICO_OK;
}

/* True if two studies need the same network and data, so that loading once serves both.
 */
static bool same_world(const mico_study *a, const mico_study *b)
{
    return strcmp(a->net_path, b->net_path) == 0 &&
           strcmp(a->net_table, b->net_table) == 0 &&
           strcmp(a->net_mul, b->net_mul) == 0 && strcmp(a->net_add, b->net_add) == 0 &&
           strcmp(a->data_path, b->data_path) == 0 &&
           strcmp(a->data_transform, b->data_transform) == 0 &&
           strcmp(a->data_calibration, b->data_calibration) == 0 &&
           strcmp(a->data_search, b->data_search) == 0 &&
           strcmp(a->data_final, b->data_final) == 0;
}

/* A searcher is made and thrown away: it says whether the limits can be met at all. */
static mico_status check_searcher(const mico_study *study, const mico_problem *problem,
                                  mico_err *err)
{
    mico_search_options options;
    mico_searcher *searcher;
    mico_status rc;

    mico_driver_search_options(study, &options);
    rc = mico_search_new(&searcher, problem, &options, err);
    if (rc == MICO_OK)
        mico_search_free(searcher);
    return rc;
}

/* What trials are evaluated with: network and data, or a table that stands for them. */
typedef struct source {
    mico_world world;
    mico_census *census; /* NULL: the world */
} source;

static void source_close(source *from)
{
    mico_world_close(&from->world);
    mico_census_free(from->census);
    *from = (source){0};
}

static mico_status source_open(source *out, const mico_study *study, mico_err *err)
{
    mico_status rc;

    if (study->net_table[0] == '\0')
        return mico_world_open(&out->world, study, err);
    rc = mico_census_load(&out->census, study->net_table, err);
    if (rc != MICO_OK)
        mico_err_prefix(err, "[net] table");
    return rc;
}

static void source_hashes(const source *from, uint64_t *net, uint64_t *data)
{
    *net = from->census != NULL ? from->census->net_hash : from->world.net->hash;
    *data = from->census != NULL ? from->census->data_hash : from->world.data->hash;
}

/* "calibration train:0-511, search train:512-10511, final test:0-9999" */
static char *splits_text(const source *from)
{
    const mico_world *world = &from->world;
    const mico_splits *s = &world->splits;
    char part[3][64];
    mico_str text = {0};

    if (from->census != NULL) {
        mico_str_add(&text, "%llu, looked up in a table of %zu schemes of %s",
                     (unsigned long long)from->census->images, from->census->n,
                     from->census->net);
        return text.text;
    }
    mico_split_print(world->data, &s->calibration, part[0]);
    mico_split_print(world->data, &s->search, part[1]);
    mico_split_print(world->data, &s->final, part[2]);
    mico_str_add(&text, "calibration %s, search %s, final %s", part[0], part[1],
                 part[2]);
    return text.text;
}

static void copy_layers(mico_study_run *run, const mico_census *census)
{
    size_t n = census->problem.space.n_layers;

    run->layer_kind = mico_xcalloc(n, MICO_NAME_SIZE);
    memcpy(run->layer_kind, census->layer_kind, n * MICO_NAME_SIZE);
    run->layer_weights = mico_xcalloc(n, sizeof *run->layer_weights);
    memcpy(run->layer_weights, census->layer_weights, n * sizeof *run->layer_weights);
}

static mico_status make_study(mico_study_run *run, const mico_study *study,
                              const source *from, mico_err *err)
{
    const mico_census *census = from->census;
    const mico_net *net = from->world.net;
    uint64_t parts[3] = {study->key};
    mico_status rc = census != NULL
                         ? mico_problem_of_table(&run->problem, study, census, err)
                         : mico_problem_make(&run->problem, study, net, err);

    if (rc != MICO_OK)
        return rc;
    source_hashes(from, &parts[1], &parts[2]);
    if (census != NULL)
        parts[2] = census->digest;
    snprintf(run->name, sizeof run->name, "%.63s", study->study_name);
    run->key = mico_hash(parts, sizeof parts, 1);
    run->canonical = mico_xstrdup(study->canonical);
    run->searcher = mico_xstrdup(study->search_method);
    if (census != NULL)
        copy_layers(run, census);
    else
        mico_describe_layers(net, &run->layer_kind, &run->layer_weights);
    return check_searcher(study, &run->problem, err);
}

mico_status mico_setup_make(mico_setup *setup, const mico_sweep_options *o,
                            mico_err *err)
{
    source from = {0};
    mico_status rc = mico_setup_job(setup, o, err);

    if (rc == MICO_OK)
        rc = results_path(setup, o, err);
    if (rc != MICO_OK)
        return rc;
    setup->study = mico_xcalloc(setup->job->n_studies, sizeof *setup->study);
    setup->splits = mico_xcalloc(setup->job->n_studies, sizeof *setup->splits);
    for (size_t s = 0; s < setup->job->n_studies && rc == MICO_OK; s++) {
        const mico_study *study = &setup->job->study[s];
        uint64_t net[2] = {setup->net_hash}, data[2] = {setup->data_hash};

        if (s == 0 || !same_world(study, study - 1)) {
            source_close(&from);
            rc = source_open(&from, study, err);
            if (rc != MICO_OK)
                break;
            source_hashes(&from, &net[1], &data[1]);
            setup->net_hash = s == 0 ? net[1] : mico_hash(net, sizeof net, 0);
            setup->data_hash = s == 0 ? data[1] : mico_hash(data, sizeof data, 0);
        }
        setup->splits[s] = splits_text(&from);
        rc = make_study(&setup->study[s], study, &from, err);
        if (rc != MICO_OK && setup->job->n_studies > 1)
            mico_err_prefix(err, "study %s", study->study_name);
    }
    source_close(&from);
    return rc;
}

/* Variables that say where and how the program ran; nothing else leaves the
 * environment. */
static void environment_text(mico_str *out)
{
    static const char *const prefixes[] = {
        "SLURM_JOB_ID=",        "SLURM_ARRAY_",          "SLURM_JOB_NODELIST=",
        "SLURM_RESTART_COUNT=", "OMPI_COMM_WORLD_SIZE=", "MICO_"};

    for (char **e = environ; *e != NULL; e++)
        for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
            if (strncmp(*e, prefixes[i], strlen(prefixes[i])) == 0)
                mico_str_add(out, "%s%s", out->len > 0 ? " " : "", *e);
}

static void fill_start(mico_start *start, int argc, char **argv, uint32_t ranks)
{
    mico_str text = {0};

    mico_utc(start->when);
    gethostname(start->host, sizeof start->host - 1);
    snprintf(start->version, sizeof start->version, "%s (git %s)", MICO_VERSION,
             MICO_COMMIT);
    for (int i = 0; i < argc; i++)
        mico_str_add(&text, "%s%s", i > 0 ? " " : "", argv[i]);
    snprintf(start->argv, sizeof start->argv, "%s", text.text);
    mico_str_free(&text);
    mico_libraries_text(&text);
    snprintf(start->libraries, sizeof start->libraries, "%s", text.text);
    mico_str_free(&text);
    environment_text(&text);
    snprintf(start->environment, sizeof start->environment, "%s",
             text.text != NULL ? text.text : "");
    mico_str_free(&text);
    start->ranks = ranks;
}

mico_status mico_setup_store(mico_store **out, const mico_setup *setup,
                             const mico_sweep_options *o, int argc, char **argv,
                             uint32_t ranks, mico_err *err)
{
    char folder[4096];
    mico_status rc;
    mico_about about = {
        .job_text = setup->job->canonical,
        .job_path = setup->job->path,
        .job_hash = setup->job->hash,
        .net_hash = setup->net_hash,
        .data_hash = setup->data_hash,
        .net_path = setup->job->study[0].net_table[0] != '\0'
                        ? setup->job->study[0].net_table
                        : setup->job->study[0].net_path,
        .data_path = setup->job->study[0].data_path,
        .n_studies = setup->job->n_studies,
        .study = setup->study,
    };

    mico_dirname(setup->results, folder, sizeof folder);
    rc = mico_mkdirs(folder, err);
    if (rc != MICO_OK)
        return rc;
    fill_start(&about.start, argc, argv, ranks);
    return mico_store_open(out, setup->results, &about, o->how, err);
}

void mico_setup_describe(const mico_setup *setup, mico_str *out)
{
    for (size_t s = 0; s < setup->job->n_studies; s++) {
        const mico_study *study = &setup->job->study[s];
        const mico_study_run *run = &setup->study[s];
        const mico_problem *problem = &run->problem;

        mico_str_add(
            out,
            "study %zu %s: %s, %llu trials, seed %llu, window %llu\n"
            "  %zu layers, %zu variables, %.4g schemes\n"
            "  images: %s\n",
            s, run->name, study->search_method, (unsigned long long)study->study_budget,
            (unsigned long long)study->study_seed,
            (unsigned long long)study->run_window, problem->space.n_layers,
            problem->space.n_vars, mico_space_size(&problem->space), setup->splits[s]);
        for (size_t k = 0; k < problem->n_constraints; k++) {
            const mico_constraint *c = &problem->constraint[k];

            mico_str_add(out, "  limit %s: %s <= %.10g %s (smallest possible %.10g)\n",
                         c->text, problem->metric[c->metric].name, c->limit,
                         problem->metric[c->metric].unit,
                         mico_metric_min(problem, c->metric));
        }
    }
    mico_str_add(out, "results would go to %s\n", setup->results);
}

void mico_setup_free(mico_setup *setup)
{
    for (size_t s = 0;
         setup->job != NULL && setup->study != NULL && s < setup->job->n_studies; s++) {
        mico_problem_free(&setup->study[s].problem);
        free(setup->splits[s]);
        free(setup->study[s].canonical);
        free(setup->study[s].searcher);
        free(setup->study[s].layer_kind);
        free(setup->study[s].layer_weights);
    }
    free(setup->study);
    free(setup->splits);
    mico_job_free(setup->job);
    *setup = (mico_setup){0};
}
