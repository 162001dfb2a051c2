/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Registers as text, as "info registers" prints them. */
#include "util/osdep.h"

#include "target/i386/cpu-internal.h"

static void put_gprs64(GString *s, const X86Regs *r)
{
    static const char *const names[] = { "RAX", "RBX", "RCX", "RDX",
                                         "RSI", "RDI", "RBP", "RSP" };
    static const uint8_t order[] = { X86_RAX, X86_RBX, X86_RCX, X86_RDX,
                                     X86_RSI, X86_RDI, X86_RBP, X86_RSP };

    for (unsigned i = 0; i < 16; i++) {
        if (i < 8) {
            g_string_append_printf(s, "%s=%016" PRIx64, names[i],
                                   r->gpr[order[i]]);
        } else {
            g_string_append_printf(s, "R%-2u=%016" PRIx64, i, r->gpr[i]);
        }
        g_string_append_c(s, i % 4 == 3 ? '\n' : ' ');
    }
}

static void put_gprs32(GString *s, const X86Regs *r)
{
    g_string_append_printf(s, "EAX=%08x EBX=%08x ECX=%08x EDX=%08x\n",
                           (uint32_t)r->gpr[X86_RAX],
                           (uint32_t)r->gpr[X86_RBX],
                           (uint32_t)r->gpr[X86_RCX],
                           (uint32_t)r->gpr[X86_RDX]);
    g_string_append_printf(s, "ESI=%08x EDI=%08x EBP=%08x ESP=%08x\n",
                           (uint32_t)r->gpr[X86_RSI],
                           (uint32_t)r->gpr[X86_RDI],
                           (uint32_t)r->gpr[X86_RBP],
                           (uint32_t)r->gpr[X86_RSP]);
}

static void put_flags(GString *s, const X86Cpu *cpu, bool wide)
{
    static const struct {
        unsigned bit;
        char c;
    } flags[] = { { 10, 'D' }, { 11, 'O' }, { 7, 'S' }, { 6, 'Z' },
                  { 4, 'A' },  { 2, 'P' },  { 0, 'C' } };
    const X86Regs *r = &cpu->regs;
    unsigned cpl = r->ss.attr >> SEG_DPL_SHIFT & 3;

    g_string_append_printf(s, wide ? "RIP=%016" PRIx64 " RFL=%08x ["
                                   : "EIP=%08" PRIx64 " EFL=%08x [",
                           r->rip, (uint32_t)r->rflags);
    for (unsigned i = 0; i < ARRAY_SIZE(flags); i++) {
        g_string_append_c(s, r->rflags & BIT(flags[i].bit) ? flags[i].c : '-');
    }
    g_string_append_printf(s, "] CPL=%u II=%d A20=1 SMM=%d HLT=%d\n", cpl,
                           r->events.shadow != 0, r->events.smm,
                           r->mp_state == 3);
}

static void put_segment_kind(GString *s, const X86Segment *seg, bool lma)
{
    static const char *const system[2][16] = {
        { "Reserved", "TSS16-avl", "LDT", "TSS16-busy", "CallGate16",
          "TaskGate", "IntGate16", "TrapGate16", "Reserved", "TSS32-avl",
          "Reserved", "TSS32-busy", "CallGate32", "Reserved", "IntGate32",
          "TrapGate32" },
        { "<hiword>", "Reserved", "LDT", "Reserved", "Reserved", "Reserved",
          "Reserved", "Reserved", "Reserved", "TSS64-avl", "Reserved",
          "TSS64-busy", "CallGate64", "Reserved", "IntGate64", "TrapGate64" },
    };
    unsigned type = seg->attr & 0xf;

    g_string_append_printf(s, " DPL=%u ", seg->attr >> SEG_DPL_SHIFT & 3);
    if (!(seg->attr & SEG_S)) {
        g_string_append(s, system[lma][type]);
    } else if (type & 8) {
        g_string_append_printf(s, "%s [%c%c%c]",
                               seg->attr & SEG_L    ? "CS64"
                               : seg->attr & SEG_DB ? "CS32"
                                                    : "CS16",
                               type & 4 ? 'C' : '-', type & 2 ? 'R' : '-',
                               type & 1 ? 'A' : '-');
    } else {
        g_string_append_printf(s, "%s [%c%c%c]",
                               seg->attr & SEG_DB || lma ? "DS  " : "DS16",
                               type & 4 ? 'E' : '-', type & 2 ? 'W' : '-',
                               type & 1 ? 'A' : '-');
    }
}

