#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Long operations of qemu-img: SIGUSR1 asks how far they have come, SIGINT
ends them and leaves images that are sound but for leaks."""

import os
import signal
import subprocess
import time
import unittest

import blocklib as b
from test_img import OURS, Case

MiB = 1 << 20
LIMIT = 60
SLOW = ['-r', '300k']


class SignalTest(Case):
    def setUp(self):
        super().setUp()
        b.create(self.path('base'), 8 * MiB)
        b.create(self.path('top'), 8 * MiB, backing='base')
        io = b.Io(self.path('top'), args=['-f', 'qcow2'])
        for i in range(8):
            io.add(f'write -q -P {i + 1} {i}M 900k')
        io.run()

    def start(self, tool, *args):
        p = subprocess.Popen([tool, *args], cwd=self.dir,
                             stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.addCleanup(p.stderr.close)
        return p

    def until_written(self, p, name):
        """The file holds data."""
        end = time.monotonic() + LIMIT
        path = self.path(name)
        while not (os.path.exists(path) and os.path.getsize(path) > MiB):
            self.assertIsNone(p.poll())
            self.assertLess(time.monotonic(), end)
            time.sleep(0.01)

    def operations(self):
        yield 'o', ['convert', *SLOW, '-O', 'qcow2', 'top', 'o']
        yield 'o', ['convert', *SLOW, '-O', 'raw', '-S', '0', 'top', 'o']
        yield 'base', ['commit', *SLOW, 'top']

    def test_progress_when_asked(self):
        for name, args in self.operations():
            for tool in OURS, b.ORACLE_IMG:
                with self.subTest(tool=tool, args=args):
                    if os.path.exists(self.path('o')):
                        os.unlink(self.path('o'))
                    b.create(self.path('base'), 8 * MiB)
                    p = self.start(tool, *args)
                    self.until_written(p, name)
                    p.send_signal(signal.SIGUSR1)
                    self.assertRegex(p.stderr.readline(),
                                     rb'^    \(\d+\.\d\d/100%\)$')
                    p.kill()
                    p.wait(LIMIT)

    def test_interrupted(self):
        want = b.content(self.path('top'))
        for name, args in self.operations():
            with self.subTest(args):
                if os.path.exists(self.path('o')):
                    os.unlink(self.path('o'))
                p = self.start(OURS, *args)
                self.until_written(p, name)
                p.send_signal(signal.SIGINT)
                self.assertIn(p.wait(LIMIT), (-signal.SIGINT, 1))
                for image in 'top', 'base', name:
                    if 'raw' not in args or image != 'o':
                        found = b.run(b.ORACLE_IMG, 'check', '-f', 'qcow2',
                                      self.path(image), check=False)
                        self.assertIn(found.returncode, (0, 3), found.stdout)
                self.assertEqual(b.content(self.path('top')), want)


if __name__ == '__main__':
    unittest.main()
