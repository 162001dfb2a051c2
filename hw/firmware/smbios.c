/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SMBIOS structures and entry points: DMTF DSP0134 3.4, chapters 5 and 7. */
#include "util/osdep.h"

#include "hw/firmware/smbios-private.h"
#include "util/error.h"

enum {
    HANDLE_BIOS = 0x000,
    HANDLE_SYSTEM = 0x100,
    HANDLE_BOARD = 0x200,
    HANDLE_CHASSIS = 0x300,
    HANDLE_CPU = 0x400,
    HANDLE_PORT = 0x000, /* the same as the BIOS's, as 7.2 has it */
    HANDLE_OEM = 0xe00,
    HANDLE_ARRAY = 0x1000,
    HANDLE_MEMORY = 0x1100,
    HANDLE_RANGE = 0x1300,
    HANDLE_BOOT = 0x2000,
    HANDLE_ONBOARD = 0x2900,
    HANDLE_END = 0x7f00,
    HANDLE_NONE = 0xfffe,
    HANDLE_NOT_GIVEN = 0xffff,
};

#define DIMM_SIZE (16 * GiB)

/* The table under construction. */
typedef struct Build {
    const Smbios *opts; /* never NULL */
    const SmbiosMachine *m;
    GByteArray *out;
    unsigned count;
    size_t max; /* size of the biggest structure, with its strings */
    /* The open structure. */
    size_t start;
    GPtrArray *strings; /* const char *, not owned */
} Build;

static void put(Build *b, uint64_t value, unsigned bytes)
{
    uint8_t le[8];

    for (unsigned i = 0; i < bytes; i++) {
        le[i] = value >> (8 * i);
    }
    g_byte_array_append(b->out, le, bytes);
}

/* False when a file gave this type: then nothing is to be built. */
static bool begin(Build *b, uint8_t type, uint16_t handle)
{
    if (smbios_bit(b->opts->raw, type)) {
        return false;
    }
    b->start = b->out->len;
    g_ptr_array_set_size(b->strings, 0);
    put(b, type, 1);
    put(b, 0, 1); /* length: end() */
    put(b, handle, 2);
    return true;
}

/* The number of a string; 0 for none. */
static void put_str(Build *b, const char *s)
{
    if (s && *s) {
        g_ptr_array_add(b->strings, (char *)s);
        put(b, b->strings->len, 1);
    } else {
        put(b, 0, 1);
    }
}

static void end(Build *b)
{
    b->out->data[b->start + 1] = b->out->len - b->start;
    for (unsigned i = 0; i < b->strings->len; i++) {
        const char *s = b->strings->pdata[i];

        g_byte_array_append(b->out, (const uint8_t *)s, strlen(s) + 1);
    }
    put(b, 0, b->strings->len ? 1 : 2);
    b->count++;
    b->max = MAX(b->max, b->out->len - b->start);
}

static const char *or_default(const char *s, const char *dflt)
{
    return s ? s : dflt;
}

/* 7.1 */
static void build_bios(Build *b)
{
    enum {
        UNSUPPORTED = 1 << 3,
        TARGETED = 1 << 2,
        UEFI = 1 << 3,
        VM = 1 << 4
    };
    const SmbiosBios *o = &b->opts->bios;

    if ((!smbios_bit(b->opts->types, 0) && !b->m->bios_vendor) ||
        !begin(b, 0, HANDLE_BIOS)) {
        return;
    }
    put_str(b, or_default(o->vendor, b->m->bios_vendor));
    put_str(b, or_default(o->version, b->m->bios_version));
    put(b, 0xe800, 2); /* segment */
    put_str(b, or_default(o->date, b->m->bios_date));
    put(b, 0, 1); /* 64 KiB of ROM */
    put(b, UNSUPPORTED, 8);
    put(b, 0, 1);
    put(b, TARGETED | VM | (o->uefi ? UEFI : 0), 1);
    put(b, o->major, 1);
    put(b, o->minor, 1);
    put(b, 0xff, 1);
    put(b, 0xff, 1);
    end(b);
}

/* 7.2: the first three fields of a UUID are little-endian. */
static void put_uuid(Build *b, const uint8_t *u)
{
    static const uint8_t order[16] = {
        3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15,
    };

    for (unsigned i = 0; i < 16; i++) {
        put(b, u ? u[order[i]] : 0, 1);
    }
}

