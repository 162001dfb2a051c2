/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Scalars as the command line spells them. */
#include "util/osdep.h"

#include "qobject/keyval.h"

bool parse_bool(const char *text, bool *v)
{
    static const char *const yes[] = { "on", "yes", "true", "y" };
    static const char *const no[] = { "off", "no", "false", "n" };

    for (size_t i = 0; i < ARRAY_SIZE(yes); i++) {
        if (!strcmp(text, yes[i])) {
            *v = true;
            return true;
        }
        if (!strcmp(text, no[i])) {
            *v = false;
            return true;
        }
    }
    return false;
}

bool parse_int64(const char *text, int64_t *v)
{
    char *end;
    int64_t n;

    if (!g_ascii_isdigit(text[*text == '-' || *text == '+'])) {
        return false;
    }
    errno = 0;
    n = g_ascii_strtoll(text, &end, 0);
    if (errno || end == text || *end) {
        return false;
    }
    *v = n;
    return true;
}

bool parse_uint64(const char *text, uint64_t *v)
{
    char *end;
    uint64_t n;

    if (!g_ascii_isdigit(text[*text == '+'])) {
        return false;
    }
    errno = 0;
    n = g_ascii_strtoull(text, &end, 0);
    if (errno || end == text || *end) {
        return false;
    }
    *v = n;
    return true;
}

/* log2 of the factor of a suffix letter, or -1. */
static int suffix_shift(char c)
{
    static const char letters[] = "BKMGTPE";
    const char *p = c ? strchr(letters, g_ascii_toupper(c)) : NULL;

    return p ? (int)(p - letters) * 10 : -1;
}

/* Digits after a decimal point, as a fraction of 2^@shift. */
static uint64_t fraction(const char **text, int shift)
{
    double value = 0, weight = 0.1;

    for (; g_ascii_isdigit(**text); (*text)++, weight /= 10) {
        value += (**text - '0') * weight;
    }
    return (uint64_t)(value * (double)(UINT64_C(1) << shift) + 0.5);
}

bool parse_size(const char *text, char unit, uint64_t *size)
{
    bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
    uint64_t whole, part = 0;
    const char *frac = NULL;
    char *end;
    int shift;

    if (!g_ascii_isdigit(text[0])) {
        return false;
    }
    errno = 0;
    whole = g_ascii_strtoull(text, &end, hex ? 16 : 10);
    if (errno || (hex && end == text + 2)) {
        return false;
    }
    if (*end == '.' && !hex) {
        frac = end + 1;
        end += 1 + strspn(frac, "0123456789");
    }
    /* A hex number's last digit may be B or E: it takes no suffix. */
    shift = *end && !hex ? suffix_shift(*end++) : suffix_shift(unit);
    if (*end || shift < 0 || (frac && shift == 0)) {
        return false;
    }
    if (frac) {
        part = fraction(&frac, shift);
    }
    if (whole > (UINT64_MAX - part) >> shift) {
        return false;
    }
    *size = (whole << shift) + part;
    return true;
}
