/* tri.c: a packed triangular factor, row by row. */
#include "search/tri.h"

#include "core/mem.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The compiler splits this into what the processor has; lanes never mix. */
typedef double lanes __attribute__((vector_size(MICO_TRI_LANES * sizeof(double)),
                                    aligned(sizeof(double)), may_alias));

void mico_tri_free(mico_tri *t)
{
    free(t->row);
    *t = (mico_tri){0};
}

static const double *row_of(const mico_tri *t, size_t i)
{
    return t->row + i * (i + 1) / 2;
}

static double dot(const double *a, const double *b, size_t n)
{
    lanes sum = {0};
    double rest = 0;
    size_t i = 0;

    for (; i + MICO_TRI_LANES <= n; i += MICO_TRI_LANES)
        sum += *(const lanes *)(a + i) * *(const lanes *)(b + i);
    for (; i < n; i++)
        rest += a[i] * b[i];
    return ((sum[0] + sum[1]) + (sum[2] + sum[3])) +
           ((sum[4] + sum[5]) + (sum[6] + sum[7])) + rest;
}

void mico_tri_append(mico_tri *t, const double *a, double floor)
{
    const size_t n = t->n;
    double *row, pivot;

    if (n == t->capacity) {
        const size_t capacity = 2 * n + 32;

        t->row = mico_xrealloc(t->row, capacity * (capacity + 1) / 2, sizeof *t->row);
        t->capacity = capacity;
    }
    row = t->row + n * (n + 1) / 2;
    memcpy(row, a, (n + 1) * sizeof *row);
    mico_tri_forward(t, row);
    pivot = row[n] - dot(row, row, n);
    row[n] = sqrt(pivot > floor ? pivot : floor);
    t->n++;
}

void mico_tri_drop(mico_tri *t, size_t n)
{
    if (n < t->n)
        t->n = n;
}

void mico_tri_forward(const mico_tri *t, double *b)
{
    for (size_t i = 0; i < t->n; i++) {
        const double *row = row_of(t, i);

        b[i] = (b[i] - dot(row, b, i)) / row[i];
    }
}

void mico_tri_backward(const mico_tri *t, double *b)
{
    for (size_t i = t->n; i-- > 0;) {
        const double *row = row_of(t, i);

        b[i] /= row[i];
        for (size_t j = 0; j < i; j++)
            b[j] -= row[j] * b[i];
    }
}

double mico_tri_log_volume(const mico_tri *t)
{
    double sum = 0;

    for (size_t i = 0; i < t->n; i++)
        sum += log(row_of(t, i)[i]);
    return sum;
}

void mico_tri_lengths(const mico_tri *t, double *b, double *length)
{
    lanes *x = (lanes *)b, sum = {0};

    for (size_t i = 0; i < t->n; i++) {
        const double *row = row_of(t, i);
        lanes even = x[i], odd = {0};
        size_t j = 0;

        for (; j + 2 <= i; j += 2) {
            even -= row[j] * x[j];
            odd -= row[j + 1] * x[j + 1];
        }
        if (j < i)
            even -= row[j] * x[j];
        x[i] = (even + odd) / row[i];
        sum += x[i] * x[i];
    }
    memcpy(length, &sum, sizeof sum);
}
