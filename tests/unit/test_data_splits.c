/* Tests of subsets (which images calibrate, guide, are reported) and of mico_data_fits.
 */
#include "data/data.h"

#include "support/data_bytes.h"
#include "support/suite.h"

static mico_dataset make_set(size_t train, size_t test)
{
    return (mico_dataset){.train = {.n = train}, .test = {.n = test}};
}

static void refuse(const mico_dataset *set, const char *calibration, const char *search,
                   const char *final, const char *says)
{
    mico_splits s = {.final = {.count = 77}};
    mico_err err = {0};

    CU_ASSERT_EQUAL(mico_splits_resolve(&s, set, calibration, search, final, &err),
                    MICO_EDATA);
    check_says(&err, says);
    CU_ASSERT_EQUAL(s.final.count, 77);
}

static void check_splits(const mico_dataset *set, const char *calibration,
                         const char *search, const char *final, const char *expected)
{
    mico_splits s;
    mico_err err = {0};
    char text[3][64], all[200];

    CU_ASSERT_EQUAL(mico_splits_resolve(&s, set, calibration, search, final, &err),
                    MICO_OK);
    if (err.text[0] != '\0') {
        printf("\n    %s\n", err.text);
        return;
    }
    mico_split_print(set, &s.calibration, text[0]);
    mico_split_print(set, &s.search, text[1]);
    mico_split_print(set, &s.final, text[2]);
    snprintf(all, sizeof all, "%s %s %s", text[0], text[1], text[2]);
    CU_ASSERT_STRING_EQUAL(all, expected);
}

static void t_bad_text(void)
{
    const mico_dataset set = make_set(100, 50), no_train = make_set(0, 50);

    refuse(&set, "", NULL, NULL, "calibration \"\": give auto, train or test");
    refuse(&set, NULL, "valid", NULL, "search \"valid\": give auto");
    refuse(&set, NULL, NULL, "Test", "final \"Test\": give auto");
    refuse(&set, "trainer", NULL, NULL, "give auto");
    refuse(&set, "train:", NULL, NULL, "a range is FIRST-LAST");
    refuse(&set, "train:5", NULL, NULL, "a range is FIRST-LAST");
    refuse(&set, "train:5-", NULL, NULL, "a range is FIRST-LAST");
    refuse(&set, "train:-5", NULL, NULL, "a range is FIRST-LAST");
    refuse(&set, "train:0-5x", NULL, NULL, "a range is FIRST-LAST");
    refuse(&set, "train: 0-5", NULL, NULL, "a range is FIRST-LAST");
    refuse(&set, "train:0--5", NULL, NULL, "a range is FIRST-LAST");
    refuse(&set, "train:0-99999999999999999999", NULL, NULL, "a range is FIRST-LAST");
    refuse(&set, "train:5-4", NULL, NULL, "the last image is before the first");
    refuse(&set, "train:0-100", NULL, NULL, "the set has 100 images, 0 to 99");
    refuse(&set, NULL, NULL, "test:50-50", "the set has 50 images, 0 to 49");
    refuse(&no_train, "train:0-5", NULL, NULL, "has no training images");
}

static void t_overlap(void)
{
    const mico_dataset set = make_set(100, 50), no_train = make_set(0, 50);

    refuse(&set, "train:0-9", "train:9-20", NULL,
           "calibration images (train:0-9) and search images (train:9-20) overlap");
    refuse(&set, "train:0-9", "train:20-30", "train:30-40",
           "search images (train:20-30)");
    refuse(&set, "test:0-9", "train:20-30", NULL, "final images (test:0-49)");
    refuse(&set, "train", NULL, NULL,
           "no search images are left: the training set has 100");
    refuse(&no_train, NULL, NULL, "test", "overlap");
    refuse(&set, "train:3-3", "train:0-99", "test", "overlap");
    /* neighbours and equal ranges of two sets do not */
    check_splits(&set, "train:0-9", "train:10-20", "test:0-20",
                 "train:0-9 train:10-20 test:0-20");
}

static void t_too_few(void)
{
    const mico_dataset one = make_set(0, 1), two = make_set(0, 2),
                       three = make_set(0, 3);
    const mico_dataset one_train = make_set(1, 5), two_train = make_set(2, 5);
    const mico_dataset none = make_set(0, 0);

    refuse(&one, NULL, NULL, NULL, "no search images are left: the test set has 1");
    refuse(&two, NULL, NULL, NULL, "no search images are left: the test set has 2");
    check_splits(&three, NULL, NULL, NULL, "test:0-0 test:1-1 test:2-2");
    refuse(&one_train, NULL, NULL, NULL, "no search images are left: the training set");
    check_splits(&two_train, NULL, NULL, NULL, "train:0-0 train:1-1 test:0-4");
    refuse(&none, "test", "test", "test", "has no test images");
    refuse(&three, "test:0-0", "test:1-2", "auto", "no final images are left");
}

