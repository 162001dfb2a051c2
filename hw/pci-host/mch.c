/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory controller hub, function 00:00.0: PCIEXBAR, programmable
 * attributes of C0000h to FFFFFh, SMRAM and TSEG. Intel 3 Series Express
 * Chipset Family datasheet (316966), chapter 5; the extended TSEG register and
 * the SMRAM at the default SMBASE are QEMU's, described in its manual.
 */
#include "util/osdep.h"

#include "hw/pci-host/q35.h"
#include "softmmu/vm.h"
#include "util/error.h"

enum {
    PCIEXBAR_ENABLE = 1,
    PCIEXBAR_LENGTH = 6, /* bits 2:1 */
    PAM_LEN = 7,
    SMRAM_BASE_SEG = 7, /* read-only 2: A0000h */
    SMRAM_ENABLE = 8,
    SMRAM_LOCK = 0x10,
    SMRAM_CLOSED = 0x20,
    SMRAM_OPEN = 0x40,
    SMRAM_DEFAULT = 0x02,
    ESMRAMC_T_EN = 1,
    ESMRAMC_TSEG_SIZE = 6,
    ESMRAMC_CACHE = 0x38, /* read-only ones */
    ESMRAMC_ERROR = 0x40, /* cleared by writing 1 */
    ESMRAMC_HIGH = 0x80,
    EXT_TSEG_QUERY = 0xffff,
    EXT_TSEG_MAX = 0xfff,
    SMBASE_QUERY = 0xff,
    SMBASE_IN_RAM = 1,
    SMBASE_LOCKED = 2,
    SMBASE_AT = 0x30000,
    SMBASE_SIZE = 0x20000,
    LOW_SMRAM_AT = 0xa0000,
    LOW_SMRAM_SIZE = 0x20000,
    PAM_AT = 0xc0000,
    PAM_SIZE = 0x4000,
    PAM_BIOS_AT = 0xf0000,
    PAM_BIOS_SIZE = 0x10000,
};

static const Prop mch_props[] = {
    PROP(Mch, ext_tseg_mbytes, "extended-tseg-mbytes", 16),
    PROP(Mch, smbase_smram, "smbase-smram", true),
    {},
};

/* Nothing is there outside of SMM: reads give ones. */
static uint64_t hidden_read(void *opaque, hwaddr addr, unsigned size)
{
    return UINT64_MAX;
}

static void hidden_write(void *opaque, hwaddr addr, uint64_t value,
                         unsigned size)
{
}

static const MemOps hidden_ops = {
    .read = hidden_read,
    .write = hidden_write,
};

/* Windows ---------------------------------------------------------------------- */

static void update_ecam(Mch *m)
{
    uint64_t bar = pci_get_long(m->pci.config + MCH_PCIEXBAR) |
                   (uint64_t)pci_get_long(m->pci.config + MCH_PCIEXBAR + 4)
                       << 32;
    unsigned length = (bar & PCIEXBAR_LENGTH) >> 1;
    uint64_t size = (256 * MiB) >> length, base;

    pci_host_ecam_unmap(m->host);
    if (!(bar & PCIEXBAR_ENABLE) || length == 3) {
        return;
    }
    base = bar & 0xfffffffffULL & ~(size - 1);
    pci_host_ecam_map(m->host, m->system_memory, base, size);
}

static unsigned pam_mode(const Mch *m, unsigned i)
{
    /* Register 0 has the BIOS segment in its high half; the others two
     * segments each, low half first. */
    uint8_t reg = m->pci.config[MCH_PAM0 + DIV_ROUND_UP(i, 2)];

    return (i % 2 == 0 ? reg >> 4 : reg) & 3;
}

/* Bit 0: reads go to RAM; bit 1: writes do, but not when reads go to PCI,
 * which no firmware needs. */
static void update_pam(Mch *m)
{
    for (unsigned i = 0; i < MCH_PAM_REGIONS; i++) {
        unsigned mode = pam_mode(m, i);

        mem_region_set_enabled(&m->pam[i].pci, !(mode & 1));
        mem_region_set_enabled(&m->pam[i].rom, mode == 1);
    }
}

