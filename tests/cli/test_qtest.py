# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest does, as seen by the host: serial lines, floods of events."""

import os
import pty
import socket
import termios
import time

from clicase import Q35, Case
from nemu_functional.qmp import QmpTimeout

COM1 = 0x3f8


class Guest(Case):
    """The test is the guest: it reads and writes ports over qtest."""

    def guest(self, *args):
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.dir / 'qtest'))
        listener.listen(1)
        listener.settimeout(10)
        self.addCleanup(listener.close)
        qmp = self.start(*Q35, '-qtest', 'unix:qtest', *args)
        conn = listener.accept()[0]
        self.addCleanup(conn.close)
        self.port = conn.makefile('rw')
        self.addCleanup(self.port.close)
        return qmp

    def ask(self, line):
        self.port.write(line + '\n')
        self.port.flush()
        reply = self.port.readline().split()
        self.assertEqual(reply[0], 'OK', (line, reply))
        return reply

    def outb(self, port, value):
        self.ask(f'outb {port:#x} {value:#x}')

    def inb(self, port):
        return int(self.ask(f'inb {port:#x}')[1], 16)


class SerialLine(Guest):

    def setUp(self):
        super().setUp()
        self.far, near = pty.openpty()
        self.addCleanup(os.close, self.far)
        self.addCleanup(os.close, near)
        self.near = near
        self.path = os.ttyname(near)

    def line(self):
        """Speed and form of the line, as far as a pty keeps it."""
        _, _, cflag, lflag, _, speed, _ = termios.tcgetattr(self.near)
        return (speed, cflag & (termios.PARODD | termios.CSTOPB),
                lflag & (termios.ICANON | termios.ECHO | termios.ISIG))

    def test_the_guests_settings_are_the_lines(self):
        before = termios.tcgetattr(self.near)
        qmp = self.guest('-chardev', f'serial,id=s,path={self.path}',
                         '-device', 'isa-serial,chardev=s')
        self.assertEqual(self.line(), (termios.B115200, 0, 0))
        for divisor, lcr, want in (
                (12, 0x1f, (termios.B9600, termios.CSTOPB)),
                (96, 0x0a, (termios.B1200, termios.PARODD)),
                (1, 0x03, (termios.B115200, 0))):
            self.outb(COM1 + 3, 0x80)
            self.outb(COM1, divisor & 0xff)
            self.outb(COM1 + 1, divisor >> 8)
            self.outb(COM1 + 3, lcr)
            self.assertEqual(self.line()[:2], want)
        qmp.cmd('quit')
        self.proc.wait(10)
        self.assertEqual(termios.tcgetattr(self.near)[:6], before[:6])

    def test_bytes_both_ways(self):
        self.guest('-serial', self.path)
        self.outb(COM1, ord('A'))
        self.assertEqual(os.read(self.far, 1), b'A')
        os.write(self.far, b'z')
        self.eventually(lambda: self.inb(COM1 + 5) & 1, 'data ready')
        self.assertEqual(self.inb(COM1), ord('z'))
        # A line without modem lines: the other end seems to be there.
        self.assertEqual(self.inb(COM1 + 6) & 0xf0, 0xb0)

    def test_what_is_no_line_is_refused(self):
        self.assertIn('not a serial line', self.fails(
            *Q35, '-chardev', 'serial,id=s,path=/dev/null'))
        self.assertIn('/dev/nonexist', self.fails(*Q35, '-serial',
                                                  '/dev/nonexist'))


class Flood(Guest):

    def test_events_of_one_kind_come_once_a_second(self):
        qmp = self.guest('-rtc', 'base=2020-01-01')
        for hours in range(1, 20):
            self.outb(0x70, 0x04)
            self.outb(0x71, hours // 10 << 4 | hours % 10)
        first = qmp.wait_event('RTC_CHANGE', 5)
        begin = time.monotonic()
        with self.assertRaises(QmpTimeout):
            qmp.wait_event('RTC_CHANGE', 0.5)
        last = qmp.wait_event('RTC_CHANGE', 5)
        self.assertGreater(time.monotonic() - begin, 0.7)
        self.assertGreater(last['data']['offset'], first['data']['offset'])
        with self.assertRaises(QmpTimeout):
            qmp.wait_event('RTC_CHANGE', 1.2)
