# SPDX-License-Identifier: GPL-2.0-or-later
"""The guest's kernel log has nothing to complain about."""

import os
import re
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
    r'irq \d+: nobody cared|WARNING: |BUG: |Oops|rcu.*stall|'
    r'clocksource:.*unstable|tsc: Fast TSC calibration failed', re.I)


def plain(line):
    """(level, text) of a raw line, without times and other numbers that vary."""
    match = re.match(r'<(\d+)>\[[^]]*\] ?(.*)', line)
    if not match:
        return 6, line
    text = re.sub(r'0x[0-9a-f]+|\b[0-9a-f]{8,16}\b', 'N', match[2])
    return int(match[1]) & 7, re.sub(r'\d+(\.\d+)?', 'N', text)


def kernel_log(binary, name):
    """The log of a boot with one device of each kind, as [(level, text)]."""
    with Vm(binary=binary, cpus=2, name=name) as vm:
        disk = image.create(vm.path('disk'), 'qcow2', '64M')
        vm.argv += [
            '-drive', f'if=none,id=d0,file={disk},format=qcow2',
            '-device', 'virtio-blk-pci,drive=d0',
            '-device', 'virtio-rng-pci',
            '-device', 'virtio-serial-pci',
            '-chardev', 'null,id=n0', '-device', 'virtconsole,chardev=n0',
            '-device', 'pcie-root-port,id=rp0,chassis=1,slot=1',
        ]
        vm.boot()
        lines = vm.sh('dmesg -r', timeout=180).splitlines()
        (vm.log_dir / f'{name}.dmesg').write_text('\n'.join(lines) + '\n')
        vm.quit()
        return [plain(line) for line in lines]


# What stands below a warning: machine, registers, code. The warning is judged.
DUMP = re.compile(r'(Hardware name|Code|RIP|RSP|R[A-Z0-9]{2}|EFLAGS|FS|CS|CR\S+|PKRU|CPU): ')


def warnings(log):
    """The texts of level warning or worse."""
    return {t for level, t in log if level <= 4 and not DUMP.match(t)}


def allowed():
    """Lines of the list file that are neither empty nor comments."""
    return [line for line in ALLOWED.read_text().splitlines()
            if line and not line.startswith('#')]


class KernelLog(unittest.TestCase):

    def test_no_trouble_and_no_new_warnings(self):
        ours = kernel_log(None, 'dmesg-ours')
        theirs = kernel_log(oracle_binary(), 'dmesg-oracle')
        self.assertGreater(len(ours), 100)
        trouble = [text for _, text in ours if TROUBLE.search(text)]
        known = {text for _, text in theirs}
        self.assertEqual([t for t in trouble if t not in known], [])

        our_warnings = warnings(ours)
        their_warnings = warnings(theirs)
        report = [f'only here:   {t}' for t in
                  sorted(our_warnings - their_warnings)] + \
                 [f'only oracle: {t}' for t in
                  sorted(their_warnings - our_warnings)]
        logs = os.environ.get('NEMU_LOGS')
        if logs:
            Path(logs, 'dmesg-differences').write_text('\n'.join(report) + '\n')
        for line in report:
            print(f'# dmesg: {line}')
        self.assertEqual(sorted(our_warnings - their_warnings - set(allowed())),
                         [])
