"""Two network namespaces and the processes in them.

A Pair is `fw` (clients and the firewall) and `peer` (the server), joined by
veth. It is the caller's to close; closing kills what was started in it and
removes both namespaces. Nothing outside the two is touched.
"""

import os
import subprocess

PEER_ADDRESS = "10.77.0.2"
FW_ADDRESS = "10.77.0.1"
PORT = 7000
START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 10


class BenchError(Exception):
    """Something could not be measured; the text says what and why."""


def run(*argv, text=None, timeout=60):
    """Runs a program to its end; its output, or BenchError with its errors."""
    try:
        done = subprocess.run(argv, input=text, capture_output=True, text=True,
                              timeout=timeout, check=False)
    except subprocess.TimeoutExpired as late:
        raise BenchError(f"{' '.join(argv)}: no end in {timeout} s") from late
    if done.returncode != 0:
        raise BenchError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout


class Service:
    """A process that says "ready ..." on its output and ends with its input."""

    def __init__(self, argv, log_path):
        self._log = open(log_path, "ab")
        self.process = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._log, text=True)
        self.banner = self.process.stdout.readline().strip()
        if not self.banner.startswith("ready"):
            self.stop()
            with open(log_path, errors="replace") as log:
                raise BenchError(f"{' '.join(argv)}: {log.read().strip()}")

    @property
    def pid(self):
        return self.process.pid

    def stop(self):
        self.process.stdin.close()
        stop_process(self.process)
        self.process.stdout.close()
        self._log.close()


def stop_process(process):
    """Waits for an orderly end, asks for it, then forces it."""
    for ask in (None, process.terminate, process.kill):
        if ask:
            ask()
        try:
            process.wait(STOP_TIMEOUT_S if ask else 2)
            return
        except subprocess.TimeoutExpired:
            continue


class Pair:
    """See the module. Names start with `spb<pid>`, so runs don't collide."""

    def __init__(self, name, work_dir, binaries, pin=False):
        self.work_dir = work_dir
        self._binaries = binaries
        self._pin = pin
        base = f"spb{os.getpid()}-{name}"
        self._names = {"fw": f"{base}-fw", "peer": f"{base}-peer"}
        self.stats_path = os.path.join(work_dir, f"{name}.stats")
        self._log_path = os.path.join(work_dir, f"{name}.log")
        self._server = None
        try:
            self._create()
        except BaseException:
            self.close()
            raise

    def _create(self):
        for namespace in self._names.values():
            run("ip", "netns", "add", namespace)
        for side in self._names:
            # No IPv6: its router solicitations would be traffic of their own.
            self.run(side, "sysctl", "-qw",
                     "net.ipv6.conf.all.disable_ipv6=1",
                     "net.ipv6.conf.default.disable_ipv6=1")
        run("ip", "link", "add", "veth0", "netns", self._names["fw"], "type",
            "veth", "peer", "name", "veth0", "netns", self._names["peer"])
        for side, address in (("fw", FW_ADDRESS), ("peer", PEER_ADDRESS)):
            namespace = self._names[side]
            run("ip", "-n", namespace, "address", "add", f"{address}/24",
                "dev", "veth0")
            run("ip", "-n", namespace, "link", "set", "lo", "up")
            run("ip", "-n", namespace, "link", "set", "veth0", "up")
        # The ports below are for the idle sockets.
        self.run("fw", "sysctl", "-qw",
                 "net.ipv4.ip_local_port_range=28000 65535")

    def argv(self, side, *argv):
        """The command line that runs `argv` in one of the namespaces."""
        pin = ()
        if self._pin:
            pin = ("taskset", "-c", self._cpus(argv))
        return ("nsenter", f"--net=/run/netns/{self._names[side]}", *pin,
                *argv)

    def _cpus(self, argv):
        """With --pin: clients on the first half, the rest on the second."""
        half = max(1, (os.cpu_count() or 1) // 2)
        client = argv and argv[0].endswith("connect_load")
        first, last = (0, half - 1) if client else (half, os.cpu_count() - 1)
        return f"{min(first, last)}-{last}"

    def run(self, side, *argv, text=None, timeout=60):
        return run(*self.argv(side, *argv), text=text, timeout=timeout)

    def binary(self, name):
        return os.path.join(self._binaries, name)

    def service(self, side, name, *args):
        return Service(self.argv(side, self.binary(name), *args),
                       self._log_path)

    def start_server(self, threads=2):
        self._server = self.service("peer", "connect_server", PEER_ADDRESS,
                                    str(PORT), str(threads), self.stats_path)

    def load(self, mode, *args, timeout=120):
        """Runs connect_load in `fw`; the JSON text it prints."""
        return self.run("fw", self.binary("connect_load"), mode, "--to",
                        PEER_ADDRESS, "--port", str(PORT), *args,
                        timeout=timeout)

    def queued_packets(self):
        """Packets that the kernel handed to the queues of `fw` so far."""
        # Not there until the kernel's queue module is loaded.
        text = self.run("fw", "sh", "-c", "cat /proc/net/netfilter/"
                        "nfnetlink_queue 2>/dev/null || true")
        return sum(int(line.split()[7]) for line in text.splitlines())

    def close(self):
        if self._server:
            self._server.stop()
        for namespace in self._names.values():
            subprocess.run(("ip", "netns", "del", namespace), check=False,
                           stderr=subprocess.DEVNULL)
