/* Writing the network file: JSON of the graph and float32 parameters in one HDF5 file.
 */
#include "net/net_file.h"

#include "core/file.h"
#include "core/pack.h"
#include "core/seal.h"

#include <errno.h>
#include <hdf5.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static json_t *json_sizes(const size_t *values, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_integer((json_int_t)values[i]));
    return list;
}

static json_t *json_floats(const float *values, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_real((double)values[i]));
    return list;
}

static void put_window(json_t *o, const mico_window *w)
{
    json_object_set_new(o, "kernel", json_sizes((const size_t[]){w->kh, w->kw}, 2));
    json_object_set_new(o, "stride",
                        json_sizes((const size_t[]){w->stride_h, w->stride_w}, 2));
    json_object_set_new(o, "dilation",
                        json_sizes((const size_t[]){w->dilation_h, w->dilation_w}, 2));
    json_object_set_new(
        o, "pad",
        json_sizes(
            (const size_t[]){w->pad_top, w->pad_left, w->pad_bottom, w->pad_right}, 4));
}

/* An open limit is JSON's null. */
static json_t *json_limit(float v)
{
    return isinf(v) ? json_null() : json_real((double)v);
}

static json_t *json_node(const mico_net *net, const mico_node *n)
{
    size_t rank = net->tensor[n->in[0]].shape.rank;
    json_t *o = json_object();

    json_object_set_new(o, "kind", json_string(mico_net_kind_text(n->kind)));
    json_object_set_new(o, "name", json_string(n->name));
    json_object_set_new(o, "in", json_sizes(n->in, n->n_in));
    json_object_set_new(o, "out", json_integer((json_int_t)n->out));
    switch (n->kind) {
    case MICO_NODE_CONV:
    case MICO_NODE_LINEAR:
        json_object_set_new(o, "c_in", json_integer((json_int_t)n->c_in));
        json_object_set_new(o, "c_out", json_integer((json_int_t)n->c_out));
        json_object_set_new(o, "bias", json_boolean(n->bias != NULL));
        if (n->kind == MICO_NODE_LINEAR)
            break;
        json_object_set_new(o, "groups", json_integer((json_int_t)n->groups));
        put_window(o, &n->window);
        break;
    case MICO_NODE_AVGPOOL:
        json_object_set_new(o, "count_include_pad", json_boolean(n->count_include_pad));
        put_window(o, &n->window);
        break;
    case MICO_NODE_MAXPOOL:
        put_window(o, &n->window);
        break;
    case MICO_NODE_CLIP:
        json_object_set_new(o, "lo", json_limit(n->lo));
        json_object_set_new(o, "hi", json_limit(n->hi));
        break;
    case MICO_NODE_RESHAPE:
        json_object_set_new(o, "shape", json_sizes(n->shape.dim, n->shape.rank));
        break;
    case MICO_NODE_PAD:
        json_object_set_new(o, "before", json_sizes(n->pad_before, rank));
        json_object_set_new(o, "after", json_sizes(n->pad_after, rank));
        break;
    case MICO_NODE_SLICE:
        json_object_set_new(o, "start", json_sizes(n->start, rank));
        json_object_set_new(o, "stop", json_sizes(n->stop, rank));
        json_object_set_new(o, "step", json_sizes(n->step, rank));
        break;
    case MICO_NODE_TRANSPOSE:
        json_object_set_new(o, "perm", json_sizes(n->perm, rank));
        break;
    default:
        break;
    }
    return o;
}

