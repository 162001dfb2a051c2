/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -numa: nodes with their memory, the CPUs in them, and how far they are from
 * each other. QEMU's manual, "-numa".
 */
#include "util/osdep.h"

#include "hw/core/numa.h"
#include "qapi/hmp.h"
#include "qapi/qapi-commands-machine.h"
#include "softmmu/user-object.h"
#include "softmmu/vm.h"
#include "util/error.h"

static NumaState *numa_state(Machine *m)
{
    if (!m->numa) {
        m->numa = g_new0(NumaState, 1);
    }
    return m->numa;
}

void numa_free(NumaState *numa)
{
    for (unsigned i = 0; numa && i < NUMA_MAX_NODES; i++) {
        object_unref(numa->nodes[i].memdev);
    }
    g_free(numa);
}

/* Nodes ---------------------------------------------------------------------
 */

static bool put_cpu(CpuSlot *slot, unsigned node, Error **errp)
{
    if (slot->props.has_node_id) {
        return error_set(errp, "CPU is already assigned to node-id: %" PRId64,
                         slot->props.node_id);
    }
    slot->props.has_node_id = true;
    slot->props.node_id = node;
    return true;
}

static bool take_cpus(Machine *m, unsigned node, const uint16List *cpus,
                      Error **errp)
{
    QAPI_LIST_FOREACH(cpus, n) {
        if (n->value >= m->n_cpu_slots) {
            return error_set(errp,
                             "CPU index (%u) should be smaller than "
                             "maxcpus (%u)",
                             n->value, m->n_cpu_slots);
        }
        if (!put_cpu(&m->cpu_slots[n->value], node, errp)) {
            return false;
        }
        m->numa->cpus_given = true;
    }
    return true;
}

static bool take_memory(Machine *m, NumaNode *node, const char *id,
                        Error **errp)
{
    Object *obj = user_object_find(m->vm, id);

    if (!obj || !type_is_a(obj->type, &mem_backend_type)) {
        return error_set(errp, "Memory backend '%s' not found", id);
    }
    node->memdev = mem_backend_cast(object_ref(obj));
    node->size = node->memdev->size;
    return true;
}

static bool add_node(Machine *m, const NumaNodeOptions *o, Error **errp)
{
    NumaState *s = m->numa;
    unsigned id = o->has_nodeid ? o->nodeid : s->n_nodes;
    NumaNode *node;

    if (id >= NUMA_MAX_NODES) {
        return error_set(errp, "Max number of NUMA nodes reached: %u", id);
    }
    node = &s->nodes[id];
    if (node->present) {
        return error_set(errp, "Duplicate NUMA nodeid: %u", id);
    }
    node->present = true;
    s->n_nodes++;
    return take_cpus(m, id, o->cpus, errp) &&
           (!o->memdev || take_memory(m, node, o->memdev, errp));
}

static bool node_exists(const NumaState *s, int64_t id)
{
    return id >= 0 && id < NUMA_MAX_NODES && s->nodes[id].present;
}

static bool add_distance(NumaState *s, const NumaDistOptions *o, Error **errp)
{
    if (!node_exists(s, o->src) || !node_exists(s, o->dst)) {
        return error_set(errp,
                         "Source/Destination NUMA node is missing. "
                         "Please use '-numa node' option to declare it first.");
    }
    if (o->val < NUMA_DISTANCE_LOCAL) {
        return error_set(errp,
                         "NUMA distance (%u) is invalid, it shouldn't "
                         "be less than %d.",
                         o->val, NUMA_DISTANCE_LOCAL);
    }
    if (o->src == o->dst && o->val != NUMA_DISTANCE_LOCAL) {
        return error_set(errp, "Local distance of node %u should be %d.",
                         o->src, NUMA_DISTANCE_LOCAL);
    }
    s->distance[o->src][o->dst] = o->val;
    s->has_distances = true;
    return true;
}

