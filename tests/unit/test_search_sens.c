/* The searchers that know sums: neighbours, classes, and how good the schemes are that
 * ts-mckp, hawq, gp and sens+tr find where the optimum is known. */
#include "core/mem.h"
#include "search/classes.h"
#include "search/lab.h"
#include "search/moves.h"
#include "support/search_problem.h"
#include "support/suite.h"

#include <stdlib.h>

static bool is_feasible(const mico_problem *p, const uint8_t *levels)
{
    mico_scheme scheme;

    mico_space_scheme(&p->space, levels, &scheme);
    return mico_violation(p, &scheme) <= 0;
}

/* Four layers; the activations of two are one variable, and one weight is fixed. */
static void make_tied(mico_problem *p, mico_rng *rng)
{
    problem_make(p, 4, "2,4,8", rng);
    p->space.var_of[5] = 4;
    p->space.var_of[6] = 5;
    p->space.var_of[7] = 6;
    p->space.n_vars = 7;
    mico_options_parse(&p->space.var[1], "4", NULL);
}

static bool next_levels(const mico_problem *p, uint8_t *levels)
{
    size_t v = 0;

    while (v < p->space.n_vars && ++levels[v] == p->space.var[v].n)
        levels[v++] = 0;
    return v < p->space.n_vars;
}

/* ---- neighbours ------------------------------------------------------------------ */

#define MAX_MOVES 400

/* How many neighbours the definition in moves.h gives. */
static size_t count_moves(const mico_problem *p, const uint8_t *levels)
{
    size_t n = 0;
    uint8_t x[MICO_MAX_GENES];

    memcpy(x, levels, sizeof x);
    for (size_t v = 0; v < p->space.n_vars; v++) {
        for (x[v] = 0; x[v] < p->space.var[v].n; x[v]++)
            n += x[v] != levels[v] && is_feasible(p, x);
        x[v] = levels[v];
    }
    for (size_t up = 0; up < p->space.n_vars; up++) {
        if (++x[up] < p->space.var[up].n && !is_feasible(p, x)) {
            for (size_t down = 0; down < p->space.n_vars; down++) {
                bool found = false;

                if (down == up)
                    continue;
                while (!found && x[down]-- > 0)
                    found = is_feasible(p, x);
                n += found;
                x[down] = levels[down];
            }
        }
        x[up] = levels[up];
    }
    return n;
}

static void t_moves(void)
{
    mico_rng *rng = mico_rng_new(1, "test", 0);
    uint8_t levels[MICO_MAX_GENES] = {0};
    mico_move move[MAX_MOVES];
    size_t n_exchanges = 0;
    mico_moves *m;
    mico_problem p;

    make_tied(&p, rng);
    problem_limit(&p, PROBLEM_BOPS, 0.4 * problem_top_cost(&p, PROBLEM_BOPS));
    problem_limit(&p, PROBLEM_CYCLES, 0.7 * problem_top_cost(&p, PROBLEM_CYCLES));
    m = mico_moves_new(&p);
    do {
        size_t n;

        if (!is_feasible(&p, levels))
            continue;
        n = mico_moves_list(m, levels, rng, MAX_MOVES, move);
        CU_ASSERT_EQUAL(n, count_moves(&p, levels));
        for (size_t i = 0; i < n; i++) {
            uint8_t x[MICO_MAX_GENES];

            memcpy(x, levels, sizeof x);
            mico_move_apply(&move[i], x);
            CU_ASSERT_TRUE(is_feasible(&p, x));
            CU_ASSERT_TRUE(memcmp(x, levels, p.space.n_vars) != 0);
            n_exchanges += move[i].n == 2;
        }
        CU_ASSERT_EQUAL(mico_moves_list(m, levels, rng, 3, move), n < 3 ? n : 3);
    } while (next_levels(&p, levels));
    CU_ASSERT_TRUE(n_exchanges > 300);
    mico_moves_free(m);
    mico_problem_free(&p);
    mico_rng_free(rng);
}

/* A cap is one more limit, and can be taken away. */
static void t_moves_cap(void)
{
    mico_rng *rng = mico_rng_new(2, "test", 0);
    uint8_t levels[MICO_MAX_GENES] = {0};
    mico_move move[MAX_MOVES];
    mico_moves *m;
    mico_problem p;

    problem_make(&p, 3, "2,4,8", rng);
    m = mico_moves_new(&p);
    CU_ASSERT_EQUAL(mico_moves_list(m, levels, rng, MAX_MOVES, move), 12);
    p.pareto_metric = PROBLEM_SIZE;
    mico_moves_cap(m, mico_metric_min(&p, PROBLEM_SIZE));
    CU_ASSERT_EQUAL(mico_moves_list(m, levels, rng, MAX_MOVES, move), 6); /* a */
    mico_moves_cap(m, INFINITY);
    CU_ASSERT_EQUAL(mico_moves_list(m, levels, rng, MAX_MOVES, move), 12);
    mico_moves_free(m);
    mico_problem_free(&p);
    mico_rng_free(rng);
}

