"""Whose packet is it: holders, families, scopes (CASES A01 to A27)."""

import os

from cases import case
from daemon import rule_text
from lab import FW4, OTHER4, PEER4, PEER6, Skip, run

# Sends one datagram from a child that is gone afterwards.
UDP_AND_GONE = '''
pid = os.fork()
if pid == 0:
    s = socket.socket(family_of(dst), socket.SOCK_DGRAM)
    s.sendto(b'gone', (dst, 5000))
    os._exit(0)
os.waitpid(pid, 0)
result = pid
'''
# Begins to connect in a child that is gone before the SYN is judged.
TCP_AND_GONE = '''
pid = os.fork()
if pid == 0:
    s = socket.socket(family_of(dst), socket.SOCK_STREAM)
    s.setblocking(False)
    s.connect_ex((dst, 5000))
    s.close()
    os._exit(0)
os.waitpid(pid, 0)
result = pid
'''


def gone_sender(lab, code, dst, **options):
    """The daemon is stopped while the sender lives: it must find nobody."""
    app = lab.app('sender', uid=1234)
    daemon = lab.daemon(**options)
    daemon.freeze()
    app.run(f'dst = {dst!r}\n{code}')
    assert lab.waiting() == 1
    daemon.thaw()
    return daemon.wait_event(dport=5000)


def check_gone(lab, event):
    assert event['app']['confidence'] == 'none', event
    assert event['app']['uid'] == 1234, event
    assert 'pid' not in event['app'] and 'path' not in event['app'], event
    assert event['verdict']['reason'] == 'unattributed', event
    assert not lab.at_peer(dport=5000)


@case('A01')
def test_A01_udp_sender_gone_is_unattributed(lab):
    check_gone(lab, gone_sender(lab, UDP_AND_GONE, PEER4, default='allow',
                                config={'unattributed': 'deny'}))


@case('A01')
def test_A01_tcp_sender_gone_is_unattributed_v6(lab):
    check_gone(lab, gone_sender(lab, TCP_AND_GONE, PEER6, default='allow',
                                config={'unattributed': 'reject'}))


@case('A01')
def test_A01_rules_for_any_and_a_user_still_apply(lab):
    rules = rule_text('users', 'allow', 'any', user='1234', port=[5000],
                      protocol=['udp'])
    lab.servers.udp(5000, [PEER4])
    event = gone_sender(lab, UDP_AND_GONE, PEER4, rules=rules)
    assert event['verdict']['rule'] == 'users', event
    lab.servers.wait_datagrams(5000, 1)


@case('A01')
def test_A01_port_taken_over_by_another_user_is_not_blamed(lab):
    """The sender is gone and an allowed program of another user has its port
    when the packet is judged: that one did not send it."""
    heir = lab.app('heir', uid=4321)
    sender = lab.app('sender', uid=1234)
    daemon = lab.daemon(rules=rule_text('heir', 'allow', heir.path))
    daemon.freeze()
    port = sender.run(f'''
pid = os.fork()
if pid == 0:
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(('', 6000))
    s.sendto(b'gone', ({PEER4!r}, 5000))
    os._exit(0)
os.waitpid(pid, 0)
result = 6000''')
    heir.run(f'''
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(('', {port}))
kept.append(s)''')
    daemon.thaw()
    event = daemon.wait_event(dport=5000)
    assert event['verdict']['action'] == 'deny', event
    assert not lab.at_peer(dport=5000)


