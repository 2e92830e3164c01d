/* avx512_bits.c: how an operation becomes counts of bits: recipes, weights, planes. */
#include "kernels/avx512_bits_internal.h"

#if MICO_KERNELS_X86

#define EXACT_FLOAT   ((int64_t)1 << 24)
#define LARGEST_FLOAT ((double)(1 << 30)) /* that is made an integer */

/* ---- recipes --------------------------------------------------------------------- */

/* A pad writes q = 0, which is no value of the 1-bit signed format; the operations that
 * only move codes carry it on. */
static bool may_hold_zeros(const mico_plan *plan, size_t tensor)
{
    for (size_t i = plan->n_ops; i-- > 0;) {
        const mico_op *op = &plan->op[i];

        if (op->out != tensor)
            continue;
        switch (op->kind) {
        case MICO_OP_PAD:
            return true;
        case MICO_OP_MAXPOOL:
        case MICO_OP_CLAMP:
        case MICO_OP_FLATTEN:
        case MICO_OP_RESHAPE:
        case MICO_OP_SLICE:
        case MICO_OP_TRANSPOSE:
            tensor = op->in[0]; /* made by an earlier operation */
            break;
        default:
            return false;
        }
    }
    return false;
}

/* The format's smallest q, the distance of its values, the bits that count them. */
static bool act_planes(const mico_plan *plan, const mico_op *op, mico_bits_recipe *r)
{
    const mico_plan_tensor *x = mico_op_input(plan, op, 0);
    const bool is_signed = x->format.is_signed;

    r->step = 1;
    switch (x->format.width) {
    case 1:
        r->offset = is_signed ? -1 : 0;
        r->act_planes = 1;
        if (is_signed && may_hold_zeros(plan, op->in[0]))
            r->act_planes = 2; /* as ternary */
        else if (is_signed)
            r->step = 2;
        break;
    case MICO_TERNARY:
        r->offset = is_signed ? -1 : 0;
        r->act_planes = 2;
        break;
    case 2:
    case 3:
    case 4:
        r->offset = is_signed ? -(1 << (x->format.width - 1)) : 0;
        r->act_planes = x->format.width;
        break;
    default:
        return false;
    }
    r->lowest = (uint8_t)((int32_t)x->zero + r->offset);
    return true;
}

mico_bits_form mico_bits_form_of(const mico_qweights *weights)
{
    return weights->width == 1              ? MICO_BITS_SIGN
           : weights->width == MICO_TERNARY ? MICO_BITS_MASK
                                            : MICO_BITS_PLANES;
}

static size_t weight_planes(const mico_qweights *weights)
{
    return mico_bits_form_of(weights) == MICO_BITS_PLANES ? weights->width : 1;
}

/* Passes by falling powers of two. The value kept is sigma times the wanted sum, sigma
 * being the sign with which the pass's count enters; the last sigma stays. */
static void make_passes(mico_bits_recipe *r)
{
    size_t n = 0, last_power = 0;
    int32_t last_sign = 1;

    for (size_t power = r->act_planes + r->weight_planes - 1; power-- > 0;)
        for (size_t w = r->weight_planes; w-- > 0;) {
            const int32_t sign =
                r->form == MICO_BITS_PLANES && w + 1 == r->weight_planes ? -1 : 1;

            if (power < w || power - w >= r->act_planes)
                continue;
            r->pass[n] = (mico_bits_pass){power - w, w, 1};
            if (n > 0)
                r->pass[n].factor = (1 << (last_power - power)) * sign * last_sign;
            last_power = power;
            last_sign = sign;
            n++;
        }
    r->n_passes = n;
}

/* All is exact in single precision: bias, what the offset adds, weighted counts, and
 * their sum are at most |bias| + 32 * sum|w|: offsets are at most 8 and sums of
 * planes 15. */
