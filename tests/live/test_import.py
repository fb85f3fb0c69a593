"""Rules of another firewall, brought in by the CLI, on real connections."""

import json
import os

from daemon import rule_text
from lab import OTHER4, PEER4, PEER6

LEFT_OUT = {
    'by-env': "operand 'process.env.HOME': has no meaning here",
    'by-list': 'here, then import again with --list /etc/lists/ads=NAME',
    'by-md5': 'only SHA-256 pins an app here (sha256)',
    'ran-out': "it was temporary ('5m') and has ended",
}


def operator(operand, data, kind='simple'):
    return {'type': kind, 'operand': operand, 'data': data, 'sensitive': True,
            'list': []}


def snitch_rules(lab, app):
    """A folder as OpenSnitch keeps it."""
    folder = f'{lab.dir}/opensnitch/rules'
    os.makedirs(folder)
    path = operator('process.path', app.path)

    def add(name, action, operators, **fields):
        rule = {'created': '2020-01-01T00:00:00Z', 'name': name,
                'enabled': True, 'precedence': False, 'action': action,
                'duration': 'always', **fields,
                'operator': {'type': 'list', 'operand': 'list', 'data': '',
                             'sensitive': False, 'list': operators}}
        with open(f'{folder}/{name}.json', 'w', encoding='utf-8') as file:
            json.dump(rule, file)

    add('allow-web', 'allow', [path, operator('dest.port', '80'),
                               operator('iface.out', 'v0')])
    add('allow-elsewhere', 'allow', [path, operator('dest.port', '82'),
                                     operator('iface.out', 'v9')])
    add('reject-other', 'reject', [operator(
        'dest.network', f'{OTHER4}/32', 'network')])
    add('off', 'allow', [path, operator('dest.port', '81')], enabled=False)
    add('by-env', 'allow', [path, operator('process.env.HOME', '/root')])
    add('by-list', 'deny', [operator('lists.nets', '/etc/lists/ads',
                                     'lists')])
    add('by-md5', 'allow', [operator('process.hash.md5', '0' * 32)])
    add('ran-out', 'allow', [path], duration='5m')
    return folder


def names(daemon):
    return sorted(rule['name'] for rule in daemon.get('/v1/rules')['rules'])


def test_a_folder_of_opensnitch(lab):
    lab.servers.tcp(80, [PEER4, PEER6, OTHER4])
    lab.servers.tcp(81, [PEER4])
    lab.servers.tcp(82, [PEER4])
    app, other = lab.app(), lab.app('other')
    daemon = lab.daemon(default='deny', rules=rule_text(
        'admins', 'allow', other.path, port=81))
    folder = snitch_rules(lab, app)
    before = names(daemon)
    version = daemon.get('/v1/rules')

    dry = daemon.cli('rules', 'import', '--from', 'opensnitch', folder,
                     '--dry-run').stdout
    assert '# would import 4 rules' in dry, dry
    for name, why in LEFT_OUT.items():
        assert f"# {folder}/{name}.json: rule '{name}': " in dry, dry
        assert why in dry, (name, dry)
    assert daemon.get('/v1/rules') == version
    assert app.tcp(PEER4, 80, timeout=0.25)['errno'] != 0
    assert daemon.wait_event(dst=PEER4)['verdict']['reason'] == 'default'

    done = daemon.cli('rules', 'import', '--from', 'opensnitch', folder)
    assert done.stdout.endswith('imported 4 rules\n'), done
    for name, why in LEFT_OUT.items():
        assert why in done.stderr, (name, done)
    assert names(daemon) == sorted(before + [
        'allow-web', 'allow-elsewhere', 'reject-other', 'off'])

    check(daemon, app, PEER4, 80, 'allow-web', True)
    check(daemon, app, PEER6, 80, 'allow-web', True)
    # The reject is asked before the allow, as there.
    check(daemon, app, OTHER4, 80, 'reject-other', False)
    check(daemon, other, OTHER4, 80, 'reject-other', False)
    check(daemon, other, PEER4, 81, 'admins', True)
    # Of another device; disabled.
    check(daemon, app, PEER4, 82, '', False)
    check(daemon, app, PEER4, 81, '', False)

    again = daemon.cli('rules', 'import', '--from', 'opensnitch', folder)
    assert 'imported 0 rules: 4 stood there already' in again.stdout, again


def check(daemon, app, address, port, rule, passes):
    """Whose rule decides over one connection, '' for the default, and how."""
    before = len(daemon.events(dst=address, dport=port))
    answer = app.tcp(address, port, timeout=3 if passes else 0.25)
    assert (answer['errno'] == 0) == passes, (address, port, answer)
    event = daemon.wait_event(dst=address, dport=port, count=before + 1)
    assert event['verdict'].get('rule', '') == rule, event
    assert event['app']['pid'] == app.pid, event


def test_an_import_to_be_confirmed_goes_back(lab):
    lab.servers.tcp(80, [PEER4])
    app = lab.app()
    daemon = lab.daemon(default='deny', rules='')
    folder = snitch_rules(lab, app)
    before = names(daemon)
    daemon.cli('rules', 'import', '--from', 'opensnitch', folder, '--confirm',
               '1m')
    check(daemon, app, PEER4, 80, 'allow-web', True)
    daemon.cli('confirm', '--undo')
    assert names(daemon) == before
    check(daemon, app, PEER4, 80, '', False)
