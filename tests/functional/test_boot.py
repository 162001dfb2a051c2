# SPDX-License-Identifier: GPL-2.0-or-later
"""A stock Debian kernel boots and ends as its users expect."""

import signal
import time
import unittest

from nemu_functional.qmp import QmpError
from nemu_functional.vm import Vm


class Boot(unittest.TestCase):

    def test_one_vcpu_boots_and_powers_off(self):
        with Vm(name='boot-1') as vm:
            vm.boot()
            self.assertEqual(vm.sh('nproc'), '1')
            self.assertEqual(vm.qmp.cmd('query-status')['status'], 'running')
            self.assertTrue(vm.qmp.cmd('query-kvm')['enabled'])
            self.assertEqual(vm.poweroff(), 0)
            event = vm.qmp.wait_event('SHUTDOWN')
            self.assertEqual(event['data'],
                             {'guest': True, 'reason': 'guest-shutdown'})

    def test_two_vcpus_both_run(self):
        with Vm(cpus=2, name='boot-2') as vm:
            vm.boot()
            self.assertEqual(vm.sh('nproc'), '2')
            vm.sh('for c in 0 1; do taskset $((c + 1)) sh -c '
                  '"i=0; while [ \\$i -lt 100 ]; do i=\\$((i + 1)); done" '
                  '|| exit 1; done')
            cpus = vm.qmp.cmd('query-cpus-fast')
            self.assertEqual([c['cpu-index'] for c in cpus], [0, 1])
            self.assertEqual(len({c['thread-id'] for c in cpus}), 2)
            timer = vm.sh('grep LOC: /proc/interrupts').split()
            self.assertGreater(int(timer[1]), 0)
            self.assertGreater(int(timer[2]), 0)
            self.assertEqual(vm.poweroff(), 0)

    def test_memory_and_clock_are_right(self):
        with Vm('-rtc', 'base=2001-02-03T04:05:06', memory=512,
                name='memory') as vm:
            vm.boot()
            total = int(vm.sh("awk '/MemTotal/ {print $2}' /proc/meminfo"))
            self.assertGreater(total, 440 << 10)
            self.assertLess(total, 512 << 10)
            self.assertRegex(vm.sh('date -u +%FT%H:%M'), '^2001-02-03T04:0')
            vm.quit()


class Lifecycle(unittest.TestCase):

    def test_guest_reset_reboots_in_the_same_process(self):
        with Vm(append='quiet reboot=acpi', name='guest-reset') as vm:
            vm.boot()
            vm.console.start('reboot -f')
            event = vm.qmp.wait_event('RESET')
            self.assertEqual(event['data'],
                             {'guest': True, 'reason': 'guest-reset'})
            vm.console.wait_ready()
            self.assertEqual(vm.poweroff(), 0)

    def test_system_reset_reboots(self):
        with Vm(name='host-reset') as vm:
            vm.boot()
            vm.qmp.cmd('system_reset')
            event = vm.qmp.wait_event('RESET')
            self.assertEqual(event['data'],
                             {'guest': False, 'reason': 'host-qmp-system-reset'})
            vm.console.wait_ready()
            vm.quit()

    def test_no_reboot_turns_reset_into_exit(self):
        with Vm('-no-reboot', name='no-reboot') as vm:
            vm.boot()
            vm.console.start('reboot -f')
            self.assertEqual(vm.wait(), 0)
            event = vm.qmp.wait_event('SHUTDOWN')
            self.assertEqual(event['data'],
                             {'guest': True, 'reason': 'guest-reset'})

    def test_system_powerdown_presses_the_power_button(self):
        with Vm(name='powerdown') as vm:
            vm.boot()
            vm.sh('modprobe evdev; grep -q "Power Button" '
                  '/proc/bus/input/devices')
            node = vm.sh("grep -A5 'Power Button' /proc/bus/input/devices | "
                         "sed -n 's/.*\\(event[0-9]*\\).*/\\1/p'")
            vm.console.start(f'dd if=/dev/input/{node} of=/dev/null bs=24 '
                             'count=1 2>/dev/null; poweroff -f')
            time.sleep(1)
            vm.qmp.cmd('system_powerdown')
            vm.qmp.wait_event('POWERDOWN')
            self.assertEqual(vm.wait(), 0)
            self.assertTrue(vm.qmp.wait_event('SHUTDOWN')['data']['guest'])

    def test_stop_halts_the_guest_and_cont_resumes_it(self):
        with Vm(name='stop-cont') as vm:
            vm.boot()
            vm.console.start('while :; do echo tick; usleep 100000; done')
            vm.console.expect('tick')
            vm.qmp.cmd('stop')
            vm.qmp.wait_event('STOP')
            status = vm.qmp.cmd('query-status')
            self.assertEqual((status['status'], status['running']),
                             ('paused', False))
            time.sleep(1)
            before = vm.console.peek()
            time.sleep(2)
            self.assertEqual(vm.console.peek(), before)
            vm.qmp.cmd('cont')
            vm.qmp.wait_event('RESUME')
            vm.console.expect('tick.*tick.*tick')
            vm.quit()

    def test_no_shutdown_keeps_the_process(self):
        with Vm('-no-shutdown', name='no-shutdown') as vm:
            vm.boot()
            vm.console.start('poweroff -f')
            vm.qmp.wait_event('SHUTDOWN')
            vm.qmp.wait_event('STOP')
            self.assertEqual(vm.qmp.cmd('query-status')['status'], 'shutdown')
            with self.assertRaises(QmpError):
                vm.qmp.cmd('cont')
            self.assertEqual(vm.quit(), 0)

    def test_sigterm_ends_a_running_guest(self):
        with Vm(name='sigterm') as vm:
            vm.boot()
            vm.kill(signal.SIGTERM)
            self.assertEqual(vm.wait(), 0)
            self.assertEqual(vm.qmp.wait_event('SHUTDOWN')['data'],
                             {'guest': False, 'reason': 'host-signal'})
