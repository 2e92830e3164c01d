/* Exact hypervolume in two and three dimensions: how much of the box below a reference
 * point a set of points dominates, all coordinates minimised. */
#include "trial/trial.h"

#include "core/mem.h"

#include <stdlib.h>
#include <string.h>

typedef struct corner {
    double x, y, z;
} corner;

/* Points that dominate each other nowhere: x ascending, y descending. */
typedef struct stair {
    size_t n;
    corner *step;
    double x, y; /* the reference point */
    double area; /* that the steps dominate */
} stair;

static int by_height(const void *a, const void *b)
{
    const corner *p = a, *q = b;

    if (p->z != q->z)
        return p->z < q->z ? -1 : 1;
    if (p->x != q->x)
        return p->x < q->x ? -1 : 1;
    return p->y < q->y ? -1 : p->y > q->y;
}

/* First step whose x is not below the given one. */
static size_t find_step(const stair *s, double x)
{
    size_t low = 0, high = s->n;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (s->step[middle].x < x)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Adds a point and what it dominates beyond the others, a rectangle per step that it
 * covers; those steps go. */
static void stair_add(stair *s, const corner *p)
{
    size_t at = find_step(s, p->x), end = at;
    double x = p->x, above = at > 0 ? s->step[at - 1].y : s->y;

    if (above <= p->y || (at < s->n && s->step[at].x == p->x && s->step[at].y <= p->y))
        return; /* dominated */
    while (end < s->n && s->step[end].y >= p->y) {
        s->area += (s->step[end].x - x) * (above - p->y);
        x = s->step[end].x;
        above = s->step[end].y;
        end++;
    }
    s->area += ((end < s->n ? s->step[end].x : s->x) - x) * (above - p->y);
    memmove(s->step + at + 1, s->step + end, (s->n - end) * sizeof *s->step);
    s->n = s->n - (end - at) + 1;
    s->step[at] = *p;
}

double mico_hypervolume(const double *points, size_t n, size_t n_dims,
                        const double *ref)
{
    corner *corners = mico_xcalloc(n + 1, sizeof *corners);
    stair s = {.step = mico_xcalloc(n + 1, sizeof *s.step), .x = ref[0], .y = ref[1]};
    double volume = 0, top = n_dims == 3 ? ref[2] : 1;
    size_t n_inside = 0;

    for (size_t i = 0; i < n; i++) {
        const double *p = points + i * n_dims;
        corner c = {p[0], p[1], n_dims == 3 ? p[2] : 0};

        if (c.x < s.x && c.y < s.y && c.z < top) /* not so where one is not a number */
            corners[n_inside++] = c;
    }
    qsort(corners, n_inside, sizeof *corners, by_height);
    /* slices between neighbouring heights: the points below dominate a staircase */
    for (size_t i = 0; i < n_inside; i++) {
        stair_add(&s, &corners[i]);
        volume += s.area * ((i + 1 < n_inside ? corners[i + 1].z : top) - corners[i].z);
    }
    free(corners);
    free(s.step);
    return volume;
}
