/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Standard hot-plug controller. See shpc.h; sections are of its 1.0 text. */
#include "util/osdep.h"

#include "hw/pci/msi.h"
#include "hw/pci/pci-internal.h"
#include "hw/pci/shpc.h"
#include "util/error.h"

enum { /* 4.5 to 4.12 */
       NUM_33MHZ = 0x04,
       SLOT_CONFIG = 0x0c, /* count, first device, physical number */
       PROG_INTERFACE = 0x13,
       COMMAND = 0x14,
       COMMAND_STATUS = 0x16,
       INT_LOCATOR = 0x18,
       SERR_LOCATOR = 0x1c,
       SERR_INT = 0x20,
       SLOT_REGS = 0x24,

       FIRST_SLOT = 1,
       SLOT_FLAGS = 0xe000, /* numbers count up; MRL sensors, buttons */
       STATUS_MRL_OPEN = 0x2,
       STATUS_INVALID_COMMAND = 0x4,
       STATUS_INVALID_MODE = 0x8,
       GLOBAL_INT_MASK = 0x1,
       COMMAND_INT_MASK = 0x4,
       COMMAND_DETECTED = 1 << 16,
       ARBITER_DETECTED = 1 << 17,

       CMD_SLOT_OPERATION_MAX = 0x3f,
       CMD_BUS_MODE_FIRST = 0x40,
       CMD_BUS_MODE_LAST = 0x47,
       CMD_POWER_ALL = 0x48,
       CMD_ENABLE_ALL = 0x49,

       /* Slot registers. */
       STATE = 3,
       STATE_POWERED = 1,
       STATE_ENABLED = 2,
       STATE_DISABLED = 3,
       POWER_LED = 3 << 2,
       POWER_LED_ON = 1 << 2,
       POWER_LED_BLINK = 2 << 2,
       POWER_LED_OFF = 3 << 2,
       ATTENTION_LED = 3 << 4,
       MRL_OPEN = 1 << 8,
       PRESENT = 3 << 10, /* 0: a card of 7.5 W; 3: none */
       EVENT_PRESENCE = 1 << 16,
       EVENT_BUTTON = 1 << 18,
       EVENT_MRL = 1 << 19,
       EVENTS = 0x1f << 16,
       EVENT_MASKS = 0x1f << 24,
       ALL_MASKS = 0x7f << 24,

       CAP_SIZE = 8,
       CAP_SELECT = 2,
       CAP_INT_STATE = 3,
       CAP_DATA = 4,
       CAP_CIP = 0x80, /* controller interrupt pending */
};

struct Shpc {
    PciBridge *br;
    uint8_t cap;
    uint8_t regs[SHPC_SIZE];
    MemRegion io;
    bool signalled;
};

static uint32_t slot_reg(const Shpc *s, unsigned slot)
{
    return pci_get_long(s->regs + SLOT_REGS + 4 * (slot - FIRST_SLOT));
}

static void slot_set(Shpc *s, unsigned slot, uint32_t clear, uint32_t set)
{
    pci_set_long(s->regs + SLOT_REGS + 4 * (slot - FIRST_SLOT),
                 (slot_reg(s, slot) & ~clear) | set);
}

static bool slot_occupied(const Shpc *s, unsigned slot)
{
    return s->br->bus->devices[PCI_DEVFN_MAKE(slot, 0)] != NULL;
}

/* Interrupts
 * ----------------------------------------------------------------------- */

static uint32_t pending_sources(const Shpc *s)
{
    uint32_t serr_int = pci_get_long(s->regs + SERR_INT), locator = 0;

    if ((serr_int & COMMAND_DETECTED) && !(serr_int & COMMAND_INT_MASK)) {
        locator = 1;
    }
    for (unsigned slot = FIRST_SLOT; slot < FIRST_SLOT + SHPC_SLOTS; slot++) {
        uint32_t reg = slot_reg(s, slot);

        if ((reg & EVENTS) >> 16 & ~((reg & EVENT_MASKS) >> 24)) {
            locator |= BIT(slot - FIRST_SLOT + 1);
        }
    }
    return locator;
}

