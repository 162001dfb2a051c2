#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-nbd as a server: beside QEMU 7.2's for the same clients, and alone
with clients that do not keep to the protocol."""

import os
import signal
import socket
import struct
import subprocess
import tempfile
import time
import unittest

import nbdlib as nbd
from blocklib import (HAVE_ORACLE, ORACLE_IMG, ORACLE_IO, OUR_IMG, OUR_IO,
                      run)
from nbdlib import Client, Server

SIZE = 4 << 20


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = folder.name
        self.img = self.make('img')

    def make(self, name):
        """1 MiB of data at 1 MiB, else a hole."""
        path = os.path.join(self.dir, name)
        with open(path, 'wb') as f:
            f.truncate(SIZE)
            f.seek(1 << 20)
            f.write(bytes(range(256)) * 4096)
        return path

    def serve(self, *args, **kw):
        server = Server(self.dir, *(args or ('-t', '-f', 'raw', self.img)),
                        **kw)
        server.__enter__()
        self.addCleanup(server.__exit__)
        return server


@unittest.skipUnless(HAVE_ORACLE and nbd.ORACLE_NBD, 'needs qemu-utils')
class BesideOracle(Case):
    """The same commands to both servers print the same."""

    def both(self, make, server_args, commands):
        out = []
        for tool in nbd.ORACLE_NBD, nbd.OUR_NBD:
            path = make()
            text = ''
            with Server(self.dir, '-t', '-e0', *server_args, path,
                        tool=tool) as s:
                for args in commands:
                    p = run(*[a.replace('URI', s.uri('x')) for a in args],
                            check=False)
                    text += f'{p.returncode}\n' + '\n'.join(
                        line for line in p.stdout.splitlines()
                        if 'ops' not in line)
            self.assertEqual(s.status, 0)
            with open(path, 'rb') as f:
                out.append((text, f.read() if '-f' in server_args and
                            'raw' in server_args else None))
        self.assertEqual(out[1], out[0])

    IO = [ORACLE_IO, '-f', 'raw', '-c', 'read -P 0 0 64k',
          '-c', 'write -P 5 100 5000', '-c', 'read -P 5 100 5000',
          '-c', 'write -z 1M 512k', '-c', 'read -P 0 1M 512k',
          '-c', 'write -z -u 2M 64k', '-c', 'discard 3M 64k',
          '-c', 'write -f -P 9 0 1', '-c', 'flush', '-c', 'read 4M 512',
          '-c', 'aio_write -P 3 64k 64k', '-c', 'aio_flush',
          '-c', 'aio_read 64k 64k', '-c', 'aio_flush', 'URI']

    def test_raw_file(self):
        self.both(lambda: self.make('r'), ['-f', 'raw', '-x', 'x'], [self.IO])

    @unittest.skipUnless(nbd.NBDINFO, 'needs libnbd-bin')
    def test_libnbd_sees_the_same_export(self):
        self.both(lambda: self.make('r'),
                  ['-f', 'raw', '-x', 'x', '-D', 'some text'],
                  [[nbd.NBDINFO, 'URI'], [nbd.NBDINFO, '--list', 'URI'],
                   [nbd.NBDINFO, '--map', 'URI']])

    @unittest.skipUnless(nbd.NBDINFO, 'needs libnbd-bin')
    def test_size_is_in_whole_sectors(self):
        def odd():
            path = self.make('r')
            os.truncate(path, 70000)
            return path
        self.both(odd, ['-f', 'raw', '-x', 'x'],
                  [[nbd.NBDINFO, 'URI'], [nbd.NBDINFO, '--map', 'URI'],
                   [ORACLE_IO, '-f', 'raw', '-c', 'read 69632 512',
                    '-c', 'write -P 3 70050 50', '-c', 'read -P 3 70050 50',
                    '-c', 'map', 'URI']])

    @unittest.skipUnless(nbd.NBDINFO, 'needs libnbd-bin')
    def test_read_only(self):
        self.both(lambda: self.make('r'), ['-r', '-f', 'raw', '-x', 'x'],
                  [[nbd.NBDINFO, 'URI'],
                   [ORACLE_IO, '-f', 'raw', '-r', '-c', 'read 1M 4k', 'URI']])

    @unittest.skipUnless(nbd.NBDINFO, 'needs libnbd-bin')
    def test_qcow2_chain_with_allocation_depth(self):
        base = os.path.join(self.dir, 'base')
        top = os.path.join(self.dir, 'top')

        def make():
            run(ORACLE_IMG, 'create', '-q', '-f', 'qcow2', base, '8M')
            run(ORACLE_IO, '-c', 'write 0 1M', '-c', 'write -z 2M 1M', base)
            run(ORACLE_IMG, 'create', '-q', '-f', 'qcow2', '-b', base, '-F',
                'qcow2', top, '10M')
            run(ORACLE_IO, '-c', 'write 256k 64k', '-c', 'write -z 512k 64k',
                top)
            return top

        self.both(make, ['-f', 'qcow2', '-A', '-x', 'x'],
                  [[nbd.NBDINFO, '--map', 'URI'],
                   [nbd.NBDINFO, '--map=qemu:allocation-depth', 'URI'],
                   [nbd.NBDINFO, 'URI'], self.IO])

    @unittest.skipUnless(nbd.NBDCOPY, 'needs libnbd-bin')
    def test_nbdcopy_with_four_connections(self):
        s = self.serve('-t', '-e0', '-f', 'raw', self.img)
        out = os.path.join(self.dir, 'out')
        run(nbd.NBDCOPY, '-C', '4', s.uri(), out)
        with open(out, 'rb') as a, open(self.img, 'rb') as b:
            self.assertEqual(a.read(), b.read())
        with open(out, 'wb') as f:
            f.write(os.urandom(SIZE))
        run(nbd.NBDCOPY, '-C', '4', '--flush', out, s.uri())
        with open(out, 'rb') as a, open(self.img, 'rb') as b:
            self.assertEqual(a.read(), b.read())


class Handshake(Case):
    def test_list(self):
        s = self.serve('-t', '-f', 'raw', '-x', 'vol', '-D', 'text', self.img)
        with Client(s.path) as c:
            self.assertEqual(c.ask(nbd.OPT_LIST),
                             [(nbd.REP_SERVER, b'\0\0\0\3voltext'),
                              (nbd.REP_ACK, b'')])
            self.assertEqual(c.ask(nbd.OPT_LIST, b'x')[0][0], nbd.ERR_INVALID)

    def test_export_name_with_and_without_zeroes(self):
        s = self.serve()
        for flags, rest in (3, 0), (1, 124), (0, 124):
            with Client(s.path, flags) as c:
                c.option(nbd.OPT_EXPORT_NAME)
                size, _ = struct.unpack('>QH', c.recv(10))
                self.assertEqual(size, SIZE)
                self.assertEqual(c.recv(rest), bytes(rest))
                self.assertEqual(c.do(nbd.FLUSH), 0)

    def test_unknown_names(self):
        s = self.serve()
        with Client(s.path) as c:
            got = c.ask(nbd.OPT_GO, b'\0\0\0\1y\0\0')
            self.assertEqual(got[0][0], nbd.ERR_UNKNOWN)
            c.go()
            self.assertEqual(c.size, SIZE)
        with Client(s.path) as c:
            c.option(nbd.OPT_EXPORT_NAME, b'y')
            self.assertTrue(c.at_end())

    def test_contexts(self):
        s = self.serve('-t', '-A', '-f', 'raw', self.img)
        with Client(s.path) as c:
            query = nbd.meta_query(b'', [])
            self.assertEqual(c.ask(nbd.OPT_LIST_META, query)[0][0],
                             nbd.ERR_INVALID)
            self.assertEqual(c.ask(nbd.OPT_STRUCTURED), [(nbd.REP_ACK, b'')])
            for queries, names in (
                    ([], ['base:allocation', 'qemu:allocation-depth']),
                    (['base:'], ['base:allocation']),
                    (['qemu:', 'zork:'], ['qemu:allocation-depth']),
                    (['base:zork'], [])):
                got = c.ask(nbd.OPT_LIST_META, nbd.meta_query(b'', queries))
                self.assertEqual([d[4:].decode() for _, d in got[:-1]], names)
            got = c.ask(nbd.OPT_SET_META, nbd.meta_query(b'', ['base:']))
            self.assertEqual(got, [(nbd.REP_ACK, b'')])

    def test_malformed_options_get_an_error_and_the_next_one_works(self):
        s = self.serve()
        with Client(s.path) as c:
            self.assertEqual(c.ask(nbd.OPT_STRUCTURED), [(nbd.REP_ACK, b'')])
            for opt, data, kind in (
                    (99, b'', nbd.ERR_UNSUP),
                    (nbd.OPT_STARTTLS, b'', nbd.ERR_POLICY),
                    (nbd.OPT_STRUCTURED, b'', nbd.ERR_INVALID),
                    (nbd.OPT_GO, b'', nbd.ERR_INVALID),
                    (nbd.OPT_GO, b'\xff\xff\xff\xff\0\0', nbd.ERR_INVALID),
                    (nbd.OPT_GO, b'\0\0\0\1\0\0\0', nbd.ERR_INVALID),
                    (nbd.OPT_GO, b'\0\0\0\0\0\7', nbd.ERR_INVALID),
                    (nbd.OPT_GO, b'\0\0\0\0\0\0x', nbd.ERR_INVALID),
                    (nbd.OPT_SET_META, b'\0\0\0\0\xff\xff\xff\xff',
                     nbd.ERR_INVALID),
                    (nbd.OPT_SET_META, nbd.meta_query(b'', ['a']) + b'x',
                     nbd.ERR_INVALID),
                    (nbd.OPT_INFO, bytes(70000), nbd.ERR_TOO_BIG)):
                got = c.ask(opt, data)
                self.assertEqual([k for k, _ in got], [kind], (opt, data[:9]))
            c.go()

    def test_what_ends_the_conversation(self):
        s = self.serve('-t', '-e0', '-f', 'raw', self.img)
        with Client(s.path, 0x80000000) as c:
            self.assertTrue(c.at_end())
        with Client(s.path) as c:
            c.option(nbd.OPT_GO, length=1 << 30)
            self.assertTrue(c.at_end())
        with Client(s.path) as c:
            c.send(bytes(16))
            self.assertTrue(c.at_end())
        with Client(s.path) as c:
            self.assertEqual(c.ask(nbd.OPT_ABORT), [(nbd.REP_ACK, b'')])
            self.assertTrue(c.at_end())
        with Client(s.path) as c:
            c.go()
            c.request(nbd.READ, magic=1)
            self.assertTrue(c.at_end())
        with Client(s.path) as c:
            c.go()
            c.request(nbd.WRITE, 0, 64 << 20)
            self.assertTrue(c.at_end())


class Transmission(Case):
    def test_wrong_requests_get_an_error_and_the_next_one_works(self):
        s = self.serve()
        with Client(s.path) as c:
            c.go()
            for args, error in (
                    ((nbd.READ, SIZE, 1), nbd.EINVAL),
                    ((nbd.READ, 1 << 63, 4096), nbd.EINVAL),
                    ((nbd.READ, 0, 33 << 20), nbd.EINVAL),
                    ((nbd.CACHE, 0, 33 << 20), nbd.EINVAL),
                    ((nbd.READ, 0, 512, nbd.F_DF), nbd.EINVAL),
                    ((nbd.READ, 0, 512, 0x8000), nbd.EINVAL),
                    ((nbd.WRITE, SIZE - 1, 2, 0, b'ab'), nbd.ENOSPC),
                    ((nbd.ZEROES, SIZE, 512), nbd.ENOSPC),
                    ((nbd.TRIM, SIZE, 512), nbd.EINVAL),
                    ((nbd.STATUS, 0, 512), nbd.EINVAL),
                    ((77, 0, 512), nbd.EINVAL)):
                self.assertEqual(c.do(*args), error, args)
                c.request(nbd.READ, 1 << 20, 4)
                self.assertEqual(c.simple(4), (0, b'\0\1\2\3'))

    def test_read_only_export_refuses_writes(self):
        s = self.serve('-t', '-r', '-f', 'raw', self.img)
        with Client(s.path) as c:
            c.go()
            self.assertEqual(c.do(nbd.WRITE, 0, 2, 0, b'ab'), nbd.EPERM)
            self.assertEqual(c.do(nbd.ZEROES, 0, 512), nbd.EPERM)
            self.assertEqual(c.do(nbd.TRIM, 0, 512), nbd.EPERM)
            self.assertEqual(c.do(nbd.FLUSH), 0)

    def test_structured_reads(self):
        s = self.serve()
        with Client(s.path) as c:
            c.go(structured=True)
            c.request(nbd.READ, 1 << 20, 4)
            self.assertEqual(c.chunk(), (1, 1, struct.pack('>Q', 1 << 20) +
                                         b'\0\1\2\3'))
            c.request(nbd.READ, 0, 1 << 20)
            self.assertEqual(c.chunk(), (1, 2, struct.pack('>QI', 0, 1 << 20)))
            c.request(nbd.READ, 0, 1 << 16, nbd.F_DF)
            self.assertEqual(c.chunk(), (1, 1, bytes(8 + (1 << 16))))
            c.request(nbd.READ, SIZE, 1)
            self.assertEqual(c.chunk(),
                             (1, 0x8001, struct.pack('>IH', nbd.EINVAL, 0)))

    def test_block_status(self):
        s = self.serve()
        with Client(s.path) as c:
            c.go(contexts=['base:allocation'])
            c.request(nbd.STATUS, 0, SIZE)
            done, kind, data = c.chunk()
            self.assertEqual((done, kind), (1, 5))
            self.assertEqual(data, struct.pack(
                '>7I', c.contexts['base:allocation'], 1 << 20, 3, 1 << 20, 0,
                2 << 20, 3))
            c.request(nbd.STATUS, 4096, SIZE - 4096, nbd.F_ONE)
            self.assertEqual(c.chunk()[2][4:],
                             struct.pack('>2I', (1 << 20) - 4096, 3))
            c.request(nbd.STATUS, 0, 0)
            self.assertEqual(c.chunk()[1], 0x8001)

    def test_contexts_count_for_their_export_only(self):
        s = self.serve('-t', '-x', 'a', '-f', 'raw', self.img)
        with Client(s.path) as c:
            c.ask(nbd.OPT_STRUCTURED)
            got = c.ask(nbd.OPT_SET_META,
                        nbd.meta_query(b'b', ['base:allocation']))
            self.assertEqual(got[0][0], nbd.ERR_UNKNOWN)
            c.go(b'a')
            c.structured = True
            c.request(nbd.STATUS, 0, 512)
            self.assertEqual(c.chunk()[1], 0x8001)

    def test_many_requests_at_once_and_a_client_that_does_not_read(self):
        s = self.serve('-t', '-e0', '-f', 'raw', self.img)
        with Client(s.path) as lazy, Client(s.path) as c:
            lazy.go()
            for i in range(100):
                lazy.request(nbd.READ, 0, 1 << 20, handle=i)
            c.go()
            for i in range(200):
                c.request(nbd.READ, (1 << 20) + i, 1, handle=i)
            seen = {}
            for i in range(200):
                error, data = c.simple(1)
                self.assertEqual(error, 0)
                seen[c.handle] = data[0]
            self.assertEqual(seen, {i: i for i in range(200)})

    def test_a_client_that_leaves_in_the_middle(self):
        s = self.serve('-t', '-e0', '-f', 'raw', self.img)
        for cut in 0, 10, 28, 100:
            with Client(s.path) as c:
                c.go()
                data = struct.pack('>IHHQQI', 0x25609513, 0, nbd.WRITE, 1, 0,
                                   4096) + b'z' * 4096
                c.send(data[:cut])
        with Client(s.path) as c:
            c.go()
            c.request(nbd.READ, 0, 4096)
            self.assertEqual(c.simple(4096), (0, bytes(4096)))


class Program(Case):
    def test_ends_with_the_last_client(self):
        with Server(self.dir, '-f', 'raw', self.img) as s:
            with Client(s.path) as c:
                # One that only asks does not count.
                c.ask(nbd.OPT_LIST)
                c.ask(nbd.OPT_ABORT)
                self.assertTrue(c.at_end())
            with Client(s.path) as c:
                c.go()
                c.request(nbd.DISC)
                self.assertTrue(c.at_end())
            self.assertEqual(s.proc.wait(60), 0)
        self.assertFalse(os.path.exists(s.path))

    def test_only_so_many_clients(self):
        s = self.serve('-t', '-e1', '-f', 'raw', self.img)
        with Client(s.path) as c:
            c.go()
            with socket.socket(socket.AF_UNIX) as second:
                second.connect(s.path)
                second.settimeout(0.2)
                self.assertRaises(TimeoutError, second.recv, 1)
                c.request(nbd.DISC)
                second.settimeout(60)
                self.assertEqual(second.recv(8), b'NBDMAGIC')

    def test_fork_and_pid_file(self):
        path = os.path.join(self.dir, 's')
        pid_file = os.path.join(self.dir, 'pid')
        run(nbd.OUR_NBD, '--fork', '-t', '--pid-file', pid_file, '-k', path,
            '-f', 'raw', self.img)
        with open(pid_file) as f:
            pid = int(f.read())
        with Client(path) as c:
            c.go()
        os.kill(pid, signal.SIGTERM)
        for _ in range(6000):
            if not os.path.exists(pid_file):
                break
            time.sleep(0.01)
        self.assertFalse(os.path.exists(pid_file))
        p = run(nbd.OUR_NBD, '--fork', '-k', path, '-f', 'raw',
                self.img + 'x', check=False)
        self.assertEqual(p.returncode, 1)
        self.assertIn('No such file', p.stdout)

    def test_socket_activation(self):
        path = os.path.join(self.dir, 'act')
        with socket.socket(socket.AF_UNIX) as lsock:
            lsock.bind(path)
            lsock.listen()
            # The shell's process id stays over exec.
            p = subprocess.Popen(
                ['sh', '-c', 'exec 3<&$1; shift; '
                 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"', 'sh',
                 str(lsock.fileno()), nbd.OUR_NBD, '-f', 'raw', self.img],
                pass_fds=[lsock.fileno()])
            with Client(path) as c:
                c.go()
                self.assertEqual(c.size, SIZE)
            self.assertEqual(p.wait(60), 0)

    def test_offset(self):
        s = self.serve('-t', '-o', str(1 << 20), '-f', 'raw', self.img)
        with Client(s.path) as c:
            c.go()
            self.assertEqual(c.size, SIZE - (1 << 20))
            c.request(nbd.READ, 1, 3)
            self.assertEqual(c.simple(3), (0, b'\1\2\3'))

    def test_snapshot_keeps_the_image(self):
        s = self.serve('-t', '-s', '-f', 'raw', self.img)
        with Client(s.path) as c:
            c.go()
            self.assertEqual(c.do(nbd.WRITE, 0, 2, 0, b'ab'), 0)
            c.request(nbd.READ, 0, 2)
            self.assertEqual(c.simple(2), (0, b'ab'))
        with open(self.img, 'rb') as f:
            self.assertEqual(f.read(2), b'\0\0')

    def make_snapshots(self):
        """Full of 1 in snapshot "one", of 2 in "two" and on the disk of 3."""
        path = os.path.join(self.dir, 'q')
        run(OUR_IMG, 'create', '-q', '-f', 'qcow2', path, '64k')
        for n, name in enumerate(('one', 'two', None), 1):
            run(OUR_IO, '-c', f'write -P {n} 0 64k', path)
            if name:
                run(OUR_IMG, 'snapshot', '-c', name, path)
        return path

    def test_load_snapshot(self):
        path = self.make_snapshots()
        for i, (param, value) in enumerate((
                ('one', 1), ('1', 1), ('two', 2), ('snapshot.id=2', 2),
                ('snapshot.id=1,snapshot.name=one', 1))):
            s = self.serve('-t', '-l', param, path, name=f's{i}')
            with Client(s.path) as c:
                c.go()
                c.request(nbd.READ, 0, 512)
                self.assertEqual(c.simple(512), (0, bytes([value]) * 512))
                self.assertEqual(c.do(nbd.WRITE, 0, 512, 0, bytes(512)),
                                 nbd.EPERM)

    def test_load_snapshot_that_is_not_there(self):
        path = self.make_snapshots()
        for args, text in (
                (('nope', path), "Failed to load snapshot: Can't find snapshot"),
                (('snapshot.id=1,snapshot.name=two', path), "Can't find"),
                (('snapshot.x=1', path), "Invalid parameter 'snapshot.x'"),
                (('one', '-f', 'raw', path), 'does not support temporarily')):
            p = run(nbd.OUR_NBD, '-k', os.path.join(self.dir, 's'), '-l', *args,
                    check=False)
            self.assertEqual(p.returncode, 1, args)
            self.assertIn(text, p.stdout)

    @unittest.skipUnless(nbd.ORACLE_NBD, 'needs qemu-utils')
    def test_selinux_label_that_is_none(self):
        said = [run(tool, '-k', os.path.join(self.dir, 's'), '-f', 'raw',
                    '--selinux-label=x', self.img, check=False)
                for tool in (nbd.OUR_NBD, nbd.ORACLE_NBD)]
        self.assertEqual(*((p.returncode, p.stdout.split(': ', 1)[1])
                           for p in said))

    def test_what_is_wrong_is_named(self):
        for args, text in (
                (['--cache=foo', 'f'], "Invalid cache mode `foo'"),
                (['-n', '--cache=none', 'f'], 'can only be specified once'),
                (['--aio=x', 'f'], "Invalid aio mode 'x'"),
                (['--discard=x', 'f'], "Invalid discard mode `x'"),
                (['-e', '-3', 'f'], "Invalid shared device number '-3'"),
                (['-o', '8M', 'f'], "Invalid offset '8M'"),
                (['-k', 'x', 'f'], 'socket path must be absolute'),
                (['-L', 'f'], 'incompatible with a file name'),
                (['--tls-creds=x', 'f'], "No TLS credentials with id 'x'"),
                (['-v', '-c', 'nodev', '-f', 'raw', __file__],
                 'Failed to open nodev: No such file or directory'),
                (['--image-opts', '-f', 'raw', 'f'], 'mutually exclusive'),
                ([], 'Invalid number of arguments')):
            p = run(nbd.OUR_NBD, *args, check=False, cwd=self.dir)
            self.assertEqual(p.returncode, 1, args)
            self.assertIn(text, p.stdout)


if __name__ == '__main__':
    unittest.main()
