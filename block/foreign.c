/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Formats that we know of but do not have: who does not say that he wants the
 * bytes of such an image must not get them as a disk, nor write over them.
 * Spec: the beginnings of images in VMware's Virtual Disk Format 5.0,
 * Microsoft's VHD and [MS-VHDX], VirtualBox's VDI, the Bochs user manual,
 * cloop's, and of QEMU's docs/interop (parallels, qed_spec, qcow2's first
 * version).
 */
#include "util/osdep.h"

#include "block/drivers.h"

typedef struct Foreign {
    const char *format;
    size_t offset, length;
    const char *magic;
} Foreign;

#define MAGIC(format, offset, text)            \
    {                                          \
        format, offset, sizeof(text) - 1, text \
    }

static const Foreign formats[] = {
    MAGIC("bochs", 0,
          "Bochs Virtual HD Image\0\0\0\0\0\0\0\0\0\0"
          "Redolog"),
    MAGIC("cloop", 0,
          "#!/bin/sh\n#V2.0 Format\nmodprobe cloop file=$0 && mount -r -t "
          "iso9660 /dev/cloop $1\n"),
    MAGIC("parallels", 0, "WithoutFreeSpace\2\0\0\0"),
    MAGIC("parallels", 0, "WithouFreSpacExt\2\0\0\0"),
    MAGIC("qcow", 0, "QFI\xfb\0\0\0\1"),
    MAGIC("qed", 0, "QED\0"),
    MAGIC("vdi", 64, "\x7f\x10\xda\xbe"),
    MAGIC("vhdx", 0, "vhdxfile"),
    MAGIC("vmdk", 0, "COWD"),
    MAGIC("vmdk", 0, "KDMV"),
    MAGIC("vpc", 0, "conectix"),
};

/* A text of VMware's: comments, then the version. */
static bool is_descriptor(const char *text, size_t len)
{
    static const char *const versions[] = { "version=1", "version=2",
                                            "version=3" };
    const char *end = text + len, *line = text;

    while (line < end && *line == '#') {
        const char *next = memchr(line, '\n', end - line);

        if (!next) {
            return false;
        }
        line = next + 1;
    }
    for (size_t i = 0; i < ARRAY_SIZE(versions); i++) {
        size_t n = strlen(versions[i]);

        if ((size_t)(end - line) > n + 1 && !memcmp(line, versions[i], n)) {
            line += n;
            return line[0] == '\n' || (line[0] == '\r' && line[1] == '\n');
        }
    }
    return false;
}

const char *block_foreign_format(const uint8_t *buf, size_t len)
{
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
        const Foreign *f = &formats[i];

        if (len >= f->offset + f->length &&
            !memcmp(buf + f->offset, f->magic, f->length)) {
            return f->format;
        }
    }
    return is_descriptor((const char *)buf, len) ? "vmdk" : NULL;
}