@case('A04')
def test_A04_allow_by_path_needs_that_very_file(lab):
    app = lab.app()
    daemon = lab.daemon(rules=rule_text('app', 'allow', app.path))
    lab.servers.udp(5000, [PEER4])
    app.udp(PEER4, 5000)
    assert daemon.wait_event(dport=5000)['app']['state'] == 'ok'
    os.unlink(app.path)
    app.udp(PEER4, 5001)
    event = daemon.wait_event(dport=5001)
    assert event['verdict']['action'] == 'deny', event
    assert event['app']['state'] == 'replaced', event
    # A new file of that name is another program: neither does the old process
    # get its rights back, nor does the new file lack them.
    other = lab.app()
    app.udp(PEER4, 5002)
    event = daemon.wait_event(dport=5002)
    assert event['verdict']['action'] == 'deny', event
    assert event['app']['pid'] == app.pid, event
    other.udp(PEER4, 5003)
    assert daemon.wait_event(dport=5003)['verdict']['action'] == 'allow'


@case('A04')
def test_A04_deny_by_path_outlives_deletion(lab):
    app = lab.app()
    daemon = lab.daemon(default='allow',
                        rules=rule_text('app', 'deny', app.path))
    os.unlink(app.path)
    app.udp(PEER4, 5000)
    event = daemon.wait_event(dport=5000)
    assert event['verdict']['rule'] == 'app', event
    assert not lab.at_peer(dport=5000)


@case('A05')
def test_A05_file_really_named_deleted(lab):
    app = lab.app('x (deleted)')
    daemon = lab.daemon(rules=rule_text('app', 'allow', app.path))
    lab.servers.udp(5000, [PEER4])
    app.udp(PEER4, 5000)
    event = daemon.wait_event(dport=5000)
    assert event['app']['path'] == app.path, event
    assert event['app']['state'] == 'ok', event
    lab.servers.wait_datagrams(5000, 1)


@case('A05')
def test_A05_deleted_app_has_no_right_to_the_name_with_suffix(lab):
    """`x` is deleted; its link reads "x (deleted)", for which there is a rule
    and, worse, a file."""
    app = lab.app('x')
    lab.app('x (deleted)')
    daemon = lab.daemon(
        rules=rule_text('app', 'allow', app.path + ' (deleted)'))
    os.unlink(app.path)
    app.udp(PEER4, 5000)
    event = daemon.wait_event(dport=5000)
    assert event['verdict']['action'] == 'deny', event
    assert event['app']['state'] == 'replaced', event


# The parent makes a socket; both hold it; the child sends.
SHARED = '''
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.set_inheritable(inheritable)
go, gone = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    os.read(go[0], 1)
    s.sendto(b'child', (dst, 5000))
    if then_exec:
        os.execv(then_exec, [then_exec, '-c',
                             'import time; time.sleep(1000)'])
    os.close(gone[1])
    signal.pause()
os.close(gone[1])
'''


def prepare_shared(app, inheritable, then_exec):
    app.run(f'dst = {PEER4!r}\ninheritable = {inheritable}\n'
            f'then_exec = {then_exec!r}\n{SHARED}\nresult = child')


def owners_of(event):
    return {(owner['path'], owner['pid']) for owner in event['app']['owners']}


@case('A17')
def test_A17_parent_and_child_are_both_owners(lab):
    parent = lab.app('parent')
    daemon = lab.daemon(rules=rule_text('p', 'allow', parent.path))
    lab.servers.udp(5000, [PEER4])
    prepare_shared(parent, False, None)
    child = parent.run('os.write(go[1], b"x"); result = child')
    event = daemon.wait_event(dport=5000)
    assert event['app']['confidence'] == 'ambiguous', event
    assert owners_of(event) == {(parent.path, parent.pid),
                                (parent.path, child)}, event
    lab.servers.wait_datagrams(5000, 1)


@case('A17')
def test_A17_child_lost_its_copy_by_exec(lab):
    """The child sends, then execs another program; its copy was CLOEXEC. Only
    the parent is left to be found, and its rule decides."""
    parent, other = lab.app('parent'), lab.app('other')
    daemon = lab.daemon(default='allow',
                        rules=rule_text('p', 'deny', parent.path))
    prepare_shared(parent, False, other.path)
    daemon.freeze()
    parent.run('os.write(go[1], b"x"); os.read(gone[0], 1)')
    daemon.thaw()
    event = daemon.wait_event(dport=5000)
    assert event['app']['pid'] == parent.pid, event
    assert event['verdict']['rule'] == 'p', event
    assert not lab.at_peer(dport=5000)


