#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""qcow2: features of the format, crashes, and images that are not right."""

import os
import pathlib
import shutil
import signal
import struct
import subprocess
import tempfile
import time
import unittest

import blocklib as b

KiB, MiB = 1 << 10, 1 << 20


class Case(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory(prefix='nemu-block-')
        self.dir = self.tmp.name
        self.path = os.path.join(self.dir, 'a.qcow2')

    def tearDown(self):
        self.tmp.cleanup()

    def io(self, *lines, args=('-f', 'qcow2'), check=True, path=None):
        io = b.Io(path or self.path, args=args)
        for line in lines:
            io.add(line)
        return io.run(check=check)

    def poke(self, offset, data):
        with open(self.path, 'r+b') as f:
            f.seek(offset)
            f.write(data)

    def peek(self, offset, n):
        with open(self.path, 'rb') as f:
            f.seek(offset)
            return f.read(n)

    def u64(self, offset):
        return struct.unpack('>Q', self.peek(offset, 8))[0]


@unittest.skipUnless(b.HAVE_ORACLE, "needs Debian's qemu-utils")
class FeatureTest(Case):
    def compressed(self, kind):
        raw = os.path.join(self.dir, 'raw')
        text = b''.join(b'%07d\n' % i for i in range(400000))
        pathlib.Path(raw).write_bytes(text.ljust(4 * MiB, b'\0'))
        b.run(b.ORACLE_IMG, 'convert', '-c', '-f', 'raw', '-O', 'qcow2', '-o',
              f'compression_type={kind}', raw, self.path)
        out = self.io('read -v 65536 16', f'read -P 0 {3 * MiB + 512 * KiB} '
                      f'{512 * KiB}').stdout
        self.assertIn('30 30 30 38 31 39 32 0a', out)
        self.io('write -P 1 100 70000', 'write -z 1M 64k')
        data = bytearray(text.ljust(4 * MiB, b'\0'))
        data[100:70100] = b'\1' * 70000
        data[MiB:MiB + 65536] = bytes(65536)
        b.check(self.path)
        self.assertEqual(b.content(self.path), bytes(data))

    def test_deflated_clusters_are_read(self):
        self.compressed('zlib')

    def test_zstd_clusters_are_read(self):
        self.compressed('zstd')

    def test_zstd_without_its_module_fails_at_open(self):
        self.compressed('zstd')
        alone = shutil.copy(b.OUR_IO, self.dir)
        out = b.run(alone, '-c', 'read 0 1', self.path, check=False)
        self.assertEqual(out.returncode, 1)
        self.assertIn('module block-compress.so is not installed', out.stdout)

    def test_growing_moves_the_l1_table(self):
        b.create(self.path, 64 * KiB, {'cluster_size': '512'})
        self.io('write -P 3 0 64k', 'truncate 40M', 'length',
                'read -P 0 64k 1M', 'write -P 4 39M 1M')
        b.check(self.path)
        data = b.content(self.path)
        self.assertEqual(len(data), 40 * MiB)
        self.assertEqual(data[:65536], b'\3' * 65536)
        self.assertEqual(data[39 * MiB:], b'\4' * MiB)

    def test_shrunk_part_is_zero_when_it_comes_back(self):
        b.create(self.path, 2 * MiB)
        self.io('write -P 3 0 2M', 'truncate 1000448', 'truncate 2M',
                'read -P 3 0 1000448', 'read -P 0 1000448 1M')
        b.check(self.path)

    def test_growing_does_not_show_the_backing_file(self):
        base = os.path.join(self.dir, 'base')
        b.create(base, 2 * MiB)
        self.io('write -P 9 0 2M', path=base)
        b.create(self.path, MiB, backing='base')
        self.io('truncate 2M', 'read -P 9 0 1M', 'read -P 0 1M 1M')
        b.check(self.path)

    def test_vm_state_does_not_show_the_backing_file(self):
        """It lies at 512 MiB, where a longer backing file has data."""
        back = os.path.join(self.dir, 'back')
        b.create(back, 520 * MiB)
        b.run(b.OUR_IO, '-c', 'write -P 7 0 1M', '-c', 'write -P 9 512M 1M',
              back)
        b.create(self.path, MiB, {'backing_file': back,
                                  'backing_fmt': 'qcow2'})
        self.io('read -b -P 0 0 64k', 'write -b -P 1 1k 4k')
        for tool in b.OUR_IO, b.ORACLE_IO:
            b.run(tool, '-c', 'read -b -P 0 0 1k', '-c', 'read -b -P 1 1k 4k',
                  '-c', 'read -b -P 0 5k 59k', '-c', 'read -P 7 0 1M',
                  self.path)
        b.check(self.path)

    def test_refcount_table_grows(self):
        # One table cluster of 512-byte clusters with 64-bit counts covers
        # 64 * 64 clusters: 2 MiB.
        b.create(self.path, 16 * MiB, {'cluster_size': '512',
                                       'refcount_bits': '64'})
        self.io('write -P 1 0 7M', 'write -P 2 8M 7M')
        b.check(self.path)

    def test_backing_null_hides_the_backing_file(self):
        base = os.path.join(self.dir, 'base')
        b.create(base, MiB)
        self.io('write -P 9 0 1M', path=base)
        b.create(self.path, MiB, backing='base')
        self.io('read -P 9 0 1M')
        text = ('json:{"driver": "qcow2", "backing": null, "file": '
                '{"driver": "file", "filename": "%s"}}' % self.path)
        self.io('read -P 0 0 1M', path=text, args=())

    def test_unknown_header_extension_is_kept(self):
        b.create(self.path, MiB)
        header_length = struct.unpack('>I', self.peek(100, 4))[0]
        ours = struct.pack('>II8s', 0x12345678, 5, b'hello')
        self.poke(header_length, ours + self.peek(header_length, 512))
        self.poke(88, struct.pack('>Q', 1 << 60))  # an autoclear bit
        self.io('write 0 64k')
        self.assertEqual(self.u64(88), 0)
        self.assertIn(ours, self.peek(0, 4096))
        b.check(self.path)

    def lengthen_header(self):
        """An unknown extension of more than a page before the others; the
        backing file's name, if any, behind them."""
        start, = struct.unpack('>I', self.peek(100, 4))
        at, length = struct.unpack('>QI', self.peek(8, 12))
        ours = struct.pack('>II', 0x12345678, 5000) + b'x' * 5000
        moved = ours + self.peek(start, 1024 - start)
        if at:
            moved += self.peek(at, length)
            self.poke(8, struct.pack('>Q', start + len(moved) - length))
        self.poke(start, moved)
        return ours

    def test_long_header_is_read_whole(self):
        base = os.path.join(self.dir, 'base')
        b.create(base, MiB)
        self.io('write -P 9 0 1M', path=base)
        b.create(self.path, MiB, backing='base')
        ours = self.lengthen_header()
        self.poke(88, struct.pack('>Q', 1 << 60))  # it is written anew
        self.io('read -P 9 0 1M', 'write -P 8 64k 64k')
        self.assertEqual(self.u64(88), 0)
        self.assertIn(ours, self.peek(0, 8192))
        for tool in b.OUR_IO, b.ORACLE_IO:
            io = b.Io(self.path, tool=tool, args=['-f', 'qcow2'])
            io.add('read -P 9 0 64k')
            io.run()

    def test_feature_is_named_in_a_long_header(self):
        b.create(self.path, MiB)
        name = self.peek(0, 1024).find(b'dirty bit')
        self.poke(name - 1, b'\7frobnicator\0')
        self.poke(72, struct.pack('>Q', 1 << 7))
        self.lengthen_header()
        p = self.io('read 0 512', check=False)
        self.assertIn('feature(s): frobnicator', p.stdout)

    def test_each_side_reads_all_shapes_of_the_other(self):
        for options in b.MATRIX:
            with self.subTest(**options):
                b.create(self.path, 3 * MiB, options)
                self.io('write -P 5 100k 1M', 'write -z 512k 128k')
                for tool in (b.OUR_IO, b.ORACLE_IO):
                    io = b.Io(self.path, tool=tool, args=['-f', 'qcow2'])
                    for line in ('read -P 5 100k 412k', 'read -P 0 512k 128k',
                                 'read -P 0 2M 1M', 'write -P 6 2M 100k',
                                 'read -P 6 2M 100k', 'write -z 2M 100k'):
                        io.add(line)
                    io.run()
                    b.check(self.path)


@unittest.skipUnless(b.HAVE_ORACLE, "needs Debian's qemu-utils")
class CrashTest(Case):
    def load_and_kill(self, rng, options):
        """Write and flush for a while; the fate of a kill -9. Returns what a
        flush has confirmed."""
        b.create(self.path, 64 * MiB, options)
        script = os.path.join(self.dir, 'script')
        with open(script, 'w') as f:
            for i in range(400):
                f.write(f'write -P {i % 200 + 1} {i * 128}k 100k\n')
                if i % 5 == 4:
                    f.write(f'discard {(i - 3) * 128}k 64k\nflush\nlength\n')
        with open(script) as stdin, tempfile.TemporaryFile('w+') as out:
            p = subprocess.Popen([b.OUR_IO, '-t', 'writeback', '-f', 'qcow2',
                                  '-d', 'unmap',
                                  self.path], stdin=stdin, stdout=out)
            time.sleep(rng.uniform(0.02, 0.3))
            p.send_signal(signal.SIGKILL)
            p.wait()
            out.seek(0)
            return out.read().count('> 64 MiB\n') * 5

    def one(self, seed, options):
        flushed = self.load_and_kill(b.rng_for(seed), options)
        if options.get('lazy_refcounts') != 'on':
            p = b.run(b.ORACLE_IMG, 'check', self.path, check=False)
            # Leaks are what a crash may cost; errors it may not.
            self.assertIn(p.returncode, (0, 3), p.stdout)
        checks = [f'read -q -P {i % 200 + 1} {i * 128 + 64}k 36k'
                  for i in range(flushed)]
        self.io('write -P 77 60M 1M', *checks)
        p = b.run(b.ORACLE_IMG, 'check', self.path, check=False)
        allowed = (0,) if options.get('lazy_refcounts') == 'on' else (0, 3)
        self.assertIn(p.returncode, allowed, p.stdout)

    def test_killed_writer_leaves_a_valid_image(self):
        for seed in b.seeds(6):
            with self.subTest(seed=seed):
                self.one(seed, {'cluster_size': '4k'})

    def test_killed_lazy_writer_is_repaired(self):
        for seed in b.seeds(6):
            with self.subTest(seed=seed):
                self.one(seed, {'cluster_size': '4k',
                                'lazy_refcounts': 'on'})

    def kill_creation(self, size, mode, taken):
        """When the file takes so many bytes of the disk, or at its end."""
        p = subprocess.Popen([
            os.path.join(b.BUILD, 'qemu-img'), 'create', '-q', '-f', 'qcow2',
            '-o', f'preallocation={mode}', self.path, str(size)])
        while p.poll() is None:
            if os.path.exists(self.path) and \
                    os.stat(self.path).st_blocks * 512 > taken:
                p.kill()
            time.sleep(0.001)

    def test_killed_preallocation_leaves_a_valid_image(self):
        """Larger than what the cache has tables for: some are on disk."""
        for mode, size, most in (('metadata', 400 << 30, 60 * MiB),
                                 ('falloc', 32 * MiB, 33 * MiB),
                                 ('full', 32 * MiB, 33 * MiB)):
            for seed in b.seeds(3):
                taken = b.rng_for(seed).randrange(most // 2, most)
                self.kill_creation(size, mode, taken)
                if self.peek(0, 4) == b'QFI\xfb':
                    with self.subTest(seed=seed, mode=mode):
                        p = b.run(b.ORACLE_IMG, 'check', self.path,
                                  check=False)
                        self.assertIn(p.returncode, (0, 3), p.stdout[-1000:])
                os.unlink(self.path)

    def test_counts_beyond_the_end_of_the_file_are_forgotten(self):
        """What a writer counts that is killed before it writes."""
        b.create(self.path, 64 * MiB, {'cluster_size': '4k',
                                       'lazy_refcounts': 'on'})
        end = os.path.getsize(self.path) // 4096
        block = self.u64(self.u64(48))
        for cluster in end, end + 1, end + 100:
            self.poke(block + 2 * cluster, struct.pack('>H', 1))
        self.poke(72, struct.pack('>Q', 1))  # dirty
        self.io('write 0 64k')
        b.check(self.path)


@unittest.skipUnless(b.HAVE_ORACLE, "needs Debian's qemu-utils")
class BadImageTest(Case):
    def refuse(self, word, args=('-f', 'qcow2')):
        before = pathlib.Path(self.path).read_bytes()
        p = self.io('read 0 512', args=args, check=False)
        self.assertEqual(p.returncode, 1, p.stdout)
        self.assertIn(word, p.stdout)
        self.assertEqual(pathlib.Path(self.path).read_bytes(), before)

    def header(self, word, *pokes):
        b.create(self.path, MiB)
        for offset, fmt, value in pokes:
            self.poke(offset, struct.pack(fmt, value))
        with self.subTest(word=word, pokes=pokes):
            self.refuse(word)

    def test_wrong_headers_are_refused(self):
        self.header('not in qcow2 format', (0, '>I', 0x41414141))
        self.header('version', (4, '>I', 4))
        self.header('version', (4, '>I', 1))
        self.header('backing file name', (8, '>Q', 1 << 40), (16, '>I', 10))
        self.header('backing file name', (8, '>Q', 200), (16, '>I', 2000))
        self.header('cluster size', (20, '>I', 8))
        self.header('cluster size', (20, '>I', 22))
        self.header('cluster size', (20, '>I', 0xffffffff))
        self.header('too big', (24, '>Q', 1 << 63))
        self.header('L1 table is too small', (24, '>Q', 1 << 50))
        self.header("'encrypt.key-secret' is required", (32, '>I', 1))
        self.header('CRYPTO header extension is missing', (32, '>I', 2))
        self.header('L1 table is too large', (36, '>I', 0xffffffff))
        self.header('L1 table offset', (40, '>Q', 513))
        self.header('L1 table offset', (40, '>Q', 1 << 60))
        self.header('count table offset', (48, '>Q', 1))
        self.header('count table is too large', (56, '>I', 0x10000000))
        self.header('reference count table', (56, '>I', 0))
        self.header('snapshots', (60, '>I', 0x7fffffff))
        self.header('Snapshot table', (60, '>I', 1), (64, '>Q', 1))
        self.header("'data-file' is required", (72, '>Q', 4))
        self.header('subcluster size', (20, '>I', 13), (72, '>Q', 16))
        self.header('incompatible', (72, '>Q', 1 << 33))
        self.header('compression', (72, '>Q', 8))
        self.header('compression', (104, '>B', 1))
        self.header('count entry width', (96, '>I', 7))
        self.header('header too short', (100, '>I', 100))
        self.header('exceeds cluster', (100, '>I', 1 << 30))
        self.header('extension too large', (112, '>I', 77),
                    (116, '>I', 0x7fffffff))

    def test_truncated_files_are_refused(self):
        b.create(self.path, MiB)
        os.truncate(self.path, 40)
        self.refuse('not in qcow2 format')

    def test_corrupt_bit_allows_reading_only(self):
        b.create(self.path, MiB)
        self.poke(72, struct.pack('>Q', 2))
        self.refuse('corrupt')
        self.io('read -P 0 0 1M', args=('-r', '-f', 'qcow2'))

    def test_loop_of_backing_files_is_refused(self):
        other = os.path.join(self.dir, 'b.qcow2')
        b.create(other, MiB)
        b.create(self.path, MiB, backing='b.qcow2')
        b.run(b.ORACLE_IMG, 'rebase', '-u', '-b', 'a.qcow2', '-F', 'qcow2',
              other)
        p = self.io('read 0 512', args=('-f', 'qcow2', '-r'), check=False)
        self.assertEqual(p.returncode, 1)
        self.assertIn('too long', p.stdout)

    def test_missing_backing_file_is_named(self):
        base = os.path.join(self.dir, 'base')
        b.create(base, MiB)
        b.create(self.path, MiB, backing='base')
        os.unlink(base)
        self.refuse('base')

    def l2_entry(self):
        """File offset of the L2 entry of guest cluster 0."""
        l1 = self.u64(self.u64(40))
        return l1 & 0x00fffffffffffe00

    def damaged(self, entry):
        b.create(self.path, MiB)
        self.io('write -P 1 0 128k')
        self.poke(self.l2_entry(), struct.pack('>Q', entry))

    def test_write_over_the_refcount_table_is_prevented(self):
        self.damaged((1 << 63) | 65536)
        before = self.peek(65536, 65536)
        p = self.io('write -P 2 0 512', check=False)
        self.assertEqual(p.returncode, 1)
        self.assertIn('Preventing', p.stdout)
        self.assertEqual(self.peek(65536, 65536), before)
        self.assertEqual(self.u64(72) & 2, 2)

    def test_unaligned_cluster_is_corruption(self):
        self.damaged((1 << 63) | 0x12600)
        p = self.io('read 0 512', check=False)
        self.assertIn('Input/output error', p.stdout)
        self.assertEqual(self.u64(72) & 2, 2)
        self.io('read -P 1 64k 64k', args=('-r', '-f', 'qcow2'))

    def test_unaligned_l2_table_is_corruption(self):
        b.create(self.path, MiB)
        self.io('write 0 64k')
        self.poke(self.u64(40), struct.pack('>Q', (1 << 63) | 0x12600))
        p = self.io('read 0 512', 'write 0 512', check=False)
        self.assertIn('Input/output error', p.stdout)

    def test_unaligned_refcount_block_is_corruption(self):
        b.create(self.path, MiB)
        self.poke(self.u64(48), struct.pack('>Q', 0x12600))
        p = self.io('write 0 512', check=False)
        self.assertIn('Input/output error', p.stdout)

    def test_garbage_for_a_compressed_cluster_is_an_error(self):
        self.damaged((1 << 62) | 0x10000)
        p = self.io('read 0 512', 'write 0 512', 'read -P 1 64k 64k',
                    check=False)
        self.assertIn('Input/output error', p.stdout)

    def test_zero_refcounts_do_not_let_metadata_be_reused(self):
        b.create(self.path, MiB)
        block = self.u64(self.u64(48))
        self.poke(block, bytes(1024))
        p = self.io('write -P 1 0 1M', check=False)
        self.assertEqual(p.returncode, 1)
        self.assertIn('Preventing', p.stdout)
        self.assertEqual(self.peek(0, 4), b'QFI\xfb')


if __name__ == '__main__':
    unittest.main()
