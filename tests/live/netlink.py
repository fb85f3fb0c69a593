"""The few netlink messages the suite needs, written by hand.

Shares no code with the daemon, so that it can serve as a second opinion: the
referee (referee.py) speaks nfnetlink_queue through it, and the laboratory uses
it to empty conntrack and to add a queue rule on kernels whose nft has no
`queue`. Every function acts in the network namespace of the calling thread.
"""

import os
import socket
import struct

NETLINK_NETFILTER = 12
NLM_F_REQUEST, NLM_F_ACK, NLM_F_CREATE, NLM_F_APPEND = 1, 4, 0x400, 0x800
NLMSG_ERROR = 2
SUBSYS_CTNETLINK, SUBSYS_QUEUE, SUBSYS_NFTABLES = 1, 3, 10
NFPROTO_UNSPEC, NFPROTO_INET = 0, 1
_NESTED = 0x8000


def attr(kind, payload):
    head = struct.pack('HH', 4 + len(payload), kind)
    return head + payload + b'\0' * (-len(payload) % 4)


def nested(kind, *attrs):
    return attr(kind | _NESTED, b''.join(attrs))


def parse_attrs(data):
    out = {}
    at = 0
    while at + 4 <= len(data):
        length, kind = struct.unpack_from('HH', data, at)
        if length < 4 or at + length > len(data):
            break
        out[kind & 0x3fff] = data[at + 4:at + length]
        at += (length + 3) & ~3
    return out


def message(subsystem, kind, flags, sequence, family, resource, payload=b''):
    body = struct.pack('>BBH', family, 0, resource) + payload
    head = struct.pack('IHHII', 16 + len(body), (subsystem << 8) | kind,
                       NLM_F_REQUEST | flags, sequence, 0)
    return head + body


def messages(data):
    """Yields (type, sequence, payload) of each message in a datagram."""
    at = 0
    while at + 16 <= len(data):
        length, kind, _, sequence, _ = struct.unpack_from('IHHII', data, at)
        if length < 16:
            break
        yield kind, sequence, data[at + 16:at + length]
        at += (length + 3) & ~3


def open_netfilter():
    sock = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    sock.bind((0, 0))
    return sock


def request(sock, data, sequence):
    """Sends; raises OSError with the kernel's errno for that sequence."""
    sock.send(data)
    while True:
        for kind, got, payload in messages(sock.recv(65536)):
            if kind != NLMSG_ERROR or got != sequence:
                continue
            error = struct.unpack_from('i', payload)[0]
            if error:
                raise OSError(-error, os.strerror(-error))
            return


def flush_conntrack():
    """What `conntrack -F` does, both families."""
    ctnl_msg_delete = 2
    with open_netfilter() as sock:
        request(sock, message(SUBSYS_CTNETLINK, ctnl_msg_delete, NLM_F_ACK, 1,
                              NFPROTO_UNSPEC, 0), 1)


def add_queue_rule(table, chain, number, bypass=False):
    """Appends NFQUEUE (xtables' target as a compat expression) to a chain of
    an inet table."""
    info = struct.pack('HHHxx', number, 1, 1 if bypass else 0)
    target = nested(1,  # NFTA_LIST_ELEM
                    attr(1, b'target\0'),
                    nested(2, attr(1, b'NFQUEUE\0'),
                           attr(2, struct.pack('>I', 3)), attr(3, info)))
    rule = (attr(1, table.encode() + b'\0') + attr(2, chain.encode() + b'\0') +
            nested(4, target))
    newrule, begin, end = 6, 0x10, 0x11
    batch = message(0, begin, 0, 1, 0, SUBSYS_NFTABLES)
    batch += message(SUBSYS_NFTABLES, newrule,
                     NLM_F_ACK | NLM_F_CREATE | NLM_F_APPEND, 2, NFPROTO_INET,
                     0, rule)
    batch += message(0, end, 0, 3, 0, SUBSYS_NFTABLES)
    with open_netfilter() as sock:
        request(sock, batch, 2)
