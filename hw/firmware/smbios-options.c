/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Parsing of -smbios. QEMU 7.2's manual lists the types and their fields. */
#include "util/osdep.h"

#include "hw/firmware/smbios-private.h"
#include "util/error.h"

#define MAX_FILE (64 * 1024)

typedef enum FieldKind {
    FIELD_STR,
    FIELD_UINT8,
    FIELD_UINT16,
    FIELD_UINT64,
    FIELD_BOOL,
    FIELD_UUID,
    FIELD_RELEASE,
    FIELD_KIND,     /* of an onboard device */
    FIELD_OEM,      /* appends to the OEM strings */
    FIELD_OEM_FILE, /* the same, from a file */
} FieldKind;

typedef struct Field {
    uint8_t type;
    const char *name;
    FieldKind kind;
    size_t offset; /* in Smbios */
    size_t has;    /* offset of a bool to set; 0: none */
} Field;

#define F_STR(t, nam, path)                          \
    {                                                \
        t, nam, FIELD_STR, offsetof(Smbios, path), 0 \
    }

static const Field fields[] = {
    F_STR(0, "vendor", bios.vendor),
    F_STR(0, "version", bios.version),
    F_STR(0, "date", bios.date),
    { 0, "release", FIELD_RELEASE, 0, 0 },
    { 0, "uefi", FIELD_BOOL, offsetof(Smbios, bios.uefi), 0 },
    F_STR(1, "manufacturer", system.manufacturer),
    F_STR(1, "product", system.product),
    F_STR(1, "version", system.version),
    F_STR(1, "serial", system.serial),
    { 1, "uuid", FIELD_UUID, 0, 0 },
    F_STR(1, "sku", system.sku),
    F_STR(1, "family", system.family),
    F_STR(2, "manufacturer", board.manufacturer),
    F_STR(2, "product", board.product),
    F_STR(2, "version", board.version),
    F_STR(2, "serial", board.serial),
    F_STR(2, "asset", board.asset),
    F_STR(2, "location", board.location),
    F_STR(3, "manufacturer", chassis.manufacturer),
    F_STR(3, "version", chassis.version),
    F_STR(3, "serial", chassis.serial),
    F_STR(3, "asset", chassis.asset),
    F_STR(3, "sku", chassis.sku),
    F_STR(4, "sock_pfx", cpu.sock_pfx),
    F_STR(4, "manufacturer", cpu.manufacturer),
    F_STR(4, "version", cpu.version),
    F_STR(4, "serial", cpu.serial),
    F_STR(4, "asset", cpu.asset),
    F_STR(4, "part", cpu.part),
    { 4, "max-speed", FIELD_UINT16, offsetof(Smbios, cpu.max_speed),
      offsetof(Smbios, cpu.has_max_speed) },
    { 4, "current-speed", FIELD_UINT16, offsetof(Smbios, cpu.current_speed),
      offsetof(Smbios, cpu.has_current_speed) },
    { 4, "processor-id", FIELD_UINT64, offsetof(Smbios, cpu.processor_id),
      offsetof(Smbios, cpu.has_processor_id) },
    F_STR(8, "internal_reference", new_port.internal),
    F_STR(8, "external_reference", new_port.external),
    { 8, "connector_type", FIELD_UINT8, offsetof(Smbios, new_port.connector),
      0 },
    { 8, "port_type", FIELD_UINT8, offsetof(Smbios, new_port.port), 0 },
    { 11, "value", FIELD_OEM, 0, 0 },
    { 11, "path", FIELD_OEM_FILE, 0, 0 },
    F_STR(17, "loc_pfx", memory.loc_pfx),
    F_STR(17, "bank", memory.bank),
    F_STR(17, "manufacturer", memory.manufacturer),
    F_STR(17, "serial", memory.serial),
    F_STR(17, "asset", memory.asset),
    F_STR(17, "part", memory.part),
    { 17, "speed", FIELD_UINT16, offsetof(Smbios, memory.speed), 0 },
    F_STR(41, "designation", new_onboard.designation),
    { 41, "kind", FIELD_KIND, 0, 0 },
    { 41, "instance", FIELD_UINT8, offsetof(Smbios, new_onboard.instance),
      offsetof(Smbios, new_onboard.has_instance) },
    F_STR(41, "pcidev", new_onboard.pcidev),
};

