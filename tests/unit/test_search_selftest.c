/* Tests of the problems with a known optimum: their published values, and searchers
 * that find them. */
#include "core/mem.h"
#include "search/selftest.h"
#include "support/suite.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

static char hawq_folder[600];

static bool have_hawq(void)
{
    char file[700];

    snprintf(hawq_folder, sizeof hawq_folder, "%s/data/hawq", MICO_SHARED_DIR);
    snprintf(file, sizeof file, "%s/hawqv3_resnet18.csv", hawq_folder);
    if (access(file, R_OK) == 0)
        return true;
    printf("shared data are not here: skipped ... ");
    return false;
}

static mico_selftest *open_test(const char *name)
{
    mico_selftest *test = NULL;
    mico_err err;

    if (mico_selftest_open(&test, name, hawq_folder, &err) != MICO_OK) {
        printf("%s\n", err.text);
        CU_FAIL_FATAL("not opened");
    }
    return test;
}

/* The value where variable v is at the level that digit v says. */
static double value_at(const mico_selftest *test, const char *digits)
{
    const mico_problem *p = mico_selftest_problem(test);
    uint8_t levels[MICO_MAX_GENES];
    mico_scheme scheme;

    CU_ASSERT_EQUAL_FATAL(strlen(digits), p->space.n_vars);
    for (size_t v = 0; v < p->space.n_vars; v++)
        levels[v] = (uint8_t)(digits[v] - '0');
    mico_space_scheme(&p->space, levels, &scheme);
    return mico_selftest_value(test, &scheme);
}

/* ---- errors -----------------------------------------------------------------------
 */

static void expect(const char *name, const char *data, mico_status rc, const char *text)
{
    mico_selftest *test = NULL;
    mico_err err = {0};

    CU_ASSERT_EQUAL(mico_selftest_open(&test, name, data, &err), rc);
    CU_ASSERT_PTR_NULL(test);
    if (strstr(err.text, text) == NULL) {
        printf("%s\n", err.text);
        CU_FAIL("another message");
    }
}

static void put(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(text, f);
    fclose(f);
}

static void t_errors(void)
{
    char folder[] = "/tmp/mico-selftest-XXXXXX", file[80];
    const char *name = "hawq-resnet18-bops-0.5";
    mico_str rows = {0};
    mico_selftest *test;
    mico_selftest_result result;
    mico_err err;

    expect("labs-12", NULL, MICO_EUSAGE, "did you mean 'labs-13'?");
    expect("", NULL, MICO_EUSAGE, "is not known");
    expect(name, NULL, MICO_EUSAGE, "needs the folder");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(file, sizeof file, "%s/hawqv3_resnet18.csv", folder);
    expect(name, folder, MICO_EIO, "hawqv3_resnet18.csv");
    put(file, "");
    expect(name, folder, MICO_EFORMAT, "0 layers instead of 19");
    put(file, "names\n0,1,1,1,1,1,1,1\n1,nan,1,1,1,1,1,1\n");
    expect(name, folder, MICO_EFORMAT, "layer 1 needs 8 numbers");
    put(file, "names\n0,1,1,-1,1,1,1,1\n");
    expect(name, folder, MICO_EFORMAT, "layer 0 needs 8 numbers");
    put(file, "names\n0,1,1,1\n");
    expect(name, folder, MICO_EFORMAT, "layer 0 needs 8 numbers");
    mico_str_add(&rows, "names\n");
    for (int i = 0; i < 70; i++)
        mico_str_add(&rows, "%d,1,1,1,1,1,1,1\n", i);
    put(file, rows.text);
    expect(name, folder, MICO_ELIMIT, "more than 64 layers");
    mico_str_free(&rows);
    unlink(file);
    rmdir(folder);
    test = open_test("labs-13");
    CU_ASSERT_EQUAL(mico_selftest_run(test, "randon", 1, 9, NULL, &result, &err),
                    MICO_EJOB);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "did you mean 'random'?"));
    mico_selftest_free(test);
}

/* ---- optima -----------------------------------------------------------------------
 */

/* Every scheme of the lengths up to 20 (longer ones in the reference notes): none is
 * below the optimum, some are at it. */
