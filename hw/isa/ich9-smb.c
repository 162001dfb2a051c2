/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The SMBus controller of ICH9, function 00:1f.3, with no device on its bus:
 * every transaction ends as if nobody answered. Intel I/O Controller Hub 9
 * datasheet (316972), chapter 19.
 */
#include "util/osdep.h"

#include "hw/isa/ich9.h"
#include "util/error.h"

typedef struct Ich9Smb Ich9Smb;
QOM_DECLARE_TYPE(Ich9Smb, ich9_smb)

enum {
    SMB_HOSTC = 0x40,
    HOSTC_ENABLE = 1,
    HOSTC_I2C = 4,
    SMB_IO_BAR = 4,
    SMB_IO_SIZE = 64,
    BLOCK_MAX = 32,

    HST_STS = 0x00,
    HST_CNT = 0x02,
    HST_CMD = 0x03,
    HST_ADD = 0x04,
    HST_D0 = 0x05,
    HST_D1 = 0x06,
    HST_BLOCK = 0x07,
    HST_AUX = 0x0d,

    STS_BUSY = 0x01,
    STS_INTR = 0x02,
    STS_DEV_ERR = 0x04,
    STS_CLEARABLE = 0xde, /* all but BUSY and INUSE */
    CNT_INTREN = 0x01,
    CNT_KILL = 0x02,
    CNT_START = 0x40,
    AUX_WRITABLE = 0x03,
};

struct Ich9Smb {
    PciDevice pci;
    MemRegion io;
    uint8_t sts, cnt, cmd, addr, data0, data1, auxctl;
    uint32_t index; /* into the block buffer */
    uint8_t data[BLOCK_MAX];
    bool irq_enabled;
    /* State of the stream that a bus without devices does not have. */
    uint8_t blkdata;
    bool i2c_enable, op_done, in_block_read, start_on_status_read;
};

static void update_irq(Ich9Smb *s)
{
    pci_set_irq(&s->pci, (s->cnt & CNT_INTREN) && (s->sts & STS_CLEARABLE));
}

static void start(Ich9Smb *s)
{
    if (!(s->pci.config[SMB_HOSTC] & HOSTC_ENABLE)) {
        return;
    }
    s->sts |= STS_DEV_ERR;
    s->index = 0;
}

static uint64_t smb_read(void *opaque, hwaddr addr, unsigned size)
{
    Ich9Smb *s = opaque;

    switch (addr) {
    case HST_STS:
        return s->sts;
    case HST_CNT:
        s->index = 0; /* a read of this register rewinds the buffer */
        return s->cnt & ~CNT_START;
    case HST_CMD:
        return s->cmd;
    case HST_ADD:
        return s->addr;
    case HST_D0:
        return s->data0;
    case HST_D1:
        return s->data1;
    case HST_BLOCK:
        return s->data[s->index++ % BLOCK_MAX];
    case HST_AUX:
        return s->auxctl;
    default:
        return 0;
    }
}

static void smb_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    Ich9Smb *s = opaque;

    switch (addr) {
    case HST_STS:
        s->sts &= ~(value & STS_CLEARABLE);
        break;
    case HST_CNT:
        s->cnt = value & ~(CNT_START | CNT_KILL);
        if (value & CNT_START) {
            start(s);
        }
        break;
    case HST_CMD:
        s->cmd = value;
        break;
    case HST_ADD:
        s->addr = value;
        break;
    case HST_D0:
        s->data0 = value;
        break;
    case HST_D1:
        s->data1 = value;
        break;
    case HST_BLOCK:
        s->data[s->index++ % BLOCK_MAX] = value;
        break;
    case HST_AUX:
        s->auxctl = value & AUX_WRITABLE;
        break;
    }
    update_irq(s);
}

static const MemOps smb_ops = {
    .read = smb_read,
    .write = smb_write,
    .valid = { .min = 1, .max = 1 },
};

