#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Files on an NFS server: bytes, sizes, options, what a server can get wrong,
and QEMU 7.2's messages. The server is nfslib's, in a network namespace."""

import os
import random
import re
import subprocess
import tempfile
import unittest

import blocklib as b
import nfslib
from daemonlib import ORACLE_DAEMON, OUR_DAEMON, Storage

KiB, MiB = 1 << 10, 1 << 20
IMG = os.path.join(b.BUILD, 'qemu-img')
IO = os.path.join(b.BUILD, 'qemu-io')
ORACLE = b.HAVE_ORACLE and os.path.exists(
    '/usr/lib/x86_64-linux-gnu/qemu/block-nfs.so')
URL = 'nfs://127.0.0.1'
OPTS = 'driver=nfs,server.type=inet,server.host=127.0.0.1,path=/d/f'
HAVE_MODULE = os.path.exists(os.path.join(b.BUILD, 'block-nfs.so'))


def normal(text):
    """Without what the tools are called, times, and libnfs' own messages."""
    text = re.sub(r'^/?\S*(qemu-\w+):', r'\1:', text, flags=re.M)
    text = re.sub(r'.*NFS Error: .*\n', '', text)
    text = re.sub(r'^libnfs:.*\n', '', text, flags=re.M)
    return re.sub(r'; \S+ sec.*', '', text)


