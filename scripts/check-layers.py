#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Check who includes whom: a folder includes only itself, the folders of its
own row, and lower ranks (the table below is the project's architecture).

Also: every .c file includes util/osdep.h first, and <linux/kvm.h> stays in
accel/kvm and target/*/kvm. Prints one line per offence; exit status 1 if any.

usage: check-layers.py [ROOT]
"""

import re
import subprocess
import sys
from pathlib import Path

# (rank, folders of one row); the longest matching folder wins.
ROWS = [
    (0, ['util']),
    (1, ['qom', 'qobject', 'qapi']),
    (2, ['crypto', 'io']),
    (2, ['migration/vmstate']),
    (3, ['softmmu/core']),
    (4, ['accel']),
    (4, ['block', 'net', 'chardev', 'backends']),
    # A CPU model is a device: target/ stands beside the device core.
    (5, ['target', 'hw/core']),
    (6, ['hw']),
    (7, ['migration']),
    (8, ['monitor']),
    (9, ['softmmu']),
]
# Programs beside the emulators: ranks up to the first number, plus folders.
PROGRAMS = {
    'tools': (2, ['block', 'chardev']),
    'storage-daemon': (3, ['block', 'chardev', 'monitor']),
}
FREE = ('tests', 'scripts', 'docs')
GENERATED = ('config-host.h',)
KVM_USERS = re.compile(r'(include/)?(accel/kvm|target/[^/]+/kvm|tests)')
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<])([^">]+)[">]', re.M)


def row_of(path):
    """Index into ROWS of a path below the top or below include/, or None."""
    best = None
    for i, (_, folders) in enumerate(ROWS):
        for folder in folders:
            # migration/vmstate is a family of files, not a folder.
            if path.startswith(folder + '/') or (
                    folder == 'migration/vmstate' and path.startswith(folder)):
                if best is None or len(folder) > best[1]:
                    best = (i, len(folder))
    return best[0] if best else None


def from_top(name):
    """The folder path that a file counts for."""
    # What softmmu offers to others is its core.
    name = re.sub('^include/softmmu/', 'softmmu/core/', name)
    return re.sub('^include/', '', name)


def may_include(source, target):
    """True if a file of the tree may include another (both from the top)."""
    top = source.split('/')[0]
    if top in FREE:
        return True
    to = row_of(target)
    if top in PROGRAMS:
        limit, extra = PROGRAMS[top]
        return (target.startswith(top + '/') or target.split('/')[0] in extra
                or to is not None and ROWS[to][0] <= limit)
    of = row_of(source)
    if of is None or to is None:
        return False
    return of == to or ROWS[to][0] < ROWS[of][0]


def check_file(root, name):
    """Offences of one file, as (line, text)."""
    text = (root / name).read_text(errors='replace')
    source = from_top(name)
    found = [(text.count('\n', 0, m.start(2)) + 1, m[1], m[2])
             for m in INCLUDE.finditer(text)]
    if name.endswith('.c') and not name.startswith('tests/tcg') and (
            not found or found[0][2] != 'util/osdep.h'):
        yield 1, 'does not include "util/osdep.h" first'
    for line, bracket, header in found:
        if header == 'linux/kvm.h' and not KVM_USERS.match(name):
            yield line, 'includes <linux/kvm.h>'
        if bracket == '<' or header in GENERATED:
            continue
        if header.startswith('trace/') or header.startswith('trace-'):
            continue  # generated, rank 0
        here = str(Path(source).parent / header)
        if '/' not in header or (root / Path(name).parent / header).exists():
            target = here  # private header beside the source
        else:
            target = from_top('include/' + header)
        if not may_include(source, target):
            yield line, f'may not include "{header}"'


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else
                Path(__file__).resolve().parent.parent)
    names = subprocess.run(
        ['git', '-C', root, 'ls-files', '-co', '--exclude-standard',
         '*.c', '*.h'], check=True, stdout=subprocess.PIPE,
        text=True).stdout.split()
    bad = 0
    for name in sorted(set(names)):
        if (root / name).exists():
            for line, text in check_file(root, name):
                print(f'{name}:{line}: {text}')
                bad += 1
    print(f'layers: {len(names)} files, {bad} offences')
    return 1 if bad or not names else 0


if __name__ == '__main__':
    sys.exit(main())
