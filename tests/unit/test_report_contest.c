/* Rank tests against published and scipy's values; medians of censored runs; files. */
#include "report/contest.h"

#include "core/file.h"
#include "core/mem.h"
#include "support/suite.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[] = "/tmp/mico-contest.XXXXXX";

static bool near(double a, double b)
{
    return fabs(a - b) < 1e-9 * fmax(1, fabs(b));
}

/* ---- tests ------------------------------------------------------------------------
 */

/* Every sign of every difference, as the definition says. */
static double brute_p(const double *d, size_t n)
{
    double rank[16], seen = 0;
    size_t below = 0, above = 0, all = (size_t)1 << n;

    for (size_t i = 0; i < n; i++) {
        rank[i] = 0.5;
        for (size_t j = 0; j < n; j++)
            rank[i] += fabs(d[j]) < fabs(d[i]) ? 1 : fabs(d[j]) > fabs(d[i]) ? 0 : 0.5;
        seen += d[i] > 0 ? rank[i] : 0;
    }
    for (size_t signs = 0; signs < all; signs++) {
        double sum = 0;

        for (size_t i = 0; i < n; i++)
            sum += signs >> i & 1 ? rank[i] : 0;
        below += sum <= seen;
        above += sum >= seen;
    }
    return fmin(1, 2.0 * (double)(below < above ? below : above) / (double)all);
}

static void t_wilcoxon(void)
{
    /* scipy.stats.wilcoxon, example of its documentation: T = 24, p = 0.041259765625 */
    static const double plants[] = {6,  8,   14, 16, 23, 24,  28, 29,
                                    41, -48, 49, 56, 60, -67, 75};
    static const double tied[] = {1, -1, 2, 2, 2, -3, 4, 4, 5, -5, 6, 7};
    static const double zero[15];
    double a[150], b[150];

    CU_ASSERT(near(mico_wilcoxon(plants, zero, 15), 0.041259765625));
    CU_ASSERT(near(mico_wilcoxon(zero, plants, 15), 0.041259765625));
    CU_ASSERT(near(mico_wilcoxon(plants, zero, 12), brute_p(plants, 12)));
    CU_ASSERT(near(mico_wilcoxon(tied, zero, 12), brute_p(tied, 12)));
    CU_ASSERT(near(mico_wilcoxon(tied, zero, 1), 1));
    CU_ASSERT_EQUAL(mico_wilcoxon(tied, tied, 12), 1); /* nothing differs */
    CU_ASSERT_EQUAL(mico_wilcoxon(tied, zero, 0), 1);
    for (size_t i = 0; i < 150; i++) { /* zero differences are left out */
        a[i] = i < 12 ? tied[i] : 3;
        b[i] = i < 12 ? 0 : 3;
    }
    CU_ASSERT(near(mico_wilcoxon(a, b, 150), brute_p(tied, 12)));
    /* 120 differences 1..120, every third negative: the normal approximation;
     * T+ = 7260 - 2460 = 4800, z = (4800 - 3630)/sqrt(145805) = 3.0640741..., and
     * erfc(z/sqrt 2) */
    for (size_t i = 0; i < 120; i++) {
        a[i] = (i + 1) % 3 == 0 ? -(double)(i + 1) : (double)(i + 1);
        b[i] = 0;
    }
    CU_ASSERT(near(mico_wilcoxon(a, b, 120),
                   erfc((4800 - 3630) / sqrt(145805.0) / sqrt(2.0))));
}

static void t_friedman(void)
{
    /* Hollander and Wolfe's base runners (R's friedman.test): chi-square 11.143, p
     * 0.003805 */
    static const double base[22][3] = {
        {5.40, 5.50, 5.55}, {5.85, 5.70, 5.75}, {5.20, 5.60, 5.50}, {5.55, 5.50, 5.40},
        {5.90, 5.85, 5.70}, {5.45, 5.55, 5.60}, {5.40, 5.40, 5.35}, {5.45, 5.50, 5.35},
        {5.25, 5.15, 5.00}, {5.85, 5.80, 5.70}, {5.25, 5.20, 5.10}, {5.65, 5.55, 5.45},
        {5.60, 5.35, 5.45}, {5.05, 5.00, 4.95}, {5.50, 5.50, 5.40}, {5.45, 5.55, 5.50},
        {5.55, 5.55, 5.35}, {5.45, 5.50, 5.55}, {5.50, 5.45, 5.25}, {5.65, 5.60, 5.40},
        {5.70, 5.65, 5.55}, {6.30, 6.30, 6.25}};
    static const double same[6];
    double rank[3], chi, p = mico_friedman(&base[0][0], 22, 3, rank, &chi);

    CU_ASSERT(fabs(chi - 11.142857142857) < 1e-9);
    CU_ASSERT(fabs(p - exp(-78 / 14.0)) <
              1e-12); /* two degrees of freedom: published 0.003805 */
    CU_ASSERT(near(rank[0], 53 / 22.0) && near(rank[1], 47 / 22.0) &&
              near(rank[2], 32 / 22.0));
    CU_ASSERT(isnan(mico_friedman(same, 2, 3, rank, &chi)));
    CU_ASSERT(near(rank[1], 2));
    CU_ASSERT(isnan(mico_friedman(same, 6, 1, rank, &chi)));
}

