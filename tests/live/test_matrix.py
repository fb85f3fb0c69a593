"""Each policy x TCP, UDP, ICMP x IPv4, IPv6 x each way to queue. Every cell is
a test of its own, made from the table below."""

from daemon import rule_text
from lab import FAR4, FAR6, PEER4, PEER6, Skip
from referee import native_queue_works, xt_queue_works

PORT = 4242

# What the program sees: (errno name, to a far address). The default is the
# opposite of what the rule says, so that only the rule can have done it.
POLICIES = {
    'allow': ('deny', '', ''),
    'deny': ('allow', 'silence', 'silence'),
    'reject': ('allow', 'refused', 'refused'),
    'local-only': ('allow', '', 'silence'),
    'unmatched': ('deny', 'silence', 'silence'),
}
SILENCE = ('ETIMEDOUT', 'EAGAIN')
REFUSED = ('ECONNREFUSED', 'EHOSTUNREACH', 'EACCES')
PROTOCOLS = {'tcp': 6, 'udp': 17, 'icmp': 1}


def talk(app, protocol, address, expect_silence):
    timeout = 0.25 if expect_silence else 3
    if protocol == 'tcp':
        return app.tcp(address, PORT, timeout=timeout)
    if protocol == 'udp':
        return app.udp(address, PORT, connected=True, timeout=timeout)
    return app.ping(address, timeout=timeout)


def check_cell(lab, daemon, app, protocol, address, expected, policy):
    before = len(daemon.events(dst=address))
    answer = talk(app, protocol, address, expected == 'silence')
    event = daemon.wait_event(dst=address, count=before + 1)
    number = PROTOCOLS[protocol] if ':' not in address or protocol != 'icmp' \
        else 58
    reached = lab.at_peer(dst=address, proto=number)
    assert event['app']['path'] == app.path, event
    assert event['app']['pid'] == app.pid, event
    if policy != 'unmatched':
        assert event['verdict']['rule'] == 'the-rule', event
    action = {'': 'allow', 'silence': 'deny', 'refused': 'reject'}[expected]
    assert event['verdict']['action'] == action, event
    assert bool(reached) == (action == 'allow'), (answer, reached)
    if expected == 'silence':
        assert answer['name'] in SILENCE, answer
    elif expected == 'refused':
        assert answer['name'] in REFUSED, answer
        assert answer['ms'] < 1000, answer
    else:
        assert answer['errno'] == 0, answer


def cell(policy, protocol, version, expression):
    default, near_expected, far_expected = POLICIES[policy]
    near, far = (PEER4, FAR4) if version == 4 else (PEER6, FAR6)

    def test(lab):
        works = {'native': native_queue_works, 'xt': xt_queue_works}
        if not works[expression]():
            raise Skip(f'the kernel has no {expression} queue expression')
        lab.servers.tcp(PORT, [near, far])
        lab.servers.udp(PORT, [near, far], echo=True)
        app = lab.app()
        rules = '' if policy == 'unmatched' else rule_text(
            'the-rule', policy, app.path)
        daemon = lab.daemon(default=default, rules=rules, divert=expression)
        assert daemon.status()['divert']['expression'] == expression
        check_cell(lab, daemon, app, protocol, near, near_expected, policy)
        check_cell(lab, daemon, app, protocol, far, far_expected, policy)

    name = policy.replace('-', '_')
    test.__name__ = f'test_matrix_{name}_{protocol}_v{version}_{expression}'
    test.__module__ = __name__
    return test


for _policy in POLICIES:
    for _protocol in PROTOCOLS:
        for _version in (4, 6):
            for _expression in ('native', 'xt'):
                _test = cell(_policy, _protocol, _version, _expression)
                globals()[_test.__name__] = _test
