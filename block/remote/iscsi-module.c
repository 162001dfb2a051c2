/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Module block-iscsi: a logical unit of an iSCSI target, by libiscsi.
 *
 * The library's calls that wait leave a request behind when they fail, so the
 * waiting is done here: a connection that fails is given up, with all that it
 * had to do, before its caller goes on; the next call makes another one.
 * Spec: SPC-4, SBC-3; iscsi.h.
 */
#include "util/osdep.h"

#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>
#include <poll.h>

#include "block/remote/remote-module.h"
#include "qapi/qapi-types-block-core.h"
#include "util/bytes.h"

#define TRANSFER_MAX (4u << 20)
#define RANGE_MAX    (1u << 30)
#define TRIES        8

enum {
    TYPE_DISK = 0,
    TYPE_ROM = 5,
    VPD_BLOCK_LIMITS = 0xb0,
    VPD_PROVISIONING = 0xb2,
};

typedef struct Handle {
    const IscsiParams *params;
    struct iscsi_context *iscsi; /* NULL: the connection is lost */
    uint64_t blocks;
    uint32_t block;
    bool is_long; /* knows the commands with 16 bytes */
    bool unmaps, same_unmaps, zero_when_unmapped, provisions;
    bool no_same; /* it turned out */
} Handle;

typedef struct Command {
    uint8_t cdb[16];
    unsigned cdb_len;
    int dir;
    void *buf;
    uint32_t len;
    uint32_t got; /* of a command that reads */
    int ascq;     /* why it failed; 0: for no reason that SCSI knows */
} Command;

/* Waiting --------------------------------------------------------------------
 */

typedef struct Wait {
    bool done;
    int status;
} Wait;

static void wait_done(struct iscsi_context *iscsi, int status, void *data,
                      void *opaque)
{
    Wait *w = opaque;

    w->done = true;
    w->status = status;
}

static void drop(Handle *h)
{
    if (h->iscsi) {
        iscsi_destroy_context(h->iscsi);
        h->iscsi = NULL;
    }
}

/* False: the connection is of no use any more. */
static bool wait_for(Handle *h, Wait *w)
{
    int64_t wait_us = (int64_t)h->params->timeout * G_USEC_PER_SEC;
    int64_t end = g_get_monotonic_time() + wait_us + G_USEC_PER_SEC;

    while (!w->done) {
        struct pollfd p = { .fd = iscsi_get_fd(h->iscsi),
                            .events = iscsi_which_events(h->iscsi) };

        if (poll(&p, 1, 500) < 0) {
            p.revents = 0;
        }
        if (iscsi_service(h->iscsi, p.revents) < 0 ||
            (!w->done && wait_us && g_get_monotonic_time() > end)) {
            return false;
        }
    }
    return true;
}

/* Connecting -----------------------------------------------------------------
 */

static char *iscsi_error(Handle *h, const char *what)
{
    return g_strdup_printf("%s%s", what, iscsi_get_error(h->iscsi));
}

static bool set_up(Handle *h)
{
    static const int digests[] = {
        [QAPI_ISCSI_HEADER_DIGEST_CRC32C] = ISCSI_HEADER_DIGEST_CRC32C,
        [QAPI_ISCSI_HEADER_DIGEST_NONE] = ISCSI_HEADER_DIGEST_NONE,
        [QAPI_ISCSI_HEADER_DIGEST_CRC32C_NONE] =
            ISCSI_HEADER_DIGEST_CRC32C_NONE,
        [QAPI_ISCSI_HEADER_DIGEST_NONE_CRC32C] =
            ISCSI_HEADER_DIGEST_NONE_CRC32C,
    };
    const IscsiParams *p = h->params;

    iscsi_set_timeout(h->iscsi, p->timeout);
    /* A target that is silently gone is noticed. */
    iscsi_set_tcp_keepidle(h->iscsi, 15);
    iscsi_set_tcp_keepcnt(h->iscsi, 3);
    iscsi_set_tcp_keepintvl(h->iscsi, 5);
    iscsi_set_tcp_user_timeout(h->iscsi, 30000);
    return !(p->iser && iscsi_init_transport(h->iscsi, ISER_TRANSPORT)) &&
           !iscsi_set_targetname(h->iscsi, p->target) &&
           !(p->user && iscsi_set_initiator_username_pwd(h->iscsi, p->user,
                                                         p->password)) &&
           !iscsi_set_session_type(h->iscsi, ISCSI_SESSION_NORMAL) &&
           !iscsi_set_header_digest(h->iscsi, digests[p->digest]);
}

