/* Texts for people: escaping, cutting, costs with units. */
#include "report/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Bytes of the character at text: 1 to 4, or 0 where it is not UTF-8 that XML allows
 * (RFC 3629 table; XML 1.0 section 2.2). */
static size_t utf8_length(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t n = s[0] < 0x80   ? 1
               : s[0] < 0xc2 ? 0
               : s[0] < 0xe0 ? 2
               : s[0] < 0xf0 ? 3
                             : 4;

    if (n == 1)
        return s[0] >= 0x20 && s[0] != 0x7f ? 1 : s[0] == '\n' || s[0] == '\t';
    if (s[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f) ||
        (s[0] == 0xef && s[1] == 0xbf && s[2] > 0xbd))
        return 0;
    return n;
}

void mico_add_escaped(mico_str *out, const char *text)
{
    static const struct {
        char c;
        const char *reference;
    } markup[] = {
        {'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}, {'\'', "&#39;"}};

    while (*text != '\0') {
        size_t n = utf8_length(text), m = 0;

        while (m < sizeof markup / sizeof markup[0] && markup[m].c != *text)
            m++;
        if (n == 0)
            mico_str_put(out, "?", 1);
        else if (m < sizeof markup / sizeof markup[0])
            mico_str_add(out, "%s", markup[m].reference);
        else
            mico_str_put(out, text, n);
        text += n > 0 ? n : 1;
    }
}

static size_t step(const char *text)
{
    size_t n = utf8_length(text);

    return n > 0 ? n : 1;
}

void mico_cut_middle(const char *text, size_t room, char *out, size_t size)
{
    size_t n = 0, at = 0, head, skip;

    for (const char *s = text; *s != '\0'; s += step(s))
        n++;
    if (n <= room || room < 2) {
        snprintf(out, size, "%s", text);
        return;
    }
    head = (room - 1) / 2;
    skip = n - (room - 1);
    for (size_t i = 0; i < head; i++)
        at += step(text + at);
    snprintf(out, size, "%.*s\xe2\x80\xa6", (int)at, text);
    for (size_t i = 0; i < skip; i++)
        at += step(text + at);
    snprintf(out + strlen(out), size - strlen(out), "%s", text + at);
}

void mico_reference_text(const mico_scheme *scheme, char out[16])
{
    char text[MICO_SCHEME_TEXT];

    mico_scheme_print(scheme, text);
    snprintf(out, 16, "%.12s", strlen(text) <= 4 ? text : "reference");
}

static bool in_bits(const mico_metric *metric)
{
    return strcmp(metric->unit, "bits") == 0;
}

void mico_cost_text(const mico_metric *metric, double cost, char out[48])
{
    static const char *const decimal[] = {"", " k", " M", " G", " T"};
    static const char *const binary[] = {" B", " KiB", " MiB", " GiB", " TiB"};
    bool bits = in_bits(metric);
    double base = bits ? 1024 : 1000, value = bits ? cost / 8 : cost;
    size_t i = 0;

    while (i < 4 && fabs(value) >= base) {
        value /= base;
        i++;
    }
    snprintf(out, 48, "%.4g%s", value, bits ? binary[i] : decimal[i]);
}

double mico_cost_axis(const mico_metric *metric, char label[MICO_NAME_SIZE + 32])
{
    const char *unit = in_bits(metric) ? "KiB" : metric->unit;

    snprintf(label, MICO_NAME_SIZE + 32, "%s%s%s", metric->name,
             unit[0] != '\0' ? ", " : "", unit);
    return in_bits(metric) ? 1.0 / 8192 : 1;
}

void mico_csv_field(mico_str *out, const char *text)
{
    if (strpbrk(text, ",\"\r\n") == NULL) {
        mico_str_add(out, "%s", text);
        return;
    }
    mico_str_put(out, "\"", 1);
    for (; *text != '\0'; text++) {
        if (*text == '"')
            mico_str_put(out, "\"", 1);
        mico_str_put(out, text, 1);
    }
    mico_str_put(out, "\"", 1);
}
