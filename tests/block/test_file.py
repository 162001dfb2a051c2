#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The file and raw drivers: engines, cache modes, locks, windows, holes."""

import os
import pathlib
import subprocess
import tempfile
import unittest

import blocklib as b
from daemonlib import ORACLE_DAEMON, OUR_DAEMON, Storage

KiB, MiB = 1 << 10, 1 << 20


class Case(unittest.TestCase):
    def setUp(self):
        self.tmp = tempfile.TemporaryDirectory(prefix='nemu-block-',
                                               dir='/var/tmp')
        self.path = os.path.join(self.tmp.name, 'a.img')
        with open(self.path, 'wb') as f:
            f.truncate(4 * MiB)

    def tearDown(self):
        self.tmp.cleanup()

    def io(self, *lines, args=('-f', 'raw'), check=True, path=None,
           tool=b.OUR_IO):
        io = b.Io(path or self.path, tool=tool, args=args)
        for line in lines:
            io.add(line)
        return io.run(check=check)

    def data(self):
        return pathlib.Path(self.path).read_bytes()

    def opts(self, text):
        return self.io('read -q 0 512', args=('--image-opts',), path=text,
                       check=False)


class EngineTest(Case):
    def one(self, seed, args):
        rng = b.rng_for(seed)
        model = b.Model(4 * MiB, rng)
        io = b.Io(self.path, args=('-f', 'raw', *args))
        for _ in range(40):
            model.step(io)
        io.run()
        self.assertEqual(self.data(), bytes(model.data))

    def test_engines_and_cache_modes_match_the_model(self):
        seed = 0
        for aio in ('threads', 'io_uring', 'native'):
            for cache in ('writeback', 'none', 'writethrough', 'directsync',
                          'unsafe'):
                if aio == 'native' and cache not in ('none', 'directsync'):
                    continue
                for misalign in ([], ['-m']):
                    seed += 1
                    with self.subTest(aio=aio, cache=cache, m=misalign):
                        os.truncate(self.path, 0)
                        os.truncate(self.path, 4 * MiB)
                        self.one(seed, ['-i', aio, '-t', cache, *misalign])

    @unittest.skipUnless('tmpfs /dev/shm ' in pathlib.Path(
        '/proc/mounts').read_text(), '/dev/shm is no tmpfs')
    def test_files_in_memory_match_the_model(self):
        with tempfile.TemporaryDirectory(dir='/dev/shm') as folder:
            for seed, aio in enumerate(('threads', 'io_uring')):
                self.path = os.path.join(folder, aio)
                with open(self.path, 'wb') as f:
                    f.truncate(4 * MiB)
                self.one(100 + seed, ['-i', aio])

    def test_native_needs_direct(self):
        p = self.io('length', args=('-f', 'raw', '-i', 'native'), check=False)
        self.assertEqual(p.returncode, 1)
        self.assertIn('cache.direct', p.stdout)

    def test_works_without_io_uring(self):
        os.environ['NEMU_LOOP'] = 'epoll'
        try:
            self.one(99, ['-i', 'io_uring'])
            os.truncate(self.path, 0)
            os.truncate(self.path, 4 * MiB)
            self.one(98, ['-n', '-k'])
        finally:
            del os.environ['NEMU_LOOP']

    def test_reads_are_the_same_in_the_page_cache_or_not(self):
        step, count = 8 * KiB, 100
        data = b''.join(bytes([i + 1]) * step for i in range(count)) + b'e' * 7
        pathlib.Path(self.path).write_bytes(data)
        places = [i * 37 % count for i in range(count)]
        lines = [f'read -P {i + 1} {i * step} {step}' for i in places]
        lines = [*lines, *lines, f'read -P {ord("e")} {count * step} 7']
        for args in (('-i', 'threads'), ('-i', 'io_uring'),
                     ('-i', 'io_uring', '-t', 'none')):
            with self.subTest(args=args), open(self.path, 'rb') as f:
                os.fsync(f.fileno())
                os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                # Half of each second part is there.
                os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_RANDOM)
                for i in range(0, count, 2):
                    os.pread(f.fileno(), 4 * KiB, i * step)
                p = self.io(*lines, args=('-f', 'raw', *args))
                self.assertNotIn('failed', p.stdout)
                self.assertEqual(p.stdout.count('bytes at offset'), len(lines))

    def test_write_beyond_the_end_fails(self):
        p = self.io('write 4M 512', 'read 4095k 2k', check=False)
        self.assertEqual(p.stdout.count('Input/output error'), 2)

    def test_last_bytes_of_an_odd_file(self):
        os.truncate(self.path, 1000)
        for args in ((), ('-n',)):
            self.io('write -P 7 900 100', 'read -P 7 900 100',
                    args=('-f', 'raw', *args))

    def test_last_sector_of_an_odd_file_is_whole(self):
        for args in ((), ('-n',)):
            os.truncate(self.path, 0)
            os.truncate(self.path, 1000)
            p = self.io('read -P 0 512 512', 'write -P 7 768 256',
                        'read -P 7 768 256', 'read -P 0 512 256', 'length',
                        'write 1024 1', args=('-f', 'raw', *args), check=False)
            self.assertEqual(p.stdout.count('Input/output error'), 1)
            self.assertEqual(p.stdout.count('bytes at offset'), 4)
            self.assertNotIn('verification failed', p.stdout)
            self.assertEqual(os.path.getsize(self.path), 1024)


