/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Power management of the ICH9 LPC bridge: ACPI registers, SMI control, APM
 * ports, TCO. Intel I/O Controller Hub 9 datasheet (316972), 13.8 and 13.9.
 */
#include "util/osdep.h"

#include "hw/isa/ich9-internal.h"
#include "softmmu/vm.h"
#include "util/error.h"

enum {
    PM_EVT = 0x00,
    PM_CNT = 0x04,
    PM_TMR = 0x08,
    PM_GPE0 = 0x20,
    PM_SMI = 0x30,
    PM_TCO = 0x60,
    SMI_EN_GBL = 1,
    SMI_EN_APMC = 1 << 5,
};

/* Properties ------------------------------------------------------------------------- */

static QObject *get_zero(Object *obj, const Prop *prop, Error **errp)
{
    return qbool_new(false);
}

/* Features that a later version brings: off is the only value. */
static bool set_off(Object *obj, const Prop *prop, const QObject *value,
                    QapiMode mode, Error **errp)
{
    bool on = false;

    if (!qapi_read_named(&qapi_type_bool, prop->name, value, &on, mode,
                         errp)) {
        return false;
    }
    return !on || error_set(errp, "%s=on is not supported", prop->name);
}

static QObject *get_pm_base(Object *obj, const Prop *prop, Error **errp)
{
    const Ich9Lpc *lpc = ich9_lpc(obj);

    return quint_new(pci_get_long(lpc->pci.config + 0x40) & 0xff80);
}

static QObject *get_gpe0_blk(Object *obj, const Prop *prop, Error **errp)
{
    const Ich9Lpc *lpc = ich9_lpc(obj);

    return quint_new((pci_get_long(lpc->pci.config + 0x40) & 0xff80) +
                     PM_GPE0);
}

static QObject *get_gpe0_len(Object *obj, const Prop *prop, Error **errp)
{
    return quint_new(ICH9_GPE0_LEN);
}

static QObject *get_sci(Object *obj, const Prop *prop, Error **errp)
{
    return quint_new(ich9_lpc(obj)->sci_gsi);
}

static QObject *get_acpi_enable(Object *obj, const Prop *prop, Error **errp)
{
    return quint_new(ICH9_ACPI_ENABLE);
}

static QObject *get_acpi_disable(Object *obj, const Prop *prop, Error **errp)
{
    return quint_new(ICH9_ACPI_DISABLE);
}

static QObject *get_smi_features(Object *obj, const Prop *prop, Error **errp)
{
    return quint_new(0);
}

const Prop ich9_lpc_props[] = {
    PROP(Ich9Lpc, noreboot, "noreboot", true),
    PROP(Ich9Lpc, enable_tco, "enable_tco", true),
    PROP(Ich9Lpc, smm_compat, "smm-compat", false),
    PROP(Ich9Lpc, disable_s3, "disable_s3", 1),
    PROP(Ich9Lpc, regs.disable_s4, "disable_s4", 0),
    PROP(Ich9Lpc, regs.s4_val, "s4_val", 2),
    PROP_FN("acpi-pci-hotplug-with-bridge-support", "bool", get_zero, set_off),
    PROP_FN("memory-hotplug-support", "bool", get_zero, set_off),
    PROP_FN("cpu-hotplug-legacy", "bool", get_zero, set_off),
    PROP_FN("pm_io_base", "uint32", get_pm_base, NULL),
    PROP_FN("gpe0_blk", "uint32", get_gpe0_blk, NULL),
    PROP_FN("gpe0_blk_len", "uint32", get_gpe0_len, NULL),
    PROP_FN("sci_int", "uint8", get_sci, NULL),
    PROP_FN("acpi_enable_cmd", "uint8", get_acpi_enable, NULL),
    PROP_FN("acpi_disable_cmd", "uint8", get_acpi_disable, NULL),
    PROP_FN("x-smi-negotiated-features", "uint64", get_smi_features, NULL),
    {},
};

bool ich9_pm_check(const Ich9Lpc *lpc, Error **errp)
{
    if (!lpc->disable_s3) {
        return error_set(errp, "disable_s3=0: S3 is not supported");
    }
    if (lpc->regs.s4_val > 7 || !lpc->regs.s4_val) {
        return error_set(errp, "s4_val %u is not 1 to 7", lpc->regs.s4_val);
    }
    return true;
}

/* SMI control: kept, but there is no SMM to enter. ------------------------------------ */

static uint64_t smi_read(void *opaque, hwaddr addr, unsigned size)
{
    const Ich9Lpc *lpc = opaque;

    return addr == 0 ? lpc->smi_en : lpc->smi_sts;
}

static void smi_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Ich9Lpc *lpc = opaque;
    uint32_t keep = lpc->smi_locked ? SMI_EN_GBL : 0;

    if (addr == 0) {
        lpc->smi_en = (value & ~keep) | (lpc->smi_en & keep);
    } else {
        lpc->smi_sts &= ~value;
    }
}

static const MemOps smi_ops = {
    .read = smi_read,
    .write = smi_write,
    .valid = { .min = 4, .max = 4 },
};

/* APM ---------------------------------------------------------------------------------- */

static uint64_t apm_read(void *opaque, hwaddr addr, unsigned size)
{
    const Ich9Lpc *lpc = opaque;

    return addr == 0 ? lpc->apmc : lpc->apms;
}

