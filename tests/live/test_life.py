"""Start, stop, and who may run at all (CASES F11, F32, F33, F39, F40)."""

import os
import signal
import subprocess

import kernel
from capture import nft, ruleset
from cases import case
from daemon import Daemon, rule_text
from lab import PEER4, PEER6, Skip
from referee import Referee, native_queue_works, xt_queue_works

FOREIGN = '''table inet foreign {
  set hosts { type ipv4_addr; elements = { 198.51.100.1 } }
  chain out {
    type filter hook output priority 0; policy accept;
    ip daddr @hosts counter drop
    meta mark set meta mark
  }
  chain in { type filter hook input priority -300; policy accept; }
}
table ip old {
  chain post { type nat hook postrouting priority 100; policy accept; }
}
'''


def try_start(daemon, code):
    """Runs it to its end; its output. It must say why it refused."""
    done = subprocess.run(daemon.command(), capture_output=True, text=True,
                          check=False, timeout=30 * kernel.SCALE,
                          preexec_fn=daemon._preset)
    assert done.returncode == code, done
    text = done.stdout + done.stderr
    assert text.strip(), 'refused without a word'
    return text


@case('F11')
def test_F11_second_daemon_is_refused_naming_the_first(lab):
    app = lab.app()
    first = lab.daemon(rules=rule_text('app', 'allow', app.path))
    intact = ruleset()
    second = Daemon(lab, name='second')
    text = try_start(second, 6)
    assert str(first.pid) in text or \
        str(kernel.queues()[4180].portid) in text, text
    same_socket = Daemon(lab, name='third', queue_base=5000)
    same_socket._flags[same_socket._flags.index('--socket') + 1] = first.socket
    text = try_start(same_socket, 6)
    assert str(first.pid) in text, text
    assert ruleset() == intact
    lab.servers.tcp(5000, [PEER4])
    assert app.tcp(PEER4, 5000, timeout=5)['errno'] == 0
    assert first.status()['enforcing']


@case('F11')
def test_F11_second_daemon_with_other_queues_is_refused(lab):
    """Other queue, other socket: still there is one table for the namespace,
    and it is the first one's."""
    app = lab.app()
    first = lab.daemon(rules=rule_text('app', 'allow', app.path))
    intact = ruleset()
    try_start(Daemon(lab, name='second', queue_base=5000), 6)
    assert ruleset() == intact
    lab.servers.tcp(5000, [PEER4])
    assert app.tcp(PEER4, 5000, timeout=5)['errno'] == 0
    assert first.status()['enforcing']


@case('F11')
def test_F11_queue_of_a_stranger_is_not_taken(lab):
    referee = Referee(lab, 4180, lambda packet: False)
    before = kernel.queues()[4180].portid
    text = try_start(Daemon(lab), 6)
    assert '4180' in text and str(before) in text, text
    assert kernel.queues()[4180].portid == before
    referee.close()
    assert 'sallyport' not in ruleset()


CAPABILITIES = ('net_admin', 'sys_ptrace', 'dac_read_search')


@case('F32')
def test_F32_each_missing_capability_is_named(lab):
    for missing in CAPABILITIES:
        daemon = Daemon(lab, name=missing)
        command = ['setpriv', f'--bounding-set=-{missing}',
                   f'--inh-caps=-{missing}', *daemon.command()]
        done = subprocess.run(command, capture_output=True, text=True,
                              check=False, timeout=30 * kernel.SCALE)
        assert done.returncode == 4, (missing, done)
        text = (done.stdout + done.stderr).lower()
        assert f'cap_{missing}' in text, (missing, text)
        for other in CAPABILITIES:
            assert other == missing or f'cap_{other}' not in text, text
        assert not kernel.queues() and 'sallyport' not in ruleset()


@case('F32')
def test_F32_ordinary_user_is_told_all_that_is_missing(lab):
    daemon = Daemon(lab)
    done = subprocess.run(daemon.command(), capture_output=True, text=True,
                          check=False, user=1234, group=1234, extra_groups=[],
                          timeout=30 * kernel.SCALE)
    assert done.returncode == 4, done
    for capability in CAPABILITIES:
        assert f'cap_{capability}' in (done.stdout + done.stderr).lower()


