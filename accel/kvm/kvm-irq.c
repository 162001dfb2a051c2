/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Interrupt lines, messages, and the routing table. The table is sent to the
 * kernel only when something in it changed; an MSI route whose message stays
 * the same costs nothing.
 */
#include "util/osdep.h"

#include <sys/ioctl.h>

#include "accel/kvm/kvm-internal.h"
#include "util/error.h"
#include "util/trace.h"

TRACE_POINT(kvm_irqchip_add_msi_route);
TRACE_POINT(kvm_irqchip_commit_routes);
TRACE_POINT(kvm_irqfd_assign);
TRACE_POINT(kvm_irqfd_deassign);

bool kvm_irq_init(KvmAccel *s, Error **errp)
{
    KvmRoutes *r = &s->routes;

    r->max = kvm_vm_check_extension(&s->parent, KVM_CAP_IRQ_ROUTING);
    if (r->max <= kvm_arch_ops.gsi_count) {
        return error_set(errp, "the host's KVM does not support "
                         "KVM_CAP_IRQ_ROUTING");
    }
    mutex_init(&r->lock);
    r->used = g_new0(uint64_t, DIV_ROUND_UP(r->max, 64));
    for (unsigned gsi = 0; gsi < kvm_arch_ops.gsi_count; gsi++) {
        r->used[gsi / 64] |= BIT(gsi % 64);
    }
    r->cap = 64;
    r->table = g_malloc0(sizeof(*r->table) +
                         r->cap * sizeof(r->table->entries[0]));
    return true;
}

void kvm_irq_cleanup(KvmAccel *s)
{
    if (s->routes.table) {
        g_clear_pointer(&s->routes.table, g_free);
        g_clear_pointer(&s->routes.used, g_free);
        mutex_destroy(&s->routes.lock);
    }
}

void kvm_set_gsi(Accel *accel, int gsi, int level)
{
    struct kvm_irq_level l = { .irq = gsi, .level = !!level };

    kvm_vm_ioctl(accel, KVM_IRQ_LINE, &l);
}

int kvm_send_msi(Accel *accel, const MsiMessage *msg)
{
    struct kvm_msi m = {
        .address_lo = msg->addr,
        .address_hi = msg->addr >> 32,
        .data = msg->data,
    };

    return kvm_vm_ioctl(accel, KVM_SIGNAL_MSI, &m);
}

/* Table ----------------------------------------------------------------------------- */

static struct kvm_irq_routing_entry *find_entry(KvmRoutes *r, unsigned gsi,
                                                unsigned from)
{
    for (unsigned i = from; i < r->table->nr; i++) {
        if (r->table->entries[i].gsi == gsi) {
            return &r->table->entries[i];
        }
    }
    return NULL;
}

static void remove_gsi(KvmRoutes *r, unsigned gsi)
{
    struct kvm_irq_routing_entry *e;

    while ((e = find_entry(r, gsi, 0))) {
        *e = r->table->entries[--r->table->nr];
        r->stale = true;
    }
}

static void append(KvmRoutes *r, const struct kvm_irq_routing_entry *e)
{
    if (r->table->nr == r->cap) {
        r->cap *= 2;
        r->table = g_realloc(r->table,
                             sizeof(*r->table) +
                                 r->cap * sizeof(r->table->entries[0]));
    }
    r->table->entries[r->table->nr++] = *e;
    r->stale = true;
}

static struct kvm_irq_routing_entry msi_entry(unsigned gsi,
                                              const MsiMessage *msg)
{
    return (struct kvm_irq_routing_entry){
        .gsi = gsi,
        .type = KVM_IRQ_ROUTING_MSI,
        .u.msi.address_lo = msg->addr,
        .u.msi.address_hi = msg->addr >> 32,
        .u.msi.data = msg->data,
    };
}

/* Make @new the only entry of its GSI. */
static void replace(KvmRoutes *r, const struct kvm_irq_routing_entry *new)
{
    struct kvm_irq_routing_entry *e = find_entry(r, new->gsi, 0);

    if (!e) {
        append(r, new);
    } else if (memcmp(e, new, sizeof(*e))) {
        *e = *new;
        r->stale = true;
    }
}

