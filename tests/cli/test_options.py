# SPDX-License-Identifier: GPL-2.0-or-later
"""One test or more for each family of options: what it does, seen from outside."""

import os
import re
import signal
import socket
import subprocess
import unittest
from pathlib import Path

from clicase import BASE, BINARY, NONE, Q35, Case
from nemu_functional.qmp import Qmp, QmpError


class Machine(Case):

    def test_machine_properties_and_aliases(self):
        qmp = self.start('-machine', 'q35,mem-merge=off,dump-guest-core=off')
        get = lambda p: qmp.cmd('qom-get', path='/machine', property=p)
        self.assertEqual(get('type'), 'pc-q35-7.2-machine')
        self.assertIs(get('mem-merge'), False)
        self.assertIs(get('dump-guest-core'), False)

    def test_machine_given_twice_adds_up(self):
        qmp = self.start('-machine', 'q35', '-machine', 'mem-merge=off',
                         '--machine', 'graphics=off')
        self.assertIs(qmp.cmd('qom-get', path='/machine',
                              property='mem-merge'), False)

    def test_accel_list_takes_the_first_that_exists(self):
        for args in (['-M', 'q35,accel=tcg:qtest'],
                     [*Q35, '-accel', 'nonsense', '-accel', 'qtest']):
            qmp = self.start(*args, base=['-nodefaults', '-S', '-display',
                                          'none'])
            self.assertIs(qmp.cmd('query-kvm')['enabled'], False)

    def test_cpus_of_device_are_those_of_cpu(self):
        place = 'socket-id=0,core-id={},thread-id=0'
        qmp = self.start(
            *Q35, '-cpu', 'qemu64,level=7,model=9', '-smp', '1,maxcpus=3',
            '-device', 'qemu64-x86_64-cpu,id=c,model=8,' + place.format(1))
        for name, value in ('level', 7), ('model', 8):
            self.assertEqual(qmp.cmd('qom-get', path='c', property=name), value)
        for model, words in (('qemu64', 'while the machine runs'),
                             ('kvm64', "expected cpu type: 'qemu64-x86_64")):
            with self.assertRaisesRegex(QmpError, words):
                qmp.cmd('device_add', driver=f'{model}-x86_64-cpu',
                        socket_id=0, core_id=2, thread_id=0)
        self.assertEqual(len(qmp.cmd('query-cpus-fast')), 2)

    def test_a_nic_without_a_peer_is_warned_of(self):
        self.start(*Q35, '-device', 'virtio-net-pci,id=n')
        self.assertIn('warning: nic n has no peer', self.stderr())

    def test_accelerators_that_nobody_knows_are_errors(self):
        self.assertIn('invalid accelerator nonsense', self.fails(
            *NONE, '-accel', 'nonsense', base=[]))

    def test_accel_is_given_in_one_way(self):
        self.assertIn('incompatible', self.fails(
            '-M', 'q35,accel=qtest', '-accel', 'qtest', base=[]))

    def test_no_accelerator_is_an_error_that_names_them(self):
        self.assertIn('tcg', self.fails(*Q35, '-accel', 'tcg',
                                        base=['-nodefaults', '-S']))

    def test_cpu_features(self):
        qmp = self.start(*Q35, '-cpu', 'qemu64,+avx,-sse3,pmu=on,')
        path = qmp.cmd('query-cpus-fast')[0]['qom-path']
        get = lambda p: qmp.cmd('qom-get', path=path, property=p)
        self.assertIs(get('avx'), True)
        self.assertIs(get('sse3'), False)
        self.assertIs(get('pmu'), True)

    def test_smp_topologies(self):
        for text, cpus, props in (
                ('4', 4, {'socket-id': 0, 'core-id': 3, 'thread-id': 0}),
                ('4,sockets=1', 4,
                 {'socket-id': 0, 'core-id': 3, 'thread-id': 0}),
                ('cpus=4,threads=2,cores=2', 4,
                 {'socket-id': 0, 'core-id': 1, 'thread-id': 1}),
                ('8,dies=2,cores=2,threads=2', 8,
                 {'socket-id': 0, 'die-id': 1, 'core-id': 1, 'thread-id': 1})):
            qmp = self.start(*Q35, '-smp', text)
            cpu = qmp.cmd('query-cpus-fast')
            self.assertEqual(len(cpu), cpus)
            for name, value in props.items():
                self.assertEqual(cpu[-1]['props'][name], value, text)

    def test_memory_sizes(self):
        for text, size in (('64', 64 << 20), ('64M', 64 << 20),
                           ('size=65536k', 64 << 20), ('1G', 1 << 30),
                           ('0', 128 << 20), ('64,size=96', 96 << 20)):
            qmp = self.start(*Q35, '-m', text)
            self.assertEqual(qmp.cmd('query-memory-size-summary')
                             ['base-memory'], size, text)

    def test_last_of_repeated_values_counts(self):
        qmp = self.start(*Q35, '-m', '64', '-m', '96', '-smp', '2,cpus=3',
                         '-name', 'a,guest=b', '-object',
                         'rng-builtin,id=x,id=y', '-chardev', 'null,id=c,id=d',
                         '-device', 'virtio-rng-pci,id=e,id=f,period=7,period=8')
        self.assertEqual(qmp.cmd('query-memory-size-summary')['base-memory'],
                         96 << 20)
        self.assertEqual(len(qmp.cmd('query-cpus-fast')), 3)
        self.assertEqual(qmp.cmd('query-name'), {'name': 'b'})
        self.assertEqual([o['name'] for o in qmp.cmd('qom-list',
                                                     path='/objects')
                          if o['type'] == 'child<rng-builtin>'], ['y'])
        self.assertIn('d', [c['label'] for c in qmp.cmd('query-chardev')])
        self.assertEqual(qmp.cmd('qom-get', path='f', property='period'), 8)

    def test_boot_options(self):
        qmp = self.start(*Q35, '-boot', 'order=dc,menu=on,strict=on')
        boot = qmp.cmd('qom-get', path='/machine', property='boot')
        self.assertEqual(boot['order'], 'dc')
        self.assertIs(boot['menu'], True)
        self.assertIs(boot['strict'], True)

    def test_rtc_base(self):
        for text, year in (('base=2006-06-17T16:01:21', 106),
                           ('2030-01-02', 130)):
            qmp = self.start(*Q35, '-rtc', text)
            self.assertEqual(qmp.cmd('qom-get', path='/machine',
                                     property='rtc-time')['tm_year'], year)

    def test_rtc_bad_words(self):
        for text, word in (('base=yesterday', 'yesterday'),
                           ('clock=cuckoo', 'cuckoo'),
                           ('driftfix=slow', 'slow'), ('bases=utc', 'bases')):
            self.assertIn(word, self.fails(*Q35, '-rtc', text))

    def test_global_applies_and_tells_when_unused(self):
        self.start(*Q35, '-global', 'driver=virtio-rng-pci,property=period,'
                   'value=55', '-global', 'nonsense.x=1', '-device',
                   'virtio-rng-pci,id=r')
        self.assertIn('nonsense', self.stderr())

    def test_overcommit(self):
        self.start(*Q35, '-overcommit', 'mem-lock=off,cpu-pm=on')
        self.assertIn("'mem-lok'", self.fails(*Q35, '-overcommit',
                                              'mem-lok=on'))

    @unittest.skipUnless(os.geteuid() == 0, 'needs root')
    @unittest.skipIf(b'__asan_init' in Path(BINARY).read_bytes(),
                     'AddressSanitizer makes mlockall() do nothing')
    def test_overcommit_locks_memory(self):
        self.start(*NONE, '-overcommit', 'mem-lock=on')
        status = Path(f'/proc/{self.proc.pid}/status').read_text()
        locked = int(re.search(r'VmLck:\s+(\d+)', status)[1])
        self.assertGreater(locked, 0)

    def test_smbios_uuid_is_the_machines(self):
        qmp = self.start(*Q35, '-smbios', 'type=1,uuid='
                         '12345678-9abc-def0-1234-56789abcdef0,serial=a,,b')
        self.assertEqual(qmp.cmd('query-uuid')['UUID'],
                         '12345678-9abc-def0-1234-56789abcdef0')

    def test_smbios_bad_values(self):
        for text, word in (('type=1,nonsense=x', 'nonsense'),
                           ('type=999', '999'), ('file=/nonexist', '/nonexist'),
                           ('serial=1', 'type')):
            self.assertIn(word, self.fails(*Q35, '-smbios', text))

    def test_uuid_bad(self):
        self.assertIn('UUID', self.fails(*NONE, '-uuid', '1234'))

    def test_preferring_nothing(self):
        qmp = self.start(*Q35, '-display', 'none', '-vga', 'none', '-audiodev',
                         '{"id":"audio1","driver":"none"}', '-audiodev',
                         'none,id=a2', '-no-user-config', '-net', 'none',
                         '-nic', 'none', '-parallel', 'none', '-no-hpet')
        self.assertEqual(qmp.cmd('query-status')['status'], 'prelaunch')
        for args in (['-display', 'gtk'], ['-vga', 'std'],
                     ['-audiodev', 'alsa,id=a'], ['-net', 'user'],
                     ['-parallel', 'stdio']):
            self.assertIn(args[1].split(',')[0], self.fails(*Q35, *args))

    def test_nodefaults_takes_the_default_serial_away(self):
        bare = ['-accel', 'qtest', '-display', 'none', '-S']
        with_it = self.start(*Q35, base=bare).cmd('query-chardev')
        without = self.start(*Q35, base=[*bare, '-nodefaults']).cmd(
            'query-chardev')
        self.assertIn('serial0', [c['label'] for c in with_it])
        self.assertNotIn('serial0', [c['label'] for c in without])

    def test_fw_cfg(self):
        (self.dir / 'blob').write_bytes(b'x' * 10)
        self.start(*Q35, '-fw_cfg', 'opt/a,file=blob', '-fw_cfg',
                   'name=opt/b,string=hello')
        self.assertIn('/nonexist', self.fails(*Q35, '-fw_cfg',
                                              'opt/a,file=/nonexist'))


