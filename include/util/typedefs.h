/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Forward declarations of the types that many headers only point to, so that
 * headers need not include each other.
 */
#ifndef UTIL_TYPEDEFS_H
#define UTIL_TYPEDEFS_H

typedef struct AddressSpace AddressSpace;
typedef struct Accel Accel;
typedef struct BlockBackend BlockBackend;
typedef struct BlockNode BlockNode;
typedef struct Bus Bus;
typedef struct Chardev Chardev;
typedef struct Coroutine Coroutine;
typedef struct Cpu Cpu;
typedef struct Device Device;
typedef struct Error Error;
typedef struct FwCfg FwCfg;
typedef struct IoThread IoThread;
typedef struct IrqLine IrqLine;
typedef struct IrqRoutes IrqRoutes;
typedef struct IsaBus IsaBus;
typedef struct Loop Loop;
typedef struct Machine Machine;
typedef struct MemBackend MemBackend;
typedef struct MemRegion MemRegion;
typedef struct Monitor Monitor;
typedef struct NetClient NetClient;
typedef struct Object Object;
typedef struct ObjectType ObjectType;
typedef struct PciBus PciBus;
typedef struct PciDevice PciDevice;
typedef struct Prop Prop;
typedef struct QapiEventSink QapiEventSink;
typedef struct QapiType QapiType;
typedef struct QDict QDict;
typedef struct QList QList;
typedef struct QObject QObject;
typedef struct VirtioDevice VirtioDevice;
typedef struct VirtQueue VirtQueue;
typedef struct Vm Vm;
typedef struct VmState VmState;

/* A guest physical address, or an offset in an address space. */
typedef uint64_t hwaddr;

#endif
