"""Servers in the peer's namespace: the oracle for what programs really get.

One thread serves all sockets. Every address has its own socket, so that a UDP
answer comes from the address that was asked.
"""

import collections
import os
import selectors
import socket
import threading

from kernel import wait_until


class Servers:
    def __init__(self, peer):
        self._peer = peer
        self._selector = selectors.DefaultSelector()
        self._wake = os.pipe()
        self._selector.register(self._wake[0], selectors.EVENT_READ, None)
        self._sockets = []
        self._ending = False
        self._lock = threading.Lock()
        self.accepted = collections.Counter()   # TCP: port -> connections
        self.datagrams = collections.defaultdict(list)  # UDP: port -> payloads
        self.streams = collections.defaultdict(bytes)   # TCP: port -> bytes
        self.closed = collections.Counter()     # TCP: port -> ended, reset
        self.connections = collections.defaultdict(list)  # TCP: port -> socket
        self._thread = None

    def tcp(self, port, addresses, echo=True):
        for address in addresses:
            self._open(socket.SOCK_STREAM, address, port, echo)

    def udp(self, port, addresses, echo=False):
        for address in addresses:
            self._open(socket.SOCK_DGRAM, address, port, echo)

    def _open(self, kind, address, port, echo):
        family = socket.AF_INET6 if ':' in address else socket.AF_INET
        with self._peer:
            sock = socket.socket(family, kind)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((address, port))
        sock.setblocking(False)
        if kind == socket.SOCK_STREAM:
            sock.listen(1024)
            serve = self._accept
        else:
            sock.setsockopt(socket.SOL_SOCKET, 33, 32 << 20)
            serve = self._datagram
        self._sockets.append(sock)
        self._selector.register(sock, selectors.EVENT_READ,
                                (serve, port, echo))
        if not self._thread:
            self._thread = threading.Thread(target=self._run, daemon=True)
            self._thread.start()
        os.write(self._wake[1], b'x')

    def _run(self):
        while not self._ending:
            for key, _ in self._selector.select():
                if key.data is None:
                    os.read(self._wake[0], 64)
                else:
                    serve, port, echo = key.data
                    serve(key.fileobj, port, echo)

    def _accept(self, sock, port, echo):
        connection, _ = sock.accept()
        connection.setblocking(False)
        with self._lock:
            self._sockets.append(connection)
            self.connections[port].append(connection)
            self.accepted[port] += 1
        self._selector.register(connection, selectors.EVENT_READ,
                                (self._stream, port, echo))

    def _stream(self, sock, port, echo):
        try:
            data = sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b''
        if not data:
            self._selector.unregister(sock)
            sock.close()
            self.closed[port] += 1
            return
        self.streams[port] += data
        if echo:
            try:
                sock.send(data)
            except OSError:
                pass  # the test looks at what the client got

    def _datagram(self, sock, port, echo):
        while True:
            try:
                data, sender = sock.recvfrom(65536)
            except OSError:
                return
            self.datagrams[port].append(data)
            if echo:
                sock.sendto(data, sender)

    def wait_datagrams(self, port, count, seconds=5.0):
        wait_until(lambda: len(self.datagrams[port]) >= count,
                   f'{count} datagrams at port {port}', seconds)
        return self.datagrams[port]

    def close(self):
        self._ending = True
        os.write(self._wake[1], b'x')
        if self._thread:
            self._thread.join()
        for sock in self._sockets:
            sock.close()
        self._selector.close()
        for fd in self._wake:
            os.close(fd)
