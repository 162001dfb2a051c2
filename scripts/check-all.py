#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Build and test NEMU in every way that CI does, and count.

Steps, each of which can be named to run it alone:
  style       layers, MAINTAINERS coverage, form, documentation
  gcc         release build, warning-free; suites unit qtest block oracle kvm
  bare        build without any optional library, warning-free; suite unit
  functional  a stock guest under KVM or in the bed (build of step gcc)
  sanitizers  ASan and UBSan build; suites unit qtest block
  clang       clang build, warning-free with -Wthread-safety
  fuzz        every fuzz target for a few seconds (clang)
  arm64       cross build for arm64, warning-free (amd64 only)

Build directories are build-check-*. The last line is the sum over all tests
(TAP subtests count one each): "N passed, N failed, N skipped".
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUITE_TIMEOUT = 2400
# How much of what a failed test said stands above the last line.
LAST_WORDS = 15
# Light tests run side by side and may fail when a loaded host starves them. So
# many programs of a suite may fail once, if they pass alone; the report names
# them, and more than that is no accident.
UNSTABLE_MAX = 2
NO_SECOND_CHANCE = ('functional', 'fuzz')


class Tally:
    """What passed, failed, and was skipped, with the reasons."""

    def __init__(self):
        self.passed = 0
        self.failures = []
        self.skips = []
        self.unstable = []

    def count(self, ok, name, said=()):
        """@said: lines that explain a failure, the most telling last."""
        if ok:
            self.passed += 1
        else:
            self.failures.append((name, [line for line in said
                                         if line.strip()][-LAST_WORDS:]))

    def skip(self, name, reason):
        self.skips.append(f'{name}: {reason}')

    def report(self):
        for text in self.skips:
            print(f'skipped {text}')
        for title, tests in (('UNSTABLE', self.unstable),
                             ('FAILED ', self.failures)):
            for name, said in tests:
                print(f'{title} {name}')
                for line in said:
                    print(f'        {line[:400]}')
        print(f'{self.passed} passed, {len(self.failures)} failed, '
              f'{len(self.skips)} skipped')


def sh(*argv, **kwargs):
    """Run, showing the command; True if it succeeded."""
    argv = [str(a) for a in argv]
    print('+', ' '.join(argv), flush=True)
    return subprocess.run(argv, cwd=ROOT, **kwargs).returncode == 0


def has_suite(build, suite):
    """True if a build directory knows a test suite of that name."""
    tests = json.loads(subprocess.run(
        ['meson', 'introspect', '--tests', str(build)], cwd=ROOT, check=True,
        stdout=subprocess.PIPE).stdout)
    return any(s.split(':')[-1] == suite for t in tests for s in t['suite'])


def count_tap(tally, name, text):
    """Count the TAP lines of one program; False if there are none."""
    results = []  # (match, comment lines that follow it)
    for line in text.splitlines():
        match = re.match(r'(not )?ok \d+[ -]*(.*)', line)
        if match:
            results.append((match, []))
        elif results and line.startswith('#'):
            results[-1][1].append(line[1:])
    for match, said in results:
        test, _, directive = match[2].partition(' # ')
        if directive.upper().startswith('SKIP'):
            tally.skip(f'{name}: {test}', directive[4:].strip() or 'no reason')
        else:
            tally.count(not match[1], f'{name}: {test}', said)
    return bool(results)


def read_log(path):
    """The tests of a meson testlog.json by name."""
    lines = path.read_text().splitlines() if path.exists() else []
    return {test['name']: test for test in map(json.loads, lines)}


def failed(test):
    return test['result'] not in ('OK', 'SKIP', 'EXPECTEDFAIL')


def count_test(tally, label, test):
    name = f'{label}: {test["name"]}'
    before = len(tally.failures)
    tap = count_tap(tally, name, test.get('stdout', ''))
    if test['result'] in ('SKIP', 'EXPECTEDFAIL') and not tap:
        tally.skip(name, test['result'].lower())
    elif failed(test):
        # Ended badly without a "not ok" of its own: count that.
        if len(tally.failures) == before:
            said = test.get('stdout', '') + test.get('stderr', '')
            tally.count(False, f'{name}: {test["result"]}', said.splitlines())
    elif not tap:
        tally.count(True, name)


def meson_test(build, suite, log, processes, *names):
    """Run tests of a suite; {name: test}."""
    path = ROOT / build / 'meson-logs' / f'{log}.json'
    path.unlink(missing_ok=True)
    env = dict(os.environ, ASAN_OPTIONS='detect_leaks=1:abort_on_error=1',
               UBSAN_OPTIONS='halt_on_error=1:print_stacktrace=1')
    sh('meson', 'test', '-C', build, '--no-rebuild', '--suite', suite,
       '--print-errorlogs', '--num-processes', processes,
       '--logbase', log, *names, timeout=SUITE_TIMEOUT, env=env)
    return read_log(path)