static void port_clear(void *item)
{
    SmbiosPort *p = item;

    g_free(p->internal);
    g_free(p->external);
}

static void onboard_clear(void *item)
{
    SmbiosOnboard *o = item;

    g_free(o->designation);
    g_free(o->pcidev);
}

Smbios *smbios_new(void)
{
    Smbios *s = g_new0(Smbios, 1);

    s->ports = g_array_new(FALSE, FALSE, sizeof(SmbiosPort));
    g_array_set_clear_func(s->ports, port_clear);
    s->onboard = g_array_new(FALSE, FALSE, sizeof(SmbiosOnboard));
    g_array_set_clear_func(s->onboard, onboard_clear);
    s->files = g_byte_array_new();
    s->oem = g_ptr_array_new_with_free_func(g_free);
    return s;
}

void smbios_free(Smbios *s)
{
    if (!s) {
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        if (fields[i].kind == FIELD_STR) {
            g_free(*(char **)((char *)s + fields[i].offset));
        }
    }
    g_byte_array_unref(s->files);
    g_ptr_array_unref(s->oem);
    g_array_unref(s->ports);
    g_array_unref(s->onboard);
    g_free(s);
}

bool smbios_uuid(const Smbios *s, uint8_t uuid[16])
{
    if (s->system.has_uuid) {
        memcpy(uuid, s->system.uuid, 16);
    }
    return s->system.has_uuid;
}

/* Values ------------------------------------------------------------------- */

static bool parse_uint(const Field *f, const char *value, uint64_t max,
                       uint64_t *out, Error **errp)
{
    char *end;

    errno = 0;
    *out = g_ascii_strtoull(value, &end, 0);
    if (errno || end == value || *end || value[0] == '-' || *out > max) {
        return error_set(errp, "Parameter '%s' expects a number up to %" PRIu64,
                         f->name, max);
    }
    return true;
}

static bool parse_uuid(const char *value, uint8_t uuid[16])
{
    unsigned n = 0;

    for (const char *p = value; *p; p++) {
        if (p - value == 8 || p - value == 13 || p - value == 18 ||
            p - value == 23) {
            if (*p != '-') {
                return false;
            }
            continue;
        }
        if (!g_ascii_isxdigit(*p) || n == 32) {
            return false;
        }
        uuid[n / 2] = uuid[n / 2] << 4 | g_ascii_xdigit_value(*p);
        n++;
    }
    return n == 32;
}

static bool parse_release(SmbiosBios *bios, const char *value, Error **errp)
{
    unsigned major, minor;
    char rest;

    if (sscanf(value, "%u.%u%c", &major, &minor, &rest) != 2 || major > 255 ||
        minor > 255) {
        return error_set(errp, "Invalid release");
    }
    bios->major = major;
    bios->minor = minor;
    bios->has_release = true;
    return true;
}

static bool add_oem_file(Smbios *s, const char *path, Error **errp)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) gerr = NULL;
    size_t len;

    if (!g_file_get_contents(path, &text, &len, &gerr)) {
        return error_set(errp, "cannot read '%s': %s", path, gerr->message);
    }
    if (strlen(text) != len) {
        return error_set(errp, "NUL in OEM strings value in '%s'", path);
    }
    if (len > MAX_FILE) {
        return error_set(errp, "OEM string in '%s' is too long", path);
    }
    g_ptr_array_add(s->oem, g_steal_pointer(&text));
    return true;
}

