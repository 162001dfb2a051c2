# SPDX-License-Identifier: GPL-2.0-or-later
"""What libvirt 9.0 and Kata Containers send, played back.

The command lines are theirs with our paths in them, and the qtest accelerator
instead of KVM. Devices of later issues must be refused by name.
"""

import fcntl
import json
import os
import socket
import struct
import subprocess

from clicase import BINARY, Case
from nemu_functional.qmp import Qmp, QmpError

PROBE = ['-S', '-no-user-config', '-nodefaults', '-nographic', '-machine',
         'none,accel=kvm:tcg']

# What the probe asks for the properties of, listed or not.
PROBED_DEVICES = (
    'virtio-blk-pci virtio-net-pci virtio-scsi-pci virtio-blk-ccw '
    'virtio-net-ccw virtio-scsi-ccw vfio-pci scsi-hd ide-hd PIIX4_PM usb-redir '
    'usb-storage kvm-pit VGA vmware-svga qxl virtio-gpu-pci virtio-gpu-device '
    'ICH9-LPC virtio-balloon-pci virtio-balloon-ccw virtio-balloon-device '
    'intel-iommu mch nvdimm pcie-root-port usb-host vhost-user-fs-device '
    'virtio-mem-pci virtio-iommu-pci').split()
PROBED_OBJECTS = ('memory-backend-file', 'memory-backend-memfd',
                  'max-x86_64-cpu', 'none-machine')
EXPANSIONS = (
    {'type': 'static', 'model': {'name': 'host'}},
    {'type': 'static', 'model': {'name': 'host',
                                 'props': {'migratable': False}}},
    {'type': 'full', 'model': {'name': 'host',
                               'props': {'migratable': False,
                                         'hv-passthrough': True}}},
    {'type': 'static', 'model': {'name': 'max'}},
    {'type': 'static', 'model': {'name': 'max',
                                 'props': {'migratable': False}}},
)
# Devices of later issues; the line must name them.
LATER = ('qemu-xhci', 'virtio-balloon-pci', 'virtio-scsi-pci',
         'vhost-vsock-pci', 'usb-tablet', 'pvpanic', 'vhost-user-fs-pci',
         'virtio-vga', 'tpm-crb', 'nvdimm')


def ports(first, chassis, count):
    """Root ports as libvirt numbers them."""
    result = []
    for n in range(count):
        port = {'driver': 'pcie-root-port', 'port': 8 + n,
                'chassis': chassis + n, 'id': f'pci.{chassis + n}',
                'bus': 'pcie.0'}
        if n == 0:
            port['multifunction'] = True
        port['addr'] = f'{first:#x}' + (f'.{n:#x}' if n else '')
        result += ['-device', json.dumps(port)]
    return result