class Kernel(Case):
    """-kernel and its kin: bad files are told before anything runs."""

    def test_missing_and_bad_files(self):
        (self.dir / 'empty').touch()
        (self.dir / 'text').write_text('#!/bin/sh\n' * 2000)
        setup = bytearray(4096)
        setup[0x1f1] = 4
        setup[0x1fe:0x200] = b'\x55\xaa'
        setup[0x202:0x206] = b'HdrS'
        setup[0x206:0x208] = b'\x0f\x02'
        (self.dir / 'short').write_bytes(setup[:0x300])
        (self.dir / 'elf').write_bytes(b'\x7fELF\x02\x01\x01' + bytes(57))
        for name in ('nonexist', 'empty', 'text', 'short', 'elf'):
            said = self.fails(*Q35, '-kernel', name, '-pidfile', 'pid')
            self.assertIn(name, said)
            self.assertEqual(len(said.splitlines()), 1, said)
            self.assertFalse((self.dir / 'pid').exists())
        said = self.fails(*Q35, '-kernel', '/dev')
        self.assertIn('/dev', said)

    def test_parts_of_a_kernel_need_it(self):
        for args in (['-initrd', 'x'], ['-append', 'x'], ['-dtb', 'x']):
            self.assertIn('-kernel', self.fails(*Q35, *args))
        self.assertIn('device tree', self.fails(*Q35, '-kernel', 'x', '-dtb',
                                                'y'))

    def test_bios_must_be_there(self):
        self.assertIn('nonexist', self.fails(*Q35, '-bios', 'nonexist'))


