/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the files of hw/core share. */
#ifndef HW_CORE_CORE_INTERNAL_H
#define HW_CORE_CORE_INTERNAL_H

#include "hw/core/device.h"

void device_gpio_cleanup(Device *dev);
/* Lines "gpio-in NAME COUNT" for people. */
void device_gpio_info(Device *dev, GString *out, int indent);
/* Put @dev on @bus (with a reference) or take it off. */
void bus_attach(Bus *bus, Device *dev);
void bus_detach(Bus *bus, Device *dev);
/* Unrealize what sits there, last one first, and take it out of the tree. */
void bus_empty(Bus *bus);
/* May a device join while the machine runs? */
bool bus_can_hotplug(Bus *bus, Error **errp);

/* False: "no such device model", with the nearest pluggable one. */
bool device_unknown_driver(const char *driver, Error **errp);

#endif
