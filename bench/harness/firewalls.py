"""The configurations that are compared, each in a Pair of its own.

Each has `name`, `title`, start(pair), stop(); start raises BenchError with the
reason when the machine cannot have it.
"""

import json
import os
import shutil
import socket
import subprocess
import time

from .lab import BenchError, START_TIMEOUT_S, stop_process

ACCEPT_ALL = """
table inet bench_accept {
  chain output {
    type filter hook output priority 0; policy accept;
    ct state new,established,related accept
  }
}
"""


class NoFirewall:
    name, title = "none", "no firewall, no conntrack"

    def start(self, pair):
        pass

    def stop(self):
        pass


class Conntrack(NoFirewall):
    name, title = "conntrack", "conntrack + nft accept"

    def start(self, pair):
        pair.run("fw", "nft", "-f", "-", text=ACCEPT_ALL)


class Floor:
    name, title = "floor", "do-nothing loop"

    def __init__(self, queues):
        self._queues = queues
        self._service = None
        self.expression = ""

    def start(self, pair):
        self._service = pair.service("fw", "nfq_floor", str(self._queues))
        self.expression = self._service.banner.split()[1]

    def stop(self):
        self._service.stop()


class Sallyport:
    """sallyportd with one rule per client program, in mode enforce with
    default deny: a connection that is attributed wrongly fails."""

    name, title = "sallyport", "sallyport"

    def __init__(self, queues, daemon):
        self._queues = queues
        self._daemon = daemon
        self._process = None
        self._log = None
        self.socket_path = ""

    @property
    def pid(self):
        return self._process.pid

    def start(self, pair):
        if not os.path.exists(self._daemon):
            raise BenchError(f"{self._daemon} is not built")
        root = os.path.join(pair.work_dir, "sallyport")
        shutil.rmtree(root, ignore_errors=True)
        rules_dir = os.path.join(root, "rules.d")
        os.makedirs(rules_dir)
        os.makedirs(os.path.join(root, "state"), 0o700)
        with open(os.path.join(rules_dir, "bench.toml"), "w") as rules:
            for client in ("connect_load", "cold_connect"):
                rules.write(f'[[rule]]\nname = "{client.replace("_", "-")}"\n'
                            f'policy = "allow"\n'
                            f'app = "{pair.binary(client)}"\n')
        with open(os.path.join(root, "sallyport.toml"), "w"):
            pass
        self.socket_path = os.path.join(root, "api.sock")
        self._start_daemon(pair, root, rules_dir)

    def _start_daemon(self, pair, root, rules_dir):
        notify_path = os.path.join(root, "notify.sock")
        log_path = os.path.join(root, "log")
        self._log = open(log_path, "wb")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
            notify.bind(notify_path)
            environment = dict(os.environ, NOTIFY_SOCKET=notify_path)
            self._process = subprocess.Popen(
                pair.argv("fw", self._daemon, "--foreground",
                          "--config", os.path.join(root, "sallyport.toml"),
                          "--rules-dir", rules_dir,
                          "--state-dir", os.path.join(root, "state"),
                          "--socket", self.socket_path,
                          "--mode", "enforce", "--default", "deny",
                          "--queues", str(self._queues)),
                stdin=subprocess.DEVNULL, stdout=self._log,
                stderr=self._log, env=environment)
            if not self._ready(notify):
                stop_process(self._process)
                with open(log_path, errors="replace") as log:
                    raise BenchError(f"sallyportd did not get ready: "
                                     f"{log.read().strip()[-500:]}")

    def _ready(self, notify):
        """Waits for READY=1, which the daemon sends after its canary."""
        notify.settimeout(0.2)
        deadline = time.monotonic() + START_TIMEOUT_S
        while self._process.poll() is None and time.monotonic() < deadline:
            try:
                if b"READY=1" in notify.recv(4096):
                    return True
            except TimeoutError:
                continue
        return False

    def get(self, path):
        """GET from the control socket; the JSON answer."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as api:
            api.settimeout(10)
            api.connect(self.socket_path)
            api.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\n"
                        f"Connection: close\r\n\r\n".encode())
            answer = b""
            while part := api.recv(65536):
                answer += part
        head, _, body = answer.partition(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise BenchError(f"GET {path}: {head[:200]!r}")
        return json.loads(body)

    def stop(self):
        self._process.terminate()
        stop_process(self._process)
        self._log.close()


class OpenSnitch:
    """Debian's opensnitchd in a mount namespace of its own, so that it reads
    a configuration of ours instead of the machine's."""

    name, title = "opensnitch", "OpenSnitch (proc)"

    def __init__(self):
        self._process = None

    @property
    def pid(self):
        return self._process.pid

    @staticmethod
    def version():
        """Empty if it is not installed."""
        if not shutil.which("opensnitchd"):
            return ""
        done = subprocess.run(("opensnitchd", "-version"),
                              capture_output=True, text=True, check=False)
        return (done.stdout + done.stderr).strip()

    def start(self, pair):
        if not shutil.which("opensnitchd"):
            raise BenchError(
                "opensnitchd is not installed (apt-get install opensnitch)")
        if not shutil.which("iptables"):
            raise BenchError("opensnitchd needs iptables here (apt-get install "
                             "iptables)")
        root = os.path.join(pair.work_dir, "opensnitch")
        shutil.rmtree(root, ignore_errors=True)
        rules_dir = os.path.join(root, "rules")
        os.makedirs(rules_dir)
        for client in ("connect_load", "cold_connect"):
            self._write_rule(rules_dir, client, pair.binary(client))
        etc = os.path.join(root, "etc")
        os.makedirs(etc)
        shutil.copy("/etc/opensnitchd/system-fw.json", etc)
        self._write_config(os.path.join(etc, "default-config.json"), root)
        script = (f"mount --bind {etc} /etc/opensnitchd && "
                  f"exec opensnitchd -process-monitor-method proc "
                  f"-rules-path {rules_dir} -queue-num 0 "
                  f"-ui-socket unix://{root}/no-ui.sock "
                  f"-log-file {root}/log -warning")
        self._process = subprocess.Popen(
            pair.argv("fw", "unshare", "-m", "sh", "-c", script),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        self._wait_until_queueing(pair, root)

    def _wait_until_queueing(self, pair, root):
        """The ruleset comes some time after the queue: until a connection
        was really queued, nothing is measured."""
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise BenchError("opensnitchd ended at once; see "
                                 f"{root}/log")
            pair.load("warm", "--count", "1", "--warmup", "0")
            if pair.queued_packets() > 0:
                return
            time.sleep(0.1)
        self.stop()
        raise BenchError("opensnitchd did not queue anything")

    @staticmethod
    def _write_rule(rules_dir, name, path):
        rule = {"created": "2024-01-01T00:00:00Z", "name": name,
                "enabled": True, "precedence": True, "action": "allow",
                "duration": "always",
                "operator": {"type": "simple", "operand": "process.path",
                             "sensitive": False, "data": path, "list": []}}
        with open(os.path.join(rules_dir, f"{name}.json"), "w") as file:
            json.dump(rule, file)

    @staticmethod
    def _write_config(path, root):
        config = {"Server": {"Address": f"unix://{root}/no-ui.sock",
                             "LogFile": f"{root}/log"},
                  "DefaultAction": "allow", "DefaultDuration": "once",
                  "InterceptUnknown": False, "ProcMonitorMethod": "proc",
                  "LogLevel": 2, "Firewall": "iptables",
                  "Stats": {"MaxEvents": 150, "MaxStats": 25}}
        with open(path, "w") as file:
            json.dump(config, file)

    def stop(self):
        self._process.terminate()
        stop_process(self._process)
