/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Virtio over PCI: the function, its interrupts and notifications. Virtio 1.2,
 * 4.1 "Virtio Over PCI Bus"; ids, BARs and capabilities sit where QEMU 7.2 puts
 * them.
 */
#include "util/osdep.h"

#include "hw/pci/pcie.h"
#include "qapi/qapi-types-common.h"
#include "util/error.h"
#include "virtio-internal.h"
#include "virtio-pci-parts.h"

static Vm *pci_vm(const VirtioPci *s)
{
    return s->pci.dev.vm;
}

/* Interrupts ------------------------------------------------------------- */

static void raise_isr(VirtioPci *s, int bits)
{
    __atomic_fetch_or(&s->vdev->isr, bits, __ATOMIC_RELAXED);
    pci_set_irq(&s->pci, 1);
}

static void pci_notify(void *opaque, VirtQueue *vq)
{
    VirtioPci *s = opaque;

    if (msix_enabled(&s->pci)) {
        __atomic_fetch_or(&s->vdev->isr, 1, __ATOMIC_RELAXED);
        if (vq->vector != VIRTIO_NO_VECTOR) {
            msix_notify(&s->pci, vq->vector);
        }
    } else {
        raise_isr(s, 1);
    }
}

static void pci_notify_config(void *opaque)
{
    VirtioPci *s = opaque;

    if (msix_enabled(&s->pci)) {
        __atomic_fetch_or(&s->vdev->isr, 3, __ATOMIC_RELAXED);
        if (s->vdev->config_vector != VIRTIO_NO_VECTOR) {
            msix_notify(&s->pci, s->vdev->config_vector);
        }
    } else {
        raise_isr(s, 3);
    }
}

uint8_t virtio_pci_read_isr(VirtioPci *s)
{
    uint8_t isr = __atomic_exchange_n(&s->vdev->isr, 0, __ATOMIC_RELAXED);

    pci_set_irq(&s->pci, 0);
    return isr;
}

/* Bind the queue's eventfd to the route of its vector. Where that fails, its
 * interrupts go by the main loop as before. */
static void irqfd_bind(VirtioPci *s, VirtQueue *vq, const MsiMessage *msg)
{
    VirtioPciVector *v = &s->vectors[vq->vector];

    if (v->virq < 0) {
        v->virq = irq_route_add_msi(pci_vm(s), msg);
    } else {
        irq_route_update_msi(pci_vm(s), v->virq, msg);
    }
    if (v->virq < 0) {
        return;
    }
    irq_routes_commit(pci_vm(s));
    if (!irqfd_add(pci_vm(s), &vq->guest_notifier, NULL, v->virq)) {
        __atomic_store_n(&vq->irqfd_on, 1, __ATOMIC_RELEASE);
    }
}

static void irqfd_unbind(VirtioPci *s, VirtQueue *vq)
{
    bool pending;

    if (!vq->irqfd_on) {
        return;
    }
    pending = virtio_irqfd_off(vq);
    irqfd_del(pci_vm(s), &vq->guest_notifier, s->vectors[vq->vector].virq);
    /* Once more: it may have come before KVM let go. */
    if (event_notifier_test_and_clear(&vq->guest_notifier) || pending) {
        msix_notify(&s->pci, vq->vector);
    }
}

static bool vector_unmasked(PciDevice *d, unsigned vector,
                            const MsiMessage *msg)
{
    VirtioPci *s = container_of(d, VirtioPci, pci);
    VirtioDevice *vdev = s->vdev;

    for (unsigned i = 0; i < vdev->n_queues; i++) {
        VirtQueue *vq = vdev->queues[i];

        if (vq->wants_irqfd && vq->vector == vector) {
            irqfd_unbind(s, vq);
            irqfd_bind(s, vq, msg);
        }
    }
    return true;
}

static void vector_masked(PciDevice *d, unsigned vector)
{
    VirtioPci *s = container_of(d, VirtioPci, pci);
    VirtioDevice *vdev = s->vdev;

    for (unsigned i = 0; i < vdev->n_queues; i++) {
        VirtQueue *vq = vdev->queues[i];

        if (vq->wants_irqfd && vq->vector == vector) {
            irqfd_unbind(s, vq);
        }
    }
}

