/* SPDX-License-Identifier: GPL-2.0-or-later */
/* -dump-vmstate: the tables of all device types, in QEMU 7.2's JSON form. */
#include "util/osdep.h"

#include "hw/core/device.h"
#include "hw/core/machine.h"
#include "softmmu/launch.h"
#include "util/error.h"

/* The table that devices of @type have: the nearest level's. */
static const VmState *type_vmstate(const ObjectType *type)
{
    for (; type && type != &device_type; type = type->parent) {
        const DeviceClass *c = type->class;

        if (c && c->vmstate) {
            return c->vmstate;
        }
    }
    return NULL;
}

static void dump_type(const ObjectType *type, const VmState *vms, GString *out)
{
    g_string_append_printf(out,
                           ",\n  \"%s\": {\n"
                           "    \"Name\": \"%s\",\n"
                           "    \"version_id\": %d,\n"
                           "    \"minimum_version_id\": %d,\n"
                           "    \"Description\": ",
                           type->name, type->name, vms->version,
                           vms->min_version ? vms->min_version : vms->version);
    vmstate_dump_json(vms, 2, out);
    g_string_append(out, "\n  }");
}

bool dump_vmstate_file(const ObjectType *machine, const char *path,
                       Error **errp)
{
    g_autoptr(GString) out = g_string_new(NULL);
    const char *suffix = strstr(machine->name, "-machine");
    int len = suffix ? suffix - machine->name : (int)strlen(machine->name);
    const ObjectType *type;
    autofd int fd = -1;

    g_string_append_printf(out,
                           "{\n  \"vmschkmachine\": {\n"
                           "    \"Name\": \"%.*s\"\n  }",
                           len, machine->name);
    for (size_t i = 0; (type = type_at(i)); i++) {
        const VmState *vms =
            type_is_a(type, &device_type) ? type_vmstate(type) : NULL;

        if (vms) {
            dump_type(type, vms, out);
        }
    }
    g_string_append(out, "\n}\n");
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0) {
        return error_errno(errp, errno, "%s", path);
    }
    if (write(fd, out->str, out->len) != (ssize_t)out->len) {
        return error_errno(errp, errno, "%s", path);
    }
    return true;
}
