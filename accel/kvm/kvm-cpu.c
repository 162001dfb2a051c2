/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vCPU threads. Each creates its vCPU, so that this overlaps with the rest of
 * start-up, then runs the guest and serves its exits. Port and MMIO accesses go
 * to the address spaces without the machine lock; the dispatcher takes it for
 * regions that want it.
 */
#include "util/osdep.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "accel/kvm/kvm-internal.h"
#include "softmmu/vm.h"
#include "util/error.h"
#include "util/trace.h"

TRACE_POINT(kvm_run_exit);
TRACE_POINT(kvm_init_vcpu);

#define SIG_KICK SIGUSR1

/* A vCPU that was unplugged: KVM cannot delete it, only use it again. */
typedef struct KvmParked {
    uint64_t id;
    int fd;
} KvmParked;

struct kvm_run *kvm_vcpu_run_area(Cpu *cpu)
{
    return kvm_cpu(cpu)->run;
}

size_t kvm_vcpu_run_size(Cpu *cpu)
{
    return kvm_cpu(cpu)->accel->run_size;
}

/* Failures ------------------------------------------------------------------------- */

/* The guest cannot go on: say why, with its registers. */
static void PRINTF_LIKE(2, 3) vcpu_fail(Cpu *cpu, const char *fmt, ...)
{
    g_autofree char *text = NULL, *state = NULL;
    va_list ap;

    va_start(ap, fmt);
    text = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    vm_lock(cpu->vm);
    state = kvm_arch_ops.dump_state(cpu);
    fprintf(stderr, "%s\n%s", text, state ? state : "");
    vm_unlock(cpu->vm);
    cpu_stop_current();
    vm_stop_request(cpu->vm, RUN_STATE_INTERNAL_ERROR);
}

static void internal_error(Cpu *cpu, const struct kvm_run *run)
{
    g_autoptr(GString) s = g_string_new(NULL);
    unsigned n = MIN(run->internal.ndata, ARRAY_SIZE(run->internal.data));

    g_string_printf(s, "KVM internal error. Suberror: %u",
                    run->internal.suberror);
    for (unsigned i = 0; i < n; i++) {
        g_string_append_printf(s, "\nextra data[%u]: 0x%016" PRIx64, i,
                               (uint64_t)run->internal.data[i]);
    }
    if (run->internal.suberror == KVM_INTERNAL_ERROR_EMULATION) {
        g_string_append(s, "\nemulation failure");
    }
    vcpu_fail(cpu, "%s", s->str);
}

/* Exits ------------------------------------------------------------------------------ */

static void exit_io(Cpu *cpu, struct kvm_run *run)
{
    uint8_t *data = (uint8_t *)run + run->io.data_offset;
    unsigned size = run->io.size;

    for (uint32_t i = 0; i < run->io.count; i++, data += size) {
        if (run->io.direction == KVM_EXIT_IO_OUT) {
            as_write(cpu->vm->io, run->io.port, data, size, MEM_ATTRS_NONE);
        } else {
            as_read(cpu->vm->io, run->io.port, data, size, MEM_ATTRS_NONE);
        }
    }
}

static void exit_mmio(Cpu *cpu, struct kvm_run *run)
{
    if (run->mmio.is_write) {
        as_write(cpu->vm->memory, run->mmio.phys_addr, run->mmio.data,
                 run->mmio.len, MEM_ATTRS_NONE);
    } else {
        as_read(cpu->vm->memory, run->mmio.phys_addr, run->mmio.data,
                run->mmio.len, MEM_ATTRS_NONE);
    }
}

static void exit_system_event(Cpu *cpu, struct kvm_run *run)
{
    switch (run->system_event.type) {
    case KVM_SYSTEM_EVENT_SHUTDOWN:
        cpu_stop_current();
        vm_shutdown_request(cpu->vm, SHUTDOWN_CAUSE_GUEST_SHUTDOWN);
        return;
    case KVM_SYSTEM_EVENT_RESET:
        cpu_stop_current();
        vm_reset_request(cpu->vm, SHUTDOWN_CAUSE_GUEST_RESET);
        return;
    case KVM_SYSTEM_EVENT_CRASH:
        cpu_stop_current();
        vm_panic_request(cpu->vm, NULL);
        return;
    default:
        vcpu_fail(cpu, "KVM: unknown system event %u", run->system_event.type);
    }
}

