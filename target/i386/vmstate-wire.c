/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between X86Regs and what travels: segments with descriptor bits, the x87 and
 * vector registers out of the XSAVE image (Intel SDM volume 1, 13.4), and
 * flags that collect modes.
 */
#include "util/osdep.h"

#include "target/i386/cpu-internal.h"
#include "util/error.h"

/* Bits of "env.hflags"; TF, IOPL and VM are where RFLAGS has them. */
#define HF_CPL       UINT32_C(3)
#define HF_SHADOW    BIT(3)
#define HF_CS32      BIT(4)
#define HF_SS32      BIT(5)
#define HF_ADDSEG    BIT(6)
#define HF_PE        BIT(7)
#define HF_MP_SHIFT  9 /* MP, EM, TS */
#define HF_LMA       BIT(14)
#define HF_CS64      BIT(15)
#define HF_SMM       BIT(19)
#define HF_GUEST     BIT(21)
#define HF_OSFXSR    BIT(22)
#define RFLAGS_MODES (BIT(8) | BIT(12) | BIT(13) | BIT(17))
#define RFLAGS_IF    BIT(9)

/* Bits of "env.hflags2". */
#define HF2_GIF            BIT(0)
#define HF2_NMI_MASKED     BIT(2)
#define HF2_SMM_INSIDE_NMI BIT(4)
#define HF2_VGIF           BIT(8)

/* KVM_X86_SHADOW_INT_*. */
enum { SHADOW_MOV_SS = 1, SHADOW_STI = 2 };

/* In the XSAVE image's legacy region and header. */
enum {
    XS_FCW = 0,
    XS_FSW = 2,
    XS_FTW = 4,
    XS_FOP = 6,
    XS_FIP = 8,
    XS_FDP = 16,
    XS_MXCSR = 24,
    XS_ST = 32,
    XS_XMM = 160,
    XS_BV = 512,
};

enum {
    XC_YMM = 2, XC_BNDREGS = 3, XC_BNDCSR = 4, XC_OPMASK = 5, XC_ZMM = 6,
    XC_HI16 = 7, XC_PKRU = 9, XC_XTILECFG = 17, XC_XTILEDATA = 18,
};

/* Moving a field one way or the other. */
typedef struct Mover {
    X86Cpu *cpu;
    bool load; /* from the wire into the image */
} Mover;

static void move(const Mover *m, size_t at, void *wire, size_t len)
{
    uint8_t *image = m->cpu->regs.xsave + at;

    if (!m->cpu->regs.xsave || at + len > m->cpu->xsave_size) {
        return;
    }
    if (m->load) {
        memcpy(image, wire, len);
    } else {
        memcpy(wire, image, len);
    }
}

/* A piece of component @i; hosts without it have no place for it. */
static void move_part(const Mover *m, unsigned i, size_t at, void *wire,
                      size_t len)
{
    size_t base = x86_xsave_offset(i);

    if (base) {
        move(m, base + at, wire, len);
    }
}

static void move_legacy(const Mover *m, X86Wire *w)
{
    uint8_t tags = w->fptag;

    move(m, XS_FCW, &w->fpuc, 2);
    move(m, XS_FSW, &w->fpus, 2);
    move(m, XS_FTW, &tags, 1);
    w->fptag = tags;
    move(m, XS_FOP, &w->fpop, 2);
    move(m, XS_FIP, &w->fpip, 8);
    move(m, XS_FDP, &w->fpdp, 8);
    move(m, XS_MXCSR, &w->mxcsr, 4);
    move(m, XS_BV, &w->xstate_bv, 8);
    for (unsigned i = 0; i < 8; i++) {
        move(m, XS_ST + 16 * i, &w->fpregs[i].mantissa, 8);
        move(m, XS_ST + 16 * i + 8, &w->fpregs[i].exponent, 2);
    }
    for (unsigned i = 0; i < 16; i++) {
        move(m, XS_XMM + 16 * i, w->zmm[i].q, 16);
    }
}

static void move_components(const Mover *m, X86Wire *w)
{
    for (unsigned i = 0; i < 16; i++) {
        move_part(m, XC_YMM, 16 * i, w->zmm[i].q + 2, 16);
        move_part(m, XC_ZMM, 32 * i, w->zmm[i].q + 4, 32);
        move_part(m, XC_HI16, 64 * i, w->zmm[16 + i].q, 64);
    }
    move_part(m, XC_OPMASK, 0, w->opmask, sizeof(w->opmask));
    move_part(m, XC_BNDREGS, 0, w->bound, sizeof(w->bound));
    move_part(m, XC_BNDCSR, 0, &w->bndcfgu, 8);
    move_part(m, XC_BNDCSR, 8, &w->bndstatus, 8);
    move_part(m, XC_PKRU, 0, &w->pkru, 4);
    move_part(m, XC_XTILECFG, 0, w->xtilecfg, sizeof(w->xtilecfg));
    move_part(m, XC_XTILEDATA, 0, w->xtiledata, sizeof(w->xtiledata));
}