int kvm_route_add_msi(Accel *accel, const MsiMessage *msg)
{
    KvmRoutes *r = &kvm_accel(accel)->routes;
    unsigned gsi = kvm_arch_ops.gsi_count;
    struct kvm_irq_routing_entry e;

    mutex_lock(&r->lock);
    while (gsi < r->max && (r->used[gsi / 64] & BIT(gsi % 64))) {
        gsi++;
    }
    if (gsi == r->max) {
        mutex_unlock(&r->lock);
        return -ENOSPC;
    }
    r->used[gsi / 64] |= BIT(gsi % 64);
    e = msi_entry(gsi, msg);
    append(r, &e);
    mutex_unlock(&r->lock);
    trace(kvm_irqchip_add_msi_route, "virq %u addr 0x%" PRIx64 " data 0x%x",
          gsi, msg->addr, msg->data);
    return gsi;
}

void kvm_route_update_msi(Accel *accel, int virq, const MsiMessage *msg)
{
    KvmRoutes *r = &kvm_accel(accel)->routes;
    struct kvm_irq_routing_entry e = msi_entry(virq, msg);

    mutex_lock(&r->lock);
    replace(r, &e);
    mutex_unlock(&r->lock);
}

void kvm_route_del(Accel *accel, int virq)
{
    KvmRoutes *r = &kvm_accel(accel)->routes;

    mutex_lock(&r->lock);
    remove_gsi(r, virq);
    r->used[virq / 64] &= ~BIT(virq % 64);
    mutex_unlock(&r->lock);
}

void kvm_route_commit(Accel *accel)
{
    KvmRoutes *r = &kvm_accel(accel)->routes;
    int ret = 0;

    mutex_lock(&r->lock);
    if (r->stale && !r->held) {
        r->stale = false;
        trace(kvm_irqchip_commit_routes, "entries %u", r->table->nr);
        ret = kvm_vm_ioctl(accel, KVM_SET_GSI_ROUTING, r->table);
    }
    mutex_unlock(&r->lock);
    if (ret < 0) {
        warn_report_ratelimited("KVM refuses the interrupt routes: %s",
                                strerror(-ret));
    }
}

void kvm_route_hold(Accel *accel, int change)
{
    KvmRoutes *r = &kvm_accel(accel)->routes;

    mutex_lock(&r->lock);
    r->held += change;
    assert(r->held >= 0);
    mutex_unlock(&r->lock);
    kvm_route_commit(accel);
}

/* Lines ------------------------------------------------------------------------------- */

static struct kvm_irq_routing_entry chip_entry(unsigned gsi, unsigned chip,
                                               unsigned pin)
{
    return (struct kvm_irq_routing_entry){
        .gsi = gsi,
        .type = KVM_IRQ_ROUTING_IRQCHIP,
        .u.irqchip.irqchip = chip,
        .u.irqchip.pin = pin,
    };
}

void kvm_route_set_gsi(Accel *accel, int gsi, unsigned chip, unsigned pin)
{
    KvmRoutes *r = &kvm_accel(accel)->routes;
    struct kvm_irq_routing_entry e = chip_entry(gsi, chip, pin);

    mutex_lock(&r->lock);
    append(r, &e); /* a line may go to several chips */
    mutex_unlock(&r->lock);
}

void kvm_route_gsi_msi(Accel *accel, int gsi, const MsiMessage *msg)
{
    KvmRoutes *r = &kvm_accel(accel)->routes;

    if (msg) {
        kvm_route_update_msi(accel, gsi, msg);
        return;
    }
    mutex_lock(&r->lock);
    remove_gsi(r, gsi);
    mutex_unlock(&r->lock);
}

/* irqfd ------------------------------------------------------------------------------- */

int kvm_irqfd_add(Accel *accel, int fd, int resample_fd, int virq)
{
    struct kvm_irqfd irqfd = {
        .fd = fd,
        .gsi = virq,
        .flags = resample_fd >= 0 ? KVM_IRQFD_FLAG_RESAMPLE : 0,
        .resamplefd = resample_fd >= 0 ? resample_fd : 0,
    };

    trace(kvm_irqfd_assign, "fd %d virq %d", fd, virq);
    return kvm_vm_ioctl(accel, KVM_IRQFD, &irqfd);
}

int kvm_irqfd_del(Accel *accel, int fd, int virq)
{
    struct kvm_irqfd irqfd = {
        .fd = fd,
        .gsi = virq,
        .flags = KVM_IRQFD_FLAG_DEASSIGN,
    };

    trace(kvm_irqfd_deassign, "fd %d virq %d", fd, virq);
    return kvm_vm_ioctl(accel, KVM_IRQFD, &irqfd);
}
