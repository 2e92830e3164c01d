/* avx512_simple.c: add, concat, clamp and requant, 64 values at a time. */
#include "kernels/avx512_add.h"
#include "kernels/avx512_single.h"

#if MICO_KERNELS_X86

/* ---- add ----------------------------------------------------------------------- */

static bool add_supports(const mico_plan *plan, const mico_op *op)
{
    return mico_vec_add_ok(plan, op);
}

static MICO_AVX512 void add_run(const mico_call *call)
{
    const mico_vec_add k = mico_vec_add_of(call->plan, call->op);

    mico_vec_add_run(&k, call->in[0], call->in[1], call->out,
                     call->n_images * mico_op_output(call->plan, call->op)->bytes);
}

/* ---- requant and concat -------------------------------------------------------- */

/* Codes of 64 codes. The code of a signed q with its upper bit flipped is q as a byte.
 */
MICO_INLINE __m512i requant_64(__m512i codes, bool is_signed, __m512 scale,
                               const mico_single *e)
{
    const __m512i order =
        _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i v = _mm512_xor_si512(codes, is_signed ? _mm512_set1_epi8(-128)
                                                        : _mm512_setzero_si512());
    const __m128i part[4] = {_mm512_castsi512_si128(v), _mm512_extracti32x4_epi32(v, 1),
                             _mm512_extracti32x4_epi32(v, 2),
                             _mm512_extracti32x4_epi32(v, 3)};
    __m512i z[4];

    for (int i = 0; i < 4; i++)
        z[i] = mico_single_round(is_signed ? _mm512_cvtepi8_epi32(part[i])
                                           : _mm512_cvtepu8_epi32(part[i]),
                                 scale, e);
    return _mm512_permutexvar_epi32(order, mico_single_codes(z, e));
}

/* Requantises n consecutive codes. */
static MICO_AVX512 void requant(const mico_plan_tensor *x, const uint8_t *in,
                                uint8_t *out, size_t n, float factor,
                                const mico_epilogue *epilogue)
{
    const mico_single e = mico_single_of(epilogue);
    const __m512 scale = _mm512_set1_ps(factor);
    const bool is_signed = x->zero == 128;
    size_t i = 0;

    for (; i + 64 <= n; i += 64)
        _mm512_storeu_si512(
            out + i, requant_64(_mm512_loadu_si512(in + i), is_signed, scale, &e));
    if (i < n) {
        const __mmask64 mask = mico_mask64(n - i);

        _mm512_mask_storeu_epi8(
            out + i, mask,
            requant_64(_mm512_maskz_loadu_epi8(mask, in + i), is_signed, scale, &e));
    }
}

static bool requant_ok(const mico_plan *plan, const mico_op *op)
{
    if (!mico_all_bytes(plan, op) ||
        !mico_epilogue_narrow(mico_op_output(plan, op), &op->epilogue))
        return false;
    for (size_t k = 0; k < op->n_in; k++)
        if (!mico_single_ok(255, op->mult[k], op->shift[k]))
            return false;
    return true;
}

static bool requant_supports(const mico_plan *plan, const mico_op *op)
{
    return op->kind == MICO_OP_REQUANT && requant_ok(plan, op);
}

static bool concat_supports(const mico_plan *plan, const mico_op *op)
{
    return op->kind == MICO_OP_CONCAT && requant_ok(plan, op);
}

/* Inputs one after the other: the channels of each are one run per pixel. */
static void concat_run(const mico_call *call)
{
    const mico_op *op = call->op;
    const mico_extent to = mico_extent_of(mico_op_output(call->plan, op));
    const size_t pixels = call->n_images * to.h * to.w;
    size_t first = 0;

    for (size_t k = 0; k < op->n_in; k++) {
        const mico_plan_tensor *x = mico_op_input(call->plan, op, k);
        const size_t c = mico_extent_of(x).c, run = c == to.c ? pixels * c : c;
        const float scale = (float)mico_scale_of(op->mult[k], op->shift[k]);

        for (size_t p = 0; p < pixels * c; p += run)
            requant(x, call->in[k] + p, call->out + p / c * to.c + first, run, scale,
                    &op->epilogue);
        first += c;
    }
}

static void requant_run(const mico_call *call)
{
    concat_run(call); /* of one input */
}

/* ---- clamp --------------------------------------------------------------------- */

static bool clamp_supports(const mico_plan *plan, const mico_op *op)
{
    return op->kind == MICO_OP_CLAMP && mico_all_bytes(plan, op);
}

/* A bound as a code. One that no code reaches becomes the outermost code (lowering
 * never makes an lo above, or an hi below, all codes). */
static char bound_code(int32_t bound, size_t zero)
{
    const int64_t code = (int64_t)bound + (int64_t)zero;

    return (char)(uint8_t)(code < 0 ? 0 : code > 255 ? 255 : code);
}

static MICO_AVX512 void clamp_run(const mico_call *call)
{
    const mico_op *op = call->op;
    const mico_plan_tensor *y = mico_op_output(call->plan, op);
    const __m512i lo = _mm512_set1_epi8(bound_code(op->epilogue.lo, y->zero));
    const __m512i hi = _mm512_set1_epi8(bound_code(op->epilogue.hi, y->zero));
    const size_t count = call->n_images * y->bytes;

    for (size_t i = 0; i < count; i += 64) {
        const __mmask64 mask = mico_mask64(count - i);
        const __m512i v = _mm512_maskz_loadu_epi8(mask, call->in[0] + i);

        _mm512_mask_storeu_epi8(call->out + i, mask,
                                _mm512_min_epu8(_mm512_max_epu8(v, lo), hi));
    }
}

#define ENTRY(stem)                                                                    \
    const mico_kernel mico_kernel_##stem##_avx512vnni = {.name = #stem "_avx512vnni",  \
                                                         .isa = "avx512vnni",          \
                                                         .supports = stem##_supports,  \
                                                         .run = stem##_run};
ENTRY(add)
ENTRY(concat)
ENTRY(requant)
ENTRY(clamp)

#endif
