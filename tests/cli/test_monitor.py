# SPDX-License-Identifier: GPL-2.0-or-later
"""Monitors as clients meet them: passed descriptors, out-of-band, reconnecting."""

import array
import json
import os
import socket
import subprocess
import time

from clicase import BASE, NONE, Case
from nemu_functional.qmp import Qmp, QmpError, QmpTimeout

RUNNING = [a for a in BASE if a != '-S']


def send_fds(qmp, fds, command, **arguments):
    """A command with descriptors, and no line end: Kata sends it like that."""
    request = {'execute': command}
    if arguments:
        request['arguments'] = arguments
    qmp.sock.sendmsg([json.dumps(request).encode()],
                     [(socket.SOL_SOCKET, socket.SCM_RIGHTS,
                       array.array('i', fds))])
    reply = qmp.receive(10)
    if 'error' in reply:
        raise QmpError(reply['error'])
    return reply['return']


class Descriptors(Case):

    def test_getfd_closefd(self):
        qmp = self.start(*NONE)
        send_fds(qmp, [0], 'getfd', fdname='f')
        qmp.cmd('closefd', fdname='f')
        with self.assertRaises(QmpError):
            qmp.cmd('closefd', fdname='f')

    def test_add_fd_and_use_it(self):
        qmp = self.start(*NONE)
        fd = os.open(self.dir / 'x', os.O_RDWR | os.O_CREAT)
        info = send_fds(qmp, [fd], 'add-fd', opaque='mine')
        os.ftruncate(fd, 1 << 20)
        qmp.cmd('blockdev-add', driver='file', node_name='n', read_only=False,
                filename=f"/dev/fdset/{info['fdset-id']}")
        sets = qmp.cmd('query-fdsets')
        self.assertEqual(sets[0]['fds'][0]['opaque'], 'mine')
        qmp.cmd('remove-fd', fdset_id=info['fdset-id'])
        self.assertEqual(qmp.cmd('query-fdsets'), [])
        qmp.cmd('blockdev-del', node_name='n')

    def sets_after_reconnect(self, *args, **kwargs):
        read = os.open('/dev/null', os.O_RDWR)
        log = os.open(self.dir / 'log', os.O_WRONLY | os.O_CREAT)
        qmp = self.start(*NONE, '-add-fd', f'fd={read},set=5', '-add-fd',
                         f'fd={log},set=6', '-chardev',
                         'file,path=/dev/fdset/6,id=x', *args,
                         pass_fds=[read, log], **kwargs)
        send_fds(qmp, [read], 'add-fd')
        self.assertEqual(len(qmp.cmd('query-fdsets')), 3)
        qmp.close()
        time.sleep(0.1)
        path = self.dir / f'qmp{self.started}'
        qmp = Qmp.connect(path)
        self.addCleanup(qmp.close)
        return sorted(s['fdset-id'] for s in qmp.cmd('query-fdsets'))

    def test_unused_sets_go_with_the_last_client(self):
        self.assertEqual(self.sets_after_reconnect(base=RUNNING), [6])

    def test_sets_stay_before_the_guest_runs(self):
        self.assertEqual(self.sets_after_reconnect(), [0, 5, 6])

    def test_sets_stay_while_another_client_is_there(self):
        qmp = self.start(*NONE, '-qmp', 'unix:second,server=on,wait=off',
                         base=RUNNING)
        second = Qmp.connect(self.dir / 'second')
        self.addCleanup(second.close)
        send_fds(qmp, [0], 'add-fd')
        qmp.close()
        time.sleep(0.1)
        self.assertEqual(len(second.cmd('query-fdsets')), 1)


class Listener(Case):
    """Listening sockets that are passed in, as libvirt and Kata do."""

    def listener(self):
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(str(self.dir / 'lsock'))
        sock.listen(5)
        self.addCleanup(sock.close)
        return sock

    def test_katas_qmp_fd(self):
        sock = self.listener()
        early = socket.socket(socket.AF_UNIX)
        early.connect(str(self.dir / 'lsock'))
        fd = sock.fileno()
        self.popen(*NONE, '-qmp', f'unix:fd={fd},server=on,wait=off',
                   pass_fds=[fd])
        qmp = Qmp(early)
        self.assertEqual(qmp.cmd('query-status')['status'], 'prelaunch')
        qmp.close()
        # It goes on accepting, and never unlinks what is not its own.
        for _ in range(3):
            qmp = Qmp.connect(self.dir / 'lsock')
            qmp.cmd('query-version')
            qmp.close()
        qmp = Qmp.connect(self.dir / 'lsock')
        qmp.cmd('quit')
        self.assertEqual(self.proc.wait(10), 0)
        self.assertTrue((self.dir / 'lsock').exists())

    def test_libvirts_monitor_chardev_fd(self):
        sock = self.listener()
        fd = sock.fileno()
        self.popen(*NONE, '-chardev', f'socket,id=charmonitor,fd={fd},'
                   'server=on,wait=off', '-mon',
                   'chardev=charmonitor,id=monitor,mode=control',
                   pass_fds=[fd])
        qmp = Qmp.connect(self.dir / 'lsock')
        self.addCleanup(qmp.close)
        self.assertTrue(qmp.cmd('query-chardev')[0]['frontend-open'])

    def test_bad_fds(self):
        for fd in ('99', 'nobody', '0'):
            self.fails(*NONE, '-qmp', f'unix:fd={fd},server=on,wait=off')


