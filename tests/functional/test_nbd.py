# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-nbd -c makes an image a block device of the kernel."""

import os
import shutil
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from nemu_functional import image

DEVICE = '/dev/nbd0'
STATE = Path('/sys/block/nbd0')
MIB = 1 << 20


def loaded():
    """Is there a device? The kernel's module may have to be loaded."""
    if not STATE.exists():
        subprocess.run(['modprobe', 'nbd', 'max_part=4'],
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return STATE.exists() and os.access(DEVICE, os.W_OK)


def partition_table(path):
    """One partition, from 1 MiB on, of 4 MiB."""
    entry = bytes([0, 0, 0, 0, 0x83, 0, 0, 0]) + \
        (2048).to_bytes(4, 'little') + (8192).to_bytes(4, 'little')
    with open(path, 'r+b') as f:
        f.seek(446)
        f.write(entry)
        f.seek(510)
        f.write(b'\x55\xaa')


class KernelDevice(unittest.TestCase):

    def setUp(self):
        if not loaded():
            self.skipTest('the kernel has no nbd')
        self.program = Path(os.environ['NEMU_MODULE_DIR']) / 'qemu-nbd'
        self.dir = tempfile.mkdtemp(prefix='nemu-nbd-')
        self.addCleanup(shutil.rmtree, self.dir)
        self.addCleanup(subprocess.run, [self.program, '-d', DEVICE],
                        stdout=subprocess.DEVNULL)

    def path(self, name):
        return os.path.join(self.dir, name)

    def until(self, what, done):
        end = time.monotonic() + 60
        while not done():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.02)

    def run_nbd(self, *args):
        """In a file: the server that goes on must not keep a pipe open."""
        with open(self.path('said'), 'w') as said:
            done = subprocess.run([self.program, *args], stdout=said,
                                  stderr=said, timeout=60)
        self.assertEqual(done.returncode, 0, Path(self.path('said')).read_text())

    def connect(self, *args):
        self.run_nbd('--pid-file', self.path('pid'), '-c', DEVICE, *args)
        return int(Path(self.path('pid')).read_text())

    def disconnect(self, pid):
        self.run_nbd('-d', DEVICE)
        self.until('the server goes on',
                   lambda: not os.path.exists(self.path('pid')))
        self.until('the device is still there',
                   lambda: (STATE / 'size').read_text() == '0\n' or
                   not (STATE / 'pid').exists())

    def fill(self, byte, offset):
        with open(DEVICE, 'r+b', buffering=0) as f:
            f.seek(offset)
            f.write(bytes([byte]) * 65536)
            os.fsync(f.fileno())

    def test_data_and_partitions(self):
        raw, disk = self.path('raw'), self.path('disk')
        with open(raw, 'wb') as f:
            f.truncate(16 * MIB)
        partition_table(raw)
        image.qemu_img('convert', '-f', 'raw', '-O', 'qcow2', raw, disk)
        pid = self.connect('-f', 'qcow2', disk)
        self.assertEqual((STATE / 'size').read_text(), f'{16 * MIB // 512}\n')
        part = STATE / 'nbd0p1' / 'size'
        self.until('no partition', part.exists)
        self.assertEqual(part.read_text(), '8192\n')
        self.fill(7, 8 * MIB)
        with open(DEVICE, 'rb', buffering=0) as f:
            f.seek(8 * MIB - 4096)
            data = f.read(8192)
        self.assertEqual(data, bytes(4096) + bytes([7]) * 4096)
        self.disconnect(pid)
        image.check(disk, 'qcow2')
        image.qemu_img('convert', '-f', 'qcow2', '-O', 'raw', disk, raw)
        with open(raw, 'rb') as f:
            f.seek(8 * MIB)
            self.assertEqual(f.read(65536), bytes([7]) * 65536)

    def test_read_only_and_ended_by_a_signal(self):
        disk = image.create(self.path('disk'), 'raw', '4M')
        pid = self.connect('-r', '-t', '-f', 'raw', disk)
        self.assertEqual((STATE / 'ro').read_text(), '1\n')
        with self.assertRaises(OSError):
            self.fill(1, 0)
        os.kill(pid, 15)
        self.until('the server goes on',
                   lambda: not os.path.exists(self.path('pid')))
        # It may be used again.
        self.disconnect(self.connect('-f', 'raw', disk))

    def test_verbose_stays_in_the_foreground(self):
        disk = image.create(self.path('disk'), 'raw', '4M')
        server = subprocess.Popen(
            [self.program, '-v', '-c', DEVICE, '-f', 'raw', disk],
            stderr=subprocess.PIPE, text=True)
        self.assertEqual(server.stderr.readline(),
                         f'NBD device {DEVICE} is now connected to {disk}\n')
        self.run_nbd('-d', DEVICE)
        self.assertEqual(server.wait(60), 0)
        server.stderr.close()
