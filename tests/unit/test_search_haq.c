/* HAQ bottom up: gradients against finite differences, Adam, the agent, the action
 * wall.
 */
#include "core/mem.h"
#include "search/ddpg.h"
#include "search/mlp.h"
#include "search/search.h"
#include "support/search_problem.h"
#include "support/suite.h"

#include <math.h>
#include <stdlib.h>

/* ---- perceptron -------------------------------------------------------------------
 */

/* Output in double precision, from the documented layout of the parameters. */
static double plain_output(const mico_mlp *m, const float *x)
{
    const float *w1 = m->param, *b1 = w1 + m->n_in * m->stride, *w2 = b1 + m->stride;
    const float *b2 = w2 + m->n_hidden * m->stride, *w3 = b2 + m->stride;
    double out = (double)w3[m->stride], h[64];

    for (size_t j = 0; j < m->n_hidden; j++) {
        h[j] = (double)b1[j];
        for (size_t i = 0; i < m->n_in; i++)
            h[j] += (double)x[i] * (double)w1[i * m->stride + j];
        h[j] = fmax(0, h[j]);
    }
    for (size_t j = 0; j < m->n_hidden; j++) {
        double sum = (double)b2[j];

        for (size_t i = 0; i < m->n_hidden; i++)
            sum += h[i] * (double)w2[i * m->stride + j];
        out += fmax(0, sum) * (double)w3[j];
    }
    return out;
}

#define N_IN   5
#define N_ROWS 7

static void fill(float *x, size_t n, mico_rng *rng)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)mico_rng_gauss(rng);
}

static double weighted(const mico_mlp *m, const float *x, const float *weight)
{
    double sum = 0;

    for (size_t i = 0; i < N_ROWS; i++)
        sum += (double)weight[i] * plain_output(m, x + i * N_IN);
    return sum;
}

/* Central difference of the weighted sum of outputs; NAN where a kink is near. */
static double slope_at(const mico_mlp *m, const float *x, const float *weight,
                       float *at)
{
    const float old = *at, step = 1.0F / 1024;
    double up, down, middle = weighted(m, x, weight);

    *at = old + step;
    up = weighted(m, x, weight);
    *at = old - step;
    down = weighted(m, x, weight);
    *at = old;
    if (fabs(up + down - 2 * middle) > 1e-6)
        return NAN;
    return (up - down) / (2 * (double)step);
}

static void t_gradients(void)
{
    mico_rng *rng = mico_rng_new(1, "test", 0);
    float x[N_ROWS * N_IN], weight[N_ROWS], by_x[N_ROWS * N_IN], *by_param;
    mico_mlp_pass pass;
    size_t n_checked = 0, n_zero = 0;
    mico_mlp m;

    mico_mlp_init(&m, N_IN, 11, rng);
    mico_mlp_pass_init(&pass, &m);
    by_param = mico_xcalloc(m.n_params, sizeof *by_param);
    fill(x, N_ROWS * N_IN, rng);
    fill(weight, N_ROWS, rng);
    mico_mlp_forward(&m, x, N_ROWS, &pass);
    for (size_t i = 0; i < N_ROWS; i++)
        CU_ASSERT_DOUBLE_EQUAL((double)pass.out[i], plain_output(&m, x + i * N_IN),
                               1e-6);
    mico_mlp_backward(&m, x, N_ROWS, &pass, weight, by_param, by_x);
    for (size_t i = 0; i < m.n_params; i++) {
        const double slope = slope_at(&m, x, weight, &m.param[i]);
        const bool padding = i < m.n_params - MICO_MLP_LANES && i % m.stride >= 11;

        if (padding)
            CU_ASSERT_EQUAL(by_param[i], 0);
        if (padding || isnan(slope) || i > m.n_params - MICO_MLP_LANES)
            continue;
        CU_ASSERT_DOUBLE_EQUAL((double)by_param[i], slope, 1e-4 * (1 + fabs(slope)));
        n_checked++;
        n_zero += fabs(slope) < 1e-9;
    }
    CU_ASSERT_TRUE(n_checked > 150 && n_zero < n_checked / 2);
    for (size_t i = 0; i < N_ROWS * N_IN; i++) {
        const double slope = slope_at(&m, x, weight, &x[i]);

        if (!isnan(slope))
            CU_ASSERT_DOUBLE_EQUAL((double)by_x[i], slope, 1e-4 * (1 + fabs(slope)));
    }
    mico_mlp_pass_free(&pass);
    mico_mlp_free(&m);
    free(by_param);
    mico_rng_free(rng);
}

/* Two steps of Adam on one parameter, by hand: with m = 0.1 g, v = 0.001 g^2 the first
 * step is rate * sign(g); after g = 2, -1 the corrected moments are
 * m = (0.09 * 2 - 0.1) / 0.19, v = (0.000999 * 4 + 0.001) / 0.001999. */
static void t_adam(void)
{
    mico_rng *rng = mico_rng_new(2, "test", 0);
    float *g, first;
    double m2 = (0.09 * 2 - 0.1) / 0.19, v2 = (0.000999 * 4 + 0.001) / 0.001999;
    mico_mlp m;

    mico_mlp_init(&m, 1, 1, rng);
    g = mico_xcalloc(m.n_params, sizeof *g);
    first = m.param[0];
    g[0] = 2;
    mico_mlp_adam(&m, g, 0.01);
    CU_ASSERT_DOUBLE_EQUAL((double)(m.param[0] - first), -0.01, 1e-6);
    g[0] = -1;
    mico_mlp_adam(&m, g, 0.01);
    CU_ASSERT_DOUBLE_EQUAL((double)(m.param[0] - first), -0.01 - 0.01 * m2 / sqrt(v2),
                           1e-6);
    mico_mlp_free(&m);
    free(g);
    mico_rng_free(rng);
}

