/* SPDX-License-Identifier: GPL-2.0-or-later */
/* virtio-blk: virtio 1.2, 5.2 "Block Device"; features, configuration, life. */
#include "util/osdep.h"

#include <endian.h>

#include "block/block-options.h"
#include "hw/core/boot-order.h"
#include "hw/core/machine.h"
#include "qapi/qapi-types-block-core.h"
#include "qapi/qapi-types-common.h"
#include "util/error.h"
#include "virtio-blk.h"

enum {
    QUEUES_AUTO = UINT16_MAX,
    SEG_MAX_FIXED = 128 - 2, /* without seg-max-adjust */
    MAX_DISCARD_SEG = 1,
};
#define GRANULARITY_AUTO UINT32_MAX

/* Features and configuration --------------------------------------------- */

static uint64_t blk_features(VirtioDevice *vdev, uint64_t offered, Error **errp)
{
    VirtioBlk *s = virtio_blk(vdev);

    offered |= BIT(VIRTIO_BLK_F_SEG_MAX) | BIT(VIRTIO_BLK_F_GEOMETRY) |
               BIT(VIRTIO_BLK_F_BLK_SIZE) | BIT(VIRTIO_BLK_F_TOPOLOGY);
    if (s->num_queues > 1) {
        offered |= BIT(VIRTIO_BLK_F_MQ);
    }
    if (s->discard) {
        offered |= BIT(VIRTIO_BLK_F_DISCARD);
    }
    if (s->write_zeroes) {
        offered |= BIT(VIRTIO_BLK_F_WRITE_ZEROES);
    }
    if (s->config_wce) {
        offered |= BIT(VIRTIO_BLK_F_CONFIG_WCE);
    }
    if (blk_write_cache(s->blk) ||
        (s->enable_wce_if_config_wce && s->config_wce)) {
        offered |= BIT(VIRTIO_BLK_F_FLUSH);
    }
    if (blk_is_read_only(s->blk)) {
        offered |= BIT(VIRTIO_BLK_F_RO);
    }
    return offered;
}

/* For drivers that still ask: 16 heads, 63 sectors. */
static void set_geometry(VirtioBlk *s, struct virtio_blk_config *c,
                         uint64_t sectors)
{
    uint64_t cyls = s->cyls ? s->cyls : MAX(2, MIN(16383, sectors / (16 * 63)));

    c->geometry.cylinders = htole16(cyls);
    c->geometry.heads = s->heads ? s->heads : 16;
    c->geometry.sectors = s->secs ? s->secs : 63;
}

static unsigned log2_of(unsigned v)
{
    return 31 - __builtin_clz(v);
}

static void set_ranges(VirtioBlk *s, struct virtio_blk_config *c)
{
    if (s->discard) {
        uint64_t align = s->report_discard_granularity ? s->discard_granularity
                                                       : s->logical_block_size;

        c->max_discard_sectors = htole32(s->max_discard_sectors);
        c->max_discard_seg = htole32(MAX_DISCARD_SEG);
        c->discard_sector_alignment = htole32(align / VIRTIO_BLK_SECTOR);
    }
    if (s->write_zeroes) {
        c->max_write_zeroes_sectors = htole32(s->max_write_zeroes_sectors);
        c->max_write_zeroes_seg = htole32(1);
        c->write_zeroes_may_unmap = 1;
    }
}

static void blk_get_config(VirtioDevice *vdev)
{
    VirtioBlk *s = virtio_blk(vdev);
    uint32_t lbs = s->logical_block_size;
    struct virtio_blk_config c = {};
    int64_t length = blk_getlength_sectors(s->blk);
    uint64_t sectors = length < 0 ? 0 : length / VIRTIO_BLK_SECTOR;

    c.capacity = htole64(sectors);
    c.seg_max = htole32(s->seg_max_adjust ? s->queue_size - 2 : SEG_MAX_FIXED);
    set_geometry(s, &c, sectors);
    c.blk_size = htole32(lbs);
    c.physical_block_exp = log2_of(s->physical_block_size / lbs);
    c.min_io_size = htole16(s->min_io_size / lbs);
    c.opt_io_size = htole32(s->opt_io_size / lbs);
    c.wce = blk_write_cache(s->blk);
    c.num_queues = htole16(s->num_queues);
    set_ranges(s, &c);
    memcpy(vdev->config, &c, vdev->config_size);
}

