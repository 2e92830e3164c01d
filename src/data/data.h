/* data.h: data sets: loading, splits.
 *
 * A data set has a test set and, where the files give one, a training set. Which images
 * calibrate, which guide the search and which are only reported is said by subsets
 * ("train:0-511", "test"), resolved by mico_splits_resolve so that they never overlap.
 *
 *     mico_dataset *data;
 *     rc = mico_dataset_load(&data, "/usr/share/datasets/fashion-mnist", NULL, &err);
 *     ... data->test.n images of data->test.shape ...
 *     mico_dataset_free(data); */
#ifndef MICO_DATA_DATA_H
#define MICO_DATA_DATA_H

#include "core/err.h"
#include "core/file.h"
#include "net/net.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MICO_DATA_LIMIT_BYTES ((size_t)1 << 33) /* of any one file, unpacked */
#define MICO_DATA_SPILL_BYTES ((size_t)1 << 29) /* larger arrays lie in a file */

typedef enum mico_raw_type { MICO_RAW_U8, MICO_RAW_S8, MICO_RAW_F32 } mico_raw_type;

/* n images, each shape elements in (C,H,W) order, and n labels. */
typedef struct mico_data {
    size_t n;
    mico_shape shape;
    mico_raw_type type;
    void *raw;    /* on the heap, or in the map */
    mico_map map; /* a file, where the values need not be in memory */
    uint16_t *label;
    size_t n_classes; /* largest label + 1 */
} mico_data;

typedef struct mico_dataset {
    mico_data train; /* n = 0 where there is none */
    mico_data test;
    uint64_t hash; /* of shapes, types, values and labels of both */
} mico_dataset;

/* spec: a folder with MNIST-style IDX files (plain or .gz; train-* and t10k-* or
 * test-*), a folder with CIFAR-10 binary batches (data_batch_*.bin[.gz],
 * test_batch.bin[.gz]), a pair "IMAGES,LABELS" of IDX files, a pair
 * "X.npy[.gz],Y.npy[.gz]", a folder with X_train/y_train/X_test/y_test .npy[.gz], an
 * .npz (x/y or x_train/y_train/x_test/y_test, also "images"/"labels"), a text file of
 * comma separated integers with the label last (a folder with one *.tra and one *.tes
 * of those), or a data-set file of ours (HDF5). Labels that start at 1 in every set
 * (UCI style; npy, npz and text only) are shifted to 0. A folder with train.bin and
 * test.bin is CIFAR-100 (fine labels). In text, lines may be empty and '#' begins a
 * comment.
 *
 * transform: NULL or a comma separated list applied to u8 images: "mean2" (2x2 mean,
 * rounded: (a+b+c+d+2)>>2), "padN" (N zero pixels on each side), "flat" (rank 1). */
mico_status mico_dataset_load(mico_dataset **out, const char *spec,
                              const char *transform, mico_err *err);
mico_status mico_dataset_save(const mico_dataset *data, const char *path,
                              mico_err *err);
void mico_dataset_free(mico_dataset *data);

/* Readers from memory (fuzz targets). Each fills one array in (n, shape) form. */
typedef struct mico_array {
    size_t rank, dim[5];
    char kind;         /* 'u', 'i', 'f' */
    size_t elem_bytes; /* 1, 2, 4, 8 */
    void *values;      /* native byte order; release with free() unless in the map */
    mico_map map;      /* of readers from files; see mico_data */
} mico_array;
mico_status mico_idx_read(mico_array *out, const uint8_t *bytes, size_t n,
                          mico_err *err);
mico_status mico_npy_read(mico_array *out, const uint8_t *bytes, size_t n,
                          mico_err *err);

/* An .npz in memory: array `name` (without .npy); MICO_EDATA where there is none. */
mico_status mico_npz_read(mico_array *out, const uint8_t *bytes, size_t n,
                          const char *name, mico_err *err);

/* ---- splits --------------------------------------------------------------------- */

/* count images of *data from first on; borrows. */
typedef struct mico_split {
    const mico_data *data;
    size_t first, count;
} mico_split;

typedef struct mico_splits {
    mico_split calibration, search, final;
} mico_splits;

/* Resolves the three subsets, each "auto" or "SET[:FIRST-LAST]" with SET train or test
 * (bounds inclusive, checked against the set's size). auto: with a training set,
 * calibration = train:0-511 (its first half where that is less), search = up to 10,000
 * training images after those, final = test; without one, calibration = the first
 * eighth of test (512 at most), search = half of the rest, final = what remains.
 * Overlap, emptiness, a bad range: MICO_EDATA. */
mico_status mico_splits_resolve(mico_splits *out, const mico_dataset *data,
                                const char *calibration, const char *search,
                                const char *final, mico_err *err);

/* One subset, "SET[:FIRST-LAST]"; use names it in messages. */
mico_status mico_split_parse(mico_split *out, const mico_dataset *data,
                             const char *text, const char *use, mico_err *err);

/* "train:512-10511" */
void mico_split_print(const mico_dataset *data, const mico_split *split, char out[64]);

/* Fails (MICO_EDATA, saying both shapes) unless images of this data fit the network:
 * the same number of elements, in the same layout unless one side is flat (1x28x28 and
 * 28x28x1 are one layout, 3x32x32 and 32x32x3 are not), labels below the network's
 * outputs. */
mico_status mico_data_fits(const mico_data *data, const mico_net *net, mico_err *err);

#endif
