#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The NBD client driver: with QEMU 7.2's server, ours and nbdkit, with servers
that go away, and with some that do not keep to the protocol."""

import os
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

import nbdlib as nbd
from blocklib import (BUILD, HAVE_ORACLE, ORACLE_IMG, OUR_IO, Io, Model,
                      rng_for, run)
from nbdlib import Server

OUR_IMG = os.path.join(BUILD, 'qemu-img')
NBDKIT = shutil.which('nbdkit')
SIZE = 4 << 20
TOOLS = [t for t in (nbd.OUR_NBD, nbd.ORACLE_NBD) if t]


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = folder.name
        self.img = os.path.join(self.dir, 'img')
        with open(self.img, 'wb') as f:
            f.truncate(SIZE)
            f.seek(1 << 20)
            f.write(bytes(range(256)) * 4096)


class Interop(Case):
    def random(self, uri, seed):
        with open(self.img, 'rb') as f:
            model = Model(SIZE, rng_for(seed), f.read())
        io = Io(uri, args=('-f', 'raw'))
        for _ in range(60):
            model.step(io)
        io.run()
        return model.data

    def test_random_requests(self):
        for tool in TOOLS:
            with self.subTest(tool), Server(
                    self.dir, '-t', '-f', 'raw', self.img, tool=tool) as s:
                data = self.random(s.uri(), 1)
            with open(self.img, 'rb') as f:
                self.assertEqual(f.read(), data)

    @unittest.skipUnless(NBDKIT, 'needs nbdkit')
    def test_nbdkit(self):
        for args in [], ['--no-sr'], ['--mask-handshake=0'], \
                ['--mask-handshake=1']:
            with self.subTest(args):
                out = run(NBDKIT, '-U', '-', *args, 'file', self.img, '--run',
                          f'{OUR_IO} -f raw -c "read -P 0 3M 64k" '
                          '-c "write -P 7 1000 70000" '
                          '-c "read -P 7 1000 70000" -c "write -z 64k 4k" '
                          '-c "read -P 0 64k 4k" -c "write -z -u 1M 64k" '
                          '-c "discard 2M 64k" -c "write -f -P 1 0 512" '
                          '-c flush "$uri"')
                self.assertNotIn('error', out.stdout)
                self.assertNotIn('failed', out.stdout)

    @unittest.skipUnless(NBDKIT, 'needs nbdkit')
    def test_block_sizes_of_the_server_are_kept(self):
        # nbdkit's policy filter refuses everything that does not fit.
        out = run(NBDKIT, '-U', '-', '--filter=blocksize-policy', 'memory',
                  '1M', 'blocksize-minimum=4096', 'blocksize-preferred=65536',
                  'blocksize-maximum=131072', 'blocksize-error-policy=error',
                  '--run', f'{OUR_IO} -f raw -c "write -P 7 1000 300000" '
                  '-c "read -P 7 1000 300000" -c "read -P 0 0 1000" "$uri"')
        self.assertNotIn('rror', out.stdout)

    def test_convert_and_map(self):
        for tool in TOOLS:
            with Server(self.dir, '-t', '-e0', '-f', 'raw', self.img,
                        tool=tool) as s:
                out = os.path.join(self.dir, 'out')
                run(OUR_IMG, 'convert', '-O', 'raw', s.uri(), out)
                with open(out, 'rb') as a, open(self.img, 'rb') as b:
                    self.assertEqual(a.read(), b.read())
                if HAVE_ORACLE:
                    self.assertEqual(
                        run(OUR_IMG, 'map', '-f', 'raw', '--output=json',
                            s.uri()).stdout,
                        run(ORACLE_IMG, 'map', '-f', 'raw', '--output=json',
                            s.uri()).stdout)

    @unittest.skipUnless(HAVE_ORACLE, 'needs qemu-utils')
    def test_names_and_messages_are_those_of_7_2(self):
        with Server(self.dir, '-t', '-e0', '-x', 'a b', '-f', 'raw',
                    self.img) as s:
            p = s.path
            for name in (f'nbd+unix:///a%20b?socket={p}',
                         f'nbd:unix:{p}:exportname=a b',
                         f'nbd:unix:{p}',
                         f'nbd+unix:///a?socket={p}',
                         'nbd+unix:///a', 'nbd:zork', 'nbd://',
                         f'nbd+unix:///a?socket={p}&x=1',
                         f'nbd+unix:///a?socket={p}x',
                         'nbd://127.0.0.1:1/x', 'nbd:127.0.0.1:1',
                         'json:{"driver":"raw","file":{"driver":"nbd",'
                         '"export":"a b","server":{"type":"unix",'
                         '"path":"%s"}}}' % p):
                ours, theirs = (run(tool, 'info', '-f', 'raw', name, check=False).stdout
                                for tool in (OUR_IMG, ORACLE_IMG))
                self.assertEqual(ours, theirs)


    def same_list(self, path):
        ours, theirs = (run(tool, '-L', '-k', path, check=False)
                        for tool in (nbd.OUR_NBD, nbd.ORACLE_NBD))
        self.assertEqual((ours.returncode, ours.stdout.splitlines()[:50]),
                         (theirs.returncode, theirs.stdout.splitlines()[:50]))
        return ours.stdout

    @unittest.skipUnless(HAVE_ORACLE, 'needs qemu-utils')
    def test_a_connection_that_is_passed(self):
        with Server(self.dir, '-t', '-f', 'raw', self.img) as s, \
                socket.socket(socket.AF_UNIX) as sock:
            sock.connect(s.path)
            p = run(OUR_IMG, 'info', '--image-opts', 'driver=raw,file.driver='
                    f'nbd,file.server.type=fd,file.server.str={sock.fileno()}',
                    pass_fds=[sock.fileno()])
            self.assertIn(f'({SIZE} bytes)', p.stdout)
        p = run(OUR_IMG, 'info', '--image-opts', 'driver=raw,file.driver=nbd,'
                'file.server.type=fd,file.server.str=999', check=False)
        self.assertTrue(p.returncode)

    @unittest.skipUnless(HAVE_ORACLE and nbd.ORACLE_NBD, 'needs qemu-utils')
    def test_images_on_an_export_of_a_given_size(self):
        """What must fit fits, what would have to grow does not."""
        said = []
        for img in OUR_IMG, ORACLE_IMG:
            with open(self.img, 'wb') as f:
                f.truncate(8 << 20)
            with Server(self.dir, '-t', '-f', 'raw', self.img,
                        tool=nbd.ORACLE_NBD) as s:
                one = []
                for line in ('create -f raw @ 4M', 'create -f raw @ 16M',
                             'create -q -f qcow2 @ 64M', 'check @', 'info @',
                             'resize @ 128M', 'snapshot -c x @', 'check @',
                             'create -q -f raw @ 1M', 'info @',
                             'resize -f raw --shrink @ 4M',
                             'resize -f raw @ 16M', 'resize -f raw @ 8M'):
                    p = run(img, *line.replace('@', s.uri()).split(),
                            check=False)
                    one.append((line, p.returncode, p.stdout))
                said.append(one)
        self.maxDiff = None
        self.assertEqual(*said)

    def test_list_of_exports(self):
        for args in ['-D', 'text', '-x', 'a'], ['-r', '-A']:
            with Server(self.dir, '-t', '-e0', *args, '-f', 'raw',
                        self.img) as s:
                self.assertIn('base:allocation', self.same_list(s.path))
        self.assertIn('No such file', self.same_list(self.img + 'x'))

    @unittest.skipUnless(HAVE_ORACLE and NBDKIT, 'needs qemu-utils, nbdkit')
    def test_list_of_nbdkits_exports(self):
        for args in [], ['--no-sr'], ['-r']:
            path = os.path.join(self.dir, 'kit')
            kit = subprocess.Popen([NBDKIT, '-f', '-U', path, *args, 'memory',
                                    '1M'])
            for _ in range(6000):
                if os.path.exists(path):
                    break
                time.sleep(0.01)
            try:
                self.assertIn('exports available: 1', self.same_list(path))
            finally:
                kit.terminate()
                kit.wait(60)
                if os.path.exists(path):
                    os.unlink(path)


class Faults(Case):
    OPTS = ('driver=raw,file.driver=nbd,file.server.type=unix,'
            'file.server.path={},file.reconnect-delay={},file.open-timeout={}')

    def io(self, path, *cmds, reconnect=0, open_timeout=0):
        """qemu-io that takes commands on its standard input."""
        return subprocess.Popen(
            [OUR_IO, '--image-opts',
             self.OPTS.format(path, reconnect, open_timeout)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, bufsize=1)

    def say(self, io, command, until):
        io.stdin.write(command + '\n')
        io.stdin.flush()
        out = ''
        while until not in out:
            c = io.stdout.read(1)
            self.assertTrue(c, out)
            out += c
        return out

    def end(self, io):
        io.stdin.close()
        io.stdout.read()
        io.stdout.close()
        io.wait(60)

    def server(self):
        return Server(self.dir, '-t', '-f', 'raw', self.img)

    def test_server_vanishes_and_comes_back(self):
        with self.server() as s:
            io = self.io(s.path, reconnect=60)
            self.say(io, 'write -P 9 0 4k', 'wrote 4096')
            s.proc.kill()
            s.proc.wait()
            os.unlink(s.path)
            io.stdin.write('aio_read -P 9 0 4k\naio_flush\n')
            io.stdin.flush()
            with self.server():
                self.say(io, 'read -P 9 0 4k', 'read 4096/4096')
                self.end(io)
                self.assertEqual(io.returncode, 0)

    def test_requests_fail_without_a_delay_and_work_again_later(self):
        with self.server() as s:
            io = self.io(s.path)
            self.say(io, 'read 0 4k', 'read 4096')
            s.proc.kill()
            s.proc.wait()
            os.unlink(s.path)
            self.say(io, 'read 0 4k', 'read failed: Input/output error')
            with self.server():
                self.say(io, 'read 1M 4k', 'read 4096')
                self.end(io)

    def test_delay_ends(self):
        with self.server() as s:
            io = self.io(s.path, reconnect=1)
            self.say(io, 'read 0 4k', 'read 4096')
            s.proc.kill()
            s.proc.wait()
            self.say(io, 'read 0 4k', 'read failed: Input/output error')
            self.end(io)

    def test_open_timeout(self):
        path = os.path.join(self.dir, 's')
        io = self.io(path, open_timeout=60)
        time.sleep(0.3)
        with self.server():
            self.say(io, 'read 1M 4k', 'read 4096')
            self.end(io)

    def hostile(self, answer):
        """qemu-io's output when the server sends @answer for the handshake's
        end and one read of 512 bytes."""
        path = os.path.join(self.dir, 'hostile')
        with socket.socket(socket.AF_UNIX) as lsock:
            lsock.bind(path)
            lsock.listen()

            def serve():
                conn, _ = lsock.accept()
                with conn:
                    answer(conn)
            thread = threading.Thread(target=serve)
            thread.start()
            p = run(OUR_IO, '--image-opts', self.OPTS.format(path, 0, 0) +
                    ',read-only=on', '-r', '-c', 'read 0 512', check=False)
            thread.join()
        os.unlink(path)
        return p

    @staticmethod
    def hello(conn, size=1 << 20, structured=True):
        """A handshake up to the transmission; the handle of the read."""
        conn.sendall(struct.pack('>QQH', 0x4e42444d41474943,
                                 0x49484156454f5054, 3))
        conn.recv(4, socket.MSG_WAITALL)
        while True:
            _, opt, n = struct.unpack('>QII', conn.recv(16,
                                                        socket.MSG_WAITALL))
            if n:
                conn.recv(n, socket.MSG_WAITALL)
            kind = nbd.REP_ACK
            if opt == nbd.OPT_STRUCTURED and not structured:
                kind = nbd.ERR_UNSUP
            if opt == nbd.OPT_GO:
                conn.sendall(struct.pack('>QIIIHQH', 0x3e889045565a9, opt,
                                         nbd.REP_INFO, 12, 0, size, 3))
            conn.sendall(struct.pack('>QIII', 0x3e889045565a9, opt, kind, 0))
            if opt == nbd.OPT_GO:
                return conn.recv(28, socket.MSG_WAITALL)[8:16]

    def test_hostile_replies_fail_the_request(self):
        def chunk(kind, data, flags=1, length=None):
            return lambda h: struct.pack(
                '>IHH', 0x668e33ef, flags, kind) + h + struct.pack(
                    '>I', len(data) if length is None else length) + data

        for reply in (
                lambda h: b'\0' * 64,
                lambda h: struct.pack('>II', 0x67446698, 0) + h + bytes(512),
                lambda h: chunk(0, b'')(b'\xff' * 8),
                chunk(0, b''),
                chunk(0, b'', flags=0),
                chunk(0, b'x'),
                chunk(1, b''),
                chunk(1, struct.pack('>Q', 0) + b'x'),
                chunk(1, struct.pack('>Q', 511) + b'xy'),
                chunk(1, struct.pack('>Q', 1 << 63) + b'xy'),
                chunk(1, b'', length=0xffffffff),
                chunk(2, struct.pack('>QI', 0, 0)),
                chunk(2, struct.pack('>QI', 0, 513)),
                chunk(2, struct.pack('>QI', 2, 512)),
                chunk(5, struct.pack('>III', 0, 512, 0)),
                chunk(0x8001, struct.pack('>IH', 0, 0)),
                chunk(0x8001, struct.pack('>IH', 5, 1)),
                chunk(0x8001, b'', length=0xffffffff),
                chunk(9, b''),
                lambda h: chunk(2, struct.pack('>QI', 0, 512), flags=0)(h) +
                chunk(2, struct.pack('>QI', 0, 512))(h)):
            p = self.hostile(lambda c: c.sendall(reply(self.hello(c))))
            self.assertIn('read failed: Input/output error', p.stdout)
        for kind, error, text in ((0x8001, 12, 'Cannot allocate memory'),
                                  (0x8fff, 28, 'No space left'),
                                  (0x8001, 999, 'Invalid argument')):
            p = self.hostile(lambda c: c.sendall(
                chunk(kind, struct.pack('>IH', error, 2) + b'ab')(
                    self.hello(c))))
            self.assertIn('read failed: ' + text, p.stdout)

    def test_good_replies_of_all_kinds(self):
        def chunks(conn):
            h = self.hello(conn)
            conn.sendall(
                struct.pack('>IHH', 0x668e33ef, 0, 1) + h +
                struct.pack('>IQ', 8 + 100, 412) + b'x' * 100 +
                struct.pack('>IHH', 0x668e33ef, 0, 2) + h +
                struct.pack('>IQI', 12, 0, 412) +
                struct.pack('>IHH', 0x668e33ef, 1, 0) + h + bytes(4))
            conn.recv(28)

        def simple(conn):
            h = self.hello(conn, structured=False)
            conn.sendall(struct.pack('>II', 0x67446698, 0) + h + bytes(512))
            conn.recv(28)

        for answer in chunks, simple:
            p = self.hostile(answer)
            self.assertIn('read 512/512 bytes', p.stdout)

    def test_hostile_handshakes_fail_the_open(self):
        hello = struct.pack('>QQH', 0x4e42444d41474943, 0x49484156454f5054, 3)
        for data, text in (
                (bytes(16), 'Bad initial magic'),
                (b'NBDMAGIC' + bytes(8), 'Bad server magic'),
                (hello[:10], 'closed the connection'),
                (hello + bytes(20), 'Unexpected option reply'),
                (hello + struct.pack('>QIII', 0x3e889045565a9, 8, 1,
                                     0xffffffff), 'too long'),
                (hello + struct.pack('>QIII', 0x3e889045565a9, 8, 7, 0),
                 'Unexpected reply')):
            def answer(conn):
                conn.sendall(data)
                conn.shutdown(socket.SHUT_WR)
                while conn.recv(4096):
                    pass
            p = self.hostile(answer)
            self.assertIn(text, p.stdout)


if __name__ == '__main__':
    unittest.main()
