/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PC's interrupt controllers and timer where they are in KVM: their
 * registers for the devices that stand for them; and with
 * kernel-irqchip=split, what vCPUs and devices of ours tell each other.
 * Machine lock.
 */
#ifndef TARGET_I386_IRQCHIP_H
#define TARGET_I386_IRQCHIP_H

#define IOAPIC_PINS 24

/* Where KVM keeps pages of its own: not RAM, reserved in the memory map. */
#define X86_KVM_PAGES_BASE UINT64_C(0xfeffc000)
#define X86_KVM_PAGES_SIZE UINT64_C(0x4000)

/* 8259A; names as in its data sheet's words. */
typedef struct X86PicRegs {
    uint8_t last_irr, irr, imr, isr;
    uint8_t priority_add; /* highest priority is this input */
    uint8_t irq_base, read_reg_select, poll, special_mask;
    uint8_t init_state, auto_eoi, rotate_on_auto_eoi;
    uint8_t special_fully_nested_mode, init4, single_mode;
    uint8_t elcr, elcr_mask;
} X86PicRegs;

typedef struct X86IoapicRegs {
    uint8_t id, ioregsel;
    uint32_t irr; /* inputs that are up, or edges not yet delivered */
    uint64_t ioredtbl[IOAPIC_PINS];
} X86IoapicRegs;

typedef struct X86PitChannel {
    int32_t count; /* 1 .. 65536 */
    uint16_t latched_count;
    uint8_t count_latched, status_latched, status, read_state, write_state,
        write_latch, rw_mode, mode, bcd, gate;
    int64_t count_load_time, next_transition_time; /* ns, virtual clock */
} X86PitChannel;

/* Are PIC, I/O APIC and PIT in the kernel? */
bool x86_irqchip_in_kernel(Vm *vm);
/* The kernel's registers; only where they are there. False: the ioctl failed;
 * reported. */
bool x86_irqchip_get_pic(Vm *vm, bool master, X86PicRegs *r);
bool x86_irqchip_put_pic(Vm *vm, bool master, const X86PicRegs *r);
bool x86_irqchip_get_ioapic(Vm *vm, uint64_t base, X86IoapicRegs *r);
bool x86_irqchip_put_ioapic(Vm *vm, uint64_t base, const X86IoapicRegs *r);

/* Make the PIT; @reinject: deliver ticks that the guest missed. */
bool x86_pit_create(Vm *vm, bool reinject, Error **errp);
bool x86_pit_get(Vm *vm, X86PitChannel ch[3]);
/* @replaced: an HPET has taken over channel 0's interrupt. */
bool x86_pit_put(Vm *vm, const X86PitChannel ch[3], bool replaced);

/* kvmclock in ns; false when there is none. */
bool x86_clock_get(Vm *vm, uint64_t *ns, bool *reliable);
bool x86_clock_set(Vm *vm, uint64_t ns);
/* Tell all vCPUs' guests that they stood still. */
void x86_clock_paused(Vm *vm);

/* Split: the PIC's output changed. @ack is called (on a vCPU's thread) for the
 * vector when the boot processor takes it. */
typedef int X86PicAck(void *opaque);
void x86_split_connect_pic(Vm *vm, X86PicAck *ack, void *opaque);
void x86_split_pic_output(Vm *vm, int level);
/* Split: @eoi is called when a vCPU ends a level interrupt @vector. Routes of
 * the I/O APIC's pins tell KVM which those are. */
typedef void X86IoapicEoi(void *opaque, int vector);
void x86_split_connect_ioapic(Vm *vm, X86IoapicEoi *eoi, void *opaque);

#endif