static const MsixNotifiers irqfd_notifiers = {
    .use = vector_unmasked,
    .release = vector_masked,
};

static void vectors_drop_routes(VirtioPci *s)
{
    bool any = false;

    for (unsigned i = 0; i < msix_vectors(&s->pci); i++) {
        if (s->vectors[i].virq >= 0) {
            irq_route_del(pci_vm(s), s->vectors[i].virq);
            s->vectors[i].virq = -1;
            any = true;
        }
    }
    if (any) {
        irq_routes_commit(pci_vm(s));
    }
}

static void pci_irqfd(void *opaque, VirtQueue *vq, bool on)
{
    VirtioPci *s = opaque;

    if (on == vq->wants_irqfd ||
        (on && (!msix_enabled(&s->pci) || !accel_has_irqfd(pci_vm(s)) ||
                vq->vector >= msix_vectors(&s->pci)))) {
        return;
    }
    vq->wants_irqfd = on;
    if (on && s->n_irqfds++ == 0) {
        msix_set_notifiers(&s->pci, &irqfd_notifiers); /* binds */
    } else if (on && !msix_is_masked(&s->pci, vq->vector)) {
        MsiMessage msg = msix_message(&s->pci, vq->vector);

        irqfd_bind(s, vq, &msg);
    } else if (!on) {
        irqfd_unbind(s, vq);
        if (--s->n_irqfds == 0) {
            msix_set_notifiers(&s->pci, NULL);
            vectors_drop_routes(s);
        }
    }
}

uint16_t virtio_pci_set_vector(VirtioPci *s, VirtQueue *vq, uint16_t vector)
{
    uint16_t *slot = vq ? &vq->vector : &s->vdev->config_vector;
    bool rebind = vq && vq->wants_irqfd;

    if (*slot == vector) {
        return vector;
    }
    if (rebind) {
        pci_irqfd(s, vq, false);
    }
    if (*slot != VIRTIO_NO_VECTOR) {
        msix_vector_unuse(&s->pci, *slot);
    }
    if (vector != VIRTIO_NO_VECTOR && !msix_vector_use(&s->pci, vector)) {
        vector = VIRTIO_NO_VECTOR;
    }
    *slot = vector;
    if (rebind) {
        pci_irqfd(s, vq, true);
    }
    return vector;
}

/* Notifications ---------------------------------------------------------- */

static void pci_ioeventfd(void *opaque, VirtQueue *vq, bool on)
{
    VirtioPci *s = opaque;
    hwaddr at = (hwaddr)s->notify_mult * vq->index;
    void (*fn)(MemRegion * mr, hwaddr addr, unsigned size, bool match,
               uint64_t value, EventNotifier *e) =
        on ? mem_region_add_ioeventfd : mem_region_del_ioeventfd;

    if (!s->ioeventfd || on == vq->ioeventfd_on) {
        return;
    }
    vq->ioeventfd_on = on;
    if (s->modern) {
        fn(&s->notify, at, 0, false, 0, &vq->host_notifier);
        if (s->modern_pio_notify) {
            fn(&s->notify_pio, 0, 2, true, vq->index, &vq->host_notifier);
        }
    }
    if (s->legacy) {
        fn(&s->legacy_bar, 16 /* VIRTIO_PCI_QUEUE_NOTIFY */, 2, true, vq->index,
           &vq->host_notifier);
    }
}

static void pci_transport_reset(void *opaque)
{
    VirtioPci *s = opaque;
    VirtioDevice *vdev = s->vdev;

    for (unsigned i = 0; i < vdev->n_queues; i++) {
        virtio_pci_set_vector(s, vdev->queues[i], VIRTIO_NO_VECTOR);
    }
    virtio_pci_set_vector(s, NULL, VIRTIO_NO_VECTOR);
    s->dfselect = s->gfselect = s->queue_sel = 0;
    memset(s->guest_features, 0, sizeof(s->guest_features));
    pci_set_irq(&s->pci, 0);
}

