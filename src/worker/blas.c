/* The BLAS library under a limit on memory: it asks for its work buffer for ever where
 * there is no room, so room is checked and the buffer taken before anything else. */
#include "worker/worker.h"

#include "core/mem.h"

#include <cblas.h> /* openblas_set_num_threads */
#include <f77blas.h>
#include <stdlib.h>

/* OpenBLAS takes 129 MiB here; the matrices are too large for code without buffer. */
#define BUFFER_BYTES ((size_t)160 << 20)
#define SIDE         256

mico_status mico_worker_claim_blas(mico_err *err)
{
    blasint n = SIDE;
    float one = 1, zero = 0;
    void *probe = malloc(BUFFER_BYTES);
    float *zeros;

    if (probe == NULL)
        return mico_fail(err, MICO_ELIMIT,
                         "fp32 evaluation needs %zu MiB of addresses for the BLAS "
                         "library, beside the %.0f MiB in use",
                         BUFFER_BYTES >> 20, (double)mico_used_bytes() / 1048576.0);
    free(probe);
    zeros = mico_xcalloc((size_t)2 * SIDE * SIDE, sizeof *zeros);
    openblas_set_num_threads(1);
    sgemm_("N", "N", &n, &n, &n, &one, zeros, &n, zeros, &n, &zero, zeros + n * n, &n);
    free(zeros);
    return MICO_OK;
}
