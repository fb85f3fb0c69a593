"""What a daemon would say: the shapes of DESIGN.md, 'Control API'."""

STATUS = {
    "enforcing": True,
    "summary": "new connections are judged; without a rule they are denied",
    "mode": "enforce", "default": "deny", "unattributed": "deny",
    "on_failure": "closed",
    "divert": {"installed": True, "expression": "xt", "settle": "chain",
               "repairs": 0},
    "queues": [{"number": 4096, "waiting": 0, "dropped": 0, "user_dropped": 0,
                "received": 1200},
               {"number": 4097, "waiting": 1, "dropped": 0, "user_dropped": 0,
                "received": 34}],
    "attribution": {"mode": "proc", "process_events": True},
    "rules": {"count": 12, "enabled": 11, "last_error": None},
    "history": {"ok": True, "error": None},
    "pid": 4242, "uptime_s": 3725, "namespace": "net:[4026531840]",
    "canary": {"seen": True, "age_ms": 1500},
}

STATUS_TEXT = """\
new connections are judged; without a rule they are denied
  mode         enforce
  default      deny; no owner found: deny
  on failure   closed: nothing new gets out while the daemon is away
  kernel rules installed, expression xt, settle chain
  queues       4096, 4097: 1,234 packets, 1 waiting, 0 dropped by the kernel
  attribution  proc, with process events
  rules        12 (11 enabled)
  history      ok
  canary       seen 1,500 ms ago
  daemon       pid 4242, up 1h2m5s
"""

RULES = {
    "rules": [
        {"name": "curl-web", "policy": "allow", "app": "/usr/bin/curl",
         "to": ["192.0.2.0/24", "lan"], "port": [443, "8000-9000"],
         "protocol": ["tcp"], "priority": 5, "enabled": True, "log": True,
         "direction": "out", "origin": "/var/lib/sallyport/rules.d/a.toml",
         "read_only": False, "index": 0},
        {"name": "no-wget", "policy": "deny", "app": "/usr/bin/wget",
         "enabled": False, "priority": 0, "log": True, "direction": "out",
         "description": "say \"why\"", "read_only": True, "index": 1,
         "origin": "/etc/sallyport/rules.d/b.toml"},
    ],
    "error": None,
}

RULES_TEXT = """\
NAME      POLICY  APP            TO                 PORT            PROTO  \
PRIO  STATE                   DESCRIPTION
curl-web  allow   /usr/bin/curl  192.0.2.0/24, lan  443, 8000-9000  tcp    5
no-wget   deny    /usr/bin/wget                                            \
      disabled, admin's file  say "why"
"""

EXPORT_TEXT = """\
version = 1

[[rule]]
name        = "curl-web"
policy      = "allow"
app         = "/usr/bin/curl"
to          = ["192.0.2.0/24", "lan"]
port        = [443, "8000-9000"]
protocol    = "tcp"
priority    = 5

[[rule]]
name        = "no-wget"
policy      = "deny"
app         = "/usr/bin/wget"
enabled     = false
description = 'say "why"'
"""


def event(action="deny", path="/usr/bin/wget", second=1, **more):
    out = {
        "timestamp": f"2026-03-01T12:00:{second:02d}.000123Z",
        "event_type": "flow", "flow_id": second,
        "src_ip": "10.0.0.1", "src_port": 40000,
        "dest_ip": "192.0.2.7", "dest_port": 443, "proto": "TCP",
        "direction": "out", "iface": "eth0",
        "verdict": {"action": action, "reason": "rule", "rule": "no-wget",
                    "mode": "enforce", "would_deny": False, "latency_us": 40,
                    "stage": "queue"},
        "app": {"path": path, "pid": 77, "start_time": 1, "uid": 1000,
                "user": "alice", "confidence": "exact", "state": "ok"},
    }
    out.update(more)
    return out


def rules_changed(second=1, **more):
    out = {
        "timestamp": f"2026-03-01T12:00:{second:02d}.000123Z",
        "event_type": "rules_changed", "file": "/etc/sallyport/rules.d/a.toml",
        "change": "changed", "in_force": True,
        "rules": {"added": ["x", "y"], "removed": [], "changed": ["z"]},
        "who": "unknown", "owner": {"uid": 0, "user": "root"},
        "modified": "2026-03-01T12:00:00.000000Z",
        "lines": {"added": 2, "removed": 1},
        "diff": ["@@ -1,2 +1,3 @@", " a", "-b", "+c", "+d"],
    }
    out.update(more)
    return out