#define MATCHES(slot, o, id) \
    (!(o)->has_##id || ((slot)->props.has_##id && (slot)->props.id == (o)->id))

static bool add_cpu(Machine *m, const NumaCpuOptions *o, Error **errp)
{
    bool any = false;

    if (!o->has_node_id) {
        return error_set(errp, "Missing mandatory node-id property");
    }
    if (!node_exists(m->numa, o->node_id)) {
        return error_set(errp,
                         "Invalid node-id=%" PRId64 ", NUMA node must be "
                         "defined with -numa node,nodeid=ID before it's used "
                         "with -numa cpu,node-id=ID",
                         o->node_id);
    }
    for (unsigned i = 0; i < m->n_cpu_slots; i++) {
        CpuSlot *slot = &m->cpu_slots[i];

        if (MATCHES(slot, o, socket_id) && MATCHES(slot, o, die_id) &&
            MATCHES(slot, o, cluster_id) && MATCHES(slot, o, core_id) &&
            MATCHES(slot, o, thread_id)) {
            any = true;
            if (!put_cpu(slot, o->node_id, errp)) {
                return false;
            }
        }
    }
    m->numa->cpus_given = true;
    return any || error_set(errp, "no match found");
}

bool numa_add(Machine *m, const NumaOptions *options, Error **errp)
{
    machine_make_cpu_slots(m);
    if (!m->n_cpu_slots) {
        return error_set(errp, "NUMA is not supported by this machine-type");
    }
    numa_state(m);
    switch (options->type) {
    case NUMA_OPTIONS_TYPE_NODE:
        return add_node(m, &options->u.node, errp);
    case NUMA_OPTIONS_TYPE_DIST:
        return add_distance(m->numa, &options->u.dist, errp);
    case NUMA_OPTIONS_TYPE_CPU:
        return add_cpu(m, &options->u.cpu, errp);
    default:
        g_assert_not_reached();
    }
}

bool qmp_set_numa_node(Vm *vm, NumaOptions *arg, Error **errp)
{
    if (!vm->preconfig) {
        return error_set(errp, "The command is permitted only before the "
                               "machine has been created");
    }
    return numa_add(vm->machine, arg, errp);
}

/* All together ----------------------------------------------------------------
 */

static bool check_nodes(const Machine *m, Error **errp)
{
    const NumaState *s = m->numa;
    uint64_t total = 0;

    for (unsigned i = 0; i < s->n_nodes; i++) {
        if (!s->nodes[i].present) {
            return error_set(errp, "numa: Node ID missing: %u", i);
        }
        total += s->nodes[i].size;
    }
    if (total != m->ram_size) {
        return error_set(errp,
                         "total memory for NUMA nodes (0x%" PRIx64 ") "
                         "should equal RAM size (0x%" PRIx64 ")",
                         total, m->ram_size);
    }
    if (m->memory_backend_id) {
        return error_set(errp, "'-machine memory-backend' and '-numa memdev' "
                               "properties are mutually exclusive");
    }
    return true;
}

/* A CPU that nobody placed goes by its socket. */
static void place_cpus(Machine *m)
{
    NumaState *s = m->numa;
    bool missing = false;

    for (unsigned i = 0; i < m->n_cpu_slots; i++) {
        CpuInstanceProperties *p = &m->cpu_slots[i].props;

        if (!p->has_node_id) {
            missing = true;
            p->has_node_id = true;
            p->node_id = p->socket_id % s->n_nodes;
        }
    }
    if (missing && s->cpus_given) {
        warn_report("All CPU(s) up to maxcpus should be described in NUMA "
                    "config, ability to start up with partial NUMA mappings "
                    "is obsoleted and will be removed in future");
    }
}

/* One way given is both ways; distances given for some must be for all. */
static bool complete_distances(NumaState *s, Error **errp)
{
    for (unsigned i = 0; s->has_distances && i < s->n_nodes; i++) {
        s->distance[i][i] = NUMA_DISTANCE_LOCAL;
        for (unsigned j = 0; j < s->n_nodes; j++) {
            uint8_t *d = &s->distance[i][j];

            *d = *d ? *d : s->distance[j][i];
            if (!*d) {
                return error_set(errp,
                                 "The distance between node %u and %u is "
                                 "missing, at least one distance value between "
                                 "each nodes should be provided.",
                                 i, j);
            }
        }
    }
    return true;
}

bool numa_complete(Machine *m, Error **errp)
{
    if (!m->numa) {
        return true;
    }
    if (!check_nodes(m, errp) || !complete_distances(m->numa, errp)) {
        return false;
    }
    place_cpus(m);
    return true;
}

MemRegion *numa_make_ram(Machine *m, Error **errp)
{
    NumaState *s = m->numa;
    hwaddr at = 0;

    mem_region_init(&s->ram, &m->obj, machine_class(m)->default_ram_id,
                    m->ram_size);
    for (unsigned i = 0; i < s->n_nodes; i++) {
        MemBackend *b = s->nodes[i].memdev;

        if (!b) {
            continue;
        }
        if (b->mapped) {
            error_set(errp, "memory backend %s can't be used multiple times.",
                      object_name(&b->obj));
            return NULL;
        }
        if (!mem_backend_set_mapped(b, true, errp)) {
            return NULL;
        }
        mem_region_add(&s->ram, at, mem_backend_region(b));
        at += b->size;
    }
    return &s->ram;
}

/* HMP
 * -------------------------------------------------------------------------- */

static void print_node_cpus(Hmp *hmp, const Machine *m, unsigned node)
{
    hmp_printf(hmp, "node %u cpus:", node);
    for (unsigned i = 0; i < m->n_cpu_slots; i++) {
        const CpuSlot *slot = &m->cpu_slots[i];

        if (slot->cpu && slot->props.node_id == node) {
            hmp_printf(hmp, " %u", i);
        }
    }
    hmp_printf(hmp, "\n");
}

static bool info_numa(Hmp *hmp, const QDict *args, Error **errp)
{
    const Machine *m = hmp->vm->machine;
    const NumaState *s = m->numa;

    hmp_printf(hmp, "%u nodes\n", s ? s->n_nodes : 0);
    for (unsigned i = 0; s && i < s->n_nodes; i++) {
        print_node_cpus(hmp, m, i);
        hmp_printf(hmp, "node %u size: %" PRIu64 " MB\n", i,
                   s->nodes[i].size / MiB);
        hmp_printf(hmp, "node %u plugged: 0 MB\n", i);
    }
    return true;
}

static const HmpCommand numa_commands[] = {
    { .name = "info numa", .help = "show NUMA information", .run = info_numa },
};
HMP_COMMANDS(numa_commands);
