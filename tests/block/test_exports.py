#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Block exports by QMP: QEMU 7.2 answers every command the same way."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest

from blocklib import BUILD
from nbdlib import DISC, READ, WRITE, Client

OURS = os.path.join(BUILD, 'qemu-system-x86_64')
ORACLE = shutil.which('qemu-system-x86_64')


class Qmp:
    """An emulator without a machine."""

    def __init__(self, program, *args):
        self.proc = subprocess.Popen(
            [program, '-M', 'none', '-nodefaults', '-display', 'none',
             '-qmp', 'stdio', *args], text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE)
        self.events = []
        self.read()
        self('qmp_capabilities')

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        if exc[0]:
            self.proc.kill()
        self.proc.stdin.close()
        self.proc.stdout.close()
        self.proc.wait(60)

    def read(self):
        return json.loads(self.proc.stdout.readline())

    def __call__(self, command, **args):
        msg = {'execute': command,
               'arguments': {k.replace('_', '-'): v for k, v in args.items()}}
        self.proc.stdin.write(json.dumps(msg) + '\n')
        self.proc.stdin.flush()
        while True:
            reply = self.read()
            if 'event' not in reply:
                return reply
            self.note(reply)

    def note(self, event):
        self.events.append((event['event'], event.get('data')))

    def wait_event(self, name):
        while name not in [n for n, _ in self.events]:
            self.note(self.read())
        return [d for n, d in self.events if n == name]


@unittest.skipUnless(os.path.exists(OURS), 'the x86 emulator is not built')
class Exports(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = folder.name
        self.sock = os.path.join(self.dir, 's')
        self.img = os.path.join(self.dir, 'img')
        with open(self.img, 'wb') as f:
            f.write(b'0123456789abcdef' * 65536)

    def start(self, q, **more):
        q('blockdev-add', driver='file', filename=self.img, node_name='n')
        return q('nbd-server-start', addr={
            'type': 'unix', 'data': {'path': self.sock}}, **more)

    @unittest.skipUnless(ORACLE, 'needs Debian\'s qemu-system-x86')
    def test_same_answers(self):
        self.assertEqual(self.conversation(OURS), self.conversation(ORACLE))

    def conversation(self, program):
        out = []
        addr = {'type': 'unix', 'data': {'path': self.sock}}
        nbd = {'type': 'nbd', 'node_name': 'n'}
        with Qmp(program) as q:
            def say(*args, **kw):
                out.append((args, kw, q(*args, **kw)))

            q('blockdev-add', driver='file', filename=self.img, node_name='n')
            q('blockdev-add', driver='file', filename=self.img, node_name='ro',
              read_only=True)
            say('nbd-server-stop')
            say('block-export-add', id='e', **nbd)
            say('nbd-server-add', device='n')
            say('nbd-server-start', addr=addr, max_connections=3)
            say('nbd-server-start', addr=addr)
            say('block-export-add', id='e', **nbd)
            say('block-export-add', id='e', **nbd)
            say('block-export-add', id='e2', **nbd)
            say('block-export-add', id='e 2', **nbd)
            say('block-export-add', id='e2', name='x', iothread='none', **nbd)
            say('block-export-add', id='e2', type='nbd', node_name='none')
            say('block-export-add', id='e2', type='nbd', node_name='ro',
                writable=True)
            say('block-export-add', id='e2', type='nbd', node_name='ro')
            say('query-block-exports')
            say('blockdev-del', node_name='n')
            say('nbd-server-add', device='n', name='older', writable=True)
            say('nbd-server-remove', name='none')
            say('nbd-server-remove', name='older')
            say('block-export-del', id='none')
            say('block-export-del', id='e2', mode='safe')
            with Client(self.sock) as c:
                c.go(b'n')
                say('block-export-del', id='e')
                say('query-block-exports')
                say('block-export-del', id='e', mode='hard')
                self.assertTrue(c.at_end())
            q.wait_event('BLOCK_EXPORT_DELETED')
            say('nbd-server-stop')
            say('query-block-exports')
            say('blockdev-del', node_name='n')
            say('quit')
            return out, [e for e in q.events if 'EXPORT' in e[0]]

    def test_served_by_an_iothread(self):
        with Qmp(OURS, '-object', 'iothread,id=t') as q:
            self.assertNotIn('error', self.start(q))
            self.assertEqual(q('block-export-add', id='e', type='nbd',
                               node_name='n', iothread='t', writable=True,
                               fixed_iothread=True), {'return': {}})
            self.assertIn('in use', q('object-del', id='t')['error']['desc'])
            with Client(self.sock) as c:
                c.go(b'n')
                for i in range(100):
                    c.request(WRITE, i * 512, 512, data=bytes([i]) * 512,
                              handle=i)
                for i in range(100):
                    self.assertEqual(c.simple()[0], 0)
                for i in range(100):
                    c.request(READ, i * 512, 512, handle=i)
                for i in range(100):
                    error, data = c.simple(512)
                    self.assertEqual((error, data), (0, bytes([c.handle]) *
                                                     512))
                c.request(READ, 0, 1)
                q('nbd-server-stop')
                c.sock.recv(4096)
                self.assertTrue(c.at_end())
            q.wait_event('BLOCK_EXPORT_DELETED')
            self.assertEqual(q('blockdev-del', node_name='n'), {'return': {}})
            self.assertEqual(q('object-del', id='t'), {'return': {}})
            q('quit')

    def test_quit_with_clients(self):
        with Qmp(OURS) as q:
            self.start(q)
            q('block-export-add', id='e', type='nbd', node_name='n')
            with Client(self.sock) as idle, Client(self.sock) as c:
                c.go(b'n')
                for _ in range(60):
                    c.request(READ, 0, 1 << 20)
                q('quit')
                self.assertEqual(q.proc.wait(60), 0)
                self.assertTrue(idle.at_end())
        self.assertFalse(os.path.exists(self.sock))

    def test_the_size_stays_while_it_is_exported(self):
        with Qmp(OURS) as q:
            self.start(q)
            q('block-export-add', id='e', type='nbd', node_name='n',
              writable=True)
            self.assertIn('error', q('block_resize', node_name='n',
                                     size=1 << 21))
            with Client(self.sock) as c:
                c.go(b'n')
                c.request(DISC)
                self.assertTrue(c.at_end())
            q('block-export-del', id='e', mode='hard')
            self.assertEqual(q('block_resize', node_name='n', size=1 << 21),
                             {'return': {}})
            q('quit')


if __name__ == '__main__':
    unittest.main()