static char *connect_unit(Handle *h)
{
    Wait w = { 0 };

    h->iscsi = iscsi_create_context(h->params->initiator);
    if (!h->iscsi) {
        return g_strdup("iSCSI: Failed to create iSCSI context.");
    }
    if (!set_up(h)) {
        return iscsi_error(h, "iSCSI: ");
    }
    if (iscsi_full_connect_async(h->iscsi, h->params->portal, h->params->lun,
                                 wait_done, &w)) {
        return iscsi_error(h, "iSCSI: Failed to connect to LUN : Failed to "
                              "start full connect ");
    }
    if (!wait_for(h, &w)) {
        char *error = iscsi_error(h, "iSCSI: Failed to connect to LUN : "
                                     "iscsi_service failed with : ");

        drop(h); /* while it may still write to @w */
        return error;
    }
    return w.status ? iscsi_error(h, "iSCSI: Failed to connect to LUN : ")
                    : NULL;
}

static bool connected(Handle *h)
{
    char *error;

    if (h->iscsi) {
        return true;
    }
    error = connect_unit(h);
    if (error) {
        g_free(error);
        drop(h);
    }
    return !error;
}

/* Commands -------------------------------------------------------------------
 */

static int sense_error(const struct scsi_sense *s)
{
    switch (s->key) {
    case SCSI_SENSE_NO_SENSE:
    case SCSI_SENSE_RECOVERED_ERROR:
    case SCSI_SENSE_UNIT_ATTENTION:
        return -EAGAIN;
    case SCSI_SENSE_NOT_READY:
        return s->ascq >> 8 == 0x3a ? -ENOMEDIUM : -EBUSY;
    case SCSI_SENSE_DATA_PROTECTION:
        return s->ascq == 0x2707 ? -ENOSPC : -EACCES;
    case SCSI_SENSE_ILLEGAL_REQUEST:
        return s->ascq == SCSI_SENSE_ASCQ_LBA_OUT_OF_RANGE ? -ENOSPC : -EINVAL;
    case SCSI_SENSE_COMMAND_ABORTED:
        return -EAGAIN;
    default:
        return -EIO;
    }
}

/* Once; -EAGAIN: worth another try, -EBUSY: but later. */
static int try_command(Handle *h, Command *c)
{
    struct scsi_iovec iov = { c->buf, c->len };
    struct scsi_task *task;
    Wait w = { 0 };
    int ret = -EIO;

    if (!connected(h)) {
        return -EIO;
    }
    task = scsi_create_task(c->cdb_len, c->cdb, c->dir, c->len);
    if (!task) {
        return -ENOMEM;
    }
    if (c->dir == SCSI_XFER_READ) {
        scsi_task_set_iov_in(task, &iov, 1);
    } else if (c->dir == SCSI_XFER_WRITE) {
        scsi_task_set_iov_out(task, &iov, 1);
    }
    c->ascq = 0;
    if (iscsi_scsi_command_async(h->iscsi, h->params->lun, task, wait_done,
                                 NULL, &w) ||
        !wait_for(h, &w)) {
        drop(h);
    } else if (w.status == SCSI_STATUS_GOOD) {
        c->got = task->residual_status == SCSI_RESIDUAL_UNDERFLOW
                     ? c->len - MIN(task->residual, c->len)
                     : c->len;
        ret = 0;
    } else if (w.status == SCSI_STATUS_CHECK_CONDITION) {
        c->ascq = task->sense.ascq;
        ret = sense_error(&task->sense);
    } else if (w.status == SCSI_STATUS_BUSY ||
               w.status == SCSI_STATUS_TASK_SET_FULL) {
        ret = -EBUSY;
    } else if (w.status == SCSI_STATUS_RESERVATION_CONFLICT) {
        ret = -EBADE;
    } else if (w.status == SCSI_STATUS_TIMEOUT) {
        ret = -ETIMEDOUT;
    }
    scsi_free_scsi_task(task);
    return ret;
}

static int run(Handle *h, Command *c)
{
    int ret = 0;

    for (int i = 0; i < TRIES; i++) {
        ret = try_command(h, c);
        if (ret != -EAGAIN && ret != -EBUSY) {
            return ret;
        }
        if (ret == -EBUSY) {
            g_usleep(50000 << i);
        }
    }
    return ret == -EAGAIN ? -EIO : ret;
}

/* A command with 16 bytes: operation, service action, block, count. */
static Command long_command(uint8_t op, uint8_t flags, uint64_t lba,
                            uint32_t count)
{
    Command c = { .cdb_len = 16, .dir = SCSI_XFER_NONE };

    c.cdb[0] = op;
    c.cdb[1] = flags;
    be64_put(c.cdb + 2, lba);
    be32_put(c.cdb + 10, count);
    return c;
}

/* Which data: at least @min bytes of it are in @buf. */
static int read_data(Handle *h, Command *c, void *buf, uint32_t len,
                     uint32_t min)
{
    int ret;

    memset(buf, 0, len);
    c->dir = SCSI_XFER_READ;
    c->buf = buf;
    c->len = len;
    ret = run(h, c);
    return ret ? ret : c->got < min ? -EIO : 0;
}

