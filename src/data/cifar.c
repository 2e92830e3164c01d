/* CIFAR-10 and CIFAR-100 binary batches: label bytes, then 3x32x32 pixels, per record.
 */
#include "data/data_internal.h"

#include <stdlib.h>
#include <string.h>

#define CIFAR_PIXELS ((size_t)3 * 32 * 32)

mico_status mico_cifar_append(mico_data *data, const uint8_t *bytes, size_t n,
                              size_t label_bytes, mico_err *err)
{
    const size_t record = label_bytes + CIFAR_PIXELS;
    const unsigned classes = label_bytes == 1 ? 10 : 100;
    size_t added = n / record, total = data->n + added;
    uint16_t *label;
    uint8_t *raw;

    if (n == 0 || n % record != 0)
        return mico_fail(err, MICO_EFORMAT,
                         "%zu bytes are not a whole number of %zu-byte CIFAR records",
                         n, record);
    if (total > MICO_DATA_LIMIT_BYTES / CIFAR_PIXELS)
        return mico_fail(err, MICO_ELIMIT, "more than %zu bytes of images",
                         MICO_DATA_LIMIT_BYTES);
    for (size_t i = 0; i < added; i++) {
        unsigned v = bytes[i * record + label_bytes - 1];

        if (v >= classes)
            return mico_fail(err, MICO_EDATA, "record %zu: label %u is not below %u", i,
                             v, classes);
    }
    raw = realloc(data->raw, total * CIFAR_PIXELS);
    if (raw != NULL)
        data->raw = raw;
    label = realloc(data->label, total * sizeof *label);
    if (label != NULL)
        data->label = label;
    if (raw == NULL || label == NULL)
        return mico_fail(err, MICO_ENOMEM, "no memory for %zu images", total);
    for (size_t i = 0; i < added; i++) {
        const uint8_t *p = bytes + i * record;

        label[data->n + i] = p[label_bytes - 1];
        memcpy(raw + (data->n + i) * CIFAR_PIXELS, p + label_bytes, CIFAR_PIXELS);
    }
    data->n = total;
    data->shape = (mico_shape){3, {3, 32, 32}};
    data->type = MICO_RAW_U8;
    return MICO_OK;
}
