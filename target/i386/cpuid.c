/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's CPUID: Intel SDM volume 2, CPUID; AMD APM volume 3, appendix E.
 * Caches and topology are those of an imagined CPU, as QEMU shows them.
 */
#include "util/osdep.h"

#include "target/i386/cpu-internal.h"

#define REGS(a, b, c, d)                                                       \
    (CpuidRegs)                                                                \
    {                                                                          \
        {                                                                      \
            a, b, c, d                                                         \
        }                                                                      \
    }

/* Topology ----------------------------------------------------------------- */

static unsigned width(unsigned count)
{
    return count > 1 ? 32 - __builtin_clz(count - 1) : 0;
}

static unsigned threads(const X86Cpu *cpu)
{
    return MAX(cpu->topo.threads, 1);
}

static unsigned cores(const X86Cpu *cpu)
{
    return MAX(cpu->topo.cores, 1);
}

static unsigned dies(const X86Cpu *cpu)
{
    return MAX(cpu->topo.dies, 1);
}

/* Logical CPUs of one die. */
static unsigned die_threads(const X86Cpu *cpu)
{
    return threads(cpu) * cores(cpu);
}

static unsigned core_shift(const X86Cpu *cpu)
{
    return width(threads(cpu));
}

static unsigned die_shift(const X86Cpu *cpu)
{
    return core_shift(cpu) + width(cores(cpu));
}

static unsigned socket_shift(const X86Cpu *cpu)
{
    return die_shift(cpu) + width(dies(cpu));
}

enum { LEVEL_SMT = 1, LEVEL_CORE = 2, LEVEL_DIE = 5 };

static CpuidRegs topology(const X86Cpu *cpu, uint32_t leaf, uint32_t sub)
{
    CpuidRegs r = REGS(0, 0, sub & 0xff, cpu->apic_id);
    bool has_dies = leaf == 0x1f;

    switch (sub) {
    case 0:
        r.r[R_EAX] = core_shift(cpu);
        r.r[R_EBX] = threads(cpu);
        r.r[R_ECX] |= LEVEL_SMT << 8;
        break;
    case 1:
        r.r[R_EAX] = has_dies ? die_shift(cpu) : socket_shift(cpu);
        r.r[R_EBX] = die_threads(cpu);
        r.r[R_ECX] |= LEVEL_CORE << 8;
        break;
    case 2:
        if (has_dies) {
            r.r[R_EAX] = socket_shift(cpu);
            r.r[R_EBX] = die_threads(cpu) * dies(cpu);
            r.r[R_ECX] |= LEVEL_DIE << 8;
        }
        break;
    default:
        break;
    }
    return r;
}

/* Caches ------------------------------------------------------------------- */

typedef struct Cache {
    uint8_t type, level;
    uint16_t ways;
    uint32_t sets;
    bool self_init, inclusive, complex_index, no_invd;
} Cache;

enum { CACHE_DATA = 1, CACHE_CODE = 2, CACHE_UNIFIED = 3 };

static const Cache intel_caches[] = {
    { CACHE_DATA, 1, 8, 64, .self_init = true, .no_invd = true },
    { CACHE_CODE, 1, 8, 64, .self_init = true, .no_invd = true },
    { CACHE_UNIFIED, 2, 16, 4096, .self_init = true, .no_invd = true },
    { CACHE_UNIFIED, 3, 16, 16384, .self_init = true, .inclusive = true,
      .complex_index = true },
};

static const Cache amd_caches[] = {
    { CACHE_DATA, 1, 2, 512, .self_init = true, .no_invd = true },
    { CACHE_CODE, 1, 2, 512, .self_init = true, .no_invd = true },
    { CACHE_UNIFIED, 2, 16, 512 },
    { CACHE_UNIFIED, 3, 16, 16384, .self_init = true, .inclusive = true,
      .complex_index = true },
};

#define LINE 64