static void t_labs(void)
{
    static const struct {
        const char *name;
        size_t n;
    } lengths[] = {{"labs-13", 13}, {"labs-16", 16}, {"labs-20", 20}};
    mico_selftest *test;

    for (size_t i = 0; i < 3; i++) {
        mico_selftest_result result;
        double least = INFINITY;
        const mico_problem *p;

        test = open_test(lengths[i].name);
        p = mico_selftest_problem(test);
        CU_ASSERT_EQUAL_FATAL(p->space.n_vars, lengths[i].n);
        for (uint32_t word = 0; word < 1u << lengths[i].n; word++) {
            uint8_t levels[32];
            mico_scheme scheme;

            for (size_t v = 0; v < lengths[i].n; v++)
                levels[v] = (word >> v) & 1;
            mico_space_scheme(&p->space, levels, &scheme);
            least = fmin(least, mico_selftest_value(test, &scheme));
        }
        CU_ASSERT_EQUAL_FATAL(
            mico_selftest_run(test, "random", 1, 1, NULL, &result, NULL), MICO_OK);
        CU_ASSERT_EQUAL(result.optimum, least);
        mico_selftest_free(test);
    }
    /* Barker's code of length 13 */
    test = open_test("labs-13");
    CU_ASSERT_EQUAL(value_at(test, "1111100110101"), 6);
    CU_ASSERT_EQUAL(value_at(test, "1111111111111"), 650); /* 1 + 4 + ... + 144 */
    mico_selftest_free(test);
}

/* Proven by exhausting the tree of 2^25 (the reference notes), at this scheme. */
static void t_simulations(void)
{
    static const char *const names[] = {"contamination-0", "contamination-1e-4",
                                        "contamination-1e-2"};
    static const double optimum[] = {21.29, 21.2915, 21.44};
    mico_selftest *test;

    for (size_t i = 0; i < 3; i++) {
        test = open_test(names[i]);
        CU_ASSERT_DOUBLE_EQUAL(value_at(test, "1101101011010110101101010"), optimum[i],
                               1e-9);
        mico_selftest_free(test);
    }
    test = open_test("contamination-1e-2");
    CU_ASSERT_DOUBLE_EQUAL(value_at(test, "0000000000000000000000000"), 23.22, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(value_at(test, "1111111111111111111111111"), 24.00, 1e-9);
    mico_selftest_free(test);
}

/* COMBO's function with NumPy 1.24, seed 0. The shuffled one has the same values at
 * other places: none may be where it was. */
static void t_pest(void)
{
    static const double uniform[] = {22.27, 20.08, 14.07, 12.32, 12.57};
    mico_selftest *test = open_test("pest-0");
    const char *mixed = "0123401234012340123401234";

    for (int c = 0; c < 5; c++) {
        char digits[26] = {0};

        memset(digits, '0' + c, 25);
        CU_ASSERT_DOUBLE_EQUAL(value_at(test, digits), uniform[c], 1e-9);
    }
    CU_ASSERT_DOUBLE_EQUAL(value_at(test, mixed), 17.92, 1e-9);
    CU_ASSERT_DOUBLE_EQUAL(value_at(test, "1111111111111111111142223"), 20.3852, 1e-9);
    mico_selftest_free(test);
    test = open_test("pest-1");
    for (int c = 0; c < 5; c++) {
        char digits[26] = {0};

        memset(digits, '0' + c, 25);
        CU_ASSERT(fabs(value_at(test, digits) - uniform[c]) > 1e-6);
    }
    mico_selftest_free(test);
}

static void t_hawq(void)
{
    /* exact_optima.txt of the shared data */
    static const struct {
        const char *name;
        double optimum;
    } cases[] = {{"hawq-resnet18-size-0.25", 0.118299578},
                 {"hawq-resnet18-size-0.5", 0.074505930},
                 {"hawq-resnet18-size-0.75", 0.033440591},
                 {"hawq-resnet18-bops-0.25", 0.460424008},
                 {"hawq-resnet18-bops-0.5", 0.215689323},
                 {"hawq-resnet18-bops-0.75", 0.079964698},
                 {"hawq-resnet18-latency-0.25", 0.460424008},
                 {"hawq-resnet18-latency-0.5", 0.202673794},
                 {"hawq-resnet18-latency-0.75", 0.079964698},
                 {"hawq-resnet50-size-0.25", 0.074949445},
                 {"hawq-resnet50-size-0.5", 0.031024138},
                 {"hawq-resnet50-size-0.75", 0.012215414},
                 {"hawq-resnet50-bops-0.25", 0.148947717},
                 {"hawq-resnet50-bops-0.5", 0.056439851},
                 {"hawq-resnet50-bops-0.75", 0.024105334},
                 {"hawq-resnet50-latency-0.25", 0.137505072},
                 {"hawq-resnet50-latency-0.5", 0.054861102},
                 {"hawq-resnet50-latency-0.75", 0.022658307}};

    if (!have_hawq())
        return;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mico_selftest *test = open_test(cases[i].name);
        const mico_problem *p = mico_selftest_problem(test);
        mico_selftest_result result;
        mico_scheme all4;

        mico_scheme_parse(&all4, "w4a4", p->space.n_layers, NULL);
        CU_ASSERT_DOUBLE_EQUAL(mico_selftest_value(test, &all4),
                               p->space.n_layers == 19 ? 1.307713 : 0.906337, 6e-7);
        CU_ASSERT_EQUAL_FATAL(
            mico_selftest_run(test, "random", 1, 20, NULL, &result, NULL), MICO_OK);
        CU_ASSERT_DOUBLE_EQUAL(result.optimum, cases[i].optimum, 6e-10);
        CU_ASSERT(result.best >= result.optimum);
        mico_selftest_free(test);
    }
}

