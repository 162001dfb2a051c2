# SPDX-License-Identifier: GPL-2.0-or-later
"""blockdev-reopen changes, and refuses to change, what QEMU 7.2 does."""

import os
import shutil
import subprocess
import tempfile
import unittest

from nemu_functional.qmp import QmpError
from pair import oracle, ours

IMAGES = [
    ('r.img', 'raw', []), ('r2.img', 'raw', []), ('base', 'qcow2', []),
    ('base2', 'qcow2', []), ('top', 'qcow2', ['-b', 'base', '-F', 'qcow2']),
    ('v2', 'qcow2', ['-o', 'compat=0.10']),
]


def file(node, name, **opts):
    return {'driver': 'file', 'node-name': node, 'filename': name, **opts}


def fmt(driver, node, child, **opts):
    return {'driver': driver, 'node-name': node, 'file': child, **opts}


def key(**opts):
    """Options with dashes."""
    return {k.replace('_', '-'): v for k, v in opts.items()}


F = file('f', 'r.img')
F_RO = dict(F, **key(read_only=True))
R = fmt('raw', 'r', 'f')
R_RO = dict(R, **key(read_only=True))
OVER_F = [F, R]
INLINE = [fmt('raw', 'r', F)]
NULL = {'driver': 'null-co', 'node-name': 'n', 'size': 65536}
T = fmt('qcow2', 't', 'tf', backing='b')
CHAIN = [file('bf', 'base'), fmt('qcow2', 'b', 'bf'), file('b2f', 'base2'),
         fmt('qcow2', 'b2', 'b2f'), file('tf', 'top'), T]
BAD_SLICE = key(l2_cache_entry_size=1000)


def raw(**opts):
    return [dict(R, **key(**opts))]


def top(**opts):
    return [dict(T, **key(**opts))]


# Nodes to add, then one or more lists of options to reopen with.
CASES = {
    'nothing': ([F], [F]),
    'read-only': ([F], [F_RO], [F]),
    'read-write': ([F_RO], [F]),
    'direct': ([F], [dict(F, cache={'direct': True})], [F]),
    'no-flush': ([F], [dict(F, cache={'no-flush': True})]),
    'aio': ([F], [dict(F, aio='io_uring')]),
    'aio same': ([dict(F, aio='threads')], [dict(F, aio='threads')]),
    'aio reset': ([dict(F, aio='io_uring')], [F]),
    'locking': ([F], [dict(F, locking='off')]),
    'locking reset': ([dict(F, locking='off')], [F]),
    'drop-cache': ([F], [dict(F, **key(drop_cache=False))]),
    'aio-max-batch': ([F], [dict(F, **key(aio_max_batch=4))]),
    'filename': ([F], [dict(F, filename='r2.img')]),
    'discard': ([F], [dict(F, discard='unmap')]),
    'detect-zeroes': ([F], [dict(F, **key(detect_zeroes='on'))], [F]),
    'unmap zeroes without discard':
        ([F], [dict(F, **key(detect_zeroes='unmap'))]),
    'unmap zeroes':
        ([F], [dict(F, discard='unmap', **key(detect_zeroes='unmap'))]),
    'force-share': ([F], [dict(F, **key(force_share=True))]),
    'force-share read-only': ([F_RO], [dict(F_RO, **key(force_share=True))]),
    'driver': ([F], [{'driver': 'null-co', 'node-name': 'f'}]),
    'no name': ([F], [{'driver': 'file', 'filename': 'r.img'}]),
    'unknown': ([F], [dict(F, **key(node_name='zz'))]),
    'auto to fixed': ([dict(F, **key(auto_read_only=True))], [F]),
    'fixed to auto': ([F], [dict(F, **key(auto_read_only=True))]),
    'twice': ([F], [F_RO, F]),
    'raw same': (OVER_F, [R]),
    'raw read-only': (OVER_F, [R_RO]),
    'raw over read-only': ([F_RO, R_RO], [R]),
    'raw and file': ([F_RO, R_RO], [F, R], [R_RO, F_RO]),
    'raw offset': (OVER_F, raw(offset=65536)),
    'raw window': (OVER_F, raw(offset=65536, size=65536), [R]),
    'raw window too big': (OVER_F, raw(size=13107200)),
    'raw offset too big': (OVER_F, raw(offset=13107200)),
    'raw file': ([*OVER_F, file('g', 'r2.img')], [fmt('raw', 'r', 'g')]),
    'raw file itself': (OVER_F, [fmt('raw', 'r', 'r')]),
    'raw file loop': ([*OVER_F, fmt('raw', 's', 'r')], [fmt('raw', 'r', 's')]),
    'raw file unknown': (OVER_F, [fmt('raw', 'r', 'nope')]),
    'raw discard': (OVER_F, raw(discard='unmap')),
    'inline same': (INLINE, INLINE),
    'inline by name': (INLINE, [R]),
    'inline gets read-only': (INLINE, [R_RO]),
    'inline gets direct': (INLINE, raw(cache={'direct': True})),
    'inline own direct':
        (INLINE, [fmt('raw', 'r', dict(F, cache={'direct': True}))]),
    'inline filename': (INLINE, [fmt('raw', 'r', file('f', 'r2.img'))]),
    'qcow2 same': (CHAIN, [T]),
    'backing missing': (CHAIN, [fmt('qcow2', 't', 'tf')]),
    'backing to null and back': (CHAIN, top(backing=None), [T]),
    'backing other': (CHAIN, top(backing='b2')),
    'backing itself': (CHAIN, top(backing='t')),
    'backing loop': ([*CHAIN, file('uf', 'v2'),
                      fmt('qcow2', 'u', 'uf', backing='t')], top(backing='u')),
    'backing unknown': (CHAIN, top(backing='nope')),
    'backing defined anew': (CHAIN, top(backing={'driver': 'null-co'})),
    'backing is the file': (CHAIN, top(backing='tf')),
    'backing by the image, to null':
        ([file('tf', 'top'), fmt('qcow2', 't', 'tf')], top(backing=None)),
    'qcow2 file in use': (CHAIN, [fmt('qcow2', 't', 'b2f', backing='b')]),
    'qcow2 read-only': (CHAIN, top(read_only=True), [T]),
    'lazy': (CHAIN, top(lazy_refcounts=True), [T]),
    'lazy v2': ([file('vf', 'v2'), fmt('qcow2', 'v', 'vf')],
                [fmt('qcow2', 'v', 'vf', **key(lazy_refcounts=True))]),
    'cache': (CHAIN, top(l2_cache_size=1 << 20), [T]),
    'cache contradiction':
        (CHAIN, top(l2_cache_size=1 << 20, cache_size=65536)),
    'cache entry': (CHAIN, top(**BAD_SLICE)),
    'cache sizes all': (CHAIN, top(l2_cache_size=1 << 20, cache_size=2 << 20,
                                   refcount_cache_size=1 << 20)),
    'cache cleaning': (CHAIN, top(cache_clean_interval=1)),
    'pass-discard': (CHAIN, top(pass_discard_request=True,
                                pass_discard_other=True)),
    'second of two is bad':
        (CHAIN, [*top(read_only=True), fmt('qcow2', 'b', 'bf', **BAD_SLICE)]),
    'first of two is bad':
        (CHAIN, [fmt('qcow2', 'b', 'bf', **BAD_SLICE), *top(read_only=True)]),
    'four at once':
        (CHAIN, [*top(read_only=True, backing=None),
                 fmt('qcow2', 'b', 'bf', **key(read_only=True)),
                 file('tf', 'top', **key(read_only=True)),
                 file('bf', 'base', **key(read_only=True))]),
    'file read-only under a writer':
        (CHAIN, [file('tf', 'top', **key(read_only=True))]),
    'null same': ([NULL], [NULL]),
    'null size': ([NULL], [dict(NULL, size=131072)]),
    'null read-only': ([NULL], [dict(NULL, **key(read_only=True))]),
}


class ReopenTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix='nemu-oracle-', dir='/var/tmp')
        self.addCleanup(shutil.rmtree, self.dir)
        for name, form, args in IMAGES:
            subprocess.run(['qemu-img', 'create', '-q', '-f', form, *args,
                            os.path.join(self.dir, name), '1M'], check=True)

    def place(self, options):
        """The same with full paths."""
        return {k: os.path.join(self.dir, v) if k == 'filename' else
                self.place(v) if isinstance(v, dict) else v
                for k, v in options.items()}

    def attempt(self, qmp, command, **arguments):
        try:
            return qmp.cmd(command, **arguments)
        except QmpError as err:
            return err.error_class

    def nodes(self, qmp):
        """What query-named-block-nodes says, but for texts made of options."""
        got = {}
        for n in qmp.cmd('query-named-block-nodes'):
            name = n['node-name'] if n['node-name'][0] != '#' else n['file']
            got[name] = {k: n.get(k) for k in (
                'ro', 'drv', 'detect_zeroes', 'cache', 'backing_file_depth',
                'write_threshold')}
            got[name]['size'] = n['image']['virtual-size']
            for k in ('file', 'backing_file'):
                got[name][k] = os.path.basename(n.get(k, '')).strip('"}') \
                    if n['drv'] != 'null-co' else None
        return got

    def outcome(self, qmp, adds, *reopens):
        for options in adds:
            qmp.cmd('blockdev-add', **self.place(options))
        seen = []
        for options in reopens:
            seen.append(self.attempt(qmp, 'blockdev-reopen', options=[
                self.place(o) for o in options]))
            seen.append(self.nodes(qmp))
        for options in reversed(adds):
            self.attempt(qmp, 'blockdev-del',
                         **{'node-name': options['node-name']})
        for name in ('b', 'b2', 'tf', 'bf', 'b2f', 'f', 'g'):
            self.attempt(qmp, 'blockdev-del', **{'node-name': name})
        seen.append(self.nodes(qmp))
        return seen

    def test_same_outcome_as_qemu(self):
        with oracle('-machine', 'none') as theirs, \
                ours('-machine', 'none') as mine:
            for name, case in CASES.items():
                with self.subTest(name):
                    expected = self.outcome(theirs.qmp, *case)
                    self.assertEqual(self.outcome(mine.qmp, *case), expected)
                    self.assertEqual(expected[-1], {})
