/* Limits of an objective: "bops <= 0.5 of w8a8, size <= 64KiB". */
#include "job/job.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

static mico_status parse_limit(mico_limit *limit, const char *item, mico_err *err)
{
    const char *relation = strstr(item, "<="), *of;
    const char *value_text;
    char value[64];
    uint64_t bytes;
    size_t n;

    *limit = (mico_limit){0};
    snprintf(limit->text, sizeof limit->text, "%s", item);
    if (relation == NULL)
        return mico_fail(err, MICO_EJOB,
                         "subject_to: '%s' is not METRIC <= VALUE [of SCHEME]", item);
    n = (size_t)(relation - item);
    while (n > 0 && isspace((unsigned char)item[n - 1]))
        n--;
    if (n == 0 || n >= sizeof limit->metric)
        return mico_fail(err, MICO_EJOB,
                         "subject_to: '%s' names no metric before <=", item);
    snprintf(limit->metric, sizeof limit->metric, "%.*s", (int)n, item);
    value_text = relation + 2;
    of = strstr(value_text, " of ");
    snprintf(value, sizeof value, "%.*s",
             (int)(of != NULL ? of - value_text : (long)strlen(value_text)),
             value_text);
    value_text = value;
    while (isspace((unsigned char)*value_text))
        value_text++;
    if (of != NULL) {
        const char *rest = of + 4;

        limit->relative = true;
        if (!mico_text_next(&rest, '\0', limit->of, sizeof limit->of) ||
            limit->of[0] == '\0')
            return mico_fail(err, MICO_EJOB,
                             "subject_to: '%s' names no scheme after of", item);
    }
    if (mico_text_double(value_text, &limit->value) && limit->value >= 0)
        return MICO_OK;
    if (!limit->relative && mico_text_bytes(value_text, &bytes)) {
        limit->value = (double)bytes;
        limit->bytes = true;
        return MICO_OK;
    }
    return mico_fail(err, MICO_EJOB, "subject_to: '%s' in '%s' is not a number or size",
                     value_text, item);
}

mico_status mico_limits_parse(const char *text, mico_limit *limits, size_t max,
                              size_t *n, mico_err *err)
{
    const char *rest = text;
    char item[128];

    *n = 0;
    while (mico_text_next(&rest, ',', item, sizeof item)) {
        mico_status rc;

        if (item[0] == '\0')
            continue;
        if (*n == max)
            return mico_fail(err, MICO_EJOB, "subject_to: more than %zu limits", max);
        rc = parse_limit(&limits[*n], item, err);
        if (rc != MICO_OK)
            return rc;
        (*n)++;
    }
    return MICO_OK;
}
