"""From rounds to figures: medians, spread, ratios against the targets."""

import statistics

QUANTILES = ("p50_ns", "p99_ns", "p999_ns", "max_ns")
UNDER, OVER = "<=", ">="

# What, measured, key, against, comparison, target. A ratio is the median of
# the rounds' ratios: what drifts over a run drifts for both sides.
RATIOS = (
    ("warm, 1 client, p50 / do-nothing loop",
     "warm1", "p50_ns", "floor", UNDER, 1.2),
    ("warm, 4 clients, connections/s / do-nothing loop",
     "warm4", "per_second", "floor", OVER, 0.75),
    ("cold among idle sockets, p50 / do-nothing loop",
     "cold_busy", "p50_ns", "floor", UNDER, 2.0),
    ("one-way UDP packets/s / conntrack",
     "udp", "per_second", "conntrack", OVER, 0.95),
    ("established TCP bytes/s / conntrack",
     "tcp", "per_second", "conntrack", OVER, 0.95),
)
IDLE_RSS_LIMIT_KIB = 20 * 1024
HEARTBEAT_S = 5  # src/heartbeat.cc: one beat per this many seconds
MATCH_RATIO_LIMIT = 1.2
MATCH_LIMIT_NS = 300


def median_round(rounds):
    """The median of every number over the rounds of one load."""
    keys = [key for key in rounds[0] if key != "samples"]
    return {key: statistics.median(r[key] for r in rounds) for key in keys}


def spread(rounds, key):
    """Largest minus smallest over the median: the noise of the machine."""
    values = [r[key] for r in rounds]
    middle = statistics.median(values)
    return (max(values) - min(values)) / middle if middle else 0.0


def _verdict(value, comparison, target):
    return value <= target if comparison == UNDER else value >= target


def load_ratios(results, name="sallyport"):
    """One row per line of RATIOS that could be measured."""
    rows = []
    for what, load, key, against, comparison, target in RATIOS:
        ours = results.get(name, {}).get(load)
        theirs = results.get(against, {}).get(load)
        if not ours or not theirs:
            continue
        ratios = [a[key] / b[key] for a, b in zip(ours, theirs) if b[key]]
        if not ratios:
            continue
        value = statistics.median(ratios)
        rows.append({"what": what, "value": round(value, 3),
                     "lowest": round(min(ratios), 3),
                     "highest": round(max(ratios), 3),
                     "target": f"{comparison} {target}",
                     "met": _verdict(value, comparison, target)})
    return rows


def footprint_rows(footprint, queues):
    """Idle wake-ups and memory against their targets. A beat of the watchdog
    wakes the main thread and, by its canary, each worker."""
    idle = footprint["idle"]
    rss = footprint["fresh"]["rss_kib"]
    beats = int(idle["seconds"] // HEARTBEAT_S) + 1
    allowed = beats * (1 + queues)
    return [
        {"what": f"idle, wake-ups in {idle['seconds']:g} s",
         "value": idle["switches"],
         "target": f"<= {allowed} ({beats} beats)",
         "met": idle["switches"] <= allowed},
        {"what": "idle, resident KiB", "value": rss,
         "target": f"<= {IDLE_RSS_LIMIT_KIB}",
         "met": rss <= IDLE_RSS_LIMIT_KIB},
    ]


def match_rows(micro):
    """The lines of the micro-benchmarks that have a target: one app with all
    the rules, asked for the same flow again and again, and for flows that
    each find another rule."""
    times = {row["name"]: row["ns"] for row in micro}
    rows = []
    for spread, which in ((0, "one flow"), (1, "all flows")):
        few, many = (times.get(f"BM_Match/rules:{count}/apps:1/spread:{spread}")
                     for count in (10, 100_000))
        if few and many:
            rows += [{"what": f"match ({which}), 100,000 rules / 10",
                      "value": round(many / few, 3),
                      "target": f"<= {MATCH_RATIO_LIMIT}",
                      "met": many / few <= MATCH_RATIO_LIMIT},
                     {"what": f"match ({which}), 100,000 rules, ns",
                      "value": round(many, 1),
                      "target": f"< {MATCH_LIMIT_NS}",
                      "met": many < MATCH_LIMIT_NS}]
    return rows


def curve(sample_arrays, points=120):
    """(quantile, nanoseconds) of the pooled samples, denser to the right, up
    to the last quantile that still has ten samples above it."""
    pooled = sorted(value for samples in sample_arrays for value in samples)
    if len(pooled) < 20:
        return []
    last = 1 - 10 / len(pooled)
    result, quantile = [], 0.01
    step = ((1 - last) / (1 - quantile)) ** (1 / points)
    while quantile <= last:
        result.append((quantile, pooled[int(quantile * (len(pooled) - 1))]))
        quantile = 1 - (1 - quantile) * step
    return result
