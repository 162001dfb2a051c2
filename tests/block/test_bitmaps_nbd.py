#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Dirty bitmaps as metadata contexts of NBD exports, beside QEMU 7.2's."""

import json
import os
import shutil
import time
import unittest

from blocklib import BUILD, ORACLE_IMG, run
from nbdlib import F_ONE, OPT_ABORT, OPT_LIST_META, OPT_SET_META, \
    OPT_STRUCTURED, STATUS, Client, meta_query
from test_bitmaps import HAVE_ORACLE, Daemon, Image, OUR_DAEMON, OUR_IMG, \
    ORACLE_DAEMON

OUR_NBD = os.path.join(BUILD, 'qemu-nbd')
ORACLE_NBD = shutil.which('qemu-nbd')
NBDINFO = shutil.which('nbdinfo')


class Server(Image):
    def setUp(self):
        super().setUp()
        self.sock = self.path('s')
        self.base = self.path('base')
        self.make(path=self.base)
        run(OUR_IMG, 'bitmap', '--add', self.base, 'p')
        run(OUR_IMG, 'bitmap', '--add', '--disable', '-g', '4k', self.base,
            'pd')
        run(os.path.join(BUILD, 'qemu-io'), '-c', 'write -q 1M 1M', '-c',
            'write -q 5000000 1', self.base)
        run(OUR_IMG, 'create', '-q', '-f', 'qcow2', '-b', self.base, '-F',
            'qcow2', self.img, '12M')
        self.other = self.path('other')
        self.make(path=self.other)

    def serve(self, d):
        """The daemon with its server, and what it said to every export."""
        said = [d('nbd-server-start',
                  addr={'type': 'unix', 'data': {'path': self.sock}}),
                d.open(self.img), d.open(self.other, node='o')]
        for node, name in ('n', 'v'), ('n', 'w'), ('o', 'z'):
            said.append(d('block-dirty-bitmap-add', node=node, name=name))

        def export(ident, bitmaps, **more):
            said.append(d('block-export-add', type='nbd', id=ident, name=ident,
                          node_name='n', bitmaps=bitmaps, **more))

        export('none', ['no'])
        export('enabled', ['v'])
        export('a', ['v', 'p'], writable=True)
        export('busy', ['v'], writable=True)
        export('b', ['w'], writable=True)
        export('c', [{'node': 'o', 'name': 'z'}], writable=True)
        export('no-node', [{'node': 'x', 'name': 'z'}], writable=True)
        export('no-bitmap', [{'node': 'o', 'name': 'x'}], writable=True)
        export('d', ['pd'], allocation_depth=True)
        said.append(d('block-dirty-bitmap-remove', node='n', name='v'))
        said.append(d('block-dirty-bitmap-clear', node='o', name='z'))
        said += [d.bitmaps(), d.bitmaps('o')]
        return said

    def uri(self, export):
        return f'nbd+unix:///{export}?socket={self.sock}'

    def test_busy_until_it_goes(self):
        with Daemon(OUR_DAEMON) as d:
            self.serve(d)
            self.assertEqual([b['busy'] for b in d.bitmaps()], [True, True])
            d('block-export-del', id='a')
            self.assertEqual([b['busy'] for b in d.bitmaps()], [True, False])
            self.assertEqual(
                d('nbd-server-add', device='n', name='y', bitmap='v',
                  writable=True), {})
            self.assertEqual(
                d('nbd-server-add', device='n', name='z', bitmap='no',
                  writable=True)['desc'], "Bitmap 'no' is not found")
            d('nbd-server-stop')
            self.assertEqual([b['busy'] for b in d.bitmaps()], [False] * 2)

    def test_client(self):
        with Daemon(OUR_DAEMON) as d:
            self.serve(d)
            wanted = [
                {'start': 0, 'length': 1 << 20, 'present': True},
                {'start': 1 << 20, 'length': 1 << 20, 'present': False},
                {'start': 2 << 20, 'length': 4980736 - (2 << 20),
                 'present': True},
                {'start': 4980736, 'length': 65536, 'present': False},
                {'start': 5046272, 'length': (12 << 20) - 5046272,
                 'present': True}]
            self.assertEqual(
                [{k: e[k] for k in ('start', 'length', 'present')}
                 for e in self.map(OUR_IMG, 'a', 'qemu:dirty-bitmap:p')],
                wanted)
            p = self.map(OUR_IMG, 'b', 'qemu:dirty-bitmap:p', check=False)
            self.assertIn('requested x-dirty-bitmap qemu:dirty-bitmap:p not '
                          'found', p)

    def map(self, tool, export, context, check=True):
        p = run(tool, 'map', '--output=json', '--image-opts',
                f'driver=nbd,export={export},server.type=unix,'
                f'server.path={self.sock},x-dirty-bitmap={context}',
                check=check)
        return json.loads(p.stdout) if check else p.stdout


