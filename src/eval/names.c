/* names.c: equal computations get equal numbers. */
#include "core/hash.h"
#include "eval/eval_internal.h"

#include <stdlib.h>
#include <string.h>

static size_t slot_of(const mico_names *names, const mico_value_key *key)
{
    size_t at = mico_hash(key, sizeof *key, 0) & (names->n_slots - 1);

    while (names->slot[at] != 0 &&
           memcmp(&names->key[names->slot[at] - 1], key, sizeof *key) != 0)
        at = (at + 1) & (names->n_slots - 1);
    return at;
}

static void rehash(mico_names *names)
{
    free(names->slot);
    names->n_slots = names->n_slots > 0 ? 2 * names->n_slots : 256;
    names->slot = mico_xcalloc(names->n_slots, sizeof *names->slot);
    for (size_t id = 0; id < names->n; id++)
        names->slot[slot_of(names, &names->key[id])] = (uint32_t)id + 1;
}

uint64_t mico_names_id(mico_names *names, const mico_value_key *key)
{
    size_t at;

    if (2 * (names->n + 1) > names->n_slots)
        rehash(names);
    at = slot_of(names, key);
    if (names->slot[at] == 0) {
        names->key =
            mico_grow(names->key, names->n, &names->capacity, sizeof *names->key);
        names->key[names->n++] = *key;
        names->slot[at] = (uint32_t)names->n;
    }
    return names->slot[at] - 1;
}

void mico_names_free(mico_names *names)
{
    free(names->key);
    free(names->slot);
    memset(names, 0, sizeof *names);
}
