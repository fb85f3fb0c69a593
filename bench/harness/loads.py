"""What is measured under each configuration, and how long."""

import array
import json
import os
import statistics

MAX_SLICE_SAMPLES = 500_000  # read back per slice
QUANTILES = (("p50_ns", 0.5), ("p99_ns", 0.99), ("p999_ns", 0.999))


class Load:
    """One measurement. A round of it is `slices` short ones, so that the
    configurations alternate faster than the machine drifts and each slice
    gets its processes placed on the CPUs anew; merge() makes them one."""

    def __init__(self, name, title, mode, args, slices, idle=None):
        self.name = name
        self.title = title
        self.slices = slices
        self.is_connect = mode in ("warm", "cold")
        self._mode = mode
        self._args = args
        self._idle = idle

    def measure(self, pair):
        """Numbers of one slice as connect_load gives them, plus `queued`
        (packets), `flows` and `samples` (an array of nanoseconds)."""
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
        result["queued"] = pair.queued_packets() - before
        result["flows"] = 1
        if self.is_connect:
            result["flows"] = (result["connections"] + result["errors"] +
                               _warmup(args))
            result["samples"] = _read_samples(samples_path)
        return result

    def merge(self, slices):
        """One round: sums, and quantiles of the pooled samples. `trips` is
        queued packets per flow."""
        if not self.is_connect:
            merged = {"per_second": statistics.median(
                          s["per_second"] for s in slices),
                      "errors": sum(s.get("errors", 0) for s in slices)}
        else:
            pooled = array.array("I")
            for one in slices:
                pooled.extend(one["samples"])
            ordered = sorted(pooled)
            count = sum(s["connections"] for s in slices)
            merged = {"connections": count,
                      "errors": sum(s["errors"] for s in slices),
                      "per_second": count / sum(s["seconds"] for s in slices),
                      "max_ns": ordered[-1], "samples": pooled}
            for key, quantile in QUANTILES:
                merged[key] = ordered[int(quantile * (len(ordered) - 1))]
        merged["trips"] = round(sum(s["queued"] for s in slices) /
                                sum(s["flows"] for s in slices), 3)
        return merged


def _warmup(args):
    per_client = int(args[args.index("--warmup") + 1])
    clients = int(args[args.index("--clients") + 1])
    return per_client * clients


def _read_samples(path):
    samples = array.array("I")
    with open(path, "rb") as file:
        samples.frombytes(file.read(MAX_SLICE_SAMPLES * samples.itemsize))
    return samples


def all_loads(quick):
    """The loads in the order of the table; `quick` is for a test suite."""
    idle = (50, 20) if quick else (500, 100)
    slice_s, cold_n, slices = (0.2, 30, 1) if quick else (0.5, 250, 4)

    def warm(clients):
        return ["--clients", str(clients), "--seconds", str(slice_s),
                "--warmup", "200"]

    def cold(count):
        return ["--clients", "1", "--seconds", "60", "--count", str(count),
                "--warmup", "5"]

    bulk = ["--seconds", str(slice_s)]
    return [
        Load("warm1", "TCP connect, warm, 1 client", "warm", warm(1), slices),
        Load("warm4", "TCP connect, warm, 4 clients", "warm", warm(4), slices),
        Load("cold", "TCP connect, cold (a new process each)", "cold",
             cold(cold_n), slices),
        # Making the idle sockets takes longer than the measurement: one slice.
        Load("cold_busy", f"TCP connect, cold, {idle[0]} x {idle[1]} other "
             "sockets", "cold", cold(cold_n * slices), 1, idle),
        Load("udp", "one-way UDP, 1 socket", "udp", bulk, slices),
        Load("tcp", "established TCP", "tcp", bulk, slices),
    ]