static const VirtioTransport virtio_pci_transport = {
    .notify = pci_notify,
    .notify_config = pci_notify_config,
    .ioeventfd = pci_ioeventfd,
    .irqfd = pci_irqfd,
    .reset = pci_transport_reset,
    .save = virtio_pci_save,
    .load = virtio_pci_load,
    .save_queue = virtio_pci_save_queue,
    .load_queue = virtio_pci_load_queue,
    .queue_sel = virtio_pci_queue_sel,
    .extra_state = &virtio_pci_vmstate,
};

VirtQueue *virtio_pci_queue(VirtioPci *s)
{
    return s->queue_sel < s->vdev->n_queues ? s->vdev->queues[s->queue_sel]
                                            : NULL;
}

void virtio_pci_write_status(VirtioPci *s, uint8_t status)
{
    /* Rings are in memory that the function may reach. */
    if (s->vdev->host_features & BIT(VIRTIO_F_IOMMU_PLATFORM) &&
        !s->vdev->started) {
        s->vdev->mem = pci_dma_as(&s->pci);
    }
    virtio_set_status(s->vdev, status);
}

/* Configuration space ---------------------------------------------------- */

uint32_t virtio_pci_config_read(PciDevice *d, uint32_t addr, unsigned len)
{
    VirtioPci *s = container_of(d, VirtioPci, pci);

    if (s->cfg_cap) {
        virtio_pci_cfg_cap_read(s, addr, len);
    }
    return pci_config_read_default(d, addr, len);
}

void virtio_pci_config_write(PciDevice *d, uint32_t addr, uint32_t value,
                             unsigned len)
{
    VirtioPci *s = container_of(d, VirtioPci, pci);

    pci_config_write_default(d, addr, value, len);
    if (pci_touches(addr, len, PCI_COMMAND, 2) && !pci_is_bus_master(d) &&
        s->vdev->status & VIRTIO_STATUS_DRIVER_OK) {
        /* The guest takes our access to memory away: keep our hands off. */
        virtio_set_status(s->vdev, s->vdev->status & ~VIRTIO_STATUS_DRIVER_OK);
    }
    if (s->cfg_cap) {
        virtio_pci_cfg_cap_written(s, addr, len);
    }
}

/* The type --------------------------------------------------------------- */

/* On a PCI Express port: modern only unless told otherwise, as a root complex
 * has no I/O space to waste. */
static bool on_pcie_port(const PciDevice *d)
{
    const PciBus *bus = pci_get_bus(d);

    return bus->express && !bus->root;
}

static void pick_interfaces(VirtioPci *s)
{
    s->modern = !s->disable_modern;
    if (s->disable_legacy == ON_OFF_AUTO_AUTO) {
        s->legacy = !on_pcie_port(&s->pci);
    } else {
        s->legacy = s->disable_legacy == ON_OFF_AUTO_OFF;
    }
}

bool virtio_pci_is_express(PciDevice *d)
{
    VirtioPci *s = container_of(d, VirtioPci, pci);

    return on_pcie_port(d) && !s->disable_pcie && !s->disable_modern;
}

static bool refuse(Error **errp, const char *prop)
{
    return error_set(errp, "property '%s': only its default value is supported",
                     prop);
}

static bool check_props(VirtioPci *s, Error **errp)
{
    if (!s->lnkctl_init) {
        return refuse(errp, "x-pcie-lnkctl-init");
    }
    if (!s->migrate_extra) {
        return refuse(errp, "migrate-extra");
    }
    if (s->bus_master_bug) {
        return refuse(errp, "virtio-pci-bus-master-bug-migration");
    }
    if (s->ignore_backend_features) {
        return refuse(errp, "x-ignore-backend-features");
    }
    if (!s->legacy && !s->modern) {
        return error_set(errp, "device cannot work as neither modern nor "
                               "legacy mode is enabled");
    }
    if (s->legacy && s->vdev->host_features & BIT(VIRTIO_F_IOMMU_PLATFORM)) {
        return error_set(errp, "iommu_platform=on needs disable-legacy=on: "
                               "legacy drivers know nothing of it");
    }
    return true;
}

