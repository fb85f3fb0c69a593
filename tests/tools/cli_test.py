#!/usr/bin/python3
"""The CLI as a user runs it, against a fake control API."""
import json
import os
import subprocess
import sys
import tempfile
import unittest

import samples
from fake_api import FakeApi, Stream

SALLYPORT = None
HOSTILE = "/tmp/a\x1b[2J\n\u202eb"


class CliTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="sp-cli-")
        self.addCleanup(self.directory.cleanup)
        self.api = FakeApi(self.directory.name)
        self.addCleanup(self.api.close)

    def run_cli(self, *words, stdin="", socket=None, expect=0):
        env = dict(os.environ, TZ="UTC", TERM="xterm")
        env.pop("SALLYPORT_SOCKET", None)
        done = subprocess.run(
            [SALLYPORT, "--socket", socket or self.api.path, *words],
            input=stdin, capture_output=True, text=True, timeout=30, env=env,
            errors="surrogateescape")
        self.assertEqual(done.returncode, expect, (words, done))
        return done

    def file(self, name, text):
        path = os.path.join(self.directory.name, name)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return path


class Tables(CliTest):
    def test_status(self):
        self.api.answer("GET", "/v1/status", samples.STATUS)
        self.assertEqual(self.run_cli("status").stdout, samples.STATUS_TEXT)

    def test_status_names_what_is_wrong(self):
        status = dict(samples.STATUS, enforcing=False,
                      canary={"seen": False},
                      history={"ok": False, "error": "disk full"},
                      rules={"count": 1, "enabled": 1,
                             "last_error": "a.toml:3:1: no policy"})
        status["divert"] = {"installed": False, "repairs": 2}
        self.api.answer("GET", "/v1/status", status)
        out = self.run_cli("status").stdout
        for text in ("NOT installed", "put back 2 times",
                     "a.toml:3:1: no policy", "disk full", "does not answer"):
            self.assertIn(text, out)

    def test_status_of_a_daemon_that_says_little(self):
        self.api.answer("GET", "/v1/status", {"mode": "monitor"})
        self.assertIn("Not enforcing: mode monitor",
                      self.run_cli("status").stdout)

    def test_rules(self):
        self.api.answer("GET", "/v1/rules", samples.RULES)
        for words in (["rules"], ["rules", "list"]):
            self.assertEqual(self.run_cli(*words).stdout, samples.RULES_TEXT)

    def test_no_rules(self):
        self.api.answer("GET", "/v1/rules",
                        {"rules": [], "error": "x.toml:1:1: bad\n"
                         "y.toml:2:2: worse"})
        out = self.run_cli("rules").stdout
        self.assertIn("no rules: the default decides", out)
        self.assertIn("\nx.toml:1:1: bad\ny.toml:2:2: worse\n", out)

    def test_the_built_in_rule_is_shown_but_not_exported(self):
        rule = {"name": "builtin-loopback", "policy": "allow", "app": "any",
                "origin": "builtin", "read_only": True}
        self.api.answer("GET", "/v1/rules", {"rules": [rule]})
        self.assertIn("built in", self.run_cli("rules").stdout)
        self.assertEqual(self.run_cli("rules", "export").stdout,
                         "version = 1\n")

    def test_stats(self):
        self.api.answer("GET", "/v1/stats", samples.STATS)
        self.assertEqual(self.run_cli("stats").stdout, samples.STATS_TEXT)

    def test_stats_of_one_app_asks_for_the_executable(self):
        self.api.answer("GET", "/v1/stats", samples.STATS)
        link = os.path.join(self.directory.name, "py")
        os.symlink("/usr/bin/env", link)
        self.run_cli("stats", link)
        self.assertEqual(self.api.calls[0][1],
                         "/v1/stats?app=%2Fusr%2Fbin%2Fenv")

    def test_violations(self):
        events = [samples.event(), samples.event("reject", second=2)]
        self.api.answer("GET", "/v1/violations", {"violations": events})
        out = self.run_cli("violations", "--since", "5m", "--limit",
                           "7").stdout
        self.assertEqual(self.api.calls[0][1],
                         "/v1/violations?since=5m&limit=7")
        self.assertEqual(out, """\
TIME          VERDICT  APP            PID  USER   DESTINATION    PROTO  WHY
12:00:01.000  deny     /usr/bin/wget  77   alice  192.0.2.7:443  tcp    no-wget
12:00:02.000  reject   /usr/bin/wget  77   alice  192.0.2.7:443  tcp    no-wget
""")

    def test_no_violations(self):
        self.api.answer("GET", "/v1/violations", {"violations": []})
        self.assertEqual(self.run_cli("violations").stdout,
                         "nothing was turned away in the last 1h\n")

    def test_violations_since_a_moment(self):
        self.api.answer("GET", "/v1/violations", {"violations": []})
        for text in ("2026-01-31 17:30", "2026-01-31T18:30:00+01:00"):
            out = self.run_cli("violations", "--since", text).stdout
            self.assertEqual(self.api.calls[-1][1],
                             "/v1/violations?since=2026-01-31T17%3A30%3A00Z")
            self.assertEqual(out,
                             f"nothing was turned away since {text}\n")
        self.run_cli("violations", "--since", "yesterday 09:00")
        self.run_cli("violations", "--since", "17:30")
        done = self.run_cli("violations", "--since", "soon", expect=2)
        self.assertIn("'soon' is no time; write 5m, 1h30m, 7d, 17:30",
                      done.stderr)

    def test_events_of_every_kind(self):
        icmp = samples.event("allow", proto="IPv6-ICMP", dest_ip="2001:db8::1",
                             icmp_type=128, icmp_code=0)
        del icmp["dest_port"]
        v6 = samples.event(dest_ip="2001:db8::1")
        monitor = samples.event("allow")
        monitor["verdict"].update(would_deny=True, reason="default")
        del monitor["verdict"]["rule"]
        unknown = samples.event(app={"confidence": "none", "uid": 5})
        shared = samples.event()
        shared["app"].update(confidence="ambiguous",
                             owners=[{"path": "a"}, {"path": "b"}])
        gone = samples.event()
        gone["app"]["state"] = "replaced"
        self.api.answer("GET", "/v1/events", {
            "events": [icmp, v6, monitor, unknown, shared, gone]})
        out = self.run_cli("events").stdout.splitlines()
        self.assertIn("2001:db8::1 type 128", out[1])
        self.assertIn("[2001:db8::1]:443", out[2])
        self.assertIn("would deny", out[3])
        self.assertIn("(default)", out[3])
        self.assertRegex(out[4], r"unknown +5 ")
        self.assertIn("/usr/bin/wget (+1)", out[5])
        self.assertIn("/usr/bin/wget (replaced)", out[6])

    def test_a_rule_file_that_was_changed_is_one_line(self):
        self.api.answer("GET", "/v1/events", {
            "events": [samples.event(), samples.rules_changed(2)]})
        out = self.run_cli("events").stdout.splitlines()
        self.assertEqual(len(out), 3)
        self.assertRegex(
            out[2], r"^12:00:02.000  rules +/etc/sallyport/rules.d/a.toml .* "
            r"changed by another hand: \+2 -1 lines; rules added: x, y; rules "
            r"changed: z \(who: unknown; file owner root\)$")

    def test_what_changed_in_a_rule_file(self):
        broken = samples.rules_changed(
            3, in_force=False, error="a.toml:1:1: bad", diff_complete=False)
        huge = samples.rules_changed(4)
        del huge["diff"], huge["lines"]
        events = [samples.rules_changed(2), broken, huge,
                  samples.rules_changed(5, more_files=1000)]
        self.api.answer("GET", "/v1/events", {"events": events})
        self.api.answer("GET", "/v1/history/rules", {"events": events})
        out = self.run_cli("events", "--verbose").stdout
        self.assertIn("(who: unknown; file owner root)\n"
                      "    @@ -1,2 +1,3 @@\n     a\n    -b\n    +c\n    +d\n",
                      out)
        self.assertIn("NOT in force: a.toml:1:1: bad (who", out)
        self.assertIn("(not all of the change is shown)", out)
        self.assertIn("(the file is too large to show what changed)", out)
        self.assertIn("1,000 more files changed by another hand", out)
        self.assertEqual(self.run_cli("history", "rules", "-v").stdout, out)
        self.assertEqual(self.api.calls[-1][1], "/v1/history/rules?since=7d")
        self.assertNotIn("@@", self.run_cli("history", "rules").stdout)

    def test_no_rule_file_was_changed(self):
        self.api.answer("GET", "/v1/history/rules", {"events": []})
        self.assertEqual(
            self.run_cli("history", "rules", "--since", "1h").stdout,
            "no rule file was changed by another hand in the last 1h\n")

    def test_history_verify(self):
        self.api.answer("GET", "/v1/history/verify", samples.VERIFIED)
        self.assertEqual(self.run_cli("history", "verify").stdout,
                         samples.VERIFIED_TEXT)
        out = self.run_cli("history", "verify", "--json").stdout
        self.assertEqual(json.loads(out), samples.VERIFIED)

    def test_history_verify_finds_a_break(self):
        chain = dict(samples.VERIFIED["chains"][0], intact=False, records=16,
                     broken={"what": "changed", "id": 17,
                             "message": "changed: record 17 of T does not"})
        report = {"intact": False,
                  "chains": [chain, samples.VERIFIED["chains"][1]],
                  "notice": "history was damaged"}
        self.api.answer("GET", "/v1/history/verify", report)
        done = self.run_cli("history", "verify", expect=1)
        self.assertIn("violations: BROKEN after 16 records: changed: record "
                      "17 of T does not\n", done.stdout)
        self.assertIn("history was damaged", done.stderr)
        self.run_cli("history", "verify", "--json", expect=1)

    def test_history_verify_heads(self):
        one, two = "ab" * 32, "0" * 64
        self.api.answer("GET", "/v1/history/verify", dict(
            samples.VERIFIED, intact=False, heads=[
                {"hash": one, "found": True, "chain": "allowed", "id": 5},
                {"hash": two, "found": False}]))
        done = self.run_cli("history", "verify", "--head", one, "--head", two,
                            expect=1)
        self.assertEqual(self.api.calls[0][1],
                         f"/v1/history/verify?head={one},{two}")
        self.assertIn(f"head {one}: record 5 of allowed\n", done.stdout)
        self.assertIn(f"head {two}: NOT in the chain", done.stdout)

    def test_history_head(self):
        self.api.answer("GET", "/v1/history/head", {"heads": [
            {"chain": "violations", "id": 5, "hash": "ab" * 32}]})
        self.assertEqual(self.run_cli("history", "head").stdout,
                         "ab" * 32 + "  violations 5\n")

    def test_history_usage_and_what_is_not_there(self):
        self.run_cli("history", expect=2)
        self.run_cli("history", "verify", "--head", "abc", expect=2)
        self.assertIn("--head", self.run_cli("history", "verify",
                                             "--help").stdout)
        self.api.refuse("GET", "/v1/history/verify", 404, "no such file")
        self.run_cli("history", "verify", expect=3)
        self.api.refuse("GET", "/v1/history/verify", 409, "newer version")
        self.run_cli("history", "verify", expect=1)

    def test_version(self):
        self.api.answer("GET", "/v1/version",
                        {"version": "9.9", "api": 1, "commit": "abc"})
        self.assertIn("sallyportd 9.9 (abc), API 1",
                      self.run_cli("version").stdout)


