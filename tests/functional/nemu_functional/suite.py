# SPDX-License-Identifier: GPL-2.0-or-later
"""Run unittest cases and report them in the Test Anything Protocol."""

import argparse
import fnmatch
import os
import re
import sys
import time
import traceback
import unittest
from pathlib import Path


# Starts the reason of a skip that a run in the bed makes good.
BED = 'needs the bed: '


class TapResult(unittest.TestResult):
    """A TAP line per test as it ends, diagnostics as comments.

    Tests that need the bed get no line if there is a list to put them in:
    they go there, each as (id, reason).
    """

    def __init__(self, deferred=None):
        super().__init__()
        self.count = 0
        self.deferred = deferred

    def startTest(self, test):
        super().startTest(test)
        self.started = time.monotonic()
        self.subtests_ok = True
        self.logs_before = log_sizes()

    def line(self, word, test, note=''):
        self.count += 1
        print(f'{word} {self.count} - {test.id()}{note}', flush=True)

    def diagnose(self, err):
        """Logs first: whoever shows only the end shows what went wrong."""
        for name, text in new_logs(self.logs_before):
            print(f'# --- {name}')
            for line in text.splitlines()[-25:]:
                print(f'#     {line[:400]}')
        for line in ''.join(traceback.format_exception(*err)).splitlines():
            print(f'# {line}')
        sys.stdout.flush()

    def addSuccess(self, test):
        self.line('ok', test, f' # {time.monotonic() - self.started:.1f} s')

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        if self.deferred is not None and reason.startswith(BED):
            self.deferred.append((test.id(), reason.removeprefix(BED)))
            return
        self.line('ok', test, f' # SKIP {reason}')

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.line('not ok', test)
        self.diagnose(err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self.line('not ok', subtest)
            self.diagnose(err)

    addError = addFailure


def log_sizes():
    logs = os.environ.get('NEMU_LOGS')
    return {p.name: p.stat().st_size for p in Path(logs).iterdir()
            if p.is_file()} if logs else {}


def new_logs(before):
    """What VMs wrote since a moment."""
    logs = os.environ.get('NEMU_LOGS')
    for path in sorted(Path(logs).iterdir()) if logs else []:
        old = before.get(path.name, 0)
        if path.is_file() and path.stat().st_size > old:
            with open(path, 'rb') as f:
                f.seek(old)
                yield path.name, f.read().decode(errors='replace')


def flatten(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flatten(item)
        else:
            yield item


def load(directory, patterns):
    """The tests of test_*.py whose id contains one of the patterns."""
    tests = flatten(unittest.TestLoader().discover(directory, 'test_*.py',
                                                   top_level_dir=directory))
    return [t for t in tests if not patterns or
            any(p in t.id() or fnmatch.fnmatch(t.id(), p) for p in patterns)]


def run(directory, patterns, deferred=None, skip=()):
    """Run the tests of DIRECTORY that match; 0 if there are, and all passed.

    deferred: a list that receives the tests that the caller has to run in the
    bed. Their lines follow those of the others, numbered on.
    """
    unittest.TestCase.maxDiff = None
    tests = [t for t in load(directory, patterns) if t.id() not in skip]
    print(f'TAP version 13\n1..{len(tests)}', flush=True)
    result = TapResult(deferred)
    unittest.TestSuite(tests).run(result)
    return 0 if result.wasSuccessful() and (tests or skip) else 1


class Continued:
    """A byte sink for TAP of a further run: goes on after COUNT lines, and
    remembers which tests have ended."""

    RESULT = re.compile(rb'((?:not )?ok )\d+( - (.*?)( # .*)?)$')
    HEAD = re.compile(rb'TAP version|1\.\.\d+\s*$')

    def __init__(self, count, head=False):
        self.count = count
        self.head = head        # let the first plan through
        self.rest = b''
        self.ended = []
        self.failed = False

    def write(self, data):
        *lines, self.rest = (self.rest + data).split(b'\n')
        for line in lines:
            result = self.RESULT.match(line)
            if result:
                self.count += 1
                self.ended.append(result[3].decode())
                self.failed |= line.startswith(b'not')
                line = b'%s%d%s' % (result[1], self.count, result[2])
            if self.head or not self.HEAD.match(line):
                sys.stdout.buffer.write(line + b'\n')

    @staticmethod
    def flush():
        sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('directory')
    parser.add_argument('--skip', action='append', default=[],
                        help='not the test of that id')
    parser.add_argument('pattern', nargs='*')
    args = parser.parse_args()
    sys.dont_write_bytecode = True
    sys.path.insert(0, args.directory)
    sys.exit(run(args.directory, args.pattern, skip=args.skip))


if __name__ == '__main__':
    main()
