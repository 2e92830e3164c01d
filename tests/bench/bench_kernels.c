/* Speed of the kernels on the layers of ResNet8 and DS-CNN: a table for people and one
 * JSON line per shape. Not pass or fail.
 *
 *     bench_kernels [images a call, default 16] */
#include "support/kernels_case.h"

#include <stdio.h>
#include <time.h>

#if defined(__x86_64__)
/* Register-only vpdpbusd loop: what this CPU can do, to read the table against. */
static void peak_loop(size_t n)
{
    for (size_t i = 0; i < n; i++)
        __asm__ volatile(
            "vpdpbusd %%zmm30, %%zmm31, %%zmm0\n vpdpbusd %%zmm30, %%zmm31, "
            "%%zmm1\n vpdpbusd %%zmm30, %%zmm31, %%zmm2\n vpdpbusd %%zmm30, "
            "%%zmm31, %%zmm3\n vpdpbusd %%zmm30, %%zmm31, %%zmm4\n vpdpbusd "
            "%%zmm30, %%zmm31, %%zmm5\n vpdpbusd %%zmm30, %%zmm31, %%zmm6\n "
            "vpdpbusd %%zmm30, %%zmm31, %%zmm7\n vpdpbusd %%zmm30, %%zmm31, "
            "%%zmm8\n vpdpbusd %%zmm30, %%zmm31, %%zmm9\n" ::
                : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
                  "xmm8", "xmm9");
}
#endif

static double thread_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct shape {
    const char *name;
    mico_op_kind kind;
    size_t c_in, c_out, h, w, kernel, stride, pad;
    bool depthwise;
} shape;

static const shape shapes[] = {
    {"r8.first 3x3 3->16 32x32", MICO_OP_CONV, 3, 16, 32, 32, 3, 1, 1, false},
    {"r8.s1 3x3 16->16 32x32", MICO_OP_CONV, 16, 16, 32, 32, 3, 1, 1, false},
    {"r8.s2a 3x3/2 16->32 32x32", MICO_OP_CONV, 16, 32, 32, 32, 3, 2, 1, false},
    {"r8.s2b 3x3 32->32 16x16", MICO_OP_CONV, 32, 32, 16, 16, 3, 1, 1, false},
    {"r8.s2sc 1x1/2 16->32 32x32", MICO_OP_CONV, 16, 32, 32, 32, 1, 2, 0, false},
    {"r8.s3a 3x3/2 32->64 16x16", MICO_OP_CONV, 32, 64, 16, 16, 3, 2, 1, false},
    {"r8.s3b 3x3 64->64 8x8", MICO_OP_CONV, 64, 64, 8, 8, 3, 1, 1, false},
    {"r8.s3sc 1x1/2 32->64 16x16", MICO_OP_CONV, 32, 64, 16, 16, 1, 2, 0, false},
    {"r8.fc 64->10", MICO_OP_LINEAR, 64, 10, 1, 1, 1, 1, 0, false},
    {"kws.pw 1x1 64->64 25x5", MICO_OP_CONV, 64, 64, 25, 5, 1, 1, 0, false},
    {"kws.dw 3x3 64 25x5", MICO_OP_CONV, 64, 64, 25, 5, 3, 1, 1, true},
    {"mlp.f1 784->256", MICO_OP_LINEAR, 784, 256, 1, 1, 1, 1, 0, false},
    {"r8.add 16 32x32", MICO_OP_ADD, 16, 16, 32, 32, 1, 1, 0, false},
    {"r8.avgpool 64 8x8", MICO_OP_AVGPOOL, 64, 64, 8, 8, 8, 1, 0, false},
    {"maxpool 2x2/2 64 32x32", MICO_OP_MAXPOOL, 64, 64, 32, 32, 2, 2, 0, false},
    {"requant 64 8x8", MICO_OP_REQUANT, 64, 64, 8, 8, 1, 1, 0, false},
};

