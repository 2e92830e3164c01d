/* Searcher "nlp": upstream's NLPSearcher (after Edge-MPQ), its program solved exactly.
 *
 * One evaluation of a base scheme and one of each layer at its narrowest give layer i a
 * sensitivity s_i = (accuracy lost) / (BOPs saved). The program then maximises the sum
 * of s_i * MACs_i * q_i, with w_i = a_i = b_i and q_i = b_i^2, under the limits: a
 * multiple-choice knapsack, where upstream calls a local solver that may fail.
 *
 * Differences, on purpose: the base is the largest feasible uniform scheme where all at
 * 8 bits is not feasible (nothing infeasible is evaluated); all limits count, not BOPs
 * alone; where a layer's widths cannot be equal, q = w * a. What is left of the budget
 * goes to exchange moves about the best scheme, which may give a layer two different
 * widths. */
#include "search/lab.h"

#include "core/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_LOSS 1e-5 /* upstream's */
#define NODES      20000
#define N_MOVES    256
#define NO_PROBE   SIZE_MAX

typedef struct state {
    mico_lab lab;
    uint8_t base[MICO_MAX_GENES];
    mico_seen probe;                     /* base, then the distinct probes of layers */
    size_t probe_of[MICO_MAX_LAYERS];    /* index into probe, or NO_PROBE */
    double *accuracy;                    /* [probe.n] of each; NAN until told */
    double coefficient[MICO_MAX_LAYERS]; /* what a unit of q_i is worth */
    bool solved; /* answer is that of the program with all that is known */
    uint8_t answer[MICO_MAX_GENES];
} state;

static double bits_at(const state *s, size_t gene, const uint8_t *levels)
{
    const mico_space *space = &s->lab.limits.space;
    const size_t v = space->var_of[gene];

    return mico_width_bits(space->var[v].width[levels[v]]);
}

/* MACs_i * q_i */
static double energy_at(const state *s, size_t layer, const uint8_t *levels)
{
    const mico_problem *p = &s->lab.limits;
    const double macs = p->layer_macs != NULL ? p->layer_macs[layer] : 1;

    return macs * bits_at(s, layer, levels) *
           bits_at(s, p->space.n_layers + layer, levels);
}

/* ---- probes -----------------------------------------------------------------------
 */

static void make_probes(state *s)
{
    const mico_space *space = &s->lab.limits.space;
    uint8_t levels[MICO_MAX_GENES];

    mico_lab_uniform(&s->lab, s->base);
    mico_seen_init(&s->probe, space->n_vars);
    mico_seen_add(&s->probe, s->base);
    for (size_t l = 0; l < space->n_layers; l++) {
        memcpy(levels, s->base, space->n_vars);
        levels[space->var_of[l]] = levels[space->var_of[space->n_layers + l]] = 0;
        s->probe_of[l] = NO_PROBE;
        if (memcmp(levels, s->base, space->n_vars) == 0 ||
            !mico_room_holds(&s->lab.room, levels))
            continue;
        mico_seen_add(&s->probe, levels);
        for (size_t k = 1; k < s->probe.n; k++)
            if (memcmp(mico_seen_at(&s->probe, k), levels, space->n_vars) == 0)
                s->probe_of[l] = k;
    }
    s->accuracy = mico_xcalloc(s->probe.n, sizeof *s->accuracy);
    for (size_t k = 0; k < s->probe.n; k++)
        s->accuracy[k] = NAN;
}

/* Accuracy lost by probe k; what is not known yet is taken for the mean of the rest,
 * and a probe that failed for a loss of everything. */
static double loss_of(const state *s, size_t k)
{
    double sum = 0, n = 0;

    if (isnan(s->accuracy[0]))
        return 1;
    if (k != NO_PROBE && !isnan(s->accuracy[k]))
        return fmax(s->accuracy[0] - s->accuracy[k], LEAST_LOSS);
    for (size_t i = 1; i < s->probe.n; i++) {
        if (isnan(s->accuracy[i]))
            continue;
        sum += fmax(s->accuracy[0] - s->accuracy[i], LEAST_LOSS);
        n++;
    }
    return n > 0 ? sum / n : 1;
}

