/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Direct boot: opens the files, decides where everything goes, and prepares
 * what every kind of kernel finds: memory map, ACPI and SMBIOS tables, initrd,
 * page tables (Intel SDM volume 3, section 4.5).
 */
#include "util/osdep.h"

#include "hw/i386/boot/boot-private.h"
#include "util/error.h"

#define PAGE_SIZE 4096
/* The ACPI blob's room at the top of low RAM: grows with CPUs and devices, so
 * it is measured at each load and only bounded here. */
#define ACPI_MAX (4 * MiB)

X86Boot *x86_boot_open(const char *kernel, const char *initrd,
                       const char *cmdline, Error **errp)
{
    g_autoptr(X86Boot) b = g_new0(X86Boot, 1);

    b->kernel.fd = b->initrd.fd = -1;
    b->cmdline = g_strdup(cmdline ? cmdline : "");
    if (!boot_file_open(&b->kernel, kernel, errp)) {
        error_prefix(errp, "kernel");
        return NULL;
    }
    if (pvh_image_probe(&b->kernel)) {
        b->is_pvh = true;
        if (!pvh_image_parse(&b->kernel, &b->pvh_image, errp)) {
            return NULL;
        }
    } else if (linux_image_probe(&b->kernel)) {
        if (!linux_image_parse(&b->kernel, &b->linux_image, errp)) {
            return NULL;
        }
    } else {
        error_set(errp,
                  "kernel '%s' is neither a Linux bzImage nor an ELF "
                  "file with a PVH entry",
                  kernel);
        return NULL;
    }
    if (initrd && initrd[0]) {
        if (!boot_file_open(&b->initrd, initrd, errp)) {
            error_prefix(errp, "initrd");
            return NULL;
        }
        b->has_initrd = true;
    }
    return g_steal_pointer(&b);
}

void x86_boot_free(X86Boot *b)
{
    if (b) {
        boot_file_close(&b->kernel);
        boot_file_close(&b->initrd);
        g_free(b->cmdline);
        g_free(b);
    }
}

/* Planning ----------------------------------------------------------------- */

static void map_add(BootPlan *p, uint64_t base, uint64_t end, uint32_t type)
{
    if (end > base && p->n_map < ARRAY_SIZE(p->map)) {
        p->map[p->n_map++] = (E820Range){ base, end - base, type };
    }
}

static void plan_map(BootPlan *p, const X86BootMachine *m)
{
    map_add(p, 0, BOOT_EBDA, E820_RAM);
    map_add(p, BOOT_EBDA, 0xa0000, E820_RESERVED);
    map_add(p, BOOT_FSEG, BOOT_HIGH, E820_RESERVED);
    map_add(p, BOOT_HIGH, p->acpi_addr, E820_RAM);
    map_add(p, p->acpi_addr, m->low_ram, E820_ACPI);
    for (unsigned i = 0; i < m->n_ranges; i++) {
        const E820Range *r = &m->ranges[i];

        map_add(p, r->base, r->base + r->len, r->type);
    }
}

/* The initrd goes as high as kernel and memory allow. */
static bool plan_initrd(const X86Boot *b, BootPlan *p, Error **errp)
{
    uint64_t top = p->acpi_addr;

    if (!b->has_initrd) {
        return true;
    }
    if (!b->is_pvh && b->linux_image.initrd_max + 1 < top) {
        top = b->linux_image.initrd_max + 1;
    }
    if (top < p->kernel_end || b->initrd.size > top - p->kernel_end ||
        ALIGN_DOWN(top - b->initrd.size, PAGE_SIZE) < p->kernel_end) {
        return error_set(errp,
                         "initrd '%s' of %" PRIu64 " bytes does not fit into "
                         "memory beside the kernel (there is room for %" PRIu64
                         ")",
                         b->initrd.path, b->initrd.size,
                         top > p->kernel_end ? top - p->kernel_end : 0);
    }
    p->initrd_addr = ALIGN_DOWN(top - b->initrd.size, PAGE_SIZE);
    return true;
}

