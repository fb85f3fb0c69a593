"""Packets made by hand, for raw sockets of senders. Part of this file's text
is also run inside apps (see SOURCE), so it uses the standard library only."""

import random
import socket
import struct


def checksum(data):
    if len(data) % 2:
        data += b'\0'
    total = sum(struct.unpack(f'!{len(data) // 2}H', data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def pseudo(src, dst, proto, length):
    if ':' in src:
        return (socket.inet_pton(socket.AF_INET6, src) +
                socket.inet_pton(socket.AF_INET6, dst) +
                struct.pack('!IHBB', length, 0, 0, proto))
    return (socket.inet_aton(src) + socket.inet_aton(dst) +
            struct.pack('!BBH', 0, proto, length))


def tcp_packet(src, sport, dst, dport, flags, doff=5, payload=b''):
    head = struct.pack('!HHIIBBHHH', sport, dport, 1000, 0, doff << 4, flags,
                       65535, 0, 0) + payload
    total = checksum(pseudo(src, dst, 6, len(head)) + head)
    return head[:16] + struct.pack('!H', total) + head[18:]


def udp_packet(src, sport, dst, dport, payload=b'raw', proto=17, length=None):
    head = struct.pack('!HHHH', sport, dport,
                       8 + len(payload) if length is None else length, 0)
    total = checksum(pseudo(src, dst, proto, 8 + len(payload)) + head +
                     payload) or 0xffff
    return head[:6] + struct.pack('!H', total) + payload


def icmp_packet(kind, code=0, rest=b'\0\0\0\0', payload=b''):
    body = struct.pack('!BBH', kind, code, 0) + rest + payload
    return body[:2] + struct.pack('!H', checksum(body)) + body[4:]


def sctp_packet(sport, dport):
    """A common header and an INIT chunk; the checksum is the sender's affair
    (CRC32c), receivers in the tests only count."""
    return (struct.pack('!HHII', sport, dport, 0, 0) +
            struct.pack('!BBHIIHHI', 1, 0, 20, 1, 65536, 1, 1, 1))


def ipv4(src, dst, proto, payload, ihl=5, ident=1, fragment=0, version=4,
         total_length=None, options=b''):
    length = 20 + len(options) + len(payload)
    if options:
        ihl = 5 + len(options) // 4
    return struct.pack(
        '!BBHHHBBH4s4s', version << 4 | ihl, 0,
        length if total_length is None else total_length, ident, fragment, 64,
        proto, 0, socket.inet_aton(src), socket.inet_aton(dst)
    ) + options + payload


# Protocols with the least length of their header.
LEAST_BYTES = ((1, 4), (6, 20), (17, 8), (33, 12), (132, 12), (136, 8))


def malformed(src, dst, count, seed):
    """Datagrams whose headers lie. Whole IPv4 packets, for IP_HDRINCL."""
    rng = random.Random(seed)
    good_udp = udp_packet(src, 6000, dst, 5000)
    good_tcp = tcp_packet(src, 6000, dst, 5000, 2)
    fixed = [
        ipv4(src, dst, 17, good_udp, ihl=4),           # newer kernels refuse
        ipv4(src, dst, 6, good_tcp[:12]),              # header cut off
        ipv4(src, dst, 6, good_tcp[:1]),
        ipv4(src, dst, 6, b''),
        ipv4(src, dst, 17, b''),
        ipv4(src, dst, 17, good_udp[:7]),
        ipv4(src, dst, 1, b''),
        ipv4(src, dst, 6, tcp_packet(src, 6000, dst, 5000, 2, doff=4)),
        ipv4(src, dst, 6, tcp_packet(src, 6000, dst, 5000, 2, doff=0)),
        ipv4(src, dst, 6, tcp_packet(src, 6000, dst, 5000, 2, doff=15)),
        ipv4(src, dst, 17, udp_packet(src, 6000, dst, 5000, length=4)),
        ipv4(src, dst, 17, udp_packet(src, 6000, dst, 5000, length=60000)),
    ]
    while len(fixed) < count:
        proto, least = rng.choice(LEAST_BYTES)
        body = bytes(rng.randrange(256) for _ in range(rng.randrange(least)))
        fixed.append(ipv4(src, dst, proto, body, fragment=rng.choice((0, 0x4000)),
                          options=b'\1' * rng.choice((0, 0, 4, 40))))
    return fixed


def ipv6(src, dst, following, payload):
    return (struct.pack('!IHBB', 6 << 28, len(payload), following, 64) +
            socket.inet_pton(socket.AF_INET6, src) +
            socket.inet_pton(socket.AF_INET6, dst) + payload)


def malformed6(src, dst, count, seed):
    """The same for IPv6: chains of headers that end early or never."""
    rng = random.Random(seed)
    good = udp_packet(src, 6000, dst, 5000)
    options = bytes([60, 0, 1, 4, 0, 0, 0, 0])
    fixed = [
        ipv6(src, dst, 6, b''),
        ipv6(src, dst, 17, good[:7]),
        ipv6(src, dst, 60, bytes([17, 255, 1, 4]) + good),   # too long
        ipv6(src, dst, 60, bytes([17, 0, 1])),               # cut off
        ipv6(src, dst, 60, options * 60 + good),             # deep
        ipv6(src, dst, 44, bytes([17, 0, 0])),
        ipv6(src, dst, 43, bytes([17, 200, 0, 0]) + good),
        ipv6(src, dst, 51, bytes([17, 255, 0, 0]) + good),
    ]
    while len(fixed) < count:
        proto, least = rng.choice(LEAST_BYTES[1:])
        body = bytes(rng.randrange(256) for _ in range(rng.randrange(least)))
        chain = options * rng.randrange(3)
        last = bytes([proto]) + options[1:] if chain else b''
        fixed.append(ipv6(src, dst, 60 if chain else proto,
                          chain[8:] + last + body))
    return fixed


with open(__file__, encoding='utf-8') as _file:
    SOURCE = _file.read().split('\nwith open')[0]
