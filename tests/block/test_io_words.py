#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""qemu-io, command by command and option by option: exit status, output and
messages are those of QEMU 7.2, and so are the images."""

import os
import re
import shlex
import shutil
import subprocess
import tempfile
import unittest

import blocklib as b

OBJECT = ('--object', 'secret,id=s,data=abc')


def neutral(text):
    """Without what differs from run to run."""
    text = re.sub(r'(\d+:\d\d:\d\d\.\d\d|\d\d\.\d\d sec) '
                  r'\(.*? ops/sec\)', '<time>', text)
    text = re.sub(r',\d+:\d\d:\d\d\.\d\d,[\d.]+,[\d.]+', ',<time>', text)
    text = re.sub(r"node '#block\d+'", 'node <name>', text)
    return re.sub(r'(?m)^.*qemu\.org.*\n|\n(?=See <)', '', text)


def run(tool, args, cwd, words=''):
    p = subprocess.run([tool, *args], input=words, capture_output=True,
                       text=True, timeout=120, cwd=cwd)
    return p.returncode, neutral(p.stdout), neutral(p.stderr).replace(
        tool + ': ', 'qemu-io: ')


@unittest.skipUnless(b.HAVE_ORACLE, "needs Debian's qemu-utils")
class WordsTest(unittest.TestCase):
    def setUp(self):
        tmp = tempfile.TemporaryDirectory(prefix='nemu-io-')
        self.addCleanup(tmp.cleanup)
        self.dirs = [os.path.join(tmp.name, x) for x in ('ours', 'theirs')]
        self.luks = os.path.join(tmp.name, 'l.luks')
        b.run(os.path.join(b.BUILD, 'qemu-img'), 'create', '-q', '-f', 'luks',
              *OBJECT, '-o', 'key-secret=s,iter-time=10', self.luks, '1M')
        for path in self.dirs:
            self.fill(path)

    def fill(self, path):
        """Folders that begin alike."""
        def create(*args):
            b.run(b.ORACLE_IMG, 'create', '-q', *args, cwd=path)

        os.mkdir(path)
        create('-f', 'qcow2', 'b.qcow2', '4M')
        create('-f', 'qcow2', '-b', 'b.qcow2', '-F', 'qcow2', 't.qcow2')
        create('-f', 'raw', 'r.raw', '4M')
        shutil.copy(self.luks, path)
        create('-f', 'qcow2', '-o', 'data_file=d.data', 'd.qcow2', '1M')
        create('-f', 'qcow2', '-o', 'extended_l2=on,cluster_size=16k',
               's.qcow2', '1M')
        create('-f', 'qcow2', '-o', 'compat=0.10,cluster_size=512', 'v2.qcow2',
               '1M')
        for name, text in ('pat', 'abc'), ('empty', ''):
            with open(os.path.join(path, name), 'w') as f:
                f.write(text)

    def compare(self, args, words=''):
        ours, theirs = (run(tool, args, path, words) for tool, path in
                        zip((b.OUR_IO, b.ORACLE_IO), self.dirs))
        self.assertEqual(ours, theirs)

    def test_all_commands(self):
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                            'io_words.txt')
        with open(path, encoding='utf-8') as f:
            lines = [x.strip() for x in f if x.strip() and x[0] != '#']
        for line in lines:
            with self.subTest(line):
                self.compare(shlex.split(line.replace('@q', '-t writeback -f qcow2')
                                         .replace('@r', '-t writeback -f raw')))
        for name in 't.qcow2', 's.qcow2', 'v2.qcow2':
            images = [os.path.join(d, name) for d in self.dirs]
            with self.subTest(name):
                b.check(images[0])
                self.assertEqual(*map(b.content, images))
        # The VM state that one wrote, the other reads.
        said = [b.run(tool, '-r', '-f', 'qcow2', '-c', 'read -b -v 990k 12k',
                      os.path.join(path, 's.qcow2')).stdout for tool, path in
                zip((b.ORACLE_IO, b.OUR_IO), self.dirs)]
        self.assertIn('07 07 07', said[0])
        self.assertEqual(*map(neutral, said))

    def test_help_names_the_same(self):
        """The usage lines are the same; the texts are ours, with the same
        letters."""
        everything = run(b.ORACLE_IO, ['-c', 'help'], '/')
        self.assertEqual(run(b.OUR_IO, ['-c', 'help'], '/'), everything)
        names = re.findall(r'(?m)^(\w+) .*-- ', everything[1])
        self.assertGreater(len(names), 20)
        for name in names:
            ours, theirs = (run(tool, ['-c', f'help {name}'], '/')[1]
                            for tool in (b.OUR_IO, b.ORACLE_IO))
            with self.subTest(name):
                self.assertEqual(ours.split('\n')[0], theirs.split('\n')[0])
                self.assertEqual(*(re.findall(r'(?m)^ -(\w), -- ', x)
                                   for x in (ours, theirs)))
                self.assertEqual(len(ours.split('\n')) > 2,
                                 len(theirs.split('\n')) > 2)

    def test_command_line_words(self):
        for args in (['-x'], ['--bla'], ['-c'], ['a', 'b'], ['-h'], ['-f']):
            with self.subTest(args):
                self.compare(args)

    def test_lines_of_standard_input(self):
        for words in ('length\nbla\n\n  length  \nread 0\nquit\nlength\n',
                      'length', 'bla', 'write -q 0 4k\nread -q -P 0xcd 0 4k\n'):
            with self.subTest(words):
                self.compare(['-f', 'raw', 'r.raw'], words)


if __name__ == '__main__':
    unittest.main()
