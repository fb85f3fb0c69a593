"""The control API and the CLI as clients see them, kind and unkind ones
(CASES F28, F29), and what a flow leaves behind in events and history."""

import json
import os
import resource
import socket
import subprocess

import kernel
from cases import case
from daemon import Daemon, UnixConnection, program, rule_text
from lab import FAR4, PEER4, PEER6


def raw_request(daemon, data, timeout=5.0):
    """Sends bytes, ends its half; what comes back until the end."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(timeout * kernel.SCALE)
        sock.connect(daemon.socket)
        answer = b''
        try:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            while True:
                part = sock.recv(65536)
                if not part:
                    break
                answer += part
        except (ConnectionError, TimeoutError):
            pass
        return answer


@case('F28')
def test_F28_garbage_changes_nothing(lab):
    daemon = lab.daemon(rules=rule_text('r', 'deny', '/bin/false'))
    before = daemon.get('/v1/rules')
    head = b'POST /v1/rules HTTP/1.1\r\nHost: x\r\n'
    for data in (
            b'', b'\0' * 4096, os.urandom(65536), b'GET', b'GET / HTTP/1.1\r\n',
            b'GET /v1/status HTTP/9.9\r\n\r\n', b'\r\n' * 10000,
            b'GET /' + b'a' * 100000 + b' HTTP/1.1\r\n\r\n',
            b'GET /v1/status HTTP/1.1\r\n' + b'X: y\r\n' * 20000 + b'\r\n',
            head + b'Content-Length: 4294967296\r\n\r\n{',
            head + b'Content-Length: -1\r\n\r\n{}',
            head + b'Content-Length: 99999999999999999999999\r\n\r\n{}',
            head + b'Content-Length: 100\r\n\r\n{"name":',
            head + b'Transfer-Encoding: chunked\r\n\r\nffffffffffff\r\n{}'):
        raw_request(daemon, data)
    assert daemon.get('/v1/rules') == before
    assert daemon.status()['enforcing']


@case('F28')
def test_F28_bad_bodies_name_the_field(lab):
    daemon = lab.daemon()
    rule = {'name': 'r', 'policy': 'allow', 'app': '/bin/true'}
    cases = [
        ('', None), ('{', None), ('[]', None), ('null', None), ('5', None),
        ('[' * 100000, None), ('{"a":' * 5000, None), ('\0', None),
        (b'{"name":"\xff\xfe"}', None), ('{"name":"r"} x', None),
        ('{"name":"r","name":"s"}', None),
        (dict(rule, colour='red'), 'colour'), (dict(rule, name=5), 'name'),
        (dict(rule, name='../../etc/passwd'), 'name'),
        (dict(rule, name='a\0b'), 'name'), (dict(rule, name='A B'), 'name'),
        (dict(rule, name='x' * 65), 'name'),
        (dict(rule, policy='maybe'), 'policy'), (dict(rule, app=''), 'app'),
        (dict(rule, app='relative'), 'app'), (dict(rule, app=None), 'app'),
        (dict(rule, to=5), 'to'), (dict(rule, to=['x']), 'to'),
        (dict(rule, port=[0.5]), 'port'),
        (dict(rule, port=[65536], protocol=['tcp']), 'port'),
        (dict(rule, protocol=['carrier-pigeon']), 'protocol'),
        (dict(rule, user='no-such-user-here'), 'user'),
        (dict(rule, priority=1 << 40), 'priority'),
        (dict(rule, enabled='yes'), 'enabled'),
        (dict(rule, sha256=['abc']), 'sha256'),
    ]
    for body, field in cases:
        status, answer = daemon.api('POST', '/v1/rules', body)
        assert status == 400, (body, status, answer)
        assert answer['error']['code'] and answer['error']['message'], answer
        if field:
            assert answer['error'].get('field') == field, (body, answer)
    assert daemon.status()['rules']['count'] <= 1  # the built-in one
    assert os.listdir(f'{daemon.state_dir}/rules.d') == []


@case('F28')
def test_F28_paths_methods_and_sizes(lab):
    daemon = lab.daemon()
    for method, path, body, expected in (
            ('GET', '/', None, 404), ('GET', '/v1/nothing', None, 404),
            ('GET', '/v1/rules/none', None, 404),
            ('GET', '/v1/rules/' + 'x' * 4000, None, 404),
            ('GET', '/v1/rules/..%2f..%2fpasswd', None, 404),
            ('DELETE', '/v1/status', None, 405),
            ('BREW', '/v1/status', None, 405),
            ('PUT', '/v1/mode', {'mode': 'party'}, 400),
            ('PUT', '/v1/mode', {}, 400),
            ('GET', '/v1/violations?since=tomorrow', None, 400),
            ('GET', '/v1/violations?limit=-1', None, 400),
            ('POST', '/v1/explain', {'app': '/bin/x', 'to': 'nowhere'}, 400),
            ('POST', '/v1/rules', b' ' * ((1 << 20) + 1), 413)):
        try:
            status, answer = daemon.api(method, path, body)
        except (BrokenPipeError, ConnectionResetError):
            # The daemon may close before it has read what is too long.
            assert expected == 413
            continue
        assert status == expected, (method, path, status, answer)
        assert answer['error']['message'], answer
    assert daemon.status()['enforcing']


@case('F28')
def test_F28_slow_and_silent_clients_hinder_nobody(lab):
    app = lab.app()
    daemon = lab.daemon(rules=rule_text('app', 'allow', app.path))
    lab.servers.udp(5000, [PEER4])
    idle = []
    for number in range(40):
        sock = socket.socket(socket.AF_UNIX)
        sock.connect(daemon.socket)
        sock.sendall((b'GET /v1/sta', b'',
                      b'GET /v1/events?follow=1&type=all HTTP/1.1\r\n'
                      b'Host: x\r\n\r\n')[number % 3])
        idle.append(sock)  # and never reads
    assert daemon.status()['enforcing']
    app.run(f'flood({PEER4!r}, 10000, 10000)')
    daemon.settle()
    daemon.wait_event(dst=PEER4, count=1000)
    assert daemon.status()['enforcing']
    rss_kb = int(kernel.read(f'/proc/{daemon.pid}/status').split(
        'VmRSS:')[1].split()[0])
    assert rss_kb < 200 << 10 or kernel.SCALE > 1, rss_kb
    for sock in idle:
        sock.close()
    lab.exempt_if(lambda p: p.dport >= 10000)  # events of a flood may be lost


@case('F29')
def test_F29_no_descriptors_left(lab):
    """The API can take no more clients; packets are judged all the same, and
    when descriptors come back so does the API."""
    app, denied = lab.app(), lab.app('denied')
    daemon = lab.daemon(rules=rule_text('app', 'allow', app.path))
    lab.servers.udp(5000, [PEER4], echo=True)
    used = len(os.listdir(f'/proc/{daemon.pid}/fd'))
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (used + 4, 4096))
    clients = []
    for _ in range(30):
        sock = socket.socket(socket.AF_UNIX)
        sock.setblocking(False)
        if sock.connect_ex(daemon.socket) == 0:
            clients.append(sock)
        else:
            sock.close()
    before = cpu_seconds(daemon.pid)
    for number in range(20):
        assert app.udp(PEER4, 5000, timeout=5)['errno'] == 0
        denied.udp(PEER4, 6000 + number)
    fresh = lab.app('fresh')  # needs a look into /proc
    fresh.udp(PEER4, 6100)
    daemon.settle()
    assert not lab.at_peer(dport=6000) and not lab.at_peer(dport=6100)
    assert cpu_seconds(daemon.pid) - before < 2 * kernel.SCALE  # no spinning
    for sock in clients:
        sock.close()
    resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE, (4096, 4096))
    kernel.wait_until(lambda: answers(daemon), 'the API to answer', 10)
    assert daemon.status()['enforcing']


def cpu_seconds(pid):
    fields = kernel.read(f'/proc/{pid}/stat').rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def answers(daemon):
    try:
        return daemon.api('GET', '/v1/version')[0] == 200
    except OSError:
        return False


@case('F29')
def test_F29_started_with_few_descriptors(lab):
    """RLIMIT_NOFILE=20: it runs, or it says why not; never half."""
    daemon = Daemon(lab, preset=lambda: resource.setrlimit(
        resource.RLIMIT_NOFILE, (20, 20)))
    lab.daemons.append(daemon)
    daemon.launch()
    kernel.wait_until(lambda: daemon.process.poll() is not None or any(
        'READY=1' in text for text in daemon.read_notifications()),
        'an outcome', 15)
    if daemon.process.poll() is None:
        app = lab.app()
        app.udp(PEER4, 5000)
        daemon.settle()
        assert not lab.at_peer(dport=5000)
    else:
        assert daemon.process.returncode in (1, 4, 5), daemon.output()
        assert daemon.output().strip()
        assert not kernel.queues()
        daemon.expect_exit = daemon.process.returncode


def test_events_name_the_owner_of_each_flow(lab):
    apps = {f'app{n}': lab.app(f'app{n}') for n in range(3)}
    rules = (rule_text('r0', 'allow', apps['app0'].path) +
             rule_text('r1', 'deny', apps['app1'].path) +
             rule_text('r2', 'reject', apps['app2'].path))
    daemon = lab.daemon(rules=rules)
    lab.servers.tcp(5000, [PEER4, PEER6])
    for (name, app), action in zip(apps.items(), ('allow', 'deny', 'reject')):
        for address in (PEER4, PEER6):
            app.tcp(address, 5000, timeout=0.2)
            event = daemon.wait_event(app=app.path, dst=address)
            assert event['app']['pid'] == app.pid, event
            assert event['app']['uid'] == 0, event
            assert event['verdict']['action'] == action, event
            assert event['verdict']['rule'] == f'r{name[-1]}', event
            assert event['verdict']['mode'] == 'enforce', event
            assert event['proto'] == 'TCP' and event['dest_port'] == 5000
            assert event['verdict']['latency_us'] >= 0, event
    daemon.settle()
    kernel.wait_until(lambda: violations(daemon) == {
        (apps['app1'].path, 'deny'), (apps['app2'].path, 'reject')},
        'the violations of the history')


def violations(daemon):
    found = json.loads(daemon.cli('violations', '--since', '60s',
                                  '--json').stdout)['violations']
    return {(event['app']['path'], event['verdict']['action'])
            for event in found}


def test_one_trip_per_flow(lab):
    """What the queue counts: one packet per allowed flow, also of a one-way
    UDP stream and of a TCP connection that carries a megabyte."""
    app = lab.app()
    lab.daemon(rules=rule_text('app', 'allow', app.path), watchdog_s=None)
    lab.servers.udp(5000, [PEER4, PEER6])
    lab.servers.tcp(5001, [PEER4, PEER6], echo=False)
    for address in (PEER4, PEER6):
        before, arrived = lab.queue_total(), len(lab.servers.datagrams[5000])
        app.run(f'''
s = socket.socket(family_of({address!r}), socket.SOCK_DGRAM)
s.sendto(b'x', ({address!r}, 5000))''')
        lab.servers.wait_datagrams(5000, arrived + 1)
        app.run(f'''
for _ in range(1999):
    s.sendto(b'x', ({address!r}, 5000))''')
        assert lab.queue_total() - before == 1
        app.tcp(address, 5001, timeout=5, send='y' * (1 << 20))
        assert lab.queue_total() - before == 2
        assert app.ping(address)['errno'] == 0
        assert lab.queue_total() - before == 3
    lab.servers.wait_datagrams(5000, 4000)
    kernel.wait_until(lambda: len(lab.servers.streams[5001]) == 2 << 20,
                      'the stream')


def test_monitor_allows_and_remembers(lab):
    app = lab.app()
    daemon = lab.daemon(mode='monitor', default='deny')
    lab.servers.tcp(5000, [PEER4])
    assert app.tcp(PEER4, 5000)['errno'] == 0
    event = daemon.wait_event(dport=5000)
    assert event['verdict']['action'] == 'allow', event
    assert event['verdict']['would_deny'] is True, event
    assert event['verdict']['mode'] == 'monitor', event
    kernel.wait_until(lambda: violations(daemon) == {(app.path, 'allow')},
                      'the violation')
    assert daemon.status()['enforcing'] is False


def test_mode_change_cuts_what_it_forbids(lab):
    app = lab.app()
    daemon = lab.daemon(mode='monitor', default='deny')
    lab.servers.tcp(5000, [PEER4])
    app.run(f'c = socket.create_connection(({PEER4!r}, 5000), 5)')
    daemon.wait_event(dport=5000)
    assert json.loads(daemon.cli('mode', 'enforce', '--json').stdout)[
        'mode'] == 'enforce'
    kernel.wait_until(lambda: lab.servers.closed[5000], 'the cut')
    assert app.tcp(PEER4, 5000, timeout=0.2)['name'] == 'ETIMEDOUT'
    daemon.set_mode('lockdown')
    assert daemon.status()['mode'] == 'lockdown'


def test_explain_says_what_happens(lab):
    app = lab.app()
    daemon = lab.daemon(rules=rule_text('lan', 'local-only', app.path))
    for address, verdict in ((PEER4, 'allow'), (FAR4, 'deny')):
        done = daemon.cli('explain', app.path, f'{address}:5000', '--json')
        answer = json.loads(done.stdout)
        assert answer['verdict'] == verdict, answer
        app.udp(address, 5000)
        event = daemon.wait_event(dst=address, dport=5000)
        assert event['verdict']['action'] == verdict, event
        assert event['verdict']['rule'] == answer['rule'] == 'lan', answer


def test_other_users_see_only_their_own(lab):
    mine, other = lab.app('mine', uid=1234), lab.app('other', uid=4321)
    daemon = lab.daemon(config={'socket_access': 'everyone'})
    os.chmod(daemon.run_dir, 0o755)
    mine.udp(PEER4, 5000)
    other.udp(PEER4, 5001)
    daemon.wait_event(dport=5000)
    daemon.wait_event(dport=5001)
    client = lab.app('client', uid=1234)
    answers_text = client.run(f'''
import http.client
def ask(method, path, body=None):
    connection = http.client.HTTPConnection('localhost', timeout=10)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect({daemon.socket!r})
    connection.request(method, path, body)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text
result = [ask('GET', '/v1/events'), ask('GET', '/v1/rules'),
          ask('PUT', '/v1/mode', '{{"mode":"monitor"}}'),
          ask('POST', '/v1/rules', '{{}}'), ask('GET', '/v1/version')]''')
    events, rules, mode, post, version = answers_text
    assert events[0] == 200 and version[0] == 200
    ports = {event['dest_port'] for event in json.loads(events[1])['events']}
    assert ports == {5000}, events
    assert rules[0] == mode[0] == post[0] == 403, answers_text
    assert daemon.status()['mode'] == 'enforce'


def test_cli_without_daemon_says_so(lab):
    done = subprocess.run(
        [program('sallyport'), '--socket', f'{lab.dir}/none', 'status'],
        capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 3, done
    assert done.stderr.strip(), done


def test_slow_reader_of_half_an_answer(lab):
    daemon = lab.daemon()
    connection = UnixConnection(daemon.socket)
    connection.request('GET', '/metrics')
    connection.sock.close()
    connection.close()
    assert 'sallyport' in daemon.api('GET', '/metrics', raw=True)[1].decode()
