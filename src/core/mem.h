/* mem.h: memory.
 *
 * mico_x* never return NULL: sizes that the program bounds are allocated or the process
 * ends through the out-of-memory hook. Sizes that come from a file go through
 * mico_try_array, which fails like any bad input. An arena holds things that live and
 * die together:
 *
 *     mico_arena a = {0};
 *     float *x = mico_arena_alloc(&a, n * sizeof *x);
 *     mico_arena_free(&a); */
#ifndef MICO_CORE_MEM_H
#define MICO_CORE_MEM_H

#include "core/err.h"

#include <stddef.h>

/* Called when a bounded allocation fails; must not return. NULL restores the default,
 * which prints one line and exits with 1. */
void mico_oom_hook(void (*hook)(size_t bytes));

void *mico_xcalloc(size_t count, size_t size);
void *mico_xrealloc(void *old, size_t count, size_t size);
char *mico_xstrdup(const char *text);

/* 64-byte aligned zeroed memory (kernels); release with free(). */
void *mico_xaligned(size_t bytes);

/* Allocates count*size zeroed bytes whose size a file declared. Fails with MICO_ELIMIT
 * when that is above limit_bytes or overflows, MICO_ENOMEM when there is no memory.
 * what names the thing in the message. */
mico_status mico_try_array(void **out, size_t count, size_t size, size_t limit_bytes,
                           const char *what, mico_err *err);

typedef struct mico_arena {
    struct mico_arena_block *head;
} mico_arena;

/* 64-byte aligned, zeroed, lives until the arena is freed. */
void *mico_arena_alloc(mico_arena *arena, size_t bytes);
char *mico_arena_strdup(mico_arena *arena, const char *text);
void mico_arena_free(mico_arena *arena);

/* Makes room for one more element in a growing array of `size`-byte elements. */
void *mico_grow(void *array, size_t count, size_t *capacity, size_t size);

#endif
