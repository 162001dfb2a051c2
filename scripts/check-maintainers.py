#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Check that MAINTAINERS gives every file of the tree to exactly one section.

A pattern that ends in "/" covers a folder and what is below it; "*" matches
within a folder; the longest matching pattern wins. Prints one line per file
with no section or with two; exit status 1 if any.

usage: check-maintainers.py [ROOT]
"""

import re
import subprocess
import sys
from pathlib import Path


def sections(text):
    """[(title, [patterns], lines)] of MAINTAINERS: a title, then tags only."""
    result = []
    for block in re.split(r'\n\s*\n', text):
        lines = block.strip().splitlines()
        if len(lines) < 2 or not all(re.match('[MRSF]: ', line)
                                     for line in lines[1:]):
            continue
        result.append((lines[0], [line[2:].strip() for line in lines
                                  if line.startswith('F:')], lines))
    return result


def matcher(pattern):
    """Regular expression of an F: pattern."""
    parts = [re.escape(p) for p in pattern.split('*')]
    return re.compile('[^/]*'.join(parts) + ('.*' if pattern.endswith('/')
                                             else '') + r'\Z')


def owners(name, table):
    """Titles of the sections whose pattern fits best."""
    fits = {(len(pattern), title) for regex, pattern, title in table
            if regex.match(name)}
    best = max((length for length, _ in fits), default=0)
    return sorted({title for length, title in fits if length == best})


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else
                Path(__file__).resolve().parent.parent)
    parsed = sections((root / 'MAINTAINERS').read_text())
    table = [(matcher(p), p, title) for title, patterns, _ in parsed
             for p in patterns]
    names = sorted(set(subprocess.run(
        ['git', '-C', root, 'ls-files', '-co', '--exclude-standard'],
        check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()))
    bad = 0
    for title, _, lines in parsed:
        for tag in ('M:', 'S:'):
            if not any(line.startswith(tag) for line in lines):
                print(f'MAINTAINERS: section "{title}" has no {tag} line')
                bad += 1
    for name in names:
        who = owners(name, table)
        if len(who) != 1:
            print(f'{name}: ' + (f'in {len(who)} sections: {", ".join(who)}'
                                 if who else 'in no section'))
            bad += 1
    print(f'maintainers: {len(names)} files, {bad} offences')
    return 1 if bad or not names else 0


if __name__ == '__main__':
    sys.exit(main())
