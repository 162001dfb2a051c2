/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * NUMA nodes of a machine: -numa. Machine lock; constant once the machine is
 * built.
 */
#ifndef HW_CORE_NUMA_H
#define HW_CORE_NUMA_H

#include "backends/memory.h"
#include "hw/core/machine.h"

enum {
    NUMA_MAX_NODES = 128,
    NUMA_DISTANCE_LOCAL = 10,
    NUMA_DISTANCE_REMOTE = 20,
};

typedef struct NumaNode {
    bool present;
    MemBackend *memdev; /* a reference; NULL: no memory at start */
    uint64_t size;      /* of memdev */
} NumaNode;

/* machine->numa, NULL without -numa. */
typedef struct NumaState {
    unsigned n_nodes; /* numbered from 0 when complete */
    NumaNode nodes[NUMA_MAX_NODES];
    bool cpus_given;
    bool has_distances;                               /* the user gave some */
    uint8_t distance[NUMA_MAX_NODES][NUMA_MAX_NODES]; /* [from][to]; 0: none */
    MemRegion ram; /* the nodes' memory, one after the other */
} NumaState;

/* One -numa option: the machine's -smp and all backends are known. */
bool numa_add(Machine *m, const NumaOptions *options, Error **errp);
/* With all options given, before memory is made: checks, defaults. */
bool numa_complete(Machine *m, Error **errp);
/* The nodes' memory as one region of machine->ram_size. */
MemRegion *numa_make_ram(Machine *m, Error **errp);
void numa_free(NumaState *numa);

#endif
