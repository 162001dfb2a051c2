/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine "pc-q35-7.2": the Q35 chipset with ICH9, KVM's interrupt
 * controllers and timer, and the PC's ISA devices.
 */
#include "util/osdep.h"

#include "hw/char/serial-isa.h"
#include "hw/i386/pc.h"
#include "hw/input/i8042.h"
#include "hw/misc/vmport.h"
#include "hw/nvram/fw_cfg.h"
#include "softmmu/vm.h"
#include "target/i386/cpu.h"
#include "util/error.h"

enum {
    LEVEL_IRQS = 1 << 5 | 1 << 9 | 1 << 10 | 1 << 11, /* PIRQs may be there */
    RESET_VALUE = 0x0f,
    RTC_CENTURY = 0x32,
};

/* Options ------------------------------------------------------------------------- */

/* Devices that other issues bring: off is the only value. */
static QObject *get_off(Object *obj, const Prop *prop, Error **errp)
{
    return qbool_new(false);
}

static bool set_off(Object *obj, const Prop *prop, const QObject *value,
                    QapiMode mode, Error **errp)
{
    bool on = false;

    if (!qapi_read_named(&qapi_type_bool, prop->name, value, &on, mode, errp)) {
        return false;
    }
    return !on || error_set(errp, "%s=on is not supported by this machine",
                            prop->name);
}

static const Prop pc_props[] = {
    PROP_ON_OFF_AUTO(PcMachine, acpi, "acpi", ON_OFF_AUTO_AUTO,
                     .help = "Enable ACPI"),
    PROP_ON_OFF_AUTO(PcMachine, smm, "smm", ON_OFF_AUTO_AUTO,
                     .help = "Enable SMM"),
    PROP_ON_OFF_AUTO(PcMachine, vmport, "vmport", ON_OFF_AUTO_AUTO,
                     .help = "Enable vmport (pc & q35)"),
    PROP_ON_OFF_AUTO(PcMachine, pic, "pic", ON_OFF_AUTO_AUTO,
                     .help = "Enable i8259 PIC"),
    PROP_ON_OFF_AUTO(PcMachine, pit, "pit", ON_OFF_AUTO_AUTO,
                     .help = "Enable i8254 PIT"),
    PROP(PcMachine, i8042, "i8042", true),
    PROP(PcMachine, smbus, "smbus", true,
         .help = "Enable/disable system management bus"),
    PROP_FN("sata", "bool", get_off, set_off,
            .help = "Enable/disable Serial ATA bus"),
    PROP(PcMachine, hpet_on, "hpet", true,
         .help = "Enable/disable high precision event timer emulation"),
    PROP_SIZE(PcMachine, max_ram_below_4g, "max-ram-below-4g", 0,
              .help = "Maximum ram below the 4G boundary (32bit boundary)"),
    PROP_STR(PcMachine, oem_id, "x-oem-id", .type = "string",
             .help = "OEM id of ACPI tables, up to 6 bytes"),
    PROP_STR(PcMachine, oem_table_id, "x-oem-table-id", .type = "string",
             .help = "OEM table id of ACPI tables, up to 8 bytes"),
    PROP_STR(PcMachine, smbios_ep, "smbios-entry-point-type", .type = "str",
             .help = "SMBIOS Entry Point type [32, 64]"),
    {},
};

static bool check_chipset(const PcMachine *pc, Error **errp)
{
    if (pc->smm == ON_OFF_AUTO_ON) {
        return error_set(errp, "smm=on is not supported: there is no system "
                               "management mode");
    }
    return true;
}

static bool pc_check_options(Machine *m, Error **errp)
{
    const PcMachine *pc = pc_machine(m);

    if (!check_chipset(pc, errp)) {
        return false;
    }
    if (pc->oem_id && strlen(pc->oem_id) > 6) {
        return error_set(errp, "x-oem-id '%s' is longer than 6 bytes",
                         pc->oem_id);
    }
    if (pc->oem_table_id && strlen(pc->oem_table_id) > 8) {
        return error_set(errp, "x-oem-table-id '%s' is longer than 8 bytes",
                         pc->oem_table_id);
    }
    if (pc->smbios_ep && !g_str_equal(pc->smbios_ep, "32") &&
        !g_str_equal(pc->smbios_ep, "64")) {
        return error_set(errp, "smbios-entry-point-type '%s' is neither 32 nor "
                         "64", pc->smbios_ep);
    }
    return true;
}