/* Segments: attributes are bits 8 to 23 of a descriptor's upper half. ----------- */

static X86WireSegment segment_out(const X86Segment *s)
{
    return (X86WireSegment){ .selector = s->selector, .base = s->base,
                             .limit = s->limit,
                             .flags = (uint32_t)s->attr << 8 };
}

static X86Segment segment_in(const X86WireSegment *w)
{
    return (X86Segment){ .selector = w->selector, .base = w->base,
                         .limit = w->limit, .attr = w->flags >> 8 & 0xf0ff };
}

/* In the order in which instructions number them. */
#define SEGMENTS(r)                                                            \
    {                                                                          \
        &(r)->es, &(r)->cs, &(r)->ss, &(r)->ds, &(r)->fs, &(r)->gs             \
    }

static void segments_out(const X86Regs *r, X86Wire *w)
{
    const X86Segment *const segs[6] = SEGMENTS(r);

    for (unsigned i = 0; i < 6; i++) {
        w->segs[i] = segment_out(segs[i]);
    }
    w->ldt = segment_out(&r->ldt);
    w->tr = segment_out(&r->tr);
    w->gdt = (X86WireSegment){ .base = r->gdt.base, .limit = r->gdt.limit };
    w->idt = (X86WireSegment){ .base = r->idt.base, .limit = r->idt.limit };
}

static void segments_in(X86Regs *r, const X86Wire *w)
{
    X86Segment *const segs[6] = SEGMENTS(r);

    for (unsigned i = 0; i < 6; i++) {
        *segs[i] = segment_in(&w->segs[i]);
    }
    r->ldt = segment_in(&w->ldt);
    r->tr = segment_in(&w->tr);
    r->gdt = (X86Table){ w->gdt.base, w->gdt.limit };
    r->idt = (X86Table){ w->idt.base, w->idt.limit };
}

/* Modes --------------------------------------------------------------------------- */

static uint32_t code_modes(const X86Regs *r)
{
    bool cs32 = r->cs.attr & SEG_DB;
    uint32_t f = 0;

    if ((r->efer & BIT(10)) && (r->cs.attr & SEG_L)) {
        return HF_CS32 | HF_SS32 | HF_CS64;
    }
    f |= cs32 ? HF_CS32 : 0;
    f |= r->ss.attr & SEG_DB ? HF_SS32 : 0;
    if (!(r->cr0 & 1) || (r->rflags & BIT(17)) || !cs32 ||
        (r->ds.base | r->es.base | r->ss.base)) {
        f |= HF_ADDSEG;
    }
    return f;
}

static uint32_t hflags(const X86Regs *r)
{
    uint32_t f = code_modes(r);

    f |= r->ss.attr >> SEG_DPL_SHIFT & HF_CPL;
    f |= r->events.shadow ? HF_SHADOW : 0;
    f |= r->cr0 & 1 ? HF_PE : 0;
    f |= (r->cr0 >> 1 & 7) << HF_MP_SHIFT;
    f |= r->rflags & RFLAGS_MODES;
    f |= r->efer & BIT(10) ? HF_LMA : 0;
    f |= r->cr4 & BIT(9) ? HF_OSFXSR : 0;
    f |= r->events.smm ? HF_SMM : 0;
    return f;
}

static uint32_t hflags2(const X86Regs *r)
{
    return HF2_GIF | HF2_VGIF | (r->events.nmi_masked ? HF2_NMI_MASKED : 0) |
           (r->events.smm_inside_nmi ? HF2_SMM_INSIDE_NMI : 0);
}

/* Bits of a physical address that a CPU of 52 would have and @cpu has not:
 * they are set in the masks that travel. */
static uint64_t high_bits(const X86Cpu *cpu)
{
    return (BIT(52) - 1) & ~(BIT(MIN(cpu->phys_bits, 52)) - 1);
}