class Nfs(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory(prefix='nemu-nfs-')
        self.addCleanup(self.tmp.cleanup)
        os.mkdir(self.path('d'))
        self.server = nfslib.Server(self.tmp.name)
        self.addCleanup(self.server.stop)
        self.data = random.Random(11).randbytes(3 * MiB)
        self.fill()

    def path(self, *names):
        return os.path.join(self.tmp.name, *names)

    def fill(self):
        with open(self.path('d', 'f'), 'wb') as f:
            f.write(self.data)

    def content(self, name='f'):
        with open(self.path('d', name), 'rb') as f:
            return f.read()

    def run_tool(self, tool, *args):
        return subprocess.run([tool, *args], text=True, timeout=120,
                              stdin=subprocess.DEVNULL, capture_output=True)

    def each(self, tool, *args, mode='', prepare=None):
        """What ours says, the same as 7.2's, and what is in the file then."""
        seen = []
        tools = [IMG if tool == 'img' else IO]
        if ORACLE:
            tools.append(b.ORACLE_IMG if tool == 'img' else b.ORACLE_IO)
        for program in tools:
            (prepare or self.fill)()
            self.server.mode = mode
            done = self.run_tool(program, *args)
            self.server.mode = ''
            seen.append((normal(done.stdout), normal(done.stderr),
                         done.returncode, self.content()))
        for other in seen[1:]:
            self.assertEqual(seen[0], other, args)
        return seen[0]

    def test_reads_and_writes(self):
        said = self.each('io', '-f', 'raw', '-c', 'write -P 5 1M 1M', '-c',
                         'flush', '-c', 'read -P 5 1M 1M', '-c',
                         'write -z 2M 64k', '-c', 'discard 0 1M', '-c',
                         'length', URL + '/d/f')
        self.assertNotRegex(said[0] + said[1], 'Pattern|failed')
        self.assertIn('commit', self.server.calls)
        expected = (self.data[:MiB] + bytes([5]) * MiB + bytes(64 * KiB) +
                    self.data[2 * MiB + 64 * KiB:])
        self.assertTrue(said[3] == expected)

    def test_converts(self):
        for args in (['-f', 'raw', URL + '/d/f', self.path('out')],
                     ['-f', 'raw', self.path('out'), URL + '/d/copy']):
            done = self.run_tool(IMG, 'convert', '-O', 'raw', *args)
            self.assertEqual(done.stderr, '')
        self.assertTrue(self.content('copy') == self.data)

    def test_qcow2(self):
        q = URL + '/d/q'
        for line in (('img', 'create', '-f', 'qcow2', q, '1G'),
                     ('io', '-c', 'write -P 9 300M 3M', '-c',
                      'read -P 9 300M 3M', q),
                     ('img', 'check', q), ('img', 'info', q)):
            said = self.each(*line)
            self.assertEqual((said[1], said[2]), ('', 0))

    def test_making_and_resizing(self):
        for args in (['create', '-f', 'raw', URL + '/d/f', '3M'],
                     ['create', '-f', 'raw', URL + '/d/f', '1000'],
                     ['create', '-f', 'nfs', '-o', 'help', URL + '/d/f'],
                     ['create', '-f', 'raw', '-o', 'preallocation=full',
                      URL + '/d/f', '1M'],
                     ['resize', '-f', 'raw', URL + '/d/f', '5M'],
                     ['resize', '-f', 'raw', '--shrink', URL + '/d/f', '1M'],
                     ['resize', '-f', 'raw', '--preallocation=full',
                      URL + '/d/f', '5M'],
                     ['create', '-f', 'raw', URL + '/none/x', '1M']):
            self.each('img', *args)
        self.each('img', 'resize', '-f', 'raw', URL + '/d/f', '5M', mode='full')
        self.each('img', 'measure', '-O', 'nfs', '--size', '1M')
        os.unlink(self.path('d', 'f'))
        self.run_tool(IMG, 'create', '-f', 'raw', URL + '/d/f', '2M')
        self.assertTrue(self.content() == bytes(2 * MiB))

    def test_information(self):
        for url in ('/d/f', '/d/f?uid=7&gid=8', '/d/f?uid=7', '/d/f?gid=8'):
            said = self.each('img', 'info', '-f', 'raw', URL + url)
            self.assertIn('disk size: 3', said[0])
        self.assertEqual(self.server.ids[1], 8)
        self.each('img', 'map', '--output=json', '-f', 'raw', URL + '/d/f')

    def test_who_asks(self):
        self.run_tool(IMG, 'info', URL + '/d/f?uid=7&gid=8')
        self.assertEqual(self.server.ids, (7, 8))
        self.run_tool(IMG, 'info', URL + '/d/f')
        self.assertEqual(self.server.ids, (os.getuid(), os.getgid()))

    def test_bad_names(self):
        for url in ('nfs://', 'nfs://h', 'nfs:foo', URL + '/d/none',
                    URL + '/none/x', URL + '/d/f?foo=1', URL + '/d/f?uid=x',
                    URL + '/d/f?uid'):
            self.assertEqual(self.each('img', 'info', url)[2], 1, url)

    def test_options(self):
        for more in ('', ',readahead-size=65536', ',page-cache-size=16',
                     ',readahead-size=65536,cache.direct=on',
                     ',page-cache-size=16,cache.direct=on', ',debug=1',
                     ',user=5,group=6', ',page-cache-size=5000',
                     ',readahead-size=9999999', ',debug=3'):
            self.each('io', '--image-opts', '-c', 'write -P 5 0 512k', '-c',
                      'read -P 5 0 512k', OPTS + more)
        for more in (',user=-1', ',page-cache-size=-1', ',debug=-1'):
            self.assertIn('out of range',
                          self.run_tool(IMG, 'info', '--image-opts',
                                        OPTS + more).stderr)

    def test_failing_servers(self):
        for mode, line in (('full', 'write -P 5 0 1M'),
                           ('write-error', 'write -P 5 0 1M'),
                           ('read-error', 'read 0 1M')):
            said = self.each('io', '-f', 'raw', '-c', line, URL + '/d/f',
                             mode=mode)
            self.assertRegex(said[0] + said[1], 'failed|error')
            self.assertTrue(said[3] == self.data)
        said = self.each('io', '-f', 'raw', '-c', 'write 0 4k', '-c', 'flush',
                         URL + '/d/f', mode='commit-error')
        self.assertEqual(said[2], 1)
        self.server.read_only = True
        self.each('io', '-f', 'raw', '-c', 'write 0 1M', URL + '/d/f')

    def test_servers_that_do_less_at_a_time(self):
        for mode, line in (('short-reads', 'read -v 1000 3000'),
                           ('short-writes', 'write -P 5 0 300k'),
                           ('cut-read', 'read -v 1000 3000'),
                           ('cut-write', 'write -P 5 0 300k')):
            said = self.each('io', '-f', 'raw', '-c', line, URL + '/d/f',
                             mode=mode)
            self.assertEqual(said[2], 0, mode)

    def test_hostile_servers(self):
        for mode in ('long-reads', 'garbage-read', 'garbage-write',
                     'garbage-commit', 'garbage-getattr', 'garbage-lookup',
                     'garbage-fsinfo'):
            self.server.mode = mode
            done = self.run_tool(IO, '-f', 'raw', '-c', 'read 0 64k', '-c',
                                 'write 0 64k', '-c', 'flush', URL + '/d/f')
            self.assertEqual(done.returncode, 1, (mode, done))

    def test_blockdev_create(self):
        location = {'server': {'type': 'inet', 'host': '127.0.0.1'},
                    'path': '/d/made'}
        outcomes = []
        for program in filter(None, (OUR_DAEMON, ORACLE and ORACLE_DAEMON)):
            seen = []
            daemon = Storage(self.tmp.name, program)
            self.addCleanup(daemon.close)
            for more in ({'size': 3 * MiB}, {'size': 1001}, {'size': 0}, {},
                         {'size': MiB, 'preallocation': 'full'},
                         {'size': MiB, 'location': {
                             **location, 'path': '/none/x'}},
                         {'size': 2 * MiB, 'location': {
                             **location, 'user': 7, 'group': 8}},
                         {'size': MiB, 'location': {
                             **location, 'path': '/d'}}):
                how = daemon.create(**{'driver': 'nfs', 'location': location,
                                       **more})
                seen.append((more, how, len(self.content('made'))))
            seen.append(daemon.create(driver='nfs', size=1))
            daemon.do('blockdev-add', **{'driver': 'nfs', 'node-name': 'n',
                                         **location})
            daemon.do('block_resize', **{'node-name': 'n', 'size': 5 * MiB})
            self.assertEqual(len(self.content('made')), 5 * MiB)
            outcomes.append(seen)
            os.unlink(self.path('d', 'made'))
        self.assertEqual(outcomes[0], outcomes[-1])
        self.assertEqual([size for *_, size in outcomes[0][:3]],
                         [3 * MiB, 1001, 0])


if __name__ == '__main__':
    if HAVE_MODULE and not nfslib.enter_namespace():
        HAVE_MODULE = False
    Nfs = unittest.skipUnless(
        HAVE_MODULE, 'needs block-nfs, and a network namespace')(Nfs)
    unittest.main()
