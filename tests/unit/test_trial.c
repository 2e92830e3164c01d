/* Tests of widths, schemes, spaces, costs, best and front. */
#include "support/suite.h"

#include "core/mem.h"
#include "trial/trial.h"

#include <stdlib.h>

static void t_widths(void)
{
    uint8_t w;

    for (size_t i = 0; i < MICO_N_WIDTHS; i++) {
        CU_ASSERT_TRUE(mico_width_valid(mico_width_at(i)));
        CU_ASSERT_EQUAL(mico_width_index(mico_width_at(i)), i);
        CU_ASSERT_TRUE(mico_width_parse(mico_width_text(mico_width_at(i)), &w));
        CU_ASSERT_EQUAL(w, mico_width_at(i));
    }
    CU_ASSERT_FALSE(mico_width_valid(0));
    CU_ASSERT_FALSE(mico_width_valid(9));
    CU_ASSERT_FALSE(mico_width_parse("9", &w));
    CU_ASSERT_TRUE(mico_width_parse("1.58", &w));
    CU_ASSERT_EQUAL(w, MICO_TERNARY);
    CU_ASSERT_EQUAL(mico_width_stored(MICO_TERNARY), 2);
    CU_ASSERT_EQUAL(mico_width_bits(MICO_TERNARY), 1.58);
}

static void t_schemes(void)
{
    static const char *const bad[] = {
        "",      "w9a8",        "w8",       "8",          "8/8",
        "8/8,4", "8/8,4/8,2/2", "8/8,4/x",  "mico:8,8,8", "mico:8,8,8,0",
        "wa",    "w8a8a8",      "8/8,,4/8", "w8a8 ",      "8/8/8,1/1"};
    char text[MICO_SCHEME_TEXT];
    mico_scheme s, again;
    mico_err err;

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        mico_status rc = mico_scheme_parse(&s, bad[i], 2, &err);

        if (rc != MICO_ESCHEME)
            printf("\n    accepted '%s'\n", bad[i]);
        CU_ASSERT_EQUAL(rc, MICO_ESCHEME);
    }
    CU_ASSERT_EQUAL_FATAL(mico_scheme_parse(&s, "t/8, 4/2", 2, &err), MICO_OK);
    CU_ASSERT_EQUAL(s.bits[0], MICO_TERNARY);
    CU_ASSERT_EQUAL(s.bits[3], 2);
    mico_scheme_print(&s, text);
    CU_ASSERT_STRING_EQUAL(text, "t/8,4/2");
    CU_ASSERT_EQUAL_FATAL(mico_scheme_parse(&again, "mico:1.5,4,8,2", 2, &err),
                          MICO_OK);
    CU_ASSERT_TRUE(mico_scheme_equal(&s, &again));
    CU_ASSERT_EQUAL(mico_scheme_hash(&s), mico_scheme_hash(&again));
    CU_ASSERT_EQUAL_FATAL(mico_scheme_parse(&again, "wta8", 2, &err), MICO_OK);
    mico_scheme_print(&again, text);
    CU_ASSERT_STRING_EQUAL(text, "wta8");
    CU_ASSERT_FALSE(mico_scheme_equal(&s, &again));
}

static void t_pack(void)
{
    mico_writer w = {0};
    mico_scheme s, got;
    mico_outcome o = {MICO_STATE_DONE, 100, 93, 0.25, 1.5, "why"}, back;
    mico_err err;

    mico_scheme_parse(&s, "t/8,4/2", 2, &err);
    mico_scheme_put(&w, &s);
    mico_outcome_put(&w, &o);
    for (size_t cut = 0; cut <= w.len; cut++) {
        mico_reader r = {.bytes = w.bytes, .len = cut};

        mico_scheme_get(&r, &got);
        mico_outcome_get(&r, &back);
        CU_ASSERT_EQUAL(mico_reader_ok(&r), cut == w.len);
    }
    CU_ASSERT_TRUE(mico_scheme_equal(&s, &got));
    CU_ASSERT_EQUAL(back.correct, 93);
    CU_ASSERT_STRING_EQUAL(back.reason, "why");
    w.bytes[8] = 77; /* a width that does not exist */
    {
        mico_reader r = {.bytes = w.bytes, .len = w.len};

        mico_scheme_get(&r, &got);
        CU_ASSERT_TRUE(r.bad);
    }
    mico_writer_free(&w);
}

static void t_options(void)
{
    mico_options o;
    mico_err err;

    CU_ASSERT_EQUAL(mico_options_parse(&o, "", &err), MICO_EJOB);
    CU_ASSERT_EQUAL(mico_options_parse(&o, "8-2", &err), MICO_EJOB);
    CU_ASSERT_EQUAL(mico_options_parse(&o, "2-", &err), MICO_OK); /* "2-" is 2 */
    CU_ASSERT_EQUAL(mico_options_parse(&o, "0", &err), MICO_EJOB);
    CU_ASSERT_EQUAL(mico_options_parse(&o, "2-9", &err), MICO_EJOB);
    CU_ASSERT_EQUAL_FATAL(mico_options_parse(&o, "8,1-3,t", &err), MICO_OK);
    CU_ASSERT_EQUAL_FATAL(o.n, 5);
    CU_ASSERT_EQUAL(o.width[1], MICO_TERNARY);
    CU_ASSERT_EQUAL(o.width[4], 8);
    CU_ASSERT_EQUAL_FATAL(mico_options_parse(&o, "1-8", &err), MICO_OK);
    CU_ASSERT_EQUAL(o.n, 8); /* a range of numbers leaves ternary out */
}

