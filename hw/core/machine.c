/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The machine base type: its options as properties, and its life. */
#include "util/osdep.h"

#include "hw/core/core-internal.h"
#include "hw/core/machine.h"
#include "hw/core/numa.h"
#include "softmmu/user-object.h"
#include "softmmu/vm.h"
#include "util/error.h"

typedef struct DoneFn {
    bool (*fn)(void *opaque, Error **errp);
    void *opaque;
} DoneFn;

/* Structured options: smp, memory, boot
 * ------------------------------------------ */

static QObject *get_smp(Object *obj, const Prop *prop, Error **errp)
{
    Machine *m = machine_cast(obj);
    SMPConfiguration smp = {
        .has_cpus = true,
        .cpus = m->smp.cpus,
        .has_sockets = true,
        .sockets = m->smp.sockets,
        .has_dies = true,
        .dies = m->smp.dies,
        .has_clusters = true,
        .clusters = m->smp.clusters,
        .has_cores = true,
        .cores = m->smp.cores,
        .has_threads = true,
        .threads = m->smp.threads,
        .has_maxcpus = true,
        .maxcpus = m->smp.max_cpus,
    };
    SMPConfiguration *p = &smp;

    return qapi_to_qobject(&qapi_type_SMPConfiguration, &p);
}

static bool set_smp(Object *obj, const Prop *prop, const QObject *value,
                    QapiMode mode, Error **errp)
{
    g_autoptr(SMPConfiguration) smp =
        qapi_from_qobject(&qapi_type_SMPConfiguration, value, mode, errp);

    return smp && machine_set_topology(machine_cast(obj), smp, errp);
}

static QObject *get_memory(Object *obj, const Prop *prop, Error **errp)
{
    Machine *m = machine_cast(obj);
    MemorySizeConfiguration mem = {
        .has_size = true,
        .size = m->ram_size,
        .has_max_size = m->max_ram_size,
        .max_size = m->max_ram_size,
        .has_slots = m->ram_slots,
        .slots = m->ram_slots,
    };
    MemorySizeConfiguration *p = &mem;

    return qapi_to_qobject(&qapi_type_MemorySizeConfiguration, &p);
}

static bool check_memory(Machine *m, const MemorySizeConfiguration *mem,
                         uint64_t size, Error **errp)
{
    if (mem->has_max_size && mem->max_size < size) {
        return error_set(errp,
                         "invalid value of maxmem: maximum memory size "
                         "(0x%" PRIx64 ") must be at least the initial memory "
                         "size (0x%" PRIx64 ")",
                         mem->max_size, size);
    }
    if (mem->has_slots && mem->slots && !mem->has_max_size) {
        return error_set(errp, "memory slots were specified but maximum "
                               "memory size was not");
    }
    if (mem->has_slots && mem->slots > 256) {
        return error_set(errp,
                         "invalid value of slots: %" PRIu64 " (maximum: 256)",
                         mem->slots);
    }
    return true;
}

static bool set_memory(Object *obj, const Prop *prop, const QObject *value,
                       QapiMode mode, Error **errp)
{
    Machine *m = machine_cast(obj);
    g_autoptr(MemorySizeConfiguration) mem =
        qapi_from_qobject(&qapi_type_MemorySizeConfiguration, value, mode,
                          errp);
    uint64_t size;

    if (!mem) {
        return false;
    }
    size = mem->has_size && mem->size ? ALIGN_UP(mem->size, 8192)
                                      : machine_class(m)->default_ram_size;
    if (!check_memory(m, mem, size, errp)) {
        return false;
    }
    m->ram_size = size;
    m->ram_size_set = mem->has_size && mem->size;
    m->max_ram_size = mem->has_max_size ? mem->max_size : size;
    m->ram_slots = mem->has_slots ? mem->slots : 0;
    return true;
}

static bool check_boot_order(const char *order, Error **errp)
{
    uint32_t seen = 0;

    for (; *order; order++) {
        if (*order < 'a' || *order > 'p') {
            return error_set(errp, "Invalid boot device '%c'", *order);
        }
        if (seen & BIT(*order - 'a')) {
            return error_set(errp, "Boot device '%c' was given twice", *order);
        }
        seen |= BIT(*order - 'a');
    }
    return true;
}