static void update_interrupt(Shpc *s)
{
    PciDevice *d = &s->br->pci;
    uint32_t locator = pending_sources(s);
    bool wanted = locator && !(s->regs[SERR_INT] & GLOBAL_INT_MASK);

    pci_set_long(s->regs + INT_LOCATOR, locator);
    if (!msi_enabled(d)) {
        pci_set_irq(d, wanted);
    } else if (wanted && !s->signalled) {
        msi_notify(d, 0);
    }
    s->signalled = wanted;
}

/* Commands (4.8)
 * -------------------------------------------------------------------- */

/* Out goes everything in the slot. */
static void empty_slot(Shpc *s, unsigned slot)
{
    PciBus *bus = s->br->bus;

    for (int fn = 7; fn >= 0; fn--) {
        PciDevice *d = bus->devices[PCI_DEVFN_MAKE(slot, fn)];

        if (d) {
            device_unplug(&d->dev);
        }
    }
    slot_set(s, slot, 0, MRL_OPEN | PRESENT | EVENT_MRL | EVENT_PRESENCE);
}

static void slot_operation(Shpc *s, unsigned slot, uint8_t op)
{
    uint32_t reg = slot_reg(s, slot), old_state = reg & STATE;
    unsigned state = op & STATE;

    if (state == STATE_POWERED && old_state == STATE_ENABLED) {
        s->regs[COMMAND_STATUS] |= STATUS_INVALID_COMMAND;
        return;
    }
    if ((state == STATE_POWERED || state == STATE_ENABLED) &&
        (reg & MRL_OPEN)) {
        s->regs[COMMAND_STATUS] |= STATUS_MRL_OPEN;
        return;
    }
    if (op & POWER_LED) {
        slot_set(s, slot, POWER_LED, op & POWER_LED);
    }
    if (op & ATTENTION_LED) {
        slot_set(s, slot, ATTENTION_LED, op & ATTENTION_LED);
    }
    if (state) {
        slot_set(s, slot, STATE, state);
    }
    reg = slot_reg(s, slot);
    if ((reg & STATE) == STATE_DISABLED && (reg & POWER_LED) == POWER_LED_OFF &&
        slot_occupied(s, slot) && (old_state != STATE_DISABLED || !state)) {
        empty_slot(s, slot);
    }
}

static void all_slots(Shpc *s, unsigned state)
{
    for (unsigned slot = FIRST_SLOT; slot < FIRST_SLOT + SHPC_SLOTS; slot++) {
        uint32_t reg = slot_reg(s, slot);

        if ((reg & STATE) == STATE_ENABLED && state == STATE_POWERED) {
            s->regs[COMMAND_STATUS] |= STATUS_INVALID_COMMAND;
            return;
        }
    }
    for (unsigned slot = FIRST_SLOT; slot < FIRST_SLOT + SHPC_SLOTS; slot++) {
        if (!(slot_reg(s, slot) & MRL_OPEN)) {
            slot_set(s, slot, STATE | POWER_LED, state | POWER_LED_ON);
        }
    }
}

static void run_command(Shpc *s)
{
    uint8_t code = s->regs[COMMAND], target = s->regs[COMMAND + 1] & 0x1f;

    s->regs[COMMAND_STATUS] = 0;
    if (code <= CMD_SLOT_OPERATION_MAX) {
        if (target < 1 || target > SHPC_SLOTS) {
            s->regs[COMMAND_STATUS] |= STATUS_INVALID_COMMAND;
        } else {
            slot_operation(s, target - 1 + FIRST_SLOT, code);
        }
    } else if (code == CMD_POWER_ALL) {
        all_slots(s, STATE_POWERED);
    } else if (code == CMD_ENABLE_ALL) {
        all_slots(s, STATE_ENABLED);
    } else if (code > CMD_BUS_MODE_FIRST && code <= CMD_BUS_MODE_LAST) {
        s->regs[COMMAND_STATUS] |= STATUS_INVALID_MODE; /* 33 MHz only */
    } else if (code != CMD_BUS_MODE_FIRST) {
        s->regs[COMMAND_STATUS] |= STATUS_INVALID_COMMAND;
    }
    pci_set_long(s->regs + SERR_INT,
                 pci_get_long(s->regs + SERR_INT) | COMMAND_DETECTED);
}

/* Registers
 * ----------------------------------------------------------------------------
 */

