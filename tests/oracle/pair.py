# SPDX-License-Identifier: GPL-2.0-or-later
"""Start our emulator and the oracle without KVM, and talk to both."""

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

from nemu_functional.qmp import Qmp

HERE = Path(__file__).resolve().parent


class Emulator:
    """One process with a QMP session; use as a context manager."""

    def __init__(self, binary, *args, qtest=False, negotiate=True):
        self.dir = Path(tempfile.mkdtemp(prefix='nemu-oracle-'))
        self.argv = [binary, '-nodefaults', '-no-user-config', '-display',
                     'none', '-S', '-qmp',
                     f'unix:{self.dir}/qmp,server=on,wait=off', *args]
        if qtest:
            self.argv += ['-qtest', f'unix:{self.dir}/qtest']
        self.listener = None
        self.negotiate = negotiate
        self.qtest = None

    def __enter__(self):
        wants_qtest = '-qtest' in self.argv
        if wants_qtest:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(self.dir / 'qtest'))
            self.listener.listen()
        with open(self.dir / 'stderr', 'wb') as err:
            self.proc = subprocess.Popen(self.argv, stdout=err, stderr=err,
                                         stdin=subprocess.DEVNULL)
        try:
            if wants_qtest:
                self.listener.settimeout(10)
                self.qtest = self.listener.accept()[0].makefile('rw')
            self.qmp = Qmp.connect(self.dir / 'qmp', timeout=20,
                                   alive=lambda: self.proc.poll() is None,
                                   negotiate=self.negotiate)
        except OSError as err:
            text = (self.dir / 'stderr').read_text(errors='replace')
            self.close()
            raise RuntimeError(f"{' '.join(self.argv)}: {text}") from err
        return self

    def __exit__(self, *exc):
        self.close()

    def close(self):
        if self.proc.poll() is None:
            self.proc.kill()
        self.proc.wait()
        if self.listener:
            self.listener.close()
        shutil.rmtree(self.dir, ignore_errors=True)

    def port_write(self, port, value, size='l'):
        """Write an I/O port: by qtest, or by HMP where there is none."""
        if self.qtest:
            self.qtest_line(f'out{size} {port:#x} {value:#x}')
        else:
            unit = {'b': 'b', 'w': 'h', 'l': 'w'}[size]
            self.qmp.hmp(f'o /{unit} {port:#x} {value:#x}')

    def port_read(self, port, size='l'):
        """Read an I/O port."""
        if self.qtest:
            return int(self.qtest_line(f'in{size} {port:#x}').split()[1], 16)
        unit = {'b': 'b', 'w': 'h', 'l': 'w'}[size]
        return int(self.qmp.hmp(f'i /{unit}x {port:#x}').split()[-1], 16)

    def qtest_line(self, line):
        """One line of the protocol; the reply, which must be OK."""
        self.qtest.write(line + '\n')
        self.qtest.flush()
        reply = self.qtest.readline()
        if not reply.startswith('OK'):
            raise RuntimeError(f'qtest: {line}: {reply}')
        return reply


def ours(*args, **kwargs):
    """Our emulator; args choose machine and accelerator."""
    return Emulator(os.environ['NEMU_BINARY'], *args, **kwargs)


def oracle(*args, **kwargs):
    """Debian's QEMU 7.2."""
    return Emulator(os.environ['NEMU_ORACLE'], *args, **kwargs)


def additions():
    """Paths that we have on purpose and QEMU 7.2 has not."""
    lines = (HERE / 'additions.txt').read_text().splitlines()
    return {line.split('#')[0].strip() for line in lines} - {''}


def allowed_help():
    """Lines of help texts that differ on purpose."""
    lines = (HERE / 'help-differences.txt').read_text().splitlines()
    return {line.strip() for line in lines
            if line.strip() and not line.startswith('#')}


def is_oracle():
    """True where the suite tests Debian's own binary (against itself)."""
    return os.path.realpath(os.environ['NEMU_BINARY']) == \
        os.path.realpath(os.environ['NEMU_ORACLE'])
