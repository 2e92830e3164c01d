/* Folders of data files, found by their usual names. */
#include "data/data_internal.h"

#include "core/file.h"
#include "core/mem.h"
#include "core/text.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Names of a folder's files, sorted; of F and F.gz only F. */
typedef struct listing {
    const char *dir;
    size_t n, capacity;
    char **name;
} listing;

static int by_version(const void *a, const void *b)
{
    return strverscmp(*(char *const *)a, *(char *const *)b);
}

static char *join_path(const char *dir, const char *name)
{
    mico_str s = {0};

    mico_str_add(&s, "%s%s%s", dir, dir[strlen(dir) - 1] == '/' ? "" : "/", name);
    return s.text;
}

/* Length of a name without ".gz". */
static size_t base_length(const char *name)
{
    size_t n = strlen(name);

    return n > 3 && strcmp(name + n - 3, ".gz") == 0 ? n - 3 : n;
}

static void drop_packed_twins(listing *l)
{
    size_t kept = 0;

    for (size_t i = 0; i < l->n; i++) {
        size_t base = base_length(l->name[i]);
        bool twin = false;

        for (size_t j = 0; j < l->n && l->name[i][base] != '\0'; j++) {
            if (l->name[j] != NULL && strlen(l->name[j]) == base &&
                strncmp(l->name[j], l->name[i], base) == 0)
                twin = true;
        }
        if (twin) {
            free(l->name[i]);
            l->name[i] = NULL;
        }
    }
    for (size_t i = 0; i < l->n; i++) {
        if (l->name[i] != NULL)
            l->name[kept++] = l->name[i];
    }
    l->n = kept;
}

static mico_status list_folder(listing *l, const char *dir, mico_err *err)
{
    DIR *d = opendir(dir);
    struct dirent *entry;

    *l = (listing){.dir = dir};
    if (d == NULL)
        return mico_fail(err, MICO_EIO, "%s: %s", dir, strerror(errno));
    while ((entry = readdir(d)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        l->name = mico_grow(l->name, l->n, &l->capacity, sizeof *l->name);
        l->name[l->n++] = mico_xstrdup(entry->d_name);
    }
    closedir(d);
    if (l->n > 0)
        qsort(l->name, l->n, sizeof *l->name, by_version);
    drop_packed_twins(l);
    return MICO_OK;
}

static void free_listing(listing *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->name[i]);
    free(l->name);
}

/* Whether a name without its ".gz" fits a shell pattern, letter case ignored. */
static bool name_fits(const char *name, const char *pattern)
{
    char base[256];
    size_t n = base_length(name);

    if (n >= sizeof base)
        return false;
    memcpy(base, name, n);
    base[n] = '\0';
    return fnmatch(pattern, base, FNM_CASEFOLD) == 0;
}

/* The one file that fits; *out is NULL if there is none. */
static mico_status find_one(const listing *l, const char *pattern, const char **out,
                            mico_err *err)
{
    const char *found = NULL;

    for (size_t i = 0; i < l->n; i++) {
        if (!name_fits(l->name[i], pattern))
            continue;
        if (found != NULL)
            return mico_fail(err, MICO_EDATA,
                             "%s: both %s and %s could be %s: keep one, or name files",
                             l->dir, found, l->name[i], pattern);
        found = l->name[i];
    }
    *out = found;
    return MICO_OK;
}

/* ---- images and labels apart (IDX, npy) ----------------------------------------- */

typedef struct pair_form {
    const char *train_images, *train_labels, *test_images, *test_labels;
} pair_form;

static const pair_form pair_forms[] = {
    {"train-images*", "train-labels*", "t10k-images*", "t10k-labels*"},
    {"train-images*", "train-labels*", "test-images*", "test-labels*"},
    {"X_train.npy", "y_train.npy", "X_test.npy", "y_test.npy"},
};
#define N_PAIR_FORMS (sizeof pair_forms / sizeof pair_forms[0])

static mico_status load_pair(mico_data *out, const listing *l, const char *images,
                             const char *labels, const char *missing, bool *from_one,
                             mico_err *err)
{
    char *images_path, *labels_path;
    mico_status rc;

    if (images == NULL || labels == NULL)
        return mico_fail(err, MICO_EDATA, "%s: %s is there, but no file is %s", l->dir,
                         images != NULL ? images : labels, missing);
    images_path = join_path(l->dir, images);
    labels_path = join_path(l->dir, labels);
    rc = mico_pair_set(out, images_path, labels_path, from_one, err);
    free(images_path);
    free(labels_path);
    return rc;
}