@case('A18')
def test_A18_most_restrictive_of_different_programs(lab):
    """Two programs hold the socket, one may, one may not: denied."""
    parent, other = lab.app('parent'), lab.app('other')
    daemon = lab.daemon(rules=rule_text('p', 'allow', parent.path) +
                        rule_text('o', 'deny', other.path))
    prepare_shared(parent, True, other.path)
    daemon.freeze()
    child = parent.run('os.write(go[1], b"x"); os.read(gone[0], 1)\n'
                       'result = child')
    daemon.thaw()
    event = daemon.wait_event(dport=5000)
    assert event['app']['confidence'] == 'ambiguous', event
    assert owners_of(event) == {(parent.path, parent.pid),
                                (other.path, child)}, event
    assert event['verdict']['rule'] == 'o', event
    assert not lab.at_peer(dport=5000)


@case('A18')
def test_A18_warm_parent_gets_a_child_that_may_not(lab):
    """The parent is well known and fast to find; then it passes its socket to
    a denied program by fork and exec. Its next flow has two owners."""
    parent, other = lab.app('parent'), lab.app('other')
    daemon = lab.daemon(rules=rule_text('p', 'allow', parent.path) +
                        rule_text('o', 'deny', other.path))
    lab.servers.udp(5000, [PEER4])
    prepare_shared(parent, True, other.path)
    for port in range(5001, 5021):
        parent.run(f's.sendto(b"warm", ({PEER4!r}, {port}))')
    daemon.wait_event(dport=5020)
    parent.run('os.write(go[1], b"x"); os.read(gone[0], 1)')
    parent.run(f's.sendto(b"again", ({OTHER4!r}, 5000))')
    event = daemon.wait_event(dport=5000, dst=OTHER4)
    assert event['verdict']['rule'] == 'o', event
    assert not lab.at_peer(dst=OTHER4)


@case('A21')
def test_A21_socket_of_io_uring_without_descriptor(lab):
    path = lab.sender('io_uring_direct', copy_as='ring')
    daemon = lab.daemon(rules=rule_text('ring', 'allow', path))
    lab.servers.udp(5000, [PEER4])
    process = lab.spawn(path, PEER4, '5000', '1', stdin=-1, stdout=-1)
    line = process.stdout.readline().decode()
    if line.startswith('skip'):
        raise Skip(line[5:].strip())
    event = daemon.wait_event(dport=5000)
    assert event['app']['path'] == path, event
    assert event['app']['pid'] == process.pid, event
    lab.servers.wait_datagrams(5000, 1)


@case('A22')
def test_A22_thread_with_a_descriptor_table_of_its_own(lab):
    app = lab.app()
    daemon = lab.daemon(rules=rule_text('app', 'allow', app.path))
    lab.servers.udp(5000, [PEER4])
    app.run(f'''
import ctypes
def lonely():
    ctypes.CDLL(None).unshare(0x400)  # CLONE_FILES
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.sendto(b'thread', ({PEER4!r}, 5000))
    time.sleep(1000)
threading.Thread(target=lonely, daemon=True).start()''')
    event = daemon.wait_event(dport=5000)
    assert event['app']['pid'] == app.pid, event
    lab.servers.wait_datagrams(5000, 1)


@case('A24')
def test_A24_each_destination_of_one_socket_is_judged(lab):
    app = lab.app()
    daemon = lab.daemon(rules=rule_text('one', 'allow', app.path, to=[PEER4]))
    lab.servers.udp(5000, [PEER4, OTHER4])
    app.run(f'''
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for dst in ({PEER4!r}, {OTHER4!r}, {PEER4!r}):
    s.sendto(b'x', (dst, 5000))''')
    first = daemon.wait_event(dst=PEER4, dport=5000)
    second = daemon.wait_event(dst=OTHER4, dport=5000)
    for event in (first, second):
        assert event['app']['pid'] == app.pid, event
        assert event['app']['confidence'] == 'exact', event
    assert first['verdict']['action'] == 'allow', first
    assert second['verdict']['action'] == 'deny', second
    lab.servers.wait_datagrams(5000, 2)
    assert not lab.at_peer(dst=OTHER4)