static bool accumulators_small(const mico_op *op)
{
    for (size_t c = 0; c < op->weights->c_out; c++) {
        const int64_t bias = op->bias[c];
        const int64_t bound =
            (bias < 0 ? -bias : bias) + 32 * (int64_t)op->weights->abs_sum[c];

        if (bound > EXACT_FLOAT)
            return false;
        if (op->mult != NULL &&
            (double)bound * mico_scale_of(op->mult[c], op->shift[c]) > LARGEST_FLOAT)
            return false;
    }
    return true;
}

bool mico_bits_recipe_of(const mico_plan *plan, const mico_op *op, mico_bits_recipe *r)
{
    const uint8_t width = op->weights->width;

    *r = (mico_bits_recipe){.form = mico_bits_form_of(op->weights),
                            .weight_planes = weight_planes(op->weights)};
    if ((width > 4 && width != MICO_TERNARY) || !act_planes(plan, op, r) ||
        r->act_planes * r->weight_planes > MICO_BITS_PASSES)
        return false;
    make_passes(r);
    return true;
}

bool mico_bits_ok(const mico_plan *plan, const mico_op *op)
{
    mico_bits_recipe r;

    return mico_avx512_mac_ok(plan, op) && mico_bits_recipe_of(plan, op, &r) &&
           accumulators_small(op);
}

/* ---- weights --------------------------------------------------------------------- */

mico_bits_window mico_bits_window_of(const mico_op *op)
{
    mico_bits_window w = {.n_rows = 1, .kw = 1, .c = op->weights->taps};
    size_t bits, cut;

    if (op->kind == MICO_OP_CONV) {
        w.n_rows = op->node->window.kh;
        w.kw = op->node->window.kw;
        w.c = op->weights->taps / (w.n_rows * w.kw);
    }
    /* Whole words a pixel need no masks; they are taken where that costs no word. */
    w.pixel_bits = mico_round_up(w.c, 32);
    bits = w.kw * mico_round_up(w.c, 8);
    if (mico_round_up(bits, 32) < w.kw * w.pixel_bits)
        w.pixel_bits = mico_round_up(w.c, 8);
    bits = w.kw * w.pixel_bits;
    w.tail = bits % 32 == 0 ? UINT32_MAX : ((uint32_t)1 << bits % 32) - 1;
    w.woven = w.pixel_bits == 16 && bits % 32 != 0 && w.n_rows > 1;
    cut = bits % 32 == 0 ? 0 : w.woven ? w.n_rows % 2 : w.n_rows;
    w.n_words = w.woven ? (w.n_rows * w.kw + 1) / 2 : w.n_rows * ((bits + 31) / 32);
    w.n_whole = w.n_words;
    if (mico_bits_form_of(op->weights) == MICO_BITS_SIGN)
        w.n_whole -= cut;
    return w;
}

mico_bits_word mico_bits_word_of(const mico_bits_window *w, size_t k)
{
    const size_t pairs = w->n_rows / 2 * w->kw; /* woven with the pixel below */
    const size_t whole = w->n_whole / w->n_rows;

    if (w->woven)
        return k < pairs ? (mico_bits_word){2 * (k / w->kw), k % w->kw, true}
                         : (mico_bits_word){w->n_rows - 1, 2 * (k - pairs), false};
    return k < w->n_whole ? (mico_bits_word){k / whole, k % whole, false}
                          : (mico_bits_word){k - w->n_whole, whole, false};
}

size_t mico_bits_packed_bytes(const mico_op *op)
{
    const mico_bits_window w = mico_bits_window_of(op);
    const size_t vectors = mico_bits_form_of(op->weights) == MICO_BITS_MASK ? 2 : 1;

    return mico_bits_groups(op->weights->c_out) * weight_planes(op->weights) *
           w.n_words * vectors * 64;
}

