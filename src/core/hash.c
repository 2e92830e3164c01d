/* Digests, by libxxhash and zlib. */
#include "core/hash.h"

#include <xxhash.h>
#include <zlib.h>

uint64_t mico_hash(const void *bytes, size_t n, uint64_t seed)
{
    return XXH64(bytes, n, seed);
}

uint32_t mico_crc32(const void *bytes, size_t n)
{
    return (uint32_t)crc32_z(0, bytes, n);
}
