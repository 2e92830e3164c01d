/* Actor, critic, their slow copies, and the replay buffer. */
#include "search/ddpg.h"

#include "core/mem.h"
#include "search/mlp.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HIDDEN      300
#define BATCH       MICO_MLP_BATCH
#define ACTOR_RATE  1e-4
#define CRITIC_RATE 1e-3
#define TAU         0.01F /* part of a network that its slow copy takes over a step */
#define DISCOUNT    1.0F
#define AVERAGE     0.5F /* of the moving average of rewards */
#define STATE       MICO_DDPG_STATE
#define INPUT       (STATE + 1) /* of the critic: state, action */

struct mico_ddpg {
    mico_mlp actor, critic, slow_actor, slow_critic;
    mico_mlp_pass actor_pass, critic_pass;
    float *gradient; /* room for the larger network's */
    size_t n, next, capacity;
    mico_ddpg_step *step; /* a ring */
    bool has_average;
    float average;
};

mico_ddpg *mico_ddpg_new(size_t capacity, mico_rng *rng)
{
    mico_ddpg *a = mico_xcalloc(1, sizeof *a);

    mico_mlp_init(&a->actor, STATE, HIDDEN, rng);
    mico_mlp_init(&a->critic, INPUT, HIDDEN, rng);
    mico_mlp_copy(&a->slow_actor, &a->actor);
    mico_mlp_copy(&a->slow_critic, &a->critic);
    mico_mlp_pass_init(&a->actor_pass, &a->actor);
    mico_mlp_pass_init(&a->critic_pass, &a->critic);
    a->gradient = mico_xaligned(a->critic.n_params * sizeof *a->gradient);
    a->capacity = capacity;
    a->step = mico_xcalloc(capacity, sizeof *a->step);
    return a;
}

void mico_ddpg_free(mico_ddpg *a)
{
    if (a == NULL)
        return;
    mico_mlp_free(&a->actor);
    mico_mlp_free(&a->critic);
    mico_mlp_free(&a->slow_actor);
    mico_mlp_free(&a->slow_critic);
    mico_mlp_pass_free(&a->actor_pass);
    mico_mlp_pass_free(&a->critic_pass);
    free(a->gradient);
    free(a->step);
    free(a);
}

static float squash(float x)
{
    return (float)(1 / (1 + exp(-(double)x)));
}

double mico_ddpg_act(mico_ddpg *a, const float state[STATE])
{
    mico_mlp_forward(&a->actor, state, 1, &a->actor_pass);
    return (double)squash(a->actor_pass.out[0]);
}

double mico_ddpg_value(mico_ddpg *a, const float state[STATE], double action)
{
    float x[INPUT];

    memcpy(x, state, STATE * sizeof *x);
    x[STATE] = (float)action;
    mico_mlp_forward(&a->critic, x, 1, &a->critic_pass);
    return (double)a->critic_pass.out[0];
}

void mico_ddpg_store(mico_ddpg *a, const mico_ddpg_step *step)
{
    a->step[a->next] = *step;
    a->next = (a->next + 1) % a->capacity;
    if (a->n < a->capacity)
        a->n++;
}

/* ---- learning ---------------------------------------------------------------------
 */

typedef struct batch {
    size_t n;
    const mico_ddpg_step *step[BATCH];
    float state[BATCH][STATE], next[BATCH][STATE], input[BATCH][INPUT];
    float reward[BATCH];
} batch;

/* Distinct steps where there are enough. */
static void draw_batch(mico_ddpg *a, mico_rng *rng, batch *b)
{
    size_t picked[BATCH];

    b->n = BATCH;
    for (size_t i = 0; i < BATCH; i++) {
        bool again = true;

        while (again) {
            picked[i] = mico_rng_below(rng, a->n);
            again = false;
            for (size_t k = 0; k < i && a->n >= BATCH; k++)
                again |= picked[k] == picked[i];
        }
        b->step[i] = &a->step[picked[i]];
        memcpy(b->state[i], b->step[i]->state, sizeof b->state[i]);
        memcpy(b->next[i], b->step[i]->next, sizeof b->next[i]);
    }
}

/* Rewards less the moving average of the batches' means. */
static void centre_rewards(mico_ddpg *a, batch *b)
{
    float mean = 0;

    for (size_t i = 0; i < b->n; i++)
        mean += b->step[i]->reward;
    mean /= (float)b->n;
    a->average = a->has_average ? a->average + AVERAGE * (mean - a->average) : mean;
    a->has_average = true;
    for (size_t i = 0; i < b->n; i++)
        b->reward[i] = b->step[i]->reward - a->average;
}

static void make_input(batch *b, float (*state)[STATE], size_t i, float action)
{
    memcpy(b->input[i], state[i], sizeof state[i]);
    b->input[i][STATE] = action;
}

/* Mean squared error against reward plus what the slow copies expect to follow. */
static void learn_critic(mico_ddpg *a, batch *b)
{
    float target[BATCH], slope[BATCH];

    mico_mlp_forward(&a->slow_actor, b->next[0], b->n, &a->actor_pass);
    for (size_t i = 0; i < b->n; i++)
        make_input(b, b->next, i, squash(a->actor_pass.out[i]));
    mico_mlp_forward(&a->slow_critic, b->input[0], b->n, &a->critic_pass);
    for (size_t i = 0; i < b->n; i++) {
        target[i] = b->reward[i];
        if (!b->step[i]->last)
            target[i] += DISCOUNT * a->critic_pass.out[i];
        make_input(b, b->state, i, b->step[i]->action);
    }
    mico_mlp_forward(&a->critic, b->input[0], b->n, &a->critic_pass);
    for (size_t i = 0; i < b->n; i++)
        slope[i] = 2 * (a->critic_pass.out[i] - target[i]) / (float)b->n;
    mico_mlp_backward(&a->critic, b->input[0], b->n, &a->critic_pass, slope,
                      a->gradient, NULL);
    mico_mlp_adam(&a->critic, a->gradient, CRITIC_RATE);
}

/* Towards actions that the critic values more. */
static void learn_actor(mico_ddpg *a, batch *b)
{
    float slope[BATCH], by_input[BATCH][INPUT];

    mico_mlp_forward(&a->actor, b->state[0], b->n, &a->actor_pass);
    for (size_t i = 0; i < b->n; i++) {
        make_input(b, b->state, i, squash(a->actor_pass.out[i]));
        slope[i] = -1 / (float)b->n;
    }
    mico_mlp_forward(&a->critic, b->input[0], b->n, &a->critic_pass);
    mico_mlp_backward(&a->critic, b->input[0], b->n, &a->critic_pass, slope, NULL,
                      by_input[0]);
    for (size_t i = 0; i < b->n; i++) {
        const float action = b->input[i][STATE];

        slope[i] = by_input[i][STATE] * action * (1 - action);
    }
    mico_mlp_backward(&a->actor, b->state[0], b->n, &a->actor_pass, slope, a->gradient,
                      NULL);
    mico_mlp_adam(&a->actor, a->gradient, ACTOR_RATE);
}

void mico_ddpg_learn(mico_ddpg *a, mico_rng *rng)
{
    batch b;

    if (a->n == 0)
        return;
    draw_batch(a, rng, &b);
    centre_rewards(a, &b);
    learn_critic(a, &b);
    learn_actor(a, &b);
    mico_mlp_mix(&a->slow_actor, &a->actor, TAU);
    mico_mlp_mix(&a->slow_critic, &a->critic, TAU);
}
