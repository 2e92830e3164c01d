/* search_hawq.h: HAWQ-V3's measured layers, read from the shared data. */
#ifndef MICO_TESTS_SEARCH_HAWQ_H
#define MICO_TESTS_SEARCH_HAWQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define MOST_LAYERS 52

typedef struct hawq {
    size_t n;
    double trace[MOST_LAYERS], mse[2][MOST_LAYERS], /* 4, 8 bits */
        size[MOST_LAYERS], bops[MOST_LAYERS], latency[2][MOST_LAYERS];
} hawq;

/* False where the shared data are not here. */
static inline bool hawq_load(hawq *h, const char *name)
{
    char path[512], line[512];
    FILE *f;

    memset(h, 0, sizeof *h);
    snprintf(path, sizeof path, "%s/data/hawq/%s", MICO_SHARED_DIR, name);
    f = fopen(path, "r");
    if (f == NULL)
        return false;
    if (fgets(line, sizeof line, f) == NULL)
        line[0] = '\0';
    while (h->n < MOST_LAYERS && fgets(line, sizeof line, f) != NULL) {
        const size_t i = h->n;

        if (sscanf(line, "%*d,%lf,%lf,%lf,%lf,%lf,%lf,%lf", &h->trace[i], &h->mse[1][i],
                   &h->mse[0][i], &h->size[i], &h->bops[i], &h->latency[0][i],
                   &h->latency[1][i]) == 7)
            h->n++;
    }
    fclose(f);
    return true;
}

/* Cost of layer i at 4 (bit 0) or 8 bits: size in MB; BOPs in G at 4x4 or 8x8; latency.
 */
static inline double hawq_cost(const hawq *h, int kind, size_t i, int bit)
{
    switch (kind) {
    case 0:
        return h->size[i] * (bit ? 1.0 : 0.5);
    case 1:
        return h->bops[i] * (bit ? 64 : 16) / 1000;
    default:
        return h->latency[bit][i];
    }
}

#endif
