/* ref_move.c: portable flatten, reshape, pad, slice and transpose: values only move. */
#include "kernels/kernels_internal.h"

/* A tensor by its logical axes ({C,H,W}, {a,b} or {n}; missing axes have one index)
 * with the distance, in values, between neighbours along each. */
typedef struct grid {
    size_t dim[3], stride[3];
} grid;

static grid grid_of(const mico_plan_tensor *t)
{
    const size_t *d = t->shape.dim;
    grid g = {{1, 1, 1}, {0, 0, 0}};

    for (size_t a = 0; a < t->shape.rank; a++)
        g.dim[a] = d[a];
    if (t->shape.rank == 3) { /* stored [h][w][c] */
        g.stride[0] = 1;
        g.stride[1] = d[2] * d[0];
        g.stride[2] = d[0];
    } else if (t->shape.rank == 2) {
        g.stride[0] = d[1];
        g.stride[1] = 1;
    } else {
        g.stride[0] = 1;
    }
    return g;
}

/* Storage index of the k-th value in logical order (last axis fastest). */
static size_t grid_at(const grid *g, size_t k)
{
    const size_t i2 = k % g->dim[2], i1 = k / g->dim[2] % g->dim[1];
    const size_t i0 = k / g->dim[2] / g->dim[1];

    return i0 * g->stride[0] + i1 * g->stride[1] + i2 * g->stride[2];
}

/* The loop of pad, slice and transpose: box[] values along each axis go from
 * from + sum i*from_stride to to + sum i*to_stride (all in values). */
static void move_box(const size_t *box, const uint8_t *from, const size_t *from_stride,
                     uint8_t *to, const size_t *to_stride, size_t value_bytes)
{
    for (size_t i = 0; i < box[0]; i++)
        for (size_t j = 0; j < box[1]; j++)
            for (size_t k = 0; k < box[2]; k++) {
                const size_t s =
                    i * from_stride[0] + j * from_stride[1] + k * from_stride[2];
                const size_t d = i * to_stride[0] + j * to_stride[1] + k * to_stride[2];

                memcpy(to + d * value_bytes, from + s * value_bytes, value_bytes);
            }
}

/* Same values in the same logical order, in the storage order of the new shape. */
static void reshape_run(const mico_call *call)
{
    const mico_plan *plan = call->plan;
    const mico_op *op = call->op;
    const uint8_t *const *in = call->in;
    uint8_t *out = call->out;
    const size_t n_images = call->n_images;
    const mico_plan_tensor *x = mico_op_input(plan, op, 0);
    const mico_plan_tensor *y = mico_op_output(plan, op);
    const size_t size = mico_value_bytes(x), count = x->bytes / size;
    const grid from = grid_of(x), to = grid_of(y);

    for (size_t n = 0; n < n_images; n++)
        for (size_t k = 0; k < count; k++)
            memcpy(out + n * y->bytes + grid_at(&to, k) * size,
                   in[0] + n * x->bytes + grid_at(&from, k) * size, size);
}

static void pad_run(const mico_call *call)
{
    const mico_plan *plan = call->plan;
    const mico_op *op = call->op;
    const uint8_t *const *in = call->in;
    uint8_t *out = call->out;
    const size_t n_images = call->n_images;
    const mico_plan_tensor *x = mico_op_input(plan, op, 0);
    const mico_plan_tensor *y = mico_op_output(plan, op);
    const size_t size = mico_value_bytes(x);
    const grid from = grid_of(x), to = grid_of(y);
    size_t first = 0;

    for (size_t a = 0; a < x->shape.rank; a++)
        first += op->node->pad_before[a] * to.stride[a];
    memset(out, size == 1 ? (int)y->zero : 0, n_images * y->bytes);
    for (size_t n = 0; n < n_images; n++)
        move_box(from.dim, in[0] + n * x->bytes, from.stride,
                 out + n * y->bytes + first * size, to.stride, size);
}

static void slice_run(const mico_call *call)
{
    const mico_plan *plan = call->plan;
    const mico_op *op = call->op;
    const uint8_t *const *in = call->in;
    uint8_t *out = call->out;
    const size_t n_images = call->n_images;
    const mico_plan_tensor *x = mico_op_input(plan, op, 0);
    const mico_plan_tensor *y = mico_op_output(plan, op);
    const size_t size = mico_value_bytes(x);
    const grid from = grid_of(x), to = grid_of(y);
    size_t first = 0, stride[3] = {0, 0, 0};

    for (size_t a = 0; a < x->shape.rank; a++) {
        first += op->node->start[a] * from.stride[a];
        stride[a] = op->node->step[a] * from.stride[a];
    }
    for (size_t n = 0; n < n_images; n++)
        move_box(to.dim, in[0] + n * x->bytes + first * size, stride,
                 out + n * y->bytes, to.stride, size);
}

/* Output axis a is input axis perm[a]. */
static void transpose_run(const mico_call *call)
{
    const mico_plan *plan = call->plan;
    const mico_op *op = call->op;
    const uint8_t *const *in = call->in;
    uint8_t *out = call->out;
    const size_t n_images = call->n_images;
    const mico_plan_tensor *x = mico_op_input(plan, op, 0);
    const mico_plan_tensor *y = mico_op_output(plan, op);
    const size_t size = mico_value_bytes(x);
    const grid from = grid_of(x), to = grid_of(y);
    size_t stride[3] = {0, 0, 0};

    for (size_t a = 0; a < y->shape.rank; a++)
        stride[a] = from.stride[op->node->perm[a]];
    for (size_t n = 0; n < n_images; n++)
        move_box(to.dim, in[0] + n * x->bytes, stride, out + n * y->bytes, to.stride,
                 size);
}

MICO_C_KERNEL(flatten, FLATTEN, reshape_run)
MICO_C_KERNEL(reshape, RESHAPE, reshape_run)
MICO_C_KERNEL(pad, PAD, pad_run)
MICO_C_KERNEL(slice, SLICE, slice_run)
MICO_C_KERNEL(transpose, TRANSPOSE, transpose_run)
