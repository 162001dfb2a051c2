#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Images made to harm: what they may make us open, and how much memory they may
make us take. QEMU 7.2 opens the same."""

import os
import struct
import subprocess
import tempfile
import unittest

import blocklib as b

KiB, MiB = 1 << 10, 1 << 20
OUR_IMG = os.path.join(b.BUILD, 'qemu-img')
# Of the heap, in ASan's builds too.
ENV = dict(os.environ, ASAN_OPTIONS='quarantine_size_mb=1:' +
           os.environ.get('ASAN_OPTIONS', ''))
LIMIT = 64 * MiB


def be(fmt, *values):
    return struct.pack('>' + fmt, *values)


class Image:
    """A sparse file with clusters where the test puts them."""

    def __init__(self, path, bits, size, l1_entries):
        self.f = open(path, 'w+b')
        self.cluster, self.size, self.bits = 1 << bits, size, bits
        self.l1_entries, self.next = l1_entries, 0
        self.extensions, self.autoclear, self.snapshots = b'', 0, (0, 0)
        self.space(self.cluster)

    def space(self, length):
        at = self.next
        self.next += -(-length // self.cluster) * self.cluster
        return at

    def put(self, data, at=None):
        at = self.space(len(data)) if at is None else at
        self.f.seek(at)
        self.f.write(data)
        return at

    def count(self, table):
        """A count of 1 for all that there is, and for what this takes."""
        per_block = self.cluster // 2
        used, blocks = self.next >> self.bits, 0
        while blocks * per_block < used + blocks:
            blocks += 1
        first = self.space(blocks * self.cluster)
        self.put(be('H', 1) * (used + blocks), first)
        self.put(b''.join(be('Q', first + i * self.cluster)
                          for i in range(blocks)), table)

    def finish(self, reftable=1, entries=None):
        """The header; counts of zero unless there are @entries (which, index) of
        the L1 and the refcount table, which tell of the second free
        cluster: where the guest's data will go."""
        l1 = self.space(self.l1_entries * 8)
        table = self.space(reftable * self.cluster)
        if entries:
            self.count(table)
            for which, index in entries:
                self.put(be('Q', self.next + self.cluster),
                         (l1 if which == 'l1' else table) + index * 8)
        self.put(be('4sIQIIQIIQQIIQ', b'QFI\xfb', 3, 0, 0, self.bits, self.size,
                    0, self.l1_entries, l1, table, reftable, *self.snapshots)
                 + be('QQQII', 0, 0, self.autoclear, 4, 104) + self.extensions,
                 0)
        self.f.truncate(self.next)
        self.f.close()


