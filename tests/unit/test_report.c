/* The report says what the run holds, in well-formed files, whatever the run holds. */
#include "support/report_check.h"
#include "support/suite.h"

#include "report/internal.h"
#include "report/tables.h"

#include <math.h>

static char *read_text(const char *dir, const char *name)
{
    char path[512];
    uint8_t *bytes = NULL;
    size_t n;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    if (mico_file_read(&bytes, &n, path, 1 << 26, NULL) != MICO_OK)
        return mico_xstrdup("");
    return (char *)bytes;
}

static bool has_file(const char *dir, const char *name)
{
    char path[512];

    snprintf(path, sizeof path, "%s/%s", dir, name);
    return mico_file_exists(path);
}

/* Writes the report; checks that the page and all figures are well-formed and refer to
 * nothing. Returns the page. */
static char *write_and_check(const mico_run *const *runs, size_t n, const char *dir)
{
    mico_err err = {0};
    DIR *folder;
    struct dirent *entry;
    size_t pages = 0;

    CU_ASSERT_EQUAL_FATAL(mico_report_write(runs, n, dir, NULL, &err), MICO_OK);
    folder = opendir(dir);
    while ((entry = readdir(folder)) != NULL) {
        char *text;
        const char *wrong;

        if (strstr(entry->d_name, ".svg") == NULL &&
            strstr(entry->d_name, ".html") == NULL)
            continue;
        text = read_text(dir, entry->d_name);
        wrong = report_malformed(text);
        pages++;
        if (wrong != NULL)
            printf("\n    %s is malformed at: %.120s\n", entry->d_name, wrong);
        CU_ASSERT_PTR_NULL(wrong);
        CU_ASSERT_TRUE(strlen(text) > 0);
        free(text);
    }
    closedir(folder);
    CU_ASSERT_TRUE(pages >= 1);
    return read_text(dir, "report.html");
}

static void t_checker(void)
{
    static const char *const wrong[] = {
        "<a>",        "</a>",        "<a></b>",        "<a><b></a></b>", "<a b=c/>",
        "<a b='<'/>", "a & b",       "<a b='&x;'/>",   "<a b='",         "<",
        "\x01",       "<a b='c'd/>", "<a><b/></a></a>"};

    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CU_ASSERT_PTR_NOT_NULL(report_malformed(wrong[i]));
    CU_ASSERT_PTR_NULL(
        report_malformed("<!DOCTYPE html><a b='c \"' d=\"e\"><f/>x &amp;</a>"));
}

static void t_errors(void)
{
    report_run r;
    const mico_run *runs[] = {&r.run};
    char dir[64], path[128];
    mico_err err;

    report_run_make(&r, 5);
    store_run_folder(dir);
    CU_ASSERT_EQUAL(mico_report_write(runs, 0, dir, NULL, &err), MICO_EUSAGE);

    snprintf(path, sizeof path, "%s/file", dir);
    CU_ASSERT_EQUAL(mico_file_write(path, "x", 1, NULL), MICO_OK);
    CU_ASSERT_EQUAL(mico_report_write(runs, 1, path, NULL, &err), MICO_EIO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, path));
    snprintf(path, sizeof path, "%s/file/below", dir);
    CU_ASSERT_EQUAL(mico_report_write(runs, 1, path, NULL, &err), MICO_EIO);

    /* a folder is where a file should go */
    snprintf(path, sizeof path, "%s/report.html", dir);
    CU_ASSERT_EQUAL(mico_mkdirs(path, NULL), MICO_OK);
    CU_ASSERT_EQUAL(mico_report_write(runs, 1, dir, NULL, &err), MICO_EIO);
    rmdir(path);
    snprintf(path, sizeof path, "%s/study_1-front.csv", dir);
    remove(path);
    CU_ASSERT_EQUAL(mico_mkdirs(path, NULL), MICO_OK);
    CU_ASSERT_EQUAL(mico_report_write(runs, 1, dir, NULL, &err), MICO_EIO);
    rmdir(path);
    store_run_remove(dir);
    report_run_drop(&r);
}

