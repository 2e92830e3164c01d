/* program.c: merges the plans of a bundle: what two of them compute is one step.
 *
 * Plans are added in the order in which they will end. Each brings the steps that no
 * earlier one has, so that bundles sorted by shared prefixes are walked depth first,
 * and a value lives from its first reader's plan to its last one's. */
#include "eval/eval_internal.h"

#include <stdlib.h>
#include <string.h>

#define NONE SIZE_MAX

double mico_program_work(const mico_plan *plan, const mico_op *op)
{
    const double results = (double)mico_shape_count(&plan->tensor[op->out].shape);

    return op->weights != NULL ? results * (double)op->weights->taps : results;
}

/* ---- adding plans ------------------------------------------------------------------
 */

/* What the op computes, given the values that it reads. Within one lowering node,
 * weights and result format imply everything else. */
static mico_value_key key_of(const mico_program *program, const mico_plan *plan,
                             const mico_op *op, const size_t *in)
{
    const mico_format *f = &plan->tensor[op->out].format;
    mico_value_key key;

    memset(&key, 0, sizeof key); /* the padding too: keys are compared as bytes */
    key.node = op->node;
    key.weights = op->weights;
    key.scale = f->scale;
    key.kind = op->kind;
    key.width = f->width;
    key.is_signed = f->is_signed;
    key.is_float = f->is_float;
    if (op->layer != NONE)
        key.act_width = plan->scheme.bits[plan->net->n_layers + op->layer];
    key.n_in = (uint32_t)op->n_in;
    for (size_t k = 0; k < op->n_in; k++)
        key.in[k] = program->value[in[k]].id;
    return key;
}

/* The value's place in `where`, which grows with the ids. */
static uint32_t *where(mico_program *program, uint64_t id)
{
    if (id >= program->where_capacity) {
        size_t n = 2 * (size_t)id + 64;

        program->where = mico_xrealloc(program->where, n, sizeof *program->where);
        memset(program->where + program->where_capacity, 0,
               (n - program->where_capacity) * sizeof *program->where);
        program->where_capacity = n;
    }
    return &program->where[id];
}

static size_t add_value(mico_program *program, const mico_plan *plan, const mico_op *op,
                        const size_t *in, uint64_t id)
{
    mico_value *v;

    program->value = mico_grow(program->value, program->n_values,
                               &program->value_capacity, sizeof *program->value);
    v = &program->value[program->n_values];
    *v = (mico_value){.id = id, .bytes = plan->tensor[op->out].bytes};
    for (size_t k = 0; k < op->n_in; k++) {
        const mico_value *from = &program->value[in[k]];

        v->depth = from->depth > v->depth ? from->depth : v->depth;
        v->work = from->work > v->work ? from->work : v->work;
    }
    v->depth += op->layer != NONE;
    v->work += mico_program_work(plan, op);
    return program->n_values++;
}

static void add_step(mico_program *program, const mico_plan *plan, const mico_op *op,
                     const size_t *in, size_t out)
{
    mico_step *step;

    program->step = mico_grow(program->step, program->n_steps, &program->step_capacity,
                              sizeof *program->step);
    step = &program->step[program->n_steps++];
    *step = (mico_step){.plan = plan, .op = op, .other = NONE, .out = out};
    memcpy(step->in, in, op->n_in * sizeof *in);
}

void mico_program_add(mico_program *program, mico_names *names, mico_plan *plan,
                      bool share)
{
    size_t *at = mico_xcalloc(plan->n_tensors, sizeof *at); /* values of its tensors */

    for (size_t i = 0; i < plan->n_ops; i++) {
        const mico_op *op = &plan->op[i];
        size_t in[MICO_MAX_INPUTS], out = NONE;
        mico_value_key key;
        uint64_t id = 0;

        for (size_t k = 0; k < op->n_in; k++)
            in[k] = at[op->in[k]];
        program->work_apart += mico_program_work(plan, op);
        if (share) {
            key = key_of(program, plan, op, in);
            id = mico_names_id(names, &key);
            out = *where(program, id) > 0 ? *where(program, id) - 1 : NONE;
        }
        if (out == NONE) {
            out = add_value(program, plan, op, in, id);
            add_step(program, plan, op, in, out);
            if (share)
                *where(program, id) = (uint32_t)out + 1;
        }
        at[op->out] = out;
    }
    if (program->n_plans == program->plan_capacity) {
        program->plan_capacity = 2 * program->plan_capacity + 8;
        program->plan =
            mico_xrealloc(program->plan, program->plan_capacity, sizeof *program->plan);
        program->output = mico_xrealloc(program->output, program->plan_capacity,
                                        sizeof *program->output);
    }
    program->plan[program->n_plans] = plan;
    program->output[program->n_plans++] = at[plan->output];
    free(at);
}

/* ---- trimming and fusing -----------------------------------------------------------
 */

static bool needed(const mico_value *v)
{
    return v->readers > 0 && v->kept == NULL;
}

/* Counts readers from the ends, and drops the steps that are left without one. */
void mico_program_trim(mico_program *program)
{
    size_t n = 0;

    program->work_shared = 0;
    for (size_t v = 0; v < program->n_values; v++)
        program->value[v].readers = 0;
    for (size_t p = 0; p < program->n_plans; p++)
        program->value[program->output[p]].readers++;
    for (size_t i = program->n_steps; i-- > 0;) {
        const mico_step *step = &program->step[i];

        for (size_t k = 0; k < step->op->n_in && needed(&program->value[step->out]);
             k++)
            program->value[step->in[k]].readers++;
    }
    for (size_t i = 0; i < program->n_steps; i++)
        if (needed(&program->value[program->step[i].out])) {
            program->step[n] = program->step[i];
            program->work_shared +=
                mico_program_work(program->step[n].plan, program->step[n].op);
            n++;
        }
    program->n_steps = n;
}