static mico_status try_pairs(mico_dataset *out, const listing *l, const pair_form *form,
                             bool *found, bool *from_one, mico_err *err)
{
    const char *name[4];
    const char *const pattern[4] = {form->train_images, form->train_labels,
                                    form->test_images, form->test_labels};
    mico_status rc = MICO_OK;

    for (size_t i = 0; rc == MICO_OK && i < 4; i++)
        rc = find_one(l, pattern[i], &name[i], err);
    if (rc != MICO_OK)
        return rc;
    *found = name[2] != NULL || name[3] != NULL;
    if (!*found)
        return MICO_OK;
    rc = load_pair(&out->test, l, name[2], name[3], pattern[name[2] != NULL ? 3 : 2],
                   from_one, err);
    if (rc == MICO_OK && (name[0] != NULL || name[1] != NULL)) {
        rc = load_pair(&out->train, l, name[0], name[1],
                       pattern[name[0] != NULL ? 1 : 0], from_one, err);
    }
    return rc;
}

/* ---- CIFAR ---------------------------------------------------------------------- */

static mico_status load_batches(mico_data *out, const listing *l, const char *pattern,
                                size_t label_bytes, mico_err *err)
{
    mico_status rc = MICO_OK;

    for (size_t i = 0; rc == MICO_OK && i < l->n; i++) {
        uint8_t *bytes;
        char *path;
        size_t n;

        if (!name_fits(l->name[i], pattern))
            continue;
        path = join_path(l->dir, l->name[i]);
        rc = mico_file_read(&bytes, &n, path, MICO_DATA_LIMIT_BYTES, err);
        if (rc == MICO_OK) {
            rc = mico_cifar_append(out, bytes, n, label_bytes, err);
            if (rc != MICO_OK)
                mico_err_prefix(err, "%s", path);
            free(bytes);
        }
        free(path);
    }
    return rc;
}

static mico_status try_cifar(mico_dataset *out, const listing *l, const char *test,
                             const char *train, size_t label_bytes, bool *found,
                             mico_err *err)
{
    const char *name;
    mico_status rc = find_one(l, test, &name, err);

    *found = rc == MICO_OK && name != NULL;
    if (!*found)
        return rc;
    rc = load_batches(&out->test, l, test, label_bytes, err);
    return rc == MICO_OK ? load_batches(&out->train, l, train, label_bytes, err) : rc;
}

/* ---- text ----------------------------------------------------------------------- */

static mico_status load_table(mico_table *out, const listing *l, const char *name,
                              mico_err *err)
{
    char *path = join_path(l->dir, name);
    uint8_t *bytes;
    size_t n;
    mico_status rc = mico_file_read(&bytes, &n, path, MICO_DATA_LIMIT_BYTES, err);

    if (rc == MICO_OK) {
        rc = mico_csv_read(out, bytes, n, err);
        if (rc != MICO_OK)
            mico_err_prefix(err, "%s", path);
        free(bytes);
    }
    free(path);
    return rc;
}

static mico_status try_text(mico_dataset *out, const listing *l, bool *found,
                            mico_err *err)
{
    mico_table train = {0}, test = {0};
    const char *train_name = NULL, *test_name = NULL;
    mico_status rc = find_one(l, "*.tes", &test_name, err);

    *found = rc == MICO_OK && test_name != NULL;
    if (!*found)
        return rc;
    rc = find_one(l, "*.tra", &train_name, err);
    if (rc == MICO_OK)
        rc = load_table(&test, l, test_name, err);
    if (rc == MICO_OK && train_name != NULL)
        rc = load_table(&train, l, train_name, err);
    if (rc == MICO_OK && (rc = mico_table_sets(out, &train, &test, err)) != MICO_OK)
        mico_err_prefix(err, "%s", l->dir);
    mico_table_clear(&train);
    mico_table_clear(&test);
    return rc;
}

mico_status mico_folder_sets(mico_dataset *out, const char *path, bool *from_one,
                             mico_err *err)
{
    listing l;
    bool found = false;
    mico_status rc = list_folder(&l, path, err);

    for (size_t i = 0; rc == MICO_OK && !found && i < N_PAIR_FORMS; i++)
        rc = try_pairs(out, &l, &pair_forms[i], &found, from_one, err);
    if (rc == MICO_OK && !found)
        rc = try_cifar(out, &l, "test_batch.bin", "data_batch_*.bin", 1, &found, err);
    if (rc == MICO_OK && !found)
        rc = try_cifar(out, &l, "test.bin", "train.bin", 2, &found, err);
    if (rc == MICO_OK && !found) {
        rc = try_text(out, &l, &found, err);
        *from_one = true;
    }
    if (rc == MICO_OK && !found)
        rc = mico_fail(
            err, MICO_EDATA,
            "no data set in %s: looked for t10k-images* and t10k-labels* or "
            "test-images* and test-labels* (IDX), X_test.npy and y_test.npy, "
            "test_batch.bin (CIFAR-10), test.bin (CIFAR-100) and *.tes (text), "
            "each also with .gz",
            path);
    free_listing(&l);
    return rc;
}