static void t_empty(void)
{
    report_run r;
    const mico_run *runs[] = {&r.run};
    char dir[64], *page;
    mico_str text = {0};

    for (size_t n_studies = 0; n_studies <= 2; n_studies++) {
        report_run_make(&r, 0);
        r.run.n_studies = n_studies;
        store_run_folder(dir);
        page = write_and_check(runs, 1, dir);
        CU_ASSERT_PTR_NOT_NULL(strstr(page, "No study has trials yet"));
        CU_ASSERT_FALSE(has_file(dir, "study_0-trials.csv"));
        text.len = 0;
        mico_report_summary(&r.run, &text);
        CU_ASSERT_PTR_NOT_NULL_FATAL(text.text);
        CU_ASSERT_STRING_EQUAL(
            text.text, n_studies == 1
                           ? "study/0 (random): 0 trials, 0 failed, 0 repeats, not "
                             "complete\n  no trial was evaluated\n  final split "
                             "(10000 images):  fp32 91.00 %  best 89.00 %\n"
                           : "no study has trials\n");
        free(page);
        store_run_remove(dir);
        report_run_drop(&r);
    }
    mico_str_free(&text);
}

/* ---- numbers
 * ------------------------------------------------------------------------- */

/* store_run: trial 1 is 4/t,t/t,t/t. Metric 0 counts (index + 1 of w) x (index + 1 of
 * a) in each layer; t has index 1, 4 has 4: 5*2 + 2*2 + 2*2. */
static void t_summary(void)
{
    report_run r;
    mico_str text = {0};
    char ours[256];

    report_run_make(&r, 6); /* trials 0 to 4, 5 repeats 1 */
    r.run.n_studies = 1;
    r.run.study[0].complete = true;
    mico_report_summary(&r.run, &text);
    /* correct of trial k is 500 + 37 k: trial 4 wins */
    CU_ASSERT_STRING_EQUAL(
        text.text, "study/0 (random): 5 trials, 0 failed, 1 repeats\n"
                   "  best: trial 4  4/t,4/t,t/t\n"
                   "  bops 24  (bops <= 120: 20.0 % used)\n"
                   "  final split (10000 images):  fp32 91.00 %  best 89.00 %\n");
    snprintf(ours, sizeof ours, "%.2f",
             100 * mico_accuracy(&r.run.study[0].trial[4].outcome));
    CU_ASSERT_STRING_EQUAL(ours, "64.80");

    r.run.study[0].problem.constraint[0].limit = 1;
    text.len = 0;
    mico_report_summary(&r.run, &text);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(text.text,
               "nothing meets the limits; least violating: trial 0  wtat\n  bops 12"));
    mico_str_free(&text);
    report_run_drop(&r);
}

static void same_number(const char *text, double expected)
{
    char *end;

    CU_ASSERT_TRUE(strtod(text, &end) == expected);
    CU_ASSERT_TRUE(end != text && *end == '\0');
}

