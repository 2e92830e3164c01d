/* Subsets of a data set that calibrate, guide the search and are reported. */
#include "data/data_internal.h"

#include "core/text.h"

#include <stdio.h>
#include <string.h>

#define CALIBRATION_MAX ((size_t)512)
#define SEARCH_MAX      ((size_t)10000)

static bool is_auto(const char *text)
{
    return text == NULL || strcmp(text, "auto") == 0;
}

static size_t split_end(const mico_split *split)
{
    return split->first + split->count;
}

/* Digits only: no sign, no blanks. */
static bool take_index(const char **text, size_t *out)
{
    size_t v = 0;
    const char *p = *text;

    for (; *p >= '0' && *p <= '9'; p++) {
        size_t digit = (size_t)(*p - '0');

        if (v > (SIZE_MAX - digit) / 10)
            return false;
        v = 10 * v + digit;
    }
    if (p == *text)
        return false;
    *text = p;
    *out = v;
    return true;
}

static mico_status parse_range(mico_split *split, const char *text, const char *name,
                               const char *use, mico_err *err)
{
    const char *p = text;
    size_t first, last;

    if (!take_index(&p, &first) || *p++ != '-' || !take_index(&p, &last) || *p != '\0')
        return mico_fail(err, MICO_EDATA,
                         "%s \"%s:%s\": a range is FIRST-LAST, as in %s:0-511", use,
                         name, text, name);
    if (last < first)
        return mico_fail(err, MICO_EDATA,
                         "%s \"%s:%s\": the last image is before the first", use, name,
                         text);
    if (last >= split->data->n)
        return mico_fail(err, MICO_EDATA,
                         "%s \"%s:%s\": the set has %zu images, 0 to %zu", use, name,
                         text, split->data->n, split->data->n - 1);
    split->first = first;
    split->count = last - first + 1;
    return MICO_OK;
}

mico_status mico_split_parse(mico_split *out, const mico_dataset *data,
                             const char *text, const char *use, mico_err *err)
{
    const char *colon = strchr(text, ':');
    size_t n = colon != NULL ? (size_t)(colon - text) : strlen(text);
    mico_split split = {0};
    mico_status rc = MICO_OK;
    const char *name;

    if (n == 5 && strncmp(text, "train", n) == 0)
        split.data = &data->train;
    else if (n == 4 && strncmp(text, "test", n) == 0)
        split.data = &data->test;
    else
        return mico_fail(err, MICO_EDATA,
                         "%s \"%s\": give auto, train or test, the latter two with an "
                         "optional range (train:0-511)",
                         use, text);
    name = split.data == &data->train ? "train" : "test";
    if (split.data->n == 0)
        return mico_fail(err, MICO_EDATA, "%s \"%s\": the data set has no %s images",
                         use, text, split.data == &data->train ? "training" : "test");
    split.count = split.data->n;
    if (colon != NULL)
        rc = parse_range(&split, colon + 1, name, use, err);
    if (rc == MICO_OK)
        *out = split;
    return rc;
}

static mico_split auto_calibration(const mico_dataset *data)
{
    bool train = data->train.n > 0;
    mico_split split = {.data = train ? &data->train : &data->test};
    size_t part = split.data->n / (train ? 2 : 8);

    split.count = part < CALIBRATION_MAX ? part : CALIBRATION_MAX;
    split.count = split.count > 0 ? split.count : 1;
    return split;
}

/* The images of `data` behind those of split (all if it lies in the other set). */
static mico_split after_split(const mico_data *data, const mico_split *split)
{
    mico_split rest = {.data = data};

    if (split->data == data)
        rest.first = split_end(split);
    rest.count = data->n - rest.first;
    return rest;
}

static mico_split auto_search(const mico_dataset *data, const mico_split *calibration)
{
    mico_split split;

    if (data->train.n > 0) {
        split = after_split(&data->train, calibration);
        /* calibration was put at the end: what stands before it is free */
        if (split.count == 0)
            split = (mico_split){&data->train, 0, calibration->first};
        split.count = split.count < SEARCH_MAX ? split.count : SEARCH_MAX;
    } else {
        split = after_split(&data->test, calibration);
        split.count /= 2;
    }
    return split;
}

static mico_split auto_final(const mico_dataset *data, const mico_splits *s)
{
    mico_split split = {.data = &data->test, .count = data->test.n}, behind;

    if (data->train.n > 0)
        return split;
    split = after_split(&data->test, &s->calibration);
    behind = after_split(&data->test, &s->search);
    return behind.first > split.first ? behind : split;
}

