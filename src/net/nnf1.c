/* NNF1 graphs: the text, line by line. */
#include "net/nnf1.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

/* Characters of a number at most; pieces of lists have room for more, so that one that
 * was cut is seen. */
#define NUMBER 40

typedef struct line {
    size_t n;
    char *word[NNF1_MAX_WORDS];
} line;

/* ---- words ------------------------------------------------------------------------
 */

static mico_status check_name(const nnf1 *x, const char *name)
{
    size_t n = strlen(name);

    if (n == 0 || n >= NNF1_NAME)
        return mico_fail(x->err, MICO_EFORMAT,
                         "a name of %zu characters; 1 to %d are possible", n,
                         NNF1_NAME - 1);
    for (size_t i = 0; i < n; i++)
        if (name[i] <= ' ' || name[i] > '~' || name[i] == ':' || name[i] == '=')
            return mico_fail(x->err, MICO_EFORMAT,
                             "a name with characters other than letters and digits");
    return MICO_OK;
}

static mico_status get_size(const nnf1 *x, const char *text, const char *what,
                            size_t *out)
{
    int64_t v;

    if (strlen(text) > NUMBER || !mico_text_int(text, &v) || v < 0 ||
        v > (int64_t)MICO_NET_LIMIT_BYTES)
        return mico_fail(x->err, MICO_EFORMAT, "%s '%.40s' is not a sensible number",
                         what, text);
    *out = (size_t)v;
    return MICO_OK;
}

static mico_status get_float(const nnf1 *x, const char *text, const char *what,
                             float *out)
{
    double v;

    if (strlen(text) > NUMBER || !mico_text_double(text, &v) || v > (double)FLT_MAX ||
        v < -(double)FLT_MAX)
        return mico_fail(x->err, MICO_EFORMAT, "%s '%.40s' is not a sensible number",
                         what, text);
    *out = (float)v;
    return MICO_OK;
}

/* Exactly n numbers, or one for all of them where `spread`. */
static mico_status get_sizes(const nnf1 *x, const char *text, char separator,
                             const char *what, size_t *out, size_t n, bool spread)
{
    const char *rest = text;
    char piece[NUMBER + 8];
    size_t got = 0;
    mico_status rc = MICO_OK;

    while (rc == MICO_OK && mico_text_next(&rest, separator, piece, sizeof piece))
        if (got++ < n)
            rc = get_size(x, piece, what, &out[got - 1]);
    if (rc == MICO_OK && spread && got == 1)
        for (got = 1; got < n; got++)
            out[got] = out[0];
    if (rc == MICO_OK && got != n)
        rc = mico_fail(x->err, MICO_EFORMAT, "%s has %zu numbers instead of %zu", what,
                       got, n);
    return rc;
}

/* Text behind "key=", or NULL if the word does not begin so. */
static const char *value_of(const char *word, const char *key)
{
    size_t n = strlen(key);

    return strncmp(word, key, n) == 0 && word[n] == '=' ? word + n + 1 : NULL;
}

static mico_status get_scale(const nnf1 *x, const char *text, float *out)
{
    mico_status rc = get_float(x, text, "scale", out);

    if (rc == MICO_OK && !(*out >= FLT_MIN))
        return mico_fail(x->err, MICO_EFORMAT, "scale '%.40s' is not positive", text);
    return rc;
}

static mico_status get_zero(const nnf1 *x, const char *text, int32_t *out)
{
    int64_t v;

    if (!mico_text_int(text, &v) || v < -128 || v > 127)
        return mico_fail(x->err, MICO_EFORMAT, "zp '%.40s' is not in -128..127", text);
    *out = (int32_t)v;
    return MICO_OK;
}

static mico_status unknown(const nnf1 *x, const char *word)
{
    return mico_fail(x->err, MICO_EFORMAT, "'%.40s' is not understood", word);
}

/* ---- items ------------------------------------------------------------------------
 */

size_t nnf1_value(const nnf1 *x, const char *name)
{
    for (size_t t = 0; t < x->net->n_tensors; t++)
        if (strcmp(x->net->tensor[t].name, name) == 0)
            return t;
    return MICO_NO_TENSOR;
}