static void set_ids(VirtioPci *s)
{
    uint16_t id = virtio_class(s->vdev)->id;
    uint8_t *config = s->pci.config;

    if (s->legacy) {
        pci_set_word(config + PCI_SUBSYSTEM_VENDOR_ID,
                     PCI_VENDOR_ID_REDHAT_QUMRANET);
        pci_set_word(config + PCI_SUBSYSTEM_ID, id);
    } else {
        pci_set_word(config + PCI_DEVICE_ID, 0x1040 + id);
        config[PCI_REVISION_ID] = 1;
    }
    if (s->class_code) {
        pci_set_word(config + PCI_CLASS_DEVICE, s->class_code);
    }
    config[PCI_INTERRUPT_PIN] = 1;
}

static void express_init(VirtioPci *s)
{
    PciDevice *d = &s->pci;
    uint16_t last = PCI_CONFIG_SPACE_SIZE;

    pcie_endpoint_cap_init(d, 0);
    pci_pm_init(d, 0);
    if (!s->pm_init) {
        pci_set_word(d->wmask + d->pm_cap + PCI_PM_CTRL, 0);
    }
    if (s->aer) {
        pcie_aer_init(d, PCIE_AER_VERSION, last, PCI_ERR_ROOT_COMMAND);
        last += PCI_ERR_ROOT_COMMAND;
    }
    if (s->deverr_init) {
        pcie_deverr_init(d);
    }
    if (s->ats) {
        pcie_ats_init(d, last, s->ats_aligned);
    }
    if (s->flr_init) {
        pcie_flr_init(d);
    }
}

static bool interrupts_init(VirtioPci *s, Error **errp)
{
    uint32_t n = s->n_vectors;

    if (n == (uint32_t)VIRTIO_PCI_VECTORS_AUTO) {
        n = MIN(s->vdev->n_queues + 1, MSIX_MAX_VECTORS);
    }
    if (n > MSIX_MAX_VECTORS) {
        return error_set(errp, "property 'vectors': at most %d",
                         MSIX_MAX_VECTORS);
    }
    s->n_vectors = n;
    if (n == 0) {
        return true;
    }
    s->vectors = g_new(VirtioPciVector, n);
    for (uint32_t i = 0; i < n; i++) {
        s->vectors[i].virq = -1;
    }
    return msix_init_exclusive_bar(&s->pci, n, VIRTIO_PCI_BAR_MSIX, errp);
}

static void virtio_pci_teardown(VirtioPci *s)
{
    virtio_unplug(s->vdev);
    msix_uninit(&s->pci);
    if (s->modern) {
        virtio_pci_modern_cleanup(s);
    }
    if (s->legacy) {
        virtio_pci_legacy_cleanup(s);
    }
    g_clear_pointer(&s->vectors, g_free);
}

static bool backend_realize(VirtioPci *s, Error **errp)
{
    s->vdev->parent.hotplugged = s->pci.dev.hotplugged;
    return device_realize(&s->vdev->parent, s->bus, errp);
}

static bool virtio_pci_realize(Device *dev, Error **errp)
{
    VirtioPci *s = virtio_pci(dev);
    bool iommu = s->vdev->host_features & BIT(VIRTIO_F_IOMMU_PLATFORM);

    pick_interfaces(s);
    if (!check_props(s, errp)) {
        return false;
    }
    s->bus = bus_new(&virtio_pci_bus_type, dev->vm, dev, "virtio-bus");
    s->notify_mult = s->page_per_vq ? 4096 : 4;
    if (!backend_realize(s, errp)) {
        bus_unparent(s->bus);
        return false;
    }
    set_ids(s);
    if (s->pci.express) {
        express_init(s);
    }
    if (s->modern) {
        virtio_pci_modern_init(s);
    }
    if (s->legacy) {
        virtio_pci_legacy_init(s);
    }
    if (!interrupts_init(s, errp) ||
        !virtio_plug(s->vdev, &virtio_pci_transport, s,
                     iommu ? pci_dma_as(&s->pci) : dev->vm->memory,
                     s->modern ? BIT(VIRTIO_F_VERSION_1) : 0, errp)) {
        virtio_pci_teardown(s);
        device_unrealize(&s->vdev->parent);
        bus_unparent(s->bus);
        return false;
    }
    return true;
}

