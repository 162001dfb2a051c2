/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What firmware finds in fw_cfg on PC machines, as QEMU 7.2 has it. */
#include "util/osdep.h"

#include "accel/accel.h"
#include "hw/core/boot-order.h"
#include "hw/firmware/smbios.h"
#include "hw/i386/boot/boot-private.h"
#include "hw/i386/boot/pc-boot-private.h"
#include "hw/nvram/fw_cfg.h"
#include "softmmu/vm.h"
#include "target/i386/irqchip.h"
#include "util/error.h"

enum {
    /* Sizes that the directory shows, and that streams of 7.2 expect. */
    TABLES_SIZE = 0x20000,
    LOADER_SIZE = 0x1000,
    RSDP_SIZE = 20,
};

/* ACPI tables are built when firmware first asks after a reset: by then the
 * devices are what they are. */
static void build_tables(void *opaque)
{
    PcBoot *b = opaque;
    FwCfg *f = b->c.machine->fw_cfg;
    g_autoptr(GByteArray) loader = NULL;
    const GByteArray *blob, *rsdp;

    if (b->tables) {
        return;
    }
    b->tables = pc_boot_build_acpi(b);
    loader = acpi_tables_loader(b->tables);
    blob = acpi_tables_blob(b->tables);
    rsdp = acpi_tables_rsdp(b->tables);
    if (blob->len > TABLES_SIZE || loader->len > LOADER_SIZE) {
        warn_report("ACPI tables of %u bytes do not fit: the guest gets none",
                    blob->len);
        return;
    }
    fw_cfg_fill_file(f, ACPI_FILE_TABLES, blob->data, blob->len);
    fw_cfg_fill_file(f, ACPI_FILE_RSDP, rsdp->data, rsdp->len);
    fw_cfg_fill_file(f, ACPI_FILE_LOADER, loader->data, loader->len);
}

static bool add_acpi(PcBoot *b, FwCfg *f, Error **errp)
{
    return fw_cfg_add_file_fn(f, ACPI_FILE_TABLES, TABLES_SIZE, build_tables, b,
                              errp) &&
           fw_cfg_add_file_fn(f, ACPI_FILE_RSDP, RSDP_SIZE, build_tables, b,
                              errp) &&
           fw_cfg_add_file_fn(f, ACPI_FILE_LOADER, LOADER_SIZE, build_tables, b,
                              errp);
}

static bool add_smbios(PcBoot *b, FwCfg *f, Error **errp)
{
    return fw_cfg_add_file(f, SMBIOS_FILE_ANCHOR, b->smbios_anchor->data,
                           b->smbios_anchor->len, errp) &&
           fw_cfg_add_file(f, SMBIOS_FILE_TABLES, b->smbios_tables->data,
                           b->smbios_tables->len, errp);
}

/* Entries of 20 bytes: base, length, type. */
static void e820_entry(GByteArray *map, uint64_t base, uint64_t len,
                       uint32_t type)
{
    uint64_t pair[2] = { GUINT64_TO_LE(base), GUINT64_TO_LE(len) };

    type = GUINT32_TO_LE(type);
    g_byte_array_append(map, (uint8_t *)pair, 16);
    g_byte_array_append(map, (uint8_t *)&type, 4);
}

static bool add_e820(PcBoot *b, FwCfg *f, Error **errp)
{
    g_autoptr(GByteArray) map = g_byte_array_new();

    if (accel_is_kvm(b->vm)) {
        e820_entry(map, X86_KVM_PAGES_BASE, X86_KVM_PAGES_SIZE, E820_RESERVED);
    }
    e820_entry(map, 0, b->c.low_ram, E820_RAM);
    if (b->c.high_ram) {
        e820_entry(map, 4 * GiB, b->c.high_ram, E820_RAM);
    }
    return fw_cfg_add_file(f, "etc/e820", map->data, map->len, errp);
}

/* Which sleep states there are: bit 7, and their SLP_TYP. */
static bool add_states(PcBoot *b, FwCfg *f, Error **errp)
{
    const uint8_t s4 = b->c.acpi.s4_type ? 0x80 | b->c.acpi.s4_type : 2;
    const uint8_t states[6] = { 0x80, 0, 0, 1, s4, 0x80 };

    return fw_cfg_add_file(f, "etc/system-states", states, sizeof(states),
                           errp);
}

