/* net_onnx_build.h: small ONNX models made in memory, for tests of the importer. */
#ifndef MICO_TESTS_NET_ONNX_BUILD_H
#define MICO_TESTS_NET_ONNX_BUILD_H

#include "core/mem.h"
#include "net/net.h"

#include "onnx.pb-c.h"

#include <stdlib.h>
#include <string.h>

#define OB_MAX 400

/* One model in the making: x -> nodes -> y. Everything lives until ob_free. */
typedef struct ob {
    Onnx__ModelProto model;
    Onnx__GraphProto graph;
    Onnx__OperatorSetIdProto opset;
    mico_arena arena;
    Onnx__NodeProto *node[OB_MAX];
    Onnx__TensorProto *initializer[OB_MAX];
    Onnx__ValueInfoProto *input[8], *output[8];
    Onnx__StringStringEntryProto *props[8];
    Onnx__OperatorSetIdProto *opsets[1];
} ob;

static inline ob *ob_new(int64_t opset)
{
    ob *b = mico_xcalloc(1, sizeof *b);

    onnx__model_proto__init(&b->model);
    onnx__graph_proto__init(&b->graph);
    onnx__operator_set_id_proto__init(&b->opset);
    b->model.graph = &b->graph;
    b->model.metadata_props = b->props;
    b->model.n_opset_import = 1;
    b->model.opset_import = b->opsets;
    b->opsets[0] = &b->opset;
    b->opset.has_version = 1;
    b->opset.version = opset;
    b->graph.node = b->node;
    b->graph.initializer = b->initializer;
    b->graph.input = b->input;
    b->graph.output = b->output;
    return b;
}

static inline void ob_free(ob *b)
{
    mico_arena_free(&b->arena);
    free(b);
}

static inline char *ob_text(ob *b, const char *text)
{
    return mico_arena_strdup(&b->arena, text);
}

/* A float value of this shape (dimension 0: symbolic). */
static inline Onnx__ValueInfoProto *ob_value(ob *b, const char *name, size_t rank,
                                             const int64_t *dim)
{
    Onnx__ValueInfoProto *v = mico_arena_alloc(&b->arena, sizeof *v);
    Onnx__TypeProto *type = mico_arena_alloc(&b->arena, sizeof *type);
    Onnx__TypeProto__Tensor *t = mico_arena_alloc(&b->arena, sizeof *t);
    Onnx__TensorShapeProto *s = mico_arena_alloc(&b->arena, sizeof *s);

    onnx__value_info_proto__init(v);
    onnx__type_proto__init(type);
    onnx__type_proto__tensor__init(t);
    onnx__tensor_shape_proto__init(s);
    v->name = ob_text(b, name);
    v->type = type;
    type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    type->tensor_type = t;
    t->has_elem_type = 1;
    t->elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    t->shape = s;
    s->n_dim = rank;
    s->dim = mico_arena_alloc(&b->arena, rank * sizeof(void *));
    for (size_t a = 0; a < rank; a++) {
        s->dim[a] = mico_arena_alloc(&b->arena, sizeof *s->dim[a]);
        onnx__tensor_shape_proto__dimension__init(s->dim[a]);
        if (dim[a] != 0) {
            s->dim[a]->value_case =
                ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            s->dim[a]->dim_value = dim[a];
        } else {
            s->dim[a]->value_case =
                ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            s->dim[a]->dim_param = ob_text(b, "N");
        }
    }
    return v;
}

#define OB_DIMS(...)                                                                   \
    sizeof((int64_t[]){__VA_ARGS__}) / 8, (const int64_t[])                            \
    {                                                                                  \
        __VA_ARGS__                                                                    \
    }

static inline void ob_input(ob *b, const char *name, size_t rank, const int64_t *dim)
{
    b->input[b->graph.n_input++] = ob_value(b, name, rank, dim);
}

static inline void ob_output(ob *b, const char *name)
{
    b->output[b->graph.n_output++] = ob_value(b, name, 0, NULL);
}

static inline char **ob_names(ob *b, const char *list, size_t *n)
{
    char **names = mico_arena_alloc(&b->arena, 24 * sizeof *names), piece[128];

    *n = 0;
    while (mico_text_next(&list, ',', piece, sizeof piece))
        names[(*n)++] = ob_text(b, piece);
    return names;
}