static CpuidRegs cache_leaf(const Cache *c, unsigned sharing, unsigned n_cores)
{
    return REGS(c->type | c->level << 5 | c->self_init << 8 |
                    (sharing - 1) << 14 | (n_cores - 1) << 26,
                (LINE - 1) | (uint32_t)(c->ways - 1) << 22, c->sets - 1,
                c->no_invd | c->inclusive << 1 | c->complex_index << 2);
}

static bool has_cache(const X86Cpu *cpu, uint32_t sub)
{
    return sub < 3 || (sub == 3 && cpu->l3_cache);
}

/* The host's caches, shared as the guest's topology says. */
static CpuidRegs host_intel_cache(const X86Cpu *cpu, uint32_t sub)
{
    CpuidRegs r = x86_host_cpuid(4, sub);
    unsigned level = r.r[R_EAX] >> 5 & 7;
    unsigned sharing = level >= 3 ? die_threads(cpu) : threads(cpu);

    if (r.r[R_EAX] & 0x1f) {
        r.r[R_EAX] &= 0x3fff;
        r.r[R_EAX] |= (sharing - 1) << 14 | (cores(cpu) - 1) << 26;
    }
    return r;
}

/* Leaf 4 (Intel). */
static CpuidRegs intel_cache(const X86Cpu *cpu, uint32_t sub)
{
    /* The APIC ids that a die takes up, which may be more than it has. */
    unsigned sharing[] = { 1, 1, threads(cpu), 1u << die_shift(cpu) };

    if (x86_is_amd(cpu)) {
        return REGS(0, 0, 0, 0);
    }
    if (cpu->host_cache_info) {
        return host_intel_cache(cpu, sub);
    }
    return has_cache(cpu, sub)
               ? cache_leaf(&intel_caches[sub], sharing[sub], cores(cpu))
               : REGS(0, 0, 0, 0);
}

/* Leaf 8000001Dh (AMD): bits 31:26 of EAX are reserved. */
static CpuidRegs amd_cache(const X86Cpu *cpu, uint32_t sub)
{
    unsigned sharing[] = { threads(cpu), threads(cpu), threads(cpu),
                           die_threads(cpu) };

    if (cpu->host_cache_info) {
        return x86_host_cpuid(0x8000001d, sub);
    }
    return has_cache(cpu, sub) ? cache_leaf(&amd_caches[sub], sharing[sub], 1)
                               : REGS(0, 0, 0, 0);
}

/* Basic leaves ------------------------------------------------------------- */

static uint32_t text_word(const char *text, size_t len, unsigned word)
{
    uint32_t v = 0;

    for (unsigned i = 0; i < 4; i++) {
        size_t at = word * 4 + i;

        v |= (uint32_t)(at < len ? (uint8_t)text[at] : 0) << (8 * i);
    }
    return v;
}

static CpuidRegs vendor_leaf(const X86Cpu *cpu, uint32_t max)
{
    const char *v = cpu->vendor ? cpu->vendor : "";
    size_t len = strlen(v);

    return REGS(max, text_word(v, len, 0), text_word(v, len, 2),
                text_word(v, len, 1));
}

static uint32_t signature(const X86Cpu *cpu)
{
    uint32_t family = MIN(cpu->family, 0xf);
    uint32_t extended = cpu->family > 0xf ? cpu->family - 0xf : 0;

    return cpu->stepping | (cpu->model & 0xf) << 4 | family << 8 |
           (cpu->model >> 4) << 16 | extended << 20;
}

void x86_cpu_id(Cpu *cpu, uint32_t *sig, uint32_t *features)
{
    *sig = signature(x86_of(cpu));
    *features = x86_of(cpu)->features[FEAT_1_EDX];
}

