/* Tests of job files: errors with lines, defaults, overrides, sweeps, limits. */
#include "support/suite.h"

#include "job/job.h"

#include <stdlib.h>

#define OK_TEXT                                                                        \
    "[net]\npath = a.onnx\n[data]\npath = x.npy,\n  y.npy\n[search]\nmethod = "        \
    "random\n"

static mico_status parse(mico_job **job, const char *text, const char *set,
                         mico_str *errors)
{
    return mico_job_parse(job, text, strlen(text), "j.ini", &set, set != NULL, errors);
}

/* Parses a bad text and returns the messages; the caller frees. */
static char *complaints(const char *text, const char *set)
{
    mico_str errors = {0};
    mico_job *job = NULL;

    CU_ASSERT_EQUAL(parse(&job, text, set, &errors), MICO_EJOB);
    CU_ASSERT_PTR_NULL(job);
    CU_ASSERT_PTR_NOT_NULL_FATAL(errors.text);
    return errors.text;
}

static void expect(const char *text, const char *set, const char *message)
{
    char *all = complaints(text, set);

    if (strstr(all, message) == NULL)
        printf("\n    wanted: %s\n    got: %s\n", message, all);
    CU_ASSERT_PTR_NOT_NULL(strstr(all, message));
    free(all);
}

static void t_messages(void)
{
    char long_line[600];

    expect("", NULL, "[net] path is missing");
    expect(OK_TEXT "methd = mico\n", NULL,
           "j.ini:8: unknown key 'methd' in [search] (did you mean 'method'?)");
    expect(OK_TEXT "[serch]\nmethod = mico\n", NULL,
           "j.ini:9: unknown section [serch] (did you mean [search]?)");
    expect("a = 1\n" OK_TEXT, NULL, "j.ini:1: 'a' stands before any [section]");
    expect(OK_TEXT "method = mico\n", NULL,
           "j.ini:8: key 'method' was given before, on line 7");
    expect(OK_TEXT "nonsense\n", NULL, "j.ini:8: neither [section] nor key = value");
    expect(OK_TEXT "[study]\nbudget = many\n", NULL,
           "j.ini:9: budget = many: must be a whole");
    expect(OK_TEXT "[space]\ntie = knot\n", NULL, "must be one of none|wa");
    expect(OK_TEXT "[run]\ntimeout = soon\n", NULL, "must be a time such as");
    expect(OK_TEXT "[run]\nmemory = lots\n", NULL, "must be a size such as");
    expect(OK_TEXT "[study]\nbudget = 0\n", NULL, "budget must be at least 1");
    expect(OK_TEXT, "study.budget", "must be section.key=value");
    expect(OK_TEXT, "study.buget=3", "did you mean 'budget'?");
    expect(OK_TEXT "[sweep]\nbudget = 1,2\n", NULL, "must be section.key");
    expect(OK_TEXT "[sweep]\nstudy.size = 1,2\n", NULL,
           "there is no key 'size' in [study]");
    expect(OK_TEXT "[sweep]\nstudy.seed = 5..1\n", NULL, "is not a range such as 1..5");
    memset(long_line, 'x', sizeof long_line - 1);
    long_line[sizeof long_line - 1] = '\0';
    expect(long_line, NULL, "j.ini:1: line is too long");
}

static void t_all_at_once(void)
{
    char *all =
        complaints("[study]\nbudget = x\nsead = 1\n[run]\nparallel = -1\n", NULL);

    CU_ASSERT_PTR_NOT_NULL(strstr(all, "j.ini:2:"));
    CU_ASSERT_PTR_NOT_NULL(strstr(all, "j.ini:3:"));
    CU_ASSERT_PTR_NOT_NULL(strstr(all, "j.ini:5:"));
    CU_ASSERT_PTR_NOT_NULL(strstr(all, "[net] path is missing"));
    CU_ASSERT_PTR_NOT_NULL(strstr(all, "[data] path is missing"));
    free(all);
}

