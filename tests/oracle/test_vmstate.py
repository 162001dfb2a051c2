# SPDX-License-Identifier: GPL-2.0-or-later
"""Saved states have the sections, versions and fields of QEMU 7.2's."""

import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from pair import HERE, ours

MACHINE = 'q35'


def dump(binary):
    with tempfile.TemporaryDirectory(prefix='nemu-oracle-') as directory:
        path = Path(directory) / 'dump'
        subprocess.run([binary, '-M', MACHINE, '-nodefaults', '-display',
                        'none', '-dump-vmstate', path], check=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        return json.loads(path.read_text())


def expected_differences():
    lines = (HERE / 'vmstate-differences.txt').read_text().splitlines()
    return {line.split('#')[0].strip() for line in lines} - {''}


def compare_fields(path, theirs, mine):
    names = [f['field'] for f in theirs]
    if names != [f['field'] for f in mine]:
        yield f'{path} fields', names, [f['field'] for f in mine]
        return
    for a, b in zip(theirs, mine):
        field = f"{path}/{a['field']}"
        for key in ('version_id', 'field_exists'):
            if a[key] != b[key]:
                yield f'{field} {key}', a[key], b[key]
        if ('Description' in a) != ('Description' in b):
            yield f'{field} struct', 'Description' in a, 'Description' in b
        elif 'Description' in a:
            yield from compare(field, a['Description'], b['Description'])
        elif a['size'] != b['size']:
            yield f'{field} size', a['size'], b['size']


def compare(path, theirs, mine):
    """(path, QEMU's, ours) of what differs."""
    for key in ('name', 'version_id', 'minimum_version_id'):
        if theirs[key] != mine[key]:
            yield f'{path} {key}', theirs[key], mine[key]
    yield from compare_fields(path, theirs.get('Fields', []),
                              mine.get('Fields', []))
    subs = {s['name']: s for s in mine.get('Subsections', [])}
    for sub in theirs.get('Subsections', []):
        if sub['name'] in subs:
            yield from compare(sub['name'], sub, subs.pop(sub['name']))
        else:
            yield f"{path} subsection {sub['name']}", 'there', 'missing'
    for name in subs:
        yield f'{path} subsection {name}', 'missing', 'there'


class VmstateTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.theirs = dump(os.environ['NEMU_ORACLE'])
        cls.mine = dump(os.environ['NEMU_BINARY'])

    def test_header_is_the_same(self):
        self.assertEqual(self.mine['vmschkmachine'],
                         self.theirs['vmschkmachine'])

    def test_tables_differ_only_where_listed(self):
        found = {}
        for name in set(self.mine) - {'vmschkmachine'}:
            theirs = self.theirs.get(name)
            if not theirs:
                found[f'{name} type'] = ('missing', 'there')
                continue
            for path, a, b in compare(name, theirs['Description'],
                                      self.mine[name]['Description']):
                found[path] = (a, b)
        self.assertGreater(len(self.mine), 20)
        expected = expected_differences()
        self.assertEqual({k: v for k, v in found.items()
                          if k not in expected}, {})
        for path in sorted(expected - set(found) - self.absent()):
            print(f'# listed, but not so any more: {path}')

    def absent(self):
        """Types with state in QEMU that we have without."""
        with ours('-M', MACHINE, '-accel', 'qtest') as emulator:
            types = {t['name'] for t in emulator.qmp.cmd(
                'qom-list-types', implements='device')}
        return {f'{name} missing' for name in types & set(self.theirs)
                if name not in self.mine}

    def test_every_device_has_its_state(self):
        self.assertEqual(self.absent() - expected_differences(), set())
