"""From verdict to wire: what is queued, how often, what it costs flows that
live long (CASES B04 to B09, B19, B21, B27)."""

import errno
import time

import kernel
import netlink
from capture import TCP_SYN, nft
from cases import case
from daemon import rule_text
from lab import FW4, PEER4, PEER6, run
from packets import SOURCE


def foreign_chain(name, hook, priority, rules):
    """Somebody else's table in fw."""
    nft(f'''table inet {name} {{
      chain c {{
        type filter hook {hook} priority {priority}; policy accept;
        {rules}
      }}
    }}''')


def flush_held(name='passing'):
    """Removing any base chain makes the kernel drop all held packets (F08)."""
    foreign_chain(name, 'forward', 0, '')
    nft(f'delete table inet {name}')


def xmas(dst, port):
    return SOURCE + f'''
r = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
r.sendto(tcp_packet({FW4!r}, 6000, {dst!r}, {port}, 0x29), ({dst!r}, 0))'''


@case('B04')
def test_B04_untracked_packets_are_judged(lab):
    foreign_chain('untracked', 'output', -300, 'udp dport 5000-5001 notrack')
    app = lab.app()
    daemon = lab.daemon(rules=rule_text('one', 'allow', app.path, port=[5001],
                                        protocol=['udp']))
    lab.servers.udp(5001, [PEER4, PEER6])
    for address in (PEER4, PEER6):
        app.udp(address, 5000, count=3)
        app.udp(address, 5001, count=3)
        daemon.wait_event(dst=address, dport=5000, action='deny', count=3)
        daemon.wait_event(dst=address, dport=5001, action='allow', count=3)
    lab.servers.wait_datagrams(5001, 6)
    assert not lab.at_peer(dport=5000)


@case('B04')
def test_B04_invalid_packets_are_judged(lab):
    """FIN+PSH+URG out of nowhere: conntrack says invalid."""
    app, other = lab.app(), lab.app('other')
    daemon = lab.daemon(rules=rule_text('scan', 'allow', app.path,
                                        to=[PEER4]))
    other.run(xmas(PEER4, 5000))
    daemon.wait_event(dport=5000, action='deny')
    assert not lab.at_peer(dport=5000)
    other.close()
    app.run(xmas(PEER4, 5001))
    daemon.wait_event(dport=5001, action='allow')
    lab.wait_at_peer(dport=5001)


@case('B05')
def test_B05_long_lived_connections_are_cut(lab):
    app, other = lab.app(), lab.app('other')
    daemon = lab.daemon(rules=rule_text('other', 'allow', other.path))
    daemon.add_rule('app', 'allow', app.path)
    for port in (5000, 5001):
        lab.servers.tcp(port, [PEER4, PEER6])
    lab.servers.udp(5002, [PEER4], echo=True)
    code = '''
def connect(dst, port):
    s = socket.create_connection((dst, port), 5)
    s.sendall(b'hello')
    assert s.recv(5) == b'hello'
    kept.append(s)
    return s
def fate(s):
    """None if it still echoes, else the errno (0: closed)."""
    try:
        s.send(b'alive')
        return None if s.recv(5) else 0
    except OSError as error:
        return error.errno
'''
    for who, port in ((app, 5000), (other, 5001)):
        who.run(code + f'a, b = connect({PEER4!r}, {port}), '
                f'connect({PEER6!r}, {port})')
    app.run(f'''
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.connect(({PEER4!r}, 5002))
u.send(b'one')
u.settimeout(5)
u.recv(9)''')
    status, _ = daemon.api('PATCH', '/v1/rules/app', {'policy': 'deny'})
    assert status == 200
    # The peer of a connection that is cut is told (RST) without asking.
    kernel.wait_until(lambda: lab.servers.closed[5000] == 2,
                      'the server to see both ends')
    for name in 'ab':
        assert app.run(f'result = fate({name})') in (
            errno.ECONNABORTED, errno.ECONNRESET, errno.EPIPE, 0)
        assert other.run(f'result = fate({name})') is None
    # The UDP socket lost its peer; it may send on, and is judged anew.
    told = app.run(f'''
result = []
for send in (lambda: u.send(b'two'),) * 2 + (
        lambda: u.sendto(b'three', ({PEER4!r}, 5002)),):
    try:
        send()
    except OSError as error:
        result.append(error.errno)''')
    assert set(told) <= {errno.EDESTADDRREQ, errno.ECONNABORTED} and told, told
    daemon.wait_event(dport=5002, action='deny')
    daemon.settle()
    assert lab.servers.datagrams[5002] == [b'one']


