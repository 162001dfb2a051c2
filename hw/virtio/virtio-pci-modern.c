/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory mapped registers of modern devices and the capabilities that tell
 * where they are: virtio 1.2, 4.1.4 "Virtio Structure PCI Capabilities".
 */
#include "util/osdep.h"

#include <linux/virtio_pci.h>

#include "util/error.h"
#include "util/trace.h"
#include "virtio-pci-parts.h"

/* Newer than the kernel header. */
#define COMMON_Q_NDATA 56
#define COMMON_Q_RESET 58

enum {
    COMMON_OFF = 0x0000,
    ISR_OFF = 0x1000,
    DEVICE_OFF = 0x2000,
    NOTIFY_OFF = 0x3000,
    PART_SIZE = 0x1000,
};

/* Common configuration --------------------------------------------------- */

static uint32_t read_features(VirtioPci *s)
{
    return s->dfselect > 1
               ? 0
               : virtio_offered(s->vdev, false) >> (32 * s->dfselect);
}

static uint32_t read_queue(VirtQueue *vq, hwaddr addr)
{
    switch (addr) {
    case VIRTIO_PCI_COMMON_Q_SIZE:
        return vq->num;
    case VIRTIO_PCI_COMMON_Q_MSIX:
        return vq->vector;
    case VIRTIO_PCI_COMMON_Q_ENABLE:
        return vq->enabled;
    case VIRTIO_PCI_COMMON_Q_NOFF:
    case COMMON_Q_NDATA:
        return vq->index;
    case VIRTIO_PCI_COMMON_Q_DESCLO:
        return vq->desc;
    case VIRTIO_PCI_COMMON_Q_DESCHI:
        return vq->desc >> 32;
    case VIRTIO_PCI_COMMON_Q_AVAILLO:
        return vq->avail;
    case VIRTIO_PCI_COMMON_Q_AVAILHI:
        return vq->avail >> 32;
    case VIRTIO_PCI_COMMON_Q_USEDLO:
        return vq->used;
    case VIRTIO_PCI_COMMON_Q_USEDHI:
        return vq->used >> 32;
    default:
        return 0; /* also queue_reset: resets are immediate */
    }
}

static uint64_t common_read(void *opaque, hwaddr addr, unsigned size)
{
    VirtioPci *s = opaque;
    VirtioDevice *vdev = s->vdev;
    VirtQueue *vq;

    switch (addr) {
    case VIRTIO_PCI_COMMON_DFSELECT:
        return s->dfselect;
    case VIRTIO_PCI_COMMON_DF:
        return read_features(s);
    case VIRTIO_PCI_COMMON_GFSELECT:
        return s->gfselect;
    case VIRTIO_PCI_COMMON_GF:
        return s->gfselect > 1 ? 0 : s->guest_features[s->gfselect];
    case VIRTIO_PCI_COMMON_MSIX:
        return vdev->config_vector;
    case VIRTIO_PCI_COMMON_NUMQ:
        return vdev->n_queues;
    case VIRTIO_PCI_COMMON_STATUS:
        return vdev->status;
    case VIRTIO_PCI_COMMON_CFGGENERATION:
        return vdev->generation;
    case VIRTIO_PCI_COMMON_Q_SELECT:
        return s->queue_sel;
    default:
        vq = virtio_pci_queue(s);
        return vq ? read_queue(vq, addr) : 0;
    }
}

static void write_features(VirtioPci *s, uint32_t value)
{
    if (s->gfselect > 1 || s->vdev->status & VIRTIO_STATUS_FEATURES_OK) {
        return;
    }
    s->guest_features[s->gfselect] = value;
    virtio_set_features(s->vdev, (uint64_t)s->guest_features[1] << 32 |
                                     s->guest_features[0]);
}

static void set_low(hwaddr *addr, uint32_t value)
{
    *addr = (*addr & ~(hwaddr)UINT32_MAX) | value;
}

static void set_high(hwaddr *addr, uint32_t value)
{
    *addr = (*addr & UINT32_MAX) | (hwaddr)value << 32;
}

static void write_queue_size(VirtQueue *vq, uint16_t size)
{
    bool packed = virtio_has(vq->vdev, VIRTIO_F_RING_PACKED);

    if (size && size <= vq->num_max && (packed || is_power_of_2(size))) {
        vq->num = size;
    }
}

