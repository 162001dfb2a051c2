/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * "isa-pcspk": port 61h, which gates the timer's channel 2 and shows its
 * output; there is no sound. IBM PC AT technical reference. Where the PIT is
 * in KVM, so is this port.
 */
#include "util/osdep.h"

#include "hw/timer/i8254.h"
#include "hw/timer/pcspk.h"

typedef struct PcSpeaker {
    IsaDevice parent;
    uint32_t iobase; /* property */
    Pit *pit;
    uint8_t data_on, dummy_refresh_clock;
    MemRegion io;
} PcSpeaker;
QOM_DECLARE_TYPE(PcSpeaker, pc_speaker)

static uint64_t speaker_read(void *opaque, hwaddr addr, unsigned size)
{
    PcSpeaker *s = opaque;

    s->dummy_refresh_clock ^= 1 << 4; /* DRAM refresh, as software counts it */
    return pit_gate(s->pit, 2) | s->data_on << 1 | s->dummy_refresh_clock |
           pit_output(s->pit, 2) << 5;
}

static void speaker_write(void *opaque, hwaddr addr, uint64_t v, unsigned size)
{
    PcSpeaker *s = opaque;

    s->data_on = v >> 1 & 1;
    pit_set_gate(s->pit, 2, v & 1);
}

static const MemOps speaker_ops = {
    .read = speaker_read,
    .write = speaker_write,
    .impl = { 1, 1 },
};

static bool speaker_realize(Device *dev, Error **errp)
{
    PcSpeaker *s = pc_speaker(dev);

    mem_region_init_io(&s->io, &dev->obj, &speaker_ops, s, "pcspk", 1);
    return isa_add_io(&s->parent, &s->io, s->iobase, errp);
}

static void speaker_finalize(Object *obj)
{
    mem_region_cleanup(&pc_speaker(obj)->io);
}

static const VmState speaker_vmstate = {
    .name = "pcspk",
    .version = 1,
    .fields = (const VmField[]) {
        VMS(PcSpeaker, data_on),
        VMS(PcSpeaker, dummy_refresh_clock),
        {},
    },
};

static const Prop speaker_props[] = {
    PROP(PcSpeaker, iobase, "iobase", 0x61),
    {},
};

static const IsaDeviceClass speaker_class = {
    .device = {
        .props = speaker_props,
        .realize = speaker_realize,
        .vmstate = &speaker_vmstate,
        .internal = true,
        .no_hotplug = true,
    },
};
QOM_DEFINE(PcSpeaker, pc_speaker, .name = "isa-pcspk",
           .parent = &isa_device_type, .class = &speaker_class,
           .finalize = speaker_finalize);

bool pcspk_create(IsaBus *bus, Pit *pit, Error **errp)
{
    IsaDevice *d = isa_new(bus, &pc_speaker_type);

    pc_speaker(d)->pit = pit;
    return isa_realize(d, bus, errp);
}
