"""What is measured under each configuration, and how long."""

import array
import json
import os

MAX_CURVE_SAMPLES = 2_000_000  # pooled over the rounds, per curve


class Load:
    """One measurement: measure(pair) gives the numbers of one round."""

    def __init__(self, name, title, mode, args, idle=None):
        self.name = name
        self.title = title
        self.is_connect = mode in ("warm", "cold")
        self._mode = mode
        self._args = args
        self._idle = idle

    def measure(self, pair):
        """Numbers of connect_load, plus `trips`: queued packets per flow, and
        `samples`: an array of latencies in nanoseconds."""
        idle = None
        if self._idle:
            idle = pair.service("fw", "idle_sockets", *map(str, self._idle))
        try:
            return self._measure(pair)
        finally:
            if idle:
                idle.stop()

    def _measure(self, pair):
        samples_path = os.path.join(pair.work_dir, "samples")
        args = list(self._args)
        if self.is_connect:
            args += ["--samples", samples_path]
        else:
            args += ["--stats", pair.stats_path]
        before = pair.queued_packets()
        result = json.loads(pair.load(self._mode, *args))
        queued = pair.queued_packets() - before
        flows = 1
        if self.is_connect:
            flows = result["connections"] + result["errors"] + _warmup(args)
            result["samples"] = _read_samples(samples_path)
        result["trips"] = round(queued / flows, 3)
        return result


def _warmup(args):
    per_client = int(args[args.index("--warmup") + 1])
    clients = int(args[args.index("--clients") + 1])
    return per_client * clients


def _read_samples(path):
    samples = array.array("I")
    with open(path, "rb") as file:
        samples.frombytes(file.read(MAX_CURVE_SAMPLES * samples.itemsize))
    return samples


def all_loads(quick):
    """The loads in the order of the table; `quick` is for a test suite."""
    idle = (50, 20) if quick else (500, 100)
    warm_s, bulk_s, cold_n = (0.2, 0.2, 30) if quick else (2.0, 2.0, 1000)

    def warm(clients):
        return ["--clients", str(clients), "--seconds", str(warm_s),
                "--warmup", "200"]

    cold = ["--clients", "1", "--seconds", "60", "--count", str(cold_n),
            "--warmup", "5"]
    return [
        Load("warm1", "TCP connect, warm, 1 client", "warm", warm(1)),
        Load("warm4", "TCP connect, warm, 4 clients", "warm", warm(4)),
        Load("cold", "TCP connect, cold (a new process each)", "cold", cold),
        Load("cold_busy", f"TCP connect, cold, {idle[0]} x {idle[1]} other "
             "sockets", "cold", cold, idle),
        Load("udp", "one-way UDP, 1 socket", "udp",
             ["--seconds", str(bulk_s)]),
        Load("tcp", "established TCP", "tcp", ["--seconds", str(bulk_s)]),
    ]