static void write_queue_setup(VirtQueue *vq, hwaddr addr, uint32_t value)
{
    switch (addr) {
    case VIRTIO_PCI_COMMON_Q_SIZE:
        write_queue_size(vq, value);
        break;
    case VIRTIO_PCI_COMMON_Q_ENABLE:
        if (value == 1) {
            virtio_queue_enable(vq);
        }
        break;
    case VIRTIO_PCI_COMMON_Q_DESCLO:
        set_low(&vq->desc, value);
        break;
    case VIRTIO_PCI_COMMON_Q_DESCHI:
        set_high(&vq->desc, value);
        break;
    case VIRTIO_PCI_COMMON_Q_AVAILLO:
        set_low(&vq->avail, value);
        break;
    case VIRTIO_PCI_COMMON_Q_AVAILHI:
        set_high(&vq->avail, value);
        break;
    case VIRTIO_PCI_COMMON_Q_USEDLO:
        set_low(&vq->used, value);
        break;
    case VIRTIO_PCI_COMMON_Q_USEDHI:
        set_high(&vq->used, value);
        break;
    default:
        break;
    }
}

static void write_queue(VirtioPci *s, VirtQueue *vq, hwaddr addr,
                        uint32_t value)
{
    if (addr == VIRTIO_PCI_COMMON_Q_MSIX) {
        virtio_pci_set_vector(s, vq, value);
    } else if (addr == COMMON_Q_RESET) {
        if (value == 1 && virtio_has(s->vdev, VIRTIO_F_RING_RESET)) {
            virtio_queue_reset(vq);
        }
    } else if (!vq->enabled) { /* fixed once enabled (4.1.4.3.2) */
        write_queue_setup(vq, addr, value);
    }
}

static void common_write(void *opaque, hwaddr addr, uint64_t value,
                         unsigned size)
{
    VirtioPci *s = opaque;
    VirtQueue *vq;

    switch (addr) {
    case VIRTIO_PCI_COMMON_DFSELECT:
        s->dfselect = value;
        break;
    case VIRTIO_PCI_COMMON_GFSELECT:
        s->gfselect = value;
        break;
    case VIRTIO_PCI_COMMON_GF:
        write_features(s, value);
        break;
    case VIRTIO_PCI_COMMON_MSIX:
        virtio_pci_set_vector(s, NULL, value);
        break;
    case VIRTIO_PCI_COMMON_STATUS:
        virtio_pci_write_status(s, value);
        break;
    case VIRTIO_PCI_COMMON_Q_SELECT:
        s->queue_sel = value;
        break;
    default:
        vq = virtio_pci_queue(s);
        if (vq) {
            write_queue(s, vq, addr, value);
        }
        break;
    }
}

static const MemOps common_ops = {
    .read = common_read,
    .write = common_write,
    .impl = { .min = 1, .max = 4 },
};

/* Interrupt status, device configuration, notifications ------------------ */

static uint64_t isr_read(void *opaque, hwaddr addr, unsigned size)
{
    return addr ? 0 : virtio_pci_read_isr(opaque);
}

static void isr_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
}

static const MemOps isr_ops = {
    .read = isr_read,
    .write = isr_write,
    .impl = { .min = 1, .max = 4 },
};

static uint64_t device_read(void *opaque, hwaddr addr, unsigned size)
{
    VirtioPci *s = opaque;

    return virtio_config_read(s->vdev, addr, size);
}

static void device_write(void *opaque, hwaddr addr, uint64_t value,
                         unsigned size)
{
    VirtioPci *s = opaque;

    virtio_config_write(s->vdev, addr, value, size);
}

static const MemOps device_ops = {
    .read = device_read,
    .write = device_write,
    .impl = { .min = 1, .max = 4 },
};

static uint64_t notify_read(void *opaque, hwaddr addr, unsigned size)
{
    return 0;
}

static void notify_write(void *opaque, hwaddr addr, uint64_t value,
                         unsigned size)
{
    VirtioPci *s = opaque;

    virtio_driver_kick(s->vdev, addr / s->notify_mult);
}

static const MemOps notify_ops = {
    .read = notify_read,
    .write = notify_write,
    .impl = { .min = 1, .max = 4 },
};

static void notify_pio_write(void *opaque, hwaddr addr, uint64_t value,
                             unsigned size)
{
    VirtioPci *s = opaque;

    virtio_driver_kick(s->vdev, value);
}

static const MemOps notify_pio_ops = {
    .read = notify_read,
    .write = notify_pio_write,
    .impl = { .min = 1, .max = 4 },
};

/* Capabilities ----------------------------------------------------------- */

