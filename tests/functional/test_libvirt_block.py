# SPDX-License-Identifier: GPL-2.0-or-later
"""Disks, jobs, backups and volumes as Debian's libvirt manages them.

The domain does not run: what counts is which bytes end up in which image.
"""

import base64
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree as ET
from pathlib import Path

from nemu_functional import image
from nemu_functional.libvirt import Libvirt
from nemu_functional.vm import tested_binary, tested_tools

MIB = 1 << 20
# libvirt believes in incremental backups once migration can take bitmaps along.
DOMAIN = '''
<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>demo</name>
  <memory unit='MiB'>64</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <features><acpi/><apic/></features>
  <cpu mode='host-passthrough'/>
  <devices>
    <emulator>{emulator}</emulator>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    {ports}
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='none' discard='unmap'/>
      <source file='{dir}/disk.qcow2'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='{dir}/disk.raw'/>
      <target dev='vdb' bus='virtio'/>
    </disk>
  </devices>
  <qemu:capabilities>
    <qemu:add capability='incremental-backup'/>
  </qemu:capabilities>
  <qemu:commandline>
    <qemu:env name='NEMU_MODULE_DIR' value='{modules}'/>
  </qemu:commandline>
</domain>
'''
PORTS = ''.join(f"<controller type='pci' index='{i}' model='pcie-root-port'/>"
                for i in range(1, 9))
SECRET = 'aaaaaaaa-0000-4000-8000-000000000001'
PASSPHRASE = 'open sesame'
ENCRYPTION = f'''
<encryption format='luks'>
  <secret type='passphrase' uuid='{SECRET}'/>
</encryption>'''


def qemu_io(image_args, *commands):
    """Debian's qemu-io; what it printed. A pattern that differs fails."""
    writes = any(c.startswith('write') for c in commands)
    done = subprocess.run(
        ['/usr/bin/qemu-io', *([] if writes else ['-r']),
         *(word for c in commands for word in ('-c', c)),
         *map(str, image_args)], capture_output=True, text=True)
    text = done.stdout + done.stderr
    if done.returncode or 'verification failed' in text:
        raise AssertionError(f'qemu-io {commands} {image_args}: {text}')
    return text


