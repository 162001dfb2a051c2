/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Memory of PC machines: RAM on both sides of the hole below 4 GiB, room for
 * DIMMs, the PCI holes.
 */
#include "util/osdep.h"

#include "hw/i386/pc.h"
#include "softmmu/vm.h"
#include "util/error.h"

enum {
    SMALL_HOLE_TOP = 0xb0000000, /* all RAM below ECAM fits */
    BIG_HOLE_TOP = 0x80000000,   /* a round number, for huge pages */
};

static bool split_ram(PcMachine *pc, Error **errp)
{
    uint64_t size = pc->parent.ram_size, low;

    low = size >= SMALL_HOLE_TOP ? BIG_HOLE_TOP : SMALL_HOLE_TOP;
    if (pc->max_ram_below_4g) {
        if (pc->max_ram_below_4g > 4 * GiB) {
            return error_set(errp, "max-ram-below-4g=%" PRIu64 " is more than "
                             "4 GiB", pc->max_ram_below_4g);
        }
        if (pc->max_ram_below_4g < MiB) {
            warn_report("Only %" PRIu64 " bytes of RAM below the 4GiB "
                        "boundary, BIOS may not work with less than 1MiB",
                        pc->max_ram_below_4g);
        }
        low = MIN(low, pc->max_ram_below_4g);
    }
    pc->below_4g = MIN(size, low);
    pc->above_4g = size - pc->below_4g;
    return true;
}

/* DIMMs get the addresses above RAM, each aligned to 1 GiB. */
static void place_device_memory(PcMachine *pc)
{
    const Machine *m = &pc->parent;
    hwaddr end = 4 * GiB + pc->above_4g;

    if (m->max_ram_size > m->ram_size) {
        end = ALIGN_UP(end, GiB) + (m->max_ram_size - m->ram_size) +
              m->ram_slots * GiB;
    }
    pc->device_memory_end = end;
}

bool pc_memory_init(PcMachine *pc, Error **errp)
{
    Machine *m = &pc->parent;
    MemRegion *system = m->vm->system_memory;
    Object *owner = &m->obj;

    if (!split_ram(pc, errp)) {
        return false;
    }
    place_device_memory(pc);
    mem_region_init_alias(&pc->ram_low, owner, "ram-below-4g", m->ram, 0,
                          pc->below_4g);
    mem_region_add(system, 0, &pc->ram_low);
    if (pc->above_4g) {
        mem_region_init_alias(&pc->ram_high, owner, "ram-above-4g", m->ram,
                              pc->below_4g, pc->above_4g);
        mem_region_add(system, 4 * GiB, &pc->ram_high);
    }
    mem_region_init(&pc->pci_memory, owner, "pci", 0);
    mem_region_add_overlap(system, 0, &pc->pci_memory, -1);
    return true;
}
