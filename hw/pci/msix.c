/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Capability MSI-X. PCI Local Bus 3.0, 6.8.2. */
#include "util/osdep.h"

#include "hw/pci/msi.h"
#include "hw/pci/msix.h"
#include "hw/pci/pci-internal.h"
#include "util/error.h"

struct PciMsix {
    unsigned n;
    uint8_t *table; /* n entries, as the guest reads them */
    uint8_t *pending; /* bits, in 64-bit words */
    unsigned *used;   /* counts of msix_vector_use() */
    const MsixNotifiers *notifiers;
    MemRegion table_mr, pba_mr;
    MemRegion *table_bar, *pba_bar;
    bool has_own_bar;
    uint8_t own_bar_nr;
};

static const uint8_t *entry(const PciDevice *d, unsigned vector)
{
    return d->msix->table + vector * PCI_MSIX_ENTRY_SIZE;
}

static bool vector_masked(const PciDevice *d, unsigned vector, bool function)
{
    return function || (entry(d, vector)[PCI_MSIX_ENTRY_VECTOR_CTRL] &
                        PCI_MSIX_ENTRY_CTRL_MASKBIT);
}

static uint16_t control(const PciDevice *d)
{
    return pci_get_word(d->config + d->msix_cap + PCI_MSIX_FLAGS);
}

bool msix_present(const PciDevice *d)
{
    return d->msix != NULL;
}

unsigned msix_vectors(const PciDevice *d)
{
    return d->msix ? d->msix->n : 0;
}

bool msix_enabled(const PciDevice *d)
{
    return d->msix && (control(d) & PCI_MSIX_FLAGS_ENABLE);
}

bool msix_function_masked(const PciDevice *d)
{
    return !msix_enabled(d) || (control(d) & PCI_MSIX_FLAGS_MASKALL);
}

bool msix_is_masked(const PciDevice *d, unsigned vector)
{
    return vector_masked(d, vector, msix_function_masked(d));
}

bool msix_is_pending(const PciDevice *d, unsigned vector)
{
    return d->msix->pending[vector / 8] & BIT(vector % 8);
}

void msix_set_pending(PciDevice *d, unsigned vector, bool pending)
{
    uint8_t *byte = &d->msix->pending[vector / 8];

    *byte = pending ? *byte | BIT(vector % 8) : *byte & ~BIT(vector % 8);
}

MsiMessage msix_message(const PciDevice *d, unsigned vector)
{
    const uint8_t *e = entry(d, vector);

    return (MsiMessage){
        .addr = pci_get_long(e + PCI_MSIX_ENTRY_LOWER_ADDR) |
                (uint64_t)pci_get_long(e + PCI_MSIX_ENTRY_UPPER_ADDR) << 32,
        .data = pci_get_long(e + PCI_MSIX_ENTRY_DATA),
        .device_id = pci_requester_id(d),
    };
}

void msix_notify(PciDevice *d, unsigned vector)
{
    MsiMessage msg;

    if (!d->msix || vector >= d->msix->n || !d->msix->used[vector]) {
        return;
    }
    if (msix_is_masked(d, vector)) {
        msix_set_pending(d, vector, true);
        return;
    }
    msg = msix_message(d, vector);
    pci_send_msi(d, &msg);
}

/* Masks ---------------------------------------------------------------------------- */

static void vector_mask_changed(PciDevice *d, unsigned vector, bool was_masked)
{
    PciMsix *m = d->msix;
    bool masked = msix_is_masked(d, vector);
    MsiMessage msg;

    if (masked == was_masked) {
        return;
    }
    if (m->notifiers && masked) {
        m->notifiers->release(d, vector);
    } else if (m->notifiers) {
        msg = msix_message(d, vector);
        m->notifiers->use(d, vector, &msg);
    }
    if (!masked && msix_is_pending(d, vector)) {
        msix_set_pending(d, vector, false);
        msix_notify(d, vector);
    }
}

/* What eventfds hold of masked vectors becomes pending bits. */
static void poll_pending(PciDevice *d, unsigned first, unsigned end)
{
    const MsixNotifiers *n = d->msix->notifiers;

    if (n && n->poll) {
        n->poll(d, first, MIN(end, d->msix->n));
    }
}

void msix_config_written(PciDevice *d, uint32_t addr, unsigned len,
                         bool was_masked)
{
    PciMsix *m = d->msix;
    bool masked;

    if (!m || !pci_touches(addr, len, d->msix_cap + PCI_MSIX_FLAGS, 2)) {
        return;
    }
    if (msix_enabled(d)) {
        pci_irq_deassert(d);
    }
    masked = msix_function_masked(d);
    if (masked == was_masked) {
        return;
    }
    for (unsigned v = 0; v < m->n; v++) {
        vector_mask_changed(d, v, vector_masked(d, v, was_masked));
    }
}

static uint64_t table_read(void *opaque, hwaddr addr, unsigned size)
{
    PciDevice *d = opaque;

    return pci_get_long(d->msix->table + addr);
}