static void t_auto_train(void)
{
    const mico_dataset mnist = make_set(60000, 10000), small = make_set(600, 70);

    check_splits(&mnist, NULL, NULL, NULL, "train:0-511 train:512-10511 test:0-9999");
    check_splits(&mnist, "auto", "auto", "auto",
                 "train:0-511 train:512-10511 test:0-9999");
    check_splits(&mnist, "train:100-199", NULL, NULL,
                 "train:100-199 train:200-10199 test:0-9999");
    check_splits(&mnist, "train:59000-59999", NULL, NULL,
                 "train:59000-59999 train:0-9999 test:0-9999");
    check_splits(&mnist, "train:5000-59999", NULL, NULL,
                 "train:5000-59999 train:0-4999 test:0-9999");
    check_splits(&mnist, "train:55000-55999", NULL, "test:0-99",
                 "train:55000-55999 train:56000-59999 test:0-99");
    check_splits(&mnist, "test:0-99", NULL, "test:100-199",
                 "test:0-99 train:0-9999 test:100-199");
    check_splits(&mnist, NULL, "train:600-699", NULL,
                 "train:0-511 train:600-699 test:0-9999");
    check_splits(&small, NULL, NULL, NULL, "train:0-299 train:300-599 test:0-69");
}

static void t_auto_test_only(void)
{
    const mico_dataset kws = make_set(0, 1000), large = make_set(0, 10000);

    check_splits(&kws, NULL, NULL, NULL, "test:0-124 test:125-561 test:562-999");
    check_splits(&large, NULL, NULL, NULL, "test:0-511 test:512-5255 test:5256-9999");
    check_splits(&kws, "test:0-9", NULL, NULL, "test:0-9 test:10-504 test:505-999");
    check_splits(&kws, "test:500-599", "test:0-499", NULL,
                 "test:500-599 test:0-499 test:600-999");
}

/* ---- fits ----------------------------------------------------------------------- */

static mico_status fits(mico_shape images, size_t n_classes, mico_shape input,
                        size_t outputs, mico_err *err)
{
    mico_tensor tensor[2] = {{.shape = input}, {.shape = {1, {outputs}}}};
    const mico_net net = {
        .name = "toy", .n_tensors = 2, .tensor = tensor, .input = 0, .output = 1};
    const mico_data data = {.n = 1, .shape = images, .n_classes = n_classes};

    return mico_data_fits(&data, &net, err);
}

static void t_fits(void)
{
    const mico_shape flat = {1, {784}}, map = {3, {1, 28, 28}}, last = {3, {28, 28, 1}};
    const mico_shape rgb = {3, {3, 32, 32}}, rgb_last = {3, {32, 32, 3}};
    mico_err err;

    CU_ASSERT_EQUAL(fits(map, 10, rgb, 10, &err), MICO_EDATA);
    check_says(&err, "images of 1x28x28 do not fit network toy, which takes 3x32x32");
    CU_ASSERT_EQUAL(fits(rgb_last, 10, rgb, 10, &err), MICO_EDATA);
    check_says(&err, "images of 32x32x3 do not fit network toy, which takes 3x32x32");
    check_says(&err, "channels first");
    CU_ASSERT_EQUAL(fits(map, 11, flat, 10, &err), MICO_EDATA);
    check_says(&err, "labels up to 10 do not fit network toy, which has 10 outputs");
    CU_ASSERT_EQUAL(fits(map, 10, map, 10, &err), MICO_OK);
    CU_ASSERT_EQUAL(fits(map, 10, flat, 10, &err), MICO_OK);
    CU_ASSERT_EQUAL(fits(flat, 9, map, 10, &err), MICO_OK);
    CU_ASSERT_EQUAL(fits(map, 10, last, 10, &err), MICO_OK);
    CU_ASSERT_EQUAL(fits(rgb, 10, rgb, 10, &err), MICO_OK);
}

MICO_SUITE("data splits", {"bad text", t_bad_text}, {"overlap", t_overlap},
           {"too few", t_too_few}, {"auto with training", t_auto_train},
           {"auto without", t_auto_test_only}, {"fits", t_fits})