@case('F32')
def test_F32_own_user_with_three_capabilities_is_enough(lab):
    """uid 1234 with ambient NET_ADMIN, SYS_PTRACE, DAC_READ_SEARCH."""
    app = lab.app()
    daemon = Daemon(lab, rules=rule_text('app', 'allow', app.path))
    for path in (daemon.state_dir, daemon.run_dir):
        os.chown(path, 1234, 1234)
    wanted = ','.join(f'+{name}' for name in CAPABILITIES)
    plain = daemon.command()
    daemon.command = lambda: [
        'setpriv', '--reuid=1234', '--regid=1234', '--clear-groups',
        f'--inh-caps=-all,{wanted}', f'--ambient-caps=-all,{wanted}',
        f'--bounding-set=-all,{wanted}', *plain]
    lab.daemons.append(daemon)
    daemon.start()
    lab.servers.tcp(5000, [PEER4])
    assert app.tcp(PEER4, 5000, timeout=5)['errno'] == 0
    event = daemon.wait_event(dport=5000)
    assert event['app']['pid'] == app.pid, event
    # And no more than these three once it runs.
    status = kernel.read(f'/proc/{daemon.pid}/status')
    allowed = (1 << 12) | (1 << 19) | (1 << 2)
    for field in ('CapPrm', 'CapEff', 'CapInh', 'CapAmb', 'CapBnd'):
        held = int(status.split(f'{field}:')[1].split()[0], 16)
        assert held & ~allowed == 0, (field, hex(held))


@case('F32')
def test_F32_root_gives_up_the_rest(lab):
    daemon = lab.daemon()
    status = kernel.read(f'/proc/{daemon.pid}/status')
    allowed = (1 << 12) | (1 << 19) | (1 << 2)
    held = int(status.split('CapPrm:')[1].split()[0], 16)
    assert held & ~allowed == 0, hex(held)
    assert 'NoNewPrivs:\t1' in status


@case('F32')
def test_F32_root_becomes_the_owner_of_the_state(lab):
    """The service's user owns /var/lib/sallyport; root without
    CAP_DAC_OVERRIDE could not write there."""
    app = lab.app()
    daemon = Daemon(lab)
    os.chown(daemon.state_dir, 65534, 65534)
    os.chmod(daemon.state_dir, 0o700)
    os.rmdir(daemon.run_dir)  # systemd takes it away with the service
    lab.daemons.append(daemon)
    daemon.start()
    status = kernel.read(f'/proc/{daemon.pid}/status')
    assert 'Uid:\t65534\t65534\t65534\t65534' in status, status
    app.udp(PEER4, 5000)
    daemon.wait_event(dport=5000)
    kernel.wait_until(lambda: daemon.get('/v1/violations')['violations'],
                      'the violation in the history', 5)
    daemon.add_rule('app', 'allow', app.path)
    assert os.stat(f'{daemon.state_dir}/history.db').st_uid == 65534


@case('F33')
def test_F33_missing_expression_is_named_with_its_remedy(lab):
    wanted = 0
    for how, works, option in (('native', native_queue_works, 'NFT_QUEUE'),
                               ('xt', xt_queue_works, 'NFQUEUE')):
        if works():
            continue
        wanted += 1
        text = try_start(Daemon(lab, divert=how, name=how), 5)
        assert option in text, text
        assert 'sallyport' not in ruleset() and not kernel.queues()
    if not wanted:
        raise Skip('the kernel has both queue expressions')


@case('F33')
def test_F33_auto_falls_back_to_what_the_kernel_has(lab):
    app = lab.app()
    daemon = lab.daemon(divert='auto')
    expected = 'native' if native_queue_works() else 'xt'
    assert daemon.status()['divert']['expression'] == expected
    app.udp(PEER4, 5000)
    daemon.wait_event(dport=5000, action='deny')


@case('F39')
def test_F39_clean_stop_leaves_no_trace(lab):
    nft(FOREIGN)
    before = ruleset()
    sysctls = sysctl_state()
    app = lab.app()
    lab.servers.tcp(5000, [PEER4, PEER6])
    for posture in ('closed', 'open'):
        daemon = lab.daemon(on_failure=posture, name=posture)
        assert app.tcp(PEER4, 5000, timeout=0.2)['name'] == 'ETIMEDOUT'
        during = ruleset()
        assert during.startswith(before) or all(
            line in during for line in before.splitlines())
        daemon.stop()
        assert ruleset() == before
        assert sysctl_state() == sysctls
        assert not kernel.queues()
        assert not os.path.exists(daemon.socket)
    lab.exempt(dport=5000)
    for address in (PEER4, PEER6):
        assert app.tcp(address, 5000, timeout=5)['errno'] == 0


def sysctl_state():
    state = {}
    for directory, _, names in os.walk('/proc/sys/net'):
        for name in names:
            path = f'{directory}/{name}'
            # These count, they are not settings.
            if name in ('nf_conntrack_count', 'stat_refresh', 'flush'):
                continue
            try:
                state[path] = kernel.read(path)
            except OSError:
                pass
    return state


