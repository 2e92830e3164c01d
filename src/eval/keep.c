/* keep.c: values of a whole split that later bundles may go on from.
 *
 * Which values are worth memory: those that save much work a byte, likely to be met
 * again (a change of one layer at random leaves those before it alone, so the chance of
 * a value falls with its depth), and met lately. */
#include "eval/eval_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MARGIN ((size_t)256) /* kernels may load beyond the last image */

static bool covers(const mico_kept *kept, const mico_split *split)
{
    return kept->complete && kept->data == split->data && kept->first <= split->first &&
           split->first + split->count <= kept->first + kept->count;
}

void mico_keeper_find(mico_keeper *keeper, mico_program *program,
                      const mico_split *split)
{
    keeper->clock++;
    for (size_t v = 0; v < program->n_values; v++) {
        mico_value *value = &program->value[v];

        for (size_t k = 0; k < keeper->n && value->kept == NULL; k++) {
            mico_kept *kept = &keeper->kept[k];

            if (kept->id != value->id || !covers(kept, split))
                continue;
            value->kept = kept->memory + (split->first - kept->first) * value->bytes;
            kept->used = keeper->clock;
            kept->hits++;
        }
    }
}

/* What a kept value is worth now: more with every bundle that read it, less with every
 * one since that did not. */
static double worth_now(const mico_keeper *keeper, const mico_kept *kept)
{
    return kept->worth * (double)(1 + kept->hits) /
           (double)(1 + keeper->clock - kept->used);
}

static void drop(mico_keeper *keeper, size_t k)
{
    keeper->bytes -= keeper->kept[k].bytes;
    free(keeper->kept[k].memory);
    keeper->kept[k] = keeper->kept[--keeper->n];
}

/* Frees values that are worth less than `worth` and not in use, the least first, until
 * there is room. False, and nothing freed, where that is not enough. */
static bool make_room(mico_keeper *keeper, uint64_t bytes, double worth,
                      uint64_t budget_bytes)
{
    uint64_t could = 0;

    for (size_t k = 0; k < keeper->n; k++)
        if (keeper->kept[k].used != keeper->clock &&
            worth_now(keeper, &keeper->kept[k]) < worth)
            could += keeper->kept[k].bytes;
    if (bytes > budget_bytes || keeper->bytes - could > budget_bytes - bytes)
        return false;
    while (keeper->bytes > budget_bytes - bytes) {
        size_t least = keeper->n;

        for (size_t k = 0; k < keeper->n; k++)
            if (keeper->kept[k].used != keeper->clock &&
                (least == keeper->n || worth_now(keeper, &keeper->kept[k]) <
                                           worth_now(keeper, &keeper->kept[least])))
                least = k;
        drop(keeper, least);
    }
    return true;
}

static double worth_of(const mico_value *v, size_t n_layers)
{
    const double chance = 1 - (double)v->depth / (double)n_layers;

    return v->depth > 0 ? v->work * pow(chance, 4) / (double)v->bytes : 0;
}

/* Index of the program's most worthwhile computed value below `limit`, or n_values. */
static size_t next_value(const mico_program *program, const bool *seen, size_t n_layers)
{
    size_t best = program->n_values;

    for (size_t i = 0; i < program->n_steps; i++) {
        const size_t v = program->step[i].out;

        if (!seen[v] && worth_of(&program->value[v], n_layers) > 0 &&
            (best == program->n_values ||
             worth_of(&program->value[v], n_layers) >
                 worth_of(&program->value[best], n_layers)))
            best = v;
    }
    return best;
}

void mico_keeper_choose(mico_keeper *keeper, mico_program *program,
                        const mico_split *split, uint64_t budget_bytes, size_t n_layers)
{
    bool *seen = mico_xcalloc(program->n_values + 1, sizeof *seen);
    size_t v;

    while ((v = next_value(program, seen, n_layers)) < program->n_values) {
        mico_value *value = &program->value[v];
        mico_kept kept = {.id = value->id,
                          .used = keeper->clock,
                          .data = split->data,
                          .first = split->first,
                          .count = split->count,
                          .bytes = split->count * value->bytes + MARGIN,
                          .worth = worth_of(value, n_layers)};

        seen[v] = true;
        if (!make_room(keeper, kept.bytes, kept.worth, budget_bytes))
            break; /* what follows is worth less */
        kept.memory = aligned_alloc(64, (kept.bytes + 63) / 64 * 64);
        if (kept.memory == NULL)
            break; /* keeping is optional */
        keeper->kept =
            mico_grow(keeper->kept, keeper->n, &keeper->capacity, sizeof *keeper->kept);
        keeper->kept[keeper->n++] = kept;
        keeper->bytes += kept.bytes;
        value->keep = kept.memory;
    }
    free(seen);
}

void mico_keeper_limit(mico_keeper *keeper, uint64_t budget_bytes)
{
    keeper->clock++; /* nothing is in use */
    make_room(keeper, 0, INFINITY, budget_bytes);
}

void mico_keeper_settle(mico_keeper *keeper, bool complete)
{
    for (size_t k = keeper->n; k-- > 0;) {
        if (keeper->kept[k].complete)
            continue;
        if (complete)
            keeper->kept[k].complete = true;
        else
            drop(keeper, k);
    }
}

void mico_keeper_free(mico_keeper *keeper)
{
    while (keeper->n > 0)
        drop(keeper, keeper->n - 1);
    free(keeper->kept);
    memset(keeper, 0, sizeof *keeper);
}
