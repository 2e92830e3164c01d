/* table.c: the table of kernels and the choice among them. */
#include "kernels/kernels_internal.h"

#if MICO_KERNELS_X86
#include <cpuid.h>
#endif

const mico_kernel *const mico_kernels[] = {
#if MICO_KERNELS_X86
    &mico_kernel_add_tflite_avx512,
    &mico_kernel_add_ares_avx512,
    &mico_kernel_conv_depthwise_avx512vnni,
    &mico_kernel_conv_direct_avx512vnni,
    &mico_kernel_linear_avx512vnni,
    &mico_kernel_add_avx512vnni,
    &mico_kernel_concat_avx512vbmi,
    &mico_kernel_requant_avx512vbmi,
    &mico_kernel_concat_avx512vnni,
    &mico_kernel_maxpool_avx512vnni,
    &mico_kernel_avgpool_avx512vnni,
    &mico_kernel_clamp_avx512vnni,
    &mico_kernel_requant_avx512vnni,
    &mico_kernel_conv_bits_avx512vpopcnt,
    &mico_kernel_linear_bits_avx512vpopcnt,
    &mico_kernel_conv_float_avx512vnni,
    &mico_kernel_conv_depthwise_float_avx512vnni,
    &mico_kernel_linear_float_avx512vnni,
    &mico_kernel_add_float_avx512vnni,
    &mico_kernel_clamp_float_avx512vnni,
    &mico_kernel_pool_float_avx512vnni,
    &mico_kernel_conv_depthwise_avxvnni,
    &mico_kernel_conv_direct_avxvnni,
    &mico_kernel_linear_avxvnni,
    &mico_kernel_conv_depthwise_avx2,
    &mico_kernel_conv_direct_avx2,
    &mico_kernel_linear_avx2,
    &mico_kernel_add_avx2,
    &mico_kernel_concat_avx2,
    &mico_kernel_maxpool_avx2,
    &mico_kernel_avgpool_avx2,
    &mico_kernel_clamp_avx2,
    &mico_kernel_requant_avx2,
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
    &mico_kernel_conv_round_c,
    &mico_kernel_linear_round_c,
    &mico_kernel_add_ares_c,
    &mico_kernel_concat_ares_c,
    &mico_kernel_avgpool_ares_c,
    &mico_kernel_requant_ares_c,
    &mico_kernel_add_tflite_c,
    &mico_kernel_avgpool_tflite_c,
    &mico_kernel_conv_float_c,
    &mico_kernel_linear_float_c,
    &mico_kernel_add_float_c,
    &mico_kernel_concat_float_c,
    &mico_kernel_maxpool_float_c,
    &mico_kernel_avgpool_float_c,
    &mico_kernel_clamp_float_c,
};
const size_t mico_n_kernels = sizeof mico_kernels / sizeof *mico_kernels;

#if MICO_KERNELS_X86
/* Of this CPU; compilers of Debian 12 cannot all ask for it. */
static bool has_avxvnni(void)
{
    unsigned a, b, c, d;

    return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & 1u << 4) != 0;
}
#endif

bool mico_isa_here(const char *isa)
{
    if (strcmp(isa, "c") == 0)
        return true;
#if MICO_KERNELS_X86
    if (strcmp(isa, "avxvnni") == 0)
        return mico_isa_here("avx2") && has_avxvnni();
    if (strcmp(isa, "avx2") == 0)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (strcmp(isa, "avx512vbmi") == 0)
        return mico_isa_here("avx512vnni") && __builtin_cpu_supports("avx512vbmi");
    if (strcmp(isa, "avx512vpopcnt") == 0)
        return mico_isa_here("avx512vnni") && __builtin_cpu_supports("avx512vpopcntdq");
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
