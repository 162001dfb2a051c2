#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Check that docs/ tells of everything that the emulator has.

Given an emulator, every device, object type, character device and network
backend that its help lists, and every option, must be named in docs/system, as
must every block driver of the schema;
and docs/system must name no option that is not there. Every folder of sources
must be named in docs/devel, and links between pages must lead somewhere.
Prints one line per offence; exit status 1 if any.
"""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / 'docs'
NOT_SOURCES = {'docs', 'include', 'scripts', 'tests', 'subprojects'}


def pages(folder):
    return {p: p.read_text() for p in sorted((DOCS / folder).rglob('*.md'))}


def run(binary, *args):
    return subprocess.run([binary, *args], stdin=subprocess.DEVNULL,
                          check=True, capture_output=True, text=True).stdout


def words(text):
    """Words as they may name a thing: letters, digits, '-', '_', '.'."""
    return set(re.findall(r'[A-Za-z0-9_.-]*[A-Za-z0-9]', text))


def named(name, have):
    """Is it there, or for variants of one device what they are variants of?"""
    plain = re.sub(r'(-non)?-transitional$', '', name)
    cpu = re.fullmatch(r'(\w+?)(-v\d+)?-(x86_64|arm)-cpu', name)
    return name in have or plain in have or bool(
        cpu and {cpu[1], f'{cpu[1]}-{cpu[3]}-cpu'} & have)


def listed(binary):
    """(kind, name) of what the emulator's help lists."""
    for line in run(binary, '-device', 'help').splitlines():
        match = re.match(r'name "([^"]+)"', line)
        if match:
            yield 'device', match[1]
    for kind, option in (('object', '-object'), ('chardev', '-chardev')):
        for line in run(binary, option, 'help').splitlines()[1:]:
            yield kind, line.strip()
    for line in run(binary, '-netdev', 'help').splitlines()[1:]:
        yield 'netdev', line.strip()


def options(binary):
    return re.findall(r'^-([A-Za-z_-]+)', run(binary, '-help'), re.M)


def check_binary(binary):
    text = '\n'.join(pages('system').values())
    have = words(text)
    for kind, name in listed(binary):
        if name and not named(name, have):
            yield f'docs/system: {kind} {name} is not described'
    known = options(binary)
    told = set(re.findall(r'\*\*-([A-Za-z_-]+)', text))
    for name in known:
        if f'-{name}' not in text:
            yield f'docs/system: option -{name} is not described'
    for name in sorted(told - set(known)):
        yield f'docs/system: there is no option -{name}'


def check_drivers():
    schema = (ROOT / 'qapi/block-core.json').read_text()
    drivers = re.search(r"'enum': 'BlockdevDriver',\s*'data': \[([^]]*)\]",
                        schema)[1]
    text = (DOCS / 'system/images.md').read_text()
    for name in re.findall(r"'([\w-]+)'", drivers):
        if f'| `{name}` |' not in text:
            yield f'docs/system/images.md: driver {name} is not described'


def check_links():
    sources = [ROOT / 'README.md', *sorted(DOCS.rglob('*.md'))]
    for page in sources:
        for target in re.findall(r'\]\(([^)#]+)[^)]*\)', page.read_text()):
            if '://' not in target and not (page.parent / target).exists():
                yield f'{page.relative_to(ROOT)}: {target} does not exist'


def check_folders():
    text = '\n'.join(pages('devel').values())
    for folder in sorted(p for p in ROOT.iterdir() if p.is_dir()):
        if folder.name in NOT_SOURCES or folder.name.startswith(('.', 'build')):
            continue
        if any(folder.rglob('*.c')) and f'`{folder.name}/' not in text:
            yield f'docs/devel: {folder.name}/ is not described'


def main():
    offences = [*check_links(), *check_folders(), *check_drivers()]
    for binary in sys.argv[1:]:
        offences += check_binary(binary)
    for offence in offences:
        print(offence)
    print(f'docs: {len(offences)} offences')
    return 1 if offences else 0


if __name__ == '__main__':
    sys.exit(main())