/* @size is the capability's, with its header. Returns where it is. */
static uint8_t add_cap(VirtioPci *s, uint8_t type, uint8_t bar, uint32_t off,
                       uint32_t length, uint8_t size)
{
    uint8_t at = pci_cap_add(&s->pci, PCI_CAP_ID_VNDR, 0, size);
    uint8_t *cap = s->pci.config + at;

    cap[VIRTIO_PCI_CAP_LEN] = size;
    cap[VIRTIO_PCI_CAP_CFG_TYPE] = type;
    cap[VIRTIO_PCI_CAP_BAR] = bar;
    pci_set_long(cap + VIRTIO_PCI_CAP_OFFSET, off);
    pci_set_long(cap + VIRTIO_PCI_CAP_LENGTH, length);
    return at;
}

static void add_notify_cap(VirtioPci *s, uint8_t bar, uint32_t off,
                           uint32_t length, uint32_t mult)
{
    uint8_t at = add_cap(s, VIRTIO_PCI_CAP_NOTIFY_CFG, bar, off, length,
                         sizeof(struct virtio_pci_notify_cap));

    pci_set_long(s->pci.config + at + VIRTIO_PCI_NOTIFY_CAP_MULT, mult);
}

/* The window to a BAR in configuration space (4.1.4.9): the driver writes
 * which BAR, where and how much, then reads or writes the data. */
static void add_cfg_cap(VirtioPci *s)
{
    uint8_t *wmask;

    s->cfg_cap = add_cap(s, VIRTIO_PCI_CAP_PCI_CFG, 0, 0, 0,
                         sizeof(struct virtio_pci_cfg_cap));
    wmask = s->pci.wmask + s->cfg_cap;
    wmask[VIRTIO_PCI_CAP_BAR] = 0xff;
    pci_set_long(wmask + VIRTIO_PCI_CAP_OFFSET, UINT32_MAX);
    pci_set_long(wmask + VIRTIO_PCI_CAP_LENGTH, UINT32_MAX);
    pci_set_long(wmask + sizeof(struct virtio_pci_cap), UINT32_MAX);
}

/* The address space of the BAR that the window shows; NULL: none. */
static AddressSpace *cfg_window(VirtioPci *s, hwaddr *off, unsigned *len)
{
    const uint8_t *cap = s->pci.config + s->cfg_cap;
    uint8_t bar = cap[VIRTIO_PCI_CAP_BAR];
    Vm *vm = s->pci.dev.vm;

    *off = pci_get_long(cap + VIRTIO_PCI_CAP_OFFSET);
    *len = pci_get_long(cap + VIRTIO_PCI_CAP_LENGTH);
    if ((*len != 1 && *len != 2 && *len != 4) || *off % *len) {
        return NULL;
    }
    if (bar == VIRTIO_PCI_BAR_MODERN) {
        if (!s->cfg_mem) {
            s->cfg_mem =
                address_space_new(vm, "virtio-pci-cfg-mem-as", &s->modern_bar);
        }
        return s->cfg_mem;
    }
    if (bar == VIRTIO_PCI_BAR_PIO && s->modern_pio_notify) {
        if (!s->cfg_io) {
            s->cfg_io =
                address_space_new(vm, "virtio-pci-cfg-io-as", &s->pio_bar);
        }
        return s->cfg_io;
    }
    return NULL;
}

static bool cfg_data_touched(VirtioPci *s, uint32_t addr, unsigned len)
{
    return pci_touches(addr, len, s->cfg_cap + sizeof(struct virtio_pci_cap),
                       4);
}

void virtio_pci_cfg_cap_read(VirtioPci *s, uint32_t addr, unsigned len)
{
    uint8_t *data = s->pci.config + s->cfg_cap + sizeof(struct virtio_pci_cap);
    AddressSpace *as;
    uint64_t value = 0;
    hwaddr off;
    unsigned size;

    if (!cfg_data_touched(s, addr, len)) {
        return;
    }
    as = cfg_window(s, &off, &size);
    if (as && as_load(as, off, &value, size, MEM_ATTRS_NONE) == MEM_OK) {
        pci_set_long(data, value);
    }
}

