/* The plan as a table for people. */
#include "plan/plan_internal.h"

#include <stdio.h>

const char *mico_op_text(mico_op_kind kind)
{
    static const char *const text[] = {
#define OP_TEXT(suffix, name) name,
        MICO_OP_LIST(OP_TEXT)
#undef OP_TEXT
    };

    return (unsigned)kind < MICO_N_OP_KINDS ? text[kind] : "?";
}

/* "s8", "u4", "st" (ternary), "i32" */
static void format_text(const mico_format *f, char out[8])
{
    if (f->width == 32)
        snprintf(out, 8, f->is_float ? "f32" : "i32");
    else
        snprintf(out, 8, "%c%s", f->is_signed ? 's' : 'u', mico_width_text(f->width));
}

static void widths_text(const mico_plan *plan, const mico_op *op, char out[8])
{
    const uint8_t *bits = plan->scheme.bits;

    if (op->layer == NONE)
        snprintf(out, 8, "-");
    else
        snprintf(out, 8, "%s/%s", mico_width_text(bits[op->layer]),
                 mico_width_text(bits[plan->scheme.n_layers + op->layer]));
}

/* How many entries mult and shift have. */
static size_t multiplier_count(const mico_op *op)
{
    switch (op->kind) {
    case MICO_OP_CONV:
    case MICO_OP_LINEAR:
        return op->weights->c_out;
    case MICO_OP_ADD:
        return 2;
    case MICO_OP_CONCAT:
        return op->n_in;
    case MICO_OP_AVGPOOL:
        return op->node->window.kh * op->node->window.kw + 1;
    default:
        return 1;
    }
}

/* "1234567/2^30", or the range "lo..hi" of several as real numbers. */
static void multiplier_text(const mico_op *op, char out[40])
{
    size_t first = op->kind == MICO_OP_AVGPOOL ? 1 : 0, n;
    double lo = 0, hi = 0;

    if (op->rounding == MICO_ROUND_ARES && op->scale_f32 != NULL) {
        snprintf(out, 40, "%.9g", (double)op->scale_f32[0]);
        return;
    }
    if (op->mult == NULL) {
        snprintf(out, 40, "-");
        return;
    }
    n = multiplier_count(op);
    if (n - first == 1) {
        snprintf(out, 40, "%d/2^%d", op->mult[first], op->shift[first]);
        return;
    }
    for (size_t i = first; i < n; i++) {
        bool shared = op->kind == MICO_OP_ADD && op->rounding != MICO_ROUND_TFLITE;
        unsigned shift = op->shift[shared ? 0 : i];
        double ratio = op->mult[i] / (double)((uint64_t)1 << shift);

        lo = i == first || ratio < lo ? ratio : lo;
        hi = i == first || ratio > hi ? ratio : hi;
    }
    snprintf(out, 40, "%.5g..%.5g", lo, hi);
}

static void print_op(const mico_plan *plan, size_t i, mico_str *out)
{
    const mico_op *op = &plan->op[i];
    const mico_plan_tensor *t = &plan->tensor[op->out];
    char shape[48], format[8], widths[8], mult[40], in[48] = "", clamp[32] = "-";
    int used = 0;

    for (size_t k = 0; k < op->n_in && used >= 0 && used < (int)sizeof in; k++)
        used += snprintf(in + used, sizeof in - (size_t)used, "%s%zu", k > 0 ? "," : "",
                         op->in[k]);
    mico_shape_print(&t->shape, shape);
    format_text(&t->format, format);
    widths_text(plan, op, widths);
    multiplier_text(op, mult);
    if (t->format.width != 32)
        snprintf(clamp, sizeof clamp, "%d..%d", op->epilogue.lo, op->epilogue.hi);
    mico_str_add(out,
                 "%4zu  %-9s  %-20s  %5s  %-12s  %-6zu  %-14s  %-4s  %-11.5g  %-22s  "
                 "%-9s  %lld\n",
                 i, mico_op_text(op->kind), op->node != NULL ? op->node->name : "-",
                 widths, in[0] != '\0' ? in : "-", op->out, shape, format,
                 t->format.scale, mult, clamp, (long long)op->acc_bound);
}

void mico_plan_print(const mico_plan *plan, mico_str *out)
{
    mico_str_add(out,
                 "%4s  %-9s  %-20s  %5s  %-12s  %-6s  %-14s  %-4s  %-11s  %-22s  %-9s  "
                 "%s\n",
                 "op", "kind", "name", "w/a", "in", "out", "shape", "code", "scale",
                 "multiplier", "clamp", "bound");
    for (size_t i = 0; i < plan->n_ops; i++)
        print_op(plan, i, out);
}