@case('A25')
def test_A25_ipv4_from_a_dual_stack_socket(lab):
    app = lab.app()
    daemon = lab.daemon(rules=rule_text('app', 'allow', app.path))
    lab.servers.udp(5000, [PEER4])
    lab.servers.tcp(5001, [PEER4])
    app.run(f'''
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.sendto(b'x', ('::ffff:{PEER4}', 5000))
t = socket.create_connection(('::ffff:{PEER4}', 5001), 3)
kept += [s, t]''')
    for port in (5000, 5001):
        event = daemon.wait_event(dport=port)
        assert event['app']['pid'] == app.pid, event
        assert event['app']['confidence'] == 'exact', event
        assert event['dest_ip'] == PEER4, event


@case('A26')
def test_A26_link_local_and_bound_to_device(lab):
    with lab.peer:
        show = run('ip', '-6', '-o', 'addr', 'show', 'dev', 'p0', 'scope',
                   'link').stdout
    link_local = show.split()[3].split('/')[0]
    app = lab.app()
    daemon = lab.daemon(rules=rule_text('app', 'allow', app.path))
    app.run(f'''
s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
s.sendto(b'x', ({link_local!r}, 5000, 0, socket.if_nametoindex('v0')))
u = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
u.connect(({link_local!r}, 5001, 0, socket.if_nametoindex('v0')))
u.send(b'x')
b = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
b.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b'v0')
b.sendto(b'x', ({PEER4!r}, 5002))
t = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
t.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b'v0')
t.setblocking(False)
t.connect_ex(({PEER4!r}, 5003))
l = socket.socket(socket.AF_INET6, socket.SOCK_STREAM)
l.setblocking(False)
l.connect_ex(({link_local!r}, 5004, 0, socket.if_nametoindex('v0')))
kept += [s, u, b, t, l]''')
    for port in range(5000, 5005):
        event = daemon.wait_event(dport=port)
        assert event['app']['pid'] == app.pid, event
        assert event['app']['confidence'] == 'exact', event
        lab.wait_at_peer(dport=port)


@case('A27')
def test_A27_multicast_and_broadcast(lab):
    app = lab.app()
    daemon = lab.daemon(rules=rule_text('groups', 'allow', app.path,
                                        to=['multicast']))
    groups = ['239.255.255.250', '224.0.0.251', 'ff02::fb',
              '255.255.255.255']
    app.run(f'''
for dst in {groups + ['10.77.0.255']!r}:
    s = socket.socket(family_of(dst), socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    if dst.startswith('2') and not dst.startswith('255'):
        s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF,
                     socket.inet_aton({FW4!r}))
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b'v0')
    s.sendto(b'x', (dst, 5353))
    kept.append(s)''')
    for group in groups:
        event = daemon.wait_event(dst=group, dport=5353)
        assert event['app']['pid'] == app.pid, event
        assert event['verdict']['rule'] == 'groups', event
        lab.wait_at_peer(dst=group, dport=5353)
    # No storm: what is allowed costs one trip.
    app.run(f'''
for s, dst in zip(kept, {groups!r}):
    for _ in range(20):
        s.sendto(b'x', (dst, 5353))''')
    for group in groups:
        lab.wait_at_peer(dst=group, dport=5353, count=21)
        assert len(daemon.events(dst=group)) == 1
    event = daemon.wait_event(dst='10.77.0.255')
    assert event['app']['pid'] == app.pid, event
    assert event['verdict']['action'] == 'deny', event
    assert not lab.at_peer(dst='10.77.0.255')