class Case(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory(prefix='nemu-hostile-')
        self.addCleanup(tmp.cleanup)
        self.dir = tmp.name

    def path(self, name):
        return os.path.join(self.dir, name)


class MemoryTest(Case):
    def peak(self, *args):
        """Bytes of memory at the most, and the exit status."""
        with subprocess.Popen([OUR_IMG, *args], cwd=self.dir, env=ENV,
                              stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as p:
            _, status, usage = os.wait4(p.pid, 0)
            p.returncode = os.waitstatus_to_exitcode(status)
        return usage.ru_maxrss * KiB, p.returncode

    def modest(self, *commands):
        """Each takes no more than with an empty image, and the limit."""
        b.run(OUR_IMG, 'create', '-q', '-f', 'qcow2', self.path('empty'), '1M')
        for command in commands:
            usual, _ = self.peak(*command, 'empty')
            peak, status = self.peak(*command, 'a')
            self.assertIn(status, (0, 2, 3), command)
            self.assertLess(peak - usual, LIMIT, command)

    def bitmaps(self, tables, flags=0, names=1):
        """512 GiB with bitmaps of 128 MiB each."""
        image = Image(self.path('a'), 16, 1 << 39, 1024)
        image.autoclear = 1
        places = [image.put(b''.join(be('Q', t) for t in table))
                  for table in tables(image)]
        entries = b''
        for i in range(names):
            name = b'%08d' % i
            entries += be('QIIBBHI', places[i % len(places)], 2048, flags, 1, 9,
                          len(name), 0) + name
        at = image.put(entries)
        image.extensions = be('IIIIQQ', 0x23852875, 24, names, 0, len(entries),
                              at)
        image.finish()

    def test_bitmap_of_ones(self):
        self.bitmaps(lambda image: [[1] * 2048])
        self.modest(['info'], ['check'])

    def test_bitmap_of_one_cluster_over_and_over(self):
        def tables(image):
            data = image.put(b'\x5a' * 65536)
            return [[data] * 2048]
        self.bitmaps(tables)
        self.modest(['info'], ['check'])

    def test_many_bitmaps_that_nobody_kept_up(self):
        self.bitmaps(lambda image: [[1] * 2048], flags=1, names=100)
        self.modest(['info'], ['check'])

    def test_bitmaps_with_the_same_table(self):
        def tables(image):
            return [[image.put(bytes([n]) * 65536) if n else 1
                     for n in range(8)] * 256]
        self.bitmaps(tables, names=2)
        self.modest(['info'], ['check'])

    def test_tables_as_large_as_they_may_be(self):
        # 32 MiB of L1 table, as much of a snapshot's, 8 MiB of refcounts.
        image = Image(self.path('a'), 9, 128 << 30, 4 * MiB)
        l1 = image.space(32 * MiB)
        entry = be('QIHHIIQIIQQ', l1, 4 * MiB, 1, 4, 0, 0, 0, 0, 16, 0,
                   128 << 30) + b'1name'
        image.snapshots = 1, image.put(entry)
        image.finish(reftable=16384)
        self.modest(['info'], ['check'], ['snapshot', '-l'])

    def test_more_snapshots_than_the_file_holds(self):
        image = Image(self.path('a'), 9, MiB, 32)
        image.snapshots = 65536, image.space(512)
        image.finish()
        self.modest(['info'], ['check'])
        self.assertIn('failed to read the snapshot table', b.run(
            OUR_IMG, 'check', self.path('a'), check=False).stdout)

    def test_snapshots_with_long_names_of_nothing(self):
        image = Image(self.path('a'), 16, MiB, 1)
        entry = 40 + 2 * 65535 + 6
        at = image.space(500 * entry)
        for i in range(500):
            image.put(be('QIHHIIQII', 0, 0, 65535, 65535, 0, 0, 0, 0, 0),
                      at + i * entry)
        image.snapshots = 500, at
        image.finish()
        self.modest(['info'], ['snapshot', '-l'])


@unittest.skipUnless(b.HAVE_ORACLE, "needs Debian's qemu-utils")
class OverlapTest(Case):
    """A free cluster is metadata of which a long table tells."""

    def refused(self, words, where):
        for tool in b.OUR_IO, b.ORACLE_IO:
            image = Image(self.path('a'), 9, 100000 << 15, 100000)
            image.finish(reftable=1100, entries=[where])
            p = b.run(tool, '-c', 'write 0 512', self.path('a'), check=False)
            with self.subTest(where=where, tool=tool):
                self.assertRegex(p.stdout, 'Preventing invalid .*' + words)

    def test_far_entries_of_long_tables(self):
        for index in 1, 65535, 65536, 99999:
            self.refused('active L2 table', ('l1', index))
        for index in 30, 65535, 65536, 70000:
            self.refused('refcount block', ('refcounts', index))


@unittest.skipUnless(b.HAVE_ORACLE, "needs Debian's qemu-utils")
class ReferenceTest(Case):
    """What a crafted header names as its backing file is what 7.2 opens."""

    def craft(self, name, fmt=None):
        b.create(self.path('a'), 64 * KiB)
        with open(self.path('a'), 'r+b') as f:
            if fmt:
                data = fmt.encode()
                f.seek(112)
                f.write(be('II', 0xe2792aca, len(data)) +
                        data.ljust(-(-len(data) // 8) * 8, b'\0') + bytes(8))
            f.seek(1024)
            f.write(name.encode())
            f.seek(8)
            f.write(be('QI', 1024, len(name.encode())))

    def outcome(self, tool):
        """What a conversion prints and makes."""
        p = b.run(tool, 'convert', '-O', 'raw', 'a', 'out', check=False,
                  cwd=self.dir)
        data = None
        if os.path.exists(self.path('out')):
            with open(self.path('out'), 'rb') as f:
                data = f.read()
            os.unlink(self.path('out'))
        return p.returncode, p.stdout, data if p.returncode == 0 else None

    def same(self, name, fmt=None, opens=None, words=True):
        self.craft(name, fmt)
        ours, theirs = self.outcome(OUR_IMG), self.outcome(b.ORACLE_IMG)
        with self.subTest(name=name, fmt=fmt):
            self.assertEqual(ours[0::2], theirs[0::2], ours[1] + theirs[1])
            if words:
                self.assertEqual(ours[1], theirs[1])
            if opens is not None:
                self.assertEqual(ours[0] == 0, opens, ours[1])

    def setUp(self):
        super().setUp()
        with open(self.path('raw'), 'wb') as f:
            f.write(b'\x11' * 65536)
        b.create(self.path('image'), 64 * KiB)
        b.run(b.ORACLE_IO, '-c', 'write -P 0x22 0 64k', self.path('image'))
        os.mkdir(self.path('sub'))
        with open(self.path('sub/raw'), 'wb') as f:
            f.write(b'\x33' * 65536)

    def test_paths(self):
        for name in ('raw', './raw', 'sub/raw', 'sub/../raw', 'file:raw',
                     self.path('raw'), 'file:' + self.path('sub/raw')):
            for fmt in None, 'raw':
                self.same(name, fmt, opens=True)
        for name in ('nothing', self.path('nothing'), 'sub', '/', 'nosuch:raw',
                     'a:b/raw', 'file:', './nosuch:raw'):
            for fmt in None, 'raw':
                self.same(name, fmt, opens=False)

        self.same('host_device:raw', opens=False, words=False)

    def test_json(self):
        for name in ('json:{"driver": "null-co", "read-zeroes": true}',
                     'json:{"driver": "file", "filename": "%s"}'
                     % self.path('raw'),
                     'json:{"driver": "file", "filename": "raw"}',
                     'json:{"file.driver": "file", "file.filename": "raw"}',
                     'json:{"driver": "raw", "file": {"driver": "file", '
                     '"filename": "raw"}}',
                     'json:{"driver": "qcow2", "file.filename": "image"}',
                     'json:{"driver": "raw", "offset": 512, "size": 1024, '
                     '"file.filename": "raw"}'):
            self.same(name)
        # Words about wrong options are our own.
        for name in ('json:', 'json:{', 'json:[]', 'json:{}', 'json:"raw"',
                     'json:{"driver": "nosuch"}',
                     'json:{"driver": "file"}',
                     'json:{"driver": "file", "filename": "nothing"}',
                     'json:{"driver": "null-co", "no": 1}'):
            self.same(name, opens=False, words=False)

    def test_probing_and_formats(self):
        # What is probed, and what the header calls raw.
        self.same('image', opens=True)
        self.same('image', 'qcow2', opens=True)
        self.same('image', 'raw', opens=True)
        self.same('raw', 'qcow2', opens=False)
        for fmt in 'nosuch', 'file', 'RAW', 'raw ':
            self.same('raw', fmt)

    def test_networks(self):
        socket = self.path('s')
        for name in ('nbd:unix:' + socket, 'nbd+unix:///?socket=' + socket,
                     'nbd:unix:%s:exportname=x' % socket,
                     'json:{"driver": "nbd", "server.type": "unix", '
                     '"server.path": "%s"}' % socket):
            self.same(name, opens=False)
        with subprocess.Popen([os.path.join(b.BUILD, 'qemu-nbd'), '-r', '-t',
                               '-e', '4', '-f', 'raw', '-k', socket,
                               self.path('raw')]) as server:
            try:
                while not os.path.exists(socket):
                    self.assertIsNone(server.poll())
                for name in ('nbd:unix:' + socket,
                             'nbd+unix:///?socket=' + socket):
                    self.same(name, opens=True)
            finally:
                server.terminate()


if __name__ == '__main__':
    unittest.main()