def second_chance(tally, label, build, suite, tests):
    """Run what failed once more, alone; those that pass become unstable."""
    bad = [name for name, test in tests.items() if failed(test)]
    if suite in NO_SECOND_CHANCE or not 1 <= len(bad) <= UNSTABLE_MAX:
        return
    again = meson_test(build, suite, f'testlog-{suite}-again', 1,
                       *(name.split(' / ')[-1] for name in bad))
    for name in bad:
        if name in again and not failed(again[name]):
            first = Tally()
            count_test(first, label, tests[name])
            tally.unstable += first.failures
            tests[name] = again[name]


def run_suites(tally, label, build, suites):
    """meson test, a suite at a time; parallel only where tests are light."""
    for suite in suites:
        if not has_suite(build, suite):
            tally.count(False, f'{label}: no suite {suite}')
            continue
        tests = meson_test(build, suite, f'testlog-{suite}', os.cpu_count())
        second_chance(tally, f'{label}/{suite}', build, suite, tests)
        for test in tests.values():
            count_test(tally, f'{label}/{suite}', test)
        if not tests:
            tally.count(False, f'{label}: suite {suite} left no log')


def build(tally, name, *options, env=None, werror='true', targets=()):
    """Set up (afresh if that fails) and compile; the directory, or None."""
    options = (f'-Dwerror={werror}', *options)
    path = f'build-check-{name}'
    full = dict(os.environ, **(env or {}))
    mode = ['--reconfigure'] if (ROOT / path / 'build.ninja').exists() else []
    ok = sh('meson', 'setup', path, *mode, *options, env=full)
    if not ok and mode:
        shutil.rmtree(ROOT / path)
        ok = sh('meson', 'setup', path, *options, env=full)
    # -k 0: one run shows all that is wrong.
    ok = ok and sh('ninja', '-C', path, '--quiet', '-k', '0', *targets,
                   env=full)
    tally.count(ok, f'build {name}')
    return path if ok else None


def step_style(tally):
    for name in ('layers', 'maintainers', 'format', 'docs'):
        tally.count(sh(sys.executable, f'scripts/check-{name}.py'),
                    f'check-{name}')


def step_gcc(tally):
    path = build(tally, 'gcc', '-Dbuildtype=debugoptimized')
    if path:
        tally.count(sh(sys.executable, 'scripts/check-docs.py',
                       f'{path}/qemu-system-x86_64'), 'check-docs of devices')
        run_suites(tally, 'gcc', path,
                   ['unit', 'qtest', 'block', 'oracle', 'kvm'])


def step_bare(tally):
    path = build(tally, 'bare', '-Dauto_features=disabled')
    if path:
        run_suites(tally, 'bare', path, ['unit'])


def step_functional(tally):
    path = build(tally, 'gcc', '-Dbuildtype=debugoptimized')
    if path:
        sh('tests/functional/probe')
        run_suites(tally, 'gcc', path, ['functional'])


def step_sanitizers(tally):
    # Instrumented code makes gcc warn of what cannot happen.
    path = build(tally, 'asan', '-Db_sanitize=address,undefined',
                 '-Db_lundef=false', werror='false')
    if path:
        run_suites(tally, 'asan', path, ['unit', 'qtest', 'block'])


def step_clang(tally):
    build(tally, 'clang', '-Db_lundef=false', env={'CC': 'clang'})


def step_fuzz(tally):
    path = build(tally, 'fuzz', '-Dfuzzing=true', '-Db_lundef=false',
                 env={'CC': 'clang'}, targets=['fuzz'])
    if path:
        run_suites(tally, 'clang', path, ['fuzz'])


def step_arm64(tally):
    if platform.machine() != 'x86_64':
        tally.skip('build arm64', 'cross-built on amd64 only')
    else:
        build(tally, 'arm64', '--cross-file', 'scripts/aarch64-linux-gnu.ini')


STEPS = {name[len('step_'):]: function for name, function
         in list(globals().items()) if name.startswith('step_')}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('step', nargs='*',
                        help='steps to run (default: all)')
    args = parser.parse_args()
    for name in args.step:
        if name not in STEPS:
            parser.error(f'no step {name}: {", ".join(STEPS)}')
    tally = Tally()
    for name in args.step or STEPS:
        print(f'=== {name}', flush=True)
        start = time.monotonic()
        try:
            STEPS[name](tally)
        except (OSError, subprocess.SubprocessError) as err:
            tally.count(False, f'{name}: {err}')
        print(f'=== {name}: {time.monotonic() - start:.0f} s', flush=True)
    tally.report()
    return 1 if tally.failures or not tally.passed else 0


if __name__ == '__main__':
    sys.exit(main())
