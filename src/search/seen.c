/* A set of level vectors: open addressing over XXH64, members kept in order of arrival.
 */
#include "search/search_internal.h"

#include "core/hash.h"
#include "core/mem.h"

#include <stdlib.h>
#include <string.h>

void mico_seen_init(mico_seen *seen, size_t n_vars)
{
    *seen = (mico_seen){.n_vars = n_vars, .n_slots = 64};
    seen->slot = mico_xcalloc(seen->n_slots, sizeof *seen->slot);
}

/* The slot that holds levels, or the empty one where they belong. */
static size_t find_slot(const mico_seen *seen, const uint8_t *levels)
{
    size_t mask = seen->n_slots - 1;
    size_t s = (size_t)mico_hash(levels, seen->n_vars, 0) & mask;

    while (seen->slot[s] != 0 &&
           memcmp(mico_seen_at(seen, seen->slot[s] - 1), levels, seen->n_vars) != 0)
        s = (s + 1) & mask;
    return s;
}

static void grow_slots(mico_seen *seen)
{
    free(seen->slot);
    seen->n_slots *= 2;
    seen->slot = mico_xcalloc(seen->n_slots, sizeof *seen->slot);
    for (size_t i = 0; i < seen->n; i++)
        seen->slot[find_slot(seen, mico_seen_at(seen, i))] = (uint32_t)(i + 1);
}

bool mico_seen_add(mico_seen *seen, const uint8_t *levels)
{
    size_t s = find_slot(seen, levels);

    if (seen->slot[s] != 0)
        return false;
    seen->levels = mico_grow(seen->levels, seen->n, &seen->capacity, seen->n_vars);
    memcpy(seen->levels + seen->n * seen->n_vars, levels, seen->n_vars);
    seen->slot[s] = (uint32_t)++seen->n;
    if (2 * seen->n > seen->n_slots)
        grow_slots(seen);
    return true;
}

bool mico_seen_has(const mico_seen *seen, const uint8_t *levels)
{
    return seen->slot[find_slot(seen, levels)] != 0;
}

const uint8_t *mico_seen_at(const mico_seen *seen, size_t index)
{
    return seen->levels + index * seen->n_vars;
}

void mico_seen_free(mico_seen *seen)
{
    free(seen->levels);
    free(seen->slot);
    *seen = (mico_seen){0};
}