@case('B05')
def test_B05_udp_flow_on_the_same_socket_is_cut(lab):
    """An unconnected socket keeps its port: without the conntrack entry gone,
    its next datagram would pass unjudged."""
    app = lab.app()
    daemon = lab.daemon()
    daemon.add_rule('app', 'allow', app.path)
    lab.servers.udp(5002, [PEER4], echo=True)
    app.run(f'''
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.settimeout(5)
u.sendto(b'one', ({PEER4!r}, 5002))
u.recv(9)''')
    daemon.remove_rule('app')
    send = f"u.sendto(b'two', ({PEER4!r}, 5002))"

    def is_denied():
        app.run(f'''
try:
    {send}
except ConnectionAbortedError:
    pass  # how it learns that it was cut''')
        return daemon.events(dport=5002, action='deny')
    kernel.wait_until(is_denied, 'a denied datagram')
    before = len(lab.servers.datagrams[5002])
    app.run(f'for _ in range(10): {send}')
    daemon.wait_event(dport=5002, action='deny', count=11)
    assert len(lab.servers.datagrams[5002]) == before


@case('B06')
def test_B06_flushed_conntrack_changes_no_verdict(lab):
    app = lab.app()
    daemon = lab.daemon(rules=rule_text('app', 'allow', app.path))
    lab.servers.tcp(5000, [PEER4, PEER6])
    lab.servers.udp(5001, [PEER4])
    app.run(f'''
c = [socket.create_connection((dst, 5000), 5)
     for dst in ({PEER4!r}, {PEER6!r})]
u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
u.sendto(b'x', ({PEER4!r}, 5001))''')
    lab.servers.wait_datagrams(5001, 1)
    for round_number in range(3):
        before = lab.queue_total()
        netlink.flush_conntrack()
        app.run(f'''
for s in c:
    s.settimeout(5)
    s.sendall(b'again')
    assert s.recv(5) == b'again'
u.sendto(b'x', ({PEER4!r}, 5001))''')
        lab.servers.wait_datagrams(5001, 2 + round_number)
        assert lab.queue_total() - before == 3
    assert not daemon.events(action='deny')
    assert daemon.get('/v1/violations?since=1h')['violations'] == []


@case('B07')
def test_B07_udp_beyond_its_timeout_keeps_its_verdict(lab):
    kernel.sysctl('net.netfilter.nf_conntrack_udp_timeout', 1)
    app, other = lab.app(), lab.app('other')
    daemon = lab.daemon(rules=rule_text('app', 'allow', app.path))
    lab.servers.udp(5000, [PEER4])
    for who in (app, other):
        who.run('u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)')
    before = lab.queue_total()
    for round_number in range(3):
        # Unanswered, five each time: one trip for the allowed, each judged for
        # the denied.
        for who in (app, other):
            who.run(f"u.sendto(b'x', ({PEER4!r}, 5000))")
        lab.servers.wait_datagrams(5000, 5 * round_number + 1)
        for who in (app, other):
            who.run(f"for i in range(4): u.sendto(b'x', ({PEER4!r}, 5000))")
        lab.servers.wait_datagrams(5000, 5 * (round_number + 1))
        daemon.wait_event(app=app.path, count=round_number + 1)
        daemon.wait_event(app=other.path, count=5 * (round_number + 1))
        time.sleep(1.2)  # the conntrack timeout set above is the matter
    assert lab.queue_total() - before == 3 * (1 + 5)
    assert len(daemon.events(app=app.path, action='allow')) == 3
    assert len(daemon.events(app=other.path, action='deny')) == 15
    assert len(lab.servers.datagrams[5000]) == 15


@case('B09')
def test_B09_denied_syn_and_its_retries(lab):
    app = lab.app()
    daemon = lab.daemon(rules=rule_text('app', 'deny', app.path))
    # So long on every machine: the kernel's clock decides.
    answer = app.tcp(PEER4, 5000, timeout=3.5 / kernel.SCALE)
    assert answer['name'] == 'ETIMEDOUT', answer
    events = daemon.events(dport=5000)
    # Retries after 1 and 3 s (newer kernels: 1, 2, 3): each judged alike.
    assert 1 <= len(events) <= 5, events
    assert all(e['verdict']['rule'] == 'app' and e['app']['pid'] == app.pid
               for e in events), events
    assert not lab.at_peer(dport=5000)


@case('B09')
def test_B09_reject_fails_fast(lab):
    app = lab.app()
    lab.daemon(rules=rule_text('app', 'reject', app.path))
    for address in (PEER4, PEER6):
        answer = app.tcp(address, 5000)
        assert answer['name'] == 'ECONNREFUSED', answer
        assert answer['ms'] < 200 * kernel.SCALE, answer
        answer = app.udp(address, 5001, connected=True, timeout=1)
        assert answer['name'] in ('EHOSTUNREACH', 'EACCES'), answer
        assert answer['ms'] < 200 * kernel.SCALE, answer
    assert not lab.at_peer(dport=5000) and not lab.at_peer(dport=5001)


