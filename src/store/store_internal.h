/* store_internal.h: what the files of src/store share. */
#ifndef MICO_STORE_INTERNAL_H
#define MICO_STORE_INTERNAL_H

#include "core/pack.h"
#include "store/store.h"

/* What a file may make us allocate. */
#define MICO_STORE_MAX_STUDIES ((size_t)1024)
#define MICO_STORE_MAX_TRIALS  ((size_t)1 << 22)
#define MICO_STORE_MAX_CHECKS  ((size_t)1 << 16)
#define MICO_STORE_MAX_STARTS  ((size_t)1 << 14)
#define MICO_STORE_MAX_TEXT    ((size_t)16 << 20)
#define MICO_STORE_MAX_CALIB   ((size_t)256 << 20)
#define MICO_STORE_MAX_JOURNAL ((size_t)4 << 30)
#define MICO_STORE_MAX_H5      ((size_t)4 << 30)

/* ---- records (record.c, apply.c) ------------------------------------------------ */

/* Numbers are part of the journal's format: add, never change. */
typedef enum mico_record {
    MICO_RECORD_ABOUT = 1, /* the first one, and only there */
    MICO_RECORD_START,
    MICO_RECORD_CALIB,
    MICO_RECORD_PROPOSE,
    MICO_RECORD_RESULT,
    MICO_RECORD_CHECK,
    MICO_RECORD_COMPLETE,
    MICO_RECORD_END,
} mico_record;

/* Any record but ABOUT; which members count depends on the type. */
typedef struct mico_event {
    mico_record type;
    uint64_t sequence; /* of the record that holds it */
    uint32_t study;
    mico_trial
        trial; /* PROPOSE: id, dup_of, scheme; RESULT: id, outcome, worker, attempts */
    mico_check check;
    mico_start start;     /* START: all but ended; END: only ended */
    const uint8_t *calib; /* borrowed */
    size_t calib_bytes;
    uint64_t digest;
} mico_event;

void mico_event_put(mico_writer *w, const mico_event *event);

/* r->bad on anything that is not exactly one event of this type. */
void mico_event_get(mico_reader *r, uint32_t type, mico_event *event);

/* Checks that the event makes sense after what the run already holds (MICO_EFORMAT) and
 * makes room, so that the commit cannot fail. */
mico_status mico_event_admit(mico_run *run, const mico_event *event, mico_err *err);
void mico_event_commit(mico_run *run, const mico_event *event);

/* The ABOUT payload; MICO_EBUG where the caller left something out. */
mico_status mico_about_put(mico_writer *w, const mico_about *about, mico_err *err);
mico_status mico_about_get(mico_run **out, const uint8_t *bytes, size_t n,
                           mico_err *err);

void mico_problem_put(mico_writer *w, const mico_problem *problem);

/* Checks ranges that searchers, reports and the view rely on. */
mico_status mico_problem_check(const mico_problem *problem, mico_err *err);
mico_status mico_outcome_check(const mico_outcome *outcome, mico_err *err);

/* Name of an HDF5 object for a study or metric: letters, digits and "_-.:+", else "_".
 */
void mico_link_name(const char *name, char out[MICO_NAME_SIZE]);

/* The same text as another kind of failure (a caller's fault, the store's trouble). */
mico_status mico_recast(mico_err *err, mico_status status, const char *prefix);

/* Room for element n of an array whose capacity is the next power of two. */
mico_status mico_room(void **array, size_t n, size_t size, size_t limit,
                      const char *what, mico_err *err);

/* ---- journal bytes (replay.c) --------------------------------------------------- */

#define MICO_JOURNAL_MAGIC   "MICOJRN1"
#define MICO_JOURNAL_VERSION 1
#define MICO_JOURNAL_HEADER  12 /* magic, version */
#define MICO_RECORD_HEAD     16 /* length, type, sequence */

/* Where good records end, and how many there are. */
typedef struct mico_replayed {
    size_t bytes;
    uint64_t records;
} mico_replayed;

mico_status mico_replay(mico_run **out, const uint8_t *bytes, size_t n,
                        mico_replayed *end, mico_err *err);

/* ---- the journal file (journal.c) ----------------------------------------------- */

typedef struct mico_journal {
    char *path;
    int fd;            /* -1: none */
    uint64_t size;     /* behind the last good record */
    uint64_t sequence; /* of the next record */
    bool broken;       /* half a record could not be taken back: no more writes */
} mico_journal;

/* Opens and locks the journal if there is one; fd stays -1 if not. */
mico_status mico_journal_open(mico_journal *journal, const char *path, mico_err *err);

/* Replays an open journal and cuts its torn tail (kept as PATH.cut). */
mico_status mico_journal_resume(mico_journal *journal, mico_run **out, mico_err *err);

/* Makes a new journal whose first record is `about`, in place of the open one if any.
 */
mico_status mico_journal_create(mico_journal *journal, const mico_writer *about,
                                mico_err *err);
mico_status mico_journal_append(mico_journal *journal, mico_record type,
                                const mico_writer *payload, mico_err *err);
mico_status mico_journal_sync(mico_journal *journal, mico_err *err);
void mico_journal_close(mico_journal *journal);

/* ---- the HDF5 view (view.c) ----------------------------------------------------- */

#define MICO_H5_FORMAT 1

/* Name of an HDF5 file that lives in memory. The library takes equal names for the same
 * file, and looks for a real one first: below a device there is none. */
#define MICO_H5_MEMORY    "/dev/null/%s/%s"
#define MICO_H5_NAME_SIZE 4200

typedef struct mico_view mico_view;

/* path is borrowed. */
mico_view *mico_view_new(const char *path, size_t n_studies);
void mico_view_free(mico_view *view);

/* Writes what the run holds to the results file. */
mico_status mico_view_flush(mico_view *view, const mico_run *run, mico_err *err);

#endif
