/* SPDX-License-Identifier: GPL-2.0-or-later */
/* qemu-nbd -L: tell about the exports of another server. */
#include "util/osdep.h"

#include "block/nbd/client.h"
#include "crypto/tls.h"
#include "io/socket.h"
#include "qemu-nbd.h"

typedef struct Job {
    NbdStream st;
    NbdClientTls tls;
    GPtrArray *list;
    Error *err;
} Job;

static void coroutine_fn list_entry(void *opaque)
{
    Job *j = opaque;

    j->list = nbd_list(&j->st, &j->tls, &j->err);
}

static void show_info(const NbdInfo *info)
{
    static const char *const names[] = {
        [1] = "readonly",   [2] = "flush",      [3] = "fua",
        [4] = "rotational", [5] = "trim",       [6] = "zeroes",
        [7] = "df",         [8] = "multi",      [9] = "resize",
        [10] = "cache",     [11] = "fast-zero",
    };

    printf("  size:  %" PRIu64 "\n", info->size);
    if (info->flags & NBD_FLAG_HAS_FLAGS) {
        printf("  flags: 0x%x (", info->flags);
        for (size_t i = 1; i < ARRAY_SIZE(names); i++) {
            if (info->flags & BIT(i)) {
                printf(" %s", names[i]);
            }
        }
        printf(" )\n");
    }
    if (info->min_block) {
        printf("  min block: %" PRIu32 "\n", info->min_block);
        printf("  opt block: %" PRIu32 "\n", info->pref_block);
        printf("  max block: %" PRIu32 "\n", info->max_block);
    }
}

static void show(const GPtrArray *list)
{
    printf("exports available: %u\n", list->len);
    for (guint i = 0; i < list->len; i++) {
        const NbdListed *e = list->pdata[i];

        printf(" export: '%s'\n", e->name);
        if (e->description) {
            printf("  description: %s\n", e->description);
        }
        if (e->have_info) {
            show_info(&e->info);
        }
        if (e->contexts->len) {
            printf("  available meta contexts: %u\n", e->contexts->len);
        }
        for (guint k = 0; k < e->contexts->len; k++) {
            printf("   %s\n", (const char *)e->contexts->pdata[k]);
        }
    }
}

static bool set_tls(const NbdArgs *a, Object *root, NbdClientTls *tls,
                    Error **errp)
{
    if (!a->tls_creds) {
        return true;
    }
    tls->creds = tls_creds_find(root, a->tls_creds, false, errp);
    /* As the address that nbd_address() makes of it. */
    tls->hostname = (char *)(a->tls_hostname ? a->tls_hostname : a->bind);
    return tls->creds || error_prefix(errp, "Failed to get TLS creds");
}

int nbd_show_list(const NbdArgs *a)
{
    g_autoptr(SocketAddress) addr = nbd_address(a);
    Job j = { 0 };
    g_autoptr(Object) root = nbd_make_objects(a, &j.err);
    int fd = root && set_tls(a, root, &j.tls, &j.err)
                 ? socket_connect(addr, NULL, &j.err)
                 : -1;
    Loop *loop = fd >= 0 ? loop_new("main", &j.err) : NULL;

    if (loop) {
        loop_set_current(loop);
        nbd_stream_init(&j.st, io_channel_socket(fd), loop, true);
        block_run(list_entry, &j);
        nbd_stream_destroy(&j.st);
        loop_free(loop);
    }
    tls_creds_unref(j.tls.creds);
    if (!j.list) {
        error_report_err(j.err);
        return 1;
    }
    show(j.list);
    g_ptr_array_free(j.list, TRUE);
    return 0;
}