class Modes(CliTest):
    def test_shown_and_set(self):
        self.api.answer("GET", "/v1/status", samples.STATUS)
        self.api.answer("PUT", "/v1/mode", samples.STATUS)
        self.assertEqual(self.run_cli("mode").stdout, "enforce\n")
        out = self.run_cli("mode", "enforce").stdout
        self.assertTrue(out.startswith("new connections"), out)
        self.assertEqual(self.api.bodies("PUT", "/v1/mode"),
                         [{"mode": "enforce"}])

    def test_for_a_time(self):
        pending = {"what": "mode monitor -> enforce", "seconds_left": 65,
                   "asked_by_uid": 0}
        status = dict(samples.STATUS, pending_change=pending)
        self.api.answer("PUT", "/v1/mode", status)
        self.api.answer("GET", "/v1/status", status)
        out = self.run_cli("mode", "enforce", "--confirm", "1m5s").stdout
        self.assertIn("it goes back in 1m5s unless you run: sallyport confirm",
                      out)
        self.assertEqual(self.api.bodies("PUT", "/v1/mode"),
                         [{"mode": "enforce", "confirm_seconds": 65}])
        self.assertIn(
            "  to confirm   mode monitor -> enforce: goes back in 1m5s unless "
            "you run `sallyport confirm`\n", self.run_cli("status").stdout)
        self.api.answer("PUT", "/v1/mode", samples.STATUS)
        self.assertIn("the mode was enforce already: nothing to confirm",
                      self.run_cli("mode", "enforce", "--confirm", "5s").stdout)

    def test_confirm_and_undo(self):
        self.api.answer("POST", "/v1/confirm", {"confirmed": "mode \x1b"})
        self.assertEqual(self.run_cli("confirm").stdout,
                         "confirmed: mode \\x1b\n")
        self.api.answer("POST", "/v1/confirm", {"taken_back": "mode"})
        self.assertEqual(self.run_cli("confirm", "--undo").stdout,
                         "taken back: mode\n")
        self.assertEqual(self.api.bodies("POST", "/v1/confirm"),
                         [{"keep": True}, {"keep": False}])
        self.api.refuse("POST", "/v1/confirm", 409, "nothing waits")
        self.assertIn("nothing waits",
                      self.run_cli("confirm", expect=1).stderr)

    def test_unknown_is_usage(self):
        self.run_cli("mode", "learned", expect=2)
        self.run_cli("mode", "--confirm", "60s", expect=2)
        for bad in ("60", "0s", "x", "", "-5s", "1h 5m"):
            self.run_cli("mode", "enforce", "--confirm", bad, expect=2)
        self.assertEqual(self.api.calls, [])


