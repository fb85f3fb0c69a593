"""Packets of every shape (CASES B12 to B18, B23, B29)."""

import socket

import kernel
from capture import TCP_RST
from cases import case
from daemon import rule_text
from invariant import is_essential
from lab import FW4, FW6, PEER4, PEER6, Skip, run
from packets import SOURCE


@case('B12')
def test_B12_udp_segments_cost_one_trip(lab):
    app, other = lab.app(), lab.app('other')
    lab.daemon(rules=rule_text('app', 'allow', app.path))
    lab.servers.udp(5000, [PEER4, PEER6])
    code = '''
s = socket.socket(family_of(dst), socket.SOCK_DGRAM)
s.connect((dst, 5000))
s.setsockopt(17, 103, 1000)  # SOL_UDP, UDP_SEGMENT
s.send(b'q' * 9500)'''
    for count, address in enumerate((PEER4, PEER6), 1):
        before = lab.queue_total()
        app.run(f'dst = {address!r}{code}')
        lab.servers.wait_datagrams(5000, 10 * count)
        assert lab.queue_total() - before == 1
        other.run(f'dst = {address!r}{code}')
    kernel.wait_until(lambda: lab.waiting() == 0, 'verdicts')
    sizes = [len(data) for data in lab.servers.datagrams[5000]]
    assert sizes == 2 * ([1000] * 9 + [500]), sizes


def raw_send(proto, payload, dst):
    family = 'AF_INET6' if ':' in dst else 'AF_INET'
    return SOURCE + f'''
r = socket.socket(socket.{family}, socket.SOCK_RAW, {proto})
r.sendto({payload}, ({dst!r}, 0))
kept.append(r)'''


def check_protocol(lab, daemon, app, proto, payload, rule_fields):
    """Denied without a rule, arrives with one."""
    app.run(raw_send(proto, payload, PEER4))
    event = daemon.wait_event(proto=proto)
    assert event['verdict']['action'] == 'deny', event
    assert not lab.at_peer(proto=proto)
    daemon.add_rule(f'proto-{proto}', 'allow', app.path, **rule_fields)
    app.run(raw_send(proto, payload, PEER4))
    event = daemon.wait_event(proto=proto, action='allow')
    assert event['verdict']['rule'] == f'proto-{proto}', event
    lab.wait_at_peer(proto=proto)
    return event


@case('B13')
def test_B13_sctp_is_parsed(lab):
    app = lab.app()
    daemon = lab.daemon()
    event = check_protocol(lab, daemon, app, 132, 'sctp_packet(6000, 5000)',
                           {'protocol': ['sctp'], 'port': [5000]})
    assert event['dest_port'] == 5000 and event['src_port'] == 6000, event


@case('B13')
def test_B13_sctp_socket_has_its_owner(lab):
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132).close()
    except OSError as error:
        raise Skip('the kernel has no SCTP sockets') from error
    app = lab.app()
    daemon = lab.daemon()
    app.run(f'''
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132)
s.setblocking(False)
s.connect_ex(({PEER4!r}, 5000))''')
    event = daemon.wait_event(proto=132)
    assert event['dest_port'] == 5000, event
    assert event['verdict']['action'] == 'deny', event
    assert not lab.at_peer(proto=132)


@case('B14')
def test_B14_protocols_by_number(lab):
    app = lab.app()
    daemon = lab.daemon()
    some = "b'\\0' * 24"
    for proto in (47, 50, 253):
        event = check_protocol(lab, daemon, app, proto, some,
                               {'protocol': [proto]})
        assert 'dest_port' not in event, event


@case('B14')
def test_B14_protocols_with_ports(lab):
    app = lab.app()
    daemon = lab.daemon()
    lite = f'udp_packet({FW4!r}, 6000, {PEER4!r}, 5000, proto=136, length=0)'
    dccp = "struct.pack('!HH', 6000, 5000) + b'\\x04' + b'\\0' * 19"
    for proto, payload in ((136, lite), (33, dccp)):
        event = check_protocol(lab, daemon, app, proto, payload,
                               {'protocol': [proto], 'port': [5000]})
        assert event['dest_port'] == 5000, event


