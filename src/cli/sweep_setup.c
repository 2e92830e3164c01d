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

/* "calibration train:0-511, search train:512-10511, final test:0-9999" */
static char *splits_text(const mico_world *world)
{
    const mico_splits *s = &world->splits;
    char part[3][64];
    mico_str text = {0};

    mico_split_print(world->data, &s->calibration, part[0]);
    mico_split_print(world->data, &s->search, part[1]);
    mico_split_print(world->data, &s->final, part[2]);
    mico_str_add(&text, "calibration %s, search %s, final %s", part[0], part[1],
                 part[2]);
    return text.text;
}

static mico_status make_study(mico_study_run *run, const mico_study *study,
                              const mico_world *world, mico_err *err)
{
    const mico_net *net = world->net;
    uint64_t parts[3] = {study->key, net->hash, world->data->hash};
    mico_status rc = mico_problem_make(&run->problem, study, net, err);

    if (rc != MICO_OK)
        return rc;
    snprintf(run->name, sizeof run->name, "%.63s", study->study_name);
    run->key = mico_hash(parts, sizeof parts, 1);
    run->canonical = mico_xstrdup(study->canonical);
    run->searcher = mico_xstrdup(study->search_method);
    run->layer_kind = mico_xcalloc(net->n_layers, MICO_NAME_SIZE);
    run->layer_weights = mico_xcalloc(net->n_layers, sizeof *run->layer_weights);
    for (size_t l = 0; l < net->n_layers; l++) {
        const mico_node *node = mico_layer_node(net, l);
        bool depthwise = node->groups > 1 && node->groups == node->c_in;

        snprintf(run->layer_kind + l * MICO_NAME_SIZE, MICO_NAME_SIZE, "%s",
                 depthwise ? "depthwise conv" : mico_node_text(node));
        run->layer_weights[l] = (double)mico_layer_weights(net, l);
    }
    return check_searcher(study, &run->problem, err);
}

mico_status mico_setup_make(mico_setup *setup, const mico_sweep_options *o,
                            mico_err *err)
{
    mico_world world = {0};
    mico_status rc = mico_setup_job(setup, o, err);

    if (rc == MICO_OK)
        rc = results_path(setup, o, err);
    if (rc != MICO_OK)
        return rc;
    setup->study = mico_xcalloc(setup->job->n_studies, sizeof *setup->study);
    setup->splits = mico_xcalloc(setup->job->n_studies, sizeof *setup->splits);
    for (size_t s = 0; s < setup->job->n_studies && rc == MICO_OK; s++) {
        const mico_study *study = &setup->job->study[s];
        uint64_t parts[2];

        if (s == 0 || !same_world(study, study - 1)) {
            mico_world_close(&world);
            rc = mico_world_open(&world, study, err);
            if (rc != MICO_OK)
                break;
            parts[0] = setup->net_hash;
            parts[1] = world.net->hash;
            setup->net_hash = s == 0 ? parts[1] : mico_hash(parts, sizeof parts, 0);
            parts[0] = setup->data_hash;
            parts[1] = world.data->hash;
            setup->data_hash = s == 0 ? parts[1] : mico_hash(parts, sizeof parts, 0);
        }
        setup->splits[s] = splits_text(&world);
        rc = make_study(&setup->study[s], study, &world, err);
        if (rc != MICO_OK && setup->job->n_studies > 1)
            mico_err_prefix(err, "study %s", study->study_name);
    }
    mico_world_close(&world);
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
        .net_path = setup->job->study[0].net_path,
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
