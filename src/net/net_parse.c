/* Reading the network file: the graph's JSON text. Nothing in it is trusted. */
#include "net/net_file.h"

#include <float.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The first problem found; readers go on with zeros, and the caller asks once. */
typedef struct parse {
    mico_err *err;
    mico_status rc;
    const char *where;
} parse;

static void bad(parse *p, const char *key)
{
    if (p->rc == MICO_OK)
        p->rc = mico_fail(p->err, MICO_EFORMAT,
                          "network file: '%s' of %s is missing or not sensible", key,
                          p->where);
}

static size_t to_size(parse *p, const json_t *v, const char *key)
{
    json_int_t i = json_is_integer(v) ? json_integer_value(v) : -1;

    if (i < 0 || i > (json_int_t)NET_MAX_ELEMENTS) {
        bad(p, key);
        return 0;
    }
    return (size_t)i;
}

static size_t get_size(parse *p, const json_t *o, const char *key)
{
    return to_size(p, json_object_get(o, key), key);
}

static bool get_bool(parse *p, const json_t *o, const char *key)
{
    const json_t *v = json_object_get(o, key);

    if (!json_is_boolean(v))
        bad(p, key);
    return json_is_true(v);
}

/* Text without zero bytes that fits into size. */
static const char *get_text(parse *p, const json_t *o, const char *key, size_t size)
{
    const json_t *v = json_object_get(o, key);

    if (!json_is_string(v) || json_string_length(v) >= size) {
        bad(p, key);
        return "";
    }
    return json_string_value(v);
}

/* A list of least..most sizes; returns how many. */
static size_t get_sizes(parse *p, const json_t *o, const char *key, size_t least,
                        size_t most, size_t *out)
{
    const json_t *list = json_object_get(o, key);
    size_t n = json_array_size(list);

    if (!json_is_array(list) || n < least || n > most) {
        bad(p, key);
        return 0;
    }
    for (size_t i = 0; i < n; i++)
        out[i] = to_size(p, json_array_get(list, i), key);
    return n;
}

static float get_limit(parse *p, const json_t *o, const char *key, float open)
{
    const json_t *v = json_object_get(o, key);

    if (json_is_null(v))
        return open;
    if (!json_is_number(v) || !isfinite((float)json_number_value(v)))
        bad(p, key);
    return (float)json_number_value(v);
}

static void get_window(parse *p, const json_t *o, mico_window *w)
{
    size_t pair[2] = {0}, pads[4] = {0};

    get_sizes(p, o, "kernel", 2, 2, pair);
    w->kh = pair[0];
    w->kw = pair[1];
    get_sizes(p, o, "stride", 2, 2, pair);
    w->stride_h = pair[0];
    w->stride_w = pair[1];
    get_sizes(p, o, "dilation", 2, 2, pair);
    w->dilation_h = pair[0];
    w->dilation_w = pair[1];
    get_sizes(p, o, "pad", 4, 4, pads);
    w->pad_top = pads[0];
    w->pad_left = pads[1];
    w->pad_bottom = pads[2];
    w->pad_right = pads[3];
}

/* What the kind has besides its tensors. */
static void get_details(parse *p, const json_t *o, mico_node *n, bool *has_bias)
{
    switch (n->kind) {
    case MICO_NODE_CONV:
        n->groups = get_size(p, o, "groups");
        get_window(p, o, &n->window);
        /* fall through */
    case MICO_NODE_LINEAR:
        n->c_in = get_size(p, o, "c_in");
        n->c_out = get_size(p, o, "c_out");
        *has_bias = get_bool(p, o, "bias");
        break;
    case MICO_NODE_AVGPOOL:
        n->count_include_pad = get_bool(p, o, "count_include_pad");
        get_window(p, o, &n->window);
        break;
    case MICO_NODE_MAXPOOL:
        get_window(p, o, &n->window);
        break;
    case MICO_NODE_CLIP:
        n->lo = get_limit(p, o, "lo", -INFINITY);
        n->hi = get_limit(p, o, "hi", INFINITY);
        break;
    case MICO_NODE_RESHAPE:
        n->shape.rank = get_sizes(p, o, "shape", 1, MICO_MAX_RANK, n->shape.dim);
        break;
    case MICO_NODE_PAD:
        get_sizes(p, o, "before", 1, MICO_MAX_RANK, n->pad_before);
        get_sizes(p, o, "after", 1, MICO_MAX_RANK, n->pad_after);
        break;
    case MICO_NODE_SLICE:
        get_sizes(p, o, "start", 1, MICO_MAX_RANK, n->start);
        get_sizes(p, o, "stop", 1, MICO_MAX_RANK, n->stop);
        get_sizes(p, o, "step", 1, MICO_MAX_RANK, n->step);
        break;
    case MICO_NODE_TRANSPOSE:
        get_sizes(p, o, "perm", 1, MICO_MAX_RANK, n->perm);
        break;
    default:
        break;
    }
}

