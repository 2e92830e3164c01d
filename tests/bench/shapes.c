/* shapes.c: reads the file of layer shapes. */
#include "bench/peers.h"

#include <stdlib.h>

static void bad_line(const char *path, size_t line, const char *what)
{
    fprintf(stderr, "bench: %s:%zu: %s\n", path, line, what);
    exit(2);
}

static bool derive(bench_shape *s)
{
    const size_t h = s->h + s->pad_top + s->pad_bottom,
                 w = s->w + s->pad_left + s->pad_right;
    const bool dw = strcmp(s->kind, "dw") == 0;

    if (!dw && strcmp(s->kind, "conv") != 0 && strcmp(s->kind, "fc") != 0)
        return false;
    if (s->c_in == 0 || s->c_out == 0 || s->kh == 0 || s->kw == 0 || s->stride_h == 0 ||
        s->stride_w == 0 || s->kh > h || s->kw > w || (dw && s->c_in != s->c_out))
        return false;
    s->oh = (h - s->kh) / s->stride_h + 1;
    s->ow = (w - s->kw) / s->stride_w + 1;
    s->groups = dw ? s->c_in : 1;
    s->taps = s->c_in / s->groups * s->kh * s->kw;
    return true;
}

size_t bench_shapes_read(const char *path, bench_shape **out)
{
    FILE *file = fopen(path, "r");
    bench_shape *shape = NULL;
    size_t n = 0, capacity = 0, number = 0;
    char line[256];

    if (file == NULL) {
        fprintf(stderr, "bench: %s cannot be read\n", path);
        exit(2);
    }
    while (fgets(line, sizeof line, file) != NULL) {
        bench_shape s = {.groups = 1};

        number++;
        line[strcspn(line, "#\n")] = '\0';
        if (line[strspn(line, " \t")] == '\0')
            continue;
        if (sscanf(line, "%31s %7s %zu %zu %zu %zu %zu %zu %zu %zu %zu %zu %zu %zu",
                   s.name, s.kind, &s.c_in, &s.h, &s.w, &s.c_out, &s.kh, &s.kw,
                   &s.stride_h, &s.stride_w, &s.pad_top, &s.pad_left, &s.pad_bottom,
                   &s.pad_right) != 14)
            bad_line(path, number, "a name, a kind and 12 numbers were expected");
        if (!derive(&s))
            bad_line(path, number, "no such layer");
        shape = mico_grow(shape, n, &capacity, sizeof *shape);
        shape[n++] = s;
    }
    fclose(file);
    *out = shape;
    return n;
}