static void blk_set_config(VirtioDevice *vdev, const uint8_t *config)
{
    VirtioBlk *s = virtio_blk(vdev);
    uint8_t wce = config[offsetof(struct virtio_blk_config, wce)];

    if (virtio_has(vdev, VIRTIO_BLK_F_CONFIG_WCE)) {
        blk_set_write_cache(s->blk, wce != 0);
    }
}

static void blk_status_set(VirtioDevice *vdev, uint8_t status)
{
    VirtioBlk *s = virtio_blk(vdev);

    if (!(status & VIRTIO_STATUS_DRIVER_OK)) {
        if (vdev->status & VIRTIO_STATUS_DRIVER_OK) {
            virtio_blk_finish(s);
        }
        return;
    }
    /* A driver that cannot flush gets every write on the medium (5.2.5.2). */
    if (!virtio_has(vdev, VIRTIO_BLK_F_CONFIG_WCE) &&
        !(vdev->status & VIRTIO_STATUS_DRIVER_OK)) {
        blk_set_write_cache(s->blk, virtio_has(vdev, VIRTIO_BLK_F_FLUSH));
    }
}

static void blk_reset(VirtioDevice *vdev)
{
    VirtioBlk *s = virtio_blk(vdev);

    virtio_blk_finish(s);
    blk_set_write_cache(s->blk, s->write_cache != ON_OFF_AUTO_OFF);
}

static void blk_queue_reset(VirtQueue *vq)
{
    virtio_blk_finish(virtio_blk(vq->vdev));
}

static void blk_resized(void *opaque)
{
    VirtioBlk *s = opaque;

    virtio_notify_config(&s->parent);
}

static const BlkDevOps blk_dev_ops = {
    .resized = blk_resized,
};

static void blk_vm_state(void *opaque, bool running, RunState state)
{
    VirtioBlk *s = opaque;

    if (running) {
        blk_iostatus_reset(s->blk);
        virtio_blk_restart(s);
    }
}

/* State ------------------------------------------------------------------ */

/* QEMU lists requests that stopped the machine; we drain, and have none but
 * those kept by werror=stop, which we cannot carry over. */
static void state_save(VmWriter *w, const void *elem, const VmField *f)
{
    vm_put_u8(w, 0);
}

static bool state_load(VmReader *r, void *elem, const VmField *f, Error **errp)
{
    uint8_t more;

    if (!vm_get_u8(r, &more, errp)) {
        return false;
    }
    return !more || error_set(errp, "virtio-blk: requests kept by an error "
                                    "cannot be loaded");
}

static const VmFieldKind state_kind = { "virtio-blk", 0, state_save,
                                        state_load };

static const VmState blk_state = {
    .name = "virtio-blk-device",
    .version = 2,
    .fields =
        (const VmField[]){
            { .name = "state",
              .kind = &state_kind,
              .size = sizeof(VirtioBlk),
              .num = 1 },
            {},
        },
};

/* Properties ------------------------------------------------------------- */

static bool check_refused(const VirtioBlk *s, Error **errp)
{
    if (s->scsi) {
        return error_set(errp, "property 'scsi': SCSI passthrough is not "
                               "supported");
    }
    if (s->lcyls || s->lheads || s->lsecs) {
        return error_set(errp, "properties 'lcyls', 'lheads', 'lsecs' are not "
                               "supported");
    }
    return true;
}

/* "auto" leaves what -drive says. */
static void set_accounting(const VirtioBlk *s)
{
    bool failed, invalid;

    blk_acct_ignored(s->blk, &failed, &invalid);
    if (s->account_failed != ON_OFF_AUTO_AUTO) {
        failed = s->account_failed == ON_OFF_AUTO_OFF;
    }
    if (s->account_invalid != ON_OFF_AUTO_AUTO) {
        invalid = s->account_invalid == ON_OFF_AUTO_OFF;
    }
    blk_acct_ignore(s->blk, failed, invalid);
}

