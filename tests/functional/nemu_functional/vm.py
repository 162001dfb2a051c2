# SPDX-License-Identifier: GPL-2.0-or-later
"""A virtual machine under test: its process, QMP session and console."""

import os
import shlex
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

from .console import Console
from .qmp import Qmp

# Everything is slow when KVM itself is emulated.
BOOT_TIMEOUT = 120
END_TIMEOUT = 60


def env(name):
    """A setting that the runner passes to the tests."""
    value = os.environ.get(name)
    if not value:
        raise RuntimeError(f'{name} is not set: start tests with '
                           'tests/functional/run')
    return value


def tested_binary():
    return env('NEMU_BINARY')


def tested_tools():
    """The directory of the tools that were built with it."""
    return Path(env('NEMU_MODULE_DIR'))


def oracle_binary():
    return env('NEMU_ORACLE')


class Vm:
    """A q35 guest booting the stock kernel, unless told otherwise.

    kernel='GENERIC' boots the flavour for all hardware; kernel=None none.

    with Vm('-device', 'virtio-rng-pci') as vm:
        vm.boot()
        vm.sh('uname -r')
        vm.poweroff()
    """

    def __init__(self, *args, binary=None, cpus=1, memory=256, append='quiet',
                 kernel='L2', machine='q35', accel='kvm', cpu='host',
                 serial=True, name='vm'):
        self.dir = Path(tempfile.mkdtemp(prefix='nemu-vm-'))
        self.binary = binary or tested_binary()
        self.log_dir = Path(os.environ.get('NEMU_LOGS') or self.dir)
        self.name = name
        self.qmp = self.console = self.proc = None
        self.argv = [self.binary, '-machine', machine, '-accel', accel,
                     '-m', str(memory), '-smp', str(cpus),
                     '-nodefaults', '-no-user-config', '-display', 'none', '-S',
                     '-chardev', f'socket,id=qmp,path={self.dir}/qmp,'
                                 'server=on,wait=off',
                     '-mon', 'chardev=qmp,mode=control']
        if cpu:
            self.argv += ['-cpu', cpu]
        if serial:
            self.argv += ['-chardev', f'socket,id=serial0,path={self.dir}/tty,'
                                      'server=on,wait=off',
                          '-serial', 'chardev:serial0']
        if kernel:
            self.argv += ['-kernel', env(f'NEMU_{kernel}_KERNEL'),
                          '-initrd', env(f'NEMU_{kernel}_INITRD'), '-append',
                          f"console={env('NEMU_L2_TTY')} panic=-1 {append}"]
        self.argv += [str(a) for a in args]

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def path(self, name):
        """A file name in the VM's directory, which is removed with it."""
        return self.dir / name

    def start(self):
        """Start the process, stopped before the first instruction."""
        with open(self.log_dir / f'{self.name}.log', 'ab') as log:
            log.write(f'\n$ {shlex.join(self.argv)}\n'.encode())
            log.flush()
            self.proc = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL,
                                         stdout=log, stderr=log)
        try:
            self.qmp = Qmp.connect(self.path('qmp'), timeout=30,
                                   alive=lambda: self.proc.poll() is None)
        except OSError as err:
            raise RuntimeError(
                f'{self.binary}: no QMP (exit status {self.proc.poll()})') from err
        if '-serial' in self.argv and self.path('tty').exists():
            self.console = Console(self.path('tty'),
                                   self.log_dir / f'{self.name}.console')
        return self

    def boot(self, timeout=BOOT_TIMEOUT):
        """Start, run, and wait until the guest's agent answers."""
        self.start()
        self.qmp.cmd('cont')
        self.console.wait_ready(timeout)
        return self

    def sh(self, command, timeout=60, check=True):
        """Run a command in the guest's shell; its output."""
        return self.console.sh(command, timeout, check)

    def stderr(self):
        """All that the process and its earlier namesakes printed."""
        return (self.log_dir / f'{self.name}.log').read_text(errors='replace')

    def wait(self, timeout=END_TIMEOUT):
        """Wait for the process to end; its exit status."""
        return self.proc.wait(timeout)

    def poweroff(self, timeout=END_TIMEOUT):
        """Let the guest power itself off; the process's exit status."""
        self.console.start('sync; poweroff -f')
        return self.wait(timeout)

    def quit(self, timeout=END_TIMEOUT):
        """End the process by QMP; its exit status."""
        self.qmp.cmd('quit')
        return self.wait(timeout)

    def kill(self, sig=signal.SIGKILL):
        """Send the process a signal; for SIGKILL, also wait for its end."""
        self.proc.send_signal(sig)
        if sig == signal.SIGKILL:
            self.proc.wait()

    def close(self):
        """End whatever is left and remove the directory."""
        if self.proc and self.proc.poll() is None:
            self.kill()
        if self.qmp:
            self.qmp.close()
        if self.console:
            self.console.close()
        shutil.rmtree(self.dir, ignore_errors=True)