static void make_coefficients(state *s)
{
    const size_t n_layers = s->lab.limits.space.n_layers;

    for (size_t l = 0; l < n_layers; l++) {
        const size_t k = s->probe_of[l];
        const uint8_t *probe = k == NO_PROBE ? s->base : mico_seen_at(&s->probe, k);
        double saved = 0;

        /* layers that share variables are probed together, and share the loss */
        for (size_t i = 0; i < n_layers; i++)
            if (i == l || (k != NO_PROBE && s->probe_of[i] == k))
                saved += energy_at(s, i, s->base) - energy_at(s, i, probe);
        s->coefficient[l] = saved > 0 ? loss_of(s, k) / saved : 0;
    }
}

/* ---- the program ------------------------------------------------------------------
 */

/* Does class c hold variable v? */
static bool holds_var(const mico_class *c, size_t v)
{
    for (size_t i = 0; i < c->n_vars; i++)
        if (c->var[i] == v)
            return true;
    return false;
}

/* Value of the class's variables in levels; *equal: its layers have w = a. */
static double value_of(const state *s, const mico_class *c, const uint8_t *levels,
                       bool *equal)
{
    const mico_space *space = &s->lab.limits.space;
    double value = 0;

    *equal = true;
    for (size_t l = 0; l < space->n_layers; l++) {
        if (!holds_var(c, space->var_of[l]))
            continue;
        value += s->coefficient[l] * energy_at(s, l, levels);
        *equal &= !(
            fabs(bits_at(s, l, levels) - bits_at(s, space->n_layers + l, levels)) > 0);
    }
    return value;
}

typedef struct choices {
    mico_knap_class out;
    double *value, *cost;
    uint32_t *option; /* of the class */
} choices;

static void apply(const mico_class *c, size_t option, uint8_t *levels)
{
    for (size_t i = 0; i < c->n_vars; i++)
        levels[c->var[i]] = c->levels[option * c->n_vars + i];
}

/* The options of a class with w = a; all of them where none has. */
static void make_choices(const state *s, const mico_class *c, size_t n_rows,
                         choices *ch)
{
    uint8_t levels[MICO_MAX_GENES] = {0};
    bool equal;

    ch->value = mico_xcalloc(c->n_options, sizeof *ch->value);
    ch->cost = mico_xcalloc(c->n_options * n_rows + 1, sizeof *ch->cost);
    ch->option = mico_xcalloc(c->n_options, sizeof *ch->option);
    for (size_t pass = 0; pass < 2 && ch->out.n == 0; pass++) {
        for (size_t i = 0; i < c->n_options; i++) {
            apply(c, i, levels);
            ch->value[ch->out.n] = value_of(s, c, levels, &equal);
            if (pass == 0 && !equal)
                continue;
            memcpy(ch->cost + ch->out.n * n_rows, c->cost + i * n_rows,
                   n_rows * sizeof *ch->cost);
            ch->option[ch->out.n++] = (uint32_t)i;
        }
    }
    ch->out.value = ch->value;
    ch->out.cost = ch->cost;
}

