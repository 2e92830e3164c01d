/* The network file: what is saved loads equal, and damage ends in a message. */
#include "core/file.h"
#include "core/mem.h"
#include "core/pack.h"
#include "core/seal.h"
#include "net/net.h"

#include <hdf5.h>
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "support/suite.h"

/* A file name of this process that the test removes. */
static void temporary_name(char out[64], const char *what)
{
    snprintf(out, 64, "/tmp/test_net_file_%ld_%s", (long)getpid(), what);
}

static size_t append(mico_net *net, mico_node_kind kind, const char *name, size_t n_in,
                     const size_t *in)
{
    size_t out = mico_net_tensor(net, name);

    mico_net_node(net, kind, name, n_in, in, out);
    return out;
}

static mico_node *latest(mico_net *net)
{
    return &net->node[net->n_nodes - 1];
}

static const float *numbers(mico_net *net, size_t n, float first)
{
    float *v = malloc(n * sizeof *v);
    const float *own;

    for (size_t i = 0; i < n; i++)
        v[i] = first + (float)i / 7;
    own = mico_net_floats(net, v, n);
    free(v);
    return own;
}

/* One node of every kind, with no field at its default. */
static mico_net *every_kind(void)
{
    mico_net *net = mico_net_new("every kind");
    mico_net *n = net;
    size_t x = mico_net_tensor(net, "x"), t, u;
    mico_err err;

    net->input = x;
    net->tensor[x].shape = (mico_shape){3, {4, 9, 10}};
    t = append(net, MICO_NODE_CONV, "conv/1", 1, &x);
    latest(n)->c_in = 4;
    latest(n)->c_out = 6;
    latest(n)->groups = 2;
    latest(n)->window = (mico_window){3, 2, 2, 1, 1, 2, 1, 2, 0, 1};
    latest(n)->weight = numbers(net, 72, -3);
    latest(n)->bias = numbers(net, 6, 0.1F);
    t = append(net, MICO_NODE_CLIP, "relu", 1, &t);
    latest(n)->lo = 0;
    u = append(net, MICO_NODE_CLIP, "clip", 1, &t);
    latest(n)->lo = -0.1F;
    latest(n)->hi = 1.0F / 3;
    t = append(net, MICO_NODE_ADD, "add", 2, (size_t[]){t, u});
    t = append(net, MICO_NODE_CONCAT, "concat", 3, (size_t[]){t, u, t});
    t = append(net, MICO_NODE_PAD, "pad", 1, &t);
    latest(n)->pad_before[0] = 1;
    latest(n)->pad_after[1] = 2;
    t = append(net, MICO_NODE_SLICE, "slice", 1, &t);
    memcpy(latest(n)->start, (size_t[]){1, 0, 2}, sizeof latest(n)->start);
    memcpy(latest(n)->stop, (size_t[]){17, 6, 10}, sizeof latest(n)->stop);
    memcpy(latest(n)->step, (size_t[]){2, 1, 1}, sizeof latest(n)->step);
    t = append(net, MICO_NODE_MAXPOOL, "max", 1, &t);
    latest(n)->window = (mico_window){2, 2, 2, 1, 1, 2, 1, 0, 0, 1};
    t = append(net, MICO_NODE_TRANSPOSE, "transpose", 1, &t);
    memcpy(latest(n)->perm, (size_t[]){1, 2, 0}, sizeof latest(n)->perm);
    t = append(net, MICO_NODE_AVGPOOL, "average", 1, &t);
    latest(n)->window = (mico_window){2, 3, 1, 2, 1, 1, 1, 1, 0, 0};
    latest(n)->count_include_pad = true;
    t = append(net, MICO_NODE_RESHAPE, "reshape", 1, &t);
    latest(n)->shape = (mico_shape){2, {4, 21}};
    t = append(net, MICO_NODE_FLATTEN, "flatten", 1, &t);
    t = append(net, MICO_NODE_LINEAR, "linear", 1, &t);
    latest(n)->c_in = 84;
    latest(n)->c_out = 5;
    latest(n)->weight = numbers(net, 420, 1e-3F);
    net->output = t;
    snprintf(net->raw, sizeof net->raw, "u8 0..255");
    if (mico_net_set_preprocess(net, (float[]){1.0F / 255, 2, 3, 4},
                                (float[]){0, -1, 1, 0}, 4, &err) != MICO_OK ||
        mico_net_finish(net, &err) != MICO_OK) {
        printf("\n    %s", err.text);
        CU_FAIL_FATAL("the network does not finish");
    }
    return net;
}

