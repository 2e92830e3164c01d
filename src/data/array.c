/* Arrays read from files, and what becomes of them: images and labels. */
#include "data/data_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HOST_BIG_ENDIAN (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)

void mico_array_clear(mico_array *array)
{
    if (array->map.base == NULL)
        free(array->values);
    mico_map_free(&array->map);
    *array = (mico_array){0};
}

bool mico_array_count(const mico_array *array, size_t *out)
{
    size_t count = 1;

    for (size_t i = 0; i < array->rank; i++) {
        if (array->dim[i] != 0 && count > SIZE_MAX / array->dim[i])
            return false;
        count *= array->dim[i];
    }
    *out = count;
    return true;
}

void mico_array_print(const mico_array *array, char out[160])
{
    size_t used =
        (size_t)snprintf(out, 160, "%c%zu ", array->kind, 8 * array->elem_bytes);

    for (size_t i = 0; i < array->rank; i++)
        used += (size_t)snprintf(out + used, 160 - used, "%s%zu", i > 0 ? "x" : "",
                                 array->dim[i]);
}

static void copy_swapped(uint8_t *to, const uint8_t *from, size_t n, size_t elem_bytes)
{
    for (size_t i = 0; i < n; i += elem_bytes) {
        for (size_t b = 0; b < elem_bytes; b++)
            to[i + b] = from[i + elem_bytes - 1 - b];
    }
}

mico_status mico_array_alloc(mico_array *array, size_t count, mico_err *err)
{
    if (count >= MICO_DATA_SPILL_BYTES / array->elem_bytes &&
        count <= MICO_DATA_LIMIT_BYTES / array->elem_bytes &&
        mico_map_spill(&array->map, count * array->elem_bytes, err) == MICO_OK) {
        array->values = array->map.base;
        return MICO_OK;
    }
    return mico_try_array(&array->values, count, array->elem_bytes,
                          MICO_DATA_LIMIT_BYTES, "array", err);
}

/* Whether the bytes are the values, as they lie. */
static bool can_view(const mico_array *array, const uint8_t *bytes, bool big_endian)
{
    return (big_endian == HOST_BIG_ENDIAN || array->elem_bytes == 1) &&
           (uintptr_t)bytes % array->elem_bytes == 0;
}

mico_status mico_array_fill(mico_array *array, const uint8_t *bytes, size_t n,
                            bool big_endian, bool *viewed, mico_err *err)
{
    size_t count;
    char text[160];
    mico_status rc;

    mico_array_print(array, text);
    if (!mico_array_count(array, &count) || count > SIZE_MAX / array->elem_bytes ||
        count * array->elem_bytes > n)
        return mico_fail(err, MICO_EFORMAT,
                         "values end too early: %s declared, %zu bytes there", text, n);
    if (count * array->elem_bytes < n)
        return mico_fail(err, MICO_EFORMAT, "%zu bytes too many after values %s",
                         n - count * array->elem_bytes, text);
    if (viewed != NULL && can_view(array, bytes, big_endian)) {
        *viewed = true;
        array->values = (void *)(uintptr_t)bytes; /* only read */
        return MICO_OK;
    }
    rc = mico_array_alloc(array, count, err);
    if (rc != MICO_OK)
        return rc;
    if (big_endian != HOST_BIG_ENDIAN && array->elem_bytes > 1)
        copy_swapped(array->values, bytes, n, array->elem_bytes);
    else if (n > 0)
        memcpy(array->values, bytes, n);
    return MICO_OK;
}

/* IEEE 754 binary16. */
static double half_value(uint16_t bits)
{
    int exponent = (bits >> 10) & 31, mantissa = bits & 1023;
    double v;

    if (exponent == 31)
        v = mantissa != 0 ? (double)NAN : (double)INFINITY;
    else if (exponent == 0)
        v = ldexp(mantissa, -24);
    else
        v = ldexp(mantissa + 1024, exponent - 25);
    return (bits & 0x8000) != 0 ? -v : v;
}

/* Integers beyond 2^53 are rounded: they are out of every range that is asked for. */
static double array_value(const mico_array *array, size_t i)
{
    const void *p = array->values;

    switch (array->kind) {
    case 'u':
        return array->elem_bytes == 1   ? ((const uint8_t *)p)[i]
               : array->elem_bytes == 2 ? ((const uint16_t *)p)[i]
               : array->elem_bytes == 4 ? ((const uint32_t *)p)[i]
                                        : (double)((const uint64_t *)p)[i];
    case 'i':
        return array->elem_bytes == 1   ? ((const int8_t *)p)[i]
               : array->elem_bytes == 2 ? ((const int16_t *)p)[i]
               : array->elem_bytes == 4 ? ((const int32_t *)p)[i]
                                        : (double)((const int64_t *)p)[i];
    default:
        return array->elem_bytes == 2   ? half_value(((const uint16_t *)p)[i])
               : array->elem_bytes == 4 ? (double)((const float *)p)[i]
                                        : ((const double *)p)[i];
    }
}

size_t mico_raw_bytes(mico_raw_type type)
{
    return type == MICO_RAW_F32 ? sizeof(float) : 1;
}

