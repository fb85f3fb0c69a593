"""What a process costs: CPU time, wake-ups, resident memory, from /proc."""

import os
import time


def _status_numbers(path, keys):
    numbers = dict.fromkeys(keys, 0)
    with open(path) as status:
        for line in status:
            key, _, value = line.partition(":")
            if key in numbers:
                numbers[key] = int(value.split()[0])
    return numbers


def resident_kib(pid):
    """VmRSS now and its peak, in KiB."""
    numbers = _status_numbers(f"/proc/{pid}/status", ("VmRSS", "VmHWM"))
    return {"rss_kib": numbers["VmRSS"], "peak_rss_kib": numbers["VmHWM"]}


def _cpu(pid):
    """Context switches per thread name and nanoseconds on a CPU in all."""
    switches, cpu_ns = {}, 0
    for task in os.listdir(f"/proc/{pid}/task"):
        base = f"/proc/{pid}/task/{task}"
        with open(f"{base}/comm") as comm:
            name = f"{comm.read().strip()}/{task}"
        numbers = _status_numbers(f"{base}/status",
                                  ("voluntary_ctxt_switches",
                                   "nonvoluntary_ctxt_switches"))
        switches[name] = sum(numbers.values())
        with open(f"{base}/schedstat") as schedstat:
            cpu_ns += int(schedstat.read().split()[0])
    return switches, cpu_ns


def _processes_started():
    with open("/proc/stat") as stat:
        for line in stat:
            if line.startswith("processes"):
                return int(line.split()[1])
    return 0


def idle(pid, seconds):
    """Watches a process that has nothing to do. `started` tells how many
    processes the machine started meanwhile: with process events on, each of
    them is work for a firewall, so a quiet machine has 0."""
    before, cpu_before = _cpu(pid)
    started = _processes_started()
    time.sleep(seconds)
    after, cpu_after = _cpu(pid)
    woken = {name.split("/")[0]: count - before.get(name, 0)
             for name, count in after.items()
             if count != before.get(name, 0)}
    return {"seconds": seconds, "switches": sum(woken.values()),
            "threads": len(after), "woken_threads": woken,
            "cpu_us": round((cpu_after - cpu_before) / 1000),
            "processes_started": _processes_started() - started}