static void table_write(void *opaque, hwaddr addr, uint64_t value,
                        unsigned size)
{
    PciDevice *d = opaque;
    unsigned vector = addr / PCI_MSIX_ENTRY_SIZE;
    bool was_masked = msix_is_masked(d, vector);

    pci_set_long(d->msix->table + addr, value);
    vector_mask_changed(d, vector, was_masked);
}

static const MemOps table_ops = {
    .read = table_read,
    .write = table_write,
    .valid = { .min = 4, .max = 8 },
    .impl = { .min = 4, .max = 4 },
};

static uint64_t pba_read(void *opaque, hwaddr addr, unsigned size)
{
    PciDevice *d = opaque;

    poll_pending(d, addr * 8, (addr + 4) * 8);
    return pci_get_long(d->msix->pending + addr);
}

static void pba_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    /* Read-only for software; writes do nothing. */
}

static const MemOps pba_ops = {
    .read = pba_read,
    .write = pba_write,
    .valid = { .min = 4, .max = 8 },
    .impl = { .min = 4, .max = 4 },
};

/* Life ------------------------------------------------------------------------------- */

static size_t table_size(unsigned n)
{
    return n * PCI_MSIX_ENTRY_SIZE;
}

static size_t pba_size(unsigned n)
{
    return DIV_ROUND_UP(n, 64) * 8;
}

static void mask_all(PciMsix *m)
{
    for (unsigned v = 0; v < m->n; v++) {
        m->table[v * PCI_MSIX_ENTRY_SIZE + PCI_MSIX_ENTRY_VECTOR_CTRL] =
            PCI_MSIX_ENTRY_CTRL_MASKBIT;
    }
}

static bool check_layout(unsigned vectors, const MemRegion *table_bar,
                         uint32_t table_off, const MemRegion *pba_bar,
                         uint32_t pba_off, Error **errp)
{
    uint64_t table_end = (uint64_t)table_off + table_size(vectors);
    uint64_t pba_end = (uint64_t)pba_off + pba_size(vectors);

    if (!vectors || vectors > MSIX_MAX_VECTORS) {
        return error_set(errp, "MSI-X with %u vectors, 1 to %u are possible",
                         vectors, MSIX_MAX_VECTORS);
    }
    if ((table_off | pba_off) & 7) {
        return error_set(errp, "MSI-X table or pending bits misaligned");
    }
    if (table_end > mem_region_size(table_bar) ||
        pba_end > mem_region_size(pba_bar)) {
        return error_set(errp, "MSI-X table or pending bits beyond their BAR");
    }
    if (table_bar == pba_bar && table_off < pba_end && pba_off < table_end) {
        return error_set(errp, "MSI-X table and pending bits overlap");
    }
    return true;
}

bool msix_init(PciDevice *d, unsigned vectors, MemRegion *table_bar,
               uint8_t table_nr, uint32_t table_off, MemRegion *pba_bar,
               uint8_t pba_nr, uint32_t pba_off, uint8_t cap_off,
               Error **errp)
{
    PciMsix *m;
    uint8_t at;

    if (!check_layout(vectors, table_bar, table_off, pba_bar, pba_off, errp)) {
        return false;
    }
    at = pci_cap_add_checked(d, PCI_CAP_ID_MSIX, cap_off, PCI_CAP_MSIX_SIZEOF,
                             errp);
    if (!at) {
        return false;
    }
    pci_set_word(d->config + at + PCI_MSIX_FLAGS, vectors - 1);
    pci_set_long(d->config + at + PCI_MSIX_TABLE, table_off | table_nr);
    pci_set_long(d->config + at + PCI_MSIX_PBA, pba_off | pba_nr);
    pci_set_word(d->wmask + at + PCI_MSIX_FLAGS,
                 PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);

    m = g_new0(PciMsix, 1);
    m->n = vectors;
    m->table = g_malloc0(table_size(vectors));
    m->pending = g_malloc0(pba_size(vectors));
    m->used = g_new0(unsigned, vectors);
    m->table_bar = table_bar;
    m->pba_bar = pba_bar;
    mask_all(m);
    d->msix_cap = at;
    d->msix = m;
    mem_region_init_io(&m->table_mr, &d->dev.obj, &table_ops, d, "msix-table",
                       table_size(vectors));
    mem_region_add(table_bar, table_off, &m->table_mr);
    mem_region_init_io(&m->pba_mr, &d->dev.obj, &pba_ops, d, "msix-pba",
                       pba_size(vectors));
    mem_region_add(pba_bar, pba_off, &m->pba_mr);
    return true;
}

