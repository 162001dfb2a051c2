# SPDX-License-Identifier: GPL-2.0-or-later
"""How threads share a CPU, when there is only one for all of them."""

import os
import unittest

from clicase import Q35, Case


def policies(pid):
    """{thread id: policy} of a process."""
    return {int(t): os.sched_getscheduler(int(t))
            for t in os.listdir(f'/proc/{pid}/task')}


class OneCpu(Case):

    def setUp(self):
        super().setUp()
        mine = os.sched_getaffinity(0)
        self.one = {min(mine)}
        self.many = mine if len(mine) > 1 else None

    def start_on(self, cpus, *args):
        qmp = self.start(*Q35, '-object', 'iothread,id=t0', *args,
                         preexec_fn=lambda: os.sched_setaffinity(0, cpus))
        vcpus = {c['thread-id'] for c in qmp.cmd('query-cpus-fast')}
        iothreads = {t['thread-id'] for t in qmp.cmd('query-iothreads')}
        found = policies(self.proc.pid)
        return {t: found[t] for t in vcpus | iothreads | {self.proc.pid}}

    def test_main_thread_does_not_interrupt_the_others(self):
        found = self.start_on(self.one)
        self.assertGreater(len(found), 1)
        for thread, policy in found.items():
            self.assertEqual(policy, os.SCHED_BATCH
                             if thread == self.proc.pid else os.SCHED_OTHER)

    def test_sandbox_that_forbids_policies_is_heeded(self):
        found = self.start_on(self.one, '-sandbox', 'on,resourcecontrol=deny')
        self.assertEqual(set(found.values()), {os.SCHED_OTHER})

    def test_many_cpus_change_nothing(self):
        if not self.many:
            raise unittest.SkipTest('there is one CPU only')
        self.assertEqual(set(self.start_on(self.many).values()),
                         {os.SCHED_OTHER})

    def test_chosen_policy_stays(self):
        def before():
            os.sched_setaffinity(0, self.one)
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        self.start(*Q35, preexec_fn=before)
        self.assertEqual(set(policies(self.proc.pid).values()),
                         {os.SCHED_IDLE})
