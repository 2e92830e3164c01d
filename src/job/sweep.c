/* From values to studies: defaults, the [sweep] product, names, canonical texts, keys.
 */
#include "job/internal.h"

#include "core/file.h"
#include "core/hash.h"
#include "core/mem.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_STUDIES 10000
#define MAX_VALUES  1000

static mico_status add_value(mico_sweep_axis *axis, const char *value, mico_err *err)
{
    mico_study probe;

    if (axis->n >= MAX_VALUES)
        return mico_fail(err, MICO_EJOB, "sweep of %s: more than %d values",
                         axis->key->name, MAX_VALUES);
    if (mico_key_set(axis->key, &probe, value, err) != MICO_OK)
        return MICO_EJOB;
    axis->value = mico_xrealloc(axis->value, axis->n + 1, sizeof *axis->value);
    axis->value[axis->n++] = mico_xstrdup(value);
    return MICO_OK;
}

/* "1..5" of a count is 1, 2, 3, 4, 5. */
static mico_status add_range(mico_sweep_axis *axis, const char *item, const char *dots,
                             mico_err *err)
{
    char text[32];
    int64_t first, last;

    snprintf(text, sizeof text, "%.*s", (int)(dots - item), item);
    if (!mico_text_int(text, &first) || !mico_text_int(dots + 2, &last) || first < 0 ||
        last < first || last - first >= MAX_VALUES)
        return mico_fail(err, MICO_EJOB, "sweep: '%s' is not a range such as 1..5",
                         item);
    for (int64_t i = first; i <= last; i++) {
        snprintf(text, sizeof text, "%lld", (long long)i);
        if (add_value(axis, text, err) != MICO_OK)
            return MICO_EJOB;
    }
    return MICO_OK;
}

/* Takes the axis of a key out; false: there is none. */
static bool remove_axis(mico_sweep *sweep, const mico_key *key)
{
    for (size_t a = 0; a < sweep->n_axes; a++) {
        mico_sweep_axis *axis = &sweep->axis[a];

        if (axis->key != key)
            continue;
        for (size_t i = 0; i < axis->n; i++)
            free(axis->value[i]);
        free(axis->value);
        sweep->n_axes--;
        memmove(axis, axis + 1, (sweep->n_axes - a) * sizeof *axis);
        sweep->axis[sweep->n_axes] = (mico_sweep_axis){0};
        return true;
    }
    return false;
}

mico_status mico_sweep_add(mico_sweep *sweep, const char *name, const char *values,
                           bool replace, mico_err *err)
{
    const char *rest = values;
    char section[64], item[4 * MICO_JOB_TEXT], separator;
    const char *dot = strchr(name, '.');
    mico_sweep_axis *axis;

    if (dot == NULL || (size_t)(dot - name) >= sizeof section)
        return mico_fail(err, MICO_EJOB, "sweep: '%s' must be section.key", name);
    snprintf(section, sizeof section, "%.*s", (int)(dot - name), name);
    if (mico_key_find(section, dot + 1) == NULL)
        return mico_fail(err, MICO_EJOB, "sweep: there is no key '%s' in [%s]", dot + 1,
                         section);
    if (remove_axis(sweep, mico_key_find(section, dot + 1)) && !replace)
        return mico_fail(err, MICO_EJOB, "sweep: '%s' is given twice", name);
    if (sweep->n_axes == sizeof sweep->axis / sizeof sweep->axis[0])
        return mico_fail(err, MICO_EJOB, "sweep: more than %zu keys", sweep->n_axes);
    axis = &sweep->axis[sweep->n_axes++];
    axis->key = mico_key_find(section, dot + 1);
    separator = strchr(values, '|') != NULL ? '|' : ',';
    while (mico_text_next(&rest, separator, item, sizeof item)) {
        const char *dots =
            axis->key->type == MICO_KEY_COUNT ? strstr(item, "..") : NULL;
        mico_status rc = dots != NULL ? add_range(axis, item, dots, err)
                                      : add_value(axis, item, err);

        if (rc != MICO_OK)
            return rc;
    }
    if (axis->n == 0)
        return mico_fail(err, MICO_EJOB, "sweep: no values for '%s'", name);
    return MICO_OK;
}