/* The graph as JSON text; release with free(). */
static char *graph_text(const mico_net *net)
{
    json_t *root = json_object(), *tensors = json_array(), *nodes = json_array();
    json_t *pre = json_object();
    char *text;

    for (size_t t = 0; t < net->n_tensors; t++) {
        const mico_shape *s = &net->tensor[t].shape;
        json_t *o = json_object();

        json_object_set_new(o, "name", json_string(net->tensor[t].name));
        json_object_set_new(o, "shape", json_sizes(s->dim, s->rank));
        if (net->has_fixed) {
            json_object_set_new(o, "scale",
                                json_real((double)net->tensor[t].fixed_scale));
            json_object_set_new(o, "zero", json_integer(net->tensor[t].fixed_zero));
        }
        json_array_append_new(tensors, o);
    }
    for (size_t i = 0; i < net->n_nodes; i++)
        json_array_append_new(nodes, json_node(net, &net->node[i]));
    json_object_set_new(pre, "mul", json_floats(net->mul, net->n_preprocess));
    json_object_set_new(pre, "add", json_floats(net->add, net->n_preprocess));
    json_object_set_new(pre, "raw", json_string(net->raw));
    json_object_set_new(root, "name", json_string(net->name));
    json_object_set_new(root, "input", json_integer((json_int_t)net->input));
    json_object_set_new(root, "output", json_integer((json_int_t)net->output));
    json_object_set_new(root, "preprocess", pre);
    json_object_set_new(root, "tensors", tensors);
    json_object_set_new(root, "nodes", nodes);
    text = json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(9));
    json_decref(root);
    return text;
}

/* ---- HDF5 --------------------------------------------------------------------------
 */

/* A fixed-length UTF-8 string (see net_file.h) as an attribute or a scalar dataset. */
static bool write_text(hid_t at, const char *name, const char *text, bool attribute)
{
    hid_t space = H5Screate(H5S_SCALAR), type = H5Tcopy(H5T_C_S1), id = -1;
    bool ok = space >= 0 && type >= 0 && H5Tset_size(type, strlen(text) + 1) >= 0 &&
              H5Tset_cset(type, H5T_CSET_UTF8) >= 0;

    if (ok && attribute) {
        id = H5Acreate2(at, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
        ok = id >= 0 && H5Awrite(id, type, text) >= 0;
        ok = id >= 0 && H5Aclose(id) >= 0 && ok;
    } else if (ok) {
        hid_t plist = H5Pcreate(H5P_DATASET_CREATE);

        H5Pset_obj_track_times(plist, false);
        id = H5Dcreate2(at, name, type, space, H5P_DEFAULT, plist, H5P_DEFAULT);
        H5Pclose(plist);
        ok = id >= 0 && H5Dwrite(id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text) >= 0;
        ok = id >= 0 && H5Dclose(id) >= 0 && ok;
    }
    H5Tclose(type);
    H5Sclose(space);
    return ok;
}

static bool write_integer(hid_t at, const char *name, uint64_t value)
{
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t id = H5Acreate2(at, name, H5T_STD_U64LE, space, H5P_DEFAULT, H5P_DEFAULT);
    bool ok = id >= 0 && H5Awrite(id, H5T_NATIVE_UINT64, &value) >= 0;

    ok = id >= 0 && H5Aclose(id) >= 0 && ok;
    H5Sclose(space);
    return ok;
}

/* values are of the machine's type `memory`, the file's of type `stored`. */
static bool write_values(hid_t at, const char *name, hid_t stored, hid_t memory,
                         const void *values, size_t rank, const hsize_t *dim)
{
    hid_t space = H5Screate_simple((int)rank, dim, NULL);
    hid_t plist = H5Pcreate(H5P_DATASET_CREATE), id = -1;
    bool ok = space >= 0 && plist >= 0 && H5Pset_obj_track_times(plist, false) >= 0;

    if (ok) {
        id = H5Dcreate2(at, name, stored, space, H5P_DEFAULT, plist, H5P_DEFAULT);
        ok =
            id >= 0 && H5Dwrite(id, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0;
        ok = id >= 0 && H5Dclose(id) >= 0 && ok;
    }
    H5Pclose(plist);
    H5Sclose(space);
    return ok;
}

static bool write_floats(hid_t at, const char *name, const float *values, size_t rank,
                         const hsize_t *dim)
{
    return write_values(at, name, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT, values, rank, dim);
}

/* A group without times, so that equal networks make equal files. */
static hid_t create_group(hid_t at, const char *name)
{
    hid_t plist = H5Pcreate(H5P_GROUP_CREATE), id;

    H5Pset_obj_track_times(plist, false);
    id = H5Gcreate2(at, name, H5P_DEFAULT, plist, H5P_DEFAULT);
    H5Pclose(plist);
    return id;
}

/* The integers of a layer of an int8 network. */
static bool write_fixed(hid_t group, const mico_fixed *f, size_t rank,
                        const hsize_t *dim)
{
    return write_values(group, "fixed_weight", H5T_STD_I8LE, H5T_NATIVE_INT8, f->weight,
                        rank, dim) &&
           write_values(group, "fixed_bias", H5T_STD_I32LE, H5T_NATIVE_INT32, f->bias,
                        1, dim) &&
           write_floats(group, "fixed_scale", f->scale, 1, dim);
}

static bool write_layer(hid_t parameters, const mico_net *net, size_t l)
{
    const mico_node *n = mico_layer_node(net, l);
    const hsize_t dim[] = {n->c_out, n->c_in / n->groups, n->window.kh, n->window.kw};
    const size_t rank = n->kind == MICO_NODE_CONV ? 4 : 2;
    char name[24];
    hid_t group;
    bool ok;

    snprintf(name, sizeof name, "%zu", l);
    group = create_group(parameters, name);
    ok = group >= 0 && write_text(group, "node", n->name, true) &&
         write_floats(group, "weight", n->weight, rank, dim) &&
         (n->bias == NULL || write_floats(group, "bias", n->bias, 1, dim)) &&
         (n->fixed == NULL || write_fixed(group, n->fixed, rank, dim));
    if (group >= 0)
        H5Gclose(group);
    return ok;
}

static bool write_all(const mico_net *net, const char *text, hid_t file)
{
    hid_t parameters;
    bool ok = write_text(file, "format", NET_FILE_FORMAT, true) &&
              write_integer(file, "version", NET_FILE_VERSION) &&
              write_text(file, "source", net->name, true) &&
              write_integer(file, "hash", net->hash) &&
              write_text(file, "graph", text, false);

    parameters = create_group(file, "parameters");
    ok = ok && parameters >= 0;
    for (size_t l = 0; ok && l < net->n_layers; l++)
        ok = write_layer(parameters, net, l);
    if (parameters >= 0)
        H5Gclose(parameters);
    return ok;
}

/* The 1.8 format, because it protects its metadata with checksums. */
static bool write_file(const mico_net *net, const char *text, const char *path)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), create = H5Pcreate(H5P_FILE_CREATE);
    hid_t file = -1;
    bool ok = access >= 0 && H5Pset_obj_track_times(create, false) >= 0 &&
              H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18) >= 0;

    if (ok) {
        file = H5Fcreate(path, H5F_ACC_TRUNC, create, access);
        ok = file >= 0 && write_all(net, text, file);
        ok = file >= 0 && H5Fclose(file) >= 0 && ok;
    }
    H5Pclose(access);
    H5Pclose(create);
    return ok;
}

