"""One daemon in namespace fw: its files, its process, its API and events.

Readiness and the watchdog are observed as systemd does it, over NOTIFY_SOCKET;
events come over the API's event stream, read by a thread.
"""

import datetime
import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import time

import kernel
from invariant import Verdict
from kernel import SCALE, Skip, wait_until

PROTOCOLS = {'ICMP': 1, 'IGMP': 2, 'TCP': 6, 'UDP': 17, 'DCCP': 33,
             'IPv6-ICMP': 58, 'SCTP': 132, 'UDPLite': 136, 'UDPLITE': 136}


def program(name):
    """Path of sallyportd or sallyport: in a build directory or all in one."""
    top = os.environ['SPT_BIN']
    return next(path for path in (
        f'{top}/{name}', f'{top}/src/{name}', f'{top}/tools/{name}')
        if os.path.isfile(path))


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=10 * SCALE):
        super().__init__('localhost', timeout=timeout)
        self._path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def protocol_number(event):
    proto = event['proto']
    return PROTOCOLS[proto] if proto in PROTOCOLS else int(proto)


def event_key(event):
    """The flow of an event, as capture.Packet.key."""
    proto = protocol_number(event)
    if 'src_port' in event and 'dest_port' in event and proto not in (1, 58):
        return (proto, event['src_ip'], event['src_port'], event['dest_ip'],
                event['dest_port'])
    return (proto, event['src_ip'], event['dest_ip'])


def event_time(event):
    return datetime.datetime.fromisoformat(
        event['timestamp'].replace('Z', '+00:00')).timestamp()


def toml_value(value):
    return json.dumps(value)


def rule_text(name, policy, app, **fields):
    """One [[rule]] in TOML."""
    lines = ['[[rule]]', f'name = "{name}"', f'policy = "{policy}"',
             f'app = {toml_value(app)}']
    lines += [f'{key} = {toml_value(value)}' for key, value in fields.items()]
    return '\n'.join(lines) + '\n\n'


