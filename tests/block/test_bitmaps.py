#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Dirty bitmaps in qcow2 images: the same as QEMU 7.2's, each reading what
the other wrote."""

import json
import os
import re
import shlex
import shutil
import struct
import subprocess
import tempfile
import time
import unittest

from blocklib import BUILD, MATRIX, OUR_IO, ORACLE_IMG, ORACLE_IO, content, \
    run

OUR_IMG = os.path.join(BUILD, 'qemu-img')
OUR_DAEMON = os.path.join(BUILD, 'qemu-storage-daemon')
ORACLE_DAEMON = shutil.which('qemu-storage-daemon')
HAVE_ORACLE = bool(ORACLE_IMG and ORACLE_IO and ORACLE_DAEMON)


class Daemon:
    """A storage daemon and its QMP."""

    def __init__(self, program):
        self.p = subprocess.Popen(
            [program, '--chardev', 'stdio,id=c', '--monitor', 'c'], text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.p.stdout.readline()
        self('qmp_capabilities')

    def __enter__(self):
        return self

    def __exit__(self, *what):
        if self.p.poll() is None:
            self('quit')
            self.p.stdin.close()
            self.p.wait(60)
        self.p.stdin.close()
        self.p.stdout.close()

    def __call__(self, command, **arguments):
        self.p.stdin.write(json.dumps({
            'execute': command,
            'arguments': {k.replace('_', '-'): v
                          for k, v in arguments.items()}}) + '\n')
        self.p.stdin.flush()
        while True:
            reply = json.loads(self.p.stdout.readline())
            if 'return' in reply:
                return reply['return']
            if 'error' in reply:
                return reply['error']

    def open(self, path, node='n', **more):
        return self('blockdev-add', driver='qcow2', node_name=node,
                    file={'driver': 'file', 'filename': path}, **more)

    def node(self, name='n'):
        return next(n for n in self('query-named-block-nodes')
                    if n['node-name'] == name)

    def bitmaps(self, name='n'):
        return self.node(name).get('dirty-bitmaps', [])

    def sha256(self, bitmap, node='n'):
        return self('x-debug-block-dirty-bitmap-sha256', node=node,
                    name=bitmap)['sha256']

    def kill(self):
        self.p.kill()
        self.p.wait()


def info(path, tool=OUR_IMG):
    return json.loads(run(tool, 'info', '-U', '--output=json', path).stdout)


def stored(path):
    return info(path)['format-specific']['data'].get('bitmaps', [])


class Image(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = folder.name
        self.img = self.path('i.qcow2')

    def path(self, name):
        return os.path.join(self.dir, name)

    def make(self, size='10M', path=None, **options):
        more = [f'-o{k}={v}' for k, v in options.items()]
        run(OUR_IMG, 'create', '-q', '-f', 'qcow2', *more, path or self.img,
            size)

    def clean(self, path=None):
        tools = [OUR_IMG, ORACLE_IMG] if HAVE_ORACLE else [OUR_IMG]
        for tool in tools:
            p = run(tool, 'check', path or self.img, check=False)
            self.assertEqual(p.returncode, 0, f'{tool}: {p.stdout}')

    def add(self, name, **more):
        with Daemon(OUR_DAEMON) as d:
            self.assertEqual(d.open(self.img), {})
            self.assertEqual(d('block-dirty-bitmap-add', node='n', name=name,
                               persistent=True, **more), {})

    def extension(self):
        """Where the header extension is, and what it says."""
        with open(self.img, 'rb') as f:
            head = f.read(65536)
        at = head.index(b'\x23\x85\x28\x75')
        return at, struct.unpack('>IIQQ', head[at + 8:at + 32])

    def poke(self, at, fmt, value):
        with open(self.img, 'r+b') as f:
            f.seek(at)
            f.write(struct.pack(fmt, value))


class Life(Image):
    def test_store_load_and_remove(self):
        self.make()
        self.add('a')
        self.add('b', granularity=4096, disabled=True)
        self.assertEqual(stored(self.img), [
            {'name': 'a', 'granularity': 65536, 'flags': ['auto']},
            {'name': 'b', 'granularity': 4096, 'flags': []}])
        run(OUR_IO, '-c', 'write -q 1M 100k', self.img)
        self.clean()
        with Daemon(OUR_DAEMON) as d:
            d.open(self.img)
            self.assertEqual(d.bitmaps(), [
                {'name': 'b', 'recording': False, 'persistent': True,
                 'busy': False, 'granularity': 4096, 'count': 0},
                {'name': 'a', 'recording': True, 'persistent': True,
                 'busy': False, 'granularity': 65536, 'count': 131072}])
            self.assertEqual([b['flags'] for b in stored(self.img)],
                             [['in-use', 'auto'], ['in-use']])
            self.assertEqual(d('block-dirty-bitmap-remove', node='n',
                               name='a'), {})
            self.assertEqual([b['name'] for b in stored(self.img)], ['b'])
        self.clean()
        with Daemon(OUR_DAEMON) as d:
            d.open(self.img)
            d('block-dirty-bitmap-remove', node='n', name='b')
        self.assertNotIn('bitmaps', info(self.img)['format-specific']['data'])
        self.clean()

    def test_killed_leaves_them_inconsistent(self):
        self.make()
        self.add('a')
        with Daemon(OUR_DAEMON) as d:
            d.open(self.img)
            d('block-dirty-bitmap-add', node='n', name='new', persistent=True)
            d.kill()
        self.clean()
        self.assertEqual(stored(self.img), [
            {'name': 'a', 'granularity': 65536, 'flags': ['in-use', 'auto']}])
        with Daemon(OUR_DAEMON) as d:
            d.open(self.img)
            self.assertEqual(d.bitmaps(), [
                {'name': 'a', 'recording': False, 'persistent': True,
                 'busy': False, 'granularity': 65536, 'count': 0,
                 'inconsistent': True}])
            for verb in 'clear', 'enable', 'disable':
                self.assertEqual(
                    d('block-dirty-bitmap-' + verb, node='n', name='a')['desc'],
                    "Bitmap 'a' is inconsistent and cannot be used")
        self.assertEqual(stored(self.img)[0]['flags'], ['in-use', 'auto'])
        with Daemon(OUR_DAEMON) as d:
            d.open(self.img)
            self.assertEqual(
                d('block-dirty-bitmap-remove', node='n', name='a'), {})
        self.assertEqual(stored(self.img), [])
        self.clean()

    def test_reopen_stores_and_takes_again(self):
        self.make()
        self.add('a')
        options = {'driver': 'qcow2', 'node-name': 'n',
                   'file': {'driver': 'file', 'filename': self.img}}
        with Daemon(OUR_DAEMON) as d:
            d.open(self.img)
            d('block-dirty-bitmap-add', node='n', name='b', persistent=True)
            for read_only, flags in (True, ['auto']), \
                    (False, ['in-use', 'auto']), (True, ['auto']):
                self.assertEqual(d('blockdev-reopen', options=[
                    {**options, 'read-only': read_only}]), {})
                self.assertEqual([b['flags'] for b in stored(self.img)],
                                 [flags, flags])
            self.assertEqual(
                d('block-dirty-bitmap-clear', node='n', name='b')['desc'],
                "Bitmap 'b' is readonly and cannot be modified")
            d.kill()
        self.assertEqual([b['flags'] for b in stored(self.img)],
                         [['auto'], ['auto']])
        self.clean()

    def test_transaction_taken_back_keeps_them(self):
        self.make()
        self.add('a')
        run(OUR_IO, '-c', 'write -q 0 64k', self.img)
        with Daemon(OUR_DAEMON) as d:
            d.open(self.img)
            self.assertIn('desc', d('transaction', actions=[
                {'type': 'block-dirty-bitmap-remove',
                 'data': {'node': 'n', 'name': 'a'}},
                {'type': 'abort', 'data': {}}]))
            self.assertEqual(d.bitmaps()[0]['count'], 65536)
        self.assertEqual([b['name'] for b in stored(self.img)], ['a'])
        with Daemon(OUR_DAEMON) as d:
            d.open(self.img)
            self.assertEqual(d.bitmaps()[0]['count'], 65536)
        self.clean()

    def test_resize_and_snapshots(self):
        self.make()
        self.add('a')
        run(OUR_IO, '-c', 'write -q 9M 1M', self.img)
        run(OUR_IMG, 'snapshot', '-c', 's', self.img)
        p = run(OUR_IMG, 'snapshot', '-a', 's', self.img, check=False)
        self.assertIn('Device has active dirty bitmaps', p.stdout)
        run(OUR_IMG, 'snapshot', '-d', 's', self.img)
        run(OUR_IMG, 'resize', '-q', self.img, '20G')
        self.clean()
        with Daemon(OUR_DAEMON) as d:
            d.open(self.img)
            self.assertEqual(d.bitmaps()[0]['count'], 1 << 20)
        run(OUR_IMG, 'resize', '-q', '--shrink', self.img, '9984k')
        with Daemon(OUR_DAEMON) as d:
            d.open(self.img)
            self.assertEqual(d.bitmaps()[0]['count'], 768 << 10)
        self.clean()

    def test_older_versions_and_other_formats_refuse(self):
        self.make(compat='0.10')
        raw = self.path('raw')
        with open(raw, 'wb') as f:
            f.truncate(1 << 20)
        with Daemon(OUR_DAEMON) as d:
            d.open(self.img)
            d('blockdev-add', driver='file', node_name='r', filename=raw)
            self.assertEqual(
                d('block-dirty-bitmap-add', node='n', name='a',
                  persistent=True)['desc'],
                "Can't make bitmap 'a' persistent in 'n': Cannot store dirty "
                "bitmaps in qcow2 v2 files")
            self.assertEqual(
                d('block-dirty-bitmap-add', node='r', name='a',
                  persistent=True)['desc'],
                "Can't store persistent bitmaps to r: Operation not supported")

    def test_too_large(self):
        self.make('128T')
        with Daemon(OUR_DAEMON) as d:
            d.open(self.img)
            self.assertIn('Use larger granularity', d(
                'block-dirty-bitmap-add', node='n', name='a', persistent=True,
                granularity=16384)['desc'])


class Broken(Image):
    """What a directory must not say, in QEMU 7.2's words."""

    HEADER = [
        (0, '>I', 0, 'found bitmaps extension with zero bitmaps'),
        (0, '>I', 2, 'Less bitmaps found than specified in header extension'),
        (0, '>I', 70000, 'bitmaps_ext: Image has 70000 bitmaps, exceeding the '
         'QEMU supported maximum of 65535'),
        (4, '>I', 1, 'bitmaps_ext: Reserved field is not zero'),
        (8, '>Q', 8, 'Broken bitmap directory'),
        (8, '>Q', 64, 'More bitmaps found than specified in header extension'),
        (8, '>Q', 1 << 32, 'bitmaps_ext: bitmap directory size (4294967296) '
         'exceeds the maximum supported size (67107840)'),
        (16, '>Q', 512, 'bitmaps_ext: invalid bitmap directory offset'),
        (-4, '>I', 16, 'bitmaps_ext: Invalid extension length'),
    ]
    CONSTRAINTS = "Bitmap 'b' doesn't satisfy the constraints"
    ENTRY = [
        (0, '>Q', 7, CONSTRAINTS), (8, '>I', 0, CONSTRAINTS),
        (8, '>I', 99999999, CONSTRAINTS), (12, '>I', 8, CONSTRAINTS),
        (12, '>I', 4, CONSTRAINTS), (16, '>B', 2, CONSTRAINTS),
        (17, '>B', 8, CONSTRAINTS), (17, '>B', 32, CONSTRAINTS),
        (18, '>H', 2000, 'Broken bitmap directory'),
        (20, '>I', 8, 'Broken bitmap directory'),
    ]
    TABLE = "Could not read bitmap_table table from image for bitmap 'b': " \
        'Invalid argument'

    def refused(self, at, fmt, value, text, oracle=True):
        with open(self.img, 'rb') as f:
            f.seek(at)
            was = f.read(struct.calcsize(fmt))
        self.poke(at, fmt, value)
        answers = [run(tool, command, self.img, check=False)
                   for tool in [OUR_IMG] + [ORACLE_IMG] * (HAVE_ORACLE
                                                           and oracle)
                   for command in ('info', 'check')]
        self.poke(at, f'{len(was)}s', was)
        for p in answers:
            self.assertNotEqual(p.returncode, 0)
            self.assertIn(f"Could not open '{self.img}': {text}", p.stdout)

    def test_refused(self):
        self.make()
        self.add('b')
        at, (_, _, _, directory) = self.extension()
        for off, *rest in self.HEADER:
            with self.subTest(header=off, value=rest[1]):
                self.refused(at + 8 + off, *rest)
        for off, *rest in self.ENTRY:
            with self.subTest(entry=off, value=rest[1]):
                self.refused(directory + off, *rest)
        with open(self.img, 'rb') as f:
            f.seek(directory)
            table, = struct.unpack('>Q', f.read(8))
        for value in 2, 0x50001:
            with self.subTest(table=value):
                self.refused(table, '>Q', value, self.TABLE)
        self.refused(at + 24, '>Q', 1 << 40,
                     'Bitmap directory lies behind the end of the file',
                     oracle=False)
        self.clean()

    def test_all_ones_and_lost_data(self):
        self.make()
        self.add('b')
        _, (_, _, _, directory) = self.extension()
        with open(self.img, 'rb') as f:
            f.seek(directory)
            table, = struct.unpack('>Q', f.read(8))
        self.poke(table, '>Q', 1)
        self.clean()
        with Daemon(OUR_DAEMON) as d:
            d.open(self.img, read_only=True)
            self.assertEqual(d.bitmaps()[0]['count'], 10 << 20)
        self.poke(table, '>Q', 0x70000000)
        p = run(OUR_IMG, 'check', self.img, check=False)
        self.assertEqual(p.returncode, 2, p.stdout)

    def test_a_writer_that_does_not_know_of_them(self):
        self.make()
        self.add('b')
        self.poke(88, '>Q', 0)
        p = run(OUR_IMG, 'info', self.img)
        self.assertIn('all bitmaps are now considered inconsistent', p.stdout)
        self.assertNotIn('    bitmaps:', p.stdout)
        p = run(OUR_IMG, 'check', self.img, check=False)
        self.assertEqual(p.returncode, 3, p.stdout)
        run(OUR_IMG, 'check', '-r', 'leaks', self.img)
        self.clean()

    def test_unknown_extra_data_stays(self):
        self.make()
        self.add('a')
        at, (_, _, size, directory) = self.extension()
        with open(self.img, 'rb') as f:
            f.seek(directory)
            entry = bytearray(f.read(size))
        struct.pack_into('>I', entry, 12, 6)
        struct.pack_into('>I', entry, 20, 8)
        entry[24:25] = b'whatever' + b'a'
        self.poke(directory, f'{len(entry)}s', bytes(entry))
        self.poke(at + 16, '>Q', len(entry))
        run(OUR_IO, '-c', 'write -q 0 1M', self.img)
        _, (count, _, size, directory) = self.extension()
        with open(self.img, 'rb') as f:
            f.seek(directory)
            self.assertIn(b'whatevera', f.read(size))
        self.assertEqual(run(OUR_IMG, 'check', self.img).returncode, 0)


