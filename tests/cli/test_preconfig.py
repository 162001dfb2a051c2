# SPDX-License-Identifier: GPL-2.0-or-later
"""-preconfig: clients describe the machine before it is built."""

import signal

from clicase import BASE, Q35, Case
from nemu_functional.qmp import QmpError

RUNNING = [a for a in BASE if a != '-S']
NUMA = ['-m', '256', '-smp', '2,sockets=2', '-object',
        'memory-backend-ram,id=m0,size=128M', '-object',
        'memory-backend-ram,id=m1,size=128M']


class Preconfig(Case):

    def refused(self, qmp, name, **arguments):
        with self.assertRaises(QmpError) as caught:
            qmp.cmd(name, arguments)
        return caught.exception

    def test_nodes_are_set_over_qmp(self):
        qmp = self.start(*Q35, *NUMA, '-preconfig', base=RUNNING)
        self.assertEqual(qmp.cmd('query-status')['status'], 'prelaunch')
        slots = qmp.cmd('query-hotpluggable-cpus')
        self.assertEqual(len(slots), 2)
        for n, slot in enumerate(sorted(slots, key=lambda s:
                                        s['props']['socket-id'])):
            qmp.cmd('set-numa-node', {'type': 'node', 'nodeid': n,
                                      'memdev': f'm{n}'})
            qmp.cmd('set-numa-node', {'type': 'cpu', 'node-id': n,
                                      'socket-id': slot['props']['socket-id']})
        self.refused(qmp, 'set-numa-node', type='node', nodeid=1)
        qmp.cmd('x-exit-preconfig')
        qmp.wait_event('RESUME', 10)
        self.assertEqual([c['props']['node-id'] for c in
                          qmp.cmd('query-cpus-fast')], [0, 1])
        self.assertIn('node 1 size: 128 MB', qmp.hmp('info numa'))

    def test_what_is_refused_before_and_after(self):
        qmp = self.start(*Q35, '-preconfig')
        for name in ('cont', 'device_add', 'query-cpus-fast', 'system_reset',
                     'human-monitor-command'):
            error = self.refused(qmp, name)
            self.assertEqual(error.error_class, 'GenericError')
        qmp.cmd('x-exit-preconfig')
        self.refused(qmp, 'x-exit-preconfig')
        self.refused(qmp, 'set-numa-node', type='node')
        self.assertEqual(len(qmp.cmd('query-cpus-fast')), 1)

    def test_every_command_survives_it(self):
        qmp = self.start(*Q35, '-preconfig')
        for command in qmp.cmd('query-commands'):
            if command['name'] not in ('quit', 'x-exit-preconfig'):
                try:
                    qmp.cmd(command['name'])
                except QmpError:
                    pass
        qmp.cmd('x-exit-preconfig')
        self.assertEqual(qmp.cmd('query-status')['status'], 'prelaunch')

    def test_it_may_end_there(self):
        qmp = self.start(*Q35, '-preconfig')
        qmp.cmd('quit')
        self.assertEqual(self.proc.wait(10), 0)
        self.start(*Q35, '-preconfig')
        self.proc.send_signal(signal.SIGTERM)
        self.assertEqual(self.proc.wait(10), 0)

    def test_human_monitor(self):
        done = self.popen(*Q35, '-preconfig', '-monitor', 'stdio', stdin=-1,
                          stdout=-1, text=True)
        out, _ = done.communicate('info status\nsystem_reset\n'
                                  'exit_preconfig\ninfo pci\nquit\n', 20)
        self.assertIn("Command 'system_reset' not available until", out)
        self.assertIn('Bus  0', out)
        self.assertEqual(done.returncode, 0)

    def test_not_with_daemonize(self):
        self.assertIn('daemonize', self.fails(*Q35, '-preconfig',
                                              '-daemonize'))


class Escape(Case):

    def test_echr(self):
        for args, char in ((['-echr', '0x14'], b'\x14'), ([], b'\x01')):
            done = self.popen(*Q35, '-S', '-nographic', *args, base=[
                '-accel', 'qtest'], stdin=-1, stdout=-1)
            out, _ = done.communicate(char + b'h' + char + b'cquit\n', 20)
            self.assertIn(b'exit emulator', out)
            self.assertIn(b'(qemu)', out)
            self.assertEqual(done.returncode, 0)
        for text in ('x', '300', ''):
            self.assertIn('-echr', self.fails(*Q35, '-echr', text))
