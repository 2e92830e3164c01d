/* int.c: runs integer plans over images, a group at a time. */
#include "core/clock.h"
#include "eval/eval_internal.h"

#include <stdlib.h>
#include <string.h>

/* Tensors of a group stay in a core's L2; small networks take more images at a time. */
#define GROUP_BYTES ((size_t)512 << 10)
#define GROUP_MOST  ((size_t)256)
#define MARGIN      ((size_t)256) /* kernels may load beyond the last tensor */

void mico_ints_free(mico_ints *ints)
{
    mico_lowering_free(ints->lowering);
    for (size_t i = 0; i < ints->n_packed; i++)
        free(ints->packed[i].bytes);
    free(ints->packed);
    free(ints->step);
    mico_places_free(&ints->places);
    free(ints->memory);
    free(ints->scratch);
    free(ints->value);
    memset(ints, 0, sizeof *ints);
}

/* Weights in the kernel's order: from the cache, or packed now. */
static const void *packed_weights(mico_ints *ints, const mico_op *op,
                                  const mico_kernel *kernel)
{
    mico_packed *entry;

    if (kernel->packed_bytes == NULL)
        return NULL;
    for (size_t i = 0; i < ints->n_packed; i++)
        if (ints->packed[i].weights == op->weights && ints->packed[i].kernel == kernel)
            return ints->packed[i].bytes;
    ints->packed = mico_grow(ints->packed, ints->n_packed, &ints->packed_capacity,
                             sizeof *ints->packed);
    entry = &ints->packed[ints->n_packed++];
    entry->weights = op->weights;
    entry->kernel = kernel;
    entry->bytes = mico_xaligned(kernel->packed_bytes(op) + MARGIN);
    kernel->pack(op, entry->bytes);
    return entry->bytes;
}

static void grow_aligned(uint8_t **memory, size_t *have, size_t need)
{
    if (need <= *have)
        return;
    free(*memory);
    *memory = mico_xaligned(need);
    *have = need;
}

/* Kernel, weights and scratch of every operation (op 0 is the input: no kernel). */
static mico_status prepare_steps(mico_eval *eval, const mico_plan *plan, mico_err *err)
{
    mico_ints *ints = &eval->ints;
    size_t scratch = 0;

    if (plan->n_ops > ints->step_capacity) {
        ints->step = mico_xrealloc(ints->step, plan->n_ops, sizeof *ints->step);
        memset(ints->step, 0, plan->n_ops * sizeof *ints->step);
        ints->step_capacity = plan->n_ops;
    }
    for (size_t i = 1; i < plan->n_ops; i++) {
        const mico_op *op = &plan->op[i];
        const mico_kernel *kernel = mico_kernel_find(plan, op, eval->isa);

        if (kernel == NULL)
            return mico_fail(err, MICO_EBUG, "no kernel runs operation %zu (%s)", i,
                             mico_op_text(op->kind));
        ints->step[i].kernel = kernel;
        ints->step[i].packed = packed_weights(ints, op, kernel);
        free(ints->step[i].consts);
        ints->step[i].consts = NULL;
        if (kernel->consts_bytes != NULL) {
            ints->step[i].consts = mico_xaligned(kernel->consts_bytes(plan, op) + 64);
            kernel->prepare(plan, op, ints->step[i].consts);
        }
        if (kernel->scratch_bytes != NULL) {
            size_t bytes = kernel->scratch_bytes(plan, op);

            scratch = bytes > scratch ? bytes : scratch;
        }
    }
    grow_aligned(&ints->scratch, &ints->scratch_bytes, scratch + MARGIN);
    return MICO_OK;
}

static mico_status prepare_places(mico_ints *ints, const mico_plan *plan, size_t most,
                                  size_t *group, mico_err *err)
{
    mico_places *places = &ints->places;
    mico_status rc;

    mico_places_reset(places, plan->n_tensors);
    for (size_t t = 0; t < plan->n_tensors; t++)
        places->bytes[t] = plan->tensor[t].bytes;
    for (size_t i = 0; i < plan->n_ops; i++) {
        const mico_op *op = &plan->op[i];

        for (size_t k = 0; k < op->n_in; k++)
            mico_places_use(places, op->in[k], i);
        mico_places_use(places, op->out, i);
    }
    mico_places_use(places, plan->output, plan->n_ops);
    if ((rc = mico_places_group(places, GROUP_BYTES, most, group, err)) == MICO_OK)
        grow_aligned(&ints->memory, &ints->memory_bytes, places->total + 2 * MARGIN);
    return rc;
}

static uint8_t *codes_of(const mico_ints *ints, size_t tensor)
{
    return ints->memory + MARGIN + ints->places.offset[tensor];
}

static void run_input(const mico_plan *plan, const mico_data *data, size_t first,
                      size_t n, uint8_t *out)
{
    size_t at = first * mico_shape_count(&data->shape);

    switch (data->type) {
    case MICO_RAW_U8:
        mico_input_u8(plan, (const uint8_t *)data->raw + at, out, n);
        break;
    case MICO_RAW_S8:
        mico_input_s8(plan, (const int8_t *)data->raw + at, out, n);
        break;
    case MICO_RAW_F32:
        mico_input_f32(plan, (const float *)data->raw + at, out, n);
        break;
    }
}