static QObject *get_boot(Object *obj, const Prop *prop, Error **errp)
{
    Machine *m = machine_cast(obj);
    BootConfiguration *boot = m->boot;

    return qapi_to_qobject(&qapi_type_BootConfiguration, &boot);
}

static bool set_boot(Object *obj, const Prop *prop, const QObject *value,
                     QapiMode mode, Error **errp)
{
    Machine *m = machine_cast(obj);
    g_autoptr(BootConfiguration) boot =
        qapi_from_qobject(&qapi_type_BootConfiguration, value, mode, errp);

    if (!boot || (boot->order && !check_boot_order(boot->order, errp)) ||
        (boot->once && !check_boot_order(boot->once, errp))) {
        return false;
    }
    if (boot->has_reboot_timeout &&
        (boot->reboot_timeout < -1 || boot->reboot_timeout > UINT16_MAX)) {
        return error_set(errp, "'reboot-timeout' must be from -1 to %d",
                         UINT16_MAX);
    }
    if (boot->has_splash_time &&
        (boot->splash_time < 0 || boot->splash_time > UINT16_MAX)) {
        return error_set(errp, "'splash-time' must be from 0 to %d",
                         UINT16_MAX);
    }
    qapi_free_BootConfiguration(m->boot);
    m->boot = g_steal_pointer(&boot);
    return true;
}

/* Plain options
 * -------------------------------------------------------------------- */

static QObject *get_memory_backend(Object *obj, const Prop *prop, Error **errp)
{
    return qstr_new(machine_cast(obj)->memory_backend_id ?: "");
}

static bool set_memory_backend(Object *obj, const Prop *prop,
                               const QObject *value, QapiMode mode,
                               Error **errp)
{
    Machine *m = machine_cast(obj);
    const char *id = qobject_get_str(value);

    if (!id) {
        return error_set(errp, "Parameter 'memory-backend' expects an id");
    }
    g_free(m->memory_backend_id);
    m->memory_backend_id = g_strdup(id);
    return true;
}

static QObject *get_usb(Object *obj, const Prop *prop, Error **errp)
{
    return qbool_new(false);
}

static bool set_usb(Object *obj, const Prop *prop, const QObject *value,
                    QapiMode mode, Error **errp)
{
    bool on = false;

    if (!qapi_read_named(&qapi_type_bool, "usb", value, &on, mode, errp)) {
        return false;
    }
    return !on ||
           error_set(errp, "usb=on: machines have no USB controller "
                           "of their own here; usb=off is the only value");
}

static const Prop machine_props[] = {
    PROP_STR(Machine, kernel, "kernel", .type = "string",
             .help = "Linux kernel image file"),
    PROP_STR(Machine, initrd, "initrd", .type = "string",
             .help = "Linux initial ramdisk file"),
    PROP_STR(Machine, append, "append", .type = "string",
             .help = "Linux kernel command line"),
    PROP_STR(Machine, dtb, "dtb", .type = "string",
             .help = "Linux kernel device tree file"),
    PROP_STR(Machine, firmware, "firmware", .type = "string",
             .help = "Firmware image"),
    PROP_FN("boot", "BootConfiguration", get_boot, set_boot,
            .help = "Boot configuration"),
    PROP_FN("memory", "MemorySizeConfiguration", get_memory, set_memory,
            .help = "Memory size configuration"),
    PROP_FN("smp", "SMPConfiguration", get_smp, set_smp,
            .help = "CPU topology"),
    PROP(Machine, graphics, "graphics", true,
         .help = "Set on/off to enable/disable graphics emulation"),
    PROP_FN("usb", "bool", get_usb, set_usb,
            .help = "Set on/off to enable/disable usb"),
    PROP(Machine, dump_guest_core, "dump-guest-core", true,
         .help = "Include guest memory in a core dump"),
    PROP(Machine, mem_merge, "mem-merge", true,
         .help = "Enable/disable memory merge support"),
    PROP_FN("memory-backend", "link<memory-backend>", get_memory_backend,
            set_memory_backend,
            .help =
                "Set RAM backend; a valid value is the id of a memory backend"),
    PROP(Machine, suppress_vmdesc, "suppress-vmdesc", false,
         .help = "Set on to disable self-describing migration"),
    {},
};

