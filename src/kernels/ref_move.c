/* ref_move.c: portable flatten, reshape, pad, slice and transpose: values only move. */
#include "kernels/kernels_internal.h"
#include "kernels/move.h"

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
static void move_box(const size_t *dim, const uint8_t *from, const size_t *from_stride,
                     uint8_t *to, const size_t *to_stride, size_t value_bytes)
{
    mico_move_axis axis[3];

    for (size_t a = 0; a < 3; a++)
        axis[a] = (mico_move_axis){dim[a], from_stride[a], to_stride[a]};
    mico_move(axis, 3, from, to, value_bytes);
}

/* Both shapes cut into common axes, last first; their number, or 0 where a dimension of
 * one is no product of dimensions of the other and parts of them. */
static size_t common_axes(const grid *from, const grid *to, mico_move_axis *axis)
{
    size_t n = 0, f = 3, t = 3, from_left = 1, to_left = 1, from_step = 0, to_step = 0;

    for (;;) {
        while (from_left == 1 && f > 0) {
            from_left = from->dim[--f];
            from_step = from->stride[f];
        }
        while (to_left == 1 && t > 0) {
            to_left = to->dim[--t];
            to_step = to->stride[t];
        }
        const size_t both = from_left < to_left ? from_left : to_left;

        if (both == 1) /* all is cut */
            return n;
        if (from_left % both != 0 || to_left % both != 0)
            return 0;
        axis[n++] = (mico_move_axis){both, from_step, to_step};
        from_left /= both;
        to_left /= both;
        from_step *= both;
        to_step *= both;
    }
}

/* Same values in the same logical order, in the storage order of the new shape. */
static void reshape_run(const mico_call *call)
{
    const mico_plan_tensor *x = mico_op_input(call->plan, call->op, 0);
    const mico_plan_tensor *y = mico_op_output(call->plan, call->op);
    const size_t size = mico_value_bytes(x), count = x->bytes / size;
    const grid from = grid_of(x), to = grid_of(y);
    mico_move_axis axis[MICO_MOVE_AXES];
    const size_t n_axes = common_axes(&from, &to, axis);

    for (size_t n = 0; n < call->n_images; n++) {
        const uint8_t *in = call->in[0] + n * x->bytes;
        uint8_t *out = call->out + n * y->bytes;

        if (n_axes > 0 || count == 1)
            mico_move(axis, n_axes, in, out, size);
        else
            for (size_t k = 0; k < count; k++)
                memcpy(out + grid_at(&to, k) * size, in + grid_at(&from, k) * size,
                       size);
    }
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

/* Moving is the same whatever the values mean and however an op would round. */
#define MOVE_KERNEL(stem, KIND, run_function)                                          \
    static bool stem##_supports(const mico_plan *plan, const mico_op *op)              \
    {                                                                                  \
        (void)plan;                                                                    \
        return op->kind == MICO_OP_##KIND;                                             \
    }                                                                                  \
    const mico_kernel mico_kernel_##stem##_c = {.name = #stem "_c",                    \
                                                .isa = "c",                            \
                                                .supports = stem##_supports,           \
                                                .run = run_function};
MOVE_KERNEL(flatten, FLATTEN, reshape_run)
MOVE_KERNEL(reshape, RESHAPE, reshape_run)
MOVE_KERNEL(pad, PAD, pad_run)
MOVE_KERNEL(slice, SLICE, slice_run)
MOVE_KERNEL(transpose, TRANSPOSE, transpose_run)