@case('B14')
def test_B14_forged_igmp_is_judged(lab):
    """The kernel's own IGMP is essential, a program's is not."""
    app = lab.app()
    daemon = lab.daemon(rules=rule_text('all', 'deny', 'any'))
    app.run(raw_send(2, "b'\\x16\\0\\0\\0' + socket.inet_aton('239.1.1.1')",
                     PEER4))
    daemon.wait_event(proto=2, action='deny')
    assert not lab.at_peer(proto=2, dst=PEER4)


@case('B14')
def test_B14_udp_lite_socket_has_its_owner(lab):
    try:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 136).close()
    except OSError as error:
        raise Skip('the kernel has no UDP-Lite sockets') from error
    app = lab.app()
    daemon = lab.daemon(rules=rule_text('lite', 'allow', app.path,
                                        protocol=['udplite'], port=[5000]))
    app.run(f'''
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 136)
s.sendto(b'x', ({PEER4!r}, 5000))
s.sendto(b'x', ({PEER4!r}, 5001))''')
    for port, action in ((5000, 'allow'), (5001, 'deny')):
        event = daemon.wait_event(proto=136, dport=port)
        assert event['app']['pid'] == app.pid, event
        assert event['verdict']['action'] == action, event
    lab.wait_at_peer(proto=136, dport=5000)
    assert not lab.at_peer(proto=136, dport=5001)


@case('B15')
def test_B15_large_datagram_on_loopback_is_one_entry(lab):
    app, receiver = lab.app(), lab.app('receiver')
    daemon = lab.daemon(config={'builtin_loopback_rule': False},
                        rules=rule_text('lo', 'allow', app.path, port=[5000],
                                        protocol=['udp']))
    for port in (5000, 5001):
        receiver.run(f'''
r{port} = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
r{port}.bind(('127.0.0.1', {port}))
r{port}.settimeout(5)''')
    before = lab.queue_total()
    app.udp('127.0.0.1', 5001, data='y' * 60000)
    event = daemon.wait_event(dport=5001)
    assert event['verdict']['action'] == 'deny', event
    app.udp('127.0.0.1', 5000, data='z' * 60000)
    assert receiver.run('result = len(r5000.recv(65536))') == 60000
    assert lab.queue_total() - before == 2
    assert receiver.run('''
r5001.setblocking(False)
try:
    result = len(r5001.recv(65536))
except BlockingIOError:
    result = 'nothing'
''') == 'nothing'


@case('B15')
def test_B15_large_datagram_over_the_link(lab):
    app = lab.app()
    lab.daemon(rules=rule_text('app', 'allow', app.path))
    lab.servers.udp(5000, [PEER4, PEER6])
    before = lab.queue_total()
    for address in (PEER4, PEER6):
        app.udp(address, 5000, data='z' * 60000)
    data = lab.servers.wait_datagrams(5000, 2)
    assert [len(datagram) for datagram in data] == [60000, 60000]
    assert lab.queue_total() - before == 2


@case('B16')
def test_B16_ip_options_do_not_hide_ports(lab):
    app = lab.app()
    daemon = lab.daemon(rules=rule_text('app', 'allow', app.path, port=[5000],
                                        protocol=['udp', 'tcp']))
    lab.servers.udp(5000, [PEER4])
    lab.servers.tcp(5000, [PEER4])
    app.run(f'''
for port in (5000, 5001):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, b'\\x01' * 40)
    s.sendto(b'x', ({PEER4!r}, port))
    t = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    t.setsockopt(socket.IPPROTO_IP, socket.IP_OPTIONS, b'\\x01' * 4)
    t.setblocking(False)
    t.connect_ex(({PEER4!r}, port))
    kept += [s, t]''')
    check_ports(lab, daemon, app)


@case('B16')
def test_B16_ipv6_headers_do_not_hide_ports(lab):
    app = lab.app()
    daemon = lab.daemon(rules=rule_text('app', 'allow', app.path, port=[5000],
                                        protocol=['udp', 'tcp']))
    lab.servers.udp(5000, [PEER6])
    lab.servers.tcp(5000, [PEER6])
    app.run(f'''
for port in (5000, 5001):
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        s = socket.socket(socket.AF_INET6, kind)
        for option, length in ((59, 0), (54, 1)):  # IPV6_DSTOPTS, HOPOPTS
            s.setsockopt(socket.IPPROTO_IPV6, option,
                         bytes([0, length, 1, 4 + 8 * length]) +
                         bytes(4 + 8 * length))
        s.setblocking(False)
        if kind == socket.SOCK_DGRAM:
            s.sendto(b'x', ({PEER6!r}, port))
        else:
            s.connect_ex(({PEER6!r}, port))
        kept.append(s)''')
    check_ports(lab, daemon, app)


