# SPDX-License-Identifier: GPL-2.0-or-later
"""What the KVM accelerator does for a guest, with guests that fit a page."""

import os
import shutil
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

import guest
from nemu_functional.qmp import Qmp

# Protected mode with flat segments; the guest's text goes on in 32-bit code
# at "flat" with its stack below 7000h. Offsets of labels are physical
# addresses f0000h + label.
FLAT = """
    cli
    lgdtl %cs:gdtr
    mov %cr0, %eax
    or $1, %al
    mov %eax, %cr0
    ljmpl $8, $0xf0000 + flat
    .balign 8
gdt:
    .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff
gdtr:
    .word 23
    .long 0xf0000 + gdt
    .code32
flat:
    mov $16, %eax
    mov %eax, %ds
    mov %eax, %es
    mov %eax, %ss
    mov $0x7000, %esp
"""

# An IDT at 0 with vector 40h to "handler", LAPIC on.
INTERRUPTS = FLAT + """
    movw $handler, 0x200
    movw $8, 0x202
    movl $0x000f8e00, 0x204
    movw $0x7ff, 0x6000
    movl $0, 0x6002
    lidt 0x6000
    movl $0x1ff, 0xfee000f0
"""

HANDLER = """
handler:
    movl $0, 0xfee000b0         # end of interrupt
    exit 3
"""


class Vm:
    """One run of our binary with a QMP socket; a context manager."""

    def __init__(self, directory, text, *options, machine='q35',
                 accel='kvm', reboot=False):
        image = guest.build(directory, text)
        self.console = Path(directory) / 'console'
        self.console.touch()
        args = guest.arguments(image, self.console)
        if reboot:
            args.remove('-no-reboot')
        self.argv = [os.environ['NEMU_BINARY'], '-machine', machine,
                     '-accel', accel, '-qmp',
                     f'unix:{directory}/qmp,server=on,wait=off', *args,
                     *options]
        self.path = f'{directory}/qmp'
        self.err = open(f'{directory}/stderr', 'w+b')

    def __enter__(self):
        self.proc = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL,
                                     stdout=self.err, stderr=self.err)
        try:
            self.qmp = Qmp.connect(self.path,
                                   alive=lambda: self.proc.poll() is None)
        except OSError as err:
            raise RuntimeError(self.stderr()) from err
        return self

    def __exit__(self, *exc):
        if self.proc.poll() is None:
            self.proc.kill()
        self.proc.wait()
        self.err.close()

    def stderr(self):
        self.err.seek(0)
        return self.err.read().decode(errors='replace')

    def said(self, text, timeout=20):
        """Wait for the debug console to say TEXT."""
        end = time.monotonic() + timeout
        while text not in self.console.read_text():
            if time.monotonic() > end or self.proc.poll() is not None:
                return False
            time.sleep(0.01)
        return True

    def event(self, name, timeout=20):
        """The first event of that name, past or to come."""
        end = time.monotonic() + timeout
        while True:
            for e in self.qmp.events:
                if e['event'] == name:
                    return e
            message = self.qmp.receive(max(end - time.monotonic(), 0.1))
            if message is None:
                raise AssertionError(f'no event {name} before the end')
            self.qmp.events.append(message)


class GuestTest(unittest.TestCase):
    def setUp(self):
        guest.need_kvm(self)
        self.dir = tempfile.mkdtemp(prefix='nemu-kvm-')
        self.addCleanup(shutil.rmtree, self.dir)

    def run_guest(self, text, *options, machine='q35'):
        """Run to the end: (exit status, what it said, standard error)."""
        image = guest.build(self.dir, text)
        console = Path(self.dir) / 'console'
        status, err = guest.run(os.environ['NEMU_BINARY'], image, console,
                                ['-machine', machine, '-accel', 'kvm',
                                 *options])
        return status, console.read_text(errors='replace'), err

    def vm(self, text, *options, **kwargs):
        return Vm(self.dir, text, *options, **kwargs)