static void put_segment(GString *s, const X86Cpu *cpu, const char *name,
                        const X86Segment *seg, bool wide)
{
    bool protected_mode = cpu->regs.cr0 & 1;

    g_string_append_printf(s, wide ? "%-3s=%04x %016" PRIx64 " %08x %08x"
                                   : "%-3s=%04x %08" PRIx64 " %08x %08x",
                           name, seg->selector, seg->base, seg->limit,
                           (uint32_t)seg->attr << 8);
    if (protected_mode && (seg->attr & SEG_P)) {
        put_segment_kind(s, seg, cpu->regs.efer & BIT(10));
    }
    g_string_append_c(s, '\n');
}

static uint64_t get_u64(const uint8_t *p)
{
    uint64_t v;

    memcpy(&v, p, 8);
    return GUINT64_FROM_LE(v);
}

static uint16_t get_u16(const uint8_t *p)
{
    return p[0] | p[1] << 8;
}

static void put_fpu(GString *s, const X86Cpu *cpu)
{
    const uint8_t *x = cpu->regs.xsave;
    uint32_t mxcsr = get_u16(x + 24) | (uint32_t)get_u16(x + 26) << 16;
    unsigned fsw = get_u16(x + 2);

    g_string_append_printf(s, "FCW=%04x FSW=%04x [ST=%u] FTW=%02x MXCSR=%08x\n",
                           get_u16(x), fsw, fsw >> 11 & 7, x[4], mxcsr);
    for (unsigned i = 0; i < 8; i++) {
        g_string_append_printf(s, "FPR%u=%016" PRIx64 " %04x%c", i,
                               get_u64(x + 32 + 16 * i),
                               get_u16(x + 32 + 16 * i + 8),
                               i % 2 ? '\n' : ' ');
    }
    for (unsigned i = 0; i < (cpu->regs.cs.attr & SEG_L ? 16 : 8); i++) {
        g_string_append_printf(s, "XMM%02u=%016" PRIx64 " %016" PRIx64 "%c", i,
                               get_u64(x + 160 + 16 * i + 8),
                               get_u64(x + 160 + 16 * i), i % 2 ? '\n' : ' ');
    }
}

char *x86_cpu_dump(X86Cpu *cpu)
{
    const X86Regs *r = &cpu->regs;
    const struct {
        const char *name;
        const X86Segment *seg;
    } segments[] = {
        { "ES", &r->es }, { "CS", &r->cs },   { "SS", &r->ss },
        { "DS", &r->ds }, { "FS", &r->fs },   { "GS", &r->gs },
        { "LDT", &r->ldt }, { "TR", &r->tr },
    };
    bool wide = r->cs.attr & SEG_L && r->efer & BIT(10);
    GString *s = g_string_new(NULL);

    if (wide) {
        put_gprs64(s, r);
    } else {
        put_gprs32(s, r);
    }
    put_flags(s, cpu, wide);
    for (unsigned i = 0; i < ARRAY_SIZE(segments); i++) {
        put_segment(s, cpu, segments[i].name, segments[i].seg, wide);
    }
    g_string_append_printf(s, wide ? "GDT=     %016" PRIx64 " %08x\n"
                                   : "GDT=     %08" PRIx64 " %08x\n",
                           r->gdt.base, r->gdt.limit);
    g_string_append_printf(s, wide ? "IDT=     %016" PRIx64 " %08x\n"
                                   : "IDT=     %08" PRIx64 " %08x\n",
                           r->idt.base, r->idt.limit);
    g_string_append_printf(s, wide ? "CR0=%08x CR2=%016" PRIx64
                                     " CR3=%016" PRIx64 " CR4=%08x\n"
                                   : "CR0=%08x CR2=%08" PRIx64 " CR3=%08" PRIx64
                                     " CR4=%08x\n",
                           (uint32_t)r->cr0, r->cr2, r->cr3, (uint32_t)r->cr4);
    for (unsigned i = 0; i < 4; i++) {
        g_string_append_printf(s, "DR%u=%016" PRIx64 " ", i, r->dr[i]);
    }
    g_string_append_printf(s, "\nDR6=%016" PRIx64 " DR7=%016" PRIx64
                           "\nEFER=%016" PRIx64 "\n", r->dr[6], r->dr[7],
                           r->efer);
    put_fpu(s, cpu);
    return g_string_free(s, false);
}
