/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -sandbox: a seccomp filter that kills the process on system calls it has no
 * use for. The groups and their names are QEMU's ("-sandbox" in its manual).
 */
#include "util/osdep.h"

#include "softmmu/launch.h"
#include "util/error.h"

#ifdef CONFIG_SECCOMP

#include <sched.h>
#include <seccomp.h>
#include <sys/prctl.h>

#include "qapi/qapi.h"

typedef enum SandboxGroup {
    SANDBOX_ALWAYS = 1,
    SANDBOX_OBSOLETE = 2,
    SANDBOX_PRIVILEGES = 4,
    SANDBOX_SPAWN = 8,
    SANDBOX_RESOURCES = 16,
} SandboxGroup;

static const struct {
    int nr;
    SandboxGroup group;
} denied[] = {
    /* Managing the host. */
    { SCMP_SYS(reboot), SANDBOX_ALWAYS },
    { SCMP_SYS(swapon), SANDBOX_ALWAYS },
    { SCMP_SYS(swapoff), SANDBOX_ALWAYS },
    { SCMP_SYS(syslog), SANDBOX_ALWAYS },
    { SCMP_SYS(mount), SANDBOX_ALWAYS },
    { SCMP_SYS(umount), SANDBOX_ALWAYS },
    { SCMP_SYS(umount2), SANDBOX_ALWAYS },
    { SCMP_SYS(pivot_root), SANDBOX_ALWAYS },
    { SCMP_SYS(kexec_load), SANDBOX_ALWAYS },
    { SCMP_SYS(kexec_file_load), SANDBOX_ALWAYS },
    { SCMP_SYS(init_module), SANDBOX_ALWAYS },
    { SCMP_SYS(finit_module), SANDBOX_ALWAYS },
    { SCMP_SYS(delete_module), SANDBOX_ALWAYS },
    /* Calls that are no more, or nobody should use. */
    { SCMP_SYS(afs_syscall), SANDBOX_OBSOLETE },
    { SCMP_SYS(break), SANDBOX_OBSOLETE },
    { SCMP_SYS(ftime), SANDBOX_OBSOLETE },
    { SCMP_SYS(getpmsg), SANDBOX_OBSOLETE },
    { SCMP_SYS(gtty), SANDBOX_OBSOLETE },
    { SCMP_SYS(lock), SANDBOX_OBSOLETE },
    { SCMP_SYS(mpx), SANDBOX_OBSOLETE },
    { SCMP_SYS(prof), SANDBOX_OBSOLETE },
    { SCMP_SYS(profil), SANDBOX_OBSOLETE },
    { SCMP_SYS(putpmsg), SANDBOX_OBSOLETE },
    { SCMP_SYS(security), SANDBOX_OBSOLETE },
    { SCMP_SYS(stty), SANDBOX_OBSOLETE },
    { SCMP_SYS(tuxcall), SANDBOX_OBSOLETE },
    { SCMP_SYS(ulimit), SANDBOX_OBSOLETE },
    { SCMP_SYS(vserver), SANDBOX_OBSOLETE },
    { SCMP_SYS(readdir), SANDBOX_OBSOLETE },
    { SCMP_SYS(_sysctl), SANDBOX_OBSOLETE },
    { SCMP_SYS(bdflush), SANDBOX_OBSOLETE },
    { SCMP_SYS(create_module), SANDBOX_OBSOLETE },
    { SCMP_SYS(get_kernel_syms), SANDBOX_OBSOLETE },
    { SCMP_SYS(query_module), SANDBOX_OBSOLETE },
    { SCMP_SYS(sgetmask), SANDBOX_OBSOLETE },
    { SCMP_SYS(ssetmask), SANDBOX_OBSOLETE },
    { SCMP_SYS(sysfs), SANDBOX_OBSOLETE },
    { SCMP_SYS(uselib), SANDBOX_OBSOLETE },
    { SCMP_SYS(ustat), SANDBOX_OBSOLETE },
    /* Becoming somebody else. */
    { SCMP_SYS(setuid), SANDBOX_PRIVILEGES },
    { SCMP_SYS(setgid), SANDBOX_PRIVILEGES },
    { SCMP_SYS(setpgid), SANDBOX_PRIVILEGES },
    { SCMP_SYS(setsid), SANDBOX_PRIVILEGES },
    { SCMP_SYS(setreuid), SANDBOX_PRIVILEGES },
    { SCMP_SYS(setregid), SANDBOX_PRIVILEGES },
    { SCMP_SYS(setresuid), SANDBOX_PRIVILEGES },
    { SCMP_SYS(setresgid), SANDBOX_PRIVILEGES },
    { SCMP_SYS(setfsuid), SANDBOX_PRIVILEGES },
    { SCMP_SYS(setfsgid), SANDBOX_PRIVILEGES },
    /* Starting processes; clone is treated apart. */
    { SCMP_SYS(fork), SANDBOX_SPAWN },
    { SCMP_SYS(vfork), SANDBOX_SPAWN },
    { SCMP_SYS(execve), SANDBOX_SPAWN },
    { SCMP_SYS(execveat), SANDBOX_SPAWN },
    { SCMP_SYS(setns), SANDBOX_SPAWN },
    { SCMP_SYS(unshare), SANDBOX_SPAWN },
    /* Affinity and priorities. */
    { SCMP_SYS(setpriority), SANDBOX_RESOURCES },
    { SCMP_SYS(sched_setparam), SANDBOX_RESOURCES },
    { SCMP_SYS(sched_setscheduler), SANDBOX_RESOURCES },
    { SCMP_SYS(sched_setattr), SANDBOX_RESOURCES },
    { SCMP_SYS(sched_setaffinity), SANDBOX_RESOURCES },
};

