/* move.h: values move from one box of strides to another, in the fastest plain way. */
#ifndef MICO_KERNELS_MOVE_H
#define MICO_KERNELS_MOVE_H

#include <stddef.h>
#include <stdint.h>

#define MICO_MOVE_AXES 6

/* n neighbours, so many values apart in each memory. */
typedef struct mico_move_axis {
    size_t n, from, to;
} mico_move_axis;

/* Value sum i*axis.from of `from` becomes value sum i*axis.to of `to`, for all i below
 * axis.n of each of at most MICO_MOVE_AXES axes. */
void mico_move(const mico_move_axis *axes, size_t n_axes, const uint8_t *from,
               uint8_t *to, size_t value_bytes);

#endif
