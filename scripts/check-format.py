#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Check form: clang-format on changed C lines, simple rules on every file.

Changed means: against --base, or else against what the branch forked from
(origin/HEAD, origin/main or main), or else against the commit before.
--fix rewrites the changed lines. Exit status 1 if anything is wrong.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAX_LINES = 1000
SPDX = 'SPDX-License-Identifier: GPL-2.0-or-later'
SOURCES = ('.c', '.h', '.py', '.sh')
BINARY = ('.png', '.gz', '.qcow2', '.bin', '.img', '.seed')


def git(*args):
    """Output of git, or None if it failed."""
    done = subprocess.run(['git', '-C', ROOT, *args], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True)
    return done.stdout if done.returncode == 0 else None


def default_base():
    """The commit that changed lines are counted from."""
    head = git('rev-parse', 'HEAD')
    for ref in ('origin/HEAD', 'origin/main', 'main'):
        fork = git('merge-base', 'HEAD', ref)
        if fork and fork != head:
            return fork.strip()
    parent = git('rev-parse', '--verify', 'HEAD~1')
    return parent.strip() if parent else None


def changed_lines(base):
    """{file: [(first, last)]} of C lines that differ from the base."""
    text = git('diff', '-U0', '--no-color', base, '--', '*.c', '*.h') or ''
    ranges, name = {}, None
    for line in text.splitlines():
        if line.startswith('+++ '):
            name = line[6:] if line.startswith('+++ b/') else None
        hunk = re.match(r'@@ -\S+ \+(\d+)(?:,(\d+))? @@', line)
        if hunk and name:
            first, count = int(hunk[1]), int(hunk[2] or 1)
            if count:
                ranges.setdefault(name, []).append((first, first + count - 1))
    return ranges


def check_clang_format(base, fix):
    """Offences of changed lines against .clang-format."""
    for name, ranges in sorted(changed_lines(base).items()):
        path = ROOT / name
        argv = ['clang-format', '--style=file',
                *[f'--lines={a}:{b}' for a, b in ranges], str(path)]
        want = subprocess.run(argv, check=True, stdout=subprocess.PIPE,
                              cwd=ROOT).stdout
        have = path.read_bytes()
        if want == have:
            continue
        if fix:
            path.write_bytes(want)
            continue
        for i, (a, b) in enumerate(zip(have.splitlines(), want.splitlines())):
            if a != b:
                yield f'{name}:{i + 1}: clang-format wants: ' + \
                      b.decode(errors='replace')
                break


def check_file(name):
    """Offences against the rules that hold for every line."""
    data = (ROOT / name).read_bytes()
    if name.endswith(BINARY) or b'\0' in data:
        return
    text = data.decode(errors='replace')
    if text and not text.endswith('\n'):
        yield f'{name}: no newline at the end'
    for i, line in enumerate(text.split('\n')):
        if line != line.rstrip():
            yield f'{name}:{i + 1}: trailing white space'
        if '\t' in line and name.endswith(('.c', '.h', '.py')):
            yield f'{name}:{i + 1}: tab'
    if name.endswith(SOURCES) and text:
        if SPDX not in text[:300]:
            yield f'{name}: no "{SPDX}" at the top'
        if text.count('\n') > MAX_LINES:
            yield f'{name}: more than {MAX_LINES} lines'


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--base', help='commit to compare with')
    parser.add_argument('--fix', action='store_true',
                        help='rewrite changed lines as clang-format wants')
    args = parser.parse_args()
    names = (git('ls-files', '-co', '--exclude-standard') or '').splitlines()
    base = args.base or default_base()
    bad = 0
    for name in sorted(set(names)):
        if (ROOT / name).is_file() and name != 'LICENSE':
            for text in check_file(name):
                print(text)
                bad += 1
    if base:
        for text in check_clang_format(base, args.fix):
            print(text)
            bad += 1
    print(f'format: {len(names)} files, base {base}, {bad} offences')
    return 1 if bad or not names else 0


if __name__ == '__main__':
    sys.exit(main())