class Policies(CliTest):
    def test_every_option_reaches_the_api(self):
        self.api.answer("POST", "/v1/rules", lambda body: (201, json.loads(
            body) | {"name": "n"}))
        out = self.run_cli(
            "allow", "/usr/bin/env", "--to", "192.0.2.0/24", "--to", "lan",
            "--port", "443,8000-9000", "--proto", "tcp", "--proto", "17",
            "--user", "alice", "--not-user", "bob", "--not-to", "10.0.0.1",
            "--not-port", "8080", "--interface", "wg*", "--priority", "-5",
            "--name", "n", "--comment", "why").stdout
        self.assertEqual(self.api.bodies("POST", "/v1/rules"), [{
            "name": "n", "policy": "allow", "app": "/usr/bin/env",
            "to": ["192.0.2.0/24", "lan"], "port": [443, "8000-9000"],
            "protocol": ["tcp", 17], "user": ["alice"],
            "not_user": ["bob"], "not_to": ["10.0.0.1"], "not_port": [8080],
            "interface": ["wg*"], "priority": -5, "description": "why"}])
        self.assertEqual(
            out, "added n: allow /usr/bin/env to 192.0.2.0/24, lan port 443, "
            "8000-9000 protocol tcp, 17 user alice not user bob not to "
            "10.0.0.1 not port 8080 interface wg* priority -5\n")

    def test_each_policy(self):
        self.api.answer("POST", "/v1/rules", lambda body: (201, json.loads(
            body)))
        for policy in ("allow", "deny", "reject", "local-only"):
            self.run_cli(policy, "any")
        self.assertEqual([rule["policy"] for rule in self.api.bodies(
            "POST", "/v1/rules")], ["allow", "deny", "reject", "local-only"])

    def test_a_link_becomes_what_it_points_to_and_the_user_is_told(self):
        self.api.answer("POST", "/v1/rules", lambda body: (201, json.loads(
            body)))
        link = os.path.join(self.directory.name, "python")
        os.symlink("/usr/bin/env", link)
        done = self.run_cli("allow", link)
        self.assertIn(f"{link} is /usr/bin/env", done.stderr)
        self.assertEqual(self.api.bodies("POST", "/v1/rules")[0]["app"],
                         "/usr/bin/env")

    def test_a_name_is_looked_up_in_path(self):
        self.api.answer("POST", "/v1/rules", lambda body: (201, json.loads(
            body)))
        self.run_cli("allow", "env")
        self.assertEqual(self.api.bodies("POST", "/v1/rules")[0]["app"],
                         os.path.realpath("/usr/bin/env"))
        done = self.run_cli("allow", "no-such-program-here", expect=2)
        self.assertIn("(field app)", done.stderr)

    def test_globs_and_files_to_come_stay(self):
        self.api.answer("POST", "/v1/rules", lambda body: (201, json.loads(
            body)))
        self.run_cli("allow", "/opt/**/bin/*")
        done = self.run_cli("allow", "/opt/none/x")
        self.assertIn("does not exist (yet)", done.stderr)
        self.assertEqual([r["app"] for r in self.api.bodies(
            "POST", "/v1/rules")], ["/opt/**/bin/*", "/opt/none/x"])

    def test_dry_run(self):
        self.api.answer("POST", "/v1/rules?dry_run=1", {
            "name": "n", "policy": "deny", "app": "any"})
        self.assertEqual(self.run_cli("deny", "any", "--dry-run").stdout,
                         "would add n: deny any\n")

    def test_a_denial_in_mode_monitor_says_that_it_does_nothing_yet(self):
        self.api.answer("POST", "/v1/rules", {"name": "n", "policy": "deny",
                                              "app": "any"}, 201)
        self.api.answer("GET", "/v1/status", {"mode": "monitor"})
        self.assertIn("mode is monitor", self.run_cli("deny", "any").stderr)

    def test_refusal_names_the_field(self):
        self.api.refuse("POST", "/v1/rules", 400, "no such port", "port")
        done = self.run_cli("allow", "any", "--port", "0", expect=1)
        self.assertEqual(done.stderr,
                         "sallyport: no such port (field port)\n")
        done = self.run_cli("allow", "any", "--json", expect=1)
        self.assertEqual(json.loads(done.stdout)["error"]["field"], "port")