static mico_case *make_case(const shape *s, size_t n_images)
{
    mico_case *c = mico_case_new(s->kind);
    mico_rng *rng = mico_rng_new(1, "bench", 0);
    const bool linear = s->kind == MICO_OP_LINEAR;
    const size_t oh = (s->h + 2 * s->pad - s->kernel) / s->stride + 1;
    const size_t ow = (s->w + 2 * s->pad - s->kernel) / s->stride + 1;
    const size_t taps = s->kernel * s->kernel * (s->depthwise ? 1 : s->c_in);

    c->node.window = (mico_window){s->kernel, s->kernel, s->stride, s->stride, 1,
                                   1,         s->pad,    s->pad,    s->pad,    s->pad};
    c->node.groups = s->depthwise ? s->c_in : 1;
    c->node.c_in = s->c_in;
    c->node.c_out = s->c_out;
    c->op.n_in = s->kind == MICO_OP_ADD ? 2 : 1;
    for (size_t i = 0; i < c->op.n_in; i++) {
        mico_case_tensor(c, i, linear ? 1 : 3, (size_t[]){s->c_in, s->h, s->w}, 8,
                         true);
        mico_case_random(c, i, n_images, rng);
    }
    mico_case_tensor(c, MICO_CASE_OUT, linear ? 1 : 3, (size_t[]){s->c_out, oh, ow}, 8,
                     true);
    c->op.epilogue = mico_case_epilogue(8, true, true);
    if (s->kind == MICO_OP_CONV || linear) {
        mico_case_weights(c, s->c_out, taps);
        for (size_t k = 0; k < s->c_out * taps; k++)
            c->q[k] = (int8_t)mico_case_value(rng, 8, true);
        mico_case_sums(c);
        for (size_t o = 0; o < s->c_out; o++) {
            c->mult[o] = (1 << 21) + (int32_t)o * 1000;
            c->shift[o] = 34;
        }
    } else {
        mico_case_mults(c, s->kernel * s->kernel + 2);
        for (size_t k = 0; k < s->kernel * s->kernel + 2; k++) {
            c->mult[k] = 600000;
            c->shift[k] = 20;
        }
    }
    mico_rng_free(rng);
    return c;
}

/* Operations per image: two a multiply-accumulate, else one an input value. */
static double shape_ops(const mico_case *c, const shape *s)
{
    if (s->kind == MICO_OP_CONV || s->kind == MICO_OP_LINEAR)
        return 2.0 * (double)(c->tensor[MICO_CASE_OUT].bytes * c->weights.taps);
    return (double)(c->tensor[0].bytes * c->op.n_in);
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return x < y ? -1 : x > y;
}

/* Median of 9 timings, each of at least 10 ms, in seconds a call. */
static double measure(const mico_case *c, const mico_kernel *k, size_t n_images)
{
    void *packed = mico_xaligned(k->packed_bytes ? k->packed_bytes(&c->op) + 64 : 64);
    void *scratch =
        mico_xaligned(k->scratch_bytes ? k->scratch_bytes(&c->plan, &c->op) + 64 : 64);
    void *consts =
        mico_xaligned(k->consts_bytes ? k->consts_bytes(&c->plan, &c->op) + 64 : 64);
    uint8_t *out = mico_xaligned(n_images * c->tensor[MICO_CASE_OUT].bytes + 64);
    double time_s[9];
    size_t repeats = 1;

    if (k->pack != NULL)
        k->pack(&c->op, packed);
    if (k->prepare != NULL)
        k->prepare(&c->plan, &c->op, consts);
    for (int r = -1; r < 9; r++) {
        double start = thread_s(), spent;

        for (size_t i = 0; i < repeats; i++)
            k->run(&(mico_call){.plan = &c->plan,
                                .op = &c->op,
                                .packed = packed,
                                .consts = consts,
                                .in = (const uint8_t *const *)c->in,
                                .out = out,
                                .n_images = n_images,
                                .scratch = scratch});
        spent = thread_s() - start;
        if (spent < 0.01 && r < 0) { /* still finding the number of repeats */
            repeats *= 2;
            r = -2;
            continue;
        }
        if (r >= 0)
            time_s[r] = spent / (double)repeats;
    }
    qsort(time_s, 9, sizeof *time_s, ascending);
    free(packed);
    free(consts);
    free(scratch);
    free(out);
    return time_s[4];
}

static void print_peak(void)
{
#if defined(__x86_64__)
    if (mico_isa_here("avx512vnni")) {
        const size_t n = 20000000;
        double start;

        peak_loop(n / 10);
        start = thread_s();
        peak_loop(n);
        printf("peak of vpdpbusd zmm: %.0f GOPS\n",
               1280.0 * (double)n / (thread_s() - start) * 1e-9);
    }
#endif
}

int main(int argc, char **argv)
{
    const size_t n = argc > 1 ? (size_t)strtoul(argv[1], NULL, 10) : 16;

    if (n == 0)
        return 2;
    print_peak();
    printf("%-28s %10s %10s  %s (%zu images a call)\n", "shape", "c GOPS", "best GOPS",
           "kernel", n);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        mico_case *c = make_case(&shapes[i], n);
        const mico_kernel *fast = mico_kernel_find(&c->plan, &c->op, NULL);
        const double ops = shape_ops(c, &shapes[i]) * (double)n * 1e-9;
        const double gops_c = ops / measure(c, mico_case_reference(c), n);
        const double s = measure(c, fast, n);

        printf("%-28s %10.2f %10.1f  %s, %.2f us an image\n", shapes[i].name, gops_c,
               ops / s, fast->name, s / (double)n * 1e6);
        printf("{\"shape\": \"%s\", \"images\": %zu, \"kernel\": \"%s\", \"gops_c\": "
               "%.3f, \"gops\": %.2f}\n",
               shapes[i].name, n, fast->name, gops_c, ops / s);
        fflush(stdout);
        mico_case_free(c);
    }
    return 0;
}
