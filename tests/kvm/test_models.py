# SPDX-License-Identifier: GPL-2.0-or-later
"""What QMP says of CPU models under KVM is what QEMU 7.2 says."""

import unittest

import guest
from pair import oracle, ours

CONFIG = ('-machine', 'q35', '-accel', 'kvm')
MODELS = ('qemu64', 'kvm64', 'max', 'host', 'base')
CHANGES = ({}, {'avx': True, 'sse2': False}, {'level': 7, 'kvm': False})


class ModelsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ours = cls.theirs = None
        if not guest.kvm_reason():
            cls.theirs = oracle(*CONFIG).__enter__()
            cls.addClassCleanup(cls.theirs.close)
            cls.ours = ours(*CONFIG).__enter__()
            cls.addClassCleanup(cls.ours.close)

    def setUp(self):
        guest.need_kvm(self)

    def test_definitions_are_the_same(self):
        def ask(emulator):
            return {d['name']: d
                    for d in emulator.qmp.cmd('query-cpu-definitions')}
        theirs = ask(self.theirs)
        for name, definition in ask(self.ours).items():
            with self.subTest(name):
                self.assertEqual(definition, theirs[name])

    def test_each_cpu_has_its_lapic(self):
        path = '/machine/unattached/device[0]/lapic'
        for name in ('type', 'id', 'version', 'vapic', 'realized'):
            with self.subTest(name):
                ours, theirs = [
                    e.qmp.cmd('qom-get', path=path, property=name)
                    for e in (self.ours, self.theirs)]
                self.assertEqual(ours, theirs)

    def test_accelerator_has_the_same_properties(self):
        def ask(emulator):
            return {p['name']: p['type'] for p in emulator.qmp.cmd(
                'qom-list-properties', typename='kvm-accel')}
        theirs = ask(self.theirs)
        # Not here: asking for it is an error that names it.
        del theirs['dirty-ring-size']
        self.assertEqual(ask(self.ours), theirs)

    def test_expansions_have_the_same_values(self):
        for name in MODELS:
            for kind in ('static', 'full'):
                for props in CHANGES:
                    with self.subTest(f'{name} {kind} {props}'):
                        self.expand(name, kind, props)

    def expand(self, name, kind, props):
        mine, other = [
            e.qmp.cmd('query-cpu-model-expansion', type=kind,
                      model={'name': name, 'props': props})['model']
            for e in (self.ours, self.theirs)]
        self.assertEqual(mine['name'], other['name'])
        self.assertGreater(len(mine['props']), 200)
        self.assertEqual(mine['props'],
                         {k: other['props'].get(k) for k in mine['props']})
