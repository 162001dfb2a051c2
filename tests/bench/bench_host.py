# SPDX-License-Identifier: GPL-2.0-or-later
"""Figures that need no running guest: start, memory, QMP, size."""

import ctypes
import fcntl
import json
import mmap
import os
import statistics
import struct
import subprocess
import sys
import tempfile
import time

STARTS = 21
ROUND_TRIPS = 3000
SCHEMAS = 15

COMMON = ['-nodefaults', '-no-user-config', '-display', 'none', '-S',
          '-qmp', 'stdio']
MACHINES = {
    'kvm': ['-machine', 'q35', '-accel', 'kvm', '-m', '128'],
    'qtest': ['-machine', 'q35', '-accel', 'qtest', '-m', '128'],
    'tcg': ['-machine', 'q35', '-accel', 'tcg', '-m', '128'],
    'none': ['-machine', 'none'],
}


class Process:
    """An emulator with QMP on its standard streams; times itself."""

    def __init__(self, binary, machine):
        self.start = time.perf_counter()
        self.proc = subprocess.Popen(
            [binary, *COMMON, *MACHINES[machine]], bufsize=0,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, close_fds=False)
        self.buffer = b''
        self.proc.stdin.write(b'{"execute":"qmp_capabilities"}\n'
                              b'{"execute":"query-status","id":1}\n')
        while True:
            line = self.line()
            if b'"id": 1' in line:
                break
        self.ready = time.perf_counter() - self.start
        if b'"return"' not in line:
            raise RuntimeError(f'{binary}: {line!r}')

    def line(self):
        while b'\n' not in self.buffer:
            data = self.proc.stdout.read(1 << 20)
            if not data:
                raise RuntimeError(f'{self.proc.args}: ended with '
                                   f'{self.proc.wait()}')
            self.buffer += data
        line, self.buffer = self.buffer.split(b'\n', 1)
        return line

    def round_trip(self, command):
        request = json.dumps({'execute': command}).encode() + b'\n'
        start = time.perf_counter()
        self.proc.stdin.write(request)
        line = self.line()
        took = time.perf_counter() - start
        if not line.startswith(b'{"return"'):
            raise RuntimeError(f'{command}: {line[:200]!r}')
        return took

    def memory(self):
        """(resident, private dirty) in MB."""
        time.sleep(0.3)
        with open(f'/proc/{self.proc.pid}/smaps_rollup') as f:
            fields = dict(line.split(':', 1) for line in f if ':' in line)
        return tuple(int(fields[k].split()[0]) / 1000
                     for k in ('Rss', 'Private_Dirty'))

    def libraries(self):
        """Shared objects mapped, the loader included."""
        with open(f'/proc/{self.proc.pid}/maps') as f:
            return len({line.split()[-1] for line in f if '.so' in line})

    def close(self):
        self.proc.kill()
        self.proc.wait()
        self.proc.stdin.close()
        self.proc.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


def start_time(binary, machine):
    with Process(binary, machine) as p:
        return p.ready


def echo_time():
    """Seconds that starting any program and reading from it takes."""
    start = time.perf_counter()
    with subprocess.Popen(['/bin/echo'], bufsize=0, stdout=subprocess.PIPE,
                          close_fds=False) as echo:
        echo.stdout.read(1)
        return time.perf_counter() - start


def kvm_share():
    """Seconds that KVM itself takes: VM, irqchip, PIT, vCPU, one slot.

    The same system calls that any VMM must make, alone."""
    ram = mmap.mmap(-1, 128 << 20)
    # struct kvm_userspace_memory_region with the address of the mapping
    address = ctypes.addressof(ctypes.c_char.from_buffer(ram))
    start = time.perf_counter()
    kvm = os.open('/dev/kvm', os.O_RDWR | os.O_CLOEXEC)
    vm = fcntl.ioctl(kvm, 0xae01, 0)  # KVM_CREATE_VM
    fcntl.ioctl(vm, 0xae60)  # KVM_CREATE_IRQCHIP
    fcntl.ioctl(vm, 0x4040ae77, bytes(64))  # KVM_CREATE_PIT2
    vcpu = fcntl.ioctl(vm, 0xae41, 0)  # KVM_CREATE_VCPU
    fcntl.ioctl(vm, 0x4020ae46, struct.pack('=IIQQQ', 0, 0, 0, 128 << 20,
                                            address))
    took = time.perf_counter() - start
    for fd in (vcpu, vm, kvm):
        os.close(fd)
    return took


