"""Packets that have no tuple to look up, names made to deceive, machines full
of processes, and the daemon itself (CASES A31, A32, A38, A39, A42)."""

import json
import os
import time

import kernel
from cases import alone, case
from daemon import rule_text
from lab import FW4, PEER4, PEER6
from packets import SOURCE


@case('A31')
def test_A31_ping_socket_has_its_owner(lab):
    app, other = lab.app('ping'), lab.app('other')
    daemon = lab.daemon(rules=rule_text(
        'ping', 'allow', app.path, protocol=['icmp', 'icmpv6']))
    for address, proto in ((PEER4, 1), (PEER6, 58)):
        assert app.ping(address)['errno'] == 0
        event = daemon.wait_event(dst=address, app=app.path)
        assert event['app']['pid'] == app.pid, event
        assert event['app']['confidence'] == 'exact', event
        assert event['icmp_type'] == (8 if proto == 1 else 128), event
        assert other.ping(address, timeout=0.2)['name'] == 'EAGAIN'
        event = daemon.wait_event(dst=address, app=other.path)
        assert event['verdict']['action'] == 'deny', event
        assert len(lab.at_peer(dst=address, proto=proto)) == len(
            [p for p in lab.at_peer(dst=address, proto=proto)
             if p.icmp_type not in (8, 128)]) + 1


RAW_253 = f'''
r = socket.socket(socket.AF_INET, socket.SOCK_RAW, 253)
r.sendto(b'experiment', ({PEER4!r}, 0))'''


@case('A32')
def test_A32_one_raw_socket_is_its_owner(lab):
    app = lab.app()
    daemon = lab.daemon(rules=rule_text('raw', 'allow', app.path,
                                        protocol=[253]))
    app.run(RAW_253)
    event = daemon.wait_event(proto=253)
    assert event['app']['path'] == app.path, event
    assert event['verdict']['rule'] == 'raw', event
    lab.wait_at_peer(proto=253)


@case('A32')
def test_A32_several_raw_sockets_are_all_judged(lab):
    """Which of them sent it cannot be known: the allowed one's rule is not
    enough."""
    app, other = lab.app('app'), lab.app('other')
    daemon = lab.daemon(rules=rule_text('raw', 'allow', app.path))
    app.run('r = socket.socket(socket.AF_INET, socket.SOCK_RAW, 253)')
    other.run(RAW_253)
    event = daemon.wait_event(proto=253)
    assert event['app']['confidence'] in ('ambiguous', 'none'), event
    assert event['verdict']['action'] == 'deny', event
    assert not lab.at_peer(proto=253)


@case('A32')
def test_A32_forged_syn_is_not_the_listeners(lab):
    """A raw socket sends a SYN from the port on which an allowed program
    listens: looking it up by port would give that program's rights away."""
    listener, forger = lab.app('listener'), lab.app('forger')
    daemon = lab.daemon(rules=rule_text('l', 'allow', listener.path))
    listener.run('l = socket.create_server(("0.0.0.0", 8080))')
    forger.run(SOURCE + f'''
r = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
r.sendto(tcp_packet({FW4!r}, 8080, {PEER4!r}, 5000, 2), ({PEER4!r}, 0))''')
    event = daemon.wait_event(dport=5000)
    assert event['verdict']['action'] == 'deny', event
    assert event['app'].get('path') != listener.path, event
    assert not lab.at_peer(dport=5000)


@case('A32', pinned='a raw socket can speak with the port of a bound UDP '
      'socket (needs CAP_NET_RAW; see LIMITATIONS.md)')