class ExitTest(GuestTest):
    def test_port_output_input_and_strings(self):
        status, said, err = self.run_guest("""
            mov $0x70, %dx              # the RTC's index and data: CMOS 0fh
            mov $0x8f, %al
            out %al, %dx
            mov $0x71, %dx
            mov $0x5a, %al
            out %al, %dx
            in %dx, %al
            mov $0x402, %dx
            out %al, %dx
            push %cs
            pop %ds
            mov $text, %si
            mov $5, %cx
            cld
            rep outsb
            exit 7
        text: .ascii "hello"
        """)
        self.assertEqual((status, said), (15, 'Zhello'), err)

    def test_mmio_reads_and_writes_of_each_width(self):
        # HPET: capabilities (vendor 8086h), comparator of timer 0.
        status, said, err = self.run_guest(FLAT + """
            mov 0xfed00000, %eax
            shr $16, %eax
            cmp $0x8086, %ax
            jne bad
            movl $0x12345678, 0xfed00108
            cmpl $0x12345678, 0xfed00108
            jne bad
            exit 1
        bad:
            exit 2
        """)
        self.assertEqual(status, 3, err)

    def test_port_of_nothing_reads_ones(self):
        status, said, err = self.run_guest("""
            mov $0x3e8, %dx
            in %dx, %eax
            inc %eax
            jnz 2f
            exit 1
        2:  exit 2
        """)
        self.assertEqual(status, 3, err)


class InterruptTest(GuestTest):
    def rtc_interrupt(self, machine):
        """The RTC's periodic interrupt through the I/O APIC's pin 8."""
        return self.run_guest(INTERRUPTS + """
            movl $0x21, 0xfec00000
            movl $0, 0xfec00010
            movl $0x20, 0xfec00000
            movl $0x40, 0xfec00010
            mov $0x0b, %al
            out %al, $0x70
            mov $0x42, %al              # periodic interrupts, 24 h
            out %al, $0x71
            mov $0x0c, %al
            out %al, $0x70
            in $0x71, %al
            sti
        2:  hlt
            jmp 2b
        """ + HANDLER, machine=machine)

    def test_ioapic_line_wakes_a_halted_cpu(self):
        status, _, err = self.rtc_interrupt('q35')
        self.assertEqual(status, 7, err)

    def test_ioapic_line_with_split_irqchip(self):
        status, _, err = self.rtc_interrupt('q35,kernel-irqchip=split')
        self.assertEqual(status, 7, err)

    def msi(self, machine):
        """HPET's timer 0 by a message, halted until then."""
        return self.run_guest(INTERRUPTS + """
            movl $0x40, 0xfed00110      # message data: vector 40h
            movl $0xfee00000, 0xfed00114
            movl $0x4004, 0xfed00100    # enabled, by message
            movl $100000, 0xfed00108    # 1 ms
            movl $0, 0xfed0010c
            movl $1, 0xfed00010
            sti
        2:  hlt
            jmp 2b
        """ + HANDLER, '-global', 'hpet.msi=on', machine=machine)

    def test_message_wakes_a_halted_cpu(self):
        status, _, err = self.msi('q35')
        self.assertEqual(status, 7, err)

    def test_message_with_split_irqchip(self):
        status, _, err = self.msi('q35,kernel-irqchip=split')
        self.assertEqual(status, 7, err)

    def pic(self, machine):
        """The PIT through PICs: IRQ 0 at vector 40h, by LINT0."""
        return self.run_guest(INTERRUPTS + """
            movl $0x700, 0xfee00350     # LINT0: from the PIC
            mov $0x11, %al
            out %al, $0x20
            mov $0x40, %al
            out %al, $0x21
            mov $4, %al
            out %al, $0x21
            mov $1, %al
            out %al, $0x21
            mov $0xfe, %al
            out %al, $0x21
            mov $0x34, %al              # channel 0, rate generator
            out %al, $0x43
            mov $0, %al
            out %al, $0x40
            mov $0x10, %al
            out %al, $0x40
            sti
        2:  hlt
            jmp 2b
        """ + HANDLER, machine=machine)

    def test_pic_interrupt(self):
        status, _, err = self.pic('q35')
        self.assertEqual(status, 7, err)

    def test_pic_interrupt_with_split_irqchip(self):
        status, _, err = self.pic('q35,kernel-irqchip=split')
        self.assertEqual(status, 7, err)

    def test_nmi_button_by_lint1(self):
        text = FLAT + """
            movw $nmi, 0x10
            movw $8, 0x12
            movl $0x000f8e00, 0x14
            movw $0x7ff, 0x6000
            movl $0, 0x6002
            lidt 0x6000
            movl $0x1ff, 0xfee000f0
            movl $0x400, 0xfee00360
            say 'r'
        2:  hlt
            jmp 2b
        nmi:
            exit 3
        """
        with self.vm(text) as vm:
            self.assertTrue(vm.said('r'))
            vm.qmp.cmd('inject-nmi')
            self.assertEqual(vm.proc.wait(20), 7)