class HoleTest(Case):
    def blocks(self):
        return os.stat(self.path).st_blocks * 512

    def test_discard_gives_the_space_back(self):
        self.io('write 0 4M')
        full = self.blocks()
        self.io('discard 1M 2M')
        self.assertEqual(self.blocks(), full)
        self.io('discard 1M 2M', args=('-f', 'raw', '-d', 'unmap'))
        self.assertLessEqual(self.blocks(), full - 2 * MiB + 64 * KiB)
        self.assertEqual(self.data()[MiB:3 * MiB], bytes(2 * MiB))

    def test_zeroes_are_detected(self):
        self.io('write 0 4M')
        full = self.blocks()
        self.io('write -P 0 0 4M', path=f'driver=raw,detect-zeroes=unmap,'
                f'discard=unmap,file.filename={self.path},file.driver=file',
                args=('--image-opts',))
        self.assertLess(self.blocks(), full // 4)

    def test_detect_zeroes_unmap_needs_discard(self):
        p = self.opts('driver=raw,detect-zeroes=unmap,file.driver=file,'
                      f'file.filename={self.path}')
        self.assertIn('discard', p.stdout)

    def test_write_zeroes_keeps_or_frees(self):
        self.io('write 0 4M')
        full = self.blocks()
        self.io('write -z 0 1M', args=('-f', 'raw', '-d', 'unmap'))
        self.assertEqual(self.blocks(), full)
        self.io('write -z -u 0 1M', args=('-f', 'raw', '-d', 'unmap'))
        self.assertLess(self.blocks(), full - MiB // 2)
        self.assertEqual(self.data()[:MiB], bytes(MiB))


class WindowTest(Case):
    def test_window_shows_and_changes_its_part_only(self):
        self.io('write -P 1 0 4M')
        self.io('length', 'write -P 2 0 1M', 'read -P 2 0 1M',
                path=f'driver=raw,offset=1M,size=1M,file.driver=file,'
                f'file.filename={self.path}', args=('--image-opts',))
        self.assertEqual(self.data(), b'\1' * MiB + b'\2' * MiB +
                         b'\1' * 2 * MiB)

    def test_window_must_fit(self):
        p = self.opts(f'driver=raw,offset=5M,file.driver=file,'
                      f'file.filename={self.path}')
        self.assertIn('Offset', p.stdout)
        p = self.opts(f'driver=raw,offset=3M,size=2M,file.driver=file,'
                      f'file.filename={self.path}')
        self.assertIn('size', p.stdout)


class BadFileTest(Case):
    def test_errors_name_the_file(self):
        p = self.io('length', path='/nonexistent/x', check=False)
        self.assertIn("Could not open '/nonexistent/x': No such file",
                      p.stdout)
        p = self.io('length', path=self.tmp.name, check=False)
        self.assertEqual(p.returncode, 1)

    def test_unknown_words_are_named(self):
        p = self.opts('driver=rwa,file.driver=file')
        self.assertIn('rwa', p.stdout)
        p = self.opts(f'driver=raw,fiel.driver=file')
        self.assertIn("'file' is missing", p.stdout)
        p = self.io('length', path='gluster://x/y', check=False)
        self.assertIn("Unknown protocol 'gluster'", p.stdout)

    def test_force_share_is_for_readers(self):
        p = self.opts('driver=raw,force-share=on,file.driver=file,'
                      f'file.filename={self.path}')
        self.assertIn('force-share', p.stdout)

    def test_guessed_raw_cannot_become_another_format(self):
        p = self.io('write -P 81 0 512', 'write -P 1 512 512', args=())
        self.assertIn('restricted', p.stdout)
        io = b.Io(self.path)
        magic = os.path.join(self.tmp.name, 'q')
        if b.HAVE_ORACLE:
            b.create(magic, MiB)
            header = pathlib.Path(magic).read_bytes()[:8]
            lines = [f'write -P {c} {i} 1' for i, c in enumerate(header)]
            p = self.io(*lines, args=(), check=False)
            self.assertIn('Operation not permitted', p.stdout)
            self.assertNotEqual(self.data()[:8], header)


@unittest.skipUnless(b.HAVE_ORACLE, "needs Debian's qemu-utils")
class LockTest(Case):
    def hold(self, tool, *args):
        p = subprocess.Popen([tool, '-f', 'qcow2', *args, self.path],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             text=True)
        p.stdin.write('length\n')
        p.stdin.flush()
        while 'MiB' not in p.stdout.readline():
            pass
        self.addCleanup(self.release, p)
        return p

    def release(self, p):
        if p.poll() is None:
            p.communicate('quit\n')

    def locks(self):
        ino = os.stat(self.path).st_ino
        bytes_ = set()
        for line in pathlib.Path('/proc/locks').read_text().splitlines():
            f = line.split()
            if f[1] == 'OFDLCK' and f[5].endswith(f':{ino}'):
                bytes_ |= set(range(int(f[6]), int(f[7]) + 1))
        return bytes_

    def attempt(self, tool, *args):
        return self.io('read -q 0 512', tool=tool,
                       args=('-f', 'qcow2', *args), check=False)

    def pair(self, holder, other):
        b.create(self.path, MiB)
        p = self.hold(holder)
        self.assertIn('lock', self.attempt(other).stdout)
        self.assertIn('lock', self.attempt(other, '-r').stdout)
        self.assertEqual(self.attempt(other, '-r', '-U').returncode, 0)
        self.release(p)
        self.assertEqual(self.attempt(other).returncode, 0)
        p = self.hold(holder, '-r')
        self.assertIn('lock', self.attempt(other).stdout)
        self.assertEqual(self.attempt(other, '-r').returncode, 0)
        self.release(p)

    def test_our_locks_keep_qemu_out(self):
        self.pair(b.OUR_IO, b.ORACLE_IO)

    def test_qemus_locks_keep_us_out(self):
        self.pair(b.ORACLE_IO, b.OUR_IO)

    def test_our_locks_keep_ourselves_out(self):
        self.pair(b.OUR_IO, b.OUR_IO)

    def test_locked_bytes_are_those_of_qemu(self):
        for args in ((), ('-r',)):
            b.create(self.path, MiB)
            seen = []
            for tool in (b.OUR_IO, b.ORACLE_IO):
                p = self.hold(tool, *args)
                seen.append(self.locks())
                self.release(p)
            self.assertEqual(seen[0], seen[1])

    def test_locking_off_takes_none(self):
        with open(self.path, 'wb') as f:
            f.truncate(MiB)
        p = subprocess.Popen(
            [b.OUR_IO, '--image-opts', f'driver=raw,file.driver=file,'
             f'file.locking=off,file.filename={self.path}'],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        p.stdin.write('length\n')
        p.stdin.flush()
        p.stdout.readline()
        self.assertEqual(self.locks(), set())
        self.release(p)


class DeviceTest(Case):
    def setUp(self):
        super().setUp()
        p = subprocess.run(['losetup', '--show', '-f', self.path],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           text=True)
        if p.returncode:
            self.skipTest('no loop device: ' + p.stderr.strip())
        self.dev = p.stdout.strip()
        self.addCleanup(subprocess.run, ['losetup', '-d', self.dev])

    def test_block_device_is_read_and_written(self):
        for args in ((), ('-n',), ('-n', '-k')):
            self.io('length', 'write -P 3 1k 70k', 'read -P 3 1k 70k',
                    'write -z 64k 64k', 'read -P 0 64k 64k', 'flush',
                    'discard 0 1M', path=self.dev,
                    args=('-f', 'raw', '-d', 'unmap', *args))

    def test_block_device_is_locked(self):
        with subprocess.Popen([b.OUR_IO, '-f', 'raw', self.dev],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                              text=True) as p:
            p.stdin.write('length\n')
            p.stdin.flush()
            p.stdout.readline()
            dev = os.stat(self.dev)
            locks = [line.split() for line in
                     pathlib.Path('/proc/locks').read_text().splitlines()]
            self.assertIn(['100', '101'],
                          [f[6:] for f in locks
                           if f[5].endswith(f':{dev.st_ino}')])
            p.communicate('quit\n')

    def test_device_is_no_regular_file(self):
        p = self.opts(f'driver=file,filename={self.dev}')
        self.assertIn('regular file', p.stdout)
        p = self.opts(f'driver=host_device,filename={self.path}')
        self.assertIn('block device', p.stdout)

    @unittest.skipUnless(b.HAVE_ORACLE, "needs Debian's QEMU")
    def test_creation_uses_what_is_there(self):
        for args in (['-f', 'raw', self.dev, '4M'],
                     ['-f', 'raw', self.dev, '5M'],
                     ['-f', 'qcow2', self.dev, '64M'],
                     ['-f', 'raw', '-o', 'preallocation=full', self.dev, '1M']):
            with self.subTest(args):
                mine, theirs = (
                    subprocess.run([tool, 'create', *args],
                                   stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, check=False)
                    for tool in (os.path.join(b.BUILD, 'qemu-img'),
                                 b.ORACLE_IMG))
                self.assertEqual((mine.returncode, mine.stdout),
                                 (theirs.returncode, theirs.stdout))

    @unittest.skipUnless(b.HAVE_ORACLE and ORACLE_DAEMON, "needs Debian's QEMU")
    def test_blockdev_create_in_a_device(self):
        node = {'driver': 'host_device', 'filename': self.dev}
        jobs = [{**node, 'size': MiB}] + [
            {'driver': 'qcow2', 'file': node, 'size': size, **more}
            for size, more in (
                (MiB, {}), (64 * MiB, {}), (MiB, {'preallocation': 'metadata'}),
                (MiB, {'preallocation': 'full'}),
                (MiB, {'preallocation': 'falloc'}))] + [
            {'driver': 'luks', 'file': node, 'size': size, 'key_secret': 's',
             'iter_time': 10} for size in (MiB, 4 * MiB)]
        outcomes = []
        for program in OUR_DAEMON, ORACLE_DAEMON:
            seen = []
            daemon = Storage(self.tmp.name, program,
                             ['--object', 'secret,id=s,data=password'])
            self.addCleanup(daemon.close)
            for options in jobs:
                how = daemon.create(**options)
                if not isinstance(how, str) and 'error' in how[1]:
                    # What comes before is QEMU's way to it.
                    how[1]['error'] = how[1]['error'].split(': ')[-1]
                elif options['driver'] == 'qcow2':
                    b.check(self.dev)
                seen.append([options, how])
            outcomes.append(seen)
        self.assertEqual(outcomes[0], outcomes[1])

    @unittest.skipUnless(b.HAVE_ORACLE, "needs Debian's QEMU")
    def test_data_file_may_be_a_device(self):
        image = os.path.join(self.tmp.name, 'q')
        ours = os.path.join(b.BUILD, 'qemu-img')
        for options in ('', ',data_file_raw=on', ',preallocation=metadata'):
            with self.subTest(options):
                b.run(ours, 'create', '-f', 'qcow2', '-o',
                      f'data_file={self.dev}{options}', image, '1M')
                self.io('write -P 5 0 1M', path=image, args=('-f', 'qcow2'))
                b.run(ours, 'resize', '--preallocation=metadata', image, '4M')
                self.io('write -P 6 3M 1M', 'write -z 1M 2M', path=image,
                        args=('-f', 'qcow2'))
                b.check(image)
                self.assertTrue(b.content(image) == b'\5' * MiB +
                                bytes(2 * MiB) + b'\6' * MiB)
                # None of it is in the image itself, nor is room for it.
                self.assertLess(os.path.getsize(image), MiB)
                p = subprocess.run([ours, 'resize', image, '5M'], text=True,
                                   capture_output=True, check=False)
                self.assertIn('device files', p.stderr)
                b.run(ours, 'resize', '--shrink', image, '1M')
                b.check(image)
                self.assertTrue(b.content(image) == b'\5' * MiB)


if __name__ == '__main__':
    unittest.main()