/* What the unit is -----------------------------------------------------------
 */

static int read_vpd(Handle *h, uint8_t page, uint8_t buf[255], uint32_t min)
{
    Command c = { .cdb = { 0x12, 1, page, 0, 255 }, .cdb_len = 6 };
    int ret = read_data(h, &c, buf, 255, min);

    return ret ? ret : buf[1] != page ? -EIO : 0;
}

static int read_capacity(Handle *h)
{
    Command c = long_command(0x9e, 0x10, 0, 32);
    Command old = { .cdb = { 0x25 }, .cdb_len = 10 };
    uint8_t data[32];
    int ret = h->is_long ? read_data(h, &c, data, 32, 12) : -EINVAL;

    if (!ret) {
        h->blocks = be64_get(data) + 1;
        h->block = be32_get(data + 8);
        h->provisions = data[14] & 0x80;
        h->zero_when_unmapped = data[14] & 0x40;
    } else if (ret == -EINVAL) {
        h->is_long = false;
        ret = read_data(h, &old, data, 8, 8);
        h->blocks = ret ? 0 : (uint64_t)be32_get(data) + 1;
        h->block = ret ? 2048 : be32_get(data + 4);
        ret = ret == -ENOMEDIUM ? 0 : ret;
    }
    if (ret) {
        return ret;
    }
    return h->block < 512 || h->block > 65536 || (h->block & (h->block - 1)) ||
                   h->blocks > INT64_MAX / h->block ||
                   (!h->blocks && h->is_long)
               ? -EINVAL
               : 0;
}

static uint32_t in_bytes(const Handle *h, uint64_t blocks, uint32_t most)
{
    most -= most % h->block;
    return !blocks || blocks > most / h->block ? most : blocks * h->block;
}

static void read_limits(Handle *h, RemoteInfo *info)
{
    uint8_t page[255];
    uint32_t unit, most;

    most = MIN(TRANSFER_MAX, h->is_long ? UINT32_MAX : 0xffff * h->block);
    info->max_transfer = in_bytes(h, 0, most);
    info->max_zero = in_bytes(h, 0xffff, RANGE_MAX);
    info->max_discard = in_bytes(h, 0, RANGE_MAX);
    if (!h->is_long) {
        return;
    }
    if (!read_vpd(h, VPD_BLOCK_LIMITS, page, 16)) {
        uint64_t same = be64_get(page + 36);

        info->max_transfer = in_bytes(h, be32_get(page + 8), most);
        info->max_discard = in_bytes(h, be32_get(page + 20), RANGE_MAX);
        info->max_zero = in_bytes(h, same ? same : 0xffff, RANGE_MAX);
        unit = be32_get(page + 28);
        if (unit && !(unit & (unit - 1)) && unit <= RANGE_MAX / h->block) {
            info->discard_align = unit * h->block;
        }
    }
    if (h->provisions && !read_vpd(h, VPD_PROVISIONING, page, 6)) {
        h->unmaps = page[5] & 0x80;
        h->same_unmaps = page[5] & 0x40;
    }
}

static char *look(Handle *h, RemoteInfo *info)
{
    Command inquiry = { .cdb = { 0x12, 0, 0, 0, 255 }, .cdb_len = 6 };
    Command mode = { .cdb = { 0x1a, 0, 0x3f, 0, 255 }, .cdb_len = 6 };
    uint8_t data[255];
    int type;

    if (read_data(h, &inquiry, data, 255, 36)) {
        return g_strdup("iSCSI: Inquiry command failed");
    }
    type = data[0] & 0x1f;
    if (data[0] >> 5 || (type != TYPE_DISK && type != TYPE_ROM)) {
        return g_strdup_printf("iSCSI: the LUN is no disk (type %d)", type);
    }
    h->is_long = type == TYPE_DISK;
    if (read_capacity(h)) {
        return g_strdup("iSCSI: failed to read the capacity of the LUN");
    }
    *info = (RemoteInfo){ .size = h->blocks * h->block,
                          .block = h->block,
                          .fixed = true };
    if (type == TYPE_ROM ||
        (!read_data(h, &mode, data, 255, 4) && (data[2] & 0x80))) {
        info->read_only = "LUN is write protected";
    }
    read_limits(h, info);
    return NULL;
}

/* Handles --------------------------------------------------------------------
 */

static void close_handle(void *opaque)
{
    Handle *h = opaque;
    Wait w = { 0 };

    if (h->iscsi && iscsi_is_logged_in(h->iscsi)) {
        iscsi_set_noautoreconnect(h->iscsi, 1);
        if (!iscsi_logout_async(h->iscsi, wait_done, &w)) {
            wait_for(h, &w);
        }
    }
    drop(h);
    g_free(h);
}