static void t_trials_csv(void)
{
    report_run r;
    mico_study_run *study;
    mico_str text = {0};
    report_csv csv;

    report_run_make(&r, 40);
    study = &r.run.study[1];
    strcpy(study->trial[6].outcome.reason, "a,b \"c\"\nd\re, ");
    study->trial[39].outcome = (mico_outcome){.state = MICO_STATE_PENDING};
    mico_table_trials(study, &text);
    report_csv_read(&csv, text.text);
    CU_ASSERT_FALSE_FATAL(csv.ragged);
    CU_ASSERT_EQUAL_FATAL(csv.n_rows, 41);
    for (size_t i = 0; i < 40; i++) {
        const mico_trial *t = &study->trial[i];
        mico_scheme scheme;

        same_number(report_csv_at(&csv, i, "trial"), (double)i);
        CU_ASSERT_STRING_EQUAL(report_csv_at(&csv, i, "state"),
                               mico_state_text(t->outcome.state));
        CU_ASSERT_EQUAL(
            mico_scheme_parse(&scheme, report_csv_at(&csv, i, "scheme"), 3, NULL),
            MICO_OK);
        CU_ASSERT_TRUE(mico_scheme_equal(&scheme, &t->scheme));
        CU_ASSERT_STRING_EQUAL(report_csv_at(&csv, i, "repeats"),
                               t->dup_of == MICO_NO_TRIAL ? "" : "1");
        CU_ASSERT_STRING_EQUAL(report_csv_at(&csv, i, "reason"), t->outcome.reason);
        same_number(report_csv_at(&csv, i, "worker"), t->worker);
        same_number(report_csv_at(&csv, i, "feasible"),
                    mico_metric_cost(&study->problem.metric[0], &t->scheme) <= 120);
        for (size_t k = 0; k < 2; k++)
            same_number(report_csv_at(&csv, i, study->problem.metric[k].name),
                        mico_metric_cost(&study->problem.metric[k], &t->scheme));
        if (t->outcome.state != MICO_STATE_DONE) {
            CU_ASSERT_STRING_EQUAL(report_csv_at(&csv, i, "correct"), "");
            CU_ASSERT_STRING_EQUAL(report_csv_at(&csv, i, "accuracy"), "");
            continue;
        }
        same_number(report_csv_at(&csv, i, "images"), (double)t->outcome.images);
        same_number(report_csv_at(&csv, i, "correct"), (double)t->outcome.correct);
        same_number(report_csv_at(&csv, i, "accuracy"),
                    (double)t->outcome.correct / (double)t->outcome.images);
        same_number(report_csv_at(&csv, i, "loss"), t->outcome.loss);
    }
    report_csv_free(&csv);
    mico_str_free(&text);
    report_run_drop(&r);
}

static void t_other_csv(void)
{
    report_run r;
    mico_study_run *study;
    mico_str text = {0};
    report_csv csv;
    size_t front[40], n, best;

    report_run_make(&r, 40);
    study = &r.run.study[1];
    n = mico_front(&study->problem, study->trial, 40, front);
    best = mico_best(&study->problem, study->trial, 40);
    CU_ASSERT_TRUE_FATAL(n > 1 && best < 40);
    mico_table_front(study, &text);
    report_csv_read(&csv, text.text);
    CU_ASSERT_EQUAL(csv.n_rows, n + 1);
    for (size_t i = 0; i < n; i++)
        same_number(report_csv_at(&csv, i, "trial"), (double)front[i]);
    report_csv_free(&csv);

    text.len = 0;
    mico_table_layers(study, &text);
    report_csv_read(&csv, text.text);
    CU_ASSERT_EQUAL(csv.n_rows, 4);
    CU_ASSERT_STRING_EQUAL(report_csv_at(&csv, 2, "name"), "conv2");
    same_number(report_csv_at(&csv, 2, "macs"), 3000);
    same_number(report_csv_at(&csv, 2, "weights"), 27);
    CU_ASSERT_STRING_EQUAL(report_csv_at(&csv, 2, "act_bits"),
                           mico_width_text(study->trial[best].scheme.bits[5]));
    report_csv_free(&csv);

    text.len = 0;
    strcpy(r.check[1].name, "a\"b,c");
    mico_table_checks(study, &text);
    report_csv_read(&csv, text.text);
    CU_ASSERT_FALSE(csv.ragged);
    CU_ASSERT_EQUAL(csv.n_rows, 3);
    CU_ASSERT_STRING_EQUAL(report_csv_at(&csv, 0, "trial"), "");
    CU_ASSERT_STRING_EQUAL(report_csv_at(&csv, 1, "name"), "a\"b,c");
    same_number(report_csv_at(&csv, 1, "correct"), 8900);
    report_csv_free(&csv);
    mico_str_free(&text);
    report_run_drop(&r);
}