void mico_sweep_free(mico_sweep *sweep)
{
    for (size_t a = 0; a < sweep->n_axes; a++) {
        for (size_t i = 0; i < sweep->axis[a].n; i++)
            free(sweep->axis[a].value[i]);
        free(sweep->axis[a].value);
    }
}

/* A path that exists beside the job file is meant relative to it. Pairs "A,B" and plain
 * paths alike. */
static void resolve_paths(char *paths, size_t size, const char *job_path)
{
    char folder[2048], part[1024], tried[4096];
    const char *rest = paths;
    mico_str out = {0};

    mico_dirname(job_path, folder, sizeof folder);
    while (mico_text_next(&rest, ',', part, sizeof part)) {
        snprintf(tried, sizeof tried, "%s/%s", folder, part);
        mico_str_add(&out, "%s%s", out.len > 0 ? "," : "",
                     part[0] != '/' &&
                             (mico_file_exists(tried) || mico_dir_exists(tried))
                         ? tried
                         : part);
    }
    if (out.len > 0 && out.len < size)
        snprintf(paths, size, "%s", out.text);
    mico_str_free(&out);
}

/* INI text of all keys; inert ones only where asked for. */
static void canonical_text(mico_str *out, const char *const *value, bool inert)
{
    const char *section = "";

    for (size_t i = 0; i < mico_n_keys; i++) {
        if (mico_keys[i].inert && !inert)
            continue;
        if (strcmp(section, mico_keys[i].section) != 0)
            mico_str_add(out, "%s[%s]\n", out->len > 0 ? "\n" : "",
                         mico_keys[i].section);
        section = mico_keys[i].section;
        mico_str_add(out, "%s = %s\n", mico_keys[i].name, value[i]);
    }
}

/* Names go into HDF5 paths and file names. */
static void clean_name(char *name)
{
    for (; *name != '\0'; name++)
        if (!isalnum((unsigned char)*name) && strchr("._-+", *name) == NULL)
            *name = '-';
}

static void check_study(const mico_study *s, const char *name, mico_str *errors)
{
    if (s->study_budget == 0)
        mico_str_add(errors, "%s: [study] budget must be at least 1\n", name);
    if (s->run_parallel == 0 || s->run_parallel > 100000)
        mico_str_add(errors, "%s: [run] parallel must be 1 to 100000\n", name);
    if (s->run_window > 1000000)
        mico_str_add(errors, "%s: [run] window must be at most 1000000\n", name);
    if (s->run_bundle > 64)
        mico_str_add(errors, "%s: [run] bundle must be 0 to 64\n", name);
    if (!(s->space_percentile > 0 && s->space_percentile <= 1))
        mico_str_add(errors, "%s: [space] percentile must be above 0 and at most 1\n",
                     name);
    if (s->search_candidates == 0 || s->search_candidates > 1000000)
        mico_str_add(errors, "%s: [search] candidates must be 1 to 1000000\n", name);
    if (s->search_population < 2 || s->search_population > 1000000)
        mico_str_add(errors, "%s: [search] population must be 2 to 1000000\n", name);
    if (s->search_tournament == 0 || s->search_tournament > s->search_population)
        mico_str_add(errors, "%s: [search] tournament must be 1 to population\n", name);
    if (s->search_trees > 100000 || s->search_inits > 1000000)
        mico_str_add(errors, "%s: [search] trees or inits is absurdly large\n", name);
}