static void get_node(parse *p, mico_net *net, const json_t *o, bool *has_bias)
{
    const char *text = get_text(p, o, "kind", 32);
    const char *name = get_text(p, o, "name", MICO_NET_NAME);
    size_t in[MICO_MAX_INPUTS], n_in, kind = 0;

    while (kind < MICO_N_NODE_KINDS &&
           strcmp(text, mico_net_kind_text((mico_node_kind)kind)) != 0)
        kind++;
    if (kind == MICO_N_NODE_KINDS)
        bad(p, "kind");
    n_in = get_sizes(p, o, "in", 1, MICO_MAX_INPUTS, in);
    if (p->rc == MICO_OK)
        get_details(p, o,
                    mico_net_node(net, (mico_node_kind)kind, name, n_in, in,
                                  get_size(p, o, "out")),
                    has_bias);
}

static void get_preprocess(parse *p, mico_net *net, const json_t *o)
{
    const json_t *list[2] = {json_object_get(o, "mul"), json_object_get(o, "add")};
    size_t n = json_array_size(list[0]);
    float *values[2];

    p->where = "the preprocessing";
    mico_net_copy_text(net->raw, sizeof net->raw,
                       get_text(p, o, "raw", sizeof net->raw));
    if (!json_is_array(list[0]) || !json_is_array(list[1]) ||
        json_array_size(list[1]) != n)
        bad(p, "mul and add");
    if (p->rc != MICO_OK)
        return;
    for (size_t k = 0; k < 2; k++) {
        values[k] = mico_xcalloc(n, sizeof *values[k]);
        for (size_t i = 0; i < n; i++) {
            const json_t *v = json_array_get(list[k], i);

            values[k][i] = (float)json_number_value(v);
            if (!json_is_number(v))
                bad(p, k == 0 ? "mul" : "add");
        }
    }
    if (p->rc == MICO_OK)
        p->rc = mico_net_set_preprocess(net, values[0], values[1], n, p->err);
    free(values[0]);
    free(values[1]);
}

/* Scale and zero of a tensor of an int8 network; either all tensors have them or none.
 */
static void get_fixed(parse *p, mico_net *net, const json_t *o, mico_tensor *t)
{
    const json_t *scale = json_object_get(o, "scale"),
                 *zero = json_object_get(o, "zero");
    bool first = t == net->tensor;

    if (scale == NULL && zero == NULL && (first || !net->has_fixed))
        return;
    if (!json_is_number(scale) || !json_is_integer(zero) ||
        !(json_integer_value(zero) >= -128 && json_integer_value(zero) <= 127) ||
        !(json_number_value(scale) > 0 && json_number_value(scale) <= FLT_MAX) ||
        !(first || net->has_fixed)) {
        bad(p, "scale and zero");
        return;
    }
    net->has_fixed = true;
    t->fixed_scale = (float)json_number_value(scale);
    t->fixed_zero = (int32_t)json_integer_value(zero);
}

static void get_graph(parse *p, const json_t *root, mico_net *net, bool *has_bias)
{
    const json_t *tensors = json_object_get(root, "tensors");
    const json_t *nodes = json_object_get(root, "nodes");

    for (size_t t = 0; t < json_array_size(tensors) && p->rc == MICO_OK; t++) {
        const json_t *o = json_array_get(tensors, t);
        size_t made;

        p->where = "a tensor";
        made = mico_net_tensor(net, get_text(p, o, "name", MICO_NET_NAME));
        net->tensor[made].shape.rank =
            get_sizes(p, o, "shape", 1, MICO_MAX_RANK, net->tensor[made].shape.dim);
        get_fixed(p, net, o, &net->tensor[made]);
    }
    p->where = "the graph";
    net->input = get_size(p, root, "input");
    net->output = get_size(p, root, "output");
    if (net->input >= net->n_tensors || net->output >= net->n_tensors)
        bad(p, "input and output");
    for (size_t i = 0; i < json_array_size(nodes) && p->rc == MICO_OK; i++) {
        p->where = "a node";
        get_node(p, net, json_array_get(nodes, i), &has_bias[i]);
    }
    if (p->rc == MICO_OK)
        get_preprocess(p, net, json_object_get(root, "preprocess"));
}

mico_status mico_net_parse_graph(mico_net **out, bool **out_has_bias, const char *text,
                                 mico_err *err)
{
    parse p = {.err = err, .rc = MICO_OK, .where = "the graph"};
    size_t n_nodes, n_tensors;
    json_error_t where;
    json_t *root = json_loads(text, 0, &where);
    bool *has_bias;
    mico_net *net;

    if (root == NULL)
        return mico_fail(err, MICO_EFORMAT,
                         "network file: its graph is not JSON: line %d: %s", where.line,
                         where.text);
    n_nodes = json_array_size(json_object_get(root, "nodes"));
    n_tensors = json_array_size(json_object_get(root, "tensors"));
    if (n_nodes > NET_MAX_NODES || n_tensors > 2 * NET_MAX_NODES) {
        json_decref(root);
        return mico_fail(err, MICO_ELIMIT, "network file: more than %zu nodes",
                         NET_MAX_NODES);
    }
    has_bias = mico_xcalloc(n_nodes, sizeof *has_bias);
    net = mico_net_new(get_text(&p, root, "name", MICO_NET_NAME));
    get_graph(&p, root, net, has_bias);
    json_decref(root);
    if (p.rc != MICO_OK) {
        free(has_bias);
        mico_net_free(net);
        return p.rc;
    }
    *out = net;
    *out_has_bias = has_bias;
    return MICO_OK;
}
