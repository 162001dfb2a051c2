# SPDX-License-Identifier: GPL-2.0-or-later
"""bootindex and -boot give firmware what QEMU 7.2 gives it."""

import unittest

from firmware import FwCfg
from pair import is_oracle, oracle, ours

NET = 'virtio-net-pci,romfile='
CASES = (
    (),
    ('-boot', 'order=nc,menu=on,splash-time=5000,reboot-timeout=3000'),
    ('-boot', 'order=cd,once=n'),
    ('-boot', 'strict=on'),
    ('-boot', 'strict=on', '-device', f'{NET},bootindex=0',
     '-device', f'{NET},bootindex=-1', '-device', NET),
    ('-device', 'pci-bridge,id=b,chassis_nr=1,addr=4',
     '-device', 'pcie-root-port,id=r,chassis=2,addr=6',
     '-device', f'{NET},bootindex=1,bus=b,addr=3',
     '-device', f'{NET},bootindex=3,bus=r',
     '-device', f'{NET},bootindex=0,addr=5.0,multifunction=on',
     '-device', f'{NET},bootindex=10,addr=5.1'),
)
FILES = ('bootorder', 'etc/boot-fail-wait', 'etc/boot-menu-wait')
BOOT_MENU = 0x0e


class BootOrder(unittest.TestCase):

    def seen(self, make, *args, **kwargs):
        with make('-machine', 'q35', *args, **kwargs) as e:
            fw = FwCfg(e)
            seen = {f: fw.item(*at) for f, at in fw.files().items()
                    if f in FILES}
            seen['menu'] = fw.item(BOOT_MENU, 2)
            for index in (0x38, 0x3d):
                e.port_write(0x70, index, 'b')
                seen[f'CMOS {index:#x}'] = e.port_read(0x71, 'b')
            return seen

    def test_files_and_cmos(self):
        for args in CASES:
            with self.subTest(args=args):
                if is_oracle():
                    mine = self.seen(ours, *args)
                else:
                    mine = self.seen(ours, '-accel', 'qtest', *args,
                                     qtest=True)
                self.assertEqual(mine, self.seen(oracle, *args))