/* ---- unusual runs
 * -------------------------------------------------------------------- */

static void t_all_failed(void)
{
    report_run r;
    const mico_run *runs[] = {&r.run};
    char dir[64], *page;

    report_run_make(&r, 9);
    for (size_t t = 0; t < 9; t++) {
        mico_outcome *o = &r.run.study[0].trial[t].outcome;

        *o = (mico_outcome){.state = t < 2 ? MICO_STATE_TIMEOUT : MICO_STATE_CRASHED};
        snprintf(o->reason, sizeof o->reason, "why %zu", t);
    }
    r.run.n_studies = 1;
    store_run_folder(dir);
    page = write_and_check(runs, 1, dir);
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "No trial was evaluated"));
    /* 5 repeats 1; of each state the number, the first and its reason */
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "crashed</td><td>6</td><td>2</td><td "
                                        "class='left'>why 2</td>"));
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "timeout</td><td>2</td><td>0</td><td "
                                        "class='left'>why 0</td>"));
    CU_ASSERT_FALSE(has_file(dir, "study_0-progress.svg"));
    CU_ASSERT_TRUE(has_file(dir, "study_0-trials.csv"));
    free(page);
    store_run_remove(dir);
    report_run_drop(&r);
}

static void t_infeasible(void)
{
    report_run r;
    const mico_run *runs[] = {&r.run};
    char dir[64], *page, *layers;

    report_run_make(&r, 9);
    r.run.study[0].problem.constraint[0].limit = 1;
    r.run.n_studies = 1;
    store_run_folder(dir);
    page = write_and_check(runs, 1, dir);
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "No evaluated scheme meets the limits"));
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "Least violating: trial 0"));
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "least violating scheme, trial 0"));
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "beyond the limits (7)"));
    layers = read_text(dir, "study_0-layers.csv");
    CU_ASSERT_PTR_NOT_NULL(strstr(layers, "0,conv0,conv,1000,9,,\n"));
    free(layers);
    free(page);
    store_run_remove(dir);
    report_run_drop(&r);
}

/* One trial; no metrics; nothing but pending ones; only repeats. */
static void t_few(void)
{
    report_run r;
    const mico_run *runs[] = {&r.run};
    char dir[64];

    for (size_t which = 0; which < 4; which++) {
        mico_problem *problem;

        report_run_make(&r, which == 0 ? 1 : 3);
        problem = &r.run.study[0].problem;
        if (which == 1) {
            free(problem->metric[0].table);
            problem->n_metrics = problem->n_constraints = 0;
        }
        for (size_t t = 0; t < 3 && which >= 2; t++) {
            if (which == 2)
                r.run.study[0].trial[t].outcome.state = MICO_STATE_PENDING;
            else if (t > 0)
                r.run.study[0].trial[t].dup_of = 0;
        }
        r.run.study[0].n_checks = 0;
        store_run_folder(dir);
        free(write_and_check(runs, 1, dir));
        CU_ASSERT_EQUAL(has_file(dir, "study_0-tradeoff.svg"),
                        which == 0 || which == 3);
        store_run_remove(dir);
        report_run_drop(&r);
    }
}

/* Numbers that no plot can show must not hang it or leak into it. */
static void t_wild_costs(void)
{
    static const double wild[] = {1e17, 1e300, -1e300, INFINITY, NAN, 1e-300, 0};
    report_run r;
    mico_str text = {0};

    for (size_t i = 0; i < sizeof wild / sizeof wild[0]; i++) {
        report_run_make(&r, 20);
        r.run.study[1].problem.metric[1].constant = wild[i];
        text.len = 0;
        mico_figure_tradeoff(&r.run.study[1], &text);
        CU_ASSERT_PTR_NULL(report_malformed(text.text));
        CU_ASSERT_PTR_NULL(strstr(text.text, "='nan"));
        CU_ASSERT_PTR_NULL(strstr(text.text, "='inf"));
        CU_ASSERT_TRUE(text.len < 100000);
        report_run_drop(&r);
    }
    mico_str_free(&text);
}