class Lifecycle(Case):
    """-S, -no-reboot, -no-shutdown, -action."""

    def test_s_waits_for_cont(self):
        running = ['-accel', 'qtest', '-display', 'none', '-nodefaults']
        qmp = self.start(*Q35, base=running)
        self.assertEqual(qmp.cmd('query-status')['status'], 'running')
        qmp = self.start(*Q35)
        self.assertEqual(qmp.cmd('query-status')['status'], 'prelaunch')
        qmp.cmd('cont')
        self.assertEqual(qmp.cmd('query-status')['status'], 'running')

    def test_no_reboot_ends_it(self):
        for args in (['-no-reboot'], ['--no-reboot'],
                     ['-action', 'reboot=shutdown']):
            qmp = self.start(*Q35, *args)
            qmp.cmd('system_reset')
            event = qmp.wait_event('SHUTDOWN')
            self.assertEqual(event['data']['reason'], 'host-qmp-system-reset')
            self.assertEqual(self.proc.wait(10), 0)

    def test_signals_end_it_despite_no_shutdown(self):
        qmp = self.start(*Q35, '-no-shutdown')
        self.proc.send_signal(signal.SIGTERM)
        event = qmp.wait_event('SHUTDOWN')
        self.assertEqual(event['data'], {'guest': False,
                                         'reason': 'host-signal'})
        self.assertEqual(self.proc.wait(10), 0)

    def test_quit_ends_it_despite_no_shutdown(self):
        qmp = self.start(*Q35, '-action', 'shutdown=pause')
        qmp.cmd('quit')
        self.assertEqual(qmp.wait_event('SHUTDOWN')['data']['reason'],
                         'host-qmp-quit')
        self.assertEqual(self.proc.wait(10), 0)

    def test_action_words(self):
        self.start(*NONE, '-action',
                   'reboot=reset,shutdown=pause,panic=none,watchdog=none')
        for text, word in (('reboot=never', 'never'), ('nonsense=1',
                                                       'nonsense')):
            self.assertIn(word, self.fails(*NONE, '-action', text))


