/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The PCI Express capability and extended capabilities. PCI Express Base 4.0,
 * chapter 7.
 */
#include "util/osdep.h"

#include "hw/pci/pci-internal.h"
#include "hw/pci/pcie.h"

enum {
    CAP_V2_SIZE = 0x3c,
    CAP_V1_SIZE = 0x14,
    DEVCTL_ERRORS = PCI_EXP_DEVCTL_CERE | PCI_EXP_DEVCTL_NFERE |
                    PCI_EXP_DEVCTL_FERE | PCI_EXP_DEVCTL_URRE,
    DEVSTA_ERRORS = PCI_EXP_DEVSTA_CED | PCI_EXP_DEVSTA_NFED |
                    PCI_EXP_DEVSTA_FED | PCI_EXP_DEVSTA_URD,
    DEVCAP2_FMT = 0x00100000, /* extended fmt field */
    DEVCTL2_EE_PREFIX_BLOCK = 0x8000,
    LINK_2_5GT_X1 = PCI_EXP_LNKCAP_SLS_2_5GB | 1 << 4,
};

enum {
    AER_UNCOR = PCI_ERR_UNC_DLP | PCI_ERR_UNC_SURPDN | PCI_ERR_UNC_POISON_TLP |
                PCI_ERR_UNC_FCP | PCI_ERR_UNC_COMP_TIME |
                PCI_ERR_UNC_COMP_ABORT | PCI_ERR_UNC_UNX_COMP |
                PCI_ERR_UNC_RX_OVER | PCI_ERR_UNC_MALF_TLP | PCI_ERR_UNC_ECRC |
                PCI_ERR_UNC_UNSUP | PCI_ERR_UNC_ACSV | PCI_ERR_UNC_INTN |
                PCI_ERR_UNC_MCBTLP | PCI_ERR_UNC_ATOMEG | PCI_ERR_UNC_TLPPRE,
    AER_SEVERITY = PCI_ERR_UNC_DLP | PCI_ERR_UNC_SURPDN | PCI_ERR_UNC_FCP |
                   PCI_ERR_UNC_RX_OVER | PCI_ERR_UNC_MALF_TLP |
                   PCI_ERR_UNC_INTN,
    AER_COR = PCI_ERR_COR_RCVR | PCI_ERR_COR_BAD_TLP | PCI_ERR_COR_BAD_DLLP |
              PCI_ERR_COR_REP_ROLL | PCI_ERR_COR_REP_TIMER |
              PCI_ERR_COR_ADV_NFAT | PCI_ERR_COR_INTERNAL |
              PCI_ERR_COR_LOG_OVER,
    AER_COR_MASKED = PCI_ERR_COR_ADV_NFAT | PCI_ERR_COR_INTERNAL |
                     PCI_ERR_COR_LOG_OVER,
    AER_MULTI_HEADER_CAP = 0x200, /* multiple header recording capable */
    AER_MULTI_HEADER_EN = 0x400,
};

static void init_v1(PciDevice *d, uint8_t type, uint8_t port, uint8_t version)
{
    uint8_t *cap = d->config + d->exp_cap;

    pci_set_word(cap + PCI_EXP_FLAGS, version | type << 4);
    /* Role-based error reporting, as all functions since 1.1. */
    pci_set_long(cap + PCI_EXP_DEVCAP, PCI_EXP_DEVCAP_RBER);
    pci_set_long(cap + PCI_EXP_LNKCAP,
                 (uint32_t)port << 24 | PCI_EXP_LNKCAP_ASPM_L0S |
                     LINK_2_5GT_X1);
    pci_set_word(cap + PCI_EXP_LNKSTA, LINK_2_5GT_X1);
    /* Link state depends on what is plugged in. */
    pci_set_word(d->cmask + d->exp_cap + PCI_EXP_LNKSTA, 0);
}

uint8_t pcie_cap_init(PciDevice *d, uint8_t offset, uint8_t type, uint8_t port)
{
    uint8_t *cap;

    assert(d->express);
    d->exp_cap = pci_cap_add(d, PCI_CAP_ID_EXP, offset, CAP_V2_SIZE);
    cap = d->config + d->exp_cap;
    init_v1(d, type, port, 2);
    pci_set_long(cap + PCI_EXP_DEVCAP2,
                 DEVCAP2_FMT | PCI_EXP_DEVCAP2_EE_PREFIX);
    pci_set_word(d->wmask + d->exp_cap + PCI_EXP_DEVCTL2,
                 DEVCTL2_EE_PREFIX_BLOCK);
    if (d->flags & BIT(PCI_FLAG_EXTCAP_INIT)) {
        /* Nothing in the extended space until a capability is added. */
        pci_set_long(d->wmask + PCI_CONFIG_SPACE_SIZE, 0);
    }
    return d->exp_cap;
}

