"""What is kept, and whether a hand was at it: the history's chain of hashes,
and rule files that are changed behind the daemon's back."""

import json
import os
import sqlite3
import subprocess

import kernel
from daemon import program, rule_text
from lab import PEER4


def violations(lab, daemon, count, first_port=6000):
    """Makes `count` denied flows and waits until they are on disk."""
    app = lab.app(f'app{first_port}')
    for port in range(first_port, first_port + count):
        app.udp(PEER4, port)
    wait_kept(daemon, first_port, count)


def wait_kept(daemon, first_port, count):
    def kept():
        found = daemon.get('/v1/violations?limit=10000')['violations']
        ports = {event['dest_port'] for event in found}
        return ports >= set(range(first_port, first_port + count))
    kernel.wait_until(kept, 'the history', 10)


def database(daemon):
    return f'{daemon.state_dir}/history.db'


def tamper(daemon, sql):
    """What somebody with a database program does, while the daemon runs."""
    with sqlite3.connect(database(daemon), timeout=10) as connection:
        connection.executescript(sql)
    connection.close()


def verify(daemon, *more, code=0):
    done = daemon.cli('history', 'verify', '--json', *more, check=False)
    assert done.returncode == code, done
    return json.loads(done.stdout)


def verify_file(path, *more, code=0):
    done = subprocess.run(
        [program('sallyport'), 'history', 'verify', '--file', path, *more],
        capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == code, done
    return done.stdout


def broken(report):
    """What does not fit, of the violations."""
    assert not report['intact'], report
    assert report['chains'][1]['intact'], report
    return report['chains'][0]['broken']


def test_history_is_whole_and_its_head_is_found(lab):
    daemon = lab.daemon()
    violations(lab, daemon, 5)
    done = daemon.cli('history', 'verify')
    assert 'violations: 5 records, chain intact since 20' in done.stdout, done
    assert 'allowed: 0 records, chain intact since 20' in done.stdout, done
    heads = [line.split()[0] for line in
             daemon.cli('history', 'head').stdout.splitlines()]
    violations(lab, daemon, 5, 7000)
    report = verify(daemon, '--head', heads[0], '--head', heads[1])
    assert all(head['found'] for head in report['heads']), report
    assert report['heads'][0]['id'] == 5, report
    assert report['chains'][0]['records'] == 10, report
    report = verify(daemon, '--head', '0' * 64, code=1)
    assert report['chains'][0]['intact'] and not report['heads'][0]['found']
    daemon.stop()
    assert 'chain intact' in verify_file(database(daemon), '--head', heads[0])
    daemon.restart()
    violations(lab, daemon, 1, 8000)
    assert verify(daemon)['chains'][0]['records'] == 11


def test_flipped_byte_names_its_record(lab):
    daemon = lab.daemon()
    violations(lab, daemon, 9)
    daemon.stop()
    path = database(daemon)
    with open(path, 'rb') as file:
        data = bytearray(file.read())
    at = data.index(b'"dest_port":6006')  # the seventh
    data[at + 15] ^= 1
    with open(path, 'wb') as file:
        file.write(data)
    text = verify_file(path, code=1)
    assert 'violations: BROKEN after 6 records: changed: record 7 of 20' in \
        text, text
    daemon.restart()
    what = broken(verify(daemon, code=1))
    assert what['what'] == 'changed' and what['id'] == 7, what
    events = daemon.get('/v1/violations')['violations']
    seventh = [event for event in events if event['dest_port'] == 6007][0]
    assert what['time'][:23] == seventh['timestamp'][:23], (what, seventh)


def test_deleted_rows_are_missed(lab):
    daemon = lab.daemon()
    violations(lab, daemon, 9)
    assert verify(daemon)['intact']
    tamper(daemon, 'DELETE FROM violation WHERE id = 4')
    what = broken(verify(daemon, code=1))
    assert what['what'] == 'missing' and what['id'] == 4, what
    assert 'last_id' not in what, what
    # It stays so, whatever is written after it.
    violations(lab, daemon, 2, 7000)
    assert broken(verify(daemon, code=1))['id'] == 4
    text = daemon.cli('history', 'verify', check=False).stdout
    assert 'BROKEN after 3 records: missing: record 4 before record 5' in text


def test_newest_rows_are_missed(lab):
    """Also when whoever took them set the head back: the daemon knows."""
    daemon = lab.daemon()
    violations(lab, daemon, 9)
    tamper(daemon, 'DELETE FROM violation WHERE id > 7')
    what = broken(verify(daemon, code=1))
    assert what['what'] == 'cut', what
    assert (what['id'], what['last_id']) == (8, 9), what
    tamper(daemon, "UPDATE chain SET head_id = 7, head_hash = (SELECT hash "
                   "FROM violation WHERE id = 7) WHERE name = 'violation'")
    what = broken(verify(daemon, code=1))
    assert what['what'] == 'replaced', what
    assert 'up to 9' in what['message'], what


def test_pruning_leaves_the_chain_whole(lab):
    daemon = lab.daemon(config={'history': {'max_mib': 1}})
    app = lab.app()
    lab.exempt_if(lambda packet: True)  # a flood: events may be lost
    pruned = 0
    for first in range(10000, 40000, 1000):
        app.run(f'flood({PEER4!r}, {first}, 1000)')
        daemon.settle()
        report = verify(daemon)
        assert report['intact'], report
        pruned = report['chains'][0]['pruned']
        if pruned > 500:
            break
    assert pruned > 500, report
    assert report['chains'][0]['records'] > 100, report
    daemon.stop()
    verify_file(database(daemon))


def test_old_history_is_taken_over(lab):
    """A file of the version before the chain: its records stay, unverified."""
    state = f'{lab.dir}/d/state'
    os.makedirs(state)
    with sqlite3.connect(f'{state}/history.db') as connection:
        connection.executescript('''
            CREATE TABLE violation (id INTEGER PRIMARY KEY, time_ns INTEGER
              NOT NULL, uid INTEGER, app TEXT NOT NULL, json TEXT NOT NULL,
              cost INTEGER NOT NULL);
            CREATE INDEX violation_time ON violation (time_ns);
            CREATE TABLE flow (id INTEGER PRIMARY KEY, time_ns INTEGER NOT
              NULL, uid INTEGER, app TEXT NOT NULL, json TEXT NOT NULL, cost
              INTEGER NOT NULL);
            CREATE INDEX flow_time ON flow (time_ns);
            CREATE TABLE budget (violation INTEGER NOT NULL, flow INTEGER NOT
              NULL);
            INSERT INTO budget VALUES (200, 0);
            INSERT INTO violation VALUES (1, 5000000000000000000, 0, '/a',
              '{"dest_port": 1}', 100);
            PRAGMA user_version = 1''')
    connection.close()
    daemon = lab.daemon()
    violations(lab, daemon, 3)
    report = verify(daemon)
    assert report['chains'][0]['records'] == 3, report
    assert report['chains'][0]['unchained'] == 1, report
    text = daemon.cli('history', 'verify').stdout
    assert '1 records are older than the chain' in text, text
    ports = {event['dest_port'] for event in
             daemon.get('/v1/violations')['violations']}
    assert ports == {1, 6000, 6001, 6002}, ports


def test_verify_without_a_daemon_or_a_file(lab):
    done = subprocess.run(
        [program('sallyport'), '--socket', f'{lab.dir}/none', 'history',
         'verify'], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 3, done
    verify_file(f'{lab.dir}/none.db', code=3)
    kernel.write(f'{lab.dir}/text.db', 'this is no database' * 100)
    assert 'BROKEN' in verify_file(f'{lab.dir}/text.db', code=1)
    verify_file(f'{lab.dir}/text.db', '--head', 'abc', code=2)


def changes(daemon):
    return [event for event in daemon.get('/v1/events')['events']
            if event['event_type'] == 'rules_changed']


def wait_changes(daemon, count):
    return kernel.wait_until(
        lambda: len(changes(daemon)) >= count and changes(daemon),
        f'{count} changes of rule files')


def test_rule_file_edited_by_hand_is_told(lab):
    good = (rule_text('one', 'deny', '/bin/one') +
            rule_text('two', 'deny', '/bin/two'))
    daemon = lab.daemon(rules=good)
    path = f'{daemon.rules_dir}/test.toml'
    assert changes(daemon) == []
    # What the daemon does itself is no such event.
    daemon.add_rule('ours', 'deny', '/bin/ours')
    daemon.api('PATCH', '/v1/rules/ours', {'enabled': False})
    daemon.remove_rule('ours')
    with open(path, 'w', encoding='utf-8') as file:
        file.write(good.replace('"deny"', '"allow"', 1) +
                   rule_text('three', 'deny', '/bin/three'))
    event = wait_changes(daemon, 1)[0]
    assert len(changes(daemon)) == 1, changes(daemon)
    assert event['file'] == path and event['change'] == 'changed', event
    assert event['in_force'] is True, event
    assert event['rules'] == {'added': ['three'], 'removed': [],
                              'changed': ['one']}, event
    assert event['who'] == 'unknown' and event['owner']['uid'] == 0, event
    assert '-policy = "deny"' in event['diff'], event
    assert '+policy = "allow"' in event['diff'], event
    assert event['lines'] == {'added': 6, 'removed': 1}, event
    line = daemon.cli('events').stdout.splitlines()[-1]
    assert path in line and 'rules added: three' in line, line
    text = daemon.cli('events', '--verbose').stdout
    assert '\n    -policy = "deny"\n    +policy = "allow"\n' in text, text
    # The live stream had it too, and the history keeps it over a restart.
    kernel.wait_until(lambda: [e for e in daemon.all_events()
                               if e['event_type'] == 'rules_changed'],
                      'the event in the stream')
    kernel.wait_until(lambda: daemon.get('/v1/history/rules')['events'],
                      'the history')
    daemon.stop()
    daemon.restart()
    assert daemon.get('/v1/history/rules')['events'] == [event]
    assert 'rules changed: one' in daemon.cli('history', 'rules').stdout
    assert verify(daemon)['chains'][0]['records'] == 1


def test_broken_and_removed_rule_files_are_told(lab):
    daemon = lab.daemon(rules=rule_text('one', 'deny', '/bin/one'))
    daemon.add_rule('ours', 'deny', '/bin/ours')
    daemon.write_rules('[[rule]]\nname = "\x1b"\n')
    event = wait_changes(daemon, 1)[-1]
    assert event['in_force'] is False, event
    assert 'test.toml:2:' in event['error'], event
    assert '\x1b' not in json.dumps(event, ensure_ascii=False), event
    daemon.write_rules(rule_text('one', 'deny', '/bin/one'))
    event = wait_changes(daemon, 2)[-1]
    assert event['in_force'] is True and event['rules']['changed'] == [], event
    os.unlink(f'{daemon.state_dir}/rules.d/ours.toml')
    event = wait_changes(daemon, 3)[-1]
    assert event['change'] == 'removed', event
    assert event['rules']['removed'] == ['ours'], event
    assert 'owner' not in event, event
