/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The fw_cfg device on x86: selector and data ports, DMA register. QEMU's
 * manual, docs/specs/fw_cfg.
 */
#include "util/osdep.h"

#include "hw/acpi/tables.h"
#include "hw/core/machine.h"
#include "hw/nvram/fw_cfg-core.h"
#include "softmmu/vm.h"
#include "util/error.h"

struct FwCfg {
    Device dev;
    FwCfgCore core;
    MemRegion ports, dma;
    /* Properties. */
    uint16_t file_slots;
    bool dma_enabled;
    bool acpi_mr_restore;
    /* Sizes of the ACPI blobs, for streams to and from QEMU. */
    uint64_t table_mr_size, linker_mr_size, rsdp_mr_size;
};

QOM_DECLARE_TYPE(FwCfg, fw_cfg)
extern const ObjectType fw_cfg_io_type;

/* Items -------------------------------------------------------------------- */

void fw_cfg_set_bytes(FwCfg *f, uint16_t key, const void *data, size_t len)
{
    FwCfgItem *item = fw_cfg_core_fixed(&f->core, key);

    assert(item);
    fw_cfg_item_set(item, data, len);
}

void fw_cfg_set_uint(FwCfg *f, uint16_t key, uint64_t value, unsigned bytes)
{
    uint64_t le = GUINT64_TO_LE(value);

    fw_cfg_set_bytes(f, key, &le, bytes);
}

void fw_cfg_set_str(FwCfg *f, uint16_t key, const char *s)
{
    fw_cfg_set_bytes(f, key, s, strlen(s) + 1);
}

bool fw_cfg_add_file(FwCfg *f, const char *name, const void *data, size_t len,
                     Error **errp)
{
    FwCfgItem *item = fw_cfg_core_add_file(&f->core, name, errp);

    if (item) {
        fw_cfg_item_set(item, data, len);
    }
    return item;
}

bool fw_cfg_set_file(FwCfg *f, const char *name, const void *data, size_t len,
                     Error **errp)
{
    FwCfgItem *item = fw_cfg_core_file(&f->core, name);

    if (!item) {
        return fw_cfg_add_file(f, name, data, len, errp);
    }
    fw_cfg_item_set(item, data, len);
    return true;
}

bool fw_cfg_add_file_fn(FwCfg *f, const char *name, size_t len, LoopFn *fn,
                        void *opaque, Error **errp)
{
    FwCfgItem *item = fw_cfg_core_add_file(&f->core, name, errp);

    if (item) {
        item->data = g_malloc0(len);
        item->len = len;
        item->selected = fn;
        item->opaque = opaque;
    }
    return item;
}

void fw_cfg_fill_file(FwCfg *f, const char *name, const void *data, size_t len)
{
    FwCfgItem *item = fw_cfg_core_file(&f->core, name);

    assert(item && len <= item->len);
    memcpy(item->data, data, len);
    memset(item->data + len, 0, item->len - len);
}

bool fw_cfg_add_file_rw(FwCfg *f, const char *name, const void *data,
                        size_t len, FwCfgWritten *written, void *opaque,
                        Error **errp)
{
    FwCfgItem *item = fw_cfg_core_add_file(&f->core, name, errp);

    if (item) {
        fw_cfg_item_set(item, data, len);
        item->writable = true;
        item->written = written;
        item->opaque = opaque;
    }
    return item;
}

bool fw_cfg_has_file(const FwCfg *f, const char *name)
{
    return fw_cfg_core_file(&f->core, name);
}

FwCfg *fw_cfg_find(Vm *vm)
{
    return vm->machine ? vm->machine->fw_cfg : NULL;
}

/* Registers ---------------------------------------------------------------- */

static uint64_t ports_read(void *opaque, hwaddr addr, unsigned size)
{
    FwCfg *f = opaque;

    return size == 1 ? fw_cfg_core_read(&f->core) : 0;
}