static void t_hostile(void)
{
    static char evil[] = "<script>alert('x')</script>&\"\x01\xff\xc3";
    report_run r;
    const mico_run *runs[] = {&r.run};
    mico_study_run *study;
    char dir[64], *page;

    report_run_make(&r, 12);
    study = &r.run.study[0];
    snprintf(study->name, sizeof study->name, "../../%s", evil);
    study->searcher = study->canonical = evil;
    snprintf(r.run.study[1].name, sizeof r.run.study[1].name,
             "a-name-of-fifty-nine-characters-which-is-as-long-as-allowed");
    snprintf(study->problem.metric[0].name, MICO_NAME_SIZE, "%s", evil);
    snprintf(study->problem.metric[0].unit, 16, "%.15s", evil);
    snprintf(study->problem.constraint[0].text, 128, "%s", evil);
    snprintf(study->problem.layer_name[1], MICO_NAME_SIZE, "%s", evil);
    snprintf(study->trial[6].outcome.reason, 200, "%s\n,,", evil);
    snprintf(r.check[0].name, MICO_NAME_SIZE, "%s", evil);
    snprintf(r.run.job_path, sizeof r.run.job_path, "%s", evil);
    snprintf(r.run.start->argv, sizeof r.run.start->argv, "%s", evil);
    snprintf(r.run.start->when, sizeof r.run.start->when, "%.31s", evil);
    store_run_folder(dir);
    page = write_and_check(runs, 1, dir);
    CU_ASSERT_EQUAL(report_count(page, "<script"), 0);
    CU_ASSERT_TRUE(report_count(page, "&lt;script&gt;alert(&#39;x&#39;)&lt;/") >= 8);
    CU_ASSERT_EQUAL(report_count(page, "\xff") + report_count(page, "\x01"), 0);
    CU_ASSERT_TRUE(has_file(dir, "_._..__script_alert__x____script______-trials.csv"));
    CU_ASSERT_TRUE(has_file(
        dir, "a-name-of-fifty-nine-characters-which-is-as-long-as-allowed-bits.svg"));
    free(page);
    store_run_remove(dir);
    report_run_drop(&r);
}

/* ---- the page
 * ------------------------------------------------------------------------ */

static void t_self_contained(void)
{
    static const char *const reaching[] = {"src=",    "url(",    "@import", "<link",
                                           "<script", "<iframe", "<image",  "<use",
                                           "xlink",   "data:"};
    report_run r;
    const mico_run *runs[] = {&r.run, &r.run};
    char dir[64], *page, *again;

    report_run_make(&r, 30);
    store_run_folder(dir);
    page = write_and_check(runs, 2, dir);
    for (size_t i = 0; i < sizeof reaching / sizeof reaching[0]; i++)
        CU_ASSERT_EQUAL(report_count(page, reaching[i]), 0);
    CU_ASSERT_TRUE(report_count(page, "<svg ") > 8);
    CU_ASSERT_EQUAL(report_count(page, "://"), report_count(page, "<svg "));
    CU_ASSERT_EQUAL(report_count(page, "xmlns='http://www.w3.org/2000/svg'"),
                    report_count(page, "<svg "));
    CU_ASSERT_EQUAL(report_count(page, "href="), report_count(page, "href='#"));
    /* links lead somewhere */
    CU_ASSERT_EQUAL(report_count(page, "href='#study"), 4);
    CU_ASSERT_EQUAL(report_count(page, " id='study"), 4);

    again = write_and_check(runs, 2, dir); /* a pure function of the run */
    CU_ASSERT_STRING_EQUAL(page, again);
    free(again);
    free(page);

    /* equal names do not overwrite each other */
    CU_ASSERT_TRUE(has_file(dir, "study_0-trials.csv"));
    CU_ASSERT_TRUE(has_file(dir, "study_0~2-trials.csv"));
    CU_ASSERT_TRUE(has_file(dir, "study_1~2-trials.csv"));
    CU_ASSERT_TRUE(has_file(dir, "compare.svg"));
    store_run_remove(dir);
    report_run_drop(&r);
}

