"""The daemon dies, hangs, is overrun, loses its rules; both fail postures
where they differ (CASES F01 to F08)."""

import ctypes
import os
import socket
import time

import kernel
from capture import nft, ruleset
from cases import alone, case
from daemon import rule_text
from lab import PEER4, PEER6
from test_enforcement import flush_held

# Connects over and over, about a thousand times a second, until `stop`.
LOAD = f'''
stop = False
def load():
    # Closed only when its packet was surely looked at: this is no A01.
    open_sockets = []
    while not stop:
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(({PEER4!r}, 5000))
        open_sockets.append(s)
        time.sleep(0.001)
        if len(open_sockets) > 100:
            open_sockets.pop(0).close()
loader = threading.Thread(target=load, daemon=True)
loader.start()'''

ESTABLISH = f'''
c = [socket.create_connection((dst, 5001), 5)
     for dst in ({PEER4!r}, {PEER6!r})]'''
ALIVE = '''
for s in c:
    s.settimeout(5)
    s.sendall(b'alive')
    assert s.recv(5) == b'alive'
result = 'alive' '''

FLOOD = f's = flood({PEER4!r}, 10000, 6000)'
FLOODED = 6000
QUEUE_LENGTH = 4096  # DESIGN, Limits
NETLINK_NETFILTER = 12  # linux/netlink.h


def kill_under_load(lab, posture):
    """Returns daemon, app and the time of death."""
    app = lab.app()
    daemon = lab.daemon(rules=rule_text('app', 'allow', app.path),
                        on_failure=posture, default='deny')
    lab.servers.tcp(5000, [PEER4])
    lab.servers.tcp(5001, [PEER4, PEER6])
    app.run(ESTABLISH)
    app.run(LOAD)
    kernel.wait_until(lambda: lab.servers.accepted[5000] > 200, 'load')
    daemon.kill()
    died = time.time()
    # Events of the last moments went with the daemon.
    lab.exempt_if(lambda packet: packet.time <= died)
    return daemon, app, died


@alone
@case('F01')
def test_F01_kill_under_load_closed(lab):
    daemon, app, died = kill_under_load(lab, 'closed')
    app.run('time.sleep(0.2)')  # some two hundred attempts more
    assert app.run(ALIVE) == 'alive'
    new = lab.app('new')
    assert new.tcp(PEER4, 5000, timeout=0.3)['name'] == 'ETIMEDOUT'
    # Flows allowed before may end; of any other flow no packet at all passes.
    load = lab.at_peer(dport=5000)
    allowed = {p.sport for p in load if p.time <= died}
    assert not [p for p in load if p.time > died and p.sport not in allowed]
    begin = time.monotonic()
    daemon.restart()
    assert time.monotonic() - begin < 2 * kernel.SCALE
    assert app.run(ALIVE) == 'alive'
    before = lab.servers.accepted[5000]
    kernel.wait_until(lambda: lab.servers.accepted[5000] > before,
                      'new connections after the restart')
    app.run('stop = True; loader.join()')


@alone
@case('F01')
def test_F01_kill_under_load_open(lab):
    daemon, app, died = kill_under_load(lab, 'open')
    lab.exempt_if(lambda packet: packet.time > died)
    assert app.run(ALIVE) == 'alive'
    new = lab.app('new')
    assert new.tcp(PEER4, 5001, timeout=3)['errno'] == 0
    kernel.wait_until(
        lambda: [p for p in lab.at_peer(dport=5000) if p.time > died],
        'unjudged connections')
    app.run('stop = True; loader.join()')
    daemon.restart()
    assert app.run(ALIVE) == 'alive'
    # What passed while nobody judged is not taken for allowed: it was denied
    # to `new`, and still is.
    assert new.tcp(PEER4, 5001, timeout=0.3)['name'] == 'ETIMEDOUT'


@case('F01')
def test_F01_held_packets_die_with_the_daemon(lab):
    app = lab.app()
    daemon = lab.daemon(rules=rule_text('app', 'allow', app.path))
    daemon.freeze()
    app.udp(PEER4, 5000, count=10)
    kernel.wait_until(lambda: lab.waiting() == 10, 'held packets')
    daemon.kill()
    assert not kernel.queues()
    app.udp(PEER4, 5000, count=10)
    assert not lab.at_peer(dport=5000)
    assert daemon.cli('off').returncode == 0
    assert ruleset() == lab.ruleset_before
    lab.exempt(dport=5001)
    lab.servers.udp(5001, [PEER4])
    app.udp(PEER4, 5001)
    lab.servers.wait_datagrams(5001, 1)
    assert not lab.at_peer(dport=5000)