uint8_t pcie_endpoint_cap_v1_init(PciDevice *d, uint8_t offset)
{
    uint8_t type = pci_get_bus(d)->root ? PCI_EXP_TYPE_RC_END
                                        : PCI_EXP_TYPE_ENDPOINT;

    d->exp_cap = pci_cap_add(d, PCI_CAP_ID_EXP, offset, CAP_V1_SIZE);
    init_v1(d, type, 0, 1);
    return d->exp_cap;
}

uint8_t pcie_endpoint_cap_init(PciDevice *d, uint8_t offset)
{
    bool integrated = pci_get_bus(d)->root;
    uint8_t at = pcie_cap_init(
        d, offset, integrated ? PCI_EXP_TYPE_RC_END : PCI_EXP_TYPE_ENDPOINT, 0);

    if (integrated) {
        /* No link leads there. */
        pci_set_long(d->config + at + PCI_EXP_LNKCAP, 0);
        pci_set_word(d->config + at + PCI_EXP_LNKSTA, 0);
    }
    return at;
}

uint8_t pcie_type(const PciDevice *d)
{
    return (pci_get_word(d->config + d->exp_cap + PCI_EXP_FLAGS) &
            PCI_EXP_FLAGS_TYPE) >> 4;
}

bool pcie_is_port(const PciDevice *d)
{
    return d->exp_cap && (pcie_type(d) == PCI_EXP_TYPE_ROOT_PORT ||
                          pcie_type(d) == PCI_EXP_TYPE_DOWNSTREAM);
}

void pcie_deverr_init(PciDevice *d)
{
    uint8_t at = d->exp_cap;

    pci_set_long(d->config + at + PCI_EXP_DEVCAP,
                 pci_get_long(d->config + at + PCI_EXP_DEVCAP) |
                     PCI_EXP_DEVCAP_RBER);
    pci_set_word(d->wmask + at + PCI_EXP_DEVCTL, DEVCTL_ERRORS);
    pci_set_word(d->w1cmask + at + PCI_EXP_DEVSTA, DEVSTA_ERRORS);
}

void pcie_flr_init(PciDevice *d)
{
    uint8_t at = d->exp_cap;

    pci_set_long(d->config + at + PCI_EXP_DEVCAP,
                 pci_get_long(d->config + at + PCI_EXP_DEVCAP) |
                     PCI_EXP_DEVCAP_FLR);
    pci_set_word(d->wmask + at + PCI_EXP_DEVCTL,
                 pci_get_word(d->wmask + at + PCI_EXP_DEVCTL) |
                     PCI_EXP_DEVCTL_BCR_FLR);
}

void pcie_arifwd_init(PciDevice *d)
{
    uint8_t at = d->exp_cap;

    pci_set_long(d->config + at + PCI_EXP_DEVCAP2,
                 pci_get_long(d->config + at + PCI_EXP_DEVCAP2) |
                     PCI_EXP_DEVCAP2_ARI);
    pci_set_word(d->wmask + at + PCI_EXP_DEVCTL2,
                 pci_get_word(d->wmask + at + PCI_EXP_DEVCTL2) |
                     PCI_EXP_DEVCTL2_ARI);
}

void pcie_port_link_init(PciDevice *d, unsigned speed, unsigned width)
{
    uint8_t *cap = d->config + d->exp_cap;
    uint32_t lnkcap = pci_get_long(cap + PCI_EXP_LNKCAP);

    lnkcap &= ~(PCI_EXP_LNKCAP_SLS | PCI_EXP_LNKCAP_MLW);
    lnkcap |= speed | width << 4 | PCI_EXP_LNKCAP_DLLLARC;
    if (speed > 1) {
        lnkcap |= PCI_EXP_LNKCAP_LBNC;
    }
    pci_set_long(cap + PCI_EXP_LNKCAP, lnkcap);
    /* One bit for each speed up to this one. */
    pci_set_long(cap + PCI_EXP_LNKCAP2, ((1 << speed) - 1) << 1);
    pci_set_word(cap + PCI_EXP_LNKCTL2, speed);
    pci_set_word(cap + PCI_EXP_LNKSTA, speed | width << 4);
}

