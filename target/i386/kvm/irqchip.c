/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * KVM's PIC, I/O APIC, PIT and clock: Documentation/virt/kvm/api.rst,
 * KVM_GET_IRQCHIP, KVM_CREATE_PIT2, KVM_GET_CLOCK.
 */
#include "util/osdep.h"

#include "softmmu/vm.h"
#include "target/i386/kvm/kvm-x86.h"

/* PIC --------------------------------------------------------------------------- */

/* FIELD(name) for each that both structs have under the same name. */
#define PIC_FIELDS(FIELD)                                                      \
    FIELD(last_irr)                                                            \
    FIELD(irr)                                                                 \
    FIELD(imr)                                                                 \
    FIELD(isr)                                                                 \
    FIELD(priority_add)                                                        \
    FIELD(irq_base)                                                            \
    FIELD(read_reg_select)                                                     \
    FIELD(poll)                                                                \
    FIELD(special_mask)                                                        \
    FIELD(init_state)                                                          \
    FIELD(auto_eoi)                                                            \
    FIELD(rotate_on_auto_eoi)                                                  \
    FIELD(special_fully_nested_mode)                                           \
    FIELD(init4)                                                               \
    FIELD(elcr)                                                                \
    FIELD(elcr_mask)

static int get_pic(Accel *accel, bool master, X86PicRegs *r)
{
    struct kvm_irqchip chip = {
        .chip_id = master ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE,
    };
    int ret = kvm_vm_ioctl(accel, KVM_GET_IRQCHIP, &chip);

#define GET(f) r->f = chip.chip.pic.f;
    if (ret >= 0) {
        PIC_FIELDS(GET)
    }
#undef GET
    return ret;
}

static int put_pic(Accel *accel, bool master, const X86PicRegs *r)
{
    struct kvm_irqchip chip = {
        .chip_id = master ? KVM_IRQCHIP_PIC_MASTER : KVM_IRQCHIP_PIC_SLAVE,
    };

#define PUT(f) chip.chip.pic.f = r->f;
    PIC_FIELDS(PUT)
#undef PUT
    return kvm_vm_ioctl(accel, KVM_SET_IRQCHIP, &chip);
}

/* I/O APIC ------------------------------------------------------------------------ */

static int get_ioapic(Accel *accel, uint64_t base, X86IoapicRegs *r)
{
    struct kvm_irqchip chip = { .chip_id = KVM_IRQCHIP_IOAPIC };
    const struct kvm_ioapic_state *k = &chip.chip.ioapic;
    int ret = kvm_vm_ioctl(accel, KVM_GET_IRQCHIP, &chip);

    if (ret >= 0) {
        r->id = k->id;
        r->ioregsel = k->ioregsel;
        r->irr = k->irr;
        for (unsigned i = 0; i < IOAPIC_PINS; i++) {
            r->ioredtbl[i] = k->redirtbl[i].bits;
        }
    }
    return ret;
}

static int put_ioapic(Accel *accel, uint64_t base, const X86IoapicRegs *r)
{
    struct kvm_irqchip chip = {
        .chip_id = KVM_IRQCHIP_IOAPIC,
        .chip.ioapic = { .base_address = base, .id = r->id,
                         .ioregsel = r->ioregsel, .irr = r->irr },
    };

    for (unsigned i = 0; i < IOAPIC_PINS; i++) {
        chip.chip.ioapic.redirtbl[i].bits = r->ioredtbl[i];
    }
    return kvm_vm_ioctl(accel, KVM_SET_IRQCHIP, &chip);
}

/* PIT ------------------------------------------------------------------------------ */

static int create_pit(Accel *accel, bool reinject)
{
    struct kvm_pit_config config = { .flags = KVM_PIT_SPEAKER_DUMMY };
    struct kvm_reinject_control control = { .pit_reinject = reinject };
    int ret = kvm_vm_ioctl(accel, KVM_CREATE_PIT2, &config);

    if (ret >= 0 && !reinject) {
        ret = kvm_vm_ioctl(accel, KVM_REINJECT_CONTROL, &control);
    }
    return ret;
}

