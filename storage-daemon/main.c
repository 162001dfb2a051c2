/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * qemu-storage-daemon: the block layer and its exports without a VM. It has a
 * Vm, which gives it the main loop and the monitors, but never a machine.
 * Spec: qemu-storage-daemon(1) of QEMU 7.2.
 */
#include "util/osdep.h"

#include <signal.h>
#include <sys/signalfd.h>

#include "daemon.h"
#include "qapi/qapi-commands-control.h"
#include "softmmu/vm.h"
#include "util/fdset.h"
#include "util/rcu.h"
#include "util/thread.h"

bool qmp_quit(Vm *vm, Error **errp)
{
    vm_exit_request(vm, 0);
    return true;
}

/* Background -----------------------------------------------------------------
 */

/* The child goes on with the end of a pipe for its word that it serves. */
static int go_background(void)
{
    int fds[2];
    char status = 1;
    pid_t pid;

    fflush(NULL);
    if (pipe2(fds, O_CLOEXEC) < 0 || (pid = fork()) < 0) {
        error_report("Failed to daemonize: %s", g_strerror(errno));
        exit(1);
    }
    if (pid) {
        close(fds[1]);
        _exit(RETRY_ON_EINTR(read(fds[0], &status, 1)) == 1 ? status : 1);
    }
    close(fds[0]);
    setsid();
    return fds[1];
}

static void tell_parent(int fd)
{
    autofd int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    char status = 0;

    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
    }
    if (write(fd, &status, 1) < 0) {
        /* nobody waits: nobody needs to know */
    }
    close(fd);
}

/* Locked as long as we live, so that a second user of the path notices. */
static bool write_pidfile(const char *path, Error **errp)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    g_autofree char *text = g_strdup_printf("%d\n", getpid());
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    if (fd < 0 || fcntl(fd, F_SETLK, &lock) < 0 || ftruncate(fd, 0) < 0 ||
        write(fd, text, strlen(text)) < 0) {
        error_errno(errp, errno, "cannot create PID file '%s'", path);
        if (fd >= 0) {
            close(fd);
        }
        return false;
    }
    return true;
}

/* Life -----------------------------------------------------------------------
 */

static void signalled(void *opaque, unsigned events)
{
    vm_exit_request(opaque, 0);
}

static void watch_signals(Vm *vm)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    vm->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    loop_fd_add(vm->loop, vm->signal_fd, LOOP_IN, signalled, vm);
}

int main(int argc, char **argv)
{
    DaemonArgs args = { 0 };
    autoerr Error *err = NULL;
    int ready_fd = -1, status = 1;
    bool have_pidfile = false;
    Vm *vm;

    report_set_program(argv[0]);
    thread_begin_signals();
    if (!daemon_options_check(argc, argv, &args)) {
        return 1;
    }
    if (args.daemonize) {
        ready_fd = go_background();
    }
    rcu_register_thread();
    vm = vm_new(NULL, &err);
    if (vm) {
        vm->fdsets = fdsets_new();
        vm->daemonized = args.daemonize;
        watch_signals(vm);
        if (daemon_options_run(vm, argc, argv, &err) &&
            (!args.pidfile || write_pidfile(args.pidfile, &err))) {
            have_pidfile = args.pidfile;
            if (ready_fd >= 0) {
                tell_parent(ready_fd);
            }
            status = vm_run(vm);
        }
        vm_shutdown(vm);
    }
    if (err) {
        error_report_err(g_steal_pointer(&err));
    }
    if (have_pidfile) {
        unlink(args.pidfile);
    }
    fflush(stdout);
    /* Threads may still wait in the kernel: no destructors run under them. */
    _exit(status);
}
