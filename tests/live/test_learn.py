"""Mode learn: what apps did becomes the rules that let them do it again, and
nothing else."""

import json
import os
import signal

import kernel
from daemon import rule_text
from lab import FAR4, OTHER4, PEER4, PEER6


def learned(daemon, *options):
    return json.loads(daemon.cli('learn', 'show', '--json', *options).stdout)


def wait_learned(daemon, destinations):
    """The answer, once that much was recorded."""
    def recorded():
        answer = learned(daemon)
        return answer if answer['destinations'] >= destinations else None
    return kernel.wait_until(recorded, f'{destinations} learned destinations')


def lines(rules):
    """What rules say, without their names."""
    return sorted((rule['app'], tuple(rule['to']), tuple(rule['port']),
                   tuple(rule['protocol'])) for rule in rules)


def test_what_was_seen_passes_afterwards_and_nothing_else(lab):
    web, dns = lab.app('web'), lab.app('dns')
    lab.servers.tcp(5000, [PEER4, PEER6, OTHER4])
    lab.servers.tcp(5001, [PEER4])
    lab.servers.udp(5002, [PEER4], echo=True)
    daemon = lab.daemon(mode='learn', default='deny')
    status = daemon.cli('status').stdout.splitlines()[0]
    assert 'allowed and recorded' in status, status
    assert daemon.status()['enforcing'] is False
    for address in (PEER4, PEER6):
        assert web.tcp(address, 5000)['errno'] == 0
    assert dns.udp(PEER4, 5002, timeout=5)['errno'] == 0
    assert dns.ping(PEER4)['errno'] == 0
    event = daemon.wait_event(app=web.path, dst=PEER4)
    assert event['verdict']['action'] == 'allow', event
    assert event['verdict']['would_deny'] is True, event
    assert event['verdict']['mode'] == 'learn', event

    answer = wait_learned(daemon, 4)
    assert answer['fewest'] and not answer['unnamed'], answer
    assert lines(answer['rules']) == sorted([
        (web.path, (PEER4, PEER6), (5000,), ('tcp',)),
        (dns.path, (PEER4,), (5002,), ('udp',)),
        (dns.path, (PEER4,), (), ('icmp',))]), answer['rules']
    applied = json.loads(daemon.cli(
        'learn', 'apply', '--proposal', answer['proposal'], '--json').stdout)
    assert lines(applied['added']) == lines(answer['rules'])
    assert not learned(daemon)['rules']
    daemon.cli('mode', 'enforce')

    for address in (PEER4, PEER6):
        assert web.tcp(address, 5000)['errno'] == 0
    assert dns.udp(PEER4, 5002, timeout=5)['errno'] == 0
    assert dns.ping(PEER4)['errno'] == 0
    for address, port in ((OTHER4, 5000), (PEER4, 5001), (FAR4, 5000)):
        assert web.tcp(address, port, timeout=0.2)['name'] == 'ETIMEDOUT'
    assert dns.tcp(PEER4, 5000, timeout=0.2)['name'] == 'ETIMEDOUT'
    web.udp(PEER4, 5003)
    daemon.wait_event(dport=5003, action='deny')


def test_rules_hold_in_mode_learn(lab):
    denied, rejected = lab.app('denied'), lab.app('rejected')
    other = lab.app('other')
    lab.servers.tcp(5000, [PEER4])
    daemon = lab.daemon(mode='learn', default='deny', rules=(
        rule_text('no', 'deny', denied.path) +
        rule_text('reject', 'reject', rejected.path)))
    assert denied.tcp(PEER4, 5000, timeout=0.2)['name'] == 'ETIMEDOUT'
    assert rejected.tcp(PEER4, 5000)['name'] == 'ECONNREFUSED'
    assert other.tcp(PEER4, 5000)['errno'] == 0
    answer = wait_learned(daemon, 1)
    assert [rule['app'] for rule in answer['rules']] == [other.path], answer
    # A rule that is made while it learns counts at once, and is not undone by
    # what was seen before.
    daemon.add_rule('no-other', 'deny', other.path)
    assert other.tcp(PEER4, 5000, timeout=0.2)['name'] == 'ETIMEDOUT'
    assert daemon.cli('learn', 'apply').stdout == 'no rules to add\n'


def test_a_restart_keeps_what_was_learned(lab):
    app = lab.app()
    lab.servers.tcp(5000, [PEER4, OTHER4])
    daemon = lab.daemon(mode='learn', default='deny')
    assert app.tcp(PEER4, 5000)['errno'] == 0
    before = wait_learned(daemon, 1)
    lab.exempt(dport=5000)  # the first daemon's events go with it
    daemon.stop()
    daemon.restart()
    after = learned(daemon)
    assert after['proposal'] == before['proposal'], (before, after)

    # A crash loses no more than the last second.
    assert app.tcp(OTHER4, 5000)['errno'] == 0
    wait_learned(daemon, 2)
    path = f'{daemon.state_dir}/learned.db-wal'
    size = os.stat(path).st_size
    daemon.wait_idle(1.2)
    assert os.stat(path).st_size >= size
    daemon.process.send_signal(signal.SIGKILL)
    daemon.process.wait()
    daemon.kill()
    daemon.restart()
    assert learned(daemon)['rules'][0]['to'] == [PEER4, OTHER4]
    assert os.stat(f'{daemon.state_dir}/learned.db').st_mode & 0o777 == 0o600

    assert json.loads(daemon.cli('learn', 'clear', '--json').stdout) == {
        'forgotten': 2}
    assert learned(daemon)['destinations'] == 0
    # What is open at a start is learned (again), so nothing may be.
    app.close()
    daemon.stop()
    daemon.restart()
    assert learned(daemon)['destinations'] == 0


def test_flows_older_than_mode_learn_are_learned(lab):
    app = lab.app()
    lab.servers.tcp(5000, [PEER4])
    daemon = lab.daemon(mode='monitor', default='deny')
    app.run(f'c = socket.create_connection(({PEER4!r}, 5000), 5)')
    daemon.wait_event(dport=5000)
    assert learned(daemon)['destinations'] == 0
    daemon.cli('mode', 'learn')
    answer = wait_learned(daemon, 1)
    assert lines(answer['rules']) == [
        (app.path, (PEER4,), (5000,), ('tcp',))], answer
    daemon.cli('learn', 'apply')
    daemon.cli('mode', 'enforce')
    # The connection goes on: what it did is a rule now.
    assert app.run("""
c.sendall(b'x')
c.settimeout(5)
result = len(c.recv(1))""") == 1


def test_learn_by_user_and_for_one_app(lab):
    one, two = lab.app('one', uid=1234), lab.app('two')
    lab.servers.tcp(5000, [PEER4, OTHER4])
    daemon = lab.daemon(mode='learn', default='deny')
    for address in (PEER4, OTHER4):
        assert one.tcp(address, 5000)['errno'] == 0
    assert two.tcp(PEER4, 5000)['errno'] == 0
    wait_learned(daemon, 3)
    daemon.cli('learn', 'apply', '--app', one.path, '--by-user',
               '--group-addresses')
    rule = daemon.get('/v1/rules/learn-one-1')
    assert rule['user'] == ['1234'] and rule['to'] == ['lan'], rule
    assert [rule['app'] for rule in learned(daemon)['rules']] == [two.path]
    daemon.cli('mode', 'enforce')
    assert one.tcp(PEER4, 5000)['errno'] == 0
    assert two.tcp(PEER4, 5000, timeout=0.2)['name'] == 'ETIMEDOUT'