static void t_zero_byte(void)
{
    static const char text[] = "[net]\npath = a\0b\n";
    mico_str errors = {0};
    mico_job *job;

    CU_ASSERT_EQUAL(
        mico_job_parse(&job, text, sizeof text - 1, "j.ini", NULL, 0, &errors),
        MICO_EJOB);
    CU_ASSERT_PTR_NOT_NULL(strstr(errors.text, "j.ini:2: line holds a zero byte"));
    mico_str_free(&errors);
}

static void t_values(void)
{
    mico_str errors = {0};
    mico_job *job;
    const mico_study *s;

    CU_ASSERT_EQUAL_FATAL(parse(&job,
                                OK_TEXT "[run]\nparallel = 3 ; comment\n"
                                        "[objective]\nreference =\n  w4a8\n",
                                "study.seed=9", &errors),
                          MICO_OK);
    CU_ASSERT_EQUAL_FATAL(job->n_studies, 1);
    s = &job->study[0];
    CU_ASSERT_STRING_EQUAL(s->study_name, "j");
    CU_ASSERT_STRING_EQUAL(s->net_path, "a.onnx");
    CU_ASSERT_STRING_EQUAL(s->data_path, "x.npy,y.npy");
    CU_ASSERT_STRING_EQUAL(s->objective_reference,
                           "w4a8"); /* on the line below its key */
    CU_ASSERT_STRING_EQUAL(s->search_method, "random");
    CU_ASSERT_EQUAL(s->study_seed, 9);
    CU_ASSERT_EQUAL(s->study_budget, 256);
    CU_ASSERT_EQUAL(s->run_parallel, 3);
    CU_ASSERT_EQUAL(s->run_window, 6);
    CU_ASSERT_EQUAL(s->run_timeout_s, 600);
    mico_job_free(job);
}

/* The canonical text parses to itself; inert keys do not move a study's key. */
static void t_canonical(void)
{
    mico_str errors = {0};
    mico_job *a, *b, *c, *d;

    CU_ASSERT_EQUAL_FATAL(parse(&a,
                                OK_TEXT "[sweep]\nstudy.seed = 1..3\n"
                                        "space.weight_bits = 2,4 | 8\n",
                                NULL, &errors),
                          MICO_OK);
    CU_ASSERT_EQUAL(a->n_studies, 6);
    CU_ASSERT_EQUAL_FATAL(parse(&b, a->canonical, NULL, &errors), MICO_OK);
    CU_ASSERT_STRING_EQUAL(a->canonical, b->canonical);
    CU_ASSERT_EQUAL(a->hash, b->hash);
    CU_ASSERT_STRING_EQUAL(a->study[0].study_name, "j-1-2-4");
    CU_ASSERT_STRING_EQUAL(a->study[5].study_name, "j-3-8");
    CU_ASSERT_NOT_EQUAL(a->study[0].key, a->study[1].key);
    CU_ASSERT_EQUAL_FATAL(parse(&c, OK_TEXT, "run.flush=1s", &errors), MICO_OK);
    CU_ASSERT_EQUAL_FATAL(parse(&d, OK_TEXT, "run.parallel=5", &errors), MICO_OK);
    CU_ASSERT_NOT_EQUAL(c->hash, d->hash);
    mico_job_free(d);
    /* the default window is 8: another way to say the same is the same job */
    CU_ASSERT_EQUAL_FATAL(
        parse(&d, OK_TEXT "[run]\nwindow = 8\n", "run.parallel=5", &errors), MICO_OK);
    CU_ASSERT_EQUAL(c->hash, d->hash);
    mico_job_free(d);
    CU_ASSERT_EQUAL_FATAL(parse(&d, OK_TEXT, NULL, &errors), MICO_OK);
    CU_ASSERT_EQUAL(c->hash, d->hash);
    mico_job_free(a);
    mico_job_free(b);
    mico_job_free(c);
    mico_job_free(d);
}

