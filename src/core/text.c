/* Text helpers. */
#include "core/text.h"

#include "core/mem.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void reserve(mico_str *s, size_t extra)
{
    size_t need = s->len + extra + 1;

    if (need <= s->capacity)
        return;
    s->capacity = need > 2 * s->capacity ? need : 2 * s->capacity;
    s->text = mico_xrealloc(s->text, s->capacity, 1);
}

void mico_str_add(mico_str *s, const char *fmt, ...)
{
    va_list ap, again;
    int n;

    va_start(ap, fmt);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    reserve(s, (size_t)n);
    vsnprintf(s->text + s->len, (size_t)n + 1, fmt, again);
    va_end(again);
    s->len += (size_t)n;
}

void mico_str_put(mico_str *s, const char *bytes, size_t n)
{
    reserve(s, n);
    memcpy(s->text + s->len, bytes, n);
    s->len += n;
    s->text[s->len] = '\0';
}

void mico_str_free(mico_str *s)
{
    free(s->text);
    *s = (mico_str){0};
}

bool mico_text_next(const char **rest, char sep, char *out, size_t size)
{
    const char *begin = *rest, *end;
    size_t n;

    if (begin == NULL || *begin == '\0')
        return false;
    end = strchr(begin, sep);
    *rest = end != NULL ? end + 1 : begin + strlen(begin);
    if (end == NULL)
        end = *rest;
    while (begin < end && isspace((unsigned char)*begin))
        begin++;
    while (end > begin && isspace((unsigned char)end[-1]))
        end--;
    n = (size_t)(end - begin) < size - 1 ? (size_t)(end - begin) : size - 1;
    memcpy(out, begin, n);
    out[n] = '\0';
    return true;
}

bool mico_text_int(const char *text, int64_t *out)
{
    char *end;
    long long v;

    errno = 0;
    v = strtoll(text, &end, 10);
    if (end == text || *end != '\0' || errno != 0)
        return false;
    *out = v;
    return true;
}

bool mico_text_double(const char *text, double *out)
{
    char *end;
    double v;

    errno = 0;
    v = strtod(text, &end);
    if (end == text || *end != '\0' || errno != 0 || !isfinite(v))
        return false;
    *out = v;
    return true;
}

/* Splits "12.5unit" into the number and a pointer to the unit. */
static bool number_unit(const char *text, double *number, const char **unit)
{
    char *end;

    if (!isdigit((unsigned char)*text) && *text != '.')
        return false;
    errno = 0;
    *number = strtod(text, &end);
    if (end == text || errno != 0 || !isfinite(*number) || *number < 0)
        return false;
    while (isspace((unsigned char)*end))
        end++;
    *unit = end;
    return true;
}

bool mico_text_bytes(const char *text, uint64_t *out_bytes)
{
    static const struct {
        const char *name;
        double factor;
    } units[] = {
        {"", 1},          {"B", 1},
        {"kB", 1e3},      {"KB", 1e3},
        {"MB", 1e6},      {"GB", 1e9},
        {"TB", 1e12},     {"KiB", 1024},
        {"K", 1024},      {"M", 1 << 20},
        {"G", 1 << 30},   {"MiB", 1 << 20},
        {"GiB", 1 << 30}, {"TiB", 1099511627776.0},
    };
    const char *unit;
    double number;

    if (!number_unit(text, &number, &unit))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        double bytes = number * units[i].factor;

        if (strcmp(unit, units[i].name) == 0 && bytes < 9e18) {
            *out_bytes = (uint64_t)(bytes + 0.5);
            return true;
        }
    }
    return false;
}

bool mico_text_seconds(const char *text, double *out_s)
{
    static const struct {
        const char *name;
        double factor;
    } units[] = {
        {"ms", 1e-3}, {"min", 60}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400},
    };
    const char *rest = text;
    double total = 0;

    while (*rest != '\0') {
        const char *unit;
        double number;
        size_t i;

        if (!number_unit(rest, &number, &unit))
            return false;
        if (*unit == '\0' && rest == text) {
            *out_s = number;
            return true;
        }
        for (i = 0; i < sizeof units / sizeof units[0]; i++) {
            size_t n = strlen(units[i].name);

            if (strncmp(unit, units[i].name, n) == 0 &&
                !isalpha((unsigned char)unit[n]))
                break;
        }
        if (i == sizeof units / sizeof units[0])
            return false;
        total += number * units[i].factor;
        rest = unit + strlen(units[i].name);
        while (isspace((unsigned char)*rest))
            rest++;
    }
    *out_s = total;
    return rest != text;
}

void mico_text_duration(double seconds, char out[32])
{
    long s = seconds < 1e9 ? (long)(seconds + 0.5) : 999999999;

    if (seconds < 60)
        snprintf(out, 32, "%.1f s", seconds);
    else if (s < 3600)
        snprintf(out, 32, "%ld:%02ld", s / 60, s % 60);
    else
        snprintf(out, 32, "%ld:%02ld:%02ld", s / 3600, s / 60 % 60, s % 60);
}

#define DISTANCE_MAX_LEN 63

size_t mico_text_distance(const char *a, const char *b)
{
    size_t d[DISTANCE_MAX_LEN + 1][DISTANCE_MAX_LEN + 1];
    size_t na = strlen(a), nb = strlen(b);

    if (na > DISTANCE_MAX_LEN || nb > DISTANCE_MAX_LEN)
        return DISTANCE_MAX_LEN;
    for (size_t i = 0; i <= na; i++)
        d[i][0] = i;
    for (size_t j = 0; j <= nb; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= na; i++) {
        for (size_t j = 1; j <= nb; j++) {
            size_t best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

            if (d[i - 1][j] + 1 < best)
                best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best)
                best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    }
    return d[na][nb];
}

size_t mico_text_nearest(const char *text, const char *const *words, size_t n)
{
    size_t best = n, best_distance = strlen(text) / 2 + 1;

    for (size_t i = 0; i < n; i++) {
        size_t distance = mico_text_distance(text, words[i]);

        if (distance < best_distance) {
            best_distance = distance;
            best = i;
        }
    }
    return best;
}
