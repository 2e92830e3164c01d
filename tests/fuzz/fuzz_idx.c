/* Fuzz target: the IDX reader. */
#include "data/data.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    mico_array a = {0};
    mico_err err;

    if (mico_idx_read(&a, bytes, n, &err) == MICO_OK && a.values == NULL)
        abort();
    free(a.values);
    return 0;
}
