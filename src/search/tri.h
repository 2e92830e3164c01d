/* tri.h: the Cholesky factor of a growing symmetric positive definite matrix.
 *
 * L L' = A, L lower triangular, stored row after row. A row can be appended at any time
 * for n^2/2 multiply-adds and the last rows dropped for nothing. All sums have a fixed
 * order, so results do not depend on the machine (a BLAS would choose its order by the
 * processor). */
#ifndef MICO_SEARCH_TRI_H
#define MICO_SEARCH_TRI_H

#include <stdbool.h>
#include <stddef.h>

#define MICO_TRI_LANES 8 /* right-hand sides that are solved side by side */

typedef struct mico_tri {
    size_t n, capacity; /* rows; room for rows */
    double *row;        /* row i starts at i (i + 1) / 2 */
} mico_tri;

void mico_tri_free(mico_tri *t);

/* Appends a row of A: a[0..n) to the rows so far and a[n] on the diagonal. A pivot that
 * is not positive (rounding, equal points) is replaced by floor > 0. */
void mico_tri_append(mico_tri *t, const double *a, double floor);
void mico_tri_drop(mico_tri *t, size_t n); /* keeps the first n rows */

void mico_tri_forward(const mico_tri *t, double *b);  /* b = L^-1 b */
void mico_tri_backward(const mico_tri *t, double *b); /* b = L'^-1 b */
double mico_tri_log_volume(const mico_tri *t);        /* sum of log L[i][i] */

/* Squared lengths of L^-1 b for MICO_TRI_LANES right-hand sides b[n][lane], which are
 * overwritten. */
void mico_tri_lengths(const mico_tri *t, double *b, double *length);

#endif
