/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The property kind of "addr": a number, or "SLOT" or "SLOT.FUNCTION" in hex. */
#include "util/osdep.h"

#include "hw/pci/pci-internal.h"
#include "util/error.h"

static QObject *addr_get(Object *obj, const Prop *prop, Error **errp)
{
    return qint_new(*(int32_t *)prop_slot(obj, prop));
}

/* A hex number below @limit, with or without "0x". */
static bool parse_hex(const char **p, unsigned limit, unsigned *v)
{
    unsigned long wide;
    char *end;

    if (!g_ascii_isxdigit(**p)) {
        return false;
    }
    wide = strtoul(*p, &end, 16);
    if (wide >= limit) {
        return false;
    }
    *v = wide;
    *p = end;
    return true;
}

static bool parse_addr(const char *text, int32_t *devfn)
{
    unsigned slot, fn = 0;

    if (!parse_hex(&text, 32, &slot)) {
        return false;
    }
    if (*text == '.') {
        text++;
        if (!parse_hex(&text, 8, &fn)) {
            return false;
        }
    }
    if (*text) {
        return false;
    }
    *devfn = PCI_DEVFN_MAKE(slot, fn);
    return true;
}

static bool addr_set(Object *obj, const Prop *prop, const QObject *value,
                     QapiMode mode, Error **errp)
{
    int32_t *slot = prop_slot(obj, prop);
    const char *text = qobject_get_str(value);
    int64_t v;

    if (text) {
        return parse_addr(text, slot) ||
               error_set(errp, "Property '%s.%s' doesn't take value '%s'",
                         obj->type->name, prop->name, text);
    }
    if (!qapi_read_named(&qapi_type_int, prop->name, value, &v, mode, errp)) {
        return false;
    }
    if (v < -1 || v > 255) {
        return error_set(errp, "Property '%s.%s' doesn't take value %" PRId64
                         ", it is -1 to 255", obj->type->name, prop->name, v);
    }
    *slot = v;
    return true;
}

static void addr_set_default(Object *obj, const Prop *prop)
{
    *(int32_t *)prop_slot(obj, prop) = prop->def.i;
}

const PropKind prop_kind_pci_addr = {
    .type = "int32",
    .get = addr_get,
    .set = addr_set,
    .set_default = addr_set_default,
};
