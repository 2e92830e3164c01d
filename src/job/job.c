/* Job files: INI text through libinih, with line numbers and all errors at once. */
#include "job/internal.h"

#include "core/file.h"
#include "core/mem.h"

#include <ctype.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOB_LIMIT_BYTES ((size_t)1 << 20)

/* libinih gives its handler no line numbers and takes lines of 200 bytes at most, so
 * lines are counted, and cut into continued ones, where they are read. */
typedef struct parse {
    const char *at, *end;
    const char *part, *part_end; /* what is left of a line that was cut */
    const char *name;
    int line;
    int *line_of; /* [n_read] what inih counts as lines */
    size_t n_read, capacity;
    bool continued;            /* current line is indented: continues the value above */
    bool glued;                /* ... and was cut off it: no blank in between */
    char section[64], key[64]; /* of the value that may be continued */
    char *value;
    int value_line;
    mico_values values;
    mico_sweep sweep;
    mico_str *errors;
} parse;

static void complain(parse *p, int line, const char *text)
{
    if (line > 0)
        mico_str_add(p->errors, "%s:%d: %s\n", p->name, line, text);
    else
        mico_str_add(p->errors, "%s: %s\n", p->name, text);
}

/* Length of a line without the comment at its end. */
static size_t without_comment(const char *text, size_t n)
{
    size_t i = 0;

    while (i < n && isspace((unsigned char)text[i]))
        i++;
    if (i < n && (text[i] == ';' || text[i] == '#'))
        return 0;
    for (i = 1; i < n; i++)
        if (text[i] == ';' && isspace((unsigned char)text[i - 1]))
            return i;
    return n;
}

/* Where to cut a line so that joining its parts restores it; 0: nowhere. */
static size_t find_cut(const char *text, size_t max)
{
    while (max > 0 &&
           (isspace((unsigned char)text[max - 1]) ||
            isspace((unsigned char)text[max]) || text[max] == ';' || text[max] == '#'))
        max--;
    return max;
}

/* The next part of a line that was cut: indented, so that it continues the value. */
static char *read_part(char *out, size_t size, parse *p)
{
    size_t n = (size_t)(p->part_end - p->part), room = size - 3;

    p->continued = p->glued = true;
    if (n > room)
        n = find_cut(p->part, room);
    if (n == 0) {
        complain(p, p->line, "line is too long and has nowhere to be cut");
        p->part = p->part_end;
    }
    snprintf(out, size, " %.*s\n", (int)n, p->part);
    p->part += n;
    return out;
}

static char *read_line(char *out, int space, void *stream)
{
    parse *p = stream;
    size_t n, size = (size_t)space;
    const char *begin = p->at, *newline;

    if (p->part >= p->part_end && begin >= p->end)
        return NULL;
    if (p->part >= p->part_end)
        p->line++;
    p->line_of = mico_grow(p->line_of, p->n_read, &p->capacity, sizeof *p->line_of);
    p->line_of[p->n_read++] = p->line;
    if (p->part < p->part_end)
        return read_part(out, size, p);
    newline = memchr(begin, '\n', (size_t)(p->end - begin));
    n = (size_t)((newline != NULL ? newline : p->end) - begin);
    p->at = newline != NULL ? newline + 1 : p->end;
    p->continued = n > 0 && (begin[0] == ' ' || begin[0] == '\t');
    p->glued = false;
    if (memchr(begin, '\0', n) != NULL) {
        complain(p, p->line, "line holds a zero byte; is this a job file?");
        n = 0;
    }
    if (n + 2 > size) {
        size_t whole = without_comment(begin, n);

        n = whole + 2 > size ? find_cut(begin, size - 3) : whole;
        if (n < whole && (n == 0 || (!p->continued && memchr(begin, '=', n) == NULL &&
                                     memchr(begin, ':', n) == NULL))) {
            complain(p, p->line, "line is too long and has nowhere to be cut");
            n = 0;
        } else if (n < whole) {
            p->part = begin + n;
            p->part_end = begin + whole;
        }
    }
    snprintf(out, size, "%.*s\n", (int)n, begin);
    return out;
}

