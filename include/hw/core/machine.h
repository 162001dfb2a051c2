/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Machines: a type "NAME-machine" per machine; -machine options are its
 * properties. A machine only places devices.
 */
#ifndef HW_CORE_MACHINE_H
#define HW_CORE_MACHINE_H

#include "hw/core/device.h"
#include "qapi/qapi-types-machine.h"
#include "softmmu/memory.h"

typedef struct CpuTopology {
    unsigned cpus, sockets, dies, clusters, cores, threads, max_cpus;
} CpuTopology;

/* A slot that a vCPU can fill: query-hotpluggable-cpus shows these. */
typedef struct CpuSlot {
    CpuInstanceProperties props;
    uint64_t arch_id; /* APIC id, MPIDR */
    Cpu *cpu;         /* NULL: free */
    unsigned vcpus_count;
} CpuSlot;

struct Machine {
    Object obj;
    Vm *vm;
    Bus *main_bus;

    /* Options; const after creation. */
    char *kernel, *initrd, *append, *dtb, *firmware;
    char *memory_backend_id;
    char *mem_path; /* -mem-path, or NULL */
    bool mem_prealloc;
    GPtrArray *serials; /* chardev id (char *) or NULL of each -serial */
    Object *memory_backend_obj; /* the initial RAM's backend, or NULL */
    uint64_t ram_size, max_ram_size, ram_slots;
    bool ram_size_set; /* by the user */
    CpuTopology smp;
    char *cpu_type;  /* "host-x86_64-cpu" */
    QDict *cpu_opts; /* features after the model's name */
    bool graphics, dump_guest_core, mem_merge, suppress_vmdesc;
    BootConfiguration *boot; /* never NULL */
    struct Smbios *smbios; /* -smbios; hw/firmware */

    MemRegion *ram; /* of memory_backend, or NULL when there is none */
    FwCfg *fw_cfg;
    CpuSlot *cpu_slots; /* max_cpus of them */
    unsigned n_cpu_slots;
    bool ready; /* machine_done ran */
    GPtrArray *done_fns; /* private */
    struct NumaState *numa; /* -numa; hw/core/numa.h; or NULL */
};

typedef struct MachineClass {
    OBJECT_CLASS_FIELDS
    const char *name; /* "pc-q35-7.2" */
    const char *alias; /* "q35" */
    const char *desc;
    const char *target; /* "x86_64"; NULL: both */
    bool is_default;
    unsigned max_cpus;
    uint64_t default_ram_size;
    const char *default_ram_id; /* "pc.ram"; NULL: no RAM */
    const char *default_cpu_type;
    const char *default_nic; /* model for -nic/-net without one */
    bool hotpluggable_cpus;
    bool has_dies, has_clusters;
    /* Build everything. The accelerator is open; properties are set. */
    bool (*init)(Machine *machine, Error **errp);
    /* Fill in slot @i of machine->cpu_slots. */
    void (*cpu_slot)(Machine *machine, unsigned i, CpuSlot *slot);
    bool (*check_options)(Machine *machine, Error **errp);
    /* Write reset vectors, load kernels: after all -device. */
    bool (*done)(Machine *machine, Error **errp);
    void (*reset)(Machine *machine);
} MachineClass;

QOM_DECLARE_CAST(Machine, machine_type, machine_cast)

static inline const MachineClass *machine_class(const Machine *m)
{
    return object_class(m);
}

/* -machine, in two steps: the object, whose options are set as properties;
 * then, with the accelerator open, everything in it. */
Machine *machine_new(Vm *vm, const ObjectType *type);
bool machine_build(Machine *machine, Error **errp);
/* Fill in cpu_slots by -smp, unless that was done. */
void machine_make_cpu_slots(Machine *machine);
bool machine_set_topology(Machine *m, const SMPConfiguration *c, Error **errp);

/* Machine type by name or alias for @target; NULL with a hint in *errp. */
const ObjectType *machine_find(const char *name, const char *target,
                               Error **errp);
/* Run once all devices of the command line exist (ACPI tables, boot). */
void machine_on_done(Machine *machine, bool (*fn)(void *opaque, Error **errp),
                     void *opaque);
bool machine_run_done(Machine *machine, Error **errp);

#endif