class Rules(CliTest):
    def test_show(self):
        self.api.answer("GET", "/v1/rules/no-wget", samples.RULES["rules"][1])
        out = self.run_cli("rules", "show", "no-wget").stdout
        self.assertTrue(out.startswith(
            "# /etc/sallyport/rules.d/b.toml (read only)\n"
            "[[rule]]\n"), out)
        self.assertIn("description = 'say \"why\"'\n", out)

    def test_remove_goes_on_after_a_refusal(self):
        self.api.answer("DELETE", "/v1/rules/b", {"removed": "b"})
        done = self.run_cli("rules", "remove", "a", "b", expect=1)
        self.assertEqual(done.stdout, "removed b\n")
        self.assertEqual(done.stderr, "sallyport: unknown path\n")

    def test_names_are_one_path_segment(self):
        self.run_cli("rules", "remove", "../x y", expect=1)
        self.assertEqual(self.api.calls[0][1], "/v1/rules/..%2Fx%20y")

    def test_enable_disable(self):
        self.api.answer("PATCH", "/v1/rules/a", {})
        self.run_cli("rules", "enable", "a")
        self.run_cli("rules", "disable", "a")
        self.assertEqual(self.api.bodies("PATCH", "/v1/rules/a"),
                         [{"enabled": True}, {"enabled": False}])

    def test_check_names_every_error(self):
        good = self.file("good.toml", samples.EXPORT_TEXT)
        self.assertEqual(self.run_cli("rules", "check", good).stdout,
                         "ok: 2 rules\n")
        bad = self.file("bad.toml", '[[rule]]\nname = "a"\npolicy = "al"\n'
                        'app = "/a"\n[[rule]]\nnam = 1\n')
        done = self.run_cli("rules", "check", good, bad, socket="/nowhere",
                            expect=1)
        self.assertIn(f"{bad}:3:", done.stderr)
        self.assertIn(f"{bad}:6:", done.stderr)
        errors = json.loads(self.run_cli("rules", "check", bad, "--json",
                                         expect=1).stdout)
        self.assertFalse(errors["ok"])
        self.assertEqual(errors["errors"][0]["line"], 3)

    def test_check_sees_one_name_in_two_files(self):
        one = self.file("one.toml", samples.EXPORT_TEXT)
        two = self.file("two.toml", samples.EXPORT_TEXT)
        done = self.run_cli("rules", "check", one, two, expect=1)
        self.assertIn("'curl-web' is also in", done.stderr)

    def test_check_of_what_cannot_be_read(self):
        for path in ("/no/such/file", self.directory.name):
            done = self.run_cli("rules", "check", path, expect=1)
            self.assertIn(f"{path}:1:1: cannot be read", done.stderr)

    def test_check_of_stdin(self):
        self.run_cli("rules", "check", "-", stdin=samples.EXPORT_TEXT)

    def test_export(self):
        self.api.answer("GET", "/v1/rules", samples.RULES)
        out = self.run_cli("rules", "export").stdout
        self.assertEqual(out, samples.EXPORT_TEXT)
        self.run_cli("rules", "check", "-", stdin=out)

    def test_import(self):
        rule = dict(samples.RULES["rules"][0], name="r\x1b")
        self.api.answer("POST", "/v1/rules/import", {
            "rules": [rule], "added": ["a"], "changed": ["b"],
            "removed": ["c\x1b"], "unchanged": 3})
        path = self.file("rules.toml", samples.EXPORT_TEXT)
        out = self.run_cli("rules", "import", path, "--replace").stdout
        self.assertIn("removed c\\x1b\n", out)
        self.assertTrue(out.endswith(
            "imported 2 rules: 1 of them changed, 1 removed, 3 stood there "
            "already\n"), out)
        self.assertNotIn("\x1b", out)
        self.assertEqual(self.api.bodies("POST", "/v1/rules/import"),
                         [{"text": samples.EXPORT_TEXT, "replace": True}])

    def test_import_is_one_call_and_all_or_nothing(self):
        self.api.refuse("POST", "/v1/rules/import", 409, "exists", "name")
        path = self.file("rules.toml", samples.EXPORT_TEXT)
        done = self.run_cli("rules", "import", path, expect=1)
        self.assertIn("exists (field name)", done.stderr)
        self.assertEqual(len(self.api.calls), 1)
        self.api.calls.clear()
        broken = self.file("broken.toml", "[[rule]]\n")
        done = self.run_cli("rules", "import", broken, expect=1)
        self.assertIn("broken.toml:1:1: ", done.stderr)
        self.assertEqual(self.api.calls, [])

    def test_import_for_a_time_and_dry(self):
        self.api.answer("POST", "/v1/rules/import", {
            "rules": [], "added": ["a"], "changed": [], "removed": [],
            "unchanged": 0, "to_be_confirmed": True})
        path = self.file("rules.toml", samples.EXPORT_TEXT)
        out = self.run_cli("rules", "import", path, "--confirm",
                           "1m30s").stdout
        self.assertEqual(out, "imported 1 rules\nit goes back in 1m30s unless "
                         "you run: sallyport confirm\n")
        self.assertEqual(self.api.bodies("POST", "/v1/rules/import")[0][
            "confirm_seconds"], 90)
        self.api.answer("POST", "/v1/rules/import", {
            "rules": [], "added": ["a"], "changed": [], "removed": [],
            "unchanged": 0, "to_be_confirmed": False})
        out = self.run_cli("rules", "import", path, "--dry-run", "--confirm",
                           "5s").stdout
        self.assertEqual(out, "would import 1 rules\n")
        self.assertEqual(self.api.calls[-1][1], "/v1/rules/import?dry_run=1")
        self.assertNotIn("confirm_seconds", self.api.calls[-1][2])
        self.run_cli("rules", "import", path, "--confirm", "5", expect=2)

    def test_sync(self):
        self.api.answer("POST", "/v1/rules/reload",
                        {"reloaded": True, "count": 12})
        self.api.answer("GET", "/v1/status", samples.STATUS)
        self.assertEqual(self.run_cli("rules", "sync").stdout, """\
files   ok    12 rules read
memory  ok    12 rules, 11 enabled
kernel  ok    new connections come to the daemon (xt)
""")
        self.api.refuse("POST", "/v1/rules/reload", 400,
                        "a.toml:1:1: bad\nb.toml:2:2: worse")
        done = self.run_cli("rules", "sync", expect=1)
        self.assertIn("the last good set", done.stdout)
        self.assertIn("b.toml:2:2: worse", done.stderr)