/* ---- agent ------------------------------------------------------------------------
 */

static mico_ddpg_step bandit_step(mico_rng *rng)
{
    mico_ddpg_step step = {.last = true};
    double off;

    for (size_t i = 0; i < MICO_DDPG_STATE; i++)
        step.state[i] = (float)mico_rng_uniform(rng);
    step.action = (float)mico_rng_uniform(rng);
    off = (double)step.action - (step.state[0] > 0.5F ? 0.8 : 0.2);
    step.reward = (float)(-off * off);
    return step;
}

/* One choice, rewarded near 0.8 or 0.2 as the state says: critic and actor find that.
 */
static void t_bandit(void)
{
    mico_rng *rng = mico_rng_new(3, "test", 0);
    mico_ddpg *agent = mico_ddpg_new(400, rng);
    double low = 0, high = 0;

    mico_ddpg_learn(agent, rng); /* nothing stored: nothing happens */
    for (size_t i = 0; i < 500; i++) {
        const mico_ddpg_step step = bandit_step(rng);

        mico_ddpg_store(agent, &step);
    }
    for (size_t i = 0; i < 600; i++)
        mico_ddpg_learn(agent, rng);
    for (size_t i = 0; i < 40; i++) {
        mico_ddpg_step step = bandit_step(rng);

        step.state[0] = i % 2 == 0 ? 0.05F : 0.95F;
        *(i % 2 == 0 ? &low : &high) += mico_ddpg_act(agent, step.state) / 20;
        CU_ASSERT_TRUE(mico_ddpg_value(agent, step.state, i % 2 == 0 ? 0.2 : 0.8) >
                       mico_ddpg_value(agent, step.state, i % 2 == 0 ? 0.8 : 0.2) +
                           0.1);
    }
    CU_ASSERT_TRUE(low < 0.4);
    CU_ASSERT_TRUE(high > 0.6);
    mico_ddpg_free(agent);
    mico_rng_free(rng);
}

/* Same numbers, same agent; a longer horizon than one step does not break it. */
static void t_agent_repeats(void)
{
    double found[2];

    for (size_t run = 0; run < 2; run++) {
        mico_rng *rng = mico_rng_new(4, "test", 0);
        mico_ddpg *agent = mico_ddpg_new(64, rng);
        mico_ddpg_step step = {0};

        for (size_t i = 0; i < 100; i++) {
            step = bandit_step(rng);
            step.last = i % 10 == 9;
            memcpy(step.next, step.state, sizeof step.next);
            mico_ddpg_store(agent, &step);
        }
        for (size_t i = 0; i < 20; i++)
            mico_ddpg_learn(agent, rng);
        found[run] = mico_ddpg_act(agent, step.state);
        CU_ASSERT_TRUE(found[run] > 0 && found[run] < 1);
        mico_ddpg_free(agent);
        mico_rng_free(rng);
    }
    CU_ASSERT_EQUAL(found[0], found[1]);
}

/* ---- searcher ---------------------------------------------------------------------
 */

/* The wall puts the first and last layer at their largest, where that fits, and lowers
 * the others; where it does not fit it lowers them too. Without the wall all four are
 * at their largest once in 81 schemes. */
static void t_wall(void)
{
    mico_rng *rng = mico_rng_new(5, "test", 0);
    const mico_search_options o = {.method = "haq", .seed = 1, .budget = 60};
    size_t n_spared[2] = {0};
    mico_problem p;

    problem_make(&p, 8, "2,4,8", rng);
    for (size_t l = 0; l < 8; l++)
        for (size_t iw = 0; iw < MICO_N_WIDTHS; iw++)
            for (size_t ia = 0; ia < MICO_N_WIDTHS; ia++)
                *problem_entry(&p.metric[PROBLEM_BOPS], l, iw, ia) =
                    mico_width_bits(mico_width_at(iw)) *
                    mico_width_bits(mico_width_at(ia));
    problem_limit(&p, PROBLEM_BOPS, 0);
    for (size_t tight = 0; tight < 2; tight++) {
        mico_searcher *s;

        /* two layers of 8 * 8, six of 2 * 2; against eight of 2 * 2 and some */
        p.constraint[0].limit = tight == 0 ? 128 + 24 + 1 : 32 + 80;
        CU_ASSERT_EQUAL_FATAL(mico_search_new(&s, &p, &o, NULL), MICO_OK);
        for (uint64_t id = 0; id < 12; id++) {
            mico_scheme scheme;

            CU_ASSERT_TRUE_FATAL(mico_search_ask(s, id, &scheme));
            CU_ASSERT_TRUE(mico_violation(&p, &scheme) <= 0);
            n_spared[tight] += scheme.bits[0] == 8 && scheme.bits[7] == 8 &&
                               scheme.bits[8] == 8 && scheme.bits[15] == 8;
        }
        mico_search_free(s);
    }
    CU_ASSERT_TRUE(n_spared[0] >= 1);
    CU_ASSERT_EQUAL(n_spared[1], 0);
    mico_problem_free(&p);
    mico_rng_free(rng);
}

MICO_SUITE("search_haq", {"gradients", t_gradients}, {"Adam", t_adam},
           {"an agent learns", t_bandit}, {"an agent repeats itself", t_agent_repeats},
           {"action wall", t_wall})