@case('F02')
def test_F02_hang_closed(lab):
    """Nothing passes: what the queue can't hold is dropped."""
    app, allowed = lab.app(), lab.app('allowed')
    daemon = lab.daemon(rules=rule_text('a', 'allow', allowed.path),
                        watchdog_s=1)
    lab.servers.tcp(5001, [PEER4, PEER6])
    allowed.run(ESTABLISH)
    daemon.freeze()
    app.run(FLOOD)
    state = kernel.queues()[4180]
    assert state.waiting == QUEUE_LENGTH, vars(state)
    assert state.dropped == FLOODED - QUEUE_LENGTH, vars(state)
    assert allowed.run(ALIVE) == 'alive'
    assert allowed.tcp(PEER4, 5001, timeout=0.3)['name'] == 'ETIMEDOUT'
    assert not lab.at_peer(proto=17)
    daemon.read_notifications()
    daemon.notified.clear()
    daemon.wait_idle(1.5)  # longer than the watchdog's patience
    assert not daemon.notified, 'a hung daemon must not feed the watchdog'
    daemon.thaw()
    daemon.settle()
    assert allowed.tcp(PEER4, 5001, timeout=5)['errno'] == 0
    assert not lab.at_peer(proto=17)


@case('F02')
def test_F02_hang_open(lab):
    """What the queue can't hold passes; what it holds waits for its judge."""
    app, allowed = lab.app(), lab.app('allowed')
    daemon = lab.daemon(rules=rule_text('a', 'allow', allowed.path),
                        on_failure='open')
    lab.servers.tcp(5001, [PEER4, PEER6])
    allowed.run(ESTABLISH)
    daemon.freeze()
    lab.exempt_if(lambda p: p.dport >= 10000 + QUEUE_LENGTH)
    app.run(FLOOD)
    assert kernel.queues()[4180].waiting == QUEUE_LENGTH
    lab.wait_at_peer(proto=17, count=FLOODED - QUEUE_LENGTH)
    lab.exempt(dport=5001)
    assert allowed.tcp(PEER4, 5001, timeout=3)['errno'] == 0
    assert allowed.run(ALIVE) == 'alive'
    daemon.thaw()
    daemon.settle()
    assert len(lab.at_peer(proto=17)) == FLOODED - QUEUE_LENGTH
    # A flow that was let through unjudged is not taken for allowed later.
    before = len(lab.at_peer(proto=17, dport=15999))
    app.run(f's.sendto(b"x", ({PEER4!r}, 15999))')
    daemon.wait_event(dport=15999, action='deny')
    assert len(lab.at_peer(proto=17, dport=15999)) == before


