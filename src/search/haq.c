/* Searcher "haq": HAQ (Wang et al., CVPR 2019) as upstream runs it: an agent walks over
 * the layers and chooses widths, an action wall makes the scheme feasible, and the
 * accuracy rewards all its choices.
 *
 * Each proposal is an episode: two actions a layer, weights first, from a state of ten
 * numbers. The first episodes act at random; after each later one the agent makes one
 * gradient step a choice. Differences, on purpose: what the state says of a layer is
 * its multiply-accumulates, weights and costs (the problem knows no channels, strides
 * and kernels); the reference that rewards are relative to is the first outcome instead
 * of all at 8 bits, which the limits may exclude; a scheme that was proposed before is
 * replaced by a neighbour; layers that the wall spares keep their largest width,
 * whatever it is; at most MAX_STEPS gradient steps are made an episode. */
#include "search/ddpg.h"
#include "search/lab.h"

#include "core/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define REWARD_SCALE 0.1
#define REPLAY       128 /* steps kept, in layers */
#define SPREAD       0.5 /* of the exploration at episode SPREAD_AT */
#define SPREAD_DECAY 0.99
#define SPREAD_AT    20
#define MAX_STEPS    128
#define N_TRAITS     7
#define DRAWS        1000 /* of a truncated normal */

enum { STATE_LAYER = N_TRAITS, STATE_LAST_BITS, STATE_IS_ACTIVATION };

typedef struct choice {
    uint16_t var, layer;
    bool activation;
} choice;

/* A proposal whose outcome is not known yet. */
typedef struct episode {
    uint8_t levels[MICO_MAX_GENES];
    mico_ddpg_step *step; /* [n_choices] */
} episode;

typedef struct state {
    mico_lab lab;
    mico_ddpg *agent;
    mico_rng *rng; /* of learning */
    size_t n_choices;
    choice choice[MICO_MAX_GENES];
    float (*trait)[N_TRAITS];   /* [n_layers], each from 0 to 1 over the layers */
    bool spare[MICO_MAX_GENES]; /* variables that the wall leaves at their largest */
    size_t n_episodes, n_open, open_capacity;
    episode *open;
    uint64_t n_learnt;
    bool has_reference;
    double reference;
} state;

/* ---- what the agent sees ----------------------------------------------------------
 */

/* Bits of stored weights per bit of width; 0 where the problem has no such metric. */
static double weights_of(const mico_problem *p, size_t layer)
{
    const size_t at = mico_width_index(8);

    for (size_t k = 0; k < p->n_metrics; k++)
        if (strcmp(p->metric[k].name, "size") == 0)
            return p->metric[k]
                       .table[(layer * MICO_N_WIDTHS + at) * MICO_N_WIDTHS + at] /
                   8;
    return 0;
}

static void raw_traits(const mico_problem *p, size_t layer, double out[N_TRAITS])
{
    const size_t top = MICO_N_WIDTHS - 1;
    const double macs = p->layer_macs != NULL ? p->layer_macs[layer] : 0;
    const double weights = weights_of(p, layer);

    out[0] = macs;
    out[1] = weights;
    out[2] = weights > 0 ? macs / weights : 0;
    out[3] = log1p(macs);
    out[4] = log1p(weights);
    out[5] = log1p(out[2]);
    out[6] = 0;
    if (p->n_metrics > 0)
        out[6] = p->metric[p->pareto_metric]
                     .table[(layer * MICO_N_WIDTHS + top) * MICO_N_WIDTHS + top];
    if (!isfinite(out[6]))
        out[6] = 0;
}

/* Scales each trait to 0 .. 1 over the layers. */
static void make_traits(state *s)
{
    const mico_problem *p = &s->lab.limits;
    const size_t n = p->space.n_layers;
    double(*raw)[N_TRAITS] = mico_xcalloc(n, sizeof *raw);

    s->trait = mico_xcalloc(n, sizeof *s->trait);
    for (size_t l = 0; l < n; l++)
        raw_traits(p, l, raw[l]);
    for (size_t k = 0; k < N_TRAITS; k++) {
        double low = INFINITY, high = -INFINITY;

        for (size_t l = 0; l < n; l++) {
            low = fmin(low, raw[l][k]);
            high = fmax(high, raw[l][k]);
        }
        for (size_t l = 0; l < n; l++)
            s->trait[l][k] = (float)(high > low ? (raw[l][k] - low) / (high - low) : 0);
    }
    free(raw);
}

