/* Parts of a split add up to the whole: counts, losses, bits at any offset. */
#include "support/suite.h"

#include "wire/wire_internal.h"

#include <stdlib.h>

#define IMAGES 700

/* One image in about three is wrong; the pattern has no period. */
static bool is_right(uint64_t image)
{
    uint64_t z = (image + 1) * 0x9e3779b97f4a7c15u;

    return (z ^ z >> 29) % 3 != 0;
}

/* What a worker would find on images [from, to); dyadic losses add up exactly. */
static mico_reply_item find(uint64_t from, uint64_t to)
{
    mico_reply_item item = {.outcome = {.state = MICO_STATE_DONE, .seconds = 0.5}};

    item.right = calloc(mico_bit_words(to - from) + 1, sizeof *item.right);
    for (uint64_t i = from; i < to; i++) {
        item.outcome.images++;
        item.outcome.correct += is_right(i);
        item.loss_sum += (double)(i % 16) / 16;
        if (is_right(i))
            item.right[(i - from) / 64] |= (uint64_t)1 << (i - from) % 64;
    }
    return item;
}

static void add(mico_partial *sum, uint64_t from, uint64_t to)
{
    mico_reply_item part = find(from, to);

    mico_partial_add(sum, &part);
    free(part.right);
}

static bool same(const mico_partial *a, const mico_partial *b)
{
    return a->images == b->images && a->correct == b->correct &&
           a->loss_sum == b->loss_sum && a->right != NULL && b->right != NULL &&
           memcmp(a->right, b->right, mico_bit_words(a->images) * sizeof *a->right) ==
               0;
}

/* Where a part has no bits, the sum has none from there on. */
static void t_without_bits(void)
{
    mico_partial sum = {0};
    mico_reply_item part = find(0, 70);
    uint64_t *right = part.right;

    mico_partial_add(&sum, &part);
    CU_ASSERT_PTR_NOT_NULL(sum.right);
    part.right = NULL;
    mico_partial_add(&sum, &part);
    CU_ASSERT_PTR_NULL(sum.right);
    CU_ASSERT_EQUAL(sum.images, 140);
    part.right = right;
    mico_partial_add(&sum, &part);
    CU_ASSERT_PTR_NULL(sum.right);
    CU_ASSERT_EQUAL(sum.correct, 3 * part.outcome.correct);
    free(right);
    mico_partial_free(&sum);
}

static void t_bits_beyond(void)
{
    mico_partial sum = {0};
    uint64_t right[2] = {UINT64_MAX, UINT64_MAX};
    mico_reply_item part = {.outcome = {MICO_STATE_DONE, 70, 70, 0, 0, ""},
                            .right = right};

    /* what stands behind the last image of a part is not its business */
    mico_partial_add(&sum, &part);
    CU_ASSERT_EQUAL(sum.right[1], 0x3f);
    mico_partial_add(&sum, &part);
    CU_ASSERT_EQUAL(sum.right[1], UINT64_MAX);
    CU_ASSERT_EQUAL(sum.right[2], 0xfff);
    mico_partial_free(&sum);
}

static void t_empty(void)
{
    mico_partial sum = {0};
    mico_outcome outcome;

    mico_partial_outcome(&sum, &outcome);
    CU_ASSERT_EQUAL(outcome.images, 0);
    CU_ASSERT_EQUAL(outcome.loss, 0);
    add(&sum, 0, 0);
    CU_ASSERT_EQUAL(sum.images, 0);
    mico_partial_free(&sum);
}

/* Every cut into three parts near word bounds, and all parts of one image. */
static void t_cuts(void)
{
    static const uint64_t cuts[] = {0,   1,   2,   31,  62,  63,  64,  65, 127,
                                    128, 129, 191, 192, 300, 639, 640, 699};
    const size_t n = sizeof cuts / sizeof cuts[0];
    mico_partial whole = {0}, sum = {0};
    mico_outcome a, b;

    add(&whole, 0, IMAGES);
    CU_ASSERT(whole.correct > IMAGES / 2 && whole.correct < IMAGES);
    for (size_t i = 0; i < n; i++)
        for (size_t j = i; j < n; j++) {
            add(&sum, 0, cuts[i]);
            add(&sum, cuts[i], cuts[j]);
            add(&sum, cuts[j], IMAGES);
            CU_ASSERT(same(&sum, &whole));
            CU_ASSERT_EQUAL(sum.seconds, 1.5);
            mico_partial_free(&sum);
        }
    for (uint64_t i = 0; i < IMAGES; i++)
        add(&sum, i, i + 1);
    CU_ASSERT(same(&sum, &whole));
    mico_partial_outcome(&sum, &a);
    mico_partial_outcome(&whole, &b);
    CU_ASSERT(a.state == MICO_STATE_DONE && a.images == IMAGES);
    CU_ASSERT(a.correct == b.correct && a.loss == b.loss && a.loss > 0);
    mico_partial_free(&sum);
    mico_partial_free(&whole);
}

MICO_SUITE("wire partial", {"without bits", t_without_bits},
           {"bits beyond the images", t_bits_beyond}, {"empty", t_empty},
           {"cuts", t_cuts})
