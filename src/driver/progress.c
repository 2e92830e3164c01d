/* Progress: one redrawn line on a terminal, a plain line now and then elsewhere. */
#include "driver/internal.h"

#include "core/clock.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define REDRAW_S   0.2  /* at most five times a second */
#define PLAIN_S    60.0 /* a plain line at most this often ... */
#define PLAIN_STEP 5    /* ... and only every so many percent */
#define BAR_WIDTH  14

static void bar(char out[4 * BAR_WIDTH + 1], double fraction)
{
    size_t used = 0;
    int full = (int)(fraction * BAR_WIDTH + 0.5);

    for (int i = 0; i < BAR_WIDTH; i++)
        used += (size_t)snprintf(out + used, 4 * BAR_WIDTH + 1 - used, "%s",
                                 i < full ? "#" : ".");
}

static void best_text(const mico_loop *loop, char out[96])
{
    const mico_problem *problem = &loop->run->problem;
    const mico_trial *best;
    size_t metric = problem->pareto_metric;
    double limit = 0;

    if (loop->best == SIZE_MAX) {
        snprintf(out, 96, "no feasible result yet");
        return;
    }
    best = &loop->run->trial[loop->best];
    for (size_t k = 0; k < problem->n_constraints; k++)
        if (problem->constraint[k].metric == metric)
            limit = problem->constraint[k].limit;
    snprintf(out, 96, "best %.2f %%", 100 * mico_accuracy(&best->outcome));
    if (limit > 0)
        snprintf(out + strlen(out), 96 - strlen(out), " at %.0f %% of the %s limit",
                 100 * mico_metric_cost(&problem->metric[metric], &best->scheme) /
                     limit,
                 problem->metric[metric].name);
}

static void line_text(const mico_loop *loop, uint64_t done, char out[512])
{
    uint64_t budget = loop->ask->study_budget;
    double elapsed_s = mico_now_s() - loop->start_s;
    double rate =
        (double)(done - loop->done_at_start) / (elapsed_s > 0 ? elapsed_s : 1);
    char bar_text[4 * BAR_WIDTH + 1], best[96], eta[32] = "-";

    bar(bar_text, (double)done / (double)budget);
    best_text(loop, best);
    if (rate > 0)
        mico_text_duration((double)(budget > done ? budget - done : 0) / rate, eta);
    snprintf(out, 512, "%.63s %.31s [%s] %llu/%llu  %s  %.1f trials/s  eta %s",
             loop->run->name, loop->ask->search_method, bar_text,
             (unsigned long long)done, (unsigned long long)budget, best, rate, eta);
}

void mico_progress_show(mico_loop *loop, bool force)
{
    mico_progress how = loop->drive->progress;
    bool tty = isatty(STDERR_FILENO);
    double now_s = mico_now_s();
    uint64_t done, percent;
    char text[512];

    if (how == MICO_PROGRESS_NEVER)
        return;
    if (!force && now_s - loop->last_line_s < REDRAW_S)
        return;
    done = loop->n_distinct - loop->n_waiting - loop->n_flying;
    percent = 100 * done / loop->ask->study_budget;
    if (!tty) {
        double every_s = how == MICO_PROGRESS_ALWAYS ? 1 : PLAIN_S;

        if (!force && (percent < loop->last_percent + PLAIN_STEP ||
                       now_s - loop->last_line_s < every_s))
            return;
        if (force && done == loop->done_at_start)
            return;
    }
    loop->last_line_s = now_s;
    loop->last_percent = percent;
    line_text(loop, done, text);
    fprintf(stderr, tty ? "\r\033[K%s" : "%s\n", text);
    loop->drew_line = tty;
}

void mico_progress_end(mico_loop *loop)
{
    if (loop->drew_line)
        fputc('\n', stderr);
    loop->drew_line = false;
}