/* ---- contests ---------------------------------------------------------------------
 */

/* Two methods, three seeds, one case of optimum 900 of 1000 and a budget of 4. */
static mico_contest make_contest(void)
{
    static const uint32_t best[6][4] = {
        {0, 500, 895, 900},   {899, 899, 899, 899}, {0, 0, 0, 894}, /* reach */
        {900, 900, 900, 900}, {0, 0, 0, 0},         {1, 2, 896, 896}};
    mico_contest k = {.n_methods = 2, .n_seeds = 3, .n_cases = 1};

    k.method = mico_xcalloc(2, sizeof *k.method);
    snprintf(k.method[0], sizeof k.method[0], "first");
    snprintf(k.method[1], sizeof k.method[1], "a, \"b\" <c>");
    k.seed = mico_xcalloc(3, sizeof *k.seed);
    k.cases = mico_xcalloc(1, sizeof *k.cases);
    k.cases[0] = (mico_contest_case){.name = "net, bops <= 0.5 of w8a8",
                                     .scheme = "w8a8",
                                     .schemes = 9,
                                     .feasible = 5,
                                     .images = 1000,
                                     .optimum = 900,
                                     .budget = 4};
    k.cases[0].run = mico_xcalloc(6, sizeof *k.cases[0].run);
    for (size_t r = 0; r < 6; r++) {
        k.seed[r % 3] = r % 3 + 1;
        k.cases[0].run[r] =
            (mico_contest_run){.n = 4, .proposals = 5, .search_s = 0.01};
        k.cases[0].run[r].best = mico_xcalloc(4, sizeof(uint32_t));
        memcpy(k.cases[0].run[r].best, best[r], sizeof best[r]);
    }
    return k;
}

static void t_summary(void)
{
    mico_contest k = make_contest();
    mico_contest_sum sum;
    double rank[2];

    mico_contest_summarize(&k, 0, 0, &sum);
    CU_ASSERT_EQUAL(sum.reach[0].n, 1); /* 4, never, never */
    CU_ASSERT(isinf(sum.reach[0].median));
    CU_ASSERT_EQUAL(sum.reach[1].n, 2); /* 0.1 points are one image: 4, 1, never */
    CU_ASSERT_EQUAL(sum.reach[1].median, 4);
    CU_ASSERT_EQUAL(sum.reach[2].n, 2); /* 0.5 points: 3, 1, and 894 is not */
    CU_ASSERT_EQUAL(sum.reach[2].median, 3);
    CU_ASSERT(near(sum.regret[1], 0.1) && near(sum.regret[0], 0.05) &&
              near(sum.regret[2], 0.35));
    CU_ASSERT(near(sum.ms, 2));
    CU_ASSERT(isnan(sum.p));
    mico_contest_summarize(&k, 0, 1, &sum);
    CU_ASSERT_EQUAL(sum.reach[0].n, 1);
    CU_ASSERT_EQUAL(sum.reach[2].n, 2);
    CU_ASSERT_EQUAL(sum.reach[2].median, 3);
    CU_ASSERT(near(sum.regret[2], 45.2)); /* halfway between .4 and 90 */
    /* to within 0.1: 4, 1, 5.6 (5 and .6 points) and 1, 95, 5.4: differences -3, 94,
     * -.2
     */
    CU_ASSERT(near(sum.p, 1));
    mico_contest_friedman(&k, rank);
    CU_ASSERT(near(rank[0], 5 / 3.0) && near(rank[1], 4 / 3.0));
    mico_contest_free(&k);
}

/* The middle of a finite and an infinite count is not a number of evaluations. */
static void t_quantile(void)
{
    double v[] = {INFINITY, 3, 1, INFINITY}, w[] = {4, 1, 2, 3};

    CU_ASSERT(isinf(mico_contest_quantile(v, 4, 0.5)));
    CU_ASSERT_EQUAL(mico_contest_quantile(v, 4, 0), 1);
    CU_ASSERT_EQUAL(mico_contest_quantile(w, 4, 0.5), 2.5);
    CU_ASSERT_EQUAL(mico_contest_quantile(w, 4, 0.25), 1.75);
    CU_ASSERT_EQUAL(mico_contest_quantile(w, 4, 1), 4);
}

