/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What firmware tries to boot from, in which order: devices have a property
 * "bootindex", and a machine turns those of all devices into a list of Open
 * Firmware paths. QEMU's manual, system/bootindex. Machine lock.
 */
#ifndef HW_CORE_BOOT_ORDER_H
#define HW_CORE_BOOT_ORDER_H

#include "hw/core/device.h"

/*
 * int32_t f: the device's place, lower ones first; negative: not in the order.
 * No two devices have the same place. @suffix is what follows the device's own
 * path, as "/disk@0,0"; may be NULL.
 */
extern const PropKind prop_kind_bootindex;
#define PROP_BOOTINDEX(T, f, suffix, ...)                                  \
    {                                                                      \
        .name = "bootindex", .kind = &prop_kind_bootindex,                 \
        .offset = PROP_OFFSET_(T, f, int32_t), .arg = suffix, .def.i = -1, \
        .has_def = true, .live = true, __VA_ARGS__                         \
    }

/*
 * The fw_cfg file "bootorder" for the devices as they are now: a path per line
 * and a final 0, or nothing at all where no device has a place. @strict adds
 * the line that tells firmware to try nothing else.
 */
GByteArray *boot_order_list(Vm *vm, bool strict);

#endif
