"""The laboratory of one test: namespace `fw` (daemon and senders), a veth, and
namespace `peer` (servers, capture, counters).

    fw    10.77.0.1/24  fd77::1/64        v0
    peer  10.77.0.2/24  fd77::2/64        p0, also .3 and ::3 (further hosts),
          192.0.2.1     2001:db8::1       and addresses that are not local

The process of the test lives in `fw`; `with lab.peer:` moves a thread over.
close() is called on every path and fails the test if anything is left behind
or anything leaked.
"""

import os
import shutil
import signal
import subprocess

import kernel
from app import App
from capture import Capture, ruleset
from daemon import Daemon
from invariant import leaks
from kernel import Skip, wait_until  # noqa: F401
from servers import Servers

FW4, FW6 = '10.77.0.1', 'fd77::1'
PEER4, PEER6 = '10.77.0.2', 'fd77::2'
OTHER4, OTHER6 = '10.77.0.3', 'fd77::3'
FAR4, FAR6 = '192.0.2.1', '2001:db8::1'
PEER_ADDRESSES = (PEER4, PEER6, OTHER4, OTHER6, FAR4, FAR6)


def run(*command, check=True, **options):
    done = subprocess.run(command, check=False, text=True,
                          capture_output=True, **options)
    assert not check or done.returncode == 0, (command, done.stderr)
    return done


class Lab:
    def __init__(self, directory):
        self.dir = directory
        self.daemons = []
        self.apps = []
        self._processes = []
        self._exempt = []
        self.event_seconds = 2  # an event may come that long after its packet
        self.verdicts = []      # of judges other than daemons (referee)
        self._taint = kernel.tainted()
        os.makedirs(f'{directory}/bin')
        os.chmod(directory, 0o755)
        kernel.unshare(kernel.CLONE_NEWNS)
        kernel.mount('none', '/', '', kernel.MS_REC | kernel.MS_PRIVATE)
        self.peer = kernel.NetNs()
        self._set_up_ipv6()
        self.fw = kernel.NetNs()
        self._set_up_ipv6()
        self._connect()
        with self.peer:
            run('ip', 'link', 'set', 'p0', 'up')
            self.capture = Capture(self.peer, 'p0')
        run('ip', 'link', 'set', 'v0', 'up')
        self._add_addresses()
        self.servers = Servers(self.peer)
        self.ruleset_before = ruleset()

    def _set_up_ipv6(self):
        # No duplicate address detection: addresses are usable at once.
        for which in ('all', 'default'):
            kernel.sysctl(f'net.ipv6.conf.{which}.accept_dad', 0)
            kernel.sysctl(f'net.ipv6.conf.{which}.router_solicitations', 0)
        run('ip', 'link', 'set', 'lo', 'up')

    def _connect(self):
        run('ip', 'link', 'add', 'v0', 'type', 'veth', 'peer', 'name', 'p0',
            'netns', self.peer.path())

    def _add_addresses(self):
        kernel.sysctl('net.ipv4.ping_group_range', '0 2147483647')
        run('ip', '-batch', '-', input=(
            f'addr add {FW4}/24 brd + dev v0\n'
            f'addr add {FW6}/64 dev v0 nodad\n'
            f'route add default via {PEER4}\n'
            f'route add ::/0 via {PEER6}\n'))
        with self.peer:
            batch = ''.join(f'addr add {address}/24 brd + dev p0\n'
                            for address in (PEER4, OTHER4))
            batch += ''.join(f'addr add {address}/64 dev p0 nodad\n'
                             for address in (PEER6, OTHER6))
            run('ip', '-batch', '-', input=batch + (
                f'addr add {FAR4}/32 dev p0\n'
                f'addr add {FAR6}/128 dev p0 nodad\n'))

    # --- what tests use -------------------------------------------------

    def daemon(self, **options):
        """Starts a daemon in fw and waits until it is ready."""
        daemon = Daemon(self, **options)
        self.daemons.append(daemon)
        daemon.start()
        return daemon

    def app(self, name='app', **options):
        """A new app: a program at a path of its own, running."""
        app = App(self, name, **options)
        self.apps.append(app)
        return app

    def spawn(self, *command, **options):
        """A process in fw that is ended with the test."""
        process = subprocess.Popen(command, **options)
        self._processes.append(process)
        return process

    def sender(self, name, copy_as=None):
        """Path of a compiled program of senders/, or of a copy of it."""
        built = f'{os.environ["SPT_SENDERS"]}/{name}'
        if not copy_as:
            return built
        return shutil.copy(built, f'{self.dir}/bin/{copy_as}')

    def exempt(self, **fields):
        """Says that packets with these fields may reach the peer unjudged
        (flows older than the daemon, posture open)."""
        self.exempt_if(lambda packet: all(
            getattr(packet, name) == value for name, value in fields.items()))

    def exempt_if(self, condition):
        self._exempt.append(condition)

    def at_peer(self, **fields):
        return self.capture.from_fw(**fields)

    def wait_at_peer(self, seconds=5.0, count=1, **fields):
        def arrived():
            packets = self.at_peer(**fields)
            return packets if len(packets) >= count else None
        return wait_until(arrived, f'{count} packets {fields} at the peer',
                          seconds)

    def queue_total(self):
        """Packets that were ever queued in fw."""
        return sum(queue.queued for queue in kernel.queues().values())

    def waiting(self):
        return sum(queue.waiting for queue in kernel.queues().values())

    # --- the end of a test ----------------------------------------------

    def check(self):
        """The invariants, while everything still runs."""
        for daemon in self.daemons:
            daemon.settle()
        self._check_leaks()
        for daemon in self.daemons:
            daemon.stop()
        self._check_traces()

    def _check_leaks(self):
        packets = self.capture.packets()

        def found():
            verdicts = list(self.verdicts)
            for daemon in self.daemons:
                verdicts += daemon.verdicts()
            return leaks(packets, verdicts, self._exempt)
        # Events may come later than packets: only what stays is a leak.
        try:
            wait_until(lambda: not found(), 'events', self.event_seconds)
        except AssertionError:
            lost = found()
            for daemon in self.daemons:
                daemon.skip_if_events_were_dropped()
            raise AssertionError(
                f'{len(lost)} packets reached the peer with no verdict that '
                f'allows them; the first: {lost[0]}') from None

    def _check_traces(self):
        self._end_processes()
        assert not kernel.queues(), f'queue left: {list(kernel.queues())}'
        rules = ruleset()
        assert 'table inet sallyport' not in rules, 'our table is left'
        assert kernel.tainted() == self._taint, 'the kernel became tainted'
        inodes = {self.fw.inode, self.peer.inode}

        def alone():
            return not [pid for pid in kernel.processes_in(inodes)
                        if pid != os.getpid()]
        wait_until(alone, 'all processes of the test to end')

    def _end_processes(self):
        for app in self.apps:
            app.close()
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream:
                    stream.close()
        self._reap_orphans()

    def _reap_orphans(self):
        """Senders fork; the test's process is their subreaper."""
        while True:
            orphans = kernel.children_of(os.getpid())
            if not orphans:
                return
            for pid in orphans:
                try:
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
                except (ProcessLookupError, ChildProcessError):
                    pass

    def close(self):
        for daemon in self.daemons:
            daemon.kill()
        self._end_processes()
        self.servers.close()
        self.capture.close()
        shutil.rmtree(self.dir, ignore_errors=True)