static bool plan(const X86Boot *b, const X86BootMachine *m, size_t acpi_size,
                 BootPlan *p, Error **errp)
{
    uint64_t acpi_room = ALIGN_UP((uint64_t)acpi_size, PAGE_SIZE);
    uint32_t max_cmdline = b->is_pvh ? 4095 : b->linux_image.cmdline_size;

    memset(p, 0, sizeof(*p));
    p->kernel_end = b->is_pvh
                        ? b->pvh_image.end
                        : b->linux_image.load_addr + b->linux_image.init_size;
    p->kernel_end = ALIGN_UP(p->kernel_end, PAGE_SIZE);
    if (acpi_room > ACPI_MAX) {
        return error_set(errp, "ACPI tables of %zu bytes are too big",
                         acpi_size);
    }
    if (m->low_ram < BOOT_HIGH + acpi_room ||
        p->kernel_end > m->low_ram - acpi_room) {
        return error_set(errp,
                         "kernel '%s' needs memory up to 0x%" PRIx64
                         ", the machine has RAM up to 0x%" PRIx64,
                         b->kernel.path, p->kernel_end,
                         m->low_ram - MIN(acpi_room, m->low_ram));
    }
    if (strlen(b->cmdline) > MIN(max_cmdline, BOOT_CMDLINE_MAX - 1)) {
        return error_set(errp,
                         "kernel command line is too long: %zu characters, "
                         "the kernel takes %u",
                         strlen(b->cmdline), max_cmdline);
    }
    p->acpi_addr = m->low_ram - acpi_room;
    plan_map(p, m);
    return plan_initrd(b, p, errp);
}

bool x86_boot_check(X86Boot *b, const X86BootMachine *m, Error **errp)
{
    g_autoptr(AcpiTables) acpi = m->acpi ? m->acpi(m->opaque) : NULL;
    BootPlan p;

    return plan(b, m, acpi ? acpi_tables_blob(acpi)->len : 0, &p, errp);
}

/* Loading ------------------------------------------------------------------ */

/* RSDP and SMBIOS go where kernels look for them, the tables to the top. */
static bool load_acpi(const X86BootMachine *m, AcpiTables *acpi, BootPlan *p,
                      uint64_t *fseg, Error **errp)
{
    const GByteArray *blob = acpi_tables_blob(acpi);
    const GByteArray *rsdp = acpi_tables_rsdp(acpi);

    acpi_tables_relocate(acpi, p->acpi_addr);
    p->rsdp_addr = *fseg;
    *fseg = ALIGN_UP(*fseg + rsdp->len, 16);
    return boot_write(m->memory, p->acpi_addr, blob->data, blob->len, errp) &&
           boot_write(m->memory, p->rsdp_addr, rsdp->data, rsdp->len, errp);
}

static uint8_t checksum(const uint8_t *p, size_t len)
{
    uint8_t sum = 0;

    while (len--) {
        sum += *p++;
    }
    return -sum;
}

/*
 * Entry points of SMBIOS 2.1 ("_SM_": table address at 18h, checksums at 4
 * and, for the part from 10h, at 15h) and 3.0 ("_SM3_": address at 10h,
 * checksum at 5). SMBIOS 3.4, section 5.2.
 */