static void clear_writable(PciDevice *d, unsigned at, unsigned n)
{
    for (unsigned i = at; i < at + n; i++) {
        d->config[i] &= ~(d->wmask[i] | d->w1cmask[i]);
    }
}

void pcie_reset(PciDevice *d)
{
    uint16_t acs = pcie_ext_cap_find(d, PCI_EXT_CAP_ID_ACS);

    if (!d->exp_cap) {
        return;
    }
    clear_writable(d, d->exp_cap + PCI_EXP_DEVCTL, 4);
    if ((pci_get_word(d->config + d->exp_cap) & PCI_EXP_FLAGS_VERS) >= 2) {
        clear_writable(d, d->exp_cap + PCI_EXP_DEVCTL2, 2);
    }
    if (pcie_type(d) == PCI_EXP_TYPE_ROOT_PORT) {
        clear_writable(d, d->exp_cap + PCI_EXP_RTCTL, 2);
    }
    if (acs) {
        clear_writable(d, acs + PCI_ACS_CTRL, 2);
    }
    if (d->aer_cap) {
        clear_writable(d, d->aer_cap + PCI_ERR_UNCOR_STATUS, 8);
        clear_writable(d, d->aer_cap + PCI_ERR_COR_STATUS, 12);
        pci_set_long(d->config + d->aer_cap + PCI_ERR_UNCOR_SEVER,
                     AER_SEVERITY);
        pci_set_long(d->config + d->aer_cap + PCI_ERR_COR_MASK,
                     AER_COR_MASKED);
        if (pcie_type(d) == PCI_EXP_TYPE_ROOT_PORT) {
            clear_writable(d, d->aer_cap + PCI_ERR_ROOT_COMMAND, 8);
        }
    }
}

/* A function level reset is over before the guest looks again. */
void pcie_config_written(PciDevice *d, uint32_t addr, unsigned len)
{
    uint8_t *devctl = d->config + d->exp_cap + PCI_EXP_DEVCTL;

    if (!d->exp_cap ||
        !pci_touches(addr, len, d->exp_cap + PCI_EXP_DEVCTL, 2) ||
        !(pci_get_long(d->config + d->exp_cap + PCI_EXP_DEVCAP) &
          PCI_EXP_DEVCAP_FLR) ||
        !(pci_get_word(devctl) & PCI_EXP_DEVCTL_BCR_FLR)) {
        return;
    }
    device_reset_tree(&d->dev);
    pci_set_word(devctl, pci_get_word(devctl) & ~PCI_EXP_DEVCTL_BCR_FLR);
}

/* Extended capabilities ------------------------------------------------------------ */

static uint16_t last_ext_cap(const PciDevice *d)
{
    uint16_t at = PCI_CONFIG_SPACE_SIZE, next;

    while ((next = PCI_EXT_CAP_NEXT(pci_get_long(d->config + at)))) {
        at = next;
    }
    return at;
}

uint16_t pcie_ext_cap_find(const PciDevice *d, uint16_t id)
{
    uint16_t at = d->express ? PCI_CONFIG_SPACE_SIZE : 0;

    while (at) {
        uint32_t header = pci_get_long(d->config + at);

        if (header && PCI_EXT_CAP_ID(header) == id) {
            return at;
        }
        at = PCI_EXT_CAP_NEXT(header);
    }
    return 0;
}

void pcie_ext_cap_add(PciDevice *d, uint16_t id, uint8_t version,
                      uint16_t offset, uint16_t size)
{
    uint16_t prev = last_ext_cap(d);
    uint32_t header = id | (uint32_t)version << 16;

    assert(d->express && offset >= PCI_CONFIG_SPACE_SIZE);
    assert(offset + size <= PCIE_CONFIG_SPACE_SIZE && !(offset & 3));
    if (offset == PCI_CONFIG_SPACE_SIZE) {
        /* The first one's place: keep what follows. */
        header |= pci_get_long(d->config + offset) & 0xfff00000;
    } else {
        uint32_t before = pci_get_long(d->config + prev);

        assert(prev < offset);
        pci_set_long(d->config + prev, before | (uint32_t)offset << 20);
    }
    pci_set_long(d->config + offset, header);
    memset(d->used + offset, 0xff, size);
    memset(d->wmask + offset, 0, size);
    memset(d->w1cmask + offset, 0, size);
    memset(d->cmask + offset, 0xff, size);
}