/* DSP0134 7.42.2 */
static bool parse_kind(SmbiosOnboard *o, const char *value, Error **errp)
{
    static const char *const kinds[] = {
        "other", "unknown", "video", "scsi", "ethernet", "tokenring",
        "sound", "pata",    "sata",  "sas",  NULL,
    };

    for (unsigned i = 0; kinds[i]; i++) {
        if (!strcmp(value, kinds[i])) {
            o->kind = i + 1;
            return true;
        }
    }
    error_set(errp, "Parameter 'kind' does not accept value '%s'", value);
    error_hint_nearest(errp, value, kinds);
    return false;
}

static bool set_field(Smbios *s, const Field *f, const char *value,
                      Error **errp)
{
    void *slot = (char *)s + f->offset;

    if (f->has) {
        *(bool *)((char *)s + f->has) = true;
    }
    switch (f->kind) {
    case FIELD_STR:
        g_free(*(char **)slot);
        *(char **)slot = g_strdup(value);
        return true;
    case FIELD_UINT8:
        return parse_uint(f, value, UINT8_MAX, slot, errp);
    case FIELD_KIND:
        return parse_kind(&s->new_onboard, value, errp);
    case FIELD_UINT16:
        return parse_uint(f, value, UINT16_MAX, slot, errp);
    case FIELD_UINT64:
        return parse_uint(f, value, UINT64_MAX, slot, errp);
    case FIELD_BOOL:
        if (strcmp(value, "on") && strcmp(value, "off") &&
            strcmp(value, "yes") && strcmp(value, "no")) {
            return error_set(errp, "Parameter '%s' expects 'on' or 'off'",
                             f->name);
        }
        *(bool *)slot = !strcmp(value, "on") || !strcmp(value, "yes");
        return true;
    case FIELD_UUID:
        s->system.has_uuid = parse_uuid(value, s->system.uuid);
        return s->system.has_uuid || error_set(errp, "Invalid UUID");
    case FIELD_RELEASE:
        return parse_release(&s->bios, value, errp);
    case FIELD_OEM:
        g_ptr_array_add(s->oem, g_strdup(value));
        return true;
    case FIELD_OEM_FILE:
        return add_oem_file(s, value, errp);
    }
    return false;
}

/* Options ------------------------------------------------------------------ */

typedef struct Option {
    char *name, *value; /* value NULL: no "=" */
} Option;

static void option_clear(Option *o)
{
    g_free(o->name);
    g_free(o->value);
}

/* The next "name=value" of *p; false at the end. ",," is a comma. */
static bool next_option(const char **p, Option *o)
{
    g_autoptr(GString) text = g_string_new(NULL);
    char *eq;

    if (!**p) {
        return false;
    }
    for (; **p; ++*p) {
        if (**p == ',') {
            ++*p;
            if (**p != ',') {
                break;
            }
        }
        g_string_append_c(text, **p);
    }
    eq = strchr(text->str, '=');
    o->value = eq ? g_strdup(eq + 1) : NULL;
    o->name = eq ? g_strndup(text->str, eq - text->str) : g_strdup(text->str);
    return true;
}

static bool add_file(Smbios *s, const char *path, Error **errp)
{
    g_autofree char *data = NULL;
    g_autoptr(GError) gerr = NULL;
    size_t len;
    uint8_t type;

    if (!g_file_get_contents(path, &data, &len, &gerr)) {
        return error_set(errp, "Cannot read SMBIOS file %s", path);
    }
    /* Header, fields, strings: ends with two zero bytes. */
    if (len < 6 || len > MAX_FILE || (uint8_t)data[1] < 4 ||
        (uint8_t)data[1] > len - 2 || data[len - 1] || data[len - 2]) {
        return error_set(errp, "'%s' is not an SMBIOS structure", path);
    }
    type = data[0];
    if (type > 127) {
        return error_set(errp, "SMBIOS type %u of '%s' is not supported", type,
                         path);
    }
    if (smbios_bit(s->types, type)) {
        return error_set(errp,
                         "can't load type %u struct, fields already specified!",
                         type);
    }
    s->raw[type / 64] |= BIT(type % 64);
    g_byte_array_append(s->files, (uint8_t *)data, len);
    s->n_files++;
    s->max_file = MAX(s->max_file, len);
    return true;
}

