/* The choice of kernels by time: what is measured, remembered, kept in a file. */
#include "core/file.h"
#include "support/kernels_case.h"
#include "support/suite.h"

#include <sys/stat.h>

#define VNNI    "avx512vnni"
#define VPOPCNT "avx512vpopcnt"

static char dir[] = "/tmp/mico_tune_XXXXXX";
static char path[64];

/* A convolution of 1-bit weights and codes of the width. */
static mico_case *conv_case(size_t channels, uint8_t width)
{
    mico_case *c = mico_case_new(MICO_OP_CONV);
    mico_rng *rng = mico_rng_new(1, "tune", 0);
    int8_t *q;

    c->node.window = (mico_window){3, 3, 1, 1, 1, 1, 1, 1, 1, 1};
    c->node.c_in = c->node.c_out = channels;
    mico_case_tensor(c, 0, 3, (size_t[]){channels, 6, 6}, width, true);
    mico_case_tensor(c, MICO_CASE_OUT, 3, (size_t[]){channels, 6, 6}, 8, true);
    q = mico_case_weights(c, channels, 9 * channels);
    for (size_t k = 0; k < channels * 9 * channels; k++)
        q[k] = (int8_t)mico_case_value(rng, 1, true);
    mico_case_sums(c);
    c->weights.width = 1;
    mico_case_random(c, 0, 1, rng);
    mico_rng_free(rng);
    return c;
}

/* Checks the totals of the report. */
static void check_totals(const mico_tuner *tuner, size_t known, size_t measured)
{
    mico_str text = {0};
    char line[100];

    snprintf(line, sizeof line, "kernels chosen by time: %zu, measured now: %zu\n",
             known, measured);
    mico_tuner_report(tuner, &text);
    CU_ASSERT_EQUAL(strncmp(text.text, line, strlen(line)), 0);
    mico_str_free(&text);
}

static bool can_choose(void)
{
    if (mico_isa_here(VPOPCNT))
        return true;
    printf("\n    skipped: this CPU has one kernel for each operation\n");
    return false;
}

static char *read_cache(size_t *n)
{
    uint8_t *bytes = NULL;

    CU_ASSERT_EQUAL_FATAL(mico_file_read(&bytes, n, path, 1 << 20, NULL), MICO_OK);
    return (char *)bytes;
}

static void write_cache(const char *bytes, size_t n)
{
    CU_ASSERT_EQUAL(mico_file_write(path, bytes, n, NULL), MICO_OK);
}

/* Fills the cache with two choices. */
static void fill_cache(void)
{
    mico_tuner *tuner = mico_tuner_new(path, NULL, true);
    mico_case *a = conv_case(16, 1), *b = conv_case(32, 2);

    CU_ASSERT_PTR_NOT_NULL(mico_tuner_choose(tuner, &a->plan, &a->op));
    CU_ASSERT_PTR_NOT_NULL(mico_tuner_choose(tuner, &b->plan, &b->op));
    mico_tuner_free(tuner);
    mico_case_free(a);
    mico_case_free(b);
}

/* How many choices a cache file of these bytes gives. */
static void check_bytes(const char *bytes, size_t n, size_t known)
{
    mico_tuner *tuner;

    write_cache(bytes, n);
    tuner = mico_tuner_new(path, NULL, true);
    check_totals(tuner, known, 0);
    mico_tuner_free(tuner);
}

static void t_no_operation(void)
{
    mico_tuner *tuner = mico_tuner_new(NULL, NULL, true);
    mico_case *c = mico_case_new(MICO_OP_INPUT);

    CU_ASSERT_PTR_NULL(mico_tuner_choose(tuner, &c->plan, &c->op));
    check_totals(tuner, 0, 0);
    mico_tuner_save(tuner); /* nowhere */
    mico_tuner_free(tuner);
    mico_tuner_free(NULL);
    mico_case_free(c);
}

/* A cut, changed, foreign or senseless file gives nothing and is replaced. */
static void t_damaged_cache(void)
{
    size_t n;
    char *good, *bad;

    if (!can_choose())
        return;
    fill_cache();
    good = read_cache(&n);
    check_bytes(good, n, 2);
    bad = mico_xcalloc(n + 1, 1);
    for (size_t cut = 0; cut < n; cut += n / 40 + 1)
        check_bytes(good, cut, 0);
    for (size_t at = 0; at < n - 1; at += n / 40 + 1) {
        memcpy(bad, good, n);
        bad[at] ^= 1; /* of the CPU, of the program, of a time, of the sum */
        check_bytes(bad, n, 0);
    }
    memcpy(bad, good, n);
    memset(bad + n / 2, 0, 3);
    check_bytes(bad, n, 0);
    check_bytes("", 0, 0);
    check_bytes("sum 0000000000000000\n", 21, 0);
    check_bytes("\n\n\n\t\t\t\nsum 1\n", 14, 0);
    fill_cache();
    free(good);
    good = read_cache(&n);
    check_bytes(good, n, 2);
    free(good);
    free(bad);
}

/* Folders that cannot be made or written: no error, no file. */
static void t_no_place(void)
{
    const char *places[] = {"/proc/mico/kernels.txt", "/dev/null/kernels.txt", dir};

    for (size_t i = 0; i < 3; i++) {
        mico_tuner *tuner = mico_tuner_new(places[i], NULL, true);
        mico_case *c = conv_case(16, 1);

        CU_ASSERT_PTR_NOT_NULL(mico_tuner_choose(tuner, &c->plan, &c->op));
        mico_tuner_free(tuner);
        mico_case_free(c);
    }
}

