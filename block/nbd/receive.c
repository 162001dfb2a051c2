/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Replies to the NBD client (proto.md, "Simple reply message", "Structured
 * reply chunk message"). Whatever does not fit its request ends the
 * connection.
 */
#include "util/osdep.h"

#include "block/nbd/client.h"

/* Longest chunk besides data: extents that we did not ask for, text. */
#define CHUNK_MAX 65536

static NbdClientRequest *find_request(const NbdClient *c, const uint8_t *handle)
{
    uint32_t i = be32_get(handle + 4);

    if (i >= NBD_CLIENT_REQUESTS || c->slot_use[i] != be32_get(handle)) {
        return NULL;
    }
    return c->slot[i] && !c->slot[i]->done ? c->slot[i] : NULL;
}

static void request_done(NbdClientRequest *r)
{
    Coroutine *co = r->co;

    r->done = true;
    if (co) {
        r->co = NULL;
        coroutine_enter(co);
    }
}

static void request_fail(NbdClientRequest *r, uint32_t error)
{
    if (!r->ret) {
        r->ret = -nbd_error_to_errno(error);
    }
}

/* 0 or -errno when the connection is of no more use. */
static int coroutine_fn simple_reply(NbdClient *c)
{
    uint8_t head[NBD_SIMPLE_SIZE - 4];
    int ret = nbd_read(&c->st, head, sizeof(head));
    uint32_t error = be32_get(head);
    NbdClientRequest *r;

    if (ret < 0) {
        return ret;
    }
    r = find_request(c, head + 4);
    if (!r || (c->info.structured &&
               (r->type == NBD_CMD_READ || r->type == NBD_CMD_BLOCK_STATUS))) {
        return -EPROTO;
    }
    if (error) {
        request_fail(r, error);
    } else if (r->type == NBD_CMD_READ) {
        ret = nbd_readv(&c->st, r->iov, r->iov_offset, r->length);
        if (ret < 0) {
            return ret;
        }
    }
    request_done(r);
    return 0;
}

/* The bytes of a content chunk lie inside the request. */
static bool in_request(const NbdClientRequest *r, uint64_t offset, uint64_t len)
{
    return r->type == NBD_CMD_READ && len && offset >= r->offset &&
           len <= r->length && offset - r->offset <= r->length - len;
}

static int coroutine_fn data_chunk(NbdClient *c, NbdClientRequest *r,
                                   uint32_t len)
{
    uint8_t head[8];
    uint64_t offset;
    int ret;

    if (len < 9) {
        return -EPROTO;
    }
    ret = nbd_read(&c->st, head, sizeof(head));
    if (ret < 0) {
        return ret;
    }
    offset = be64_get(head);
    len -= 8;
    if (!in_request(r, offset, len)) {
        return -EPROTO;
    }
    r->received += len;
    return nbd_readv(&c->st, r->iov, r->iov_offset + (offset - r->offset), len);
}

static int coroutine_fn hole_chunk(NbdClient *c, NbdClientRequest *r,
                                   uint32_t len)
{
    uint8_t data[12];
    uint64_t offset;
    int ret;

    if (len != sizeof(data)) {
        return -EPROTO;
    }
    ret = nbd_read(&c->st, data, sizeof(data));
    if (ret < 0) {
        return ret;
    }
    offset = be64_get(data);
    len = be32_get(data + 8);
    if (!in_request(r, offset, len)) {
        return -EPROTO;
    }
    r->received += len;
    iov_memset(r->iov, r->iov_offset + (offset - r->offset), 0, len);
    return 0;
}

/* Only the first extent is of interest: we ask for one. */
static int coroutine_fn status_chunk(NbdClient *c, NbdClientRequest *r,
                                     uint32_t len)
{
    uint8_t data[12];
    int ret;

    if (r->type != NBD_CMD_BLOCK_STATUS || r->received || len < sizeof(data) ||
        (len - 4) % 8 || len > CHUNK_MAX) {
        return -EPROTO;
    }
    ret = nbd_read(&c->st, data, sizeof(data));
    if (ret < 0) {
        return ret;
    }
    r->status_length = be32_get(data + 4);
    r->status = be32_get(data + 8);
    r->received = r->length;
    if (be32_get(data) != c->info.allocation_id || !r->status_length) {
        return -EPROTO;
    }
    return nbd_skip(&c->st, len - sizeof(data));
}

static int coroutine_fn error_chunk(NbdClient *c, NbdClientRequest *r,
                                    uint32_t len)
{
    uint8_t data[6];
    int ret;

    if (len < sizeof(data) || len > CHUNK_MAX) {
        return -EPROTO;
    }
    ret = nbd_read(&c->st, data, sizeof(data));
    if (ret < 0) {
        return ret;
    }
    if (!be32_get(data) || be16_get(data + 4) > len - sizeof(data)) {
        return -EPROTO;
    }
    request_fail(r, be32_get(data));
    return nbd_skip(&c->st, len - sizeof(data));
}

static int coroutine_fn structured_reply(NbdClient *c)
{
    uint8_t head[NBD_CHUNK_SIZE - 4];
    int ret = nbd_read(&c->st, head, sizeof(head));
    uint16_t type = be16_get(head + 2);
    bool done = be16_get(head) & NBD_CHUNK_DONE;
    uint32_t len = be32_get(head + 12);
    NbdClientRequest *r;

    if (ret < 0) {
        return ret;
    }
    r = find_request(c, head + 4);
    if (!r || !c->info.structured) {
        return -EPROTO;
    }
    if (type == NBD_CHUNK_NONE) {
        ret = len || !done ? -EPROTO : 0;
    } else if (type == NBD_CHUNK_DATA) {
        ret = data_chunk(c, r, len);
    } else if (type == NBD_CHUNK_HOLE) {
        ret = hole_chunk(c, r, len);
    } else if (type == NBD_CHUNK_STATUS) {
        ret = status_chunk(c, r, len);
    } else {
        ret = type & NBD_CHUNK_ERROR_BIT ? error_chunk(c, r, len) : -EPROTO;
    }
    if (ret < 0) {
        return ret;
    }
    if (done) {
        /* All of what was asked for, and none of it twice. */
        if (!r->ret &&
            (r->type == NBD_CMD_READ || r->type == NBD_CMD_BLOCK_STATUS) &&
            r->received != r->length) {
            return -EPROTO;
        }
        request_done(r);
    }
    return 0;
}

void coroutine_fn nbd_client_receive(NbdClient *c)
{
    uint8_t magic[4];
    int ret = 0;

    while (ret >= 0) {
        ret = nbd_read(&c->st, magic, sizeof(magic));
        if (ret < 0) {
            break;
        }
        switch (be32_get(magic)) {
        case NBD_SIMPLE_MAGIC:
            ret = simple_reply(c);
            break;
        case NBD_CHUNK_MAGIC:
            ret = structured_reply(c);
            break;
        default:
            ret = -EPROTO;
            break;
        }
    }
}
