# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's CPUID under KVM: ours and QEMU 7.2's, leaf by leaf."""

import os
import shutil
import tempfile
import unittest

import cpuid_guest
import guest

# QEMU 7.2 cannot start with this bit where KVM offers it on AMD hosts.
COMMON = ',-arch-capabilities'

MODELS = [
    'qemu64', 'kvm64', 'base',
    'max' + COMMON,
    'max,-xsavec,-xsaves' + COMMON,
    'host' + COMMON,
    'host,migratable=off,pmu=off' + COMMON,
    'host,host-cache-info=on,+topoext' + COMMON,
    'host,phys-bits=39,host-phys-bits=off' + COMMON,
    'qemu64,-kvm,vendor=GenuineIntel,l3-cache=off',
    'qemu64,family=6,model=58,stepping=9,model-id=Some other CPU',
    'kvm64,level=0x1f,xlevel=0x80000021,+sse4.2,-fxsr,kvmclock=off',
    'kvm64,+kvm-hint-dedicated,-kvm-pv-eoi,+invtsc',
]

FLAT = ('4,sockets=1,cores=2,threads=2', [1, 2, 3])
DIES = ('8,sockets=1,dies=2,cores=2,threads=2', [1, 4, 7])
ODD = ('6,sockets=1,cores=2,threads=3', [1, 2, 4, 5, 6])
WIDE = ('6,sockets=2,cores=3,threads=1', [1, 2, 4, 6])


def name(leaf):
    return f'CPUID {leaf[0]:x}h.{leaf[1]}'


class CpuidTest(unittest.TestCase):
    def setUp(self):
        if not os.access(os.environ['NEMU_ORACLE'], os.X_OK):
            self.skipTest('no QEMU 7.2 to compare with')
        guest.need_kvm(self)
        self.dir = tempfile.mkdtemp(prefix='nemu-kvm-')
        self.addCleanup(shutil.rmtree, self.dir)

    def dump(self, binary, image, options):
        console = f'{self.dir}/console'
        status, err = guest.run(binary, image, console, options)
        self.assertEqual(status, 1, err)
        with open(console, 'rb') as f:
            return cpuid_guest.parse(f.read())

    def compare(self, model, smp='1', apic_ids=()):
        image = guest.build(self.dir, cpuid_guest.text(apic_ids))
        options = ['-machine', 'q35', '-accel', 'kvm', '-cpu', model,
                   '-smp', smp]
        theirs = self.dump(os.environ['NEMU_ORACLE'], image, options)
        ours = self.dump(os.environ['NEMU_BINARY'], image, options)
        self.assertEqual(len(ours), 1 + len(apic_ids))
        for cpu, (a, b) in enumerate(zip(theirs, ours)):
            for leaf in a:
                self.assertEqual(
                    ' '.join(f'{r:08x}' for r in b[leaf]),
                    ' '.join(f'{r:08x}' for r in a[leaf]),
                    f'-cpu {model} -smp {smp}: CPU {cpu}, {name(leaf)}')

    def test_models_have_the_same_leaves(self):
        for model in MODELS:
            with self.subTest(model):
                self.compare(model)

    def test_topology_leaves_are_the_same(self):
        amd = 'host,+topoext' + COMMON
        intel = 'host,vendor=GenuineIntel' + COMMON
        for model, (smp, apic_ids) in (
                ('qemu64', FLAT), (amd, FLAT), (intel, FLAT), ('kvm64', DIES),
                (amd, DIES), (intel, DIES), (amd, ODD), (intel, WIDE)):
            with self.subTest(f'{model} {smp}'):
                self.compare(model, smp, apic_ids)