/* Devices ---------------------------------------------------------------------------- */

static bool create_host(PcMachine *pc, Error **errp)
{
    Machine *m = &pc->parent;
    Vm *vm = m->vm;
    Q35Host *host = q35_host(device_new(vm, &q35_host_type));

    object_add_child(&m->obj, "q35", host, error_abort);
    host->ram = m->ram;
    host->system_memory = vm->system_memory;
    host->system_io = vm->system_io;
    host->pci_memory = &pc->pci_memory;
    host->below_4g = pc->below_4g;
    host->above_4g = pc->above_4g;
    pc->host = host;
    return device_realize_and_unref(&host->parent.dev, system_bus(vm), errp);
}

static bool create_lpc(PcMachine *pc, Error **errp)
{
    PciBus *bus = pc->host->parent.bus;
    PciDevice *d = pci_new(bus, PCI_DEVFN_MAKE(ICH9_SLOT, ICH9_LPC_FUNC), true,
                           &ich9_lpc_type);

    pc->lpc = ich9_lpc(d);
    ich9_lpc_attach(pc->lpc, bus);
    /* No SMI handler: nobody to switch between legacy and ACPI mode. */
    pc->lpc->regs.acpi_only =
        pc->smm == ON_OFF_AUTO_OFF && !pc->lpc->smm_compat;
    if (!pci_realize(d, bus, errp)) {
        return false;
    }
    pc->isa = pc->lpc->isa;
    for (int n = 0; n < PC_GSIS; n++) {
        device_connect_out(&d->dev, "gsi", n, pc->gsi[n]);
        if (n < ISA_NUM_IRQS) {
            pc->isa->irqs[n] = pc->gsi[n];
        }
    }
    return true;
}

static bool create_isa_devices(PcMachine *pc, Error **errp)
{
    Machine *m = &pc->parent;

    pc->rtc = rtc_create(m, pc->isa, errp);
    if (!pc->rtc || !isa_serials_create(m, pc->isa, errp)) {
        return false;
    }
    if (pc->i8042 && !(pc->kbd = isa_create(pc->isa, &i8042_type, errp))) {
        return false;
    }
    if ((pc->vmport == ON_OFF_AUTO_ON ||
         (pc->vmport == ON_OFF_AUTO_AUTO && pc->i8042)) &&
        !isa_create(pc->isa, &vmport_type, errp)) {
        return false;
    }
    return isa_create(pc->isa, &port92_type, errp) != NULL;
}

static PcBoot *create_boot(PcMachine *pc, Error **errp)
{
    PcBootConfig config = {
        .machine = &pc->parent,
        .low_ram = pc->below_4g,
        .high_ram = pc->above_4g,
        .product = machine_class(&pc->parent)->desc,
        .smbios_64 = !g_strcmp0(pc->smbios_ep, "64"),
        .rom_memory = &pc->pci_memory,
        .isa = pc->isa,
        .pci = &pc->host->parent.bus->bus,
        .no_acpi = pc->acpi == ON_OFF_AUTO_OFF,
        .acpi = {
            .oem_id = pc->oem_id ? pc->oem_id : "BOCHS ",
            .oem_table_id = pc->oem_table_id ? pc->oem_table_id : "BXPC    ",
            .sci_irq = ICH9_SCI_IRQ,
            .pm_base = ICH9_PM_BASE_DEFAULT,
            .gpe0_len = ICH9_GPE0_LEN,
            .s4_type = pc->lpc->regs.disable_s4 ? 0 : pc->lpc->regs.s4_val,
            .smi_port = pc->smm == ON_OFF_AUTO_OFF ? 0 : ICH9_APM_PORT,
            .acpi_enable_cmd = ICH9_ACPI_ENABLE,
            .acpi_disable_cmd = ICH9_ACPI_DISABLE,
            .reset_port = ICH9_RESET_PORT,
            .reset_value = RESET_VALUE,
            .has_8042 = pc->i8042,
            .rtc_century = RTC_CENTURY,
            .ioapic_addr = PC_IOAPIC_ADDR,
            .ioapic_id = PC_IOAPIC_ID,
            .level_irqs = LEVEL_IRQS,
            .irq0_override = true,
            .ecam_base = Q35_ECAM_BASE,
            .ecam_last_bus = 255,
            .last_bus = 255,
            .hpet_base = pc->hpet ? HPET_BASE : 0,
            .hpet_id = pc->hpet ? hpet_block_id(pc->hpet) : 0,
            .pcie = true,
            .q35_lpc = true,
        },
        .windows = pc_pci_windows,
        .setup = pc_setup,
        .opaque = pc,
    };

    x86_cpu_id(pc->parent.cpu_slots[0].cpu, &config.cpuid_signature,
               &config.cpuid_features);
    return pc_boot_init(&config, errp);
}

