/* seal.h: a check sum behind the end of an HDF5 file, where HDF5 does not look.
 *
 * The HDF5 library trusts its input: flipped bytes can crash it. Files of ours
 * therefore end in 16 bytes, a mark and the XXH64 of all bytes before them, and readers
 * check them before the library sees the file. A program that opens the file for
 * writing cuts the seal off. */
#ifndef MICO_CORE_SEAL_H
#define MICO_CORE_SEAL_H

#include "core/pack.h"

#include <stddef.h>
#include <stdint.h>

#define MICO_SEAL_BYTES ((size_t)16)

typedef enum mico_seal {
    MICO_SEAL_NONE,
    MICO_SEAL_GOOD,
    MICO_SEAL_BROKEN,
} mico_seal;

/* Appends the seal of all bytes that the writer holds. */
void mico_seal_put(mico_writer *file);
mico_seal mico_seal_check(const uint8_t *bytes, size_t n);

#endif
