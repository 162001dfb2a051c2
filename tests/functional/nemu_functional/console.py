# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's terminal over a UNIX socket, and the agent that answers there."""

import re
import socket
import threading
import time


class ConsoleTimeout(Exception):
    """The text did not come; carries what came instead."""


class AgentError(Exception):
    """A command failed in the guest."""

    def __init__(self, command, status, output):
        super().__init__(f'guest: {command!r} ended with {status}: {output}')
        self.status = status
        self.output = output


class Console:
    """Reads all the time (a full socket would stall the guest)."""

    def __init__(self, path, log=None, sock=None):
        self.sock = sock or socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        if not sock:
            self.sock.connect(str(path))
        self.log = open(log, 'ab', buffering=0) if log else None
        self.changed = threading.Condition()
        self.buffer = ''  # guarded by changed
        self.ended = False  # guarded by changed
        self.tags = 0
        self.thread = threading.Thread(target=self._reader, daemon=True)
        self.thread.start()

    def _reader(self):
        while True:
            try:
                data = self.sock.recv(1 << 16)
            except OSError:
                data = b''
            if data and self.log:
                self.log.write(data)
            with self.changed:
                self.buffer += data.decode('latin-1').replace('\r', '')
                self.ended = not data
                self.changed.notify_all()
            if not data:
                return

    def expect(self, pattern, timeout=60, reach=None):
        """Wait for a regular expression; drops the text up to its end.

        What it matches has at most @reach characters, if given: then text
        that was searched is not searched again.
        """
        end = time.monotonic() + timeout
        regex = re.compile(pattern, re.S | re.M)
        start = 0
        with self.changed:
            while True:
                match = regex.search(self.buffer, start)
                if match:
                    self.buffer = self.buffer[match.end():]
                    return match
                if reach:
                    start = max(0, len(self.buffer) - reach)
                left = end - time.monotonic()
                if self.ended or left <= 0:
                    why = 'console closed' if self.ended else f'{timeout} s'
                    raise ConsoleTimeout(
                        f'{why}: no {pattern!r} in: {self.buffer[-2000:]}')
                self.changed.wait(left)

    def peek(self):
        """What came since the last expect()."""
        with self.changed:
            return self.buffer

    def send(self, text):
        self.sock.sendall(text.encode('latin-1'))

    def wait_ready(self, timeout=90):
        """Wait for the agent of the bed's guest."""
        return self.expect(r'^AGENT READY (\S+) up (\S+)\n', timeout)

    def wait_answer(self, timeout=90):
        """Wait for the agent, also if it said long ago that it is ready."""
        end = time.monotonic() + timeout
        while True:
            self.tags += 1
            self.send(f'\n@{self.tags} :\n')
            try:
                # An echo of the request has no status behind its tag.
                return self.expect(rf'@{self.tags}:0\n', 2)
            except ConsoleTimeout:
                if self.ended or time.monotonic() > end:
                    raise

    def start(self, command):
        """Hand the agent a command without waiting; the tag of its end."""
        self.tags += 1
        self.send(f'@{self.tags} {command}\n')
        return f'@{self.tags}'

    def sh(self, command, timeout=60, check=True):
        """Run a command in the guest's shell; its output."""
        tag = self.start(command)
        match = self.expect(rf'{tag}:(\d+)\n', timeout, reach=100)
        output = match.string[:match.start()]
        if check and match[1] != '0':
            raise AgentError(command, int(match[1]), output)
        return output.strip('\n')

    def close(self):
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.thread.join(5)
        self.sock.close()
        if self.log:
            self.log.close()
