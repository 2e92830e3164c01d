/* The pool that the tests of the driver trust: accounts, reorders, loses as told. */
#include "support/suite.h"
#include "support/wire_fake_pool.h"

static void evaluate(void *context, const mico_task *task, uint32_t i,
                     mico_reply *reply)
{
    (void)context;
    reply->item[i].outcome.images = 1000;
    reply->item[i].outcome.correct = task->item[i].ticket;
}

static mico_state fate(void *context, const mico_task *task, uint32_t i)
{
    (void)context;
    return task->item[i].ticket % 10 == 3 && task->item[i].attempt == 0
               ? MICO_STATE_CRASHED
               : MICO_STATE_DONE;
}

/* Runs 100 tasks; the order of the replies as tickets, and how many were not done. */
static unsigned run(wire_fake *fake, uint64_t order[100])
{
    mico_pool *pool = wire_fake_pool(fake);
    uint64_t next = 0, done = 0;
    unsigned failed = 0;
    mico_err err;

    CU_ASSERT_EQUAL_FATAL(
        mico_pool_load(pool, &(mico_limits){1, 2}, (const uint8_t *)"blob", 4, &err),
        MICO_OK);
    while (done < 100) {
        mico_reply reply;

        while (next < 100 && mico_pool_idle(pool) > 0) {
            mico_task task = {
                .kind = MICO_TASK_TRIAL, .n = 1, .item = {{.ticket = next++}}};

            CU_ASSERT_EQUAL_FATAL(mico_pool_submit(pool, &task, &err), MICO_OK);
        }
        if (!mico_pool_next(pool, &reply, 0.01))
            continue;
        failed += reply.item[0].outcome.state != MICO_STATE_DONE;
        if (reply.item[0].outcome.state == MICO_STATE_DONE)
            CU_ASSERT_EQUAL(reply.item[0].outcome.correct, reply.item[0].ticket);
        order[done++] = reply.item[0].ticket;
    }
    CU_ASSERT_EQUAL(mico_pool_workers(pool), fake->n_workers - fake->n_lost);
    mico_pool_close(pool);
    CU_ASSERT_TRUE(fake->closed);
    CU_ASSERT_EQUAL(fake->n_answered, 100);
    return failed;
}

static void t_misuse(void)
{
    wire_fake fake = {.n_workers = 1, .seed = 1, .evaluate = evaluate, .fail_at = 2};
    mico_pool *pool = wire_fake_pool(&fake);
    mico_task task = {.kind = MICO_TASK_TRIAL, .n = 1, .item = {{.ticket = 5}}};
    mico_limits limits = {0, 0};
    mico_reply reply;
    mico_err err;

    CU_ASSERT_EQUAL(mico_pool_submit(pool, &task, &err), MICO_EBUG);
    fake.refuse_load = true;
    CU_ASSERT_EQUAL(mico_pool_load(pool, &limits, NULL, 0, &err), MICO_ECOMM);
    fake.refuse_load = false;
    CU_ASSERT_EQUAL(mico_pool_load(pool, &limits, NULL, 0, &err), MICO_OK);
    CU_ASSERT_FALSE(mico_pool_next(pool, &reply, 1));
    CU_ASSERT_EQUAL(mico_pool_submit(pool, &task, &err), MICO_OK);
    CU_ASSERT_EQUAL(mico_pool_submit(pool, &task, &err), MICO_EBUG);
    CU_ASSERT_EQUAL(mico_pool_load(pool, &limits, NULL, 0, &err), MICO_EBUG);
    CU_ASSERT_TRUE(mico_pool_next(pool, &reply, 1));
    CU_ASSERT_EQUAL(mico_pool_submit(pool, &task, &err), MICO_ECOMM);
    fake.lose_at[0] = 1;
    CU_ASSERT_EQUAL(mico_pool_submit(pool, &task, &err), MICO_OK);
    CU_ASSERT_TRUE(mico_pool_next(pool, &reply, 1));
    CU_ASSERT_EQUAL(reply.item[0].outcome.state, MICO_STATE_INFRASTRUCTURE);
    CU_ASSERT_EQUAL(mico_pool_submit(pool, &task, &err), MICO_ECOMM);
    CU_ASSERT_EQUAL(mico_pool_workers(pool), 0);
    mico_pool_close(pool);
}

