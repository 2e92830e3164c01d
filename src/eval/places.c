/* places.c: where the tensors of a run lie: a first-fit allocation by lifetime. */
#include "eval/eval_internal.h"

#include <stdlib.h>
#include <string.h>

#define SLACK 64 /* kernels may load or store whole vectors at the end of a tensor */

void mico_places_reset(mico_places *places, size_t n)
{
    size_t **array[] = {&places->bytes, &places->first, &places->last, &places->offset,
                        &places->size,  &places->order, &places->live};

    if (n > places->capacity) {
        for (size_t i = 0; i < sizeof array / sizeof array[0]; i++)
            *array[i] = mico_xrealloc(*array[i], n, sizeof **array[i]);
        places->capacity = n;
    }
    places->n = n;
    places->total = 0;
    places->limit = MICO_EVAL_LIMIT_BYTES;
    for (size_t t = 0; t < n; t++) {
        places->bytes[t] = places->last[t] = places->offset[t] = 0;
        places->first[t] = SIZE_MAX;
    }
}

void mico_places_free(mico_places *places)
{
    free(places->bytes);
    free(places->first);
    free(places->last);
    free(places->offset);
    free(places->size);
    free(places->order);
    free(places->live);
    memset(places, 0, sizeof *places);
}

void mico_places_use(mico_places *places, size_t tensor, size_t step)
{
    if (step < places->first[tensor])
        places->first[tensor] = step;
    if (step > places->last[tensor])
        places->last[tensor] = step;
}

/* Puts the used tensors in the order of their first steps (they nearly are). */
static size_t sort_by_first(mico_places *places)
{
    size_t n = 0;

    for (size_t t = 0; t < places->n; t++) {
        size_t at;

        if (places->first[t] == SIZE_MAX)
            continue;
        for (at = n; at > 0 && places->first[places->order[at - 1]] > places->first[t];
             at--)
            places->order[at] = places->order[at - 1];
        places->order[at] = t;
        n++;
    }
    return n;
}

/* Places tensor t into the lowest gap between the n_live live tensors, which are kept
 * in ascending order of offset. */
static void place(mico_places *places, size_t t, size_t *n_live)
{
    size_t kept = 0, end = 0, at;

    for (size_t i = 0; i < *n_live; i++)
        if (places->last[places->live[i]] >= places->first[t])
            places->live[kept++] = places->live[i];
    for (at = 0; at < kept; at++) {
        size_t other = places->live[at];

        if (places->offset[other] - end >= places->size[t])
            break;
        end = places->offset[other] + places->size[other];
    }
    memmove(&places->live[at + 1], &places->live[at],
            (kept - at) * sizeof places->live[0]);
    places->live[at] = t;
    places->offset[t] = end;
    if (end + places->size[t] > places->total)
        places->total = end + places->size[t];
    *n_live = kept + 1;
}

static mico_status too_large(const mico_places *places, size_t bytes, mico_err *err)
{
    return mico_fail(err, MICO_ELIMIT,
                     "the tensors of one group of images take %zu bytes, above the "
                     "limit of %llu; allow more memory or use a smaller network",
                     bytes, (unsigned long long)places->limit);
}

mico_status mico_places_assign(mico_places *places, size_t n_images, mico_err *err)
{
    size_t n = sort_by_first(places), n_live = 0;

    places->total = 0;
    for (size_t i = 0; i < n; i++) {
        size_t t = places->order[i];

        if (places->bytes[t] > MICO_EVAL_LIMIT_BYTES / n_images)
            return too_large(places, places->bytes[t], err);
        places->size[t] = (places->bytes[t] * n_images + 63) / 64 * 64 + SLACK;
        place(places, t, &n_live);
        if (places->total > places->limit)
            return too_large(places, places->total, err);
    }
    return MICO_OK;
}

mico_status mico_places_group(mico_places *places, size_t bytes, size_t most,
                              size_t *n_images, mico_err *err)
{
    mico_status rc = mico_places_assign(places, 1, err);
    size_t n;

    if (rc != MICO_OK)
        return rc;
    bytes = bytes < places->limit ? bytes : places->limit;
    n = bytes / (places->total + 1);
    n = n < 1 ? 1 : n > most ? most : n;
    if ((rc = mico_places_assign(places, n, err)) == MICO_OK)
        *n_images = n;
    return rc;
}
