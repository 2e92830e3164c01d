/* The evaluator's service in this process: bundles against single evaluations, ranges
 * of images, refusals, limits. */
#include "support/suite.h"

#include "core/mem.h"
#include "wire/wire_internal.h"
#include "worker/worker.h"

#include <stdlib.h>
#include <unistd.h>

#define IMAGES 300
#define SIDE   28

static char folder[] = "/tmp/mico-worker-XXXXXX";

static void put_be32(FILE *f, uint32_t v)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        fputc((int)(v >> shift & 255), f);
}

/* IDX files of images that differ in where they are bright. */
static void write_set(const char *set, uint32_t n, uint32_t seed)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s-images-idx3-ubyte", folder, set);
    f = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    put_be32(f, 0x803);
    put_be32(f, n);
    put_be32(f, SIDE);
    put_be32(f, SIDE);
    for (uint32_t i = 0; i < n * SIDE * SIDE; i++) {
        uint32_t place = i % (SIDE * SIDE), image = i / (SIDE * SIDE);

        seed = seed * 1664525u + 1013904223u;
        fputc((int)((place / SIDE + image * 3) % SIDE < 14 ? seed >> 24 : seed >> 27),
              f);
    }
    fclose(f);
    snprintf(path, sizeof path, "%s/%s-labels-idx1-ubyte", folder, set);
    f = fopen(path, "wb");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    put_be32(f, 0x801);
    put_be32(f, n);
    for (uint32_t i = 0; i < n; i++)
        fputc((int)(i % 10), f);
    fclose(f);
}

static mico_job *make_job(const char *set)
{
    mico_str text = {0}, errors = {0};
    mico_job *job = NULL;

    mico_str_add(&text,
                 "[net]\npath = %s/jobs/nets/fashion_cnn.onnx\n[data]\npath = %s\n"
                 "calibration = train:0-63\nsearch = test:0-299\nfinal = train:64-99\n"
                 "[run]\n%s\n",
                 MICO_SOURCE_DIR, folder, set);
    CU_ASSERT_EQUAL_FATAL(
        mico_job_parse(&job, text.text, text.len, "t.ini", NULL, 0, &errors), MICO_OK);
    mico_str_free(&text);
    return job;
}

/* A service has no end but that of its process: kept where leaks are looked for. */
static void *states[64];
static size_t n_states;

static void *load(const char *set, const uint8_t *calib, size_t n, mico_err *err)
{
    mico_job *job = make_job(set);
    mico_writer w = {0};
    void *state;

    mico_study_put(&w, &job->study[0], "t.ini", calib, n);
    state = mico_worker_service.load(w.bytes, w.len, err);
    mico_writer_free(&w);
    mico_job_free(job);
    CU_ASSERT_FATAL(n_states < sizeof states / sizeof states[0]);
    states[n_states++] = state;
    return state;
}

static mico_reply ask(void *state, const mico_task *task)
{
    mico_reply reply;

    mico_reply_begin(&reply, task);
    mico_worker_service.serve(state, task, &reply);
    CU_ASSERT_TRUE(mico_reply_answers(&reply, task));
    return reply;
}

/* The calibration that all tests share. */
static uint8_t *calib;
static size_t calib_bytes;
static size_t layers;

static void *ready(const char *set)
{
    mico_err err;
    void *state = load(set, calib, calib_bytes, &err);

    CU_ASSERT_PTR_NOT_NULL_FATAL(state);
    return state;
}

static void add_scheme(mico_task *task, const char *text)
{
    mico_task_item *item = &task->item[task->n];
    mico_err err;

    item->ticket = 7 + task->n++;
    CU_ASSERT_EQUAL_FATAL(mico_scheme_parse(&item->scheme, text, layers, &err),
                          MICO_OK);
}

/* Four schemes of which the second is none, and the first and the third share all but
 * the last layer's weights. */
static mico_task make_bundle(void)
{
    mico_task task = {.kind = MICO_TASK_TRIAL, .mode = MICO_MODE_INT};

    add_scheme(&task, "w4a8");
    add_scheme(&task, "w8a8");
    task.item[1].scheme.bits[0] = 9;
    add_scheme(&task, "w4a8");
    task.item[2].scheme.bits[layers - 1] = 2;
    add_scheme(&task, "w2a3");
    return task;
}