/* Two layers, costs w*a times 1 and 10, limit 100. */
static void make_problem(mico_problem *p)
{
    mico_err err;

    *p = (mico_problem){.n_metrics = 1, .n_constraints = 1};
    p->space.n_layers = 2;
    p->space.n_vars = 4;
    for (size_t g = 0; g < 4; g++) {
        p->space.var_of[g] = (uint16_t)g;
        mico_options_parse(&p->space.var[g], "2,4,8", &err);
    }
    p->metric[0].table =
        mico_xcalloc(2 * MICO_N_WIDTHS * MICO_N_WIDTHS, sizeof(double));
    for (size_t l = 0; l < 2; l++)
        for (size_t w = 0; w < MICO_N_WIDTHS; w++)
            for (size_t a = 0; a < MICO_N_WIDTHS; a++)
                p->metric[0].table[(l * MICO_N_WIDTHS + w) * MICO_N_WIDTHS + a] =
                    (l == 0 ? 1 : 10) * mico_width_bits(mico_width_at(w)) *
                    mico_width_bits(mico_width_at(a));
    p->constraint[0].limit = 100;
}

static mico_trial trial(uint64_t id, const char *scheme, uint64_t correct)
{
    mico_trial t = {.id = id, .dup_of = MICO_NO_TRIAL};
    mico_err err;

    mico_scheme_parse(&t.scheme, scheme, 2, &err);
    t.outcome =
        (mico_outcome){.state = MICO_STATE_DONE, .images = 100, .correct = correct};
    return t;
}

static void t_problem(void)
{
    mico_problem p;
    mico_scheme s;
    uint8_t levels[4] = {0, 1, 2, 0};
    mico_err err;

    make_problem(&p);
    CU_ASSERT_EQUAL(mico_space_size(&p.space), 81);
    mico_space_scheme(&p.space, levels, &s);
    CU_ASSERT_EQUAL(s.bits[2], 8);
    CU_ASSERT_EQUAL(mico_metric_cost(&p.metric[0], &s), 2 * 8 + 10 * 4 * 2);
    CU_ASSERT_EQUAL(mico_violation(&p, &s), 0);
    mico_scheme_parse(&s, "w4a4", 2, &err);
    CU_ASSERT_DOUBLE_EQUAL(mico_violation(&p, &s), 0.76, 1e-12);
    CU_ASSERT_EQUAL(mico_metric_min(&p, 0), 44);
    mico_problem_free(&p);
}

static void t_best(void)
{
    mico_problem p;
    mico_trial t[7] = {
        trial(0, "8/8,8/8", 99), /* infeasible */
        trial(1, "2/2,2/2", 60), trial(2, "8/4,2/2", 70),
        trial(3, "4/8,2/2", 70), /* same accuracy and cost: the earlier one wins */
        trial(4, "4/4,2/2", 70), /* same accuracy, cheaper */
        trial(5, "8/2,2/4", 65), /* dominated */
        trial(6, "2/2,2/4", 80),
    };
    size_t front[7], n;

    make_problem(&p);
    t[6].outcome.state = MICO_STATE_CRASHED;
    CU_ASSERT_EQUAL(mico_best(&p, t, 7), 4);
    CU_ASSERT_EQUAL(mico_best(&p, t, 4), 2);
    CU_ASSERT_EQUAL(mico_best(&p, t, 1), 1);
    CU_ASSERT_EQUAL(mico_least_violating(&p, t, 1), 0);
    n = mico_front(&p, t, 7, front);
    CU_ASSERT_EQUAL_FATAL(n, 2);
    CU_ASSERT_EQUAL(front[0], 1);
    CU_ASSERT_EQUAL(front[1], 4);
    t[4].dup_of = 2;
    CU_ASSERT_EQUAL(mico_best(&p, t, 7), 2);
    mico_problem_free(&p);
}

static void t_digest(void)
{
    mico_trial a = trial(0, "w8a8", 50), b = a;
    uint64_t digest = mico_trial_digest(1, &a);

    b.worker = 7;
    b.outcome.seconds = 9;
    b.outcome.loss = 1;
    CU_ASSERT_EQUAL(mico_trial_digest(1, &b), digest);
    b.outcome.correct++;
    CU_ASSERT_NOT_EQUAL(mico_trial_digest(1, &b), digest);
    CU_ASSERT_NOT_EQUAL(mico_trial_digest(2, &a), digest);
}

MICO_SUITE("trial", {"widths", t_widths}, {"schemes", t_schemes}, {"pack", t_pack},
           {"options", t_options}, {"problem", t_problem}, {"best", t_best},
           {"digest", t_digest})