static mico_status read_input(nnf1 *x, const line *l)
{
    mico_tensor *t;
    size_t dim[3];
    bool scale = false, zero = false;
    mico_status rc;

    if (x->net->input != MICO_NO_TENSOR)
        return mico_fail(x->err, MICO_EFORMAT, "a second input; only one is possible");
    if (l->n < 6 || strcmp(l->word[2], "nhwc") != 0)
        return mico_fail(x->err, MICO_EFORMAT,
                         "an input is written: input NAME nhwc H W C");
    if ((rc = check_name(x, l->word[1])) != MICO_OK)
        return rc;
    for (size_t i = 0; i < 3; i++)
        if ((rc = get_size(x, l->word[3 + i], "input size", &dim[i])) != MICO_OK)
            return rc;
    x->net->input = mico_net_tensor(x->net, l->word[1]);
    t = &x->net->tensor[x->net->input];
    t->shape = (mico_shape){.rank = 3, .dim = {dim[2], dim[0], dim[1]}};
    for (size_t i = 6; i < l->n && rc == MICO_OK; i++) {
        const char *v;

        if ((v = value_of(l->word[i], "scale")) != NULL) {
            scale = true;
            rc = get_scale(x, v, &t->fixed_scale);
        } else if ((v = value_of(l->word[i], "zp")) != NULL) {
            zero = true;
            rc = get_zero(x, v, &t->fixed_zero);
        } else {
            rc = unknown(x, l->word[i]);
        }
    }
    if (rc == MICO_OK && x->net->has_fixed && !(scale && zero))
        rc = mico_fail(x->err, MICO_EFORMAT,
                       "the input of an i8 network needs scale= and zp=");
    if (rc == MICO_OK)
        rc = mico_net_check_shape(&t->shape, "network input", x->err);
    return rc;
}

static mico_status read_preprocess(nnf1 *x, const line *l)
{
    float *values[2] = {NULL, NULL};
    size_t count[2] = {0, 0}, capacity[2] = {0, 0};
    mico_status rc = MICO_OK;

    for (size_t i = 1; i < l->n && rc == MICO_OK; i++) {
        const char *mul = value_of(l->word[i], "mul"),
                   *add = value_of(l->word[i], "add");
        const char *rest = mul != NULL ? mul : add;
        size_t k = mul != NULL ? 0 : 1;
        char piece[NUMBER + 8];

        if (rest == NULL)
            rc = unknown(x, l->word[i]);
        while (rc == MICO_OK && mico_text_next(&rest, ',', piece, sizeof piece)) {
            values[k] = mico_grow(values[k], count[k], &capacity[k], sizeof(float));
            rc = get_float(x, piece, k == 0 ? "mul" : "add", &values[k][count[k]++]);
        }
    }
    if (rc == MICO_OK && (count[0] == 0 || count[0] != count[1]))
        rc = mico_fail(x->err, MICO_EFORMAT,
                       "preprocess has %zu factors mul and %zu factors add", count[0],
                       count[1]);
    if (rc == MICO_OK)
        rc = mico_net_set_preprocess(x->net, values[0], values[1], count[0], x->err);
    free(values[0]);
    free(values[1]);
    return rc;
}

static const nnf1_tensor *find_tensor(const nnf1 *x, const char *name)
{
    for (size_t i = 0; i < x->n_tensors; i++)
        if (strcmp(x->tensor[i].name, name) == 0)
            return &x->tensor[i];
    return NULL;
}

/* AxBxC into dim and count. */
static mico_status read_dims(const nnf1 *x, const char *text, nnf1_tensor *t)
{
    const char *rest = text;
    char piece[NUMBER + 8];
    mico_status rc = MICO_OK;

    t->count = 1;
    while (rc == MICO_OK && mico_text_next(&rest, 'x', piece, sizeof piece)) {
        if (t->rank == 4)
            return mico_fail(x->err, MICO_EFORMAT, "more than 4 dimensions");
        rc = get_size(x, piece, "dimension", &t->dim[t->rank]);
        if (rc != MICO_OK)
            break;
        if (t->dim[t->rank] == 0 || t->dim[t->rank] > NET_MAX_ELEMENTS / t->count)
            return mico_fail(x->err, MICO_EFORMAT,
                             "a tensor of no or of more than %zu elements",
                             NET_MAX_ELEMENTS);
        t->count *= t->dim[t->rank++];
    }
    if (rc == MICO_OK && t->rank == 0)
        rc = mico_fail(x->err, MICO_EFORMAT, "a tensor without dimensions");
    return rc;
}

