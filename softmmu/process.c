/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The process around the VM: background, pid file, user, root, signals. */
#include "util/osdep.h"

#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "block/compress.h"
#include "crypto/cipher.h"
#include "qapi/qapi.h"
#include "softmmu/launch.h"
#include "softmmu/vm.h"
#include "util/error.h"

/* Background ------------------------------------------------------------------- */

/* The parent's part: wait for the child's word, then leave with its status. */
static G_NORETURN void wait_for_child(pid_t pid, int fd)
{
    uint8_t status = 1;
    ssize_t n = RETRY_ON_EINTR(read(fd, &status, 1));
    int wstatus;

    if (n == 1) {
        _exit(status);
    }
    /* It ended without a word: it told why on stderr. */
    if (waitpid(pid, &wstatus, 0) == pid && WIFEXITED(wstatus) &&
        WEXITSTATUS(wstatus)) {
        _exit(WEXITSTATUS(wstatus));
    }
    _exit(1);
}

bool process_daemonize(Launch *l, Error **errp)
{
    int fds[2];
    pid_t pid;

    if (!options_have(&l->options, OPT_DAEMONIZE)) {
        return true;
    }
    if (l->nographic) {
        /* libvirt's probe gives both, with a QMP socket: nothing of ours is
         * on the terminal unless -serial or -monitor put it there. */
        l->nographic = false;
    }
    if (pipe2(fds, O_CLOEXEC) < 0) {
        return error_errno(errp, errno, "-daemonize: cannot make a pipe");
    }
    fflush(NULL);
    pid = fork();
    if (pid < 0) {
        return error_errno(errp, errno, "-daemonize: cannot fork");
    }
    if (pid) {
        close(fds[1]);
        wait_for_child(pid, fds[0]);
    }
    close(fds[0]);
    l->ready_fd = fds[1];
    setsid();
    umask(027);
    signal(SIGTSTP, SIG_IGN);
    signal(SIGTTOU, SIG_IGN);
    signal(SIGTTIN, SIG_IGN);
    return true;
}

static bool detach_stdio(Error **errp)
{
    autofd int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (null < 0) {
        return error_errno(errp, errno, "cannot open /dev/null");
    }
    dup2(null, STDIN_FILENO);
    dup2(null, STDOUT_FILENO);
    dup2(null, STDERR_FILENO);
    return true;
}

/* Pid file ------------------------------------------------------------------------- */

/* Locked as long as we live, so that a second user of the path notices. */
static int lock_pidfile(const char *path, Error **errp)
{
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    autofd int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

    if (fd < 0) {
        error_errno(errp, errno, "Cannot open pid file %s", path);
        return -1;
    }
    if (fcntl(fd, F_SETLK, &lock) < 0) {
        error_errno(errp, errno, "Cannot lock pid file %s", path);
        return -1;
    }
    return steal_fd(&fd);
}

bool process_write_pidfile(Launch *l, Error **errp)
{
    const char *path = options_last(&l->options, OPT_PIDFILE);
    g_autofree char *text = NULL;
    int fd;

    if (!path) {
        return true;
    }
    fd = lock_pidfile(path, errp);
    if (fd < 0) {
        return false;
    }
    text = g_strdup_printf("%d\n", getpid());
    if (ftruncate(fd, 0) < 0 ||
        write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
        error_errno(errp, errno, "Cannot write pid file %s", path);
        close(fd);
        return false;
    }
    /* @fd stays open on purpose: it holds the lock. */
    l->pidfile = path[0] == '/' ? g_strdup(path)
                                : g_canonicalize_filename(path, NULL);
    return true;
}

void process_cleanup(Launch *l)
{
    if (l->pidfile) {
        unlink(l->pidfile);
    }
}

/* User and root ---------------------------------------------------------------------- */

static bool parse_user(const char *text, uid_t *uid, gid_t *gid,
                       const char **name, Error **errp)
{
    struct passwd *pw = getpwnam(text);
    unsigned u, g;
    int end = 0;

    if (pw) {
        *uid = pw->pw_uid;
        *gid = pw->pw_gid;
        *name = pw->pw_name;
        return true;
    }
    *name = NULL;
    if (sscanf(text, "%u:%u%n", &u, &g, &end) == 2 && !text[end]) {
        *uid = u;
        *gid = g;
        return true;
    }
    return error_set(errp, "-runas %s: no such user (expected a user name or "
                     "UID:GID)", text);
}