static void t_choice(void)
{
    mico_tuner *tuner = mico_tuner_new(NULL, NULL, true);
    mico_case *few = conv_case(16, 1), *many = conv_case(16, 8);
    const mico_kernel *plain = mico_kernel_find(&few->plan, &few->op, NULL);
    const mico_kernel *first, *second;

    /* one entry: nothing to measure */
    CU_ASSERT_PTR_EQUAL(mico_tuner_choose(tuner, &many->plan, &many->op), plain);
    check_totals(tuner, 0, 0);
    if (can_choose()) {
        first = mico_tuner_choose(tuner, &few->plan, &few->op);
        CU_ASSERT_PTR_NOT_NULL_FATAL(first);
        CU_ASSERT(strcmp(first->isa, VNNI) == 0 || strcmp(first->isa, VPOPCNT) == 0);
        CU_ASSERT_TRUE(first->supports(&few->plan, &few->op));
        check_totals(tuner, 1, 1);
        second = mico_tuner_choose(tuner, &few->plan, &few->op);
        CU_ASSERT_PTR_EQUAL(first, second);
        check_totals(tuner, 1, 1); /* not again */
        few->tensor[0].format.is_signed = false;
        few->tensor[0].zero = 0;
        mico_tuner_choose(tuner, &few->plan, &few->op);
        check_totals(tuner, 2, 2); /* another sign is another choice */
    }
    mico_tuner_free(tuner);
    mico_case_free(few);
    mico_case_free(many);
}

static void t_without_measuring(void)
{
    mico_tuner *tuner = mico_tuner_new(path, NULL, false);
    mico_case *c = conv_case(16, 1);

    CU_ASSERT_PTR_EQUAL(mico_tuner_choose(tuner, &c->plan, &c->op),
                        mico_kernel_find(&c->plan, &c->op, NULL));
    check_totals(tuner, 0, 0);
    mico_tuner_free(tuner);
    mico_case_free(c);
}

static void t_only_isa(void)
{
    static const char *const isas[] = {"c", "avx2", VNNI, VPOPCNT, "avx1024"};

    for (size_t i = 0; i < 5; i++) {
        mico_tuner *tuner = mico_tuner_new(NULL, isas[i], true);
        mico_case *c = conv_case(16, 1);

        CU_ASSERT_PTR_EQUAL(mico_tuner_choose(tuner, &c->plan, &c->op),
                            mico_kernel_find(&c->plan, &c->op, isas[i]));
        check_totals(tuner, 0, 0);
        mico_tuner_free(tuner);
        mico_case_free(c);
    }
}

/* What one process measures another one reads; both may add. */
static void t_cache(void)
{
    mico_case *a = conv_case(16, 1), *b = conv_case(32, 2), *other = conv_case(48, 1);
    mico_tuner *one, *two;

    if (can_choose()) {
        unlink(path);
        one = mico_tuner_new(path, NULL, true);
        two = mico_tuner_new(path, NULL, true);
        mico_tuner_choose(one, &a->plan, &a->op);
        mico_tuner_choose(two, &b->plan, &b->op);
        mico_tuner_save(one);
        mico_tuner_save(two); /* keeps what the first one wrote */
        check_totals(two, 2, 1);
        mico_tuner_free(one);
        mico_tuner_free(two);
        one = mico_tuner_new(path, NULL, true);
        check_totals(one, 2, 0);
        mico_tuner_choose(one, &a->plan, &a->op);
        mico_tuner_choose(one, &b->plan, &b->op);
        check_totals(one, 2, 0);
        mico_tuner_choose(one, &other->plan, &other->op);
        check_totals(one, 3, 1);
        mico_tuner_free(one);
    }
    mico_case_free(a);
    mico_case_free(b);
    mico_case_free(other);
}

static void check_path(const char *mico, const char *xdg, const char *home,
                       const char *begin)
{
    mico_str text = {0};

    setenv("MICO_CACHE_DIR", mico, 1);
    setenv("XDG_CACHE_HOME", xdg, 1);
    setenv("HOME", home, 1);
    CU_ASSERT_EQUAL(mico_tuner_default_path(&text), begin != NULL);
    if (begin != NULL) {
        CU_ASSERT_EQUAL(strncmp(text.text, begin, strlen(begin)), 0);
        CU_ASSERT_EQUAL(strlen(text.text), strlen(begin) + 20);
        CU_ASSERT_STRING_EQUAL(text.text + text.len - 4, ".txt");
    }
    mico_str_free(&text);
}

static void t_default_path(void)
{
    check_path("", "", "", NULL);
    check_path("", "", "/h", "/h/.cache/mico-sweep/kernels-");
    check_path("", "/x", "/h", "/x/mico-sweep/kernels-");
    check_path("/m", "/x", "/h", "/m/kernels-");
}

/* Last: leaves nothing behind. */
static void t_clean(void)
{
    unlink(path);
    CU_ASSERT_EQUAL(rmdir(dir), 0);
}

static void t_folder(void)
{
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/kernels.txt", dir);
}

MICO_SUITE("kernels_tune", {"folder", t_folder}, {"no operation", t_no_operation},
           {"damaged cache", t_damaged_cache}, {"no place", t_no_place},
           {"choice", t_choice}, {"without measuring", t_without_measuring},
           {"only isa", t_only_isa}, {"cache", t_cache},
           {"default path", t_default_path}, {"clean", t_clean})