static CpuidRegs leaf_1(const X86Cpu *cpu)
{
    unsigned n = die_threads(cpu);
    uint32_t ebx = 8 << 8 | cpu->apic_id << 24; /* CLFLUSH of 8 quadwords */
    uint32_t edx = cpu->features[FEAT_1_EDX];

    if (n > 1) {
        ebx |= (n & 0xff) << 16;
        edx |= F1_EDX_HTT;
    }
    return REGS(signature(cpu), ebx, cpu->features[FEAT_1_ECX], edx);
}

/* Descriptors of the same caches, in leaf 2's code. */
static CpuidRegs leaf_2(const X86Cpu *cpu)
{
    if (x86_is_amd(cpu)) {
        return REGS(0, 0, 0, 0);
    }
    if (cpu->host_cache_info) {
        return x86_host_cpuid(2, 0);
    }
    return REGS(1, 0, cpu->l3_cache ? 0x4d : 0, 0x002c307d);
}

static CpuidRegs leaf_7(const X86Cpu *cpu, uint32_t sub)
{
    switch (sub) {
    case 0:
        return REGS(cpu->level_func7, cpu->features[FEAT_7_0_EBX],
                    cpu->features[FEAT_7_0_ECX], cpu->features[FEAT_7_0_EDX]);
    case 1:
        return REGS(cpu->features[FEAT_7_1_EAX], 0, 0, 0);
    default:
        return REGS(0, 0, 0, 0);
    }
}

static CpuidRegs leaf_d(const X86Cpu *cpu, uint32_t sub)
{
    uint64_t all = cpu->xcr0_mask | cpu->xss_mask;
    uint32_t size = x86_xsave_size(cpu->xcr0_mask);

    if (!x86_has(cpu, FEAT_1_ECX, F1_ECX_XSAVE) || sub > 63) {
        return REGS(0, 0, 0, 0);
    }
    if (sub == 0) {
        return REGS(cpu->xcr0_mask, size, size, cpu->xcr0_mask >> 32);
    }
    if (sub == 1) {
        return REGS(cpu->features[FEAT_XSAVE], x86_xsave_compacted_size(all),
                    cpu->xss_mask, cpu->xss_mask >> 32);
    }
    return all & BIT(sub)
               ? x86_supported_cpuid(cpu->parent.cpu.vm, 0xd, sub)
               : REGS(0, 0, 0, 0);
}

static CpuidRegs basic(const X86Cpu *cpu, uint32_t leaf, uint32_t sub)
{
    Vm *vm = cpu->parent.cpu.vm;

    switch (leaf) {
    case 0:
        return vendor_leaf(cpu, cpu->level);
    case 1:
        return leaf_1(cpu);
    case 2:
        return leaf_2(cpu);
    case 4:
        return intel_cache(cpu, sub);
    case 5:
        return REGS(0, 0, 3, 0); /* MWAIT extensions, interrupts break */
    case 6:
        return REGS(cpu->features[FEAT_6_EAX], 0, 0, 0);
    case 7:
        return leaf_7(cpu, sub);
    case 0xa:
        return cpu->pmu ? x86_supported_cpuid(vm, 0xa, 0) : REGS(0, 0, 0, 0);
    case 0xb:
        return cpu->cpuid_0xb ? topology(cpu, leaf, sub) : REGS(0, 0, 0, 0);
    case 0xd:
        return leaf_d(cpu, sub);
    case 0x1d:
    case 0x1e:
        return x86_has(cpu, FEAT_7_0_EDX, F7_EDX_AMX_TILE)
                   ? x86_supported_cpuid(vm, leaf, sub)
                   : REGS(0, 0, 0, 0);
    case 0x1f:
        return dies(cpu) > 1 ? topology(cpu, leaf, sub) : REGS(0, 0, 0, 0);
    default:
        return REGS(0, 0, 0, 0);
    }
}

/* Extended leaves ---------------------------------------------------------- */