static void t_round_trip(void)
{
    mico_net *net = every_kind(), *again = NULL;
    char path[64], second[64];
    uint8_t *a = NULL, *b = NULL;
    size_t na = 0, nb = 1;
    mico_err err = {0};

    temporary_name(path, "a.h5");
    temporary_name(second, "b.h5");
    CU_ASSERT_EQUAL_FATAL(mico_net_save(net, path, &err), MICO_OK);
    CU_ASSERT_EQUAL_FATAL(mico_net_load(&again, path, &err), MICO_OK);
    CU_ASSERT_EQUAL(again->hash, net->hash);
    CU_ASSERT_EQUAL(again->n_nodes, net->n_nodes);
    CU_ASSERT_EQUAL(again->n_layers, 2);
    CU_ASSERT_STRING_EQUAL(again->name, "every kind");
    CU_ASSERT_STRING_EQUAL(again->raw, "u8 0..255");
    CU_ASSERT_STRING_EQUAL(again->node[0].name, "conv/1");
    CU_ASSERT_EQUAL(again->node[2].hi, 1.0F / 3);
    CU_ASSERT_EQUAL(again->mul[0], 1.0F / 255);
    CU_ASSERT_EQUAL(memcmp(again->node[0].weight, net->node[0].weight, 72 * 4), 0);
    CU_ASSERT_EQUAL(memcmp(again->node[0].bias, net->node[0].bias, 6 * 4), 0);
    CU_ASSERT_PTR_NULL(mico_layer_node(again, 1)->bias);
    /* The file has neither times nor addresses in it. */
    CU_ASSERT_EQUAL(mico_net_save(again, second, &err), MICO_OK);
    CU_ASSERT_EQUAL_FATAL(mico_file_read(&a, &na, path, 1 << 20, &err), MICO_OK);
    CU_ASSERT_EQUAL_FATAL(mico_file_read(&b, &nb, second, 1 << 20, &err), MICO_OK);
    CU_ASSERT_EQUAL(na, nb);
    CU_ASSERT_EQUAL(memcmp(a, b, na), 0);
    free(a);
    free(b);
    unlink(path);
    unlink(second);
    mico_net_free(net);
    mico_net_free(again);
}

static void t_unwritable(void)
{
    mico_net *net = every_kind();
    char deep[5000];
    mico_err err = {0};

    CU_ASSERT_EQUAL(mico_net_save(net, "/nonexistent/a.h5", &err), MICO_EIO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "/nonexistent/a.h5: cannot write"));
    memset(deep, 'a', sizeof deep - 1);
    deep[sizeof deep - 1] = '\0';
    CU_ASSERT_EQUAL(mico_net_save(net, deep, &err), MICO_EIO);
    CU_ASSERT_EQUAL(mico_net_load(&net, "/nonexistent/a.h5", &err), MICO_EIO);
    CU_ASSERT_EQUAL(mico_net_load(&net, "/tmp", &err), MICO_EIO);
    mico_net_free(net);
}

/* Loads bytes as a file; *out is set where that works. */
static mico_status load_bytes(const char *path, const uint8_t *bytes, size_t n,
                              mico_net **out, mico_err *err)
{
    FILE *f = fopen(path, "wb");

    fwrite(bytes, 1, n, f);
    fclose(f);
    return mico_net_load(out, path, err);
}

static void t_other_files(void)
{
    static const char *const text[] = {"", "hello, I am a text file\n",
                                       "\x89HDF\r\n\x1a\n", "{\"json\": 1}", "PK\3\4"};
    mico_net *net = NULL;
    char path[64];
    mico_err err;

    temporary_name(path, "other");
    for (size_t i = 0; i < sizeof text / sizeof text[0]; i++) {
        CU_ASSERT_EQUAL(
            load_bytes(path, (const uint8_t *)text[i], strlen(text[i]), &net, &err),
            MICO_EFORMAT);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, i == 2 ? "check sum is missing"
                                                       : "neither a network file nor"));
    }
    CU_ASSERT_PTR_NULL(net);
    unlink(path);
}