/* A word selects; bytes to the data port are ignored. */
static void ports_write(void *opaque, hwaddr addr, uint64_t value,
                        unsigned size)
{
    FwCfg *f = opaque;

    if (size == 2) {
        fw_cfg_core_select(&f->core, value);
    }
}

static const MemOps ports_ops = {
    .read = ports_read,
    .write = ports_write,
    .valid = { 1, 2 },
    .impl = { 1, 2 },
};

static uint64_t dma_read(void *opaque, hwaddr addr, unsigned size)
{
    unsigned shift = 8 * (8 - addr - size);

    return (FW_CFG_DMA_SIGNATURE >> shift) &
           (size == 8 ? UINT64_MAX : BIT(8 * size) - 1);
}

/* The high half is kept, the low half starts the transfer. */
static void dma_write(void *opaque, hwaddr addr, uint64_t value, unsigned size)
{
    FwCfg *f = opaque;

    if (size == 4 && addr == 0) {
        f->core.dma_addr = value << 32;
    } else if ((size == 4 && addr == 4) || (size == 8 && addr == 0)) {
        f->core.dma_addr |= value;
        fw_cfg_core_dma(&f->core, f->dev.vm->memory);
    }
}

static const MemOps dma_ops = {
    .read = dma_read,
    .write = dma_write,
    .endian = MEM_BIG_ENDIAN,
    .valid = { 1, 8 },
    .impl = { 1, 8 },
};

/* Device ------------------------------------------------------------------- */

static void fw_cfg_reset(Device *dev)
{
    FwCfg *f = fw_cfg(dev);

    fw_cfg_core_select(&f->core, FW_CFG_SIGNATURE);
    f->core.dma_addr = 0;
}

static bool fw_cfg_io_realize(Device *dev, Error **errp)
{
    FwCfg *f = fw_cfg(dev);

    if (f->file_slots < FW_CFG_FILE_FIRST / 2 ||
        f->file_slots > FW_CFG_WRITE_CHANNEL - FW_CFG_FILE_FIRST) {
        return error_set(errp, "\"x-file-slots\" must be from %d to %d",
                         FW_CFG_FILE_FIRST / 2,
                         FW_CFG_WRITE_CHANNEL - FW_CFG_FILE_FIRST);
    }
    fw_cfg_core_init(&f->core, f->file_slots, f->dma_enabled);
    mem_region_init_io(&f->ports, &dev->obj, &ports_ops, f, "fwcfg", 2);
    mem_region_add(dev->vm->system_io, FW_CFG_IO_PORT, &f->ports);
    if (f->dma_enabled) {
        mem_region_init_io(&f->dma, &dev->obj, &dma_ops, f, "fwcfg.dma", 8);
        mem_region_add(dev->vm->system_io, FW_CFG_IO_PORT + 4, &f->dma);
    }
    return true;
}

static void fw_cfg_io_unrealize(Device *dev)
{
    FwCfg *f = fw_cfg(dev);

    mem_region_del(dev->vm->system_io, &f->ports);
    mem_region_cleanup(&f->ports);
    if (f->dma_enabled) {
        mem_region_del(dev->vm->system_io, &f->dma);
        mem_region_cleanup(&f->dma);
    }
    fw_cfg_core_destroy(&f->core);
}

/* State -------------------------------------------------------------------- */

static bool dma_needed(const void *state)
{
    const FwCfg *f = state;

    return f->dma_enabled;
}

static const VmState dma_vmstate = {
    .name = "fw_cfg/dma",
    .needed = dma_needed,
    .fields =
        (const VmField[]){
            VMS_N(FwCfg, core.dma_addr, "dma_addr"),
            {},
        },
};

static uint64_t file_size(const FwCfg *f, const char *name)
{
    const FwCfgItem *item = fw_cfg_core_file(&f->core, name);

    return item ? item->len : 0;
}

/* What 7.2 keeps in RAM blocks of these sizes. */
static void fw_cfg_pre_save(void *state)
{
    FwCfg *f = state;

    f->table_mr_size = file_size(f, ACPI_FILE_TABLES);
    f->linker_mr_size = file_size(f, ACPI_FILE_LOADER);
    f->rsdp_mr_size = file_size(f, ACPI_FILE_RSDP);
}

