#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Limits are set, refused and shown as QEMU 7.2 does."""

import time
import os
import unittest

import blocklib as b
from test_jobs import ORACLE, OURS, Qmp

NONE = {'bps': 0, 'bps_rd': 0, 'bps_wr': 0,
        'iops': 0, 'iops_rd': 0, 'iops_wr': 0}
PEAK = 10 ** 15

# Arguments of object-add.
OBJECTS = [
    {}, {'limits': {}}, {'limits': {'iops-total': 10}},
    {'limits': {'iops-total': 10, 'iops-total-max': 5}},
    {'limits': {'iops-total': 10, 'iops-read': 5}},
    {'limits': {'iops-total': 10, 'iops-total-max': 20, 'iops-read-max': 3}},
    {'limits': {'iops-total-max': 5}},
    {'limits': {'iops-total': 10, 'iops-total-max-length': 5}},
    {'limits': {'iops-total': 10, 'iops-total-max': 100,
                'iops-total-max-length': 0}},
    {'limits': {'iops-total': 10, 'iops-total-max': 100,
                'iops-total-max-length': 1 << 33}},
    {'limits': {'iops-total': -1}}, {'limits': {'iops-total': PEAK + 1}},
    {'limits': {'bps-total': 10, 'iops-size': 5}},
    {'limits': {'iops-total': 10, 'iops-total-max': PEAK}},
    {'limits': {'iops-total': 10, 'iops-total-max': PEAK,
                'iops-total-max-length': 2}},
    {'limits': {'iops-total': 10, 'iops-total-max': PEAK // 2,
                'iops-total-max-length': 2}},
    {'limits': {'bps-write': 7, 'iops-read': 9, 'iops-size': 4096}},
    {'limits': {'moons': 3}}, {'x-iops-total': -3}, {'x-bps-read': 77},
    {'x-iops-total-max-length': 0}, {'x-iops-total-max-length': 1 << 33},
    {'x-iops-total': 10, 'limits': {'bps-read': 7}},
    {'x-iops-total': 10, 'x-iops-write': 10},
]
# One after the other, on two drives.
COMMANDS = [
    {}, {'device': 'zz'}, {'id': 'zz'}, {'device': 'd0', 'id': 'd0'},
    {'device': 'none', 'bps': 5}, {'device': 'd0', 'bps': 100},
    {'device': 'd0', 'bps': 100, 'bps_max': 200, 'iops': 7,
     'iops_size': 4096, 'bps_max_length': 3},
    {'device': 'd0', 'bps_max': 200}, {'device': 'd0', 'bps': -1},
    {'device': 'd0', 'bps': 100, 'bps_max': 1000, 'bps_max_length': -1},
    {'device': 'd0', 'bps': 100, 'bps_max': 1000, 'bps_max_length': 0},
    {'device': 'd0', 'bps': 100, 'group': 'gg'},
    {'device': 'd1', 'iops_wr': 100, 'group': 'gg'},
    {'device': 'd1', 'iops_wr': 200}, {'device': 'd0'}, {'device': 'd1'},
]
DRIVES = [
    'throttling.bps-total=100', 'bps=100,bps_max=200', 'iops=3,group=foo',
    'throttling.iops-read=5,throttling.group=bar', 'bps=1,bps_rd=2',
    'throttling.iops-total=5,iops=7', 'bps_max=3', 'iops_size=4',
    'iops=5,iops_size=4k', 'throttling.bps-total-max-length=3', 'group=xx',
    'throttling.bps-total=100,throttling.bps-total-max=300,'
    'throttling.bps-total-max-length=3', 'throttling.foo=1', 'bps=abc',
    'bps_wr_max=2000,bps_wr=1000', 'bps=-1',
]


def limits(q):
    return [{k: v for k, v in d['inserted'].items()
             if k.startswith(('bps', 'iops', 'group'))}
            for d in q.cmd('query-block') if 'inserted' in d]


