/* In which order `mico bench-table` evaluates, and how answers are packed. */
#include "cli/tool_bench.h"

#include <string.h>

void mico_bench_order_make(mico_bench_order *order, const mico_space *space, size_t n)
{
    bool used[MICO_MAX_GENES] = {false};
    size_t n_used = 0;

    *order = (mico_bench_order){.space = space, .n = n};
    for (size_t l = 0; l < space->n_layers; l++) {
        for (size_t half = 0; half < 2; half++) {
            size_t v = space->var_of[l + half * space->n_layers];

            if (!used[v])
                order->var[n_used++] = v;
            used[v] = true;
        }
    }
    for (size_t v = 0; v < space->n_vars; v++) /* variables that no gene uses */
        if (!used[v])
            order->var[n_used++] = v;
}

void mico_bench_order_levels(const mico_bench_order *order, size_t place,
                             uint8_t *levels)
{
    for (size_t i = order->space->n_vars; i-- > 0;) {
        size_t n = order->space->var[order->var[i]].n;

        levels[order->var[i]] = (uint8_t)(place % n);
        place /= n;
    }
}

size_t mico_bench_order_bundles(const mico_bench_order *order)
{
    return (order->n + MICO_BENCH_BUNDLE - 1) / MICO_BENCH_BUNDLE;
}

size_t mico_bench_order_count(const mico_bench_order *order, size_t bundle)
{
    size_t left = order->n - bundle * MICO_BENCH_BUNDLE;

    return left < MICO_BENCH_BUNDLE ? left : MICO_BENCH_BUNDLE;
}

void mico_bench_part_put(mico_writer *w, const mico_bench_part *part)
{
    mico_put_u64(w, part->bundle);
    mico_put_text(w, part->error);
    mico_put_u32(w, part->n);
    for (uint32_t i = 0; i < part->n; i++) {
        mico_put_u32(w, part->correct[i]);
        mico_put_f64(w, part->loss[i]);
    }
}

bool mico_bench_part_get(mico_reader *r, mico_bench_part *part)
{
    memset(part, 0, sizeof *part);
    part->bundle = mico_get_u64(r);
    mico_get_text(r, part->error, sizeof part->error);
    part->n = mico_get_u32(r);
    if (part->n > MICO_BENCH_BUNDLE)
        return false;
    for (uint32_t i = 0; i < part->n; i++) {
        part->correct[i] = mico_get_u32(r);
        part->loss[i] = mico_get_f64(r);
    }
    return mico_reader_ok(r);
}