static void t_reorders(void)
{
    wire_fake one = {.n_workers = 1, .seed = 1, .evaluate = evaluate};
    wire_fake a = {.n_workers = 8, .seed = 1, .evaluate = evaluate, .slow = 30};
    wire_fake b = a, c = a;
    uint64_t order[4][100];
    unsigned moved = 0;

    c.seed = 2;
    CU_ASSERT_EQUAL(run(&one, order[0]), 0);
    CU_ASSERT_EQUAL(run(&a, order[1]), 0);
    CU_ASSERT_EQUAL(run(&b, order[2]), 0);
    CU_ASSERT_EQUAL(run(&c, order[3]), 0);
    for (uint64_t i = 0; i < 100; i++) {
        CU_ASSERT_EQUAL(order[0][i], i);
        moved += order[1][i] != i;
    }
    CU_ASSERT(moved > 50);
    CU_ASSERT_EQUAL(memcmp(order[1], order[2], sizeof order[1]), 0);
    CU_ASSERT_NOT_EQUAL(memcmp(order[1], order[3], sizeof order[1]), 0);
}

static void t_fails_and_loses(void)
{
    wire_fake fake = {.n_workers = 4, .seed = 7, .evaluate = evaluate, .fate = fate};
    uint64_t order[100];

    CU_ASSERT_EQUAL(run(&fake, order), 10);
    CU_ASSERT_EQUAL(fake.n_evaluated, 90);
    fake = (wire_fake){.n_workers = 4, .seed = 7, .evaluate = evaluate};
    fake.lose_at[2] = 3;
    fake.lose_at[0] = 1;
    CU_ASSERT_EQUAL(run(&fake, order), 2);
    CU_ASSERT_EQUAL(fake.n_lost, 2);
}

static mico_state fate_of_bundles(void *context, const mico_task *task, uint32_t i)
{
    (void)context;
    return task->item[i].ticket == 3   ? MICO_STATE_REFUSED
           : task->item[i].ticket == 7 ? MICO_STATE_CRASHED
                                       : MICO_STATE_DONE;
}

static void t_bundles(void)
{
    wire_fake fake = {.n_workers = 1, .evaluate = evaluate, .fate = fate_of_bundles};
    mico_pool *pool = wire_fake_pool(&fake);
    mico_task task = {.kind = MICO_TASK_TRIAL, .n = 3};
    mico_limits limits = {0, 0};
    mico_reply reply;
    mico_err err;

    CU_ASSERT_EQUAL(mico_pool_load(pool, &limits, NULL, 0, &err), MICO_OK);
    for (uint32_t i = 0; i < 3; i++)
        task.item[i].ticket = 2 + i;
    CU_ASSERT_EQUAL(mico_pool_submit(pool, &task, &err), MICO_OK);
    CU_ASSERT_TRUE(mico_pool_next(pool, &reply, 1));
    CU_ASSERT_EQUAL(reply.item[0].outcome.correct, 2);
    CU_ASSERT_EQUAL(reply.item[1].outcome.state, MICO_STATE_REFUSED);
    CU_ASSERT_EQUAL(reply.item[2].outcome.correct, 4);
    CU_ASSERT_EQUAL(fake.n_evaluated, 2);
    task.item[0].ticket = 7;
    CU_ASSERT_EQUAL(mico_pool_submit(pool, &task, &err), MICO_OK);
    CU_ASSERT_TRUE(mico_pool_next(pool, &reply, 1));
    for (uint32_t i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(reply.item[i].outcome.state, MICO_STATE_CRASHED);
    CU_ASSERT_EQUAL(fake.n_evaluated, 2);
    CU_ASSERT_EQUAL(fake.n_died, 1);
    CU_ASSERT_EQUAL(fake.largest, 3);
    mico_pool_close(pool);
}

MICO_SUITE("wire fake pool", {"misuse", t_misuse}, {"reorders", t_reorders},
           {"fails and loses", t_fails_and_loses}, {"bundles", t_bundles})
