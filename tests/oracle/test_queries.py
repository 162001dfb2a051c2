# SPDX-License-Identifier: GPL-2.0-or-later
"""What queries tell about the same machine is what QEMU 7.2 tells."""

import unittest

from pair import additions, is_oracle, oracle, ours

Q35 = ('-machine', 'q35', '-smp', '2,sockets=2,maxcpus=4', '-m', '64M',
       '-object', 'iothread,id=io0', '-device',
       'virtio-rng-pci,id=r')
ACCEL = {'ours': ('-accel', 'qtest'), 'oracle': ('-accel', 'tcg')}


class Queries(unittest.TestCase):

    def setUp(self):
        self.a = self.enterContext(ours(
            *Q35, *(ACCEL['oracle'] if is_oracle() else ACCEL['ours']))).qmp
        self.b = self.enterContext(oracle(*Q35, *ACCEL['oracle'])).qmp

    def both(self, command, **arguments):
        return (self.a.cmd(command, arguments), self.b.cmd(command, arguments))

    def no_more(self, kind, mine, theirs):
        """Nothing that QEMU has not, but for what additions.txt lists."""
        self.assertEqual({n for n in mine - theirs
                          if f'{kind} {n}' not in additions()}, set())

    def test_command_line_options(self):
        mine, theirs = self.both('query-command-line-options')
        theirs = {o['option']: {p['name']: p['type']
                                for p in o['parameters']} for o in theirs}
        self.assertEqual(len({o['option'] for o in mine}), len(mine))
        self.no_more('option', {o['option'] for o in mine}, set(theirs))
        for option in mine:
            params = {p['name']: p['type'] for p in option['parameters']}
            self.assertEqual(len(params), len(option['parameters']))
            for name, kind in params.items():
                where = f"{option['option']}.{name}"
                if f'parameter {where}' not in additions():
                    with self.subTest(parameter=where):
                        self.assertEqual(theirs[option['option']].get(name),
                                         kind)

    def test_options_that_we_take_are_told_of(self):
        mine, theirs = self.both('query-command-line-options')
        names = {o['option'] for o in mine}
        # What they tell of and we do not is what we do not have.
        missing = {o['option'] for o in theirs} - names
        self.assertEqual(missing & {
            'sandbox', 'machine', 'smp-opts', 'boot-opts', 'memory', 'chardev',
            'drive', 'device', 'netdev', 'object', 'mon', 'rtc', 'global',
            'add-fd', 'name', 'msg', 'overcommit', 'action', 'trace', 'numa',
            'smbios', 'fw_cfg', 'accel'}, set())

    def test_commands(self):
        mine, theirs = self.both('query-commands')
        self.no_more('command', {c['name'] for c in mine},
                     {c['name'] for c in theirs})

    def test_machines(self):
        mine, theirs = self.both('query-machines')
        theirs = {m['name']: m for m in theirs}
        for machine in mine:
            with self.subTest(machine=machine['name']):
                other = theirs[machine['name']]
                self.assertEqual(machine, other)

    def test_types(self):
        mine, theirs = ({t['name'] for t in side} for side in
                        self.both('qom-list-types', implements='device',
                                  abstract=False))
        self.no_more('type', mine, theirs)
        for kind in ('machine', 'user-creatable', 'chardev', 'bus'):
            mine, theirs = ({t['name'] for t in side} for side in
                            self.both('qom-list-types', implements=kind,
                                      abstract=False))
            with self.subTest(kind=kind):
                self.assertTrue(mine)
                self.no_more('type', mine, theirs)

    def test_parents_of_types(self):
        mine, theirs = ({t['name']: t.get('parent') for t in side}
                        for side in self.both('qom-list-types',
                                              implements='device'))
        for name in ('virtio-blk-pci', 'pci-bridge', 'isa-serial',
                     'virtio-rng-device', 'max-x86_64-cpu', 'ICH9-LPC'):
            with self.subTest(type=name):
                self.assertEqual(mine.get(name), theirs.get(name))

    def test_cpus(self):
        mine, theirs = self.both('query-cpus-fast')
        for a, b in zip(mine, theirs, strict=True):
            self.assertEqual(set(a), set(b))
            for name in ('cpu-index', 'props', 'target'):
                self.assertEqual(a[name], b[name])
        mine, theirs = self.both('query-hotpluggable-cpus')
        self.assertEqual([(c['props'], 'qom-path' in c, c['vcpus-count'])
                          for c in mine],
                         [(c['props'], 'qom-path' in c, c['vcpus-count'])
                          for c in theirs])

    def test_iothreads(self):
        mine, theirs = self.both('query-iothreads')
        self.assertEqual([{k: v for k, v in t.items() if k != 'thread-id'}
                          for t in mine],
                         [{k: v for k, v in t.items() if k != 'thread-id'}
                          for t in theirs])

    def test_memory(self):
        self.assertEqual(*self.both('query-memory-size-summary'))
        self.assertEqual(*self.both('query-memory-devices'))
        mine, theirs = self.both('query-memdev')
        self.assertEqual(len(mine), len(theirs))

    def test_small_ones(self):
        for command in ('query-name', 'query-uuid', 'query-status',
                        'query-target', 'query-fdsets', 'query-block',
                        'query-named-block-nodes'):
            with self.subTest(command=command):
                self.assertEqual(*self.both(command))

    def test_keys_of_the_others(self):
        for command in ('query-version', 'query-kvm', 'query-current-machine',
                        'query-chardev', 'query-chardev-backends',
                        'query-migrate-capabilities', 'query-pci',
                        'query-blockstats'):
            with self.subTest(command=command):
                if command not in {c['name'] for c in
                                   self.a.cmd('query-commands')}:
                    continue
                mine, theirs = self.both(command)
                if isinstance(mine, list):
                    mine = {k for m in mine for k in m}
                    theirs = {k for m in theirs for k in m}
                self.assertEqual(set(mine) - set(theirs), set())
