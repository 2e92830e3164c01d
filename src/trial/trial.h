/* trial.h: the nouns of a search: widths, schemes, spaces, costs, trials, best and
 * front.
 *
 * A *scheme* gives every quantizable layer a weight and an activation width. A *space*
 * says which widths are allowed; searchers move in it by *levels* (indices into the
 * ascending options of each variable), which mico_space_scheme turns into a scheme. A
 * *metric* is a cost in closed form that is a sum over layers of a function of that
 * layer's two widths (BOPs, size, ...). A *trial* is one scheme to be evaluated and its
 * outcome. Everything here is plain data; nothing knows networks, files or MPI. */
#ifndef MICO_TRIAL_TRIAL_H
#define MICO_TRIAL_TRIAL_H

#include "core/err.h"
#include "core/pack.h"
#include "core/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MICO_MAX_LAYERS  256
#define MICO_MAX_GENES   (2 * MICO_MAX_LAYERS)
#define MICO_SCHEME_TEXT (6 * MICO_MAX_LAYERS + 1)

/* ---- widths ------------------------------------------------------------------------
 */

/* A width is its number of bits, 1..8, or MICO_TERNARY for {-1,0,+1} (written "t"; the
 * field calls it 1.58 bits). Ordered by index: 1, t, 2, 3, ... 8. */
#define MICO_TERNARY  15
#define MICO_N_WIDTHS 9

bool mico_width_valid(uint8_t width);
size_t mico_width_index(uint8_t width);     /* 0..8; width must be valid */
uint8_t mico_width_at(size_t index);        /* inverse */
double mico_width_bits(uint8_t width);      /* 1.58 for ternary: what BOPs count */
unsigned mico_width_stored(uint8_t width);  /* 2 for ternary: what memory holds */
const char *mico_width_text(uint8_t width); /* "1", "t", "2", ... */
bool mico_width_parse(const char *text, uint8_t *out); /* also "1.58" and "1.5" */

/* ---- schemes -----------------------------------------------------------------------
 */

/* bits[l] is the weight width of layer l, bits[n_layers + l] its activation width. */
typedef struct mico_scheme {
    size_t n_layers;
    uint8_t bits[MICO_MAX_GENES];
} mico_scheme;

/* Accepts "w8a8" (any "w<width>a<width>": all layers alike), "8/8,4/8,..." (one w/a
 * pair a layer, in execution order; ternary "t"), "mico:8,4,...,8,8" (all weights, then
 * all activations). MICO_ESCHEME says what is wrong. */
mico_status mico_scheme_parse(mico_scheme *out, const char *text, size_t n_layers,
                              mico_err *err);

/* "8/8,4/8,..." (or "w8a8" where all layers are alike). */
void mico_scheme_print(const mico_scheme *scheme, char out[MICO_SCHEME_TEXT]);
bool mico_scheme_equal(const mico_scheme *a, const mico_scheme *b);

/* <0, 0, >0 by layer 0's activation width, its weight width, then layer 1's, ...:
 * schemes that begin alike, and so share work, are neighbours. */
int mico_scheme_order(const mico_scheme *a, const mico_scheme *b);
uint64_t mico_scheme_hash(const mico_scheme *scheme);
void mico_scheme_put(mico_writer *w, const mico_scheme *scheme);
void mico_scheme_get(mico_reader *r, mico_scheme *scheme); /* bad on invalid widths */

/* ---- space -------------------------------------------------------------------------
 */

typedef struct mico_options {
    uint8_t n;
    uint8_t width[MICO_N_WIDTHS]; /* ascending */
} mico_options;

/* n_vars search variables; gene g of the scheme (g < n_layers: weights, else
 * activations) takes the width that variable var_of[g] chose. Fixed genes have one
 * option. */
typedef struct mico_space {
    size_t n_layers, n_vars;
    mico_options var[MICO_MAX_GENES];
    uint16_t var_of[MICO_MAX_GENES];
} mico_space;

/* Parses "2-8", "4,5,8", "1,t,2,4-8" into ascending options. */
mico_status mico_options_parse(mico_options *out, const char *text, mico_err *err);

/* Number of schemes, as a double (1e300 and above for absurd spaces). */
double mico_space_size(const mico_space *space);
void mico_space_scheme(const mico_space *space, const uint8_t *levels,
                       mico_scheme *out);

/* ---- closed-form costs -------------------------------------------------------------
 */

#define MICO_MAX_METRICS 8
#define MICO_NAME_SIZE   64

/* cost = constant + sum over layers of table[(l*MICO_N_WIDTHS + iw)*MICO_N_WIDTHS + ia]
 */
typedef struct mico_metric {
    char name[MICO_NAME_SIZE];
    char unit[16];
    double constant;
    double *table; /* owned by whoever made the problem */
} mico_metric;

/* cost of metric <= limit */
typedef struct mico_constraint {
    size_t metric;
    double limit;
    char text[128]; /* as the job says it */
} mico_constraint;

typedef enum mico_goal {
    MICO_GOAL_ACCURACY, /* highest accuracy among the feasible */
    MICO_GOAL_PARETO,   /* the front of accuracy against metric[pareto_metric] */
} mico_goal;