class Learn(CliTest):
    def test_show(self):
        self.api.answer("GET", "/v1/learn", samples.LEARNED)
        for words in (["learn"], ["learn", "show"]):
            self.assertEqual(self.run_cli(*words).stdout, samples.LEARNED_TEXT)
        self.assertEqual(self.api.calls[0][1], "/v1/learn?group_names=1&"
                         "group_addresses=0&by_user=0&seen=0")
        out = self.run_cli("learn", "show", "--json").stdout
        self.assertEqual(json.loads(out), samples.LEARNED)

    def test_show_with_every_option(self):
        grouped = dict(samples.LEARNED, options={
            "group_names": False, "group_addresses": True, "by_user": True,
            "app": "/usr/bin/env"})
        self.api.answer("GET", "/v1/learn", grouped)
        out = self.run_cli("learn", "show", "--app", "env", "--exact-names",
                           "--group-addresses", "--by-user").stdout
        self.assertEqual(self.api.calls[0][1], "/v1/learn?group_names=0&"
                         "group_addresses=1&by_user=1&seen=0"
                         "&app=%2Fusr%2Fbin%2Fenv")
        self.assertIn("learn apply --exact-names --group-addresses --by-user "
                      "--app /usr/bin/env --proposal", out)

    def test_show_seen(self):
        self.api.answer("GET", "/v1/learn", samples.SEEN)
        self.assertEqual(self.run_cli("learn", "show", "--seen").stdout,
                         samples.SEEN_TEXT)
        self.api.answer("GET", "/v1/learn", dict(samples.SEEN, seen=[]))
        self.assertEqual(self.run_cli("learn", "show", "--seen").stdout,
                         "nothing seen\n")

    def test_show_hides_nothing(self):
        self.api.answer("GET", "/v1/learn", dict(
            samples.LEARNED, mode="monitor", default="allow", decided=2,
            fewest=False, lost_events=3, error="disk full",
            notice="moved aside",
            unnamed=[{"app": "", "why": "nobody", "flows": 4,
                      "destinations": 1},
                     {"app": "/bin/gone", "why": "not-its-path", "flows": 1,
                      "destinations": 1}],
            left_out={"by_app": [{"app": "/bin/bt", "naming": "path",
                                  "flows": 9}], "other_apps": 1}))
        out = self.run_cli("learn").stdout
        for text in ("(nobody)", "no program was found", "/bin/gone",
                     "not at its path", "/bin/bt: 9 flows to further",
                     "1 flow of further apps", "3 events lost", "disk full",
                     "moved aside", "2 of 5 destinations seen are decided",
                     "mode is monitor", "default is allow", "fewer rules"):
            self.assertIn(text, out)

    def test_nothing_to_propose(self):
        self.api.answer("GET", "/v1/learn", dict(samples.LEARNED, rules=[]))
        self.assertEqual(self.run_cli("learn").stdout, "no rules to propose\n")

    def test_apply(self):
        self.api.answer("POST", "/v1/learn/apply", {
            "added": [samples.LEARNED["rules"][1]]})
        out = self.run_cli("learn", "apply", "learn-ping-1", "--proposal",
                           "0123456789abcdef", "--group-addresses").stdout
        self.assertEqual(out, "added learn-ping-1: allow /usr/bin/ping to "
                         "192.0.2.1 protocol icmp user 1000\n")
        self.run_cli("learn", "apply", "--app", "env", "--exact-names",
                     "--by-user")
        self.assertEqual(self.api.bodies("POST", "/v1/learn/apply"), [
            {"group_names": True, "group_addresses": True, "by_user": False,
             "rules": ["learn-ping-1"], "proposal": "0123456789abcdef"},
            {"group_names": False, "group_addresses": False, "by_user": True,
             "app": "/usr/bin/env"}])
        self.api.answer("POST", "/v1/learn/apply", {"added": []})
        self.assertEqual(self.run_cli("learn", "apply").stdout,
                         "no rules to add\n")

    def test_apply_refused(self):
        self.api.refuse("POST", "/v1/learn/apply", 409, "look again")
        done = self.run_cli("learn", "apply", "--proposal", "x", expect=1)
        self.assertIn("look again", done.stderr)

    def test_clear(self):
        self.api.answer("DELETE", "/v1/learn", {"forgotten": 1234})
        self.assertEqual(self.run_cli("learn", "clear").stdout,
                         "forgotten: 1,234 destinations\n")
        self.run_cli("learn", "clear", "--app", "env")
        self.assertEqual([path for _, path, _ in self.api.calls],
                         ["/v1/learn", "/v1/learn?app=%2Fusr%2Fbin%2Fenv"])

    def test_A38_names_are_harmless(self):
        self.api.answer("GET", "/v1/learn", dict(
            samples.SEEN, error=HOSTILE, unnamed=[
                {"app": HOSTILE, "why": "not-its-path", "flows": 1,
                 "destinations": 1}],
            rules=[dict(samples.LEARNED["rules"][0], app=HOSTILE,
                        description=HOSTILE)],
            left_out={"by_app": [{"app": HOSTILE, "flows": 1}],
                      "other_apps": 0}))
        for words in (["learn"], ["learn", "show", "--seen"]):
            out = self.run_cli(*words).stdout
            self.assertNotIn("\x1b", out)
            self.assertNotIn("\u202e", out)

    def test_an_unknown_program_is_usage(self):
        for words in (["show"], ["apply"], ["clear"]):
            self.run_cli("learn", *words, "--app", "no-such-program-here",
                         expect=2)
        self.assertEqual(self.api.calls, [])