static void *open_handle(const void *params, bool writable, RemoteInfo *info,
                         char **error)
{
    Handle *h = g_new0(Handle, 1);

    h->params = params;
    *error = connect_unit(h);
    if (!*error) {
        *error = look(h, info);
    }
    if (*error) {
        drop(h);
        g_free(h);
        return NULL;
    }
    return h;
}

/* Requests -------------------------------------------------------------------
 */

static int transfer(Handle *h, bool write, void *buf, size_t len,
                    uint64_t offset)
{
    uint64_t lba = offset / h->block;
    uint32_t count = len / h->block;
    Command c = long_command(write ? 0x8a : 0x88, 0, lba, count);
    int ret;

    if (!h->is_long) {
        c = (Command){ .cdb = { write ? 0x2a : 0x28 }, .cdb_len = 10 };
        be32_put(c.cdb + 2, lba);
        be16_put(c.cdb + 7, count);
    }
    c.dir = write ? SCSI_XFER_WRITE : SCSI_XFER_READ;
    c.buf = buf;
    c.len = len;
    ret = run(h, &c);
    return ret ? ret : c.got < len && !write ? -EIO : 0;
}

static int read_handle(void *opaque, void *buf, size_t len, uint64_t offset)
{
    return transfer(opaque, false, buf, len, offset);
}

static int write_handle(void *opaque, const void *buf, size_t len,
                        uint64_t offset)
{
    return transfer(opaque, true, (void *)buf, len, offset);
}

static int flush_handle(void *opaque)
{
    Command c = { .cdb = { 0x35 }, .cdb_len = 10, .dir = SCSI_XFER_NONE };
    int ret = run(opaque, &c);

    /* Who does not know it keeps nothing back. */
    return ret && c.ascq == SCSI_SENSE_ASCQ_INVALID_OPERATION_CODE ? 0 : ret;
}

static int zero_handle(void *opaque, uint64_t offset, uint64_t len, bool unmap)
{
    Handle *h = opaque;
    Command c =
        long_command(0x93, unmap ? 0x08 : 0, offset / h->block, len / h->block);
    g_autofree void *zeroes = NULL;
    int ret;

    if (!h->is_long || h->no_same || (unmap && !h->same_unmaps)) {
        return -ENOTSUP;
    }
    zeroes = g_malloc0(h->block);
    c.dir = SCSI_XFER_WRITE;
    c.buf = zeroes;
    c.len = h->block;
    ret = run(h, &c);
    if (ret == -EINVAL && (c.ascq == SCSI_SENSE_ASCQ_INVALID_OPERATION_CODE ||
                           c.ascq == SCSI_SENSE_ASCQ_INVALID_FIELD_IN_CDB)) {
        h->no_same = !unmap;
        return -ENOTSUP;
    }
    return ret;
}

static int discard_handle(void *opaque, uint64_t offset, uint64_t len)
{
    Handle *h = opaque;
    uint8_t list[24] = { 0, 22, 0, 16 };
    Command c = { .cdb = { 0x42, [8] = sizeof(list) },
                  .cdb_len = 10,
                  .dir = SCSI_XFER_WRITE,
                  .buf = list,
                  .len = sizeof(list) };

    if (!h->unmaps) {
        return -ENOTSUP;
    }
    be64_put(list + 8, offset / h->block);
    be32_put(list + 16, len / h->block);
    return run(h, &c);
}

/* What is not known for sure is data. */
static int status_handle(void *opaque, uint64_t offset, uint64_t len,
                         uint64_t *num)
{
    Handle *h = opaque;
    uint8_t data[24]; /* a header and one descriptor */
    Command c = long_command(0x9e, 0x12, offset / h->block, sizeof(data));
    uint64_t blocks;

    *num = len;
    if (!h->provisions || !h->is_long ||
        read_data(h, &c, data, sizeof(data), sizeof(data)) ||
        be64_get(data + 8) != offset / h->block) {
        return REMOTE_IS_DATA;
    }
    blocks = be32_get(data + 16);
    if (!blocks) {
        return REMOTE_IS_DATA;
    }
    *num = MIN(len, blocks * h->block);
    return !(data[20] & 0xf)       ? REMOTE_IS_DATA
           : h->zero_when_unmapped ? REMOTE_IS_ZERO
                                   : REMOTE_IS_HOLE;
}

static int64_t size_handle(void *opaque)
{
    Handle *h = opaque;
    int ret = read_capacity(h);

    return ret ? ret : (int64_t)(h->blocks * h->block);
}

const RemoteOps nemu_iscsi_ops = {
    .open = open_handle,
    .close = close_handle,
    .read = read_handle,
    .write = write_handle,
    .flush = flush_handle,
    .zero = zero_handle,
    .discard = discard_handle,
    .status = status_handle,
    .size = size_handle,
};
