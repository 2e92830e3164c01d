/* search_loop.h (internal): replay and the search itself. */
#ifndef MICO_DRIVER_SEARCH_LOOP_H
#define MICO_DRIVER_SEARCH_LOOP_H

#include "driver/internal.h"

mico_status mico_loop_replay(mico_loop *loop, mico_err *err);
mico_status mico_loop_search(mico_loop *loop, mico_err *err);

#endif
