# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's kernel log has nothing to complain about.

See dmesg-allowed.txt for what is not judged, and what is judged anew.
"""

import os
import re
import time
import unittest
from pathlib import Path

from nemu_functional import image
from nemu_functional.vm import Vm, oracle_binary

ALLOWED = Path(__file__).with_name('dmesg-allowed.txt')

# What a kernel says of broken firmware tables, resources or devices.
TROUBLE = re.compile(
    r'ACPI (BIOS )?(Error|Warning|Exception)|ACPI: .*(fail|invalid|not found)|'
    r'(Firmware|BIOS|firmware) Bug|\[Firmware|AE_[A-Z_]+|'
    r'pci.*(can\'t claim|no space|failed to assign|conflict|bogus|invalid|'
    r'broken)|PCI: (Fatal|not using)|virtio.*(fail|error|broken|invalid|'
    r'needs reset|unable)|MMCONFIG.*(not reserved|disabl)|'
    r'irq \d+: nobody cared|WARNING: |BUG: |Oops|rcu.*stall|TSC warp|'
    r'TSC unstable|clocksource:.*unstable|'
    r'tsc: (Fast TSC|Unable to) calibrat', re.I)
# Boots that may be spoilt by CPUs that stood still.
BOOTS = 3


def plain(line):
    """(level, text) of a raw line, without times and other numbers that vary."""
    match = re.match(r'<(\d+)>\[[^]]*\] ?(.*)', line)
    if not match:
        return 6, line
    text = re.sub(r'0x[0-9a-f]+|\b[0-9a-f]{8,16}\b', 'N', match[2])
    return int(match[1]) & 7, re.sub(r'\d+(\.\d+)?', 'N', text)


def read_log(vm, path):
    """dmesg by way of the virtconsole, whose other end is the file @path.

    By the serial line it takes so long where KVM is emulated that the
    kernel complains of that.
    """
    vm.sh('stty -F /dev/hvc0 raw -echo; dmesg -r > /dev/hvc0; '
          'echo END OF LOG > /dev/hvc0', timeout=180)
    end = time.monotonic() + 60
    while True:
        text = path.read_text(errors='replace')
        if text.endswith('END OF LOG\n'):
            return text.splitlines()[:-1]
        if time.monotonic() > end:
            raise TimeoutError(f'no end of the log in {len(text)} characters')
        time.sleep(0.1)


def kernel_log(binary, name):
    """The log of a boot with one device of each kind, as [(level, text)]."""
    with Vm(binary=binary, cpus=2, name=name) as vm:
        disk = image.create(vm.path('disk'), 'qcow2', '64M')
        log = vm.path('log')
        vm.argv += [
            '-drive', f'if=none,id=d0,file={disk},format=qcow2',
            '-device', 'virtio-blk-pci,drive=d0',
            '-device', 'virtio-rng-pci',
            '-device', 'virtio-serial-pci',
            '-chardev', f'file,id=c0,path={log}',
            '-device', 'virtconsole,chardev=c0',
            '-device', 'pcie-root-port,id=rp0,chassis=1,slot=1',
        ]
        vm.boot()
        lines = read_log(vm, log)
        (vm.log_dir / f'{name}.dmesg').write_text('\n'.join(lines) + '\n')
        vm.quit()
        return [plain(line) for line in lines]


# What stands below a warning: machine, registers, code. The warning is judged.
DUMP = re.compile(r'(Hardware name|Code|RIP|RSP|R[A-Z0-9]{2}|EFLAGS|FS|CS|CR\S+|PKRU|CPU): ')


def warnings(log):
    """The texts of level warning or worse."""
    return {t for level, t in log if level <= 4 and not DUMP.match(t)}


def allowed():
    """(texts, regex of the messages that CPUs stood still) of the list."""
    lines = [line for line in ALLOWED.read_text().splitlines()
             if line and not line.startswith('#')]
    times = [line[len('time: '):] for line in lines
             if line.startswith('time: ')]
    return ({line for line in lines if not line.startswith('time: ')},
            re.compile('|'.join(times)))


def report(ours, theirs):
    """Say what differs, for who wants to read it."""
    lines = [f'only here:   {t}' for t in sorted(ours - theirs)] + \
            [f'only oracle: {t}' for t in sorted(theirs - ours)]
    logs = os.environ.get('NEMU_LOGS')
    if logs:
        Path(logs, 'dmesg-differences').write_text('\n'.join(lines) + '\n')
    for line in lines:
        print(f'# dmesg: {line}')


class KernelLog(unittest.TestCase):

    def steady_log(self, binary, name):
        """The log of a boot in which no CPU stood still, of a few."""
        stood = allowed()[1]
        for n in range(BOOTS):
            log = kernel_log(binary, f'{name}-{n}')
            spoilt = [text for _, text in log if stood.search(text)]
            if not spoilt:
                return log
            print(f'# dmesg: {name}: CPUs stood still: {spoilt[0]}')
        text = f'CPUs stood still in {BOOTS} boots of {name}: {spoilt}'
        if binary:
            self.skipTest(text)  # nothing to compare with
        self.fail(text)

    def test_no_trouble_and_no_new_warnings(self):
        theirs = self.steady_log(oracle_binary(), 'dmesg-oracle')
        ours = self.steady_log(None, 'dmesg-ours')
        self.assertGreater(len(ours), 100)
        known = {text for _, text in theirs}
        self.assertEqual([text for _, text in ours
                          if TROUBLE.search(text) and text not in known], [])
        report(warnings(ours), warnings(theirs))
        self.assertEqual(
            sorted(warnings(ours) - warnings(theirs) - allowed()[0]), [])
