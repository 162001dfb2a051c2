# SPDX-License-Identifier: GPL-2.0-or-later
"""A driver of virtio-blk functions (virtio 1.2, 5.2 and the legacy parts of
4.1) that needs nothing but ports, by the monitor, and a file that is the
guest's memory: it drives an emulator that has no qtest accelerator, too.
"""

import mmap
import os
import struct
import tempfile

import pair

RAM = 16 << 20
IO_BASE, IO_SIZE = 0xc000, 0x80
RINGS, RING_BYTES = 1 << 20, 3 * 4096
QUEUE = 16
IN, OUT, FLUSH, DISCARD, ZEROES = 0, 1, 4, 11, 13
# Ports of the legacy interface.
GUEST_FEATURES, PFN, SELECT, NOTIFY, STATUS = 4, 8, 14, 16, 18


class Machine:
    """An emulator whose CPU sleeps, for disks; a context manager."""

    def __init__(self, start, *args):
        self.dir = tempfile.TemporaryDirectory(prefix='nemu-oracle-')
        ram, bios = (os.path.join(self.dir.name, n) for n in ('ram', 'bios'))
        with open(bios, 'wb') as f:
            sleep = bytes([0xfa, 0xf4, 0xeb, 0xfd])  # cli; hlt; jmp to the hlt
            f.write(bytes(0xfff0) + sleep.ljust(16, b'\0'))
        with open(ram, 'w+b') as f:
            f.truncate(RAM)
            self.ram = mmap.mmap(f.fileno(), RAM)
        accel = 'tcg' if start is pair.oracle else 'qtest'
        self.emulator = start(
            '-machine', 'q35,memory-backend=ram', '-accel', accel, '-m', '16M',
            '-object', f'memory-backend-file,id=ram,size={RAM},mem-path={ram},'
            'share=on', '-bios', bios, *args)
        self.disks = 0

    def __enter__(self):
        self.emulator.__enter__()
        self.qmp = self.emulator.qmp
        self.qmp.cmd('cont')
        return self

    def __exit__(self, *exc):
        self.emulator.close()
        self.ram.close()
        self.dir.cleanup()

    def config(self, function, at, value, size='l'):
        self.emulator.port_write(0xcf8, 0x80000000 | function << 8 | at & ~3)
        self.emulator.port_write(0xcfc + (at & 3), value, size)

    def events(self):
        """What happened since the last call."""
        self.qmp.cmd('query-name')
        got = [(e['event'], e.get('data')) for e in self.qmp.events]
        self.qmp.events = []
        return got


class Disk:
    """The device at a function (slot << 3 | function)."""

    def __init__(self, machine, function):
        self.m = machine
        self.port = IO_BASE + machine.disks * IO_SIZE
        self.ring = RINGS + machine.disks * RING_BYTES
        machine.disks += 1
        machine.config(function, 0x10, self.port)
        machine.config(function, 4, 5, 'w')  # ports, DMA
        self.init()

    def out(self, reg, value, size):
        self.m.emulator.port_write(self.port + reg, value, size)

    def reset(self):
        self.out(STATUS, 0, 'b')

    def init(self):
        self.m.ram[self.ring:self.ring + RING_BYTES] = bytes(RING_BYTES)
        self.added = self.free = self.taken = 0
        self.reset()
        self.out(STATUS, 3, 'b')
        self.out(GUEST_FEATURES, 1 << 9 | 1 << 13 | 1 << 14, 'l')
        self.out(SELECT, 0, 'w')
        self.out(PFN, self.ring >> 12, 'l')
        self.out(STATUS, 7, 'b')

    def put(self, at, fmt, *values):
        struct.pack_into('<' + fmt, self.m.ram, self.ring + at, *values)

    def get(self, at, fmt):
        return struct.unpack_from('<' + fmt, self.m.ram, self.ring + at)[0]

    def add(self, kind, sector=0, data=b'', sectors=1):
        """A request, not seen before kick(); its head. Ring of QUEUE
        descriptors: at most five requests in the life of a ring."""
        head, self.free = self.free, self.free + 3
        at = 8192 + head // 3 * 800
        self.put(at, 'IIQ', kind, 0, sector)
        self.put(at + 16, 'B', 0xff)
        if kind in (DISCARD, ZEROES):
            data = struct.pack('<QII', sector, sectors, 0)
        length = 512 if kind == IN else len(data)
        self.m.ram[self.ring + at + 32:self.ring + at + 32 + len(data)] = data
        parts = [(at, 16, 0)]
        if length:
            parts.append((at + 32, length, 2 if kind == IN else 0))
        parts.append((at + 16, 1, 2))
        for i, (where, size, flags) in enumerate(parts):
            more = i + 1 < len(parts)
            self.put((head + i) * 16, 'QIHH', self.ring + where, size,
                     flags | more, head + i + 1 if more else 0)
        self.put(256 + 4 + 2 * (self.added % QUEUE), 'H', head)
        self.added += 1
        return head

    def kick(self):
        self.put(256 + 2, 'H', self.added)
        self.out(NOTIFY, 0, 'w')

    def status(self, head):
        """The byte of a request; 255: not done."""
        return self.get(8192 + head // 3 * 800 + 16, 'B')

    def data(self, head):
        at = self.ring + 8192 + head // 3 * 800 + 32
        return bytes(self.m.ram[at:at + 512])

    def used(self):
        """Heads that came back, in order, each with its length."""
        count = self.get(4096 + 2, 'H')
        return [(self.get(4096 + 4 + 8 * i, 'I'),
                 self.get(4096 + 4 + 8 * i + 4, 'I')) for i in range(count)]