const char *mico_raw_text(mico_raw_type type)
{
    return type == MICO_RAW_U8 ? "u8" : type == MICO_RAW_S8 ? "s8" : "f32";
}

void mico_data_replace(mico_data *data, void *raw)
{
    if (data->map.base == NULL)
        free(data->raw);
    mico_map_free(&data->map);
    data->raw = raw;
}

void mico_data_clear(mico_data *data)
{
    mico_data_replace(data, NULL);
    free(data->label);
    *data = (mico_data){0};
}

/* (n,K) -> {K}; (n,H,W) -> {1,H,W}; (n,C,H,W) -> {C,H,W} */
static mico_status image_shape(const mico_array *images, mico_shape *out, mico_err *err)
{
    char text[160];
    size_t rank = images->rank;

    mico_array_print(images, text);
    if (rank < 2 || rank > 4)
        return mico_fail(
            err, MICO_EDATA,
            "images are %s: 2 to 4 dimensions are needed, the first counting "
            "the images",
            text);
    for (size_t i = 0; i < rank; i++) {
        if (images->dim[i] == 0)
            return mico_fail(err, MICO_EDATA, "no images: the array is %s", text);
    }
    *out = (mico_shape){.rank = rank == 2 ? 1 : 3, .dim = {1, 1, 1}};
    for (size_t i = 1; i < rank; i++)
        out->dim[out->rank - rank + i] = images->dim[i];
    return MICO_OK;
}

mico_status mico_data_check_finite(const mico_data *data, mico_err *err)
{
    size_t per_image = mico_shape_count(&data->shape);
    const float *v = data->raw;

    if (data->type != MICO_RAW_F32)
        return MICO_OK;
    for (size_t i = 0; i < data->n * per_image; i++) {
        if (!isfinite(v[i]))
            return mico_fail(err, MICO_EDATA,
                             "image %zu: value %zu is not a finite f32 number",
                             i / per_image, i % per_image);
    }
    return MICO_OK;
}

static mico_status images_to_f32(mico_array *images, mico_err *err)
{
    size_t count;
    void *values;
    mico_status rc;

    if (!mico_array_count(images, &count))
        return mico_fail(err, MICO_ELIMIT, "images: too many values");
    rc = mico_try_array(&values, count, sizeof(float), MICO_DATA_LIMIT_BYTES, "images",
                        err);
    if (rc != MICO_OK)
        return rc;
    for (size_t i = 0; i < count; i++) {
        double v = array_value(images, i);

        /* a double above FLT_MAX has no float value (C11 6.3.1.5): keep it non-finite
         */
        ((float *)values)[i] = fabs(v) <= 0x1.fffffep127 ? (float)v : NAN;
    }
    if (images->map.base == NULL)
        free(images->values);
    mico_map_free(&images->map);
    images->values = values;
    images->elem_bytes = sizeof(float);
    return MICO_OK;
}

mico_status mico_data_take_images(mico_data *data, mico_array *images, mico_err *err)
{
    mico_data made = {.n = images->dim[0]};
    mico_status rc = image_shape(images, &made.shape, err);

    if (rc != MICO_OK)
        return rc;
    if (images->kind == 'f') {
        made.type = MICO_RAW_F32;
        if (images->elem_bytes != sizeof(float))
            rc = images_to_f32(images, err);
    } else if (images->elem_bytes == 1) {
        made.type = images->kind == 'u' ? MICO_RAW_U8 : MICO_RAW_S8;
    } else {
        rc = mico_fail(err, MICO_EUNSUP,
                       "images of type %c%zu: store them as u8, i8 or floating point",
                       images->kind, 8 * images->elem_bytes);
    }
    made.raw = images->values;
    if (rc == MICO_OK)
        rc = mico_data_check_finite(&made, err);
    if (rc != MICO_OK)
        return rc;
    made.map = images->map;
    images->values = NULL;
    images->map = (mico_map){0};
    *data = made;
    return MICO_OK;
}

mico_status mico_data_take_labels(mico_data *data, const mico_array *labels,
                                  mico_err *err)
{
    void *label;
    char text[160];
    mico_status rc;

    mico_array_print(labels, text);
    if (labels->rank != 1 && !(labels->rank == 2 && labels->dim[1] == 1))
        return mico_fail(err, MICO_EDATA, "labels are %s: one dimension is needed",
                         text);
    if (labels->dim[0] != data->n)
        return mico_fail(err, MICO_EDATA, "%zu labels for %zu images", labels->dim[0],
                         data->n);
    rc = mico_try_array(&label, data->n, sizeof(uint16_t), MICO_DATA_LIMIT_BYTES,
                        "labels", err);
    if (rc != MICO_OK)
        return rc;
    for (size_t i = 0; i < data->n; i++) {
        double v = array_value(labels, i);

        if (!(v >= 0 && v <= MICO_LABEL_MAX && v == floor(v))) {
            free(label);
            return mico_fail(err, MICO_EDATA,
                             "label %zu is %.17g: labels are whole numbers 0 to %d", i,
                             v, MICO_LABEL_MAX);
        }
        ((uint16_t *)label)[i] = (uint16_t)v;
    }
    free(data->label);
    data->label = label;
    return MICO_OK;
}
