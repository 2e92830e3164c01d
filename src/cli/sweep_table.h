/* sweep_table.h: what evaluators of mico-sweep do. */
#ifndef MICO_CLI_SWEEP_TABLE_H
#define MICO_CLI_SWEEP_TABLE_H

#include "wire/wire.h"

/* The worker's service, or answers looked up where the study has a [net] table. */
extern const mico_service mico_table_service;

#endif