void virtio_pci_cfg_cap_written(VirtioPci *s, uint32_t addr, unsigned len)
{
    const uint8_t *data =
        s->pci.config + s->cfg_cap + sizeof(struct virtio_pci_cap);
    AddressSpace *as;
    hwaddr off;
    unsigned size;

    if (!cfg_data_touched(s, addr, len)) {
        return;
    }
    as = cfg_window(s, &off, &size);
    if (as) {
        as_store(as, off, pci_get_long(data) & (UINT32_MAX >> (32 - 8 * size)),
                 size, MEM_ATTRS_NONE);
    }
}

/* BARs ------------------------------------------------------------------- */

static void add_part(VirtioPci *s, MemRegion *mr, const MemOps *ops,
                     const char *what, MemRegion *bar, uint32_t off,
                     uint64_t size)
{
    g_autofree char *name =
        g_strdup_printf("virtio-pci-%s-%s", what, virtio_class(s->vdev)->name);

    mem_region_init_io(mr, &s->pci.dev.obj, ops, s, name, size);
    mem_region_add(bar, off, mr);
}

void virtio_pci_modern_init(VirtioPci *s)
{
    uint64_t notify_size = s->page_per_vq
                               ? (uint64_t)s->notify_mult * VIRTIO_QUEUE_MAX
                               : PART_SIZE;
    uint64_t size = UINT64_C(1)
                    << (64 - __builtin_clzll(NOTIFY_OFF + notify_size - 1));

    mem_region_init(&s->modern_bar, &s->pci.dev.obj, "virtio-pci", size);
    add_part(s, &s->common, &common_ops, "common", &s->modern_bar, COMMON_OFF,
             PART_SIZE);
    add_part(s, &s->isr, &isr_ops, "isr", &s->modern_bar, ISR_OFF, PART_SIZE);
    add_part(s, &s->device, &device_ops, "device", &s->modern_bar, DEVICE_OFF,
             PART_SIZE);
    add_part(s, &s->notify, &notify_ops, "notify", &s->modern_bar, NOTIFY_OFF,
             notify_size);
    add_cap(s, VIRTIO_PCI_CAP_COMMON_CFG, VIRTIO_PCI_BAR_MODERN, COMMON_OFF,
            PART_SIZE, sizeof(struct virtio_pci_cap));
    add_cap(s, VIRTIO_PCI_CAP_ISR_CFG, VIRTIO_PCI_BAR_MODERN, ISR_OFF,
            PART_SIZE, sizeof(struct virtio_pci_cap));
    add_cap(s, VIRTIO_PCI_CAP_DEVICE_CFG, VIRTIO_PCI_BAR_MODERN, DEVICE_OFF,
            PART_SIZE, sizeof(struct virtio_pci_cap));
    add_notify_cap(s, VIRTIO_PCI_BAR_MODERN, NOTIFY_OFF, notify_size,
                   s->notify_mult);
    if (s->modern_pio_notify) {
        mem_region_init(&s->pio_bar, &s->pci.dev.obj, "virtio-pci-io", 4);
        add_part(s, &s->notify_pio, &notify_pio_ops, "notify-pio", &s->pio_bar,
                 0, 4);
        pci_bar_add(&s->pci, VIRTIO_PCI_BAR_PIO, PCI_BASE_ADDRESS_SPACE_IO,
                    &s->pio_bar);
        add_notify_cap(s, VIRTIO_PCI_BAR_PIO, 0, 4, 0);
    }
    pci_bar_add(&s->pci, VIRTIO_PCI_BAR_MODERN,
                PCI_BASE_ADDRESS_SPACE_MEMORY | PCI_BASE_ADDRESS_MEM_PREFETCH |
                    PCI_BASE_ADDRESS_MEM_TYPE_64,
                &s->modern_bar);
    add_cfg_cap(s);
}

void virtio_pci_modern_cleanup(VirtioPci *s)
{
    g_clear_pointer(&s->cfg_mem, address_space_free);
    g_clear_pointer(&s->cfg_io, address_space_free);
    mem_region_del(&s->modern_bar, &s->common);
    mem_region_del(&s->modern_bar, &s->isr);
    mem_region_del(&s->modern_bar, &s->device);
    mem_region_del(&s->modern_bar, &s->notify);
    mem_region_cleanup(&s->common);
    mem_region_cleanup(&s->isr);
    mem_region_cleanup(&s->device);
    mem_region_cleanup(&s->notify);
    mem_region_cleanup(&s->modern_bar);
    if (s->modern_pio_notify) {
        mem_region_del(&s->pio_bar, &s->notify_pio);
        mem_region_cleanup(&s->notify_pio);
        mem_region_cleanup(&s->pio_bar);
    }
    s->cfg_cap = 0;
}