static bool check_queues(VirtioBlk *s, Error **errp)
{
    const Machine *machine = s->parent.parent.vm->machine;

    if (s->num_queues == QUEUES_AUTO) {
        s->num_queues = machine ? MIN(machine->smp.cpus, VIRTIO_QUEUE_MAX) : 1;
    }
    if (s->num_queues == 0) {
        return error_set(errp, "num-queues property must be larger than 0");
    }
    if (s->num_queues > VIRTIO_QUEUE_MAX) {
        return error_set(errp, "num-queues property must be at most %d",
                         VIRTIO_QUEUE_MAX);
    }
    if (s->queue_size <= 2) {
        return error_set(errp, "invalid queue-size property (%u), must be > 2",
                         s->queue_size);
    }
    if (!is_power_of_2(s->queue_size) || s->queue_size > VIRTQUEUE_MAX_SIZE) {
        return error_set(errp,
                         "invalid queue-size property (%u), must be a "
                         "power of 2 (max %d)",
                         s->queue_size, VIRTQUEUE_MAX_SIZE);
    }
    return true;
}

static bool check_max_sectors(const char *prop, uint32_t v, Error **errp)
{
    if (v == 0 || v > VIRTIO_BLK_MAX_SECTORS) {
        return error_set(errp,
                         "invalid %s property (%u), must be between 1 "
                         "and %d",
                         prop, v, (int)VIRTIO_BLK_MAX_SECTORS);
    }
    return true;
}

static bool set_block_sizes(VirtioBlk *s, Error **errp)
{
    uint32_t logical = 512, physical = 512;

    if (s->backend_defaults != ON_OFF_AUTO_OFF) {
        blk_probe_blocksizes(s->blk, &logical, &physical);
    }
    if (!s->logical_block_size) {
        s->logical_block_size = logical;
    }
    if (!s->physical_block_size) {
        s->physical_block_size = MAX(physical, s->logical_block_size);
    }
    if (s->logical_block_size > s->physical_block_size) {
        return error_set(errp, "logical_block_size > physical_block_size not "
                               "supported");
    }
    if (s->min_io_size % s->logical_block_size ||
        s->min_io_size / s->logical_block_size > UINT16_MAX) {
        return error_set(errp, "min_io_size must be a multiple of "
                               "logical_block_size, at most 65535 of them");
    }
    if (s->opt_io_size % s->logical_block_size ||
        s->opt_io_size / s->logical_block_size > UINT32_MAX) {
        return error_set(errp, "opt_io_size must be a multiple of "
                               "logical_block_size");
    }
    if (s->discard_granularity == GRANULARITY_AUTO) {
        s->discard_granularity = s->logical_block_size;
    }
    if (s->discard_granularity % s->logical_block_size ||
        !s->discard_granularity ||
        s->discard_granularity / VIRTIO_BLK_SECTOR > UINT32_MAX) {
        return error_set(errp, "discard_granularity must be a multiple of "
                               "logical_block_size");
    }
    return true;
}

/* Life ------------------------------------------------------------------- */

static bool take_drive(VirtioBlk *s, Error **errp)
{
    Vm *vm = s->parent.parent.vm;

    if (!s->drive || !*s->drive) {
        return error_set(errp, "drive property not set");
    }
    s->blk = blk_for_device(block_vm_graph(vm), s->drive, errp);
    if (!s->blk) {
        return false;
    }
    if (!blk_is_available(s->blk)) {
        return error_set(errp, "Device needs media, but drive is empty");
    }
    if (!set_block_sizes(s, errp)) {
        return false;
    }
    blk_set_on_error(s->blk, s->rerror, s->werror);
    set_accounting(s);
    if (!blk_apply_disk_perm(s->blk, !blk_supports_write_perm(s->blk),
                             s->share_rw, errp)) {
        return false;
    }
    if (s->write_cache != ON_OFF_AUTO_AUTO) {
        blk_set_write_cache(s->blk, s->write_cache == ON_OFF_AUTO_ON);
    } else {
        s->write_cache =
            blk_write_cache(s->blk) ? ON_OFF_AUTO_ON : ON_OFF_AUTO_OFF;
    }
    return blk_attach_dev(s->blk, &s->parent.parent.obj, &blk_dev_ops, s, errp);
}

