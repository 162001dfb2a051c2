#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""FUSE exports, where this machine lets us mount."""

import ctypes
import os
import random
import subprocess
import tempfile
import time
import unittest

from blocklib import BUILD, ORACLE_IMG, run

OURS = os.path.join(BUILD, 'qemu-storage-daemon')
SIZE = 1 << 20
KEEP, PUNCH, ZERO = 1, 2, 16
LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64,
                           ctypes.c_int64]


def fallocate(fd, mode, offset, size):
    if LIBC.fallocate(fd, mode, offset, size):
        raise OSError(ctypes.get_errno(), 'fallocate')


class Export:
    def __init__(self, folder, image, options='writable=on', fmt='raw'):
        self.file = os.path.join(folder, 'mnt')
        with open(self.file, 'wb'):
            pass
        self.args = [
            OURS, '--object', 'iothread,id=t', '--blockdev',
            f'driver={fmt},node-name=n,file.driver=file,file.filename={image},'
            'discard=unmap,file.discard=unmap', '--export',
            f'fuse,id=e,node-name=n,mountpoint={self.file},{options}']

    def __enter__(self):
        self.proc = subprocess.Popen(self.args, stderr=subprocess.PIPE,
                                     text=True)
        for _ in range(6000):
            if os.path.ismount(self.file):
                return self
            if self.proc.poll() is not None:
                raise RuntimeError(self.proc.communicate()[1])
            time.sleep(0.01)
        raise AssertionError('not mounted after a minute')

    def __exit__(self, *exc):
        self.proc.terminate()
        assert self.proc.wait(60) == 0
        self.proc.stderr.close()
        assert not os.path.ismount(self.file)


def setUpModule():
    if not os.path.exists(os.path.join(BUILD, 'block-fuse.so')):
        raise unittest.SkipTest('built without libfuse')
    with tempfile.TemporaryDirectory() as folder:
        image = os.path.join(folder, 'img')
        with open(image, 'wb') as f:
            f.truncate(SIZE)
        try:
            with Export(folder, image):
                pass
        except RuntimeError as err:
            if 'mount' not in str(err):
                raise
            raise unittest.SkipTest(f'cannot mount here: {err}') from err


class Fuse(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = folder.name
        self.img = f'{self.dir}/img'
        self.data = bytearray(random.Random(1).randbytes(SIZE))
        with open(self.img, 'wb') as f:
            f.write(self.data)

    def same(self):
        with open(self.img, 'rb') as f:
            self.assertEqual(f.read(), self.data)

    def test_reads_and_writes(self):
        rng = random.Random(2)
        for thread in '', ',iothread=t':
            with Export(self.dir, self.img, 'writable=on' + thread) as e:
                st = os.stat(e.file)
                self.assertEqual((st.st_size, st.st_mode & 0o777),
                                 (SIZE, 0o600))
                fd = os.open(e.file, os.O_RDWR)
                for _ in range(200):
                    at, n = rng.randrange(SIZE), rng.randrange(1, 100000)
                    self.assertEqual(os.pread(fd, n, at), self.data[at:at + n])
                    n = min(n, SIZE - at)
                    new = rng.randbytes(n)
                    self.assertEqual(os.pwrite(fd, new, at), n)
                    self.data[at:at + n] = new
                os.fsync(fd)
                os.close(fd)
            self.same()

    def test_holes(self):
        with Export(self.dir, self.img) as e:
            fd = os.open(e.file, os.O_RDWR)
            fallocate(fd, PUNCH | KEEP, 65536, 131072)
            self.data[65536:196608] = bytes(131072)
            fallocate(fd, ZERO, 500001, 9999)
            self.data[500001:510000] = bytes(9999)
            self.assertEqual(os.pread(fd, SIZE, 0), self.data)
            self.assertEqual(os.lseek(fd, 0, os.SEEK_HOLE), 65536)
            self.assertEqual(os.lseek(fd, 65536, os.SEEK_DATA), 196608)
            for mode, at, size in (0, 0, 4096), (PUNCH | KEEP, -1, 5):
                with self.assertRaises(OSError):
                    fallocate(fd, mode, at, size)
            os.close(fd)
        self.same()

    def test_size_stays_unless_growable(self):
        with Export(self.dir, self.img) as e:
            fd = os.open(e.file, os.O_RDWR)
            with self.assertRaises(OSError):
                os.pwrite(fd, b'x', SIZE)
            with self.assertRaises(OSError):
                os.ftruncate(fd, SIZE * 2)
            self.assertEqual(os.pread(fd, 10, SIZE), b'')
            os.close(fd)
        self.same()
        with Export(self.dir, self.img, 'writable=on,growable=on') as e:
            fd = os.open(e.file, os.O_RDWR)
            self.assertEqual(os.pwrite(fd, b'end', SIZE * 2), 3)
            os.ftruncate(fd, SIZE * 2 + 512)
            self.assertEqual(os.fstat(fd).st_size, SIZE * 2 + 512)
            os.close(fd)
        self.data += bytes(SIZE) + b'end' + bytes(509)
        self.same()

    def test_read_only(self):
        with Export(self.dir, self.img, 'writable=off') as e:
            self.assertEqual(os.stat(e.file).st_mode & 0o777, 0o400)
            with open(e.file, 'rb') as f:
                self.assertEqual(f.read(), self.data)
            fd = os.open(e.file, os.O_RDWR) if not os.getuid() else -1
            if fd >= 0:
                with self.assertRaises(OSError):
                    os.write(fd, b'x')
                os.close(fd)
        self.same()

    @unittest.skipUnless(ORACLE_IMG, 'needs qemu-img')
    def test_a_qcow2_image_as_a_raw_file(self):
        qcow2 = f'{self.dir}/q'
        run(ORACLE_IMG, 'convert', '-O', 'qcow2', self.img, qcow2)
        with Export(self.dir, qcow2, fmt='qcow2') as e:
            p = run(ORACLE_IMG, 'compare', '-U', '-f', 'raw', '-F', 'raw',
                    e.file, self.img)
            self.assertIn('identical', p.stdout)

    def test_mountpoints_that_cannot_be(self):
        for where, text in ('/nonexistent', 'Failed to stat'), \
                (self.dir, 'is not a regular file'):
            p = run(OURS, '--blockdev', f'file,node-name=n,filename={self.img}',
                    '--export', f'fuse,id=e,node-name=n,mountpoint={where}',
                    check=False)
            self.assertIn(text, p.stdout)
            self.assertTrue(p.returncode)


if __name__ == '__main__':
    unittest.main()