/* The OS switches ACPI mode by the commands that the FADT names. */
static void apm_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Ich9Lpc *lpc = opaque;

    if (addr) {
        lpc->apms = value;
        return;
    }
    lpc->apmc = value;
    if (value == ICH9_ACPI_ENABLE || value == ICH9_ACPI_DISABLE) {
        acpi_regs_set_acpi_mode(&lpc->regs, value == ICH9_ACPI_ENABLE);
    }
}

static const MemOps apm_ops = {
    .read = apm_read,
    .write = apm_write,
    .valid = { .min = 1, .max = 1 },
};

/* Life ----------------------------------------------------------------------------------- */

void ich9_pm_init(Ich9Lpc *lpc)
{
    Object *owner = &lpc->pci.dev.obj;
    Vm *vm = lpc->pci.dev.vm;

    mem_region_init(&lpc->pm_io, owner, "ich9-pm", ICH9_PM_IO_SIZE);
    acpi_regs_init(&lpc->regs, owner, vm, ICH9_GPE0_LEN, ich9_update_sci, lpc);
    mem_region_add(&lpc->pm_io, PM_EVT, &lpc->regs.evt);
    mem_region_add(&lpc->pm_io, PM_CNT, &lpc->regs.cnt);
    mem_region_add(&lpc->pm_io, PM_TMR, &lpc->regs.tmr);
    mem_region_add(&lpc->pm_io, PM_GPE0, &lpc->regs.gpe);
    mem_region_init_io(&lpc->smi_io, owner, &smi_ops, lpc, "acpi-smi", 8);
    mem_region_add(&lpc->pm_io, PM_SMI, &lpc->smi_io);
    if (lpc->enable_tco) {
        tco_init(&lpc->tco, owner, vm, ich9_lpc_no_reboot, lpc);
        mem_region_add(&lpc->pm_io, PM_TCO, &lpc->tco.io);
    }
    mem_region_init_io(&lpc->apm_io, owner, &apm_ops, lpc, "apm-io", 2);
    mem_region_add(vm->system_io, ICH9_APM_PORT, &lpc->apm_io);
}

void ich9_pm_cleanup(Ich9Lpc *lpc)
{
    ich9_pm_map(lpc, 0);
    mem_region_cleanup(&lpc->apm_io);
    if (lpc->enable_tco) {
        tco_cleanup(&lpc->tco);
    }
    mem_region_cleanup(&lpc->smi_io);
    acpi_regs_cleanup(&lpc->regs);
    mem_region_cleanup(&lpc->pm_io);
}

void ich9_pm_reset(Ich9Lpc *lpc)
{
    acpi_regs_reset(&lpc->regs);
    /* As if somebody had set up system management already: there is none, and
     * firmware would wait for its first SMI. 7.2 does so with smm=off. */
    lpc->smi_en = SMI_EN_APMC;
    lpc->smi_sts = 0;
    lpc->apmc = lpc->apms = 0;
    if (lpc->enable_tco) {
        tco_reset(&lpc->tco);
    }
}

void ich9_pm_map(Ich9Lpc *lpc, uint32_t base)
{
    if (lpc->pm_mapped) {
        mem_region_del(lpc->pci.dev.vm->system_io, &lpc->pm_io);
    }
    lpc->pm_mapped = base;
    if (base) {
        mem_region_add_overlap(lpc->pci.dev.vm->system_io, base, &lpc->pm_io,
                               0);
    }
}

/* State ----------------------------------------------------------------------------------- */

const VmState ich9_apm_vmstate = {
    .name = "APM State",
    .version = 1,
    .fields = (const VmField[]){
        VMS(Ich9Lpc, apmc),
        VMS(Ich9Lpc, apms),
        {},
    },
};

static void pm_pre_save(void *state)
{
    acpi_regs_pre_save(&((Ich9Lpc *)state)->regs);
}

static bool pm_post_load(void *state, int version, Error **errp)
{
    acpi_regs_loaded(&((Ich9Lpc *)state)->regs);
    return true;
}

static bool tco_needed(const void *state)
{
    return ((const Ich9Lpc *)state)->enable_tco;
}

static const VmState pm_tco_vmstate = {
    .name = "ich9_pm/tco",
    .version = 1,
    .needed = tco_needed,
    .fields = (const VmField[]){
        { .name = "tco_regs", .kind = &vmk_struct,
          .offset = offsetof(Ich9Lpc, tco), .size = sizeof(Tco), .num = 1,
          .version = 1, .flags = VMF_STRUCT, .sub = &tco_vmstate },
        {},
    },
};

const VmState ich9_pm_vmstate = {
    .name = "ich9_pm",
    .version = 1,
    .pre_save = pm_pre_save,
    .post_load = pm_post_load,
    .fields = (const VmField[]){
        VMS_N(Ich9Lpc, regs.pm1_sts, "acpi_regs.pm1.evt.sts"),
        VMS_N(Ich9Lpc, regs.pm1_en, "acpi_regs.pm1.evt.en"),
        VMS_N(Ich9Lpc, regs.pm1_cnt, "acpi_regs.pm1.cnt.cnt"),
        VMS_N(Ich9Lpc, regs.timer_deadline, "acpi_regs.tmr.timer"),
        VMS_N(Ich9Lpc, regs.overflow_time, "acpi_regs.tmr.overflow_time"),
        VMS_ARRAY(Ich9Lpc, regs.gpe_sts, "acpi_regs.gpe.sts"),
        VMS_ARRAY(Ich9Lpc, regs.gpe_en, "acpi_regs.gpe.en"),
        VMS(Ich9Lpc, smi_en),
        VMS(Ich9Lpc, smi_sts),
        {},
    },
    .subsections = (const VmState *const[]){ &pm_tco_vmstate, NULL },
};
