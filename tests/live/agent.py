"""Runs in an app: reads code, one JSON string a line, runs it, answers with its
`result` as one line of JSON. Names stay from one piece of code to the next.

tcp, udp and ping report what the program saw: `errno` (0 if it went well),
the milliseconds it took, and the local port.
"""

import errno
import fcntl
import json
import os
import select
import signal
import socket
import struct
import sys
import threading
import time
import traceback

kept = []  # sockets stay open unless code closes them


def family_of(address):
    return socket.AF_INET6 if ':' in address else socket.AF_INET


def wait_for(sock, events, timeout):
    poller = select.poll()
    poller.register(sock, events)
    return poller.poll(timeout * 1000)


def report(begin, error, sock):
    return {'errno': error, 'name': errno.errorcode.get(error, ''),
            'ms': (time.monotonic() - begin) * 1000,
            'sport': sock.getsockname()[1] if sock.fileno() >= 0 else 0}


def tcp(dst, port, timeout=1.0, sport=0, send=b'', mark=0):
    """Connects; ETIMEDOUT stands for no answer within `timeout`."""
    sock = socket.socket(family_of(dst), socket.SOCK_STREAM)
    kept.append(sock)
    if mark:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
    if sport:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(('', sport))
    sock.setblocking(False)
    begin = time.monotonic()
    error = sock.connect_ex((dst, port))
    if error == errno.EINPROGRESS:
        if wait_for(sock, select.POLLOUT, timeout):
            error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        else:
            error = errno.ETIMEDOUT
    answer = report(begin, error, sock)
    sock.setblocking(True)
    if error:
        sock.close()
    elif send:
        sock.sendall(send if isinstance(send, bytes) else send.encode())
    return answer


def udp(dst, port, data='x', count=1, sport=0, connected=False, timeout=0,
        mark=0):
    """Sends `count` datagrams. With `timeout`, waits for an answer or error:
    EAGAIN stands for neither."""
    sock = socket.socket(family_of(dst), socket.SOCK_DGRAM)
    kept.append(sock)
    if mark:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
    if sport:
        sock.bind(('', sport))
    begin = time.monotonic()
    error = 0
    try:
        if connected:
            sock.connect((dst, port))
        for _ in range(count):
            if connected:
                sock.send(data.encode())
            else:
                sock.sendto(data.encode(), (dst, port))
        if timeout:
            sock.settimeout(timeout)
            sock.recv(65536)
    except TimeoutError:
        error = errno.EAGAIN
    except OSError as caught:
        error = caught.errno
    return report(begin, error, sock)


def flood(dst, first_port, count):
    """A datagram to each of `count` ports, from one socket that never blocks:
    what waits in a queue counts against its send buffer."""
    sock = socket.socket(family_of(dst), socket.SOCK_DGRAM)
    kept.append(sock)
    sock.setsockopt(socket.SOL_SOCKET, 32, 64 << 20)  # SO_SNDBUFFORCE
    for port in range(first_port, first_port + count):
        sock.sendto(b'x', (dst, port))
    return sock


def ping(dst, timeout=1.0):
    """An echo request from a ping socket; 0 if the answer came."""
    v6 = ':' in dst
    sock = socket.socket(family_of(dst), socket.SOCK_DGRAM,
                         socket.IPPROTO_ICMPV6 if v6 else socket.IPPROTO_ICMP)
    kept.append(sock)
    sock.settimeout(timeout)
    begin = time.monotonic()
    error = 0
    try:
        sock.connect((dst, 0))
        sock.send(struct.pack('!BBHHH', 128 if v6 else 8, 0, 0, 0, 1) + b'hi')
        sock.recv(4096)
    except TimeoutError:
        error = errno.EAGAIN
    except OSError as caught:
        error = caught.errno
    return report(begin, error, sock)


def main():
    for line in sys.stdin.buffer:
        names = globals()
        names.pop('result', None)
        try:
            exec(json.loads(line), names)  # pylint: disable=exec-used
            answer = {'result': names.get('result')}
        except Exception:  # pylint: disable=broad-except
            answer = {'error': traceback.format_exc()}
        sys.stdout.write(json.dumps(answer) + '\n')
        sys.stdout.flush()


if __name__ == '__main__':
    main()