static size_t config_size(const VirtioBlk *s)
{
    if (s->write_zeroes) {
        return offsetof(struct virtio_blk_config, write_zeroes_may_unmap) + 1;
    }
    if (s->discard) {
        return offsetof(struct virtio_blk_config, discard_sector_alignment) + 4;
    }
    return offsetof(struct virtio_blk_config, max_discard_sectors);
}

static bool blk_realize(Device *dev, Error **errp)
{
    VirtioBlk *s = virtio_blk(dev);

    if (!check_refused(s, errp) || !check_queues(s, errp) ||
        !check_max_sectors("max-discard-sectors", s->max_discard_sectors,
                           errp) ||
        !check_max_sectors("max-write-zeroes-sectors",
                           s->max_write_zeroes_sectors, errp)) {
        return false;
    }
    if (!take_drive(s, errp)) {
        blk_unref(s->blk);
        s->blk = NULL;
        return false;
    }
    virtio_set_config_size(&s->parent, config_size(s));
    s->queues = g_new0(BlkQueue, s->num_queues);
    for (unsigned i = 0; i < s->num_queues; i++) {
        VirtQueue *vq =
            virtio_add_queue(&s->parent, s->queue_size, virtio_blk_kick);

        vq_set_priv(vq, virtio_blk_priv_size());
    }
    if (!virtio_blk_map_queues(s, errp)) {
        virtio_blk_unmap_queues(s);
        g_clear_pointer(&s->queues, g_free);
        blk_detach_dev(s->blk);
        blk_unref(s->blk);
        s->blk = NULL;
        return false;
    }
    for (unsigned i = 0; i < s->num_queues; i++) {
        virtio_blk_queue_init(s, &s->queues[i], s->parent.queues[i]);
    }
    blk_iostatus_enable(s->blk);
    s->vm_listener = (VmStateListener){ blk_vm_state, s };
    vm_state_listener_add(dev->vm, &s->vm_listener);
    return true;
}

static void blk_unrealize(Device *dev)
{
    VirtioBlk *s = virtio_blk(dev);

    virtio_unplug(&s->parent);
    vm_state_listener_del(dev->vm, &s->vm_listener);
    blk_drain(s->blk);
    blk_detach_dev(s->blk);
    blk_unref(s->blk);
    s->blk = NULL;
    /* The queues are the parent's, whose unrealize comes after this: leave the
     * threads first. */
    for (unsigned i = 0; i < s->num_queues; i++) {
        virtio_queue_set_loop(s->parent.queues[i], dev->vm->loop);
    }
    virtio_blk_unmap_queues(s);
    g_clear_pointer(&s->queues, g_free);
}

static void blk_init(Object *obj)
{
    VirtioBlk *s = (VirtioBlk *)obj;

    mutex_init(&s->drain_lock);
    cond_init(&s->drain_cond);
}

static void blk_finalize(Object *obj)
{
    VirtioBlk *s = (VirtioBlk *)obj;

    qobject_unref(s->vq_mapping);
    cond_destroy(&s->drain_cond);
    mutex_destroy(&s->drain_lock);
}

