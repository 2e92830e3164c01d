/* sim.h: what a network costs on given hardware.
 *
 * Targets are a const table. A closed-form target prices a layer from its shape and its
 * two widths; such prices become the metrics of a problem, so searchers can respect
 * limits on them exactly. */
#ifndef MICO_SIM_SIM_H
#define MICO_SIM_SIM_H

#include "net/net.h"
#include "trial/trial.h"

typedef struct mico_target {
    const char *name, *unit, *help;
    /* price of quantizable layer l at widths w, a */
    double (*layer)(const mico_net *net, size_t l, uint8_t w, uint8_t a);
} mico_target;

extern const mico_target mico_targets[];
extern const size_t mico_n_targets;

/* NULL where there is none of that name; err then names the nearest (MICO_EUSAGE). */
const mico_target *mico_target_find(const char *name, mico_err *err);

/* Tabulates a target for a network; release metric->table with free(). */
void mico_target_metric(const mico_target *target, const mico_net *net,
                        mico_metric *out);

#endif