/* The weight that bit b of a word belongs to; SIZE_MAX: none. */
static size_t weight_at(const mico_bits_window *w, mico_bits_word word, size_t b)
{
    size_t row = word.row, pixel, c;

    if (w->woven) {
        row += word.below ? b / 16 : 0;
        pixel = word.at + (word.below ? 0 : b / 16);
        c = b % 16;
    } else {
        pixel = (32 * word.at + b) / w->pixel_bits;
        c = (32 * word.at + b) % w->pixel_bits;
    }
    return pixel < w->kw && c < w->c ? (row * w->kw + pixel) * w->c + c : SIZE_MAX;
}

/* One word of one channel: bit `plane` of each weight, or (plane SIZE_MAX) whether it
 * is not 0. */
static uint32_t weight_word(const mico_op *op, const mico_bits_window *w,
                            size_t channel, mico_bits_word word, size_t plane)
{
    const mico_bits_form form = mico_bits_form_of(op->weights);
    const int8_t *q = op->weights->q + channel * op->weights->taps;
    uint32_t bits = 0;

    if (channel >= op->weights->c_out)
        return 0;
    for (size_t b = 0; b < 32; b++) {
        const size_t at = weight_at(w, word, b);
        const int v = at == SIZE_MAX ? 0 : q[at];
        const bool set = plane == SIZE_MAX          ? v != 0
                         : form == MICO_BITS_PLANES ? ((unsigned)v >> plane & 1) != 0
                                                    : v > 0;

        bits |= (uint32_t)set << b;
    }
    return bits;
}

void mico_bits_pack(const mico_op *op, void *packed)
{
    const mico_bits_window w = mico_bits_window_of(op);
    const size_t groups = mico_bits_groups(op->weights->c_out);
    const bool mask = mico_bits_form_of(op->weights) == MICO_BITS_MASK;
    uint32_t *to = packed;

    for (size_t first = 0, block; first < groups; first += block) {
        block = mico_bits_block(groups - first);
        for (size_t plane = 0; plane < weight_planes(op->weights); plane++)
            for (size_t k = 0; k < w.n_words; k++) {
                const mico_bits_word word = mico_bits_word_of(&w, k);

                for (size_t i = 0; i < 16 * block; i++)
                    *to++ = weight_word(op, &w, 16 * first + i, word, plane);
                for (size_t i = 0; mask && i < 16 * block; i++)
                    *to++ = weight_word(op, &w, 16 * first + i, word, SIZE_MAX);
            }
    }
}

/* ---- constants ------------------------------------------------------------------- */

float mico_bits_scale(const mico_op *op, const mico_bits_recipe *r, size_t channel)
{
    const float sign = r->form == MICO_BITS_PLANES ? 1 : -1;

    if (op->mult == NULL)
        return 0;
    return sign * (float)mico_scale_of(op->mult[channel], op->shift[channel]);
}

float mico_bits_bias(const mico_op *op, const mico_bits_recipe *r, size_t channel)
{
    const mico_qweights *w = op->weights;
    const int32_t all = ((int32_t)1 << r->act_planes) - 1;

    if (r->form == MICO_BITS_PLANES)
        return (float)op->bias[channel];
    /* the number of weights +1: they are +1 and -1 (and 0) only */
    return -(float)(op->bias[channel] +
                    r->step * all * ((w->abs_sum[channel] + w->sum[channel]) / 2));
}

float mico_bits_offset(const mico_bits_recipe *r, int32_t sum)
{
    return (float)(r->form == MICO_BITS_PLANES ? r->offset * sum : -r->offset * sum);
}

int32_t mico_bits_sum(const int8_t *q, size_t n)
{
    int32_t sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += q[i];
    return sum;
}

void mico_bits_finish_wide(const mico_call *call)
{
    const mico_op *op = call->op;
    const mico_plan_tensor *y = mico_op_output(call->plan, op);
    const size_t c_out = op->weights->c_out;
    const size_t count = call->n_images * (y->bytes / 4);

    if (y->format.width != 32 || op->mult == NULL)
        return;
    for (size_t i = 0; i < count; i++)
        mico_value_put(y, &op->epilogue,
                       mico_requantize(mico_value_get(y, call->out, i),
                                       op->mult[i % c_out], op->shift[i % c_out]),
                       call->out, i);
}