bool msix_init_exclusive_bar(PciDevice *d, unsigned vectors, uint8_t nr,
                             Error **errp)
{
    uint32_t pba_off = 0x800, size = 0x1000;
    g_autofree char *name = g_strdup_printf("%s-msix", d->name);
    MemRegion *bar = g_new0(MemRegion, 1);

    if (vectors * PCI_MSIX_ENTRY_SIZE > pba_off) {
        pba_off = vectors * PCI_MSIX_ENTRY_SIZE;
    }
    while (size < pba_off + pba_size(vectors)) {
        size *= 2;
    }
    mem_region_init(bar, &d->dev.obj, name, size);
    if (!msix_init(d, vectors, bar, nr, 0, bar, nr, pba_off, 0, errp)) {
        mem_region_cleanup(bar);
        g_free(bar);
        return false;
    }
    d->msix->has_own_bar = true;
    d->msix->own_bar_nr = nr;
    pci_bar_add(d, nr, PCI_BASE_ADDRESS_SPACE_MEMORY, bar);
    return true;
}

void msix_uninit(PciDevice *d)
{
    PciMsix *m = d->msix;

    if (!m) {
        return;
    }
    msix_set_notifiers(d, NULL);
    if (m->has_own_bar) {
        pci_bar_del(d, m->own_bar_nr);
    }
    mem_region_del(m->table_bar, &m->table_mr);
    mem_region_del(m->pba_bar, &m->pba_mr);
    mem_region_cleanup(&m->table_mr);
    mem_region_cleanup(&m->pba_mr);
    if (m->has_own_bar) {
        mem_region_cleanup(m->table_bar);
        g_free(m->table_bar);
    }
    pci_cap_del(d, PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF);
    d->msix = NULL;
    d->msix_cap = 0;
    g_free(m->table);
    g_free(m->pending);
    g_free(m->used);
    g_free(m);
}

void msix_reset(PciDevice *d)
{
    PciMsix *m = d->msix;
    bool was_masked;

    if (!m) {
        return;
    }
    memset(m->pending, 0, pba_size(m->n));
    was_masked = msix_function_masked(d);
    d->config[d->msix_cap + PCI_MSIX_FLAGS + 1] &=
        ~((PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL) >> 8);
    msix_config_written(d, d->msix_cap + PCI_MSIX_FLAGS, 2, was_masked);
    memset(m->table, 0, table_size(m->n));
    mask_all(m);
}

bool msix_vector_use(PciDevice *d, unsigned vector)
{
    if (!d->msix || vector >= d->msix->n) {
        return false;
    }
    d->msix->used[vector]++;
    return true;
}

void msix_vector_unuse(PciDevice *d, unsigned vector)
{
    if (!d->msix || vector >= d->msix->n || !d->msix->used[vector]) {
        return;
    }
    if (--d->msix->used[vector] == 0) {
        msix_set_pending(d, vector, false);
    }
}

void msix_unuse_all(PciDevice *d)
{
    for (unsigned v = 0; d->msix && v < d->msix->n; v++) {
        d->msix->used[v] = 0;
        msix_set_pending(d, v, false);
    }
}

bool msix_set_notifiers(PciDevice *d, const MsixNotifiers *n)
{
    PciMsix *m = d->msix;
    const MsixNotifiers *old = m->notifiers;

    m->notifiers = n;
    for (unsigned v = 0; v < m->n; v++) {
        MsiMessage msg = msix_message(d, v);

        if (msix_is_masked(d, v)) {
            continue;
        }
        if (old) {
            old->release(d, v);
        }
        if (n && !n->use(d, v, &msg)) {
            while (v-- > 0) {
                if (!msix_is_masked(d, v)) {
                    n->release(d, v);
                }
            }
            m->notifiers = NULL;
            return false;
        }
    }
    if (n) {
        poll_pending(d, 0, m->n);
    }
    return true;
}

/* State -------------------------------------------------------------------------------- */

void msix_save(const PciDevice *d, VmWriter *w)
{
    const PciMsix *m = d->msix;

    if (m) {
        vm_put_bytes(w, m->table, table_size(m->n));
        vm_put_bytes(w, m->pending, DIV_ROUND_UP(m->n, 8));
    }
}

bool msix_load(PciDevice *d, VmReader *r, Error **errp)
{
    PciMsix *m = d->msix;

    if (!m) {
        return true;
    }
    if (!vm_get_bytes(r, m->table, table_size(m->n), errp) ||
        !vm_get_bytes(r, m->pending, DIV_ROUND_UP(m->n, 8), errp)) {
        return false;
    }
    /* The configuration space came before: tell of what is unmasked now. */
    for (unsigned v = 0; v < m->n; v++) {
        vector_mask_changed(d, v, true);
    }
    return true;
}

static void save_kind(VmWriter *w, const void *elem, const VmField *f)
{
    msix_save(elem, w);
}

static bool load_kind(VmReader *r, void *elem, const VmField *f, Error **errp)
{
    return msix_load(elem, r, errp);
}

static const VmFieldKind vmk_msix = { "msix", 0, save_kind, load_kind };

const VmState msix_vmstate = {
    .name = "msix",
    .version = 0,
    .fields = (const VmField[]){
        { .name = "msix", .kind = &vmk_msix, .num = 1 },
        {},
    },
};
