/* SPDX-License-Identifier: GPL-2.0-or-later */
/* State of the clock, and what firmware finds in its memory. */
#include "util/osdep.h"

#include "hw/rtc/rtc-private.h"
#include "util/error.h"

static bool check(const void *state, int version, Error **errp)
{
    const Rtc *s = state;

    if (s->index >= sizeof(s->cmos)) {
        return error_set(errp, "rtc: index 0x%x", s->index);
    }
    if (s->offset < -NS_PER_S || s->offset > NS_PER_S) {
        return error_set(errp, "rtc: offset %" PRId64, s->offset);
    }
    if (s->period > UINT32_C(1) << 15 ||
        (s->period && !is_power_of_2(s->period))) {
        return error_set(errp, "rtc: period %u", s->period);
    }
    return true;
}

static bool post_load(void *state, int version, Error **errp)
{
    Rtc *s = state;

    if (version < 3) { /* no time in the stream: the registers have it */
        struct tm tm;

        rtc_get_tm(s, &tm);
        s->offset = 0;
        s->base_rtc = timegm(&tm);
        s->last_update = rtc_clock(s);
    }
    if (s->period && !vm_timer_pending(&s->periodic)) {
        vm_timer_set(&s->periodic, s->next_periodic);
    }
    rtc_schedule(s);
    return true;
}

static bool count_needed(const void *state)
{
    return ((const Rtc *)state)->reinject_on_ack_count != 0;
}

static const VmState count_vmstate = {
    .name = "mc146818rtc/irq_reinject_on_ack_count",
    .version = 1,
    .needed = count_needed,
    .fields =
        (const VmField[]){
            VMS_N(Rtc, reinject_on_ack_count, "irq_reinject_on_ack_count"),
            {},
        },
};

const VmState rtc_vmstate = {
    .name = "mc146818rtc",
    .version = 3,
    .min_version = 1,
    .check = check,
    .post_load = post_load,
    .fields =
        (const VmField[]){
            VMS_BUFFER(Rtc, cmos, "cmos_data"),
            VMS_N(Rtc, index, "cmos_index"),
            VMS_UNUSED(28),
            VMS_TIMER(Rtc, periodic, "periodic_timer"),
            VMS_N(Rtc, next_periodic, "next_periodic_time"),
            VMS_UNUSED(24),
            VMS_V(Rtc, coalesced, "irq_coalesced", 2),
            VMS_V(Rtc, period, "period", 2),
            VMS_V(Rtc, base_rtc, "base_rtc", 3),
            VMS_V(Rtc, last_update, "last_update", 3),
            VMS_V(Rtc, offset, "offset", 3),
            { .name = "update_timer",
              .kind = &vmk_timer,
              .offset = offsetof(Rtc, update),
              .size = sizeof(VmTimer),
              .num = 1,
              .version = 3 },
            VMS_V(Rtc, next_alarm, "next_alarm_time", 3),
            {},
        },
    .subsections = (const VmState *const[]){ &count_vmstate, NULL },
};

/* CMOS memory -------------------------------------------------------------- */

enum {
    CMOS_EQUIPMENT = 0x14,
    CMOS_BASE_KIB = 0x15, /* two bytes */
    CMOS_EXT_KIB = 0x17,  /* above 1 MiB; again at 0x30 */
    CMOS_EXT_KIB_2 = 0x30,
    CMOS_ABOVE_16M = 0x34, /* in 64 KiB */
    CMOS_BOOT_3 = 0x38,    /* third device; bit 0: no floppy check */
    CMOS_BOOT_1_2 = 0x3d,
    CMOS_ABOVE_4G = 0x5b, /* three bytes, in 64 KiB */
    CMOS_CPUS = 0x5f,     /* less one */
    EQUIPMENT_FPU_MOUSE = 0x06,
};

static void set_word(Rtc *s, unsigned at, uint64_t value)
{
    value = MIN(value, 0xffff);
    rtc_set_cmos(s, at, value);
    rtc_set_cmos(s, at + 1, value >> 8);
}

/* The code of a boot order letter; 0: none such. */
static unsigned boot_code(char letter)
{
    static const char letters[] = "acdn"; /* floppy, disk, CD-ROM, network */
    const char *p = letter ? strchr(letters, letter) : NULL;

    return p ? p - letters + 1 : 0;
}

bool rtc_set_boot_order(Rtc *s, const char *order, bool check_floppy,
                        Error **errp)
{
    unsigned code[3] = { 0 };

    if (strlen(order) > ARRAY_SIZE(code)) {
        return error_set(errp, "Too many boot devices for PC");
    }
    for (unsigned i = 0; order[i]; i++) {
        code[i] = boot_code(order[i]);
        if (!code[i]) {
            return error_set(errp, "Invalid boot device for PC: '%c'",
                             order[i]);
        }
    }
    rtc_set_cmos(s, CMOS_BOOT_1_2, code[1] << 4 | code[0]);
    rtc_set_cmos(s, CMOS_BOOT_3, code[2] << 4 | !check_floppy);
    return true;
}

bool rtc_init_cmos(Rtc *s, const RtcCmosInfo *info, Error **errp)
{
    uint64_t ext = info->low_ram > MiB ? (info->low_ram - MiB) / KiB : 0;
    uint64_t high = info->high_ram / (64 * KiB);

    set_word(s, CMOS_BASE_KIB, MIN(info->low_ram / KiB, 640));
    set_word(s, CMOS_EXT_KIB, ext);
    set_word(s, CMOS_EXT_KIB_2, ext);
    set_word(s, CMOS_ABOVE_16M,
             info->low_ram > 16 * MiB ? (info->low_ram - 16 * MiB) / (64 * KiB)
                                      : 0);
    for (unsigned i = 0; i < 3; i++) {
        rtc_set_cmos(s, CMOS_ABOVE_4G + i, high >> (8 * i));
    }
    rtc_set_cmos(s, CMOS_CPUS, info->cpus - 1);
    rtc_set_cmos(s, CMOS_EQUIPMENT, EQUIPMENT_FPU_MOUSE);
    return rtc_set_boot_order(s, info->boot_order, info->fd_bootchk, errp);
}
