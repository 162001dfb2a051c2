/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers and reports of qemu-io, in the form that scripts know. */
#include "util/osdep.h"

#include <math.h>

#include "qemu-io.h"
#include "qobject/keyval.h"

/* Would it be a size, if it were not for 63 bits? */
static bool is_too_large(const char *text)
{
    static const char units[] = "bkmgtpe";
    const char *unit;
    char *end;
    double v = g_ascii_strtod(text, &end);

    if (end == text || strspn(text, "0123456789.") != (size_t)(end - text)) {
        return false;
    }
    unit = *end ? strchr(units, g_ascii_tolower(*end)) : units;
    return unit && (!*end || !end[1]) &&
           ldexp(v, 10 * (unit - units)) >= 0x1p63;
}

bool io_parse_size(const char *text, int64_t *v)
{
    uint64_t size = 0;
    bool ok = parse_size(*text == '+' ? text + 1 : text, 'B', &size);

    if (ok && size <= INT64_MAX) {
        *v = size;
        return true;
    }
    if (ok || is_too_large(text)) {
        printf("Parsing error: argument too large -- %s\n", text);
    } else {
        printf("Parsing error: non-numeric argument, or extraneous/"
               "unrecognized suffix -- %s\n",
               text);
    }
    return false;
}

void io_print_size(double bytes, char *buf, size_t len)
{
    static const char *const units[] = { "bytes", "KiB", "MiB", "GiB",
                                         "TiB",   "PiB", "EiB" };
    static const char *const zeroes[] = { ".000000", ".000" };
    size_t u = 0, n;
    char number[64];

    while (u + 1 < ARRAY_SIZE(units) && bytes >= 1024) {
        bytes /= 1024;
        u++;
    }
    n = snprintf(number, sizeof(number), u ? "%.3f" : "%f", bytes);
    if (g_str_has_suffix(number, zeroes[!!u])) {
        number[n - strlen(zeroes[!!u])] = '\0';
    }
    snprintf(buf, len, "%s %s", number, units[u]);
}

void io_dump(const uint8_t *buf, int64_t offset, int64_t len)
{
    for (int64_t i = 0; i < len; i += 16) {
        int64_t n = MIN(len - i, 16);

        printf("%08" PRIx64 ":  ", offset + i);
        for (int64_t j = 0; j < n; j++) {
            printf("%02x ", buf[i + j]);
        }
        printf(" ");
        for (int64_t j = 0; j < n; j++) {
            putchar(g_ascii_isalnum(buf[i + j]) ? buf[i + j] : '.');
        }
        printf("\n");
    }
}

/* @full: with hours and minutes also for less than a second. */
static void print_time(double seconds, bool full, char *buf, size_t len)
{
    uint64_t cs = seconds * 100;
    unsigned part = cs % 100;

    cs /= 100;
    if (cs || full) {
        snprintf(buf, len, "%" PRIu64 ":%02u:%02u.%02u", cs / 3600,
                 (unsigned)(cs / 60 % 60), (unsigned)(cs % 60), part);
    } else {
        snprintf(buf, len, "00.%02u sec", part);
    }
}

void io_report(const IoStats *s)
{
    double t = MAX(s->seconds, 1e-9);
    char total[64], rate[64], took[64];

    print_time(t, s->machine, took, sizeof(took));
    if (s->machine) {
        printf("%" PRId64 ",%d,%s,%.3f,%.3f\n", s->done, s->ops, took,
               s->done / t, s->ops / t);
        return;
    }
    io_print_size(s->done, total, sizeof(total));
    io_print_size(s->done / t, rate, sizeof(rate));
    printf("%s %" PRId64 "/%" PRId64 " bytes at offset %" PRId64 "\n", s->verb,
           s->done, s->asked, s->offset);
    printf("%s, %d ops; %s (%s/sec and %.4f ops/sec)\n", total, s->ops, took,
           rate, s->ops / t);
}