/* Layer after layer, weights before activations; variables without a choice are left
 * out, shared ones are chosen where they come first. */
static void make_choices(state *s)
{
    const mico_space *space = &s->lab.limits.space;
    bool chosen[MICO_MAX_GENES] = {false};

    for (size_t l = 0; l < space->n_layers; l++) {
        for (size_t half = 0; half < 2; half++) {
            const uint16_t v = space->var_of[half * space->n_layers + l];

            if (!chosen[v] && space->var[v].n > 1)
                s->choice[s->n_choices++] = (choice){v, (uint16_t)l, half == 1};
            chosen[v] = true;
        }
    }
}

static void see(const state *s, size_t k, double last_bits, float out[MICO_DDPG_STATE])
{
    const choice *c = &s->choice[k];
    const size_t n = s->lab.limits.space.n_layers;

    memcpy(out, s->trait[c->layer], sizeof s->trait[c->layer]);
    out[STATE_LAYER] = n > 1 ? (float)c->layer / (float)(n - 1) : 0;
    out[STATE_LAST_BITS] = (float)(last_bits / 8);
    out[STATE_IS_ACTIVATION] = c->activation ? 1 : 0;
}

/* ---- acting -----------------------------------------------------------------------
 */

/* A normal about mean, of which what is outside [0, 1] is drawn again. */
static double draw_action(mico_rng *rng, double mean, double spread)
{
    for (size_t i = 0; i < DRAWS; i++) {
        const double a = mean + spread * mico_rng_gauss(rng);

        if (a >= 0 && a <= 1)
            return a;
    }
    return mean;
}

/* The level whose bits are nearest to those of the action; the lower of two. */
static uint8_t level_of(const mico_options *o, double action)
{
    const double low = mico_width_bits(o->width[0]);
    const double high = mico_width_bits(o->width[o->n - 1]);
    const double bits = nearbyint((high - low + 1) * action + low - 0.5);
    uint8_t best = 0;

    for (uint8_t i = 1; i < o->n; i++)
        if (fabs(mico_width_bits(o->width[i]) - bits) <
            fabs(mico_width_bits(o->width[best]) - bits))
            best = i;
    return best;
}

static void act(state *s, uint8_t *levels, mico_ddpg_step *step)
{
    const mico_space *space = &s->lab.limits.space;
    const double spread = SPREAD * pow(SPREAD_DECAY, (double)s->n_episodes - SPREAD_AT);
    double bits = 8;

    memset(levels, 0, space->n_vars);
    for (size_t k = 0; k < s->n_choices; k++) {
        const mico_options *o = &space->var[s->choice[k].var];
        double action;

        see(s, k, bits, step[k].state);
        if (k > 0)
            memcpy(step[k - 1].next, step[k].state, sizeof step[k].state);
        action = s->n_episodes <= s->lab.o.n_inits
                     ? mico_rng_uniform(s->lab.rng)
                     : draw_action(s->lab.rng, mico_ddpg_act(s->agent, step[k].state),
                                   spread);
        step[k].action = (float)action;
        levels[s->choice[k].var] = level_of(o, action);
        bits = mico_width_bits(o->width[levels[s->choice[k].var]]);
    }
    if (s->n_choices > 0)
        step[s->n_choices - 1].last = true;
}

/* ---- the action wall --------------------------------------------------------------
 */

/* Spares the first and last layer if the cheapest scheme with them is feasible. */
static void make_spare(state *s)
{
    const mico_space *space = &s->lab.limits.space;
    const size_t ends[4] = {0, space->n_layers - 1, space->n_layers,
                            2 * space->n_layers - 1};
    uint8_t levels[MICO_MAX_GENES] = {0};

    memset(s->spare, 0, sizeof s->spare);
    for (size_t i = 0; i < 4; i++) {
        const size_t v = space->var_of[ends[i]];

        s->spare[v] = true;
        levels[v] = (uint8_t)(space->var[v].n - 1);
    }
    if (!mico_room_holds(&s->lab.room, levels))
        memset(s->spare, 0, sizeof s->spare);
}

static void restore_spared(const state *s, uint8_t *levels)
{
    const mico_space *space = &s->lab.limits.space;

    for (size_t v = 0; v < space->n_vars; v++)
        if (s->spare[v])
            levels[v] = (uint8_t)(space->var[v].n - 1);
}

