/* SPDX-License-Identifier: GPL-2.0-or-later */
/* "Format specific information:" of qemu-img info and qemu-io's info. */
#ifndef TOOLS_INFO_TEXT_H
#define TOOLS_INFO_TEXT_H

#include "qapi/qapi-types-block-core.h"

void info_print_specific(const ImageInfoSpecific *info);

#endif
