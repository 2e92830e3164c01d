/* ONNX in: the graph's names, its order, and the table of operators. */
#include "net/onnx_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIN_OPSET 6
#define MAX_OPSET 21

static const struct {
    const char *type;
    mico_status (*convert)(const onnx_op *op);
} operators[] = {
    {"Add", mico_onnx_arithmetic},
    {"AveragePool", mico_onnx_pool},
    {"BatchNormalization", mico_onnx_batch_norm},
    {"Cast", mico_onnx_cast},
    {"Clip", mico_onnx_clip},
    {"Concat", mico_onnx_concat},
    {"Constant", mico_onnx_constant},
    {"Conv", mico_onnx_conv},
    {"Div", mico_onnx_arithmetic},
    {"Dropout", mico_onnx_pass},
    {"Flatten", mico_onnx_flatten},
    {"Gather", mico_onnx_gather},
    {"Gemm", mico_onnx_gemm},
    {"GlobalAveragePool", mico_onnx_global_pool},
    {"GlobalMaxPool", mico_onnx_global_pool},
    {"Identity", mico_onnx_pass},
    {"LogSoftmax", mico_onnx_softmax},
    {"MatMul", mico_onnx_matmul},
    {"MaxPool", mico_onnx_pool},
    {"Mul", mico_onnx_arithmetic},
    {"Pad", mico_onnx_pad},
    {"ReduceMean", mico_onnx_reduce_mean},
    {"Relu", mico_onnx_relu},
    {"Reshape", mico_onnx_reshape},
    {"Shape", mico_onnx_shape},
    {"Slice", mico_onnx_slice},
    {"Softmax", mico_onnx_softmax},
    {"Squeeze", mico_onnx_squeeze},
    {"Sub", mico_onnx_arithmetic},
    {"Transpose", mico_onnx_transpose},
    {"Unsqueeze", mico_onnx_squeeze},
};

/* ---- names -------------------------------------------------------------------------
 */

static bool is_default_domain(const char *domain)
{
    return domain == NULL || domain[0] == '\0' || strcmp(domain, "ai.onnx") == 0;
}

static const char *type_text(const Onnx__NodeProto *node)
{
    return node->op_type != NULL ? node->op_type : "?";
}

/* By name; of one name, the initializer first (old files list it as a graph input too).
 */
static int compare_values(const void *a, const void *b)
{
    const onnx_value *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    if (order != 0)
        return order;
    return (x->constant.proto == NULL) - (y->constant.proto == NULL);
}

static mico_status collect_values(onnx_import *im, mico_err *err)
{
    const Onnx__GraphProto *g = im->graph;
    size_t n = g->n_initializer + g->n_input, kept = 0;
    onnx_value *v;

    for (size_t i = 0; i < g->n_node; i++)
        n += g->node[i]->n_output;
    im->value = v = mico_xcalloc(n, sizeof *v);
    n = 0;
    for (size_t i = 0; i < g->n_initializer; i++)
        v[n++] = (onnx_value){.name = g->initializer[i]->name,
                              .state = ONNX_UNOPENED,
                              .producer = MICO_NO_TENSOR,
                              .constant.proto = g->initializer[i]};
    for (size_t i = 0; i < g->n_input; i++)
        v[n++] = (onnx_value){.name = g->input[i]->name,
                              .state = ONNX_FOREIGN,
                              .producer = MICO_NO_TENSOR};
    for (size_t i = 0; i < g->n_node; i++)
        for (size_t k = 0; k < g->node[i]->n_output; k++)
            if (g->node[i]->output[k][0] != '\0')
                v[n++] = (onnx_value){.name = g->node[i]->output[k], .producer = i};
    for (size_t i = 0; i < n; i++)
        if (v[i].name == NULL || v[i].name[0] == '\0')
            return mico_fail(err, MICO_ENET, "ONNX graph: a tensor has no name");
    if (n > 0)
        qsort(v, n, sizeof *v, compare_values);
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || strcmp(v[kept - 1].name, v[i].name) != 0)
            v[kept++] = v[i];
        else if (v[kept - 1].state != ONNX_UNOPENED || v[i].state != ONNX_FOREIGN)
            return mico_fail(err, MICO_ENET, "ONNX graph: tensor '%.80s' is made twice",
                             v[i].name);
    }
    im->n_values = kept;
    return MICO_OK;
}

