/* avx512_gather.c: rows under a kernel woven into one, for inputs of few channels. */
#include "kernels/avx512_gather.h"

#if MICO_KERNELS_X86

#define VBMI                                                                           \
    __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,"             \
                          "avx512vbmi")))

bool mico_gather_wanted(const mico_op *op)
{
    const mico_window *win = &op->node->window;
    const size_t taps = op->weights->taps, run = taps / win->kh, c = run / win->kw;
    const size_t groups = (op->weights->c_out + 15) / 16;
    const size_t saved = win->kh * ((run + 3) / 4) - (taps + 3) / 4; /* quads */

    if (op->node->groups > 1 || win->kh > MICO_GATHER_ROWS || win->kh * c > 32 ||
        taps > MICO_GATHER_TAPS || (win->kw > 1 && win->dilation_w > 1) ||
        !__builtin_cpu_supports("avx512vbmi"))
        return false;
    /* cycles an output: a quad costs one a group; a step kh loads, kh permutations */
    return saved * groups * (64 / (win->kh * c)) > (2 * win->kh + 1) * win->stride_w;
}

void mico_gather_weights(const mico_op *op, size_t channel, int8_t *to)
{
    const mico_window *win = &op->node->window;
    const size_t taps = op->weights->taps, c = taps / (win->kh * win->kw);
    const int8_t *q = op->weights->q + channel * taps;

    for (size_t x = 0; x < win->kw; x++)
        for (size_t y = 0; y < win->kh; y++, to += c)
            memcpy(to, q + (y * win->kw + x) * c, c);
}

MICO_AVX512 void mico_gather_init(mico_gather *g, size_t rows, size_t c)
{
    memset(g, 0, sizeof *g);
    g->rows = rows;
    g->c = c;
    g->pixels = 64 / (rows * c);
    for (size_t r = 0; r < rows; r++) {
        uint8_t index[64] = {0};

        for (size_t p = 0; p < g->pixels; p++)
            for (size_t k = 0; k < c; k++) {
                const size_t to = (p * rows + r) * c + k;

                index[to] = (uint8_t)(p * c + k);
                g->mask[r] |= (__mmask64)1 << to;
            }
        g->index[r] = _mm512_loadu_si512(index);
    }
}

/* rows is a constant in the fast instances: then all indices stay in registers. */
static inline __attribute__((always_inline)) VBMI void weave(const mico_gather *g,
                                                             const uint8_t *in,
                                                             size_t row_step, size_t n,
                                                             uint8_t *out,
                                                             const size_t rows)
{
    const size_t in_step = g->pixels * g->c, out_step = in_step * rows;

    for (size_t x = 0; x < n; x += g->pixels, in += in_step, out += out_step) {
        __m512i woven = _mm512_setzero_si512();
#pragma GCC unroll 8
        for (size_t r = 0; r < rows; r++)
            woven = _mm512_mask_permutexvar_epi8(woven, g->mask[r], g->index[r],
                                                 _mm512_loadu_si512(in + r * row_step));
        _mm512_storeu_si512(out, woven);
    }
}

VBMI void mico_gather_row(const mico_gather *g, const uint8_t *in, size_t row_step,
                          size_t n, uint8_t *out)
{
    if (g->rows == 3)
        weave(g, in, row_step, n, out, 3);
    else if (g->rows == 5)
        weave(g, in, row_step, n, out, 5);
    else
        weave(g, in, row_step, n, out, g->rows);
}

#endif
