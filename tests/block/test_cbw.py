#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""copy-before-write keeps old data, snapshot-access shows it."""

import os
import tempfile
import unittest

import blocklib as b
from test_jobs import ORACLE, OURS, Qmp

KiB, MiB = 1 << 10, 1 << 20


@unittest.skipUnless(ORACLE and b.HAVE_ORACLE, "needs Debian's QEMU")
class CbwTest(unittest.TestCase):
    maxDiff = None

    def play(self, binary, steps, faults=None, limit=None, **opts):
        """steps: (export, command line); what was said."""
        with tempfile.TemporaryDirectory(prefix='nemu-block-') as folder:
            with open(os.path.join(folder, 'disk'), 'wb') as f:
                f.write(b'\7' * MiB)
            b.create(os.path.join(folder, 'old'), MiB)
            q = Qmp(binary, folder)
            try:
                target = {'driver': 'qcow2',
                          'file': {'driver': 'file', 'filename': 'old'}}
                if faults:
                    target = {'driver': 'blkdebug', 'image': target,
                              'inject-error': faults}
                if limit:
                    self.assertEqual({}, q.cmd('object-add', **{
                        'qom-type': 'throttle-group', 'id': 't',
                        'limits': {'bps-write': limit}}))
                    target = {'driver': 'throttle', 'throttle-group': 't',
                              'file': target}
                made = [
                    q.cmd('blockdev-add', **{
                        'driver': 'file', 'filename': 'disk',
                        'node-name': 'disk'}),
                    q.cmd('block-dirty-bitmap-add', node='disk', name='m',
                          granularity=65536),
                    q.cmd('nbd-server-start', addr={
                        'type': 'unix', 'data': {'path': 'sock'}}),
                    q.cmd('block-export-add', **{
                        'id': 'x', 'type': 'nbd', 'node-name': 'disk',
                        'writable': True}),
                ]
                if opts.get('bitmap'):
                    self.io(folder, 'disk', 'write -P 7 0 300k')
                q.cmd('block-export-del', id='x')
                q.wait('BLOCK_EXPORT_DELETED', id='x')
                made += [
                    q.cmd('blockdev-add', **{
                        'driver': 'copy-before-write', 'node-name': 'cbw',
                        'file': 'disk', 'target': target, **{
                            k.replace('_', '-'): v
                            for k, v in opts.items()}}),
                    q.cmd('blockdev-add', **{
                        'driver': 'snapshot-access', 'node-name': 'snap',
                        'file': 'cbw'}),
                    q.cmd('block-export-add', **{
                        'id': 'a', 'type': 'nbd', 'node-name': 'cbw',
                        'writable': True}),
                    q.cmd('block-export-add', **{
                        'id': 'b', 'type': 'nbd', 'node-name': 'snap'}),
                ]
                self.assertEqual(made, [{}] * len(made))
                return [self.io(folder, name, line) for name, line in steps]
            finally:
                q.close()

    def io(self, folder, name, line):
        args = ['-f', 'raw'] + ['-r'] * (name == 'snap')
        io = b.Io(f'nbd+unix:///{name}?socket={folder}/sock', args=args)
        io.add(line)
        return [x for x in io.run(check=False).stdout.split('\n')
                if 'ops' not in x]

    def compare(self, steps, **opts):
        got = [self.play(binary, steps, **opts) for binary in (OURS, ORACLE)]
        self.assertEqual(got[0], got[1])
        return ''.join(x for said in got[0] for x in said)

    # Short for comparisons: after all of STEPS, QEMU 7.2 was seen to read
    # something else than the old data.
    SHORT = [('cbw', 'write -P 9 100k 50k'), ('snap', 'read -P 7 0 1M'),
             ('cbw', 'read -P 9 100k 50k'), ('snap', 'read -P 7 99k 3k')]
    STEPS = [('cbw', 'write -P 9 100k 50k'), ('snap', 'read -P 7 0 1M'),
             ('cbw', 'read -P 9 100k 50k'), ('cbw', 'write -z 200k 300k'),
             ('cbw', 'write -P 5 700k 1'), ('snap', 'read -P 7 0 1M'),
             ('snap', 'read -P 7 99k 3k'), ('cbw', 'read -P 0 200k 300k')]

    def test_old_data_stays(self):
        self.compare(self.SHORT)
        said = ''.join(x for step in self.play(OURS, self.STEPS) for x in step)
        self.assertNotIn('failed', said)
        self.assertNotIn('verification', said)

    def test_only_what_the_bitmap_says(self):
        said = self.compare(
            [('snap', 'read -P 7 0 256k'), ('snap', 'read 0 1M'),
             ('cbw', 'write -P 9 100k 50k'), ('cbw', 'write -P 9 600k 50k'),
             ('snap', 'read -P 7 0 256k'), ('snap', 'read 600k 1k')],
            bitmap={'node': 'disk', 'name': 'm'})
        self.assertIn('failed', said)

    def test_a_failure_breaks_the_write(self):
        rule = [{'event': 'none', 'iotype': 'write', 'once': True}]
        said = self.compare(self.SHORT, faults=rule)
        self.assertIn('write failed', said)
        self.assertNotIn('read failed', said)

    def test_a_failure_breaks_the_snapshot(self):
        rule = [{'event': 'none', 'iotype': 'write', 'once': True}]
        said = self.compare(self.SHORT, faults=rule,
                            on_cbw_error='break-snapshot')
        self.assertIn('read failed', said)
        self.assertNotIn('write failed', said)

    # The first copy goes at once; the second would have to wait for minutes,
    # and QEMU 7.2 does so when it ends.
    LATE = [('cbw', 'write -P 9 0 64k'), ('cbw', 'write -P 9 300k 4k'),
            ('snap', 'read -P 7 0 64k'), ('cbw', 'read 320k 4k')]

    def late(self, **opts):
        steps = self.play(OURS, self.LATE, limit=200, cbw_timeout=5, **opts)
        return [''.join(said).split()[0:2] for said in steps]

    def test_a_copy_that_takes_too_long_breaks_the_write(self):
        self.assertEqual(self.late(), [
            ['wrote', '65536/65536'], ['write', 'failed:'],
            ['read', '65536/65536'], ['read', '4096/4096']])

    def test_a_copy_that_takes_too_long_breaks_the_snapshot(self):
        self.assertEqual(self.late(on_cbw_error='break-snapshot'), [
            ['wrote', '65536/65536'], ['wrote', '4096/4096'],
            ['read', 'failed:'], ['read', '4096/4096']])

    def test_a_copy_in_time(self):
        self.compare(self.SHORT, cbw_timeout=60)

    def test_reads_of_the_snapshot_beside_writes(self):
        for seed in b.seeds(3):
            with self.subTest(seed=seed):
                rng = b.rng_for(seed)
                steps = []
                for _ in range(12):
                    at, n = rng.randrange(900) * KiB, rng.randrange(1, 100)
                    steps.append(('cbw', f'write -P {rng.randrange(8, 99)} '
                                         f'{at} {n}k'))
                    steps.append(('snap', 'read -P 7 0 1M'))
                said = ''.join(x for step in self.play(OURS, steps)
                               for x in step)
                self.assertNotIn('failed', said)
                self.assertNotIn('verification', said)


if __name__ == '__main__':
    unittest.main()
