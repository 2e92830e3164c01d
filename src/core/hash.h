/* hash.h: 64-bit XXH64 digests (libxxhash) and CRC-32 (zlib) of byte strings.
 *
 * XXH64 is stable across machines and versions, so digests may be stored. */
#ifndef MICO_CORE_HASH_H
#define MICO_CORE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t mico_hash(const void *bytes, size_t n, uint64_t seed);

uint32_t mico_crc32(const void *bytes, size_t n);

#endif
