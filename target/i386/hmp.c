/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HMP: what a CPU sees. Registers in expressions, "x", "info lapic". */
#include "util/osdep.h"

#include "accel/accel.h"
#include "qapi/hmp.h"
#include "softmmu/memory-hmp.h"
#include "softmmu/memory.h"
#include "softmmu/vm.h"
#include "target/i386/cpu-internal.h"
#include "target/i386/mmu.h"
#include "util/error.h"

/* The session's CPU with its registers at hand, or NULL. */
static X86Cpu *current_cpu(Hmp *hmp)
{
    GPtrArray *cpus = hmp->vm->cpus;
    Cpu *cpu = hmp->cpu >= 0 && hmp->cpu < cpus->len
                   ? g_ptr_array_index(cpus, hmp->cpu)
                   : NULL;

    if (cpu) {
        accel_cpu_sync(cpu);
    }
    return cpu ? x86_of(cpu) : NULL;
}

/* Registers in expressions --------------------------------------------------- */

/* "rax", "eax", "r9": the number of a general register, or -1. */
static int gpr_by_name(const char *name)
{
    static const char *const names[] = { "ax", "cx", "dx", "bx",
                                         "sp", "bp", "si", "di" };
    int n;
    char end;

    if (*name == 'r' && sscanf(name + 1, "%d%c", &n, &end) == 1) {
        return n >= 8 && n < 16 ? n : -1;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
        if ((*name == 'r' || *name == 'e') && g_str_equal(name + 1, names[i])) {
            return i;
        }
    }
    return -1;
}

static bool register_value(Hmp *hmp, const char *name, uint64_t *value)
{
    X86Cpu *cpu = current_cpu(hmp);
    const X86Regs *r = cpu ? &cpu->regs : NULL;
    const struct {
        const char *name;
        uint64_t value;
    } others[] = {
        { "pc", r ? r->cs.base * !(r->efer & BIT(10)) + r->rip : 0 },
        { "rip", r ? r->rip : 0 },      { "eip", r ? (uint32_t)r->rip : 0 },
        { "rflags", r ? r->rflags : 0 }, { "eflags", r ? r->rflags : 0 },
        { "cs", r ? r->cs.selector : 0 }, { "ds", r ? r->ds.selector : 0 },
        { "es", r ? r->es.selector : 0 }, { "fs", r ? r->fs.selector : 0 },
        { "gs", r ? r->gs.selector : 0 }, { "ss", r ? r->ss.selector : 0 },
        { "cr0", r ? r->cr0 : 0 },      { "cr2", r ? r->cr2 : 0 },
        { "cr3", r ? r->cr3 : 0 },      { "cr4", r ? r->cr4 : 0 },
    };
    int n = gpr_by_name(name);

    if (!r) {
        return false;
    }
    if (n >= 0) {
        *value = *name == 'e' ? (uint32_t)r->gpr[n] : r->gpr[n];
        return true;
    }
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        if (g_str_equal(name, others[i].name)) {
            *value = others[i].value;
            return true;
        }
    }
    return false;
}
HMP_REGISTERS(register_value);

/* Virtual memory ------------------------------------------------------------- */

static bool load_entry(void *opaque, uint64_t pa, unsigned size,
                       uint64_t *entry)
{
    return as_load(opaque, pa, entry, size, (MemAttrs){ 0 }) == MEM_OK;
}

static bool translate(Hmp *hmp, uint64_t va, hwaddr *pa)
{
    X86Cpu *cpu = current_cpu(hmp);
    X86Mmu m = { .load = load_entry, .opaque = hmp->vm->memory };

    if (!cpu) {
        return false;
    }
    m.cr0 = cpu->regs.cr0;
    m.cr3 = cpu->regs.cr3;
    m.cr4 = cpu->regs.cr4;
    m.efer = cpu->regs.efer;
    return x86_mmu_translate(&m, va, pa);
}

static bool dump_virtual(Hmp *hmp, const QDict *args, Error **errp)
{
    if (!current_cpu(hmp)) {
        return error_set(errp, "there is no CPU");
    }
    return hmp_dump_memory(hmp, args, translate, errp);
}

static bool gva2gpa(Hmp *hmp, const QDict *args, Error **errp)
{
    hwaddr pa;

    if (translate(hmp, qdict_get_int(args, "addr", 0), &pa)) {
        hmp_printf(hmp, "gpa: %#" PRIx64 "\n", pa);
    } else {
        hmp_printf(hmp, "Unmapped\n");
    }
    return true;
}

static bool select_cpu(Hmp *hmp, const QDict *args, Error **errp)
{
    int64_t index = qdict_get_int(args, "index", 0);
    GPtrArray *cpus = hmp->vm->cpus;

    if (index < 0 || index >= cpus->len || !g_ptr_array_index(cpus, index)) {
        return error_set(errp, "invalid CPU index");
    }
    hmp->cpu = index;
    return true;
}

/* Local APIC: Intel SDM volume 3, 11.4 ---------------------------------------- */

static uint32_t apic_reg(const X86Cpu *cpu, unsigned offset)
{
    uint32_t v;

    memcpy(&v, cpu->regs.lapic + offset, 4);
    return GUINT32_FROM_LE(v);
}

