/* The store: a run in memory, each change in the journal first, the view at each flush.
 */
#include "store/store_internal.h"

#include "core/file.h"
#include "core/mem.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct mico_store {
    char *path;
    mico_journal journal;
    mico_run *run;
    mico_view *view;
};

/* "results/x.h5" -> "results/x.journal" */
static mico_status journal_path(const char *path, char out[PATH_MAX], mico_err *err)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    int stem = (int)(dot != NULL && dot > name ? (size_t)(dot - path) : strlen(path));

    if (*name == '\0')
        return mico_fail(err, MICO_EUSAGE, "'%s' names no results file", path);
    if (strlen(path) >= PATH_MAX - 32)
        return mico_fail(err, MICO_EUSAGE, "the results path is too long");
    if (mico_dir_exists(path))
        return mico_fail(err, MICO_EUSAGE, "%s: is a folder, not a results file", path);
    snprintf(out, PATH_MAX, "%.*s.journal", stem, path);
    if (strcmp(path, out) == 0)
        return mico_fail(
            err, MICO_EUSAGE,
            "%s: this ending is the journal's; name a results file such as "
            "%.*s.h5",
            path, stem, path);
    return MICO_OK;
}

/* ---- is it the same job? -------------------------------------------------------- */

static void differs(mico_str *list, const char *fmt, const char *name)
{
    if (list->len > 0)
        mico_str_add(list, ", ");
    mico_str_add(list, "%s%s", fmt, name);
}

static bool same_problem(const mico_problem *a, const mico_problem *b)
{
    mico_writer wa = {0}, wb = {0};
    bool same;

    mico_problem_put(&wa, a);
    mico_problem_put(&wb, b);
    same = wa.len == wb.len && memcmp(wa.bytes, wb.bytes, wa.len) == 0;
    mico_writer_free(&wa);
    mico_writer_free(&wb);
    return same;
}

static mico_status compare_runs(const char *path, const mico_run *old,
                                const mico_run *new, mico_err *err)
{
    mico_str list = {0};
    mico_status rc = MICO_OK;

    if (old->job_hash != new->job_hash)
        differs(&list, "the job", "");
    if (old->net_hash != new->net_hash)
        differs(&list, "the network", "");
    if (old->data_hash != new->data_hash)
        differs(&list, "the data set", "");
    if (old->n_studies != new->n_studies)
        differs(&list, "the number of studies", "");
    for (size_t s = 0; s < old->n_studies && s < new->n_studies &&list.len < 400; s++) {
        const mico_study_run *a = &old->study[s], *b = &new->study[s];

        if (strcmp(a->name, b->name) != 0 || a->key != b->key)
            differs(&list, "study ", b->name);
        else if (!same_problem(&a->problem, &b->problem))
            differs(&list, "layers, widths, costs or limits of study ", b->name);
    }
    if (list.len > 0)
        rc = mico_fail(
            err, MICO_EUSAGE,
            "%s: holds another run, these differ: %s; give --fresh to start over "
            "or -o to write elsewhere",
            path, list.text);
    mico_str_free(&list);
    return rc;
}

/* ---- recording ------------------------------------------------------------------ */

static mico_status record(mico_store *store, mico_event *event, mico_err *err)
{
    mico_writer w = {0};
    mico_status rc;

    event->sequence = store->journal.sequence;
    rc = mico_event_admit(store->run, event, err);

    if (rc == MICO_EFORMAT) /* not a file's fault but the caller's */
        return mico_recast(err, MICO_EBUG, "results store");
    if (rc != MICO_OK)
        return rc;
    mico_event_put(&w, event);
    rc = mico_journal_append(&store->journal, event->type, &w, err);
    mico_writer_free(&w);
    if (rc != MICO_OK)
        return rc;
    mico_event_commit(store->run, event);
    return MICO_OK;
}

mico_status mico_store_calib(mico_store *store, size_t study, const uint8_t *bytes,
                             size_t n, mico_err *err)
{
    mico_event event = {.type = MICO_RECORD_CALIB, .study = (uint32_t)study};

    if (study < store->run->n_studies) { /* a resumed run may say again what is known */
        const mico_study_run *known = &store->run->study[study];

        if (known->calib != NULL && known->calib_bytes == n &&
            memcmp(known->calib, bytes, n) == 0)
            return MICO_OK;
    }
    event.calib = bytes;
    event.calib_bytes = n;
    return record(store, &event, err);
}

mico_status mico_store_propose(mico_store *store, size_t study, const mico_trial *trial,
                               mico_err *err)
{
    mico_event event = {.type = MICO_RECORD_PROPOSE, .study = (uint32_t)study};

    event.trial.id = trial->id;
    event.trial.dup_of = trial->dup_of;
    event.trial.scheme = trial->scheme;
    return record(store, &event, err);
}

mico_status mico_store_result(mico_store *store, size_t study, const mico_trial *trial,
                              mico_err *err)
{
    mico_event event = {.type = MICO_RECORD_RESULT, .study = (uint32_t)study};

    event.trial.id = trial->id;
    event.trial.worker = trial->worker;
    event.trial.attempts = trial->attempts;
    event.trial.outcome = trial->outcome;
    return record(store, &event, err);
}

