"""The referee: an NFQUEUE client of the suite's own, sharing no code with the
daemon. It proves the laboratory (test_harness.py): with a referee that is
strict the invariant holds, with a ruleset that leaks it must fail.
"""

import os
import select
import socket
import struct
import threading
import time

import netlink
from capture import nft, parse
from invariant import Verdict
from netlink import NLM_F_ACK, SUBSYS_QUEUE, attr, message

MSG_PACKET, MSG_VERDICT, MSG_CONFIG = 0, 1, 2
CFG_BIND, CFG_UNBIND = 1, 2
COPY_PACKET = 2
NF_DROP, NF_ACCEPT = 0, 1
ATTR_PACKET_HDR, ATTR_VERDICT_HDR, ATTR_PAYLOAD = 1, 2, 10


PROBE = """table inet probe {{
  chain c {{
    type filter hook output priority 0
    {rule}
  }}
}}
"""


def native_queue_works():
    """True if nft itself has `queue` on this kernel. Leaves nothing."""
    try:
        nft(PROBE.format(rule='udp dport 9 queue num 1'))
    except AssertionError:
        return False
    nft('delete table inet probe')
    return True


def xt_queue_works():
    nft(PROBE.format(rule=''))
    try:
        netlink.add_queue_rule('probe', 'c', 1)
        return True
    except OSError:
        return False
    finally:
        nft('delete table inet probe')


class Referee:
    """`judge(packet)` says True to accept; the verdict is logged before it is
    given. `leaky`: only new TCP flows are sent to the queue, as careless
    firewalls do (CASES B04)."""

    def __init__(self, lab, number, judge, leaky=False):
        self._lab = lab
        self._judge = judge
        self._number = number
        self._socket = netlink.open_netfilter()
        self._socket.setsockopt(socket.SOL_SOCKET, 33, 16 << 20)  # BUFFORCE
        self._config(attr(1, struct.pack('>BxH', CFG_BIND, 2)))
        self._config(attr(2, struct.pack('>IB', 0xffff, COPY_PACKET)))
        self._install(leaky)
        self.seen = []
        self._end = os.pipe()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _config(self, payload):
        netlink.request(self._socket, message(
            SUBSYS_QUEUE, MSG_CONFIG, NLM_F_ACK, 7, socket.AF_UNSPEC,
            self._number, payload), 7)

    def _install(self, leaky):
        nft('''table inet referee {
          chain out {
            type filter hook output priority -110
            icmpv6 type { 133, 134, 135, 136, 143 } accept
            ct direction reply accept
            ct state established accept
            %s
          }
        }''' % ('meta l4proto != tcp accept' if leaky else ''))
        netlink.add_queue_rule('referee', 'out', self._number)

    def _run(self):
        while True:
            ready, _, _ = select.select([self._socket, self._end[0]], [], [])
            if self._end[0] in ready:
                return
            for kind, _, payload in netlink.messages(
                    self._socket.recv(1 << 17)):
                if kind == (SUBSYS_QUEUE << 8) | MSG_PACKET:
                    self._packet(payload)

    def _packet(self, payload):
        attrs = netlink.parse_attrs(payload[4:])
        ident, protocol = struct.unpack_from('>IH', attrs[ATTR_PACKET_HDR])
        frame = bytes(12) + struct.pack('>H', protocol)
        packet = parse(frame + attrs[ATTR_PAYLOAD], 0, False)
        accept = self._judge(packet)
        self.seen.append(packet)
        self._lab.verdicts.append(Verdict(
            time.time(), packet.key, 'allow' if accept else 'deny'))
        self._socket.send(message(
            SUBSYS_QUEUE, MSG_VERDICT, 0, 0, socket.AF_UNSPEC, self._number,
            attr(ATTR_VERDICT_HDR, struct.pack(
                '>II', NF_ACCEPT if accept else NF_DROP, ident))))

    def close(self):
        os.write(self._end[1], b'x')
        self._thread.join()
        self._socket.close()
        for fd in self._end:
            os.close(fd)
        nft('delete table inet referee')