static void t_title(void)
{
    report_run r;
    const mico_run *runs[] = {&r.run};
    char dir[64], *page;

    report_run_make(&r, 2);
    store_run_folder(dir);
    CU_ASSERT_EQUAL(mico_report_write(runs, 1, dir, "a < b", NULL), MICO_OK);
    page = read_text(dir, "report.html");
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "<title>a &lt; b</title>"));
    free(page);
    page = write_and_check(runs, 1, dir);
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "<h1>mico-sweep: x</h1>"));
    free(page);
    r.run.job_text = "[run]\nflush = 5s\n\n[report]\ntitle = Ours & more\n";
    page = write_and_check(runs, 1, dir);
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "<h1>Ours &amp; more</h1>"));
    free(page);
    r.run.job_text = "[report]\ntitle = \n";
    page = write_and_check(runs, 1, dir);
    CU_ASSERT_PTR_NOT_NULL(strstr(page, "<h1>mico-sweep: x</h1>"));
    free(page);
    store_run_remove(dir);
    report_run_drop(&r);
}

/* ---- figures
 * ------------------------------------------------------------------------- */

/* Every trial that is not a repeat is a mark with a tip; the best has one more. */
static void t_marks(void)
{
    report_run r;
    mico_str text = {0};
    mico_counts counts;

    report_run_make(&r, 40);
    counts = mico_report_counts(&r.run.study[0]);
    CU_ASSERT_EQUAL(counts.repeats, 7);
    CU_ASSERT_EQUAL(counts.failed, 4); /* 6, 13, 27, 34 and not 20: it repeats 1 */
    mico_figure_progress(&r.run.study[0], &text);
    CU_ASSERT_EQUAL(report_count(text.text, "<title>"),
                    counts.done + counts.failed + 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(text.text,
                                  "<title>trial 6: crashed: signal 11 in trial 6\n"
                                  "bops "));
    CU_ASSERT_PTR_NOT_NULL(strstr(text.text, "failed (4)"));
    mico_str_free(&text);
    report_run_drop(&r);
}

static void t_focus(void)
{
    double values[] = {90, 10, 91, 89, 92, 60, 88}, equal[] = {5, 5, 5}, one[] = {7};
    double low, high;
    size_t below;

    mico_focus(values, 7, &low, &high, &below); /* median 89, highest 92 */
    CU_ASSERT_TRUE(low == 80 && high == 92 && below == 2);
    mico_focus(equal, 3, &low, &high, &below);
    CU_ASSERT_TRUE(low == 5 && high == 5 && below == 0);
    mico_focus(one, 1, &low, &high, &below);
    CU_ASSERT_TRUE(low == 7 && high == 7 && below == 0);
}

static void t_below_is_said(void)
{
    report_run r;
    mico_str text = {0};

    report_run_make(&r, 5); /* 500 to 648 of 1000 correct */
    mico_figure_progress(&r.run.study[0], &text);
    CU_ASSERT_PTR_NULL(strstr(text.text, "drawn at the edge"));
    r.run.study[0].trial[0].outcome.correct = 3;
    text.len = 0;
    mico_figure_progress(&r.run.study[0], &text);
    CU_ASSERT_PTR_NOT_NULL(strstr(text.text, "1 below 35.2 %, drawn at the edge"));
    mico_str_free(&text);
    report_run_drop(&r);
}

