# SPDX-License-Identifier: GPL-2.0-or-later
"""Data written through virtio-blk is on the image, whatever happens next."""

import time
import unittest

from nemu_functional import image
from nemu_functional.vm import Vm

FILL = 'dd if=/dev/urandom of={} bs=64k count={} 2>/dev/null'


def drive(path, fmt, extra=''):
    """-drive and -device of one virtio disk."""
    return ('-drive', f'if=none,id=d0,file={path},format={fmt}{extra}',
            '-device', 'virtio-blk-pci,drive=d0,serial=disk-0')


class Ext4(unittest.TestCase):

    def write_reboot_read(self, fmt, extra=''):
        with Vm(name=f'ext4-{fmt}') as vm:
            disk = image.create_ext4(vm.path('disk'), fmt, 128)
            vm.argv += drive(disk, fmt, extra)
            vm.boot()
            vm.sh('mount -t ext4 /dev/vda /mnt')
            vm.sh(FILL.format('/mnt/a', 64) + '; sync')
            vm.sh('mkdir /mnt/dir; for i in $(seq 50); do '
                  'echo $i > /mnt/dir/$i; done; sync')
            wanted = vm.sh('md5sum /mnt/a')
            vm.sh('umount /mnt')
            vm.console.start('reboot -f')
            vm.qmp.wait_event('RESET')
            vm.console.wait_ready()
            vm.sh('mount -t ext4 /dev/vda /mnt')
            self.assertEqual(vm.sh('md5sum /mnt/a'), wanted)
            self.assertEqual(vm.sh('cat /mnt/dir/* | sort -n | tail -1'), '50')
            vm.sh('umount /mnt')
            self.assertEqual(vm.poweroff(), 0)
            image.check(disk, fmt)
            image.fsck(disk, fmt)

    def test_qcow2_keeps_what_was_written(self):
        self.write_reboot_read('qcow2')

    def test_raw_keeps_what_was_written(self):
        self.write_reboot_read('raw')

    def test_raw_with_direct_native_aio(self):
        self.write_reboot_read('raw', ',cache=none,aio=native')

    def test_qcow2_with_direct_io_uring(self):
        self.write_reboot_read('qcow2', ',cache=none,aio=io_uring')


class Device(unittest.TestCase):

    def test_guest_sees_size_serial_and_queues(self):
        with Vm(cpus=2, name='blk-props') as vm:
            disk = image.create(vm.path('disk'), 'qcow2', '96M')
            vm.argv += drive(disk, 'qcow2')
            vm.boot()
            self.assertEqual(vm.sh('cat /sys/block/vda/size'),
                             str(96 << 20 >> 9))
            self.assertEqual(vm.sh('cat /sys/block/vda/serial'), 'disk-0')
            self.assertEqual(vm.sh('ls /sys/block/vda/mq | wc -l'), '2')
            vm.quit()

    def test_resize_reaches_the_guest(self):
        with Vm(name='resize') as vm:
            disk = image.create(vm.path('disk'), 'raw', '32M')
            vm.argv += drive(disk, 'raw')
            vm.boot()
            vm.qmp.cmd('block_resize', device='d0', size=64 << 20)
            time.sleep(1)
            self.assertEqual(vm.sh('cat /sys/block/vda/size'),
                             str(64 << 20 >> 9))
            vm.quit()

    def test_discard_frees_clusters(self):
        with Vm(name='discard') as vm:
            disk = image.create(vm.path('disk'), 'qcow2', '64M')
            vm.argv += drive(disk, 'qcow2', ',discard=unmap')
            vm.boot()
            vm.sh(FILL.format('/dev/vda', 256) + '; sync')
            full = disk.stat().st_blocks
            vm.sh('blkdiscard /dev/vda')
            self.assertEqual(vm.sh('head -c 1048576 /dev/vda | tr -d "\\0" | '
                                   'wc -c'), '0')
            self.assertEqual(vm.poweroff(), 0)
            self.assertLess(disk.stat().st_blocks, full / 2)
            image.check(disk, 'qcow2')

    def test_read_only_disk_refuses_writes(self):
        with Vm(name='read-only') as vm:
            disk = image.create(vm.path('disk'), 'raw', '16M')
            vm.argv += drive(disk, 'raw', ',readonly=on')
            vm.boot()
            self.assertEqual(vm.sh('cat /sys/block/vda/ro'), '1')
            vm.sh('! dd if=/dev/zero of=/dev/vda count=1 2>/dev/null')
            vm.quit()

    def test_backing_file_is_read_and_not_written(self):
        with Vm(name='backing') as vm:
            base = image.create_ext4(vm.path('base'), 'qcow2', 32)
            before = base.read_bytes()
            disk = vm.path('top')
            image.qemu_img('create', '-q', '-f', 'qcow2', '-b', base, '-F',
                           'qcow2', disk)
            vm.argv += drive(disk, 'qcow2')
            vm.boot()
            vm.sh('mount -t ext4 /dev/vda /mnt; echo new > /mnt/new; umount /mnt')
            self.assertEqual(vm.poweroff(), 0)
            self.assertEqual(base.read_bytes(), before)
            image.check(disk, 'qcow2')
            image.fsck(disk, 'qcow2')


class Kill(unittest.TestCase):

    def test_killed_writer_leaves_a_sound_qcow2(self):
        with Vm(name='kill') as vm:
            disk = image.create(vm.path('disk'), 'qcow2', '256M')
            vm.argv += drive(disk, 'qcow2')
            vm.boot()
            vm.sh('dd if=/dev/urandom of=/block bs=1M count=1 2>/dev/null')
            vm.sh('dd if=/block of=/dev/vda bs=1M seek=7 conv=fsync '
                  '2>/dev/null; sync')
            wanted = vm.sh('md5sum < /block')
            # Far apart, so that new L2 tables and refcounts keep coming.
            vm.console.start('i=8; while :; do dd if=/block of=/dev/vda '
                             'bs=1M seek=$((i % 240 + 8)) count=1 oflag=direct '
                             '2>/dev/null; echo wrote; i=$((i + 37)); done')
            vm.console.expect('wrote.*wrote.*wrote')
            time.sleep(0.5)
            vm.kill()
            self.examine(disk, wanted)

    def examine(self, disk, wanted):
        """Synced data is there, and no metadata is wrong (leaks are fair)."""
        image.check(disk, 'qcow2', leaks_ok=True)
        with Vm(name='kill-again') as vm:
            vm.argv += drive(disk, 'qcow2')
            vm.boot()
            self.assertEqual(
                vm.sh('dd if=/dev/vda bs=1M skip=7 count=1 2>/dev/null | '
                      'md5sum'), wanted)
            self.assertEqual(vm.poweroff(), 0)

    def test_killed_writer_leaves_a_repairable_lazy_qcow2(self):
        with Vm(name='kill-lazy') as vm:
            disk = image.create(vm.path('disk'), 'qcow2', '64M', compat='1.1',
                                lazy_refcounts='on')
            vm.argv += drive(disk, 'qcow2')
            vm.boot()
            vm.console.start('while :; do dd if=/dev/urandom of=/dev/vda '
                             'bs=64k count=900 2>/dev/null; echo wrote; done')
            vm.console.expect('wrote', timeout=90)
            vm.kill()
            image.qemu_img('check', '-q', '-r', 'all', '-f', 'qcow2', disk)
            image.check(disk, 'qcow2')
