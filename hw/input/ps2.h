/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PS/2 keyboard and mouse as the i8042 sees them: they take command bytes and
 * queue replies. Nobody presses keys yet. Machine lock.
 */
#ifndef HW_INPUT_PS2_H
#define HW_INPUT_PS2_H

#include "hw/core/device.h"

typedef struct Ps2Device {
    Device dev;
    IrqLine *changed; /* raised while bytes are queued; unnamed output */
    /* Guest state, in the form that streams have it. */
    int32_t write_cmd; /* command that waits for its argument; -1: none */
    int32_t rptr, wptr, count;
    uint8_t data[256];
    int32_t reply_end; /* "cwptr" of streams; -1 */
} Ps2Device;

typedef struct Ps2Kbd {
    Ps2Device parent;
    int32_t scan_enabled, translate, scancode_set, ledstate;
    bool need_high_bit;
} Ps2Kbd;

typedef struct Ps2Mouse {
    Ps2Device parent;
    uint8_t status, resolution, sample_rate, wrap, type, detect_state;
    int32_t dx, dy, dz;
    uint8_t buttons;
} Ps2Mouse;

QOM_DECLARE_TYPE(Ps2Kbd, ps2_kbd)
QOM_DECLARE_TYPE(Ps2Mouse, ps2_mouse)
extern const ObjectType ps2_device_type;

/* The next queued byte; the last one again when there is none. */
uint8_t ps2_read(Ps2Device *s);
static inline bool ps2_has_data(const Ps2Device *s)
{
    return s->count > 0;
}
void ps2_kbd_write(Ps2Kbd *s, uint8_t byte);
void ps2_mouse_write(Ps2Mouse *s, uint8_t byte);
/* The controller translates to scan code set 1. */
void ps2_kbd_set_translation(Ps2Kbd *s, bool on);

#endif
