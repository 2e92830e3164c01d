/* Tables of every scheme: order, lookup, file, what is refused, making one of a run. */
#include "core/file.h"
#include "core/mem.h"
#include "core/seal.h"
#include "support/store_run.h"
#include "support/suite.h"

#include <unistd.h>

static char folder[] = "/tmp/mico-census.XXXXXX";
static char path[64];

/* Three layers; weights t, 4 or 8, activations of layers 0 and 1 tied, 3 options each:
 * 3^5 schemes. */
static mico_census *make_census(void)
{
    mico_census *c = mico_xcalloc(1, sizeof *c);

    c->problem = store_run_problem(1);
    c->problem.n_constraints = 0;
    c->problem.goal = MICO_GOAL_ACCURACY;
    c->problem.pareto_metric = 0;
    c->problem.space.n_vars = 5;
    c->problem.space.var_of[4] = 3;
    c->problem.space.var_of[5] = 4;
    snprintf(c->version, sizeof c->version, "1.2 (git abc)");
    snprintf(c->net, sizeof c->net, "small.onnx");
    c->net_hash = 0x123456789abcdef0u;
    c->data_hash = 7;
    c->calib_hash = 9;
    c->setting = mico_xstrdup("data.search = auto\nspace.profile = integer\n");
    c->layer_kind = mico_xcalloc(STORE_RUN_LAYERS, MICO_NAME_SIZE);
    snprintf(c->layer_kind, MICO_NAME_SIZE, "conv");
    c->layer_weights = mico_xcalloc(STORE_RUN_LAYERS, sizeof(double));
    c->images = 1000;
    c->fp32_correct = 990;
    c->n = 243;
    c->correct = mico_xcalloc(c->n, sizeof *c->correct);
    c->loss = mico_xcalloc(c->n, sizeof *c->loss);
    for (size_t i = 0; i < c->n; i++) {
        c->correct[i] = (uint32_t)(i * 7 % 1001);
        c->loss[i] = 1.0 / (double)(i + 1);
    }
    c->correct[5] = MICO_CENSUS_REFUSED;
    c->loss[5] = NAN;
    c->digest = mico_census_digest(c);
    return c;
}

static void t_order(void)
{
    mico_census *c = make_census();
    const mico_space *space = &c->problem.space;
    uint8_t levels[MICO_MAX_GENES];
    size_t n;
    mico_err err;
    mico_space huge = *space;

    CU_ASSERT_EQUAL(mico_census_count(space, &n, &err), MICO_OK);
    CU_ASSERT_EQUAL(n, 243);
    mico_census_levels(space, 0, levels);
    CU_ASSERT_EQUAL(memcmp(levels, "\0\0\0\0\0", 5), 0);
    mico_census_levels(space, 1, levels); /* the last variable is the fastest */
    CU_ASSERT_EQUAL(memcmp(levels, "\0\0\0\0\1", 5), 0);
    mico_census_levels(space, 81, levels); /* 3^4: the first one */
    CU_ASSERT_EQUAL(memcmp(levels, "\1\0\0\0\0", 5), 0);
    for (size_t i = 0; i < n; i++) {
        mico_census_levels(space, i, levels);
        CU_ASSERT_EQUAL_FATAL(mico_census_index(space, levels), i);
    }
    huge.n_layers = huge.n_vars = 40;
    for (size_t v = 0; v < 40; v++)
        huge.var[v] = space->var[0];
    n = 1;
    CU_ASSERT_EQUAL(mico_census_count(&huge, &n, &err), MICO_ELIMIT);
    CU_ASSERT_EQUAL(n, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "allow fewer widths"));
    mico_census_free(c);
}

