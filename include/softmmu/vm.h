/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The handle of one virtual machine: everything that is not a type hangs off
 * it. qemu-storage-daemon has one too, without a machine.
 *
 * Fields are constant after launch unless marked; the machine lock is the one
 * lock for device and management state.
 */
#ifndef SOFTMMU_VM_H
#define SOFTMMU_VM_H

#include "qapi/qapi-types-run-state.h"
#include "qom/object.h"
#include "util/loop.h"
#include "util/thread.h"

typedef enum VmClock {
    VM_CLOCK_VIRTUAL,  /* ns; stands still while stopped; qtest sets it */
    VM_CLOCK_REALTIME, /* ns; host monotonic */
    VM_CLOCK_HOST,     /* ns since the epoch, host wall clock */
} VmClock;

struct Vm {
    Mutex lock; /* the machine lock: use vm_lock()/vm_unlock() */
    Loop *loop; /* main loop */
    Object *root; /* "/" with children machine, objects, chardevs */
    Machine *machine; /* also root's child "machine"; NULL before creation */
    Accel *accel;     /* NULL until opened */
    AddressSpace *memory, *io;
    MemRegion *system_memory, *system_io; /* roots of the two */
    QapiEventSink *events; /* all QMP monitors; NULL before the first */
    GPtrArray *cpus; /* Cpu *, by index, with holes; lock */
    GPtrArray *globals; /* GlobalProp *, of -global; or NULL */

    const char *target; /* "x86_64" or "aarch64" */
    GPtrArray *data_dirs; /* const char *, of -L; or NULL */
    bool cpu_pm; /* -overcommit cpu-pm=on: the guest may idle CPUs itself */
    uint8_t mux_escape; /* -echr: begins commands to shared terminals */
    bool preconfig;     /* -preconfig: the machine is not built yet */
    bool building;      /* x-exit-preconfig came: monitors wait */
    bool daemonized; /* standard input and output will go */
    int signal_fd;
    uint64_t migrate_caps; /* bits by MigrationCapability; machine lock */
    /* -rtc: the guest's wall clock is vm_clock_ns(rtc_clock) +
     * rtc_offset_ns; vm_rtc_ns() says it. */
    VmClock rtc_clock;
    int64_t rtc_offset_ns;
    /* Of the reset that runs or ran last: NONE is a start, not a reboot. */
    ShutdownCause reset_cause;
    bool rtc_slew; /* driftfix=slew: deliver missed periodic ticks */
    char *name;         /* -name, or NULL */
    uint8_t uuid[16];
    bool uuid_set;

    /* Owned by the subsystem named; NULL until it starts. */
    struct VmCore *core;         /* softmmu/core: clocks, run state */
    struct VmMemory *mem;        /* softmmu/core: address spaces, RAM blocks */
    struct BlockGraph *block;    /* block/ */
    struct NetClients *net;      /* net/ */
    struct Chardevs *chardevs;   /* chardev/ */
    struct FdSets *fdsets;       /* monitor fds and fd sets */
    struct Monitors *monitors;   /* monitor/ */
    struct IrqRoutes *irq_routes; /* accel/ */
    struct Launch *launch;       /* softmmu/: the parsed command line */
};

/* -global DRIVER.PROPERTY=VALUE: for devices of that type or below it. */
typedef struct GlobalProp {
    char *driver, *property, *value;
    bool used; /* some device took it */
} GlobalProp;

/* An empty VM with root, main loop, clocks and run state. */
Vm *vm_new(const char *target, Error **errp);
void vm_free(Vm *vm);

/* The machine lock. Not recursive. Coroutines must not yield with it. */
void vm_lock(Vm *vm) ACQUIRES(vm->lock);
void vm_unlock(Vm *vm) RELEASES(vm->lock);
/* Does this thread hold it? */
bool vm_locked(const Vm *vm);

/* Run state ------------------------------------------------------------------ */

RunState vm_run_state(const Vm *vm);
bool vm_is_running(const Vm *vm);
/* Invalid transitions are a bug of ours and abort. Emits no event. */
void vm_set_run_state(Vm *vm, RunState state);
/* Start and stop virtual CPUs and clocks; emit RESUME and STOP. */
bool vm_start(Vm *vm, Error **errp);
void vm_stop(Vm *vm, RunState state);
/* From vCPU threads and other loops: stop soon. */
void vm_stop_request(Vm *vm, RunState state);