static bool check_type(Smbios *s, const char *value, unsigned *type,
                       Error **errp)
{
    char *end;
    unsigned long t = strtoul(value, &end, 0);
    bool known = false;

    if (end == value || *end || t > 127) {
        return error_set(errp, "SMBIOS type '%s' is out of range!", value);
    }
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        known |= fields[i].type == t;
    }
    if (!known) {
        return error_set(errp,
                         "Don't know how to build fields for SMBIOS "
                         "type %lu",
                         t);
    }
    if (smbios_bit(s->raw, t)) {
        return error_set(errp, "can't add fields, binary file already loaded!");
    }
    s->types[t / 64] |= BIT(t % 64);
    *type = t;
    return true;
}

static bool unknown_field(unsigned type, const char *name, Error **errp)
{
    const char *names[ARRAY_SIZE(fields) + 1];
    unsigned n = 0;

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        if (fields[i].type == type) {
            names[n++] = fields[i].name;
        }
    }
    names[n] = NULL;
    error_set(errp, "Invalid parameter '%s'", name);
    error_hint_nearest(errp, name, names);
    return false;
}

static bool add_field(Smbios *s, unsigned type, const Option *o, Error **errp)
{
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        const Field *f = &fields[i];

        if (f->type != type || strcmp(f->name, o->name)) {
            continue;
        }
        if (!o->value) { /* a lone name means "on" */
            return f->kind == FIELD_BOOL
                       ? set_field(s, f, "on", errp)
                       : error_set(errp, "Parameter '%s' needs a value",
                                   o->name);
        }
        return set_field(s, f, o->value, errp);
    }
    return unknown_field(type, o->name, errp);
}

/* The value of option @name, or NULL; to be freed. */
static char *find_option(const char *options, const char *name)
{
    char *value = NULL;
    Option o;

    for (const char *p = options; next_option(&p, &o); option_clear(&o)) {
        if (!value && !strcmp(o.name, name)) {
            value = g_strdup(o.value ? o.value : "");
        }
    }
    return value;
}

/* Types that each option adds one of. */
static void finish_item(Smbios *s, unsigned type)
{
    if (type == 8) {
        g_array_append_val(s->ports, s->new_port);
        s->new_port = (SmbiosPort){ 0 };
    } else if (type == 41) {
        if (!s->new_onboard.kind) {
            s->new_onboard.kind = 1;
        }
        if (!s->new_onboard.has_instance) {
            s->new_onboard.instance = 1;
        }
        g_array_append_val(s->onboard, s->new_onboard);
        s->new_onboard = (SmbiosOnboard){ 0 };
    }
}

bool smbios_add(Smbios *s, const char *options, Error **errp)
{
    g_autofree char *file = find_option(options, "file");
    g_autofree char *type_text = find_option(options, "type");
    const char *p = options;
    unsigned type = 0;
    bool ok = true;
    Option o;

    if (!file && !type_text) {
        return error_set(errp, "Must specify type= or file=");
    }
    if (!file && !check_type(s, type_text, &type, errp)) {
        return false;
    }
    for (; ok && next_option(&p, &o); option_clear(&o)) {
        if (!strcmp(o.name, file ? "file" : "type")) {
            continue;
        }
        ok = file ? error_set(errp, "Invalid parameter '%s'", o.name)
                  : add_field(s, type, &o, errp);
    }
    if (ok && !file) {
        finish_item(s, type);
    }
    return ok && (!file || add_file(s, file, errp));
}