/* A picture must look like one; firmware knows it by the file's name. */
static bool add_splash(PcBoot *b, FwCfg *f, const char *name, Error **errp)
{
    enum { MIN_SIZE = 30, BMP_DEPTH_AT = 28, MAX_SIZE = 16 * MiB };
    g_autofree char *path = firmware_find(b->vm, name);
    g_autofree uint8_t *data = NULL;
    BootFile file;
    uint64_t size;
    bool ok, jpeg, bmp;

    if (!path) {
        return error_set(errp, "failed to find boot splash file '%s'", name);
    }
    if (!boot_file_open(&file, path, errp)) {
        return false;
    }
    size = file.size;
    if (size < MIN_SIZE || size > MAX_SIZE) {
        boot_file_close(&file);
        return error_set(errp, "boot splash file '%s' is no picture", path);
    }
    data = g_malloc(size);
    ok = boot_file_read(&file, 0, data, size, errp);
    boot_file_close(&file);
    if (!ok) {
        return false;
    }
    jpeg = data[0] == 0xff && data[1] == 0xd8;
    bmp = data[0] == 'B' && data[1] == 'M' && data[BMP_DEPTH_AT] == 24;
    if (!jpeg && !bmp) {
        return error_set(errp,
                         "boot splash file '%s' must be JPEG or 24 bit "
                         "BMP",
                         path);
    }
    return fw_cfg_add_file(f, jpeg ? "bootsplash.jpg" : "bootsplash.bmp", data,
                           size, errp);
}

static bool add_boot_options(PcBoot *b, FwCfg *f, Error **errp)
{
    const BootConfiguration *boot = b->c.machine->boot;
    int64_t timeout = boot->has_reboot_timeout ? boot->reboot_timeout : -1;
    int32_t fail_wait = GINT32_TO_LE(timeout);
    uint16_t menu_wait =
        GUINT16_TO_LE(boot->has_splash_time ? boot->splash_time : 0);

    fw_cfg_set_uint(f, FW_CFG_BOOT_MENU, boot->has_menu && boot->menu, 2);
    return fw_cfg_add_file(f, "etc/boot-fail-wait", &fail_wait, 4, errp) &&
           (!boot->has_splash_time ||
            fw_cfg_add_file(f, "etc/boot-menu-wait", &menu_wait, 2, errp)) &&
           (!boot->splash || add_splash(b, f, boot->splash, errp));
}

/* Which event timers there are: a count, or ffh for none; room for 8 of 15
 * bytes: block id, address, minimum tick, page protection. */
static void set_hpet(PcBoot *b, FwCfg *f)
{
    uint8_t info[1 + 8 * 15] = { 0xff };
    uint32_t id = GUINT32_TO_LE(b->c.acpi.hpet_id);
    uint64_t base = GUINT64_TO_LE(b->c.acpi.hpet_base);

    if (base) {
        info[0] = 1;
        memcpy(info + 1, &id, 4);
        memcpy(info + 5, &base, 8);
    }
    fw_cfg_set_bytes(f, FW_CFG_HPET, info, sizeof(info));
}

static void set_numbers(PcBoot *b, FwCfg *f)
{
    const Machine *m = b->c.machine;
    uint32_t limit = 0;

    for (unsigned i = 0; i < m->n_cpu_slots; i++) {
        limit = MAX(limit, m->cpu_slots[i].arch_id + 1);
    }
    fw_cfg_set_bytes(f, FW_CFG_UUID, b->vm->uuid, sizeof(b->vm->uuid));
    fw_cfg_set_uint(f, FW_CFG_RAM_SIZE, m->ram_size, 8);
    fw_cfg_set_uint(f, FW_CFG_NOGRAPHIC, !m->graphics, 2);
    fw_cfg_set_uint(f, FW_CFG_NB_CPUS, m->smp.cpus, 2);
    fw_cfg_set_uint(f, FW_CFG_MAX_CPUS, limit, 2);
    fw_cfg_set_uint(f, FW_CFG_IRQ0_OVERRIDE, b->c.acpi.irq0_override, 4);
}

bool pc_boot_set_order(PcBoot *b, Error **errp)
{
    const BootConfiguration *boot = b->c.machine->boot;
    g_autoptr(GByteArray) list = boot_order_list(b->vm, boot->strict);

    return fw_cfg_set_file(b->c.machine->fw_cfg, "bootorder", list->data,
                           list->len, errp);
}

bool pc_boot_fill_fw_cfg(PcBoot *b, Error **errp)
{
    FwCfg *f = b->c.machine->fw_cfg;

    set_numbers(b, f);
    set_hpet(b, f);
    return pc_boot_set_order(b, errp) && add_boot_options(b, f, errp) &&
           (b->c.no_acpi || add_acpi(b, f, errp)) && add_smbios(b, f, errp) &&
           add_e820(b, f, errp) && add_states(b, f, errp);
}
