#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-img says and makes what QEMU 7.2's does."""

import json
import os
import pathlib
import re
import resource
import subprocess
import tempfile
import unittest

import blocklib as b

MiB = 1 << 20
OURS = os.path.join(b.BUILD, 'qemu-img')

CREATE_OPTIONS = [
    [], ['-o', 'compat=0.10'], ['-o', 'cluster_size=4k'],
    ['-o', 'cluster_size=512'], ['-o', 'cluster_size=2M'],
    ['-o', 'refcount_bits=1'], ['-o', 'refcount_bits=64,cluster_size=1k'],
    ['-o', 'lazy_refcounts=on'], ['-o', 'compression_type=zstd'],
    ['-o', 'compat=v3,cluster_size=64K'],
]
BAD_CREATE = [
    '-o cluster_size=100 x 1M', '-o cluster_size=4M x 1M', '-o compat=5 x 1M',
    '-o refcount_bits=3 x 1M', '-o refcount_bits=8,compat=0.10 x 1M',
    '-o lazy_refcounts=on,compat=0.10 x 1M', '-o compression_type=foo x 1M',
    '-o compression_type=zstd,compat=0.10 x 1M', '-o foo=bar x 1M',
    '-o cluster_size=foo x 1M', '-o lazy_refcounts=foo x 1M',
    '-o backing_fmt=raw x 1M', '-b nofile -F raw x 1M', '-b base x 1M',
    '-b base -F foo x 1M', '-o size=3M x 1M', '-b x -F qcow2 x 1M',
    '-o preallocation=full,backing_file=base,backing_fmt=qcow2 x 1M', 'x',
    'x foo', 'x 9E', 'x 1M 2M', '', 'x 10X',
]


