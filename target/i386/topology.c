/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * APIC ids: the bits of thread, core, die and socket, each level as wide as
 * it needs (Intel SDM volume 3, 9.9 "Topology enumeration").
 */
#include "util/osdep.h"

#include "target/i386/cpu.h"

static unsigned width(unsigned count)
{
    return count > 1 ? 32 - __builtin_clz(count - 1) : 0;
}

static unsigned one_or(unsigned n)
{
    return n ? n : 1;
}

X86Place x86_place(const CpuTopology *t, unsigned index)
{
    unsigned threads = one_or(t->threads);
    unsigned cores = one_or(t->cores) * one_or(t->clusters);
    unsigned dies = one_or(t->dies);

    return (X86Place){
        .thread = index % threads,
        .core = index / threads % cores,
        .die = index / (threads * cores) % dies,
        .socket = index / (threads * cores * dies),
    };
}

uint32_t x86_apic_id(const CpuTopology *t, unsigned index)
{
    X86Place p = x86_place(t, index);
    unsigned thread_bits = width(one_or(t->threads));
    unsigned core_bits = width(one_or(t->cores) * one_or(t->clusters));
    unsigned die_bits = width(one_or(t->dies));

    return p.socket << (die_bits + core_bits + thread_bits) |
           p.die << (core_bits + thread_bits) | p.core << thread_bits |
           p.thread;
}

uint32_t x86_apic_id_limit(const CpuTopology *t)
{
    return x86_apic_id(t, one_or(t->max_cpus) - 1) + 1;
}