/* Writable bits, and those that ones clear, of the register's byte. */
static void byte_masks(unsigned at, uint8_t *writable, uint8_t *clearable)
{
    *writable = *clearable = 0;
    if (at == COMMAND) {
        *writable = 0xff;
    } else if (at == COMMAND + 1) {
        *writable = 0x1f;
    } else if (at == SERR_INT) {
        *writable = 0x0f;
    } else if (at == SERR_INT + 2) {
        *clearable = (COMMAND_DETECTED | ARBITER_DETECTED) >> 16;
    } else if (at >= SLOT_REGS && (at - SLOT_REGS) % 4 == 2) {
        *clearable = EVENTS >> 16;
    } else if (at >= SLOT_REGS && (at - SLOT_REGS) % 4 == 3) {
        *writable = ALL_MASKS >> 24;
    }
}

static void write_regs(Shpc *s, unsigned at, uint32_t value, unsigned len)
{
    for (unsigned i = at; i < at + len && i < SHPC_SIZE; i++, value >>= 8) {
        uint8_t writable, clearable;

        byte_masks(i, &writable, &clearable);
        s->regs[i] = (s->regs[i] & ~writable) | (value & writable);
        s->regs[i] &= ~(value & clearable);
    }
    if (pci_touches(at, len, COMMAND, 2)) {
        run_command(s);
    }
    update_interrupt(s);
}

static uint64_t io_read(void *opaque, hwaddr addr, unsigned size)
{
    const Shpc *s = opaque;

    uint64_t v = 0;

    memcpy(&v, s->regs + addr, size);
    return GUINT64_FROM_LE(v);
}

static void io_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    write_regs(opaque, addr, value, size);
}

static const MemOps io_ops = {
    .read = io_read,
    .write = io_write,
    .valid = { .min = 1, .max = 4 },
    .impl = { .min = 1, .max = 4 },
};

void shpc_config_sync(Shpc *s)
{
    uint8_t *cap = s->br->pci.config + s->cap;
    unsigned at = cap[CAP_SELECT] * 4;

    pci_set_long(cap + CAP_DATA,
                 at + 4 <= SHPC_SIZE ? pci_get_long(s->regs + at) : 0);
    cap[CAP_INT_STATE] = pci_get_long(s->regs + INT_LOCATOR) ? CAP_CIP : 0;
}

void shpc_config_written(Shpc *s, uint32_t addr, unsigned len)
{
    uint8_t *cap = s->br->pci.config + s->cap;
    unsigned first = s->cap + CAP_DATA, from, n;

    if (!pci_touches(addr, len, first, 4)) {
        return;
    }
    /* The bytes written, which may be a part of the register. */
    from = MAX(addr, first) - first;
    n = MIN(addr + len, first + 4) - first - from;
    if (cap[CAP_SELECT] * 4 + 4 <= SHPC_SIZE) {
        write_regs(s, cap[CAP_SELECT] * 4 + from,
                   pci_get_long(cap + CAP_DATA) >> (8 * from), n);
    }
}

/* Plugging
 * -------------------------------------------------------------------------------
 */

static bool check_plug(PciBus *bus, PciDevice *d, Error **errp)
{
    int slot = d->addr < 0 ? FIRST_SLOT : PCI_DEVFN_SLOT(d->addr);

    if (slot < FIRST_SLOT || slot >= FIRST_SLOT + SHPC_SLOTS) {
        return error_set(errp,
                         "Unsupported PCI slot %d for standard hotplug "
                         "controller. Valid slots are between %d and %d.",
                         slot, FIRST_SLOT, FIRST_SLOT + SHPC_SLOTS - 1);
    }
    return true;
}

static void plugged(PciBus *bus, PciDevice *d)
{
    Shpc *s = bus->hotplug_opaque;
    unsigned slot = PCI_DEVFN_SLOT(d->devfn);

    if (PCI_DEVFN_FUNC(d->devfn)) {
        return;
    }
    if (!d->dev.hotplugged) {
        slot_set(s, slot, STATE | POWER_LED | MRL_OPEN | PRESENT,
                 STATE_ENABLED | POWER_LED_ON);
        return;
    }
    if (!(slot_reg(s, slot) & MRL_OPEN) &&
        (slot_reg(s, slot) & STATE) != STATE_DISABLED) {
        return; /* the guest did not see the last one leave */
    }
    slot_set(s, slot, MRL_OPEN | PRESENT,
             EVENT_BUTTON | EVENT_MRL | EVENT_PRESENCE);
    update_interrupt(s);
}