@unittest.skipUnless(ORACLE, "needs Debian's QEMU")
class ThrottleTest(unittest.TestCase):
    maxDiff = None

    def compare(self, scenario, *args):
        got = []
        for binary in OURS, ORACLE:
            q = Qmp(binary, '/', *args)
            try:
                got.append(scenario(q))
            finally:
                q.close()
        self.assertEqual(got[0], got[1])
        return got[0]

    def test_objects(self):
        def scenario(q):
            seen = []
            for props in OBJECTS:
                args = {'qom-type': 'throttle-group', 'id': 'g', **props}
                seen.append((props, q.cmd('object-add', **args)))
                seen.append(q.cmd('qom-get', path='/objects/g',
                                  property='limits'))
                q.cmd('object-del', id='g')
            return seen
        self.compare(scenario)

    def test_objects_change_later(self):
        def scenario(q):
            seen = []
            for value in ({'bps-total': 5}, {'iops-read': 5},
                          {'iops-total': 0, 'iops-read': 7}, 3):
                seen.append(q.cmd('qom-set', path='/objects/g',
                                  property='limits', value=value))
                seen.append(q.cmd('qom-get', path='/objects/g',
                                  property='limits'))
            seen.append(q.cmd('qom-set', path='/objects/g',
                              property='x-iops-read', value=3))
            seen.append(q.cmd('qom-get', path='/objects/g',
                              property='x-iops-read'))
            return seen
        self.compare(scenario, '-object',
                     'throttle-group,id=g,x-iops-total=10')

    def test_command(self):
        def scenario(q):
            seen = []
            for args in COMMANDS:
                text = {'execute': 'block_set_io_throttle',
                        'arguments': {**NONE, **args}}
                seen.append((args, q.raw(text), limits(q)))
            q.hmp('block_set_io_throttle d0 100 0 0 5 0 0')
            seen.append(limits(q))
            seen.append([x for x in q.hmp('info block d0').split('\n')
                         if 'throttling' in x])
            return seen
        null = 'if=none,file=null-co://,format=raw'
        self.compare(scenario, '-drive', f'id=d0,{null}', '-drive',
                     f'id=d1,{null}', '-drive', 'if=none,id=none')

    def test_drives(self):
        for opts in DRIVES:
            with self.subTest(opts):
                got = []
                for binary in OURS, ORACLE:
                    drive = f'if=none,id=d,format=raw,file=null-co://,{opts}'
                    try:
                        q = Qmp(binary, '/', '-drive', drive)
                    except (AssertionError, BrokenPipeError):
                        got.append('refused')
                        continue
                    got.append(limits(q))
                    q.close()
                self.assertEqual(got[0], got[1])

    def test_nodes(self):
        def node(group, name='t0', **more):
            return {'driver': 'throttle', 'node-name': name,
                    'throttle-group': group, 'file': {'driver': 'null-co'},
                    **more}

        def scenario(q):
            seen = [q.cmd('object-del', id='foo'),
                    q.cmd('blockdev-add', **node('nope', 't1')),
                    q.raw({'execute': 'blockdev-reopen',
                           'arguments': {'options': [node('nope')]}}),
                    q.cmd('object-add', **{'qom-type': 'throttle-group',
                                           'id': 'bar'}),
                    q.raw({'execute': 'blockdev-reopen',
                           'arguments': {'options': [node('bar')]}})]
            seen += [q.cmd('object-del', id=i) for i in ('foo', 'bar')]
            seen += [q.cmd('blockdev-del', node_name='t0'),
                     q.cmd('object-del', id='bar')]
            return seen
        self.compare(scenario, '-object', 'throttle-group,id=foo',
                     '-blockdev', 'throttle,node-name=t0,throttle-group=foo,'
                     'file.driver=null-co')


@unittest.skipUnless(b.HAVE_ORACLE, "needs Debian's qemu-utils")
class ToolTest(unittest.TestCase):
    """--object throttle-group of the tools."""

    def test_group_of_a_tool(self):
        image = 'driver=throttle,throttle-group={},file.driver=null-co,' \
                'file.size=1M'
        limits = 'throttle-group,id=g,x-iops-total=1000'
        for objects, name in (((limits,), 'g'), ((limits,), 'h'), ((), 'g'),
                              ((limits + ',x-bps-total=1,x-bps-read=2',), 'g'),
                              ((limits, 'throttle-group,id=h'), 'h')):
            args = [x for o in objects for x in ('--object', o)]
            for tool, theirs in (('qemu-io', b.ORACLE_IO),
                                 ('qemu-img', b.ORACLE_IMG)):
                ours = os.path.join(b.BUILD, tool)
                words = ['-c', 'read -q 0 4k', *args, '--image-opts'] \
                    if tool == 'qemu-io' else ['info', *args, '--image-opts']
                got = [b.run(x, *words, image.format(name), check=False)
                       for x in (ours, theirs)]
                with self.subTest(tool=tool, objects=objects, name=name):
                    self.assertEqual(got[0].returncode, got[1].returncode,
                                     got[0].stdout)

    def test_limit_counts(self):
        """Two requests at one in 200 ms: the second waits."""
        image = 'driver=throttle,throttle-group=g,file.driver=null-co,' \
                'file.size=1M'
        start = time.monotonic()
        b.run(b.OUR_IO, '--object', 'throttle-group,id=g,x-iops-total=5',
              '--image-opts', *['-c', 'read -q 0 4k'] * 4, image)
        self.assertGreater(time.monotonic() - start, 0.3)


if __name__ == '__main__':
    unittest.main()
