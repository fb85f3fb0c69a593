"""Rule files, the config file, the disk (CASES F13, F14, F16), and rules that
change while the daemon runs."""

import os
import re
import signal
import subprocess

import kernel
from cases import case
from daemon import program, rule_text
from lab import PEER4

LOCATION = re.compile(r'\.toml:\d+:\d+: \S')


def rules_in_force(daemon):
    return {rule['name']: rule for rule in daemon.get('/v1/rules')['rules']}


def reload(daemon):
    """True if the files were taken."""
    status, body = daemon.api('POST', '/v1/rules/reload')
    assert status in (200, 400), (status, body)
    return status == 200


@case('F13')
def test_F13_broken_files_keep_the_last_good_set(lab):
    app = lab.app()
    good = rule_text('app', 'deny', app.path, description='the good one')
    daemon = lab.daemon(default='allow', rules=good)
    broken = {
        'garbage': '\0\1\2 this is no TOML',
        'not utf-8': good.replace('good', 'g\udcffod'),
        'unknown key': good + 'colour = "red"\n',
        'wrong type': good.replace('"deny"', '5'),
        'bad policy': good.replace('"deny"', '"maybe"'),
        'duplicate name': good + good,
        'duplicate key': good + 'policy = "allow"\n',
        'half a table': good + '[[rule]',
        'no app': '[[rule]]\nname = "x"\npolicy = "allow"\n',
        'bad prefix': rule_text('x', 'allow', 'any', to=['10.0.0.1/8']),
        'bad port': rule_text('x', 'allow', 'any', port=[70000],
                              protocol=['tcp']),
        'nesting': 'a = ' + '[' * 20000,
        'huge name': rule_text('x' * 100000, 'allow', 'any'),
    }
    for port, (what, text) in enumerate(broken.items(), 5000):
        with open(f'{daemon.rules_dir}/test.toml', 'w', encoding='utf-8',
                  errors='surrogateescape') as file:
            file.write(text)
        assert not reload(daemon), what
        status = daemon.status()
        error = status['rules']['last_error']
        assert LOCATION.search(error) or what in ('not utf-8',), (what, error)
        assert rules_in_force(daemon)['app']['policy'] == 'deny', what
        app.udp(PEER4, port)
        daemon.wait_event(dport=port, action='deny')
    daemon.write_rules(good.replace('"deny"', '"allow"'))
    assert reload(daemon)
    assert not daemon.status()['rules'].get('last_error')
    app.udp(PEER4, 4000)
    daemon.wait_event(dport=4000, action='allow')


@case('F13')
def test_F13_file_of_a_hundred_megabytes(lab):
    app = lab.app()
    daemon = lab.daemon(default='allow',
                        rules=rule_text('app', 'deny', app.path))
    with open(f'{daemon.rules_dir}/big.toml', 'wb') as file:
        file.truncate(100 << 20)
    assert not reload(daemon)
    assert 'big.toml' in daemon.status()['rules']['last_error']
    rss_kb = int(re.search(r'VmRSS:\s+(\d+)', kernel.read(
        f'/proc/{daemon.pid}/status')).group(1))
    assert rss_kb < 100 << 10 or kernel.SCALE > 1, rss_kb
    app.udp(PEER4, 5000)
    daemon.wait_event(dport=5000, action='deny')


@case('F13')
def test_F13_rule_file_cut_at_every_byte(lab):
    """A cut inside a line is refused and the last good set stays. A cut at the
    end of a line leaves a file that is complete in itself: in the admin's
    files that cannot be told from an edit, so what is in force then are whole
    lines of the file, never half of one."""
    daemon = lab.daemon(default='deny')
    text = (rule_text('one', 'deny', '/bin/one', to=['10.0.0.0/8']) +
            rule_text('two', 'allow', '/bin/two', to=['192.0.2.0/24'],
                      port=[443, '8000-9000'], protocol=['tcp']))
    path = f'{daemon.rules_dir}/test.toml'
    kernel.write(path, text)
    assert reload(daemon)
    good = rules_in_force(daemon)
    lines = text.splitlines()
    for cut in range(len(text)):
        kernel.write(path, text[:cut])
        taken = reload(daemon)
        in_force = rules_in_force(daemon)
        last = text[:cut].splitlines()[-1:] or ['']
        if last[0] in lines + ['']:
            kernel.write(path, text)
            assert reload(daemon)
            continue
        assert not taken, text[:cut]
        assert in_force == good, text[:cut]


