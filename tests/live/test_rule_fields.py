"""The fields of a rule, each on real packets: what it lets through, what not,
and the name of the rule in the event."""

import errno
import os
import time

from cases import case
from daemon import rule_text
from kernel import wait_until
from lab import FAR4, OTHER4, PEER4, PEER6, run


def check(lab, daemon, app, flows):
    """flows: (address, port, rule that allows it or '' for the default, which
    denies)."""
    for address, port, rule in flows:
        before = len(daemon.events(dst=address, dport=port))
        reached = len(lab.at_peer(dst=address, dport=port))
        answer = app.tcp(address, port, timeout=3 if rule else 0.25)
        event = daemon.wait_event(dst=address, dport=port, count=before + 1)
        assert event['app']['pid'] == app.pid, event
        if rule:
            assert answer['errno'] == 0, (address, port, answer)
            assert event['verdict']['rule'] == rule, event
        else:
            assert answer['errno'] != 0, (address, port, answer)
            assert event['verdict']['reason'] == 'default', event
            assert len(lab.at_peer(dst=address, dport=port)) == reached


def test_not_to_and_not_port(lab):
    lab.servers.tcp(80, [PEER4, OTHER4])
    lab.servers.tcp(81, [PEER4])
    lab.servers.tcp(82, [PEER4])
    app = lab.app()
    daemon = lab.daemon(default='deny', rules=rule_text(
        'narrow', 'allow', app.path, to='10.77.0.0/24', not_to=['10.77.0.3'],
        port='80-82', not_port=81))
    check(lab, daemon, app, [(PEER4, 80, 'narrow'), (OTHER4, 80, ''),
                             (PEER4, 81, ''), (PEER4, 82, 'narrow')])


def test_users_and_not_users(lab):
    lab.servers.tcp(80, [PEER4])
    apps = {uid: lab.app(f'app{uid}', uid=uid) for uid in (1000, 1001, 1002)}
    daemon = lab.daemon(default='deny', rules=rule_text(
        'these', 'allow', f'{lab.dir}/bin/*', user=[1000, '1001'],
        not_user=1001))
    check(lab, daemon, apps[1000], [(PEER4, 80, 'these')])
    check(lab, daemon, apps[1001], [(PEER4, 80, '')])
    check(lab, daemon, apps[1002], [(PEER4, 80, '')])


def test_interface_by_name_and_vpn(lab):
    """A route through a tun device that nobody reads: packets must get as far
    as the device. It gets another name while it is up."""
    lab.servers.tcp(80, [PEER4])
    app = lab.app()
    run('ip', 'tuntap', 'add', 'tun7', 'mode', 'tun')
    try:
        run('ip', '-batch', '-', input='addr add 172.31.0.1/24 dev tun7\n'
            'link set tun7 up\nroute add 172.31.9.0/24 dev tun7\n')
        daemon = lab.daemon(default='deny', rules=rule_text(
            'veth', 'allow', app.path, interface='v0', port=80) + rule_text(
            'tunnel', 'allow', app.path, interface='vpn', port=[80, 81]))
        check(lab, daemon, app, [(PEER4, 80, 'veth')])
        # Nobody answers behind the tunnel: the events tell.
        for rename, port, rule in (('', 81, 'tunnel'), ('vp7', 82, '')):
            if rename:
                run('ip', 'link', 'set', 'tun7', 'name', rename)
            app.udp('172.31.9.1', port)
            event = daemon.wait_event(dst='172.31.9.1', dport=port)
            assert event['verdict'].get('rule', '') == rule, event
        said = daemon.cli('explain', app.path, f'{PEER4}:80', '--interface',
                          'tun9', '--json').stdout
        assert '"default"' in said, said
    finally:
        run('ip', 'link', 'del', 'tun7', check=False)
        run('ip', 'link', 'del', 'vp7', check=False)


