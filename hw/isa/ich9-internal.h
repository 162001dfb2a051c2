/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the bridge and its power management share. */
#ifndef HW_ISA_ICH9_INTERNAL_H
#define HW_ISA_ICH9_INTERNAL_H

#include "hw/isa/ich9.h"

/* ich9-lpc.c */
void ich9_update_sci(void *opaque);
/* Is the reboot by the watchdog switched off? */
bool ich9_lpc_no_reboot(void *opaque);

/* ich9-pm.c */
extern const Prop ich9_lpc_props[];
bool ich9_pm_check(const Ich9Lpc *lpc, Error **errp);
void ich9_pm_init(Ich9Lpc *lpc);
void ich9_pm_cleanup(Ich9Lpc *lpc);
void ich9_pm_reset(Ich9Lpc *lpc);
/* Map the block at @base; 0: nowhere. */
void ich9_pm_map(Ich9Lpc *lpc, uint32_t base);

/* Structs of the stream that are this device again. */
extern const VmState ich9_apm_vmstate, ich9_pm_vmstate;
#define VMS_SELF(T, nam, vms)                                                  \
    { .name = nam, .kind = &vmk_struct, .size = sizeof(T), .num = 1,           \
      .flags = VMF_STRUCT, .sub = vms }

#endif