@case('F13')
def test_F13_our_own_rule_file_cut_at_every_byte(lab):
    """A file the daemon wrote is complete or it is refused: half a rule must
    not be a wider rule."""
    daemon = lab.daemon(default='deny')
    daemon.add_rule('narrow', 'allow', '/bin/one', to=['192.0.2.0/24'],
                    port=[443], protocol=['tcp'], user='1234')
    path = f'{daemon.state_dir}/rules.d/narrow.toml'
    with open(path, 'rb') as file:
        text = file.read()
    good = rules_in_force(daemon)
    for cut in range(len(text)):
        with open(path, 'wb') as file:
            file.write(text[:cut])
        taken = reload(daemon)
        in_force = rules_in_force(daemon)
        assert in_force == good, (text[:cut], taken)


@case('F13')
def test_F13_broken_file_at_start_is_refused(lab):
    daemon = lab.daemon()
    command = daemon.command()
    daemon.stop()
    daemon.write_rules('[[rule]]\nname = "x"\n')
    done = subprocess.run(command, capture_output=True, text=True,
                          check=False, timeout=20)
    assert done.returncode == 3, done
    assert LOCATION.search(done.stderr), done.stderr
    done = subprocess.run(command + ['--check-config'], capture_output=True,
                          text=True, check=False, timeout=20)
    assert done.returncode == 1, done
    assert LOCATION.search(done.stdout + done.stderr), done


BAD_CONFIG = [
    'mode = 5', 'mode = "strict"', 'mode = ""', 'default = "drop"',
    'default = true', 'on_failure = "maybe"', 'unattributed = ["deny"]',
    'loopback = "yes"', 'builtin_loopback_rule = "true"', 'queues = 0',
    'queues = 65', 'queues = -1', 'queues = 1.5', 'queues = "two"',
    'queues = 99999999999999999999', 'queue_base = 65536', 'queue_base = -1',
    'queues = 64\nqueue_base = 65500', 'mark_mask = "0x00700000"',
    'mark_mask = "0x00f0000g"', 'mark_mask = 0', 'mark_mask = "0x10010011"',
    'rules_dirs = "/etc"', 'rules_dirs = ["relative"]', 'rules_dirs = [1]',
    'state_dir = "relative"', 'state_dir = ""', 'state_dir = 1',
    'socket = "/' + 'x' * 200 + '"', 'control_group = 5',
    'slow_lane_threads = 0', 'slow_lane_threads = 17',
    'resolve_deadline_ms = 0', 'resolve_deadline_ms = 99999999',
    'event_log = "somewhere"', 'event_log_max_mib = 0',
    'history = 5', '[history]\nmax_age_days = 0', '[history]\nmax_mib = "1"',
    '[history]\ncolour = 1', 'colour = "red"', 'Mode = "enforce"',
    'mode = "enforce"\nmode = "monitor"', 'mode =', '[mode]\na = 1',
    'existing_flows = "keep"', 'divert = "magic"', 'attribution = "psychic"',
    'attribution = "bpf"', 'offload = "on"', '\0', 'a' * 100000,
    'mode = "enforce\\u0000"',
]


@case('F14')
def test_F14_bad_configuration_is_refused_with_its_place(lab):
    path = f'{lab.dir}/c.toml'
    for text in BAD_CONFIG:
        kernel.write(path, text)
        command = [program('sallyportd'), '--config', path]
        for more, code in (([], 3), (['--check-config'], 1)):
            done = subprocess.run(command + more, capture_output=True,
                                  text=True, check=False, timeout=20)
            assert done.returncode == code, (text[:80], done)
            assert 'c.toml' in done.stderr, (text[:80], done.stderr)
            if '65500' not in text:  # only together they are wrong
                assert LOCATION.search(done.stderr), (text[:80], done.stderr)
    assert not kernel.queues()


@case('F14')
def test_F14_bad_flags_are_usage_errors(lab):
    for flags in (['--colour'], ['--mode', 'strict'], ['--queues', '0'],
                  ['--queues', 'x'], ['extra'], ['--mode'],
                  ['--socket', 'relative'], ['--divert', 'magic']):
        done = subprocess.run([program('sallyportd'), *flags],
                              capture_output=True, text=True, check=False,
                              timeout=20)
        assert done.returncode == 2, (flags, done)
        assert done.stderr.strip(), flags
    assert not lab.waiting()


