/* Tables of a contest, and runs of other programs read back.
 *
 * runs.csv has a line a run; its column "improvements" lists EVALUATION:CORRECT where
 * the best feasible scheme so far became better, separated by semicolons. Other
 * programs write case, method, seed, evaluations and improvements at least. */
#include "report/contest.h"
#include "report/internal.h"

#include "core/file.h"
#include "core/mem.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_BYTES ((size_t)256 << 20)
#define MOST_EVALS ((size_t)1 << 24)

/* ---- writing ----------------------------------------------------------------------
 */

static void number(mico_str *out, double value)
{
    if (isnan(value))
        mico_str_add(out, ",");
    else
        mico_str_add(out, ",%.10g", value); /* inf where it is */
}

void mico_contest_csv(const mico_contest *contest, mico_str *out)
{
    mico_str_add(out, "case,method,seeds,schemes,feasible,images,optimum,budget,"
                      "to_optimum,n_optimum,to_0.1,n_0.1,to_0.5,n_0.5,regret_q1,regret,"
                      "regret_q3,ms_per_proposal,p\n");
    for (size_t k = 0; k < contest->n_cases * contest->n_methods; k++) {
        const mico_contest_case *c = &contest->cases[k / contest->n_methods];
        mico_contest_sum sum;

        mico_contest_summarize(contest, k / contest->n_methods, k % contest->n_methods,
                               &sum);
        mico_csv_field(out, c->name);
        mico_str_add(out, ",");
        mico_csv_field(out, contest->method[k % contest->n_methods]);
        mico_str_add(out, ",%zu,%llu,%llu,%llu,%llu,%llu", contest->n_seeds,
                     (unsigned long long)c->schemes, (unsigned long long)c->feasible,
                     (unsigned long long)c->images, (unsigned long long)c->optimum,
                     (unsigned long long)c->budget);
        for (size_t r = 0; r < MICO_CONTEST_REACHES; r++) {
            number(out, sum.reach[r].median);
            mico_str_add(out, ",%zu", sum.reach[r].n);
        }
        for (size_t q = 0; q < 3; q++)
            number(out, sum.regret[q]);
        number(out, sum.ms);
        number(out, sum.p);
        mico_str_add(out, "\n");
    }
}

static void improvements(const mico_contest_run *run, mico_str *out)
{
    uint32_t best = 0;

    for (size_t i = 0; i < run->n; i++) {
        if (run->best[i] > best)
            mico_str_add(out, "%s%zu:%u", best > 0 ? ";" : "", i + 1, run->best[i]);
        best = run->best[i];
    }
}

void mico_contest_runs_csv(const mico_contest *contest, mico_str *out)
{
    mico_str_add(out, "case,method,seed,evaluations,proposals,search_s,improvements\n");
    for (size_t c = 0; c < contest->n_cases; c++)
        for (size_t m = 0; m < contest->n_methods; m++)
            for (size_t s = 0; s < contest->n_seeds; s++) {
                const mico_contest_run *run =
                    &contest->cases[c].run[m * contest->n_seeds + s];

                mico_csv_field(out, contest->cases[c].name);
                mico_str_add(out, ",");
                mico_csv_field(out, contest->method[m]);
                mico_str_add(out, ",%llu,%zu,%llu",
                             (unsigned long long)contest->seed[s], run->n,
                             (unsigned long long)run->proposals);
                number(out, run->search_s);
                mico_str_add(out, ",");
                improvements(run, out);
                mico_str_add(out, "\n");
            }
}

/* ---- reading ----------------------------------------------------------------------
 */

enum { CASE, METHOD, SEED, EVALUATIONS, PROPOSALS, SEARCH, IMPROVEMENTS, N_FIELDS };
static const char *const names[N_FIELDS] = {
    "case", "method", "seed", "evaluations", "proposals", "search_s", "improvements"};

typedef struct csv {
    const char *path;
    char *at;
    size_t line;
    size_t column[N_FIELDS]; /* of each field; SIZE_MAX: missing */
    char *value[N_FIELDS];   /* of the current line */
} csv;

/* The next field of a line, unquoted in place; *last where the line ends behind it.
 * NULL at the end of the text. */
static char *next_field(csv *in, bool *last)
{
    char *start = in->at, *from = in->at, *to = in->at;
    bool quoted = *from == '"';

    if (*from == '\0')
        return NULL;
    from += quoted;
    while (*from != '\0') {
        if (quoted && from[0] == '"' && from[1] != '"') {
            quoted = false;
            from++;
            continue;
        }
        if (!quoted && (*from == ',' || *from == '\n'))
            break;
        from += quoted && from[0] == '"';
        if (*from != '\r')
            *to++ = *from;
        from++;
    }
    *last = *from != ',';
    in->at = *from != '\0' ? from + 1 : from;
    *to = '\0';
    return start;
}

/* False at the end. */
static bool next_line(csv *in, bool header)
{
    bool last = false;
    char *text;
    size_t n = 0;

    for (size_t f = 0; f < N_FIELDS; f++)
        in->value[f] = NULL;
    for (; !last && (text = next_field(in, &last)) != NULL; n++)
        for (size_t f = 0; f < N_FIELDS; f++) {
            if (header && strcmp(text, names[f]) == 0)
                in->column[f] = n;
            else if (!header && in->column[f] == n)
                in->value[f] = text;
        }
    in->line++;
    return n > 0;
}

static mico_status wrong(const csv *in, const char *what, mico_err *err)
{
    return mico_fail(err, MICO_EFORMAT, "%s: line %zu: %s", in->path, in->line, what);
}