class Wire(Case):
    """What travels on the line."""

    def test_fragments_and_line_ends(self):
        qmp = self.start(*NONE)
        for piece in (b'{"exec', b'ute": "quer', b'y-status"', b'}'):
            qmp.sock.sendall(piece)
            time.sleep(0.01)
        self.assertIn('return', qmp.receive(5))
        qmp.sock.sendall(b'{"execute": "query-status"}' * 3)
        data = b''
        while data.count(b'\n') < 3:
            data += qmp.sock.recv(4096)
        self.assertEqual(data.count(b'\r\n'), 3)
        self.assertEqual(data.count(b'\n'), 3)

    def test_empty_arguments_are_no_arguments(self):
        qmp = self.start(*NONE)
        for name in ('stop', 'cont', 'query-status'):
            reply = qmp.raw(json.dumps({'execute': name,
                                        'arguments': {}}).encode())
            self.assertIn('return', reply)

    def test_long_line(self):
        qmp = self.start(*NONE)
        text = 'x' * (5 << 20)
        reply = qmp.raw(json.dumps({'execute': 'query-status',
                                    'id': text}).encode())
        self.assertEqual(reply['id'], text)

    def test_second_client_waits_its_turn(self):
        qmp = self.start(*NONE)
        second = socket.socket(socket.AF_UNIX)
        self.addCleanup(second.close)
        second.connect(str(self.dir / f'qmp{self.started}'))
        second.settimeout(0.2)
        with self.assertRaises(socket.timeout):
            second.recv(1)
        qmp.close()
        second.settimeout(10)
        self.assertIn(b'QMP', second.recv(4096))

    def test_client_socket_reconnects(self):
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(str(self.dir / 'server'))
        sock.listen(1)
        sock.settimeout(20)
        self.addCleanup(sock.close)
        self.popen(*NONE, '-chardev', 'socket,id=c,path=server,reconnect=1',
                   '-mon', 'c,mode=control')
        for _ in range(2):
            qmp = Qmp(sock.accept()[0])
            self.assertEqual(qmp.cmd('query-status')['running'], False)
            qmp.close()

    def test_many_monitors(self):
        args = [a for n in range(5) for a in
                ('-qmp', f'unix:m{n},server=on,wait=off')]
        self.start(*NONE, *args)
        sessions = [Qmp.connect(self.dir / f'm{n}') for n in range(5)]
        sessions[0].cmd('cont')
        for qmp in sessions:
            qmp.wait_event('RESUME', 10)
            qmp.close()


