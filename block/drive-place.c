/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a -drive belongs: interface, bus and unit, and the name that follows.
 * Spec: QEMU 7.2 manual, "Block device options"; names by experiment.
 */
#include "util/osdep.h"

#include "block/block-graph.h"
#include "block/block-int.h"
#include "block/drive-int.h"
#include "qobject/keyval.h"
#include "util/error.h"

static const char *const if_names[] = {
    [DRIVE_IF_DEFAULT] = "",
    [DRIVE_IF_NONE] = "none",
    [DRIVE_IF_VIRTIO] = "virtio",
    [DRIVE_IF_PFLASH] = "pflash",
    [DRIVE_IF_IDE] = "ide",
    [DRIVE_IF_SCSI] = "scsi",
    [DRIVE_IF_FLOPPY] = "floppy",
    [DRIVE_IF_SD] = "sd",
    [DRIVE_IF_MTD] = "mtd",
    [DRIVE_IF_XEN] = "xen",
    NULL, /* for hints */
};

static const char *if_name(const DriveInfo *d)
{
    return d->type == DRIVE_IF_DEFAULT ? "ide" : if_names[d->type];
}

/* Units of a bus; 0: there is one bus with any number of them. */
static int units_per_bus(const DriveInfo *d)
{
    switch (d->type) {
    case DRIVE_IF_DEFAULT:
    case DRIVE_IF_IDE:
        return 2;
    case DRIVE_IF_SCSI:
        return 7;
    default:
        return 0;
    }
}

static bool take_int(QDict *d, const char *key, int *v, Error **errp)
{
    g_autofree char *text = drive_take(d, key);
    int64_t n;

    if (!text) {
        return true;
    }
    if (!parse_int64(text, &n) || n < 0 || n > INT_MAX) {
        return error_set(errp, "Parameter '%s' expects a number", key);
    }
    *v = n;
    return true;
}

static bool take_interface(QDict *d, DriveInfo *info, Error **errp)
{
    g_autofree char *text = drive_take(d, "if");
    g_autofree char *media = drive_take(d, "media");

    if (media && strcmp(media, "disk") && strcmp(media, "cdrom")) {
        return error_set(errp, "'%s' invalid media", media);
    }
    info->cdrom = media && !strcmp(media, "cdrom");
    for (size_t i = DRIVE_IF_NONE; text && if_names[i]; i++) {
        if (!strcmp(text, if_names[i])) {
            info->type = i;
        }
    }
    if (text && info->type == DRIVE_IF_DEFAULT) {
        error_set(errp, "unsupported bus type '%s'", text);
        error_hint_nearest(errp, text, if_names + 1);
        return false;
    }
    return true;
}

static bool place_taken(BlockGraph *g, const DriveInfo *info, int bus, int unit)
{
    for (guint i = 0; i < g->blks->len; i++) {
        const BlockBackend *blk = g->blks->pdata[i];
        const DriveInfo *d = blk->drive;

        if (d && d != info && d->type == info->type && d->bus == bus &&
            d->unit == unit) {
            return true;
        }
    }
    return false;
}

bool drive_choose_place(BlockGraph *g, QDict *d, DriveInfo *info, Error **errp)
{
    int max, index = -1, bus = -1, unit = -1;

    if (!take_interface(d, info, errp) || !take_int(d, "bus", &bus, errp) ||
        !take_int(d, "unit", &unit, errp) ||
        !take_int(d, "index", &index, errp)) {
        return false;
    }
    max = units_per_bus(info);
    if (index >= 0 && (bus >= 0 || unit >= 0)) {
        return error_set(errp, "index cannot be used with bus and unit");
    }
    if (max && unit >= max) {
        return error_set(errp, "unit %d too big (max is %d)", unit, max - 1);
    }
    if (index >= 0) {
        bus = max ? index / max : 0;
        unit = max ? index % max : index;
    }
    bus = MAX(bus, 0);
    if (unit < 0) {
        for (unit = 0; place_taken(g, info, bus, unit); unit++) {
            if (max && unit + 1 >= max) {
                bus++;
                unit = -1;
            }
        }
    } else if (place_taken(g, info, bus, unit)) {
        return error_set(errp,
                         "drive with bus=%d, unit=%d (index=%d) exists", bus,
                         unit, index);
    }
    info->index = index;
    info->bus = bus;
    info->unit = unit;
    return true;
}

static char *place_name(const DriveInfo *d)
{
    if (!units_per_bus(d)) {
        return g_strdup_printf("%s%d", if_name(d), d->unit);
    }
    return g_strdup_printf("%s%d-%s%d", if_name(d), d->bus,
                           d->cdrom ? "cd" : "hd", d->unit);
}

bool drive_choose_id(BlockGraph *g, QDict *d, DriveInfo *info, Error **errp)
{
    g_autofree char *id = drive_take(d, "id");

    if (id && !block_name_ok(id)) {
        return error_set(errp, "Parameter 'id' expects an identifier");
    }
    if (!id) {
        id = place_name(info);
    }
    if (blk_find(g, id)) {
        return error_set(errp, "Device with id '%s' already exists", id);
    }
    if (node_find(g, id)) {
        return error_set(errp,
                         "Device name '%s' conflicts with an existing node "
                         "name",
                         id);
    }
    g_free(info->blk->name);
    info->blk->name = g_steal_pointer(&id);
    return true;
}
