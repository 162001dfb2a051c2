# SPDX-License-Identifier: GPL-2.0-or-later
"""Devices, machines and objects have QEMU 7.2's properties, by name and type."""

import unittest

from nemu_functional.qmp import QmpError
from pair import additions, is_oracle, oracle, ours

MACHINES = ('pc-q35-7.2-machine', 'none-machine')
OBJECTS = ('memory-backend-ram', 'memory-backend-file', 'memory-backend-memfd',
           'rng-random', 'rng-builtin', 'iothread', 'secret',
           'secret_keyring',
           'tls-creds-anon', 'tls-creds-psk', 'tls-creds-x509',
           'authz-simple', 'authz-list',
           'max-x86_64-cpu', 'host-x86_64-cpu')


def table(properties):
    """{name: type} of a list of ObjectPropertyInfo; names must be unique."""
    result = {p['name']: p['type'] for p in properties}
    if len(result) != len(properties):
        raise AssertionError('a property is listed twice')
    return result


class Properties(unittest.TestCase):

    def setUp(self):
        self.a = self.enterContext(ours('-machine', 'none'))
        self.b = self.enterContext(oracle('-machine', 'none'))
        self.their_types = {t['name'] for t in self.b.qmp.cmd('qom-list-types')}

    def differences(self, typename, command):
        """Offences of one type, as lines."""
        mine = table(self.a.qmp.cmd(command, typename=typename))
        try:
            theirs = table(self.b.qmp.cmd(command, typename=typename))
        except QmpError as err:
            return [f'{typename}: QEMU 7.2: {err}']
        return [f'property {typename}.{name}: {kind}, in QEMU 7.2 '
                f'{theirs.get(name, "absent")}'
                for name, kind in sorted(mine.items())
                if theirs.get(name) != kind and
                f'property {typename}.{name}' not in additions()]

    def test_devices(self):
        names = sorted(t['name'] for t in self.a.qmp.cmd(
            'qom-list-types', implements='device', abstract=False))
        self.assertGreater(len(names), 5)
        if is_oracle():
            # It dies of asking the two that its package has no module for.
            names = [n for n in names if not n.endswith(('-gl', '-gl-pci'))]
        bad = []
        for name in names:
            if f'property {name}' not in additions():
                bad += self.differences(name, 'device-list-properties')
        self.assertEqual('\n'.join(bad), '')

    def test_virtio_devices_say_the_same_of_each_property(self):
        def details(side, name):
            return {p['name']: (p.get('default-value'), p.get('description'))
                    for p in side.qmp.cmd('device-list-properties',
                                          typename=name)}
        names = [t['name'] for t in self.a.qmp.cmd(
            'qom-list-types', implements='device', abstract=False)
            if t['name'].startswith(('virtio-', 'virt'))]
        self.assertGreater(len(names), 10)
        bad = []
        for name in names:
            if f'property {name}' in additions():
                continue
            theirs = details(self.b, name)
            bad += [f'{name}.{prop}: {mine}, in QEMU 7.2 {theirs[prop]}'
                    for prop, mine in details(self.a, name).items()
                    if prop in theirs and mine != theirs[prop]]
        self.assertEqual('\n'.join(bad), '')

    def test_machines(self):
        bad = []
        for name in MACHINES:
            bad += self.differences(name, 'qom-list-properties')
        self.assertEqual('\n'.join(bad), '')

    def test_objects(self):
        bad = []
        for name in OBJECTS:
            bad += self.differences(name, 'qom-list-properties')
        self.assertEqual('\n'.join(bad), '')

    def test_every_user_creatable_type_exists_there(self):
        names = {t['name'] for t in self.a.qmp.cmd(
            'qom-list-types', implements='user-creatable', abstract=False)}
        self.assertTrue(names)
        added = {n for n in names if f'type {n}' in additions()}
        self.assertEqual(names - self.their_types, added)

    def test_unknown_type_is_device_not_found(self):
        for command in ('device-list-properties', 'qom-list-properties'):
            with self.assertRaises(QmpError) as caught:
                self.a.qmp.cmd(command, typename='no-such-type')
            self.assertEqual(caught.exception.error_class, 'DeviceNotFound')
