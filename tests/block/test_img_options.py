#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-img, option by option: exit status, output and messages are those of
QEMU 7.2, and so are the images.

Each list is run by both tools, in folders that begin alike."""

import json
import os
import re
import shlex
import time
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
    out = re.sub(r'"actual-size": \d+', '"actual-size": 0', out)
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
            a, o = (neutral(run(tool, *args, cwd=self.path(name)))
                    for tool, name in ((OURS, 'ours'),
                                       (b.ORACLE_IMG, 'theirs')))
            if 'output=json' in line and not o[0]:
                a, o = ((r[0], json.loads(r[1]), r[2]) for r in (a, o))
            self.assertEqual(a, o)

    def compare_all(self, text):
        for line in text.strip().splitlines():
            self.compare(line.strip())

    def same_images(self, *names):
        for name in names:
            ours, theirs = (self.path(f'{d}/{name}') for d in
                            ('ours', 'theirs'))
            b.check(ours)
            self.assertEqual(b.content(ours), b.content(theirs), name)


class WordsTest(OptionCase):
    def test_all_commands(self):
        for name, size, *more in (('a', '1M'), ('ov', '-b', 'a'),
                                  ('top', '-b', 'ov'), ('b', '2M')):
            args = [*more, '-F', 'qcow2', name] if more else [name, size]
            if more:
                args = [size, *args]
            self.both_do('create', '-q', '-f', 'qcow2', *args)
        self.both_do('create', '-q', '-f', 'raw', 'r', '1M')
        for name, line in (('a', 'write -P 3 100k 100k'),
                           ('ov', 'write -P 9 300k 100k'),
                           ('top', 'write -P 8 0 10k')):
            self.both_do('-c', line, name, tool=b.ORACLE_IO)
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                            'img_words.txt')
        with open(path, encoding='utf-8') as f:
            for line in f:
                if line.strip() and line[0] != '#':
                    self.compare(line.strip())


class CreateTest(OptionCase):
    def test_help_names_the_same_options(self):
        for fmt in ('raw', 'qcow2', 'luks', 'file', 'host_device',
                    'host_cdrom', 'nbd'):
            self.compare(f'create -f {fmt} -o help')
        for name in ('x', 'file:x', '/dev/null', 'host_device:/dev/null',
                     'host_cdrom:/dev/null', 'nbd://h/x'):
            for fmt in ('raw', 'qcow2', 'luks'):
                self.compare(f'create -f {fmt} -o help {name}')

    def test_options_of_the_file(self):
        self.compare_all("""
            create -f raw -o nocow=on,extent_size_hint=2M a 1M
            create -f qcow2 -o nocow=on,extent_size_hint=0,cluster_size=4k b 1M
            create -f raw -o nocow=maybe c 1M
            create -f qcow2 -o extent_size_hint=no c 1M
            create -f qcow2 -o nosuch=on c 1M
            create -f qcow2 -o nocow=on nbd://127.0.0.1:1/x 1M
            convert -O qcow2 -o nocow=on,extent_size_hint=64k a d
            measure -O qcow2 --size 1M
        """)
        self.same_images('b', 'd')


class DriveTest(OptionCase):
    """No CD drive; what the driver says of other devices."""

    def test_devices_that_are_no_drives(self):
        for name in 'host_cdrom:/dev/null', '/dev/null', 'host_cdrom:/dev/zero':
            self.compare(f'info {name}')
            self.compare(f'convert {name} out')
            self.compare(f'create -f raw {name} 1M')
            self.compare(f'resize -f raw {name} 1M')
            self.compare(f'measure -O raw {name}')
            self.compare(f'dd -f raw if={name} of=out')

    def test_what_is_no_device(self):
        self.both_do('create', '-f', 'raw', 'x', '1M')
        for driver in 'host_cdrom', 'host_device':
            for name in 'x', 'none':
                self.compare(f'info {driver}:{name}')
                self.compare(f'info -f {driver} {name}')
                self.compare(f'create -f {driver} {name} 1M')
                self.compare(f'create -f raw {driver}:{name} 1M')
                self.compare(f'create -o preallocation=full {driver}:{name} 1M')

    def test_single_commands(self):
        for line in ('length', 'map', 'read 0 512', 'write 0 512', 'info',
                     'truncate 0', 'discard 0 512'):
            with self.subTest(line):
                ours, theirs = (
                    run(tool, '-c', line, '-f', 'raw', 'host_cdrom:/dev/null',
                        cwd=self.path('ours'))
                    for tool in (b.OUR_IO, b.ORACLE_IO))
                self.assertEqual(ours, theirs)


class ResizeTest(OptionCase):
    def test_what_grows_is_zero(self):
        """Also where the clusters were freed before, and with snapshots."""
        for mode in 'metadata', 'falloc', 'full', 'off':
            self.both_do('create', '-q', '-f', 'qcow2', 'q', '4M')
            self.both_do('-c', 'write -P 7 0 4M', '-c', 'discard 1M 2M', 'q',
                         tool=b.ORACLE_IO)
            self.both_do('snapshot', '-c', 's', 'q')
            for line in ('--shrink q 3000320', f'--preallocation={mode} q 7M',
                         'q +64k', f'--preallocation={mode} q 20M'):
                self.compare(f'resize {line}')
                self.same_images('q')
            self.both_do('snapshot', '-a', 's', 'q')
            self.same_images('q')
            if mode != 'off':
                info = json.loads(run(b.ORACLE_IMG, 'info', '--output=json',
                                      'q', cwd=self.path('ours'))[1])
                self.assertEqual(info['virtual-size'], 4 * MiB)

    def test_raw_space(self):
        for mode in 'falloc', 'full':
            self.both_do('create', '-q', '-f', 'raw', 'r', '1M')
            self.compare(f'resize -f raw --preallocation={mode} r 3M')
            blocks = [os.stat(self.path(f'{d}/r')).st_blocks
                      for d in ('ours', 'theirs')]
            self.assertGreaterEqual(blocks[0], 4096)


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


class ConvertTest(OptionCase):
    """Behind "##": images that must have equal contents then."""

    def setUp(self):
        super().setUp()
        self.both_do('create', '-q', '-f', 'qcow2', 'a', '1M')
        self.both_do('create', '-q', '-f', 'raw', 'r', '1M')
        self.both_do('-c', 'write -P 3 100k 100k', 'a', tool=b.ORACLE_IO)
        self.both_do('snapshot', '-c', 's1', 'a')
        self.both_do('-c', 'write -P 5 100k 100k', 'a', tool=b.ORACLE_IO)
        self.both_do('create', '-q', '-f', 'qcow2', '-b', 'a', '-F', 'qcow2',
                     'ov')
        self.both_do('-c', 'write -P 9 300k 100k', 'ov', tool=b.ORACLE_IO)
        for d in 'ours', 'theirs':
            with open(self.path(f'{d}/odd'), 'wb') as f:
                f.write(b'0123456789abcde\n' * 18750)
            with open(self.path(f'{d}/o8'), 'wb') as f:
                f.write(b'0123456789abcde\n' * 18750)
                f.truncate(MiB)

    def raw_bytes(self, name):
        """The guest's bytes in both folders."""
        for d in 'ours', 'theirs':
            p = run(b.ORACLE_IMG, 'convert', '-O', 'raw', name, 'bytes',
                    cwd=self.path(d))
            self.assertEqual(p[0], 0, p)
            with open(self.path(f'{d}/bytes'), 'rb') as f:
                yield f.read()

    def compare_lists(self, text):
        for line in text.strip().splitlines():
            line, _, names = line.partition(' ## ')
            self.compare(line.strip())
            for name in names.split():
                with self.subTest(line, name=name):
                    self.assertEqual(*self.raw_bytes(name))

    def test_options(self):
        self.compare_lists('''
            convert -l s1 -O raw a o ## o
            convert -l nosuch -O raw a o
            convert -l snapshot.id=1 -O raw a o ## o
            convert -l snapshot.name=s1 -O raw a o
            convert -l snapshot.name=s1,snapshot.id=7 -O raw a o
            convert -l snapshot.foo=s1 -O raw a o
            convert -l snapshot.id=7 -O raw a o
            convert -l 1 -O qcow2 a o ## o
            convert -l s1 -f raw -O raw r o
            convert -l s1 -O raw a a o
            convert -C -O raw a o ## o
            convert -C -f raw -O raw odd o ## o
            convert -C -f raw -O qcow2 odd o ## o
            convert -C -S 4k -O raw a o
            convert -C -c -O qcow2 a o
            convert -r 100M -O raw a o ## o
            convert -r x -O raw a o
            convert --salvage -O raw a o
            convert --salvage -C -O raw a o
            convert --target-image-opts -O raw a driver=raw,file.filename=o
            convert --target-image-opts a driver=raw,file.filename=o
            convert --target-image-opts -n a driver=raw,file.filename=o ## o
            convert --target-image-opts -n -O raw a driver=raw,file.filename=o
            convert --target-is-zero a o
            convert -n --target-is-zero -O raw a o
            convert -n -O raw -o size=3 a o
            convert -n -O raw -B a a o
            convert -B a a o
            convert -B a -F qcow2 -O raw a o
            convert -B a -O qcow2 a o
            convert -B nofile -O qcow2 -F raw a o
            convert -B nofile -O qcow2 a o
            convert -F qcow2 -O qcow2 a o
            convert -B a -F qcow2 -O qcow2 ov a o2
            convert -O qcow2 a ov r o3 ## o3
            info o3
            convert -O raw -f raw odd r odd o4 ## o4
            convert -O qcow2 -f raw odd r odd o4 ## o4
            convert -O qcow2 -c -f raw odd r odd o4 ## o4
            info o4
            convert -O qcow2 -f raw r r o3 ## o3
            convert -O qcow2 -o foo=1 a b
            convert -O foo a b
            convert -f foo a b
            convert -t foo a b
            convert -T foo a b
            convert -m 0 a b
            convert -m 17 a b
            convert -m x a b
            convert -W -C a b
            convert -S 1 a b
            convert -S x a b
            convert -S 513 a b
            convert -S -1 a b
            convert -S 3G a b
            convert a
            convert
            convert a nodir/b
            convert -n a nofile
            convert -O null-co a b
            convert a a
            convert -c -O raw a b
            convert -c -W -O qcow2 a b ## b
            convert -c -o preallocation=metadata -O qcow2 a b
            convert -c -o compression_type=zstd,compat=0.10 -O qcow2 a b
            convert --bitmaps -O raw a b
            convert --skip-broken-bitmaps -O raw a b
            convert -U -O raw a b
            convert -q -p -O raw a b
            convert -p -O raw a b
            convert -o size=512k -O qcow2 a b
            info b
            convert -o size=2M -O qcow2 a b ## b
            info b
            convert -o backing_file=a,backing_fmt=qcow2 -B a -O qcow2 ov b ## b
            map --output=json b
            convert -o backing_file=a -O qcow2 ov b
            convert -o backing_file=a,backing_fmt=qcow2 -O qcow2 ov b ## b
            map b
            convert --image-opts -O qcow2 driver=qcow2,file.filename=a b ## b
            convert --image-opts -f qcow2 -O qcow2 driver=qcow2,file.filename=a b
            convert -O qcow2 --object secret,id=a,data=x a b
            convert -O qcow2 --object secret,data=x a b
            convert nofile b
            convert -n -B a -O qcow2 a b
            convert -n -o cluster_size=3 -O qcow2 a b
            convert -s s1 a b
            convert --zork a b
            convert -Z a b
            convert -O
            convert -O qcow2 ov b -B a -F qcow2 ## b
            convert -O qcow2 -S 0 -f raw odd b ## b
            map b
            convert -f raw -O raw -n r o8
            convert -O raw -n --target-is-zero a r ## r
            measure -O qcow2 -l s1 a
            measure -O qcow2 -l nosuch a
        ''')

    def test_salvage(self):
        """A sector that cannot be read."""
        source = ('--image-opts -O raw driver=raw,file.driver=blkdebug,'
                  'file.image.driver=file,file.image.filename=o8,'
                  'file.inject-error.0.event=read_aio,'
                  'file.inject-error.0.sector=204,'
                  'file.inject-error.0.once=off b')
        self.compare_lists(f'''
            convert {source}
            convert --salvage {source} ## b
            convert --salvage -q {source} ## b
        ''')

    def test_many_sources(self):
        """Cut anywhere, compressed too."""
        names = []
        for i, size in enumerate((1, 512, 70000, 65536, 300001, 4096)):
            names.append(f's{i}')
            for d in 'ours', 'theirs':
                with open(self.path(f'{d}/s{i}'), 'wb') as f:
                    f.write(b'%d' % i * size)
        for options in ('-O raw', '-O qcow2', '-O qcow2 -c', '-O qcow2 -W',
                        '-O qcow2 -S 0 -o cluster_size=512', '-O raw -C'):
            self.compare_lists(f"convert -f raw {options} {' '.join(names)} o"
                               ' ## o')

    def test_rate_limit_holds_back(self):
        start = time.monotonic()
        p = run(OURS, 'convert', '-r', '500k', '-O', 'raw', 'a', 'b',
                cwd=self.path('ours'))
        self.assertEqual(p, (0, '', ''))
        self.assertGreater(time.monotonic() - start, 0.2)


if __name__ == '__main__':
    unittest.main()