/* "1:8800;7:8950" */
static bool read_improvements(const char *text, const mico_contest_case *c,
                              mico_contest_run *run)
{
    const char *rest = text;
    char item[64];
    size_t filled = 0;
    uint32_t best = 0;

    while (mico_text_next(&rest, ';', item, sizeof item)) {
        char *colon = strchr(item, ':');
        int64_t at, correct;

        if (colon == NULL)
            return false;
        *colon = '\0';
        if (!mico_text_int(item, &at) || !mico_text_int(colon + 1, &correct) ||
            at <= (int64_t)filled || at > (int64_t)run->n || correct <= best ||
            correct > (int64_t)c->optimum)
            return false;
        while (filled + 1 < (size_t)at)
            run->best[filled++] = best;
        best = (uint32_t)correct;
        run->best[filled++] = best;
    }
    while (filled < run->n)
        run->best[filled++] = best;
    return true;
}

/* Room for another method whose runs are not known. */
static size_t add_method(mico_contest *contest, const char *name)
{
    size_t m = contest->n_methods++;

    contest->method =
        mico_xrealloc(contest->method, contest->n_methods, sizeof *contest->method);
    snprintf(contest->method[m], sizeof contest->method[m], "%s", name);
    for (size_t c = 0; c < contest->n_cases; c++) {
        mico_contest_run **run = &contest->cases[c].run;

        *run = mico_xrealloc(*run, contest->n_methods * contest->n_seeds, sizeof **run);
        memset(*run + m * contest->n_seeds, 0, contest->n_seeds * sizeof **run);
    }
    return m;
}

/* One line: a run, or one of a case or seed that this contest does not have. */
static mico_status take_line(mico_contest *contest, size_t first, const csv *in,
                             mico_err *err)
{
    size_t c = 0, m = 0, s = 0;
    int64_t seed, n, proposals;
    mico_contest_run *run;

    if (!mico_text_int(in->value[SEED], &seed) ||
        !mico_text_int(in->value[EVALUATIONS], &n) || n < 0 || n > (int64_t)MOST_EVALS)
        return wrong(in, "seed or evaluations is not a number", err);
    while (c < contest->n_cases && strcmp(contest->cases[c].name, in->value[CASE]) != 0)
        c++;
    while (s < contest->n_seeds && contest->seed[s] != (uint64_t)seed)
        s++;
    if (c == contest->n_cases || s == contest->n_seeds)
        return MICO_OK;
    while (m < contest->n_methods && strcmp(contest->method[m], in->value[METHOD]) != 0)
        m++;
    if (m < first || strlen(in->value[METHOD]) >= MICO_NAME_SIZE)
        return wrong(in, "a method of the contest, or a name that is too long", err);
    if (m == contest->n_methods)
        m = add_method(contest, in->value[METHOD]);
    run = &contest->cases[c].run[m * contest->n_seeds + s];
    if (run->best != NULL)
        return wrong(in, "a second run of the same case, method and seed", err);
    run->n = (size_t)n;
    run->best = mico_xcalloc(run->n + 1, sizeof *run->best);
    run->search_s = NAN;
    if (in->value[SEARCH] != NULL)
        mico_text_double(in->value[SEARCH], &run->search_s);
    if (in->value[PROPOSALS] != NULL && mico_text_int(in->value[PROPOSALS], &proposals))
        run->proposals = (uint64_t)proposals;
    if (run->proposals == 0)
        run->proposals = run->n;
    if (!read_improvements(in->value[IMPROVEMENTS], &contest->cases[c], run))
        return wrong(in,
                     "improvements are not EVALUATION:CORRECT, ascending, up to the "
                     "optimum of this table",
                     err);
    return MICO_OK;
}

static mico_status check_complete(const mico_contest *contest, size_t first,
                                  const char *path, mico_err *err)
{
    if (contest->n_methods == first)
        return mico_fail(err, MICO_EUSAGE, "%s: has no run of these cases and seeds",
                         path);
    for (size_t m = first; m < contest->n_methods; m++)
        for (size_t c = 0; c < contest->n_cases; c++)
            for (size_t s = 0; s < contest->n_seeds; s++)
                if (contest->cases[c].run[m * contest->n_seeds + s].best == NULL)
                    return mico_fail(err, MICO_EUSAGE,
                                     "%s: has no run of %s on '%s' with seed %llu",
                                     path, contest->method[m], contest->cases[c].name,
                                     (unsigned long long)contest->seed[s]);
    return MICO_OK;
}

mico_status mico_contest_add(mico_contest *contest, const char *path, mico_err *err)
{
    csv in = {.path = path};
    size_t n, first = contest->n_methods;
    uint8_t *bytes = NULL;
    mico_status rc = mico_file_read(&bytes, &n, path, MOST_BYTES, err);

    if (rc != MICO_OK)
        return rc;
    for (size_t f = 0; f < N_FIELDS; f++)
        in.column[f] = SIZE_MAX;
    in.at = (char *)bytes;
    next_line(&in, true);
    for (size_t f = 0; f < N_FIELDS && rc == MICO_OK; f++)
        if (in.column[f] == SIZE_MAX && f != PROPOSALS && f != SEARCH)
            rc = mico_fail(err, MICO_EFORMAT, "%s: has no column %s", path, names[f]);
    while (rc == MICO_OK && next_line(&in, false)) {
        for (size_t f = 0; f < N_FIELDS && rc == MICO_OK; f++)
            if (in.column[f] != SIZE_MAX && in.value[f] == NULL)
                rc = wrong(&in, "too few fields", err);
        if (rc == MICO_OK)
            rc = take_line(contest, first, &in, err);
    }
    if (rc == MICO_OK)
        rc = check_complete(contest, first, path, err);
    free(bytes);
    return rc;
}