/* 5, 20 and 60 layers: a row of cells for every 20, all inside the drawing. */
static void t_bits(void)
{
    static const size_t layers[] = {5, 20, 60, 256};
    double height = 0;

    for (size_t i = 0; i < 4; i++) {
        size_t n = layers[i];
        mico_trial trial = {.dup_of = MICO_NO_TRIAL};
        mico_study_run study = {.n_trials = 1, .trial = &trial};
        mico_str text = {0};
        double now;

        study.problem.space.n_layers = trial.scheme.n_layers = n;
        study.problem.layer_name = mico_xcalloc(n, MICO_NAME_SIZE);
        for (size_t l = 0; l < n; l++) {
            snprintf(study.problem.layer_name[l], MICO_NAME_SIZE,
                     "/features/block.%zu/conv/conv.1/Conv_output_0", l);
            trial.scheme.bits[l] = mico_width_at(l % MICO_N_WIDTHS);
            trial.scheme.bits[n + l] = 8;
        }
        trial.outcome =
            (mico_outcome){.state = MICO_STATE_DONE, .images = 2, .correct = 1};
        mico_figure_bits(&study, &text);
        CU_ASSERT_PTR_NULL(report_malformed(text.text));
        CU_ASSERT_EQUAL(report_count(text.text, "<rect "), 2 * n + 1);
        CU_ASSERT_EQUAL(report_count(text.text, ">weights<"), (n + 19) / 20);
        CU_ASSERT_EQUAL(report_count(text.text, "<title>"), n);
        CU_ASSERT_EQUAL(
            sscanf(strstr(text.text, "viewBox="), "viewBox='0 0 760 %lf", &now), 1);
        CU_ASSERT_TRUE((now > height) == (n != 20));
        height = now;
        for (const char *at = text.text; (at = strstr(at, "<rect x='")) != NULL; at++) {
            double x, y, width;

            CU_ASSERT_EQUAL(
                sscanf(at, "<rect x='%lf' y='%lf' width='%lf'", &x, &y, &width), 3);
            CU_ASSERT_TRUE(x >= 90 && x + width <= 750 && y + 26 < height &&
                           width > 20);
        }
        free(study.problem.layer_name);
        mico_str_free(&text);
    }
}

static void t_groups(void)
{
    static char *const texts[] = {
        "[study]\nname = a\nseed = 1\n[search]\nmethod = mico\n",
        "[study]\nname = b\nseed = 2\n[search]\nmethod = mico\n",
        "[study]\nname = c\nseed = 1\n[search]\nmethod = random\n",
        "[study]\nname = d\nseed = 1\n[search]\nmethod = mico\n"
        "inits = 9\n"};
    mico_trial trial[3] = {{.dup_of = MICO_NO_TRIAL}};
    mico_study_run study[4] = {{.n_trials = 0}};
    mico_run run = {.n_studies = 4, .study = study};
    const mico_run *runs[] = {&run};
    mico_overview o;
    mico_str text = {0};

    for (size_t t = 0; t < 3; t++)
        trial[t] = (mico_trial){
            .id = t,
            .dup_of = MICO_NO_TRIAL,
            .outcome = {.state = MICO_STATE_DONE, .images = 100, .correct = 90 + t}};
    for (size_t s = 0; s < 4; s++) {
        study[s] = (mico_study_run){.canonical = texts[s],
                                    .n_trials = 3 - (s == 1),
                                    .searcher = s == 2 ? "random" : "mico",
                                    .trial = trial};
        snprintf(study[s].name, MICO_NAME_SIZE, "%c", 'a' + (int)s);
    }
    o = mico_overview_make(runs, 1);
    CU_ASSERT_EQUAL_FATAL(o.n_groups, 3);
    CU_ASSERT_EQUAL(o.entry[0].group, o.entry[1].group);
    CU_ASSERT_STRING_EQUAL(o.label[0], "a"); /* "mico" would not tell it from d */
    CU_ASSERT_STRING_EQUAL(o.label[1], "random");
    CU_ASSERT_STRING_EQUAL(o.label[2], "d");
    mico_figure_compare(&o, &text);
    CU_ASSERT_PTR_NULL(report_malformed(text.text));
    CU_ASSERT_EQUAL(report_count(text.text, "median of 2 seeds"), 1);
    /* a line for each of 4 studies and 3 groups, and the thin one in the legend */
    CU_ASSERT_EQUAL(report_count(text.text, "stroke-width='0.8'"), 5);
    CU_ASSERT_EQUAL(report_count(text.text, "stroke-width='2.5'"), 6);
    mico_str_free(&text);
    mico_overview_free(&o);

    run.n_studies = 1; /* nothing to compare */
    o = mico_overview_make(runs, 1);
    mico_figure_compare(&o, &text);
    CU_ASSERT_EQUAL(text.len, 0);
    mico_overview_free(&o);
}