static void t_damage(void)
{
    mico_net *net = every_kind(), *again = NULL;
    uint64_t hash = net->hash;
    uint8_t *bytes;
    char path[64], part[64];
    size_t n;
    mico_err err;

    temporary_name(path, "whole.h5");
    temporary_name(part, "part.h5");
    CU_ASSERT_EQUAL_FATAL(mico_net_save(net, path, &err), MICO_OK);
    mico_net_free(net);
    CU_ASSERT_EQUAL_FATAL(mico_file_read(&bytes, &n, path, 1 << 20, &err), MICO_OK);
    for (size_t cut = 0; cut < n; cut += 23)
        CU_ASSERT_EQUAL(load_bytes(part, bytes, cut, &again, &err), MICO_EFORMAT);
    for (size_t i = 0; i < 2500; i++) {
        size_t at = i * 7919 % n;

        bytes[at] ^= (uint8_t)(1 << i % 8);
        CU_ASSERT_EQUAL(load_bytes(part, bytes, n, &again, &err), MICO_EFORMAT);
        bytes[at] ^= (uint8_t)(1 << i % 8);
    }
    CU_ASSERT_EQUAL(load_bytes(part, bytes, n, &again, &err), MICO_OK);
    CU_ASSERT_EQUAL(again->hash, hash);
    mico_net_free(again);
    free(bytes);
    unlink(path);
    unlink(part);
}

/* ---- files that HDF5 finds sound and we must not ------------------------------------
 */

/* Gives an edited file its check sum. */
static void seal(const char *path)
{
    mico_writer file = {0};

    CU_ASSERT_EQUAL_FATAL(
        mico_file_read(&file.bytes, &file.len, path, MICO_NET_LIMIT_BYTES, NULL),
        MICO_OK);
    file.capacity = file.len;
    mico_seal_put(&file);
    CU_ASSERT_EQUAL(mico_file_write(path, file.bytes, file.len, NULL), MICO_OK);
    mico_writer_free(&file);
}

/* Saves the network, lets `change` edit the file, and loads it. */
static void hostile(void (*change)(hid_t file), const char *part)
{
    mico_net *net = every_kind(), *again = NULL;
    char path[64];
    mico_err err = {0};
    hid_t file;

    temporary_name(path, "hostile.h5");
    CU_ASSERT_EQUAL_FATAL(mico_net_save(net, path, &err), MICO_OK);
    mico_net_free(net);
    file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    change(file);
    H5Fclose(file); /* cuts the trailer off */
    CU_ASSERT_EQUAL(mico_net_load(&again, path, &err), MICO_EFORMAT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "check sum is missing"));
    seal(path);
    CU_ASSERT_EQUAL(mico_net_load(&again, path, &err), MICO_EFORMAT);
    CU_ASSERT_PTR_NULL(again);
    if (strstr(err.text, part) == NULL)
        printf("\n    got '%s', wanted '%s'", err.text, part);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, part));
    unlink(path);
}

static void set_version(hid_t file)
{
    hid_t id = H5Aopen(file, "version", H5P_DEFAULT);
    uint64_t version = 2;

    H5Awrite(id, H5T_NATIVE_UINT64, &version);
    H5Aclose(id);
}

static void drop_format(hid_t file)
{
    H5Adelete(file, "format");
}

static void drop_hash(hid_t file)
{
    H5Adelete(file, "hash");
}

static void drop_graph(hid_t file)
{
    H5Ldelete(file, "graph", H5P_DEFAULT);
}

static void drop_bias(hid_t file)
{
    H5Ldelete(file, "parameters/0/bias", H5P_DEFAULT);
}

static void drop_layer(hid_t file)
{
    H5Ldelete(file, "parameters/1", H5P_DEFAULT);
}

static void drop_parameters(hid_t file)
{
    H5Ldelete(file, "parameters", H5P_DEFAULT);
}

/* Puts a dataset of this type, shape and layout where layer 1's weights were. */
static void replace_weight(hid_t file, hid_t type, int rank, const hsize_t *dim,
                           hid_t plist)
{
    hid_t space = H5Screate_simple(rank, dim, NULL), id;

    H5Ldelete(file, "parameters/1/weight", H5P_DEFAULT);
    id = H5Dcreate2(file, "parameters/1/weight", type, space, H5P_DEFAULT, plist,
                    H5P_DEFAULT);
    H5Dclose(id);
    H5Sclose(space);
}

