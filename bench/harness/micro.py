"""Runs the Google Benchmark programs and takes in what they print."""

import json
import os

from .lab import BenchError, run

PROGRAMS = ("rules_bench", "proc_bench", "engine_bench", "history_bench")
QUICK_FILTER = "Parse.*V|WorkerPacket|Match/|EnterLeave|again|floor|append/64"
NANOSECONDS = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}
BUILT_IN = {"name", "run_name", "run_type", "repetitions", "threads",
            "repetition_index", "family_index", "iterations", "real_time",
            "per_family_instance_index", "cpu_time", "time_unit", "label",
            "aggregate_name", "aggregate_unit"}


def _row(program, entry):
    scale = NANOSECONDS[entry["time_unit"]]
    counters = {key: value for key, value in entry.items()
                if key not in BUILT_IN and isinstance(value, (int, float))}
    notes = [entry.get("label", "")]
    notes += [f"{key}={value:g}" for key, value in counters.items()]
    return {"program": program, "name": entry["run_name"],
            "ns": entry["real_time"] * scale,
            "cpu_ns": entry["cpu_time"] * scale,
            "note": " ".join(note for note in notes if note), **counters}


def run_all(build_dir, quick):
    """Rows of all programs that are built, and the reasons for the others."""
    rows, skipped = [], []
    for program in PROGRAMS:
        path = os.path.join(build_dir, "bench", program)
        if not os.path.exists(path):
            skipped.append(f"{program}: not built")
            continue
        argv = [path, "--benchmark_format=json"]
        if quick:
            argv += ["--benchmark_min_time=0.01",
                     f"--benchmark_filter={QUICK_FILTER}"]
        else:
            argv += ["--benchmark_min_time=0.1", "--benchmark_repetitions=3",
                     "--benchmark_report_aggregates_only=true"]
        try:
            entries = json.loads(run(*argv, timeout=600))["benchmarks"]
        except BenchError as error:
            skipped.append(f"{program}: {error}")
            continue
        for entry in entries:
            if entry.get("error_occurred"):
                skipped.append(f"{entry['name']}: {entry['error_message']}")
            elif entry.get("aggregate_name", "median") == "median":
                rows.append(_row(program, entry))
    return rows, skipped
