/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Linux tun/tap driver, as net/tap.c needs it. */
#ifndef NET_TAP_H
#define NET_TAP_H

/* Open a queue of interface @name ("tap%d" picks a number; the real name is
 * put there). @vnet_hdr: in, wanted; out, got. @required: fail without. */
int tap_open(char name[16], bool *vnet_hdr, bool required, bool multiqueue,
             Error **errp);
/* Of a descriptor that was given to us. */
bool tap_fd_check(int fd, bool *vnet_hdr, char name[16], Error **errp);
bool tap_fd_set_sndbuf(int fd, uint64_t size, Error **errp);
bool tap_fd_has_ufo(int fd);
void tap_fd_set_vnet_hdr_len(int fd, unsigned len);
void tap_fd_set_offload(int fd, unsigned bits); /* NET_OFFLOAD_* */
int tap_fd_set_enabled(int fd, bool on);        /* 0 or -errno */

/* Run "SCRIPT IFNAME" and wait. */
bool tap_run_script(const char *script, const char *ifname, Error **errp);
/* Have qemu-bridge-helper put a tap on bridge @br; its descriptor or -1. */
int tap_from_helper(const char *helper, const char *br, Error **errp);

#endif