static bool smb_realize(Device *dev, Error **errp)
{
    Ich9Smb *s = ich9_smb(dev);
    PciDevice *d = &s->pci;

    d->config[PCI_INTERRUPT_PIN] = 1;
    /* SMI in place of an interrupt is not offered. */
    d->wmask[SMB_HOSTC] = 0xf7;
    mem_region_init_io(&s->io, &dev->obj, &smb_ops, s, "pm-smbus",
                       SMB_IO_SIZE);
    pci_bar_add(d, SMB_IO_BAR, PCI_BASE_ADDRESS_SPACE_IO, &s->io);
    return true;
}

static void smb_unrealize(Device *dev)
{
    mem_region_cleanup(&ich9_smb(dev)->io);
}

static void smb_reset(Device *dev)
{
    Ich9Smb *s = ich9_smb(dev);

    s->pci.config[SMB_HOSTC] = 0;
    s->sts = s->cnt = s->cmd = s->addr = s->data0 = s->data1 = 0;
    s->auxctl = 0;
    s->index = 0;
    memset(s->data, 0, sizeof(s->data));
}

static bool smb_check(const void *state, int version, Error **errp)
{
    const Ich9Smb *s = state;

    return s->index <= BLOCK_MAX ||
           error_set(errp, "block index %" PRIu32, s->index);
}

static const VmState pmsmb_vmstate = {
    .name = "pmsmb",
    .version = 1,
    .check = smb_check,
    .fields = (const VmField[]){
        VMS_N(Ich9Smb, sts, "smb_stat"),
        VMS_N(Ich9Smb, cnt, "smb_ctl"),
        VMS_N(Ich9Smb, cmd, "smb_cmd"),
        VMS_N(Ich9Smb, addr, "smb_addr"),
        VMS_N(Ich9Smb, data0, "smb_data0"),
        VMS_N(Ich9Smb, data1, "smb_data1"),
        VMS_N(Ich9Smb, index, "smb_index"),
        VMS_ARRAY(Ich9Smb, data, "smb_data"),
        VMS_N(Ich9Smb, auxctl, "smb_auxctl"),
        VMS_N(Ich9Smb, blkdata, "smb_blkdata"),
        VMS(Ich9Smb, i2c_enable),
        VMS(Ich9Smb, op_done),
        VMS_N(Ich9Smb, in_block_read, "in_i2c_block_read"),
        VMS_N(Ich9Smb, start_on_status_read,
              "start_transaction_on_status_read"),
        {},
    },
};

static bool present(const void *state, int version)
{
    return true;
}

static const VmState smb_vmstate = {
    .name = "ich9_smb",
    .version = 1,
    .fields = (const VmField[]){
        VMS_PCI(Ich9Smb, pci, "dev"),
        { .name = "irq_enabled", .kind = &vmk_bool,
          .offset = offsetof(Ich9Smb, irq_enabled), .size = sizeof(bool),
          .num = 1, .exists = present },
        { .name = "smb", .kind = &vmk_struct, .size = sizeof(Ich9Smb),
          .num = 1, .version = 1, .flags = VMF_STRUCT, .sub = &pmsmb_vmstate,
          .exists = present },
        {},
    },
};

static const PciDevClass smb_class = {
    .device = {
        .desc = "ICH9 SMBUS Bridge",
        .category = DEVICE_CATEGORY_BRIDGE,
        .bus_type = &pci_bus_type,
        .internal = true,
        .no_hotplug = true,
        .vmstate = &smb_vmstate,
        .realize = smb_realize,
        .unrealize = smb_unrealize,
        .reset = smb_reset,
    },
    .vendor_id = PCI_VENDOR_ID_INTEL,
    .device_id = PCI_DEVICE_ID_INTEL_ICH9_SMB,
    .revision = 2,
    .class_id = PCI_CLASS_SERIAL_SMBUS,
};
QOM_DEFINE(Ich9Smb, ich9_smb, .name = "ICH9-SMB", .parent = &pci_device_type,
           .class = &smb_class);

PciDevice *ich9_smb_create(PciBus *bus, Error **errp)
{
    return pci_create(bus, PCI_DEVFN_MAKE(ICH9_SLOT, ICH9_SMB_FUNC), true,
                      &ich9_smb_type, errp);
}
