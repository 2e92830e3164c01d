/* Allocation that cannot fail quietly, and arenas. */
#include "core/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_ALIGN       ((size_t)64)
#define ARENA_BLOCK_BYTES ((size_t)64 << 10)

struct mico_arena_block {
    struct mico_arena_block *next;
    size_t used, size;
    unsigned char *bytes;
};

static void die_oom(size_t bytes)
{
    fprintf(stderr, "out of memory: %zu bytes asked for\n", bytes);
    exit(1);
}

/* The one mutable global of core besides the log level: set once by a program's main.
 */
static void (*oom_hook)(size_t) = die_oom;

void mico_oom_hook(void (*hook)(size_t))
{
    oom_hook = hook != NULL ? hook : die_oom;
}

void *mico_xcalloc(size_t count, size_t size)
{
    void *p = calloc(count > 0 ? count : 1, size > 0 ? size : 1);

    if (p == NULL)
        oom_hook(count * size);
    return p;
}

void *mico_xrealloc(void *old, size_t count, size_t size)
{
    void *p;

    if (size != 0 && count > SIZE_MAX / size)
        oom_hook(SIZE_MAX);
    p = realloc(old, count * size > 0 ? count * size : 1);
    if (p == NULL)
        oom_hook(count * size);
    return p;
}

char *mico_xstrdup(const char *text)
{
    size_t n = strlen(text) + 1;

    return memcpy(mico_xcalloc(n, 1), text, n);
}

void *mico_xaligned(size_t bytes)
{
    size_t rounded = (bytes + ARENA_ALIGN) / ARENA_ALIGN * ARENA_ALIGN;
    void *p = aligned_alloc(ARENA_ALIGN, rounded);

    if (p == NULL)
        oom_hook(bytes);
    return memset(p, 0, rounded);
}

mico_status mico_try_array(void **out, size_t count, size_t size, size_t limit_bytes,
                           const char *what, mico_err *err)
{
    void *p;

    if (size != 0 && count > limit_bytes / size)
        return mico_fail(err, MICO_ELIMIT,
                         "%s: %zu x %zu bytes is above the limit of %zu", what, count,
                         size, limit_bytes);
    p = calloc(count > 0 ? count : 1, size > 0 ? size : 1);
    if (p == NULL)
        return mico_fail(err, MICO_ENOMEM, "%s: no memory for %zu bytes", what,
                         count * size);
    *out = p;
    return MICO_OK;
}

void *mico_arena_alloc(mico_arena *arena, size_t bytes)
{
    size_t need = (bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
    struct mico_arena_block *b = arena->head;
    void *p;

    if (b == NULL || b->size - b->used < need) {
        b = mico_xcalloc(1, sizeof *b);
        b->size = need > ARENA_BLOCK_BYTES ? need : ARENA_BLOCK_BYTES;
        b->bytes = mico_xaligned(b->size);
        b->next = arena->head;
        arena->head = b;
    }
    p = b->bytes + b->used;
    b->used += need;
    return p;
}

char *mico_arena_strdup(mico_arena *arena, const char *text)
{
    size_t n = strlen(text) + 1;

    return memcpy(mico_arena_alloc(arena, n), text, n);
}

void mico_arena_free(mico_arena *arena)
{
    while (arena->head != NULL) {
        struct mico_arena_block *b = arena->head;

        arena->head = b->next;
        free(b->bytes);
        free(b);
    }
}

void *mico_grow(void *array, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return array;
    *capacity = *capacity > 0 ? 2 * *capacity : 16;
    return mico_xrealloc(array, *capacity, size);
}
