/* pack.h: little-endian byte strings, written and read with bounds checks.
 *
 * The one encoding of messages, journal records and stored blobs. A writer grows; a
 * reader that runs off its end sets `bad` and returns zeros, so a decoder checks once,
 * at the end:
 *
 *     mico_reader r = {bytes, n};
 *     id = mico_get_u64(&r);
 *     name = mico_get_text(&r, buf, sizeof buf);
 *     if (!mico_reader_ok(&r)) ... damaged or cut
 */
#ifndef MICO_CORE_PACK_H
#define MICO_CORE_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct mico_writer {
    uint8_t *bytes;
    size_t len, capacity;
} mico_writer;

void mico_put_u8(mico_writer *w, uint8_t v);
void mico_put_u32(mico_writer *w, uint32_t v);
void mico_put_u64(mico_writer *w, uint64_t v);
void mico_put_f64(mico_writer *w, double v);
void mico_put_bytes(mico_writer *w, const void *bytes,
                    size_t n); /* length, then bytes */
void mico_put_text(mico_writer *w, const char *text);
void mico_writer_free(mico_writer *w);

typedef struct mico_reader {
    const uint8_t *bytes;
    size_t len, at;
    bool bad;
} mico_reader;

uint8_t mico_get_u8(mico_reader *r);
uint32_t mico_get_u32(mico_reader *r);
uint64_t mico_get_u64(mico_reader *r);
double mico_get_f64(mico_reader *r);

/* Length-prefixed bytes: returns a pointer into the reader's bytes (NULL if bad). */
const uint8_t *mico_get_bytes(mico_reader *r, size_t *n);

/* Length-prefixed text into out (always terminated; bad if it does not fit or holds 0).
 */
void mico_get_text(mico_reader *r, char *out, size_t size);

/* True if nothing went wrong and every byte was read. */
bool mico_reader_ok(const mico_reader *r);

#endif