/* "unknown key 'methd' in [search] (did you mean 'method'?)" */
static void complain_unknown(parse *p, int line, const char *section, const char *name)
{
    const char *words[64];
    size_t n = 0, near;
    bool known = mico_key_section(section);
    mico_str text = {0};

    for (size_t i = 0; i < mico_n_keys; i++)
        if (!known || strcmp(mico_keys[i].section, section) == 0)
            words[n++] = known ? mico_keys[i].name : mico_keys[i].section;
    if (!known)
        words[n++] = "sweep";
    near = mico_text_nearest(known ? name : section, words, n);
    if (known)
        mico_str_add(&text, "unknown key '%s' in [%s]", name, section);
    else if (section[0] == '\0')
        mico_str_add(&text, "'%s' stands before any [section]", name);
    else
        mico_str_add(&text, "unknown section [%s]", section);
    if (near < n && section[0] != '\0')
        mico_str_add(&text, known ? " (did you mean '%s'?)" : " (did you mean [%s]?)",
                     words[near]);
    complain(p, line, text.text);
    mico_str_free(&text);
}

static void take_sweep(parse *p, int line, const char *name, const char *value,
                       bool override)
{
    mico_err err;

    if (mico_sweep_add(&p->sweep, name, value, override, &err) != MICO_OK)
        complain(p, line, err.text);
}

static void take(parse *p, int line, const char *section, const char *name,
                 const char *value, bool override)
{
    const mico_key *key = mico_key_find(section, name);
    mico_study probe;
    mico_err err;
    size_t i;

    if (key == NULL) {
        complain_unknown(p, line, section, name);
        return;
    }
    i = (size_t)(key - mico_keys);
    if (p->values.text[i] != NULL && !override) {
        mico_str text = {0};

        mico_str_add(&text, "key '%s' was given before, on line %d", name,
                     p->values.line[i]);
        complain(p, line, text.text);
        mico_str_free(&text);
        return;
    }
    free(p->values.text[i]);
    p->values.text[i] = mico_xstrdup(value);
    p->values.line[i] = line;
    if (mico_key_set(key, &probe, value, &err) != MICO_OK)
        complain(p, line, err.text);
}

/* A value is complete when the next one begins. */
static void end_value(parse *p)
{
    if (p->value == NULL)
        return;
    if (strcmp(p->section, "sweep") == 0)
        take_sweep(p, p->value_line, p->key, p->value, false);
    else
        take(p, p->value_line, p->section, p->key, p->value, false);
    free(p->value);
    p->value = NULL;
}

static int on_value(void *user, const char *section, const char *name,
                    const char *value)
{
    parse *p = user;

    if (p->continued && p->value != NULL && strcmp(section, p->section) == 0 &&
        strcmp(name, p->key) == 0) {
        mico_str joined = {0};

        mico_str_add(&joined, "%s%s%s", p->value,
                     p->glued || p->value[0] == '\0' ? "" : " ", value);
        free(p->value);
        p->value = joined.text;
        return 1;
    }
    end_value(p);
    snprintf(p->section, sizeof p->section, "%s", section);
    snprintf(p->key, sizeof p->key, "%s", name);
    p->value = mico_xstrdup(value);
    p->value_line = p->line;
    return 1;
}

/* --set section.key=value */
static void take_set(parse *p, const char *set)
{
    char section[64], name[64], *value;
    const char *equals = strchr(set, '='), *dot = strchr(set, '.');
    size_t n;
    mico_str text = {0};

    if (equals == NULL || dot == NULL || dot > equals ||
        (size_t)(dot - set) >= sizeof section ||
        (size_t)(equals - dot) >= sizeof name) {
        mico_str_add(&text, "--set %s: must be section.key=value", set);
        mico_str_add(p->errors, "%s\n", text.text);
        mico_str_free(&text);
        return;
    }
    snprintf(section, sizeof section, "%.*s", (int)(dot - set), set);
    if (strcmp(section, "sweep") == 0) {
        const char *second = memchr(dot + 1, '.', (size_t)(equals - dot - 1));
        char full[128];

        snprintf(full, sizeof full, "%.*s", (int)(equals - dot - 1), dot + 1);
        if (second != NULL)
            take_sweep(p, 0, full, equals + 1, true);
        else
            mico_str_add(p->errors, "--set %s: must be sweep.section.key=values\n",
                         set);
        return;
    }
    snprintf(name, sizeof name, "%.*s", (int)(equals - dot - 1), dot + 1);
    while (isspace((unsigned char)*++equals))
        ;
    value = mico_xstrdup(equals);
    n = strlen(value);
    while (n > 0 && isspace((unsigned char)value[n - 1]))
        value[--n] = '\0';
    take(p, 0, section, name, value, true);
    free(value);
}