# With paging on, as in any guest of weight: the bed's KVM (SVM) has no page
# tables left after a triple fault if leaving paging does not make it look.
TRIPLE_FAULT = FLAT + """
    movl $0x83, 0x5000
    mov $0x5000, %eax
    mov %eax, %cr3
    mov $0x10, %eax             # 4 MiB pages
    mov %eax, %cr4
    mov %cr0, %eax
    or $0x80000000, %eax
    mov %eax, %cr0
    movw $0, 0x6000
    movl $0, 0x6002
    lidt 0x6000
    int3
"""


class FaultTest(GuestTest):
    @classmethod
    def setUpClass(cls):
        cls.no_faults = guest.kvm_reason() or cls.ask_oracle()

    @staticmethod
    def ask_oracle():
        """Some software KVMs never tell of a triple fault."""
        patience = 60 if 'NEMU_IN_BED' in os.environ else 3
        with tempfile.TemporaryDirectory(prefix='nemu-kvm-') as directory:
            image = guest.build(directory, TRIPLE_FAULT)
            try:
                guest.run(os.environ['NEMU_ORACLE'], image, f'{directory}/out',
                          ['-machine', 'q35', '-accel', 'kvm'], timeout=patience)
            except subprocess.TimeoutExpired:
                return 'QEMU 7.2 hears of no triple fault here either'
        return ''

    def setUp(self):
        super().setUp()
        if self.no_faults:
            guest.cannot(self, self.no_faults)

    def test_triple_fault_resets(self):
        # CMOS byte 38h keeps its value: the second time it ends.
        text = """
            mov $0x38, %al
            out %al, $0x70
            in $0x71, %al
            cmp $0x77, %al
            jne 2f
            exit 5
        2:  mov $0x77, %al
            out %al, $0x71
        """ + TRIPLE_FAULT
        with self.vm(text, '-S', reboot=True) as vm:
            vm.qmp.cmd('cont')
            event = vm.event('RESET')
            self.assertEqual(event['data'],
                             {'guest': True, 'reason': 'guest-reset'})
            self.assertEqual(vm.proc.wait(20), 11)

    def test_triple_fault_ends_with_no_reboot(self):
        with self.vm(TRIPLE_FAULT, '-S') as vm:
            vm.qmp.cmd('cont')
            event = vm.event('SHUTDOWN')
            self.assertEqual(event['data'],
                             {'guest': True, 'reason': 'guest-reset'})
            self.assertEqual(vm.proc.wait(20), 0)

    def test_triple_fault_can_pause(self):
        with self.vm(TRIPLE_FAULT, '-S', '-no-shutdown') as vm:
            vm.qmp.cmd('cont')
            vm.event('SHUTDOWN')
            vm.event('STOP')
            self.assertEqual(vm.qmp.cmd('query-status')['status'], 'shutdown')