static void t_files(void)
{
    mico_contest k = make_contest(), back = make_contest();
    char path[128];
    uint8_t *text;
    size_t n;
    mico_err err;

    CU_ASSERT_EQUAL_FATAL(mico_contest_write(&k, folder, "A <title>", &err), MICO_OK);
    snprintf(path, sizeof path, "%s/compare.html", folder);
    CU_ASSERT_EQUAL_FATAL(mico_file_read(&text, &n, path, 1 << 24, &err), MICO_OK);
    CU_ASSERT_PTR_NOT_NULL(strstr((char *)text, "A &lt;title&gt;"));
    CU_ASSERT_PTR_NOT_NULL(strstr((char *)text, "&quot;b&quot; &lt;c&gt;"));
    CU_ASSERT_PTR_NOT_NULL(strstr((char *)text, "fill-opacity"));
    CU_ASSERT_PTR_NULL(strstr((char *)text, "nan"));
    free(text);
    /* what runs.csv says is what was */
    snprintf(path, sizeof path, "%s/runs.csv", folder);
    CU_ASSERT_EQUAL(mico_contest_add(&back, path, &err), MICO_EFORMAT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "a method of the contest"));
    mico_contest_free(&back);
    back = make_contest();
    snprintf(back.method[0], sizeof back.method[0], "x");
    snprintf(back.method[1], sizeof back.method[1], "y");
    CU_ASSERT_EQUAL_FATAL(mico_contest_add(&back, path, &err), MICO_OK);
    CU_ASSERT_EQUAL_FATAL(back.n_methods, 4);
    CU_ASSERT_STRING_EQUAL(back.method[3], k.method[1]);
    for (size_t r = 0; r < 6; r++) {
        CU_ASSERT_EQUAL_FATAL(back.cases[0].run[6 + r].n, 4);
        CU_ASSERT_EQUAL(memcmp(back.cases[0].run[6 + r].best, k.cases[0].run[r].best,
                               4 * sizeof(uint32_t)),
                        0);
        CU_ASSERT(near(back.cases[0].run[6 + r].search_s, 0.01));
        CU_ASSERT_EQUAL(back.cases[0].run[6 + r].proposals, 5);
    }
    mico_contest_free(&k);
    mico_contest_free(&back);
}

static void t_bad_runs(void)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        {"", "no column case"},
        {"case,method,seed,evaluations\n", "no column improvements"},
        {"case,method,seed,evaluations,improvements\n", "no run of these cases"},
        {"case,method,seed,evaluations,improvements\n\"net, bops <= 0.5 of "
         "w8a8\",z,1\n",
         "too few fields"},
        {"case,method,seed,evaluations,improvements\n"
         "\"net, bops <= 0.5 of w8a8\",z,x,4,1:5\n",
         "not a number"},
        {"case,method,seed,evaluations,improvements\n"
         "\"net, bops <= 0.5 of w8a8\",z,1,99999999999,1:5\n",
         "not a number"},
        {"case,method,seed,evaluations,improvements\n"
         "\"net, bops <= 0.5 of w8a8\",z,1,4,1:901\n",
         "up to the optimum"},
        {"case,method,seed,evaluations,improvements\n"
         "\"net, bops <= 0.5 of w8a8\",z,1,4,5:7\n",
         "up to the optimum"},
        {"case,method,seed,evaluations,improvements\n"
         "\"net, bops <= 0.5 of w8a8\",z,1,4,2:8;1:9\n",
         "up to the optimum"},
        {"case,method,seed,evaluations,improvements\n"
         "\"net, bops <= 0.5 of w8a8\",z,1,4,2:8;3:7\n",
         "up to the optimum"},
        {"case,method,seed,evaluations,improvements\n"
         "\"net, bops <= 0.5 of w8a8\",z,1,4,1:8\n\"net, bops <= 0.5 of "
         "w8a8\",z,1,4,1:8\n",
         "a second run"},
        {"case,method,seed,evaluations,improvements\n"
         "\"net, bops <= 0.5 of w8a8\",z,1,4,1:8\n",
         "no run of z on"},
        {"case,method,seed,evaluations,improvements\n\"", "too few fields"},
    };
    char path[128];
    mico_err err;

    snprintf(path, sizeof path, "%s/bad.csv", folder);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        mico_contest k = make_contest();

        CU_ASSERT_EQUAL(mico_file_write(path, bad[i].text, strlen(bad[i].text), &err),
                        MICO_OK);
        CU_ASSERT_NOT_EQUAL(mico_contest_add(&k, path, &err), MICO_OK);
        if (strstr(err.text, bad[i].says) == NULL) {
            printf("\n    %zu: '%s' has no '%s'\n", i, err.text, bad[i].says);
            CU_FAIL("another message");
        }
        mico_contest_free(&k);
    }
}

static void t_start(void)
{
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
}

static void t_clean(void)
{
    static const char *const names[] = {"compare.html", "compare.csv", "runs.csv",
                                        "bad.csv"};
    char path[128];

    for (size_t i = 0; i < 4; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    CU_ASSERT_EQUAL(rmdir(folder), 0);
}

MICO_SUITE("contest", {"start", t_start}, {"wilcoxon", t_wilcoxon},
           {"friedman", t_friedman}, {"summary", t_summary}, {"quantile", t_quantile},
           {"files", t_files}, {"bad runs", t_bad_runs}, {"clean", t_clean})