static bool pc_q35_init(Machine *m, Error **errp)
{
    PcMachine *pc = pc_machine(m);

    if (!pc_memory_init(pc, errp) || !x86_cpus_create(m, errp) ||
        !create_host(pc, errp)) {
        return false;
    }
    if (!pc_gsi_create(pc, &pc->host->parent.dev.obj, errp) ||
        !create_lpc(pc, errp) || !pc_intc_create(pc, errp) ||
        !create_isa_devices(pc, errp)) {
        return false;
    }
    if (pc->smbus && !ich9_smb_create(pc->host->parent.bus, errp)) {
        return false;
    }
    pc->boot = create_boot(pc, errp);
    return pc->boot != NULL;
}

static const char *boot_order(const Machine *m)
{
    return m->boot->order ? m->boot->order : "cad";
}

static bool pc_done(Machine *m, Error **errp)
{
    PcMachine *pc = pc_machine(m);
    RtcCmosInfo cmos = {
        .low_ram = pc->below_4g,
        .high_ram = pc->above_4g,
        .cpus = m->smp.cpus,
        .boot_order = boot_order(m),
        .fd_bootchk = true,
    };

    pc->boot_once = m->boot->once;
    return rtc_init_cmos(pc->rtc, &cmos, errp) &&
           (!pc->boot_once ||
            rtc_set_boot_order(pc->rtc, m->boot->once, true, errp)) &&
           pc_boot_done(pc->boot, errp);
}

static void pc_reset(Machine *m)
{
    PcMachine *pc = pc_machine(m);

    /* The order for once is that of the start. */
    if (pc->boot_once && m->vm->reset_cause != SHUTDOWN_CAUSE_NONE) {
        rtc_set_boot_order(pc->rtc, boot_order(m), true, error_abort);
        pc->boot_once = false;
    }
    pc_boot_reset(pc->boot);
}

static void pc_finalize(Object *obj)
{
    pc_boot_free(pc_machine(obj)->boot);
}

static const MachineClass pc_class = {
    .props = pc_props,
};
QOM_DEFINE(PcMachine, pc_machine, .name = "pc-machine",
           .parent = &machine_type, .class = &pc_class, .abstract = true,
           .finalize = pc_finalize);

static const MachineClass pc_q35_class = {
    .name = "pc-q35-7.2",
    .alias = "q35",
    .desc = "Standard PC (Q35 + ICH9, 2009)",
    .target = "x86_64",
    .max_cpus = 288,
    .default_ram_size = 128 * MiB,
    .default_ram_id = "pc.ram",
    .default_cpu_type = "qemu64-x86_64-cpu",
    .default_nic = "e1000e",
    .hotpluggable_cpus = true,
    .has_dies = true,
    .check_options = pc_check_options,
    .init = pc_q35_init,
    .cpu_slot = x86_cpu_slot,
    .done = pc_done,
    .reset = pc_reset,
};
extern const ObjectType pc_q35_machine_type;
QOM_DEFINE(PcMachine, pc_q35_machine, .name = "pc-q35-7.2-machine",
           .parent = &pc_machine_type, .class = &pc_q35_class);
