/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Help texts about device types. */
#ifndef HW_CORE_DEVICE_INFO_H
#define HW_CORE_DEVICE_INFO_H

#include "qom/object.h"

/* "-device help": all models by category. */
void device_list_help(GString *out);
/* "-device X,help" */
bool device_help(const char *driver, GString *out, Error **errp);
/* One sorted line per settable property; also for objects. */
void type_props_help(const ObjectType *type, GString *out);

#endif
