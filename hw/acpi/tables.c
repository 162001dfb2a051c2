/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Table headers, checksums, root tables and relocation. ACPI 6.4, section 5.2;
 * the linker script is what firmware reads from fw_cfg "etc/table-loader".
 */
#include "util/osdep.h"

#include "hw/acpi/tables.h"
#include "util/error.h"

#define HEADER_SIZE 36
#define CHECKSUM_AT 9
#define FACS_SIZE   64

typedef struct Reloc {
    bool in_rsdp; /* in the RSDP, else in the tables blob */
    uint32_t offset;
    uint8_t bytes;
} Reloc;

typedef struct Sum {
    bool in_rsdp;
    uint32_t start, len, at; /* range summed and the byte that fixes it */
} Sum;

struct AcpiTables {
    char oem_id[6], oem_table_id[8];
    GByteArray *blob, *rsdp;
    GArray *relocs, *sums, *listed; /* Reloc, Sum, uint32_t offsets */
    size_t current;                 /* offset of the open table */
    bool open;
};

AcpiTables *acpi_tables_new(const char *oem_id, const char *oem_table_id)
{
    AcpiTables *t = g_new0(AcpiTables, 1);

    memcpy(t->oem_id, oem_id, MIN(strlen(oem_id), sizeof(t->oem_id)));
    memcpy(t->oem_table_id, oem_table_id,
           MIN(strlen(oem_table_id), sizeof(t->oem_table_id)));
    t->blob = g_byte_array_new();
    t->rsdp = g_byte_array_new();
    t->relocs = g_array_new(false, false, sizeof(Reloc));
    t->sums = g_array_new(false, false, sizeof(Sum));
    t->listed = g_array_new(false, false, sizeof(uint32_t));
    return t;
}

void acpi_tables_free(AcpiTables *t)
{
    if (t) {
        g_byte_array_unref(t->blob);
        g_byte_array_unref(t->rsdp);
        g_array_unref(t->relocs);
        g_array_unref(t->sums);
        g_array_unref(t->listed);
        g_free(t);
    }
}

static void put_le(GByteArray *b, uint64_t value, unsigned bytes)
{
    uint8_t le[8];

    for (unsigned i = 0; i < bytes; i++) {
        le[i] = value >> (8 * i);
    }
    g_byte_array_append(b, le, bytes);
}

static uint64_t get_le(const uint8_t *p, unsigned bytes)
{
    uint64_t v = 0;

    for (unsigned i = 0; i < bytes; i++) {
        v |= (uint64_t)p[i] << (8 * i);
    }
    return v;
}

static void set_le(uint8_t *p, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        p[i] = value >> (8 * i);
    }
}

void acpi_put(AcpiTables *t, uint64_t value, unsigned bytes)
{
    put_le(t->blob, value, bytes);
}

void acpi_put_bytes(AcpiTables *t, const void *data, size_t len)
{
    g_byte_array_append(t->blob, data, len);
}

static void put_pointer(AcpiTables *t, bool in_rsdp, size_t offset,
                        unsigned bytes)
{
    GByteArray *b = in_rsdp ? t->rsdp : t->blob;
    Reloc r = { in_rsdp, b->len, bytes };

    g_array_append_val(t->relocs, r);
    put_le(b, offset, bytes);
}

void acpi_put_pointer(AcpiTables *t, size_t offset, unsigned bytes)
{
    put_pointer(t, false, offset, bytes);
}

void acpi_put_gas(AcpiTables *t, uint8_t space, uint8_t bits, uint8_t access,
                  uint64_t address)
{
    acpi_put(t, space, 1);
    acpi_put(t, bits, 1);
    acpi_put(t, 0, 1); /* bit offset */
    acpi_put(t, access, 1);
    acpi_put(t, address, 8);
}

size_t acpi_put_facs(AcpiTables *t)
{
    assert(t->blob->len == 0); /* so that it is aligned as the blob is */
    acpi_put_bytes(t, "FACS", 4);
    acpi_put(t, FACS_SIZE, 4);
    while (t->blob->len < FACS_SIZE) {
        acpi_put(t, 0, 8);
    }
    return 0;
}

size_t acpi_table_begin(AcpiTables *t, const char *signature, uint8_t revision,
                        bool listed)
{
    uint32_t at = t->blob->len;

    assert(!t->open && strlen(signature) == 4);
    t->current = at;
    t->open = true;
    acpi_put_bytes(t, signature, 4);
    acpi_put(t, 0, 4); /* length: acpi_table_end() */
    acpi_put(t, revision, 1);
    acpi_put(t, 0, 1); /* checksum: after relocation */
    acpi_put_bytes(t, t->oem_id, sizeof(t->oem_id));
    acpi_put_bytes(t, t->oem_table_id, sizeof(t->oem_table_id));
    acpi_put(t, 1, 4);            /* OEM revision */
    acpi_put_bytes(t, "BXPC", 4); /* creator, as the 7.2 machines have it */
    acpi_put(t, 1, 4);
    if (listed) {
        g_array_append_val(t->listed, at);
    }
    return at;
}

static void add_sum(AcpiTables *t, bool in_rsdp, size_t start, size_t len,
                    size_t at)
{
    Sum s = { in_rsdp, start, len, at };

    g_array_append_val(t->sums, s);
}

void acpi_table_end(AcpiTables *t)
{
    size_t len = t->blob->len - t->current;

    assert(t->open && len >= HEADER_SIZE);
    set_le(t->blob->data + t->current + 4, len, 4);
    add_sum(t, false, t->current, len, t->current + CHECKSUM_AT);
    t->open = false;
}