static void t_lookup(void)
{
    mico_census *c = make_census();
    mico_scheme scheme;
    mico_outcome outcome;
    mico_err err;

    CU_ASSERT_EQUAL(mico_scheme_parse(&scheme, "t/t,t/t,t/4", 3, &err), MICO_OK);
    CU_ASSERT_EQUAL(mico_census_find(c, &scheme), 1);
    mico_census_answer(c, &scheme, &outcome);
    CU_ASSERT_EQUAL(outcome.state, MICO_STATE_DONE);
    CU_ASSERT_EQUAL(outcome.images, 1000);
    CU_ASSERT_EQUAL(outcome.correct, 7);
    CU_ASSERT_EQUAL(outcome.loss, 0.5);
    /* 8/4, t/4, 4/8: levels 2 0 1 (weights), 1 (tied), 2 */
    CU_ASSERT_EQUAL(mico_scheme_parse(&scheme, "8/4,t/4,4/8", 3, &err), MICO_OK);
    CU_ASSERT_EQUAL(mico_census_find(c, &scheme), 2 * 81 + 0 * 27 + 1 * 9 + 1 * 3 + 2);
    /* not one of them: a tie broken, a width not there, another number of layers */
    CU_ASSERT_EQUAL(mico_scheme_parse(&scheme, "8/4,t/8,4/8", 3, &err), MICO_OK);
    CU_ASSERT_EQUAL(mico_census_find(c, &scheme), c->n);
    CU_ASSERT_EQUAL(mico_scheme_parse(&scheme, "8/4,2/4,4/8", 3, &err), MICO_OK);
    CU_ASSERT_EQUAL(mico_census_find(c, &scheme), c->n);
    mico_census_answer(c, &scheme, &outcome);
    CU_ASSERT_EQUAL(outcome.state, MICO_STATE_BAD_OUTPUT);
    CU_ASSERT_EQUAL(mico_scheme_parse(&scheme, "w8a8", 2, &err), MICO_OK);
    CU_ASSERT_EQUAL(mico_census_find(c, &scheme), c->n);
    CU_ASSERT_EQUAL(mico_scheme_parse(&scheme, "t/t,t/4,t/8", 3, &err), MICO_OK);
    CU_ASSERT_EQUAL(mico_scheme_parse(&scheme, "t/4,t/4,t/8", 3, &err), MICO_OK);
    CU_ASSERT_EQUAL(mico_census_find(c, &scheme), 5);
    mico_census_answer(c, &scheme, &outcome);
    CU_ASSERT_EQUAL(outcome.state, MICO_STATE_REFUSED);
    free(c->loss); /* tables without losses answer, too */
    c->loss = NULL;
    CU_ASSERT_EQUAL(mico_scheme_parse(&scheme, "t/t,t/t,t/8", 3, &err), MICO_OK);
    mico_census_answer(c, &scheme, &outcome);
    CU_ASSERT_EQUAL(outcome.correct, 14);
    CU_ASSERT_EQUAL(outcome.loss, 0);
    mico_census_free(c);
}

static void t_setting(void)
{
    char *text =
        mico_census_setting("[study]\nname = x\nseed = 1\n\n[net]\npath = a\n\n"
                            "[data]\npath = b\ntransform = \nsearch = train:1-2\n"
                            "final = test\n\n[space]\nweight_bits = 2\n"
                            "first_last = free\ntie = none\nprofile = mico\n"
                            "\n[run]\nwindow = 8");

    CU_ASSERT_STRING_EQUAL(text, "data.transform = \ndata.search = train:1-2\n"
                                 "space.profile = mico\n");
    free(text);
    text = mico_census_setting("");
    CU_ASSERT_STRING_EQUAL(text, "");
    free(text);
}

static void t_digest(void)
{
    mico_census *c = make_census();
    uint64_t digest = c->digest;

    c->loss[3] = 99; /* libm differs between machines: no part of it */
    c->fp32_correct = 3;
    c->calib_hash++;
    CU_ASSERT_EQUAL(mico_census_digest(c), digest);
    c->correct[242] ^= 1;
    CU_ASSERT_NOT_EQUAL(mico_census_digest(c), digest);
    c->correct[242] ^= 1;
    c->net_hash++;
    CU_ASSERT_NOT_EQUAL(mico_census_digest(c), digest);
    c->net_hash--;
    c->setting[0]++;
    CU_ASSERT_NOT_EQUAL(mico_census_digest(c), digest);
    c->setting[0]--;
    c->problem.space.var[4].width[0] = 1;
    CU_ASSERT_NOT_EQUAL(mico_census_digest(c), digest);
    mico_census_free(c);
}