static const Prop blk_props[] = {
    PROP_STR(VirtioBlk, drive, "drive",
             .help = "Node name or ID of a block device to use as a backend"),
    PROP_BLOCKSIZE(VirtioBlk, logical_block_size, "logical_block_size", 0,
                   .help = "A power of two between 512 B and 2 MiB"),
    PROP_BLOCKSIZE(VirtioBlk, physical_block_size, "physical_block_size", 0,
                   .help = "A power of two between 512 B and 2 MiB"),
    PROP_SIZE(VirtioBlk, min_io_size, "min_io_size", 0),
    PROP_SIZE(VirtioBlk, opt_io_size, "opt_io_size", 0),
    PROP_SIZE(VirtioBlk, discard_granularity, "discard_granularity",
              GRANULARITY_AUTO),
    PROP_ON_OFF_AUTO(VirtioBlk, write_cache, "write-cache", ON_OFF_AUTO_AUTO),
    PROP(VirtioBlk, share_rw, "share-rw", false),
    PROP_ON_OFF_AUTO(VirtioBlk, account_invalid, "account-invalid",
                     ON_OFF_AUTO_AUTO),
    PROP_ON_OFF_AUTO(VirtioBlk, account_failed, "account-failed",
                     ON_OFF_AUTO_AUTO),
    PROP_ON_OFF_AUTO(VirtioBlk, backend_defaults, "backend_defaults",
                     ON_OFF_AUTO_AUTO),
    PROP_ENUM(VirtioBlk, rerror, "rerror", &qapi_type_BlockdevOnError,
              BLOCKDEV_ON_ERROR_AUTO,
              .help = "Error handling policy, report/ignore/enospc/stop/auto"),
    PROP_ENUM(VirtioBlk, werror, "werror", &qapi_type_BlockdevOnError,
              BLOCKDEV_ON_ERROR_AUTO,
              .help = "Error handling policy, report/ignore/enospc/stop/auto"),
    PROP(VirtioBlk, cyls, "cyls", 0),
    PROP(VirtioBlk, heads, "heads", 0),
    PROP(VirtioBlk, secs, "secs", 0),
    PROP(VirtioBlk, lcyls, "lcyls", 0),
    PROP(VirtioBlk, lheads, "lheads", 0),
    PROP(VirtioBlk, lsecs, "lsecs", 0),
    PROP_STR(VirtioBlk, serial, "serial"),
    PROP_BOOTINDEX(VirtioBlk, bootindex, "/disk@0,0"),
    PROP(VirtioBlk, config_wce, "config-wce", true, .help = "on/off"),
    PROP(VirtioBlk, scsi, "scsi", false, .help = "on/off"),
    PROP(VirtioBlk, request_merging, "request-merging", true, .help = "on/off"),
    PROP(VirtioBlk, num_queues, "num-queues", QUEUES_AUTO),
    PROP(VirtioBlk, queue_size, "queue-size", 256),
    PROP(VirtioBlk, seg_max_adjust, "seg-max-adjust", true),
    PROP_LINK(VirtioBlk, iothread, "iothread", &iothread_type),
    PROP_FN("iothread-vq-mapping", "IOThreadVirtQueueMappingList",
            virtio_blk_get_mapping, virtio_blk_set_mapping,
            .help = "IOThread virtqueue mapping list "
                    "[{\"iothread\":\"<id>\", \"vqs\":[1,2,3,...]},...]"),
    PROP(VirtioBlk, discard, "discard", true, .help = "on/off"),
    PROP(VirtioBlk, report_discard_granularity, "report-discard-granularity",
         true),
    PROP(VirtioBlk, write_zeroes, "write-zeroes", true, .help = "on/off"),
    PROP(VirtioBlk, max_discard_sectors, "max-discard-sectors",
         VIRTIO_BLK_MAX_SECTORS),
    PROP(VirtioBlk, max_write_zeroes_sectors, "max-write-zeroes-sectors",
         VIRTIO_BLK_MAX_SECTORS),
    PROP(VirtioBlk, enable_wce_if_config_wce, "x-enable-wce-if-config-wce",
         true),
    {},
};

static const VirtioClass blk_class = {
    .device = {
        .desc = "Virtual disk",
        .props = blk_props,
        .bus_type = &virtio_bus_type,
        .vmstate = VIRTIO_VMSTATE("virtio-blk", 2),
        .internal = true,
        .category = DEVICE_CATEGORY_STORAGE,
        .realize = blk_realize,
        .unrealize = blk_unrealize,
    },
    .name = "virtio-blk",
    .id = VIRTIO_ID_BLOCK,
    .vmstate_version = 2,
    .features = blk_features,
    .get_config = blk_get_config,
    .set_config = blk_set_config,
    .status_set = blk_status_set,
    .reset = blk_reset,
    .queue_reset = blk_queue_reset,
    .state = &blk_state,
};
QOM_DEFINE(VirtioBlk, virtio_blk, .name = "virtio-blk-device",
           .parent = &virtio_device_type, .class = &blk_class, .init = blk_init,
           .finalize = blk_finalize);

static const Prop blk_pci_props[] = {
    PROP(VirtioPci, class_code, "class", 0),
    {},
};
#define BLK_PCI(...) \
    VIRTIO_PCI_CLASS(0x1001, PCI_CLASS_STORAGE_SCSI, STORAGE, __VA_ARGS__)
VIRTIO_PCI_DEFINE(virtio_blk, "virtio-blk", BLK_PCI, blk_pci_props);