static mico_status read_tensor(nnf1 *x, const line *l)
{
    static const char *const types[] = {"f32", "i8", "i32"};
    static const size_t bytes[] = {4, 1, 4};
    nnf1_tensor t = {.type = NNF1_F32};
    const char *offset_text = l->n == 5 ? value_of(l->word[4], "offset") : NULL;
    size_t type = 0, offset;
    mico_status rc;

    if (offset_text == NULL)
        return mico_fail(x->err, MICO_EFORMAT,
                         "a tensor is written: tensor NAME TYPE AxBxC offset=BYTES");
    if ((rc = check_name(x, l->word[1])) != MICO_OK ||
        (rc = read_dims(x, l->word[3], &t)) != MICO_OK ||
        (rc = get_size(x, offset_text, "offset", &offset)) != MICO_OK)
        return rc;
    while (type < 3 && strcmp(types[type], l->word[2]) != 0)
        type++;
    if (type == 3)
        return mico_fail(x->err, MICO_EFORMAT, "type '%.40s' is not f32, i8 or i32",
                         l->word[2]);
    if (find_tensor(x, l->word[1]) != NULL)
        return mico_fail(x->err, MICO_EFORMAT, "tensor '%s' is there twice",
                         l->word[1]);
    if (x->n_tensors == NNF1_MAX_TENSORS)
        return mico_fail(x->err, MICO_ELIMIT, "more than %zu tensors",
                         NNF1_MAX_TENSORS);
    if (offset > x->n_weights || t.count * bytes[type] > x->n_weights - offset)
        return mico_fail(x->err, MICO_EFORMAT,
                         "tensor '%s' takes bytes %zu to %zu of the weights, which "
                         "have %zu; is the file cut?",
                         l->word[1], offset, offset + t.count * bytes[type],
                         x->n_weights);
    memcpy(t.name, l->word[1], strlen(l->word[1]) + 1);
    t.type = (nnf1_type)type;
    t.bytes = x->weights + offset;
    x->tensor =
        mico_grow(x->tensor, x->n_tensors, &x->tensor_capacity, sizeof *x->tensor);
    x->tensor[x->n_tensors++] = t;
    return MICO_OK;
}

/* ---- ops --------------------------------------------------------------------------
 */

static mico_status get_tensor(const nnf1 *x, const char *name, const nnf1_tensor **out)
{
    *out = find_tensor(x, name);
    if (*out == NULL)
        return mico_fail(x->err, MICO_EFORMAT, "tensor '%.40s' is not there", name);
    return MICO_OK;
}

static mico_status get_act(const nnf1 *x, const char *text, nnf1_act *out)
{
    static const char *const names[] = {"none", "relu", "relu6", "clamp01"};

    for (size_t i = 0; i < 4; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = (nnf1_act)i;
            return MICO_OK;
        }
    return mico_fail(x->err, MICO_EUNSUP,
                     "activation '%.40s' is not relu, relu6 or clamp01", text);
}

static mico_status read_key(const nnf1 *x, const char *word, nnf1_op *op)
{
    const char *v;

    if ((v = value_of(word, "w")) != NULL)
        return get_tensor(x, v, &op->w);
    if ((v = value_of(word, "b")) != NULL)
        return get_tensor(x, v, &op->b);
    if ((v = value_of(word, "ws")) != NULL)
        return get_tensor(x, v, &op->ws);
    if ((v = value_of(word, "act")) != NULL)
        return get_act(x, v, &op->act);
    if ((v = value_of(word, "stride")) != NULL)
        return get_sizes(x, v, ',', "stride", op->stride, 2, true);
    if ((v = value_of(word, "pad")) != NULL)
        return get_sizes(x, v, ',', "pad", op->pad, 4, true);
    if ((v = value_of(word, "k")) != NULL)
        return get_sizes(x, v, ',', "k", op->k, 2, true);
    if ((v = value_of(word, "cpad")) != NULL)
        return get_size(x, v, "cpad", &op->cpad);
    if ((v = value_of(word, "scale")) != NULL) {
        op->has_scale = true;
        return get_scale(x, v, &op->scale);
    }
    if ((v = value_of(word, "zp")) != NULL) {
        op->has_zero = true;
        return get_zero(x, v, &op->zero);
    }
    return unknown(x, word);
}

static mico_status read_op(nnf1 *x, const line *l)
{
    nnf1_op op = {.stride = {1, 1}};
    mico_status rc;
    size_t i = 4;

    if (l->n < 5 || strcmp(l->word[3], "=") != 0)
        return mico_fail(x->err, MICO_EFORMAT,
                         "an op is written: op KIND OUT = IN.. key=value..");
    if (x->net->input == MICO_NO_TENSOR || !x->has_kind)
        return mico_fail(x->err, MICO_EFORMAT, "an op before the kind and the input");
    op.kind = l->word[1];
    op.out = l->word[2];
    if ((rc = check_name(x, op.out)) != MICO_OK)
        return rc;
    for (; i < l->n && strchr(l->word[i], '=') == NULL; i++) {
        if (op.n_in == MICO_MAX_INPUTS)
            return mico_fail(x->err, MICO_EFORMAT, "more than %d inputs",
                             MICO_MAX_INPUTS);
        op.in[op.n_in++] = l->word[i];
    }
    for (; i < l->n && rc == MICO_OK; i++)
        rc = read_key(x, l->word[i], &op);
    return rc != MICO_OK ? rc : nnf1_add_op(x, &op);
}