def check_ports(lab, daemon, app):
    for proto in (6, 17):
        for port, action in ((5000, 'allow'), (5001, 'deny')):
            event = daemon.wait_event(proto=proto, dport=port)
            assert event['verdict']['action'] == action, event
            assert event['app']['pid'] == app.pid, event
        lab.wait_at_peer(proto=proto, dport=5000)
        assert not lab.at_peer(proto=proto, dport=5001)


def fragments(port, nodefrag):
    """A datagram of two fragments, made by a raw socket with its own header.
    """
    return SOURCE + f'''
r = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
if {nodefrag}:
    r.setsockopt(socket.IPPROTO_IP, 22, 1)  # IP_NODEFRAG
whole = udp_packet({FW4!r}, 6000, {PEER4!r}, {port}, b'f' * 16)
first = ipv4({FW4!r}, {PEER4!r}, 17, whole[:16], ident={port}, fragment=0x2000)
last = ipv4({FW4!r}, {PEER4!r}, 17, whole[16:], ident={port}, fragment=2)
r.sendto(first, ({PEER4!r}, 0))
r.sendto(last, ({PEER4!r}, 0))'''


@case('B17')
def test_B17_fragments_are_judged_whole(lab):
    app = lab.app()
    daemon = lab.daemon(rules=rule_text('app', 'allow', 'any', port=[5000],
                                        protocol=['udp']))
    lab.servers.udp(5000, [PEER4])
    before = lab.queue_total()
    app.run(fragments(5000, False))
    assert lab.servers.wait_datagrams(5000, 1) == [b'f' * 16]
    assert lab.queue_total() - before == 1
    app.run(fragments(5001, False))
    event = daemon.wait_event(dport=5001)
    assert event['verdict']['action'] == 'deny', event
    assert not lab.at_peer(proto=17, dport=5001)


@case('B17')
def test_B17_untracked_fragments(lab):
    """Not put together by conntrack: the first is judged by its ports, the
    rest, of which nothing is known, never leave."""
    app = lab.app()
    daemon = lab.daemon(default='allow', config={'unattributed': 'allow'},
                        rules=rule_text('no', 'deny', 'any', port=[5001],
                                        protocol=['udp']))
    app.run(fragments(5001, True))
    daemon.wait_event(dport=5001, action='deny')
    daemon.settle()
    assert not lab.at_peer(proto=17)
    app.run(fragments(5000, True))
    daemon.wait_event(dport=5000, action='allow')
    daemon.settle()
    assert [p.fragment[1] for p in lab.at_peer(proto=17)] == [0]


@case('B18')
def test_B18_malformed_packets_are_denied_and_counted(lab):
    app = lab.app()
    daemon = lab.daemon(default='allow', config={'unattributed': 'allow'})
    lab.servers.udp(4000, [PEER4])
    app.udp(PEER4, 4000, data='before')
    sent = app.run(SOURCE + f'''
r = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
r6 = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_RAW)
result = 0
for sock, dst, packets in (
        (r, {PEER4!r}, malformed({FW4!r}, {PEER4!r}, 300, seed=18)),
        (r6, {PEER6!r}, malformed6({FW6!r}, {PEER6!r}, 300, seed=18))):
    for packet in packets:
        try:
            sock.sendto(packet, (dst, 0))
            result += 1
        except OSError:
            pass  # the kernel itself refused it''')
    assert sent > 400, sent
    daemon.settle()
    app.udp(PEER4, 4000, data='after')
    lab.servers.wait_datagrams(4000, 2)
    kernel.wait_until(lambda: daemon.get('/v1/stats')['malformed'] > 300,
                      'the count of malformed packets')
    events = kernel.wait_until(lambda: [
        e for e in daemon.events() if e['verdict']['reason'] == 'malformed'],
        'an event')
    assert all(e['verdict']['action'] == 'deny' for e in events)
    others = [p for p in lab.at_peer()
              if p.dport != 4000 and not is_essential(p)]
    assert not others, others