/* Life
 * --------------------------------------------------------------------------------
 */

static void machine_init(Object *obj)
{
    Machine *m = machine_cast(obj);
    const MachineClass *mc = machine_class(m);

    m->ram_size = m->max_ram_size = mc->default_ram_size;
    m->smp = (CpuTopology){ 1, 1, 1, 1, 1, 1, 1 };
    m->boot = g_new0(BootConfiguration, 1);
    m->done_fns = g_ptr_array_new_with_free_func(g_free);
}

static void machine_finalize(Object *obj)
{
    Machine *m = machine_cast(obj);

    qapi_free_BootConfiguration(m->boot);
    g_free(m->memory_backend_id);
    g_free(m->cpu_slots);
    qobject_unref(m->cpu_opts);
    g_free(m->cpu_type);
    object_unref(m->memory_backend_obj);
    numa_free(m->numa);
    g_ptr_array_free(m->done_fns, TRUE);
}

static const MachineClass machine_base_class = {
    .props = machine_props,
};

const ObjectType machine_type = {
    .name = "machine",
    .parent = &object_type,
    .size = sizeof(Machine),
    .abstract = true,
    .class = &machine_base_class,
    .init = machine_init,
    .finalize = machine_finalize,
};
static const ObjectType *const machine_type_entry
    __attribute__((section("qom_types"), used)) = &machine_type;

static bool machine_runs_on(const ObjectType *t, const char *target)
{
    const MachineClass *mc = type_class(t);

    return !t->abstract && type_is_a(t, &machine_type) &&
           (!mc->target || g_str_equal(mc->target, target));
}

const ObjectType *machine_find(const char *name, const char *target,
                               Error **errp)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    const ObjectType *t;

    for (size_t i = 0; (t = type_at(i)); i++) {
        const MachineClass *mc;

        if (!machine_runs_on(t, target)) {
            continue;
        }
        mc = type_class(t);
        if (g_str_equal(mc->name, name) || !g_strcmp0(mc->alias, name)) {
            return t;
        }
        g_ptr_array_add(names, (char *)mc->name);
        if (mc->alias) {
            g_ptr_array_add(names, (char *)mc->alias);
        }
    }
    g_ptr_array_add(names, NULL);
    error_set(errp, "unsupported machine type '%s'", name);
    error_hint_nearest(errp, name, (const char *const *)names->pdata);
    error_hint(errp, "Use -machine help to list supported machines\n");
    return NULL;
}

static void machine_reset(void *opaque)
{
    Machine *m = opaque;
    const MachineClass *mc = machine_class(m);
    GPtrArray *devs = m->main_bus->children;

    for (guint i = 0; i < devs->len; i++) {
        device_reset_tree(devs->pdata[i]);
    }
    if (mc->reset) {
        mc->reset(m);
    }
}

/* The guest's address spaces, empty. */
static void machine_new_memory(Vm *vm)
{
    vm->system_memory = g_new0(MemRegion, 1);
    mem_region_init(vm->system_memory, NULL, "system", 0);
    vm->memory = address_space_new(vm, "memory", vm->system_memory);
    vm->system_io = g_new0(MemRegion, 1);
    mem_region_init(vm->system_io, NULL, "io", 0x10000);
    vm->io = address_space_new(vm, "I/O", vm->system_io);
}

Machine *machine_new(Vm *vm, const ObjectType *type)
{
    Machine *m = machine_cast(object_new(type));
    Object *unattached;

    m->vm = vm;
    vm->machine = m;
    machine_new_memory(vm);
    object_add_child(vm->root, "machine", m, error_abort);
    object_unref(m); /* the tree holds it */
    object_container(&m->obj, "peripheral");
    object_container(&m->obj, "peripheral-anon");
    unattached = object_container(&m->obj, "unattached");
    m->main_bus = bus_new(&system_bus_type, vm, NULL, "main-system-bus");
    object_add_child(unattached, "sysbus", m->main_bus, error_abort);
    object_unref(m->main_bus);
    return m;
}

/* Initial RAM ------------------------------------------------------------------ */

