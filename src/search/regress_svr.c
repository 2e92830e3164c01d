/* Upstream's support vector regression: libsvm with scikit-learn's default settings
 * (radial kernel, C = 1, epsilon = 0.1, gamma = 1 / (features * variance)).
 *
 * The tube of 0.1 is as wide as many searches' whole range of accuracies: then all
 * scores are alike, upstream's as well as ours. */
#include "search/regress.h"

#ifdef MICO_LIBSVM

#include "core/mem.h"

#include <libsvm/svm.h>
#include <stdlib.h>

typedef struct model {
    mico_regress_setup setup;
    struct svm_model *svm;
    struct svm_node *cells; /* of the rows that svm refers to */
} model;

static void *svr_create(const mico_regress_setup *setup)
{
    model *m = mico_xcalloc(1, sizeof *m);

    m->setup = *setup;
    return m;
}

static void say_nothing(const char *text)
{
    (void)text;
}

static void drop_svm(model *m)
{
    if (m->svm != NULL)
        svm_free_and_destroy_model(&m->svm);
    free(m->cells);
    m->cells = NULL;
}

/* Rows of index-value pairs, each ended by the index -1. */
static struct svm_node *make_cells(const model *m, const uint8_t *codes, size_t n)
{
    const size_t d = m->setup.n_features;
    struct svm_node *cells = mico_xcalloc(n * (d + 1), sizeof *cells);

    for (size_t i = 0; i < n; i++) {
        struct svm_node *row = cells + i * (d + 1);

        for (size_t f = 0; f < d; f++)
            row[f] =
                (struct svm_node){(int)f + 1, m->setup.values[f][codes[i * d + f]]};
        row[d].index = -1;
    }
    return cells;
}

/* Variance over all numbers of the matrix. */
static double variance_of(const model *m, size_t n)
{
    const size_t d = m->setup.n_features;
    double sum = 0, squares = 0, mean;

    for (size_t i = 0; i < n; i++)
        for (size_t f = 0; f < d; f++)
            sum += m->cells[i * (d + 1) + f].value;
    mean = sum / (double)(n * d);
    for (size_t i = 0; i < n; i++) {
        for (size_t f = 0; f < d; f++) {
            double x = m->cells[i * (d + 1) + f].value - mean;

            squares += x * x;
        }
    }
    return squares / (double)(n * d);
}

static void svr_fit(void *self, const uint8_t *codes, const double *y, size_t n,
                    mico_rng *rng)
{
    model *m = self;
    const size_t d = m->setup.n_features;
    struct svm_node **row = mico_xcalloc(n, sizeof *row);
    double *target = mico_xcalloc(n, sizeof *target), variance;
    struct svm_problem problem = {.l = (int)n, .y = target, .x = row};
    struct svm_parameter o = {.svm_type = EPSILON_SVR,
                              .kernel_type = RBF,
                              .cache_size = 200,
                              .eps = 1e-3,
                              .C = 1,
                              .p = 0.1,
                              .shrinking = 1};

    (void)rng;
    drop_svm(m);
    m->cells = make_cells(m, codes, n);
    for (size_t i = 0; i < n; i++) {
        row[i] = m->cells + i * (d + 1);
        target[i] = y[i];
    }
    variance = variance_of(m, n);
    o.gamma = variance > 0 ? 1 / ((double)d * variance) : 1;
    svm_set_print_string_function(say_nothing);
    m->svm = svm_train(&problem, &o);
    free(row);
    free(target);
}

static void svr_score(void *self, const uint8_t *codes, size_t n, double beta, bool all,
                      double *score)
{
    model *m = self;
    struct svm_node *cells = make_cells(m, codes, n);

    (void)beta;
    (void)all;
    for (size_t i = 0; i < n; i++)
        score[i] = svm_predict(m->svm, cells + i * (m->setup.n_features + 1));
    free(cells);
}

static void svr_destroy(void *self)
{
    model *m = self;

    drop_svm(m);
    free(m);
}

const mico_regress mico_regress_svr = {
    .create = svr_create,
    .fit = svr_fit,
    .score = svr_score,
    .destroy = svr_destroy,
};

#else

const mico_regress mico_regress_svr = {NULL, NULL, NULL, NULL};

#endif
