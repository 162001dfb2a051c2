# SPDX-License-Identifier: GPL-2.0-or-later
"""-sandbox kills the process on the calls it denies, and on no others."""

import os
import signal
import unittest

from clicase import NONE, Case

# Numbers of x86-64 Linux, by what denies them.
CALLS = {
    'enable': {'swapon': 167, 'reboot': 169, 'mount': 165},
    'obsolete': {'uselib': 134, 'ustat': 136, 'sysfs': 139},
    'elevateprivileges': {'setfsuid': 122, 'setresuid': 117, 'setpgid': 109},
    'spawn': {'fork': 57, 'execve': 59, 'unshare': 272},
    'resourcecontrol': {'setpriority': 141, 'sched_setaffinity': 203},
}
ALLOWED = [n for n in CALLS if n not in ('enable', 'obsolete')]


@unittest.skipUnless(os.environ.get('SYSCALL_PROBE_SO'), 'needs the probe')
class Sandbox(Case):

    def probed(self, *args):
        """A running emulator with the probe in it."""
        fifo = self.dir / 'fifo'
        fifo.unlink(missing_ok=True)
        os.mkfifo(fifo)
        done = self.dir / 'fifo.done'
        done.write_text('')
        done.chmod(0o666)       # the probe may run as another user
        env = dict(os.environ, SYSCALL_PROBE=str(fifo),
                   LD_PRELOAD=os.environ['SYSCALL_PROBE_SO'],
                   ASAN_OPTIONS='verify_asan_link_order=0:detect_leaks=0')
        self.start(*NONE, *args, env=env).close()
        return self.proc, fifo

    def assert_kills(self, number, *args):
        proc, fifo = self.probed(*args)
        fifo.write_text(f'{number}\n')
        self.assertEqual(proc.wait(60), -signal.SIGSYS, (number, args))

    def assert_survives(self, numbers, *args):
        proc, fifo = self.probed(*args)
        done = self.dir / 'fifo.done'
        for number in numbers:
            fifo.write_text(f'{number}\n')
        self.eventually(lambda: proc.poll() is not None or
                        done.read_text().count('\n') == len(numbers),
                        'the calls')
        self.assertIsNone(proc.poll())
        proc.kill()

    def test_each_group_kills_when_denied(self):
        for group, calls in CALLS.items():
            option = 'on' if group == 'enable' else f'on,{group}=deny'
            for number in calls.values():
                self.assert_kills(number, '-sandbox', option)

    def test_groups_not_denied_are_allowed(self):
        # Neither fork nor execve: the child would run on.
        numbers = [n for g in ALLOWED for name, n in CALLS[g].items()
                   if name not in ('fork', 'execve', 'setpgid')]
        self.assert_survives(numbers, '-sandbox', 'on')

    def test_obsolete_calls_are_denied_unless_allowed(self):
        self.assert_kills(CALLS['obsolete']['ustat'], '-sandbox', 'on')
        self.assert_survives(CALLS['obsolete'].values(), '-sandbox',
                             'on,obsolete=allow')

    def test_off_denies_nothing(self):
        self.assert_survives([CALLS['obsolete']['ustat']], '-sandbox', 'off')

    def test_libvirts_options_run(self):
        qmp = self.start('-M', 'q35', '-device', 'virtio-rng-pci', '-sandbox',
                         'on,obsolete=deny,elevateprivileges=deny,spawn=deny,'
                         'resourcecontrol=deny')
        qmp.cmd('object-add', qom_type='iothread', id='io0')
        self.assertEqual(len(qmp.cmd('query-iothreads')), 1)
        qmp.cmd('quit')
        self.assertEqual(self.proc.wait(60), 0)

    @unittest.skipUnless(os.geteuid() == 0, 'needs root')
    def test_runas_comes_before_the_ban_on_it(self):
        self.dir.chmod(0o777)
        proc, fifo = self.probed('-runas', '65534:65534', '-sandbox',
                                 'on,elevateprivileges=deny')
        status = open(f'/proc/{proc.pid}/status').read()
        self.assertIn('Uid:\t65534\t65534\t65534\t65534', status)
        fifo.write_text(f"{CALLS['elevateprivileges']['setresuid']}\n")
        self.assertEqual(proc.wait(60), -signal.SIGSYS)

    def test_bad_values_are_named_once(self):
        for option, text in (
                ('on,spawn=maybe', "invalid argument for spawn: 'maybe'"),
                ('on,spwan=deny', "Invalid parameter 'spwan', did you mean "
                                  "'spawn'?"),
                ('on,obsolete=children', 'invalid argument for obsolete'),
                ('perhaps', "'enable' expects 'on' or 'off'")):
            said = self.fails(*NONE, '-sandbox', option)
            self.assertEqual(len(said.splitlines()), 1, said)
            self.assertIn(text, said)
            self.assertEqual(said.count('-sandbox'), 1, said)
