/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Remote disks before they are open: secrets of their options, making them. */
#include "util/osdep.h"

#include "block/block-graph.h"
#include "block/remote/remote.h"
#include "crypto/secret.h"
#include "util/error.h"
#include "util/thread-pool.h"

/* Secrets --------------------------------------------------------------------
 */

bool remote_secret(BlockGraph *g, const char *id, char **text, Error **errp)
{
    *text = id ? secret_find_text(g->root, id, errp) : NULL;
    return !id || *text;
}

void remote_free_secret(char *text)
{
    if (text) {
        explicit_bzero(text, strlen(text));
    }
    g_free(text);
}

/* Making disks ---------------------------------------------------------------
 */

typedef struct Making {
    const RemoteOps *ops;
    const void *params, *how;
    uint64_t size;
    char *error;
} Making;

static int create_work(void *opaque)
{
    Making *m = opaque;

    m->error = m->ops->create(m->params, m->size, m->how);
    return 0;
}

static void coroutine_fn create_entry(void *opaque)
{
    thread_pool_run_co(create_work, opaque);
}

bool remote_create(const char *module, const char *table, const void *params,
                   uint64_t size, const void *how, Error **errp)
{
    Making m = { .params = params, .size = size, .how = how };

    m.ops = remote_ops(module, table, errp);
    if (!m.ops) {
        return false;
    }
    block_run(create_entry, &m);
    if (m.error) {
        error_set(errp, "%s", m.error);
        g_free(m.error);
        return false;
    }
    return true;
}