static void handle_exit(Cpu *cpu, struct kvm_run *run)
{
    trace(kvm_run_exit, "cpu_index %d, reason %u", cpu->index,
          run->exit_reason);
    switch (run->exit_reason) {
    case KVM_EXIT_IO:
        exit_io(cpu, run);
        return;
    case KVM_EXIT_MMIO:
        exit_mmio(cpu, run);
        return;
    case KVM_EXIT_INTR:
    case KVM_EXIT_IRQ_WINDOW_OPEN:
        return;
    case KVM_EXIT_SHUTDOWN: /* a triple fault */
        cpu_stop_current();
        vm_reset_request(cpu->vm, SHUTDOWN_CAUSE_GUEST_RESET);
        return;
    case KVM_EXIT_SYSTEM_EVENT:
        exit_system_event(cpu, run);
        return;
    case KVM_EXIT_INTERNAL_ERROR:
        internal_error(cpu, run);
        return;
    case KVM_EXIT_FAIL_ENTRY:
        vcpu_fail(cpu, "KVM: entry failed, hardware error 0x%" PRIx64,
                  (uint64_t)run->fail_entry.hardware_entry_failure_reason);
        return;
    case KVM_EXIT_UNKNOWN:
        vcpu_fail(cpu, "KVM: unknown exit, hardware reason 0x%" PRIx64,
                  (uint64_t)run->hw.hardware_exit_reason);
        return;
    default:
        if (!kvm_arch_ops.handle_exit(cpu, run)) {
            vcpu_fail(cpu, "KVM: unknown exit reason %u", run->exit_reason);
        }
    }
}

/* Running ------------------------------------------------------------------------------- */

static bool push_state(Cpu *cpu)
{
    autoerr Error *err = NULL;

    if (cpu->dirty == CPU_CLEAN) {
        return true;
    }
    if (!kvm_arch_ops.put_state(cpu, cpu->dirty, &err)) {
        vcpu_fail(cpu, "%s", error_text(err));
        return false;
    }
    cpu->dirty = CPU_CLEAN;
    return true;
}

/* Run guest code until somebody wants something of this thread. */
static void run_guest(Cpu *cpu)
{
    KvmCpu *k = kvm_cpu(cpu);
    int ret = kvm_slots_flush(k->accel);

    if (ret < 0) {
        vcpu_fail(cpu, "KVM cannot set a memory slot: %s", strerror(-ret));
        return;
    }
    if (!push_state(cpu)) {
        return;
    }
    /* A kick sets exit_request, then immediate_exit: either we see the first,
     * or the kernel sees the second. */
    __atomic_store_n(&k->run->immediate_exit, 0, __ATOMIC_SEQ_CST);
    while (!__atomic_load_n(&cpu->exit_request, __ATOMIC_SEQ_CST)) {
        /* What the last exit's handler changed. */
        if (unlikely(cpu->dirty != CPU_CLEAN) && !push_state(cpu)) {
            return;
        }
        if (kvm_arch_ops.pre_run) {
            kvm_arch_ops.pre_run(cpu, k->run);
        }
        ret = ioctl(k->fd, KVM_RUN, 0);
        if (likely(ret >= 0)) {
            handle_exit(cpu, k->run);
        } else if (errno != EINTR && errno != EAGAIN) {
            vcpu_fail(cpu, "error: kvm run failed %s", strerror(errno));
        }
    }
}

static bool create_vcpu(Cpu *cpu, Error **errp)
{
    KvmCpu *k = kvm_cpu(cpu);
    KvmAccel *s = k->accel;
    void *area;

    if (k->fd < 0) {
        k->fd = kvm_vm_ioctl(&s->parent, KVM_CREATE_VCPU,
                             (void *)(uintptr_t)cpu->arch_id);
    }
    if (k->fd < 0) {
        return error_errno(errp, -k->fd, "KVM cannot create vCPU %d",
                           cpu->index);
    }
    area = mmap(NULL, s->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, k->fd,
                0);
    if (area == MAP_FAILED) {
        return error_errno(errp, errno, "cannot map vCPU %d", cpu->index);
    }
    k->run = area;
    trace(kvm_init_vcpu, "index %d id %u", cpu->index, (unsigned)cpu->arch_id);
    return kvm_arch_ops.init_vcpu(cpu, errp);
}

static void unblock_kick(void)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIG_KICK);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

static void *vcpu_thread(void *opaque)
{
    Cpu *cpu = opaque;
    KvmCpu *k = kvm_cpu(cpu);
    bool ok;

    unblock_kick();
    ok = create_vcpu(cpu, &k->err);
    vm_lock(cpu->vm);
    k->ready = true;
    if (ok) {
        cpu_thread_begin(cpu);
        while (cpu_wait_runnable(cpu)) {
            vm_unlock(cpu->vm);
            run_guest(cpu);
            vm_lock(cpu->vm);
        }
        cpu_thread_end(cpu);
    } else {
        k->failed = true;
        cond_broadcast(&cpu->cond);
    }
    vm_unlock(cpu->vm);
    return NULL;
}

/* Life ------------------------------------------------------------------------------------ */

