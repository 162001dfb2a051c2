# SPDX-License-Identifier: GPL-2.0-or-later
"""Network, consoles, ports and entropy as a stock guest uses them."""

import hashlib
import os
import socket
import subprocess
import threading
import time
import unittest

from nemu_functional.console import Console
from nemu_functional.tap import Tap
from nemu_functional.vm import Vm, env


class Net(unittest.TestCase):

    def setUp(self):
        self.tap = Tap('nemutap0', '10.77.0.1/24')
        self.addCleanup(self.tap.close)

    def boot(self, vm):
        vm.boot()
        vm.sh('ip addr add 10.77.0.2/24 dev eth0 && ip link set eth0 up')

    def serve(self, data):
        """Send data to the first who connects to the host; the listener."""
        listener = socket.create_server(('10.77.0.1', 7000))
        self.addCleanup(listener.close)

        def send():
            peer, _ = listener.accept()
            with peer:
                peer.sendall(data)
        threading.Thread(target=send, daemon=True).start()

    def receive_from_guest(self, timeout=60):
        """All that the guest's port 7001 sends."""
        end = time.monotonic() + timeout
        while True:
            try:
                peer = socket.create_connection(('10.77.0.2', 7001), 5)
                break
            except (ConnectionRefusedError, socket.timeout):
                if time.monotonic() > end:
                    raise
                time.sleep(0.2)
        with peer:
            peer.settimeout(timeout)
            data = b''
            while chunk := peer.recv(1 << 16):
                data += chunk
            return data

    def exchange(self, device):
        with Vm('-netdev', f'tap,id=n0,ifname={self.tap.name},script=no,'
                           'downscript=no',
                '-device', f'{device},netdev=n0,mac=52:54:00:12:34:56',
                name='net') as vm:
            self.boot(vm)
            self.assertEqual(vm.sh('cat /sys/class/net/eth0/address'),
                             '52:54:00:12:34:56')
            vm.sh('ping -c 3 -W 5 10.77.0.1')
            subprocess.run([env('NEMU_BUSYBOX'), 'ping', '-c', '3', '-W', '5',
                            '10.77.0.2'], check=True, stdout=subprocess.DEVNULL)
            data = os.urandom(1 << 20)
            self.serve(data)
            self.assertEqual(
                vm.sh('nc 10.77.0.1 7000 </dev/null | md5sum').split()[0],
                hashlib.md5(data).hexdigest())
            wanted = vm.sh('dd if=/dev/urandom of=/data bs=64k count=16 '
                           '2>/dev/null; md5sum < /data').split()[0]
            vm.sh('nc -l -p 7001 < /data > /dev/null &')
            self.assertEqual(
                hashlib.md5(self.receive_from_guest()).hexdigest(), wanted)
            # The largest packet without and with fragments.
            vm.sh('ping -c 1 -W 5 -s 1472 10.77.0.1')
            vm.sh('ping -c 1 -W 5 -s 9000 10.77.0.1')
            self.assertEqual(vm.poweroff(), 0)

    def test_packets_go_both_ways_over_tap(self):
        self.exchange('virtio-net-pci')

    def test_packets_go_both_ways_without_offloads(self):
        self.exchange('virtio-net-pci,csum=off,gso=off,guest_csum=off,'
                      'guest_tso4=off,guest_tso6=off,guest_ecn=off,'
                      'guest_ufo=off,host_tso4=off,host_tso6=off,host_ecn=off,'
                      'host_ufo=off,mrg_rxbuf=off')

    def test_packets_go_both_ways_with_packed_ring(self):
        self.exchange('virtio-net-pci,packed=on')

    def test_packets_go_both_ways_with_legacy_interface(self):
        self.exchange('virtio-net-pci,disable-modern=on,disable-legacy=off')


class Serial(unittest.TestCase):

    def test_virtconsole_is_a_terminal(self):
        with Vm('-device', 'virtio-serial-pci', '-device',
                'virtconsole,chardev=c0', name='virtconsole') as vm:
            vm.argv += ['-chardev', f'socket,id=c0,path={vm.path("hvc")},'
                                    'server=on,wait=off']
            vm.boot()
            hvc = Console(vm.path('hvc'))
            self.addCleanup(hvc.close)
            vm.sh('stty -F /dev/hvc0 raw -echo; echo from guest > /dev/hvc0')
            hvc.expect('from guest')
            vm.console.start('head -n 1 < /dev/hvc0 | sed s/^/got:/')
            time.sleep(1)
            hvc.send('from host\n')
            vm.console.expect('^got:from host$')
            vm.quit()

    def test_virtserialport_carries_data_and_tells_who_is_there(self):
        with Vm('-device', 'virtio-serial-pci', '-device',
                'virtserialport,chardev=c0,id=port0,name=org.nemu.test',
                name='virtserialport') as vm:
            vm.argv += ['-chardev', f'socket,id=c0,path={vm.path("port")},'
                                    'server=on,wait=off']
            vm.boot()
            host = Console(vm.path('port'))
            self.addCleanup(host.close)
            node = vm.sh('grep -l org.nemu.test /sys/class/virtio-ports/*/name '
                         '| cut -d/ -f5')
            vm.sh(f'exec 3<>/dev/{node}')
            self.assertEqual(vm.qmp.wait_event('VSERPORT_CHANGE')['data'],
                             {'id': 'port0', 'open': True})
            chardev = [c for c in vm.qmp.cmd('query-chardev')
                       if c['label'] == 'c0'][0]
            self.assertTrue(chardev['frontend-open'])
            vm.sh('echo up >&3')
            host.expect('^up$')
            host.send('down\n')
            self.assertEqual(vm.sh('head -n 1 <&3'), 'down')
            # More than one ring's worth, with an end that can be checked.
            vm.sh('seq 20000 >&3; echo end >&3')
            text = host.expect('(.*)^end$')[1]
            self.assertEqual(text.split(), [str(i) for i in range(1, 20001)])
            vm.sh('exec 3>&-')
            self.assertEqual(vm.qmp.wait_event('VSERPORT_CHANGE')['data'],
                             {'id': 'port0', 'open': False})
            vm.quit()


class Rng(unittest.TestCase):

    def entropy(self, *args):
        with Vm(*args, name='rng') as vm:
            vm.boot()
            self.assertEqual(
                vm.sh('cat /sys/class/misc/hw_random/rng_current'),
                'virtio_rng.0')
            read = 'dd if=/dev/hwrng bs=256 count=1 2>/dev/null | xxd -p -c 256'
            first, second = vm.sh(read), vm.sh(read)
            self.assertEqual(len(first), 512)
            self.assertEqual(len(second), 512)
            self.assertNotEqual(first, second)
            self.assertGreater(len(set(bytes.fromhex(first))), 100)
            vm.quit()

    def test_rng_random_gives_entropy(self):
        self.entropy('-object', 'rng-random,id=r0,filename=/dev/urandom',
                     '-device', 'virtio-rng-pci,rng=r0')

    def test_rng_builtin_gives_entropy_within_its_rate(self):
        self.entropy('-object', 'rng-builtin,id=r0', '-device',
                     'virtio-rng-pci,rng=r0,max-bytes=4096,period=100')