/* ---- running ----------------------------------------------------------------------
 */

/* Grid visits everything, so it meets the optimum and nothing below it. */
static void t_grid(void)
{
    const char *names[] = {"labs-13", "labs-16"};
    mico_selftest_result result;
    mico_selftest *test;

    for (size_t i = 0; i < 2; i++) {
        test = open_test(names[i]);
        CU_ASSERT_EQUAL(mico_selftest_run(test, "grid", 1, 70000, NULL, &result, NULL),
                        MICO_OK);
        CU_ASSERT_EQUAL(result.best, result.optimum);
        CU_ASSERT(result.to_target > 0 && result.to_target == result.evaluations);
        CU_ASSERT_EQUAL(result.repeats, 0);
        mico_selftest_free(test);
    }
    if (!have_hawq())
        return;
    test = open_test("hawq-resnet18-bops-0.5");
    CU_ASSERT_EQUAL(mico_selftest_run(test, "grid", 1, 70000, NULL, &result, NULL),
                    MICO_OK);
    CU_ASSERT_DOUBLE_EQUAL(result.best, 0.215689323, 6e-10);
    mico_selftest_free(test);
}

/* The budget counts, the same seed gives the same answer, another one another. */
static void t_budget(void)
{
    mico_selftest *test = open_test("contamination-1e-2");
    mico_selftest_result a, b, c;

    CU_ASSERT_EQUAL(mico_selftest_run(test, "regevo", 1, 60, NULL, &a, NULL), MICO_OK);
    CU_ASSERT_EQUAL(mico_selftest_run(test, "regevo", 1, 60, NULL, &b, NULL), MICO_OK);
    CU_ASSERT_EQUAL(mico_selftest_run(test, "regevo", 2, 60, NULL, &c, NULL), MICO_OK);
    CU_ASSERT_EQUAL(a.evaluations, 60);
    CU_ASSERT_EQUAL(a.to_target, 0);
    CU_ASSERT_EQUAL(a.best, b.best);
    CU_ASSERT(a.best != c.best);
    CU_ASSERT(a.best > 21.44 && a.best < 23.5);
    mico_selftest_free(test);
}

/* NSGA-II on the fronts: nearly all of the hypervolume in 3,000 evaluations of 9^11,
 * where random search stays far away. The optimum is that of 81 points. */
static void t_fronts(void)
{
    static const char *const names[] = {"zdt-1", "zdt-2", "zdt-3", "zdt-4"};
    static const double limit[] = {0.876667, 0.543333, 1.331763, 0.876667};

    for (size_t i = 0; i < 4; i++) {
        mico_search_options o = {.population = 60};
        mico_selftest *test = open_test(names[i]);
        mico_selftest_result ours, random;

        CU_ASSERT_EQUAL(mico_selftest_run(test, "nsga2", 1, 3000, &o, &ours, NULL),
                        MICO_OK);
        CU_ASSERT_EQUAL(mico_selftest_run(test, "random", 1, 3000, &o, &random, NULL),
                        MICO_OK);
        CU_ASSERT(ours.optimum < limit[i] && ours.optimum > limit[i] - 0.02);
        CU_ASSERT(ours.best > 0.95 * ours.optimum);
        CU_ASSERT(ours.best <= ours.optimum + 1e-12);
        CU_ASSERT(random.best < 0.6 * ours.optimum);
        mico_selftest_free(test);
    }
}

MICO_SUITE("search_selftest", {"errors", t_errors}, {"LABS", t_labs},
           {"contamination", t_simulations}, {"pest control", t_pest},
           {"HAWQ-V3", t_hawq}, {"grid", t_grid}, {"budget", t_budget},
           {"ZDT fronts", t_fronts})
