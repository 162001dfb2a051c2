# SPDX-License-Identifier: GPL-2.0-or-later
"""What "help" prints: of what we have, the lines are QEMU 7.2's."""

import os
import re
import subprocess
import unittest

from pair import allowed_help


def lines(variable, *args):
    """Status and lines of standard output of one run."""
    done = subprocess.run([os.environ[variable], '-display', 'none', *args],
                          stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=30)
    return done.returncode, [line.rstrip() for line in
                             done.stdout.splitlines() if line.strip()]


def ours(*args):
    return lines('NEMU_BINARY', *args)


def oracle(*args):
    return lines('NEMU_ORACLE', *args)


class Help(unittest.TestCase):

    def compare(self, *args, key=lambda line: line):
        """Lines of ours that QEMU 7.2 does not print; key() takes parts out."""
        status, mine = ours(*args)
        _, theirs = oracle(*args)
        self.assertEqual(status, 0, args)
        self.assertTrue(mine, args)
        known = {key(line) for line in theirs}
        return [f'{" ".join(args)}: {line}' for line in mine
                if key(line) not in known and
                f'{" ".join(args)}: {line.strip()}' not in allowed_help()]

    def test_lists(self):
        bad = []
        for args in (('-machine', 'help'), ('-accel', 'help'),
                     ('-device', 'help'), ('-object', 'help'),
                     ('-chardev', 'help'), ('-netdev', 'help'),
                     ('-d', 'help'), ('-audiodev', 'help'),
                     ('-display', 'help'), ('-vga', 'help')):
            bad += self.compare(*args)
        self.assertEqual('\n'.join(bad), '')

    def test_cpu_models(self):
        # Descriptions come of the host; names and spacing are QEMU's.
        self.assertEqual('\n'.join(self.compare(
            '-cpu', 'help', key=lambda line: line[:25].rstrip())), '')

    def test_option_groups(self):
        bad = []
        for name in ('smp', 'boot', 'action', 'msg', 'overcommit', 'global',
                     'rtc', 'add-fd'):
            bad += self.compare(f'-{name}', 'help',
                                key=lambda line: line.split(' - ')[0].rstrip())
        bad += self.compare('-chardev', 'socket,help')
        self.assertEqual('\n'.join(bad), '')

    def test_every_device(self):
        _, text = ours('-device', 'help')
        names = [m[1] for m in (re.match(r'name "([^"]+)"', line)
                                for line in text) if m]
        self.assertGreater(len(names), 10)
        bad = []
        for name in names:
            bad += self.compare('-device', f'{name},help',
                                key=lambda line: line.split(' - ')[0].strip())
        self.assertEqual('\n'.join(bad), '')

    def test_every_object(self):
        _, text = ours('-object', 'help')
        bad = []
        for name in (line.strip() for line in text[1:]):
            bad += self.compare('-object', f'{name},help',
                                key=lambda line: line.split(' - ')[0].strip())
        self.assertEqual('\n'.join(bad), '')

    def test_machines(self):
        bad = []
        for name in ('q35', 'none'):
            bad += self.compare('-machine', f'{name},help',
                                key=lambda line: line.split(' - ')[0].strip())
        self.assertEqual('\n'.join(bad), '')

    def test_unknown_names_fail(self):
        for args in (('-device', 'nothing,help'), ('-object', 'nothing,help'),
                     ('-machine', 'nothing,help')):
            self.assertEqual(ours(*args)[0], 1, args)
            self.assertEqual(ours(*args)[1], [], args)
