# SPDX-License-Identifier: GPL-2.0-or-later
"""Our ACPI tables are QEMU 7.2's, but for the DSDT's listed differences."""

import unittest
from pathlib import Path

import acpi
from aml import Namespace, eisa_id
from pair import is_oracle, oracle, ours

CHECKSUM = 9
# Addresses: FACS, DSDT, and the latter again.
POINTERS = {'FACP': (*range(36, 44), *range(140, 148))}
# Of what it is about, these differ: where firmware puts tables.
ROOTS = ('RSDP', 'RSDT', 'DSDT')
NUMA = ('-m', '256', '-smp', '2',
        '-object', 'memory-backend-ram,id=a,size=128M',
        '-object', 'memory-backend-ram,id=b,size=128M',
        '-numa', 'node,memdev=a,cpus=0', '-numa', 'node,memdev=b,cpus=1',
        '-numa', 'dist,src=0,dst=1,val=30')
CASES = (
    (),
    ('-smp', '2,maxcpus=4', '-m', '4G'),
    ('-machine', 'hpet=off,i8042=off'),
    ('-machine', 'smm=off', '-global', 'ICH9-LPC.disable_s4=1'),
    ('-global', 'ICH9-LPC.s4_val=5'),
    ('-machine', 'x-oem-id=OEMID,x-oem-table-id=TABLE'),
    ('-serial', 'null'),
    NUMA,
)
# What of a device is compared, and of the rest.
NAMES = ('_HID', '_UID', '_ADR', '_CRS')
STATES = ('_S3_', '_S4_', '_S5_')


def plain(signature, table):
    """Without what depends on the place."""
    if signature == 'SRAT':
        return srat(table)
    skip = (CHECKSUM, *POINTERS.get(signature, ()))
    return bytes(0 if i in skip else b for i, b in enumerate(table))


def srat(table):
    """Without entries that are not enabled, which QEMU has for slots."""
    out, at = table[8:CHECKSUM] + table[CHECKSUM + 1:48], 48
    while at < len(table):
        entry = table[at:at + table[at + 1]]
        if entry[0] != 1 or entry[28]:
            out += entry
        at += len(entry)
    return out


def dsdt_lines(table):
    """What the DSDT says, as lines."""
    ns = Namespace(table)
    lines = {f'{s}: {ns.names[s]}' for s in STATES if s in ns.names}
    for path, names in ns.devices.items():
        lines.add(f'{path} {eisa_id(names.get("_HID", "-"))}')
        for name in NAMES[1:]:
            value = names.get(name)
            if isinstance(value, bytes):
                value = value.hex()
            if value is not None:
                lines.add(f'{path} {name} {value}')
    return lines


def listed():
    lines = (Path(__file__).parent / 'acpi-differences.txt').read_text()
    return {line for line in lines.splitlines()
            if line and not line.startswith('#')}


class Acpi(unittest.TestCase):

    def tables(self, args):
        if is_oracle():
            with ours('-machine', 'q35', *args) as e:
                return acpi.of_guest(e)
        with ours('-machine', 'q35', '-accel', 'qtest', *args,
                  qtest=True) as e:
            return acpi.of_fw_cfg(e)

    def both(self, args):
        with oracle('-machine', 'q35', *args) as e:
            return self.tables(args), acpi.of_guest(e)

    def test_tables_are_the_same(self):
        used = set()
        for args in CASES:
            with self.subTest(args=args):
                mine, theirs = self.both(args)
                self.assertEqual(sorted(mine), sorted(theirs))
                for signature, tables in theirs.items():
                    if signature in ROOTS:
                        continue
                    self.assertEqual(
                        [plain(signature, t).hex(' ') for t in mine[signature]],
                        [plain(signature, t).hex(' ') for t in tables])
                a, b = (dsdt_lines(t['DSDT'][0]) for t in (mine, theirs))
                diff = ({f'only here: {line}' for line in a - b} |
                        {f'only there: {line}' for line in b - a})
                used |= diff
                self.assertEqual('\n'.join(sorted(diff - listed())), '')
        if not is_oracle():
            self.assertEqual(sorted(listed() - used), [])
