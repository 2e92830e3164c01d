/* Transforms of raw images: 2x2 mean, zero padding, flattening. */
#include "data/data_internal.h"

#include "core/mem.h"
#include "core/text.h"

#include <stdlib.h>
#include <string.h>

#define PAD_MAX 1024

/* What mean2 and pad ask for: u8 maps. */
static mico_status check_maps(const mico_data *data, const char *name, mico_err *err)
{
    char shape[48];

    if (data->type != MICO_RAW_U8)
        return mico_fail(err, MICO_EDATA,
                         "transform %s: is for u8 images, these are %s", name,
                         mico_raw_text(data->type));
    mico_shape_print(&data->shape, shape);
    if (data->shape.rank != 3)
        return mico_fail(err, MICO_EDATA,
                         "transform %s: is for images CxHxW, these are %s", name,
                         shape);
    return MICO_OK;
}

static void replace_raw(mico_data *data, void *raw, size_t h, size_t w)
{
    mico_data_replace(data, raw);
    data->shape.dim[1] = h;
    data->shape.dim[2] = w;
}

static mico_status mean2(mico_data *data, mico_err *err)
{
    size_t h = data->shape.dim[1], w = data->shape.dim[2];
    size_t maps = data->n * data->shape.dim[0];
    void *raw;
    mico_status rc;

    if (h % 2 != 0 || w % 2 != 0)
        return mico_fail(err, MICO_EDATA,
                         "transform mean2: images of %zux%zu do not halve evenly", h,
                         w);
    rc = mico_try_array(&raw, maps, h / 2 * (w / 2), MICO_DATA_LIMIT_BYTES, "images",
                        err);
    if (rc != MICO_OK)
        return rc;
    for (size_t y = 0; y < maps * (h / 2); y++) {
        const uint8_t *top = (const uint8_t *)data->raw + 2 * y * w, *bottom = top + w;
        uint8_t *to = (uint8_t *)raw + y * (w / 2);

        for (size_t x = 0; x < w / 2; x++)
            to[x] = (uint8_t)((top[2 * x] + top[2 * x + 1] + bottom[2 * x] +
                               bottom[2 * x + 1] + 2) >>
                              2);
    }
    replace_raw(data, raw, h / 2, w / 2);
    return MICO_OK;
}

static mico_status pad(mico_data *data, size_t border, mico_err *err)
{
    size_t h = data->shape.dim[1], w = data->shape.dim[2];
    size_t to_h = h + 2 * border, to_w = w + 2 * border;
    size_t maps = data->n * data->shape.dim[0];
    void *raw;
    mico_status rc;

    if (to_w > MICO_DATA_LIMIT_BYTES / to_h)
        return mico_fail(err, MICO_ELIMIT, "transform pad: images become too large");
    rc = mico_try_array(&raw, maps, to_h * to_w, MICO_DATA_LIMIT_BYTES, "images", err);
    if (rc != MICO_OK)
        return rc;
    for (size_t m = 0; m < maps; m++) {
        for (size_t y = 0; y < h; y++)
            memcpy((uint8_t *)raw + (m * to_h + y + border) * to_w + border,
                   (const uint8_t *)data->raw + (m * h + y) * w, w);
    }
    replace_raw(data, raw, to_h, to_w);
    return MICO_OK;
}

static mico_status apply(mico_data *data, const char *name, mico_err *err)
{
    static const char *const names[] = {"mean2", "pad1", "flat"};
    size_t near;
    int64_t border;
    mico_status rc;

    if (strcmp(name, "flat") == 0) {
        data->shape = (mico_shape){1, {mico_shape_count(&data->shape)}};
        return MICO_OK;
    }
    if (strcmp(name, "mean2") == 0) {
        rc = check_maps(data, name, err);
        return rc == MICO_OK ? mean2(data, err) : rc;
    }
    if (strncmp(name, "pad", 3) == 0 && name[3] >= '0' && name[3] <= '9' &&
        mico_text_int(name + 3, &border)) {
        if (border > PAD_MAX)
            return mico_fail(err, MICO_EDATA, "transform %s: at most pad%d", name,
                             PAD_MAX);
        rc = check_maps(data, name, err);
        return rc == MICO_OK ? pad(data, (size_t)border, err) : rc;
    }
    mico_fail(err, MICO_EDATA, "transform \"%s\" is unknown: mean2, padN and flat are",
              name);
    near = mico_text_nearest(name, names, 3);
    if (near < 3)
        mico_err_append(err, "; did you mean %s?", names[near]);
    return MICO_EDATA;
}

mico_status mico_data_transform(mico_data *data, const char *transform, mico_err *err)
{
    const char *rest = transform;
    char name[32];
    mico_status rc = MICO_OK;

    while (rc == MICO_OK && mico_text_next(&rest, ',', name, sizeof name))
        rc = apply(data, name, err);
    return rc;
}
