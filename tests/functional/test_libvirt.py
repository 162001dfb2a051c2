# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian's libvirt takes our binary for QEMU."""

import os
import pty
import re
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree as ET
from pathlib import Path

from nemu_functional import image
from nemu_functional.console import Console
from nemu_functional.libvirt import Libvirt
from nemu_functional.vm import env, tested_binary

# USB controller and balloon wait for a later issue.
DOMAIN = '''
<domain type='kvm'>
  <name>demo</name>
  <memory unit='MiB'>256</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>{kernel}</kernel>
    <initrd>{initrd}</initrd>
    <cmdline>console=ttyS0 quiet panic=-1</cmdline>
  </os>
  <features><acpi/><apic/></features>
  <cpu mode='host-passthrough'/>
  <devices>
    <emulator>{emulator}</emulator>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='{disk}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <serial type='pty'><target port='0'/></serial>
    <console type='pty'><target type='serial' port='0'/></console>
    <channel type='unix'>
      <target type='virtio' name='org.qemu.guest_agent.0'/>
    </channel>
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
  </devices>
</domain>
'''

# What a guest with an ACPI daemon does when its power button is pressed.
BUTTON = ('modprobe evdev; dd if=/dev/input/$(grep -A5 "Power Button" '
          '/proc/bus/input/devices | sed -n "s/.*\\(event[0-9]*\\).*/\\1/p") '
          'of=/dev/null bs=24 count=1 2>/dev/null; poweroff -f')


class PtyConsole(Console):
    """virsh console, which insists on a terminal."""

    def __init__(self, argv):
        master, slave = pty.openpty()
        self.proc = subprocess.Popen(argv, stdin=slave, stdout=slave,
                                     stderr=slave, start_new_session=True)
        os.close(slave)
        super().__init__(None, sock=PtySocket(master))

    def close(self):
        self.proc.terminate()
        self.proc.wait()
        super().close()


class PtySocket:
    """The socket calls that Console makes, on a pty master."""

    def __init__(self, fd):
        self.fd = fd

    def recv(self, size):
        return os.read(self.fd, size)

    def sendall(self, data):
        while data:
            data = data[os.write(self.fd, data):]

    def shutdown(self, how):
        pass

    def close(self):
        os.close(self.fd)


class LibvirtCase(unittest.TestCase):

    def setUp(self):
        self.emulator = tested_binary()
        self.lv = Libvirt(self.emulator)
        self.enterContext(self.lv)
        tmp = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.disk = image.create_ext4(tmp / 'disk', 'qcow2', 64)
        self.xml = DOMAIN.format(kernel=env('NEMU_L2_KERNEL'),
                                 initrd=env('NEMU_L2_INITRD'),
                                 emulator=self.emulator, disk=self.disk)


class Accepts(LibvirtCase):

    def test_domcapabilities_of_q35(self):
        text = self.lv.virsh('domcapabilities', '--emulatorbin', self.emulator,
                             '--machine', 'q35', '--virttype', 'kvm')
        caps = ET.fromstring(text)
        self.assertEqual(caps.findtext('path'), self.emulator)
        self.assertEqual(caps.findtext('domain'), 'kvm')
        self.assertEqual(caps.findtext('machine'), 'pc-q35-7.2')
        self.assertEqual(caps.find('cpu/mode[@name="host-passthrough"]')
                         .get('supported'), 'yes')
        self.assertIn('virtio', [v.text for v in caps.findall(
            'devices/disk/enum[@name="bus"]/value')])
        self.assertEqual(caps.find('devices/rng').get('supported'), 'yes')

    def test_capabilities_list_the_emulator(self):
        caps = ET.fromstring(self.lv.virsh('capabilities'))
        guests = [g for g in caps.findall('guest')
                  if g.find('arch').get('name') == 'x86_64']
        self.assertEqual(len(guests), 1)
        arch = guests[0].find('arch')
        emulators = [e.text for e in arch.iter('emulator')]
        self.assertTrue(any(os.path.realpath(e) ==
                            os.path.realpath(self.emulator)
                            for e in emulators), emulators)
        machines = [m.text for m in arch.findall('machine')]
        self.assertIn('pc-q35-7.2', machines)
        self.assertIn('q35', machines)
        self.assertIn('kvm', [d.get('type') for d in arch.findall('domain')])

    def test_define_and_domxml_to_native(self):
        self.lv.define(self.xml)
        self.assertIn('demo', self.lv.virsh('list', '--all', '--name'))
        native = self.lv.virsh('domxml-to-native', 'qemu-argv',
                               '--domain', 'demo')
        self.assertIn(self.emulator, native)
        self.assertRegex(native, r'-machine pc-q35-7\.2,')
        self.assertRegex(native, r'virtio-blk-pci')
        self.assertRegex(native, r'pcie-root-port')
        self.lv.virsh('undefine', 'demo')


class Runs(LibvirtCase):

    def console(self):
        console = PtyConsole(self.lv.argv('console', 'demo', '--force'))
        self.addCleanup(console.close)
        return console

    def test_start_console_reboot_shutdown_destroy(self):
        self.lv.define(self.xml)
        self.lv.virsh('start', 'demo')
        self.lv.wait_state('demo', 'running')
        console = self.console()
        console.wait_answer(120)
        console.sh('mount -t ext4 /dev/vda /mnt && echo x > /mnt/x && '
                   'umount /mnt')
        ident = self.lv.virsh('domid', 'demo')

        console.start(BUTTON)
        self.lv.virsh('reboot', 'demo')
        console.wait_ready(120)
        self.assertEqual(self.lv.virsh('domid', 'demo'), ident)

        console.start(BUTTON)
        self.lv.virsh('shutdown', 'demo')
        self.lv.wait_state('demo', 'shut off')
        self.assertRegex(self.lv.virsh('domstate', '--reason', 'demo'),
                         r'shutdown')
        image.check(self.disk, 'qcow2')

        self.lv.virsh('start', 'demo')
        self.console().wait_answer(120)
        self.assertTrue(re.search(r'\d', self.lv.virsh('domid', 'demo')))
        self.lv.virsh('suspend', 'demo')
        self.lv.wait_state('demo', 'paused')
        self.lv.virsh('resume', 'demo')
        self.lv.wait_state('demo', 'running')
        self.lv.virsh('destroy', 'demo')
        self.lv.wait_state('demo', 'shut off')
        image.check(self.disk, 'qcow2')