static void t_load(void)
{
    mico_err err;
    void *state;
    mico_task task = {.kind = MICO_TASK_CALIBRATE, .n = 1};
    mico_reply reply;

    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    write_set("train", 100, 1);
    CU_ASSERT_PTR_NULL(mico_worker_service.load((const uint8_t *)"junk", 4, &err));
    CU_ASSERT_PTR_NULL(load("", NULL, 0, &err)); /* there is no test set yet */
    write_set("t10k", IMAGES, 2);
    state = load("", NULL, 0, &err);
    CU_ASSERT_PTR_NOT_NULL_FATAL(state);
    reply = ask(state, &task);
    CU_ASSERT_EQUAL_FATAL(reply.item[0].outcome.state, MICO_STATE_DONE);
    CU_ASSERT(reply.held_bytes > 400 * SIDE * SIDE);
    calib = reply.payload;
    calib_bytes = reply.payload_bytes;
    {
        mico_net *net;

        CU_ASSERT_EQUAL_FATAL(
            mico_net_load(&net, MICO_SOURCE_DIR "/jobs/nets/fashion_cnn.onnx", &err),
            MICO_OK);
        layers = net->n_layers;
        mico_net_free(net);
    }
    /* integers need it */
    task = make_bundle();
    reply = ask(state, &task);
    for (uint32_t i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(reply.item[i].outcome.state, MICO_STATE_BAD_OUTPUT);
        CU_ASSERT_STRING_EQUAL(reply.item[i].outcome.reason,
                               "no calibration was loaded");
    }
}

static void t_bad_tasks(void)
{
    static const struct {
        uint64_t from, to;
    } ranges[] = {{0, IMAGES + 1}, {IMAGES, 0}, {5, 5}, {1, UINT64_MAX}};
    void *state = ready("");
    mico_task task = make_bundle();
    mico_reply reply;

    task.want_right = true;
    task.item[2].scheme.n_layers--;
    reply = ask(state, &task);
    CU_ASSERT_EQUAL(reply.item[0].outcome.state, MICO_STATE_BAD_OUTPUT);
    CU_ASSERT_EQUAL(reply.blame, MICO_ECOMM);
    task.item[2].scheme.n_layers++;
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++) {
        task.from = ranges[i].from;
        task.to = ranges[i].to;
        reply = ask(state, &task);
        CU_ASSERT_EQUAL(reply.item[3].outcome.state, MICO_STATE_BAD_OUTPUT);
        CU_ASSERT_PTR_NOT_NULL(strstr(reply.item[3].outcome.reason, "a split of 300"));
        CU_ASSERT_PTR_NULL(reply.item[3].right);
    }
}

/* A limit without room for one image is the job's fault; a bundle's may be its size. */
static void t_too_little_memory(void)
{
    void *state = ready("memory = 4KB");
    mico_task task = make_bundle();
    mico_reply reply = ask(state, &task);

    CU_ASSERT_EQUAL(reply.item[0].outcome.state, MICO_STATE_OUT_OF_MEMORY);
    task.n = 1;
    reply = ask(state, &task);
    CU_ASSERT_EQUAL(reply.item[0].outcome.state, MICO_STATE_INFRASTRUCTURE);
    CU_ASSERT_EQUAL(reply.blame, MICO_EJOB);
    CU_ASSERT(strlen(reply.item[0].outcome.reason) > 20);
}

static bool same_item(const mico_reply_item *a, const mico_reply_item *b)
{
    const mico_outcome *x = &a->outcome, *y = &b->outcome;

    if (x->state != y->state || x->images != y->images || x->correct != y->correct ||
        x->loss != y->loss || a->loss_sum != b->loss_sum ||
        (a->right == NULL) != (b->right == NULL))
        return false;
    return a->right == NULL ||
           memcmp(a->right, b->right, mico_bit_words(x->images) * 8) == 0;
}

