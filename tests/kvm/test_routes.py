# SPDX-License-Identifier: GPL-2.0-or-later
"""Interrupt routes go to KVM together: sending them is slow."""

import os
import shutil
import tempfile
import unittest
from pathlib import Path

import guest
from test_guest import FLAT

IO = 0xc000
TABLE = 0xfe000000
DEVICE = 0x80000800  # 00:01.0


def out(port, value, width='l'):
    reg = {'b': '%al', 'w': '%ax', 'l': '%eax'}[width]
    return (f'mov ${port:#x}, %edx; mov ${value:#x}, %eax; '
            f'out{width} {reg}, %dx\n')


def config(reg, value):
    return out(0xcf8, DEVICE | reg) + out(0xcfc, value)


def driver(queues):
    """A driver of a legacy virtio device: each queue has its own vector."""
    text = config(0x10, IO | 1) + config(0x14, TABLE) + config(4, 7)
    # The MSI-X capability: on.
    text += """
        mov $0x34, %ecx
    2:  lea 0x80000800(%ecx), %eax
        and $~3, %eax
        mov $0xcf8, %edx
        out %eax, %dx
        mov $0xcfc, %edx
        in %dx, %eax
        cmp $0x34, %ecx
        je 3f
        cmp $0x11, %al
        je 4f
        shr $8, %eax
    3:  movzbl %al, %ecx
        jmp 2b
    4:  or $0x80000000, %eax
        out %eax, %dx
    """
    for i in range(queues + 1):
        for at, value in ((0, 0xfee00000), (4, 0), (8, 0x40), (12, 0)):
            text += f'movl ${value:#x}, {TABLE + 16 * i + at:#x}\n'
    text += out(IO + 18, 3, 'b')
    for i in range(queues):
        text += out(IO + 14, i, 'w') + out(IO + 22, i + 1, 'w')
        text += out(IO + 8, 0x100 + 16 * i)
    return FLAT + text + out(IO + 18, 7, 'b') + 'exit 1\n'


class RoutesTest(unittest.TestCase):
    def setUp(self):
        guest.need_kvm(self)
        if 'KVM_SHIM_SO' not in os.environ:
            self.skipTest('run by meson only: needs kvm-shim.so')
        self.dir = Path(tempfile.mkdtemp(prefix='nemu-kvm-'))
        self.addCleanup(shutil.rmtree, self.dir)
        with open(self.dir / 'disk', 'wb') as f:
            f.truncate(1 << 20)

    def calls(self, queues):
        """How often routes were sent until a driver's device works."""
        image = guest.build(self.dir, driver(queues))
        count = self.dir / f'count-{queues}'
        os.environ.update(LD_PRELOAD=os.environ['KVM_SHIM_SO'],
                          KVM_SHIM_COUNT=str(count))
        try:
            status, err = guest.run(
                os.environ['NEMU_BINARY'], image, self.dir / 'console',
                ['-machine', 'q35', '-accel', 'kvm',
                 '-object', 'iothread,id=io0', '-blockdev',
                 f'driver=file,node-name=d,filename={self.dir}/disk',
                 '-device', 'virtio-blk-pci,drive=d,iothread=io0,addr=1,'
                 f'num-queues={queues},vectors={queues + 1}'])
        finally:
            del os.environ['LD_PRELOAD'], os.environ['KVM_SHIM_COUNT']
        self.assertEqual(status, 3, err)
        return count.stat().st_size

    def test_queues_share_one_call(self):
        one = self.calls(1)
        self.assertGreater(one, 1)  # the machine's own, and the queue's
        self.assertEqual(self.calls(6), one)
