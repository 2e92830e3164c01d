/* tune_cache.c: the tuner's file of times: one CPU, one version of the program.
 *
 *     mico-kernels 1 <program> <build> <hash of the table> | <CPU> | <isas>
 *     <key>\t<kernel> <seconds>\t<kernel> <seconds>...
 *     sum <hash of all lines before>
 *
 * It saves time and decides nothing else, so what is wrong with it is no error: then
 * the times are measured again. Several processes may replace it at once. */
#include "core/file.h"
#include "core/hash.h"
#include "kernels/tune_internal.h"
#include "version.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#if MICO_KERNELS_X86
#include <cpuid.h>
#endif

#define FILE_LIMIT_BYTES ((size_t)4 << 20)

/* ---- what the times belong to ---------------------------------------------------- */

#ifndef __OPTIMIZE__
#define BUILD "plain"
#elif defined(__SANITIZE_ADDRESS__)
#define BUILD "sanitized"
#else
#define BUILD "fast"
#endif

/* The CPU's name for itself, at most 48 characters. */
static void add_cpu(mico_str *out)
{
#if MICO_KERNELS_X86
    unsigned r[12] = {0};
    char name[sizeof r + 1] = "";

    for (unsigned i = 0; i < 3; i++)
        if (!__get_cpuid(0x80000002u + i, &r[4 * i], &r[4 * i + 1], &r[4 * i + 2],
                         &r[4 * i + 3]))
            r[4 * i] = 0;
    memcpy(name, r, sizeof r);
    for (char *p = name; *p != '\0'; p++)
        if (*p < ' ' || *p > '~' || *p == '|')
            *p = '?';
    /* brand names are shared by models: of some virtual machines they say nothing */
    if (__get_cpuid(1, &r[0], &r[1], &r[2], &r[3]))
        mico_str_add(out, "%s %08x", name, r[0]);
#else
    mico_str_add(out, "unknown");
#endif
}

/* Each isa of the table that runs here, once. */
static void add_isas(mico_str *out)
{
    for (size_t k = 0; k < mico_n_kernels; k++) {
        size_t same = 0;

        while (strcmp(mico_kernels[same]->isa, mico_kernels[k]->isa) != 0)
            same++;
        if (same == k && mico_isa_here(mico_kernels[k]->isa))
            mico_str_add(out, " %s", mico_kernels[k]->isa);
    }
}

void mico_tune_header(mico_str *out)
{
    uint64_t table = 0;

    for (size_t k = 0; k < mico_n_kernels; k++)
        table = mico_hash(mico_kernels[k]->name, strlen(mico_kernels[k]->name), table);
    mico_str_add(out, "mico-kernels 1 %s-%s %s %016" PRIx64 " | ", MICO_VERSION,
                 MICO_COMMIT, BUILD, table);
    add_cpu(out);
    mico_str_add(out, " |");
    add_isas(out);
}

bool mico_tuner_default_path(mico_str *out)
{
    const char *dir = getenv("MICO_CACHE_DIR"), *below = "";
    mico_str header = {0};

    if (dir == NULL || *dir == '\0') {
        dir = getenv("XDG_CACHE_HOME");
        below = "/mico-sweep";
    }
    if (dir == NULL || *dir == '\0') {
        dir = getenv("HOME");
        below = "/.cache/mico-sweep";
    }
    if (dir == NULL || *dir == '\0')
        return false;
    mico_tune_header(&header);
    mico_str_add(out, "%s%s/kernels-%016" PRIx64 ".txt", dir, below,
                 mico_hash(header.text, header.len, 0));
    mico_str_free(&header);
    return true;
}

/* ---- reading --------------------------------------------------------------------- */

static const mico_kernel *kernel_named(const char *name)
{
    for (size_t k = 0; k < mico_n_kernels; k++)
        if (strcmp(mico_kernels[k]->name, name) == 0)
            return mico_kernels[k];
    return NULL;
}

static bool parse_timing(const char *line, mico_timing *t)
{
    char field[MICO_TUNE_KEY];

    *t = (mico_timing){.n = 0};
    if (!mico_text_next(&line, '\t', t->key, sizeof t->key) || t->key[0] == '\0')
        return false;
    while (mico_text_next(&line, '\t', field, sizeof field)) {
        char *space = strchr(field, ' ');

        if (space == NULL || t->n == MICO_TUNE_MOST)
            return false;
        *space = '\0';
        t->kernel[t->n] = kernel_named(field);
        if (t->kernel[t->n] == NULL ||
            !mico_text_double(space + 1, &t->image_s[t->n]) || t->image_s[t->n] < 0)
            return false;
        t->n++;
    }
    return t->n > 1;
}

/* The lines between header and sum, if both are right; ends the text there. */
static char *checked_lines(char *text)
{
    mico_str header = {0};
    char *last = strstr(text, "\nsum "), *lines = NULL;
    uint64_t sum;

    mico_tune_header(&header);
    if (last != NULL && sscanf(last, "\nsum %16" SCNx64, &sum) == 1 &&
        mico_hash(text, (size_t)(last + 1 - text), 0) == sum &&
        strncmp(text, header.text, header.len) == 0 && text[header.len] == '\n') {
        last[1] = '\0';
        lines = text + header.len + 1;
    }
    mico_str_free(&header);
    return lines;
}

void mico_tune_load(mico_tuner *tuner)
{
    uint8_t *bytes = NULL;
    char *line, *end;
    size_t n;

    if (tuner->cache_file == NULL || mico_file_read(&bytes, &n, tuner->cache_file,
                                                    FILE_LIMIT_BYTES, NULL) != MICO_OK)
        return;
    line = checked_lines((char *)bytes);
    for (; line != NULL && (end = strchr(line, '\n')) != NULL; line = end + 1) {
        mico_timing t;

        *end = '\0';
        if (parse_timing(line, &t) && mico_tune_find(tuner, t.key) == NULL)
            mico_tune_add(tuner, &t);
    }
    free(bytes);
}

/* ---- writing --------------------------------------------------------------------- */

void mico_tuner_save(mico_tuner *tuner)
{
    mico_str text = {0};
    char dir[4096];

    if (tuner->cache_file == NULL || !tuner->unsaved)
        return;
    mico_tune_load(tuner); /* what others have added meanwhile */
    mico_tune_header(&text);
    mico_str_add(&text, "\n");
    for (size_t i = 0; i < tuner->n; i++) {
        const mico_timing *t = &tuner->timing[i];

        mico_str_add(&text, "%s", t->key);
        for (size_t k = 0; k < t->n; k++)
            mico_str_add(&text, "\t%s %.6g", t->kernel[k]->name, t->image_s[k]);
        mico_str_add(&text, "\n");
    }
    mico_str_add(&text, "sum %016" PRIx64 "\n", mico_hash(text.text, text.len, 0));
    mico_dirname(tuner->cache_file, dir, sizeof dir);
    if (mico_mkdirs(dir, NULL) == MICO_OK &&
        mico_file_write(tuner->cache_file, text.text, text.len, NULL) == MICO_OK)
        tuner->unsaved = false;
    mico_str_free(&text);
}
