/* tune.c: which of several exact kernels runs an operation: the fastest here. */
#include "kernels/tune_internal.h"

#include <stdio.h>
#include <stdlib.h>

/* The plain kernel is left only for one that is faster by more than noise. */
#define WORTH 0.97

/* ---- candidates ------------------------------------------------------------------ */

static bool is_wide(const mico_kernel *k)
{
    return strncmp(k->isa, "avx512", 6) == 0;
}

static bool counts_bits(const mico_kernel *k)
{
    return strcmp(k->isa, "avx512vpopcnt") == 0;
}

/* Entries with vectors that run here. Those with narrow ones compete only where there
 * are no wide ones. */
static void find_candidates(const mico_tuner *tuner, const mico_plan *plan,
                            const mico_op *op, mico_timing *t)
{
    t->n = 0;
    for (size_t i = 0; i < mico_n_kernels && t->n < MICO_TUNE_MOST; i++) {
        const mico_kernel *k = mico_kernels[i];

        if (strcmp(k->isa, "c") == 0 || !mico_isa_here(k->isa) ||
            (tuner->only_isa != NULL && strcmp(k->isa, tuner->only_isa) != 0) ||
            (t->n > 0 && is_wide(t->kernel[0]) && !is_wide(k)) ||
            !k->supports(plan, op))
            continue;
        t->kernel[t->n++] = k;
    }
}

/* The operations that take the time; for others the order of the table will do. */
static bool sums_products(const mico_op *op)
{
    return op->kind == MICO_OP_CONV || op->kind == MICO_OP_LINEAR;
}

/* "conv 3x3/1x1 pad 1,1,1,1 dil 1x1 groups 1 16x32x32 -> 16x32x32 w1 a1s". The times of
 * plain kernels depend on the shape only. False where the text is too long. */
static bool write_key(const mico_plan *plan, const mico_op *op, mico_timing *t)
{
    const mico_plan_tensor *x = mico_op_input(plan, op, 0);
    const mico_extent in = mico_extent_of(x);
    const mico_extent out = mico_extent_of(mico_op_output(plan, op));
    const char *kind = mico_op_text(op->kind);
    char window[100] = "", widths[16] = "";
    int n = 0;

    if (op->kind == MICO_OP_CONV) {
        const mico_window *w = &op->node->window;

        n = snprintf(window, sizeof window,
                     " %zux%zu/%zux%zu pad %zu,%zu,%zu,%zu dil %zux%zu groups %zu",
                     w->kh, w->kw, w->stride_h, w->stride_w, w->pad_top, w->pad_left,
                     w->pad_bottom, w->pad_right, w->dilation_h, w->dilation_w,
                     op->node->groups);
    }
    for (size_t i = 0; i < t->n; i++)
        if (counts_bits(t->kernel[i]))
            snprintf(widths, sizeof widths, " w%s a%s%s",
                     mico_width_text(op->weights->width),
                     mico_width_text(x->format.width), x->format.is_signed ? "s" : "u");
    if (n < 0 || (size_t)n >= sizeof window)
        return false;
    n = snprintf(t->key, sizeof t->key, "%s%s %zux%zux%zu -> %zux%zux%zu%s", kind,
                 window, in.c, in.h, in.w, out.c, out.h, out.w, widths);
    return n > 0 && (size_t)n < sizeof t->key;
}

static size_t fastest(const mico_timing *t)
{
    size_t best = 0;

    for (size_t i = 1; i < t->n; i++)
        if (t->image_s[i] < WORTH * t->image_s[0] && t->image_s[i] < t->image_s[best])
            best = i;
    return best;
}

/* True if the known timing compares the very same candidates. */
static bool same_candidates(const mico_timing *known, const mico_timing *wanted)
{
    return known != NULL && known->n == wanted->n &&
           memcmp(known->kernel, wanted->kernel,
                  wanted->n * sizeof wanted->kernel[0]) == 0;
}

/* ---- the tuner ------------------------------------------------------------------- */

mico_tuner *mico_tuner_new(const char *cache_file, const char *only_isa, bool measure)
{
    mico_tuner *tuner = mico_xcalloc(1, sizeof *tuner);

    tuner->cache_file = cache_file != NULL ? mico_xstrdup(cache_file) : NULL;
    tuner->only_isa = only_isa != NULL ? mico_xstrdup(only_isa) : NULL;
    tuner->measure = measure;
    if (measure)
        mico_tune_load(tuner);
    return tuner;
}

void mico_tuner_free(mico_tuner *tuner)
{
    if (tuner == NULL)
        return;
    mico_tuner_save(tuner);
    free(tuner->cache_file);
    free(tuner->only_isa);
    free(tuner->timing);
    free(tuner);
}

/* Where the key is or would be. */
static size_t place_of(const mico_tuner *tuner, const char *key)
{
    size_t lo = 0, hi = tuner->n;

    while (lo < hi) {
        const size_t mid = lo + (hi - lo) / 2;

        if (strcmp(tuner->timing[mid].key, key) < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

mico_timing *mico_tune_find(const mico_tuner *tuner, const char *key)
{
    const size_t i = place_of(tuner, key);

    return i < tuner->n && strcmp(tuner->timing[i].key, key) == 0 ? &tuner->timing[i]
                                                                  : NULL;
}

void mico_tune_add(mico_tuner *tuner, const mico_timing *timing)
{
    const size_t i = place_of(tuner, timing->key);

    if (i == tuner->n || strcmp(tuner->timing[i].key, timing->key) != 0) {
        tuner->timing =
            mico_grow(tuner->timing, tuner->n, &tuner->capacity, sizeof *tuner->timing);
        memmove(&tuner->timing[i + 1], &tuner->timing[i],
                (tuner->n - i) * sizeof *tuner->timing);
        tuner->n++;
    }
    tuner->timing[i] = *timing;
}

const mico_kernel *mico_tuner_choose(mico_tuner *tuner, const mico_plan *plan,
                                     const mico_op *op)
{
    mico_timing t = {.is_new = true};
    const mico_timing *known;

    find_candidates(tuner, plan, op, &t);
    if (t.n == 0)
        return mico_kernel_find(plan, op, tuner->only_isa);
    if (t.n == 1 || !tuner->measure || !sums_products(op) || !write_key(plan, op, &t))
        return t.kernel[0];
    known = mico_tune_find(tuner, t.key);
    if (!same_candidates(known, &t)) {
        mico_tune_measure(plan, op, &t);
        mico_tune_add(tuner, &t);
        tuner->unsaved = true;
        known = &t;
    }
    return known->kernel[fastest(known)];
}

void mico_tuner_report(const mico_tuner *tuner, mico_str *out)
{
    size_t n_new = 0;

    for (size_t i = 0; i < tuner->n; i++)
        n_new += tuner->timing[i].is_new;
    mico_str_add(out, "kernels chosen by time: %zu, measured now: %zu\n", tuner->n,
                 n_new);
    for (size_t i = 0; i < tuner->n; i++) {
        const mico_timing *t = &tuner->timing[i];
        const size_t best = fastest(t);

        mico_str_add(out, "%s: %s %.3g us an image", t->key, t->kernel[best]->name,
                     1e6 * t->image_s[best]);
        for (size_t k = 0; k < t->n; k++)
            if (k != best)
                mico_str_add(out, ", %s %.3g", t->kernel[k]->name, 1e6 * t->image_s[k]);
        mico_str_add(out, "\n");
    }
}