@case('B19')
def test_B19_verdict_for_a_vanished_packet(lab):
    app = lab.app()
    daemon = lab.daemon(rules=rule_text('app', 'allow', app.path))
    lab.servers.udp(5000, [PEER4])
    daemon.freeze()
    app.udp(PEER4, 5000, count=50)
    kernel.wait_until(lambda: lab.waiting() == 50, '50 held packets')
    flush_held()
    assert lab.waiting() == 0
    daemon.thaw()
    app.udp(PEER4, 5000, data='later')
    assert lab.servers.wait_datagrams(5000, 1) == [b'later']
    assert daemon.status()['enforcing']


@case('B21')
def test_B21_marks_of_others_are_kept(lab):
    """What leaves fw carries the mark its sender set, bit for bit, and none of
    ours; routing by mark works. The peer reads the marks as DSCP values that
    somebody else's table sets behind ours."""
    foreign_chain('marks', 'postrouting', 0, '''
        meta mark & 0x00f00000 != 0 ip dscp set 1 accept
        meta mark == 0xcafe ip dscp set 10''')
    app = lab.app()
    lab.daemon(rules=rule_text('app', 'allow', app.path))
    lab.servers.udp(5000, [PEER4])
    app.udp(PEER4, 5000, mark=0xcafe, count=3)
    packets = lab.wait_at_peer(dport=5000, count=3)
    assert [p.dscp for p in packets] == [10, 10, 10], packets
    app.udp(PEER4, 5001)
    assert [p.dscp for p in lab.wait_at_peer(dport=5001)] == [0]


@case('B21')
def test_B21_ct_mark_of_others_is_kept(lab):
    foreign_chain('ctmarks', 'output', -150, 'ct mark set ct mark or 0x42')
    foreign_chain('marks', 'postrouting', 0,
                  'ct mark & 0xff0fffff == 0x42 ip dscp set 11')
    app = lab.app()
    for posture in ('closed', 'open'):
        daemon = lab.daemon(rules=rule_text('app', 'allow', app.path),
                            on_failure=posture, name=posture)
        port = 5000 + len(posture)
        app.udp(PEER4, port, count=3)
        packets = lab.wait_at_peer(dport=port, count=3)
        assert [p.dscp for p in packets] == [11, 11, 11], packets
        daemon.wait_event(dport=port)
        daemon.stop()


@case('B21')
def test_B21_policy_routing_by_mark_still_works(lab):
    """wg-quick and friends: packets with a mark take another table. The other
    route here has another source of ours to tell it by."""
    kernel.sysctl('net.ipv4.conf.v0.rp_filter', 0)
    run('ip', '-batch', '-', input='addr add 10.77.0.9/24 dev v0\n'
        'rule add fwmark 0xcafe table 77\n'
        'route add 198.51.100.0/24 via 10.77.0.2 src 10.77.0.9 table 77\n'
        'route add unreachable 198.51.100.0/24\n')
    app = lab.app()
    lab.daemon(rules=rule_text('app', 'allow', app.path))
    assert app.udp('198.51.100.7', 5000)['name'] == 'EHOSTUNREACH'
    assert app.udp('198.51.100.7', 5000, mark=0xcafe, count=2)['errno'] == 0
    packets = lab.wait_at_peer(dport=5000, count=2)
    assert {p.src for p in packets} == {'10.77.0.9'}, packets


@case('B27')
def test_B27_what_the_program_sees(lab):
    """Denied: sending works, then silence, as on a network that loses it.
    Rejected: TCP is refused, others get what 'prohibited' means to them."""
    app, refused = lab.app('silent'), lab.app('refused')
    lab.daemon(rules=rule_text('s', 'deny', app.path) +
               rule_text('r', 'reject', refused.path))
    seen = {}
    for address in (PEER4, PEER6):
        version = 6 if ':' in address else 4
        for who, word in ((app, 'deny'), (refused, 'reject')):
            seen[version, word] = (
                who.tcp(address, 5000, timeout=0.3)['name'],
                who.udp(address, 5000)['name'],
                who.udp(address, 5000, connected=True, timeout=0.3)['name'],
                who.ping(address, timeout=0.3)['name'])
    assert seen == {
        (4, 'deny'): ('ETIMEDOUT', '', 'EAGAIN', 'EAGAIN'),
        (6, 'deny'): ('ETIMEDOUT', '', 'EAGAIN', 'EAGAIN'),
        (4, 'reject'): ('ECONNREFUSED', '', 'EHOSTUNREACH', 'EHOSTUNREACH'),
        (6, 'reject'): ('ECONNREFUSED', '', 'EACCES', 'EACCES'),
    }, seen
    assert not lab.at_peer(tcp_flags=TCP_SYN) and not lab.at_peer(proto=17)
