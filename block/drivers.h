/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The drivers that are linked in, and what open functions share. */
#ifndef BLOCK_DRIVERS_H
#define BLOCK_DRIVERS_H

#include "block/block-node.h"

/* How much of an image tells its format. */
#define BLOCK_PROBE_SIZE 512

extern const BlockDriver block_driver_blkdebug, block_driver_blklogwrites,
    block_driver_blkverify, block_driver_cbw, block_driver_compress,
    block_driver_copy_on_read, block_driver_file, block_driver_host_cdrom,
    block_driver_host_device, block_driver_luks, block_driver_nbd,
    block_driver_null_aio, block_driver_null_co, block_driver_preallocate,
    block_driver_qcow2, block_driver_quorum, block_driver_raw,
    block_driver_snapshot_access, block_driver_throttle;

extern const BlockDriver block_driver_ftp, block_driver_ftps, block_driver_http,
    block_driver_https, block_driver_iscsi, block_driver_nfs, block_driver_rbd,
    block_driver_ssh;

extern const struct BlockCreateOps existing_create_ops, file_create_ops,
    host_cdrom_create_ops, host_device_create_ops, luks_create_ops,
    raw_create_ops, qcow2_create_ops;

/* @opts' flags over those that the parent hands down. */
bool block_flags_from_options(const BlockdevOptions *o,
                              const BlockOpenFlags *inherit, BlockOpenFlags *f,
                              Error **errp);
/* What a child that is defined inside a node with these flags gets. */
BlockOpenFlags block_flags_for_child(const BlockOpenFlags *parent,
                                     unsigned role);
/* Is @n writable, or would it become so for a writer? */
bool block_can_write(const BlockNode *n);
/* The backing file that an image's header names; @format NULL: probe. */
BlockEdge *coroutine_fn node_open_backing(BlockNode *n, const char *filename,
                                          const char *format, Error **errp);
/* The driver that a name means: by its protocol (NULL: not known), or by what
 * it leads to. */
const BlockDriver *block_name_driver(const char *filename);
/* What opens @path, whatever it begins with: a file, a device. */
const BlockDriver *block_path_driver(const char *path);
/* Options of the node that @filename itself names, or NULL. */
QDict *block_name_options(const BlockGraph *g, const char *filename,
                          Error **errp);
/* Where a whole image is described by one option (-drive, --image-opts), sizes
 * may have a suffix, as they may not in the schema. */
void block_convert_sizes(QDict *d);
/* "nbd:...", "json:..." */
bool block_path_has_protocol(const char *path);
/* What @n is called: @name, NULL for as the node below, or "json:{...}" where
 * that would not say it all. @opts are those that it has from now on. */
void block_name_node(BlockNode *n, const BlockdevOptions *opts,
                     const char *name, bool complete);
/* The file whose folder names in @n start from. */
const char *block_node_path(const BlockNode *n);
/* @path, relative to the folder of file @base; to be freed. */
char *block_path_combine(const char *base, const char *path);
/* The driver whose format the first bytes are; NULL: we have none for it. */
const BlockDriver *block_probe_buffer(const uint8_t *buf, size_t len);
/* Which format that is; NULL: one of ours, or none. */
const char *block_foreign_format(const uint8_t *buf, size_t len);

#endif