@case('F16')
def test_F16_full_disk(lab):
    """State on a disk that fills up: verdicts go on, old rules stay as they
    are, whoever wants to save is told."""
    app = lab.app()
    os.makedirs(f'{lab.dir}/d/state')
    kernel.mount('tmpfs', f'{lab.dir}/d/state', 'tmpfs', 0,
                 'size=1m,mode=0755')
    daemon = lab.daemon()
    daemon.add_rule('app', 'allow', app.path, port=[5000], protocol=['udp'])
    lab.servers.udp(5000, [PEER4])
    fill(f'{daemon.state_dir}/filler')
    before = open(f'{daemon.state_dir}/rules.d/app.toml', 'rb').read()
    for number in range(200):
        app.udp(PEER4, 6000 + number)
    daemon.wait_event(dport=6199, action='deny')
    status, body = daemon.api('POST', '/v1/rules', {
        'name': 'more', 'policy': 'allow', 'app': app.path,
        'description': 'd' * 4000})
    assert status == 503, (status, body)
    assert 'not saved' in body['error']['message'], body
    status, body = daemon.api('PATCH', '/v1/rules/app', {
        'policy': 'deny', 'description': 'd' * 4000})
    assert status == 503, (status, body)
    assert rules_in_force(daemon)['app']['policy'] == 'allow'
    assert 'more' not in rules_in_force(daemon)
    after = open(f'{daemon.state_dir}/rules.d/app.toml', 'rb').read()
    assert before == after
    app.udp(PEER4, 5000)
    lab.servers.wait_datagrams(5000, 1)
    done = daemon.cli('deny', app.path, check=False)
    assert done.returncode == 1 and 'not saved' in done.stderr, done
    kernel.wait_until(lambda: not daemon.status()['history']['ok'],
                      'the history to say so')
    os.unlink(f'{daemon.state_dir}/filler')
    daemon.add_rule('more', 'allow', app.path)
    app.udp(PEER4, 5001)
    daemon.wait_event(dport=5001, action='allow')
    daemon.stop()
    kernel.umount(daemon.state_dir)


def fill(path):
    with open(path, 'wb', buffering=0) as file:
        try:
            while True:
                file.write(b'\0' * 4096)
        except OSError:
            pass


def test_rules_change_with_their_files(lab):
    """No reload is asked for: the daemon sees the change by itself."""
    app = lab.app()
    daemon = lab.daemon()
    lab.servers.udp(5000, [PEER4])
    daemon.write_rules(rule_text('app', 'allow', app.path))
    kernel.wait_until(lambda: 'app' in rules_in_force(daemon), 'the new rule')
    app.udp(PEER4, 5000)
    lab.servers.wait_datagrams(5000, 1)
    daemon.write_rules(rule_text('app', 'deny', app.path))
    kernel.wait_until(
        lambda: rules_in_force(daemon)['app']['policy'] == 'deny', 'the edit')
    app.udp(PEER4, 5001)
    assert daemon.wait_event(dport=5001)['verdict']['rule'] == 'app'
    os.unlink(f'{daemon.rules_dir}/test.toml')
    kernel.wait_until(lambda: 'app' not in rules_in_force(daemon),
                      'the rule to be gone')
    app.udp(PEER4, 5002)
    assert daemon.wait_event(dport=5002)['verdict']['reason'] == 'default'


def test_sighup_reloads(lab):
    daemon = lab.daemon()
    path = f'{daemon.rules_dir}/new.toml'
    kernel.write(path, rule_text('new', 'allow', '/bin/true'))
    daemon.process.send_signal(signal.SIGHUP)
    kernel.wait_until(lambda: 'new' in rules_in_force(daemon), 'the rule')
    kernel.write(path, 'broken')
    daemon.process.send_signal(signal.SIGHUP)
    kernel.wait_until(lambda: daemon.status()['rules'].get('last_error'),
                      'the error')
    assert 'new' in rules_in_force(daemon)


def test_file_rule_that_turns_to_deny_cuts(lab):
    app = lab.app()
    daemon = lab.daemon(rules=rule_text('app', 'allow', app.path))
    lab.servers.tcp(5000, [PEER4])
    app.run(f'c = socket.create_connection(({PEER4!r}, 5000), 5)')
    kernel.wait_until(lambda: lab.servers.accepted[5000], 'the connection')
    daemon.write_rules(rule_text('app', 'deny', app.path))
    kernel.wait_until(lambda: lab.servers.closed[5000], 'the cut')
