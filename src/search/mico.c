/* Upstream's model-based methods: what each is made of (upstream.h does the work).
 *
 * MiCo's forest has an upper confidence bound (mean and deviation over trees), as has
 * its Gaussian process; boosted trees, support vectors and the ranker are greedy.
 * BayesSearcher ("bo") and RegressionSearcher ("regress-*") work on raw schemes with
 * uniform candidates; the latter with the libraries' default models. */
#include "search/upstream.h"

#include <assert.h>
#include <string.h>

#ifdef MICO_XGBOOST
#define XGBOOST NULL
#else
#define XGBOOST "libxgboost-dev"
#endif
#ifdef MICO_LIBSVM
#define LIBSVM NULL
#else
#define LIBSVM "libsvm-dev"
#endif

#define BO_CANDIDATES      5000
#define REGRESS_CANDIDATES 1000

static const struct method {
    const char *name;
    mico_upstream_kind kind;
} methods[MICO_N_UPSTREAM] = {
    {"mico", {&mico_regress_rf, .mico = true, .sized = true, .ucb = true}},
    {"mico-rf", {&mico_regress_rf, .mico = true, .sized = true, .ucb = true}},
    {"mico-xgb", {&mico_regress_xgb, .mico = true, .sized = true}},
    {"mico-gp", {&mico_regress_gp, .mico = true, .sized = true, .ucb = true}},
    {"mico-svr", {&mico_regress_svr, .mico = true, .sized = true}},
    {"mico-ltr", {&mico_regress_ltr, .mico = true, .sized = true}},
    {"mico-ensemble",
     {&mico_regress_ensemble, .mico = true, .sized = true, .ucb = true}},
    {"bo", {&mico_regress_gp, .sized = true, .ucb = true, .n_random = BO_CANDIDATES}},
    {"regress-rf", {&mico_regress_rf, .n_random = REGRESS_CANDIDATES}},
    {"regress-xgb", {&mico_regress_xgb, .n_random = REGRESS_CANDIDATES}},
    {"regress-gp", {&mico_regress_gp, .n_random = REGRESS_CANDIDATES}},
};

/* A searcher is created under its own name. */
static void *create(const mico_problem *problem, const mico_search_options *options)
{
    size_t i = 0;

    while (i < MICO_N_UPSTREAM && strcmp(methods[i].name, options->method) != 0)
        i++;
    assert(i < MICO_N_UPSTREAM);
    return mico_upstream_new(&methods[i % MICO_N_UPSTREAM].kind, problem, options);
}

#define ENTRY(id, text, package)                                                       \
    {                                                                                  \
        .name = id, .help = text, .missing = package, .create = create,                \
        .ask = mico_upstream_ask, .tell = mico_upstream_tell,                          \
        .destroy = mico_upstream_free                                                  \
    }

const mico_searcher_type mico_searcher_upstream[MICO_N_UPSTREAM] = {
    ENTRY("mico", "another name of mico-rf", NULL),
    ENTRY("mico-rf", "MiCo: random forest, upper confidence bound near the limit",
          NULL),
    ENTRY("mico-xgb", "MiCo with boosted trees", XGBOOST),
    ENTRY("mico-gp", "MiCo with a Gaussian process", NULL),
    ENTRY("mico-svr", "MiCo with support vector regression", LIBSVM),
    ENTRY("mico-ltr", "MiCo with learning to rank", XGBOOST),
    ENTRY("mico-ensemble", "MiCo with the mean rank of forest, ranker and process",
          XGBOOST),
    ENTRY("bo", "upstream's Bayesian search: Gaussian process, uniform candidates",
          NULL),
    ENTRY("regress-rf", "upstream's regression search with a random forest", NULL),
    ENTRY("regress-xgb", "upstream's regression search with boosted trees", XGBOOST),
    ENTRY("regress-gp", "upstream's regression search with a Gaussian process", NULL),
};
