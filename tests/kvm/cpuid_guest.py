# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest whose CPUs tell their CPUID, one after the other."""

import struct

# (leaf, subleaves); leaves that say how many end earlier in comparisons.
LEAVES = [(leaf, 1) for leaf in (0, 1, 2, 3, 5, 6, 8, 9, 0xa, 0xc)]
LEAVES += [(4, 6), (7, 3), (0xb, 4), (0xd, 20), (0x14, 2), (0x1d, 2),
           (0x1e, 2), (0x1f, 4)]
LEAVES += [(leaf, 1) for leaf in (0x40000000, 0x40000001, 0x40000010)]
LEAVES += [(0x80000000 + leaf, 1) for leaf in
           (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0xa, 0x19, 0x1a, 0x1b, 0x1c, 0x1e,
            0x1f, 0x20, 0x21)]
LEAVES += [(0x8000001d, 6), (0xc0000000, 1)]

RECORD = struct.Struct('<6I')  # leaf, subleaf, eax, ebx, ecx, edx


def text(apic_ids):
    """Assembler text; the boot processor starts those of APIC_IDS in turn."""
    pairs = [(leaf, sub) for leaf, n in LEAVES for sub in range(n)]
    table = '\n'.join(f'.long {leaf:#x}, {sub:#x}' for leaf, sub in pairs)
    starts = '\n'.join(f'mov ${i}, %edx; call start_ap' for i in apic_ids)
    return f'''
    xor %ax, %ax
    mov %ax, %ss
    mov %ax, %ds
    mov $0x7000, %sp
    {'' if apic_ids else 'call dump; exit 0'}
    mov $0x1b, %ecx             # APIC base: are we the boot processor?
    rdmsr
    bt $8, %eax
    jc boot
    mov $0x6000, %sp
    call dump
    incl 0x500                  # done
2:  cli
    hlt
    jmp 2b
boot:
    movl $0, 0x500
    or $0xc00, %eax             # x2APIC: interrupts are sent by an MSR
    wrmsr
    call dump
    {starts}
    exit 0

start_ap:                       # edx: APIC id
    mov 0x500, %ebx
    mov $0x830, %ecx
    mov $0x4500, %eax           # INIT
    wrmsr
    mov $0x46f0, %eax           # start-up, at f000:0000
    wrmsr
3:  pause
    cmp 0x500, %ebx
    je 3b
    ret

dump:
    mov $table, %si
4:  mov %cs:(%si), %eax
    mov %cs:4(%si), %ecx
    mov $0x800, %di
    mov %eax, (%di)
    mov %ecx, 4(%di)
    cpuid
    mov %eax, 8(%di)
    mov %ebx, 12(%di)
    mov %ecx, 16(%di)
    mov %edx, 20(%di)
    mov $0x402, %dx
    mov $24, %cx
5:  mov (%di), %al
    out %al, %dx
    inc %di
    loop 5b
    add $8, %si
    cmp $table_end, %si
    jne 4b
    ret
    .balign 4
table:
{table}
table_end:
'''


def parse(data):
    """A list, per CPU, of dicts of (leaf, subleaf): (eax, ebx, ecx, edx)."""
    cpus = []
    for leaf, sub, *regs in RECORD.iter_unpack(data):
        if (leaf, sub) == (LEAVES[0][0], 0):
            cpus.append({})
        cpus[-1][leaf, sub] = tuple(regs)
    return cpus