static void make_study(mico_study *s, const char *const *value, const char *suffix,
                       const char *name, mico_str *errors)
{
    const size_t window = (size_t)(mico_key_find("run", "window") - mico_keys);
    const char *full[64], *written;
    char base[MICO_JOB_TEXT], effective[24];
    mico_str text = {0};
    mico_err err;

    memcpy(full, value, mico_n_keys * sizeof *full);
    for (size_t i = 0; i < mico_n_keys; i++)
        if (mico_key_set(&mico_keys[i], s, full[i], &err) != MICO_OK)
            mico_str_add(errors, "%s: %s\n", name, err.text);
    if (s->study_name[0] != '\0')
        snprintf(base, sizeof base, "%s", s->study_name);
    else
        mico_stem(name, base, sizeof base);
    if (strlen(base) + strlen(suffix) >= 60) {
        mico_str_add(errors, "%s: the study's name '%.100s%s' is too long\n", name,
                     base, suffix);
        return;
    }
    snprintf(s->study_name, sizeof s->study_name, "%.60s%.60s", base, suffix);
    clean_name(s->study_name);
    full[0] = s->study_name;
    if (s->run_window == 0)
        s->run_window = 2 * s->run_parallel;
    check_study(s, name, errors);
    /* what counts is the window, not how the job says it */
    written = full[window];
    snprintf(effective, sizeof effective, "%llu", (unsigned long long)s->run_window);
    full[window] = effective;
    canonical_text(&text, full, false);
    full[window] = written;
    s->key = mico_hash(text.text, text.len, 1);
    mico_str_free(&text);
    canonical_text(&text, full, true);
    s->canonical = text.text;
    resolve_paths(s->net_path, sizeof s->net_path, name);
    resolve_paths(s->net_table, sizeof s->net_table, name);
    resolve_paths(s->data_path, sizeof s->data_path, name);
}

/* The job with all defaults, then [sweep]: what --print-job shows and what is hashed.
 */
static void job_text(mico_job *job, const char *const *value, const mico_sweep *sweep)
{
    mico_str text = {0};

    canonical_text(&text, value, true);
    if (sweep->n_axes > 0)
        mico_str_add(&text, "\n[sweep]\n");
    for (size_t a = 0; a < sweep->n_axes; a++) {
        const mico_sweep_axis *axis = &sweep->axis[a];

        mico_str_add(&text, "%s.%s = ", axis->key->section, axis->key->name);
        for (size_t i = 0; i < axis->n; i++) { /* the last one may be empty, too */
            bool empty = axis->value[i][0] == '\0', more = i + 1 < axis->n;
            bool bar = more || empty || axis->n == 1;

            mico_str_add(&text, "%s%s", axis->value[i], bar && !empty ? " " : "");
            if (bar)
                mico_str_add(&text, more && axis->value[i + 1][0] != '\0' ? "| " : "|");
        }
        mico_str_add(&text, "\n");
    }
    job->canonical = text.text;
}

void mico_sweep_expand(mico_job *job, const mico_values *values,
                       const mico_sweep *sweep, const char *name, mico_str *errors)
{
    const char *value[64];
    size_t total = 1;
    uint64_t hash = 0;

    for (size_t i = 0; i < mico_n_keys; i++) {
        value[i] = values->text[i];
        if (value[i] == NULL)
            value[i] = mico_keys[i].preset != NULL ? mico_keys[i].preset : "";
    }
    for (size_t a = 0; a < sweep->n_axes; a++)
        total *= sweep->axis[a].n <= MAX_STUDIES ? sweep->axis[a].n : MAX_STUDIES;
    if (total > MAX_STUDIES) {
        mico_str_add(errors, "%s: [sweep] makes more than %d studies\n", name,
                     MAX_STUDIES);
        return;
    }
    job_text(job, value, sweep);
    job->study = mico_xcalloc(total, sizeof *job->study);
    job->n_studies = total;
    for (size_t s = 0; s < total; s++) {
        size_t left = s;
        char suffix[MICO_JOB_TEXT] = "";

        for (size_t a = sweep->n_axes; a-- > 0;) {
            const mico_sweep_axis *axis = &sweep->axis[a];
            size_t pick = left % axis->n;
            char longer[MICO_JOB_TEXT];

            left /= axis->n;
            value[axis->key - mico_keys] = axis->value[pick];
            snprintf(longer, sizeof longer, "-%.60s%.120s", axis->value[pick], suffix);
            snprintf(suffix, sizeof suffix, "%s", longer);
        }
        make_study(&job->study[s], value, suffix, name, errors);
        hash = mico_hash(&job->study[s].key, sizeof hash, hash);
    }
    job->hash = hash;
}
