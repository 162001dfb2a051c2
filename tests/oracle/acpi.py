# SPDX-License-Identifier: GPL-2.0-or-later
"""The ACPI tables of a running emulator, as {signature: [bytes]}.

Firmware has to place the oracle's, which is let run for that; ours are taken
from fw_cfg, where the pointers are offsets.
"""

import struct
import time
from pathlib import Path

from firmware import FwCfg

BIOS_AREA = (0xe0000, 0x20000)


def _tables(read, rsdp):
    """Follow the pointers; @read(address, size) gives bytes."""
    def table(at):
        return read(at, struct.unpack('<I', read(at + 4, 4))[0])
    found = {}
    rsdt = table(struct.unpack_from('<I', rsdp, 16)[0])
    for at, in struct.iter_unpack('<I', rsdt[36:]):
        data = table(at)
        found.setdefault(data[:4].decode(), []).append(data)
    fadt = found['FACP'][0]
    facs, dsdt = struct.unpack_from('<II', fadt, 36)
    found['FACS'] = [table(facs)]
    found['DSDT'] = [table(dsdt)]
    found['RSDP'] = [rsdp]
    found['RSDT'] = [rsdt]
    return found


def of_guest(emulator):
    """What firmware placed; the emulator runs from here on."""
    dump = Path(emulator.dir) / 'memory'

    def read(at, size):
        emulator.qmp.cmd('pmemsave', val=at, size=size, filename=str(dump))
        return dump.read_bytes()
    emulator.qmp.cmd('cont')
    for _ in range(100):
        area = read(*BIOS_AREA)
        at = area.find(b'RSD PTR ')
        if at >= 0 and at % 16 == 0 and sum(area[at:at + 20]) % 256 == 0:
            return _tables(read, area[at:at + 20])
        time.sleep(0.1)
    raise RuntimeError('no RSDP after 10 s')


def of_fw_cfg(emulator):
    """Ours, without running a guest: by DMA to RAM, read through qtest."""
    fw = FwCfg(emulator)
    files = fw.files()
    key, size = files['etc/acpi/tables']

    def qtest(line):
        return emulator.qtest_line(line)
    at, descriptor = 0x200000, 0x1000
    request = struct.pack('>IIQ', key << 16 | 8 | 2, size, at)
    qtest(f'write {descriptor:#x} 16 0x{request.hex()}')
    emulator.port_write(0x514, 0)
    emulator.port_write(0x518, int.from_bytes(
        descriptor.to_bytes(4, 'big'), 'little'))
    blob = bytes.fromhex(qtest(f'read {at:#x} {size}').split()[1][2:])
    return _tables(lambda start, n: blob[start:start + n],
                   fw.read('etc/acpi/rsdp'))
