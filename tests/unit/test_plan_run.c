/* The numbers of a plan at work: each operation, computed as docs/INTEGER.md says with
 * 64-bit integers, is the rounded real-valued operation on what its inputs stand for.
 */
#include "plan/plan.h"

#include "support/plan_build.h"
#include "support/suite.h"

#define MAX_ELEMENTS 512

typedef struct execution {
    const mico_plan *plan;
    int64_t q[32][MAX_ELEMENTS]; /* integers of each plan tensor, [h][w][c] */
    size_t checked;
} execution;

static int64_t requantize(int64_t acc, int32_t mult, int shift)
{
    int64_t v = acc * mult + ((int64_t)1 << (shift - 1));
    int64_t d = (int64_t)1 << shift;

    return v >= 0 ? v / d : -((-v + d - 1) / d); /* floor */
}

/* Clamps y, keeps its integer, and notes how far that is from the real value x, where
 * `slack` units are allowed besides the rounding itself. */
static void finish(execution *r, const mico_op *op, size_t at, int64_t y, double x,
                   double slack)
{
    const mico_format *f = &r->plan->tensor[op->out].format;
    const mico_epilogue *e = &op->epilogue;
    int64_t zero = (int64_t)r->plan->tensor[op->out].zero;
    double want, lo = e->lo, hi = e->hi;

    y = y < e->lo ? e->lo : y > e->hi ? e->hi : y;
    r->q[op->out][at] = e->base + e->step * y - zero;
    r->checked++;
    if (f->width == 1 && f->is_signed) {
        CU_ASSERT_TRUE(fabs(x) < 1e-9 || r->q[op->out][at] == (x > 0 ? 1 : -1));
        return;
    }
    CU_ASSERT_TRUE(f->width == 32 ||
                   (r->q[op->out][at] >= mico_q_min(f->width, f->is_signed) &&
                    r->q[op->out][at] <= mico_q_max(f->width, f->is_signed)));
    want = x / f->scale;
    want = want < lo ? lo : want > hi ? hi : want;
    CU_ASSERT_TRUE(fabs((double)y - want) <= 0.5 + slack + fabs(want) * ldexp(1, -18));
}

static double scale_of(const execution *r, size_t tensor)
{
    return r->plan->tensor[tensor].format.scale;
}

static void run_layer(execution *r, const mico_op *op)
{
    const mico_node *n = op->node;
    const mico_shape *in = &r->plan->tensor[op->in[0]].shape;
    const mico_shape *out = &r->plan->tensor[op->out].shape;
    size_t h = in->rank == 3 ? in->dim[1] : 1, w = in->rank == 3 ? in->dim[2] : 1;
    size_t oh = out->rank == 3 ? out->dim[1] : 1, ow = out->rank == 3 ? out->dim[2] : 1;
    size_t depth = n->c_in / n->groups, kh = n->window.kh, kw = n->window.kw;
    double s_x = scale_of(r, op->in[0]);

    for (size_t p = 0; p < oh * ow * n->c_out; p++) {
        size_t c = p % n->c_out, x0 = p / n->c_out % ow, y0 = p / n->c_out / ow;
        size_t first = c / (n->c_out / n->groups) * depth;
        double unit = s_x * op->weights->scale[c], slack = 0.5 * unit;
        int64_t acc = op->bias[c];

        for (size_t t = 0; t < kh * kw * depth; t++) {
            size_t i = t % depth, kx = t / depth % kw, ky = t / depth / kw;
            size_t y = y0 + ky - n->window.pad_top, x = x0 + kx - n->window.pad_left;

            if (y < h && x < w)
                acc += r->q[op->in[0]][(y * w + x) * n->c_in + first + i] *
                       op->weights->q[c * op->weights->taps + t];
        }
        CU_ASSERT_TRUE(llabs((long long)acc) <= op->acc_bound);
        finish(r, op, p,
               op->mult != NULL ? requantize(acc, op->mult[c], op->shift[c]) : acc,
               /* the bias as the network has it */
               unit * (double)(acc - op->bias[c]) + (double)n->bias[c],
               slack / scale_of(r, op->out));
    }
}

static void run_avgpool(execution *r, const mico_op *op)
{
    const mico_window *win = &op->node->window;
    const mico_shape *in = &r->plan->tensor[op->in[0]].shape;
    const mico_shape *out = &r->plan->tensor[op->out].shape;
    size_t channels = in->dim[0];

    for (size_t p = 0; p < out->dim[1] * out->dim[2] * channels; p++) {
        size_t c = p % channels, x0 = p / channels % out->dim[2];
        size_t y0 = p / channels / out->dim[2], count = 0;
        int64_t sum = 0;

        for (size_t t = 0; t < win->kh * win->kw; t++) {
            size_t y = y0 * win->stride_h + t / win->kw - win->pad_top;
            size_t x = x0 * win->stride_w + t % win->kw - win->pad_left;

            if (y >= in->dim[1] || x >= in->dim[2])
                continue;
            count++;
            sum += r->q[op->in[0]][(y * in->dim[2] + x) * channels + c];
        }
        finish(r, op, p, requantize(sum, op->mult[count], op->shift[count]),
               scale_of(r, op->in[0]) * (double)sum / (double)count, 0);
    }
}