static void same_census(const mico_census *a, const mico_census *b)
{
    CU_ASSERT_STRING_EQUAL(a->version, b->version);
    CU_ASSERT_STRING_EQUAL(a->net, b->net);
    CU_ASSERT_STRING_EQUAL(a->setting, b->setting);
    CU_ASSERT_EQUAL(a->net_hash, b->net_hash);
    CU_ASSERT_EQUAL(a->data_hash, b->data_hash);
    CU_ASSERT_EQUAL(a->calib_hash, b->calib_hash);
    CU_ASSERT_EQUAL(a->images, b->images);
    CU_ASSERT_EQUAL(a->fp32_correct, b->fp32_correct);
    CU_ASSERT_EQUAL(a->digest, b->digest);
    CU_ASSERT_EQUAL_FATAL(a->n, b->n);
    CU_ASSERT_EQUAL(memcmp(a->correct, b->correct, a->n * sizeof *a->correct), 0);
    CU_ASSERT_EQUAL(a->problem.n_metrics, b->problem.n_metrics);
    CU_ASSERT_EQUAL(a->problem.space.n_vars, b->problem.space.n_vars);
    CU_ASSERT_EQUAL(memcmp(a->problem.space.var_of, b->problem.space.var_of,
                           sizeof a->problem.space.var_of),
                    0);
    for (size_t m = 0; m < a->problem.n_metrics; m++) {
        CU_ASSERT_STRING_EQUAL(a->problem.metric[m].name, b->problem.metric[m].name);
        CU_ASSERT_EQUAL(a->problem.metric[m].constant, b->problem.metric[m].constant);
        CU_ASSERT_EQUAL(memcmp(a->problem.metric[m].table, b->problem.metric[m].table,
                               243 * sizeof(double)),
                        0);
    }
    CU_ASSERT_EQUAL(
        memcmp(a->problem.layer_name, b->problem.layer_name, 3 * MICO_NAME_SIZE), 0);
    CU_ASSERT_EQUAL(memcmp(a->layer_kind, b->layer_kind, 3 * MICO_NAME_SIZE), 0);
}

static void t_round_trip(void)
{
    mico_census *c = make_census(), *back = NULL;
    mico_err err;

    CU_ASSERT_EQUAL(mico_census_save(c, "/nowhere/at/all.h5", &err), MICO_EIO);
    CU_ASSERT_EQUAL_FATAL(mico_census_save(c, path, &err), MICO_OK);
    CU_ASSERT_EQUAL_FATAL(mico_census_load(&back, path, &err), MICO_OK);
    same_census(c, back);
    CU_ASSERT_PTR_NOT_NULL_FATAL(back->loss);
    CU_ASSERT_EQUAL(back->loss[7], c->loss[7]);
    CU_ASSERT(isnan(back->loss[5]));
    mico_census_free(back);
    free(c->loss);
    c->loss = NULL;
    CU_ASSERT_EQUAL_FATAL(mico_census_save(c, path, &err), MICO_OK);
    CU_ASSERT_EQUAL_FATAL(mico_census_load(&back, path, &err), MICO_OK);
    same_census(c, back);
    CU_ASSERT_PTR_NULL(back->loss);
    mico_census_free(back);
    mico_census_free(c);
}

/* Loading must fail, leave out alone and say something that holds `text`. */
static void refused(const char *text)
{
    mico_census *out = (mico_census *)&path;
    mico_err err = {0};
    mico_status rc = mico_census_load(&out, path, &err);

    CU_ASSERT_EQUAL(rc, MICO_EFORMAT);
    CU_ASSERT_PTR_EQUAL(out, (mico_census *)&path);
    if (strstr(err.text, text) == NULL) {
        printf("\n    '%s' has no '%s'\n", err.text, text);
        CU_FAIL("another message");
    }
    if (rc == MICO_OK)
        mico_census_free(out);
}

static void t_damaged(void)
{
    mico_census *c = make_census();
    uint8_t *bytes;
    size_t n;
    mico_err err;
    mico_census *none = NULL;

    unlink(path);
    CU_ASSERT_EQUAL(mico_census_load(&none, path, &err), MICO_EIO);
    CU_ASSERT_EQUAL_FATAL(mico_census_save(c, path, &err), MICO_OK);
    CU_ASSERT_EQUAL_FATAL(mico_file_read(&bytes, &n, path, 1 << 24, &err), MICO_OK);
    for (size_t cut = 0; cut < n; cut += 1 + cut / 16) {
        CU_ASSERT_EQUAL(mico_file_write(path, bytes, cut, &err), MICO_OK);
        refused(cut < 8 ? "not an HDF5 file" : "no seal");
    }
    for (size_t at = 8; at < n - MICO_SEAL_BYTES; at += 101) {
        bytes[at] ^= 0x10;
        CU_ASSERT_EQUAL(mico_file_write(path, bytes, n, &err), MICO_OK);
        refused("checksum");
        bytes[at] ^= 0x10;
    }
    free(bytes);
    CU_ASSERT_EQUAL(mico_file_write(path, "hello, this is text", 19, &err), MICO_OK);
    refused("not an HDF5 file");
    mico_census_free(c);
}