class LibvirtProbe(Case):

    def probe(self):
        """Start as libvirt's probe does; everything is there at once."""
        done = subprocess.run(
            [BINARY, *PROBE, '-qmp', 'unix:qmp.monitor,server=on,wait=off',
             '-pidfile', 'qmp.pid', '-daemonize'], cwd=self.dir, timeout=20,
            capture_output=True, text=True)
        self.assertEqual((done.returncode, done.stderr), (0, ''))
        pid = int((self.dir / 'qmp.pid').read_text())
        qmp = Qmp.connect(self.dir / 'qmp.monitor', timeout=0)
        self.addCleanup(self.end, qmp, pid)
        return qmp

    def end(self, qmp, pid):
        qmp.close()
        os.kill(pid, 15)
        self.eventually(lambda: not (self.dir / 'qmp.pid').exists(), 'pidfile')
        self.assertEqual(os.listdir(self.dir), [])

    def test_the_commands_that_must_succeed(self):
        qmp = self.probe()
        version = qmp.cmd('query-version')
        self.assertEqual([version['qemu'][k] for k in ('major', 'minor')],
                         [7, 2])
        self.assertIsInstance(version['package'], str)
        self.assertEqual(qmp.cmd('query-target'), {'arch': 'x86_64'})
        names = [(e['name'], e['meta-type']) for e in
                 qmp.cmd('query-qmp-schema')]
        self.assertEqual(len(set(n for n, _ in names)), len(names))
        self.commands = {c['name'] for c in qmp.cmd('query-commands')}
        kvm = qmp.cmd('query-kvm')
        self.assertEqual(sorted(kvm), ['enabled', 'present'])
        self.assertTrue(all(isinstance(v, bool) for v in kvm.values()))
        for machine in qmp.cmd('query-machines'):
            self.assertIn('cpu-max', machine)
            self.assertIn('hotpluggable-cpus', machine)
        qmp.cmd('query-migrate-capabilities')
        options = qmp.cmd('query-command-line-options')
        self.assertTrue(all(set(o) == {'option', 'parameters'}
                            for o in options))
        self.assertIn('sandbox', [o['option'] for o in options])
        for name in ('query-tpm-models', 'query-tpm-types',
                     'query-gic-capabilities', 'query-sev-capabilities'):
            if name not in self.commands:
                with self.assertRaises(QmpError) as caught:
                    qmp.cmd(name)
                self.assertEqual(caught.exception.error_class,
                                 'CommandNotFound')

    def test_types_and_properties(self):
        qmp = self.probe()
        types = {t['name'] for t in qmp.cmd('qom-list-types')}
        for absent in ('tcg-accel', 'sev-guest', 'sgx-epc'):
            self.assertNotIn(absent, types)
        for name in PROBED_DEVICES:
            try:
                props = qmp.cmd('device-list-properties', typename=name)
            except QmpError as err:
                self.assertEqual(err.error_class, 'DeviceNotFound', name)
                self.assertNotIn(name, types)
                continue
            found = [p['name'] for p in props]
            self.assertEqual(len(set(found)), len(found), name)
        for name in PROBED_OBJECTS:
            found = [p['name'] for p in
                     qmp.cmd('qom-list-properties', typename=name)]
            self.assertEqual(len(set(found)), len(found), name)
            if name == 'max-x86_64-cpu':
                self.assertIn('unavailable-features', found)
                self.assertIn('migratable', found)

    def test_cpu_models(self):
        qmp = self.probe()
        models = {m['name']: m for m in qmp.cmd('query-cpu-definitions')}
        self.assertIn('host', models)
        for machine in qmp.cmd('query-machines'):
            if 'default-cpu-type' in machine:
                self.assertIn(machine['default-cpu-type'],
                              [m['typename'] for m in models.values()])
        for arguments in EXPANSIONS:
            try:
                model = qmp.cmd('query-cpu-model-expansion', arguments)['model']
            except QmpError as err:
                self.assertEqual(err.error_class, 'GenericError')
                continue
            self.assertTrue(model['props'])

    def test_without_rights_on_kvm_it_still_answers(self):
        qmp = self.start('-S', '-no-user-config', '-nodefaults', '-nographic',
                         '-machine', 'none,accel=tcg', base=[])
        self.assertIs(qmp.cmd('query-kvm')['enabled'], False)


