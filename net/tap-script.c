/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Programs that set up tap interfaces: the ifup and ifdown scripts, and
 * qemu-bridge-helper, which passes a descriptor back over a socket. */
#include "util/osdep.h"

#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "tap.h"
#include "util/error.h"

extern char **environ;

/* Start @argv with default signals; the pid, or -errno. */
static pid_t spawn(char *const argv[])
{
    posix_spawnattr_t attr;
    sigset_t none, all;
    pid_t pid;
    int ret;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    ret = posix_spawn(&pid, argv[0], NULL, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    return ret ? -ret : pid;
}

static bool wait_for(pid_t pid, const char *what, Error **errp)
{
    int status;

    if (RETRY_ON_EINTR(waitpid(pid, &status, 0)) < 0) {
        return error_errno(errp, errno, "cannot wait for %s", what);
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status)) {
        return error_set(errp, "network script %s failed with status %d", what,
                         WIFEXITED(status) ? WEXITSTATUS(status)
                                           : 128 + WTERMSIG(status));
    }
    return true;
}

bool tap_run_script(const char *script, const char *ifname, Error **errp)
{
    char *const argv[] = { (char *)script, (char *)ifname, NULL };
    pid_t pid = spawn(argv);

    if (pid < 0) {
        return error_errno(errp, -pid, "could not launch network script %s",
                           script);
    }
    return wait_for(pid, script, errp);
}

/* One descriptor with at least one byte; -1: none came. */
static int recv_fd(int sock)
{
    char byte;
    struct iovec iov = { &byte, 1 };
    union {
        struct cmsghdr align;
        char buf[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr msg = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof(control),
    };
    struct cmsghdr *cmsg;
    int fd = -1;

    if (RETRY_ON_EINTR(recvmsg(sock, &msg, MSG_CMSG_CLOEXEC)) <= 0) {
        return -1;
    }
    cmsg = CMSG_FIRSTHDR(&msg);
    if (cmsg && cmsg->cmsg_level == SOL_SOCKET &&
        cmsg->cmsg_type == SCM_RIGHTS &&
        cmsg->cmsg_len == CMSG_LEN(sizeof(int))) {
        memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
    }
    return fd;
}

int tap_from_helper(const char *helper, const char *br, Error **errp)
{
    g_autofree char *fd_arg = NULL, *br_arg = NULL;
    autofd int ours = -1, theirs = -1, fd = -1;
    int sv[2];
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv) < 0) {
        error_errno(errp, errno, "socketpair");
        return -1;
    }
    ours = sv[0];
    theirs = dup(sv[1]); /* one that survives exec */
    close(sv[1]);
    fd_arg = g_strdup_printf("--fd=%d", theirs);
    br_arg = g_strdup_printf("--br=%s", br);
    pid = spawn((char *const[]){ (char *)helper, (char *)"--use-vnet", fd_arg,
                                 br_arg, NULL });
    if (pid < 0) {
        error_errno(errp, -pid, "could not launch bridge helper %s", helper);
        return -1;
    }
    close(steal_fd(&theirs));
    fd = recv_fd(ours);
    if (!wait_for(pid, helper, errp)) {
        return -1;
    }
    if (fd < 0) {
        error_set(errp, "bridge helper %s sent no descriptor", helper);
        return -1;
    }
    return steal_fd(&fd);
}