/* ---- classes --------------------------------------------------------------------- */

/* The knapsack against all schemes, with ties, two limits and widths no hardware has.
 */
static void t_classes(void)
{
    mico_rng *rng = mico_rng_new(3, "test", 0);

    for (size_t k = 0; k < 20; k++) {
        uint8_t levels[MICO_MAX_GENES] = {0}, answer[MICO_MAX_GENES] = {0};
        double worth[7][MICO_N_WIDTHS] = {{0}}, best = -INFINITY;
        mico_knap_answer a;
        mico_classes *c;
        mico_problem p;

        make_tied(&p, rng);
        problem_limit(&p, PROBLEM_BOPS, 0.4 * problem_top_cost(&p, PROBLEM_BOPS));
        problem_limit(&p, PROBLEM_CYCLES, 0.7 * problem_top_cost(&p, PROBLEM_CYCLES));
        *problem_entry(&p.metric[PROBLEM_BOPS], 2, 3, 4) = INFINITY; /* w3 a4: none */
        *problem_entry(&p.metric[PROBLEM_BOPS], 2, 4, 4) = INFINITY;
        for (size_t v = 0; v < 7; v++)
            for (size_t l = 0; l < 3; l++)
                worth[v][l] = (double)l * mico_rng_uniform(rng);
        do {
            double sum = 0;

            for (size_t v = 0; v < 7; v++)
                sum += worth[v][levels[v]];
            if (sum > best && is_feasible(&p, levels))
                best = sum;
        } while (next_levels(&p, levels));
        c = mico_classes_new(&p);
        CU_ASSERT_PTR_NOT_NULL_FATAL(c);
        CU_ASSERT_EQUAL(c->n, 3); /* layers 0 and 1 share a variable */
        a = mico_classes_solve(c, (const mico_table *)worth, 100000, answer);
        CU_ASSERT_TRUE(a.found && a.proven);
        CU_ASSERT_TRUE(is_feasible(&p, answer));
        CU_ASSERT_DOUBLE_EQUAL(a.value, best, 1e-9);
        CU_ASSERT_TRUE(a.bound >= best - 1e-9);
        c->limit[0] = -1; /* nothing fits */
        a = mico_classes_solve(c, (const mico_table *)worth, 100000, answer);
        CU_ASSERT_FALSE(a.found);
        mico_classes_free(c);
        mico_problem_free(&p);
    }
    mico_rng_free(rng);
}

/* All activations tied: one class of 9^9 options, which must be refused. */
static void t_classes_huge(void)
{
    mico_rng *rng = mico_rng_new(4, "test", 0);
    uint8_t levels[MICO_MAX_GENES] = {0};
    double f[9][MICO_N_WIDTHS] = {{0}};
    mico_search_options o = {.seed = 1, .budget = 50};
    mico_problem p;
    mico_lab lab;

    problem_make(&p, 8, "1,t,2-8", rng);
    for (size_t l = 0; l < 8; l++)
        p.space.var_of[8 + l] = 8;
    p.space.n_vars = 9;
    problem_limit(&p, PROBLEM_BOPS, 0.3 * problem_top_cost(&p, PROBLEM_BOPS));
    CU_ASSERT_PTR_NULL(mico_classes_new(&p));
    mico_lab_init(&lab, &p, &o); /* climbs instead */
    mico_lab_prior(&lab, f);
    mico_lab_begin(&lab, "test", 0);
    mico_lab_solve(&lab, (const mico_table *)f, levels);
    CU_ASSERT_TRUE(is_feasible(&p, levels));
    {
        uint8_t uniform[MICO_MAX_GENES] = {0};

        mico_lab_uniform(&lab, uniform);
        CU_ASSERT_TRUE(is_feasible(&p, uniform));
        CU_ASSERT_TRUE(mico_lab_sum(&lab, (const mico_table *)f, levels) <=
                       mico_lab_sum(&lab, (const mico_table *)f, uniform));
    }
    mico_lab_free(&lab);
    mico_problem_free(&p);
    mico_rng_free(rng);
}

/* ---- quality --------------------------------------------------------------------- */

#define N_SEEDS 5
#define BUDGET  64

/* Of a cross term as well, so that no sum explains it. */
static double accuracy(const mico_scheme *s, uint64_t net)
{
    double loss = 0;

    for (size_t l = 0; l + 1 < s->n_layers; l++)
        loss += 3 * exp2(-(double)s->bits[l] - (double)s->bits[l + 1]);
    return problem_accuracy(s, net) * exp(-loss / (double)s->n_layers);
}

