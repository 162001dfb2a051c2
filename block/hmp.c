/* SPDX-License-Identifier: GPL-2.0-or-later */
/* HMP: info block, info blockstats, block_resize. */
#include "util/osdep.h"

#include "qapi/hmp.h"
#include "qapi/qapi-commands-block-core.h"
#include "util/error.h"

static void print_size(Hmp *hmp, const char *what, int64_t bytes, bool exact)
{
    static const char *const units[] = { "B",   "KiB", "MiB", "GiB",
                                         "TiB", "PiB", "EiB" };
    double v = bytes;
    size_t u = 0;

    while (u + 1 < ARRAY_SIZE(units) && v >= 1000) {
        v /= 1024;
        u++;
    }
    hmp_printf(hmp, "%s: %0.3g %s", what, v, units[u]);
    if (exact) {
        hmp_printf(hmp, " (%" PRId64 " bytes)", bytes);
    }
    hmp_printf(hmp, "\n");
}

static void print_image(Hmp *hmp, const ImageInfo *i)
{
    hmp_printf(hmp, "image: %s\nfile format: %s\n", i->filename, i->format);
    print_size(hmp, "virtual size", i->virtual_size, true);
    if (i->has_actual_size) {
        print_size(hmp, "disk size", i->actual_size, false);
    }
    if (i->has_cluster_size) {
        hmp_printf(hmp, "cluster_size: %" PRId64 "\n", i->cluster_size);
    }
    if (i->dirty_flag) {
        hmp_printf(hmp, "cleanly shut down: no\n");
    }
    if (i->backing_filename) {
        hmp_printf(hmp, "backing file: %s", i->backing_filename);
        if (i->full_backing_filename &&
            strcmp(i->backing_filename, i->full_backing_filename)) {
            hmp_printf(hmp, " (actual path: %s)", i->full_backing_filename);
        }
        hmp_printf(hmp, "\n");
        if (i->backing_filename_format) {
            hmp_printf(hmp, "backing file format: %s\n",
                       i->backing_filename_format);
        }
    }
}

static void print_throttling(Hmp *hmp, const BlockDeviceInfo *d)
{
    if (!d->group) {
        return;
    }
    hmp_printf(hmp,
               "    I/O throttling:   bps=%" PRId64 " bps_rd=%" PRId64
               " bps_wr=%" PRId64 " bps_max=%" PRId64 " bps_rd_max=%" PRId64
               " bps_wr_max=%" PRId64 " iops=%" PRId64 " iops_rd=%" PRId64
               " iops_wr=%" PRId64 " iops_max=%" PRId64 " iops_rd_max=%" PRId64
               " iops_wr_max=%" PRId64 " iops_size=%" PRId64 " group=%s\n",
               d->bps, d->bps_rd, d->bps_wr, d->bps_max, d->bps_rd_max,
               d->bps_wr_max, d->iops, d->iops_rd, d->iops_wr, d->iops_max,
               d->iops_rd_max, d->iops_wr_max, d->iops_size, d->group);
}

static void print_inserted(Hmp *hmp, const BlockDeviceInfo *d, bool verbose)
{
    hmp_printf(hmp, "    Cache mode:       %s%s%s\n",
               d->cache->writeback ? "writeback" : "writethrough",
               d->cache->direct ? ", direct" : "",
               d->cache->no_flush ? ", ignore flushes" : "");
    if (d->backing_file) {
        hmp_printf(hmp, "    Backing file:     %s (chain depth: %" PRId64 ")\n",
                   d->backing_file, d->backing_file_depth);
    }
    if (d->detect_zeroes != BLOCKDEV_DETECT_ZEROES_OPTIONS_OFF) {
        hmp_printf(hmp, "    Detect zeroes:    %s\n",
                   qapi_enum_name(&qapi_type_BlockdevDetectZeroesOptions,
                                  d->detect_zeroes));
    }
    print_throttling(hmp, d);
    if (verbose) {
        hmp_printf(hmp, "\nImages:\n");
        for (const ImageInfo *i = d->image; i; i = i->backing_image) {
            print_image(hmp, i);
            if (i->backing_image) {
                hmp_printf(hmp, "\n");
            }
        }
    }
}

static void print_title(Hmp *hmp, const BlockDeviceInfo *d)
{
    hmp_printf(hmp, ": %s (%s%s%s)\n", d->file, d->drv,
               d->ro ? ", read-only" : "", d->encrypted ? ", encrypted" : "");
}