@case('F39')
def test_F39_foreign_tables_are_untouched_while_it_runs(lab):
    nft(FOREIGN)
    before = {name: subprocess.run(
        ['nft', '-s', 'list', 'table', *name.split()], check=True,
        capture_output=True).stdout for name in ('inet foreign', 'ip old')}
    app = lab.app()
    daemon = lab.daemon()
    app.udp(PEER4, 5000)
    daemon.wait_event(dport=5000)
    for name, text in before.items():
        assert subprocess.run(
            ['nft', '-s', 'list', 'table', *name.split()], check=True,
            capture_output=True).stdout == text


@case('F40')
def test_F40_off_works_with_a_hung_daemon_and_a_full_queue(lab):
    app = lab.app()
    lab.servers.tcp(5000, [PEER4])
    daemon = lab.daemon(rules=rule_text('all', 'deny', 'any'))
    daemon.freeze()
    app.run(f'flood({PEER4!r}, 10000, 5000)')
    assert app.tcp(PEER4, 5000, timeout=0.2)['name'] == 'ETIMEDOUT'
    lab.exempt(dport=5000)
    off = daemon.cli('off', check=False)
    assert 'table inet sallyport' not in ruleset(), off
    assert app.tcp(PEER4, 5000, timeout=3)['errno'] == 0
    daemon.kill()
    assert not lab.at_peer(proto=17)


@case('F40')
def test_F40_off_ends_a_living_daemon(lab):
    """It must not come back by its own repair."""
    app = lab.app()
    lab.servers.tcp(5000, [PEER4])
    daemon = lab.daemon(rules=rule_text('all', 'deny', 'any'))
    lab.exempt(dport=5000)
    off = daemon.cli('off')
    assert off.returncode == 0, off
    assert 'table inet sallyport' not in ruleset()
    assert app.tcp(PEER4, 5000, timeout=3)['errno'] == 0
    assert 'table inet sallyport' not in ruleset()
    if daemon.process.poll() is not None:
        daemon.expect_exit = daemon.process.returncode
        assert daemon.process.returncode == 0, daemon.output()


def test_watchdog_and_canary_are_visible(lab):
    daemon = lab.daemon(watchdog_s=1)
    status = daemon.status()
    assert status['canary']['seen'] is True, status
    daemon.notified.clear()
    kernel.wait_until(lambda: sum(
        'WATCHDOG=1' in text for text in daemon.read_notifications()) >= 3,
        'three watchdog pings', 5)
    assert daemon.status()['canary']['age_ms'] < 1500 * kernel.SCALE
    # The canary never leaves the machine, nor is it anybody's flow.
    assert not [p for p in lab.at_peer() if p.proto == 17]
    assert not daemon.events()


def test_sigint_stops_as_sigterm_does(lab):
    daemon = lab.daemon()
    daemon.process.send_signal(signal.SIGINT)
    assert daemon.process.wait(15 * kernel.SCALE) == 0
    assert 'sallyport' not in ruleset()


def test_daemons_of_two_namespaces_do_not_disturb_each_other(lab):
    """The peer's daemon denies its programs, fw's allows its own."""
    app = lab.app()
    lab.daemon(rules=rule_text('app', 'allow', app.path), name='here')
    with lab.peer:
        there = Daemon(lab, name='there', events=False)
        lab.daemons.append(there)
        there.start()
        assert len(kernel.queues()) == 1
        theirs = lab.app('theirs')
    lab.servers.tcp(5000, [PEER4])
    assert app.tcp(PEER4, 5000, timeout=5)['errno'] == 0
    lab.app('listener').run('l = socket.create_server(("", 5001))')
    assert theirs.tcp('10.77.0.1', 5001, timeout=0.3)['name'] == 'ETIMEDOUT'
    there.stop()
    with lab.peer:
        assert not kernel.queues()


def test_flows_older_than_the_daemon(lab):
    """recheck judges them at their next packet, accept lets them be, cut ends
    them at once."""
    # Conntrack knows of flows only where somebody uses it.
    nft("""table inet foreign {
      chain out { type filter hook output priority 0; policy accept;
        ct state established accept
      }
    }""")
    lab.servers.tcp(5000, [PEER4])
    lab.exempt(dport=5000)
    for policy, lives in (('recheck', False), ('accept', True),
                          ('cut', False)):
        app = lab.app(f'old-{policy}')
        app.run(f'''
c = socket.create_connection(({PEER4!r}, 5000), 5)
c.settimeout(1)
c.sendall(b'before')
assert c.recv(6) == b'before' ''')
        daemon = lab.daemon(config={'existing_flows': policy}, name=policy)
        alive = app.run('''
try:
    c.sendall(b'after')
    result = c.recv(5) == b'after'
except OSError:
    result = False''')
        assert alive == lives, policy
        new = app.tcp(PEER4, 5000, timeout=0.2)
        assert new['name'] == 'ETIMEDOUT', (policy, new)
        daemon.stop()
        app.close()
