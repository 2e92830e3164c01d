/* mico bench-table: every scheme of a small space, evaluated, into a table. */
#include "cli/tool_bench.h"

#include "cli/common.h"
#include "cli/tool.h"
#include "cli/tool_options.h"

#include "core/clock.h"
#include "core/file.h"
#include "core/hash.h"
#include "core/mem.h"
#include "eval/eval.h"
#include "version.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- from results -----------------------------------------------------------------
 */

static bool is_hdf5(const char *path)
{
    unsigned char start[8] = {0};
    FILE *file = fopen(path, "rb");
    bool is;

    if (file == NULL)
        return false;
    is = fread(start, 1, sizeof start, file) == sizeof start &&
         memcmp(start, "\x89HDF\r\n\x1a\n", sizeof start) == 0;
    fclose(file);
    return is;
}

static mico_status convert(mico_census **census, const char *path, mico_err *err)
{
    mico_run *run;
    mico_status rc = mico_results_load(&run, path, err);

    if (rc != MICO_OK)
        return rc;
    if (run->n_studies != 1)
        rc = mico_fail(err, MICO_EUSAGE, "%s: has %zu studies; a table is made of one",
                       path, run->n_studies);
    else
        rc = mico_census_from_run(census, run, 0, err);
    if (rc != MICO_OK)
        mico_err_prefix(err, "%s", path);
    mico_run_free(run);
    return rc;
}

/* ---- from a job -------------------------------------------------------------------
 */

mico_status mico_tool_job(mico_job **job, const mico_options_line *o,
                          const char *const *sets, size_t n_sets, mico_err *err)
{
    mico_str errors = {0};
    mico_status rc = mico_job_load(job, o->operand[0], sets, n_sets, &errors);

    if (rc != MICO_OK) {
        if (errors.len > 0 && errors.text[errors.len - 1] == '\n')
            errors.text[errors.len - 1] = '\0';
        mico_fail(err, rc, "%s", errors.text != NULL ? errors.text : "bad job file");
    }
    mico_str_free(&errors);
    return rc;
}

/* A census without answers yet. */
static mico_status begin(mico_census **out, const mico_study *study,
                         const mico_world *world, mico_err *err)
{
    mico_census *c = mico_xcalloc(1, sizeof *c);
    const char *slash = strrchr(study->net_path, '/');
    mico_status rc = mico_problem_make(&c->problem, study, world->net, err);

    if (rc == MICO_OK)
        rc = mico_census_count(&c->problem.space, &c->n, err);
    if (rc == MICO_OK && world->splits.search.count >= MICO_CENSUS_REFUSED)
        rc = mico_fail(err, MICO_ELIMIT, "the search split has %zu images",
                       world->splits.search.count);
    if (rc != MICO_OK) {
        mico_census_free(c);
        return rc;
    }
    c->problem.n_constraints = 0;
    c->problem.goal = MICO_GOAL_ACCURACY;
    c->problem.pareto_metric = 0;
    mico_describe_layers(world->net, &c->layer_kind, &c->layer_weights);
    snprintf(c->version, sizeof c->version, "%s (git %s)", MICO_VERSION, MICO_COMMIT);
    snprintf(c->net, sizeof c->net, "%.63s",
             slash != NULL ? slash + 1 : study->net_path);
    c->net_hash = world->net->hash;
    c->data_hash = world->data->hash;
    c->setting = mico_census_setting(study->canonical);
    c->images = world->splits.search.count;
    c->fp32_correct = -1;
    c->correct = mico_xcalloc(c->n, sizeof *c->correct);
    c->loss = mico_xcalloc(c->n, sizeof *c->loss);
    *out = c;
    return MICO_OK;
}

static uint64_t identity(const mico_census *census, const mico_study *study)
{
    uint64_t parts[3] = {mico_census_digest(census), study->key, MICO_BENCH_BUNDLE};

    return mico_hash(parts, sizeof parts, 0); /* all counts are still 0 */
}