/* ---- order -------------------------------------------------------------------------
 */

/* Nodes that the output needs, in order of execution; counts the uses of each value. */
static mico_status order_nodes(onnx_import *im, size_t *order, size_t *n_order,
                               mico_err *err)
{
    const Onnx__GraphProto *g = im->graph;
    size_t n_dep = 0, cycle = 0;
    size_t *first = mico_xcalloc(g->n_node + 1, sizeof *first), *dep;
    mico_status rc = MICO_OK;

    for (size_t i = 0; i < g->n_node; i++)
        n_dep += g->node[i]->n_input;
    dep = mico_xcalloc(n_dep, sizeof *dep);
    for (size_t i = 0; i < g->n_node; i++) {
        first[i + 1] = first[i];
        for (size_t k = 0; k < g->node[i]->n_input; k++) {
            const char *name = g->node[i]->input[k];
            const onnx_value *v = name[0] != '\0' ? mico_onnx_find(im, name) : NULL;

            if (name[0] != '\0' && v == NULL) {
                rc = mico_fail(err, MICO_ENET,
                               "%.40s '%.80s': nothing makes its input "
                               "'%.80s'",
                               type_text(g->node[i]), mico_onnx_node_name(g->node[i]),
                               name);
                goto out;
            }
            dep[first[i + 1]++] = v != NULL ? v->producer : MICO_NO_TENSOR;
        }
    }
    *n_order =
        mico_net_order(g->n_node, first, dep, im->output->producer, order, &cycle);
    if (*n_order == 0)
        rc = mico_fail(err, MICO_ENET, "%.40s '%.80s': is part of a cycle",
                       type_text(g->node[cycle]), mico_onnx_node_name(g->node[cycle]));
    for (size_t i = 0; i < *n_order; i++) {
        const Onnx__NodeProto *node = g->node[order[i]];

        for (size_t k = 0; k < node->n_input; k++)
            if (node->input[k][0] != '\0')
                mico_onnx_find(im, node->input[k])->uses++;
    }
out:
    free(first);
    free(dep);
    return rc;
}

/* ---- input and output --------------------------------------------------------------
 */

/* The first graph input that is no initializer is the image. */
static mico_status open_input(onnx_import *im, mico_err *err)
{
    const Onnx__ValueInfoProto *info = NULL;
    const Onnx__TypeProto__Tensor *type = NULL;
    mico_shape shape = {.rank = 3, .dim = {1, 1, 1}};
    onnx_value *v = NULL;
    size_t rank;

    for (size_t i = 0; i < im->graph->n_input && info == NULL; i++) {
        v = mico_onnx_find(im, im->graph->input[i]->name);
        if (v->state == ONNX_FOREIGN)
            info = im->graph->input[i];
    }
    if (info == NULL)
        return mico_fail(err, MICO_ENET, "ONNX graph: has no input");
    if (info->type != NULL &&
        info->type->value_case == ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE)
        type = info->type->tensor_type;
    if (type == NULL || type->shape == NULL)
        return mico_fail(err, MICO_ENET, "input '%.80s': has no shape", info->name);
    if (type->elem_type != ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT)
        return mico_fail(err, MICO_EUNSUP,
                         "input '%.80s': is of data type %d; only float "
                         "(1) is supported",
                         info->name, (int)type->elem_type);
    rank = type->shape->n_dim;
    if (rank < 2 || rank > 4)
        return mico_fail(err, MICO_EUNSUP,
                         "input '%.80s': has %zu dimensions; {N,K}, "
                         "{N,C,L} and {N,C,H,W} are supported",
                         info->name, rank);
    for (size_t a = 0; a < rank; a++) {
        const Onnx__TensorShapeProto__Dimension *d = type->shape->dim[a];
        int64_t size =
            d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE
                ? d->dim_value
                : 0;

        if (a == 0)
            im->batch = size;
        else if (size < 1)
            return mico_fail(err, MICO_ENET,
                             "input '%.80s': dimension %zu is not a fixed "
                             "number; export it with one",
                             info->name, a);
        else
            shape.dim[rank == 3 && a == 2 ? 2 : a - 1] = (size_t)size;
    }
    if (rank == 2)
        shape = (mico_shape){.rank = 1, .dim = {shape.dim[0]}};
    v->state = ONNX_DATA;
    v->rank = rank;
    v->tensor = im->net->input = mico_net_tensor(im->net, info->name);
    im->net->tensor[v->tensor].shape = shape;
    return mico_net_check_shape(&shape, "network input", err);
}

