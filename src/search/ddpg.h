/* ddpg.h: deep deterministic policy gradients (Lillicrap et al. 2016), as HAQ uses
 * them.
 *
 * One action in [0, 1] for a state. Actor and critic have two hidden layers of 300;
 * rewards are taken relative to a moving average of the batches' means. */
#ifndef MICO_SEARCH_DDPG_H
#define MICO_SEARCH_DDPG_H

#include "core/rng.h"

#include <stdbool.h>

#define MICO_DDPG_STATE 10

typedef struct mico_ddpg_step {
    float state[MICO_DDPG_STATE], next[MICO_DDPG_STATE];
    float action, reward;
    bool last; /* of its episode */
} mico_ddpg_step;

typedef struct mico_ddpg mico_ddpg;

/* Replays the latest `capacity` steps. */
mico_ddpg *mico_ddpg_new(size_t capacity, mico_rng *rng);
void mico_ddpg_free(mico_ddpg *agent);

double mico_ddpg_act(mico_ddpg *agent, const float state[MICO_DDPG_STATE]);
void mico_ddpg_store(mico_ddpg *agent, const mico_ddpg_step *step);

/* One gradient step of both networks on a random batch; nothing where none is stored.
 */
void mico_ddpg_learn(mico_ddpg *agent, mico_rng *rng);

/* What the critic thinks of an action. */
double mico_ddpg_value(mico_ddpg *agent, const float state[MICO_DDPG_STATE],
                       double action);

#endif