static void build_system(Build *b)
{
    const SmbiosSystem *o = &b->opts->system;

    if (!begin(b, 1, HANDLE_SYSTEM)) {
        return;
    }
    put_str(b, or_default(o->manufacturer, b->m->manufacturer));
    put_str(b, or_default(o->product, b->m->product));
    put_str(b, or_default(o->version, b->m->version));
    put_str(b, o->serial);
    put_uuid(b, o->has_uuid ? o->uuid : b->m->uuid);
    put(b, 6, 1); /* woken by the power switch */
    put_str(b, o->sku);
    put_str(b, o->family);
    end(b);
}

/* 7.3 */
static void build_board(Build *b)
{
    const SmbiosBoard *o = &b->opts->board;

    if (!smbios_bit(b->opts->types, 2) || !begin(b, 2, HANDLE_BOARD)) {
        return;
    }
    put_str(b, or_default(o->manufacturer, b->m->manufacturer));
    put_str(b, or_default(o->product, b->m->product));
    put_str(b, or_default(o->version, b->m->version));
    put_str(b, o->serial);
    put_str(b, o->asset);
    put(b, 1, 1); /* hosting board */
    put_str(b, o->location);
    put(b, HANDLE_CHASSIS, 2);
    put(b, 0xa, 1); /* motherboard */
    put(b, 0, 1);
    end(b);
}

/* 7.4 */
static void build_chassis(Build *b)
{
    const SmbiosChassis *o = &b->opts->chassis;

    if (!begin(b, 3, HANDLE_CHASSIS)) {
        return;
    }
    put_str(b, or_default(o->manufacturer, b->m->manufacturer));
    put(b, 1, 1); /* other */
    put_str(b, or_default(o->version, b->m->version));
    put_str(b, o->serial);
    put_str(b, o->asset);
    put(b, 3, 1); /* boot-up state safe, */
    put(b, 3, 1); /* power safe, */
    put(b, 3, 1); /* thermal safe, */
    put(b, 2, 1); /* security unknown */
    put(b, 0, 4);
    put(b, 0, 1); /* height */
    put(b, 0, 1); /* power cords */
    put(b, 0, 2); /* contained elements */
    put_str(b, o->sku);
    end(b);
}

static void put_core_counts(Build *b)
{
    unsigned cores = b->m->cores, threads = cores * b->m->threads;

    put(b, MIN(cores, 255u), 1);
    put(b, MIN(cores, 255u), 1);
    put(b, MIN(threads, 255u), 1);
    put(b, 2, 2); /* characteristics unknown */
    put(b, 1, 2); /* family */
    if (b->m->entry_64) {
        put(b, cores, 2);
        put(b, cores, 2);
        put(b, threads, 2);
    }
}

/* 7.5 */
static void build_cpu(Build *b, unsigned socket)
{
    const SmbiosCpu *o = &b->opts->cpu;
    g_autofree char *name = NULL;

    if (!begin(b, 4, HANDLE_CPU + socket)) {
        return;
    }
    name = g_strdup_printf("%s%2x", or_default(o->sock_pfx, "CPU"), socket);
    put_str(b, name);
    put(b, 3, 1); /* central processor */
    put(b, 1, 1); /* family: other */
    put_str(b, or_default(o->manufacturer, b->m->manufacturer));
    if (o->has_processor_id) {
        put(b, o->processor_id, 8);
    } else {
        put(b, b->m->cpuid_signature, 4);
        put(b, b->m->cpuid_features, 4);
    }
    put_str(b, or_default(o->version, b->m->version));
    put(b, 0, 1); /* voltage */
    put(b, 0, 2); /* external clock */
    put(b, o->has_max_speed ? o->max_speed : 2000, 2);
    put(b, o->has_current_speed ? o->current_speed : 2000, 2);
    put(b, 0x41, 1); /* populated and enabled */
    put(b, 1, 1);    /* upgrade: other */
    for (unsigned i = 0; i < 3; i++) {
        put(b, HANDLE_NOT_GIVEN, 2); /* caches */
    }
    put_str(b, o->serial);
    put_str(b, o->asset);
    put_str(b, o->part);
    put_core_counts(b);
    end(b);
}

