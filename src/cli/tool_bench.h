/* tool_bench.h: how `mico bench-table` evaluates every scheme of a space. */
#ifndef MICO_CLI_TOOL_BENCH_H
#define MICO_CLI_TOOL_BENCH_H

#include "job/job.h"
#include "store/store.h"
#include "worker/worker.h"

#include <stdbool.h>

/* Schemes evaluated together; neighbours share their first layers. */
#define MICO_BENCH_BUNDLE ((size_t)256)

/* One bundle's answers, as they go through pipes and into the partial file. */
typedef struct mico_bench_part {
    uint64_t bundle;
    uint32_t n;
    uint32_t correct[MICO_BENCH_BUNDLE]; /* or MICO_CENSUS_REFUSED */
    double loss[MICO_BENCH_BUNDLE];
    char error[400]; /* not empty: nothing was evaluated, and why */
} mico_bench_part;

void mico_bench_part_put(mico_writer *w, const mico_bench_part *part);
bool mico_bench_part_get(mico_reader *r, mico_bench_part *part);

/* ---- order (tool_bench_order.c) ---------------------------------------------------
 */

/* Schemes are evaluated layer by layer, the first layer's variables slowest, so that
 * the schemes of a bundle begin alike. */
typedef struct mico_bench_order {
    const mico_space *space;
    size_t n; /* schemes */
    size_t var[MICO_MAX_GENES];
} mico_bench_order;

void mico_bench_order_make(mico_bench_order *order, const mico_space *space, size_t n);
void mico_bench_order_levels(const mico_bench_order *order, size_t place,
                             uint8_t *levels);
size_t mico_bench_order_bundles(const mico_bench_order *order);
size_t mico_bench_order_count(const mico_bench_order *order, size_t bundle);

/* ---- the partial file (tool_bench_partial.c) --------------------------------------
 */

/* TABLE.h5.partial: whose it is, its calibration, then one checked record a bundle. */
typedef struct mico_bench_partial {
    int fd;
    char path[4096];
} mico_bench_partial;

/* Opens or makes the file. calib and calib_bytes: of a new one; those of an existing
 * one replace them (release with free()). Calls take for each part it holds; cuts a
 * torn tail off. MICO_EUSAGE where it belongs to something else, or another program
 * writes it. */
mico_status mico_bench_partial_open(
    mico_bench_partial *partial, const char *path, bool fresh, uint64_t identity,
    uint8_t **calib, size_t *calib_bytes,
    bool (*take)(void *ctx, const mico_bench_part *part), void *ctx, mico_err *err);

mico_status mico_bench_partial_add(mico_bench_partial *partial,
                                   const mico_bench_part *part, mico_err *err);
void mico_bench_partial_close(mico_bench_partial *partial, bool remove);

/* ---- evaluation (tool_bench_run.c) -------------------------------------------------
 */

typedef struct mico_bench {
    const mico_world *world;
    mico_calib *calib;
    mico_census *census; /* correct and loss are filled */
    mico_bench_order order;
    bool *done; /* [bundles] */
    size_t n_done;
    size_t processes;
    bool quiet;
    mico_bench_partial partial;
} mico_bench;

/* Evaluates all bundles that are not done, in processes of their own. */
mico_status mico_bench_run(mico_bench *bench, mico_err *err);

/* Enters a part; false where it makes no sense. */
bool mico_bench_take(mico_bench *bench, const mico_bench_part *part);

#endif
