/* Little-endian packing. */
#include "core/pack.h"

#include "core/mem.h"

#include <stdlib.h>
#include <string.h>

static void put(mico_writer *w, const void *bytes, size_t n)
{
    if (w->len + n > w->capacity) {
        w->capacity = w->len + n > 2 * w->capacity ? w->len + n : 2 * w->capacity;
        w->bytes = mico_xrealloc(w->bytes, w->capacity, 1);
    }
    if (n > 0)
        memcpy(w->bytes + w->len, bytes, n);
    w->len += n;
}

static void put_le(mico_writer *w, uint64_t v, size_t n)
{
    uint8_t b[8];

    for (size_t i = 0; i < n; i++)
        b[i] = (uint8_t)(v >> (8 * i));
    put(w, b, n);
}

void mico_put_u8(mico_writer *w, uint8_t v)
{
    put_le(w, v, 1);
}

void mico_put_u32(mico_writer *w, uint32_t v)
{
    put_le(w, v, 4);
}

void mico_put_u64(mico_writer *w, uint64_t v)
{
    put_le(w, v, 8);
}

void mico_put_f64(mico_writer *w, double v)
{
    uint64_t u;

    memcpy(&u, &v, sizeof u);
    put_le(w, u, 8);
}

void mico_put_bytes(mico_writer *w, const void *bytes, size_t n)
{
    put_le(w, n, 8);
    put(w, bytes, n);
}

void mico_put_text(mico_writer *w, const char *text)
{
    mico_put_bytes(w, text, strlen(text));
}

void mico_writer_free(mico_writer *w)
{
    free(w->bytes);
    *w = (mico_writer){0};
}

static uint64_t get_le(mico_reader *r, size_t n)
{
    uint64_t v = 0;

    if (r->bad || r->len - r->at < n) {
        r->bad = true;
        return 0;
    }
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)r->bytes[r->at + i] << (8 * i);
    r->at += n;
    return v;
}

uint8_t mico_get_u8(mico_reader *r)
{
    return (uint8_t)get_le(r, 1);
}

uint32_t mico_get_u32(mico_reader *r)
{
    return (uint32_t)get_le(r, 4);
}

uint64_t mico_get_u64(mico_reader *r)
{
    return get_le(r, 8);
}

double mico_get_f64(mico_reader *r)
{
    uint64_t u = get_le(r, 8);
    double v;

    memcpy(&v, &u, sizeof v);
    return v;
}

const uint8_t *mico_get_bytes(mico_reader *r, size_t *n)
{
    uint64_t len = get_le(r, 8);
    const uint8_t *p;

    if (r->bad || len > r->len - r->at) {
        r->bad = true;
        *n = 0;
        return NULL;
    }
    p = r->bytes + r->at;
    r->at += (size_t)len;
    *n = (size_t)len;
    return p;
}

void mico_get_text(mico_reader *r, char *out, size_t size)
{
    size_t n;
    const uint8_t *p = mico_get_bytes(r, &n);

    out[0] = '\0';
    if (p == NULL)
        return;
    if (n >= size || memchr(p, 0, n) != NULL) {
        r->bad = true;
        return;
    }
    memcpy(out, p, n);
    out[n] = '\0';
}

bool mico_reader_ok(const mico_reader *r)
{
    return !r->bad && r->at == r->len;
}