/* 7.9 */
static void build_ports(Build *b)
{
    for (unsigned i = 0; i < b->opts->ports->len; i++) {
        const SmbiosPort *o = &g_array_index(b->opts->ports, SmbiosPort, i);

        if (!begin(b, 8, HANDLE_PORT + i)) {
            return;
        }
        put_str(b, o->internal);
        put(b, 0, 1); /* internal connector: none */
        put_str(b, o->external);
        put(b, o->connector, 1);
        put(b, o->port, 1);
        end(b);
    }
}

/* 7.42 */
static bool build_onboard(Build *b, Error **errp)
{
    enum { ENABLED = 0x80 };

    for (unsigned i = 0; i < b->opts->onboard->len; i++) {
        const SmbiosOnboard *o =
            &g_array_index(b->opts->onboard, SmbiosOnboard, i);
        uint8_t devfn = 0;

        if (o->pcidev &&
            !b->m->find_pci(b->m->opaque, o->pcidev, &devfn, errp)) {
            return false;
        }
        if (!begin(b, 41, HANDLE_ONBOARD + i)) {
            return true;
        }
        put_str(b, o->designation);
        put(b, ENABLED | o->kind, 1);
        put(b, o->instance, 1);
        put(b, 0, 2); /* segment */
        put(b, 0, 1); /* bus */
        put(b, devfn, 1);
        end(b);
    }
    return true;
}

/* 7.12 */
static void build_oem(Build *b)
{
    if (!b->opts->oem->len || !begin(b, 11, HANDLE_OEM)) {
        return;
    }
    put(b, b->opts->oem->len, 1);
    for (unsigned i = 0; i < b->opts->oem->len; i++) {
        g_ptr_array_add(b->strings, b->opts->oem->pdata[i]);
    }
    end(b);
}

/* 7.17; sizes of 2 TiB and more go to the extended field. */
static void build_array(Build *b, unsigned n_dimms)
{
    uint64_t kib = b->m->ram_size / KiB;

    if (!begin(b, 16, HANDLE_ARRAY)) {
        return;
    }
    put(b, 1, 1); /* location: other */
    put(b, 3, 1); /* system memory */
    put(b, 6, 1); /* multi-bit ECC */
    put(b, kib < 0x80000000 ? kib : 0x80000000, 4);
    put(b, HANDLE_NONE, 2);
    put(b, n_dimms, 2);
    put(b, kib < 0x80000000 ? 0 : b->m->ram_size, 8);
    end(b);
}

/* 7.18 */
static void build_memory(Build *b, unsigned n, uint64_t size)
{
    const SmbiosMemory *o = &b->opts->memory;
    uint64_t mib = size / MiB;
    g_autofree char *name = NULL;

    if (!begin(b, 17, HANDLE_MEMORY + n)) {
        return;
    }
    name = g_strdup_printf("%s %u", or_default(o->loc_pfx, "DIMM"), n);
    put(b, HANDLE_ARRAY, 2);
    put(b, HANDLE_NONE, 2);
    put(b, 0xffff, 2); /* widths unknown */
    put(b, 0xffff, 2);
    put(b, mib < 0x7fff ? mib : 0x7fff, 2);
    put(b, 9, 1); /* DIMM */
    put(b, 0, 1); /* not part of a set */
    put_str(b, name);
    put_str(b, o->bank);
    put(b, 7, 1);      /* RAM */
    put(b, 1 << 1, 2); /* other */
    put(b, o->speed, 2);
    put_str(b, or_default(o->manufacturer, b->m->manufacturer));
    put_str(b, o->serial);
    put_str(b, o->asset);
    put_str(b, o->part);
    put(b, 0, 1);
    put(b, mib < 0x7fff ? 0 : mib, 4);
    put(b, o->speed, 2); /* configured */
    put(b, 0, 6);        /* voltages */
    end(b);
}

/* 7.20; ends are inclusive, in KiB. */
static void build_range(Build *b, unsigned n, const SmbiosRange *r)
{
    uint64_t first = r->base / KiB, last = (r->base + r->len - 1) / KiB;
    bool big = last >= UINT32_MAX;

    if (!begin(b, 19, HANDLE_RANGE + n)) {
        return;
    }
    put(b, big ? UINT32_MAX : first, 4);
    put(b, big ? UINT32_MAX : last, 4);
    put(b, HANDLE_ARRAY, 2);
    put(b, 1, 1);
    put(b, big ? r->base : 0, 8);
    put(b, big ? r->base + r->len - 1 : 0, 8);
    end(b);
}

