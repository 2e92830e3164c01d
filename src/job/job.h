/* job.h: what is asked for: the INI job file, its one key table, its studies.
 *
 *     mico_job *job;
 *     rc = mico_job_load(&job, "jobs/resnet.ini", sets, n_sets, &errors);
 *     for (size_t i = 0; i < job->n_studies; i++) ... job->study[i] ...
 *     mico_job_free(job);
 *
 * Every key stands once, in the table of keys.c, from which parser, defaults, --list
 * keys,
 * --print-job and the suggestions for unknown keys are made. All errors of a file are
 * reported at once. [sweep] makes the product of the listed values: one study each.
 * Paths in a job file are relative to the folder of the job file if they exist there,
 * else to the current folder. */
#ifndef MICO_JOB_JOB_H
#define MICO_JOB_JOB_H

#include "core/err.h"
#include "core/pack.h"
#include "core/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MICO_JOB_TEXT 256

/* Values of one study; members are named section_key and documented in the key table.
 */
typedef struct mico_study {
    char study_name[MICO_JOB_TEXT];
    uint64_t study_seed, study_budget;
    double study_wallclock_s;
    char net_path[4 * MICO_JOB_TEXT], net_mul[MICO_JOB_TEXT], net_add[MICO_JOB_TEXT];
    char net_table[4 * MICO_JOB_TEXT];
    char data_path[4 * MICO_JOB_TEXT], data_transform[MICO_JOB_TEXT];
    char data_calibration[MICO_JOB_TEXT], data_search[MICO_JOB_TEXT],
        data_final[MICO_JOB_TEXT];
    char space_weight_bits[MICO_JOB_TEXT], space_act_bits[MICO_JOB_TEXT];
    char space_first_last[MICO_JOB_TEXT], space_tie[MICO_JOB_TEXT];
    char space_groups[MICO_JOB_TEXT];
    char space_granularity[MICO_JOB_TEXT], space_weight_scale[MICO_JOB_TEXT];
    char space_act_range[MICO_JOB_TEXT], space_act_codes[MICO_JOB_TEXT];
    char space_profile[MICO_JOB_TEXT];
    double space_percentile;
    char objective_goal[MICO_JOB_TEXT], objective_subject_to[4 * MICO_JOB_TEXT];
    char objective_cost[MICO_JOB_TEXT], objective_reference[MICO_JOB_TEXT];
    char search_method[MICO_JOB_TEXT];
    uint64_t search_inits, search_candidates, search_trees;
    uint64_t search_population, search_tournament;
    char search_initial[MICO_JOB_TEXT], search_sampler[MICO_JOB_TEXT];
    char search_features[MICO_JOB_TEXT], search_ucb[MICO_JOB_TEXT];
    double search_roi, search_max_roi;
    uint64_t run_parallel, run_window, run_retries, run_max_failures;
    uint64_t run_memory_bytes, run_bundle, run_keep_bytes;
    char run_order[MICO_JOB_TEXT], run_driver[MICO_JOB_TEXT], run_reuse[MICO_JOB_TEXT];
    double run_timeout_s, run_flush_s;
    char report_title[MICO_JOB_TEXT];
    char *canonical; /* this study as INI text: what is hashed, stored and sent */
    uint64_t key;    /* hash of the canonical text without [run] and [report] */
} mico_study;

typedef struct mico_job {
    char path[4096];
    char *canonical; /* the whole job: sorted, all defaults filled in, [sweep] last */
    uint64_t hash;
    size_t n_studies;
    mico_study *study;
} mico_job;

/* sets: "section.key=value" texts that override the file. errors receives all messages,
 * one a line ("jobs/x.ini:12: unknown key 'methd' (did you mean 'method'?)"). */
mico_status mico_job_load(mico_job **out, const char *path, const char *const *sets,
                          size_t n_sets, mico_str *errors);

/* From text (fuzz target, workers); name stands in messages. */
mico_status mico_job_parse(mico_job **out, const char *text, size_t n, const char *name,
                           const char *const *sets, size_t n_sets, mico_str *errors);
void mico_job_free(mico_job *job);

/* What a worker needs of a study: its text, the job's path (for relative paths) and the
 * calibration (NULL and 0 while there is none). get parses the text again, so driver
 * and workers cannot disagree; calib points into the reader's bytes. */
void mico_study_put(mico_writer *w, const mico_study *study, const char *job_path,
                    const uint8_t *calib, size_t calib_bytes);
mico_status mico_study_get(mico_reader *r, mico_job **out, const uint8_t **calib,
                           size_t *calib_bytes, mico_err *err);

/* Table of all keys for --list keys: section.key, type, default, help. */
void mico_job_list_keys(mico_str *out);

/* One item of subject_to: "bops <= 0.5 of w8a8", "size <= 64KiB", "bops <= 1.2e9". */
typedef struct mico_limit {
    char metric[64];
    double value;
    bool relative;  /* value times the metric of scheme `of` */
    char of[64];    /* scheme text */
    bool bytes;     /* value was given with a byte unit */
    char text[128]; /* the item as written */
} mico_limit;

/* Parses a comma separated list into limits[0..*n) (room for max). */
mico_status mico_limits_parse(const char *text, mico_limit *limits, size_t max,
                              size_t *n, mico_err *err);

#endif
