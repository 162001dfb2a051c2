/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What -smbios gave. */
#ifndef HW_FIRMWARE_SMBIOS_PRIVATE_H
#define HW_FIRMWARE_SMBIOS_PRIVATE_H

#include "hw/firmware/smbios.h"

typedef struct SmbiosBios {
    char *vendor, *version, *date;
    bool has_release, uefi;
    uint8_t major, minor;
} SmbiosBios;

typedef struct SmbiosSystem {
    char *manufacturer, *product, *version, *serial, *sku, *family;
    bool has_uuid;
    uint8_t uuid[16];
} SmbiosSystem;

typedef struct SmbiosBoard {
    char *manufacturer, *product, *version, *serial, *asset, *location;
} SmbiosBoard;

typedef struct SmbiosChassis {
    char *manufacturer, *version, *serial, *asset, *sku;
} SmbiosChassis;

typedef struct SmbiosCpu {
    char *sock_pfx, *manufacturer, *version, *serial, *asset, *part;
    uint64_t max_speed, current_speed, processor_id;
    bool has_max_speed, has_current_speed, has_processor_id;
} SmbiosCpu;

/* A port's connector: type 8, any number of them. */
typedef struct SmbiosPort {
    char *internal, *external;
    uint64_t connector, port; /* 8 bits */
} SmbiosPort;

/* A device on the board: type 41. */
typedef struct SmbiosOnboard {
    char *designation, *pcidev;
    uint8_t kind;
    uint64_t instance; /* 8 bits */
    bool has_instance;
} SmbiosOnboard;

typedef struct SmbiosMemory {
    char *loc_pfx, *bank, *manufacturer, *serial, *asset, *part;
    uint64_t speed;
} SmbiosMemory;

struct Smbios {
    uint64_t types[2]; /* bit per type < 128 that has fields ... */
    uint64_t raw[2];   /* ... or came from a file */
    GByteArray *files; /* structures from files, one after the other */
    GPtrArray *oem;    /* char *: strings of type 11 */
    GArray *ports;     /* SmbiosPort */
    GArray *onboard;   /* SmbiosOnboard */
    /* Of the option that is being read. */
    SmbiosPort new_port;
    SmbiosOnboard new_onboard;
    unsigned n_files;
    size_t max_file; /* size of the biggest */
    SmbiosBios bios;
    SmbiosSystem system;
    SmbiosBoard board;
    SmbiosChassis chassis;
    SmbiosCpu cpu;
    SmbiosMemory memory;
};

static inline bool smbios_bit(const uint64_t set[2], unsigned type)
{
    return set[type / 64] >> (type % 64) & 1;
}

#endif