static mico_status open_output(onnx_import *im, mico_err *err)
{
    const Onnx__GraphProto *g = im->graph;
    onnx_value *v;

    if (g->n_output != 1)
        return mico_fail(err, MICO_EUNSUP, "ONNX graph: has %zu outputs; one is needed",
                         g->n_output);
    v = g->output[0]->name != NULL ? mico_onnx_find(im, g->output[0]->name) : NULL;
    if (v == NULL || v->producer == MICO_NO_TENSOR)
        return mico_fail(err, MICO_ENET, "ONNX graph: no node makes its output");
    v->uses++;
    im->output = v;
    return MICO_OK;
}

/* ---- nodes -------------------------------------------------------------------------
 */

/* Adds a node to the one list of what is not supported. */
static void note_unsupported(onnx_import *im, const Onnx__NodeProto *node,
                             const char *reason)
{
    char type[48], name[MICO_NET_NAME];

    mico_net_copy_text(type, sizeof type, type_text(node));
    mico_net_copy_text(name, sizeof name, mico_onnx_node_name(node));
    im->n_unsupported++;
    if (im->unsupported.len > 700)
        return; /* counted; "and more" says so */
    im->n_listed++;
    mico_str_add(&im->unsupported, "%s%s '%s'", im->n_unsupported > 1 ? ", " : "", type,
                 name);
    if (reason[0] != '\0')
        mico_str_add(&im->unsupported, " (%.160s)", reason);
}

static mico_status fail_unsupported(const onnx_import *im, mico_err *err)
{
    return mico_fail(err, MICO_EUNSUP, "%zu node%s not supported: %s%s",
                     im->n_unsupported, im->n_unsupported == 1 ? " is" : "s are",
                     im->unsupported.text,
                     im->n_listed < im->n_unsupported ? ", and more" : "");
}

/* Opens the initializers that the node reads; *known is false if an input is not. */
static mico_status open_inputs(onnx_import *im, const Onnx__NodeProto *node,
                               bool *known, mico_err *err)
{
    *known = true;
    for (size_t i = 0; i < node->n_input; i++) {
        onnx_value *v =
            node->input[i][0] != '\0' ? mico_onnx_find(im, node->input[i]) : NULL;
        mico_status rc;

        if (v != NULL && v->state == ONNX_UNOPENED) {
            rc = mico_onnx_const_open(v->constant.proto, &v->constant, err);
            if (rc != MICO_OK)
                return rc;
            v->state = ONNX_CONST;
        }
        if (v != NULL && v->state == ONNX_UNKNOWN)
            *known = false;
    }
    return MICO_OK;
}

static mico_status convert_node(onnx_import *im, const Onnx__NodeProto *node,
                                mico_err *err)
{
    const onnx_op op = {im, node, err};
    bool known, done;
    mico_status rc;

    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++) {
        if (node->op_type == NULL || !is_default_domain(node->domain) ||
            strcmp(node->op_type, operators[i].type) != 0)
            continue;
        for (size_t k = 1; k < node->n_output; k++)
            if (node->output[k][0] != '\0' &&
                mico_onnx_find(im, node->output[k])->uses > 0)
                return mico_onnx_refuse(&op, "its output %zu is used", k + 1);
        if (node->output[0][0] == '\0')
            return mico_onnx_refuse(&op, "its first output is not named");
        if ((rc = open_inputs(im, node, &known, err)) != MICO_OK || !known)
            return rc;
        if ((rc = mico_onnx_const_view(&op, &done)) != MICO_OK || done)
            return rc;
        if ((rc = mico_onnx_fold_ints(&op, &done)) != MICO_OK || done)
            return rc;
        return operators[i].convert(&op);
    }
    return mico_onnx_refuse(&op, "%s", "");
}

