/* Tests of bundles: whatever is shared, kept, cut into ranges or blocks, the answers
 * are those of single evaluations. */
#include "core/rng.h"
#include "eval/eval_internal.h"
#include "support/eval_bench.h"
#include "support/suite.h"

#define IMAGES ((size_t)24)
#define MOST   ((size_t)12)

/* Answers with room for everything that an evaluation can say. */
typedef struct record {
    mico_answer answer;
    uint16_t predictions[IMAGES];
    uint64_t right[MICO_RIGHT_WORDS(IMAGES)];
} record;

static void record_reset(record *r)
{
    memset(r, 0, sizeof *r);
    r->answer.result.predictions = r->predictions;
    r->answer.result.right = r->right;
}

static bool same(const record *a, const record *b)
{
    const mico_result *x = &a->answer.result, *y = &b->answer.result;

    return a->answer.status == b->answer.status && x->images == y->images &&
           x->correct == y->correct && memcmp(&x->loss, &y->loss, 8) == 0 &&
           memcmp(&x->loss_sum, &y->loss_sum, 8) == 0 &&
           memcmp(a->predictions, b->predictions, sizeof a->predictions) == 0 &&
           memcmp(a->right, b->right, sizeof a->right) == 0;
}

/* Schemes around a parent: each differs from it in a few genes; some are repeated. */
static void make_schemes(mico_scheme *scheme, size_t n, size_t n_layers, mico_rng *rng)
{
    for (size_t k = 0; k < n; k++) {
        mico_scheme *s = &scheme[k];

        *s = scheme[0];
        if (k == 0) {
            *s = (mico_scheme){.n_layers = n_layers};
            for (size_t g = 0; g < 2 * n_layers; g++)
                s->bits[g] = mico_width_at(mico_rng_below(rng, MICO_N_WIDTHS));
        }
        for (size_t c = mico_rng_below(rng, 3); c > 0; c--)
            s->bits[mico_rng_below(rng, 2 * n_layers)] =
                mico_width_at(mico_rng_below(rng, MICO_N_WIDTHS));
    }
}

/* The truth: one scheme at a time, by an evaluator that never shares anything. */
static void run_alone(const bench *b, const mico_scheme *scheme, record *out, size_t n)
{
    mico_eval *eval = mico_eval_new(b->net, b->calib, &mico_quant_default);
    mico_split split = {&b->data, 0, IMAGES};

    mico_eval_set_options(eval, &(mico_eval_options){.reuse = false});
    for (size_t k = 0; k < n; k++) {
        mico_result *r;

        record_reset(&out[k]);
        r = &out[k].answer.result;
        out[k].answer.status =
            mico_eval_int(eval, &scheme[k], &split, r, &out[k].answer.err);
    }
    mico_eval_free(eval);
}

/* One bundle in ranges that end at random images. */
static bool run_bundle(bench *b, const mico_scheme *scheme, const record *want,
                       size_t n, bool ranges, mico_rng *rng)
{
    const mico_scheme *pointer[MOST];
    mico_answer answer[MOST];
    record *got = mico_xcalloc(n, sizeof *got);
    mico_split split = {&b->data, 0, IMAGES};
    mico_err err;
    bool ok = true;
    uint64_t to = 0;

    for (size_t k = 0; k < n; k++) {
        record_reset(&got[k]);
        answer[k] = got[k].answer;
        pointer[k] = &scheme[k];
    }
    while (to < IMAGES) {
        to = ranges ? to + 1 + mico_rng_below(rng, IMAGES - to) : IMAGES;
        ok = ok &&
             mico_eval_bundle(b->eval, pointer, answer, n, &split, to, &err) == MICO_OK;
    }
    for (size_t k = 0; k < n; k++) {
        got[k].answer = answer[k];
        ok = ok && same(&got[k], &want[k]) && answer[k].result.images == IMAGES;
    }
    free(got);
    return ok;
}