static bool sizes_needed(const void *state)
{
    const FwCfg *f = state;

    return f->acpi_mr_restore &&
           (f->table_mr_size || f->linker_mr_size || f->rsdp_mr_size);
}

static const VmState sizes_vmstate = {
    .name = "fw_cfg/acpi_mr",
    .version = 1,
    .needed = sizes_needed,
    .fields =
        (const VmField[]){
            VMS(FwCfg, table_mr_size),
            VMS(FwCfg, linker_mr_size),
            VMS(FwCfg, rsdp_mr_size),
            {},
        },
};

/* Version 1 had 16 bits of offset. */
static void save_u16_as_u32(VmWriter *w, const void *elem, const VmField *f)
{
    vm_put_be16(w, *(const uint32_t *)elem);
}

static bool load_u16_as_u32(VmReader *r, void *elem, const VmField *f,
                            Error **errp)
{
    uint16_t v;

    if (!vm_get_be16(r, &v, errp)) {
        return false;
    }
    *(uint32_t *)elem = v;
    return true;
}

static const VmFieldKind vmk_u16_as_u32 = {
    .name = "int32_as_uint16",
    .size = 4,
    .save = save_u16_as_u32,
    .load = load_u16_as_u32,
};

static bool is_version_1(const void *state, int version)
{
    return version == 1;
}

static const VmState fw_cfg_vmstate = {
    .name = "fw_cfg",
    .version = 2,
    .min_version = 1,
    .pre_save = fw_cfg_pre_save,
    .fields =
        (const VmField[]){
            VMS_N(FwCfg, core.key, "cur_entry"),
            { .name = "cur_offset",
              .kind = &vmk_u16_as_u32,
              .offset = offsetof(FwCfg, core.offset),
              .size = 4,
              .num = 1,
              .exists = is_version_1 },
            VMS_V(FwCfg, core.offset, "cur_offset", 2),
            {},
        },
    .subsections =
        (const VmState *const[]){
            &dma_vmstate,
            &sizes_vmstate,
            NULL,
        },
};

static const DeviceClass fw_cfg_class = {
    .category = DEVICE_CATEGORY_MISC,
    .bus_type = &system_bus_type,
    .internal = true,
    .no_hotplug = true,
    .reset = fw_cfg_reset,
    .vmstate = &fw_cfg_vmstate,
};

QOM_DEFINE(FwCfg, fw_cfg, .name = "fw_cfg", .parent = &device_type,
           .class = &fw_cfg_class, .abstract = true);

static const Prop fw_cfg_io_props[] = {
    PROP(FwCfg, file_slots, "x-file-slots", 0x20),
    PROP(FwCfg, dma_enabled, "dma_enabled", true),
    PROP(FwCfg, acpi_mr_restore, "acpi-mr-restore", true),
    {},
};

static const DeviceClass fw_cfg_io_class = {
    .props = fw_cfg_io_props,
    .category = DEVICE_CATEGORY_MISC,
    .bus_type = &system_bus_type,
    .internal = true,
    .no_hotplug = true,
    .realize = fw_cfg_io_realize,
    .unrealize = fw_cfg_io_unrealize,
    .vmstate = &fw_cfg_vmstate,
};

QOM_DEFINE(FwCfg, fw_cfg_io, .name = "fw_cfg_io", .parent = &fw_cfg_type,
           .class = &fw_cfg_io_class);

FwCfg *fw_cfg_io_create(Machine *machine, Error **errp)
{
    Device *dev = device_new(machine->vm, &fw_cfg_io_type);

    if (!object_add_child(&machine->obj, "fw_cfg", dev, errp) ||
        !device_realize_and_unref(dev, system_bus(machine->vm), errp)) {
        return NULL;
    }
    machine->fw_cfg = fw_cfg(dev);
    return machine->fw_cfg;
}