class Configuration(Case):
    """-readconfig, -set, -add-fd, -object, -device in any order."""

    def test_readconfig(self):
        (self.dir / 'conf').write_text(
            '# a comment\n[machine]\n  type = "q35"\n\n'
            '[device "r"]\n  driver = "virtio-rng-pci"\n  period = "99"\n'
            '[name]\n guest = "a,b"\n[memory]\n  size = "64"\n'
            '[smp-opts]\n  cpus = "2"\n[chardev "c"]\n backend = "null"\n')
        qmp = self.start('-readconfig', 'conf', '-set', 'device.r.max-bytes=5')
        self.assertEqual(qmp.cmd('qom-get', path='r', property='period'), 99)
        self.assertEqual(qmp.cmd('qom-get', path='r', property='max-bytes'), 5)
        self.assertEqual(qmp.cmd('query-name')['name'], 'a,b')
        self.assertEqual(len(qmp.cmd('query-cpus-fast')), 2)
        self.assertIn('c', [c['label'] for c in qmp.cmd('query-chardev')])

    def test_readconfig_errors_name_file_and_line_once(self):
        for text, words in (
                ('[nonsense "a"]\n x = "1"\n', ['conf:1', 'nonsense']),
                ('[device "a"]\nrubbish\n', ['conf:2']),
                ('x = "1"\n', ['conf:1', 'section']),
                ('[device "a"\n', ['conf:1'])):
            (self.dir / 'conf').write_text(text)
            said = self.fails(*NONE, '-readconfig', 'conf')
            for word in words:
                self.assertIn(word, said)
            self.assertEqual(said.count('-readconfig'), 1, said)

    def test_set_errors_are_told_once(self):
        for text, word in (('nonsense', 'group.id.arg'),
                           ('nonsense.x.y=1', "'nonsense'"),
                           ('device.nobody.x=1', '"nobody"')):
            said = self.fails(*NONE, '-set', text)
            self.assertIn(word, said)
            self.assertEqual(said.count('-set'), 1, said)
        # As in QEMU, options in JSON are not seen.
        self.fails(*Q35, '-device', '{"driver":"virtio-rng-pci","id":"r"}',
                   '-set', 'device.r.period=5')

    def test_add_fd(self):
        fd = os.open(self.dir / 'log', os.O_WRONLY | os.O_CREAT)
        qmp = self.start(*NONE, '-add-fd', f'fd={fd},set=2,opaque=hello',
                         '-chardev', 'file,id=f,path=/dev/fdset/2',
                         pass_fds=[fd])
        sets = qmp.cmd('query-fdsets')
        self.assertEqual([s['fdset-id'] for s in sets], [2])
        self.assertEqual(sets[0]['fds'][0]['opaque'], 'hello')
        for text, word in ((f'fd={fd}', 'set'), ('set=1', 'fd'),
                           ('fd=1,set=1', 'standard'),
                           ('fd=200,set=1', '200')):
            self.assertIn(word, self.fails(*NONE, '-add-fd', text,
                                           pass_fds=[fd]))

    def test_order_does_not_matter(self):
        image = self.dir / 'img'
        image.write_bytes(bytes(1 << 20))
        qmp = self.start('-device', 'virtio-blk-pci,drive=p', '-device',
                         'virtio-rng-pci,rng=r', '-device',
                         'virtio-serial-pci', '-device',
                         'virtserialport,chardev=c,name=p', '-blockdev',
                         'file,node-name=p,filename=img', '-object',
                         'rng-random,filename=/dev/urandom,id=r', '-chardev',
                         'null,id=c', *Q35)
        self.assertEqual(len(qmp.cmd('query-block')), 1)

    def test_dashes_and_driver_prefix(self):
        qmp = self.start('--machine', 'q35', '--device',
                         'driver=virtio-rng,id=r', '--name', 'x')
        self.assertEqual(qmp.cmd('query-name')['name'], 'x')
        self.assertEqual(qmp.cmd('qom-get', path='r', property='type'),
                         'virtio-rng-pci')