static Object *make_ram_backend(Machine *m, Error **errp)
{
    const char *id = machine_class(m)->default_ram_id;
    g_autoptr(QDict) opts = qdict_new();

    qdict_put_str(opts, "qom-type",
                  m->mem_path ? "memory-backend-file" : "memory-backend-ram");
    qdict_put_str(opts, "id", id);
    qdict_put_uint(opts, "size", m->ram_size);
    qdict_put_bool(opts, "x-use-canonical-path-for-ramblock-id", false);
    if (m->mem_path) {
        qdict_put_str(opts, "mem-path", m->mem_path);
    }
    if (m->mem_prealloc) {
        qdict_put_bool(opts, "prealloc", true);
    }
    return user_object_add(m->vm, opts, QAPI_STRICT, errp)
               ? user_object_find(m->vm, id)
               : NULL;
}

static bool use_ram_backend(Machine *m, Object *backend, Error **errp)
{
    g_autoptr(QObject) size = object_prop_get(backend, "size", errp);
    uint64_t bytes = 0;

    if (!size) {
        return false;
    }
    qobject_get_uint(size, &bytes);
    if (m->ram_size_set && bytes != m->ram_size) {
        return error_set(errp, "Size specified by '-m' option must match size "
                         "of explicitly specified 'memory-backend' property");
    }
    m->ram_size = bytes;
    m->max_ram_size = MAX(m->max_ram_size, bytes);
    return true;
}

static bool machine_create_ram(Machine *m, Error **errp)
{
    Object *backend;

    if (!machine_class(m)->default_ram_id || !m->ram_size) {
        return true;
    }
    if (m->numa) {
        m->ram = numa_make_ram(m, errp);
        return m->ram;
    }
    if (m->memory_backend_id) {
        backend = user_object_find(m->vm, m->memory_backend_id);
        if (!backend || !type_is_a_name(backend->type, "memory-backend")) {
            return error_set(errp, "Memory backend '%s' not found",
                             m->memory_backend_id);
        }
        if (!use_ram_backend(m, backend, errp)) {
            return false;
        }
    } else {
        backend = make_ram_backend(m, errp);
        if (!backend) {
            return false;
        }
    }
    m->memory_backend_obj = object_ref(backend);
    if (!mem_backend_set_mapped(mem_backend_cast(backend), true, errp)) {
        return false;
    }
    m->ram = mem_backend_region(mem_backend_cast(backend));
    return true;
}

void machine_make_cpu_slots(Machine *m)
{
    const MachineClass *mc = machine_class(m);

    if (!mc->cpu_slot || m->cpu_slots) {
        return;
    }
    m->n_cpu_slots = m->smp.max_cpus;
    m->cpu_slots = g_new0(CpuSlot, m->n_cpu_slots);
    for (unsigned i = 0; i < m->n_cpu_slots; i++) {
        mc->cpu_slot(m, i, &m->cpu_slots[i]);
    }
}

bool machine_build(Machine *m, Error **errp)
{
    const MachineClass *mc = machine_class(m);

    if (mc->check_options && !mc->check_options(m, errp)) {
        return false;
    }
    machine_make_cpu_slots(m);
    if (!numa_complete(m, errp) || !machine_create_ram(m, errp)) {
        return false;
    }
    vm_reset_register(m->vm, machine_reset, m);
    return !mc->init || mc->init(m, errp);
}

void machine_on_done(Machine *machine, bool (*fn)(void *opaque, Error **errp),
                     void *opaque)
{
    DoneFn *d = g_new(DoneFn, 1);

    *d = (DoneFn){ fn, opaque };
    g_ptr_array_add(machine->done_fns, d);
}

bool machine_run_done(Machine *m, Error **errp)
{
    const MachineClass *mc = machine_class(m);

    for (guint i = 0; i < m->done_fns->len; i++) {
        DoneFn *d = m->done_fns->pdata[i];

        if (!d->fn(d->opaque, errp)) {
            return false;
        }
    }
    if (mc->done && !mc->done(m, errp)) {
        return false;
    }
    m->ready = m->obj.fixed = true;
    return true;
}

/* A machine without anything, for clients that only ask questions.
 * --------------------- */

static const MachineClass none_class = {
    .name = "none",
    .desc = "empty machine",
    .max_cpus = 1,
    .default_ram_size = 0,
    .default_ram_id = "ram",
};
QOM_DEFINE(Machine, none_machine, .name = "none-machine",
           .parent = &machine_type, .class = &none_class);