static bool load_smbios(const X86BootMachine *m, uint64_t *fseg, Error **errp)
{
    const GByteArray *tables = m->smbios_tables;
    uint8_t anchor[32] = { 0 };
    unsigned len = m->smbios_anchor->len;
    uint64_t anchor_at = *fseg, tables_at = ALIGN_UP(*fseg + len, 16);

    assert(len <= sizeof(anchor));
    memcpy(anchor, m->smbios_anchor->data, len);
    if (tables_at + tables->len > BOOT_HIGH) {
        return error_set(errp, "SMBIOS tables of %u bytes are too big",
                         tables->len);
    }
    if (anchor[3] == '3') {
        boot_set_le(anchor + 0x10, tables_at, 8);
        anchor[5] = 0;
        anchor[5] = checksum(anchor, len);
    } else {
        boot_set_le(anchor + 0x18, tables_at, 4);
        anchor[0x15] = 0;
        anchor[0x15] = checksum(anchor + 0x10, 0xf);
        anchor[4] = 0;
        anchor[4] = checksum(anchor, len);
    }
    *fseg = tables_at + tables->len;
    return boot_write(m->memory, anchor_at, anchor, len, errp) &&
           boot_write(m->memory, tables_at, tables->data, tables->len, errp);
}

/* The first 4 GiB one to one, in pages of 2 MiB: one table each of levels 4
 * and 3, four of level 2. */
static bool load_page_tables(const X86BootMachine *m, Error **errp)
{
    enum { PRESENT_WRITABLE = 3, LARGE = 0x80, TABLES = 6 };
    g_autofree uint8_t *t = g_malloc0(TABLES * PAGE_SIZE);

    boot_set_le(t, (BOOT_PAGE_TABLES + PAGE_SIZE) | PRESENT_WRITABLE, 8);
    for (unsigned i = 0; i < 4; i++) {
        boot_set_le(t + PAGE_SIZE + 8 * i,
                    (BOOT_PAGE_TABLES + (2 + i) * PAGE_SIZE) | PRESENT_WRITABLE,
                    8);
    }
    for (unsigned i = 0; i < 4 * 512; i++) {
        boot_set_le(t + 2 * PAGE_SIZE + 8 * i,
                    i * 2 * MiB | PRESENT_WRITABLE | LARGE, 8);
    }
    return boot_write(m->memory, BOOT_PAGE_TABLES, t, TABLES * PAGE_SIZE, errp);
}

void x86_boot_entry(const X86Boot *b, X86BootEntry *entry)
{
    const LinuxImage *img = &b->linux_image;

    *entry = (X86BootEntry){ .gdt_base = BOOT_GDT };
    if (b->is_pvh) {
        entry->pc = b->pvh_image.entry;
        entry->rbx = BOOT_PVH_INFO;
        return;
    }
    entry->long_mode = img->entry64;
    entry->pc = img->load_addr + (img->entry64 ? BOOT_ENTRY64_OFFSET : 0);
    entry->rsi = BOOT_PARAMS;
    entry->cr3 = img->entry64 ? BOOT_PAGE_TABLES : 0;
}

bool x86_boot_load(X86Boot *b, const X86BootMachine *m, Error **errp)
{
    g_autoptr(AcpiTables) acpi = m->acpi ? m->acpi(m->opaque) : NULL;
    uint64_t fseg = BOOT_FSEG;
    uint8_t gdt[64] = { 0 };
    BootPlan p;

    assert(m->gdt_entries * 8 <= sizeof(gdt));
    for (unsigned i = 0; i < m->gdt_entries; i++) {
        boot_set_le(gdt + 8 * i, m->gdt[i], 8);
    }
    return plan(b, m, acpi ? acpi_tables_blob(acpi)->len : 0, &p, errp) &&
           (!acpi || load_acpi(m, acpi, &p, &fseg, errp)) &&
           (!m->smbios_anchor || !m->smbios_tables ||
            load_smbios(m, &fseg, errp)) &&
           (!b->has_initrd ||
            boot_file_to_guest(&b->initrd, 0, m->memory, p.initrd_addr,
                               b->initrd.size, errp)) &&
           (b->is_pvh ? boot_load_pvh : boot_load_linux)(b, m, &p, errp) &&
           boot_write(m->memory, BOOT_GDT, gdt, sizeof(gdt), errp) &&
           load_page_tables(m, errp);
}