class Storage(Case):

    def setUp(self):
        super().setUp()
        (self.dir / 'img').write_bytes(bytes(1 << 20))

    def test_drive_and_bare_argument(self):
        qmp = self.start(*Q35, '-drive', 'file=img,format=raw,if=none,id=a,'
                         'readonly=on,cache=none,aio=threads')
        block = qmp.cmd('query-block')[0]
        self.assertEqual(block['device'], 'a')
        self.assertIs(block['inserted']['ro'], True)
        self.assertIs(block['inserted']['cache']['direct'], True)
        qmp = self.start(*Q35, '-drive', 'file=img,format=raw,if=virtio')
        self.assertEqual(qmp.cmd('query-block')[0]['inserted']['drv'], 'raw')

    def test_blockdev_text_and_json(self):
        for arg in ('driver=file,filename=img,node-name=n,cache.direct=off',
                    '{"driver":"file","filename":"img","node-name":"n",'
                    '"cache":{"direct":false}}'):
            qmp = self.start(*NONE, '-blockdev', arg)
            self.assertEqual(qmp.cmd('query-named-block-nodes')[0]['node-name'],
                             'n')

    def test_netdev_and_nic_without_rights_or_names(self):
        said = self.fails(*Q35, '-netdev', 'tap,id=a,ifname=' + 'x' * 40 +
                          ',script=no,downscript=no')
        self.assertIn('-netdev', said)
        self.assertIn('tapp', self.fails(*Q35, '-nic', 'tapp,model=virtio'))
        self.assertIn('nonsense', self.fails(
            *Q35, '-nic', 'tap,model=nonsense,fd=0'))