class LibvirtStart(Case):

    def setUp(self):
        super().setUp()
        (self.dir / 'master-key.aes').write_bytes(bytes(32))
        with open(self.dir / 'd1.qcow2', 'wb') as f:
            f.truncate(1 << 20)
        subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', 'd1.qcow2',
                        '1M'], cwd=self.dir, check=True)
        self.listen = socket.socket(socket.AF_UNIX)
        self.listen.bind(str(self.dir / 'mon'))
        self.listen.listen(1)
        self.channel = socket.socket(socket.AF_UNIX)
        self.channel.bind(str(self.dir / 'ga'))
        self.channel.listen(1)
        self.log = os.open(self.dir / 'serial.log', os.O_WRONLY | os.O_CREAT)
        for thing in (self.listen, self.channel):
            self.addCleanup(thing.close)
        self.addCleanup(os.close, self.log)

    def argv(self, extra=()):
        fd = self.listen.fileno()
        return [
            '-name', 'guest=d1,debug-threads=on', '-S', '-object',
            json.dumps({'qom-type': 'secret', 'id': 'masterKey0',
                        'format': 'raw',
                        'file': str(self.dir / 'master-key.aes')}),
            '-machine', 'pc-q35-7.2,usb=off,dump-guest-core=off,'
            'memory-backend=pc.ram,hpet=off', '-accel', 'qtest', '-cpu',
            'qemu64', '-m', 'size=262144k', '-object',
            '{"qom-type":"memory-backend-ram","id":"pc.ram","size":268435456}',
            '-overcommit', 'mem-lock=off', '-smp',
            '2,maxcpus=4,sockets=4,cores=1,threads=1', '-uuid',
            '529999ab-9b8e-4c8f-b55d-87cbe690a732', '-display', 'none',
            '-no-user-config', '-nodefaults', '-chardev',
            f'socket,id=charmonitor,fd={fd},server=on,wait=off', '-mon',
            'chardev=charmonitor,id=monitor,mode=control', '-rtc',
            'base=utc,driftfix=slew', '-global',
            'kvm-pit.lost_tick_policy=delay', '-no-shutdown', '-global',
            'ICH9-LPC.disable_s3=1', '-global', 'ICH9-LPC.disable_s4=1',
            '-boot', 'strict=on', *ports(1, 1, 7), '-device',
            '{"driver":"virtio-serial-pci","id":"virtio-serial0",'
            '"bus":"pci.3","addr":"0x0"}', '-blockdev',
            json.dumps({'driver': 'file', 'filename':
                        str(self.dir / 'd1.qcow2'),
                        'node-name': 'libvirt-1-storage',
                        'auto-read-only': True, 'discard': 'unmap'}),
            '-blockdev', '{"node-name":"libvirt-1-format","read-only":false,'
            '"driver":"qcow2","file":"libvirt-1-storage","backing":null}',
            '-device', '{"driver":"virtio-blk-pci","bus":"pci.4","addr":"0x0",'
            '"drive":"libvirt-1-format","id":"virtio-disk0","bootindex":1}',
            '-add-fd', f'set=0,fd={self.log},opaque=serial0-log', '-chardev',
            'pty,id=charserial0,logfile=/dev/fdset/0,logappend=on', '-device',
            '{"driver":"isa-serial","chardev":"charserial0","id":"serial0",'
            '"index":0}', '-chardev', 'socket,id=charchannel0,fd='
            f'{self.channel.fileno()},server=on,wait=off', '-device',
            '{"driver":"virtserialport","bus":"virtio-serial0.0","nr":1,'
            '"chardev":"charchannel0","id":"channel0",'
            '"name":"org.qemu.guest_agent.0"}', '-audiodev',
            '{"id":"audio1","driver":"none"}', *extra, '-object',
            '{"qom-type":"rng-random","id":"objrng0",'
            '"filename":"/dev/urandom"}', '-device',
            '{"driver":"virtio-rng-pci","rng":"objrng0","id":"rng0",'
            '"bus":"pci.6","addr":"0x0"}', '-sandbox',
            'on,obsolete=deny,elevateprivileges=deny,spawn=deny,'
            'resourcecontrol=deny', '-msg', 'timestamp=on']

    def pass_fds(self):
        return [self.listen.fileno(), self.channel.fileno(), self.log]

    def test_start_sequence(self):
        self.popen(*self.argv(), base=[], pass_fds=self.pass_fds(),
                   stdout=subprocess.DEVNULL)
        qmp = Qmp.connect(self.dir / 'mon')
        self.addCleanup(qmp.close)
        if qmp.cmd('query-migrate-capabilities'):
            qmp.cmd('migrate-set-capabilities', capabilities=[
                {'capability': 'events', 'state': True}])
        chardevs = {c['label']: c for c in qmp.cmd('query-chardev')}
        self.assertTrue(chardevs['charserial0']['filename'].startswith('pty:'))
        self.assertIs(chardevs['charchannel0']['frontend-open'], False)
        slots = qmp.cmd('query-hotpluggable-cpus')
        self.assertEqual(sum(s['vcpus-count'] for s in slots), 4)
        cpus = qmp.cmd('query-cpus-fast')
        self.assertEqual({c['qom-path'] for c in cpus},
                         {s['qom-path'] for s in slots if 'qom-path' in s})
        path = cpus[0]['qom-path']
        for prop in qmp.cmd('qom-list', path=path):
            if prop['type'] == 'bool':
                self.assertIsInstance(
                    qmp.cmd('qom-get', path=path, property=prop['name']), bool)
        self.assertEqual(qmp.cmd('qom-get', path=path,
                                 property='unavailable-features'), [])
        self.assertEqual(qmp.cmd('query-iothreads'), [])
        qmp.cmd('set-action', panic='pause')
        names = {o['name']: o['type'] for o in
                 qmp.cmd('qom-list', path='/machine/peripheral')}
        self.assertEqual(names['virtio-disk0'], 'child<virtio-blk-pci>')
        self.assertEqual(qmp.cmd('query-block')[0]['qdev'],
                         '/machine/peripheral/virtio-disk0/virtio-backend')
        qmp.cmd('cont')
        qmp.wait_event('RESUME', 10)
        self.assertIs(qmp.cmd('query-status')['running'], True)
        # After a restart of the daemon:
        qmp.close()
        qmp = Qmp.connect(self.dir / 'mon')
        self.addCleanup(qmp.close)
        self.assertEqual(qmp.cmd('query-jobs')
                         if 'query-jobs' in {c['name'] for c in
                                             qmp.cmd('query-commands')}
                         else [], [])
        sets = qmp.cmd('query-fdsets')
        self.assertEqual(sets[0]['fds'][0]['opaque'], 'serial0-log')
        self.assertIn('tm_year', qmp.cmd('qom-get', path='/machine',
                                         property='rtc-time'))
        qmp.cmd('query-blockstats', query_nodes=True)
        qmp.cmd('query-named-block-nodes', flat=True)
        # SIGTERM ends it in spite of -no-shutdown.
        self.proc.terminate()
        self.assertEqual(qmp.wait_event('SHUTDOWN', 10)['data']['reason'],
                         'host-signal')
        self.assertEqual(self.proc.wait(10), 0)
        # Without KVM there is no kvm-pit for its global.
        self.assertNotIn('ICH9', self.stderr())

    def test_devices_of_later_issues_are_refused_by_name(self):
        qmp = self.start('-M', 'none')
        types = {t['name'] for t in qmp.cmd('qom-list-types')}
        for driver in LATER:
            if driver in types:
                continue
            done = subprocess.run(
                [BINARY, *self.argv(['-device', json.dumps(
                    {'driver': driver, 'id': 'x'})])], capture_output=True,
                text=True, timeout=20, pass_fds=self.pass_fds(),
                stdin=subprocess.DEVNULL)
            self.assertEqual(done.returncode, 1)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            self.assertIn(f"'{driver}' is not a valid device model name",
                          done.stderr)