/* inputs and outputs are lists like "x,w,b" ("x,,b": one is absent). */
static inline Onnx__NodeProto *ob_node(ob *b, const char *type, const char *name,
                                       const char *inputs, const char *outputs)
{
    Onnx__NodeProto *n = mico_arena_alloc(&b->arena, sizeof *n);

    onnx__node_proto__init(n);
    n->op_type = ob_text(b, type);
    n->name = ob_text(b, name);
    n->input = ob_names(b, inputs, &n->n_input);
    n->output = ob_names(b, outputs, &n->n_output);
    n->attribute = mico_arena_alloc(&b->arena, 8 * sizeof(void *));
    b->node[b->graph.n_node++] = n;
    return n;
}

static inline Onnx__AttributeProto *ob_attribute(ob *b, Onnx__NodeProto *n,
                                                 const char *name)
{
    Onnx__AttributeProto *a = mico_arena_alloc(&b->arena, sizeof *a);

    onnx__attribute_proto__init(a);
    a->name = ob_text(b, name);
    n->attribute[n->n_attribute++] = a;
    return a;
}

static inline void ob_int(ob *b, Onnx__NodeProto *n, const char *name, int64_t v)
{
    Onnx__AttributeProto *a = ob_attribute(b, n, name);

    a->has_i = 1;
    a->i = v;
}

static inline void ob_float(ob *b, Onnx__NodeProto *n, const char *name, float v)
{
    Onnx__AttributeProto *a = ob_attribute(b, n, name);

    a->has_f = 1;
    a->f = v;
}

static inline void ob_string(ob *b, Onnx__NodeProto *n, const char *name, const char *v)
{
    Onnx__AttributeProto *a = ob_attribute(b, n, name);

    a->has_s = 1;
    a->s.len = strlen(v);
    a->s.data = (uint8_t *)ob_text(b, v);
}

static inline void ob_ints(ob *b, Onnx__NodeProto *n, const char *name, size_t count,
                           const int64_t *v)
{
    Onnx__AttributeProto *a = ob_attribute(b, n, name);

    a->n_ints = count;
    a->ints = mico_arena_alloc(&b->arena, count * sizeof *v);
    memcpy(a->ints, v, count * sizeof *v);
}

static inline Onnx__TensorProto *ob_tensor(ob *b, const char *name, size_t rank,
                                           const int64_t *dim)
{
    Onnx__TensorProto *t = mico_arena_alloc(&b->arena, sizeof *t);

    onnx__tensor_proto__init(t);
    t->name = ob_text(b, name);
    t->has_data_type = 1;
    t->n_dims = rank;
    t->dims = mico_arena_alloc(&b->arena, rank * sizeof *dim);
    if (rank > 0)
        memcpy(t->dims, dim, rank * sizeof *dim);
    return t;
}

/* A float initializer in float_data. */
static inline Onnx__TensorProto *ob_floats(ob *b, const char *name, size_t rank,
                                           const int64_t *dim, const float *v)
{
    Onnx__TensorProto *t = ob_tensor(b, name, rank, dim);
    size_t count = 1;

    for (size_t a = 0; a < rank; a++)
        count *= (size_t)dim[a];
    t->data_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    t->n_float_data = count;
    t->float_data = mico_arena_alloc(&b->arena, count * sizeof *v);
    if (v != NULL)
        memcpy(t->float_data, v, count * sizeof *v);
    b->initializer[b->graph.n_initializer++] = t;
    return t;
}

/* A list of int64 as an initializer. */
static inline void ob_list(ob *b, const char *name, size_t count, const int64_t *v)
{
    Onnx__TensorProto *t = ob_tensor(b, name, 1, (const int64_t[]){(int64_t)count});

    t->data_type = ONNX__TENSOR_PROTO__DATA_TYPE__INT64;
    t->n_int64_data = count;
    t->int64_data = mico_arena_alloc(&b->arena, count * sizeof *v);
    memcpy(t->int64_data, v, count * sizeof *v);
    b->initializer[b->graph.n_initializer++] = t;
}

static inline void ob_prop(ob *b, const char *key, const char *value)
{
    Onnx__StringStringEntryProto *e = mico_arena_alloc(&b->arena, sizeof *e);

    onnx__string_string_entry_proto__init(e);
    e->key = ob_text(b, key);
    e->value = ob_text(b, value);
    b->props[b->model.n_metadata_props++] = e;
}

/* Packs and imports the model, and frees the builder. */
static inline mico_status ob_import(ob *b, mico_net **out, mico_err *err)
{
    size_t n = onnx__model_proto__get_packed_size(&b->model);
    uint8_t *bytes = mico_xcalloc(n, 1);
    mico_status rc;

    onnx__model_proto__pack(&b->model, bytes);
    rc = mico_net_from_onnx(out, bytes, n, "built", err);
    free(bytes);
    ob_free(b);
    return rc;
}

#endif