static void run_elementwise(execution *r, const mico_op *op)
{
    size_t n = mico_shape_count(&r->plan->tensor[op->out].shape);

    for (size_t i = 0; i < n; i++) {
        int64_t a = r->q[op->in[0]][i];

        if (op->kind == MICO_OP_ADD) {
            int64_t b = r->q[op->in[1]][i];

            finish(r, op, i,
                   requantize(a * op->mult[0] + b * op->mult[1], 1, op->shift[0]),
                   scale_of(r, op->in[0]) * (double)a +
                       scale_of(r, op->in[1]) * (double)b,
                   0.001);
        } else if (op->kind == MICO_OP_REQUANT) {
            finish(r, op, i, requantize(a, op->mult[0], op->shift[0]),
                   scale_of(r, op->in[0]) * (double)a, 0.001);
        } else if (op->kind == MICO_OP_CLAMP) {
            a = a < op->epilogue.lo ? op->epilogue.lo : a;
            r->q[op->out][i] = a > op->epilogue.hi ? op->epilogue.hi : a;
        } else { /* flatten of {c,1,1} */
            r->q[op->out][i] = a;
        }
    }
}

static void run_concat(execution *r, const mico_op *op)
{
    const mico_shape *out = &r->plan->tensor[op->out].shape;
    size_t pixels = out->dim[1] * out->dim[2], first = 0;

    for (size_t k = 0; k < op->n_in; k++) {
        size_t channels = r->plan->tensor[op->in[k]].shape.dim[0];

        for (size_t i = 0; i < pixels * channels; i++) {
            int64_t a = r->q[op->in[k]][i];
            size_t at = i / channels * out->dim[0] + first + i % channels;

            finish(r, op, at, requantize(a, op->mult[k], op->shift[k]),
                   scale_of(r, op->in[k]) * (double)a, 0.001);
        }
        first += channels;
    }
}

static void run_plan(execution *r, const mico_plan *plan)
{
    const mico_shape *in = &plan->tensor[plan->op[0].out].shape;
    mico_rng *rng = mico_rng_new(3, "images", 0);

    r->plan = plan;
    CU_ASSERT_TRUE_FATAL(plan->n_tensors <= 32);
    for (size_t i = 0; i < mico_shape_count(in); i++) {
        size_t c = i % in->dim[0], v = mico_rng_below(rng, 256);

        r->q[plan->op[0].out][i] = plan->op[0].lut_u8[c * 256 + v] -
                                   (int64_t)plan->tensor[plan->op[0].out].zero;
    }
    mico_rng_free(rng);
    for (size_t i = 1; i < plan->n_ops; i++) {
        const mico_op *op = &plan->op[i];

        CU_ASSERT_TRUE_FATAL(mico_shape_count(&plan->tensor[op->out].shape) <=
                             MAX_ELEMENTS);
        if (op->kind == MICO_OP_CONV || op->kind == MICO_OP_LINEAR)
            run_layer(r, op);
        else if (op->kind == MICO_OP_AVGPOOL)
            run_avgpool(r, op);
        else if (op->kind == MICO_OP_CONCAT)
            run_concat(r, op);
        else
            run_elementwise(r, op);
    }
}

/* conv, relu6; two branches (3x3 grouped, depthwise) joined by add and concat; average
 * pools with and without border; linear. */
static mico_net *branches(void)
{
    const float mul[] = {1 / 128.0f}, add[] = {-1};
    plan_build b;
    size_t x = plan_begin(&b, 4, 5, 5), y, z;
    mico_net *net;

    x = plan_clip(&b, plan_conv(&b, x, 4, 6, 3, 1), 0, 6);
    y = plan_conv(&b, x, 6, 6, 3, 2);
    z = plan_relu(&b, plan_two(&b, MICO_NODE_ADD, x, y));
    y = plan_clip(&b, plan_conv(&b, z, 6, 6, 3, 6), -1, 2);
    y = plan_two(&b, MICO_NODE_CONCAT, y, z);
    y = plan_relu(&b, y);
    y = plan_conv(&b, plan_pool(&b, MICO_NODE_AVGPOOL, y, 3, 2, 1), 12, 8, 1, 1);
    y = plan_flatten(&b, plan_pool(&b, MICO_NODE_AVGPOOL, y, 3, 1, 0));
    net = plan_end(&b, plan_linear(&b, y, 8, 5));
    CU_ASSERT_EQUAL(mico_net_set_preprocess(net, mul, add, 1, NULL), MICO_OK);
    return net;
}

static void t_operations_are_rounded_reals(void)
{
    mico_net *net = branches();
    mico_calib *calib = plan_calibration(net);
    execution *r = mico_xcalloc(1, sizeof *r);
    const char *const schemes[] = {"w8a8",
                                   "w4a4",
                                   "w2a2",
                                   "wtat",
                                   "w1a1",
                                   "w8a1",
                                   "8/8,4/t,2/1,t/4,1/2",
                                   "8/3,4/8,8/5,3/6,8/7"};

    for (int variant = 0; variant < 4; variant++) {
        mico_quant quant = mico_quant_default;
        mico_lowering *low;

        quant.granularity = variant & 1 ? MICO_PER_TENSOR : MICO_PER_CHANNEL;
        quant.unsigned_acts = (variant & 2) != 0;
        low = mico_lowering_new(net, calib, &quant);
        for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
            mico_scheme scheme;
            mico_plan *plan;

            CU_ASSERT_EQUAL_FATAL(
                mico_scheme_parse(&scheme, schemes[i], net->n_layers, NULL), MICO_OK);
            CU_ASSERT_EQUAL_FATAL(mico_lower(&plan, low, &scheme, NULL), MICO_OK);
            run_plan(r, plan);
            mico_plan_free(plan);
        }
        mico_lowering_free(low);
    }
    CU_ASSERT_TRUE(r->checked > 4 * 8 * 800);
    free(r);
    mico_calib_free(calib);
    mico_net_free(net);
}

MICO_SUITE("plan run", {"operations are rounded reals", t_operations_are_rounded_reals})