/* Writes the best scheme of the program; the base where there is none. */
static void solve(state *s, uint8_t *levels)
{
    const mico_classes *from = s->lab.classes;
    choices *ch;
    mico_knap_class *class;
    uint32_t *choice;
    mico_knap knap;

    memcpy(levels, s->base, s->lab.room.n_vars);
    if (from == NULL)
        return;
    make_coefficients(s);
    ch = mico_xcalloc(from->n + 1, sizeof *ch);
    class = mico_xcalloc(from->n + 1, sizeof *class);
    choice = mico_xcalloc(from->n + 1, sizeof *choice);
    for (size_t i = 0; i < from->n; i++) {
        make_choices(s, &from->class[i], from -> n_rows, &ch[i]);
        class[i] = ch[i].out;
    }
    knap = (mico_knap){from->n, from->n_rows, class, from->limit};
    if (mico_knap_solve(&knap, NODES, choice).found)
        for (size_t i = 0; i < from->n; i++)
            apply(&from->class[i], ch[i].option[choice[i]], levels);
    if (!mico_room_holds(&s->lab.room, levels))
        mico_room_repair(&s->lab.room, s->lab.rng, levels, NULL);
    for (size_t i = 0; i < from->n; i++) {
        free(ch[i].value);
        free(ch[i].cost);
        free(ch[i].option);
    }
    free(ch);
    free(class);
    free(choice);
}

/* ---- the searcher -----------------------------------------------------------------
 */

/* A random new neighbour of the best scheme; that scheme itself where all are known. */
static void exchange(state *s, uint8_t *levels)
{
    mico_lab *lab = &s->lab;
    mico_move *move = mico_xcalloc(N_MOVES, sizeof *move);
    const size_t best = mico_lab_incumbent(lab);
    size_t n, offset;

    if (best < lab->n)
        memcpy(levels, mico_lab_at(lab, best), lab->room.n_vars);
    n = mico_moves_list(lab->moves, levels, lab->rng, N_MOVES, move);
    offset = n > 0 ? mico_rng_below(lab->rng, n) : 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t next[MICO_MAX_GENES];

        memcpy(next, levels, lab->room.n_vars);
        mico_move_apply(&move[(offset + i) % n], next);
        if (mico_seen_has(&lab->seen, next) || !mico_room_holds(&lab->room, next))
            continue;
        memcpy(levels, next, lab->room.n_vars);
        break;
    }
    free(move);
}

static void *nlp_create(const mico_problem *problem, const mico_search_options *options)
{
    state *s = mico_xcalloc(1, sizeof *s);

    mico_lab_init(&s->lab, problem, options);
    make_probes(s);
    return s;
}

static bool nlp_ask(void *self, uint64_t id, uint8_t *levels)
{
    state *s = self;
    mico_lab *lab = &s->lab;

    mico_lab_begin(lab, "nlp", id);
    if (lab->seen.n < s->probe.n) {
        memcpy(levels, mico_seen_at(&s->probe, lab->seen.n), lab->room.n_vars);
    } else {
        if (!s->solved || lab->limits.goal == MICO_GOAL_PARETO) /* a limit of its own */
            solve(s, s->answer);
        s->solved = true;
        memcpy(levels, s->answer, lab->room.n_vars);
        if (mico_seen_has(&lab->seen, levels))
            exchange(s, levels);
    }
    return mico_lab_propose(lab, levels);
}

static void nlp_tell(void *self, const mico_trial *trial, const uint8_t *levels)
{
    state *s = self;

    for (size_t k = 0; k < s->probe.n; k++) {
        if (memcmp(mico_seen_at(&s->probe, k), levels, s->lab.room.n_vars) != 0 ||
            (trial->outcome.state != MICO_STATE_DONE && k == 0))
            continue;
        s->accuracy[k] = mico_accuracy(&trial->outcome);
        s->solved = false;
    }
    mico_lab_tell(&s->lab, trial, levels);
}

static void nlp_destroy(void *self)
{
    state *s = self;

    mico_seen_free(&s->probe);
    mico_lab_free(&s->lab);
    free(s->accuracy);
    free(s);
}

const mico_searcher_type mico_searcher_nlp = {
    .name = "nlp",
    .help = "upstream's sensitivities and knapsack with w = a, then exchange moves",
    .create = nlp_create,
    .ask = nlp_ask,
    .tell = nlp_tell,
    .destroy = nlp_destroy,
};