def run(tool, *args, cwd):
    p = subprocess.run([tool, *args], cwd=cwd, text=True, timeout=120,
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    return p.returncode, p.stdout, p.stderr


@unittest.skipUnless(b.HAVE_ORACLE, "needs Debian's qemu-utils")
class Case(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        tmp = tempfile.TemporaryDirectory(prefix='nemu-block-', dir='/var/tmp')
        self.addCleanup(tmp.cleanup)
        self.dir = tmp.name

    def path(self, name):
        return os.path.join(self.dir, name)

    def ours(self, *args):
        return run(OURS, *args, cwd=self.dir)

    def theirs(self, *args):
        return run(b.ORACLE_IMG, *args, cwd=self.dir)

    def same(self, *args, parse=False):
        a, o = self.ours(*args), self.theirs(*args)
        if parse and o[1]:
            a, o = ((r[0], json.loads(r[1]), r[2]) for r in (a, o))
        self.assertEqual(a, o, args)
        return a

    def images(self):
        """A few images of all kinds; their names."""
        names = []
        for i, options in enumerate(b.MATRIX):
            name = f'q{i}'
            b.create(self.path(name), 4 * MiB, options)
            io = b.Io(self.path(name), args=['-f', 'qcow2'])
            for line in ('write -P 1 100k 200k', 'write -z 1M 128k',
                         'write -P 2 3M 5000'):
                io.add(line)
            io.run()
            names.append(name)
        b.create(self.path('over'), 6 * MiB, backing='q0')
        io = b.Io(self.path('over'), args=['-f', 'qcow2'])
        io.add('write -P 3 150k 64k')
        io.add('write -P 0 3M 64k')
        io.run()
        b.run(b.ORACLE_IMG, 'convert', '-c', '-O', 'qcow2', self.path('q0'),
              self.path('compressed'))
        b.run(b.ORACLE_IMG, 'snapshot', '-c', 'first one', self.path('q2'))
        with open(self.path('raw'), 'wb') as f:
            f.write(b'\1' * 70000)
            f.truncate(3 * MiB)
        return [*names, 'over', 'compressed', 'raw']


class CreateTest(Case):
    def both(self, *args):
        """The same words and the same bytes."""
        made = []
        for tool in OURS, b.ORACLE_IMG:
            p = run(tool, 'create', *args, cwd=self.dir)
            path = pathlib.Path(self.path('x'))
            made.append((p, b.digest(path) if path.exists() else None))
            if path.exists():
                path.unlink()
        self.assertEqual(made[0], made[1], args)
        return made[0][1]

    def test_images_are_the_same_bytes(self):
        for options in CREATE_OPTIONS:
            for size in '0', '1000', '1M', '1.5G', '100G':
                if '512' in str(options) + size and size[-1] == 'G' or \
                        '1k' in str(options) and size[-1] == 'G':
                    continue  # the order of metadata is free
                with self.subTest(options=options, size=size):
                    self.both('-f', 'qcow2', *options, 'x', size)
        b.create(self.path('base'), 3 * MiB)
        self.both('-f', 'qcow2', '-b', 'base', '-F', 'qcow2', 'x')
        self.both('-f', 'qcow2', '-b', 'base', '-F', 'qcow2', 'x', '9M')
        self.both('-f', 'qcow2', '-u', '-b', 'none', '-F', 'raw', 'x', '9M')
        for args in ([], ['-o', 'preallocation=falloc'], ['-q']):
            self.both('-f', 'raw', *args, 'x', '1M')

    def test_large_and_preallocated_images_are_sound(self):
        for options in ('cluster_size=512', 'cluster_size=1k,refcount_bits=64',
                        'preallocation=metadata', 'preallocation=falloc',
                        'preallocation=full',
                        'preallocation=metadata,cluster_size=4k'):
            with self.subTest(options):
                size = '64M' if 'prealloc' in options else '1G'
                code, _, err = self.ours('create', '-f', 'qcow2', '-o', options,
                                         'x', size)
                self.assertEqual((code, err), (0, ''))
                b.check(self.path('x'))
                io = b.Io(self.path('x'), tool=b.ORACLE_IO)
                io.add('write -P 9 1M 1M')
                io.add('read -P 0 2M 1M')
                io.run()
                b.check(self.path('x'))

    def test_bad_arguments(self):
        b.create(self.path('base'), MiB)
        for text in BAD_CREATE:
            with self.subTest(text):
                self.same('create', '-f', 'qcow2', *text.split())
                self.assertFalse(os.path.exists(self.path('x')))

    def test_locked_image_is_not_overwritten(self):
        b.create(self.path('x'), MiB)
        p = subprocess.Popen([b.ORACLE_IO, self.path('x')], text=True,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        p.stdin.write('length\n')
        p.stdin.flush()
        p.stdout.readline()
        before = pathlib.Path(self.path('x')).read_bytes()
        code, _, err = self.ours('create', '-q', '-f', 'qcow2', 'x', '1M')
        p.communicate('quit\n')
        self.assertEqual(code, 1)
        self.assertIn('lock', err)
        self.assertEqual(pathlib.Path(self.path('x')).read_bytes(), before)


class LookTest(Case):
    def test_info(self):
        for name in self.images():
            with self.subTest(name):
                fmt = ['-f', 'raw'] if name == 'raw' else []
                self.same('info', *fmt, name)
                self.same('info', *fmt, '--output=json', name, parse=True)
                self.same('info', *fmt, '--backing-chain', name)
                self.same('info', *fmt, '--backing-chain', '--output=json',
                          name, parse=True)

    def test_map(self):
        for name in self.images():
            with self.subTest(name):
                fmt = ['-f', 'raw'] if name == 'raw' else []
                self.same('map', *fmt, name)
                self.same('map', *fmt, '--output=json', name)
                self.same('map', *fmt, '--output=json', '--start-offset=128k',
                          '--max-length=300k', name)

    def test_measure(self):
        for name in self.images():
            fmt = ['-f', 'raw'] if name == 'raw' else []
            for out in ['raw'], ['qcow2'], ['qcow2', '-o', 'cluster_size=4k']:
                with self.subTest(name=name, out=out):
                    self.same('measure', *fmt, '-O', *out, name)
                    self.same('measure', *fmt, '-O', *out, '--output=json',
                              name, parse=True)
        for size in '0', '1', '1M', '123456789', '100G', '7T':
            for out in (['raw'], ['qcow2'], ['qcow2', '-o', 'cluster_size=4k'],
                        ['qcow2', '-o', 'refcount_bits=64']):
                with self.subTest(size=size, out=out):
                    self.same('measure', '-O', *out, '--size', size)

    def test_compare(self):
        names = self.images()
        for name in names:
            fmt = ['-f', 'raw'] if name == 'raw' else []
            with self.subTest(name):
                self.same('compare', *fmt, name, 'q0')
                self.same('compare', '-s', *fmt, name, 'q0')
                self.same('compare', '-q', *fmt, name, 'over')

    def test_errors(self):
        for text in ('info', 'info a b', 'info nofile', 'info --foo q',
                     'info --output=xml q', 'map', 'map nofile', 'foo', '',
                     'compare a', 'measure', 'measure --size 1M x',
                     'measure -O foo --size 1M', 'resize x', 'convert',
                     'create -f foo x 1M', 'compare nofile nofile'):
            with self.subTest(text):
                self.same(*text.split())

    def test_help_trace_and_objects(self):
        b.create(self.path('q'), MiB)
        for text in ('-h', '--help', 'info --help', 'create -h', 'convert -h'):
            code, out, err = self.ours(*text.split())
            self.assertEqual((code, err), (0, ''))
            self.assertIn('usage: qemu-img', out)
        names = self.ours('-T', 'help')[1].split()
        self.assertTrue(names)
        for text in ('--trace foo info q', '-T x=y info q', '-T',
                     'info --object secret,id=s,data=x q',
                     'info --object secret,data=x q',
                     'info --image-opts -f qcow2 file.filename=q'):
            self.same(*text.split())
        code, _, err = self.ours('-T', 'enable=' + names[0], 'info', 'q')
        self.assertEqual((code, err), (0, ''))


class ResizeTest(Case):
    def test_sizes(self):
        for fmt in 'raw', 'qcow2':
            for text in ('5M', '+1M', '--shrink 512k', '1M', '--shrink -- -1M',
                         'foo', '-- -100M', '-q 9M', '+9E'):
                with self.subTest(fmt=fmt, text=text):
                    said = []
                    for tool in OURS, b.ORACLE_IMG:
                        b.run(b.ORACLE_IMG, 'create', '-q', '-f', fmt,
                              self.path('x'), '3M')
                        words = text.split()
                        args = [*words[:-1], 'x', words[-1]]
                        p = run(tool, 'resize', '-f', fmt, *args, cwd=self.dir)
                        info = b.run(b.ORACLE_IMG, 'info', '-f', fmt,
                                     self.path('x')).stdout
                        said.append((p, re.search(r'\((\d+) ', info).group(1)))
                    self.assertEqual(said[0], said[1])
                    if fmt == 'qcow2':
                        b.check(self.path('x'))


class ConvertTest(Case):
    def compressible(self):
        """Zeroes, text, noise, and matches from far back."""
        rng = b.rng_for(5)
        words = [rng.randbytes(5) for _ in range(99)]
        far = rng.randbytes(20000)
        with open(self.path('data'), 'wb') as f:
            f.write(b''.join(rng.choice(words) for _ in range(100000)))
            f.seek(MiB)
            f.write(far * 20 + rng.randbytes(300000))
            f.truncate(3 * MiB + 512)

    def test_convert_compressed(self):
        self.compressible()
        for options in b.MATRIX[::2]:
            if {'preallocation', 'data_file'} & set(options):
                continue
            o = ','.join(f'{k}={v}' for k, v in options.items())
            with self.subTest(o):
                args = ['convert', '-q', '-c', '-f', 'raw', '-O', 'qcow2',
                        *(['-o', o] if o else []), 'data']
                a, t = self.ours(*args, 'a'), self.theirs(*args, 't')
                self.assertEqual((a[0], a[2]), (t[0], t[2]))
                b.check(self.path('a'))
                b.run(b.ORACLE_IMG, 'compare', '-f', 'raw', '-F', 'qcow2',
                      self.path('data'), self.path('a'))
                self.same('compare', '-f', 'raw', '-F', 'qcow2', 'data', 'a')
                # Within a tenth of QEMU's size.
                sizes = [os.stat(self.path(n)).st_blocks for n in 'at']
                self.assertLess(sizes[0], sizes[1] * 1.1 + 64)
                # Written over, the streams are let go of.
                io = b.Io(self.path('a'))
                io.add('write -q -P 9 100k 1500k')
                io.add('discard -q 2M 1M')
                io.run()
                b.check(self.path('a'))

    def test_convert_compressed_is_refused(self):
        self.compressible()
        b.create(self.path('full'), 4 * MiB, {'preallocation': 'metadata'})
        for args in ('-O raw data x', '-O qcow2 -o preallocation=full data x'):
            self.same('convert', '-c', '-f', 'raw', *args.split())
        a = self.ours('convert', '-c', '-n', '-O', 'qcow2', '-f', 'raw', 'data',
                      'full')
        self.assertEqual(a[0], 1)
        self.assertIn('Input/output error', a[2])

    def test_all_to_all(self):
        for name in self.images():
            fmt = 'raw' if name == 'raw' else 'qcow2'
            want = b.content(self.path(name), fmt)
            for out, more in (('raw', []), ('qcow2', []), ('qcow2', ['-W']),
                              ('raw', ['-S', '0']), ('qcow2', ['-m', '1']),
                              ('qcow2', ['-o', 'cluster_size=4k,compat=0.10']),
                              ('raw', ['-t', 'none', '-T', 'none'])):
                with self.subTest(name=name, out=out, more=more):
                    p = self.ours('convert', '-f', fmt, '-O', out, *more, name,
                                  'out')
                    self.assertEqual(p, (0, '', ''))
                    self.assertEqual(b.content(self.path('out'), out), want)
                    if out == 'qcow2':
                        b.check(self.path('out'))
                    os.unlink(self.path('out'))

    def test_layout_is_qemus(self):
        for name in self.images():
            fmt = 'raw' if name == 'raw' else 'qcow2'
            if name == 'compressed':
                continue
            maps = []
            for tool in OURS, b.ORACLE_IMG:
                run(tool, 'convert', '-f', fmt, '-O', 'qcow2', name, 'out',
                    cwd=self.dir)
                maps.append(self.theirs('map', '--output=json', 'out')[1])
                os.unlink(self.path('out'))
            self.assertEqual(maps[0], maps[1], name)

    def test_overlay_of_a_backing_file(self):
        self.images()
        p = self.ours('convert', '-O', 'qcow2', '-B', 'q0', '-F', 'qcow2',
                      'over', 'out')
        self.assertEqual(p, (0, '', ''))
        self.assertEqual(b.content(self.path('out')),
                         b.content(self.path('over')))
        b.check(self.path('out'))
        used = json.loads(self.theirs('map', '--output=json', 'out')[1])
        self.assertLess(sum(e['length'] for e in used if not e['depth'] and
                            e['data']), MiB)

    def test_into_an_existing_image(self):
        self.images()
        want = b.content(self.path('q0'))
        with open(self.path('out'), 'wb') as f:
            f.write(b'\xff' * 5 * MiB)
        p = self.ours('convert', '-n', '-O', 'raw', 'q0', 'out')
        self.assertEqual(p, (0, '', ''))
        got = pathlib.Path(self.path('out')).read_bytes()
        self.assertEqual(got, want + b'\xff' * MiB)
        os.truncate(self.path('out'), MiB)
        code, _, err = self.ours('convert', '-n', '-O', 'raw', 'q0', 'out')
        self.assertEqual((code, err), (1, 'qemu-img: output file is smaller '
                                       'than input file\n'))

    def test_failing_reads_and_writes(self):
        with open(self.path('raw'), 'wb') as f:
            f.write(b'\1' * 4 * MiB)
        conf = self.path('conf')
        for kind, rule in (('reading', 'iotype = "read"\nsector = "5000"'),
                           ('writing', 'iotype = "write"\nerrno = "28"')):
            with open(conf, 'w') as f:
                f.write(f'[inject-error]\nevent = "none"\n{rule}\n')
            if kind == 'reading':
                args = ['convert', '-f', 'raw', f'blkdebug:{conf}:raw', 'out']
            else:
                pathlib.Path(self.path('out')).touch()
                os.truncate(self.path('out'), 4 * MiB)
                args = ['convert', '-n', '-f', 'raw', 'raw',
                        f'blkdebug:{conf}:out']
            code, out, err = self.ours(*args)
            self.assertEqual((code, out), (1, ''))
            self.assertIn(f'error while {kind} at byte', err)

    def test_the_first_write_that_fails_is_told(self):
        with open(self.path('raw'), 'wb') as f:
            f.write(b'\1' * 16 * MiB)

        def limit():  # Python ignores SIGXFSZ, and so does the tool
            resource.setrlimit(resource.RLIMIT_FSIZE, (4700 * 1024,) * 2)

        for fmt in ('raw', 'qcow2'):
            self.ours('create', '-q', '-f', fmt, 'out', '16M')
            p = subprocess.run(
                [OURS, 'convert', '-n', '-f', 'raw', '-O', fmt, 'raw', 'out'],
                cwd=self.dir, stderr=subprocess.PIPE, text=True, timeout=60,
                check=False, preexec_fn=limit, restore_signals=False)
            self.assertEqual((p.returncode, p.stderr), (
                1, 'qemu-img: error while writing at byte 4194304: '
                'File too large\n'))


if __name__ == '__main__':
    unittest.main()