static void check_net(mico_net *net, size_t rounds)
{
    static const mico_eval_options options[] = {
        {.reuse = true},
        {.reuse = false},
        {.reuse = true, .block_images = 1},
        {.reuse = true, .block_images = 7},
        {.reuse = true, .keep_bytes = 1 << 30},
        {.reuse = true, .keep_bytes = 40000, .block_images = 5},
        {.reuse = true, .keep_bytes = 1 << 20, .limit_bytes = 8 << 20},
    };
    const size_t n_options = sizeof options / sizeof options[0];
    mico_rng *rng = mico_rng_new(5, "bundles", 0);
    bench b;

    CU_ASSERT_FATAL(bench_open(&b, net, MICO_RAW_U8, &mico_quant_default));
    for (size_t round = 0; round < rounds; round++) {
        mico_scheme scheme[MOST];
        record *want = mico_xcalloc(MOST, sizeof *want);

        make_schemes(scheme, MOST, b.net->n_layers, rng);
        run_alone(&b, scheme, want, MOST);
        for (size_t o = 0; o < n_options; o++) {
            mico_eval_set_options(b.eval, &options[o]);
            for (int again = 0; again < 2; again++) { /* the second meets kept values */
                const size_t n = 1 + mico_rng_below(rng, MOST);

                CU_ASSERT(run_bundle(&b, scheme, want, n, false, rng));
                CU_ASSERT(run_bundle(&b, scheme, want, n, true, rng));
                CU_ASSERT(b.eval->ints.keeper.bytes <= options[o].keep_bytes);
            }
        }
        free(want);
    }
    CU_ASSERT(b.eval->ints.work_done < b.eval->ints.work_apart);
    mico_rng_free(rng);
    bench_close(&b);
}

static void t_nets(void)
{
    check_net(eval_lenet(4), 6);
    check_net(eval_resnet(5), 6);
    check_net(eval_zoo(6), 6);
}

/* ---- what is shared ----------------------------------------------------------------
 */

static size_t steps_of(bench *b, const char *const *text, size_t n, bool reuse)
{
    mico_program program = {0};
    mico_names names = {0};
    mico_lowering *low = mico_lowering_new(b->net, b->calib, &mico_quant_default);
    size_t steps;
    mico_err err;

    for (size_t k = 0; k < n; k++) {
        mico_scheme scheme;
        mico_plan *plan;

        CU_ASSERT_EQUAL_FATAL(
            mico_scheme_parse(&scheme, text[k], b->net->n_layers, &err), MICO_OK);
        CU_ASSERT_EQUAL_FATAL(mico_lower(&plan, low, &scheme, &err), MICO_OK);
        mico_program_add(&program, &names, plan, reuse);
    }
    mico_program_trim(&program);
    steps = program.n_steps;
    CU_ASSERT_EQUAL(program.n_plans, n);
    mico_program_free(&program);
    mico_names_free(&names);
    mico_lowering_free(low);
    return steps;
}

/* LeNet has five layers. A plan of equal widths is input, conv, pool, conv, pool,
 * flatten, three linears. */
static void t_shared_steps(void)
{
    static const char *const same_twice[] = {"w8a8", "w8a8"};
    static const char *const last_weights[] = {"8/8,8/8,8/8,8/8,8/8",
                                               "8/8,8/8,8/8,8/8,4/8"};
    static const char *const last_acts[] = {"8/8,8/8,8/8,8/8,8/8",
                                            "8/8,8/8,8/8,8/8,8/4"};
    static const char *const first[] = {"8/8,8/8,8/8,8/8,8/8", "4/8,8/8,8/8,8/8,8/8"};
    bench b;
    size_t one;

    CU_ASSERT_FATAL(bench_open(&b, eval_lenet(4), MICO_RAW_U8, &mico_quant_default));
    one = steps_of(&b, same_twice, 1, true);
    CU_ASSERT_EQUAL(steps_of(&b, same_twice, 2, true), one);
    CU_ASSERT_EQUAL(steps_of(&b, same_twice, 2, false), 2 * one);
    CU_ASSERT_EQUAL(steps_of(&b, last_weights, 2, true), one + 1);
    CU_ASSERT_EQUAL(steps_of(&b, last_acts, 2, true), one + 2); /* its maker, too */
    CU_ASSERT_EQUAL(steps_of(&b, first, 2, true), 2 * one - 1); /* only the input */
    bench_close(&b);
}