@case('B23')
def test_B23_kernel_answers_pass_in_lockdown(lab):
    lab.daemon(mode='lockdown', default='deny')
    run('ip', 'neigh', 'flush', 'dev', 'v0')
    run('ip', '-6', 'neigh', 'flush', 'dev', 'v0')
    with lab.peer:
        run('ip', '-6', 'neigh', 'flush', 'dev', 'p0')
        # RST from a closed port, both families, over fresh NDP.
        for family, address in ((socket.AF_INET, FW4), (socket.AF_INET6, FW6)):
            sock = socket.socket(family, socket.SOCK_STREAM)
            sock.settimeout(5)
            try:
                sock.connect((address, 5000))
                raise AssertionError('nobody listens there')
            except ConnectionRefusedError:
                sock.close()
            # ICMP port unreachable.
            sock = socket.socket(family, socket.SOCK_DGRAM)
            sock.connect((address, 5000))
            sock.settimeout(5)
            sock.send(b'x')
            try:
                sock.recv(1)
                raise AssertionError('nobody answers there')
            except ConnectionRefusedError:
                sock.close()
    assert lab.at_peer(proto=6) and all(
        p.tcp_flags & TCP_RST for p in lab.at_peer(proto=6))


@case('B23')
def test_B23_ndp_mld_igmp_and_dhcp_pass_in_lockdown(lab):
    app = lab.app()
    daemon = lab.daemon(mode='lockdown', default='deny')
    app.run(f'''
m = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
m.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
             socket.inet_aton('239.1.2.3') + socket.inet_aton({FW4!r}))
n = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
n.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP,
             socket.inet_pton(socket.AF_INET6, 'ff02::1:3') +
             socket.if_nametoindex('v0').to_bytes(4, 'little'))
d = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
d.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
d.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b'v0')
d.bind(('', 68))
d.sendto(b'discover', ('255.255.255.255', 67))
e = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
e.bind(('', 546))
e.sendto(b'solicit', ('ff02::1:2', 547, 0, socket.if_nametoindex('v0')))''')
    lab.wait_at_peer(proto=2)                     # IGMP report
    lab.wait_at_peer(proto=58, icmp_type=143)     # MLD report
    lab.wait_at_peer(proto=17, dport=67)
    lab.wait_at_peer(proto=17, dport=547)
    assert not daemon.events(), 'essential traffic makes no events'


@case('B23')
def test_B23_forged_rst_and_icmp_error_are_judged(lab):
    """The same packets from a program's raw socket are a way to talk."""
    app = lab.app()
    daemon = lab.daemon(default='deny')
    app.run(raw_send('socket.IPPROTO_TCP',
                     f'tcp_packet({FW4!r}, 6000, {PEER4!r}, 5000, 4, '
                     "payload=b'covert')", PEER4))
    daemon.wait_event(proto=6, dport=5000, action='deny')
    for kind in (3, 11):
        app.run(raw_send('socket.IPPROTO_ICMP',
                         f"icmp_packet({kind}, payload=b'covert' * 10)", PEER4))
    daemon.wait_event(proto=1, action='deny', count=2)
    app.run(raw_send('socket.IPPROTO_ICMPV6',
                     "bytes([1, 0, 0, 0]) + b'covert' * 10", PEER6))
    daemon.wait_event(proto=58, action='deny')
    assert not lab.at_peer(proto=6) and not lab.at_peer(proto=1)
    assert not lab.at_peer(proto=58, icmp_type=1)


@case('B29')
def test_B29_ipv6_enabled_later(lab):
    for which in ('all', 'default', 'v0'):
        kernel.sysctl(f'net.ipv6.conf.{which}.disable_ipv6', 1)
    app, other = lab.app(), lab.app('other')
    daemon = lab.daemon(rules=rule_text('app', 'allow', app.path))
    assert app.tcp(PEER6, 5000, timeout=0.2)['errno']
    for which in ('all', 'default', 'v0'):
        kernel.sysctl(f'net.ipv6.conf.{which}.disable_ipv6', 0)
    run('ip', 'addr', 'add', f'{FW6}/64', 'dev', 'v0', 'nodad')
    lab.servers.tcp(5000, [PEER6])
    assert app.tcp(PEER6, 5000, timeout=5)['errno'] == 0
    assert other.tcp(PEER6, 5000, timeout=0.3)['name'] == 'ETIMEDOUT'
    daemon.wait_event(dst=PEER6, app=other.path, action='deny')
    assert lab.servers.accepted[5000] == 1
