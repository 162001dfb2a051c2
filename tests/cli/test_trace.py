# SPDX-License-Identifier: GPL-2.0-or-later
"""Trace points: their names, and that switching them on shows what happens."""

import subprocess

from clicase import NONE, Q35, Case
from nemu_functional.qmp import QmpError

FAMILIES = ('loop_', 'thread_pool_', 'bdrv_co_', 'qcow2_', 'file_co_', 'blk_co_',
            'virtqueue_', 'virtio_', 'virtio_blk_', 'virtio_net_', 'virtio_rng_',
            'kvm_', 'memory_region_ops_', 'pci_cfg_', 'chr_', 'monitor_',
            'handle_hmp_', 'qdev_', 'runstate_', 'vm_state_', 'qemu_system_')
# What a stopped machine without KVM and disks can show.
SEEN = ('loop_fd_add', 'chr_event', 'chr_input', 'monitor_qmp_cmd_in_band',
        'pci_cfg_write', 'pci_cfg_read', 'memory_region_ops_write',
        'memory_region_ops_read', 'qdev_realize', 'qdev_reset', 'runstate_set',
        'vm_state_notify', 'qemu_system_reset', 'qemu_system_shutdown_request',
        'qemu_system_powerdown_request', 'blk_co_done', 'bdrv_co_preadv_part',
        'file_co_rw_submit')


class Trace(Case):

    def names(self):
        done = self.ended('-trace', 'help')
        self.assertEqual(done.returncode, 0)
        return done.stdout.splitlines()

    def test_every_family_has_points_and_names_are_unique(self):
        names = self.names()
        self.assertEqual(len(set(names)), len(names))
        for family in FAMILIES:
            self.assertTrue([n for n in names if n.startswith(family)], family)

    def test_what_happens_is_shown(self):
        subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', 'img',
                        '1M'], cwd=self.dir, check=True)
        qmp = self.start(*Q35, '-trace', '*', '-D', 'log', '-blockdev',
                         'file,node-name=p,filename=img', '-blockdev',
                         'qcow2,node-name=f,file=p', '-device',
                         'virtio-blk-pci,drive=f,id=d')
        qmp.hmp('o /w 0xcf8 0x80000000')
        qmp.hmp('i /w 0xcfc')
        qmp.hmp('o /w 0xcfc 0x0')
        for name in ('cont', 'system_powerdown', 'system_reset', 'stop'):
            qmp.cmd(name)
        qmp.cmd('quit')
        self.proc.wait(10)
        seen = {line.split(':', 1)[1].split(' ')[0]
                for line in (self.dir / 'log').read_text().splitlines()
                if line.count(':')}
        self.assertEqual([n for n in SEEN if n not in seen], [])

    def test_off_means_silent(self):
        qmp = self.start(*NONE, '-trace', '*', '-trace', '-monitor_*', '-D',
                         'log')
        qmp.cmd('query-name')
        text = (self.dir / 'log').read_text()
        self.assertNotIn('monitor_', text)
        self.assertIn('chr_input', text)

    def test_qmp_switches_and_tells(self):
        qmp = self.start(*NONE, '-D', 'log')

        def states(pattern):
            return {t['name']: t['state'] for t in qmp.cmd(
                'trace-event-get-state', {'name': pattern})}

        self.assertEqual(set(states('*')), set(self.names()))
        self.assertEqual(set(states('*').values()), {'disabled'})
        qmp.cmd('trace-event-set-state', {'name': 'kvm_*', 'enable': True})
        self.assertEqual(set(states('kvm_*').values()), {'enabled'})
        self.assertEqual(states('runstate_set'), {'runstate_set': 'disabled'})
        for name, arguments in (
                ('trace-event-get-state', {'name': 'nothing'}),
                ('trace-event-set-state', {'name': 'nothing', 'enable': True})):
            with self.assertRaises(QmpError):
                qmp.cmd(name, arguments)
        self.assertIn('runstate_set', qmp.hmp('info trace-events'))
