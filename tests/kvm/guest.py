# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests of a few hundred bytes: firmware images that start in real mode.

Software KVMs (and nested ones) interpret such guests where they cannot run a
stock kernel. Text is for the GNU assembler; the image's first byte runs with
CS:IP f000:0000, on application processors too (start-up vector f0h).
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from nemu_functional.suite import BED

SIZE = 0x10000
EXIT_PORT = 0x501
DEBUG_PORT = 0x402

HEAD = """
    .code16
    .globl _start
    .macro exit code            # isa-debug-exit: status is code * 2 + 1
    mov $0x501, %dx
    mov $\\code, %al
    out %al, %dx
1:  hlt
    jmp 1b
    .endm
    .macro say char
    mov $0x402, %dx
    mov $\\char, %al
    out %al, %dx
    .endm
_start:
"""

TAIL = """
    .org 0xfff0, 0xcc
    .byte 0xea, 0, 0, 0, 0xf0   # jmp f000:0000
    .org 0x10000, 0
"""


def build(directory, text, name='guest'):
    """Assemble TEXT into an image in DIRECTORY; returns its path."""
    path = Path(directory) / name
    source = HEAD + text + TAIL
    subprocess.run(['as', '--32', '-o', f'{path}.o', '-'],
                   input=source.encode(), check=True)
    subprocess.run(['ld', '-m', 'elf_i386', '-Ttext=0', '-e', '_start',
                    '--oformat', 'binary', '-o', f'{path}.bin', f'{path}.o'],
                   check=True)
    assert Path(f'{path}.bin').stat().st_size == SIZE
    return Path(f'{path}.bin')


def arguments(image, console):
    """Options that both emulators take: IMAGE as firmware, debug console to
    the file CONSOLE."""
    return ['-nodefaults', '-no-user-config', '-display', 'none', '-no-reboot',
            '-m', '16', '-bios', str(image),
            '-chardev', f'file,id=dbg,path={console}',
            '-device', f'isa-debugcon,iobase={DEBUG_PORT:#x},chardev=dbg',
            '-device', f'isa-debug-exit,iobase={EXIT_PORT:#x},iosize=1']


def run(binary, image, console, options, timeout=60):
    """Start, wait for the end: (exit status, standard error)."""
    proc = subprocess.run([binary, *arguments(image, console), *options],
                          stdin=subprocess.DEVNULL, capture_output=True,
                          timeout=timeout)
    return proc.returncode, proc.stderr.decode(errors='replace')


_kvm_reason = None


def kvm_reason():
    """Why tiny guests do not run here, or ''. Asked once."""
    global _kvm_reason
    if _kvm_reason is None:
        with tempfile.TemporaryDirectory(prefix='nemu-kvm-') as directory:
            _kvm_reason = _probe(directory)
    return _kvm_reason


def _probe(directory):
    if os.environ.get('NEMU_KVM') == 'bed':
        return 'NEMU_KVM=bed is set'
    if not os.access('/dev/kvm', os.R_OK | os.W_OK):
        return 'no access to /dev/kvm'
    image = build(directory, 'exit 4')
    status, err = run(os.environ['NEMU_ORACLE'], image, f'{directory}/out',
                      ['-machine', 'q35', '-accel', 'kvm'])
    return '' if status == 9 else f'a guest ends with {status}: {err[-200:]}'


def cannot(test, reason):
    """The KVM here cannot do what TEST needs: the bed's can."""
    if 'NEMU_IN_BED' in os.environ:
        test.fail(f'in the bed: {reason}')
    test.skipTest(BED + reason)


def need_kvm(test):
    """Leave TEST where the oracle cannot run a tiny guest either."""
    for tool in ('as', 'ld'):
        if not shutil.which(tool):
            test.skipTest(f'no {tool} to assemble guests with')
    reason = kvm_reason()
    if reason:
        cannot(test, f'KVM does not work here: {reason}')
