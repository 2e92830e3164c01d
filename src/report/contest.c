/* What a contest of searchers says: evaluations to the optimum, regrets, ranks. */
#include "report/contest.h"

#include "core/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const double mico_contest_points[MICO_CONTEST_REACHES] = {0, 0.1, 0.5};

/* ---- one run ----------------------------------------------------------------------
 */

double mico_contest_evaluations(const mico_contest_case *c, const mico_contest_run *run,
                                size_t reach)
{
    /* in thousandths of a point times images, so that nothing is rounded */
    double allowed = mico_contest_points[reach] * 10 * (double)c->images;

    for (size_t i = 0; i < run->n; i++)
        if (run->best[i] > 0 &&
            ((double)c->optimum - (double)run->best[i]) * 1000 <= allowed + 1e-6)
            return (double)(i + 1);
    return INFINITY;
}

double mico_contest_regret(const mico_contest_case *c, const mico_contest_run *run)
{
    uint32_t best = run->n > 0 ? run->best[run->n - 1] : 0;

    return 100 * ((double)c->optimum - (double)best) / (double)c->images;
}

/* ---- over seeds -------------------------------------------------------------------
 */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

double mico_contest_quantile(double *values, size_t n, double q)
{
    double at = q * (double)(n - 1), below = floor(at);
    size_t i = (size_t)below;

    qsort(values, n, sizeof *values, by_size);
    if (i + 1 >= n || at <= below)
        return values[i];
    return isfinite(values[i + 1])
               ? values[i] + (at - below) * (values[i + 1] - values[i])
               : INFINITY;
}

/* What rank tests rank: evaluations to within 0.1 points; runs that do not get there
 * come behind all that do, by what they miss at the end. */
static void collect_ranked(const mico_contest *contest, const mico_contest_case *c,
                           size_t method, double *out)
{
    for (size_t s = 0; s < contest->n_seeds; s++) {
        const mico_contest_run *run = &c->run[method * contest->n_seeds + s];

        out[s] = mico_contest_evaluations(c, run, 1);
        if (!isfinite(out[s]))
            out[s] = (double)c->budget + 1 + mico_contest_regret(c, run);
    }
}

void mico_contest_summarize(const mico_contest *contest, size_t which, size_t method,
                            mico_contest_sum *out)
{
    const mico_contest_case *c = &contest->cases[which];
    const mico_contest_run *runs = &c->run[method * contest->n_seeds];
    size_t n = contest->n_seeds;
    double *a = mico_xcalloc(n, sizeof *a), *b = mico_xcalloc(n, sizeof *b);
    double seconds = 0, proposals = 0;

    *out = (mico_contest_sum){.p = NAN};
    for (size_t r = 0; r < MICO_CONTEST_REACHES; r++) {
        for (size_t s = 0; s < n; s++) {
            a[s] = mico_contest_evaluations(c, &runs[s], r);
            out->reach[r].n += isfinite(a[s]);
        }
        out->reach[r].median = mico_contest_quantile(a, n, 0.5);
    }
    for (size_t s = 0; s < n; s++) {
        a[s] = mico_contest_regret(c, &runs[s]);
        seconds += runs[s].search_s;
        proposals += (double)runs[s].proposals;
    }
    for (size_t q = 0; q < 3; q++)
        out->regret[q] = mico_contest_quantile(a, n, 0.25 * (double)(q + 1));
    out->ms = proposals > 0 ? 1e3 * seconds / proposals : NAN;
    if (method > 0) {
        collect_ranked(contest, c, method, a);
        collect_ranked(contest, c, 0, b);
        out->p = mico_wilcoxon(a, b, n);
    }
    free(a);
    free(b);
}

double mico_contest_friedman(const mico_contest *contest, double *mean_rank)
{
    size_t k = contest->n_methods, blocks = contest->n_cases * contest->n_seeds;
    double *value = mico_xcalloc(blocks * k, sizeof *value);
    double *column = mico_xcalloc(contest->n_seeds, sizeof *column);
    double chi_square, p;

    for (size_t c = 0; c < contest->n_cases; c++)
        for (size_t m = 0; m < k; m++) {
            collect_ranked(contest, &contest->cases[c], m, column);
            for (size_t s = 0; s < contest->n_seeds; s++)
                value[(c * contest->n_seeds + s) * k + m] = column[s];
        }
    p = mico_friedman(value, blocks, k, mean_rank, &chi_square);
    free(value);
    free(column);
    return p;
}