class Explain(CliTest):
    ANSWER = {"verdict": "deny", "judged": "deny", "reason": "rule",
              "rule": "no-wget", "mode": "enforce",
              "winner": samples.RULES["rules"][1],
              "losers": [{"rule": "curl-web", "why": "another app"}],
              "text": ["no-wget decides: deny"]}

    def test_destinations(self):
        self.api.answer("POST", "/v1/explain", self.ANSWER)
        for typed, address, port in (("192.0.2.1:53", "192.0.2.1", 53),
                                     ("[::1]:53", "::1", 53),
                                     ("2001:db8::1", "2001:db8::1", None),
                                     ("10.0.0.1", "10.0.0.1", None)):
            self.run_cli("explain", "/usr/bin/env", typed, "--proto", "udp",
                         "--user", "alice")
            body = json.loads(self.api.calls[-1][2])
            self.assertEqual(body["to"], address)
            self.assertEqual(body.get("port"), port)
            self.assertEqual(body["protocol"], "udp")
            self.assertEqual(body["user"], "alice")

    def test_names_are_resolved(self):
        self.api.answer("POST", "/v1/explain", self.ANSWER)
        out = self.run_cli("explain", "/usr/bin/env", "localhost:80").stdout
        self.assertRegex(out, r"(?m)^(127\.0\.0\.1|::1):$")

    def test_answer(self):
        self.api.answer("POST", "/v1/explain", self.ANSWER)
        out = self.run_cli("explain", "/usr/bin/env", "192.0.2.1:53").stdout
        self.assertEqual(out, "no-wget decides: deny\n")

    def test_a_daemon_without_words(self):
        answer = dict(self.ANSWER, verdict="allow", mode="monitor", text=[])
        self.api.answer("POST", "/v1/explain", answer)
        out = self.run_cli("explain", "/usr/bin/env", "192.0.2.1:53").stdout
        self.assertEqual(out, "deny (rule, mode monitor)\n"
                         "  winner: no-wget: deny /usr/bin/wget (disabled)\n"
                         "  not curl-web: another app\n")

    def test_bad_destinations_are_usage(self):
        for typed in ("192.0.2.1:x", "[::1", "[::1]53", ":53", "a:99999",
                      "a:", "1.2.3.4:-1"):
            done = self.run_cli("explain", "/usr/bin/env", typed, expect=2)
            self.assertIn("DEST", done.stderr)


