"""The invariant of every live test: nothing of a flow reaches the peer before
a verdict that allows it.

Works on what the capture saw and a list of verdicts, whoever gave them (the
daemon's events, or the referee's log): test_harness.py proves with the referee
that a leak is found.
"""

import dataclasses

from capture import TCP_RST

ICMP_ERRORS = (3, 4, 5, 11, 12)
ICMPV6_ERRORS = (1, 2, 3, 4)
NDP_AND_MLD = (130, 131, 132, 133, 134, 135, 136, 137, 143)


@dataclasses.dataclass
class Verdict:
    time: float    # CLOCK_REALTIME seconds when the packet was received
    key: tuple     # as Packet.key
    action: str    # "allow", "deny", "reject"


def is_essential(packet):
    """Always allowed (DESIGN, kernel ruleset). Forged ones are the business of
    the tests of B23, which look at the capture themselves."""
    if packet.proto == 6:
        return bool(packet.tcp_flags & TCP_RST)
    if packet.proto == 17:
        return (packet.sport, packet.dport) in ((68, 67), (546, 547))
    if packet.proto == 58:
        return packet.icmp_type in NDP_AND_MLD + ICMPV6_ERRORS
    return packet.proto == 2 or (packet.proto == 1 and
                                 packet.icmp_type in ICMP_ERRORS)


def _first_fragments(packets):
    return {(packet.src, packet.dst, packet.fragment[0]): packet.key
            for packet in packets
            if packet.fragment and packet.fragment[1] == 0}


def _opens(packet):
    return packet.proto not in (1, 58) or packet.icmp_type in (8, 128)


def leaks(packets, verdicts, exempt=()):
    """The packets that reached the peer with no earlier verdict `allow`."""
    allowed_since = {}
    for verdict in verdicts:
        if verdict.action == 'allow':
            since = allowed_since.get(verdict.key, verdict.time)
            allowed_since[verdict.key] = min(since, verdict.time)
    first_fragments = _first_fragments(packets)
    opened_by_peer = set()
    found = []
    for packet in packets:
        key = packet.key
        if packet.by_peer:
            # The first packet of a tuple says who opened it.
            if packet.reverse_key not in allowed_since and _opens(packet):
                opened_by_peer.add(packet.reverse_key)
            continue
        if packet.fragment and packet.fragment[1]:
            key = first_fragments.get(
                (packet.src, packet.dst, packet.fragment[0]), key)
        if key in opened_by_peer or is_essential(packet):
            continue
        if any(condition(packet) for condition in exempt):
            continue
        if allowed_since.get(key, float('inf')) > packet.time:
            found.append(packet)
    return found