static bool deny(const char *key, const char *value, unsigned *groups,
                 SandboxGroup group, bool *no_new_privs, Error **errp)
{
    if (g_str_equal(value, "deny")) {
        *groups |= group;
    } else if (g_str_equal(value, "children") && no_new_privs) {
        *no_new_privs = true;
    } else if (g_str_equal(value, "allow")) {
        *groups &= ~group;
    } else {
        return error_set(errp, "invalid argument for %s: '%s' "
                         "(valid: allow, deny%s)", key, value,
                         no_new_privs ? ", children" : "");
    }
    return true;
}

static bool parse(const QDict *d, bool *on, unsigned *groups,
                  bool *no_new_privs, Error **errp)
{
    *groups = SANDBOX_ALWAYS | SANDBOX_OBSOLETE;
    QDICT_FOREACH(d, e) {
        const char *v = qobject_get_str(e->value) ?: "";
        bool ok;

        if (g_str_equal(e->key, "enable")) {
            ok = qapi_read_named(&qapi_type_bool, "enable", e->value, on,
                                 QAPI_KEYVAL, errp);
        } else if (g_str_equal(e->key, "obsolete")) {
            ok = deny(e->key, v, groups, SANDBOX_OBSOLETE, NULL, errp);
        } else if (g_str_equal(e->key, "elevateprivileges")) {
            ok = deny(e->key, v, groups, SANDBOX_PRIVILEGES, no_new_privs,
                      errp);
        } else if (g_str_equal(e->key, "spawn")) {
            ok = deny(e->key, v, groups, SANDBOX_SPAWN, NULL, errp);
        } else if (g_str_equal(e->key, "resourcecontrol")) {
            ok = deny(e->key, v, groups, SANDBOX_RESOURCES, NULL, errp);
        } else {
            static const char *const names[] = {
                "enable", "obsolete", "elevateprivileges", "spawn",
                "resourcecontrol", NULL
            };

            ok = error_set(errp, "Invalid parameter '%s'", e->key);
            error_hint_nearest(errp, e->key, names);
        }
        if (!ok) {
            return false;
        }
    }
    return true;
}

/* Threads may be made, processes not: clone without CLONE_THREAD is denied.
 * clone3's flags are out of reach of a filter; without it libc uses clone. */
static int deny_processes(scmp_filter_ctx ctx)
{
    int rc = seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, SCMP_SYS(clone), 1,
                              SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0));

    return rc ?: seccomp_rule_add(ctx, SCMP_ACT_ERRNO(ENOSYS),
                                  SCMP_SYS(clone3), 0);
}

static int load_filter(unsigned groups)
{
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
    int rc;

    if (!ctx) {
        return -ENOMEM;
    }
    rc = seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
    for (size_t i = 0; !rc && i < ARRAY_SIZE(denied); i++) {
        if (denied[i].group & groups) {
            rc = seccomp_rule_add(ctx, SCMP_ACT_KILL_PROCESS, denied[i].nr, 0);
        }
    }
    if (!rc && groups & SANDBOX_SPAWN) {
        rc = deny_processes(ctx);
    }
    rc = rc ?: seccomp_load(ctx);
    seccomp_release(ctx);
    return rc;
}

/* Deny these groups from now on, to all threads. */
static bool deny_groups(unsigned groups, Error **errp)
{
    int rc = load_filter(groups);

    return !rc || error_errno(errp, -rc, "cannot load the filter");
}

bool sandbox_enter(Launch *l, const char *text, Error **errp)
{
    bool on = false, help, no_new_privs = false;
    unsigned groups;
    QapiMode mode;
    g_autoptr(QDict) d =
        qapi_parse_opts_dict(text, "enable", &help, &mode, errp);

    if (d) {
        qapi_opts_keep_last(d);
    }
    if (!d || !parse(d, &on, &groups, &no_new_privs, errp)) {
        return false;
    }
    if (!on) {
        return true;
    }
    if (no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        return error_errno(errp, errno, "elevateprivileges=children");
    }
    l->sandbox_resources = groups & SANDBOX_RESOURCES;
    if (groups & SANDBOX_PRIVILEGES && options_have(&l->options, OPT_RUNAS)) {
        l->sandbox_after_runas = true;
        groups &= ~SANDBOX_PRIVILEGES;
    }
    return deny_groups(groups, errp);
}

bool sandbox_after_runas(Launch *l, Error **errp)
{
    return !l->sandbox_after_runas || deny_groups(SANDBOX_PRIVILEGES, errp);
}

#else

bool sandbox_after_runas(Launch *l, Error **errp)
{
    return true;
}

bool sandbox_enter(Launch *l, const char *text, Error **errp)
{
    return g_str_equal(text, "off") ||
           error_set(errp, "built without libseccomp");
}

#endif
