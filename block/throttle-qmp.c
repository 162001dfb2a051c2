/* SPDX-License-Identifier: GPL-2.0-or-later */
/* block_set_io_throttle, for QMP and HMP. */
#include "util/osdep.h"

#include "block/block-int.h"
#include "block/block-options.h"
#include "block/qmp-find.h"
#include "block/throttle.h"
#include "qapi/hmp.h"
#include "qapi/qapi-commands-block.h"
#include "softmmu/vm.h"
#include "util/error.h"

static void limit_from(ThrottleLimit *l, int64_t avg, int64_t max,
                       bool has_length, int64_t length)
{
    l->avg = avg;
    l->max = max;
    if (has_length) {
        l->length = length;
    }
}

static void config_from(ThrottleConfig *cfg, const BlockIOThrottle *a)
{
    ThrottleLimit *l = cfg->limit;

    throttle_config_init(cfg);
    limit_from(&l[THROTTLE_BPS_TOTAL], a->bps, a->bps_max,
               a->has_bps_max_length, a->bps_max_length);
    limit_from(&l[THROTTLE_BPS_READ], a->bps_rd, a->bps_rd_max,
               a->has_bps_rd_max_length, a->bps_rd_max_length);
    limit_from(&l[THROTTLE_BPS_WRITE], a->bps_wr, a->bps_wr_max,
               a->has_bps_wr_max_length, a->bps_wr_max_length);
    limit_from(&l[THROTTLE_IOPS_TOTAL], a->iops, a->iops_max,
               a->has_iops_max_length, a->iops_max_length);
    limit_from(&l[THROTTLE_IOPS_READ], a->iops_rd, a->iops_rd_max,
               a->has_iops_rd_max_length, a->iops_rd_max_length);
    limit_from(&l[THROTTLE_IOPS_WRITE], a->iops_wr, a->iops_wr_max,
               a->has_iops_wr_max_length, a->iops_wr_max_length);
    cfg->iops_size = a->iops_size;
}

bool qmp_block_set_io_throttle(Vm *vm, BlockIOThrottle *arg, Error **errp)
{
    BlockBackend *blk = blk_find_device(vm, arg->device, arg->id, errp);
    ThrottleConfig cfg;

    if (!blk) {
        return false;
    }
    if (!blk->root) {
        return error_set(errp, "Device has no medium");
    }
    config_from(&cfg, arg);
    return blk_set_throttle(blk, &cfg,
                            arg->group                      ? arg->group
                            : !*blk->name && !blk->throttle ? arg->id
                                                            : NULL,
                            errp);
}

/* HMP
 * ---------------------------------------------------------------------------
 */

static bool hmp_set_io_throttle(Hmp *hmp, const QDict *args, Error **errp)
{
    const char *name = qdict_get_str(args, "device");
    BlockIOThrottle a = {
        .bps = qdict_get_int(args, "bps", 0),
        .bps_rd = qdict_get_int(args, "bps_rd", 0),
        .bps_wr = qdict_get_int(args, "bps_wr", 0),
        .iops = qdict_get_int(args, "iops", 0),
        .iops_rd = qdict_get_int(args, "iops_rd", 0),
        .iops_wr = qdict_get_int(args, "iops_wr", 0),
    };

    /* A drive, or else a device. */
    if (blk_find(block_vm_graph(hmp->vm), name)) {
        a.device = (char *)name;
    } else {
        a.id = (char *)name;
    }
    return qmp_block_set_io_throttle(hmp->vm, &a, errp);
}

static const HmpCommand throttle_commands[] = {
    { .name = "block_set_io_throttle",
      .args = (const HmpArg[]){ { "device", HMP_WORD, false },
                                { "bps", HMP_INT, false },
                                { "bps_rd", HMP_INT, false },
                                { "bps_wr", HMP_INT, false },
                                { "iops", HMP_INT, false },
                                { "iops_rd", HMP_INT, false },
                                { "iops_wr", HMP_INT, false },
                                {} },
      .params = "device bps bps_rd bps_wr iops iops_rd iops_wr",
      .help = "change I/O throttle limits for a block drive",
      .needs = "block_set_io_throttle",
      .run = hmp_set_io_throttle },
};
HMP_COMMANDS(throttle_commands);
