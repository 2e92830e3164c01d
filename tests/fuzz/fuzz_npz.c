/* Fuzz target: the npy reader (first byte even) and the npz reader (odd). */
#include "data/data.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    mico_array a = {0};
    mico_status rc;
    mico_err err;

    if (n == 0)
        return 0;
    rc = bytes[0] % 2 == 0 ? mico_npy_read(&a, bytes + 1, n - 1, &err)
                           : mico_npz_read(&a, bytes + 1, n - 1, "x", &err);
    if (rc == MICO_OK && a.values == NULL)
        abort();
    free(a.values);
    return 0;
}