static bool is_given(const parse *p, const mico_key *key)
{
    for (size_t a = 0; a < p->sweep.n_axes; a++)
        if (p->sweep.axis[a].key == key)
            return true;
    return p->values.text[key - mico_keys] != NULL;
}

/* A table stands for network and data, which are all that must be given. */
static bool has_table(const parse *p)
{
    const mico_key *key = mico_key_find("net", "table");
    const char *text = p->values.text[key - mico_keys];

    return is_given(p, key) && (text == NULL || text[0] != '\0');
}

mico_status mico_job_parse(mico_job **out, const char *text, size_t n, const char *name,
                           const char *const *sets, size_t n_sets, mico_str *errors)
{
    parse p = {.at = text, .end = text + n, .name = name, .errors = errors};
    size_t before = errors->len;
    mico_job *job = mico_xcalloc(1, sizeof *job);
    int bad_line;

    bad_line = ini_parse_stream(read_line, &p, on_value, &p);
    end_value(&p);
    if (bad_line > 0)
        complain(&p, p.line_of[bad_line - 1], "neither [section] nor key = value");
    free(p.line_of);
    for (size_t i = 0; i < n_sets; i++)
        take_set(&p, sets[i]);
    snprintf(job->path, sizeof job->path, "%s", name);
    for (size_t i = 0; i < mico_n_keys; i++) {
        const mico_key *key = &mico_keys[i];

        if (key->preset == NULL && !is_given(&p, key) && !has_table(&p)) {
            char missing[160];

            snprintf(missing, sizeof missing, "[%s] %s is missing: %s", key->section,
                     key->name, key->help);
            complain(&p, 0, missing);
        }
    }
    if (errors->len == before)
        mico_sweep_expand(job, &p.values, &p.sweep, name, errors);
    for (size_t i = 0; i < mico_n_keys; i++)
        free(p.values.text[i]);
    mico_sweep_free(&p.sweep);
    if (errors->len != before) {
        mico_job_free(job);
        return MICO_EJOB;
    }
    *out = job;
    return MICO_OK;
}

mico_status mico_job_load(mico_job **out, const char *path, const char *const *sets,
                          size_t n_sets, mico_str *errors)
{
    uint8_t *text;
    size_t n;
    mico_err err;
    mico_status rc = mico_file_read(&text, &n, path, JOB_LIMIT_BYTES, &err);

    if (rc != MICO_OK) {
        mico_str_add(errors, "%s\n", err.text);
        return rc;
    }
    rc = mico_job_parse(out, (const char *)text, n, path, sets, n_sets, errors);
    free(text);
    return rc;
}

void mico_study_put(mico_writer *w, const mico_study *study, const char *job_path,
                    const uint8_t *calib, size_t calib_bytes)
{
    mico_put_text(w, study->canonical);
    mico_put_text(w, job_path);
    mico_put_bytes(w, calib, calib_bytes);
}

mico_status mico_study_get(mico_reader *r, mico_job **out, const uint8_t **calib,
                           size_t *calib_bytes, mico_err *err)
{
    size_t n_text;
    const uint8_t *text = mico_get_bytes(r, &n_text);
    char path[4096];
    mico_str errors = {0};
    mico_status rc;

    mico_get_text(r, path, sizeof path);
    *calib = mico_get_bytes(r, calib_bytes);
    if (!mico_reader_ok(r))
        return mico_fail(err, MICO_EFORMAT, "study from the driver: damaged");
    rc = mico_job_parse(out, (const char *)text, n_text, path, NULL, 0, &errors);
    if (rc != MICO_OK)
        mico_fail(err, rc, "study from the driver: %s", errors.text);
    mico_str_free(&errors);
    return rc;
}

void mico_job_free(mico_job *job)
{
    if (job == NULL)
        return;
    for (size_t i = 0; i < job->n_studies; i++)
        free(job->study[i].canonical);
    free(job->study);
    free(job->canonical);
    free(job);
}
