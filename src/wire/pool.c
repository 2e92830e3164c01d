/* The pool interface: calls through the implementation's table. */
#include "wire/wire_internal.h"

#include "core/mem.h"

#include <stdlib.h>

struct mico_pool {
    const mico_pool_type *type;
    void *state;
};

mico_pool *mico_pool_new(const mico_pool_type *type, void *state)
{
    mico_pool *pool = mico_xcalloc(1, sizeof *pool);

    pool->type = type;
    pool->state = state;
    return pool;
}

mico_status mico_pool_load(mico_pool *pool, const mico_limits *limits,
                           const uint8_t *blob, size_t n, mico_err *err)
{
    if (n > MICO_MESSAGE_LIMIT - 1024)
        return mico_fail(err, MICO_ELIMIT,
                         "study: %zu bytes are too many for one message", n);
    return pool->type->load(pool->state, limits, blob, n, err);
}

size_t mico_pool_idle(mico_pool *pool)
{
    return pool->type->idle(pool->state);
}

size_t mico_pool_workers(mico_pool *pool)
{
    return pool->type->workers(pool->state);
}

mico_status mico_pool_submit(mico_pool *pool, const mico_task *task, mico_err *err)
{
    return pool->type->submit(pool->state, task, err);
}

bool mico_pool_next(mico_pool *pool, mico_reply *reply, double timeout_s)
{
    return pool->type->next(pool->state, reply, timeout_s);
}

void mico_pool_close(mico_pool *pool)
{
    if (pool == NULL)
        return;
    pool->type->close(pool->state);
    free(pool);
}