static void t_median(void)
{
    double odd[] = {3, 1, 2}, even[] = {4, 1, 3, 2}, unknown[] = {1, -INFINITY};

    CU_ASSERT_TRUE(mico_median(odd, 3) == 2);
    CU_ASSERT_TRUE(mico_median(even, 4) == 2.5);
    CU_ASSERT_TRUE(!isfinite(mico_median(unknown, 2)));
    CU_ASSERT_TRUE(isnan(mico_median(NULL, 0)));
}

/* ---- words
 * --------------------------------------------------------------------------- */

static void t_words(void)
{
    static const struct {
        const char *in, *out;
    } cases[] = {{"a<b>&\"'", "a&lt;b&gt;&amp;&quot;&#39;"},
                 {"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80",
                  "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
                 {"\xc3", "?"},                /* cut */
                 {"\xc0\xaf", "??"},           /* overlong */
                 {"\xed\xa0\x80", "???"},      /* surrogate */
                 {"\xf4\x90\x80\x80", "????"}, /* beyond U+10FFFF */
                 {"\xef\xbf\xbf", "???"},      /* no character of XML */
                 {"a\x02\tb\n\x7f", "a?\tb\n?"}};
    mico_metric bits = {.name = "size", .unit = "bits"}, ops = {.name = "bops"};
    char cut[64], text[48];

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mico_str out = {0};

        mico_add_escaped(&out, cases[i].in);
        CU_ASSERT_STRING_EQUAL(out.text, cases[i].out);
        mico_str_free(&out);
    }
    mico_cut_middle("abcdefghij", 10, cut, sizeof cut);
    CU_ASSERT_STRING_EQUAL(cut, "abcdefghij");
    mico_cut_middle("abcdefghijk", 10, cut, sizeof cut);
    CU_ASSERT_STRING_EQUAL(cut, "abcd\xe2\x80\xa6ghijk");
    mico_cut_middle("\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", 3, cut, sizeof cut);
    CU_ASSERT_STRING_EQUAL(cut, "\xc3\xa9\xe2\x80\xa6\xc3\xa9");
    mico_cost_text(&bits, 196096, text);
    CU_ASSERT_STRING_EQUAL(text, "23.94 KiB");
    mico_cost_text(&ops, 340828160, text);
    CU_ASSERT_STRING_EQUAL(text, "340.8 M");
    mico_cost_text(&ops, 12, text);
    CU_ASSERT_STRING_EQUAL(text, "12");
}

MICO_SUITE("report", {"the checker itself", t_checker}, {"errors", t_errors},
           {"empty", t_empty}, {"summary", t_summary}, {"trials as CSV", t_trials_csv},
           {"other CSV", t_other_csv}, {"all failed", t_all_failed},
           {"nothing feasible", t_infeasible}, {"few trials", t_few},
           {"wild costs", t_wild_costs}, {"hostile names", t_hostile},
           {"self-contained", t_self_contained}, {"title", t_title}, {"marks", t_marks},
           {"focus", t_focus}, {"what is below", t_below_is_said}, {"bits", t_bits},
           {"groups", t_groups}, {"median", t_median}, {"words", t_words})
