/* mlp.h: a small perceptron: inputs, two hidden layers with ReLU, one linear output.
 *
 * In single precision, on batches. Sums have a fixed order and lanes never mix, so
 * results do not depend on the processor. Hidden layers are padded to a multiple of
 * MICO_MLP_LANES; padding stays 0. */
#ifndef MICO_SEARCH_MLP_H
#define MICO_SEARCH_MLP_H

#include "core/rng.h"

#define MICO_MLP_LANES 64
#define MICO_MLP_BATCH 64 /* most rows of one pass */

typedef struct mico_mlp {
    size_t n_in, n_hidden, stride, n_params;
    float *param;          /* [n_in][stride], [stride], [n_hidden][stride], [stride],
                            * [stride], [MICO_MLP_LANES]: weights and biases by layer */
    float *first, *second; /* moments of Adam, [n_params] */
    double decay[2];       /* their decay rates to the power of the steps made */
} mico_mlp;

/* What a forward pass leaves for the backward pass. */
typedef struct mico_mlp_pass {
    float *h1, *h2; /* [MICO_MLP_BATCH][stride] */
    float out[MICO_MLP_BATCH];
} mico_mlp_pass;

/* Weights and biases are uniform in +-1/sqrt(inputs of the layer). */
void mico_mlp_init(mico_mlp *mlp, size_t n_in, size_t n_hidden, mico_rng *rng);
void mico_mlp_free(mico_mlp *mlp);
void mico_mlp_copy(mico_mlp *to, const mico_mlp *from); /* to: of no size yet */
void mico_mlp_mix(mico_mlp *to, const mico_mlp *from, float part);

void mico_mlp_pass_init(mico_mlp_pass *pass, const mico_mlp *mlp);
void mico_mlp_pass_free(mico_mlp_pass *pass);

/* x: [n][n_in]. */
void mico_mlp_forward(const mico_mlp *mlp, const float *x, size_t n,
                      mico_mlp_pass *pass);

/* From derivatives by the outputs to those by the parameters ([n_params], may be NULL)
 * and by the inputs ([n][n_in], may be NULL). */
void mico_mlp_backward(const mico_mlp *mlp, const float *x, size_t n,
                       const mico_mlp_pass *pass, const float *by_out, float *by_param,
                       float *by_x);

/* One step against the gradient (Kingma and Ba 2015). */
void mico_mlp_adam(mico_mlp *mlp, const float *by_param, double rate);

#endif
