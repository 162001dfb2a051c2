# SPDX-License-Identifier: GPL-2.0-or-later
"""A vCPU that asks port 5658h is answered in its registers."""

import struct
import unittest

from nemu_functional.vm import Vm

VERSION, UUID, RAM_SIZE, NO_COMMAND = 10, 19, 20, 200
COMMANDS = (VERSION, UUID, RAM_SIZE, NO_COMMAND)
MAGIC, NONE = 0x564d5868, 0xffffffff

# Real mode, at f000:0000. For each command: ECX = command, EAX = magic,
# EBX = 11111111h, "in eax, dx"; then all of EAX, EBX, ECX and EDX go to port
# 402h byte by byte. A wrong magic number comes last; OUT 501h ends it.
CODE = bytes.fromhex(
    'b800708ed0bc0080fabf00006631f62e8a8d820080f9ff743f660fb6c95766b8'
    '68584d5666bb1111111166ba5856000066ed6652665166536650bd04006658bb'
    '04006650ba0204ee665866c1e8084b75f14d75e95f47ebb466b87856341266b9'
    '0a00000066ba5856000066ed6650ba0204ee665866c1e808eeba0105b001eef4'
    'ebfd')
RESET_VECTOR = bytes.fromhex('ea000000f0')


def rom():
    code = CODE + bytes(COMMANDS) + b'\xff'
    return (code.ljust(0xfff0, b'\0') + RESET_VECTOR).ljust(0x10000, b'\0')


class Vmport(unittest.TestCase):

    def ask(self, machine, memory):
        with Vm(machine=machine, memory=memory, kernel=False, serial=False,
                name='vmport') as vm:
            vm.path('rom').write_bytes(rom())
            out = vm.path('out')
            vm.argv += ['-bios', str(vm.path('rom')),
                        '-uuid', '00112233-4455-6677-8899-aabbccddeeff',
                        '-device', 'isa-debug-exit,iobase=0x501', '-chardev',
                        f'file,id=c,path={out}', '-device',
                        'isa-debugcon,iobase=0x402,chardev=c']
            vm.start()
            vm.qmp.cmd('cont')
            self.assertEqual(vm.wait(), 3)
            data = out.read_bytes()
        answers = list(struct.iter_unpack('<4I', data[:16 * len(COMMANDS)]))
        return dict(zip(COMMANDS, answers)), data[16 * len(COMMANDS):]

    def test_commands_are_answered(self):
        got, wrong_magic = self.ask('q35', 256)
        self.assertEqual(got[VERSION], (6, MAGIC, 2, 0x5658))
        self.assertEqual(got[UUID], (0x33221100, 0x77665544, 0xbbaa9988,
                                     0xffeeddcc))
        self.assertEqual(got[RAM_SIZE], (256 << 20, 0x1177, RAM_SIZE, 0x5658))
        self.assertEqual(got[NO_COMMAND],
                         (NONE, 0x11111111, NO_COMMAND, 0x5658))
        self.assertEqual(wrong_magic, b'\xff\xff')

    def test_nobody_answers_with_vmport_off(self):
        got, _ = self.ask('q35,vmport=off', 64)
        for command, registers in got.items():
            self.assertEqual(registers, (NONE, 0x11111111, command, 0x5658))
