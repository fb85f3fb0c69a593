"""The tables that bench/run prints, as plain text."""

from . import summary


def _us(ns):
    return f"{ns / 1000:,.1f}"


def _aligned(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        first = row[0].ljust(widths[0])
        rest = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        lines.append("  ".join(["  " + first, *rest]).rstrip())
    return lines


def _versus(results, name, load, key):
    """This firewall's median over the floor's, empty for the floor itself."""
    floor = results.get("floor", {}).get(load.name)
    if not floor or name == "floor":
        return ""
    ours = summary.median_round(results[name][load.name])[key]
    theirs = summary.median_round(floor)[key]
    return f"{ours / theirs:.2f}" if theirs else ""


def _connect_table(load, firewalls, results):
    rows = [(load.title, "p50 us", "p99 us", "p99.9 us", "max us", "conn/s",
             "p50/floor", "trips/flow", "errors")]
    for firewall in firewalls:
        rounds = results.get(firewall.name, {}).get(load.name)
        if not rounds:
            continue
        figures = summary.median_round(rounds)
        rows.append((
            "  " + firewall.title,
            *(_us(figures[key]) for key in summary.QUANTILES),
            f"{figures['per_second']:,.0f}",
            _versus(results, firewall.name, load, "p50_ns"),
            f"{figures['trips']:.2f}", f"{figures['errors']:.0f}"))
    return _aligned(rows)


def _bulk_table(load, firewalls, results):
    unit, scale, digits = ("packets/s", 1, 0) if load.name == "udp" else (
        "GB/s", 1e9, 2)
    rows = [(load.title, unit, "/ conntrack", "spread", "trips")]
    base = results.get("conntrack", {}).get(load.name)
    for firewall in firewalls:
        rounds = results.get(firewall.name, {}).get(load.name)
        if not rounds:
            continue
        figures = summary.median_round(rounds)
        ratio = ""
        if base and firewall.name != "conntrack":
            middle = summary.median_round(base)["per_second"]
            ratio = f"{figures['per_second'] / middle:.2f}"
        rows.append(("  " + firewall.title,
                     f"{figures['per_second'] / scale:,.{digits}f}", ratio,
                     f"{summary.spread(rounds, 'per_second'):.0%}",
                     f"{figures['trips']:.0f}"))
    return _aligned(rows)


def load_tables(loads, firewalls, results):
    lines = []
    for load in loads:
        table = _connect_table if load.is_connect else _bulk_table
        lines += [*table(load, firewalls, results), ""]
    return lines


def ratio_table(rows):
    if not rows:
        return []
    cells = [("Target", "measured", "rounds", "to reach", "")]
    for row in rows:
        rounds = ""
        if "lowest" in row:
            rounds = f"{row['lowest']:.2f} .. {row['highest']:.2f}"
        value = row["value"]
        cells.append(("  " + row["what"],
                      f"{value:,.2f}" if isinstance(value, float) else
                      f"{value:,}",
                      rounds, row["target"], "met" if row["met"] else
                      "NOT MET"))
    return _aligned(cells) + [""]


def micro_table(rows):
    if not rows:
        return []
    cells = [("Micro-benchmark", "ns", "CPU ns", "")]
    for row in rows:
        cells.append(("  " + row["name"], f"{row['ns']:,.1f}",
                      f"{row['cpu_ns']:,.1f}", row["note"]))
    return _aligned(cells) + [""]


def footprint_lines(title, footprint):
    idle, fresh = footprint.get("idle"), footprint.get("fresh")
    lines = []
    if idle:
        woken = ", ".join(f"{name} {count}" for name, count in
                          sorted(idle["woken_threads"].items())) or "none"
        lines.append(
            f"  {title} idle {idle['seconds']:g} s: {idle['switches']} "
            f"wake-ups ({woken}), {idle['cpu_us']:,} us of CPU, "
            f"{idle['threads']} threads; the machine started "
            f"{idle['processes_started']} processes meanwhile")
    if fresh:
        after = footprint.get("after_load", {})
        lines.append(f"  {title} resident: {fresh['rss_kib']:,} KiB fresh, "
                     f"{after.get('rss_kib', 0):,} KiB after the load, peak "
                     f"{after.get('peak_rss_kib', 0):,} KiB")
    return lines


def noise_lines(results, loads):
    """How much the same measurement differs between rounds."""
    lines = []
    for load in loads:
        key = "p50_ns" if load.is_connect else "per_second"
        parts = [f"{name} {summary.spread(by_load[load.name], key):.0%}"
                 for name, by_load in results.items() if load.name in by_load]
        lines.append(f"  {load.title}: {', '.join(parts)}")
    return lines