class LibvirtBlockCase(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.emulator = Path(tested_binary())
        cls.lv = cls.enterClassContext(Libvirt(cls.emulator))
        cls.virsh = cls.lv.virsh

    def setUp(self):
        self.dir = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def start(self):
        """vda: 2 at 1 to 3 MiB over 1 at 0 to 8 MiB; vdb: 3 at 0 to 4 MiB."""
        image.create(self.dir / 'base.qcow2', 'qcow2', '64M')
        qemu_io([self.dir / 'base.qcow2', '-f', 'qcow2'], 'write -P 1 0 8M')
        image.create(self.dir / 'disk.qcow2', 'qcow2', '64M',
                     backing_file=self.dir / 'base.qcow2', backing_fmt='qcow2')
        qemu_io([self.dir / 'disk.qcow2', '-f', 'qcow2'], 'write -P 2 1M 2M')
        image.create(self.dir / 'disk.raw', 'raw', '32M')
        qemu_io([self.dir / 'disk.raw', '-f', 'raw'], 'write -P 3 0 4M')
        self.lv.define(DOMAIN.format(emulator=self.emulator, dir=self.dir,
                                     modules=tested_tools(), ports=PORTS))
        self.addCleanup(self.virsh, 'undefine', 'demo',
                        '--checkpoints-metadata')
        self.virsh('start', 'demo', '--paused')
        self.addCleanup(self.destroy)

    def destroy(self):
        if self.virsh('domstate', 'demo').strip() != 'shut off':
            self.virsh('destroy', 'demo')

    def hmp_write(self, disk, pattern, offset, length):
        """Write to a disk as its guest would."""
        device = f'/machine/peripheral/{disk}/virtio-backend'
        self.virsh('qemu-monitor-command', 'demo', '--hmp',
                   f'qemu-io -d {device} '
                   f'"write -P {pattern} {offset} {length}"')

    def files(self):
        """Disk to file."""
        lines = self.virsh('domblklist', 'demo').strip().splitlines()
        return {disk: path for disk, path in map(str.split, lines)}

    def snapshot(self, name):
        """A new layer of vda; vdb stays as it is."""
        self.virsh('snapshot-create-as', 'demo', name, '--disk-only',
                   '--no-metadata', '--diskspec',
                   f'vda,file={self.dir}/{name}.qcow2',
                   '--diskspec', 'vdb,snapshot=no')

    def define_secret(self):
        self.lv.with_xml(f"<secret ephemeral='no' private='no'>"
                         f'<uuid>{SECRET}</uuid></secret>', 'secret-define')
        self.virsh('secret-set-value', SECRET,
                   base64.b64encode(PASSPHRASE.encode()).decode())

    def expect(self, path, fmt='qcow2'):
        """The image has vda's bytes, and is as it should be."""
        qemu_io([path, '-f', fmt], 'read -P 1 0 1M', 'read -P 2 1M 2M',
                'read -P 1 3M 5M', 'read -P 0 8M 56M')
        image.check(path, fmt)


class Jobs(LibvirtBlockCase):

    def test_snapshot_and_active_commit_of_two_disks(self):
        self.start()
        self.check_limits_and_figures()
        self.virsh('snapshot-create-as', 'demo', 's', '--disk-only', '--atomic',
                   '--no-metadata', '--diskspec', f'vda,file={self.dir}/a',
                   '--diskspec', f'vdb,file={self.dir}/b')
        self.assertEqual(self.files(), {'vda': f'{self.dir}/a',
                                        'vdb': f'{self.dir}/b'})
        for disk in ('vda', 'vdb'):
            self.virsh('blockcommit', 'demo', disk, '--active', '--wait',
                       '--pivot')
        self.assertEqual(self.files(), {'vda': f'{self.dir}/base.qcow2',
                                        'vdb': f'{self.dir}/disk.raw'})
        self.destroy()
        self.expect(self.dir / 'base.qcow2')
        qemu_io([self.dir / 'disk.raw', '-f', 'raw'], 'read -P 3 0 4M',
                'read -P 0 4M 28M')

    def test_copy_commit_in_the_middle_and_pull(self):
        self.start()
        self.virsh('blockcopy', 'demo', 'vda', '--dest', self.dir / 'copy.raw',
                   '--format', 'raw', '--wait', '--finish', '--transient-job')
        self.virsh('blockcopy', 'demo', 'vda', self.dir / 'copy.qcow2',
                   '--wait', '--pivot', '--transient-job')
        self.assertEqual(self.files()['vda'], f'{self.dir}/copy.qcow2')
        for name in ('s1', 's2', 's3'):
            self.snapshot(name)
        self.virsh('blockcommit', 'demo', 'vda', '--top', self.dir / 's2.qcow2',
                   '--base', self.dir / 's1.qcow2', '--wait')
        self.virsh('blockpull', 'demo', 'vda', '--base',
                   self.dir / 'copy.qcow2', '--wait')
        self.assertIn(f'\nbacking file: {self.dir}/copy.qcow2\n',
                      image.qemu_img('info', '-U', self.dir / 's3.qcow2'))
        self.virsh('blockresize', 'demo', 'vda', '80M')
        self.assertRegex(self.virsh('domblkinfo', 'demo', 'vda'),
                         rf'Capacity: +{80 * MIB}\n')
        self.virsh('blockpull', 'demo', 'vda', '--wait', '--bandwidth', '100')
        self.destroy()
        self.assertNotIn('backing-filename',
                         image.info(self.dir / 's3.qcow2', 'qcow2'))
        self.expect(self.dir / 's3.qcow2')
        self.expect(self.dir / 'copy.qcow2')
        self.expect(self.dir / 'copy.raw', 'raw')

    def check_limits_and_figures(self):
        self.virsh('blkdeviotune', 'demo', 'vda', '--group-name', 'g',
                   '--read-iops-sec', '100', '--total-bytes-sec', '5000000',
                   '--total-bytes-sec-max', '9000000', '--live')
        limits = self.virsh('blkdeviotune', 'demo', 'vda')
        for line in (r'total_bytes_sec: 5000000', r'read_iops_sec +: 100',
                     r'total_bytes_sec_max: 9000000', r'group_name +: g'):
            self.assertRegex(limits, line)
        self.virsh('domblkthreshold', 'demo', 'vda', '1000000')
        stats = self.virsh('domstats', 'demo', '--block', '--backing')
        self.assertIn(f'block.0.capacity={64 * MIB}\n', stats)
        self.assertIn('block.0.threshold=1000000\n', stats)
        self.assertIn(f'block.1.path={self.dir}/base.qcow2\n', stats)


class Backup(LibvirtBlockCase):

    def checkpoint(self, name):
        self.virsh('checkpoint-create-as', 'demo', name, '--diskspec',
                   'vda,checkpoint=bitmap', '--diskspec', 'vdb,checkpoint=no')

    def begin(self, mode, what, since=None, server=''):
        since = f'<incremental>{since}</incremental>' if since else ''
        self.lv.with_xml(
            f"<domainbackup mode='{mode}'>{since}{server}<disks>"
            f"<disk name='vda' backup='yes' type='file'>{what}</disk>"
            f"<disk name='vdb' backup='no'/></disks></domainbackup>",
            'backup-begin', 'demo')

    def push(self, path, since=None):
        self.begin('push', f"<target file='{path}'/><driver type='qcow2'/>",
                   since)
        self.wait_job()

    def wait_job(self):
        while 'Backup' in self.virsh('domjobinfo', 'demo'):
            pass
        self.assertRegex(self.virsh('domjobinfo', 'demo', '--completed'),
                         r'Job type: +Completed')

    def test_in_full_and_what_changed(self):
        self.start()
        self.checkpoint('c1')
        self.push(self.dir / 'full.qcow2')
        self.hmp_write('virtio-disk0', 7, '16M', '64k')
        self.push(self.dir / 'changed.qcow2', 'c1')
        self.checkpoint('c2')
        self.pull_what_changed('c1')
        self.virsh('checkpoint-delete', 'demo', 'c1')
        self.virsh('checkpoint-delete', 'demo', 'c2')
        self.destroy()
        self.expect(self.dir / 'full.qcow2')
        changed = self.dir / 'changed.qcow2'
        image.check(changed, 'qcow2')
        self.assertEqual(
            qemu_io([changed, '-f', 'qcow2'], 'map').split(')')[0:2],
            ['16 MiB (0x1000000',
             ' bytes not allocated at offset 0 bytes (0x0'])
        qemu_io([changed, '-f', 'qcow2'], 'read -P 7 16M 64k')

    def pull_what_changed(self, since):
        sock = self.dir / 'nbd.sock'
        self.begin('pull', f"<scratch file='{self.dir}/scratch.qcow2'/>", since,
                   f"<server transport='unix' socket='{sock}'/>")
        # Later writes are none of the backup's business.
        self.hmp_write('virtio-disk0', 8, '16M', '64k')
        uri = f'nbd+unix:///vda?socket={sock}'
        changed = subprocess.run(
            ['nbdinfo', '--map=qemu:dirty-bitmap:backup-vda', uri],
            check=True, capture_output=True, text=True).stdout
        self.assertEqual([line.split()[:3] for line in changed.splitlines()],
                         [['0', str(16 * MIB), '0'],
                          [str(16 * MIB), '65536', '1'],
                          [str(16 * MIB + 65536), str(48 * MIB - 65536), '0']])
        qemu_io([uri, '-f', 'raw'], 'read -P 7 16M 64k', 'read -P 2 1M 2M')
        self.virsh('domjobabort', 'demo')


class Hotplug(LibvirtBlockCase):

    def test_encrypted_network_and_read_only_disks(self):
        self.start()
        self.define_secret()
        self.virsh('iothreadadd', 'demo', '1')
        subprocess.run(
            [tested_tools() / 'qemu-img', 'create', '-q', '-f', 'qcow2',
             '--object', f'secret,id=s,data={PASSPHRASE}', '-o',
             'encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10',
             self.dir / 'luks.qcow2', '16M'], check=True)
        self.lv.with_xml(
            f"<disk type='file' device='disk'><driver name='qemu' type='qcow2' "
            f"iothread='1'/><source file='{self.dir}/luks.qcow2'>{ENCRYPTION}"
            f"</source><target dev='vdc' bus='virtio'/></disk>",
            'attach-device', 'demo')
        sock = self.dir / 'srv.sock'
        server = subprocess.Popen(
            [tested_tools() / 'qemu-nbd', '-k', sock, '-x', 'exp', '-t',
             '-f', 'qcow2', '-r', self.dir / 'base.qcow2'])
        self.addCleanup(server.wait)
        self.addCleanup(server.terminate)
        while not sock.exists():
            self.assertIsNone(server.poll())
        self.lv.with_xml(
            f"<disk type='network' device='disk'><driver name='qemu' "
            f"type='raw'/><source protocol='nbd' name='exp'><host "
            f"transport='unix' socket='{sock}'/></source>"
            f"<target dev='vdd' bus='virtio'/><readonly/></disk>",
            'attach-device', 'demo')
        self.hmp_write('virtio-disk2', 9, '1M', '64k')
        self.assertRegex(self.virsh('domblkinfo', 'demo', 'vdc'),
                         rf'Capacity: +{16 * MIB}\n')
        self.assertRegex(self.virsh('domblkinfo', 'demo', 'vdd'),
                         rf'Capacity: +{64 * MIB}\n')
        self.destroy()
        luks = (f'driver=qcow2,encrypt.key-secret=s,file.filename='
                f'{self.dir}/luks.qcow2')
        secret = f'secret,id=s,data={PASSPHRASE}'
        qemu_io(['--object', secret, '--image-opts', luks],
                'read -P 0 0 1M', 'read -P 9 1M 64k')
        image.qemu_img('check', '--object', secret, '--image-opts', luks)


class Volumes(LibvirtBlockCase):

    def test_volumes(self):
        self.pool = self.dir / 'pool'
        self.pool.mkdir()
        self.virsh('pool-create-as', 'p', 'dir', '--target', self.pool)
        self.addCleanup(self.virsh, 'pool-destroy', 'p')
        self.create_clone_resize()
        self.create_encrypted()

    def create_clone_resize(self):
        self.virsh('vol-create-as', 'p', 'a', '64M', '--format', 'qcow2')
        self.virsh('vol-create-as', 'p', 'b', '64M', '--format', 'qcow2',
                   '--backing-vol', 'a', '--backing-vol-format', 'qcow2')
        self.virsh('vol-create-as', 'p', 'm', '10M', '--format', 'qcow2',
                   '--prealloc-metadata')
        qemu_io([self.pool / 'a', '-f', 'qcow2'], 'write -P 1 0 1M')
        self.virsh('vol-clone', 'a', 'c', '--pool', 'p')
        self.virsh('vol-resize', 'a', '128M', '--pool', 'p')
        self.virsh('vol-resize', 'c', '32M', '--shrink', '--pool', 'p')
        for name, size in (('a', 128), ('b', 64), ('c', 32), ('m', 10)):
            self.assertEqual(image.info(self.pool / name, 'qcow2')
                             ['virtual-size'], size * MIB)
            image.check(self.pool / name, 'qcow2')
        qemu_io([self.pool / 'c', '-f', 'qcow2'],
                'read -P 1 0 1M', 'read -P 0 1M 31M')
        volume = ET.fromstring(self.virsh('vol-dumpxml', 'b', '--pool', 'p'))
        self.assertEqual(volume.findtext('backingStore/path'),
                         f'{self.pool}/a')

    def create_encrypted(self):
        self.define_secret()
        for name, fmt in (('q', 'qcow2'), ('l', 'raw')):
            self.lv.with_xml(
                f"<volume><name>{name}</name><capacity unit='M'>10</capacity>"
                f"<target><format type='{fmt}'/>{ENCRYPTION}</target></volume>",
                'vol-create', 'p')
        self.assertEqual(image.info(self.pool / 'q', 'qcow2')
                         ['format-specific']['data']['encrypt']['format'],
                         'luks')
        self.assertEqual(image.info(self.pool / 'l', 'luks')['virtual-size'],
                         10 * MIB)


if __name__ == '__main__':
    unittest.main()