/* HDF5 makes a file of its own (the images that it makes in memory, in this format,
 * have a wrong checksum); its bytes are sealed and take the place of path in one step.
 */
mico_status mico_net_save(const mico_net *net, const char *path, mico_err *err)
{
    char draft[4096];
    char *text;
    mico_writer file = {0};
    bool ok = false;
    mico_status rc;

    if ((size_t)snprintf(draft, sizeof draft, "%s.draft%ld", path, (long)getpid()) >=
        sizeof draft)
        return mico_fail(err, MICO_EIO, "%s: path is too long", path);
    text = graph_text(net);
    if (text == NULL)
        return mico_fail(err, MICO_EBUG, "network '%s': its graph cannot be written",
                         net->name);
    errno = 0;
    H5E_BEGIN_TRY
    {
        ok = write_file(net, text, draft);
    }
    H5E_END_TRY
    free(text);
    if (!ok)
        rc = mico_fail(err, MICO_EIO, "%s: cannot write: %s", path,
                       errno != 0 ? strerror(errno) : "HDF5 failed");
    else
        rc = mico_file_read(&file.bytes, &file.len, draft, MICO_NET_LIMIT_BYTES, err);
    unlink(draft);
    if (rc == MICO_OK) {
        file.capacity = file.len;
        mico_seal_put(&file);
        rc = mico_file_write(path, file.bytes, file.len, err);
    }
    mico_writer_free(&file);
    return rc;
}