/* Times of all steps, of a plan that runs as it otherwise does. */
static void t_times(void)
{
    bench b;
    mico_split split;
    mico_scheme scheme;
    mico_result plain = {0}, timed = {0};
    mico_step_time *steps = NULL;
    size_t n = 0, layers = 0;
    double macs = 0;
    mico_err err;

    CU_ASSERT_FATAL(bench_open(&b, eval_resnet(5), MICO_RAW_U8, &mico_quant_default));
    split = (mico_split){&b.data, 0, IMAGES};
    CU_ASSERT_EQUAL(mico_scheme_parse(&scheme, "w8a8", 2, &err), MICO_OK);
    CU_ASSERT_EQUAL(mico_eval_times(b.eval, &scheme, &split, &timed, &steps, &n, &err),
                    MICO_ESCHEME);
    CU_ASSERT_PTR_NULL(steps);
    CU_ASSERT_EQUAL(mico_scheme_parse(&scheme, "w5a4", b.net->n_layers, &err), MICO_OK);
    CU_ASSERT_EQUAL(mico_eval_int(b.eval, &scheme, &split, &plain, &err), MICO_OK);
    CU_ASSERT_EQUAL_FATAL(
        mico_eval_times(b.eval, &scheme, &split, &timed, &steps, &n, &err), MICO_OK);
    CU_ASSERT_EQUAL(plain.correct, timed.correct);
    CU_ASSERT_EQUAL(plain.loss_sum, timed.loss_sum);
    for (size_t i = 0; i < n; i++) {
        CU_ASSERT(steps[i].seconds > 0);
        CU_ASSERT(steps[i].out_bytes > 0);
        if (steps[i].macs > 0) {
            CU_ASSERT_EQUAL(steps[i].weight_width, 5);
            CU_ASSERT_EQUAL(steps[i].act_width, 4);
            layers++;
        }
        macs += steps[i].macs;
    }
    CU_ASSERT_EQUAL(layers, b.net->n_layers);
    CU_ASSERT(macs > 1000);
    free(steps);
    bench_close(&b);
}

/* ---- errors ------------------------------------------------------------------------
 */

/* A refused member does not disturb the others. */
static void t_refused_member(void)
{
    const mico_scheme *pointer[3];
    mico_scheme scheme[3];
    mico_answer answer[3];
    bench b;
    mico_split split;
    mico_err err;

    CU_ASSERT_FATAL(bench_open(&b, eval_lenet(4), MICO_RAW_U8, &mico_quant_default));
    split = (mico_split){&b.data, 0, IMAGES};
    memset(answer, 0, sizeof answer);
    for (size_t k = 0; k < 3; k++) {
        CU_ASSERT_EQUAL(mico_scheme_parse(&scheme[k], "w8a8", 5, &err), MICO_OK);
        pointer[k] = &scheme[k];
    }
    scheme[1].bits[3] = 77;
    CU_ASSERT_EQUAL(mico_eval_bundle(b.eval, pointer, answer, 3, &split, IMAGES, &err),
                    MICO_OK);
    CU_ASSERT_EQUAL(answer[0].status, MICO_OK);
    CU_ASSERT_EQUAL(answer[1].status, MICO_ESCHEME);
    CU_ASSERT_PTR_NOT_NULL(strstr(answer[1].err.text, "77"));
    CU_ASSERT_EQUAL(answer[1].result.images, 0);
    CU_ASSERT_EQUAL(answer[2].result.images, IMAGES);
    CU_ASSERT_EQUAL(answer[0].result.correct, answer[2].result.correct);
    scheme[0].bits[0] = scheme[2].bits[0] = 0; /* all refused */
    memset(answer, 0, sizeof answer);
    CU_ASSERT_EQUAL(mico_eval_bundle(b.eval, pointer, answer, 3, &split, IMAGES, &err),
                    MICO_OK);
    CU_ASSERT_EQUAL(answer[2].status, MICO_ESCHEME);
    bench_close(&b);
}