class Kata(Case):
    """Both runtimes' command lines, as far as the devices are ours."""

    def setUp(self):
        super().setUp()
        self.listen = socket.socket(socket.AF_UNIX)
        self.listen.bind(str(self.dir / 'qmp.sock'))
        self.listen.listen(5)
        self.addCleanup(self.listen.close)
        with open(self.dir / 'root.img', 'wb') as f:
            f.truncate(1 << 20)

    def common(self):
        return ['-device', 'pci-bridge,bus=pcie.0,id=pci-bridge-0,chassis_nr=1,'
                'shpc=off,addr=2,io-reserve=4k,mem-reserve=1m,'
                'pref64-reserve=1m', '-device',
                'virtio-serial-pci,disable-modern=true,id=serial0', '-device',
                'virtconsole,chardev=charconsole0,id=console0', '-chardev',
                'socket,id=charconsole0,path=console.sock,server=on,wait=off',
                '-object', 'rng-random,id=rng0,filename=/dev/urandom',
                '-device', 'virtio-rng-pci,rng=rng0', '-vga', 'none',
                '-no-user-config', '-nodefaults', '-nographic', '--no-reboot']

    def launch(self, *args, fds=()):
        early = socket.socket(socket.AF_UNIX)
        early.connect(str(self.dir / 'qmp.sock'))
        fd = self.listen.fileno()
        self.popen(*args, '-qmp', f'unix:fd={fd},server=on,wait=off', base=[],
                   pass_fds=[fd, *fds])
        qmp = Qmp(early)
        qmp.close()
        qmp = Qmp.connect(self.dir / 'qmp.sock')
        self.addCleanup(qmp.close)
        return qmp

    def test_go_runtime(self):
        qmp = self.launch(
            '-name', 'sandbox-0123', '-uuid',
            '12345678-9abc-def0-1234-56789abcdef0', '-machine',
            'q35,accel=qtest', '-cpu', 'qemu64,pmu=off', '-m',
            '256M,slots=10,maxmem=4096M', *self.common(), '-rtc',
            'base=utc,driftfix=slew,clock=host', '-global',
            'kvm-pit.lost_tick_policy=discard', '-device',
            'virtio-blk-pci,disable-modern=true,drive=image-1,config-wce=off,'
            'share-rw=on,serial=image-1', '-drive',
            'id=image-1,file=root.img,aio=threads,format=raw,if=none,'
            'readonly=on', '-object',
            'memory-backend-file,id=dimm1,size=256M,mem-path=/dev/shm,share=on',
            '-numa', 'node,memdev=dimm1', '-device',
            'virtio-rng-pci,rng=rng0,id=rng-dev,addr=5', '-pidfile', 'pid', '-smp',
            '1,cores=1,threads=1,sockets=4,maxcpus=4')
        self.assertEqual(int((self.dir / 'pid').read_text()), self.proc.pid)
        self.assertEqual(qmp.cmd('query-status')['status'], 'running')
        self.assertEqual(len(qmp.cmd('query-hotpluggable-cpus')), 4)
        # A bridge and its bus have one name; Kata asks by whole paths.
        with self.assertRaises(QmpError) as caught:
            qmp.cmd('qom-get', path='pci-bridge-0', property='addr')
        self.assertEqual(caught.exception.error_class, 'DeviceNotFound')
        self.assertEqual(qmp.cmd(
            'qom-get', path='/machine/peripheral/pci-bridge-0',
            property='addr'), 16)
        self.assertEqual(qmp.cmd('qom-get', path='rng-dev',
                                 property='addr'), 40)
        self.assertTrue(qmp.cmd('qom-get', path='rng-dev', property=
                                'parent_bus').endswith('/pcie.0'))
        for name in ('stop', 'cont', 'quit'):
            qmp.cmd(name)
        self.assertEqual(self.proc.wait(10), 0)
        self.assertFalse((self.dir / 'pid').exists())

    def test_rust_runtime(self):
        image = os.open(self.dir / 'root.img', os.O_RDONLY)
        self.addCleanup(os.close, image)
        qmp = self.launch(
            '-name', 'sandbox-0123', '-smp', '1', '-machine',
            'q35,accel=qtest,memory-backend=entire-guest-memory-share', '-cpu', 'qemu64,', '-m',
            '256M,slots=10,maxmem=4G', '-object',
            'memory-backend-file,id=entire-guest-memory-share,'
            'mem-path=/dev/shm,size=256M,share=on,prealloc=off,readonly=off',
            '-rtc', 'base=utc,clock=host,driftfix=slew', *self.common(),
            '-add-fd', f'fd={image},set=1,opaque=kata-block:DEV:block-source',
            '-blockdev', 'driver=file,node-name=image-DEV,'
            'filename=/dev/fdset/1,aio=threads,cache.direct=off,'
            'cache.no-flush=off,read-only=on', '-device',
            'virtio-blk-pci,drive=image-DEV,config-wce=off,share-rw=on,'
            'serial=image-DEV', fds=[image])
        self.assertEqual(qmp.raw(b'{"execute":"query-fdsets","arguments":{}}')
                         ['return'][0]['fds'][0]['opaque'],
                         'kata-block:DEV:block-source')
        cpu = qmp.cmd('query-cpus-fast')[0]
        self.assertIn('target', cpu)
        # Its disks by descriptor: a raw node over a file, all in one command.
        request = json.dumps({'execute': 'add-fd', 'arguments': {
            'opaque': 'x'}}).encode()
        disk = os.open(self.dir / 'disk', os.O_RDWR | os.O_CREAT)
        self.addCleanup(os.close, disk)
        os.ftruncate(disk, 1 << 20)
        socket.send_fds(qmp.sock, [request], [disk])
        number = qmp.receive(10)['return']['fdset-id']
        qmp.cmd('blockdev-add', {
            'driver': 'raw', 'node-name': 'drive-1', 'read-only': False,
            'cache': {'direct': False, 'no-flush': False},
            'file': {'driver': 'file', 'filename': f'/dev/fdset/{number}',
                     'aio': 'threads'}})
        qmp.cmd('blockdev-del', node_name='drive-1')


