/* Digests, by libxxhash and zlib. */
#include "core/hash.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>
#include <zlib.h>

uint64_t mico_hash(const void *bytes, size_t n, uint64_t seed)
{
    return XXH64(bytes, n, seed);
}

mico_status mico_hash_file(uint64_t *out, const char *path, mico_err *err)
{
    unsigned char buf[1 << 16];
    XXH64_state_t *state;
    FILE *f = fopen(path, "rb");
    size_t n;
    int bad;

    if (f == NULL)
        return mico_fail(err, MICO_EIO, "%s: %s", path, strerror(errno));
    state = XXH64_createState();
    XXH64_reset(state, 0);
    while ((n = fread(buf, 1, sizeof buf, f)) > 0)
        XXH64_update(state, buf, n);
    *out = XXH64_digest(state);
    XXH64_freeState(state);
    bad = ferror(f);
    fclose(f);
    if (bad)
        return mico_fail(err, MICO_EIO, "%s: cannot read", path);
    return MICO_OK;
}

uint32_t mico_crc32(const void *bytes, size_t n)
{
    return (uint32_t)crc32_z(0, bytes, n);
}
