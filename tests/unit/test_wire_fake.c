/* The pool that the tests of the driver trust: accounts, reorders, loses as told. */
#include "support/suite.h"
#include "support/wire_fake_pool.h"

static void evaluate(void *context, const mico_task *task, mico_reply *reply)
{
    (void)context;
    reply->outcome.images = 1000;
    reply->outcome.correct = task->ticket;
}

static mico_state fate(void *context, const mico_task *task)
{
    (void)context;
    return task->ticket % 10 == 3 && task->attempt == 0 ? MICO_STATE_CRASHED
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
            mico_task task = {.ticket = next++, .kind = MICO_TASK_TRIAL};

            CU_ASSERT_EQUAL_FATAL(mico_pool_submit(pool, &task, &err), MICO_OK);
        }
        if (!mico_pool_next(pool, &reply, 0.01))
            continue;
        failed += reply.outcome.state != MICO_STATE_DONE;
        if (reply.outcome.state == MICO_STATE_DONE)
            CU_ASSERT_EQUAL(reply.outcome.correct, reply.ticket);
        order[done++] = reply.ticket;
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
    mico_task task = {.ticket = 5, .kind = MICO_TASK_TRIAL};
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
    CU_ASSERT_EQUAL(reply.outcome.state, MICO_STATE_INFRASTRUCTURE);
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

MICO_SUITE("wire fake pool", {"misuse", t_misuse}, {"reorders", t_reorders},
           {"fails and loses", t_fails_and_loses})