/* Well-formed files with contents that make no sense. */
static void t_hostile(void)
{
    mico_census *c = make_census();
    mico_err err;

    c->digest++;
    CU_ASSERT_EQUAL(mico_census_save(c, path, &err), MICO_OK);
    refused("digest");
    c->correct[9] = 1001;
    c->digest = mico_census_digest(c);
    CU_ASSERT_EQUAL(mico_census_save(c, path, &err), MICO_OK);
    refused("1001 of 1000 images");
    c->correct[9] = 1;
    c->n = 242;
    CU_ASSERT_EQUAL(mico_census_save(c, path, &err), MICO_OK);
    refused("242 schemes of a space of 243");
    c->n = 243;
    c->images = 0;
    CU_ASSERT_EQUAL(mico_census_save(c, path, &err), MICO_OK);
    refused("images");
    c->images = 1000;
    c->fp32_correct = 1001;
    CU_ASSERT_EQUAL(mico_census_save(c, path, &err), MICO_OK);
    refused("fp32_correct");
    c->fp32_correct = -1;
    c->problem.space.var_of[2] = 77;
    CU_ASSERT_EQUAL(mico_census_save(c, path, &err), MICO_OK);
    refused("gene 2");
    c->problem.space.var_of[2] = 2;
    c->problem.metric[0].table[4] = NAN;
    CU_ASSERT_EQUAL(mico_census_save(c, path, &err), MICO_OK);
    refused("cost 0");
    mico_census_free(c);
}

/* ---- from a run -------------------------------------------------------------------
 */

static mico_run *make_run(const mico_census *like)
{
    mico_run *run = mico_xcalloc(1, sizeof *run);
    mico_study_run *s;

    run->net_hash = like->net_hash;
    run->data_hash = like->data_hash;
    snprintf(run->net_path, sizeof run->net_path, "some/where/small.onnx");
    run->n_studies = 1;
    run->study = s = mico_xcalloc(1, sizeof *s);
    s->problem = store_run_problem(1);
    s->problem.space = like->problem.space;
    s->canonical = mico_xstrdup("[data]\nsearch = auto\n[space]\nprofile = integer\n");
    s->layer_kind = mico_xcalloc(STORE_RUN_LAYERS, MICO_NAME_SIZE);
    memcpy(s->layer_kind, like->layer_kind, STORE_RUN_LAYERS * MICO_NAME_SIZE);
    s->layer_weights = mico_xcalloc(STORE_RUN_LAYERS, sizeof(double));
    s->n_trials = like->n;
    s->trial = mico_xcalloc(like->n, sizeof *s->trial);
    for (size_t i = 0; i < like->n; i++) { /* backwards: any order will do */
        mico_trial *t = &s->trial[like->n - 1 - i];
        uint8_t levels[MICO_MAX_GENES];

        t->id = like->n - 1 - i;
        t->dup_of = MICO_NO_TRIAL;
        mico_census_levels(&like->problem.space, i, levels);
        mico_space_scheme(&like->problem.space, levels, &t->scheme);
        mico_census_answer(like, &t->scheme, &t->outcome);
    }
    return run;
}

static void t_from_run(void)
{
    mico_census *like = make_census(), *made = NULL;
    mico_run *run = make_run(like);
    mico_outcome *outcome = &run->study[0].trial[100].outcome;
    mico_err err;

    outcome->state = MICO_STATE_CRASHED;
    CU_ASSERT_EQUAL(mico_census_from_run(&made, run, 0, &err), MICO_EUNMET);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "1 of 243 schemes have no result"));
    outcome->state = MICO_STATE_DONE;
    outcome->images = 999;
    CU_ASSERT_EQUAL(mico_census_from_run(&made, run, 0, &err), MICO_EFORMAT);
    CU_ASSERT_PTR_NULL(made);
    outcome->images = 1000;
    CU_ASSERT_EQUAL_FATAL(mico_census_from_run(&made, run, 0, &err), MICO_OK);
    CU_ASSERT_EQUAL(made->digest, like->digest);
    CU_ASSERT_EQUAL(made->correct[5], MICO_CENSUS_REFUSED);
    CU_ASSERT_STRING_EQUAL(made->net, "small.onnx");
    CU_ASSERT_EQUAL(made->problem.n_constraints, 0);
    CU_ASSERT_EQUAL(made->fp32_correct, -1);
    mico_census_free(made);
    mico_census_free(like);
    mico_run_free(run);
}

static void t_clean(void)
{
    unlink(path);
    CU_ASSERT_EQUAL(rmdir(folder), 0);
}

static void t_start(void)
{
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/table.h5", folder);
}

MICO_SUITE("census", {"start", t_start}, {"order", t_order}, {"lookup", t_lookup},
           {"setting", t_setting}, {"digest", t_digest}, {"round trip", t_round_trip},
           {"damaged", t_damaged}, {"hostile", t_hostile}, {"from a run", t_from_run},
           {"clean", t_clean})