bool acpi_add_raw_table(AcpiTables *t, const void *data, size_t len,
                        Error **errp)
{
    const uint8_t *p = data;
    uint32_t at = t->blob->len;

    if (len < HEADER_SIZE || get_le(p + 4, 4) != len) {
        return error_set(errp, "ACPI table has a wrong length");
    }
    acpi_put_bytes(t, data, len);
    t->blob->data[at + CHECKSUM_AT] = 0;
    add_sum(t, false, at, len, at + CHECKSUM_AT);
    g_array_append_val(t->listed, at);
    return true;
}

void acpi_tables_finish(AcpiTables *t, unsigned revision)
{
    bool xsdt = revision >= 2;
    size_t root;

    root = acpi_table_begin(t, xsdt ? "XSDT" : "RSDT", 1, false);
    for (unsigned i = 0; i < t->listed->len; i++) {
        acpi_put_pointer(t, g_array_index(t->listed, uint32_t, i),
                         xsdt ? 8 : 4);
    }
    acpi_table_end(t);

    g_byte_array_append(t->rsdp, (const uint8_t *)"RSD PTR ", 8);
    put_le(t->rsdp, 0, 1); /* checksum */
    g_byte_array_append(t->rsdp, (const uint8_t *)t->oem_id, sizeof(t->oem_id));
    put_le(t->rsdp, xsdt ? 2 : 0, 1);
    if (xsdt) {
        put_le(t->rsdp, 0, 4); /* no RSDT */
        put_le(t->rsdp, 36, 4);
        put_pointer(t, true, root, 8);
        put_le(t->rsdp, 0, 4); /* extended checksum, reserved */
    } else {
        put_pointer(t, true, root, 4);
    }
    add_sum(t, true, 0, 20, 8);
    if (xsdt) {
        add_sum(t, true, 0, 36, 32);
    }
}

const GByteArray *acpi_tables_blob(const AcpiTables *t)
{
    return t->blob;
}

const GByteArray *acpi_tables_rsdp(const AcpiTables *t)
{
    return t->rsdp;
}

/* Direct boot -------------------------------------------------------------- */

static void fix_sum(GByteArray *b, const Sum *s)
{
    uint8_t sum = 0;

    b->data[s->at] = 0;
    for (uint32_t i = 0; i < s->len; i++) {
        sum += b->data[s->start + i];
    }
    b->data[s->at] = -sum;
}

void acpi_tables_relocate(AcpiTables *t, uint64_t tables)
{
    for (unsigned i = 0; i < t->relocs->len; i++) {
        const Reloc *r = &g_array_index(t->relocs, Reloc, i);
        uint8_t *p = (r->in_rsdp ? t->rsdp : t->blob)->data + r->offset;

        set_le(p, get_le(p, r->bytes) + tables, r->bytes);
    }
    for (unsigned i = 0; i < t->sums->len; i++) {
        const Sum *s = &g_array_index(t->sums, Sum, i);

        fix_sum(s->in_rsdp ? t->rsdp : t->blob, s);
    }
}

/* The linker script -------------------------------------------------------- */

enum {
    LOADER_ALLOCATE = 1,
    LOADER_ADD_POINTER = 2,
    LOADER_ADD_CHECKSUM = 3,
    LOADER_ENTRY_SIZE = 128,
    LOADER_FILE_SIZE = 56,
    LOADER_ZONE_HIGH = 1,
    LOADER_ZONE_FSEG = 2,
};

static size_t entry_begin(GByteArray *b, uint32_t command)
{
    size_t at = b->len;

    put_le(b, command, 4);
    return at;
}

static void entry_file(GByteArray *b, bool rsdp)
{
    char name[LOADER_FILE_SIZE] = "";

    g_strlcpy(name, rsdp ? ACPI_FILE_RSDP : ACPI_FILE_TABLES, sizeof(name));
    g_byte_array_append(b, (const uint8_t *)name, sizeof(name));
}

static void entry_end(GByteArray *b, size_t at)
{
    static const uint8_t zeros[LOADER_ENTRY_SIZE];

    g_byte_array_append(b, zeros, at + LOADER_ENTRY_SIZE - b->len);
}

static void entry_allocate(GByteArray *b, bool rsdp, uint32_t align,
                           uint8_t zone)
{
    size_t at = entry_begin(b, LOADER_ALLOCATE);

    entry_file(b, rsdp);
    put_le(b, align, 4);
    put_le(b, zone, 1);
    entry_end(b, at);
}

GByteArray *acpi_tables_loader(const AcpiTables *t)
{
    GByteArray *b = g_byte_array_new();

    entry_allocate(b, true, 16, LOADER_ZONE_FSEG);
    entry_allocate(b, false, 64, LOADER_ZONE_HIGH);
    for (unsigned i = 0; i < t->relocs->len; i++) {
        const Reloc *r = &g_array_index(t->relocs, Reloc, i);
        size_t at = entry_begin(b, LOADER_ADD_POINTER);

        entry_file(b, r->in_rsdp);
        entry_file(b, false);
        put_le(b, r->offset, 4);
        put_le(b, r->bytes, 1);
        entry_end(b, at);
    }
    for (unsigned i = 0; i < t->sums->len; i++) {
        const Sum *s = &g_array_index(t->sums, Sum, i);
        size_t at = entry_begin(b, LOADER_ADD_CHECKSUM);

        entry_file(b, s->in_rsdp);
        put_le(b, s->at, 4);
        put_le(b, s->start, 4);
        put_le(b, s->len, 4);
        entry_end(b, at);
    }
    return b;
}