static mico_status convert_nodes(onnx_import *im, mico_err *err)
{
    const Onnx__GraphProto *g = im->graph;
    size_t *order = mico_xcalloc(g->n_node, sizeof *order), n_order = 0;
    mico_err local = {0};
    mico_status rc = order_nodes(im, order, &n_order, err);

    for (size_t i = 0; i < n_order && rc == MICO_OK; i++) {
        const Onnx__NodeProto *node = g->node[order[i]];

        rc = convert_node(im, node, &local);
        if (rc == MICO_EUNSUP) {
            onnx_value *out = mico_onnx_find(im, node->output[0]);

            note_unsupported(im, node, local.text);
            if (out != NULL)
                out->state = ONNX_UNKNOWN;
            rc = MICO_OK;
        } else if (rc != MICO_OK) {
            mico_fail(err, rc, "%s", local.text);
        }
    }
    free(order);
    if (rc == MICO_OK && im->n_unsupported > 0)
        return fail_unsupported(im, err);
    return rc;
}

/* ---- names of our nodes ------------------------------------------------------------
 */

typedef struct named {
    char *name;
    size_t index;
} named;

static int compare_named(const void *a, const void *b)
{
    const named *x = a, *y = b;
    int order = strcmp(x->name, y->name);

    return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

/* Of nodes with one name, all but the first get "~INDEX" appended; no other name holds
 * a
 * '~', so the result is unique. */
static void make_names_unique(mico_net *net)
{
    named *sorted = mico_xcalloc(net->n_nodes, sizeof *sorted);
    char last[MICO_NET_NAME] = "", suffix[24];

    for (size_t i = 0; i < net->n_nodes; i++) {
        sorted[i] = (named){net->node[i].name, i};
        for (char *c = sorted[i].name; *c != '\0'; c++)
            if (*c == '~')
                *c = '_';
    }
    qsort(sorted, net->n_nodes, sizeof *sorted, compare_named);
    for (size_t i = 0; i < net->n_nodes; i++) {
        size_t n, room;

        if (strcmp(sorted[i].name, last) != 0) {
            memcpy(last, sorted[i].name, sizeof last);
            continue;
        }
        n = (size_t)snprintf(suffix, sizeof suffix, "~%zu", sorted[i].index);
        room = MICO_NET_NAME - 1 - n;
        if (strlen(sorted[i].name) < room)
            room = strlen(sorted[i].name);
        memcpy(sorted[i].name + room, suffix, n + 1);
    }
    free(sorted);
}

/* ---- the whole model ---------------------------------------------------------------
 */

/* Numbers of a comma-separated list; *n is set to how many there are. */
static mico_status parse_list(const char *key, const char *text, float *out,
                              size_t room, size_t *n, mico_err *err)
{
    char piece[64];
    double v;

    *n = 0;
    while (mico_text_next(&text, ',', piece, sizeof piece)) {
        if (*n == room || !mico_text_double(piece, &v))
            return mico_fail(err, MICO_ENET,
                             "%s: '%.64s' is no number, or there are more "
                             "than the %zu channels",
                             key, piece, room);
        out[(*n)++] = (float)v;
    }
    return MICO_OK;
}

/* No more numbers than characters: the number of channels may be hostile. */
static size_t list_room(const char *text, size_t channels)
{
    size_t most = strlen(text) + 1;

    return channels < most ? channels : most;
}

static mico_status read_preprocess(const Onnx__ModelProto *model, mico_net *net,
                                   mico_err *err)
{
    size_t channels = net->tensor[net->input].shape.dim[0], n[2] = {0};
    float *list[2] = {NULL};
    mico_status rc = MICO_OK;

    for (size_t i = 0; i < model->n_metadata_props && rc == MICO_OK; i++) {
        const char *key = model->metadata_props[i]->key;
        const char *value = model->metadata_props[i]->value;
        size_t which = 2;

        if (key == NULL || value == NULL)
            continue;
        if (strcmp(key, "preprocess_raw") == 0)
            mico_net_copy_text(net->raw, sizeof net->raw, value);
        else if (strcmp(key, "preprocess_mul") == 0)
            which = 0;
        else if (strcmp(key, "preprocess_add") == 0)
            which = 1;
        if (which == 2)
            continue;
        free(list[which]);
        list[which] = mico_xcalloc(list_room(value, channels), sizeof *list[which]);
        rc = parse_list(key, value, list[which], list_room(value, channels), &n[which],
                        err);
    }
    if (rc == MICO_OK && n[0] > 0 && n[1] > 0 && n[0] != n[1])
        rc = mico_fail(err, MICO_ENET,
                       "preprocess_mul and preprocess_add: have %zu and %zu "
                       "numbers",
                       n[0], n[1]);
    if (rc == MICO_OK && (n[0] > 0 || n[1] > 0)) {
        size_t most = n[0] > n[1] ? n[0] : n[1];

        for (size_t which = 0; which < 2; which++) {
            if (n[which] > 0)
                continue;
            free(list[which]);
            list[which] = mico_xcalloc(most, sizeof *list[which]);
            for (size_t c = 0; which == 0 && c < most; c++)
                list[0][c] = 1;
        }
        rc = mico_net_set_preprocess(net, list[0], list[1], most, err);
    }
    free(list[0]);
    free(list[1]);
    return rc;
}

static mico_status check_model(const Onnx__ModelProto *model, int64_t *opset,
                               mico_err *err)
{
    const Onnx__GraphProto *g = model->graph;

    if (g == NULL)
        return mico_fail(err, MICO_EFORMAT, "not an ONNX model: it holds no graph");
    *opset = 1; /* files older than the entry */
    for (size_t i = 0; i < model->n_opset_import; i++)
        if (is_default_domain(model->opset_import[i]->domain))
            *opset = model->opset_import[i]->version;
    if (*opset < MIN_OPSET || *opset > MAX_OPSET)
        return mico_fail(err, MICO_EUNSUP,
                         "ONNX model: opset %lld; %d to %d are supported",
                         (long long)*opset, MIN_OPSET, MAX_OPSET);
    if (g->n_node > NET_MAX_NODES)
        return mico_fail(err, MICO_ELIMIT, "ONNX graph: has more than %zu nodes",
                         NET_MAX_NODES);
    for (size_t i = 0; i < g->n_node; i++)
        if (g->node[i]->n_output == 0)
            return mico_fail(err, MICO_ENET, "ONNX graph: node %zu has no output", i);
    for (size_t i = 0; i < g->n_initializer; i++)
        if (g->initializer[i]->data_location ==
                ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL ||
            g->initializer[i]->n_external_data > 0)
            return mico_fail(
                err, MICO_EUNSUP,
                "constant '%.80s': is kept in another file; save the model as "
                "one file",
                g->initializer[i]->name != NULL ? g->initializer[i]->name : "?");
    return MICO_OK;
}

static mico_status import_model(onnx_import *im, const Onnx__ModelProto *model,
                                const char *name, mico_err *err)
{
    const char *own = NULL;
    mico_status rc = check_model(model, &im->opset, err);

    if (rc != MICO_OK)
        return rc;
    im->graph = model->graph;
    own = model->graph->name;
    im->net = mico_net_new(own != NULL && own[0] != '\0' ? own : name);
    if ((rc = collect_values(im, err)) != MICO_OK ||
        (rc = open_input(im, err)) != MICO_OK ||
        (rc = open_output(im, err)) != MICO_OK ||
        (rc = convert_nodes(im, err)) != MICO_OK)
        return rc;
    if (im->output->state != ONNX_DATA)
        return mico_fail(err, MICO_ENET, "ONNX graph: its output is a constant");
    im->net->output = im->output->tensor;
    mico_onnx_apply_folds(im);
    make_names_unique(im->net);
    if ((rc = read_preprocess(model, im->net, err)) != MICO_OK)
        return rc;
    return mico_net_finish(im->net, err);
}

mico_status mico_net_from_onnx(mico_net **out, const uint8_t *bytes, size_t n,
                               const char *name, mico_err *err)
{
    Onnx__ModelProto *model;
    onnx_import im = {0};
    mico_status rc;

    if (n > MICO_NET_LIMIT_BYTES)
        return mico_fail(err, MICO_ELIMIT, "ONNX model: more than %zu bytes",
                         MICO_NET_LIMIT_BYTES);
    if ((rc = mico_onnx_scan(bytes, n, err)) != MICO_OK)
        return rc;
    model = onnx__model_proto__unpack(NULL, n, bytes);
    if (model == NULL)
        return mico_fail(err, MICO_EFORMAT, "not an ONNX model: it cannot be decoded");
    rc = import_model(&im, model, name, err);
    free(im.value);
    free(im.layer);
    mico_str_free(&im.unsupported);
    mico_arena_free(&im.scratch);
    onnx__model_proto__free_unpacked(model, NULL);
    if (rc == MICO_OK)
        *out = im.net;
    else
        mico_net_free(im.net);
    if (rc != MICO_OK && err != NULL) /* the file's names may hold anything */
        mico_net_copy_text(err->text, sizeof err->text, err->text);
    return rc;
}
