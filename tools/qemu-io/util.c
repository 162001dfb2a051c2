/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers and reports of qemu-io, in the form that scripts know. */
#include "util/osdep.h"

#include "qobject/keyval.h"
#include "qemu-io.h"

int64_t io_parse_size(const char *text)
{
    uint64_t v;

    return parse_size(text, 'B', &v) && v <= INT64_MAX ? (int64_t)v : -EINVAL;
}

void io_print_size(double bytes, char *buf, size_t len)
{
    static const char *const units[] = { "bytes", "KiB", "MiB", "GiB",
                                         "TiB",   "PiB", "EiB" };
    size_t u = 0;
    char number[32];

    while (u + 1 < ARRAY_SIZE(units) && bytes >= 1024) {
        bytes /= 1024;
        u++;
    }
    snprintf(number, sizeof(number), "%.3f", bytes);
    if (strstr(number, ".000")) {
        *strstr(number, ".000") = '\0';
    }
    snprintf(buf, len, "%s %s", number, units[u]);
}

void io_dump(const uint8_t *buf, int64_t offset, int64_t len)
{
    for (int64_t i = 0; i < len; i += 16) {
        int64_t n = MIN(len - i, 16);

        printf("%08" PRIx64 ":  ", offset + i);
        for (int64_t j = 0; j < 16; j++) {
            if (j < n) {
                printf("%02x ", buf[i + j]);
            } else {
                printf("   ");
            }
        }
        printf(" ");
        for (int64_t j = 0; j < n; j++) {
            putchar(g_ascii_isalnum(buf[i + j]) ? buf[i + j] : '.');
        }
        printf("\n");
    }
}

void io_report(const IoStats *s)
{
    double t = MAX(s->seconds, 1e-9);
    char total[64], rate[64];

    io_print_size(s->done, total, sizeof(total));
    io_print_size(s->done / t, rate, sizeof(rate));
    if (s->machine) {
        printf("%" PRId64 ",%d,%02d.%02d,%.4f,%.4f\n", s->done, s->ops,
               (int)t % 60, (int)(t * 100) % 100, s->done / t, s->ops / t);
        return;
    }
    printf("%s %" PRId64 "/%" PRId64 " bytes at offset %" PRId64 "\n", s->verb,
           s->done, s->asked, s->offset);
    printf("%s, %d ops; %02d.%02d sec (%s/sec and %.4f ops/sec)\n", total,
           s->ops, (int)t % 60, (int)(t * 100) % 100, rate, s->ops / t);
}