/* With whatever options, a bundle says what its schemes say alone. */
static void t_bundle_is_singles(void)
{
    static const char *const sets[] = {"", "reuse = off", "keep = 8MiB",
                                       "memory = 64GiB\nkeep = 100KiB"};
    mico_task task = make_bundle();
    mico_reply single[4];

    task.want_right = true;
    for (uint32_t i = 0; i < 4; i++) {
        mico_task one = task;

        one.n = 1;
        one.item[0] = task.item[i];
        single[i] = ask(ready("reuse = off"), &one);
    }
    CU_ASSERT_EQUAL(single[1].item[0].outcome.state, MICO_STATE_REFUSED);
    CU_ASSERT_EQUAL(single[0].item[0].outcome.images, IMAGES);
    CU_ASSERT(single[0].item[0].outcome.correct > 0);
    CU_ASSERT_FALSE(same_item(&single[0].item[0], &single[2].item[0]));
    for (size_t k = 0; k < sizeof sets / sizeof sets[0]; k++) {
        void *state = ready(sets[k]);

        for (int round = 0; round < 2; round++) { /* the second may use kept values */
            mico_reply reply = ask(state, &task);

            for (uint32_t i = 0; i < 4; i++)
                CU_ASSERT(same_item(&reply.item[i], &single[i].item[0]));
            CU_ASSERT_PTR_NOT_NULL(
                strstr(reply.item[1].outcome.reason, "width of layer 1 is 9"));
            mico_reply_free(&reply);
        }
    }
    for (uint32_t i = 0; i < 4; i++)
        mico_reply_free(&single[i]);
}

/* [0, a), [a, b) and [b, n) add up to [0, n), integers and fp32. */
static void t_ranges(void)
{
    static const uint64_t cuts[][2] = {{1, 2}, {64, 128}, {100, 163}, {63, 299}};
    static const mico_mode modes[] = {MICO_MODE_INT, MICO_MODE_FP32};
    void *state = ready("keep = 8MiB");
    mico_task task = make_bundle();

    task.want_right = true;
    for (size_t m = 0; m < 2; m++)
        for (size_t k = 0; k < sizeof cuts / sizeof cuts[0]; k++) {
            uint64_t bounds[] = {0, cuts[k][0], cuts[k][1], IMAGES};
            mico_partial sum[4] = {0};
            mico_reply whole;

            task.mode = modes[m];
            for (size_t p = 0; p < 3; p++) {
                mico_reply part;

                task.from = bounds[p];
                task.to = bounds[p + 1];
                part = ask(state, &task);
                for (uint32_t i = 0; i < 4; i++)
                    if (part.item[i].outcome.state == MICO_STATE_DONE)
                        mico_partial_add(&sum[i], &part.item[i]);
                mico_reply_free(&part);
            }
            task.from = task.to = 0;
            whole = ask(state, &task);
            for (uint32_t i = 0; i < 4; i++) {
                const mico_reply_item *item = &whole.item[i];

                if (task.mode == MICO_MODE_INT && i == 1)
                    continue; /* refused */
                CU_ASSERT_EQUAL(sum[i].images, IMAGES);
                CU_ASSERT_EQUAL(sum[i].correct, item->outcome.correct);
                /* fp32 products depend on how many images are multiplied at once */
                CU_ASSERT_DOUBLE_EQUAL(sum[i].loss_sum, item->loss_sum,
                                       m == 0 ? 1e-9 : 1e-3);
                CU_ASSERT_PTR_NOT_NULL_FATAL(sum[i].right);
                CU_ASSERT_PTR_NOT_NULL_FATAL(item->right);
                CU_ASSERT_EQUAL(
                    memcmp(sum[i].right, item->right, mico_bit_words(IMAGES) * 8), 0);
            }
            for (uint32_t i = 0; i < 4; i++)
                mico_partial_free(&sum[i]);
            mico_reply_free(&whole);
        }
}

static void t_close(void)
{
    static const char *const files[] = {
        "train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
        "t10k-labels-idx1-ubyte"};

    for (size_t i = 0; i < 4; i++) {
        char path[128];

        snprintf(path, sizeof path, "%s/%s", folder, files[i]);
        unlink(path);
    }
    CU_ASSERT_EQUAL(rmdir(folder), 0);
    free(calib);
}

MICO_SUITE("worker", {"load and calibrate", t_load}, {"bad tasks", t_bad_tasks},
           {"too little memory", t_too_little_memory},
           {"a bundle is its schemes", t_bundle_is_singles},
           {"ranges of images", t_ranges}, {"clean up", t_close})
