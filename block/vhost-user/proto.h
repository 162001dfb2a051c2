/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Numbers and layouts of the vhost-user protocol, in the host's byte order.
 * Spec: "Vhost-user Protocol" in QEMU's interop manual.
 */
#ifndef BLOCK_VHOST_USER_PROTO_H
#define BLOCK_VHOST_USER_PROTO_H

enum {
    VU_GET_FEATURES = 1,
    VU_SET_FEATURES = 2,
    VU_SET_OWNER = 3,
    VU_RESET_OWNER = 4,
    VU_SET_MEM_TABLE = 5,
    VU_SET_LOG_BASE = 6,
    VU_SET_LOG_FD = 7,
    VU_SET_VRING_NUM = 8,
    VU_SET_VRING_ADDR = 9,
    VU_SET_VRING_BASE = 10,
    VU_GET_VRING_BASE = 11,
    VU_SET_VRING_KICK = 12,
    VU_SET_VRING_CALL = 13,
    VU_SET_VRING_ERR = 14,
    VU_GET_PROTOCOL_FEATURES = 15,
    VU_SET_PROTOCOL_FEATURES = 16,
    VU_GET_QUEUE_NUM = 17,
    VU_SET_VRING_ENABLE = 18,
    VU_SET_BACKEND_REQ_FD = 21,
    VU_GET_CONFIG = 24,
    VU_SET_CONFIG = 25,
    VU_GET_MAX_MEM_SLOTS = 36,
    VU_ADD_MEM_REG = 37,
    VU_REM_MEM_REG = 38,
};

/* What we send of our own, on the front end's second socket. */
enum {
    VU_BACKEND_CONFIG_CHANGE = 2,
};

/* Of VuHeader.flags */
#define VU_VERSION_MASK    3u
#define VU_VERSION         1u
#define VU_FLAG_REPLY      4u
#define VU_FLAG_NEED_REPLY 8u

/* Protocol features */
enum {
    VU_P_MQ = 0,
    VU_P_LOG_SHMFD = 1,
    VU_P_REPLY_ACK = 3,
    VU_P_BACKEND_REQ = 5,
    VU_P_CONFIG = 9,
    VU_P_CONFIGURE_MEM_SLOTS = 15,
};

/* Bits of the word that comes with vring descriptors. */
#define VU_VRING_INDEX 0xffu
#define VU_VRING_NOFD  0x100u

/* Of VuVringAddr.flags */
#define VU_VRING_F_LOG 1u

typedef struct VuHeader {
    uint32_t request, flags, size;
} VuHeader;

typedef struct VuVringState {
    uint32_t index, num;
} VuVringState;

typedef struct VuVringAddr {
    uint32_t index, flags;
    uint64_t desc, used, avail,
        log; /* addresses of the front end; log: guest */
} VuVringAddr;

typedef struct VuRegion {
    uint64_t guest, size, user, offset;
} VuRegion;

/* Regions of one SET_MEM_TABLE; each comes with a descriptor. */
#define VU_TABLE_MAX 8
/* Regions altogether. */
#define VU_SLOTS 32

typedef struct VuMemTable {
    uint32_t n, padding;
    VuRegion region[VU_TABLE_MAX];
} VuMemTable;

typedef struct VuMemReg {
    uint64_t padding;
    VuRegion region;
} VuMemReg;

typedef struct VuLog {
    uint64_t size, offset;
} VuLog;

#define VU_CONFIG_MAX 256
typedef struct VuConfig {
    uint32_t offset, size, flags;
    uint8_t data[VU_CONFIG_MAX];
} VuConfig;

typedef union VuPayload {
    uint64_t u64;
    VuVringState state;
    VuVringAddr addr;
    VuMemTable table;
    VuMemReg reg;
    VuLog log;
    VuConfig config;
} VuPayload;

#endif