def alternate(count, *functions):
    """Medians of functions called in turn, so that noise hits all alike;
    None for one that fails."""
    samples = [[] for _ in functions]
    broken = set()
    for _ in range(count):
        for values, function in zip(samples, functions):
            try:
                if function not in broken:
                    values.append(function())
            except (OSError, RuntimeError) as err:
                broken.add(function)
                print(f'bench: {err}', file=sys.stderr)
    return [None if f in broken else statistics.median(v)
            for v, f in zip(samples, functions)]


def scaled(value, factor):
    return None if value is None else value * factor


def stripped_size(binary):
    with tempfile.TemporaryDirectory() as tmp:
        subprocess.run(['strip', '-o', f'{tmp}/x', binary], check=True)
        return os.path.getsize(f'{tmp}/x') / 1e6


def start_figures(ours, theirs, kvm_works):
    figures = []
    if kvm_works:
        a, b, kvm = alternate(STARTS, lambda: start_time(ours, 'kvm'),
                              lambda: start_time(theirs, 'kvm'), kvm_share)
        figures.append(("KVM's own share of a start", scaled(kvm, 1e3),
                        scaled(kvm, 1e3), 'ms', ''))
        figures.append(('exec to query-status, q35, kvm, 128 MiB',
                        scaled(a, 1e3), scaled(b, 1e3), 'ms',
                        f'{kvm * 1e3 + 4:.3g} ms' if kvm else ''))
    a, b = alternate(STARTS, lambda: start_time(ours, 'qtest'),
                     lambda: start_time(theirs, 'tcg'))
    figures.append(('exec to query-status, q35, qtest (QEMU: tcg)',
                    scaled(a, 1e3), scaled(b, 1e3), 'ms', '4 ms'))
    a, b, echo = alternate(STARTS, lambda: start_time(ours, 'none'),
                           lambda: start_time(theirs, 'none'), echo_time)
    figures.append(('exec to query-status, -machine none', scaled(a, 1e3),
                    scaled(b, 1e3), 'ms', '3 ms'))
    figures.append(("a start's own share (/bin/echo)", scaled(echo, 1e3),
                    scaled(echo, 1e3), 'ms', ''))
    return figures


def pipe_share():
    """Seconds of a round trip that the host takes: two pipes and cat."""
    with subprocess.Popen(['cat'], bufsize=0, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as cat:
        def once():
            start = time.perf_counter()
            cat.stdin.write(b'{"execute": "query-status"}\n')
            cat.stdout.read(4096)
            return time.perf_counter() - start
        took = statistics.median(once() for _ in range(ROUND_TRIPS))
        cat.stdin.close()
        return took


def idle_figures(binary, machine):
    """{name: value} of one idle process."""
    with Process(binary, machine) as p:
        resident, dirty = p.memory()
        return {
            'resident, idle q35': resident,
            'private dirty, idle q35': dirty,
            'shared libraries': p.libraries(),
            'query-status round trip': 1e6 * statistics.median(
                p.round_trip('query-status') for _ in range(ROUND_TRIPS)),
            'query-qmp-schema': 1e3 * statistics.median(
                p.round_trip('query-qmp-schema') for _ in range(SCHEMAS)),
            'stripped emulator': stripped_size(binary),
        }


IDLE = [('resident, idle q35', 'MB', '10 MB'),
        ('private dirty, idle q35', 'MB', '5 MB'),
        ('shared libraries', '', '10'),
        ('query-status round trip', 'us', '60 us'),
        ('query-qmp-schema', 'ms', '4 ms'),
        ('stripped emulator', 'MB', '3 MB')]


def measure(ours, theirs):
    """[(name, ours, theirs, unit, required)]"""
    kvm_works = os.access('/dev/kvm', os.R_OK | os.W_OK)
    figures = start_figures(ours, theirs, kvm_works)
    idle = []
    for binary, machine in ((ours, 'kvm' if kvm_works else 'qtest'),
                            (theirs, 'kvm' if kvm_works else 'tcg')):
        try:
            idle.append(idle_figures(binary, machine))
        except (OSError, RuntimeError) as err:
            print(f'bench: {err}', file=sys.stderr)
            idle.append({})
    cat = 1e6 * pipe_share()
    figures.append(("a round trip's own share (cat)", cat, cat, 'us', ''))
    return figures + [(name, idle[0].get(name), idle[1].get(name), unit,
                       required) for name, unit, required in IDLE]