class Background(Case):
    """-daemonize, -pidfile, -runas, -chroot, -name process=."""

    def daemon(self, *args, base=BASE):
        done = self.ended(*args, '-daemonize', '-pidfile', 'pid', base=base)
        self.assertEqual(done.returncode, 0, done.stderr)
        pid = int((self.dir / 'pid').read_text())
        self.addCleanup(self.kill, pid)
        return pid

    @staticmethod
    def kill(pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def test_relative_paths_go_at_the_end(self):
        pid = self.daemon(*NONE, '-qmp', 'unix:sock,server=on,wait=off')
        self.assertTrue((self.dir / 'sock').exists())
        qmp = Qmp.connect(self.dir / 'sock')
        self.addCleanup(qmp.close)
        qmp.cmd('quit')
        self.eventually(lambda: not (self.dir / 'pid').exists(), 'pidfile')
        self.eventually(lambda: not (self.dir / 'sock').exists(), 'socket')

    def test_daemon_has_no_terminal_and_its_own_session(self):
        pid = self.daemon(*NONE)
        self.assertEqual(os.getsid(pid), pid)
        self.assertEqual([os.readlink(f'/proc/{pid}/fd/{n}')
                          for n in range(3)], ['/dev/null'] * 3)
        self.assertEqual(os.readlink(f'/proc/{pid}/cwd'), '/')

    def test_daemonize_refuses_stdio(self):
        for args in (['-monitor', 'stdio'], ['-serial', 'stdio']):
            done = self.ended(*Q35, *args, '-daemonize', '-pidfile', 'pid')
            self.assertEqual(done.returncode, 1, args)
            self.assertIn('-daemonize', done.stderr)
            self.assertFalse((self.dir / 'pid').exists())

    def test_second_user_of_a_pidfile_is_refused(self):
        self.start(*NONE, '-pidfile', 'pid')
        before = (self.dir / 'pid').read_text()
        self.assertIn('pid', self.fails(*NONE, '-pidfile', 'pid'))
        self.assertEqual((self.dir / 'pid').read_text(), before)

    @unittest.skipUnless(os.geteuid() == 0, 'needs root')
    def test_runas(self):
        self.dir.chmod(0o777)
        for who, uid in (('nobody', 65534), ('1234:4321', 1234)):
            self.start(*NONE, '-runas', who)
            status = Path(f'/proc/{self.proc.pid}/status').read_text()
            self.assertIn(f'Uid:\t{uid}\t{uid}\t{uid}\t{uid}\n', status)
        self.assertIn('4321', status)
        self.assertIn('no-such-user', self.fails(*NONE, '-runas',
                                                 'no-such-user'))

    @unittest.skipUnless(os.geteuid() == 0, 'needs root')
    def test_chroot(self):
        self.start(*NONE, '-chroot', self.dir)
        self.assertEqual(os.readlink(f'/proc/{self.proc.pid}/root'),
                         str(self.dir))
        self.assertIn('/nonexist', self.fails(*NONE, '-chroot', '/nonexist'))

    def test_process_name_and_thread_names(self):
        self.start(*NONE, '-name', 'guest=g,process=vmm-test,debug-threads=on',
                   '-object', 'iothread,id=io7')
        task = Path(f'/proc/{self.proc.pid}')
        self.assertEqual((task / 'comm').read_text(), 'vmm-test\n')
        names = {(t / 'comm').read_text().strip()
                 for t in (task / 'task').iterdir()}
        self.assertIn('IO io7', names)


class Messages(Case):
    """-msg, -D, -d, -trace, -version, -help, -L."""

    def test_timestamps_and_guest_name(self):
        said = self.fails(*NONE, '-msg', 'timestamp=on', '-object', 'x,id=y')
        self.assertRegex(said, r'^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z ')
        self.start(*NONE, '-name', 'vm9', '-msg', 'guest-name=on', '-global',
                   'nonsense.x=1')
        self.assertIn('vm9 qemu-system', self.stderr())
        self.assertIn('timestmp', self.fails(*NONE, '-msg', 'timestmp=on'))

    def test_version_and_help(self):
        for flag in ('-version', '--version'):
            done = self.ended(flag)
            self.assertEqual(done.returncode, 0)
            self.assertTrue(done.stdout.startswith(
                'QEMU emulator version 7.2'), done.stdout)
        for flag in ('-h', '-help', '--help'):
            done = self.ended(flag)
            self.assertEqual(done.returncode, 0)
            self.assertIn('-device', done.stdout)

    def test_data_directories(self):
        done = self.ended('-L', 'help')
        self.assertEqual(done.returncode, 0)
        self.assertTrue(all(line.startswith('/')
                            for line in done.stdout.splitlines()))
        (self.dir / 'fw.bin').write_bytes(bytes(65536))
        self.start(*Q35, '-L', self.dir, '-bios', 'fw.bin')

    def test_trace_patterns_events_file_and_log_file(self):
        (self.dir / 'events').write_text('# some\nmonitor_qmp_cmd_*\n')
        qmp = self.start(*NONE, '-trace', 'events=events,file=log')
        qmp.cmd('query-name')
        self.assertIn('query-name', (self.dir / 'log').read_text())
        states = {t['name']: t['state'] for t in qmp.cmd(
            'trace-event-get-state', {'name': 'monitor_*'})}
        self.assertEqual(states['monitor_qmp_cmd_in_band'], 'enabled')
        self.assertEqual(states['monitor_qmp_respond'], 'disabled')

    def test_unknown_trace_points_are_a_warning(self):
        self.start(*NONE, '-trace', 'no_such_point', '-trace',
                   'enable=nothing*', '-trace', 'monitor_*', '-D', 'log')
        self.assertIn("warning: trace event 'no_such_point' does not exist",
                      self.stderr())
        for text, word in (('events=/nonexist', '/nonexist'),
                           ('nonsense=1', 'nonsense')):
            self.assertIn(word, self.fails(*NONE, '-trace', text))

    def test_log_items(self):
        self.start(*NONE, '-d', 'unimp,guest_errors', '-D', 'log')
        self.assertIn('nonsense', self.fails(*NONE, '-d', 'nonsense'))
        self.assertIn('/nonexist', self.fails(*NONE, '-D', '/nonexist/log'))


class Chardevs(Case):

    def test_monitors(self):
        for args in (['-qmp-pretty', 'unix:q2,server=on,wait=off'],
                     ['-chardev', 'socket,id=m,path=q2,server=on,wait=off',
                      '-mon', 'm,mode=control,pretty=on'],
                     ['-chardev', 'socket,id=m,path=q2,server=on,wait=off',
                      '-mon', 'chardev=m,id=mon,mode=control']):
            self.start(*NONE, *args)
            self.eventually((self.dir / 'q2').exists, 'q2')
            sock = socket.socket(socket.AF_UNIX)
            sock.connect(str(self.dir / 'q2'))
            sock.settimeout(10)
            text = b''
            while text.count(b'{') > text.count(b'}') or not text:
                text += sock.recv(65536)
            self.assertIn(b'QMP', text)
            self.assertEqual(b'\n    ' in text,
                             'pretty' in str(args), (args, text))
            sock.close()
            self.proc.kill()
            self.proc.wait()
            (self.dir / 'q2').unlink()

    def test_bad_monitors(self):
        for args, word in ((['-mon', 'nobody'], 'nobody'),
                           (['-chardev', 'null,id=n', '-mon', 'n,mode=x'],
                            "'x'"),
                           (['-chardev', 'null,id=n', '-mon',
                             'n,prety=on'], "'pretty'"),
                           (['-qmp', 'nonsense'], 'nonsense'),
                           (['-monitor', 'chardev:nobody'], 'nobody')):
            self.assertIn(word, self.fails(*NONE, *args))

    def test_human_monitor_on_standard_streams(self):
        done = subprocess.run(
            [self.binary(), *BASE, *NONE, '-monitor', 'stdio'], text=True,
            input='info status\nquit\n', capture_output=True, timeout=20)
        self.assertEqual(done.returncode, 0)
        self.assertIn('VM status', done.stdout)
        self.assertIn('(qemu) ', done.stdout)

    @staticmethod
    def binary():
        return os.environ['QTEST_QEMU_BINARY']

    def test_serial_forms(self):
        os.mkfifo(self.dir / 'p.in')
        os.mkfifo(self.dir / 'p.out')
        qmp = self.start(*Q35, '-chardev', 'null,id=c', '-serial', 'chardev:c',
                         '-serial', 'none', '-serial', 'file:out', '-serial',
                         'null', '-chardev', 'ringbuf,id=rb,size=4096',
                         '-chardev', 'pty,id=p', '-chardev',
                         'pipe,id=pp,path=p', '-chardev',
                         'socket,id=t,host=127.0.0.1,port=0,server=on,wait=off,'
                         'telnet=on', '-chardev', 'stdio,id=s,mux=on')
        names = {c['label']: c['filename'] for c in qmp.cmd('query-chardev')}
        self.assertTrue(names['p'].startswith('pty:/dev/pts/'))
        self.assertEqual(names['rb'], 'ringbuf')
        self.assertIn('telnet:127.0.0.1', names['t'])
        self.assertTrue((self.dir / 'out').exists())

    def test_nographic_puts_monitor_and_serial_on_the_terminal(self):
        done = subprocess.run(
            [self.binary(), '-accel', 'qtest', *Q35, '-S', '-nographic'],
            input=b'\x01cquit\n', capture_output=True, timeout=20)
        self.assertEqual(done.returncode, 0)
        self.assertIn(b'(qemu)', done.stdout)