/* KVM counts from its own clock: times move by the difference. */
static int64_t clock_offset(Accel *accel)
{
    return vm_clock_ns(accel->vm, VM_CLOCK_REALTIME) -
           vm_clock_ns(accel->vm, VM_CLOCK_VIRTUAL);
}

static int get_pit(Accel *accel, X86PitChannel ch[3])
{
    struct kvm_pit_state2 k;
    int ret = kvm_vm_ioctl(accel, KVM_GET_PIT2, &k);

    for (unsigned i = 0; ret >= 0 && i < 3; i++) {
        const struct kvm_pit_channel_state *c = &k.channels[i];

        ch[i] = (X86PitChannel){
            .count = c->count ? c->count : 0x10000,
            .latched_count = c->latched_count,
            .count_latched = c->count_latched,
            .status_latched = c->status_latched,
            .status = c->status,
            .read_state = c->read_state,
            .write_state = c->write_state,
            .write_latch = c->write_latch,
            .rw_mode = c->rw_mode,
            .mode = c->mode,
            .bcd = c->bcd,
            .gate = c->gate,
            .count_load_time = c->count_load_time - clock_offset(accel),
        };
    }
    return ret;
}

static int put_pit(Accel *accel, const X86PitChannel ch[3], bool replaced)
{
    struct kvm_pit_state2 k = {
        .flags = replaced ? KVM_PIT_FLAGS_HPET_LEGACY : 0,
    };

    for (unsigned i = 0; i < 3; i++) {
        k.channels[i] = (struct kvm_pit_channel_state){
            .count = ch[i].count,
            .latched_count = ch[i].latched_count,
            .count_latched = ch[i].count_latched,
            .status_latched = ch[i].status_latched,
            .status = ch[i].status,
            .read_state = ch[i].read_state,
            .write_state = ch[i].write_state,
            .write_latch = ch[i].write_latch,
            .rw_mode = ch[i].rw_mode,
            .mode = ch[i].mode,
            .bcd = ch[i].bcd,
            .gate = ch[i].gate,
            .count_load_time = ch[i].count_load_time + clock_offset(accel),
        };
    }
    return kvm_vm_ioctl(accel, KVM_SET_PIT2, &k);
}

/* Clock ---------------------------------------------------------------------------- */

static int get_clock(Accel *accel, uint64_t *ns, bool *reliable)
{
    struct kvm_clock_data data = { 0 };
    int ret = kvm_vm_ioctl(accel, KVM_GET_CLOCK, &data);

    *ns = data.clock;
    *reliable = data.flags & KVM_CLOCK_TSC_STABLE;
    return ret;
}

static int set_clock(Accel *accel, uint64_t ns)
{
    struct kvm_clock_data data = { .clock = ns };

    return kvm_vm_ioctl(accel, KVM_SET_CLOCK, &data);
}

static void tell_paused(Cpu *cpu, void *unused)
{
    /* Fails where the guest has no clock: nobody to tell. */
    kvm_vcpu_ioctl(cpu, KVM_KVMCLOCK_CTRL, NULL);
}

static void clock_paused(Cpu *cpu)
{
    cpu_run_on(cpu, tell_paused, NULL);
}

static X86Split *split(Accel *accel)
{
    return &x86_kvm(accel)->split;
}

const X86IrqchipOps x86_kvm_irqchip_ops = {
    .get_pic = get_pic,
    .put_pic = put_pic,
    .get_ioapic = get_ioapic,
    .put_ioapic = put_ioapic,
    .create_pit = create_pit,
    .get_pit = get_pit,
    .put_pit = put_pit,
    .get_clock = get_clock,
    .set_clock = set_clock,
    .clock_paused = clock_paused,
    .split = split,
};