/* The last step before `end` that computes a value, or NONE. */
static size_t maker_of(const mico_program *program, size_t end, size_t value)
{
    while (end-- > 0)
        if (program->step[end].out == value)
            return end;
    return NONE;
}

/* Lets the later maker of the add's inputs do the add, where nothing else reads what it
 * makes. It moves to the add's place in the order. */
static void fuse_add(mico_program *program, size_t at)
{
    mico_step *add = &program->step[at], made;
    size_t best = NONE;

    for (size_t k = 0; k < 2; k++) {
        const mico_value *v = &program->value[add->in[k]];
        const size_t maker = maker_of(program, at, add->in[k]);
        const mico_step *s;

        if (maker == NONE || v->readers != 1 || v->keep != NULL)
            continue;
        s = &program->step[maker];
        if (s->plan == add->plan && s->add == NULL && s->kernel != NULL &&
            s->kernel->fuses != NULL && s->kernel->fuses(s->plan, s->op, add->op) &&
            (best == NONE || maker > best))
            best = maker;
    }
    if (best == NONE)
        return;
    made = program->step[best];
    made.add = add->op;
    made.other = add->in[made.out == add->in[0] ? 1 : 0];
    program->value[made.out].readers = 0;
    made.out = add->out;
    program->step[best].op = NULL; /* moved; dropped below */
    program->step[at] = made;
}

static void fuse_adds(mico_program *program)
{
    size_t n = 0;

    for (size_t i = 0; i < program->n_steps; i++)
        if (program->step[i].op->kind == MICO_OP_ADD)
            fuse_add(program, i);
    for (size_t i = 0; i < program->n_steps; i++)
        if (program->step[i].op != NULL)
            program->step[n++] = program->step[i];
    program->n_steps = n;
}

/* ---- kernels and places ------------------------------------------------------------
 */

static mico_status find_kernels(mico_program *program, mico_eval *eval, mico_err *err)
{
    for (size_t i = 0; i < program->n_steps; i++) {
        mico_step *step = &program->step[i];

        if (step->op->kind == MICO_OP_INPUT)
            continue;
        step->kernel = mico_eval_kernel(eval, step->plan, step->op);
        if (step->kernel == NULL)
            return mico_fail(err, MICO_EBUG, "no kernel runs operation %s of node %s",
                             mico_op_text(step->op->kind),
                             step->op->node != NULL ? step->op->node->name : "-");
    }
    return MICO_OK;
}

static void prepare_steps(mico_program *program, mico_ints *ints)
{
    for (size_t i = 0; i < program->n_steps; i++) {
        mico_step *step = &program->step[i];
        const mico_kernel *kernel = step->kernel;

        if (kernel == NULL)
            continue;
        step->packed = mico_ints_packed(ints, step->op, kernel);
        if (kernel->consts_bytes != NULL) {
            void *consts = mico_arena_alloc(
                &program->consts, kernel->consts_bytes(step->plan, step->op) + 64);

            kernel->prepare(step->plan, step->op, consts);
            step->consts = consts;
        }
        if (kernel->scratch_bytes != NULL) {
            const size_t bytes = kernel->scratch_bytes(step->plan, step->op);

            if (bytes > program->scratch_bytes)
                program->scratch_bytes = bytes;
        }
    }
}

static void use_place(mico_program *program, size_t value, size_t step)
{
    const mico_value *v = &program->value[value];

    if (v->kept == NULL && v->keep == NULL)
        mico_places_use(&program->places, value, step);
}

static void find_lifetimes(mico_program *program)
{
    mico_places *places = &program->places;

    mico_places_reset(places, program->n_values);
    for (size_t v = 0; v < program->n_values; v++)
        places->bytes[v] = program->value[v].bytes;
    for (size_t i = 0; i < program->n_steps; i++) {
        const mico_step *step = &program->step[i];

        for (size_t k = 0; k < step->op->n_in; k++)
            use_place(program, step->in[k], i);
        if (step->add != NULL)
            use_place(program, step->other, i);
        use_place(program, step->out, i);
    }
    for (size_t p = 0; p < program->n_plans; p++) /* scored at the end of a block */
        use_place(program, program->output[p], program->n_steps);
}

mico_status mico_program_finish(mico_program *program, mico_eval *eval, bool fuse,
                                mico_err *err)
{
    mico_status rc = find_kernels(program, eval, err);

    if (rc != MICO_OK)
        return rc;
    if (eval->tuner != NULL)
        mico_tuner_save(eval->tuner);
    if (fuse)
        fuse_adds(program);
    prepare_steps(program, &eval->ints);
    find_lifetimes(program);
    return MICO_OK;
}

void mico_program_reset(mico_program *program)
{
    for (size_t p = 0; p < program->n_plans; p++)
        mico_plan_free(program->plan[p]);
    for (size_t v = 0; v < program->n_values; v++)
        if (program->value[v].id < program->where_capacity)
            program->where[program->value[v].id] = 0;
    mico_arena_free(&program->consts);
    program->n_plans = program->n_steps = program->n_values = 0;
    program->scratch_bytes = 0;
    program->work_apart = program->work_shared = 0;
}

void mico_program_free(mico_program *program)
{
    mico_program_reset(program);
    free(program->plan);
    free(program->output);
    free(program->step);
    free(program->value);
    free(program->where);
    mico_places_free(&program->places);
    memset(program, 0, sizeof *program);
}