VERIFIED = {
    "intact": True,
    "chains": [
        {"chain": "violations", "intact": True, "records": 1234,
         "unchained": 0, "pruned": 5, "begun": "2026-01-01T00:00:00.000000Z",
         "since": "2026-02-01T00:00:00.000000Z",
         "head": {"id": 1239, "hash": "ab" * 32}},
        {"chain": "allowed", "intact": True, "records": 7, "unchained": 20,
         "pruned": 0, "begun": "2026-01-01T00:00:00.000000Z",
         "since": "2026-01-02T00:00:00.000000Z",
         "head": {"id": 27, "hash": "cd" * 32}},
    ],
}

VERIFIED_TEXT = """\
violations: 1,234 records, chain intact since 2026-02-01T00:00:00.000000Z
allowed: 7 records, chain intact since 2026-01-02T00:00:00.000000Z
  20 records are older than the chain: not verified
"""

STATS = {
    "flows": {"allow": 1000, "deny": 20, "reject": 3}, "would_deny": 0,
    "by_stage": {"queue": 1020, "slow": 3},
    "latency_us": {"p50": 41, "p90": 60, "p99": 120, "p999": 800, "max": 2000},
    "dropped_events": 0, "unattributed": 2, "malformed": 1,
    "apps": [{"path": "/usr/bin/curl", "allow": 1000, "deny": 0, "reject": 0,
              "last": "2026-03-01T12:00:00.000000Z"}],
}

STATS_TEXT = """\
  flows        1,000 allowed, 20 denied, 3 rejected
  judged       1,020 at once, 3 in the slow lane
  latency      p50 41 us, p90 60 us, p99 120 us, p99.9 800 us, max 2,000 us
  no owner     2
  malformed    1

APP            ALLOW  DENY  REJECT  LAST
/usr/bin/curl  1,000  0     0       2026-03-01T12:00:00.000000Z
"""

LEARNED = {
    "mode": "learn", "default": "deny", "destinations": 5, "decided": 0,
    "rules": [
        {"name": "learn-curl-1", "policy": "allow", "app": "/usr/bin/curl",
         "to": ["*.example.com", "192.0.2.1", "192.0.2.2", "192.0.2.3",
                "192.0.2.4", "192.0.2.5"], "port": [443, "8000-8003"],
         "protocol": ["tcp"], "user": [], "flows": 1234, "shared": 0,
         "description": "1234 flows seen; for every user"},
        {"name": "learn-ping-1", "policy": "allow", "app": "/usr/bin/ping",
         "to": ["192.0.2.1"], "port": [], "protocol": ["icmp"], "user": ["1000"],
         "flows": 1, "shared": 0, "description": "1 flow seen"},
    ],
    "proposal": "0123456789abcdef", "fewest": True, "unnamed": [],
    "options": {"group_names": True, "group_addresses": False,
                "by_user": False},
    "left_out": {"by_app": [], "other_apps": 0}, "lost_events": 0,
    "error": None, "notice": None,
}

LEARNED_TEXT = """\
NAME          APP            TO                                                 \
        PORT            PROTO  USER  FLOWS
learn-curl-1  /usr/bin/curl  *.example.com, 192.0.2.1, 192.0.2.2, 192.0.2.3 and \
2 more  443, 8000-8003  tcp          1,234
learn-ping-1  /usr/bin/ping  192.0.2.1                                          \
                        icmp   1000  1

learn-curl-1: 1234 flows seen; for every user
learn-ping-1: 1 flow seen

to make these rules: sallyport learn apply --proposal 0123456789abcdef
"""

SEEN = dict(LEARNED, seen=[
    {"app": "/usr/bin/curl", "naming": "path", "to": "www.example.com",
     "address": "192.0.2.9", "service": "tcp 443", "uid": 1000, "flows": 7,
     "shared": 0, "first_seen": "2026-03-01T12:00:00.000000Z",
     "last_seen": "2026-03-02T12:00:00.000000Z"},
    {"app": "", "naming": "nobody", "to": "192.0.2.9", "address": "192.0.2.9",
     "service": "icmp", "flows": 1, "shared": 0,
     "first_seen": "2026-03-01T12:00:00.000000Z",
     "last_seen": "2026-03-01T12:00:00.000000Z"}])

SEEN_TEXT = """\
APP            TO               SERVICE  USER  FLOWS  FIRST                     \
   LAST
/usr/bin/curl  www.example.com  tcp 443  1000  7      2026-03-01T12:00:00.000000Z\
  2026-03-02T12:00:00.000000Z
(nobody)       192.0.2.9        icmp           1      2026-03-01T12:00:00.000000Z\
  2026-03-01T12:00:00.000000Z
"""
