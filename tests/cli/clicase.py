# SPDX-License-Identifier: GPL-2.0-or-later
"""What the command line's tests share: emulators that start, and that must not."""

import os
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from nemu_functional.qmp import Qmp

BINARY = os.environ['QTEST_QEMU_BINARY']
BASE = ['-accel', 'qtest', '-display', 'none', '-nodefaults', '-S']
Q35 = ['-M', 'q35']
NONE = ['-M', 'none']
NODES = ('-m 256 -smp 4 '
         '-object memory-backend-ram,id=m0,size=128M '
         '-object memory-backend-ram,id=m1,size=128M ')


class Case(unittest.TestCase):
    """Each test has a directory of its own, which emulators run in."""

    def setUp(self):
        self.dir = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.started = 0

    def popen(self, *args, base=BASE, **kwargs):
        """An emulator that is killed at the test's end."""
        kwargs.setdefault('stdin', subprocess.DEVNULL)
        kwargs.setdefault('stdout', subprocess.DEVNULL)
        kwargs.setdefault('stderr', open(self.dir / 'stderr', 'ab'))
        proc = subprocess.Popen([BINARY, *base, *map(str, args)], cwd=self.dir,
                                **kwargs)
        self.addCleanup(proc.wait)
        self.addCleanup(proc.kill)
        self.proc = proc
        return proc

    def start(self, *args, **kwargs):
        """A running emulator's QMP session."""
        # The last emulator's socket may outlive it a little in the kernel.
        self.started += 1
        path = self.dir / f'qmp{self.started}'
        proc = self.popen('-qmp', f'unix:{path},server=on,wait=off', *args,
                          **kwargs)
        try:
            qmp = Qmp.connect(path, alive=lambda: proc.poll() is None)
        except (OSError, ConnectionError) as err:
            raise AssertionError((args, self.stderr())) from err
        self.addCleanup(qmp.close)
        return qmp

    def stderr(self):
        """What emulators of this test said so far."""
        return (self.dir / 'stderr').read_text(errors='replace')

    def ended(self, *args, base=BASE, **kwargs):
        """Run an emulator that ends by itself."""
        return subprocess.run([BINARY, *base, *map(str, args)], timeout=20,
                              cwd=self.dir, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, **kwargs)

    def fails(self, *args, base=BASE, **kwargs):
        """What an emulator that must not start says."""
        done = self.ended(*args, base=base, **kwargs)
        self.assertEqual(done.returncode, 1, (args, done.stdout, done.stderr))
        return done.stderr

    def eventually(self, check, what, seconds=60):
        """Wait until check() is true."""
        end = time.monotonic() + seconds
        while not check():
            self.assertLess(time.monotonic(), end, what)
            time.sleep(0.01)