static mico_status read_kind(nnf1 *x, const line *l)
{
    if (l->n != 2 || x->has_kind ||
        (strcmp(l->word[1], "f32") != 0 && strcmp(l->word[1], "i8") != 0))
        return mico_fail(x->err, MICO_EFORMAT, "kind must be f32 or i8, once");
    x->has_kind = true;
    x->net->has_fixed = strcmp(l->word[1], "i8") == 0;
    return MICO_OK;
}

static mico_status read_name(nnf1 *x, const line *l)
{
    if (l->n != 2)
        return mico_fail(x->err, MICO_EFORMAT, "a name is written: name WORD");
    mico_net_copy_text(x->net->name, sizeof x->net->name, l->word[1]);
    return MICO_OK;
}

static mico_status read_output(nnf1 *x, const line *l)
{
    size_t t = l->n == 2 ? nnf1_value(x, l->word[1]) : MICO_NO_TENSOR;

    if (t == MICO_NO_TENSOR)
        return mico_fail(x->err, MICO_EFORMAT,
                         "the output must be the name of a value above it");
    x->net->output = t;
    return MICO_OK;
}

static mico_status read_line(nnf1 *x, const line *l)
{
    static const struct {
        const char *item;
        mico_status (*read)(nnf1 *x, const line *l);
    } items[] = {{"name", read_name},     {"kind", read_kind},
                 {"input", read_input},   {"preprocess", read_preprocess},
                 {"tensor", read_tensor}, {"op", read_op},
                 {"output", read_output}};

    for (size_t i = 0; i < sizeof items / sizeof *items; i++)
        if (strcmp(items[i].item, l->word[0]) == 0)
            return items[i].read(x, l);
    return unknown(x, l->word[0]);
}

/* ---- the whole --------------------------------------------------------------------
 */

/* Cuts text into its words; false if there are too many. */
static bool split(char *text, line *l)
{
    l->n = 0;
    for (char *at = text;;) {
        at += strspn(at, " \t\r");
        if (*at == '\0')
            return true;
        if (l->n == NNF1_MAX_WORDS)
            return false;
        l->word[l->n++] = at;
        at += strcspn(at, " \t\r");
        if (*at != '\0')
            *at++ = '\0';
    }
}

static mico_status read_lines(nnf1 *x, char *text)
{
    mico_status rc = MICO_OK;
    size_t number = 0;

    for (char *at = text, *next; at != NULL && rc == MICO_OK; at = next) {
        line l;

        number++;
        next = strchr(at, '\n');
        if (next != NULL)
            *next++ = '\0';
        if (number == 1 || at[strspn(at, " \t\r")] == '#')
            continue;
        if (!split(at, &l))
            rc = mico_fail(x->err, MICO_EFORMAT, "more than %d words", NNF1_MAX_WORDS);
        else if (l.n > 0)
            rc = read_line(x, &l);
        if (rc != MICO_OK)
            mico_err_prefix(x->err, "line %zu", number);
    }
    return rc;
}

mico_status mico_net_from_nnf1(mico_net **out, const char *text, size_t n_text,
                               const uint8_t *weights, size_t n_weights,
                               const char *name, mico_err *err)
{
    nnf1 x = {.weights = weights, .n_weights = n_weights, .err = err};
    char *copy;
    mico_status rc;

    if (n_text > NNF1_TEXT_BYTES)
        return mico_fail(err, MICO_ELIMIT, "NNF1 graph: more than %zu bytes of text",
                         NNF1_TEXT_BYTES);
    if (!nnf1_begins((const uint8_t *)text, n_text))
        return mico_fail(err, MICO_EFORMAT, "NNF1 graph: line 1 is not '%s'",
                         NNF1_MAGIC);
    if (memchr(text, '\0', n_text) != NULL)
        return mico_fail(err, MICO_EFORMAT, "NNF1 graph: has zero bytes in its text");
    copy = mico_xcalloc(n_text + 1, 1);
    memcpy(copy, text, n_text);
    x.net = mico_net_new(name);
    rc = read_lines(&x, copy);
    if (rc == MICO_OK)
        rc = mico_net_finish(x.net, err);
    free(copy);
    free(x.tensor);
    if (rc == MICO_OK)
        *out = x.net;
    else
        mico_net_free(x.net);
    return rc;
}
