/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HMP: looking at guest-physical memory and ports. */
#include "util/osdep.h"

#include "qapi/hmp.h"
#include "softmmu/memory-hmp.h"
#include "softmmu/memory.h"
#include "softmmu/vm.h"
#include "util/error.h"

/* Values of one command; more is a slip of the hand. */
#define DUMP_MAX 65536
#define SUM_MAX (16 * MiB)

static unsigned size_of(const QDict *args, unsigned dflt)
{
    const char *size = qdict_get_str(args, "size");

    switch (size ? *size : 0) {
    case 'b':
        return 1;
    case 'h':
        return 2;
    case 'w':
    case 'l':
        return 4;
    case 'g':
        return 8;
    default:
        return dflt;
    }
}

static void print_char(Hmp *hmp, uint8_t c)
{
    if (c == '\n' || c == '\r') {
        hmp_printf(hmp, "'\\%c'", c == '\n' ? 'n' : 'r');
    } else if (c == '\'' || c == '\\') {
        hmp_printf(hmp, "'\\%c'", c);
    } else {
        hmp_printf(hmp, g_ascii_isprint(c) ? "'%c'" : "'\\x%02x'", c);
    }
}

static void print_value(Hmp *hmp, uint64_t v, char format, unsigned size)
{
    /* Width of the largest value of that size. */
    static const uint8_t octal[] = { [1] = 3, [2] = 6, [4] = 11, [8] = 22 };
    static const uint8_t decimal[] = { [1] = 3, [2] = 5, [4] = 10, [8] = 20 };
    unsigned shift = 64 - size * 8;

    switch (format) {
    case 'x':
        hmp_printf(hmp, "0x%0*" PRIx64, (int)size * 2, v);
        break;
    case 'o':
        hmp_printf(hmp, "%#*" PRIo64, octal[size], v);
        break;
    case 'u':
        hmp_printf(hmp, "%*" PRIu64, decimal[size], v);
        break;
    case 'd':
        hmp_printf(hmp, "%*" PRId64, decimal[size] + (size > 1),
                   (int64_t)(v << shift) >> shift);
        break;
    default:
        print_char(hmp, v);
    }
}

static bool load(Hmp *hmp, uint64_t addr, unsigned size, uint64_t *v,
                 bool (*translate)(Hmp *hmp, uint64_t va, hwaddr *pa))
{
    hwaddr pa = addr;

    return (!translate || translate(hmp, addr, &pa)) &&
           as_load(hmp->vm->memory, pa, v, size, (MemAttrs){ 0 }) == MEM_OK;
}

bool hmp_dump_memory(Hmp *hmp, const QDict *args,
                     bool (*translate)(Hmp *hmp, uint64_t va, hwaddr *pa),
                     Error **errp)
{
    const char *f = qdict_get_str(args, "format");
    char format = f ? *f : 'x';
    unsigned size = size_of(args, format == 'c' ? 1 : 4);
    int64_t count = qdict_get_int(args, "count", 1);
    hwaddr addr = qdict_get_int(args, "addr", 0);
    unsigned per_line = format == 'c' ? 8 : 16 / size;

    if (format == 'i' || format == 's') {
        return error_set(errp, "format '%c' is not supported", format);
    }
    if (count < 1 || count > DUMP_MAX) {
        return error_set(errp, "count must be between 1 and %d", DUMP_MAX);
    }
    for (int64_t i = 0; i < count; i++, addr += size) {
        uint64_t v = 0;

        if (i % per_line == 0) {
            hmp_printf(hmp, "%s%016" PRIx64 ":", i ? "\n" : "", addr);
        }
        if (!load(hmp, addr, size, &v, translate)) {
            hmp_printf(hmp, " Cannot access memory\n");
            return true;
        }
        hmp_printf(hmp, " ");
        print_value(hmp, v, format, size);
    }
    hmp_printf(hmp, "\n");
    return true;
}

/* xp /fmt addr */
static bool dump_physical(Hmp *hmp, const QDict *args, Error **errp)
{
    return hmp_dump_memory(hmp, args, NULL, errp);
}

/* sum addr size: the 16-bit checksum that BSD's sum(1) makes. */
static bool sum_physical(Hmp *hmp, const QDict *args, Error **errp)
{
    hwaddr start = qdict_get_int(args, "start", 0);
    int64_t size = qdict_get_int(args, "size", 0);
    uint16_t sum = 0;

    if (size < 0 || size > SUM_MAX) {
        return error_set(errp, "size must be up to 16 MiB");
    }
    for (int64_t i = 0; i < size; i++) {
        uint64_t v = 0;

        as_load(hmp->vm->memory, start + i, &v, 1, (MemAttrs){ 0 });
        sum = (sum >> 1 | sum << 15) + v;
    }
    hmp_printf(hmp, "%05d\n", sum);
    return true;
}

static bool port_size(const QDict *args, unsigned *size, Error **errp)
{
    *size = size_of(args, 1);
    return *size <= 4 || error_set(errp, "ports have up to 4 bytes");
}

static bool port_in(Hmp *hmp, const QDict *args, Error **errp)
{
    uint16_t port = qdict_get_int(args, "addr", 0);
    unsigned size;
    uint64_t v = 0;

    if (!port_size(args, &size, errp)) {
        return false;
    }
    if (qdict_has(args, "index")) {
        as_store(hmp->vm->io, port++,
                 qdict_get_int(args, "index", 0) & 0xff, 1, (MemAttrs){ 0 });
    }
    as_load(hmp->vm->io, port, &v, size, (MemAttrs){ 0 });
    hmp_printf(hmp, "port%c[0x%04x] = 0x%0*" PRIx64 "\n", " bw l"[size], port,
               (int)size * 2, v);
    return true;
}

static bool port_out(Hmp *hmp, const QDict *args, Error **errp)
{
    uint16_t port = qdict_get_int(args, "addr", 0);
    unsigned size;

    if (!port_size(args, &size, errp)) {
        return false;
    }
    as_store(hmp->vm->io, port, qdict_get_int(args, "val", 0), size,
             (MemAttrs){ 0 });
    return true;
}

static const HmpArg dump_args[] = {
    { "fmt", HMP_FMT },
    { "addr", HMP_INT },
    {},
};
static const HmpArg sum_args[] = {
    { "start", HMP_INT },
    { "size", HMP_INT },
    {},
};
static const HmpArg in_args[] = {
    { "fmt", HMP_FMT },
    { "addr", HMP_INT },
    { "index", HMP_INT, .optional = true },
    {},
};
static const HmpArg out_args[] = {
    { "fmt", HMP_FMT },
    { "addr", HMP_INT },
    { "val", HMP_INT },
    {},
};

static const HmpCommand dump_commands[] = {
    { .name = "xp", .args = dump_args, .params = "/fmt addr",
      .help = "physical memory dump starting at 'addr'",
      .run = dump_physical },
    { .name = "sum", .args = sum_args, .params = "addr size",
      .help = "compute the checksum of a memory region", .run = sum_physical },
    { .name = "i", .args = in_args, .params = "/fmt addr",
      .help = "I/O port read", .run = port_in },
    { .name = "o", .args = out_args, .params = "/fmt addr value",
      .help = "I/O port write", .run = port_out },
};
HMP_COMMANDS(dump_commands);