/* -action, set-action, -no-reboot, -no-shutdown. Machine lock. */
typedef struct VmActions {
    RebootAction reboot;
    ShutdownAction shutdown;
    PanicAction panic;
    WatchdogAction watchdog;
} VmActions;
VmActions *vm_actions(Vm *vm);

/* Serve the main loop, under the machine lock except while it waits, until
 * the VM ends. Returns the exit status. */
int vm_run(Vm *vm);
/* -preconfig: serve clients until x-exit-preconfig; false: the VM ended. */
bool vm_run_preconfig(Vm *vm);
/* The end: tell listeners, close what has data to lose. The machine lock is
 * held; nothing runs after this but exit. */
void vm_shutdown(Vm *vm);
typedef struct VmExitListener {
    LoopFn *fn;
    void *opaque;
    struct VmExitListener *next;
} VmExitListener;
/* Last added is called first. */
void vm_exit_listener_add(Vm *vm, VmExitListener *l);
/* Reset everything now: all handlers in order; emits RESET. Machine lock,
 * vCPUs stopped. */
void vm_system_reset(Vm *vm, ShutdownCause cause);

/* Told of every change, under the lock; lower @priority first on start and
 * last on stop. */
typedef void VmStateFn(void *opaque, bool running, RunState state);
typedef struct VmStateListener {
    VmStateFn *fn;
    void *opaque;
    int priority;
    struct VmStateListener *next;
} VmStateListener;
void vm_state_listener_add(Vm *vm, VmStateListener *l);
void vm_state_listener_del(Vm *vm, VmStateListener *l);

/* Any thread: the guest or host asks; served on the main loop as -action,
 * -no-reboot and -no-shutdown say. */
void vm_reset_request(Vm *vm, ShutdownCause cause);
void vm_shutdown_request(Vm *vm, ShutdownCause cause);
void vm_powerdown_request(Vm *vm);
/* A watchdog device expired: do what -action watchdog= says. Machine lock. */
void vm_watchdog_request(Vm *vm);
void vm_panic_request(Vm *vm, GuestPanicInformation *info_or_null);
/* isa-debug-exit and the like: end the process with @status. */
void vm_exit_request(Vm *vm, int status);

/* The power button: devices register how they tell the guest. */
typedef struct VmPowerdownListener {
    LoopFn *fn;
    void *opaque;
    struct VmPowerdownListener *next;
} VmPowerdownListener;
void vm_powerdown_listener_add(Vm *vm, VmPowerdownListener *l);
void vm_powerdown_listener_del(Vm *vm, VmPowerdownListener *l);

/* Reset handlers that are not devices' (loaders, fw_cfg); in order. */
void vm_reset_register(Vm *vm, LoopFn *fn, void *opaque);
void vm_reset_unregister(Vm *vm, LoopFn *fn, void *opaque);

/* Clocks ----------------------------------------------------------------------- */

int64_t vm_clock_ns(const Vm *vm, VmClock clock); /* any thread */
/* What -rtc makes the guest's clock say when nobody sets it: ns since the
 * epoch, as if that were UTC. Any thread. */
static inline int64_t vm_rtc_ns(const Vm *vm)
{
    return vm_clock_ns(vm, vm->rtc_clock) + vm->rtc_offset_ns;
}

/* A timer whose callback runs on the main loop under the machine lock. */
typedef struct VmTimer {
    Vm *vm;
    VmClock clock;
    LoopFn *fn;
    void *opaque;
    int64_t deadline; /* ns, -1: idle; vmstate reads it */
    unsigned slot;    /* private */
} VmTimer;
void vm_timer_init(VmTimer *t, Vm *vm, VmClock clock, LoopFn *fn, void *opaque);
void vm_timer_set(VmTimer *t, int64_t deadline_ns);
void vm_timer_cancel(VmTimer *t);
bool vm_timer_pending(const VmTimer *t);

/* In vmstate tables: the deadline, -1 when idle. Include migration/vmstate.h. */
extern const struct VmFieldKind vmk_timer;
#define VMS_TIMER(T, f, nam) VMS_AS(T, f, nam, &vmk_timer)

/* qtest: the virtual clock moves only by these. */
void vm_clock_set_manual(Vm *vm);
bool vm_clock_is_manual(const Vm *vm); /* any thread */
int64_t vm_clock_step(Vm *vm, int64_t target_ns);
/* Deadline of the first virtual timer, or -1. */
int64_t vm_clock_next_deadline(const Vm *vm);

#endif
