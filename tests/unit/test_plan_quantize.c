/* The quantisers against numpy's numbers, written-out values and their limits. */
#include "plan/plan.h"

#include "support/plan_golden.h"
#include "support/suite.h"

#include <math.h>

#define MAX_WEIGHTS 128

static void t_limits(void)
{
    CU_ASSERT_EQUAL(mico_q_min(1, true), -1);
    CU_ASSERT_EQUAL(mico_q_max(1, true), 1);
    CU_ASSERT_EQUAL(mico_q_max(1, false), 1);
    CU_ASSERT_EQUAL(mico_q_min(MICO_TERNARY, true), -1);
    CU_ASSERT_EQUAL(mico_q_max(MICO_TERNARY, true), 1);
    CU_ASSERT_EQUAL(mico_q_max(MICO_TERNARY, false), 2);
    for (int b = 2; b <= 8; b++) {
        CU_ASSERT_EQUAL(mico_q_min((uint8_t)b, true), -(1 << (b - 1)));
        CU_ASSERT_EQUAL(mico_q_max((uint8_t)b, true), (1 << (b - 1)) - 1);
        CU_ASSERT_EQUAL(mico_q_min((uint8_t)b, false), 0);
        CU_ASSERT_EQUAL(mico_q_max((uint8_t)b, false), (1 << b) - 1);
    }
    CU_ASSERT_EQUAL(mico_quant_default.granularity, MICO_PER_CHANNEL);
    CU_ASSERT_EQUAL(mico_quant_default.weight_rule, MICO_WEIGHT_MSE);
    CU_ASSERT_EQUAL(mico_quant_default.range_rule, MICO_RANGE_MSE);
    CU_ASSERT_FALSE(mico_quant_default.unsigned_acts);
}

/* Upstream's rules by hand (reference 1.1): w = {0.5, -1, 0.25, 0}: mean 0.4375, max 1.
 */
static void t_upstream_rules(void)
{
    const float w[] = {0.5f, -1.0f, 0.25f, 0.0f};
    const int8_t at_1[] = {1, -1, 1, 1}, at_t[] = {1, -1, 1, 0}, at_2[] = {1, -2, 1, 0},
                 at_3[] = {2, -3, 1, 0}, at_8[] = {64, -127, 32, 0};
    const struct {
        uint8_t width;
        double scale;
        const int8_t *q;
    } want[] = {{1, 0.4375, at_1},
                {MICO_TERNARY, 0.4375, at_t},
                {2, 0.4375, at_2},
                {3, 1.0 / 3, at_3},
                {8, 1.0 / 127, at_8}};

    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++) {
        int8_t q[4];
        double s = mico_weight_scale(w, 4, want[i].width, MICO_WEIGHT_MICO);

        CU_ASSERT_EQUAL(s, want[i].scale);
        mico_weight_quantize(w, 4, want[i].width, s, q);
        CU_ASSERT_EQUAL(memcmp(q, want[i].q, 4), 0);
    }
}

static void t_ties_and_extremes(void)
{
    const float w[] = {0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -2.5f, 1e30f, -1e30f, -0.0f};
    const int8_t at_4[] = {0, 2, 2, 0, -2, -2, 7, -8, 0};
    const int8_t at_1[] = {1, 1, 1, -1, -1, -1, 1, -1, 1};
    const float odd[] = {NAN, INFINITY, -INFINITY};
    int8_t q[9];

    mico_weight_quantize(w, 9, 4, 1, q);
    CU_ASSERT_EQUAL(memcmp(q, at_4, 9), 0);
    mico_weight_quantize(w, 9, 1, 1, q);
    CU_ASSERT_EQUAL(memcmp(q, at_1, 9), 0);
    mico_weight_quantize(odd, 3, 8, 0.1, q);
    CU_ASSERT_EQUAL(q[1], 127);
    CU_ASSERT_EQUAL(q[2], -128);

    CU_ASSERT_EQUAL(mico_act_quantize(0, 1, true, 1), -1);
    CU_ASSERT_EQUAL(mico_act_quantize(1e-300, 1, true, 1), 1);
    CU_ASSERT_EQUAL(mico_act_quantize(NAN, 1, true, 1), -1);
    CU_ASSERT_EQUAL(mico_act_quantize(NAN, 8, true, 1), 0);
    CU_ASSERT_EQUAL(mico_act_quantize(NAN, 8, false, 1), 0);
    CU_ASSERT_EQUAL(mico_act_quantize(INFINITY, 8, false, 1), 255);
    CU_ASSERT_EQUAL(mico_act_quantize(-INFINITY, 8, true, 1), -128);
    CU_ASSERT_EQUAL(mico_act_quantize(-3, 4, false, 1), 0);
    CU_ASSERT_EQUAL(mico_act_quantize(0.5, 1, false, 1), 0); /* tie to even */
    CU_ASSERT_EQUAL(mico_act_quantize(0.51, 1, false, 1), 1);
}

