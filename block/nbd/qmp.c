/* SPDX-License-Identifier: GPL-2.0-or-later */
/* QMP: block exports and the NBD server. */
#include "util/osdep.h"

#include "block/block-options.h"
#include "block/export.h"
#include "io/socket.h"
#include "qapi/qapi-commands-block-export.h"
#include "softmmu/iothread.h"
#include "softmmu/user-object.h"
#include "softmmu/vm.h"
#include "util/error.h"

bool qmp_nbd_server_start(Vm *vm, SocketAddressLegacy *addr,
                          const char *tls_creds, const char *tls_authz,
                          bool has_max_connections, uint32_t max_connections,
                          Error **errp)
{
    g_autoptr(SocketAddress) flat = socket_address_flatten(addr);
    NbdServerConfig config = {
        .tls_creds = tls_creds,
        .tls_authz = tls_authz,
        .max_connections = has_max_connections ? max_connections : 0,
    };

    return nbd_server_start(block_vm_graph(vm), flat, vm->fdsets, &config,
                            errp);
}

bool qmp_nbd_server_stop(Vm *vm, Error **errp)
{
    return nbd_server_stop(block_vm_graph(vm), errp);
}

static void release_thread(void *opaque)
{
    object_unref(opaque);
}

bool qmp_block_export_add(Vm *vm, BlockExportOptions *arg, Error **errp)
{
    BlockExportThread thread = { .fds = vm->fdsets };
    Object *obj;

    if (!arg->iothread) {
        return block_export_add(block_vm_graph(vm), arg, &thread, errp);
    }
    obj = user_object_find(vm, arg->iothread);
    obj = obj ? object_dynamic_cast(obj, &iothread_type) : NULL;
    if (!obj) {
        return error_set(errp, "iothread \"%s\" not found", arg->iothread);
    }
    thread.loop = iothread_loop(iothread(obj));
    thread.release = release_thread;
    thread.opaque = object_ref(obj);
    if (!block_export_add(block_vm_graph(vm), arg, &thread, errp)) {
        object_unref(obj);
        return false;
    }
    return true;
}

bool qmp_block_export_del(Vm *vm, const char *id, bool has_mode,
                          BlockExportRemoveMode mode, Error **errp)
{
    return block_export_del(block_vm_graph(vm), id,
                            has_mode && mode == BLOCK_EXPORT_REMOVE_MODE_HARD,
                            errp);
}

BlockExportInfoList *qmp_query_block_exports(Vm *vm, Error **errp)
{
    return block_export_infos(block_vm_graph(vm));
}

/* The older commands ---------------------------------------------------------
 */

bool qmp_nbd_server_add(Vm *vm, NbdServerAddOptions *arg, Error **errp)
{
    BlockGraph *g = block_vm_graph(vm);
    BlockNode *n = node_lookup(g, arg->device, arg->device, errp);
    /* Borrows everything. */
    BlockExportOptions o = { .type = BLOCK_EXPORT_TYPE_NBD };
    BlockDirtyBitmapOrStr bitmap = {
        .type = QTYPE_QSTRING,
        .u.local = arg->bitmap,
    };
    BlockDirtyBitmapOrStrList bitmaps = { .value = &bitmap };

    if (!n) {
        return false;
    }
    o.id = arg->name ? arg->name : arg->device;
    o.node_name = n->name;
    o.has_writable = true;
    o.writable = arg->has_writable && arg->writable && !n->read_only;
    o.u.nbd.name = o.id;
    o.u.nbd.description = arg->description;
    if (arg->bitmap) {
        o.u.nbd.bitmaps = &bitmaps;
        o.u.nbd.has_bitmaps = true;
    }
    return block_export_add(g, &o, NULL, errp);
}

bool qmp_nbd_server_remove(Vm *vm, const char *name, bool has_mode,
                           BlockExportRemoveMode mode, Error **errp)
{
    return qmp_block_export_del(vm, name, has_mode, mode, errp);
}