static bool take_known(void *ctx, const mico_bench_part *part)
{
    return mico_bench_take(ctx, part);
}

/* The calibration: made here, or what an earlier start used. */
static mico_status open_partial(mico_bench *bench, const mico_study *study,
                                const char *path, bool fresh, mico_err *err)
{
    const mico_world *world = bench->world;
    mico_writer packed = {0};
    mico_reader r;
    mico_status rc = mico_calibrate(&bench->calib, world->net,
                                    &world->splits.calibration, &world->quant, err);

    if (rc != MICO_OK)
        return rc;
    mico_calib_put(&packed, bench->calib);
    rc = mico_bench_partial_open(&bench->partial, path, fresh,
                                 identity(bench->census, study), &packed.bytes,
                                 &packed.len, take_known, bench, err);
    if (rc == MICO_OK) {
        mico_calib_free(bench->calib);
        bench->calib = NULL;
        r = (mico_reader){.bytes = packed.bytes, .len = packed.len};
        rc = mico_calib_get(&r, &bench->calib, err);
        if (rc == MICO_OK && bench->calib->n_tensors != world->net->n_tensors)
            rc = mico_fail(err, MICO_EFORMAT, "%s: calibration of another network",
                           bench->partial.path);
        bench->census->calib_hash = mico_hash(packed.bytes, packed.len, 0);
    }
    mico_writer_free(&packed);
    return rc;
}

static mico_status count_fp32(mico_bench *bench, mico_err *err)
{
    const mico_world *world = bench->world;
    mico_eval *eval = mico_eval_new(world->net, bench->calib, &world->quant);
    mico_result result = {0};
    mico_status rc = mico_eval_fp32(eval, &world->splits.search, &result, err);

    if (rc == MICO_OK)
        bench->census->fp32_correct = (int64_t)result.correct;
    mico_eval_free(eval);
    return rc;
}

static mico_status evaluate(mico_census **out, const mico_study *study,
                            const mico_options_line *o, const char *path, mico_err *err)
{
    mico_world world = {0};
    mico_bench bench = {.world = &world, .quiet = o->json, .partial = {.fd = -1}};
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    mico_status rc;

    if (study->net_table[0] != '\0')
        return mico_fail(err, MICO_EUSAGE, "[net] table: is a table already");
    rc = mico_world_open(&world, study, err);
    if (rc == MICO_OK)
        rc = begin(&bench.census, study, &world, err);
    if (rc != MICO_OK)
        goto out;
    bench.processes = o->jobs > 0 ? (size_t)o->jobs : cores > 0 ? (size_t)cores : 1;
    mico_bench_order_make(&bench.order, &bench.census->problem.space, bench.census->n);
    bench.done = mico_xcalloc(mico_bench_order_bundles(&bench.order), 1);
    rc = open_partial(&bench, study, path, o->fresh, err);
    if (rc == MICO_OK && bench.n_done > 0 && !bench.quiet)
        fprintf(stderr, "mico bench-table: going on behind %zu of %zu bundles\n",
                bench.n_done, mico_bench_order_bundles(&bench.order));
    if (rc == MICO_OK)
        rc = mico_bench_run(&bench, err);
    if (rc == MICO_OK)
        rc = count_fp32(&bench, err);
    if (rc == MICO_OK) {
        bench.census->digest = mico_census_digest(bench.census);
        if (!o->loss) {
            free(bench.census->loss);
            bench.census->loss = NULL;
        }
        rc = mico_census_save(bench.census, path, err);
    }
    mico_bench_partial_close(&bench.partial, rc == MICO_OK);
out:
    free(bench.done);
    mico_calib_free(bench.calib);
    mico_world_close(&world);
    if (rc == MICO_OK)
        *out = bench.census;
    else
        mico_census_free(bench.census);
    return rc;
}

/* ---- the command ------------------------------------------------------------------
 */

