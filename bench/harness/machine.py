"""What the numbers were taken on, and what makes them doubtful."""

import json
import os
import platform


def _first(path, key):
    try:
        with open(path) as file:
            for line in file:
                if line.startswith(key):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return ""


def describe():
    return {"cpu": _first("/proc/cpuinfo", "model name") or
            platform.processor(),
            "cores": os.cpu_count(),
            "memory_mib": int((_first("/proc/meminfo", "MemTotal") or
                               "0 kB").split()[0]) // 1024,
            "kernel": platform.release(),
            "virtual": "hypervisor" in _first("/proc/cpuinfo", "flags"),
            "load_1min": os.getloadavg()[0]}


def build_options(build_dir):
    """The options of a meson build directory that matter for speed."""
    path = os.path.join(build_dir, "meson-info", "intro-buildoptions.json")
    try:
        with open(path) as file:
            options = {o["name"]: o["value"] for o in json.load(file)}
    except (OSError, ValueError):
        return {}
    keys = ("buildtype", "optimization", "b_lto", "b_ndebug", "b_sanitize",
            "san")
    return {key: options.get(key) for key in keys}


def doubts(machine, options):
    """Reasons to distrust the numbers, one sentence each."""
    found = []
    if options.get("buildtype") != "release":
        found.append(f"build type is {options.get('buildtype', 'unknown')}, "
                     "not release")
    asserts_off = options.get("b_ndebug") == "true" or (
        options.get("b_ndebug") == "if-release" and
        options.get("buildtype") == "release")
    if not asserts_off:
        found.append("asserts are on")
    if options.get("san", "none") != "none" or options.get(
            "b_sanitize", "none") != "none":
        found.append("a sanitizer is on")
    if machine["load_1min"] > 0.5:
        found.append(f"other work is running: load {machine['load_1min']:.1f}")
    return found
