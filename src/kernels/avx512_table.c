/* avx512_table.c: what maps bytes to bytes, by table: requant, concat, byte images. */
#include "kernels/avx512_table.h"

#if MICO_KERNELS_X86

/* n consecutive bytes. */
static MICO_VBMI void map_bytes(const mico_table *t, const uint8_t *in, uint8_t *out,
                                size_t n)
{
    size_t i = 0;

    for (; i + 64 <= n; i += 64)
        _mm512_storeu_si512(out + i, mico_table_look(t, _mm512_loadu_si512(in + i)));
    if (i < n) {
        const __mmask64 mask = mico_table_mask(n - i);

        _mm512_mask_storeu_epi8(
            out + i, mask, mico_table_look(t, _mm512_maskz_loadu_epi8(mask, in + i)));
    }
}

/* ---- requant and concat -------------------------------------------------------- */

static bool supports(const mico_plan *plan, const mico_op *op, mico_op_kind kind)
{
    if (op->kind != kind || op->rounding != MICO_ROUND_HALF_UP)
        return false;
    for (size_t i = 0; i < op->n_in; i++)
        if (mico_op_input(plan, op, i)->format.width == 32)
            return false;
    return mico_op_output(plan, op)->format.width != 32;
}

/* A table for each input. */
static size_t consts_bytes(const mico_plan *plan, const mico_op *op)
{
    (void)plan;
    return 256 * op->n_in;
}

static void prepare(const mico_plan *plan, const mico_op *op, void *consts)
{
    const mico_plan_tensor *y = mico_op_output(plan, op);

    for (size_t k = 0; k < op->n_in; k++) {
        const int64_t zero = (int64_t)mico_op_input(plan, op, k)->zero;

        for (int64_t code = 0; code < 256; code++)
            mico_value_put(y, &op->epilogue,
                           mico_requantize(code - zero, op->mult[k], op->shift[k]),
                           (uint8_t *)consts + 256 * k, (size_t)code);
    }
}

/* The channels of each input are one run per pixel. */
static MICO_VBMI void run(const mico_call *call)
{
    const mico_op *op = call->op;
    const mico_extent to = mico_extent_of(mico_op_output(call->plan, op));
    const size_t pixels = call->n_images * to.h * to.w;
    size_t first = 0;

    for (size_t k = 0; k < op->n_in; k++) {
        const size_t c = mico_extent_of(mico_op_input(call->plan, op, k)).c;
        const mico_table t = mico_table_of((const uint8_t *)call->consts + 256 * k);

        if (c == to.c)
            map_bytes(&t, call->in[k], call->out, pixels * c);
        else
            for (size_t p = 0; p < pixels; p++)
                map_bytes(&t, call->in[k] + p * c, call->out + p * to.c + first, c);
        first += c;
    }
}

#define ENTRY(stem, KIND)                                                              \
    static bool stem##_supports(const mico_plan *plan, const mico_op *op)              \
    {                                                                                  \
        return supports(plan, op, MICO_OP_##KIND);                                     \
    }                                                                                  \
    const mico_kernel mico_kernel_##stem##_avx512vbmi = {.name = #stem "_avx512vbmi",  \
                                                         .isa = "avx512vbmi",          \
                                                         .supports = stem##_supports,  \
                                                         .consts_bytes = consts_bytes, \
                                                         .prepare = prepare,           \
                                                         .run = run};
ENTRY(requant, REQUANT)
ENTRY(concat, CONCAT)

/* ---- byte images --------------------------------------------------------------- */

/* Three maps of `map` bytes to pixels of three bytes. Byte k of the output is channel
 * k % 3 of pixel k / 3. */
static MICO_VBMI void interleave_three(const mico_table *t, __m512i flip,
                                       const uint8_t *raw, size_t map, uint8_t *out)
{
    __m512i from_two[3], from_last[3];
    __mmask64 is_last[3];

    for (size_t j = 0; j < 3; j++) {
        uint8_t two[64], last[64];

        is_last[j] = 0;
        for (size_t i = 0; i < 64; i++) {
            const size_t k = 64 * j + i;

            two[i] = (uint8_t)(k / 3 + (k % 3 == 1 ? 64 : 0));
            last[i] = (uint8_t)(k / 3);
            is_last[j] |= (__mmask64)(k % 3 == 2) << i;
        }
        from_two[j] = _mm512_loadu_si512(two);
        from_last[j] = _mm512_loadu_si512(last);
    }
    for (size_t p = 0; p < map; p += 64, out += 192) {
        const size_t left = map - p;
        const __mmask64 mask = mico_table_mask(left);
        __m512i plane[3];

        for (size_t c = 0; c < 3; c++)
            plane[c] = mico_table_look(
                &t[c], _mm512_xor_si512(
                           _mm512_maskz_loadu_epi8(mask, raw + c * map + p), flip));
        for (size_t j = 0; j < 3; j++) {
            const __m512i two =
                _mm512_permutex2var_epi8(plane[0], from_two[j], plane[1]);
            const __m512i all =
                _mm512_mask_permutexvar_epi8(two, is_last[j], from_last[j], plane[2]);

            if (left >= 64)
                _mm512_storeu_si512(out + 64 * j, all);
            else if (3 * left > 64 * j)
                _mm512_mask_storeu_epi8(out + 64 * j,
                                        mico_table_mask(3 * left - 64 * j), all);
        }
    }
}

/* One map of a single channel. */
static MICO_VBMI void map_one(const mico_table *t, __m512i flip, const uint8_t *raw,
                              size_t map, uint8_t *out)
{
    for (size_t p = 0; p < map; p += 64) {
        const __mmask64 mask = mico_table_mask(map - p);
        const __m512i v = _mm512_maskz_loadu_epi8(mask, raw + p);

        _mm512_mask_storeu_epi8(out + p, mask,
                                mico_table_look(t, _mm512_xor_si512(v, flip)));
    }
}

static MICO_VBMI void input_maps(const mico_extent *e, const uint8_t *lut, uint8_t flip,
                                 const uint8_t *raw, uint8_t *out, size_t n)
{
    const size_t map = e->h * e->w;
    const __m512i flips = _mm512_set1_epi8((char)flip);
    mico_table t[3];

    for (size_t c = 0; c < e->c; c++)
        t[c] = mico_table_of(lut + 256 * c);
    for (size_t i = 0; i < n; i++, raw += e->c * map, out += e->c * map)
        if (e->c == 3)
            interleave_three(t, flips, raw, map, out);
        else
            map_one(t, flips, raw, map, out);
}

bool mico_input_vbmi(const mico_extent *e, const uint8_t *lut, uint8_t flip,
                     const uint8_t *raw, uint8_t *out, size_t n)
{
    if ((e->c != 1 && e->c != 3) || e->h * e->w < 32 || !mico_isa_here("avx512vbmi"))
        return false;
    input_maps(e, lut, flip, raw, out, n);
    return true;
}

#endif