static void t_bad_calls(void)
{
    const mico_scheme *pointer[2];
    mico_scheme scheme;
    mico_answer answer[2];
    bench b;
    mico_split split;
    mico_err err;

    CU_ASSERT_FATAL(bench_open(&b, eval_lenet(4), MICO_RAW_U8, &mico_quant_default));
    split = (mico_split){&b.data, 0, IMAGES};
    CU_ASSERT_EQUAL(mico_scheme_parse(&scheme, "w8a8", 5, &err), MICO_OK);
    pointer[0] = pointer[1] = &scheme;
    memset(answer, 0, sizeof answer);
    CU_ASSERT_EQUAL(
        mico_eval_bundle(b.eval, pointer, answer, 2, &split, IMAGES + 1, &err),
        MICO_EBUG);
    answer[1].result.images = 3;
    CU_ASSERT_EQUAL(mico_eval_bundle(b.eval, pointer, answer, 2, &split, IMAGES, &err),
                    MICO_EBUG);
    answer[1].result.images = 0;
    mico_eval_set_options(b.eval,
                          &(mico_eval_options){.reuse = true, .limit_bytes = 1000});
    CU_ASSERT_EQUAL(mico_eval_bundle(b.eval, pointer, answer, 2, &split, IMAGES, &err),
                    MICO_ELIMIT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "limit of 1000"));
    mico_eval_set_options(b.eval, &(mico_eval_options){.reuse = true});
    CU_ASSERT_EQUAL(mico_eval_bundle(b.eval, pointer, answer, 2, &split, IMAGES, &err),
                    MICO_OK);
    CU_ASSERT(mico_eval_bytes(b.eval) > 10000);
    split.count = IMAGES + 1;
    CU_ASSERT_EQUAL(mico_eval_bundle(b.eval, pointer, answer, 2, &split, IMAGES, &err),
                    MICO_EDATA);
    bench_close(&b);
}

/* ---- pairs and blocks --------------------------------------------------------------
 */

static void t_pairs(void)
{
    const uint64_t a[2] = {0xf0, ~(uint64_t)0}, b[2] = {0x3c, 0};
    uint64_t only_a, only_b;

    mico_right_pair(a, b, 64, &only_a, &only_b);
    CU_ASSERT_EQUAL(only_a, 2);
    CU_ASSERT_EQUAL(only_b, 2);
    mico_right_pair(a, b, 67, &only_a, &only_b); /* bits behind the last do not count */
    CU_ASSERT_EQUAL(only_a, 5);
    mico_right_pair(a, b, 128, &only_a, &only_b);
    CU_ASSERT_EQUAL(only_a, 66);
    mico_right_pair(a, b, 5, &only_a, &only_b);
    CU_ASSERT_EQUAL(only_a, 0);
    CU_ASSERT_EQUAL(only_b, 2);
    mico_right_pair(a, b, 0, &only_a, &only_b);
    CU_ASSERT_EQUAL(only_b, 0);
}

/* The climb ends at the fastest working set of a curve with one minimum. */
static void t_blocks(void)
{
    for (size_t fastest = 16; fastest <= 25; fastest++) {
        mico_blocks blocks = {0};
        size_t steps = 0;

        while (!blocks.settled && steps++ < 100) {
            size_t log = 0;

            while ((size_t)1 << log < mico_blocks_next(&blocks))
                log++;
            mico_blocks_note(&blocks, 1.0 + 0.1 * fabs((double)log - (double)fastest) +
                                          (steps % 3 == 0 ? 5 : 0)); /* disturbed */
        }
        CU_ASSERT(blocks.settled);
        CU_ASSERT_EQUAL(mico_blocks_next(&blocks), (size_t)1 << fastest);
    }
}

MICO_SUITE("eval_bundle", {"bad calls", t_bad_calls},
           {"refused member", t_refused_member}, {"shared steps", t_shared_steps},
           {"nets", t_nets}, {"times", t_times}, {"pairs", t_pairs},
           {"blocks", t_blocks})