static void print_device(Hmp *hmp, const BlockInfo *b, bool verbose)
{
    const BlockDeviceInfo *d = b->inserted;

    if (*b->device) {
        hmp_printf(hmp, "%s", b->device);
        if (d && d->node_name) {
            hmp_printf(hmp, " (%s)", d->node_name);
        }
    } else {
        hmp_printf(hmp, "%s",
                   d && d->node_name ? d->node_name
                   : b->qdev         ? b->qdev
                                     : "<anonymous>");
    }
    if (d) {
        print_title(hmp, d);
    } else {
        hmp_printf(hmp, ": [not inserted]\n");
    }
    if (b->qdev) {
        hmp_printf(hmp, "    Attached to:      %s\n", b->qdev);
    }
    if (b->has_io_status && b->io_status != BLOCK_DEVICE_IO_STATUS_OK) {
        hmp_printf(hmp, "    I/O status:       %s\n",
                   qapi_enum_name(&qapi_type_BlockDeviceIoStatus,
                                  b->io_status));
    }
    if (b->removable) {
        hmp_printf(hmp, "    Removable device: %slocked, tray %s\n",
                   b->locked ? "" : "not ", b->tray_open ? "open" : "closed");
    }
    if (d) {
        print_inserted(hmp, d, verbose);
    }
}

static bool info_nodes(Hmp *hmp, const char *name, bool verbose, Error **errp)
{
    g_autoptr(BlockDeviceInfoList) list =
        qmp_query_named_block_nodes(hmp->vm, false, false, errp);
    bool first = true;

    QAPI_LIST_FOREACH(list, e) {
        if (name && strcmp(name, e->value->node_name)) {
            continue;
        }
        if (!first) {
            hmp_printf(hmp, "\n");
        }
        first = false;
        hmp_printf(hmp, "%s", e->value->node_name);
        print_title(hmp, e->value);
        print_inserted(hmp, e->value, verbose);
    }
    return true;
}

static bool info_block(Hmp *hmp, const QDict *args, Error **errp)
{
    const char *name = qdict_get_str(args, "device");
    bool verbose = qdict_get_bool(args, "v", false);
    g_autoptr(BlockInfoList) list = NULL;
    bool first = true;

    if (qdict_get_bool(args, "n", false)) {
        return info_nodes(hmp, name, verbose, errp);
    }
    list = qmp_query_block(hmp->vm, errp);
    QAPI_LIST_FOREACH(list, e) {
        if (name && strcmp(name, e->value->device)) {
            continue;
        }
        if (!first) {
            hmp_printf(hmp, "\n");
        }
        first = false;
        print_device(hmp, e->value, verbose);
    }
    return true;
}

static bool info_blockstats(Hmp *hmp, const QDict *args, Error **errp)
{
    g_autoptr(BlockStatsList) list =
        qmp_query_blockstats(hmp->vm, false, false, errp);

    QAPI_LIST_FOREACH(list, e) {
        const BlockDeviceStats *s = e->value->stats;

        hmp_printf(hmp,
                   "%s: rd_bytes=%" PRId64 " wr_bytes=%" PRId64
                   " rd_operations=%" PRId64 " wr_operations=%" PRId64
                   " flush_operations=%" PRId64 " wr_total_time_ns=%" PRId64
                   " rd_total_time_ns=%" PRId64 " flush_total_time_ns=%" PRId64
                   " rd_merged=%" PRId64 " wr_merged=%" PRId64
                   " idle_time_ns=%" PRId64 "\n",
                   e->value->device, s->rd_bytes, s->wr_bytes, s->rd_operations,
                   s->wr_operations, s->flush_operations, s->wr_total_time_ns,
                   s->rd_total_time_ns, s->flush_total_time_ns, s->rd_merged,
                   s->wr_merged, s->idle_time_ns);
    }
    return true;
}

static bool block_resize(Hmp *hmp, const QDict *args, Error **errp)
{
    return qmp_block_resize(hmp->vm, qdict_get_str(args, "device"), NULL,
                            qdict_get_int(args, "size", -1), errp);
}

static const HmpCommand block_commands[] = {
    { .name = "info block",
      .args = (const HmpArg[]){ { "n", HMP_FLAG, true },
                                { "v", HMP_FLAG, true },
                                { "device", HMP_WORD, true },
                                {} },
      .params = "[-n] [-v] [device]",
      .help = "show info of one block device or all block devices "
              "(-n: show named nodes; -v: show details)",
      .needs = "query-block",
      .run = info_block },
    { .name = "info blockstats",
      .help = "show block device statistics",
      .needs = "query-blockstats",
      .run = info_blockstats },
    { .name = "block_resize",
      .args = (const HmpArg[]){ { "device", HMP_WORD, false },
                                { "size", HMP_SIZE, false },
                                {} },
      .params = "device size",
      .help = "resize a block image",
      .needs = "block_resize",
      .run = block_resize },
};
HMP_COMMANDS(block_commands);