static void print_lvt(Hmp *hmp, const X86Cpu *cpu, const char *name,
                      unsigned offset)
{
    static const char *const modes[] = { "Fixed", "...", "SMI", "...",
                                         "NMI", "INIT", "...", "ExtINT" };
    static const char *const timers[] = { "one-shot", "periodic",
                                          "tsc-deadline", "..." };
    uint32_t v = apic_reg(cpu, offset);
    bool timer = offset == 0x320;

    hmp_printf(hmp, "%s\t 0x%08x active-%s %-5s %-6s %-7s %-12s %-6s", name, v,
               v & BIT(13) ? "lo" : "hi", v & BIT(15) ? "level" : "edge",
               v & BIT(16) ? "masked" : "", v & BIT(12) ? "pending" : "",
               timer ? timers[v >> 17 & 3] : "", modes[v >> 8 & 7]);
    hmp_printf(hmp, (v >> 8 & 7) == 4 ? "\n" : " (vec %u)\n", v & 0xff);
}

static void print_vectors(Hmp *hmp, const X86Cpu *cpu, const char *name,
                          unsigned offset, bool triggers)
{
    bool any = false;

    hmp_printf(hmp, "%s\t", name);
    for (unsigned v = 0; v < 256; v++) {
        if (apic_reg(cpu, offset + v / 32 * 0x10) >> (v % 32) & 1) {
            bool level = apic_reg(cpu, 0x180 + v / 32 * 0x10) >> (v % 32) & 1;

            hmp_printf(hmp, " %u%s", v, triggers && level ? "(level)" : "");
            any = true;
        }
    }
    hmp_printf(hmp, any ? "\n" : " (none)\n");
}

static bool info_lapic(Hmp *hmp, const QDict *args, Error **errp)
{
    static const struct {
        const char *name;
        unsigned offset;
    } lvts[] = { { "LVT0", 0x350 },   { "LVT1", 0x360 },
                 { "LVTPC", 0x340 },  { "LVTERR", 0x370 },
                 { "LVTTHMR", 0x330 }, { "LVTT", 0x320 } };
    Hmp other = { .vm = hmp->vm, .cpu = qdict_get_int(args, "apic-id",
                                                      hmp->cpu) };
    X86Cpu *cpu = current_cpu(&other);
    uint32_t spiv;

    if (!cpu) {
        return error_set(errp, "there is no CPU %" PRId64, other.cpu);
    }
    spiv = apic_reg(cpu, 0xf0);
    hmp_printf(hmp, "dumping local APIC state for CPU %u\n\n", cpu->apic_id);
    for (size_t i = 0; i < ARRAY_SIZE(lvts); i++) {
        print_lvt(hmp, cpu, lvts[i].name, lvts[i].offset);
    }
    hmp_printf(hmp, "Timer\t DCR=0x%x initial_count = %u current_count = %u\n",
               apic_reg(cpu, 0x3e0), apic_reg(cpu, 0x380),
               apic_reg(cpu, 0x390));
    hmp_printf(hmp, "SPIV\t 0x%08x APIC %s, focus=%s, spurious vec %u\n", spiv,
               spiv & BIT(8) ? "enabled" : "disabled",
               spiv & BIT(9) ? "on" : "off", spiv & 0xff);
    hmp_printf(hmp, "ICR\t 0x%08x\nICR2\t 0x%08x\nESR\t 0x%08x\n",
               apic_reg(cpu, 0x300), apic_reg(cpu, 0x310),
               apic_reg(cpu, 0x280));
    print_vectors(hmp, cpu, "ISR", 0x100, false);
    print_vectors(hmp, cpu, "IRR", 0x200, true);
    hmp_printf(hmp, "\nTPR 0x%02x DFR 0x%08x LDR 0x%08x PPR 0x%02x\n",
               apic_reg(cpu, 0x80), apic_reg(cpu, 0xe0), apic_reg(cpu, 0xd0),
               apic_reg(cpu, 0xa0));
    return true;
}

static const HmpArg x_args[] = {
    { "fmt", HMP_FMT },
    { "addr", HMP_INT },
    {},
};
static const HmpArg addr_args[] = { { "addr", HMP_INT }, {} };
static const HmpArg cpu_args[] = { { "index", HMP_INT }, {} };
static const HmpArg lapic_args[] = {
    { .name = "apic-id", .kind = HMP_INT, .optional = true },
    {},
};

static const HmpCommand cpu_commands[] = {
    { .name = "x", .args = x_args, .params = "/fmt addr",
      .help = "virtual memory dump starting at 'addr'", .run = dump_virtual },
    { .name = "gva2gpa", .args = addr_args,
      .help = "print the guest physical address corresponding to a guest "
              "virtual address",
      .run = gva2gpa },
    { .name = "cpu", .args = cpu_args, .help = "set the default CPU",
      .run = select_cpu },
    { .name = "info lapic", .args = lapic_args, .params = "[apic-id]",
      .help = "show local apic state (apic-id: local apic to read, default is "
              "which of current CPU)",
      .run = info_lapic },
};
HMP_COMMANDS(cpu_commands);
