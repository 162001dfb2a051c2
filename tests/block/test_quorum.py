#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Quorums vote, report and repair as QEMU 7.2's do."""

import os
import tempfile
import unittest

import blocklib as b
from test_jobs import ORACLE, OURS, Qmp

KiB = 1 << 10
SIZE = 64 * KiB
FAIL = {'event': 'none', 'iotype': 'read'}


@unittest.skipUnless(ORACLE and b.HAVE_ORACLE, "needs Debian's QEMU")
class QuorumTest(unittest.TestCase):
    maxDiff = None

    def images(self, folder, fills):
        for i, fill in enumerate(fills):
            with open(os.path.join(folder, f'c{i}'), 'wb') as f:
                f.write(bytes([fill]) * SIZE)

    def quorum(self, q, count, faults, **opts):
        children = []
        for i in range(count):
            child = {'driver': 'file', 'filename': f'c{i}', 'node-name': f'f{i}'}
            if i in faults:
                child = {'driver': 'blkdebug', 'image': child,
                         'node-name': f'b{i}', 'inject-error': faults[i]}
            children.append(child)
        opts = {k.replace('_', '-'): v for k, v in opts.items()}
        return q.cmd('blockdev-add', **{'driver': 'quorum', 'node-name': 'q',
                                        'children': children, **opts})

    def play(self, binary, fills, faults, lines, opts):
        """What was said, which events came, what is in the files."""
        with tempfile.TemporaryDirectory(prefix='nemu-block-') as folder:
            self.images(folder, fills)
            q = Qmp(binary, folder)
            said = []
            try:
                made = self.quorum(q, len(fills), faults, **opts)
                self.assertEqual(made, {})
                q.cmd('nbd-server-start', addr={
                    'type': 'unix', 'data': {'path': 'sock'}})
                q.cmd('block-export-add', **{
                    'id': 'e', 'type': 'nbd', 'node-name': 'q',
                    'name': 'q', 'writable': True})
                io = b.Io(f'nbd+unix:///q?socket={folder}/sock',
                          args=['-f', 'raw'])
                for line in lines:
                    io.add(line)
                said = [x for x in io.run(check=False).stdout.split('\n')
                        if 'ops' not in x]
                q.cmd('query-block')
                events = sorted(
                    (name, sorted(data.items())) for name, data in q.events
                    if name.startswith('QUORUM'))
            finally:
                q.close()
            content = []
            for i in range(len(fills)):
                with open(os.path.join(folder, f'c{i}'), 'rb') as f:
                    content.append(b.hashlib.sha256(f.read()).hexdigest())
        return said, events, content

    def compare(self, fills, faults, lines, **opts):
        opts.setdefault('vote_threshold', 2)
        got = [self.play(binary, fills, faults, lines, opts)
               for binary in (OURS, ORACLE)]
        self.assertEqual(got[0], got[1])
        return got[0]

    def test_all_agree(self):
        said, events, _ = self.compare([7, 7, 7], {}, ['read -P 7 4k 8k'])
        self.assertEqual(events, [])
        self.assertNotIn('failed', ''.join(said))

    def test_two_of_three_win(self):
        _, events, _ = self.compare([7, 9, 7], {}, ['read -P 7 4k 8k'])
        self.assertEqual([e[0] for e in events], ['QUORUM_REPORT_BAD'])

    def test_the_losers_are_rewritten(self):
        _, _, content = self.compare([9, 7, 7], {}, ['read -P 7 0 64k'],
                                     rewrite_corrupted=True)
        self.assertEqual(len(set(content)), 1)

    def test_nobody_wins(self):
        said, events, _ = self.compare([1, 2, 3], {}, ['read 4k 8k'])
        self.assertIn('read failed: Input/output error', said)
        self.assertIn('QUORUM_FAILURE', [e[0] for e in events])

    def test_one_cannot_be_read(self):
        self.compare([7, 7, 7], {1: [FAIL]}, ['read -P 7 4k 8k'])

    def test_two_cannot_be_read(self):
        self.compare([7, 7, 7], {1: [FAIL], 2: [FAIL]}, ['read -P 7 4k 8k'])

    def test_a_write_fails_on_one(self):
        rule = {'event': 'none', 'iotype': 'write', 'errno': 28}
        self.compare([7, 7, 7], {2: [rule]}, ['write -P 8 4k 8k'])

    def test_a_write_fails_on_two(self):
        rule = {'event': 'none', 'iotype': 'write', 'errno': 28}
        self.compare([7, 7, 7], {0: [rule], 2: [rule]}, ['write -P 8 4k 8k'])

    def test_a_flush_fails_on_one(self):
        rule = {'event': 'none', 'iotype': 'flush'}
        self.compare([7, 7, 7], {2: [rule]}, ['write -P 8 4k 8k', 'flush'])

    def test_a_flush_fails_on_two(self):
        rule = {'event': 'none', 'iotype': 'flush'}
        self.compare([7, 7, 7], {1: [rule], 2: [rule]},
                     ['write -P 8 4k 8k', 'flush'])

    def test_zeroes(self):
        self.compare([7, 7, 7], {}, ['write -z 4k 8k', 'write -P 3 9k 1k',
                                     'read -P 0 4k 5k', 'read -P 7 0 4k'])

    def test_fifo_reads_the_first_that_is_well(self):
        self.compare([5, 7, 9], {0: [FAIL]}, ['read -P 7 4k 8k'],
                     read_pattern='fifo', vote_threshold=1)

    def test_fifo_when_none_is_well(self):
        self.compare([5, 7], {0: [FAIL], 1: [FAIL]}, ['read -P 7 4k 8k'],
                     read_pattern='fifo', vote_threshold=1)

    def test_bad_options(self):
        null = {'driver': 'null-co', 'size': 4096, 'read-zeroes': True}
        cases = [
            dict(children=[null], vote_threshold=1),
            dict(children=[null, null], vote_threshold=3),
            dict(children=[], vote_threshold=1),
            dict(children=[null, null], vote_threshold=0),
            dict(children=[null] * 3, vote_threshold=2, blkverify=True),
            dict(children=[null] * 2, vote_threshold=2, blkverify=True,
                 rewrite_corrupted=True),
            dict(children=[null] * 2, vote_threshold=1, read_pattern='fifo',
                 rewrite_corrupted=True),
            dict(children=[null, {**null, 'size': 8192}], vote_threshold=1),
        ]

        def scenario(q):
            return [q.cmd('blockdev-add', **{'driver': 'quorum',
                                             'node-name': f'q{i}', **case})
                    for i, case in enumerate(cases)]
        self.both(scenario)

    def both(self, scenario):
        got = []
        for binary in OURS, ORACLE:
            q = Qmp(binary, '/')
            try:
                got.append(scenario(q))
            finally:
                q.close()
        self.assertEqual(got[0], got[1])

    def test_children_come_and_go(self):
        null = {'driver': 'null-co', 'size': 4096, 'read-zeroes': True}

        def scenario(q):
            for name in 'x0', 'x1':
                q.cmd('blockdev-add', node_name=name, **null)
            q.cmd('blockdev-add', **{
                'driver': 'quorum', 'node-name': 'q', 'vote-threshold': 1,
                'children': [null, null]})
            steps = [{'parent': 'zz'}, {}, {'child': 'children.0',
                                            'node': 'x0'},
                     {'node': 'x0'}, {'node': 'x0'}, {'node': 'zz'},
                     {'child': 'children.9'}, {'child': 'children.0'},
                     {'node': 'x1'}, {'child': 'children.1'},
                     {'child': 'children.2'}, {'child': 'children.3'},
                     {'parent': 'x0', 'node': 'x1'}]
            return [(s, q.cmd('x-blockdev-change', **{'parent': 'q', **s}))
                    for s in steps]
        self.both(scenario)


if __name__ == '__main__':
    unittest.main()
