/* int.c: runs programs over images, a block at a time. */
#include "core/clock.h"
#include "eval/eval_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_MOST ((size_t)256)
#define MARGIN     ((size_t)256) /* kernels may load beyond the last tensor */

void mico_ints_free(mico_ints *ints)
{
    mico_program_free(&ints->program);
    mico_keeper_free(&ints->keeper);
    mico_names_free(&ints->names);
    mico_lowering_free(ints->lowering);
    for (size_t i = 0; i < ints->n_packed; i++)
        free(ints->packed[i].bytes);
    free(ints->packed);
    free(ints->memory);
    free(ints->scratch);
    free(ints->value);
    memset(ints, 0, sizeof *ints);
}

const void *mico_ints_packed(mico_ints *ints, const mico_op *op,
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
    entry->n_bytes = kernel->packed_bytes(op) + MARGIN;
    entry->bytes = mico_xaligned(entry->n_bytes);
    kernel->pack(op, entry->bytes);
    ints->packed_bytes += entry->n_bytes;
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

/* ---- a block of images -------------------------------------------------------------
 */

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

/* Where a value's images lie while the block from image i on (of n of the run's
 * images) is computed. */
static uint8_t *bytes_of(const mico_ints *ints, size_t value, size_t i)
{
    const mico_value *v = &ints->program.value[value];

    if (v->keep != NULL)
        return v->keep + i * v->bytes;
    if (v->kept != NULL)
        return (uint8_t *)(uintptr_t)v->kept + i * v->bytes; /* only read */
    return ints->memory + MARGIN + ints->program.places.offset[value];
}

typedef void see_codes(void *ctx, const mico_plan *plan, size_t tensor,
                       const uint8_t *codes);

static void run_step(const mico_ints *ints, const mico_step *step,
                     const mico_split *split, size_t i, size_t n)
{
    const uint8_t *in[MICO_MAX_INPUTS] = {NULL};
    uint8_t *out = bytes_of(ints, step->out, i);

    if (step->kernel == NULL) {
        run_input(step->plan, split->data, split->first + i, n, out);
        return;
    }
    for (size_t k = 0; k < step->op->n_in; k++)
        in[k] = bytes_of(ints, step->in[k], i);
    step->kernel->run(&(mico_call){
        .plan = step->plan,
        .op = step->op,
        .packed = step->packed,
        .consts = step->consts,
        .in = in,
        .out = out,
        .n_images = n,
        .scratch = ints->scratch,
        .add = step->add,
        .other = step->add != NULL ? bytes_of(ints, step->other, i) : NULL});
}

/* Images [i, i + n) of the split through all steps. */
static void run_block(mico_ints *ints, const mico_split *split, size_t i, size_t n,
                      see_codes *see, void *ctx)
{
    for (size_t s = 0; s < ints->program.n_steps; s++) {
        mico_step *step = &ints->program.step[s];
        const double start_s = ints->timing ? mico_now_s() : 0;

        run_step(ints, step, split, i, n);
        if (ints->timing)
            step->seconds += mico_now_s() - start_s;
        if (see != NULL)
            see(ctx, step->plan, step->op->out, bytes_of(ints, step->out, i));
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

            if (t->format.is_float) {
                float v;

                memcpy(&v, codes + at * sizeof v, sizeof v);
                *value++ = v;
            } else if (t->format.width == 32) {
                int32_t v;

                memcpy(&v, codes + at * sizeof v, sizeof v);
                *value++ = v;
            } else {
                *value++ = (double)codes[at] - (double)t->zero;
            }
        }
}

static void score_block(mico_ints *ints, const mico_split *split, size_t i, size_t n,
                        size_t plan_index, mico_result *result)
{
    const mico_plan *plan = ints->program.plan[plan_index];
    const mico_plan_tensor *t = &plan->tensor[plan->output];
    const uint8_t *codes = bytes_of(ints, ints->program.output[plan_index], i);
    const double scale = t->format.is_float ? 1 : t->format.scale;
    const size_t outputs = mico_shape_count(&t->shape);

    for (size_t k = 0; k < n; k++) {
        read_outputs(t, codes + k * t->bytes, ints->value);
        mico_score_add(result, ints->value, outputs, scale,
                       split->data->label[split->first + i + k]);
    }
}

/* ---- a run -------------------------------------------------------------------------
 */

/* Images at a time, so that values take about `bytes`, and places for them. */
static mico_status set_block(mico_ints *ints, size_t bytes, size_t most, size_t *n,
                             mico_err *err)
{
    mico_places *places = &ints->program.places;
    mico_status rc = mico_places_group(places, bytes, most, n, err);

    if (rc == MICO_OK)
        grow_aligned(&ints->memory, &ints->memory_bytes, places->total + 2 * MARGIN);
    return rc;
}

/* All images of the split through the program. answer[k] is that of plan k. */
static mico_status run_split(mico_eval *eval, const mico_split *split,
                             mico_answer *const *answer, mico_err *err)
{
    mico_ints *ints = &eval->ints;
    size_t bytes = 0, block = eval->options.block_images, n;
    mico_status rc;

    if (block > 0 && (rc = set_block(ints, SIZE_MAX, block, &block, err)) != MICO_OK)
        return rc;
    if (!ints->blocks.settled)
        ints->blocks = (mico_blocks){0};
    for (size_t i = 0; i < split->count; i += n) {
        const double start_s = mico_now_s();

        if (eval->options.block_images == 0 &&
            bytes != mico_blocks_next(&ints->blocks)) {
            bytes = mico_blocks_next(&ints->blocks);
            if ((rc = set_block(ints, bytes, BLOCK_MOST, &block, err)) != MICO_OK)
                return rc;
        }
        n = split->count - i < block ? split->count - i : block;
        run_block(ints, split, i, n, NULL, NULL);
        for (size_t p = 0; p < ints->program.n_plans; p++)
            score_block(ints, split, i, n, p, &answer[p]->result);
        if (n == block && eval->options.block_images == 0)
            mico_blocks_note(&ints->blocks, (mico_now_s() - start_s) / (double)n);
    }
    return MICO_OK;
}

/* Buffers of one run together: values by the limit less what is kept. */
static mico_status prepare_buffers(mico_eval *eval, mico_err *err)
{
    mico_ints *ints = &eval->ints;
    uint64_t limit = eval->options.limit_bytes;
    size_t outputs = mico_shape_count(&eval->net->tensor[eval->net->output].shape), one;

    if (limit > 0)
        ints->program.places.limit =
            limit > ints->keeper.bytes ? limit - ints->keeper.bytes : 0;
    if (outputs > ints->value_capacity) {
        ints->value = mico_xrealloc(ints->value, outputs, sizeof *ints->value);
        ints->value_capacity = outputs;
    }
    grow_aligned(&ints->scratch, &ints->scratch_bytes,
                 ints->program.scratch_bytes + MARGIN);
    return set_block(ints, 0, 1, &one, err);
}

static mico_status add_scheme(mico_eval *eval, const mico_scheme *scheme, mico_err *err)
{
    mico_ints *ints = &eval->ints;
    mico_plan *plan = NULL;
    mico_status rc;

    if ((rc = mico_scheme_check(eval->net, scheme, err)) != MICO_OK)
        return rc;
    if (ints->lowering == NULL)
        ints->lowering = mico_lowering_new(eval->net, eval->calib, &eval->quant);
    if ((rc = mico_lower(&plan, ints->lowering, scheme, err)) != MICO_OK)
        return rc;
    mico_program_add(&ints->program, &ints->names, plan, eval->options.reuse);
    return MICO_OK;
}

/* Kept values, kernels and buffers of the plans that were added. */
static mico_status prepare_program(mico_eval *eval, const mico_split *split, bool keep,
                                   bool fuse, mico_err *err)
{
    mico_ints *ints = &eval->ints;
    mico_status rc;

    if (eval->options.reuse)
        mico_keeper_find(&ints->keeper, &ints->program, split);
    mico_program_trim(&ints->program);
    if (keep && eval->options.reuse && eval->options.keep_bytes > 0)
        mico_keeper_choose(&ints->keeper, &ints->program, split,
                           eval->options.keep_bytes, eval->net->n_layers);
    if ((rc = mico_program_finish(&ints->program, eval, fuse, err)) == MICO_OK)
        rc = prepare_buffers(eval, err);
    return rc;
}

/* ---- bundles -----------------------------------------------------------------------
 */

typedef struct member {
    const mico_scheme *scheme;
    mico_answer *answer;
} member;

static int by_prefix(const void *x, const void *y)
{
    const member *a = x, *b = y;
    const int order = mico_scheme_order(a->scheme, b->scheme);

    return order != 0 ? order : (a->answer > b->answer) - (a->answer < b->answer);
}

/* Adds those that can be lowered and moves them to the front; returns how many. */
static size_t add_members(mico_eval *eval, member *m, size_t n)
{
    size_t n_live = 0;

    for (size_t k = 0; k < n; k++) {
        mico_answer *answer = m[k].answer;

        answer->status = add_scheme(eval, m[k].scheme, &answer->err);
        if (answer->status == MICO_OK)
            m[n_live++] = m[k];
    }
    return n_live;
}

/* Copies the steps' times before the program goes. */
static void note_times(mico_ints *ints)
{
    const mico_program *program = &ints->program;

    ints->times = mico_xrealloc(ints->times, program->n_steps + 1, sizeof *ints->times);
    ints->n_times = program->n_steps;
    for (size_t i = 0; i < program->n_steps; i++) {
        const mico_step *step = &program->step[i];
        const mico_op *op = step->op;
        const uint8_t *bits = step->plan->scheme.bits;
        mico_step_time *t = &ints->times[i];

        *t = (mico_step_time){.op = mico_op_text(op->kind),
                              .kernel = step->kernel != NULL ? step->kernel->name : "",
                              .fused_add = step->add != NULL,
                              .seconds = step->seconds,
                              .out_bytes = program->value[step->out].bytes};
        if (op->node != NULL)
            snprintf(t->name, sizeof t->name, "%s", op->node->name);
        for (size_t k = 0; k < op->n_in; k++)
            t->in_bytes += program->value[step->in[k]].bytes;
        if (op->weights == NULL)
            continue;
        t->weight_width = bits[op->layer];
        t->act_width = bits[step->plan->scheme.n_layers + op->layer];
        t->macs = mico_program_work(step->plan, op);
    }
}

static mico_status run_members(mico_eval *eval, member *m, size_t n,
                               const mico_split *split, bool keep, mico_err *err)
{
    mico_ints *ints = &eval->ints;
    mico_answer **answer = mico_xcalloc(n, sizeof(mico_answer *));
    const double start_s = mico_now_s();
    size_t n_live = add_members(eval, m, n);
    mico_status rc = MICO_OK;

    if (n_live > 0 && (rc = prepare_program(eval, split, keep, true, err)) == MICO_OK) {
        for (size_t k = 0; k < n_live; k++)
            answer[k] = m[k].answer;
        rc = run_split(eval, split, answer, err);
        ints->work_apart += ints->program.work_apart * (double)split->count;
        ints->work_done += ints->program.work_shared * (double)split->count;
    }
    mico_keeper_settle(&ints->keeper, rc == MICO_OK);
    if (ints->timing)
        note_times(ints);
    mico_program_reset(&ints->program);
    for (size_t k = 0; k < n_live && rc == MICO_OK; k++) {
        mico_score_finish(&answer[k]->result,
                          (mico_now_s() - start_s) / (double)n_live);
        /* float32 tensors can overflow (profiles dynamic, mico) */
        if (!isfinite(answer[k]->result.loss_sum))
            answer[k]->status = mico_fail(
                &answer[k]->err, MICO_ENET,
                "network \"%s\" gives outputs that are not finite; check its weights",
                eval->net->name);
    }
    free(answer);
    return rc;
}

mico_status mico_eval_bundle(mico_eval *eval, const mico_scheme *const *scheme,
                             mico_answer *answer, size_t n, const mico_split *split,
                             uint64_t to, mico_err *err)
{
    const uint64_t from = n > 0 ? answer[0].result.images : 0;
    mico_split part = {split->data, split->first + from, (size_t)(to - from)};
    member *m;
    mico_status rc =
        mico_split_check(eval->net, split->data, split->first, split->count, err);

    if (rc != MICO_OK)
        return rc;
    if (eval->calib == NULL)
        return mico_fail(err, MICO_EBUG, "integer evaluation needs a calibration");
    for (size_t k = 0; k < n; k++)
        if (answer[k].result.images != from || to < from || to > split->count)
            return mico_fail(err, MICO_EBUG, "a bundle stands at different images");
    m = mico_xcalloc(n + 1, sizeof *m);
    for (size_t k = 0; k < n; k++)
        m[k] = (member){scheme[k], &answer[k]};
    qsort(m, n, sizeof *m, by_prefix);
    if (n > 0)
        rc = run_members(eval, m, n, &part, part.count == split->count, err);
    free(m);
    return rc;
}

mico_status mico_eval_int(mico_eval *eval, const mico_scheme *scheme,
                          const mico_split *split, mico_result *result, mico_err *err)
{
    mico_answer answer = {
        .result = {.predictions = result->predictions, .right = result->right}};
    mico_status rc =
        mico_eval_bundle(eval, &scheme, &answer, 1, split, split->count, err);

    if (rc != MICO_OK)
        return rc;
    if (answer.status != MICO_OK) {
        *err = answer.err;
        return answer.status;
    }
    *result = answer.result;
    return MICO_OK;
}

mico_status mico_eval_times(mico_eval *eval, const mico_scheme *scheme,
                            const mico_split *split, mico_result *result,
                            mico_step_time **steps, size_t *n_steps, mico_err *err)
{
    mico_ints *ints = &eval->ints;
    mico_status rc;

    ints->timing = true;
    rc = mico_eval_int(eval, scheme, split, result, err);
    ints->timing = false;
    if (rc == MICO_OK) {
        *steps = ints->times;
        *n_steps = ints->n_times;
    } else {
        free(ints->times);
    }
    ints->times = NULL;
    return rc;
}

mico_status mico_eval_trace(mico_eval *eval, const mico_scheme *scheme,
                            const mico_data *data, size_t image, see_codes *see,
                            void *ctx, mico_err *err)
{
    const mico_split split = {data, image, 1};
    mico_status rc;

    if ((rc = mico_split_check(eval->net, data, image, 1, err)) != MICO_OK)
        return rc;
    if (eval->calib == NULL)
        return mico_fail(err, MICO_EBUG, "integer evaluation needs a calibration");
    if ((rc = add_scheme(eval, scheme, err)) == MICO_OK &&
        (rc = prepare_program(eval, &split, false, false, err)) == MICO_OK)
        run_block(&eval->ints, &split, 0, 1, see, ctx);
    mico_program_reset(&eval->ints.program);
    return rc;
}
