"""What really came over the link, seen in the peer's namespace.

A packet socket on the peer's end of the veth keeps every frame with the time
it came; an nft counter on the same device says how many there were, so that a
frame the capture missed is noticed. Nothing here asks the daemon.
"""

import dataclasses
import json
import socket
import struct
import subprocess

from kernel import wait_until

SOL_PACKET, PACKET_STATISTICS = 263, 6
SO_TIMESTAMPNS = 35
ETH_P_ALL = 3
PACKET_OUTGOING = 4
PORT_PROTOCOLS = (6, 17, 33, 132, 136)
TCP_SYN, TCP_RST, TCP_ACK = 2, 4, 16


@dataclasses.dataclass
class Packet:
    time: float            # CLOCK_REALTIME, seconds
    by_peer: bool          # sent by the peer, not received
    src: str
    dst: str
    proto: int
    sport: int = 0
    dport: int = 0
    tcp_flags: int = 0
    icmp_type: int = -1
    dscp: int = 0
    fragment: tuple = ()   # (id, offset) of a fragment
    payload: bytes = b''   # from the transport header on

    @property
    def key(self):
        if self.proto in PORT_PROTOCOLS:
            return (self.proto, self.src, self.sport, self.dst, self.dport)
        return (self.proto, self.src, self.dst)

    @property
    def reverse_key(self):
        if self.proto in PORT_PROTOCOLS:
            return (self.proto, self.dst, self.dport, self.src, self.sport)
        return (self.proto, self.dst, self.src)


def parse(frame, time, by_peer):
    """A frame as a Packet; None if it carries no IP."""
    ether_type = struct.unpack_from('!H', frame, 12)[0]
    if ether_type == 0x0800:
        packet = _parse_v4(frame[14:], time, by_peer)
    elif ether_type == 0x86dd:
        packet = _parse_v6(frame[14:], time, by_peer)
    else:
        return None
    if not packet.fragment or packet.fragment[1] == 0:
        _parse_transport(packet)
    return packet


def _parse_v4(data, time, by_peer):
    if len(data) < 20:
        return Packet(time, by_peer, '', '', -1, payload=data)
    word = struct.unpack_from('!H', data, 6)[0]
    ident = struct.unpack_from('!H', data, 4)[0]
    fragment = (ident, word & 0x1fff) if word & 0x3fff else ()
    return Packet(time, by_peer, socket.inet_ntop(socket.AF_INET, data[12:16]),
                  socket.inet_ntop(socket.AF_INET, data[16:20]), data[9],
                  dscp=data[1] >> 2, fragment=fragment,
                  payload=data[(data[0] & 15) * 4:])


def _parse_v6(data, time, by_peer):
    if len(data) < 40:
        return Packet(time, by_peer, '', '', -1, payload=data)
    packet = Packet(time, by_peer,
                    socket.inet_ntop(socket.AF_INET6, data[8:24]),
                    socket.inet_ntop(socket.AF_INET6, data[24:40]), data[6],
                    dscp=struct.unpack_from('!H', data)[0] >> 6 & 63)
    at = 40
    while packet.proto in (0, 43, 44, 60) and at + 8 <= len(data):
        following, length = data[at], data[at + 1]
        if packet.proto == 44:
            word, ident = struct.unpack_from('!HI', data, at + 2)
            packet.fragment = (ident, word >> 3)
            at += 8
        else:
            at += (length + 1) * 8
        packet.proto = following
        if packet.fragment and packet.fragment[1]:
            break
    packet.payload = data[at:]
    return packet


def _parse_transport(packet):
    data = packet.payload
    if packet.proto in PORT_PROTOCOLS and len(data) >= 4:
        packet.sport, packet.dport = struct.unpack_from('!HH', data)
    if packet.proto == 6 and len(data) >= 14:
        packet.tcp_flags = data[13]
    if packet.proto in (1, 58) and data:
        packet.icmp_type = data[0]


class Capture:
    """Made inside the peer's namespace, on a device that is up and
    before its other end is: the link carries nothing yet."""

    def __init__(self, peer, device):
        self._peer = peer
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        self._socket.setsockopt(socket.SOL_SOCKET, 33, 128 << 20)  # BUFFORCE
        self._socket.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._socket.bind((device, ETH_P_ALL))
        self._socket.setblocking(False)
        self._received = 0
        self._lost = 0
        self._packets = []
        nft(f'''table netdev oracle {{
          counter seen {{ }}
          chain arrived {{
            type filter hook ingress device "{device}" priority -500
            counter name seen
          }}
        }}''')

    def close(self):
        self._socket.close()

    def _read_all(self):
        while True:
            try:
                frame, extra, _, address = self._socket.recvmsg(262144, 128)
            except BlockingIOError:
                break
            seconds, nanoseconds = struct.unpack('qq', extra[0][2][:16])
            by_peer = address[2] == PACKET_OUTGOING
            self._received += not by_peer
            packet = parse(frame, seconds + nanoseconds / 1e9, by_peer)
            if packet:
                self._packets.append(packet)
        _, drops = struct.unpack('II', self._socket.getsockopt(
            SOL_PACKET, PACKET_STATISTICS, 8))
        self._lost += drops

    def _arrived(self):
        with self._peer:
            listing = subprocess.run(
                ['nft', '-j', 'list', 'counter', 'netdev', 'oracle', 'seen'],
                check=True, capture_output=True).stdout
        return json.loads(listing)['nftables'][-1]['counter']['packets']

    def packets(self):
        """All so far, in order of arrival. Fails if the capture lost any."""
        arrived = self._arrived()

        def caught_up():
            self._read_all()
            return self._received >= arrived or self._lost
        wait_until(caught_up, 'the capture to see what the counter saw')
        assert not self._lost, f'capture lost {self._lost} frames'
        return list(self._packets)

    def from_fw(self, **fields):
        """Packets that reached the peer and have these fields."""
        return [packet for packet in self.packets() if not packet.by_peer and
                all(getattr(packet, name) == value
                    for name, value in fields.items())]


def nft(text):
    """Runs nft in the calling thread's namespace; returns its output."""
    done = subprocess.run(['nft', '-f', '-'], input=text, text=True,
                          capture_output=True, check=False)
    if done.returncode:
        raise AssertionError(f'nft: {done.stderr}\n{text}')
    return done.stdout


def ruleset():
    """All rules of the calling thread's namespace, without counter values."""
    return subprocess.run(['nft', '-s', 'list', 'ruleset'], check=True,
                          capture_output=True, text=True).stdout
