/* plan_golden.h: reads tests/golden/plan/quantize.txt word by word. */
#ifndef MICO_TESTS_PLAN_GOLDEN_H
#define MICO_TESTS_PLAN_GOLDEN_H

#include "plan/plan.h"

#include <CUnit/CUnit.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct plan_golden {
    FILE *file;
    char word[64];
} plan_golden;

static inline bool plan_golden_open(plan_golden *g)
{
    int c;

    g->file = fopen(MICO_SOURCE_DIR "/tests/golden/plan/quantize.txt", "r");
    if (g->file == NULL)
        return false;
    do
        c = fgetc(g->file); /* line 1 says where the file is from */
    while (c != '\n' && c != EOF);
    return true;
}

/* The next word, or NULL at the end. */
static inline const char *plan_golden_word(plan_golden *g)
{
    return fscanf(g->file, "%63s", g->word) == 1 ? g->word : NULL;
}

static inline double plan_golden_real(plan_golden *g)
{
    const char *word = plan_golden_word(g);
    char *end = NULL;
    double v = word != NULL ? strtod(word, &end) : 0;

    if (word == NULL || *end != '\0')
        CU_FAIL_FATAL("golden file: a number is missing");
    return v;
}

static inline long plan_golden_int(plan_golden *g)
{
    return (long)plan_golden_real(g);
}

static inline uint8_t plan_golden_width(plan_golden *g)
{
    const char *word = plan_golden_word(g);
    uint8_t width = 0;

    if (word == NULL || !mico_width_parse(word, &width))
        CU_FAIL_FATAL("golden file: a width is missing");
    return width;
}

/* Splits "a:b" into a real and an integer. */
static inline void plan_golden_pair(plan_golden *g, double *a, long *b)
{
    const char *word = plan_golden_word(g);
    char *end = NULL;

    *a = word != NULL ? strtod(word, &end) : 0;
    if (word == NULL || *end != ':')
        CU_FAIL_FATAL("golden file: a pair is missing");
    *b = strtol(end + 1, NULL, 10);
}

#endif
