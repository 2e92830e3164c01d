/* IDX, the format of the MNIST files: big-endian, the type and rank in the magic. */
#include "data/data_internal.h"

#define IDX_MAX_RANK 4

static const struct {
    uint8_t code;
    char kind;
    uint8_t elem_bytes;
} idx_types[] = {
    {0x08, 'u', 1}, {0x09, 'i', 1}, {0x0b, 'i', 2},
    {0x0c, 'i', 4}, {0x0d, 'f', 4}, {0x0e, 'f', 8},
};

static size_t get_be32(const uint8_t *p)
{
    return (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
}

mico_status mico_idx_view(mico_array *out, const uint8_t *bytes, size_t n, bool *viewed,
                          mico_err *err)
{
    mico_array made = {0};
    mico_status rc;

    if (n < 4)
        return mico_fail(err, MICO_EFORMAT, "%zu bytes: too short for an IDX file", n);
    if (bytes[0] != 0 || bytes[1] != 0)
        return mico_fail(err, MICO_EFORMAT,
                         "not an IDX file: begins with %02x %02x instead of 00 00",
                         bytes[0], bytes[1]);
    for (size_t i = 0; i < sizeof idx_types / sizeof idx_types[0]; i++) {
        if (idx_types[i].code == bytes[2]) {
            made.kind = idx_types[i].kind;
            made.elem_bytes = idx_types[i].elem_bytes;
        }
    }
    if (made.elem_bytes == 0)
        return mico_fail(err, MICO_EFORMAT, "IDX type code 0x%02x is unknown",
                         bytes[2]);
    made.rank = bytes[3];
    if (made.rank < 1 || made.rank > IDX_MAX_RANK)
        return mico_fail(err, MICO_EUNSUP,
                         "IDX array of %zu dimensions: 1 to %d are read", made.rank,
                         IDX_MAX_RANK);
    if (n < 4 + 4 * made.rank)
        return mico_fail(err, MICO_EFORMAT,
                         "IDX header ends too early: %zu of %zu bytes", n,
                         4 + 4 * made.rank);
    for (size_t i = 0; i < made.rank; i++)
        made.dim[i] = get_be32(bytes + 4 + 4 * i);
    rc = mico_array_fill(&made, bytes + 4 + 4 * made.rank, n - 4 - 4 * made.rank, true,
                         viewed, err);
    if (rc == MICO_OK)
        *out = made;
    return rc;
}

mico_status mico_idx_read(mico_array *out, const uint8_t *bytes, size_t n,
                          mico_err *err)
{
    return mico_idx_view(out, bytes, n, NULL, err);
}