static void build_boot(Build *b)
{
    if (begin(b, 32, HANDLE_BOOT)) {
        put(b, 0, 6);
        put(b, 0, 1); /* no errors */
        end(b);
    }
}

static void build_end(Build *b)
{
    if (begin(b, 127, HANDLE_END)) {
        end(b);
    }
}

static bool build_all(Build *b, Error **errp)
{
    const SmbiosMachine *m = b->m;
    unsigned dimms = DIV_ROUND_UP(m->ram_size, DIMM_SIZE);

    if (dimms > HANDLE_RANGE - HANDLE_MEMORY ||
        m->sockets > HANDLE_OEM - HANDLE_CPU ||
        m->n_ranges > HANDLE_BOOT - HANDLE_RANGE ||
        b->opts->ports->len > HANDLE_SYSTEM - HANDLE_PORT ||
        b->opts->onboard->len > HANDLE_END - HANDLE_ONBOARD) {
        return error_set(errp, "the machine is too big for SMBIOS tables");
    }
    g_byte_array_append(b->out, b->opts->files->data, b->opts->files->len);
    b->count = b->opts->n_files;
    b->max = b->opts->max_file;
    build_bios(b);
    build_system(b);
    build_board(b);
    build_chassis(b);
    for (unsigned i = 0; i < m->sockets; i++) {
        build_cpu(b, i);
    }
    build_ports(b);
    build_oem(b);
    build_array(b, dimms);
    for (unsigned i = 0; i < dimms; i++) {
        build_memory(b, i, MIN(m->ram_size - i * DIMM_SIZE, DIMM_SIZE));
    }
    for (unsigned i = 0; i < m->n_ranges; i++) {
        build_range(b, i, &m->ranges[i]);
    }
    build_boot(b);
    if (!build_onboard(b, errp)) {
        return false;
    }
    build_end(b);
    return true;
}

/* 5.2.1: 2.8 in BCD at the end. Checksums and address are the placer's. */
static bool anchor_21(Build *b, const Build *t, Error **errp)
{
    if (t->out->len > UINT16_MAX || t->max > UINT16_MAX) {
        return error_set(errp,
                         "SMBIOS 2.1 table length %u exceeds 65535; "
                         "smbios-entry-point-type=64 has no such limit",
                         t->out->len);
    }
    g_byte_array_append(b->out, (const uint8_t *)"_SM_", 4);
    put(b, 0, 1);
    put(b, 0x1f, 1);
    put(b, 2, 1);
    put(b, 8, 1);
    put(b, t->max, 2);
    put(b, 0, 1);
    put(b, 0, 5);
    g_byte_array_append(b->out, (const uint8_t *)"_DMI_", 5);
    put(b, 0, 1);
    put(b, t->out->len, 2);
    put(b, 0, 4);
    put(b, t->count, 2);
    put(b, 0x28, 1);
    return true;
}

/* 5.2.2 */
static void anchor_30(Build *b, const Build *t)
{
    g_byte_array_append(b->out, (const uint8_t *)"_SM3_", 5);
    put(b, 0, 1);
    put(b, 0x18, 1);
    put(b, 3, 1);
    put(b, 0, 1);
    put(b, 0, 1);
    put(b, 1, 1);
    put(b, 0, 1);
    put(b, t->out->len, 4);
    put(b, 0, 8);
}

bool smbios_build(const Smbios *s, const SmbiosMachine *m, GByteArray **anchor,
                  GByteArray **tables, Error **errp)
{
    g_autoptr(Smbios) none = smbios_new();
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autoptr(GByteArray) entry = g_byte_array_new();
    g_autoptr(GPtrArray) strings = g_ptr_array_new();
    Build t = { .opts = s ? s : none, .m = m, .out = out, .strings = strings };
    Build a = { .out = entry };

    if (!build_all(&t, errp)) {
        return false;
    }
    if (m->entry_64) {
        anchor_30(&a, &t);
    } else if (!anchor_21(&a, &t, errp)) {
        return false;
    }
    *anchor = g_steal_pointer(&entry);
    *tables = g_steal_pointer(&out);
    return true;
}