class Follow(CliTest):
    def test_events_line_by_line(self):
        self.api.answer("GET", "/v1/events", Stream(
            [samples.event(), samples.event("allow", second=2)]))
        done = self.run_cli("events", "--follow", "--json", expect=3)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([line["flow_id"] for line in lines], [1, 2])
        self.assertIn("the daemon closed the connection", done.stderr)
        self.assertEqual(self.api.calls[0][1], "/v1/events?follow=1&type=all")

    def test_violations_past_then_new_without_twins(self):
        self.api.answer("GET", "/v1/violations", {
            "violations": [samples.event(second=1), samples.event(second=2)]})
        self.api.answer("GET", "/v1/events", Stream(
            [samples.event(second=2), samples.event("allow", second=3),
             samples.event(second=4),
             {"event_type": "dropped", "count": 9}]))
        done = self.run_cli("violations", "--follow", expect=3)
        lines = done.stdout.splitlines()
        self.assertEqual([line[:8] for line in lines[:3]],
                         ["12:00:01", "12:00:02", "12:00:04"])
        self.assertIn("9 events left out", lines[3])

    def test_watch_without_a_terminal_prints_lines(self):
        self.api.answer("GET", "/v1/version", {"version": "0"})
        self.api.answer("GET", "/v1/events", Stream([samples.event()]))
        done = self.run_cli("watch", expect=3)
        self.assertRegex(done.stdout, r"^12:00:01.000  deny +/usr/bin/wget"
                         r"\[77\] +192.0.2.7:443 +tcp +no-wget\n$")

    def test_refused_stream(self):
        self.api.refuse("GET", "/v1/events", 503, "too many readers")
        done = self.run_cli("events", "-f", expect=1)
        self.assertIn("too many readers", done.stderr)

    def test_a_reader_that_leaves_ends_it(self):
        stream = Stream([samples.event()] * 20000, stays_open=True)
        self.api.answer("GET", "/v1/events", stream)
        child = subprocess.Popen(
            [SALLYPORT, "--socket", self.api.path, "events", "-f"],
            stdout=subprocess.PIPE)
        child.stdout.readline()
        child.stdout.close()
        self.assertEqual(child.wait(timeout=30), 0)