static void describe(const mico_census *census, const char *path, double seconds,
                     bool json)
{
    size_t best = census->n, refused = 0;
    uint8_t levels[MICO_MAX_GENES];
    char text[MICO_SCHEME_TEXT] = "", digest[17], took[32];
    double accuracy = 0;
    mico_scheme scheme;

    for (size_t i = 0; i < census->n; i++) {
        if (census->correct[i] == MICO_CENSUS_REFUSED)
            refused++;
        else if (best == census->n || census->correct[i] > census->correct[best])
            best = i;
    }
    if (best < census->n) {
        mico_census_levels(&census->problem.space, best, levels);
        mico_space_scheme(&census->problem.space, levels, &scheme);
        mico_scheme_print(&scheme, text);
        accuracy = (double)census->correct[best] / (double)census->images;
    }
    snprintf(digest, sizeof digest, "%016llx", (unsigned long long)census->digest);
    if (json) {
        mico_json_print(
            json_pack("{s:s, s:s, s:I, s:I, s:I, s:s, s:f, s:f}", "table", path,
                      "digest", digest, "schemes", (json_int_t)census->n, "images",
                      (json_int_t)census->images, "refused", (json_int_t)refused,
                      "best", text, "accuracy", accuracy, "seconds", seconds));
        return;
    }
    mico_text_duration(seconds, took);
    printf("%s: %zu schemes on %llu images, %zu refused\n"
           "best     %.2f %%, %s\n"
           "digest   %s\n"
           "table    %s  (%s)\n",
           census->net, census->n, (unsigned long long)census->images, refused,
           100 * accuracy, text, digest, path, took);
}

static mico_status make(const mico_options_line *o, mico_err *err)
{
    double start_s = mico_now_s();
    char path[4096], stem[1024], folder[4096];
    mico_census *census = NULL;
    mico_job *job = NULL;
    mico_status rc;

    mico_stem(o->operand[0], stem, sizeof stem);
    if (o->output != NULL)
        snprintf(path, sizeof path, "%s", o->output);
    else
        snprintf(path, sizeof path, "results/%s-table.h5", stem);
    mico_dirname(path, folder, sizeof folder);
    rc = mico_mkdirs(folder, err);
    if (rc != MICO_OK)
        return rc;
    if (is_hdf5(o->operand[0])) {
        rc = convert(&census, o->operand[0], err);
        if (rc == MICO_OK && !o->loss) {
            free(census->loss);
            census->loss = NULL;
        }
        if (rc == MICO_OK)
            rc = mico_census_save(census, path, err);
    } else {
        rc = mico_tool_job(&job, o, o->set, o->n_sets, err);
        if (rc == MICO_OK && job->n_studies != 1)
            rc = mico_fail(err, MICO_EUSAGE,
                           "%s: makes %zu studies; a table is made of one",
                           o->operand[0], job->n_studies);
        if (rc == MICO_OK)
            rc = evaluate(&census, &job->study[0], o, path, err);
    }
    if (rc == MICO_OK)
        describe(census, path, mico_now_s() - start_s, o->json);
    mico_census_free(census);
    mico_job_free(job);
    return rc;
}

int mico_tool_bench(int argc, char **argv)
{
    mico_options_line o;
    mico_err err;
    mico_status rc;

    mico_options_read(
        &o, argc, argv, "output,set,jobs,fresh,loss,json",
        "bench-table JOB.ini|RESULTS.h5 [-o TABLE.h5] [--json]\n\n"
        "Evaluates every scheme of the job's space on its search split, or "
        "takes a finished\nrun of mico-sweep with searcher grid. Started "
        "again, it goes on where it was.");
    if (o.done) {
        free(o.operand);
        return o.exit_code;
    }
    if (o.n_operands != 1)
        rc = mico_fail(&err, MICO_EUSAGE, "needs one job or results file");
    else
        rc = make(&o, &err);
    free(o.operand);
    return mico_exit_with("mico bench-table", rc, &err);
}