static CpuidRegs leaf_8000_0001(const X86Cpu *cpu)
{
    uint32_t ecx = cpu->features[FEAT_8000_0001_ECX];

    if (die_threads(cpu) > 1 && !x86_is_intel(cpu)) {
        ecx |= F8_1_ECX_CMP_LEGACY;
    }
    return REGS(signature(cpu), 0, ecx, cpu->features[FEAT_8000_0001_EDX]);
}

static CpuidRegs model_id(const X86Cpu *cpu, unsigned part)
{
    const char *id = cpu->model_id ? cpu->model_id : "";
    size_t len = strlen(id);

    return REGS(text_word(id, len, part * 4), text_word(id, len, part * 4 + 1),
                text_word(id, len, part * 4 + 2),
                text_word(id, len, part * 4 + 3));
}

static CpuidRegs leaf_8000_0008(const X86Cpu *cpu)
{
    uint32_t virt = x86_has(cpu, FEAT_7_0_ECX, F7_ECX_LA57) ? 57 : 48;
    uint32_t eax = cpu->phys_bits, ecx = 0;

    if (x86_has(cpu, FEAT_8000_0001_EDX, F8_1_EDX_LM)) {
        eax |= virt << 8;
    }
    if (die_threads(cpu) > 1) {
        ecx = socket_shift(cpu) << 12 | (die_threads(cpu) - 1);
    }
    return REGS(eax, cpu->features[FEAT_8000_0008_EBX], ecx, 0);
}

static CpuidRegs leaf_8000_001e(const X86Cpu *cpu)
{
    unsigned core = MAX(cpu->core_id, 0), die = MAX(cpu->die_id, 0);
    unsigned socket = MAX(cpu->socket_id, 0);

    if (core > 255) {
        return REGS(0, 0, 0, 0);
    }
    return REGS(cpu->apic_id, (threads(cpu) - 1) << 8 | core,
                (dies(cpu) - 1) << 8 | ((socket * dies(cpu) + die) & 0xff), 0);
}

static CpuidRegs extended(const X86Cpu *cpu, uint32_t leaf, uint32_t sub)
{
    switch (leaf) {
    case 0x80000000:
        return vendor_leaf(cpu, cpu->xlevel);
    case 0x80000001:
        return leaf_8000_0001(cpu);
    case 0x80000002:
    case 0x80000003:
    case 0x80000004:
        return model_id(cpu, leaf - 0x80000002);
    case 0x80000005: /* L1 TLBs and caches, as amd_caches says */
        return cpu->host_cache_info
                   ? x86_host_cpuid(leaf, 0)
                   : REGS(0x01ff01ff, 0x01ff01ff, 0x40020140, 0x40020140);
    case 0x80000006:
        return cpu->host_cache_info ? x86_host_cpuid(leaf, 0)
                                    : REGS(0, 0x42004200, 0x02008140,
                                           cpu->l3_cache ? 0x00808140 : 0);
    case 0x80000007:
        return REGS(0, 0, 0, cpu->features[FEAT_8000_0007_EDX]);
    case 0x80000008:
        return leaf_8000_0008(cpu);
    case 0x8000000a:
        return x86_has(cpu, FEAT_8000_0001_ECX, F8_1_ECX_SVM)
                   ? REGS(1, 0x10, 0, cpu->features[FEAT_SVM])
                   : REGS(0, 0, 0, 0);
    case 0x8000001d:
        return amd_cache(cpu, sub);
    case 0x8000001e:
        return leaf_8000_001e(cpu);
    default:
        return REGS(0, 0, 0, 0);
    }
}

CpuidRegs x86_cpuid(const X86Cpu *cpu, uint32_t leaf, uint32_t sub)
{
    if (leaf >= 0x80000000) {
        return leaf <= cpu->xlevel ? extended(cpu, leaf, sub)
                                   : REGS(0, 0, 0, 0);
    }
    return leaf <= cpu->level ? basic(cpu, leaf, sub) : REGS(0, 0, 0, 0);
}