static uint64_t tseg_size(const Mch *m)
{
    static const uint8_t mbytes[] = { 1, 2, 8 };
    uint8_t esmramc = m->pci.config[MCH_ESMRAMC];
    unsigned code = (esmramc & ESMRAMC_TSEG_SIZE) >> 1;

    if (!(esmramc & ESMRAMC_T_EN) ||
        !(m->pci.config[MCH_SMRAM] & SMRAM_ENABLE)) {
        return 0;
    }
    return (code < 3 ? mbytes[code] : m->ext_tseg_mbytes) * MiB;
}

static void move_tseg(Mch *m)
{
    uint64_t size = MIN(tseg_size(m), m->below_4g);
    hwaddr base = m->below_4g - size;

    mem_region_set_enabled(&m->tseg_hide, false);
    mem_region_set_enabled(&m->tseg_window, false);
    if (!size) {
        return;
    }
    mem_region_set_size(&m->tseg_hide, size);
    mem_region_set_address(&m->tseg_hide, base);
    mem_region_set_enabled(&m->tseg_hide, true);
    mem_region_set_size(&m->tseg_window, size);
    mem_region_set_address(&m->tseg_window, base);
    mem_region_set_alias_offset(&m->tseg_window, base);
    mem_region_set_enabled(&m->tseg_window, true);
}

static void update_smram(Mch *m)
{
    uint8_t *config = m->pci.config;
    uint8_t *smram = &config[MCH_SMRAM];
    bool open, enabled;

    if (*smram & SMRAM_LOCK) {
        *smram &= ~SMRAM_OPEN;
        m->pci.wmask[MCH_SMRAM] = SMRAM_CLOSED;
        m->pci.wmask[MCH_ESMRAMC] = 0;
        m->pci.w1cmask[MCH_ESMRAMC] = ESMRAMC_ERROR;
    }
    open = *smram & SMRAM_OPEN;
    enabled = *smram & SMRAM_ENABLE;
    mem_region_set_enabled(&m->smram_hide, !open);
    mem_region_set_enabled(&m->low_smram, enabled);
    move_tseg(m);
}

/* Writing all ones asks for the size; anything else than that stays. */
static void update_ext_tseg(Mch *m)
{
    uint8_t *reg = m->pci.config + MCH_EXT_TSEG;

    if (m->ext_tseg_mbytes && pci_get_word(reg) == EXT_TSEG_QUERY) {
        pci_set_word(reg, m->ext_tseg_mbytes);
    }
}

/*
 * A query with all ones is answered by "in RAM", after which only the lock bit
 * can be set, once. The writable bits tell the state: all, the lock, none.
 */
static void update_smbase(Mch *m)
{
    uint8_t *reg = &m->pci.config[MCH_F_SMBASE];
    uint8_t *writable = &m->pci.wmask[MCH_F_SMBASE];

    if (*writable == SMBASE_QUERY) {
        if (*reg == SMBASE_QUERY) {
            *reg = SMBASE_IN_RAM;
            *writable = SMBASE_LOCKED;
        } else {
            *reg = 0;
        }
    } else if (*writable && (*reg & SMBASE_LOCKED)) {
        *reg = SMBASE_LOCKED;
        *writable = 0;
        mem_region_set_enabled(&m->smbase_hide, true);
        mem_region_set_enabled(&m->smbase_window, true);
    }
}

static void mch_config_write(PciDevice *d, uint32_t addr, uint32_t value,
                             unsigned len)
{
    Mch *m = mch(d);

    mem_txn_begin(d->dev.vm);
    pci_config_write_default(d, addr, value, len);
    if (pci_touches(addr, len, MCH_PAM0, PAM_LEN)) {
        update_pam(m);
    }
    if (pci_touches(addr, len, MCH_PCIEXBAR, 8)) {
        update_ecam(m);
    }
    if (pci_touches(addr, len, MCH_SMRAM, 2)) {
        update_smram(m);
    }
    if (pci_touches(addr, len, MCH_EXT_TSEG, 2)) {
        update_ext_tseg(m);
    }
    if (m->smbase_smram && pci_touches(addr, len, MCH_F_SMBASE, 1)) {
        update_smbase(m);
    }
    mem_txn_commit(d->dev.vm);
}