@unittest.skipUnless(HAVE_ORACLE, 'needs qemu-utils')
class Tools(Image):
    """qemu-img's output, exit status and images are those of 7.2."""

    SIZES = 'disk size|Image end|probing guessed|Automatically|Specify the'

    def both(self, commands, setup=()):
        results = []
        for tool in OUR_IMG, ORACLE_IMG:
            with tempfile.TemporaryDirectory(dir=self.dir) as folder:
                for line in setup:
                    run(ORACLE_IMG, *line.split(), cwd=folder)
                results.append([self.one(tool, c, folder) for c in commands])
        for command, ours, theirs in zip(commands, *results):
            with self.subTest(command=command):
                self.assertEqual(ours, theirs)

    def one(self, tool, command, folder):
        p = run(tool, *shlex.split(command), check=False, cwd=folder)
        text = re.sub(r'#block\d+', '#block', p.stdout)
        if '--output=json' in command:
            answer = json.loads(text)
            answer.pop('actual-size', None)
            return p.returncode, answer
        return p.returncode, [line for line in text.splitlines()
                              if not re.search(self.SIZES, line)]

    def test_bitmap(self):
        look = ['info i', 'info --output=json i', 'check i']
        self.both([
            'bitmap --add i b', 'bitmap --add -g 4k i c', *look,
            'bitmap', 'bitmap i', 'bitmap i b', 'bitmap --add',
            'bitmap --clear i b c', 'bitmap --add --add i d',
            'bitmap --merge b i none', 'bitmap --merge b -F qcow2 i c',
            'bitmap -g 64k --clear i b', 'bitmap -b i --clear i b',
            'bitmap --add --disable --enable i e',
            'bitmap --add --disable --merge b i f',
            'bitmap --remove --add -g 1M i b',
            'bitmap --add -g x i g', 'bitmap --add -g 5000 i g',
            'bitmap --add -g 4G i g', 'bitmap --add -g 256 i b',
            'bitmap --add i b', 'bitmap --remove i none',
            "bitmap --add i ''", 'bitmap --add raw b',
            'bitmap --add none b', 'bitmap --add v2 b', 'bitmap --foo i b',
            'bitmap --image-opts -f qcow2 --clear driver=qcow2 b',
            'bitmap --image-opts --clear '
            'driver=qcow2,file.driver=file,file.filename=i b',
            'bitmap --clear -f raw i b', 'bitmap --merge b -b raw i b',
            'bitmap --merge none -b other -F qcow2 i b',
            'bitmap --merge x -b other -F qcow2 i b',
            'bitmap --merge y -b small -F qcow2 i b', *look,
            'bitmap --add -g 512 narrow b', 'check narrow',
            'bitmap --remove i b', 'bitmap --remove i c',
            'bitmap --remove i d', 'bitmap --remove i e',
            'bitmap --remove i f', *look,
        ], setup=[
            'create -f qcow2 i 10M', 'create -f raw raw 10M',
            'create -f qcow2 -o compat=0.10 v2 10M',
            'create -f qcow2 other 10M', 'bitmap --add -g 4k other x',
            'create -f qcow2 small 5M', 'bitmap --add small y',
            'create -f qcow2 -o cluster_size=512 narrow 64G'])

    def test_convert_and_measure(self):
        look = ['info o', 'check o']
        self.both([
            'convert --bitmaps -O qcow2 i o', *look,
            'convert --bitmaps -O raw i o.raw',
            'convert --bitmaps -O qcow2 -o compat=0.10 i o',
            'convert --bitmaps -O qcow2 raw o',
            'convert --bitmaps -O qcow2 v2 o',
            'convert --skip-broken-bitmaps -O qcow2 i o',
            'convert --bitmaps -n -O qcow2 i empty', 'info empty',
            'convert --bitmaps -n -O qcow2 i empty', 'check empty',
            'convert --bitmaps -O qcow2 -B base -F qcow2 i o', *look,
            'measure -O qcow2 i', 'measure -O qcow2 -o cluster_size=4k i',
            'measure -O qcow2 --output=json i', 'measure -O raw i',
            'measure -O qcow2 -o compat=0.10 i', 'measure -O qcow2 raw',
            'measure -O qcow2 v2', 'measure -O qcow2 base',
        ], setup=[
            'create -f qcow2 base 10M', 'create -f raw raw 10M',
            'create -f qcow2 empty 10M',
            'create -f qcow2 -o compat=0.10 v2 10M',
            'create -f qcow2 -b base -F qcow2 i',
            'bitmap --add --disable i b0', 'bitmap --add -g 4k i b1',
            'bitmap --add i b2'])

    def test_broken_bitmaps(self):
        self.make()
        self.add('a')
        self.add('b')
        _, (_, _, _, directory) = self.extension()
        self.poke(directory + 12, '>I', 3)
        self.both([f'resize {self.img} 20M',
                   f'resize --shrink {self.img} 5M',
                   f'convert --bitmaps -O qcow2 {self.img} o',
                   f'convert --bitmaps --skip-broken-bitmaps -O qcow2 '
                   f'{self.img} o', 'info o', f'measure -O qcow2 {self.img}'])