static mico_status check_apart(const mico_dataset *data, const mico_split *a,
                               const char *use_a, const mico_split *b,
                               const char *use_b, mico_err *err)
{
    char text_a[64], text_b[64];

    if (a->data != b->data || split_end(a) <= b->first || split_end(b) <= a->first)
        return MICO_OK;
    mico_split_print(data, a, text_a);
    mico_split_print(data, b, text_b);
    return mico_fail(
        err, MICO_EDATA,
        "%s images (%s) and %s images (%s) overlap: give ranges that do not", use_a,
        text_a, use_b, text_b);
}

static mico_status check_filled(const mico_dataset *data, const mico_split *split,
                                const char *use, mico_err *err)
{
    const char *name = split->data == &data->train ? "training" : "test";

    if (split->count > 0)
        return MICO_OK;
    return mico_fail(
        err, MICO_EDATA,
        "no %s images are left: the %s set has %zu images; give a range for "
        "each use",
        use, name, split->data->n);
}

mico_status mico_splits_resolve(mico_splits *out, const mico_dataset *data,
                                const char *calibration, const char *search,
                                const char *final, mico_err *err)
{
    static const char *const use[3] = {"calibration", "search", "final"};
    const char *const text[3] = {calibration, search, final};
    mico_splits made = {0};
    mico_split *const split[3] = {&made.calibration, &made.search, &made.final};
    mico_status rc = MICO_OK;

    for (size_t i = 0; rc == MICO_OK && i < 3; i++) {
        if (!is_auto(text[i]))
            rc = mico_split_parse(split[i], data, text[i], use[i], err);
    }
    if (rc != MICO_OK)
        return rc;
    if (is_auto(calibration))
        made.calibration = auto_calibration(data);
    if (is_auto(search))
        made.search = auto_search(data, &made.calibration);
    if (is_auto(final))
        made.final = auto_final(data, &made);
    for (size_t i = 0; rc == MICO_OK && i < 3; i++)
        rc = check_filled(data, split[i], use[i], err);
    for (size_t i = 0; rc == MICO_OK && i < 3; i++)
        rc = check_apart(data, split[i], use[i], split[(i + 1) % 3], use[(i + 1) % 3],
                         err);
    if (rc == MICO_OK)
        *out = made;
    return rc;
}

void mico_split_print(const mico_dataset *data, const mico_split *split, char out[64])
{
    const char *name = split->data == &data->train ? "train" : "test";

    if (split->count == 0)
        snprintf(out, 64, "%s: none", name);
    else
        snprintf(out, 64, "%s:%zu-%zu", name, split->first, split_end(split) - 1);
}

/* The dimensions above 1 of a shape: what is left of it once layouts do not matter. */
static mico_shape squeeze(const mico_shape *shape)
{
    mico_shape s = {0};

    for (size_t i = 0; i < shape->rank; i++) {
        if (shape->dim[i] != 1)
            s.dim[s.rank++] = shape->dim[i];
    }
    return s;
}

/* As many elements are not enough: 32x32x3 images would run through a network of
 * 3x32x32 and give wrong answers quietly. A flat side takes anything. */
static bool same_layout(const mico_shape *a, const mico_shape *b)
{
    mico_shape x = squeeze(a), y = squeeze(b);

    return x.rank <= 1 || y.rank <= 1 ||
           (x.rank == y.rank && memcmp(x.dim, y.dim, sizeof x.dim) == 0);
}

mico_status mico_data_fits(const mico_data *data, const mico_net *net, mico_err *err)
{
    const mico_shape *in = &net->tensor[net->input].shape;
    size_t outputs = mico_shape_count(&net->tensor[net->output].shape);
    char ours[48], theirs[48];

    mico_shape_print(&data->shape, ours);
    mico_shape_print(in, theirs);
    if (mico_shape_count(&data->shape) != mico_shape_count(in))
        return mico_fail(err, MICO_EDATA,
                         "images of %s do not fit network %s, which takes %s", ours,
                         net->name, theirs);
    if (!same_layout(&data->shape, in))
        return mico_fail(
            err, MICO_EDATA,
            "images of %s do not fit network %s, which takes %s: store the "
            "images in that order, channels first",
            ours, net->name, theirs);
    if (data->n_classes > outputs)
        return mico_fail(
            err, MICO_EDATA,
            "labels up to %zu do not fit network %s, which has %zu outputs",
            data->n_classes - 1, net->name, outputs);
    return MICO_OK;
}
