/* text.h: growing strings, splitting, numbers with units, "did you mean". */
#ifndef MICO_CORE_TEXT_H
#define MICO_CORE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A string that grows. {0} is a valid empty one; text is NULL until something is added.
 */
typedef struct mico_str {
    char *text;
    size_t len, capacity;
} mico_str;

void mico_str_add(mico_str *s, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void mico_str_put(mico_str *s, const char *bytes, size_t n);
void mico_str_free(mico_str *s);

/* Copies the trimmed piece of *rest before the next `sep` into out (cut at size) and
 * moves *rest behind it; false at the end of the text. */
bool mico_text_next(const char **rest, char sep, char *out, size_t size);

/* Whole-text numbers; false if anything is left over, out of range, or not finite. */
bool mico_text_int(const char *text, int64_t *out);
bool mico_text_double(const char *text, double *out);

/* Number with an optional unit: "4MiB", "1.5GB", "256" -> bytes; "90s", "10min",
 * "3h30m", "1d" -> seconds (a bare number is seconds). */
bool mico_text_bytes(const char *text, uint64_t *out_bytes);
bool mico_text_seconds(const char *text, double *out_s);

/* "12.3 s", "4:05", "2:03:10" */
void mico_text_duration(double seconds, char out[32]);

/* Edit distance (insert, delete, replace, swap of neighbours each cost 1). */
size_t mico_text_distance(const char *a, const char *b);

/* Index of the word nearest to `text` among words[0..n) if it is near enough to be a
 * plausible slip of the fingers; n otherwise. */
size_t mico_text_nearest(const char *text, const char *const *words, size_t n);

#endif