/* One step down for each variable of the layers, from the last one; true: feasible. */
static bool sweep_down(const state *s, uint8_t *levels, bool *moved)
{
    const mico_space *space = &s->lab.limits.space;

    for (size_t l = space->n_layers; l-- > 0;) {
        const size_t vars[2] = {space->var_of[space->n_layers + l], space->var_of[l]};

        for (size_t i = 0; i < 2; i++) {
            if (levels[vars[i]] > 0 && !s->spare[vars[i]]) {
                levels[vars[i]]--;
                *moved = true;
            }
            restore_spared(s, levels);
            if (mico_room_holds(&s->lab.room, levels))
                return true;
        }
    }
    return false;
}

static void build_wall(state *s, uint8_t *levels)
{
    bool moved = true, feasible = mico_room_holds(&s->lab.room, levels);

    make_spare(s);
    while (!feasible && moved) {
        moved = false;
        feasible = sweep_down(s, levels, &moved);
    }
    if (!feasible)
        mico_room_repair(&s->lab.room, s->lab.rng, levels, NULL);
}

/* ---- the searcher -----------------------------------------------------------------
 */

static void *haq_create(const mico_problem *problem, const mico_search_options *options)
{
    state *s = mico_xcalloc(1, sizeof *s);

    mico_lab_init(&s->lab, problem, options);
    s->rng = mico_rng_new(options->seed, "haq-init", 0);
    s->agent = mico_ddpg_new(REPLAY * problem->space.n_layers, s->rng);
    make_traits(s);
    make_choices(s);
    return s;
}

static bool haq_ask(void *self, uint64_t id, uint8_t *levels)
{
    state *s = self;
    episode e = {.step = mico_xcalloc(s->n_choices + 1, sizeof *e.step)};

    mico_lab_begin(&s->lab, "haq", id);
    s->n_episodes++;
    act(s, levels, e.step);
    build_wall(s, levels);
    if (!mico_lab_propose(&s->lab, levels)) {
        free(e.step);
        return false;
    }
    memcpy(e.levels, levels, s->lab.room.n_vars);
    s->open = mico_grow(s->open, s->n_open, &s->open_capacity, sizeof *s->open);
    s->open[s->n_open++] = e;
    return true;
}

static void learn(state *s, episode *e, double accuracy)
{
    const double reward = REWARD_SCALE * (accuracy - s->reference);
    const bool warm = s->n_learnt++ >= s->lab.o.n_inits;

    for (size_t k = 0; k < s->n_choices; k++) {
        e->step[k].reward = (float)reward;
        mico_ddpg_store(s->agent, &e->step[k]);
    }
    mico_rng_restart(s->rng, s->lab.seed, "haq-learn", s->n_learnt);
    for (size_t k = 0; k < s->n_choices && k < MAX_STEPS && warm; k++)
        mico_ddpg_learn(s->agent, s->rng);
}

static void haq_tell(void *self, const mico_trial *trial, const uint8_t *levels)
{
    state *s = self;
    const double accuracy = mico_accuracy(&trial->outcome);
    size_t i = 0;

    while (i < s->n_open && memcmp(s->open[i].levels, levels, s->lab.room.n_vars) != 0)
        i++;
    mico_lab_tell(&s->lab, trial, levels);
    if (i == s->n_open)
        return;
    if (trial->outcome.state == MICO_STATE_DONE) {
        if (!s->has_reference)
            s->reference = accuracy;
        s->has_reference = true;
        learn(s, &s->open[i], accuracy);
    }
    free(s->open[i].step);
    s->n_open--;
    memmove(&s->open[i], &s->open[i + 1], (s->n_open - i) * sizeof *s->open);
}

static void haq_destroy(void *self)
{
    state *s = self;

    for (size_t i = 0; i < s->n_open; i++)
        free(s->open[i].step);
    free(s->open);
    mico_ddpg_free(s->agent);
    mico_rng_free(s->rng);
    mico_lab_free(&s->lab);
    free(s->trait);
    free(s);
}

const mico_searcher_type mico_searcher_haq = {
    .name = "haq",
    .help = "HAQ: an agent (DDPG) that walks over the layers, and an action wall",
    .create = haq_create,
    .ask = haq_ask,
    .tell = haq_tell,
    .destroy = haq_destroy,
};