static void t_always_positive(void)
{
    const float zero[] = {0, 0, 0}, bad[] = {NAN, 1, -1}, huge[] = {INFINITY, 1};

    for (size_t i = 0; i < MICO_N_WIDTHS; i++)
        for (int rule = 0; rule < 2; rule++) {
            uint8_t width = mico_width_at(i);
            mico_weight_rule r = (mico_weight_rule)rule;
            double few = mico_weight_scale(zero, 3, width, r);

            CU_ASSERT_TRUE(few > 0 && few <= 1e-5);
            CU_ASSERT_TRUE(mico_weight_scale(zero, 0, width, r) > 0);
            CU_ASSERT_TRUE(mico_weight_scale(bad, 3, width, r) > 0);
            CU_ASSERT_TRUE(isfinite(mico_weight_scale(huge, 2, width, r)));
        }
}

static void check_weights(plan_golden *g, const float *w, size_t n)
{
    uint8_t width = plan_golden_width(g);
    mico_weight_rule rule =
        plan_golden_int(g) == 0 ? MICO_WEIGHT_MSE : MICO_WEIGHT_MICO;
    double want = plan_golden_real(g), got = mico_weight_scale(w, n, width, rule);
    int8_t q[MAX_WEIGHTS];

    CU_ASSERT_EQUAL(got, want);
    mico_weight_quantize(w, n, width, got, q);
    for (size_t i = 0; i < n; i++)
        CU_ASSERT_EQUAL(q[i], plan_golden_int(g));
}

static void check_activations(plan_golden *g)
{
    uint8_t width = plan_golden_width(g);
    bool is_signed = plan_golden_int(g) == 1;
    double scale = plan_golden_real(g), x;
    long n = plan_golden_int(g), q;

    for (long i = 0; i < n; i++) {
        plan_golden_pair(g, &x, &q);
        CU_ASSERT_EQUAL(mico_act_quantize(x, width, is_signed, scale), q);
    }
}

/* Scales must agree to the last bit. */
static void t_golden(void)
{
    plan_golden g;
    float w[MAX_WEIGHTS];
    size_t n = 0, n_weights = 0, n_acts = 0;
    const char *word;

    CU_ASSERT_TRUE_FATAL(plan_golden_open(&g));
    while ((word = plan_golden_word(&g)) != NULL) {
        if (strcmp(word, "weights") == 0) {
            plan_golden_word(&g);
            n = (size_t)plan_golden_int(&g);
            CU_ASSERT_TRUE_FATAL(n <= MAX_WEIGHTS);
            for (size_t i = 0; i < n; i++)
                w[i] = (float)plan_golden_real(&g);
        } else if (strcmp(word, "w") == 0) {
            check_weights(&g, w, n);
            n_weights++;
        } else if (strcmp(word, "x") == 0) {
            check_activations(&g);
            n_acts++;
        }
    }
    fclose(g.file);
    CU_ASSERT_EQUAL(n_weights, 9 * 9 * 2);
    CU_ASSERT_EQUAL(n_acts, 9 * 2);
}

MICO_SUITE("plan quantize", {"limits", t_limits},
           {"upstream's rules", t_upstream_rules},
           {"ties and extremes", t_ties_and_extremes},
           {"always positive", t_always_positive}, {"golden", t_golden})
