/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -smp: fill in what the user left out. Since machine type 6.2 cores are
 * preferred over sockets and sockets over threads. QEMU's manual, "-smp".
 */
#include "util/osdep.h"

#include "hw/core/machine.h"
#include "util/error.h"

static bool check_given(const Machine *m, const SMPConfiguration *c,
                        Error **errp)
{
    const MachineClass *mc = machine_class(m);
    const struct {
        const char *name;
        bool has;
        int64_t v;
    } given[] = {
        { "cpus", c->has_cpus, c->cpus },
        { "sockets", c->has_sockets, c->sockets },
        { "dies", c->has_dies, c->dies },
        { "clusters", c->has_clusters, c->clusters },
        { "cores", c->has_cores, c->cores },
        { "threads", c->has_threads, c->threads },
        { "maxcpus", c->has_maxcpus, c->maxcpus },
    };

    for (size_t i = 0; i < ARRAY_SIZE(given); i++) {
        if (given[i].has && (given[i].v <= 0 || given[i].v > 65536)) {
            return error_set(errp, "Invalid CPU topology: %s (%" PRId64
                             ") must be between 1 and 65536", given[i].name,
                             given[i].v);
        }
    }
    if (c->has_dies && c->dies > 1 && !mc->has_dies) {
        return error_set(errp, "dies not supported by this machine's CPU "
                         "topology");
    }
    if (c->has_clusters && c->clusters > 1 && !mc->has_clusters) {
        return error_set(errp, "clusters not supported by this machine's CPU "
                         "topology");
    }
    return true;
}

/* Missing members are 0 in @t on entry. */
static void fill_in(CpuTopology *t)
{
    unsigned fixed;

    t->dies = MAX(t->dies, 1);
    t->clusters = MAX(t->clusters, 1);
    fixed = t->dies * t->clusters;
    if (!t->cpus && !t->max_cpus) {
        t->sockets = MAX(t->sockets, 1);
        t->cores = MAX(t->cores, 1);
        t->threads = MAX(t->threads, 1);
    } else {
        unsigned max = t->max_cpus ?: t->cpus;

        if (!t->cores) {
            t->sockets = MAX(t->sockets, 1);
            t->threads = MAX(t->threads, 1);
            t->cores = max / (t->sockets * fixed * t->threads);
        } else if (!t->sockets) {
            t->threads = MAX(t->threads, 1);
            t->sockets = max / (fixed * t->cores * t->threads);
        }
        if (!t->threads) {
            t->threads = max / (t->sockets * fixed * t->cores);
        }
    }
    if (!t->max_cpus) {
        t->max_cpus = t->cpus ?: t->sockets * fixed * t->cores * t->threads;
    }
    if (!t->cpus) {
        t->cpus = t->max_cpus;
    }
}

static bool check_result(const Machine *m, const CpuTopology *t, Error **errp)
{
    const MachineClass *mc = machine_class(m);
    uint64_t product = (uint64_t)t->sockets * t->dies * t->clusters;
    g_autoptr(GString) text = g_string_new(NULL);

    product *= (uint64_t)t->cores * t->threads;
    g_string_append_printf(text, "sockets (%u)", t->sockets);
    if (mc->has_dies) {
        g_string_append_printf(text, " * dies (%u)", t->dies);
    }
    if (mc->has_clusters) {
        g_string_append_printf(text, " * clusters (%u)", t->clusters);
    }
    g_string_append_printf(text, " * cores (%u) * threads (%u)", t->cores,
                           t->threads);
    if (product != t->max_cpus) {
        return error_set(errp, "Invalid CPU topology: product of the hierarchy "
                         "must match maxcpus: %s != maxcpus (%u)", text->str,
                         t->max_cpus);
    }
    if (t->max_cpus < t->cpus) {
        return error_set(errp, "Invalid CPU topology: maxcpus must be equal to "
                         "or greater than smp: %s == maxcpus (%u) < "
                         "smp_cpus (%u)", text->str, t->max_cpus, t->cpus);
    }
    if (t->max_cpus > mc->max_cpus) {
        return error_set(errp, "Invalid SMP CPUs %u. The max CPUs supported by "
                         "machine '%s' is %u", t->max_cpus, mc->name,
                         mc->max_cpus);
    }
    return true;
}

bool machine_set_topology(Machine *m, const SMPConfiguration *c, Error **errp)
{
    CpuTopology t = {
        .cpus = c->has_cpus ? c->cpus : 0,
        .sockets = c->has_sockets ? c->sockets : 0,
        .dies = c->has_dies ? c->dies : 0,
        .clusters = c->has_clusters ? c->clusters : 0,
        .cores = c->has_cores ? c->cores : 0,
        .threads = c->has_threads ? c->threads : 0,
        .max_cpus = c->has_maxcpus ? c->maxcpus : 0,
    };

    if (!check_given(m, c, errp)) {
        return false;
    }
    fill_in(&t);
    if (!check_result(m, &t, errp)) {
        return false;
    }
    m->smp = t;
    return true;
}
