#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""All commands of qemu-img on images of all kinds, made by us and by QEMU 7.2:
output, exit status and images are those of 7.2.

NEMU_MATRIX=N takes N images and all commands with each; NEMU_SEED others."""

import json
import os
import pathlib
import re
import shlex
import shutil
import struct
import subprocess
import tempfile
import unittest

import blocklib as b
import matrixlib as m

HERE = pathlib.Path(__file__).parent
ALL = int(os.environ.get('NEMU_MATRIX', 0))
SEED = int(os.environ.get('NEMU_SEED', 1))
IMAGES, COMMANDS = 24, 26     # of each image


def commands():
    text = (HERE / 'matrix_commands.txt').read_text()
    return [x for x in text.splitlines() if x and x[0] != '#']


def words_of(command, spec, folder):
    """The arguments of a command for this image."""
    args = shlex.split(command)
    names = {'@r': ('r', 'raw'), '@base': ('base', 'qcow2'),
             '@mid': ('mid', 'qcow2'), '@other': ('other', 'qcow2')}
    out = []
    for arg in args:
        at = arg.find('@')
        head, name = (arg[:at], arg[at:]) if at >= 0 else (arg, '')
        if name == '@i':
            out.append(head + (spec.opened if spec.keys else 'i'))
        elif name in names:
            plain, fmt = names[name]
            out.append(head + (f'driver={fmt},file.filename={plain}'
                               if spec.keys else plain))
        else:
            out.append(arg)
    if spec.keys and '@' in command:
        if args[0] == 'rebase':     # json:{...} has no folder
            out = [os.path.join(folder, x) if i and out[i - 1] == '-b' and x
                   else x for i, x in enumerate(out)]
        if args[0] == 'dd':         # knows no secrets
            return [x.replace(spec.opened, 'i') for x in out]
        out[1:1] = ['--object', m.SECRET, '--image-opts']
    return out


def merged(entries):
    """A map without what is free: where things are in the file."""
    out = []
    for e in entries:
        if 'offset' in e:   # holes of the file below
            e.update(zero=False, data=True)
        e = {k: v for k, v in e.items() if k != 'offset'}
        last = out[-1] if out else {}
        if all(e[k] == last.get(k) for k in e if k not in ('start', 'length')):
            last['length'] += e['length']
        else:
            out.append(e)
    return out


def merged_text(text):
    """The same of the table: [[start, end, file]]."""
    out = []
    for line in text.splitlines()[1:]:
        start, length, _, name = line.split(None, 3)
        start, end = int(start, 0), int(start, 0) + int(length, 0)
        if out and out[-1][1:] == [start, name]:
            out[-1][1] = end
        else:
            out.append([start, end, name])
    return out


def neutral(text, written):
    """Without what differs from run to run; @written: also without where
    things were put."""
    for pattern, by in (
            (r'(\s*\(\d+\.\d\d/100%\)[\r\n])+', '<progress>'),
            (r'in \d+\.\d+ sec', 'in <time> sec'),
            (r'"(date-n?sec|vm-clock-nsec)": \d+', r'"\1": 0'),
            (r'\d{4}-\d\d-\d\d \d\d:\d\d:\d\d', '<date>'),
            (r'"(iters|master-key-iters)": \d+', r'"\1": 0'),
            (r'"uuid": "[^"]*"', '"uuid": 0'),
            (r'(iters|uuid): .*', r'\1'),
            (r'#block\d+', '#block'),
            # Counts may be mended where they are, or all made anew.
            (r'Rebuilding refcount structure\n|Repairing cluster \d+ .*\n',
             '')):
        text = re.sub(pattern, by, text)
    if written:
        text = re.sub(r'disk size: .*|Image end offset: \d+|[\d.]+% frag|'
                      r'"(actual-size|image-end-offset|'
                      r'fragmented-clusters)": \d+,?', '', text)
    return text


def parsed(command, text, written):
    """What a command printed, as far as it must be equal."""
    if 'output=json' in command and text:
        data = json.loads(re.sub(r',(\s*})', r'\1', text))
        return merged(data) if written and command.startswith('map') else data
    if written and command.startswith('map') and 'Offset' in text:
        return merged_text(text)
    return text


def only_reads(line):
    words = line.split()
    return ';' not in words and '-r' not in words and (
        words[0] in ('info', 'check', 'map', 'measure', 'compare') or
        words[0] == 'snapshot' and '-l' in words)


# Where 7.2 does what it should not, or does not end (docs/system/images.md), or
# where an image is so damaged that nobody should write to it.
WRONG = (
    lambda line, s: 'amend -o refcount_bits' in line and
    s.cluster in ('2M', '32k'),
    lambda line, s: 'snapshot -c' in line and (s.refcounts in '12' or
    s.refcounts == '4' and s.content in ('compressed', 'mixed')),
    lambda line, s: 'check -r' in line and 'snapshot' in line and s.bitmaps,
    lambda line, s: 'bitmap --add' in line and s.size == '0',
    lambda line, s: ' -B ' in line and s.backing == 'chain',
    lambda line, s: 'commit -b' in line and s.backing == 'json',
    lambda line, s: 'rebase -t none' in line and s.format == 'raw',
    lambda line, s: 'compat=0.10' in line and s.compression == 'zstd',
    lambda line, s: 'snapshot -a' in line and s.format == 'raw',
    # Holes of the file are zeroes, if it has any.
    lambda line, s: 'resize' in line and line.endswith('map @i') and
    s.data_file == 'raw',
    # What of the last cluster is zero.
    lambda line, s: 'resize' in line and s.backing and
    s.size not in ('0', '4M', '9M'),
    lambda line, s: s.marks == 'lost' and
    (s.bitmaps or not line.startswith('check')),
)


# What full runs found: these images, always.
FOUND = (
    ({'cluster': '512', 'size': '512', 'refcounts': '1'},
     ['resize --preallocation=full @i 10M ; check @i']),
    ({'size': '1049088', 'bitmaps': 'large'},
     ['bitmap --add @i new --merge b0 ; info i']),
    ({'size': '2M', 'backing': 'json', 'extended_l2': 'on'},
     ['resize --preallocation=metadata @i +512k ; map --output=json @i',
      'info --backing-chain @i']),
    ({'content': 'all'},
     ['convert -c -O qcow2 -o cluster_size=2M @i o ; check o',
      'convert -O raw @i i']),
    ({'format': 'raw', 'size': '1000'}, ['convert -f raw -O raw i i']),
)


class MatrixTest(unittest.TestCase):
    maxDiff = 1
    longMessage = True

    def setUp(self):
        tmp = tempfile.TemporaryDirectory(prefix='nemu-block-', dir='/var/tmp')
        self.addCleanup(tmp.cleanup)
        self.dir = os.path.join(tmp.name, 'images')
        self.pristine = os.path.join(tmp.name, 'pristine')
        self.ended = os.path.join(tmp.name, 'ended')

    def restore(self):
        shutil.rmtree(self.dir, ignore_errors=True)
        subprocess.run(['cp', '-a', '--sparse=auto', self.pristine, self.dir],
                       check=True)

    def said(self, tool, line, spec):
        """All that the commands print, and how each ends."""
        told = []
        for i, command in enumerate(line.split(' ; ')):
            written = i > 0 or 'o' in command.split() or ' -r ' in command
            p = subprocess.run([tool, *words_of(command, spec, self.dir)],
                               cwd=self.dir, text=True, timeout=60,
                               errors='replace', stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE)
            out, err = (neutral(x, written) for x in (p.stdout, p.stderr))
            if 'convert' in line and 'cluster_size=512' in line:
                # The ends of what is copied together.
                out = re.sub(r'\d+/(\d+ =) [\d.]+% alloc', r'\1 alloc', out)
            if spec.keys:   # named as json:{...}
                out = re.sub(r'image: .*|"filename": .*', '', out)
            told.append((command, p.returncode, parsed(command, out, written),
                         err))
        return told

    def content(self, folder, name, spec, maps):
        """What QEMU thinks of the file, where its bytes may differ."""
        args = [name]
        if name == 'i' and spec.keys:
            args = ['--object', m.SECRET, '--image-opts', spec.opened]
        seen = []
        if name == 'i' and spec.marks == 'lost':
            return []   # writing to it makes it worse, each in its way
        for command in ['map --output=json', 'check'][not maps:]:
            p = subprocess.run([b.ORACLE_IMG, *command.split(), *args],
                               cwd=folder, stdout=subprocess.PIPE, text=True,
                               stderr=subprocess.PIPE)
            seen.append(p.returncode)
            if maps:
                seen += [parsed(command, neutral(p.stdout, True), True),
                         re.sub('0x[0-9a-f]+', '', p.stderr)]
        p = subprocess.run([b.ORACLE_IMG, 'convert', *args, '-O', 'raw',
                            'bytes'], cwd=folder, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE)
        path = pathlib.Path(folder, 'bytes')
        seen += [p.returncode, p.stderr,
                 b.digest(path) if not p.returncode else '']
        path.unlink(missing_ok=True)
        return seen

    def disk_size(self):
        with open(os.path.join(self.dir, 'i'), 'rb') as f:
            head = f.read(32)
        if head[:4] != b'QFI\xfb':
            return None     # replaced
        return struct.unpack_from('>Q', head, 24)[0]

    def same_files(self, line, spec):
        # What is copied whole is copied in larger or smaller pieces.
        maps = line.split()[0] not in ('convert', 'commit', 'rebase', 'dd')
        names = [set(os.listdir(d)) for d in (self.dir, self.ended)]
        self.assertEqual(*names)
        for name in sorted(names[0]):
            paths = [os.path.join(d, name) for d in (self.dir, self.ended)]
            if name.endswith('.data'):
                # What lies behind the disk's end is nobody's, and where the
                # file ends, when zeroes follow, is free.
                size = self.disk_size()
                o, a = (pathlib.Path(p).read_bytes()[:size].rstrip(b'\0')
                        for p in paths)
                self.assertEqual(a, o, name)
            elif b.digest(paths[0]) != b.digest(paths[1]):
                # Compared in the same folder: paths are in messages.
                theirs = self.content(self.dir, name, spec, maps)
                os.rename(self.dir, self.dir + '.away')
                os.rename(self.ended, self.dir)
                ours = self.content(self.dir, name, spec, maps)
                os.rename(self.dir, self.ended)
                os.rename(self.dir + '.away', self.dir)
                self.assertEqual(ours, theirs, f'\n>>> {name}\n'
                                 f'ours:   {ours}\ntheirs: {theirs}')

    def same_words(self, line, ours, theirs):
        for a, o in zip(ours, theirs):
            if o[1] < 0:    # died: nothing to be like
                return False
            self.assertEqual(a, o, f'\n>>> {line}\nours:   {a[1:]}\n'
                             f'theirs: {o[1:]}')
        return True

    def both(self, line, spec):
        self.restore()
        ours = self.said(b.OUR_IMG, line, spec)
        shutil.rmtree(self.ended, ignore_errors=True)
        os.rename(self.dir, self.ended)
        self.restore()
        theirs = self.said(b.ORACLE_IMG, line, spec)
        if self.same_words(line, ours, theirs):
            self.same_files(line, spec)

    def both_read(self, lines, spec):
        self.restore()
        before = {n: b.digest(os.path.join(self.dir, n))
                  for n in os.listdir(self.dir)}
        for line in lines:
            with self.subTest(str(spec), line=line):
                self.same_words(line, self.said(b.OUR_IMG, line, spec),
                                self.said(b.ORACLE_IMG, line, spec))
        after = {n: b.digest(os.path.join(self.dir, n))
                 for n in os.listdir(self.dir)}
        self.assertEqual(before, after)

    def one_image(self, spec, lines):
        shutil.rmtree(self.dir, ignore_errors=True)
        shutil.rmtree(self.pristine, ignore_errors=True)
        os.mkdir(self.dir)
        m.Maker(self.dir, spec).make()
        os.rename(self.dir, self.pristine)
        self.both_read(filter(only_reads, lines), spec)
        for line in lines:
            if not only_reads(line) and not any(
                    wrong(line, spec) for wrong in WRONG):
                with self.subTest(str(spec), line=line):
                    self.both(line, spec)

    def test_what_was_wrong_once(self):
        for choice, lines in FOUND:
            self.one_image(m.possible({**m.PLAIN, **choice}), lines)

    def test_matrix(self):
        rng = b.rng_for(SEED)
        lines = commands()
        for spec in m.sample(rng, ALL or IMAGES):
            with self.subTest(str(spec)):
                self.one_image(spec, lines if ALL else
                               rng.sample(lines, COMMANDS))


if __name__ == '__main__':
    unittest.main()
