/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPU models: "host" and "max" have all that the host has, "base" nothing, and
 * the named ones what their table says.
 */
#include "util/osdep.h"

#include "target/i386/cpu-internal.h"

static const X86Model qemu64 = {
    .id = "QEMU Virtual CPU version 2.5+",
    .vendor = X86_VENDOR_AMD,
    .family = 15,
    .model = 107,
    .stepping = 1,
    .level = 0xd,
    .xlevel = 0x8000000a,
    .features = {
        [FEAT_1_EDX] = 0x078bfbfd,
        [FEAT_1_ECX] = 0x00002001,
        [FEAT_8000_0001_EDX] = 0x20100800,
        [FEAT_8000_0001_ECX] = 0x5,
    },
};

static const X86Model kvm64 = {
    .id = "Common KVM processor",
    .vendor = X86_VENDOR_INTEL,
    .family = 15,
    .model = 6,
    .stepping = 1,
    .level = 0xd,
    .xlevel = 0x80000008,
    .features = {
        [FEAT_1_EDX] = 0x078bfbff,
        [FEAT_1_ECX] = 0x00002001,
        [FEAT_8000_0001_EDX] = 0x20100800,
    },
};

static const Prop max_props[] = {
    PROP(X86Cpu, migratable, "migratable", true),
    PROP(X86Cpu, host_cache_info, "host-cache-info", false),
    {},
};

static const X86CpuClass max_class = {
    .parent = {
        .props = max_props,
        .desc = "Enables all features supported by the accelerator in the "
                "current host",
        .category = DEVICE_CATEGORY_CPU,
    },
    .host = true,
};
QOM_DEFINE(X86Cpu, x86_max_cpu, .name = "max-x86_64-cpu",
           .parent = &x86_cpu_type, .class = &max_class);

static const X86CpuClass host_class = {
    .parent = {
        .desc = "processor with all supported host features",
        .category = DEVICE_CATEGORY_CPU,
    },
    .host = true,
    .needs_kvm = true,
};
QOM_DEFINE(X86Cpu, x86_host_cpu, .name = "host-x86_64-cpu",
           .parent = &x86_max_cpu_type, .class = &host_class);

static const X86CpuClass base_class = {
    .parent = {
        .desc = "base CPU model type with no features enabled",
        .category = DEVICE_CATEGORY_CPU,
    },
    .is_static = true,
    .migration_safe = true,
};
QOM_DEFINE(X86Cpu, x86_base_cpu, .name = "base-x86_64-cpu",
           .parent = &x86_cpu_type, .class = &base_class);

/* A model's name means its first version, in machines of 7.2. */
#define MODEL(sym, nam)                                                        \
    static const X86CpuClass sym##_v1_class = {                                \
        .parent = { .category = DEVICE_CATEGORY_CPU },                         \
        .model = &sym,                                                         \
        .migration_safe = true,                                                \
    };                                                                         \
    QOM_DEFINE(X86Cpu, x86_##sym##_v1, .name = nam "-v1-x86_64-cpu",           \
               .parent = &x86_cpu_type, .class = &sym##_v1_class);             \
    static const X86CpuClass sym##_class = {                                   \
        .parent = { .category = DEVICE_CATEGORY_CPU },                         \
        .model = &sym,                                                         \
        .migration_safe = true,                                                \
        .alias_of = nam "-v1",                                                 \
    };                                                                         \
    QOM_DEFINE(X86Cpu, x86_##sym, .name = nam "-x86_64-cpu",                   \
               .parent = &x86_cpu_type, .class = &sym##_class)

MODEL(qemu64, "qemu64");
MODEL(kvm64, "kvm64");