static void virtio_pci_unrealize(Device *dev)
{
    VirtioPci *s = virtio_pci(dev);

    virtio_pci_teardown(s); /* the core took the bus and the backend away */
    s->bus = NULL;
}

static void virtio_pci_reset(Device *dev)
{
    VirtioPci *s = virtio_pci(dev);

    virtio_reset(s->vdev);
}

static const ObjectType *forward_type(const ObjectType *t)
{
    while (t && !t->forward) {
        t = t->parent;
    }
    return t ? t->forward : NULL;
}

static void virtio_pci_init(Object *obj)
{
    VirtioPci *s = (VirtioPci *)obj;
    const ObjectType *type = forward_type(obj->type);

    if (type) {
        s->vdev = (VirtioDevice *)object_new(type);
        object_add_child(obj, "virtio-backend", s->vdev, error_abort);
    }
}

static void virtio_pci_finalize(Object *obj)
{
    object_unref(((VirtioPci *)obj)->vdev);
}

void virtio_pci_init_transitional(Object *obj)
{
    ((VirtioPci *)obj)->disable_legacy = ON_OFF_AUTO_OFF;
}

void virtio_pci_init_non_transitional(Object *obj)
{
    ((VirtioPci *)obj)->disable_legacy = ON_OFF_AUTO_ON;
}

const Prop virtio_pci_generic_props[] = {
    PROP_ON_OFF_AUTO(VirtioPci, disable_legacy, "disable-legacy",
                     ON_OFF_AUTO_AUTO),
    PROP(VirtioPci, disable_modern, "disable-modern", false),
    {},
};

static const Prop virtio_pci_props[] = {
    PROP(VirtioPci, ioeventfd, "ioeventfd", true, .help = "on/off"),
    PROP(VirtioPci, n_vectors, "vectors", UINT32_MAX),
    PROP(VirtioPci, bus_master_bug, "virtio-pci-bus-master-bug-migration",
         false, .help = "on/off"),
    PROP(VirtioPci, migrate_extra, "migrate-extra", true, .help = "on/off"),
    PROP(VirtioPci, modern_pio_notify, "modern-pio-notify", false,
         .help = "on/off"),
    PROP(VirtioPci, disable_pcie, "x-disable-pcie", false, .help = "on/off"),
    PROP(VirtioPci, page_per_vq, "page-per-vq", false, .help = "on/off"),
    PROP(VirtioPci, ignore_backend_features, "x-ignore-backend-features",
         false),
    PROP(VirtioPci, ats, "ats", false, .help = "on/off"),
    PROP(VirtioPci, ats_aligned, "x-ats-page-aligned", true, .help = "on/off"),
    PROP(VirtioPci, deverr_init, "x-pcie-deverr-init", true, .help = "on/off"),
    PROP(VirtioPci, lnkctl_init, "x-pcie-lnkctl-init", true, .help = "on/off"),
    PROP(VirtioPci, pm_init, "x-pcie-pm-init", true, .help = "on/off"),
    PROP(VirtioPci, flr_init, "x-pcie-flr-init", true, .help = "on/off"),
    PROP(VirtioPci, aer, "aer", false, .help = "on/off"),
    {},
};

static const VirtioPciClass virtio_pci_class = {
    VIRTIO_PCI_CLASS(0, PCI_CLASS_OTHERS, MISC, .props = virtio_pci_props,
                     .realize = virtio_pci_realize,
                     .unrealize = virtio_pci_unrealize,
                     .reset = virtio_pci_reset),
};
QOM_DEFINE(VirtioPci, virtio_pci, .name = "virtio-pci",
           .parent = &pci_device_type, .class = &virtio_pci_class,
           .init = virtio_pci_init,
           .finalize = virtio_pci_finalize, .abstract = true);

static char *virtio_pci_bus_path(Device *dev)
{
    return device_path(dev->bus->parent);
}

static const BusClass virtio_pci_bus_class = {
    .device_path = virtio_pci_bus_path,
    .hotplug = true,
};
QOM_DEFINE(Bus, virtio_pci_bus, .name = "virtio-pci-bus",
           .parent = &virtio_bus_type, .class = &virtio_pci_bus_class);
