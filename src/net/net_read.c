/* Reading the network file: the HDF5 side. Nothing in the file is trusted. */
#include "net/net_file.h"
#include "net/nnf1.h"

#include "core/file.h"
#include "core/seal.h"

#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_TEXT_BYTES ((size_t)16 << 20)

/* The open file and what its size allows. */
typedef struct source {
    hid_t file;
    const char *path;
    size_t bytes;
    mico_err *err;
} source;

static mico_status damaged(const source *s, const char *what)
{
    return mico_fail(s->err, MICO_EFORMAT, "%s: not a sound network file: %s", s->path,
                     what);
}

/* Opens a dataset that is linked directly, stored in this file in one piece, and no
 * larger than the file. */
static hid_t open_dataset(const source *s, hid_t at, const char *name)
{
    H5L_info_t link;
    hid_t id, plist;
    H5D_layout_t layout;
    bool ok;

    if (H5Lexists(at, name, H5P_DEFAULT) <= 0 ||
        H5Lget_info(at, name, &link, H5P_DEFAULT) < 0 || link.type != H5L_TYPE_HARD)
        return -1;
    id = H5Dopen2(at, name, H5P_DEFAULT);
    if (id < 0)
        return -1;
    plist = H5Dget_create_plist(id);
    layout = plist >= 0 ? H5Pget_layout(plist) : H5D_LAYOUT_ERROR;
    ok = (layout == H5D_CONTIGUOUS || layout == H5D_COMPACT) &&
         H5Pget_external_count(plist) == 0 && H5Dget_storage_size(id) <= s->bytes;
    if (plist >= 0)
        H5Pclose(plist);
    if (ok)
        return id;
    H5Dclose(id);
    return -1;
}

/* Size of a scalar fixed-length string type; 0 if it is anything else. */
static size_t text_size(hid_t type, hid_t space)
{
    if (type < 0 || space < 0 || H5Tget_class(type) != H5T_STRING ||
        H5Tis_variable_str(type) != 0 || H5Sget_simple_extent_npoints(space) != 1)
        return 0;
    return H5Tget_size(type);
}

static bool read_format(const source *s)
{
    hid_t id =
        H5Aexists(s->file, "format") > 0 ? H5Aopen(s->file, "format", H5P_DEFAULT) : -1;
    hid_t type = -1, space = -1;
    char text[sizeof NET_FILE_FORMAT] = "";
    bool ok = false;

    if (id < 0)
        return false;
    type = H5Aget_type(id);
    space = H5Aget_space(id);
    if (text_size(type, space) == sizeof text && H5Aread(id, type, text) >= 0)
        ok = memcmp(text, NET_FILE_FORMAT, sizeof text) == 0;
    H5Tclose(type);
    H5Sclose(space);
    H5Aclose(id);
    return ok;
}

static bool read_integer(const source *s, const char *name, uint64_t *out)
{
    hid_t id = H5Aexists(s->file, name) > 0 ? H5Aopen(s->file, name, H5P_DEFAULT) : -1;
    hid_t type = -1, space = -1;
    bool ok = false;

    if (id < 0)
        return false;
    type = H5Aget_type(id);
    space = H5Aget_space(id);
    if (type >= 0 && space >= 0 && H5Tget_class(type) == H5T_INTEGER &&
        H5Sget_simple_extent_npoints(space) == 1)
        ok = H5Aread(id, H5T_NATIVE_UINT64, out) >= 0;
    H5Tclose(type);
    H5Sclose(space);
    H5Aclose(id);
    return ok;
}

/* The graph's JSON text; release with free(). */
static mico_status read_text(const source *s, char **out)
{
    hid_t id = open_dataset(s, s->file, "graph"), type = -1, space = -1;
    size_t bytes = 0;
    void *text = NULL;
    mico_status rc = MICO_OK;

    if (id < 0)
        return damaged(s, "it holds no graph");
    type = H5Dget_type(id);
    space = H5Dget_space(id);
    bytes = text_size(type, space);
    if (bytes == 0 || bytes > s->bytes || H5Dget_storage_size(id) != bytes) {
        rc = damaged(s, "its graph is not text");
        goto out;
    }
    if ((rc = mico_try_array(&text, bytes + 1, 1, MAX_TEXT_BYTES, "graph", s->err)) !=
        MICO_OK)
        goto out;
    if (H5Dread(id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text) < 0) {
        free(text);
        rc = damaged(s, "its graph cannot be read");
        goto out;
    }
    *out = text;
out:
    H5Tclose(type);
    H5Sclose(space);
    H5Dclose(id);
    return rc;
}