@unittest.skipUnless(HAVE_ORACLE and ORACLE_NBD, 'needs qemu-utils')
class Differential(Server):
    def look(self):
        """All that clients see, by both sides' clients."""
        seen = [run(tool, '-L', '-k', self.sock).stdout
                for tool in (OUR_NBD, ORACLE_NBD)]
        self.assertEqual(*seen)
        for export, context in ('a', 'dirty-bitmap:p'), \
                ('a', 'dirty-bitmap:v'), ('c', 'dirty-bitmap:z'), \
                ('d', 'dirty-bitmap:pd'):
            maps = [self.map(tool, export, 'qemu:' + context)
                    for tool in (OUR_IMG, ORACLE_IMG)]
            self.assertEqual(*maps)
            seen += maps
            if NBDINFO:
                seen.append(run(NBDINFO, f'--map=qemu:{context}',
                                self.uri(export)).stdout)
        return seen

    def test_the_same(self):
        seen = []
        for program in OUR_DAEMON, ORACLE_DAEMON:
            with Daemon(program) as d:
                said = self.serve(d)
                seen.append(said + self.look())
        self.assertEqual(*seen)

    QUERIES = [[], ['qemu:'], ['qemu:dirty-bitmap:'], ['base:'], [''],
               ['qemu:dirty-bitmap:p'], ['qemu:dirty-bitmap:none'],
               ['qemu:dirty-bitmap:p:'], ['qemu:dirty-bitmap'], ['x:'],
               ['base:allocation', 'qemu:dirty-bitmap:v',
                'qemu:dirty-bitmap:p']]

    def wire(self):
        """Replies to queries, and to block status by several contexts."""
        seen = []
        for option in OPT_LIST_META, OPT_SET_META:
            for queries in self.QUERIES:
                with Client(self.sock) as c:
                    c.ask(OPT_STRUCTURED)
                    seen.append(c.ask(option, meta_query(b'a', queries)))
                    c.ask(OPT_ABORT)
        for flags in 0, F_ONE:
            for offset, length in (0, 12 << 20), (1000448, 1 << 20), \
                    (1114111, 1), (4980000, 100000), ((12 << 20) - 512, 512):
                with Client(self.sock) as c:
                    c.go(b'a', contexts=self.QUERIES[-1])
                    c.request(STATUS, offset, length, flags)
                    last = False
                    while not last:
                        last, *chunk = c.chunk()
                        seen.append(chunk)
        return seen

    def test_the_same_on_the_wire(self):
        seen = []
        for program in OUR_DAEMON, ORACLE_DAEMON:
            with Daemon(program) as d:
                self.serve(d)
                seen.append(self.wire())
        for ours, theirs in zip(*seen):
            self.assertEqual(ours, theirs)
        self.assertEqual(len(seen[0]), len(seen[1]))

    def wait_end(self, pid):
        for _ in range(6000):
            try:
                with open(f'/proc/{pid}/stat') as f:
                    if f.read().rsplit(')', 1)[1].split()[0] == 'Z':
                        return
            except OSError:
                return
            time.sleep(0.01)
        self.fail('qemu-nbd does not end')

    def test_qemu_nbd(self):
        seen = []
        for server in OUR_NBD, ORACLE_NBD:
            pid = self.path('pid')
            fail = run(server, '--fork', '-r', '-k', self.sock, '-B', 'no',
                       self.base, check=False)
            run(server, '--fork', '-t', '-k', self.sock, '-x', 'e', '-r', '-A',
                '-B', 'p', '-B', 'pd', f'--pid-file={pid}', self.base)
            seen.append([fail.returncode, fail.stdout])
            for client in OUR_NBD, ORACLE_NBD:
                seen[-1].append(run(client, '--list', '-k', self.sock).stdout)
            with open(pid) as f:
                number = int(f.read())
            os.kill(number, 15)
            self.wait_end(number)
        self.assertEqual(*seen)
        self.clean(self.base)


if __name__ == '__main__':
    unittest.main()
