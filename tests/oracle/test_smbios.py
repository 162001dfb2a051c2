# SPDX-License-Identifier: GPL-2.0-or-later
"""Our SMBIOS structures and entry point are QEMU 7.2's, byte for byte."""

import os
import subprocess
import unittest

from firmware import FwCfg
from pair import is_oracle, oracle, ours

ANCHOR, TABLES = 'etc/smbios/smbios-anchor', 'etc/smbios/smbios-tables'


def smbios(*options):
    return [word for o in options for word in ('-smbios', o)]


CASES = (
    (),
    ('-smp', '4,sockets=2,cores=2', '-m', '5G'),
    ('-m', '20G', '-smp', '3'),
    ('-machine', 'smbios-entry-point-type=64',
     '-uuid', '00112233-4455-6677-8899-aabbccddeeff'),
    smbios('type=0,vendor=v,version=1,date=02/02/2022,release=1.2,uefi=on',
           'type=1,manufacturer=m,product=p', 'type=2,manufacturer=f',
           'type=3,asset=q', 'type=11,value=a,value=b',
           'type=17,loc_pfx=D,speed=3200,manufacturer=z'),
    smbios('type=4,sock_pfx=S,manufacturer=am,max-speed=3000,'
           'current-speed=2500,processor-id=0x123456789'),
    smbios('type=8', 'type=11,value=x', 'type=0,vendor=v',
           'type=8,internal_reference=a,external_reference=b,'
           'connector_type=1,port_type=2'),
    smbios('type=41', 'type=41,designation=x,kind=sas,instance=7'),
    ('-device', 'virtio-net-pci,id=n,romfile=,addr=5.1',
     *smbios('type=41,designation=lan,kind=ethernet,pcidev=n')),
)
REFUSED = (
    smbios('type=41,kind=foo'),
    smbios('type=41,pcidev=nobody'),
    ('-device', 'pcie-root-port,id=r,chassis=1', '-device',
     'virtio-net-pci,id=n,romfile=,bus=r', *smbios('type=41,pcidev=n')),
    smbios('type=9'),
)


class Smbios(unittest.TestCase):

    def files(self, make, args):
        how = {}
        if make is ours and not is_oracle():
            args, how = ['-accel', 'qtest', *args], {'qtest': True}
        with make('-machine', 'q35', *args, **how) as e:
            fw = FwCfg(e)
            return fw.read(ANCHOR).hex(), fw.read(TABLES).hex()

    def test_structures(self):
        for args in CASES:
            with self.subTest(args=args):
                self.assertEqual(self.files(ours, args),
                                 self.files(oracle, args))

    def test_what_is_refused(self):
        for args in REFUSED:
            for name in ('NEMU_BINARY', 'NEMU_ORACLE'):
                with self.subTest(args=args, binary=name):
                    done = subprocess.run(
                        [os.environ[name], '-machine', 'q35', '-nodefaults',
                         '-display', 'none', '-S',
                         *(() if name == 'NEMU_ORACLE' or is_oracle()
                           else ('-accel', 'qtest')), *args],
                        stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                        timeout=30, check=False)
                    self.assertEqual(done.returncode, 1)
                    self.assertTrue(done.stderr)