/* Reads a dataset of exactly this type and shape into the network's arena. */
static mico_status read_values(const source *s, mico_net *net, hid_t at,
                               const char *name, hid_t stored, hid_t memory,
                               size_t rank, const size_t *dim, const void **out)
{
    hid_t id = open_dataset(s, at, name), type = -1, space = -1;
    hsize_t got[H5S_MAX_RANK];
    size_t count = 1;
    bool ok = false;

    if (id < 0)
        return damaged(s, "parameters are missing");
    type = H5Dget_type(id);
    space = H5Dget_space(id);
    if (type >= 0 && space >= 0 && H5Tequal(type, stored) > 0 &&
        H5Sget_simple_extent_ndims(space) == (int)rank &&
        H5Sget_simple_extent_dims(space, got, NULL) == (int)rank) {
        ok = true;
        for (size_t a = 0; ok && a < rank; a++) {
            ok = got[a] == dim[a] && dim[a] > 0 && dim[a] <= NET_MAX_ELEMENTS / count;
            count *= ok ? dim[a] : 1;
        }
        ok = ok && H5Dget_storage_size(id) == count * H5Tget_size(stored);
    }
    if (ok) {
        void *values = mico_arena_alloc(&net->arena, count * H5Tget_size(memory));

        ok = H5Dread(id, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0;
        *out = values;
    }
    H5Tclose(type);
    H5Sclose(space);
    H5Dclose(id);
    return ok ? MICO_OK : damaged(s, "parameters do not have the shape of their node");
}

static mico_status read_floats(const source *s, mico_net *net, hid_t at,
                               const char *name, size_t rank, const size_t *dim,
                               const float **out)
{
    const void *values = NULL;
    mico_status rc = read_values(s, net, at, name, H5T_IEEE_F32LE, H5T_NATIVE_FLOAT,
                                 rank, dim, &values);

    *out = values;
    return rc;
}

/* The integers of a layer of an int8 network. */
static mico_status read_fixed(const source *s, mico_net *net, hid_t group, mico_node *n,
                              size_t rank, const size_t *dim)
{
    mico_fixed *fixed = mico_arena_alloc(&net->arena, sizeof *fixed);
    const void *weight = NULL, *bias = NULL;
    mico_status rc = read_values(s, net, group, "fixed_weight", H5T_STD_I8LE,
                                 H5T_NATIVE_INT8, rank, dim, &weight);

    if (rc == MICO_OK)
        rc = read_values(s, net, group, "fixed_bias", H5T_STD_I32LE, H5T_NATIVE_INT32,
                         1, dim, &bias);
    if (rc == MICO_OK)
        rc = read_floats(s, net, group, "fixed_scale", 1, dim, &fixed->scale);
    fixed->weight = weight;
    fixed->bias = bias;
    n->fixed = fixed;
    return rc;
}

/* Opens a group that is linked directly (an external link would open other files). */
static hid_t open_group(hid_t at, const char *name)
{
    H5L_info_t link;

    if (H5Lexists(at, name, H5P_DEFAULT) <= 0 ||
        H5Lget_info(at, name, &link, H5P_DEFAULT) < 0 || link.type != H5L_TYPE_HARD)
        return -1;
    return H5Gopen2(at, name, H5P_DEFAULT);
}

static mico_status read_layer(const source *s, mico_net *net, hid_t group, mico_node *n,
                              bool has_bias)
{
    const size_t dim[] = {n->c_out, n->c_in / n->groups, n->window.kh, n->window.kw};
    size_t rank = n->kind == MICO_NODE_CONV ? 4 : 2;
    mico_status rc = read_floats(s, net, group, "weight", rank, dim, &n->weight);

    if (rc == MICO_OK && has_bias)
        rc = read_floats(s, net, group, "bias", 1, dim, &n->bias);
    if (rc == MICO_OK && net->has_fixed)
        rc = read_fixed(s, net, group, n, rank, dim);
    return rc;
}

static mico_status read_parameters(const source *s, mico_net *net, const bool *has_bias)
{
    hid_t parameters = open_group(s->file, "parameters");
    mico_status rc = MICO_OK;
    size_t l = 0;

    if (parameters < 0)
        return damaged(s, "parameters are missing");
    for (size_t i = 0; i < net->n_nodes && rc == MICO_OK; i++) {
        mico_node *n = &net->node[i];
        char name[24];
        hid_t group;

        if (n->kind != MICO_NODE_CONV && n->kind != MICO_NODE_LINEAR)
            continue;
        snprintf(name, sizeof name, "%zu", l++);
        group = n->groups > 0 ? open_group(parameters, name) : -1;
        if (group < 0) {
            rc = damaged(s, "parameters are missing");
            break;
        }
        rc = read_layer(s, net, group, n, has_bias[i]);
        H5Gclose(group);
    }
    H5Gclose(parameters);
    return rc;
}

/* Reads everything between an open file and a finished network. */
static mico_status read_net(const source *s, mico_net **out)
{
    mico_net *net = NULL;
    uint64_t version, hash;
    bool *has_bias = NULL;
    char *text = NULL;
    mico_status rc;

    if (!read_format(s))
        return damaged(s, "no " NET_FILE_FORMAT " format is noted in it");
    if (!read_integer(s, "version", &version) || !read_integer(s, "hash", &hash))
        return damaged(s, "its version or hash is missing");
    if (version != NET_FILE_VERSION)
        return mico_fail(s->err, MICO_EFORMAT,
                         "%s: has format version %llu; this program reads %d", s->path,
                         (unsigned long long)version, NET_FILE_VERSION);
    if ((rc = read_text(s, &text)) != MICO_OK)
        return rc;
    if ((rc = mico_net_parse_graph(&net, &has_bias, text, s->err)) != MICO_OK ||
        (rc = read_parameters(s, net, has_bias)) != MICO_OK ||
        (rc = mico_net_finish(net, s->err)) != MICO_OK)
        goto out;
    if (net->hash != hash)
        rc = damaged(s, "its contents do not have the hash noted in it");
out:
    free(text);
    free(has_bias);
    if (rc == MICO_OK)
        *out = net;
    else
        mico_net_free(net);
    return rc;
}

static mico_status read_hdf5(mico_net **out, const char *path, size_t bytes,
                             mico_err *err)
{
    source s = {.file = -1, .path = path, .bytes = bytes, .err = err};
    mico_status rc = MICO_EFORMAT;

    H5E_BEGIN_TRY
    {
        s.file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
        if (s.file < 0)
            rc = damaged(&s, "HDF5 cannot open it");
        else
            rc = read_net(&s, out);
        if (s.file >= 0)
            H5Fclose(s.file);
    }
    H5E_END_TRY
    return rc;
}

/* ---- by content --------------------------------------------------------------------
 */

static bool starts_as_hdf5(const uint8_t *bytes, size_t n)
{
    static const uint8_t signature[] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};

    return n >= sizeof signature && memcmp(bytes, signature, sizeof signature) == 0;
}