static void other_shape(hid_t file)
{
    replace_weight(file, H5T_IEEE_F32LE, 2, (hsize_t[]){5, 83}, H5P_DEFAULT);
}

static void other_rank(hid_t file)
{
    replace_weight(file, H5T_IEEE_F32LE, 3, (hsize_t[]){5, 84, 1}, H5P_DEFAULT);
}

static void other_type(hid_t file)
{
    replace_weight(file, H5T_STD_I32LE, 2, (hsize_t[]){5, 84}, H5P_DEFAULT);
}

/* Declared but never written: no storage. */
static void no_storage(hid_t file)
{
    replace_weight(file, H5T_IEEE_F32LE, 2, (hsize_t[]){5, 84}, H5P_DEFAULT);
}

static void chunked(hid_t file)
{
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE);

    H5Pset_chunk(plist, 2, (hsize_t[]){5, 84});
    replace_weight(file, H5T_IEEE_F32LE, 2, (hsize_t[]){5, 84}, plist);
    H5Pclose(plist);
}

static void external(hid_t file)
{
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE);

    H5Pset_external(plist, "/etc/passwd", 0, 1680);
    replace_weight(file, H5T_IEEE_F32LE, 2, (hsize_t[]){5, 84}, plist);
    H5Pclose(plist);
}

static void external_link(hid_t file)
{
    H5Ldelete(file, "parameters", H5P_DEFAULT);
    H5Lcreate_external("/tmp/other.h5", "/parameters", file, "parameters", H5P_DEFAULT,
                       H5P_DEFAULT);
}

static void other_weight(hid_t file)
{
    hid_t id = H5Dopen2(file, "parameters/1/weight", H5P_DEFAULT);
    float w[420] = {1};

    H5Dwrite(id, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, w);
    H5Dclose(id);
}

/* Replaces the graph's text. */
static void set_graph(hid_t file, const char *text, size_t size)
{
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR), id;
    char *padded = mico_xcalloc(size, 1);

    memcpy(padded, text, strlen(text) < size ? strlen(text) : size);
    H5Tset_size(type, size);
    H5Ldelete(file, "graph", H5P_DEFAULT);
    id = H5Dcreate2(file, "graph", type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Dwrite(id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, padded);
    H5Dclose(id);
    H5Tclose(type);
    H5Sclose(space);
    free(padded);
}

static void no_json(hid_t file)
{
    set_graph(file, "{\"name\": ", 9);
}

static void empty_json(hid_t file)
{
    set_graph(file, "[]", 2);
}

static void no_tensors(hid_t file)
{
    set_graph(file, "{\"name\": \"a\", \"input\": 0, \"output\": 1, \"nodes\": []}",
              100);
}

static void variable_text(hid_t file)
{
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate(H5S_SCALAR), id;
    const char *text = "{}";

    H5Tset_size(type, H5T_VARIABLE);
    H5Ldelete(file, "graph", H5P_DEFAULT);
    id = H5Dcreate2(file, "graph", type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Dwrite(id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, &text);
    H5Dclose(id);
    H5Tclose(type);
    H5Sclose(space);
}

static void t_hostile(void)
{
    hostile(set_version, "has format version 2; this program reads 1");
    hostile(drop_format, "no mico-network format");
    hostile(drop_hash, "version or hash is missing");
    hostile(drop_graph, "holds no graph");
    hostile(variable_text, "graph is not text");
    hostile(no_json, "graph is not JSON");
    hostile(empty_json, "'name' of the graph");
    hostile(no_tensors, "'input and output' of the graph");
    hostile(drop_bias, "parameters are missing");
    hostile(drop_layer, "parameters are missing");
    hostile(drop_parameters, "parameters are missing");
    hostile(other_shape, "shape of their node");
    hostile(other_rank, "shape of their node");
    hostile(other_type, "shape of their node");
    hostile(no_storage, "shape of their node");
    hostile(chunked, "parameters are missing");
    hostile(external, "parameters are missing");
    hostile(external_link, "parameters are missing");
    hostile(other_weight, "do not have the hash noted");
}

MICO_SUITE("net file", {"round trip", t_round_trip}, {"unwritable", t_unwritable},
           {"other files", t_other_files}, {"damage", t_damage}, {"hostile", t_hostile})
