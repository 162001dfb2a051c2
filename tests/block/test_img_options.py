#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-img, option by option: exit status, output and messages are those of
QEMU 7.2, and so are the images.

Each list is run by both tools, in folders that begin alike."""

import os
import re
import shlex
import unittest

import blocklib as b
from test_img import OURS, Case, run

MiB = 1 << 20


def neutral(result):
    """Without what differs from run to run."""
    code, out, err = result
    out = re.sub(r'(\s*\(\d+\.\d\d/100%\)[\r\n])+', '<progress>', out)
    out = re.sub(r'in \d+\.\d+ sec', 'in <time> sec', out)
    out = re.sub(r'disk size: .*', 'disk size: <size>', out)
    return code, out, err


class OptionCase(Case):
    """Two folders: self.path('ours') and self.path('theirs')."""

    def setUp(self):
        super().setUp()
        for name in 'ours', 'theirs':
            os.mkdir(self.path(name))

    def both_do(self, *args, tool=b.ORACLE_IMG):
        """QEMU's tool prepares both folders."""
        for name in 'ours', 'theirs':
            b.run(tool, *args, cwd=self.path(name))

    def compare(self, line):
        args = shlex.split(line)
        with self.subTest(line):
            self.assertEqual(
                neutral(run(OURS, *args, cwd=self.path('ours'))),
                neutral(run(b.ORACLE_IMG, *args, cwd=self.path('theirs'))))

    def compare_all(self, text):
        for line in text.strip().splitlines():
            self.compare(line.strip())

    def same_images(self, *names):
        for name in names:
            ours, theirs = (self.path(f'{d}/{name}') for d in
                            ('ours', 'theirs'))
            b.check(ours)
            self.assertEqual(b.content(ours), b.content(theirs), name)


class AmendTest(OptionCase):
    def setUp(self):
        super().setUp()
        self.both_do('create', '-q', '-f', 'qcow2', 'a', '10M')
        self.both_do('create', '-q', '-f', 'raw', 'r', '10M')
        self.both_do('create', '-q', '-f', 'qcow2', '-b', 'a', '-F', 'qcow2',
                     'ov')
        self.both_do('-c', 'write -P 3 1M 2M', '-c', 'write -z 2M 512k', 'a',
                     tool=b.ORACLE_IO)
        self.both_do('-c', 'write -P 4 2M 1M', '-c', 'write -z 1M 512k', 'ov',
                     tool=b.ORACLE_IO)

    def test_words(self):
        self.compare_all('''
            amend -f qcow2 -o help
            amend
            amend a
            amend -o compat=0.10
            amend -o compat=0.10 a b
            amend -o compat=foo a
            amend -o foo=foo a
            amend -o refcount_bits=128 a
            amend -p -o refcount_bits=3 a
            amend -o refcount_bits=8,compat=0.10 a
            amend -o refcount_bits=foo a
            amend -o refcount_bits=0 a
            amend -o lazy_refcounts=foo a
            amend -o lazy_refcounts=on,compat=0.10 a
            amend -o cluster_size=4k a
            amend -o preallocation=full a
            amend -o compression_type=zstd a
            amend -o backing_file=r,backing_fmt=raw a
            amend -o backing_fmt=raw a
            amend -o data_file=x a
            amend -o data_file_raw=on a
            amend -o encrypt.state=active a
            amend -f raw -o size=3M r
            amend -o size=3M r
            amend -f raw -o help
            amend -o help
            amend -o help a
            amend -f foo -o help r
            amend -f foo -o size=1M a
            amend -o size=1M nofile
            amend -t foo -o lazy_refcounts=off a
            amend -U -o lazy_refcounts=off a
            amend -o lazy_refcounts=off, a
            amend -o ,lazy_refcounts=off a
            amend -o lazy_refcounts=off,size= a
            amend -o compat= a
            amend -o size=9E a
            amend -o size=1000000 a
            amend --image-opts -f qcow2 -o size=1M driver=qcow2,file.filename=a
        ''')
        self.same_images('a')

    def test_versions(self):
        for line in ('amend -o compat=0.10 a', 'amend -p -o compat=1.1 a',
                     'amend -o lazy_refcounts=on a',
                     'amend -p -o compat=v2,size=20M a',
                     'amend -o compat=v3 -o size=5M a',
                     'amend -o lazy_refcounts=off --force a'):
            self.compare(line)
            self.compare('info a')
            self.compare('map --output=json a')
            self.same_images('a')
        self.compare('amend -o compat=0.10 ov')
        self.same_images('ov')

    def test_zeroes_of_snapshots(self):
        """Shared and own tables; clusters that are data elsewhere, which 7.2
        overwrites."""
        for line in ('-c', 's1'), ('-c', 's2'):
            self.both_do('snapshot', *line, 'ov')
            self.both_do('-c', 'write -z 2M 128k', '-c', 'write -P 9 5M 64k',
                         '-c', 'write -z 6M 64k', 'ov', tool=b.ORACLE_IO)
        want = b.content(self.path('theirs/ov'))
        self.assertEqual(run(OURS, 'amend', '-o', 'compat=0.10', 'ov',
                             cwd=self.path('ours')), (0, '', ''))
        self.assertEqual(b.content(self.path('ours/ov')), want)
        for name in 's1', 's2':
            self.both_do('snapshot', '-a', name, 'ov')
            self.same_images('ov')

    def test_refcount_bits(self):
        """7.2 does not end when it widens some images: only ours."""
        path = self.path('ours/a')
        io = b.Io(path)
        io.add('write -P 7 4M 64k')
        io.run()
        want = b.content(path)
        for options in ('refcount_bits=64', 'refcount_bits=1',
                        'refcount_bits=2', 'refcount_bits=8,size=1G',
                        'size=10M', 'refcount_bits=16'):
            p = self.ours('amend', '-q', '-o', options, path)
            self.assertEqual(p, (0, '', ''))
            b.check(path)
            if '1G' not in options:
                self.assertEqual(b.content(path), want)
        for tag in 'st':
            b.run(b.ORACLE_IMG, 'snapshot', '-c', tag, path)
        code, _, err = self.ours('amend', '-o', 'refcount_bits=1', path)
        self.assertEqual(code, 1)
        self.assertRegex(err, 'Cannot decrease refcount entry width to 1 bits: '
                         r'Cluster at offset 0x\w+ has a refcount of 3\n$')
        for bits in 2, 32:
            self.assertEqual(self.ours('amend', '-o', f'refcount_bits={bits}',
                                       path)[0], 0)
            b.check(path)
        self.both_do('create', '-q', '-f', 'qcow2', '-o', 'cluster_size=512',
                     'small', '64M')
        path = self.path('ours/small')
        io = b.Io(path)
        io.add('write -P 7 1M 20M')
        io.run()
        want = b.content(path)
        for bits in 64, 1, 16:
            self.assertEqual(self.ours('amend', '-o', f'refcount_bits={bits}',
                                       path), (0, '', ''))
            b.check(path)
            io = b.Io(path)
            io.add(f'write -P 7 {bits}k 64k')
            io.add(f'write -z {bits}k 64k')
            io.run()
            b.check(path)
        self.assertEqual(b.content(path), want)

    def test_data_file(self):
        for d in 'd', 'raw':
            self.both_do('create', '-q', '-f', 'qcow2', '-o',
                         f'data_file=df.{d},data_file_raw=' +
                         ('on' if d == 'raw' else 'off'), d, '1M')
        self.compare_all('''
            amend -o compat=0.10 d
            amend -o data_file_raw=on d
            amend -o data_file_raw=on raw
            amend -o data_file_raw=off raw
            info raw
            amend -o data_file_raw=on raw
            amend -o data_file=other,lazy_refcounts=on d
        ''')
        for d in 'ours', 'theirs':
            os.rename(self.path(f'{d}/df.d'), self.path(f'{d}/other'))
        for line in 'info d', 'check d', 'check raw', 'map d':
            self.compare(line)

    def test_what_version_2_cannot_hold_is_refused(self):
        """Where 7.2 loses data."""
        b.create(self.path('z'), MiB, {'compression_type': 'zstd'})
        b.create(self.path('bm'), MiB)
        b.run(b.ORACLE_IMG, 'bitmap', '--add', self.path('bm'), 'b0')
        for name in 'z', 'bm':
            code, _, err = self.ours('amend', '-o', 'compat=0.10', name)
            self.assertEqual(code, 1)
            self.assertIn('Cannot downgrade an image with', err)
            b.check(self.path(name))