@unittest.skipUnless(HAVE_ORACLE, 'needs qemu-utils')
class Differential(Image):
    SCRIPT = [
        ('block-dirty-bitmap-add', {'name': 'b0', 'persistent': True}),
        ('block-dirty-bitmap-add', {'name': 'b1', 'persistent': True,
                                    'granularity': 4096, 'disabled': True}),
        ('block-dirty-bitmap-add', {'name': 'x' * 1023, 'persistent': True,
                                    'granularity': 1 << 31}),
        ('block-dirty-bitmap-add', {'name': 'x' * 1024}),
        ('block-dirty-bitmap-add', {'name': 'g', 'granularity': 256}),
        ('block-dirty-bitmap-add', {'name': 'b0', 'persistent': True}),
        ('block-dirty-bitmap-add', {'name': ''}),
        ('block-dirty-bitmap-add', {'name': 'tmp'}),
        ('x-debug-block-dirty-bitmap-sha256', {'name': 'b0'}),
        ('x-debug-block-dirty-bitmap-sha256', {'name': 'b1'}),
        ('block-dirty-bitmap-merge', {'target': 'b0', 'bitmaps': ['b1']}),
        ('block-dirty-bitmap-merge', {'target': 'b0', 'bitmaps': ['no']}),
        ('block-dirty-bitmap-remove', {'name': 'no'}),
        ('block-dirty-bitmap-enable', {'name': 'b1'}),
        ('block-dirty-bitmap-disable', {'name': 'b0'}),
        ('block-dirty-bitmap-remove', {'name': 'tmp'}),
    ]

    def script(self, program, path):
        replies = []
        with Daemon(program) as d:
            replies.append(d.open(path))
            for command, arguments in self.SCRIPT:
                replies.append(d(command, node='n', **arguments))
            replies.append(d.bitmaps())
            replies.append(d.node()['image']['format-specific'])
        return replies

    def test_the_same_answers_and_images(self):
        images = []
        for name, program in ('ours', OUR_DAEMON), ('theirs', ORACLE_DAEMON):
            self.img = self.path(name)
            self.make()
            images.append([self.script(program, self.img)])
            self.clean()
            for tool in OUR_IMG, ORACLE_IMG:
                images[-1].append(
                    info(self.img, tool)['format-specific'])
                images[-1].append(run(tool, 'info', self.img).stdout.split(
                    'Format specific')[1])
        self.assertEqual(images[0], images[1])

    def test_read_only(self):
        replies = []
        for program in OUR_DAEMON, ORACLE_DAEMON:
            self.make()
            self.add('a')
            with Daemon(ORACLE_DAEMON) as d:
                d.open(self.img)
                d('block-dirty-bitmap-add', node='n', name='b',
                  persistent=True)
                d('blockdev-del', node_name='n')
            with Daemon(program) as d:
                got = [d.open(self.img, read_only=True), d.bitmaps()]
                for verb in 'clear', 'enable', 'disable', 'remove':
                    got.append(d('block-dirty-bitmap-' + verb, node='n',
                                 name='a'))
                got.append(d('block-dirty-bitmap-add', node='n', name='t'))
                got.append(d('block-dirty-bitmap-merge', node='n', target='a',
                             bitmaps=['t']))
                got.append(d('block-dirty-bitmap-merge', node='n', target='t',
                             bitmaps=['a']))
                replies.append(got + [d.bitmaps()])
            os.remove(self.img)
        self.assertEqual(replies[0], replies[1])

    def test_each_reads_what_the_other_wrote(self):
        more = {'extended_l2': 'on'}, {'data_file': self.path('data')}
        for options in MATRIX[3], MATRIX[6], *more:
            with self.subTest(**options):
                self.cross(options)

    def cross(self, options):
        more = [f'-o{k}={v}' for k, v in options.items()]
        run(ORACLE_IMG, 'create', '-q', '-f', 'qcow2', *more, self.img,
            '33M')
        tools = [(OUR_DAEMON, OUR_IO), (ORACLE_DAEMON, ORACLE_IO),
                 (OUR_DAEMON, ORACLE_IO)]
        names = []
        for i, (daemon, io) in enumerate(tools):
            with Daemon(daemon) as d:
                d.open(self.img)
                for g in 512, 65536:
                    names.append(f'b{i}-{g}')
                    d('block-dirty-bitmap-add', node='n', name=names[-1],
                      persistent=True, granularity=g)
            self.clean()
            run(io, '-c', f'write -q {i}M 5M', '-c', f'discard -q {16 + i}M 1M',
                '-c', f'write -q -z {32 << 20} {512 + i * 1024}', self.img)
            self.clean()
            hashes = []
            for program in OUR_DAEMON, ORACLE_DAEMON:
                with Daemon(program) as d:
                    d.open(self.img)
                    hashes.append([d.sha256(n) for n in names] + d.bitmaps())
                self.assertEqual(info(self.img)['format-specific'],
                                 info(self.img, ORACLE_IMG)['format-specific'])
                self.clean()
            self.assertEqual(hashes[0], hashes[1])

    def backup(self, program, mode, target):
        """A backup by a bitmap; what it said, and what the bitmap is then."""
        with Daemon(program) as d:
            said = [d.open(self.img), d.open(target, node='t'), d(
                'blockdev-backup', job_id='j', device='n', target='t',
                sync='bitmap', bitmap='a', bitmap_mode=mode,
                auto_dismiss=False)]
            for _ in range(6000):
                jobs = d('query-jobs')
                if jobs[0]['status'] == 'concluded':
                    break
                time.sleep(0.01)
            said += [jobs[0].get('error'), d('job-dismiss', id='j'),
                     d.bitmaps(), d.sha256('a')]
        self.clean()
        return said + [stored(self.img), content(target)]

    def test_backup(self):
        for mode in 'on-success', 'never', 'always':
            seen = []
            for i, program in enumerate((OUR_DAEMON, ORACLE_DAEMON)):
                self.img = self.path(f'{mode}{i}')
                target = self.path(f'{mode}{i}-target')
                self.make()
                self.make(path=target)
                run(OUR_IO, '-c', 'write -q -P 1 0 4M', self.img)
                self.add('a')
                run(ORACLE_IO, '-c', 'write -q -P 2 1M 64k', '-c',
                    'write -q -P 3 5M 1', self.img)
                seen.append(self.backup(program, mode, target))
            self.assertEqual(*seen)

    def test_commit_marks_what_it_writes(self):
        seen = []
        for tool in OUR_IMG, ORACLE_IMG:
            self.img, top = self.path('base'), self.path('top')
            self.make()
            self.add('a')
            run(OUR_IMG, 'create', '-q', '-f', 'qcow2', '-b', self.img, '-F',
                'qcow2', top)
            run(OUR_IO, '-c', 'write -q -P 1 1M 1M', '-c', 'write -q 9M 64k',
                top)
            run(tool, 'commit', '-q', top)
            self.clean()
            with Daemon(OUR_DAEMON) as d:
                d.open(self.img)
                seen.append([d.bitmaps(), d.sha256('a')])
            os.remove(self.img)
        self.assertEqual(*seen)

    def test_killed(self):
        for program in OUR_DAEMON, ORACLE_DAEMON:
            self.make()
            self.add('a')
            with Daemon(program) as d:
                d.open(self.img)
                d.kill()
            self.clean()
            answers = []
            for reader in OUR_DAEMON, ORACLE_DAEMON:
                with Daemon(reader) as d:
                    d.open(self.img)
                    answers.append([d.bitmaps(), d.node()['image'][
                        'format-specific']])
            self.assertEqual(answers[0], answers[1])
            self.clean()
            os.remove(self.img)


if __name__ == '__main__':
    unittest.main()
