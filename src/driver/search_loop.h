/* search_loop.h (internal): replay, the search itself, and how trials travel. */
#ifndef MICO_DRIVER_SEARCH_LOOP_H
#define MICO_DRIVER_SEARCH_LOOP_H

#include "driver/internal.h"

/* ---- search_loop.c ------------------------------------------------------- */

mico_status mico_loop_replay(mico_loop *loop, mico_err *err);
mico_status mico_loop_search(mico_loop *loop, mico_err *err);

bool mico_loop_finished(const mico_loop *loop, uint64_t id);
mico_status mico_loop_tell(mico_loop *loop, uint64_t id, mico_err *err);
void mico_loop_enqueue(mico_loop *loop, uint64_t id); /* to be dispatched */

/* ---- dispatch.c ---------------------------------------------------------- */

/* Schemes that one task may hold now. */
size_t mico_loop_bundle_most(const mico_loop *loop);

/* Hands bundles of waiting trials to idle workers. */
mico_status mico_loop_dispatch(mico_loop *loop, mico_err *err);

/* Records the outcomes of a reply, or puts its trials back. */
mico_status mico_loop_take(mico_loop *loop, const mico_reply *reply, mico_err *err);

/* Lets evaluations that are nearly done finish, so that they need not be repeated. */
void mico_loop_drain(mico_loop *loop);

#endif