void mch_pam_open(Mch *m)
{
    pci_config_write(&m->pci, MCH_PAM0, 0x30, 1);
    for (unsigned i = 1; i < PAM_LEN; i++) {
        pci_config_write(&m->pci, MCH_PAM0 + i, 0x33, 1);
    }
}

void mch_ecam_enable(Mch *m)
{
    pci_config_write(&m->pci, MCH_PCIEXBAR + 4, 0, 4);
    pci_config_write(&m->pci, MCH_PCIEXBAR, Q35_ECAM_BASE | PCIEXBAR_ENABLE,
                     4);
}

/* Life --------------------------------------------------------------------------- */

static void add_pam(Mch *m)
{
    Object *owner = &m->pci.dev.obj;

    for (unsigned i = 0; i < MCH_PAM_REGIONS; i++) {
        PamRegion *p = &m->pam[i];
        hwaddr at = i ? PAM_AT + (i - 1) * PAM_SIZE : PAM_BIOS_AT;
        uint64_t size = i ? PAM_SIZE : PAM_BIOS_SIZE;

        mem_region_init_alias(&p->pci, owner, "pam-pci", m->pci_memory, at,
                              size);
        mem_region_init_alias(&p->rom, owner, "pam-rom", m->ram, at, size);
        mem_region_set_readonly(&p->rom, true);
        mem_region_set_enabled(&p->rom, false);
        mem_region_add_overlap(m->system_memory, at, &p->pci, 1);
        mem_region_add_overlap(m->system_memory, at, &p->rom, 1);
    }
}

static void add_smram(Mch *m)
{
    Object *owner = &m->pci.dev.obj;

    mem_region_init_alias(&m->smram_hide, owner, "smram-region", m->pci_memory,
                          LOW_SMRAM_AT, LOW_SMRAM_SIZE);
    mem_region_add_overlap(m->system_memory, LOW_SMRAM_AT, &m->smram_hide, 1);

    mem_region_init(&m->smram, owner, "smram", 4 * GiB);
    mem_region_init_alias(&m->low_smram, owner, "smram-low", m->ram,
                          LOW_SMRAM_AT, LOW_SMRAM_SIZE);
    mem_region_set_enabled(&m->low_smram, false);
    mem_region_add_overlap(&m->smram, LOW_SMRAM_AT, &m->low_smram, 2);

    mem_region_init_io(&m->tseg_hide, owner, &hidden_ops, m, "tseg-blackhole",
                       MiB);
    mem_region_set_enabled(&m->tseg_hide, false);
    mem_region_add_overlap(m->system_memory, m->below_4g, &m->tseg_hide, 1);
    mem_region_init_alias(&m->tseg_window, owner, "tseg-window", m->ram, 0,
                          MIN(MiB, m->below_4g));
    mem_region_set_enabled(&m->tseg_window, false);
    mem_region_add_overlap(&m->smram, 0, &m->tseg_window, 1);

    mem_region_init_io(&m->smbase_hide, owner, &hidden_ops, m,
                       "smbase-blackhole", SMBASE_SIZE);
    mem_region_set_enabled(&m->smbase_hide, false);
    mem_region_add_overlap(m->system_memory, SMBASE_AT, &m->smbase_hide, 1);
    mem_region_init_alias(&m->smbase_window, owner, "smbase-window", m->ram,
                          SMBASE_AT, SMBASE_SIZE);
    mem_region_set_enabled(&m->smbase_window, false);
    mem_region_add_overlap(&m->smram, SMBASE_AT, &m->smbase_window, 1);
}

static bool mch_realize(Device *dev, Error **errp)
{
    Mch *m = mch(dev);

    if (m->ext_tseg_mbytes > EXT_TSEG_MAX) {
        return error_set(errp, "invalid extended-tseg-mbytes value: %u",
                         m->ext_tseg_mbytes);
    }
    mem_txn_begin(dev->vm);
    add_pam(m);
    add_smram(m);
    mem_txn_commit(dev->vm);
    return true;
}