class HostileText(CliTest):
    """What programs choose must not reach the terminal (CASES A38)."""

    def assert_harmless(self, text):
        for char in text:
            self.assertTrue(char == "\n" or (char >= " " and char != "\x7f" and
                                             char != "\u202e"), repr(text))

    def test_A38_names_in_tables(self):
        event = samples.event(path=HOSTILE)
        event["verdict"]["rule"] = HOSTILE
        event["app"]["user"] = HOSTILE
        event["dest_host"] = HOSTILE
        rule = dict(samples.RULES["rules"][0], app=HOSTILE,
                    description=HOSTILE, origin=HOSTILE)
        self.api.answer("GET", "/v1/violations", {"violations": [event]})
        change = samples.rules_changed(
            file=HOSTILE, error=HOSTILE, in_force=False, diff=[HOSTILE],
            rules={"added": [HOSTILE]}, owner={"user": HOSTILE},
            change=HOSTILE)
        self.api.answer("GET", "/v1/history/rules", {"events": [change]})
        self.api.answer("GET", "/v1/history/verify", {
            "intact": False, "notice": HOSTILE, "chains": [
                {"chain": HOSTILE, "intact": True, "since": HOSTILE},
                {"chain": HOSTILE, "broken": {"message": HOSTILE}}],
            "heads": [{"hash": HOSTILE, "found": True, "chain": HOSTILE}]})
        self.api.answer("GET", "/v1/history/head", {"heads": [
            {"hash": HOSTILE, "chain": HOSTILE, "id": 1}]})
        self.api.answer("GET", "/v1/events", {"events": [event]})
        self.api.answer("GET", "/v1/rules", {"rules": [rule],
                                             "error": "\x1b[2J"})
        self.api.answer("GET", "/v1/rules/x", rule)
        self.api.answer("GET", "/v1/stats", dict(samples.STATS, apps=[
            {"path": HOSTILE, "last": HOSTILE}]))
        self.api.answer("GET", "/v1/status", dict(
            samples.STATUS, summary=HOSTILE, mode=HOSTILE))
        self.api.answer("POST", "/v1/explain", dict(
            Explain.ANSWER, text=[HOSTILE], reason=HOSTILE))
        for words, lines in ((["violations"], 2), (["events"], 2),
                             (["rules"], 4), (["rules", "show", "x"], 10),
                             (["stats"], 8), (["status"], 11),
                             (["history", "rules", "-v"], 2),
                             (["history", "head"], 1),
                             (["explain", "/usr/bin/env", "::1"], 1)):
            out = self.run_cli(*words).stdout
            self.assert_harmless(out)
            self.assertEqual(out.count("\n"), lines, out)
            if words != ["rules", "show", "x"]:  # there: TOML's own escapes
                self.assertIn("\\x1b[2J\\x0a\\u{202e}b", out)
        done = self.run_cli("history", "verify", expect=1)
        self.assert_harmless(done.stdout + done.stderr)
        self.assertEqual(done.stdout.count("\n"), 3)

    def test_A38_errors(self):
        self.api.refuse("GET", "/v1/status", 503, "bad \x1b[31m\u202e text")
        done = self.run_cli("status", expect=1)
        self.assert_harmless(done.stderr)
        self.assertIn("\\x1b[31m", done.stderr)

    def test_A38_follow(self):
        self.api.answer("GET", "/v1/events",
                        Stream([samples.event(path=HOSTILE)]))
        out = self.run_cli("events", "-f", expect=3).stdout
        self.assert_harmless(out)
        self.assertEqual(out.count("\n"), 1)


class ExitCodes(CliTest):
    def test_usage_is_2(self):
        for words in ([], ["allow"], ["explain", "any"], ["rules", "show"],
                      ["rules", "bogus"], ["status", "--bogus"],
                      ["violations", "--limit", "x"],
                      ["violations", "--limit", "0"],
                      ["allow", "any", "--priority", "high"]):
            self.run_cli(*words, expect=2)

    def test_a_slip_of_the_finger_is_named(self):
        done = self.run_cli("statsu", expect=2)
        self.assertIn("did you mean stat", done.stderr)

    def test_help_and_version_are_0(self):
        self.run_cli("--help")
        self.run_cli("allow", "--help")
        self.assertRegex(self.run_cli("--version").stdout,
                         r"^sallyport \d+\.\d+")

    def test_no_daemon_is_3_and_says_how_to_start_it(self):
        for words in (["status"], ["rules"], ["events", "-f"], ["watch"],
                      ["mode", "enforce"], ["allow", "any"],
                      ["explain", "/usr/bin/env", "::1"], ["stats"],
                      ["history", "verify"], ["history", "head"],
                      ["rules", "remove", "a", "b"], ["rules", "sync"]):
            done = self.run_cli(*words, socket="/nowhere/api.sock", expect=3)
            self.assertIn("/nowhere/api.sock", done.stderr)
            self.assertIn("systemctl start sallyport", done.stderr)
            self.assertEqual(done.stderr.count("not reachable"), 1)

    def test_a_socket_path_too_long_is_3(self):
        self.run_cli("status", socket="/" + "x" * 200, expect=3)

    def test_an_answer_that_is_no_json_is_1(self):
        self.api.answer("GET", "/v1/status", "<html>")
        self.run_cli("status", expect=1)
        self.api.answer("GET", "/v1/status", "[1]")
        self.run_cli("status", expect=1)

    def test_json_is_one_line_of_what_the_api_said(self):
        self.api.answer("GET", "/v1/status", samples.STATUS)
        out = self.run_cli("status", "--json").stdout
        self.assertEqual(out.count("\n"), 1)
        self.assertEqual(json.loads(out), samples.STATUS)
        self.assertEqual(list(json.loads(out)), list(samples.STATUS))

    def test_socket_from_the_environment(self):
        self.api.answer("GET", "/v1/status", samples.STATUS)
        done = subprocess.run([SALLYPORT, "mode"], capture_output=True,
                              text=True, timeout=30, env=dict(
                                  os.environ, SALLYPORT_SOCKET=self.api.path))
        self.assertEqual(done.stdout, "enforce\n")

    def test_no_colour_in_a_pipe(self):
        self.api.answer("GET", "/v1/status", samples.STATUS)
        self.assertNotIn("\x1b", self.run_cli("status").stdout)


if __name__ == "__main__":
    SALLYPORT = sys.argv.pop(1)
    unittest.main()
