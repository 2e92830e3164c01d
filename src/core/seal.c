/* Seals of HDF5 files. */
#include "core/seal.h"

#include "core/hash.h"

#include <string.h>

static const char mark[8] = "MICOSEAL";

void mico_seal_put(mico_writer *file)
{
    uint64_t sum = mico_hash(file->bytes, file->len, 0);

    for (size_t i = 0; i < sizeof mark; i++)
        mico_put_u8(file, (uint8_t)mark[i]);
    mico_put_u64(file, sum);
}

mico_seal mico_seal_check(const uint8_t *bytes, size_t n)
{
    mico_reader r = {.bytes = bytes, .len = n};

    if (n < MICO_SEAL_BYTES ||
        memcmp(bytes + n - MICO_SEAL_BYTES, mark, sizeof mark) != 0)
        return MICO_SEAL_NONE;
    r.at = n - sizeof(uint64_t);
    return mico_get_u64(&r) == mico_hash(bytes, n - MICO_SEAL_BYTES, 0)
               ? MICO_SEAL_GOOD
               : MICO_SEAL_BROKEN;
}