void pcie_ari_init(PciDevice *d, uint16_t offset)
{
    pcie_ext_cap_add(d, PCI_EXT_CAP_ID_ARI, PCIE_ARI_VERSION, offset, 8);
}

void pcie_serial_number_init(PciDevice *d, uint16_t offset, uint64_t serial)
{
    pcie_ext_cap_add(d, PCI_EXT_CAP_ID_DSN, PCIE_DSN_VERSION, offset, 12);
    pci_set_quad(d->config + offset + 4, serial);
}

void pcie_acs_init(PciDevice *d, uint16_t offset)
{
    uint16_t bits = PCI_ACS_SV | PCI_ACS_TB | PCI_ACS_RR | PCI_ACS_CR |
                    PCI_ACS_UF | PCI_ACS_DT;

    pcie_ext_cap_add(d, PCI_EXT_CAP_ID_ACS, PCIE_ACS_VERSION, offset, 8);
    /* Ports forward; endpoints have nothing to control. */
    if (pcie_is_port(d)) {
        pci_set_word(d->config + offset + PCI_ACS_CAP, bits);
        pci_set_word(d->wmask + offset + PCI_ACS_CTRL, bits);
    }
}

void pcie_ats_init(PciDevice *d, uint16_t offset, bool aligned)
{
    pcie_ext_cap_add(d, PCI_EXT_CAP_ID_ATS, 1, offset, 8);
    if (aligned) {
        pci_set_word(d->config + offset + PCI_ATS_CAP,
                     PCI_ATS_CAP_PAGE_ALIGNED);
    }
    pci_set_word(d->wmask + offset + PCI_ATS_CTRL,
                 PCI_ATS_CTRL_ENABLE | 0x1f);
}

void pcie_aer_init(PciDevice *d, uint8_t version, uint16_t offset,
                   uint16_t size)
{
    uint8_t *cap = d->config + offset, *w = d->wmask + offset;
    uint8_t *w1c = d->w1cmask + offset;

    pcie_ext_cap_add(d, PCI_EXT_CAP_ID_ERR, version, offset, size);
    d->aer_cap = offset;
    pci_set_long(w1c + PCI_ERR_UNCOR_STATUS, AER_UNCOR);
    pci_set_long(w + PCI_ERR_UNCOR_MASK, AER_UNCOR);
    pci_set_long(cap + PCI_ERR_UNCOR_SEVER, AER_SEVERITY);
    pci_set_long(w + PCI_ERR_UNCOR_SEVER, AER_UNCOR);
    pci_set_long(w1c + PCI_ERR_COR_STATUS, AER_COR);
    pci_set_long(cap + PCI_ERR_COR_MASK, AER_COR_MASKED);
    pci_set_long(w + PCI_ERR_COR_MASK, AER_COR);
    pci_set_long(cap + PCI_ERR_CAP, PCI_ERR_CAP_ECRC_GENC |
                                        PCI_ERR_CAP_ECRC_CHKC);
    pci_set_long(w + PCI_ERR_CAP, PCI_ERR_CAP_ECRC_GENE |
                                      PCI_ERR_CAP_ECRC_CHKE);
    if (d->exp_cap && pcie_is_port(d)) {
        cap[PCI_ERR_CAP + 1] |= AER_MULTI_HEADER_CAP >> 8;
        w[PCI_ERR_CAP + 1] |= AER_MULTI_HEADER_EN >> 8;
    }
    if (d->exp_cap && pcie_type(d) == PCI_EXP_TYPE_ROOT_PORT) {
        pci_set_long(w + PCI_ERR_ROOT_COMMAND,
                     PCI_ERR_ROOT_CMD_COR_EN | PCI_ERR_ROOT_CMD_NONFATAL_EN |
                         PCI_ERR_ROOT_CMD_FATAL_EN);
        pci_set_long(w1c + PCI_ERR_ROOT_STATUS,
                     PCI_ERR_ROOT_COR_RCV | PCI_ERR_ROOT_MULTI_COR_RCV |
                         PCI_ERR_ROOT_UNCOR_RCV |
                         PCI_ERR_ROOT_MULTI_UNCOR_RCV |
                         PCI_ERR_ROOT_FIRST_FATAL | PCI_ERR_ROOT_NONFATAL_RCV |
                         PCI_ERR_ROOT_FATAL_RCV);
    }
}