def test_A32_forged_datagram_from_a_bound_port(lab):
    """The same with UDP, where the bound socket may have sent it: it is blamed
    for it, and what it may do, the forger can."""
    bound, forger = lab.app('bound'), lab.app('forger')
    daemon = lab.daemon(rules=rule_text('b', 'allow', bound.path))
    bound.run('b = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n'
              'b.bind(("0.0.0.0", 8080))')
    forger.run(SOURCE + f'''
r = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
r.sendto(udp_packet({FW4!r}, 8080, {PEER4!r}, 5000), ({PEER4!r}, 0))''')
    event = daemon.wait_event(dport=5000)
    assert event['app']['path'] == bound.path, event
    assert event['verdict']['action'] == 'allow', event
    forger.run(SOURCE + f'''
r.sendto(udp_packet({FW4!r}, 8081, {PEER4!r}, 5001), ({PEER4!r}, 0))''')
    event = daemon.wait_event(dport=5001)  # a port that nobody is bound to
    assert event['verdict']['action'] == 'deny', event
    assert not lab.at_peer(dport=5001)


HOSTILE = [b'new\nline', b'esc\x1b[31mred', 'bidi\u202etxt.exe'.encode(),
           b'not-utf8-\xff\xfe', b'quote"and\\backslash', b' lead and trail ',
           b'x' * 250]


@case('A38')
def test_A38_hostile_names_are_shown_escaped(lab):
    daemon = lab.daemon(default='reject')
    for index, name in enumerate(HOSTILE):
        app = lab.app(path=os.fsdecode(f'{lab.dir}/bin/'.encode() + name))
        app.udp(PEER4, 5000 + index)
        event = daemon.wait_event(dport=5000 + index)
        shown = event['app']['path']
        for bad in ('\n', '\x1b', '\u202e', '\udcff', '\ufffd'):
            assert bad not in shown, repr(shown)
        assert event['app']['pid'] == app.pid, event
    assert len({e['app']['path'] for e in daemon.events()}) == len(HOSTILE)
    _check_cli_text(daemon)


def _check_cli_text(daemon):
    kernel.wait_until(
        lambda: len(json.loads(daemon.cli('violations', '--json').stdout)
                    ['violations']) == len(HOSTILE), 'the history')
    text = daemon.cli('violations').stdout
    assert '\x1b' not in text and '\u202e' not in text, repr(text)
    assert 'new\nline' not in text, repr(text)
    raw = daemon.api('GET', '/v1/violations', raw=True)[1]
    raw.decode('utf-8')


def pattern_of(path):
    """The `app` of a rule that means this path: no wildcard in it, bytes that
    are no text as \\xNN."""
    out = ''
    for char in os.fsencode(path).decode('utf-8', 'surrogateescape'):
        if 0xdc80 <= ord(char) <= 0xdcff:
            out += f'\\x{ord(char) - 0xdc00:02x}'
        elif char in '\\*?[]':
            out += '\\' + char
        else:
            out += char
    return out


@case('A38')
def test_A38_rules_for_hostile_names_round_trip(lab):
    """By API, by file, through a restart: the same bytes, the same program,
    and no other."""
    names = [b'tab\tquote"back\\slash\xe2\x80\xae\xc3\xa4', b'new\nline',
             b'not-utf8-\xff\xfe', b'star*[a-z]?', b' blanks ']
    apps = [lab.app(path=os.fsdecode(f'{lab.dir}/bin/'.encode() + name))
            for name in names]
    other = lab.app(path=f'{lab.dir}/bin/starrrc!')  # what star*... would match
    daemon = lab.daemon()
    for number, app in enumerate(apps):
        daemon.add_rule(f'r{number}', 'allow', pattern_of(app.path),
                        description='a\nb"\\')
    shown = [daemon.get(f'/v1/rules/r{number}')
             for number in range(len(apps))]
    check_hostile_rules(daemon, apps, other, 5000)
    lab.exempt_if(lambda p: p.dport < 6000)  # the first daemon's events go
    daemon.process.terminate()
    daemon.process.wait()
    daemon.kill()
    daemon.restart()
    assert [daemon.get(f'/v1/rules/r{number}')
            for number in range(len(apps))] == shown
    check_hostile_rules(daemon, apps, other, 6000)


def check_hostile_rules(daemon, apps, other, port):
    for number, app in enumerate(apps):
        app.udp(PEER4, port + number)
        event = daemon.wait_event(dport=port + number)
        assert event['verdict'].get('rule') == f'r{number}', event
    other.udp(PEER4, port + 100)
    assert daemon.wait_event(
        dport=port + 100)['verdict']['action'] == 'deny'


