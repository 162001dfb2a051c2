# SPDX-License-Identifier: GPL-2.0-or-later
"""Linux takes a disk that is plugged in, uses it, and gives it back."""

import unittest

from nemu_functional import image
from nemu_functional.vm import Vm

# Pushing the button of a slot gives the user five seconds to repent.
TIMEOUT = 120
COUNT = 'set -- /dev/vd?; [ -b "$1" ] && echo $# || echo 0'
# Wait until there are as many disks as asked for.
WAIT = (f'i=0; while [ "$({COUNT})" != {{n}} ] && [ $i -lt 100 ]; do '
        f'sleep 1; i=$((i + 1)); done; {COUNT}')


class Hotplug(unittest.TestCase):

    def wait_disks(self, vm, n):
        self.assertEqual(vm.sh(WAIT.format(n=n), timeout=TIMEOUT), str(n))

    def plug_and_unplug(self, vm, text, **where):
        """A disk comes, is written to, goes; the image has what was written."""
        disk = image.create(vm.path('disk'), 'raw', '1M')
        vm.qmp.cmd('blockdev-add', driver='file', node_name='disk',
                   filename=str(disk))
        vm.qmp.cmd('device_add', driver='virtio-blk-pci', id='d0',
                   drive='disk', **where)
        self.wait_disks(vm, 1)
        vm.sh(f'echo {text} | dd of=/dev/vda bs=512 conv=sync,fsync 2>/dev/null')
        vm.qmp.cmd('device_del', id='d0')
        event = vm.qmp.wait_event('DEVICE_DELETED', TIMEOUT)
        while event['data'].get('device') != 'd0':
            event = vm.qmp.wait_event('DEVICE_DELETED', TIMEOUT)
        self.wait_disks(vm, 0)
        vm.qmp.cmd('blockdev-del', node_name='disk')
        self.assertTrue(disk.read_bytes().startswith(text.encode()))

    def check(self, vm, mods, **where):
        vm.boot()
        vm.sh(f'modprobe -a {mods}')
        self.wait_disks(vm, 0)
        for text in ('first', 'second'):
            with self.subTest(text):
                self.plug_and_unplug(vm, text, **where)
        self.assertEqual(vm.poweroff(), 0)

    def test_disk_in_a_pcie_root_port(self):
        with Vm('-device', 'pcie-root-port,id=rp,chassis=1,slot=1',
                name='hotplug-port') as vm:
            self.check(vm, 'virtio_pci virtio_blk', bus='rp')

    def test_disk_in_a_pci_bridge(self):
        # The cloud flavour has no driver of standard hot-plug controllers.
        with Vm('-device', 'pci-bridge,id=bridge,chassis_nr=2',
                kernel='GENERIC', name='hotplug-bridge') as vm:
            self.check(vm, 'virtio_pci virtio_blk', bus='bridge', addr='3')
