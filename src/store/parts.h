/* parts.h: pieces of an HDF5 file that results and censuses share, written by view.c
 * and read by reader.c. */
#ifndef MICO_STORE_PARTS_H
#define MICO_STORE_PARTS_H

#include "core/pack.h"
#include "store/h5.h"
#include "store/store.h"

/* Layers of a study (its problem's names and MACs, layer_kind, layer_weights). */
void mico_part_put_layers(mico_h5 *h, hid_t group, const mico_study_run *study);
void mico_part_get_layers(mico_h5 *h, hid_t group, mico_study_run *study);

/* Space, costs and constraints, in a group "problem"; read ones are checked. */
void mico_part_put_problem(mico_h5 *h, hid_t where, const mico_problem *problem);
void mico_part_get_problem(mico_h5 *h, hid_t where, mico_problem *problem);

/* A new file in memory, and its bytes, sealed. */
hid_t mico_part_new_file(mico_h5 *h);
mico_writer mico_part_bytes(mico_h5 *h, hid_t file);

/* Fails unless the bytes are an HDF5 file whose seal, if it has one, is whole; remedy
 * ends the message. */
mico_status mico_part_check_bytes(const char *path, const uint8_t *bytes, size_t n,
                                  const char *remedy, mico_err *err);

/* Opens the file that these bytes are; remedy ends the message where that fails. */
hid_t mico_part_open_bytes(mico_h5 *h, uint8_t *bytes, size_t n, const char *remedy);

#endif