@case('A38')
def test_A38_path_of_four_kilobytes(lab):
    directory = f'{lab.dir}/bin'
    while len(directory) < 3700:
        directory += '/' + 'd' * 250
        os.mkdir(directory)
    app = lab.app(path=f'{directory}/app')
    daemon = lab.daemon(rules=rule_text('long', 'allow', app.path))
    lab.servers.udp(5000, [PEER4])
    app.udp(PEER4, 5000)
    assert daemon.wait_event(dport=5000)['app']['path'] == app.path
    lab.servers.wait_datagrams(5000, 1)


@alone
@case('A39')
def test_A39_thousands_of_processes(lab):
    """A lookup that must scan ends by its deadline, and meanwhile a program
    that is known gets its answers at once."""
    daemon = lab.daemon(
        default='allow',
        config={'unattributed': 'deny', 'resolve_deadline_ms': 300})
    lab.servers.udp(5000, [PEER4], echo=True)
    crowd = lab.spawn(lab.sender('crowd'), '4000', stdin=-1, stdout=-1)
    assert crowd.stdout.readline() == b'ready\n'
    warm, cold = lab.app('warm'), lab.app('cold')
    for _ in range(20):
        assert warm.udp(PEER4, 5000, timeout=5)['errno'] == 0
    daemon.freeze()
    cold.run(f'''
for port in range(6000, 6010):
    if os.fork() == 0:
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(
            b'x', ({PEER4!r}, port))
        os._exit(0)
    os.wait()''')
    begin = time.monotonic()
    daemon.thaw()
    times = [warm.udp(PEER4, 5000, timeout=5)['ms'] for _ in range(20)]
    for port in range(6000, 6010):
        event = daemon.wait_event(dport=port, seconds=20)
        assert event['app']['confidence'] == 'none', event
        assert event['verdict']['action'] == 'deny', event
        # Ten scans, two lanes, a deadline of 300 ms each.
        assert event['verdict']['latency_us'] < 5e6 * kernel.SCALE, event
    assert sorted(times)[10] < 100 * kernel.SCALE, times
    assert time.monotonic() - begin < 10 * kernel.SCALE
    # A new program is found among the thousands: it is among the newest.
    fresh = lab.app('fresh')
    fresh.udp(PEER4, 7000)
    event = daemon.wait_event(dport=7000)
    assert event['app']['pid'] == fresh.pid, event


@case('A42')
def test_A42_daemon_judges_nothing_of_its_own(lab):
    """Lockdown denies everybody. The daemon lives, its canary comes back, it
    sends nothing to the network, and it never turns itself away."""
    daemon = lab.daemon(mode='lockdown', default='deny', watchdog_s=1)
    before = daemon.status()['canary']
    assert before['seen'], before
    kernel.wait_until(lambda: any(
        'WATCHDOG=1' in text for text in daemon.read_notifications()),
        'the watchdog to be fed', 5)
    assert daemon.status()['enforcing']
    own = [event for event in daemon.events()
           if event.get('app', {}).get('pid') == daemon.pid]
    assert not own and not daemon.events(), daemon.events()
    assert not [p for p in lab.at_peer() if p.proto in (6, 17, 1)]


@case('A42')
def test_A42_own_packets_do_not_wait_behind_a_full_queue(lab):
    """The queue is full of others' packets while the daemon is stopped. When
    it goes on it is not in its own way: it drains and is healthy."""
    app = lab.app()
    daemon = lab.daemon(watchdog_s=2)
    daemon.freeze()
    app.run(f'flood({PEER4!r}, 10000, 5000)')
    assert lab.waiting() >= 4000
    daemon.thaw()
    daemon.settle()
    daemon.notified.clear()
    kernel.wait_until(lambda: any(
        'WATCHDOG=1' in text for text in daemon.read_notifications()),
        'the watchdog to be fed again', 10)
    assert daemon.status()['canary']['seen']
    assert not lab.at_peer(proto=17)