void x86_wire_from_regs(X86Cpu *cpu)
{
    const X86Regs *r = &cpu->regs;
    X86Wire *w = &cpu->wire;
    Mover out = { .cpu = cpu };

    memset(w, 0, sizeof(*w));
    move_legacy(&out, w);
    move_components(&out, w);
    segments_out(r, w);
    w->hflags = hflags(r);
    w->hflags2 = hflags2(r);
    w->sysenter_cs = r->sysenter_cs;
    w->smbase = r->smbase;
    w->a20_mask = -1;
    w->umwait = r->umwait;
    w->pkrs = r->pkrs;
    w->tsx_ctrl = r->tsx_ctrl;
    for (unsigned i = 0; i < MTRR_VARIABLE; i++) {
        w->mtrr_var[i].base = r->mtrr_var[2 * i];
        w->mtrr_var[i].mask = r->mtrr_var[2 * i + 1] | high_bits(cpu);
    }
    w->interrupt_injected =
        r->events.interrupt_injected ? r->events.interrupt_nr : -1;
    w->exception_nr = r->events.exception_injected || r->events.exception_pending
                          ? r->events.exception_nr
                          : -1;
    w->exception_injected = r->events.exception_injected;
    w->triple_fault = r->events.triple_fault;
    w->mcg_cap = cpu->mcg_cap;
    w->tsc_khz = cpu->tsc_khz;
}

/* Loading ----------------------------------------------------------------------------- */

static bool check_wire(const X86Cpu *cpu, Error **errp)
{
    const X86Wire *w = &cpu->wire;

    if (w->hflags & HF_GUEST || w->vm_vmcb) {
        return error_set(errp, "a nested guest is running: not supported");
    }
    if (w->interrupt_injected < -1 || w->interrupt_injected > 255) {
        return error_set(errp, "interrupt %d", w->interrupt_injected);
    }
    if (w->exception_nr < -1 || w->exception_nr > 31) {
        return error_set(errp, "exception %d", w->exception_nr);
    }
    if (w->fpregs_format) {
        return error_set(errp, "format %u of x87 registers", w->fpregs_format);
    }
    if (w->mcg_cap && cpu->mcg_cap && w->mcg_cap & ~cpu->mcg_cap & ~0xffull) {
        return error_set(errp, "machine checks %#" PRIx64 ", here are %#"
                         PRIx64, w->mcg_cap, cpu->mcg_cap);
    }
    if (cpu->tsc_frequency && w->tsc_khz &&
        w->tsc_khz != cpu->tsc_frequency / 1000) {
        return error_set(errp, "a TSC of %" PRId64 " kHz, tsc-frequency says %"
                         PRId64, w->tsc_khz, cpu->tsc_frequency / 1000);
    }
    return true;
}

static void events_in(X86Events *e, const X86Wire *w, uint64_t rflags)
{
    e->interrupt_injected = w->interrupt_injected >= 0;
    e->interrupt_nr = MAX(w->interrupt_injected, 0);
    e->exception_nr = MAX(w->exception_nr, 0);
    e->exception_injected = w->has_exception_info ? w->exception_injected
                                                  : w->exception_nr >= 0;
    e->triple_fault = w->triple_fault;
    e->nmi_masked = !!(w->hflags2 & HF2_NMI_MASKED);
    e->smm = w->hflags & HF_SMM;
    e->smm_inside_nmi = w->hflags2 & HF2_SMM_INSIDE_NMI;
    e->shadow = 0;
    if (w->hflags & HF_SHADOW) {
        e->shadow = rflags & RFLAGS_IF ? SHADOW_STI : SHADOW_MOV_SS;
    }
}

bool x86_regs_from_wire(X86Cpu *cpu, Error **errp)
{
    X86Wire *w = &cpu->wire;
    X86Regs *r = &cpu->regs;
    Mover in = { .cpu = cpu, .load = true };

    if (!check_wire(cpu, errp)) {
        return false;
    }
    move_legacy(&in, w);
    move_components(&in, w);
    segments_in(r, w);
    events_in(&r->events, w, r->rflags);
    r->sysenter_cs = w->sysenter_cs;
    r->smbase = w->smbase;
    r->umwait = w->umwait;
    r->pkrs = w->pkrs;
    r->tsx_ctrl = w->tsx_ctrl;
    for (unsigned i = 0; i < MTRR_VARIABLE; i++) {
        r->mtrr_var[2 * i] = w->mtrr_var[i].base;
        r->mtrr_var[2 * i + 1] = w->mtrr_var[i].mask & ~high_bits(cpu);
    }
    if (w->tsc_khz > 0) {
        cpu->tsc_khz_wanted = w->tsc_khz;
    }
    return true;
}
