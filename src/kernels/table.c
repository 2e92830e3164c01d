/* table.c: the table of kernels and the choice among them. */
#include "kernels/kernels_internal.h"

const mico_kernel *const mico_kernels[] = {
#if MICO_KERNELS_X86
    &mico_kernel_conv_direct_avx512vnni,
    &mico_kernel_conv_depthwise_avx512vnni,
    &mico_kernel_linear_avx512vnni,
    &mico_kernel_add_avx512vnni,
    &mico_kernel_concat_avx512vnni,
    &mico_kernel_maxpool_avx512vnni,
    &mico_kernel_avgpool_avx512vnni,
    &mico_kernel_clamp_avx512vnni,
    &mico_kernel_requant_avx512vnni,
#endif
    &mico_kernel_conv_c,
    &mico_kernel_linear_c,
    &mico_kernel_add_c,
    &mico_kernel_concat_c,
    &mico_kernel_maxpool_c,
    &mico_kernel_avgpool_c,
    &mico_kernel_clamp_c,
    &mico_kernel_requant_c,
    &mico_kernel_flatten_c,
    &mico_kernel_reshape_c,
    &mico_kernel_pad_c,
    &mico_kernel_slice_c,
    &mico_kernel_transpose_c,
};
const size_t mico_n_kernels = sizeof mico_kernels / sizeof *mico_kernels;

bool mico_isa_here(const char *isa)
{
    if (strcmp(isa, "c") == 0)
        return true;
#if MICO_KERNELS_X86
    if (strcmp(isa, "avx512vnni") == 0)
        return __builtin_cpu_supports("avx512f") &&
               __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512vnni");
#endif
    return false;
}

const mico_kernel *mico_kernel_find(const mico_plan *plan, const mico_op *op,
                                    const char *only_isa)
{
    for (size_t k = 0; k < mico_n_kernels; k++) {
        const mico_kernel *kernel = mico_kernels[k];

        if (only_isa != NULL && strcmp(kernel->isa, only_isa) != 0 &&
            strcmp(kernel->isa, "c") != 0)
            continue;
        if (mico_isa_here(kernel->isa) && kernel->supports(plan, op))
            return kernel;
    }
    return NULL;
}