/* The text of an NNF1 graph; its weights lie beside it. */
static mico_status read_nnf1(mico_net **out, const char *path, const uint8_t *text,
                             size_t n_text, mico_err *err)
{
    char folder[4000], beside[4096], stem[MICO_NET_NAME];
    uint8_t *weights;
    size_t n;
    mico_status rc;

    mico_dirname(path, folder, sizeof folder);
    snprintf(beside, sizeof beside, "%s/weights.bin", folder);
    mico_stem(path, stem, sizeof stem);
    if ((rc = mico_file_read(&weights, &n, beside, MICO_NET_LIMIT_BYTES, err)) !=
        MICO_OK)
        return rc;
    rc = mico_net_from_nnf1(out, (const char *)text, n_text, weights, n, stem, err);
    free(weights);
    if (rc != MICO_OK)
        mico_err_prefix(err, "%s", path);
    return rc;
}

mico_status mico_net_load(mico_net **out, const char *path, mico_err *err)
{
    char stem[MICO_NET_NAME], inside[4096];
    uint8_t *bytes;
    size_t n;
    mico_status rc;

    if (mico_dir_exists(path)) {
        if (snprintf(inside, sizeof inside, "%s/graph.txt", path) >=
                (int)sizeof inside ||
            !mico_file_exists(inside))
            return mico_fail(err, MICO_EIO,
                             "%s: is a folder without graph.txt, not a network", path);
        path = inside;
    }
    rc = mico_file_read(&bytes, &n, path, MICO_NET_LIMIT_BYTES, err);
    if (rc != MICO_OK)
        return rc;
    if (nnf1_begins(bytes, n)) {
        rc = read_nnf1(out, path, bytes, n, err);
        free(bytes);
        return rc;
    }
    if (starts_as_hdf5(bytes, n)) {
        bool whole = mico_seal_check(bytes, n) == MICO_SEAL_GOOD;

        free(bytes); /* HDF5 reads the file itself */
        if (!whole)
            return mico_fail(
                err, MICO_EFORMAT,
                "%s: is no network file, or a damaged or cut one: its check "
                "sum is missing or does not match",
                path);
        return read_hdf5(out, path, n, err);
    }
    mico_stem(path, stem, sizeof stem);
    rc = mico_net_from_onnx(out, bytes, n, stem, err);
    free(bytes);
    if (rc == MICO_EFORMAT)
        return mico_fail(err, rc,
                         "%s: is neither a network file nor a sound ONNX model nor an "
                         "NNF1 graph",
                         path);
    if (rc != MICO_OK)
        mico_err_prefix(err, "%s", path);
    return rc;
}