/* Best accuracy of a run; window: trials pending. */
static double run(const mico_problem *p, const char *method, uint64_t seed,
                  size_t window, mico_str *note)
{
    mico_search_options o = {.seed = seed, .budget = BUDGET, .n_candidates = 200};
    mico_trial *trial = mico_xcalloc(BUDGET, sizeof *trial);
    mico_searcher *s;
    size_t n = 0, told = 0, best;
    double found;

    snprintf(o.method, sizeof o.method, "%s", method);
    CU_ASSERT_EQUAL_FATAL(mico_search_new(&s, p, &o, NULL), MICO_OK);
    while (n < BUDGET) {
        mico_scheme scheme;

        CU_ASSERT_TRUE_FATAL(mico_search_ask(s, n, &scheme));
        trial[n] = problem_trial(n, &scheme, accuracy(&scheme, 11));
        n++;
        while (n - told >= window)
            mico_search_tell(s, &trial[told++]);
    }
    mico_search_note(s, note);
    mico_search_free(s);
    best = mico_best(p, trial, n);
    CU_ASSERT_TRUE_FATAL(best < n);
    found = mico_accuracy(&trial[best].outcome);
    free(trial);
    return found;
}

static double mean(const mico_problem *p, const char *method, size_t window)
{
    double sum = 0;

    for (uint64_t seed = 0; seed < N_SEEDS; seed++) {
        mico_str note = {0};

        sum += run(p, method, seed, window, &note) / N_SEEDS;
        mico_str_free(&note);
    }
    return sum;
}

/* How much of what regularized evolution leaves to the best that any run found is left:
 * a tenth by sens+tr (a fifth with trials pending), a half by the others. */
static void t_quality(void)
{
    static const char *const methods[] = {"sens+tr", "ts-mckp", "hawq", "gp"};
    mico_rng *rng = mico_rng_new(11, "test", 0);
    double found[4], most = 0, regevo, pending;
    mico_problem p;

    problem_make(&p, 10, "2-8", rng);
    problem_limit(&p, PROBLEM_BOPS, 0.25 * problem_top_cost(&p, PROBLEM_BOPS));
    regevo = mean(&p, "regevo", 1);
    for (size_t m = 0; m < 4; m++) {
        found[m] = mean(&p, methods[m], 1);
        most = fmax(most, found[m]);
    }
    pending = mean(&p, "sens+tr", 8);
    most = fmax(most, pending) + 0.0005; /* means lie below the optimum */
    printf("\n    regevo %.4f, sens+tr %.4f (%.4f with 8 pending), ts-mckp %.4f, hawq "
           "%.4f, gp %.4f\n    ",
           regevo, found[0], pending, found[1], found[2], found[3]);
    for (size_t m = 0; m < 4; m++)
        CU_ASSERT_TRUE(most - found[m] < 0.5 * (most - regevo));
    CU_ASSERT_TRUE(most - found[0] < 0.1 * (most - regevo));
    CU_ASSERT_TRUE(most - pending < 0.2 * (most - regevo));
    mico_problem_free(&p);
    mico_rng_free(rng);
}

/* The note's numbers: a bound that is not below the incumbent. */
static void t_note(void)
{
    mico_rng *rng = mico_rng_new(12, "test", 0);
    mico_str note = {0}, none = {0};
    double found, bound, incumbent;
    mico_problem p;

    problem_make(&p, 5, "2-8", rng);
    problem_limit(&p, PROBLEM_BOPS, 0.3 * problem_top_cost(&p, PROBLEM_BOPS));
    found = run(&p, "sens+tr", 1, 1, &note);
    CU_ASSERT_PTR_NOT_NULL_FATAL(note.text);
    CU_ASSERT_EQUAL_FATAL(sscanf(note.text,
                                 "fitted additive model: no feasible scheme above "
                                 "%lf; incumbent %lf",
                                 &bound, &incumbent),
                          2);
    CU_ASSERT_DOUBLE_EQUAL(incumbent, found, 0.00006);
    CU_ASSERT_TRUE(bound >= incumbent && bound < 1.2 * incumbent);
    run(&p, "random", 1, 1, &none);
    CU_ASSERT_PTR_NULL(none.text);
    mico_str_free(&note);
    mico_problem_free(&p);
    mico_rng_free(rng);
}

MICO_SUITE("search_sens", {"feasible neighbours", t_moves}, {"a cap", t_moves_cap},
           {"classes of tied layers", t_classes}, {"a class too large", t_classes_huge},
           {"better than evolution", t_quality}, {"note", t_note})