class BenchTest(OptionCase):
    def test_words_and_writes(self):
        self.both_do('create', '-q', '-f', 'qcow2', 'a', '10M')
        self.both_do('create', '-q', '-f', 'raw', 'small', '512')
        self.compare_all('''
            bench
            bench -c 10 a
            bench -c 10 -d 4 -o 1M -s 64k -S 128k -w --pattern=7 a
            bench -c 10 -d 4 -w --flush-interval=5 a
            bench -c 10 -d 4 -w --flush-interval=5 --no-drain a
            bench -c 10 -d 8 -w --flush-interval=5 --no-drain a
            bench -c 10 -d 4 --flush-interval=5 a
            bench -c 10 -d 8 --no-drain a
            bench -c 10 --pattern=300 a
            bench -c x a
            bench -c 0 a
            bench -c -1 a
            bench -d x -c 10 a
            bench -s 0 -c 10 a
            bench -s x -c 10 a
            bench -s 3G -c 1 a
            bench -S x -c 10 a
            bench -S 0 -c 10 a
            bench -o x -c 10 a
            bench -o 20M -c 10 a
            bench -o 9.99M -s 64k -c 10 a
            bench -i foo -c 10 a
            bench -i native -c 10 a
            bench -i threads -c 10 a
            bench -t foo -c 10 a
            bench -t none -n -c 10 a
            bench -q -U -c 10 a
            bench -f foo -c 10 a
            bench -c 10 a b
            bench -c 10 nofile
            bench -c 10 --flush-interval=x -w a
            bench -c 10 --image-opts -w driver=qcow2,file.filename=a
            bench -c 10 --object secret,id=s,data=x -w a
            bench -c 10 small
            bench -c 10 -f raw -s 512 -w small
            bench -w -c 90 -s 64k -d 8 --pattern=3 a
        ''')
        self.same_images('a')

    def test_where_7_2_hangs_or_dies(self):
        b.run(b.ORACLE_IMG, 'create', '-q', '-f', 'raw', self.path('no'), '0')
        code, _, err = self.ours('bench', '-d', '0', '-c', '1', 'no')
        self.assertEqual((code, err),
                         (1, 'qemu-img: Invalid queue depth specified\n'))
        code, _, err = self.ours('bench', '-f', 'raw', '-c', '4', 'no')
        self.assertEqual(code, 1)
        self.assertIn('Failed request', err)


if __name__ == '__main__':
    unittest.main()
