# SPDX-License-Identifier: GPL-2.0-or-later
"""Each PCI device shows QEMU 7.2's configuration header and capabilities."""

import os
import unittest

from pair import is_oracle, oracle, ours

SLOT = 0x10
MACHINE = ('-machine', 'q35')

# What a device needs beside its name; others need nothing.
NULL_BLOCK = ('-blockdev', 'driver=file,node-name=d,filename={tmp}/disk')
# QEMU's virtio-net has an option ROM unless told otherwise; ours only if told.
ROM = '/usr/lib/ipxe/qemu/efi-virtio.rom'
NO_ROM = ',romfile='
NEEDS = {
    'virtio-blk-pci': (NULL_BLOCK, ',drive=d'),
    'virtio-blk-pci-transitional': (NULL_BLOCK, ',drive=d'),
    'virtio-blk-pci-non-transitional': (NULL_BLOCK, ',drive=d'),
    **{f'virtio-net-pci{kind}': ((), NO_ROM) for kind in
       ('', '-transitional', '-non-transitional')},
    'pcie-root-port': ((), ',chassis=1,port=1'),
    'pci-bridge': ((), ',chassis_nr=1'),
}
# Part of the chip set: looked at where the machine puts them.
BUILT_IN = {'mch': 0x0000, 'ICH9-LPC': 0x00f8, 'ICH9-SMB': 0x00fb}
VARIANTS = {
    'virtio-rng-pci': ['', ',disable-legacy=on', ',disable-modern=on',
                       ',vectors=0'],
    'virtio-net-pci': ['', ',disable-legacy=off', ',vectors=6',
                       f',romfile={ROM}', ',romfile=,rombar=0'],
    'virtio-blk-pci': ['', ',num-queues=4'],
    'virtio-serial-pci': ['', ',class=0x0780'],
}

BARS = {0: range(0x10, 0x28, 4), 1: range(0x10, 0x18, 4)}


class Config:
    """Configuration space of one function, through ports 0xcf8/0xcfc."""

    def __init__(self, emulator, devfn):
        self.emulator = emulator
        self.base = 0x80000000 | devfn << 8

    def read(self, offset):
        self.emulator.port_write(0xcf8, self.base | offset)
        return self.emulator.port_read(0xcfc)

    def write(self, offset, value):
        self.emulator.port_write(0xcf8, self.base | offset)
        self.emulator.port_write(0xcfc, value)

    def header(self):
        """{offset: dword} of the header, as it is after reset."""
        return {o: self.read(o) for o in range(0, 0x40, 4)}

    def bar_masks(self):
        """What each BAR answers to all ones: its size and kind."""
        kind = self.read(0x0c) >> 16 & 0x7f
        masks = {}
        for o in list(BARS.get(kind, [])) + [0x38 if kind else 0x30]:
            old = self.read(o)
            self.write(o, 0xffffffff)
            masks[o] = self.read(o)
            self.write(o, old)
        return masks

    def capabilities(self):
        """[(offset, id, first dwords)] in the order of the list."""
        found, at = [], self.read(0x34) & 0xfc
        while at and len(found) < 48:
            head = self.read(at)
            size = {0x05: 3, 0x11: 3, 0x10: 2, 0x09: 4}.get(head & 0xff, 1)
            if head & 0xff == 0x09:
                size = (head >> 16 & 0xff) // 4
            found.append((at, head & 0xff,
                          [self.read(at + 4 * i) for i in range(size)]))
            at = head >> 8 & 0xfc
        return found

    def everything(self):
        return {'header': self.header(), 'bars': self.bar_masks(),
                'capabilities': self.capabilities()}


def differences(mine, theirs):
    """Lines that name what is not the same."""
    lines = []
    for part in ('header', 'bars'):
        for o, value in theirs[part].items():
            if mine[part].get(o) != value:
                lines.append(f'{part}[{o:#x}] {mine[part].get(o, 0):#010x}, '
                             f'QEMU 7.2: {value:#010x}')
    a, b = mine['capabilities'], theirs['capabilities']
    if a != b:
        def text(caps):
            return [f'{o:#x}: {" ".join(f"{v:08x}" for v in values)}'
                    for o, _, values in caps]
        lines.append(f'capabilities {text(a)}, QEMU 7.2: {text(b)}')
    return lines


class Pci(unittest.TestCase):

    def look(self, make, devfn, *args, **kwargs):
        disk = f'/tmp/nemu-pci-{os.getpid()}'
        with open(disk, 'wb') as f:
            f.truncate(1 << 20)
        self.addCleanup(lambda: os.path.exists(disk) and os.unlink(disk))
        args = [a.replace('{tmp}/disk', disk) for a in args]
        with make(*MACHINE, *args, **kwargs) as e:
            return Config(e, devfn).everything()

    def both(self, devfn, *args):
        if is_oracle():
            mine = self.look(ours, devfn, *args)
        else:
            mine = self.look(ours, devfn, '-accel', 'qtest', *args, qtest=True)
        return differences(mine, self.look(oracle, devfn, *args))

    def device(self, name, variant):
        extra, options = NEEDS.get(name, ((), ''))
        return self.both(SLOT << 3, *extra, '-device',
                         f'{name},addr={SLOT:#x}{options}{variant}')

    def our_pci_devices(self):
        with ours('-machine', 'none') as e:
            return sorted(t['name'] for t in e.qmp.cmd(
                'qom-list-types', implements='pci-device', abstract=False))

    def test_every_device(self):
        names = self.our_pci_devices()
        if is_oracle():
            names = ['virtio-rng-pci', 'virtio-blk-pci', 'pcie-root-port',
                     'mch', 'ICH9-LPC']
        self.assertGreater(len(names), 4)
        bad = []
        for name in names:
            if name in BUILT_IN:
                found = self.both(BUILT_IN[name])
                bad += [f'{name}: {line}' for line in found]
                continue
            for variant in VARIANTS.get(name, ['']):
                try:
                    found = self.device(name, variant)
                except RuntimeError as err:
                    found = [str(err).strip().splitlines()[-1]]
                bad += [f'{name}{variant}: {line}' for line in found]
        self.assertEqual('\n'.join(bad), '')
