/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Property kinds of devices: MAC addresses, block sizes. */
#include "util/osdep.h"

#include "hw/core/device.h"
#include "util/error.h"

/* MAC addresses --------------------------------------------------------------- */

static QObject *macaddr_get(Object *obj, const Prop *prop, Error **errp)
{
    const uint8_t *a = prop_slot(obj, prop);

    return qstr_newf("%02x:%02x:%02x:%02x:%02x:%02x", a[0], a[1], a[2], a[3],
                     a[4], a[5]);
}

static bool macaddr_parse(const char *text, uint8_t *mac)
{
    for (int i = 0; i < 6; i++, text += 3) {
        if (!g_ascii_isxdigit(text[0]) || !g_ascii_isxdigit(text[1])) {
            return false;
        }
        mac[i] = g_ascii_xdigit_value(text[0]) << 4 |
                 g_ascii_xdigit_value(text[1]);
        if (i == 5) {
            return !text[2];
        }
        if (text[2] != ':' && text[2] != '-') {
            return false;
        }
    }
    return false;
}

static bool macaddr_set(Object *obj, const Prop *prop, const QObject *value,
                        QapiMode mode, Error **errp)
{
    g_autofree char *text = NULL;
    uint8_t mac[6];

    if (!qapi_read_named(&qapi_type_str, prop->name, value, &text, mode,
                         errp)) {
        return false;
    }
    if (!macaddr_parse(text, mac)) {
        return error_set(errp, "Property '%s.%s' doesn't take value '%s'",
                         obj->type->name, prop->name, text);
    }
    memcpy(prop_slot(obj, prop), mac, sizeof(mac));
    return true;
}

const PropKind prop_kind_macaddr = {
    .type = "str",
    .get = macaddr_get,
    .set = macaddr_set,
};

/* Block sizes -------------------------------------------------------------------- */

static QObject *blocksize_get(Object *obj, const Prop *prop, Error **errp)
{
    return quint_new(*(uint32_t *)prop_slot(obj, prop));
}

static bool blocksize_set(Object *obj, const Prop *prop, const QObject *value,
                          QapiMode mode, Error **errp)
{
    uint64_t v = 0;

    if (!qapi_read_named(&qapi_type_size, prop->name, value, &v, mode, errp)) {
        return false;
    }
    if (v && (v < 512 || v > 2 * MiB)) {
        return error_set(errp, "Property %s.%s doesn't take value %" PRIu64
                         " (minimum: 512, maximum: 2097152)", obj->type->name,
                         prop->name, v);
    }
    if (v && !is_power_of_2(v)) {
        return error_set(errp, "Property %s.%s doesn't take value %" PRIu64
                         ", it's not a power of 2", obj->type->name,
                         prop->name, v);
    }
    *(uint32_t *)prop_slot(obj, prop) = v;
    return true;
}

static void blocksize_set_default(Object *obj, const Prop *prop)
{
    *(uint32_t *)prop_slot(obj, prop) = prop->def.u;
}

const PropKind prop_kind_blocksize = {
    .type = "size",
    .get = blocksize_get,
    .set = blocksize_set,
    .set_default = blocksize_set_default,
};
