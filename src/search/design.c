/* Upstream's initial designs: orthogonal-like, min-max, random. */
#include "search/upstream.h"

#include <string.h>

static void add_design(const mico_room *room, mico_rng *rng, uint8_t *levels,
                       mico_seen *out)
{
    mico_room_repair(room, rng, levels, NULL);
    if (mico_room_fresh(room, out, rng, levels))
        mico_seen_add(out, levels);
}

static void lower_layer(const mico_space *space, mico_rng *rng, size_t layer,
                        uint8_t *levels)
{
    const size_t vars[2] = {space->var_of[layer],
                            space->var_of[space->n_layers + layer]};

    for (size_t i = 0; i < 2; i++) {
        size_t n = space->var[vars[i]].n;

        if (n > 1)
            levels[vars[i]] = (uint8_t)mico_rng_below(rng, n - 1);
    }
}

/* All largest but for a few layers each, drawn from a shuffled bag so that every layer
 * gets its turn; a design takes what is left in the bag. */
static void add_lowered(const mico_room *room, mico_rng *rng, size_t n, mico_seen *out)
{
    size_t n_layers = room->problem->space.n_layers, n_bag = 0, bag[MICO_MAX_LAYERS];
    size_t n_lowered = n > 0 && n_layers > n ? n_layers / n : 1;
    uint8_t levels[MICO_MAX_GENES];

    for (size_t k = 0; k < n; k++) {
        mico_room_top(room, levels);
        if (n_bag == 0) {
            for (; n_bag < n_layers; n_bag++)
                bag[n_bag] = n_bag;
            mico_rng_shuffle(rng, bag, n_bag);
        }
        for (size_t i = 0; i < n_lowered && n_bag > 0; i++)
            lower_layer(&room->problem->space, rng, bag[--n_bag], levels);
        add_design(room, rng, levels, out);
    }
}

void mico_design_make(const mico_room *room, mico_rng *rng, mico_initial initial,
                      size_t n, mico_seen *out)
{
    size_t n_ends = initial == MICO_INITIAL_RANDOM ? 0 : n < 2 ? n : 2;
    uint8_t levels[MICO_MAX_GENES] = {0};

    if (n_ends > 0) {
        mico_room_top(room, levels);
        add_design(room, rng, levels, out);
    }
    if (n_ends > 1) {
        memset(levels, 0, sizeof levels);
        add_design(room, rng, levels, out);
    }
    if (initial == MICO_INITIAL_ORTH) {
        add_lowered(room, rng, n - n_ends, out);
        return;
    }
    for (size_t k = n_ends; k < n; k++) {
        mico_room_draw(room, rng, levels);
        add_design(room, rng, levels, out);
    }
}