static bool unplug_request(PciBus *bus, PciDevice *d, Error **errp)
{
    Shpc *s = bus->hotplug_opaque;
    unsigned slot = PCI_DEVFN_SLOT(d->devfn);
    uint32_t reg = slot_reg(s, slot);

    if ((reg & STATE) == STATE_DISABLED && (reg & POWER_LED) == POWER_LED_OFF) {
        empty_slot(s, slot);
    } else {
        d->dev.unplug_pending = true;
        slot_set(s, slot, 0, EVENT_BUTTON);
    }
    update_interrupt(s);
    return true;
}

static const PciHotplugOps hotplug_ops = {
    .check = check_plug,
    .plugged = plugged,
    .unplug_request = unplug_request,
};

/* Life
 * -------------------------------------------------------------------------------------
 */

void shpc_reset(Shpc *s)
{
    memset(s->regs, 0, sizeof(s->regs));
    s->regs[NUM_33MHZ] = SHPC_SLOTS;
    s->regs[SLOT_CONFIG] = SHPC_SLOTS;
    s->regs[SLOT_CONFIG + 1] = FIRST_SLOT;
    pci_set_word(s->regs + SLOT_CONFIG + 2, 1 | SLOT_FLAGS);
    s->regs[PROG_INTERFACE] = 1;
    s->regs[SERR_INT] = 0x0f;
    for (unsigned slot = FIRST_SLOT; slot < FIRST_SLOT + SHPC_SLOTS; slot++) {
        uint32_t reg = STATE_DISABLED | POWER_LED_OFF | MRL_OPEN | PRESENT;

        if (slot_occupied(s, slot)) {
            reg = STATE_ENABLED | POWER_LED_ON;
        }
        slot_set(s, slot, UINT32_MAX, reg | ALL_MASKS);
    }
    update_interrupt(s);
}

Shpc *shpc_new(PciBridge *br, MemRegion *bar, uint32_t offset, Error **errp)
{
    PciDevice *d = &br->pci;
    uint8_t at = pci_cap_add_checked(d, PCI_CAP_ID_SHPC, 0, CAP_SIZE, errp);
    Shpc *s;

    if (!at) {
        return NULL;
    }
    d->wmask[at + CAP_SELECT] = 0xff;
    pci_set_long(d->wmask + at + CAP_DATA, 0xffffffff);
    memset(d->cmask + at + CAP_SELECT, 0, CAP_SIZE - CAP_SELECT);
    s = g_new0(Shpc, 1);
    s->br = br;
    s->cap = at;
    mem_region_init_io(&s->io, &d->dev.obj, &io_ops, s, "shpc-mmio", SHPC_SIZE);
    mem_region_add(bar, offset, &s->io);
    br->bus->devfn_min = PCI_DEVFN_MAKE(FIRST_SLOT, 0);
    br->bus->hotplug = &hotplug_ops;
    br->bus->hotplug_opaque = s;
    br->bus->hotplug_enabled = true;
    shpc_reset(s);
    return s;
}

void shpc_free(Shpc *s)
{
    pci_irq_deassert(&s->br->pci);
    s->br->bus->hotplug = NULL;
    mem_region_cleanup(&s->io);
    g_free(s);
}

void shpc_loaded(Shpc *s)
{
    s->signalled = pci_get_long(s->regs + INT_LOCATOR) != 0;
    update_interrupt(s);
}

static void save_shpc(VmWriter *w, const void *elem, const VmField *f)
{
    vm_put_bytes(w, ((const Shpc *)elem)->regs, SHPC_SIZE);
}

static bool load_shpc(VmReader *r, void *elem, const VmField *f, Error **errp)
{
    return vm_get_bytes(r, ((Shpc *)elem)->regs, SHPC_SIZE, errp);
}

const VmFieldKind vmk_shpc = { "shpc", 0, save_shpc, load_shpc };