static void mch_unrealize(Device *dev)
{
    Mch *m = mch(dev);
    MemRegion *regions[] = {
        &m->smram_hide, &m->low_smram, &m->tseg_hide, &m->tseg_window,
        &m->smbase_hide, &m->smbase_window, &m->smram,
    };

    pci_host_ecam_unmap(m->host);
    for (unsigned i = 0; i < MCH_PAM_REGIONS; i++) {
        mem_region_cleanup(&m->pam[i].pci);
        mem_region_cleanup(&m->pam[i].rom);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(regions); i++) {
        mem_region_cleanup(regions[i]);
    }
}

static void mch_reset(Device *dev)
{
    Mch *m = mch(dev);
    PciDevice *d = &m->pci;

    pci_set_quad(d->config + MCH_PCIEXBAR, Q35_ECAM_BASE);
    memset(d->config + MCH_PAM0, 0, PAM_LEN);
    d->config[MCH_SMRAM] = SMRAM_DEFAULT;
    d->config[MCH_ESMRAMC] = ESMRAMC_CACHE;
    d->wmask[MCH_SMRAM] = SMRAM_ENABLE | SMRAM_LOCK | SMRAM_CLOSED |
                          SMRAM_OPEN;
    d->wmask[MCH_ESMRAMC] = ESMRAMC_T_EN | ESMRAMC_TSEG_SIZE | ESMRAMC_HIGH;
    d->w1cmask[MCH_ESMRAMC] = ESMRAMC_ERROR;
    if (m->ext_tseg_mbytes) {
        pci_set_word(d->config + MCH_EXT_TSEG, m->ext_tseg_mbytes);
    }
    d->config[MCH_F_SMBASE] = 0;
    d->wmask[MCH_F_SMBASE] = m->smbase_smram ? SMBASE_QUERY : 0;

    mem_txn_begin(dev->vm);
    update_pam(m);
    update_ecam(m);
    update_smram(m);
    mem_region_set_enabled(&m->smbase_hide, false);
    mem_region_set_enabled(&m->smbase_window, false);
    mem_txn_commit(dev->vm);
}

static bool mch_post_load(void *state, int version, Error **errp)
{
    Mch *m = state;
    bool locked = m->smbase_smram &&
                  m->pci.config[MCH_F_SMBASE] == SMBASE_LOCKED;

    if (m->smbase_smram && m->pci.config[MCH_F_SMBASE]) {
        m->pci.wmask[MCH_F_SMBASE] = locked ? 0 : SMBASE_LOCKED;
    }
    mem_txn_begin(m->pci.dev.vm);
    update_pam(m);
    update_ecam(m);
    update_smram(m);
    mem_region_set_enabled(&m->smbase_hide, locked);
    mem_region_set_enabled(&m->smbase_window, locked);
    mem_txn_commit(m->pci.dev.vm);
    return true;
}

static const VmState mch_vmstate = {
    .name = "mch",
    .version = 1,
    .post_load = mch_post_load,
    .fields = (const VmField[]){
        VMS_PCI(Mch, pci, "parent_obj"),
        VMS_UNUSED(1),
        {},
    },
};

static const PciDevClass mch_class = {
    .device = {
        .props = mch_props,
        .desc = "Host bridge",
        .category = DEVICE_CATEGORY_BRIDGE,
        .bus_type = &pci_bus_type,
        .internal = true,
        .no_hotplug = true,
        .vmstate = &mch_vmstate,
        .realize = mch_realize,
        .unrealize = mch_unrealize,
        .reset = mch_reset,
    },
    .vendor_id = PCI_VENDOR_ID_INTEL,
    .device_id = PCI_DEVICE_ID_INTEL_Q35_MCH,
    .class_id = PCI_CLASS_BRIDGE_HOST,
    .config_write = mch_config_write,
};
QOM_DEFINE(Mch, mch, .name = "mch", .parent = &pci_device_type,
           .class = &mch_class);
