#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Images made to harm: what they may make us open, and how much memory they may
make us take. QEMU 7.2 opens the same."""

import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

import blocklib as b

KiB, MiB = 1 << 10, 1 << 20
OUR_IMG = os.path.join(b.BUILD, 'qemu-img')
# Of the heap, in ASan's builds too.
ENV = dict(os.environ, ASAN_OPTIONS='quarantine_size_mb=1:' +
           os.environ.get('ASAN_OPTIONS', ''))
LIMIT = 64 * MiB
# A child starts with the peak of its parent: that is to be a small one.
MEASURE = """import os, sys
null = os.open('/dev/null', os.O_RDWR)
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[
    (os.POSIX_SPAWN_DUP2, null, 1), (os.POSIX_SPAWN_DUP2, null, 2)])
_, status, usage = os.wait4(pid, 0)
print(usage.ru_maxrss, os.waitstatus_to_exitcode(status))
"""


def be(fmt, *values):
    return struct.pack('>' + fmt, *values)


def sanitized():
    """Was the build told to look for misuse of memory?"""
    path = os.path.join(b.BUILD, 'meson-info', 'intro-buildoptions.json')
    with open(path) as f:
        options = {o['name']: o['value'] for o in json.load(f)}
    return options['b_sanitize'] != 'none'


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
        self.header(l1, table, reftable)

    def header(self, l1, table, reftable):
        """The last part."""
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
        done = subprocess.run([sys.executable, '-SEc', MEASURE, OUR_IMG, *args],
                              cwd=self.dir, env=ENV, check=True, timeout=60,
                              stdout=subprocess.PIPE)
        peak, status = done.stdout.split()
        return int(peak) * KiB, int(status)

    def modest(self, *commands, status=(0, 2, 3)):
        """Each takes no more than with an empty image, and the limit."""
        b.run(OUR_IMG, 'create', '-q', '-f', 'qcow2', self.path('empty'), '1M')
        for command in commands:
            usual, _ = self.peak(*command, 'empty')
            peak, got = self.peak(*command, 'a')
            self.assertIn(got, status, command)
            self.assertLess(peak - usual, LIMIT, command)

    def not_sanitized(self):
        if sanitized():
            self.skipTest('reallocating copies, small pieces are large there')

    def each_modest(self, *commands):
        """The same, each with an image that is as it was before."""
        os.rename(self.path('a'), self.path('before'))
        for command in commands:
            shutil.copy(self.path('before'), self.path('a'))
            with self.subTest(command=command):
                usual, _ = self.peak('snapshot', '-l', 'empty')
                peak, status = self.peak(*command)
                self.assertIn(status, (0, 1))
                self.assertGreater(peak - usual, LIMIT / 2)
                self.assertLess(peak - usual, LIMIT)

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

    def test_long_tables_without_zeroes(self):
        """32 MiB of L1 table, as much of a snapshot's, 8 MiB of refcounts."""
        b.create(self.path('empty'), MiB)
        for word in (1 << 8,             # nothing but a reserved bit
                     1 << 40 | 512):     # a place where nothing can be
            image = Image(self.path('a'), 16, 1 << 41, 4 * MiB)
            tables = [image.space(32 * MiB) for _ in range(2)]
            for table in tables:
                for at in range(0, 32 * MiB, MiB):
                    image.put(be('Q', word) * (MiB // 8), table + at)
            counts = image.space(8 * MiB)
            block = image.space(65536)
            image.snapshots = 1, image.put(
                be('QIHHIIQIIQQ', tables[1], 4 * MiB, 1, 4, 0, 0, 0, 0, 16, 0,
                   1 << 41) + b'1name')
            image.put(be('H', 1) * (image.next >> 16), block)
            image.put(be('Q', block), counts)
            for i in range(1, MiB, 4096):
                image.put(b''.join(be('Q', (1 << 50) + (j << 16))
                                   for j in range(i, min(i + 4096, MiB))),
                          counts + i * 8)
            image.header(tables[0], counts, 128)
            self.each_modest(
                ['info', 'a'], ['snapshot', '-c', 'x', 'a'],
                ['snapshot', '-a', 'name', 'a'],
                ['snapshot', '-d', 'name', 'a'],
                ['amend', '-o', 'compat=0.10', 'a'],
                ['amend', '-o', 'refcount_bits=32', 'a'],
                ['resize', 'a', '+1G'], ['resize', '--shrink', 'a', '-1G'],
                ['rebase', '-u', '-b', '', 'a'], ['map', 'a'],
                ['measure', '-O', 'qcow2', 'a'],
                ['convert', '-l', 'name', '-O', 'raw', 'a', 'out'],
                ['bitmap', '--add', 'a', 'b'])

    def test_table_that_grows(self):
        """By one entry: there are not two of them in memory."""
        self.not_sanitized()
        b.create(self.path('empty'), MiB)
        image = Image(self.path('a'), 16, 1 << 41, 4 * MiB - 1)
        l1, counts = image.space(32 * MiB), image.space(65536)
        for at in range(0, 32 * MiB, MiB):
            image.put(be('Q', 1 << 8) * (MiB // 8), l1 + at)
        block = image.space(65536)
        image.put(be('H', 1) * (image.next >> 16), block)
        image.put(be('Q', block), counts)
        image.header(l1, counts, 1)
        usual, _ = self.peak('resize', 'empty', '2M')
        peak, status = self.peak('resize', 'a', '2P')
        self.assertEqual(status, 0)
        self.assertLess(peak - usual, LIMIT)

    def test_references_all_over_a_long_file(self):
        """They are too many places, and few clusters in each."""
        b.create(self.path('empty'), MiB)
        for n in 1, 16:
            image = Image(self.path('a'), 16, 64 << 30, 128)
            l1, counts = image.space(65536), image.space(65536)
            for i in range(n):
                table = image.put(b''.join(
                    be('Q', ((i * 8192 + j) * 128 + 100) << 16)
                    for j in range(8192)))
                image.put(be('Q', table), l1 + i * 8)
            image.header(l1, counts, 1)
            os.truncate(self.path('a'), 1 << 40)
            usual, _ = self.peak('check', 'empty')
            peak, status = self.peak('check', 'a')
            self.assertEqual(status, 2 if n == 1 else 1)
            self.assertLess(peak - usual, LIMIT)

    def test_long_file_with_little_in_it(self):
        b.create(self.path('a'), MiB)
        os.truncate(self.path('a'), 8 << 40)
        self.modest(['check'], ['map'], ['info'])
        b.check(self.path('a'))

    def test_snapshots_with_long_names(self):
        """As much as the table may have, and more."""
        self.not_sanitized()
        for n, count in (65000, 200), (65000, 1000), (150, 65535):
            image = Image(self.path('a'), 16, MiB, 1)
            entry = be('QIHHIIQIIQQ', 0, 0, 1, n, 0, 0, 0, 0, 16, 0, MiB) +                 b'1' + b'x' * n
            entry += bytes(-len(entry) % 8)
            at = image.space(count * len(entry))
            for i in range(count):
                image.put(entry, at + i * len(entry))
            image.snapshots = count, at
            image.finish()
            self.modest(['info'], ['check'], ['snapshot', '-l'])
            self.modest(['snapshot', '-d', '2'], status=(1,))

    def test_bitmaps_with_long_names(self):
        self.not_sanitized()
        for n, extra, count in ((8, 0, 65535), (1000, 0, 8000),
                                (8, 1000000, 60)):
            image = Image(self.path('a'), 16, MiB, 1)
            image.autoclear = 1
            table = image.put(bytes(64))
            entries = b''
            at = image.next
            end = at
            for i in range(count):
                entry = be('QIIBBHI', table, 1, 5 if extra else 1, 1, 16, n,
                           extra) + bytes(extra) + (b'%d' % i).rjust(n, b'x')
                entry += bytes(-len(entry) % 8)
                image.put(entry, end)
                end += len(entry)
            image.space(end - at)
            image.extensions = be('IIIIQQ', 0x23852875, 24, count, 0, end - at,
                                  at)
            image.finish()
            self.modest(['info'], ['check'], status=(0, 1, 2))

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