/* ---- text -------------------------------------------------------------------------
 */

void mico_contest_count_text(double evaluations, uint64_t budget, char out[32])
{
    if (isfinite(evaluations))
        snprintf(out, 32, "%.10g", evaluations);
    else
        snprintf(out, 32, ">%llu", (unsigned long long)budget);
}

void mico_contest_p_text(double p, char out[16])
{
    if (isnan(p))
        snprintf(out, 16, "-");
    else if (p < 1e-4)
        snprintf(out, 16, "%.0e", p);
    else
        snprintf(out, 16, "%.4f", p);
}

static void case_text(const mico_contest *contest, size_t which, mico_str *out)
{
    const mico_contest_case *c = &contest->cases[which];

    mico_str_add(out,
                 "%s: optimum %.2f %% (%.200s)\n"
                 "  %llu of %llu schemes feasible, %llu evaluations, %zu seeds\n"
                 "  %-14s %9s %5s %9s %5s %9s %5s  %-22s %9s %9s\n",
                 c->name, 100 * (double)c->optimum / (double)c->images, c->scheme,
                 (unsigned long long)c->feasible, (unsigned long long)c->schemes,
                 (unsigned long long)c->budget, contest->n_seeds, "method", "optimum",
                 "runs", "-0.1", "runs", "-0.5", "runs", "regret, points", "ms/ask",
                 "p");
    for (size_t m = 0; m < contest->n_methods; m++) {
        mico_contest_sum sum;
        char p[16], ms[32];

        mico_contest_summarize(contest, which, m, &sum);
        mico_str_add(out, "  %-14s", contest->method[m]);
        for (size_t r = 0; r < MICO_CONTEST_REACHES; r++) {
            char count[32];

            mico_contest_count_text(sum.reach[r].median, c->budget, count);
            mico_str_add(out, " %9s %5zu", count, sum.reach[r].n);
        }
        mico_contest_p_text(sum.p, p);
        snprintf(ms, sizeof ms, isnan(sum.ms) ? "-" : "%.3f", sum.ms);
        mico_str_add(out, "  %5.2f [%5.2f, %5.2f]   %9s %9s\n", sum.regret[1],
                     sum.regret[0], sum.regret[2], ms, p);
    }
    mico_str_add(out, "\n");
}

void mico_contest_text(const mico_contest *contest, mico_str *out)
{
    double *rank = mico_xcalloc(contest->n_methods, sizeof *rank), p;
    char text[16];

    for (size_t c = 0; c < contest->n_cases; c++)
        case_text(contest, c, out);
    mico_str_add(
        out,
        "Evaluations are medians over seeds until the best so far is at most "
        "0, 0.1, 0.5 points\nbelow the optimum (> budget: the median run does "
        "not get there), with the number of runs\nthat do; regret: median "
        "[quartiles] at the end; p: Wilcoxon's signed ranks against %s, of evaluations "
        "to -0.1\n(runs that do not get there behind all others, by regret).\n",
        contest->method[0]);
    if (contest->upstream)
        mico_str_add(out, "MiCo's protocol: initial designs are free, and never the "
                          "best.\n");
    if (contest->n_methods > 1) {
        p = mico_contest_friedman(contest, rank);
        mico_contest_p_text(p, text);
        mico_str_add(out, "Friedman, the same over all cases: p = %s; mean ranks",
                     text);
        for (size_t m = 0; m < contest->n_methods; m++)
            mico_str_add(out, "%s %s %.2f", m > 0 ? "," : "", contest->method[m],
                         rank[m]);
        mico_str_add(out, "\n");
    }
    free(rank);
}

void mico_contest_free(mico_contest *contest)
{
    for (size_t c = 0; c < contest->n_cases; c++) {
        for (size_t r = 0;
             contest->cases[c].run != NULL && r < contest->n_methods * contest->n_seeds;
             r++)
            free(contest->cases[c].run[r].best);
        free(contest->cases[c].run);
    }
    free(contest->cases);
    free(contest->method);
    free(contest->seed);
    *contest = (mico_contest){0};
}