static void ignore_signal(int sig)
{
}

static void kvm_kick(Cpu *cpu)
{
    KvmCpu *k = kvm_cpu(cpu);

    if (cpu == cpu_current()) {
        return;
    }
    __atomic_store_n(&k->run->immediate_exit, 1, __ATOMIC_SEQ_CST);
    pthread_kill(cpu->thread.t, SIG_KICK);
}

static int take_parked(KvmAccel *s, uint64_t id)
{
    for (unsigned i = 0; s->parked && i < s->parked->len; i++) {
        KvmParked *p = &g_array_index(s->parked, KvmParked, i);

        if (p->id == id) {
            int fd = p->fd;

            g_array_remove_index_fast(s->parked, i);
            return fd;
        }
    }
    return -1;
}

static bool NO_THREAD_SAFETY wait_ready(Cpu *cpu, Error **errp)
{
    KvmCpu *k = kvm_cpu(cpu);

    while (!k->ready) {
        cond_wait(&cpu->cond, &cpu->vm->lock);
    }
    if (k->failed) {
        return error_move(errp, g_steal_pointer(&k->err));
    }
    cpu->kick = kvm_kick;
    return true;
}

static void free_cpu(Cpu *cpu)
{
    KvmCpu *k = kvm_cpu(cpu);

    if (k->run) {
        munmap(k->run, k->accel->run_size);
    }
    if (k->err) {
        error_free(k->err);
    }
    g_free(k);
    cpu->accel = NULL;
    cpu->kick = NULL;
}

bool kvm_cpu_start(Cpu *cpu, Error **errp)
{
    KvmAccel *s = kvm_accel(cpu->vm->accel);
    struct sigaction sa = { .sa_handler = ignore_signal };
    g_autofree char *name = g_strdup_printf("CPU %d/KVM", cpu->index);
    KvmCpu *k;

    if (kvm_arch_ops.before_vcpu && !kvm_arch_ops.before_vcpu(cpu, errp)) {
        return false;
    }
    k = g_new0(KvmCpu, 1);
    sigaction(SIG_KICK, &sa, NULL);
    k->accel = s;
    k->fd = take_parked(s, cpu->arch_id);
    cpu->accel = k;
    cpu->dirty = CPU_DIRTY_FULL;
    if (!thread_create(&cpu->thread, name, vcpu_thread, cpu, errp)) {
        free_cpu(cpu);
        return false;
    }
    if (!s->started) {
        return true; /* kvm_cpus_ready() waits */
    }
    if (!wait_ready(cpu, errp)) {
        kvm_cpu_end(cpu);
        return false;
    }
    return true;
}

bool kvm_cpus_ready(KvmAccel *s, Error **errp)
{
    GPtrArray *cpus = s->parent.vm->cpus;

    s->started = true;
    for (unsigned i = 0; i < cpus->len; i++) {
        Cpu *cpu = g_ptr_array_index(cpus, i);

        if (cpu && cpu->accel && !wait_ready(cpu, errp)) {
            return false;
        }
    }
    return true;
}

void NO_THREAD_SAFETY kvm_cpu_end(Cpu *cpu)
{
    KvmCpu *k = kvm_cpu(cpu);

    if (!k) {
        return;
    }
    while (!k->ready) {
        cond_wait(&cpu->cond, &cpu->vm->lock);
    }
    if (!k->failed) {
        cpu_thread_join(cpu);
    } else {
        vm_unlock(cpu->vm);
        thread_join(&cpu->thread);
        vm_lock(cpu->vm);
    }
    if (k->fd >= 0) {
        KvmParked parked = { .id = cpu->arch_id, .fd = k->fd };

        if (!k->accel->parked) {
            k->accel->parked = g_array_new(false, false, sizeof(KvmParked));
        }
        g_array_append_val(k->accel->parked, parked);
    }
    free_cpu(cpu);
}

void kvm_cpus_cleanup(KvmAccel *s)
{
    for (unsigned i = 0; s->parked && i < s->parked->len; i++) {
        close(g_array_index(s->parked, KvmParked, i).fd);
    }
    g_clear_pointer(&s->parked, g_array_unref);
}

/* Registers ----------------------------------------------------------------------------------- */

static void pull_state(Cpu *cpu, void *opaque)
{
    autoerr Error *err = NULL;

    if (cpu->dirty != CPU_CLEAN) {
        return;
    }
    if (!kvm_arch_ops.get_state(cpu, &err)) {
        warn_report("%s", error_text(err));
        return;
    }
    cpu->dirty = CPU_DIRTY;
}

void kvm_cpu_sync(Cpu *cpu)
{
    if (cpu->created && cpu->dirty == CPU_CLEAN) {
        cpu_run_on(cpu, pull_state, NULL);
    }
}