class Daemon:
    """Options: mode, default, on_failure, divert, queues, queue_base (flags);
    config: a dict of config keys; rules: text of the rule file; environment,
    preset: of the process."""

    def __init__(self, lab, *, mode='enforce', default='deny',
                 on_failure='closed', divert=None, queues=1, queue_base=4180,
                 rules='', config=None, files=None, flags=(), preset=None,
                 watchdog_s=None, expect_exit=None, events=True, name='d'):
        self._lab = lab
        self.dir = f'{lab.dir}/{name}'
        self.rules_dir = f'{self.dir}/rules.d'
        self.state_dir = f'{self.dir}/state'
        self.run_dir = f'{self.dir}/run'
        self.socket = f'{self.run_dir}/api.sock'
        self.config_path = f'{self.dir}/sallyport.toml'
        for path in (files or '', self.dir, self.rules_dir, self.state_dir,
                     self.run_dir):
            if path:
                os.makedirs(path, mode=0o755, exist_ok=True)
        self._flags = [
            '--config', self.config_path, '--rules-dir', self.rules_dir,
            '--state-dir', self.state_dir, '--socket', self.socket,
            '--mode', mode, '--default', default, '--on-failure', on_failure,
            '--divert', divert or os.environ.get('SPT_DIVERT', 'auto'),
            '--queues', str(queues), '--queue-base', str(queue_base),
            '--foreground', *flags]
        self._preset = preset
        self._watchdog_s = watchdog_s
        self._with_events = events
        self.expect_exit = expect_exit  # other than 0, of stop()
        self.write_config(config or {})
        self.write_rules(rules)
        self.process = None
        self.notified = []
        self._lock = threading.Lock()
        self._events = []
        self._early = []
        self.last_headers = {}
        self._stream = None
        self._threads = []
        self._notify = None

    # --- files and process ----------------------------------------------

    def write_config(self, config):
        """Top-level keys first; a dict is a table."""
        plain = {k: v for k, v in config.items() if not isinstance(v, dict)}
        text = ''.join(f'{k} = {toml_value(v)}\n' for k, v in plain.items())
        for table in config:
            if table not in plain:
                text += f'[{table}]\n' + ''.join(
                    f'{k} = {toml_value(v)}\n'
                    for k, v in config[table].items())
        kernel.write(self.config_path, text)

    def write_rules(self, text, name='test.toml'):
        temporary = f'{self.rules_dir}/.{name}'
        kernel.write(temporary, text)
        os.rename(temporary, f'{self.rules_dir}/{name}')

    def command(self):
        return [program('sallyportd'), *self._flags]

    def launch(self):
        """Starts the process and returns; its output goes to a file."""
        if self._notify:
            self._notify.close()
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(f'{self.dir}/notify')
        os.chmod(f'{self.dir}/notify', 0o777)  # daemons of other users too
        self._notify.setblocking(False)
        environment = dict(os.environ, NOTIFY_SOCKET=f'{self.dir}/notify')
        if self._watchdog_s:
            environment['WATCHDOG_USEC'] = str(int(self._watchdog_s * 1e6))
        with open(f'{self.dir}/output', 'ab') as output:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=output,
                stderr=output, env=environment, preexec_fn=self._preset)

    def start(self):
        self.launch()
        self.wait_ready()

    def wait_ready(self):
        wait_until(self._ready, 'READY=1 from the daemon', 15)
        if self._with_events:
            self._follow()

    def _ready(self):
        if self.process.poll() is not None:
            raise AssertionError(
                f'the daemon ended with {self.process.returncode}: '
                f'{self.output()}')
        self.read_notifications()
        return any('READY=1' in text for text in self.notified)

    def read_notifications(self):
        if not self._notify:  # killed
            return self.notified
        try:
            while True:
                self.notified.append(
                    self._notify.recv(4096).decode())
        except BlockingIOError:
            return self.notified

    def output(self):
        return kernel.read(f'{self.dir}/output')

    @property
    def pid(self):
        return self.process.pid

    def freeze(self):
        self.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: kernel.process_state(self.pid) == 'T', 'SIGSTOP')

    def thaw(self):
        self.process.send_signal(signal.SIGCONT)

    def kill(self):
        """SIGKILL; also what close() does on every path."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._end_threads()
        if self._notify:
            self._notify.close()
            self._notify = None

    def restart(self):
        """After kill(): a new process over the same files."""
        os.unlink(f'{self.dir}/notify')
        self.notified = []
        self.start()

    def stop(self):
        """SIGTERM; the daemon must end cleanly and say nothing of races."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            code = self.process.wait(15 * SCALE)
            expected = self.expect_exit or 0
            assert code == expected, (f'the daemon ended with {code}, not '
                                      f'{expected}: {self.output()}')
        self._end_threads()
        output = self.output()
        for word in ('Sanitizer', 'runtime error', 'Assertion', 'terminate'):
            assert word not in output, output

    def _end_threads(self):
        if self._stream:
            try:
                self._stream.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join()
        self._threads = []
        if self._stream:
            self._stream.close()
            self._stream = None

    # --- API --------------------------------------------------------------

    def api(self, method, path, body=None, raw=False, headers=None):
        """Status and parsed body; with raw the body as it came."""
        connection = UnixConnection(self.socket)
        try:
            if body is not None and not isinstance(body, (bytes, str)):
                body = json.dumps(body)
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            self.last_headers = answer.headers
            text = answer.read()
            return answer.status, text if raw else json.loads(text)
        finally:
            connection.close()

    def get(self, path):
        status, body = self.api('GET', path)
        assert status == 200, (path, status, body)
        return body

    def status(self):
        return self.get('/v1/status')

    def cli(self, *arguments, check=True, **options):
        done = subprocess.run(
            [program('sallyport'), '--socket', self.socket, *arguments],
            capture_output=True, text=True, check=False, timeout=30 * SCALE,
            stdin=subprocess.DEVNULL, **options)
        if check:
            assert done.returncode == 0, (arguments, done)
        return done

    def add_rule(self, name, policy, app, **fields):
        status, body = self.api('POST', '/v1/rules', dict(
            fields, name=name, policy=policy, app=app))
        assert status == 201, (status, body)

    def remove_rule(self, name):
        status, body = self.api('DELETE', f'/v1/rules/{name}')
        assert status == 200, (status, body)

    def set_mode(self, mode):
        status, body = self.api('PUT', '/v1/mode', {'mode': mode})
        assert status == 200, (status, body)

    # --- events -----------------------------------------------------------

    def _follow(self):
        connection = UnixConnection(self.socket)
        connection.request('GET', '/v1/events?follow=1&type=all')
        answer = connection.getresponse()
        assert answer.status == 200, answer.read()
        self._stream = connection.sock or answer.fp.raw._sock
        self._stream.settimeout(None)
        thread = threading.Thread(target=self._read_events,
                                  args=(answer, connection), daemon=True)
        thread.start()
        self._threads.append(thread)
        # What was judged before the stream was open.
        self._early += self.get('/v1/events?type=all&limit=1000')['events']

    def _read_events(self, answer, _connection):
        try:
            for line in answer:
                if line.startswith(b'data:'):
                    event = json.loads(line[5:])
                    with self._lock:
                        self._events.append(event)
        except (OSError, ValueError, http.client.HTTPException):
            pass  # the daemon or the test has ended

    def events(self, **fields):
        """Events so far. Fields: dport, dst, app (path), action, proto."""
        with self._lock:
            found = [e for e in self._events if e.get('event_type') == 'flow']
        return [event for event in found if _matches(event, **fields)]

    def all_events(self):
        """Of every type, as they came."""
        with self._lock:
            return list(self._events)

    def wait_event(self, seconds=5.0, count=1, **fields):
        """The first (with count: the newest) event with these fields."""
        def come():
            found = self.events(**fields)
            return found if len(found) >= count else None
        try:
            found = wait_until(come, f'{count} events {fields}', seconds)
        except AssertionError:
            self.skip_if_events_were_dropped()
            raise
        return found[count - 1]

    def skip_if_events_were_dropped(self):
        """A slow reader is not waited for. Under a sanitizer a flood of events
        makes one of us: then what is missing proves nothing."""
        with self._lock:
            dropped = sum(event['count'] for event in self._events
                          if event.get('event_type') == 'dropped')
        if dropped and SCALE > 1:
            raise Skip(f'{dropped} events were dropped, as we were too slow')

    def changes(self):
        """What became of changes to be confirmed: "WHAT: STATE"."""
        with self._lock:
            return [f"{e['change']['what']}: {e['change']['state']}"
                    for e in self._events if e.get('event_type') == 'change']

    def verdicts(self):
        early = [e for e in self._early if e.get('event_type') == 'flow']
        return [Verdict(event_time(event), event_key(event),
                        event['verdict']['action'])
                for event in early + self.events()]

    def settle(self):
        """Waits until no packet waits for a verdict."""
        if self.process and self.process.poll() is None:
            wait_until(lambda: not sum(queue.waiting for queue in
                                       kernel.queues().values()),
                       'queues to be empty')

    def wait_idle(self, seconds):
        """Lets time pass for what is defined by time (watchdog)."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.read_notifications()
            time.sleep(0.01)


def _matches(event, dport=None, dst=None, app=None, action=None, proto=None,
             sport=None):
    return ((dport is None or event.get('dest_port') == dport) and
            (sport is None or event.get('src_port') == sport) and
            (dst is None or event.get('dest_ip') == dst) and
            (app is None or event.get('app', {}).get('path') == app) and
            (action is None or event['verdict']['action'] == action) and
            (proto is None or protocol_number(event) == proto))