typedef void see_codes(void *ctx, const mico_plan *plan, size_t tensor,
                       const uint8_t *codes);

static void run_group(mico_ints *ints, const mico_plan *plan, const mico_data *data,
                      size_t first, size_t n, see_codes *see, void *ctx)
{
    run_input(plan, data, first, n, codes_of(ints, plan->op[0].out));
    if (see != NULL)
        see(ctx, plan, plan->op[0].out, codes_of(ints, plan->op[0].out));
    for (size_t i = 1; i < plan->n_ops; i++) {
        const mico_op *op = &plan->op[i];
        const uint8_t *in[MICO_MAX_INPUTS] = {NULL};
        uint8_t *out = codes_of(ints, op->out);

        for (size_t k = 0; k < op->n_in; k++)
            in[k] = codes_of(ints, op->in[k]);
        ints->step[i].kernel->run(&(mico_call){.plan = plan,
                                               .op = op,
                                               .packed = ints->step[i].packed,
                                               .consts = ints->step[i].consts,
                                               .in = in,
                                               .out = out,
                                               .n_images = n,
                                               .scratch = ints->scratch});
        if (see != NULL)
            see(ctx, plan, op->out, out);
    }
}

/* The output's integers of one image in class order: (C,H,W). */
static void read_outputs(const mico_plan_tensor *t, const uint8_t *codes, double *value)
{
    size_t n = mico_shape_count(&t->shape), channels = n, pixels = 1;

    if (t->shape.rank == 3) {
        channels = t->shape.dim[0];
        pixels = t->shape.dim[1] * t->shape.dim[2];
    }
    for (size_t c = 0; c < channels; c++)
        for (size_t p = 0; p < pixels; p++) {
            size_t at = p * channels + c;

            if (t->format.width == 32) {
                int32_t v;

                memcpy(&v, codes + at * sizeof v, sizeof v);
                *value++ = v;
            } else {
                *value++ = (double)codes[at] - (double)t->zero;
            }
        }
}

static void score_split(mico_ints *ints, const mico_plan *plan, const mico_split *split,
                        size_t group, mico_result *result)
{
    const mico_plan_tensor *t = &plan->tensor[plan->output];
    size_t outputs = mico_shape_count(&t->shape);

    if (outputs > ints->value_capacity) {
        ints->value = mico_xrealloc(ints->value, outputs, sizeof *ints->value);
        ints->value_capacity = outputs;
    }
    for (size_t i = 0, n; i < split->count; i += n) {
        n = split->count - i < group ? split->count - i : group;
        run_group(ints, plan, split->data, split->first + i, n, NULL, NULL);
        for (size_t k = 0; k < n; k++) {
            read_outputs(t, codes_of(ints, plan->output) + k * t->bytes, ints->value);
            mico_score_add(result, ints->value, outputs, t->format.scale,
                           split->data->label[split->first + i + k]);
        }
    }
}

/* Lowers the scheme and makes everything ready for groups of at most `most` images. */
static mico_status prepare(mico_eval *eval, const mico_scheme *scheme, size_t most,
                           mico_plan **plan, size_t *group, mico_err *err)
{
    mico_ints *ints = &eval->ints;
    mico_plan *made = NULL;
    mico_status rc;

    if (eval->calib == NULL)
        return mico_fail(err, MICO_EBUG, "integer evaluation needs a calibration");
    if ((rc = mico_scheme_check(eval->net, scheme, err)) != MICO_OK)
        return rc;
    if (ints->lowering == NULL)
        ints->lowering = mico_lowering_new(eval->net, eval->calib, &eval->quant);
    if ((rc = mico_lower(&made, ints->lowering, scheme, err)) != MICO_OK ||
        (rc = prepare_steps(eval, made, err)) != MICO_OK ||
        (rc = prepare_places(ints, made, most, group, err)) != MICO_OK)
        mico_plan_free(made);
    else
        *plan = made;
    return rc;
}

mico_status mico_eval_int(mico_eval *eval, const mico_scheme *scheme,
                          const mico_split *split, mico_result *result, mico_err *err)
{
    mico_result found = {.predictions = result->predictions};
    double start_s = mico_now_s();
    mico_plan *plan = NULL;
    size_t group = 1;
    mico_status rc;

    if ((rc = mico_split_check(eval->net, split->data, split->first, split->count,
                               err)) != MICO_OK ||
        (rc = prepare(eval, scheme, GROUP_MOST, &plan, &group, err)) != MICO_OK)
        return rc;
    score_split(&eval->ints, plan, split, group, &found);
    mico_score_finish(&found, start_s);
    *result = found;
    mico_plan_free(plan);
    return MICO_OK;
}

mico_status mico_eval_trace(mico_eval *eval, const mico_scheme *scheme,
                            const mico_data *data, size_t image, see_codes *see,
                            void *ctx, mico_err *err)
{
    mico_plan *plan = NULL;
    size_t group = 1;
    mico_status rc;

    if ((rc = mico_split_check(eval->net, data, image, 1, err)) != MICO_OK ||
        (rc = prepare(eval, scheme, 1, &plan, &group, err)) != MICO_OK)
        return rc;
    run_group(&eval->ints, plan, data, image, 1, see, ctx);
    mico_plan_free(plan);
    return MICO_OK;
}
