/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of PCI classes for people and for Open Firmware paths (PCI bus binding
 * to IEEE 1275, table of generic names). */
#include "util/osdep.h"

#include "hw/pci/pci-internal.h"

typedef struct ClassName {
    uint16_t class_id;
    const char *desc, *fw_name; /* fw_name NULL: pciVVVV,DDDD */
} ClassName;

static const ClassName class_names[] = {
    { PCI_CLASS_STORAGE_SCSI, "SCSI controller", "scsi" },
    { PCI_CLASS_STORAGE_IDE, "IDE controller", "ide" },
    { PCI_CLASS_STORAGE_SATA, "SATA controller", NULL },
    { PCI_CLASS_STORAGE_OTHER, "Storage controller", NULL },
    { PCI_CLASS_NETWORK_ETHERNET, "Ethernet controller", "ethernet" },
    { PCI_CLASS_NETWORK_OTHER, "Network controller", NULL },
    { PCI_CLASS_DISPLAY_VGA, "VGA controller", "display" },
    { PCI_CLASS_DISPLAY_OTHER, "Display controller", NULL },
    { PCI_CLASS_MEMORY_RAM, "RAM controller", "memory" },
    { PCI_CLASS_BRIDGE_HOST, "Host bridge", "host" },
    { PCI_CLASS_BRIDGE_ISA, "ISA bridge", "isa" },
    { PCI_CLASS_BRIDGE_PCI, "PCI bridge", "pci-bridge" },
    { PCI_CLASS_COMMUNICATION_SERIAL, "Serial port", "serial" },
    { PCI_CLASS_SERIAL_USB, "USB controller", "usb" },
    { PCI_CLASS_SERIAL_SMBUS, "SMBus", NULL },
};

static const ClassName *find(const PciDevice *d)
{
    uint16_t id = pci_get_word(d->config + PCI_CLASS_DEVICE);

    for (size_t i = 0; i < ARRAY_SIZE(class_names); i++) {
        if (class_names[i].class_id == id) {
            return &class_names[i];
        }
    }
    return NULL;
}

const char *pci_class_desc(const PciDevice *d)
{
    const ClassName *c = find(d);

    return c ? c->desc : NULL;
}

char *pci_class_fw_name(const PciDevice *d)
{
    const ClassName *c = find(d);

    if (c && c->fw_name) {
        return g_strdup(c->fw_name);
    }
    return g_strdup_printf("pci%04x,%04x",
                           pci_get_word(d->config + PCI_VENDOR_ID),
                           pci_get_word(d->config + PCI_DEVICE_ID));
}
