/* worker.h: what an evaluator process does with a study and its tasks.
 *
 * The load blob is made by the driver with mico_worker_blob; the service builds network,
 * data and evaluator from it and answers tasks with them. */
#ifndef MICO_WORKER_WORKER_H
#define MICO_WORKER_WORKER_H

#include "wire/wire.h"

extern const mico_service mico_worker_service;

#endif