class ErrorTest(GuestTest):
    def test_internal_error_stops_and_shows_registers(self):
        # No KVM runs instructions out of the I/O APIC.
        text = FLAT + """
            mov $0x600df00d, %ebx
            mov $0xfec00000, %eax
            jmp *%eax
        """
        with self.vm(text, '-S', reboot=True) as vm:
            vm.qmp.cmd('cont')
            vm.event('STOP')
            self.assertEqual(vm.qmp.cmd('query-status'),
                             {'status': 'internal-error', 'running': False,
                              'singlestep': False})
            self.assertIn('KVM internal error', vm.stderr())
            self.assertIn('EBX=600df00d', vm.stderr())
            self.assertIn('EIP=fec00000', vm.stderr())
            vm.qmp.cmd('system_reset')
            self.assertEqual(vm.qmp.cmd('query-status')['status'],
                             'prelaunch')

    def start(self, *command, **env):
        return subprocess.run(
            [*command, os.environ['NEMU_BINARY'], '-machine', 'q35', '-accel',
             'kvm', '-nodefaults', '-display', 'none', '-S'],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=30,
            env={**os.environ, **env})

    def assert_one_line(self, proc, *words):
        err = proc.stderr.decode()
        self.assertEqual(proc.returncode, 1, err)
        self.assertEqual(len(err.splitlines()), 1, err)
        for word in words:
            self.assertIn(word, err)

    def test_without_permission(self):
        if os.geteuid() or not shutil.which('setpriv'):
            self.skipTest('not root, or no setpriv')
        if os.stat('/dev/kvm').st_mode & 6:
            guest.cannot(self, 'everybody may open /dev/kvm')
        # Where the binary is may be closed to others: hand it in open.
        copy = shutil.copy(os.environ['NEMU_BINARY'], self.dir)
        os.chmod(self.dir, 0o755)
        proc = subprocess.run(
            ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups',
             copy, '-machine', 'q35', '-accel', 'kvm', '-S'],
            stdin=subprocess.DEVNULL, capture_output=True, timeout=30,
            cwd='/')
        self.assert_one_line(proc, 'Permission denied', 'KVM')

    def test_without_a_capability_it_needs(self):
        shim = os.environ.get('KVM_SHIM_SO')
        if not shim:
            self.skipTest('run by meson only: needs kvm-shim.so')
        for number, name in ((32, 'KVM_CAP_IRQFD'),
                             (136, 'KVM_CAP_IMMEDIATE_EXIT'),
                             (55, 'KVM_CAP_XSAVE')):
            with self.subTest(name):
                proc = self.start(LD_PRELOAD=shim,
                                  KVM_SHIM_WITHOUT=str(number))
                self.assert_one_line(proc, name)


class ControlTest(GuestTest):
    LOOP = "say 'r'\n1: jmp 1b"

    def test_stop_and_cont_kick_a_busy_cpu(self):
        with self.vm(self.LOOP) as vm:
            self.assertTrue(vm.said('r'))
            worst = 0
            for _ in range(20):
                start = time.monotonic()
                vm.qmp.cmd('stop')
                self.assertEqual(vm.qmp.cmd('query-status')['status'],
                                 'paused')
                vm.qmp.cmd('cont')
                worst = max(worst, time.monotonic() - start)
            # A lost kick would wait for ever; this machine may be busy.
            self.assertLess(worst, 2)

    def test_registers_of_a_stopped_cpu(self):
        with self.vm("mov $0x1234abcd, %ebx\n" + self.LOOP) as vm:
            self.assertTrue(vm.said('r'))
            vm.qmp.cmd('stop')
            text = vm.qmp.hmp('info registers')
            self.assertIn('EBX=1234abcd', text)
            self.assertIn('CS =f000 000f0000', text)
            vm.qmp.cmd('cont')

    def test_reset_starts_over(self):
        with self.vm(self.LOOP, reboot=True) as vm:
            self.assertTrue(vm.said('r'))
            vm.qmp.cmd('system_reset')
            vm.event('RESET')
            self.assertTrue(vm.said('rr'))

    def test_every_cpu_stops(self):
        with self.vm(self.LOOP, '-smp', '4') as vm:
            self.assertTrue(vm.said('r'))
            vm.qmp.cmd('stop')
            cpus = vm.qmp.cmd('query-cpus-fast')
            self.assertEqual(len({c['thread-id'] for c in cpus}), 4)
            vm.qmp.cmd('quit')
            self.assertEqual(vm.proc.wait(20), 0)
