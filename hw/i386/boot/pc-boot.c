/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Firmware or direct boot of PC machines: see pc-boot.h. */
#include "util/osdep.h"

#include "accel/accel.h"
#include "hw/firmware/smbios.h"
#include "hw/i386/boot/pc-boot-private.h"
#include "hw/nvram/fw_cfg.h"
#include "hw/pci/pci.h"
#include "softmmu/vm.h"
#include "target/i386/irqchip.h"
#include "util/error.h"

bool pc_boot_is_direct(const Machine *machine)
{
    return machine->kernel && !machine->firmware;
}

PcBoot *pc_boot_init(const PcBootConfig *config, Error **errp)
{
    g_autoptr(PcBoot) b = g_new0(PcBoot, 1);
    Machine *m = config->machine;

    b->c = *config;
    b->vm = m->vm;
    if (!fw_cfg_io_create(m, errp)) {
        return NULL;
    }
    if (pc_boot_is_direct(m)) {
        b->direct = x86_boot_open(m->kernel, m->initrd, m->append, errp);
        return b->direct ? g_steal_pointer(&b) : NULL;
    }
    return pc_boot_add_rom(b, errp) ? g_steal_pointer(&b) : NULL;
}

void pc_boot_free(PcBoot *b)
{
    if (!b) {
        return;
    }
    x86_boot_free(b->direct);
    acpi_tables_free(b->tables);
    g_free(b->ranges);
    if (b->smbios_tables) {
        g_byte_array_unref(b->smbios_anchor);
        g_byte_array_unref(b->smbios_tables);
    }
    g_free(b);
}

static bool find_pci(void *opaque, const char *id, uint8_t *devfn, Error **errp)
{
    const PcBoot *b = opaque;
    PciDevice *d =
        object_dynamic_cast((Object *)device_find(b->vm, id), &pci_device_type);

    if (!d) {
        return error_set(errp, "No PCI device %s for SMBIOS type 41", id);
    }
    if (d->dev.bus != b->c.pci) {
        return error_set(errp,
                         "Cannot create SMBIOS type 41 for PCI device "
                         "%s: not attached to the root bus",
                         id);
    }
    *devfn = d->devfn;
    return true;
}

static bool build_smbios(PcBoot *b, Error **errp)
{
    const Machine *m = b->c.machine;
    SmbiosRange ranges[] = {
        { 0, b->c.low_ram },
        { 4 * GiB, b->c.high_ram },
    };
    SmbiosMachine info = {
        .manufacturer = "QEMU",
        .product = b->c.product,
        .version = machine_class(m)->name,
        .uuid = b->vm->uuid_set ? b->vm->uuid : NULL,
        .sockets = m->smp.sockets,
        .cores = m->smp.dies * m->smp.cores,
        .threads = m->smp.threads,
        .cpuid_signature = b->c.cpuid_signature,
        .cpuid_features = b->c.cpuid_features,
        .ram_size = m->ram_size,
        .ranges = ranges,
        .n_ranges = b->c.high_ram ? 2 : 1,
        .entry_64 = b->c.smbios_64,
        .find_pci = find_pci,
        .opaque = b,
    };

    if (b->direct) {
        info.bios_vendor = "NEMU";
        info.bios_version = CONFIG_VERSION;
        /* Linux goes by the year: the same as with 7.2's firmware. */
        info.bios_date = "04/01/2014";
    }
    return smbios_build(m->smbios, &info, &b->smbios_anchor, &b->smbios_tables,
                        errp);
}

/* Direct boot -------------------------------------------------------------- */

static AcpiTables *direct_acpi(void *opaque)
{
    PcBoot *b = opaque;

    return b->c.no_acpi ? NULL : pc_boot_build_acpi(b);
}

static void fill_map(PcBoot *b)
{
    const AcpiX86Info *acpi = &b->c.acpi;
    unsigned n = 0;

    x86_boot_gdt(b->gdt);
    b->ranges = g_new0(E820Range, 4);
    if (acpi->ecam_base) {
        b->ranges[n++] = (E820Range){
            acpi->ecam_base,
            (acpi->ecam_last_bus + UINT64_C(1)) << 20,
            E820_RESERVED,
        };
    }
    if (accel_is_kvm(b->vm)) {
        b->ranges[n++] = (E820Range){ X86_KVM_PAGES_BASE, X86_KVM_PAGES_SIZE,
                                      E820_RESERVED };
    }
    if (b->c.high_ram) {
        b->ranges[n++] = (E820Range){ 4 * GiB, b->c.high_ram, E820_RAM };
    }
    b->map = (X86BootMachine){
        .memory = b->vm->memory,
        .low_ram = ALIGN_DOWN(b->c.low_ram, 4096),
        .ranges = b->ranges,
        .n_ranges = n,
        .acpi = direct_acpi,
        .gdt = b->gdt,
        .gdt_entries = X86_BOOT_GDT_ENTRIES,
        .smbios_anchor = b->smbios_anchor,
        .smbios_tables = b->smbios_tables,
        .opaque = b,
    };
}

static void set_entry_state(PcBoot *b)
{
    X86BootEntry e;
    X86BootState state;

    x86_boot_entry(b->direct, &e);
    if (e.long_mode) {
        x86_boot_state_long(&state, e.pc, e.cr3, e.gdt_base);
    } else {
        x86_boot_state_protected(&state, e.pc, e.gdt_base);
    }
    state.rsi = e.rsi;
    state.rbx = e.rbx;
    state.mmio_base = MAX(2 * GiB, ALIGN_UP(b->c.low_ram, 256 * MiB));
    x86_set_boot_state(b->vm, &state);
}

bool pc_boot_done(PcBoot *b, Error **errp)
{
    if (!build_smbios(b, errp) || !pc_boot_fill_fw_cfg(b, errp)) {
        return false;
    }
    if (!b->direct) {
        return !b->c.machine->kernel || pc_boot_give_kernel(b, errp);
    }
    fill_map(b);
    if (!x86_boot_check(b->direct, &b->map, errp)) {
        return false;
    }
    set_entry_state(b);
    return true;
}

void pc_boot_reset(PcBoot *b)
{
    autoerr Error *err = NULL;

    acpi_tables_free(b->tables);
    b->tables = NULL;
    pc_boot_set_order(b, error_abort); /* the file is there: cannot fail */
    if (!b->direct || vm_run_state(b->vm) == RUN_STATE_INMIGRATE) {
        return; /* memory comes with the stream */
    }
    if (b->c.setup) {
        b->last_bus = b->c.setup(b->c.opaque);
    }
    if (!x86_boot_load(b->direct, &b->map, &err)) {
        error_report_err(g_steal_pointer(&err));
        vm_stop_request(b->vm, RUN_STATE_INTERNAL_ERROR);
    }
}