/* All that a searcher and the driver know of a network and its hardware. */
typedef struct mico_problem {
    mico_space space;
    size_t n_metrics, n_constraints;
    mico_metric metric[MICO_MAX_METRICS];
    mico_constraint constraint[MICO_MAX_METRICS];
    mico_goal goal;
    size_t pareto_metric;               /* cost axis of front, report and ties */
    double *layer_macs;                 /* [n_layers] multiply-accumulates per input */
    char (*layer_name)[MICO_NAME_SIZE]; /* [n_layers] */
} mico_problem;

double mico_metric_cost(const mico_metric *metric, const mico_scheme *scheme);

/* Sum over constraints of max(0, cost/limit - 1): 0 exactly when feasible. */
double mico_violation(const mico_problem *problem, const mico_scheme *scheme);

/* Smallest possible value of a constraint's metric within the space. */
double mico_metric_min(const mico_problem *problem, size_t metric);
void mico_problem_free(mico_problem *problem);

/* ---- trials ------------------------------------------------------------------------
 */

/* X(suffix, code, text). PENDING first; DONE is the only one with an accuracy. */
#define MICO_STATE_LIST(X)                                                             \
    X(PENDING, 0, "pending")                                                           \
    X(DONE, 1, "done")                                                                 \
    X(REFUSED, 2, "refused") /* the scheme cannot be lowered (accumulator bound) */    \
    X(CRASHED, 3, "crashed") /* the evaluator died of a signal or exited */            \
    X(TIMEOUT, 4, "timeout") /* overdue and killed */                                  \
    X(OUT_OF_MEMORY, 5, "out-of-memory")                                               \
    X(BAD_OUTPUT, 6, "bad-output")         /* an answer that makes no sense */         \
    X(INFRASTRUCTURE, 7, "infrastructure") /* a rank, a file, the network */

typedef enum mico_state {
#define MICO_STATE_ENUM(suffix, code, text) MICO_STATE_##suffix = code,
    MICO_STATE_LIST(MICO_STATE_ENUM)
#undef MICO_STATE_ENUM
        MICO_N_STATES
} mico_state;

const char *mico_state_text(mico_state state);

typedef enum mico_mode { MICO_MODE_INT, MICO_MODE_FAKE, MICO_MODE_FP32 } mico_mode;
typedef enum mico_split_name { MICO_SPLIT_SEARCH, MICO_SPLIT_FINAL } mico_split_name;

const char *mico_mode_text(mico_mode mode); /* "int", "fake", "fp32" */
bool mico_mode_parse(const char *text, mico_mode *out);

typedef struct mico_outcome {
    mico_state state;
    uint64_t images, correct;
    double loss; /* mean cross-entropy, nats; not part of any digest (libm differs) */
    double seconds;   /* evaluation time on the worker */
    char reason[200]; /* why it failed; empty when done */
} mico_outcome;

double mico_accuracy(const mico_outcome *outcome); /* correct/images, 0 where undone */
void mico_outcome_put(mico_writer *w, const mico_outcome *outcome);
void mico_outcome_get(mico_reader *r, mico_outcome *outcome);

/* Per-image correctness, packed: image i was predicted correctly if bit i%64 of word
 * i/64 is set. */
#define MICO_RIGHT_WORDS(images) (((images) + 63) / 64)

/* Paired comparison of two schemes on images [0, images): how many only the first and
 * only the second predicted correctly (the discordant pairs of McNemar's test). */
void mico_right_pair(const uint64_t *a, const uint64_t *b, uint64_t images,
                     uint64_t *only_a, uint64_t *only_b);

#define MICO_NO_TRIAL UINT64_MAX

typedef struct mico_trial {
    uint64_t id;     /* consecutive from 0 within its study */
    uint64_t dup_of; /* earlier trial with the same scheme, or MICO_NO_TRIAL */
    mico_scheme scheme;
    mico_outcome outcome;
    uint32_t worker, attempts;
    uint64_t proposed_at, finished_at; /* journal sequence numbers; 0: not yet */
} mico_trial;

/* Index of the best trial: done, feasible, highest accuracy; ties by lower cost on the
 * pareto metric, then by lower id. Duplicates never win. n where there is none. */
size_t mico_best(const mico_problem *problem, const mico_trial *trials, size_t n);

/* Index of the done trial that violates least (ties by accuracy); n where none is done.
 */
size_t mico_least_violating(const mico_problem *problem, const mico_trial *trials,
                            size_t n);

/* Non-dominated done feasible trials (accuracy up, metric[pareto_metric] down) by
 * ascending cost; fills index[0..) (room for n) and returns how many. */
size_t mico_front(const mico_problem *problem, const mico_trial *trials, size_t n,
                  size_t *index);

/* The part of the box below ref that points [n][n_dims] dominate, all coordinates
 * minimised, n_dims 2 or 3. Points that are not below ref in every coordinate (or not
 * numbers) dominate nothing. */
double mico_hypervolume(const double *points, size_t n, size_t n_dims,
                        const double *ref);

/* What a digest adds for one finished trial: hash of id, scheme, state, images,
 * correct. The sum over trials does not depend on their order. */
uint64_t mico_trial_digest(uint64_t study_key, const mico_trial *trial);

#endif