static void t_one_study_again(void)
{
    mico_writer w = {0};
    mico_str errors = {0};
    mico_job *job, *again;
    const uint8_t *calib;
    size_t n;
    mico_err err;

    CU_ASSERT_EQUAL_FATAL(
        parse(&job, OK_TEXT "[sweep]\nstudy.seed = 4,5\n", NULL, &errors), MICO_OK);
    mico_study_put(&w, &job->study[1], "dir/j.ini", (const uint8_t *)"cal", 3);
    for (size_t cut = 0; cut < w.len; cut += 7) {
        mico_reader r = {.bytes = w.bytes, .len = cut};

        CU_ASSERT_EQUAL(mico_study_get(&r, &again, &calib, &n, &err), MICO_EFORMAT);
    }
    {
        mico_reader r = {.bytes = w.bytes, .len = w.len};

        CU_ASSERT_EQUAL_FATAL(mico_study_get(&r, &again, &calib, &n, &err), MICO_OK);
    }
    CU_ASSERT_EQUAL(n, 3);
    CU_ASSERT_EQUAL(memcmp(calib, "cal", 3), 0);
    CU_ASSERT_EQUAL(again->n_studies, 1);
    CU_ASSERT_EQUAL(again->study[0].key, job->study[1].key);
    CU_ASSERT_EQUAL(again->study[0].study_seed, 5);
    CU_ASSERT_STRING_EQUAL(again->study[0].study_name, "j-5");
    mico_job_free(job);
    mico_job_free(again);
    mico_writer_free(&w);
}

static void t_limits(void)
{
    mico_limit limit[4];
    size_t n;
    mico_err err;

    CU_ASSERT_EQUAL(mico_limits_parse("bops < 3", limit, 4, &n, &err), MICO_EJOB);
    CU_ASSERT_EQUAL(mico_limits_parse("<= 3", limit, 4, &n, &err), MICO_EJOB);
    CU_ASSERT_EQUAL(mico_limits_parse("bops <= few", limit, 4, &n, &err), MICO_EJOB);
    CU_ASSERT_EQUAL(mico_limits_parse("bops <= -1", limit, 4, &n, &err), MICO_EJOB);
    CU_ASSERT_EQUAL(mico_limits_parse("bops <= 1 of ", limit, 4, &n, &err), MICO_EJOB);
    CU_ASSERT_EQUAL(mico_limits_parse("a<=1,b<=1,c<=1", limit, 2, &n, &err), MICO_EJOB);
    CU_ASSERT_EQUAL_FATAL(
        mico_limits_parse("bops <= 0.5 of w8a8, size <= 64KiB,cbops<=1.5e9", limit, 4,
                          &n, &err),
        MICO_OK);
    CU_ASSERT_EQUAL(n, 3);
    CU_ASSERT_TRUE(limit[0].relative);
    CU_ASSERT_STRING_EQUAL(limit[0].of, "w8a8");
    CU_ASSERT_EQUAL(limit[0].value, 0.5);
    CU_ASSERT_TRUE(limit[1].bytes);
    CU_ASSERT_EQUAL(limit[1].value, 65536);
    CU_ASSERT_EQUAL(limit[2].value, 1.5e9);
    CU_ASSERT_FALSE(limit[2].bytes);
    CU_ASSERT_STRING_EQUAL(limit[2].metric, "cbops");
    CU_ASSERT_EQUAL(mico_limits_parse("", limit, 4, &n, &err), MICO_OK);
    CU_ASSERT_EQUAL(n, 0);
}

MICO_SUITE("job", {"messages", t_messages}, {"all at once", t_all_at_once},
           {"zero byte", t_zero_byte}, {"values", t_values}, {"canonical", t_canonical},
           {"one study again", t_one_study_again}, {"limits", t_limits})