class TapDescriptors(Case):
    """Queues of one interface, open already, as libvirt passes them."""

    IFF = 0x0002 | 0x0100 | 0x1000 | 0x4000  # TAP MULTI_QUEUE NO_PI VNET_HDR
    TUNSETIFF = 0x400454ca

    def open_queues(self, n):
        name = b'nemu%d'
        fds = []
        for _ in range(n):
            fd = os.open('/dev/net/tun', os.O_RDWR)
            self.addCleanup(os.close, fd)
            request = struct.pack('16sH22x', name, self.IFF)
            name = fcntl.ioctl(fd, self.TUNSETIFF, request)[:16]
            fds.append(fd)
        return fds

    def setUp(self):
        super().setUp()
        try:
            self.fds = self.open_queues(2)
        except OSError as err:
            self.skipTest(f'no tap interfaces here: {err}')

    def test_each_queue_has_its_descriptor(self):
        first, second = self.fds
        qmp = self.start('-M', 'q35', '-netdev',
                         f'tap,id=h,fds={first}:{second}', '-device',
                         'virtio-net-pci,id=n,netdev=h,mq=on,vectors=6',
                         pass_fds=self.fds)
        text = qmp.hmp('info network')
        for i, fd in enumerate(self.fds):
            self.assertIn(f'h: index={i},type=tap,fd={fd}\r\n', text)
        rx, = qmp.cmd('query-rx-filter')
        self.assertEqual(rx['name'], 'n')
        self.assertTrue(rx['promiscuous'])

    def test_vhost_descriptors_are_refused_by_name(self):
        first, second = self.fds
        text = self.fails(
            '-M', 'q35', '-netdev',
            f'tap,id=h,fds={first}:{second},vhost=on,vhostfds=8:9',
            pass_fds=self.fds)
        self.assertIn('vhost=on is not supported yet', text)