def test_a_tunnel_that_only_its_app_may_not_use(lab):
    """A deny for a device comes before the wider allow."""
    lab.servers.tcp(80, [PEER4, PEER6])
    app, other = lab.app(), lab.app('other')
    daemon = lab.daemon(default='deny', rules=rule_text(
        'no-veth', 'deny', app.path, interface=['v*'], priority=1) + rule_text(
        'all', 'allow', 'any'))
    assert app.tcp(PEER6, 80, timeout=0.25)['errno'] != 0
    assert daemon.wait_event(dst=PEER6)['verdict']['rule'] == 'no-veth'
    check(lab, daemon, other, [(PEER4, 80, 'all')])


def test_keywords_of_small_scopes(lab):
    app = lab.app()
    daemon = lab.daemon(default='deny', rules=rule_text(
        'near', 'allow', app.path, to=['link-local', 'broadcast']))
    run('ip', 'route', 'add', '169.254.0.0/16', 'dev', 'v0')
    app.udp('169.254.7.7', 5000)
    assert daemon.wait_event(dst='169.254.7.7')['verdict']['rule'] == 'near'
    app.run('import socket\n'
            's = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n'
            's.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)\n'
            's.sendto(b"x", ("255.255.255.255", 5001))\nresult = 0')
    event = daemon.wait_event(dst='255.255.255.255')
    assert event['verdict']['rule'] == 'near', event
    app.udp(FAR4, 5000)
    assert daemon.wait_event(dst=FAR4)['verdict']['action'] == 'deny'


@case('F19')
def test_F19_a_rule_for_a_while_ends_and_its_flows_with_it(lab):
    """Made by the CLI for two seconds: new flows pass, then not, the open flow
    is cut, and the rule's file is gone."""
    lab.servers.tcp(80, [PEER4])
    app = lab.app()
    daemon = lab.daemon(default='deny', rules='')
    daemon.cli('allow', app.path, '--for', '2s', '--name', 'short')
    assert 'short' in daemon.cli('rules', 'show', 'short').stdout
    app.run(f'import socket\nheld = socket.create_connection(({PEER4!r}, 80))'
            '\nresult = 0')
    wait_until(lambda: daemon.get('/v1/rules')['rules'] == [] or all(
        rule['name'] != 'short' for rule in daemon.get('/v1/rules')['rules']),
        'the rule to end', 10)
    assert app.run('held.settimeout(5)\n'
                   'try: result = held.recv(1).decode()\n'
                   'except OSError as e: result = e.errno') in (
                       errno.ECONNABORTED, errno.ECONNRESET)
    assert app.tcp(PEER4, 80, timeout=0.25)['errno'] != 0
    assert not os.path.exists(f'{daemon.state_dir}/rules.d/short.toml')


def test_rules_wake_and_sleep_by_the_clock(lab):
    """An admin's rule that has expired, one with hours that are not now."""
    lab.servers.tcp(80, [PEER4])
    app = lab.app()
    today = time.localtime().tm_wday
    other = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'][(today + 3) % 7]
    daemon = lab.daemon(default='deny', rules=(
        rule_text('never', 'allow', app.path, during=other) +
        rule_text('over', 'allow', app.path, port=80) +
        'expires = 2020-01-01T00:00:00Z\n'))
    check(lab, daemon, app, [(PEER4, 80, '')])
    said = daemon.cli('explain', app.path, f'{PEER4}:80').stdout
    assert f'it is for {other} only' in said, said
    assert 'it has expired' in said, said


def test_rate(lab):
    app = lab.app()
    daemon = lab.daemon(default='deny', rules=rule_text(
        'few', 'allow', app.path, rate='1/hour burst 3'))
    for port in range(5000, 5005):
        app.udp(PEER4, port)
        daemon.wait_event(dst=PEER4, dport=port)
    verdicts = [daemon.wait_event(dst=PEER4, dport=port)['verdict']
                for port in range(5000, 5005)]
    assert [v['action'] for v in verdicts] == ['allow'] * 3 + ['deny'] * 2
    assert verdicts[4]['reason'] == 'rate', verdicts
    assert verdicts[4]['rule'] == 'few', verdicts
    lab.wait_at_peer(dport=5002)
    assert not lab.at_peer(dport=5003)