static bool change_user(const char *text, Error **errp)
{
    const char *name;
    uid_t uid = 0;
    gid_t gid = 0;

    if (!parse_user(text, &uid, &gid, &name, errp)) {
        return false;
    }
    if (setgid(gid) < 0) {
        return error_errno(errp, errno, "-runas: setgid(%d)", gid);
    }
    if ((name ? initgroups(name, gid) : setgroups(1, &gid)) < 0) {
        return error_errno(errp, errno, "-runas: cannot set groups");
    }
    if (setuid(uid) < 0) {
        return error_errno(errp, errno, "-runas: setuid(%d)", uid);
    }
    if (uid && setuid(0) != -1) {
        return error_set(errp, "-runas: dropping privileges failed");
    }
    return true;
}

bool process_ready(Launch *l, Error **errp)
{
    const char *root = options_last(&l->options, OPT_CHROOT);
    const char *user = options_last(&l->options, OPT_RUNAS);
    uint8_t ok = 0;

    if (l->ready_fd >= 0 && chdir("/") < 0) {
        return error_errno(errp, errno, "cannot change to /");
    }
    if (root) {
        /* Compressed images may come later; modules are not in the new root. */
        autoerr Error *no_crypto = NULL;
        Error *err = NULL;

        if (!compress_ops(&err)) {
            warn_report_err(err);
        }
        /* Nor encrypted ones, where there is such a module at all. */
        crypto_load(&no_crypto);
    }
    if (root && (chroot(root) < 0 || chdir("/") < 0)) {
        return error_errno(errp, errno, "-chroot %s", root);
    }
    if ((user && !change_user(user, errp)) || !sandbox_after_runas(l, errp)) {
        return false;
    }
    if (l->ready_fd >= 0) {
        if (!detach_stdio(errp)) {
            return false;
        }
        if (write(l->ready_fd, &ok, 1) != 1) {
            return error_errno(errp, errno, "cannot tell the parent process");
        }
        close(l->ready_fd);
        l->ready_fd = -1;
    }
    return true;
}

/* Memory -------------------------------------------------------------------------------- */

bool process_overcommit(Launch *l, Vm *vm, Error **errp)
{
    const char *text;
    unsigned pos = 0;
    bool lock = false;

    while ((text = options_next(&l->options, OPT_OVERCOMMIT, &pos))) {
        QapiMode mode;
        bool help;
        g_autoptr(QDict) d =
            qapi_parse_opts_dict(text, NULL, &help, &mode, errp);

        if (!d) {
            return false;
        }
        qapi_opts_keep_last(d);
        QDICT_FOREACH(d, e) {
            bool *to = g_str_equal(e->key, "mem-lock") ? &lock
                       : g_str_equal(e->key, "cpu-pm") ? &vm->cpu_pm
                                                       : NULL;
            if (!to) {
                return error_set(errp, "-overcommit: Invalid parameter '%s' "
                                 "(valid: mem-lock, cpu-pm)", e->key);
            }
            if (!qapi_read_named(&qapi_type_bool, e->key, e->value, to,
                                 QAPI_KEYVAL, errp)) {
                return false;
            }
        }
    }
    if (lock && mlockall(MCL_CURRENT | MCL_FUTURE) < 0) {
        return error_errno(errp, errno, "-overcommit mem-lock=on");
    }
    return true;
}

/* Signals --------------------------------------------------------------------------------- */

static void signal_ready(void *opaque, unsigned events)
{
    Vm *vm = opaque;
    struct signalfd_siginfo info;

    while (read(vm->signal_fd, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_pid) {
            g_autofree char *path = g_strdup_printf("/proc/%u/cmdline",
                                                    info.ssi_pid);
            g_autofree char *cmd = NULL;

            g_file_get_contents(path, &cmd, NULL, NULL);
            error_report("terminating on signal %u from pid %u (%s)",
                         info.ssi_signo, info.ssi_pid,
                         cmd && *cmd ? cmd : "<unknown process>");
        } else {
            error_report("terminating on signal %u", info.ssi_signo);
        }
        vm_shutdown_request(vm, SHUTDOWN_CAUSE_HOST_SIGNAL);
    }
}

bool process_signals(Vm *vm, Error **errp)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    vm->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (vm->signal_fd < 0) {
        return error_errno(errp, errno, "cannot make a signalfd");
    }
    loop_fd_add(vm->loop, vm->signal_fd, LOOP_IN, signal_ready, vm);
    return true;
}