/* ---- planes of activations ------------------------------------------------------- */

/* 64 codes to 8 bytes a plane. */
MICO_INLINE void pack_codes(__m512i codes, __m512i lowest, size_t n_planes,
                            const __m512i *bit, uint8_t *out, size_t plane_step)
{
    const __m512i v = _mm512_sub_epi8(codes, lowest);

    for (size_t p = 0; p < n_planes; p++) {
        const uint64_t bits = _mm512_test_epi8_mask(v, bit[p]);

        memcpy(out + p * plane_step, &bits, sizeof bits);
    }
}

/* n runs of c codes, run_bytes of bits apart. */
MICO_INLINE void pack_runs(const mico_bits_recipe *r, const uint8_t *codes, size_t n,
                           size_t c, size_t run_bytes, uint8_t *out, size_t plane_step,
                           const size_t n_planes)
{
    const __m512i lowest = _mm512_set1_epi8((char)r->lowest);
    const __m512i bit[4] = {_mm512_set1_epi8((char)r->step),
                            _mm512_set1_epi8((char)(r->step << 1)), _mm512_set1_epi8(4),
                            _mm512_set1_epi8(8)};
    const __mmask64 rest = mico_mask64(c % 64);

    for (size_t i = 0; i < n; i++, codes += c, out += run_bytes) {
        size_t k = 0;

        for (; k + 64 <= c; k += 64)
            pack_codes(_mm512_loadu_si512(codes + k), lowest, n_planes, bit,
                       out + k / 8, plane_step);
        if (k < c)
            pack_codes(_mm512_mask_loadu_epi8(lowest, rest, codes + k), lowest,
                       n_planes, bit, out + k / 8, plane_step);
    }
}

MICO_AVX512 void mico_bits_planes(const mico_bits_recipe *recipe, const uint8_t *codes,
                                  size_t n, size_t c, size_t pixel_bits, uint8_t *out,
                                  size_t plane_step)
{
    if (pixel_bits == c) { /* one run of bits */
        c *= n;
        n = 1;
    }
    if (recipe->act_planes == 1)
        pack_runs(recipe, codes, n, c, pixel_bits / 8, out, plane_step, 1);
    else if (recipe->act_planes == 2)
        pack_runs(recipe, codes, n, c, pixel_bits / 8, out, plane_step, 2);
    else
        pack_runs(recipe, codes, n, c, pixel_bits / 8, out, plane_step,
                  recipe->act_planes);
}

MICO_AVX512 void mico_bits_weave(const uint8_t *pixels, size_t n, size_t width,
                                 uint8_t *below, uint8_t *right)
{
    __m512i lower = _mm512_setzero_si512(), upper; /* of 64 pixels and their partners */

    for (uint16_t i = 0; i < 16; i++) {
        const __m512i lane = _mm512_set1_epi32(i | (i + 32) << 16);

        lower = _mm512_mask_mov_epi32(lower, (__mmask16)(1u << i), lane);
    }
    upper = _mm512_add_epi16(lower, _mm512_set1_epi16(16));
    for (size_t i = 0; i < n; i += 32, pixels += 64, below += 128, right += 128) {
        const __m512i p = _mm512_loadu_si512(pixels);
        const __m512i down = _mm512_loadu_si512(pixels + 2 * width);
        const __m512i next = _mm512_loadu_si512(pixels + 2);

        _mm512_storeu_si512(below, _mm512_permutex2var_epi16(p, lower, down));
        _mm512_storeu_si512(below + 64, _mm512_permutex2var_epi16(p, upper, down));
        _mm512_storeu_si512(right, _mm512_permutex2var_epi16(p, lower, next));
        _mm512_storeu_si512(right + 64, _mm512_permutex2var_epi16(p, upper, next));
    }
}

#endif