def socket_of(pid, portid):
    """The daemon's own netlink socket, fetched out of it by pidfd."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = libc.syscall(434, pid, 0)  # pidfd_open
    for name in os.listdir(f'/proc/{pid}/fd'):
        try:
            link = os.readlink(f'/proc/{pid}/fd/{name}')
        except FileNotFoundError:
            continue
        if not link.startswith('socket:'):
            continue
        fd = libc.syscall(438, pidfd, int(name), 0)  # pidfd_getfd
        assert fd >= 0, os.strerror(ctypes.get_errno())
        found = socket.socket(fileno=fd)
        if (found.family, found.proto) == (socket.AF_NETLINK,
                                           NETLINK_NETFILTER) and \
                found.getsockname()[0] == portid:
            os.close(pidfd)
            return found
        found.close()
    raise AssertionError('no such socket')


@case('F05')
def test_F05_receive_buffer_overrun_is_counted_and_told(lab):
    app, allowed = lab.app(), lab.app('allowed')
    daemon = lab.daemon(rules=rule_text('a', 'allow', allowed.path),
                        watchdog_s=1)
    lab.servers.udp(5000, [PEER4])
    with socket_of(daemon.pid, kernel.queues()[4180].portid) as netlink:
        size = netlink.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF)
        assert size >= 1 << 20, f'a receive buffer of only {size} bytes'
        netlink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        daemon.freeze()
        app.run(FLOOD)
        lost = kernel.queues()[4180].user_dropped
        assert lost > FLOODED // 2
        daemon.thaw()
        daemon.settle()
        allowed.udp(PEER4, 5000)
        lab.servers.wait_datagrams(5000, 1)
    queue = daemon.status()['queues'][0]
    assert queue['user_dropped'] == kernel.queues()[4180].user_dropped >= lost
    kernel.wait_until(lambda: 'drop' in daemon.output(), 'the log to tell', 5)
    metrics = daemon.api('GET', '/metrics', raw=True)[1].decode()
    assert str(queue['user_dropped']) in metrics, metrics
    assert not lab.at_peer(proto=17, src=PEER4)


@case('F06')
def test_F06_full_queue_is_counted_and_told(lab):
    app, allowed = lab.app(), lab.app('allowed')
    daemon = lab.daemon(rules=rule_text('a', 'allow', allowed.path),
                        watchdog_s=1)
    lab.servers.udp(5000, [PEER4])
    daemon.freeze()
    app.run(FLOOD)
    daemon.thaw()
    daemon.settle()
    queue = daemon.status()['queues'][0]
    assert queue['dropped'] == FLOODED - QUEUE_LENGTH, queue
    kernel.wait_until(lambda: 'drop' in daemon.output(), 'the log to tell', 5)
    metrics = daemon.api('GET', '/metrics', raw=True)[1].decode()
    assert str(queue['dropped']) in metrics, metrics
    allowed.udp(PEER4, 5000)
    lab.servers.wait_datagrams(5000, 1)


@case('F06')
def test_F06_full_queue_open_lets_pass_and_tells(lab):
    app = lab.app()
    daemon = lab.daemon(on_failure='open', watchdog_s=1)
    daemon.freeze()
    lab.exempt_if(lambda p: p.dport >= 10000 + QUEUE_LENGTH)
    app.run(FLOOD)
    lab.wait_at_peer(proto=17, count=FLOODED - QUEUE_LENGTH)
    daemon.thaw()
    daemon.settle()
    assert len(lab.at_peer(proto=17)) == FLOODED - QUEUE_LENGTH


def repairs(daemon):
    return daemon.status()['divert']['repairs']


@case('F07')
def test_F07_flows_of_the_gap_are_looked_at_again(lab):
    """Only the queue rule is taken out while the daemon can't look: what
    passes then is marked as allowed by the chain that settles. That must not
    outlive the repair."""
    denied, allowed = lab.app(), lab.app('allowed')
    daemon = lab.daemon(rules=rule_text('a', 'allow', allowed.path))
    lab.servers.udp(5000, [PEER4], echo=True)
    open_socket = f'''
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.settimeout(5)
s.connect(({PEER4!r}, 5000))'''
    for app in (denied, allowed):
        app.run(open_socket)
    daemon.freeze()
    lab.exempt(dport=5000)
    nft('flush chain inet sallyport ask')
    for app in (denied, allowed):
        app.run("s.send(b'x'); s.recv(1)")  # nobody judges
    daemon.thaw()
    kernel.wait_until(lambda: repairs(daemon) == 1, 'the repair')
    event = daemon.wait_event(dport=5000)
    assert event['app']['pid'] == denied.pid, event
    assert event['verdict']['action'] == 'deny', event
    daemon.settle()
    before = len(lab.at_peer(dport=5000))
    denied.udp(PEER4, 5000)
    daemon.settle()
    assert len(lab.at_peer(dport=5000)) == before
    allowed.run("s.send(b'x'); s.recv(1)")


@alone
@case('F07')
def test_F07_flushed_ruleset_is_back_within_100_ms(lab):
    """A denied program sends all the time while somebody flushes the ruleset.
    What gets through in each gap stays within 100 ms of the flush."""
    app = lab.app()
    daemon = lab.daemon()
    app.run(f'''
stop = False
def load():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    while not stop:
        s.sendto(b'x', ({PEER4!r}, 5000))
        time.sleep(0.0005)
loader = threading.Thread(target=load, daemon=True)
loader.start()''')
    flushes = []
    for count in range(1, 11):
        flushes.append(time.time())
        nft('flush ruleset')
        kernel.wait_until(lambda count=count: repairs(daemon) >= count,
                          'the repair')
        assert 'chain judge' in ruleset()
    app.run('stop = True; loader.join()')
    lab.exempt(dport=5000)
    for packet in lab.at_peer(dport=5000):
        gaps = [packet.time - flush for flush in flushes
                if packet.time >= flush]
        assert gaps and min(gaps) < 0.1 * kernel.SCALE, (packet, flushes)
    daemon.settle()
    before = len(lab.at_peer(dport=5000))
    app.udp(PEER4, 5000, count=20)
    daemon.settle()
    assert len(lab.at_peer(dport=5000)) == before
    assert 'ruleset' in daemon.output() or 'table' in daemon.output()


@case('F07')
def test_F07_damage_of_any_kind_is_repaired(lab):
    app = lab.app()
    daemon = lab.daemon()
    app.udp(PEER4, 5000)
    daemon.wait_event(dport=5000)
    damages = ['delete table inet sallyport', 'flush chain inet sallyport ask',
               'flush table inet sallyport',
               'insert rule inet sallyport judge accept',
               'add rule inet sallyport settle accept']
    for count, damage in enumerate(damages, 1):
        intact = ruleset()
        nft(damage)
        kernel.wait_until(lambda count=count: repairs(daemon) >= count,
                          f'repair after: {damage}')
        assert ruleset() == intact, damage
        app.udp(PEER4, 5000 + count)
        daemon.wait_event(dport=5000 + count, action='deny')
    assert not lab.at_peer(proto=17)


@case('F08')
def test_F08_foreign_chain_removed_while_packets_wait(lab):
    """All held packets vanish; a SYN is sent again and judged then."""
    app = lab.app()
    daemon = lab.daemon(rules=rule_text('app', 'allow', app.path))
    lab.servers.tcp(5000, [PEER4, PEER6])
    daemon.freeze()
    app.start(f'''
a = tcp({PEER4!r}, 5000, 20)
result = [a['errno'], tcp({PEER6!r}, 5000, 20)['errno']]''')
    for _ in range(2):
        kernel.wait_until(lambda: lab.waiting() == 1, 'a held SYN')
        flush_held()
        assert lab.waiting() == 0
    daemon.thaw()
    assert app.result() == [0, 0]
    assert daemon.status()['divert']['repairs'] == 0
