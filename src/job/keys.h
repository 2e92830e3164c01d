/* keys.h (internal): the one table of job keys. */
#ifndef MICO_JOB_KEYS_H
#define MICO_JOB_KEYS_H

#include "job/job.h"

typedef enum mico_key_type {
    MICO_KEY_TEXT,
    MICO_KEY_CHOICE, /* one of the words of `choices` */
    MICO_KEY_COUNT,  /* whole number >= 0 */
    MICO_KEY_NUMBER,
    MICO_KEY_SECONDS, /* "90s", "10min", "2h" */
    MICO_KEY_BYTES,   /* "2GiB" */
} mico_key_type;

typedef struct mico_key {
    const char *section, *name;
    mico_key_type type;
    size_t offset, size; /* of the member of mico_study */
    const char *preset;  /* default as text; NULL: must be given */
    const char *choices; /* "a|b|c" */
    bool inert;          /* cannot change any result: not part of a study's key */
    const char *help;
} mico_key;

extern const mico_key mico_keys[];
extern const size_t mico_n_keys;

const mico_key *mico_key_find(const char *section, const char *name);
bool mico_key_section(const char *section);

/* Stores a value's text in the study; MICO_EJOB says what would be right. */
mico_status mico_key_set(const mico_key *key, mico_study *study, const char *value,
                         mico_err *err);

#endif