class OutOfBand(Case):

    def test_oob_is_served_while_the_main_loop_is_blocked(self):
        os.mkfifo(self.dir / 'fifo')
        path = self.dir / 'oob'
        self.start(*NONE, '-qmp', 'unix:oob,server=on,wait=off')
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(path))
        qmp = Qmp(sock, negotiate=False)
        self.addCleanup(qmp.close)
        self.assertIn('oob', qmp.greeting['QMP']['capabilities'])
        qmp.cmd('qmp_capabilities', enable=['oob'])
        # Nobody reads the FIFO: opening it blocks the main loop.
        sock.sendall(json.dumps({
            'execute': 'chardev-add', 'id': 'slow',
            'arguments': {'id': 'c', 'backend': {
                'type': 'file', 'data': {'out': str(self.dir / 'fifo')}}},
        }).encode())
        sock.sendall(b'{"execute": "query-status", "id": "queued"}')
        # No command of ours may run out of band yet: the error is what comes
        # from the other thread.
        sock.sendall(b'{"exec-oob": "query-name", "id": "fast"}')
        reply = qmp.receive(10)
        self.assertEqual(reply['id'], 'fast')
        with self.assertRaises(QmpTimeout):
            qmp.receive(0.2)
        reader = os.open(self.dir / 'fifo', os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        self.assertEqual(qmp.receive(10)['id'], 'slow')
        self.assertEqual(qmp.receive(10)['id'], 'queued')

    def test_quit_ends_a_monitor_on_another_thread(self):
        # Not waiting for replies leaves work for that thread at the end.
        for wait in range(3):
            proc = self.popen(*NONE, '-qmp', 'stdio', stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE)
            proc.stdout.readline()
            proc.stdin.write(b'{"execute": "qmp_capabilities", "arguments":'
                             b' {"enable": ["oob"]}}\n')
            proc.stdin.flush()
            for _ in range(wait):
                proc.stdout.readline()
                proc.stdin.write(b'{"execute": "query-status"}\n')
                proc.stdin.flush()
            proc.stdin.write(b'{"execute": "quit"}\n')
            proc.stdin.flush()
            self.assertEqual(proc.wait(60), 0, self.stderr())
            proc.stdin.close()
            proc.stdout.close()

    def test_oob_needs_negotiation_and_an_allowed_command(self):
        qmp = self.start(*NONE)
        reply = qmp.raw(b'{"exec-oob": "query-status"}')
        self.assertEqual(reply['error']['class'], 'GenericError')
        qmp = Qmp(self.second(), negotiate=False)
        self.addCleanup(qmp.close)
        qmp.cmd('qmp_capabilities', enable=['oob'])
        reply = qmp.raw(b'{"exec-oob": "query-status"}')
        self.assertEqual(reply['error']['class'], 'GenericError')

    def second(self):
        self.start(*NONE, '-qmp', 'unix:o2,server=on,wait=off')
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(str(self.dir / 'o2'))
        return sock


class Properties(Case):

    def test_realized_devices_keep_their_properties(self):
        qmp = self.start('-M', 'q35', '-device', 'virtio-rng-pci,id=r',
                         '-object', 'rng-random,id=o,filename=/dev/urandom')
        for path, name, value in (
                ('r', 'vectors', 3), ('r', 'max-bytes', 1), ('r', 'addr', 7),
                ('/machine/unattached/device[0]', 'apic-id', 3),
                ('/machine', 'smp', {'cpus': 9}), ('o', 'filename', '/x')):
            with self.assertRaisesRegex(QmpError, f"Attempt to set.*'{name}'"):
                qmp.cmd('qom-set', path=path, property=name, value=value)


class Human(Case):
    """What the human monitor shows of CPUs and memory."""

    def test_registers_in_expressions(self):
        hmp = self.start('-M', 'q35', '-smp', '2').hmp
        self.assertEqual(hmp('print $pc'), f'{0xfffffff0}\r\n')
        self.assertEqual(hmp('print /x $eip + 1'), '0xfff1\r\n')
        self.assertEqual(hmp('p /x $cs'), '0xf000\r\n')
        self.assertEqual(hmp('p $edx & 0'),
                         '0\r\n')
        self.assertIn('unknown register', hmp('p $nothing'))

    def test_memory(self):
        hmp = self.start('-M', 'q35', '-m', '64').hmp
        self.assertEqual(hmp('x /2xw 0'), hmp('xp /2xw 0'))
        self.assertEqual(hmp('xp /1xb 0x100000'),
                         '0000000000100000: 0x00\r\n')
        self.assertIn('Cannot access memory', hmp('xp /1xg 0x7000000000'))
        self.assertEqual(hmp('gva2gpa 0x1234'), 'gpa: 0x1234\r\n')
        self.assertEqual(hmp('sum 0x100000 16'), '00000\r\n')
        self.assertIn('size', hmp('sum 0 0x7fffffffffff'))
        # Far below, and a count that makes no sense.
        self.assertIn('count', hmp('x /99999999xb 0'))

    def test_local_apic_and_cpus(self):
        hmp = self.start('-M', 'q35', '-smp', '2').hmp
        self.assertIn('APIC state for CPU 1', hmp('info lapic 1'))
        self.assertIn('SPIV\t 0x000000ff APIC disabled', hmp('info lapic'))
        self.assertIn('no CPU', hmp('info lapic 7'))
        self.assertIn('CPU#1', hmp('info registers 1'))
        self.assertIn('invalid CPU index', hmp('cpu 5'))
        self.assertEqual(hmp('cpu 1'), '')

    def test_every_info_command_answers(self):
        qmp = self.start('-M', 'q35', '-device', 'virtio-rng-pci')
        names = [line.split()[1] for line in qmp.hmp('help info').splitlines()
                 if line.startswith('info ')]
        self.assertGreater(len(names), 20)
        for name in names:
            said = qmp.hmp(f'info {name}')
            self.assertNotIn('unknown command', said, name)

    def test_none_machine_has_no_cpu(self):
        hmp = self.start(*NONE).hmp
        for line in ('info registers', 'info lapic', 'x 0', 'print $pc',
                     'cpu 0'):
            self.assertTrue(hmp(line), line)