mico_status mico_store_check(mico_store *store, size_t study, const mico_check *check,
                             mico_err *err)
{
    mico_event event = {.type = MICO_RECORD_CHECK, .study = (uint32_t)study};

    event.check = *check;
    return record(store, &event, err);
}

mico_status mico_store_complete(mico_store *store, size_t study, uint64_t digest,
                                mico_err *err)
{
    mico_event event = {.type = MICO_RECORD_COMPLETE, .study = (uint32_t)study};
    mico_status rc;

    event.digest = digest;
    rc = record(store, &event, err);
    return rc == MICO_OK ? mico_journal_sync(&store->journal, err) : rc;
}

/* ---- opening and closing -------------------------------------------------------- */

const mico_run *mico_store_run(const mico_store *store)
{
    return store->run;
}

static void free_store(mico_store *store)
{
    mico_journal_close(&store->journal);
    mico_run_free(store->run);
    mico_view_free(store->view);
    free(store->path);
    free(store);
}

/* The run that this job begins with, before anything is known; also its ABOUT record.
 */
static mico_status begin_run(mico_run **out, mico_writer *about_record,
                             const mico_about *about, mico_err *err)
{
    mico_status rc = mico_about_put(about_record, about, err);

    if (rc == MICO_OK) {
        rc = mico_about_get(out, about_record->bytes, about_record->len, err);
        if (rc == MICO_EFORMAT)
            rc = mico_recast(err, MICO_EBUG, "results store");
    }
    return rc;
}

/* Takes over what the journal holds, or starts it with `begun`. */
static mico_status open_run(mico_store *store, const char *path, mico_run *begun,
                            const mico_writer *about_record, mico_store_how how,
                            mico_err *err)
{
    mico_status rc = mico_journal_open(&store->journal, path, err);

    if (rc != MICO_OK)
        return rc;
    if (store->journal.fd < 0 && how == MICO_STORE_RESUME)
        return mico_fail(
            err, MICO_EUSAGE,
            "%s: no such journal, nothing to resume; leave out --resume to "
            "start",
            path);
    if (store->journal.fd < 0 || how == MICO_STORE_FRESH)
        return mico_journal_create(&store->journal, about_record, err);
    rc = mico_journal_resume(&store->journal, &store->run, err);
    if (rc == MICO_OK)
        rc = compare_runs(path, store->run, begun, err);
    return rc;
}

/* A start that was killed while replacing a file left its temporary behind; with the
 * journal locked nobody else is writing one. */
static void remove_leftovers(const char *folder, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    size_t n = strlen(name);
    DIR *dir = opendir(folder);
    struct dirent *entry;
    char leftover[PATH_MAX + NAME_MAX + 2];

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        const char *rest = entry->d_name + n;

        if (strncmp(entry->d_name, name, n) != 0 || strncmp(rest, ".tmp", 4) != 0 ||
            rest[4] == '\0' || rest[4 + strspn(rest + 4, "0123456789")] != '\0')
            continue;
        snprintf(leftover, sizeof leftover, "%s/%s", folder, entry->d_name);
        unlink(leftover);
    }
    if (dir != NULL)
        closedir(dir);
}

mico_status mico_store_open(mico_store **out, const char *path, const mico_about *about,
                            mico_store_how how, mico_err *err)
{
    mico_store *store = mico_xcalloc(1, sizeof *store);
    mico_event start = {.type = MICO_RECORD_START};
    mico_writer about_record = {0};
    mico_run *begun = NULL;
    char folder[PATH_MAX], journal[PATH_MAX];
    mico_status rc;

    store->journal.fd = -1;
    store->path = mico_xstrdup(path);
    rc = journal_path(path, journal, err);
    if (rc != MICO_OK)
        goto out;
    rc = begin_run(&begun, &about_record, about, err);
    if (rc != MICO_OK)
        goto out;
    mico_dirname(path, folder, sizeof folder);
    if (mico_mkdirs(folder, err) != MICO_OK) {
        rc = mico_recast(err, MICO_ESTORE, "results store");
        goto out;
    }
    rc = open_run(store, journal, begun, &about_record, how, err);
    if (rc != MICO_OK)
        goto out;
    remove_leftovers(folder, path);
    remove_leftovers(folder, journal);
    if (store->run == NULL) {
        store->run = begun;
        begun = NULL;
    }
    store->view = mico_view_new(store->path, store->run->n_studies);
    start.start = about->start;
    rc = record(store, &start, err);
    if (rc == MICO_OK)
        *out = store;
out:
    mico_run_free(begun);
    mico_writer_free(&about_record);
    if (rc != MICO_OK)
        free_store(store);
    return rc;
}

mico_status mico_store_flush(mico_store *store, mico_err *err)
{
    mico_status rc = mico_journal_sync(&store->journal, err);

    return rc == MICO_OK ? mico_view_flush(store->view, store->run, err) : rc;
}

mico_status mico_store_close(mico_store *store, const char *ended, mico_err *err)
{
    mico_event end = {.type = MICO_RECORD_END};
    mico_status rc, flushed;

    if (store == NULL)
        return MICO_OK;
    snprintf(end.start.ended, sizeof end.start.ended, "%s", ended);
    rc = record(store, &end, err);
    flushed = mico_store_flush(store, rc == MICO_OK ? err : NULL);
    free_store(store);
    return rc != MICO_OK ? rc : flushed;
}
