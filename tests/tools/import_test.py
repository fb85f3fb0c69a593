#!/usr/bin/python3
"""rules import --from and rules export --to as a user runs them.

The rules that the files of tests/corpus/import_* become stand beside them in
expected.toml; `import_test.py SALLYPORT --write` writes them anew, to be read
in the diff.
"""
import json
import os
import shutil
import subprocess
import sys
import tomllib
import unittest

import cli_test
import samples

CORPUS = os.path.join(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))), "corpus")

# What is imported, and the file that says what becomes of it.
GOLDEN = {
    "import_opensnitch/expected.toml":
        ["opensnitch", "import_opensnitch/rules"],
    "import_ufw/expected.toml": ["ufw", "import_ufw"],
    "import_lsrules/expected.toml":
        ["lsrules", "import_lsrules/workstation.lsrules", "--user", "alice"],
    "import_portmaster/expected.toml":
        ["portmaster", "import_portmaster/firefox.yaml", "--list",
         "MAL=malware"],
}


def dry_run(kind, source, *more):
    """The words, and where to run them so that no path of this machine is in
    the output."""
    return (["rules", "import", "--dry-run", "--from", kind, source, *more],
            CORPUS)


def without_end(text):
    """Without the last line, which the daemon has a part in."""
    return text[:text.rstrip("\n").rindex("\n")]


class ImportTest(cli_test.CliTest):
    def setUp(self):
        super().setUp()
        for path in ("/v1/rules/import", "/v1/rules/import?dry_run=1"):
            self.api.answer("POST", path, self.take)

    @staticmethod
    def take(body):
        """As the daemon would: all of them are new."""
        text = json.loads(body)["text"]
        rules = tomllib.loads(text)["rule"]
        return 200, {"rules": rules, "added": [r["name"] for r in rules],
                     "changed": [], "removed": [], "unchanged": 0}

    def sent(self):
        """The rules of the only import that was sent."""
        (body,) = self.api.bodies("POST", "/v1/rules/import")
        return tomllib.loads(body["text"])["rule"]

    def run_in(self, words, directory, expect=0):
        done = subprocess.run([cli_test.SALLYPORT, "--socket", self.api.path,
                               *words], cwd=directory, capture_output=True,
                              text=True, timeout=30)
        self.assertEqual(done.returncode, expect, done)
        return done

    def test_what_becomes_of_files_as_they_are(self):
        for expected, words in GOLDEN.items():
            with self.subTest(expected):
                done = self.run_in(*dry_run(*words))
                with open(os.path.join(CORPUS, expected),
                          encoding="utf-8") as file:
                    self.assertEqual(without_end(done.stdout), file.read())
                count = done.stdout.count("[[rule]]")
                self.assertTrue(done.stdout.endswith(
                    f"\n# would import {count} rules\n"), done.stdout[-99:])
                self.assertEqual(done.stderr, "")
        self.assertEqual({call[1] for call in self.api.calls},
                         {"/v1/rules/import?dry_run=1"})

    def test_a_dry_run_in_json(self):
        words, where = dry_run("ufw", "import_ufw")
        out = json.loads(self.run_in(["--json", *words], where).stdout)
        self.assertTrue(out["dry_run"])
        self.assertEqual(out["rules"][0]["name"], "ufw-dns-at-the-router")
        self.assertTrue(any("incoming" in note for note in out["notes"]))

    def test_a_dry_run_without_a_daemon(self):
        done = self.run_cli("rules", "import", "--dry-run", "--from", "ufw",
                            os.path.join(CORPUS, "import_ufw"),
                            socket="/no/such")
        self.assertIn("\n# no daemon was asked", done.stdout)
        self.run_cli("rules", "check", "-", stdin=done.stdout)

    def test_a_dry_run_that_the_daemon_refuses(self):
        self.api.refuse("POST", "/v1/rules/import?dry_run=1", 409, "exists",
                        "name")
        done = self.run_cli("rules", "import", "--dry-run", "--from", "ufw",
                            os.path.join(CORPUS, "import_ufw"), expect=1)
        self.assertIn("exists", done.stderr)

    def test_all_rules_are_sent_at_once_and_notes_told(self):
        done = self.run_cli("rules", "import", "--from", "ufw", "--confirm",
                            "1m", "--replace",
                            os.path.join(CORPUS, "import_ufw"))
        (body,) = self.api.bodies("POST", "/v1/rules/import")
        self.assertEqual((body["replace"], body["confirm_seconds"]),
                         (True, 60))
        rules = self.sent()
        self.assertTrue(done.stdout.endswith(f"imported {len(rules)} rules\n"))
        self.assertIn("incoming connections are left to ufw", done.stderr)
        # Asked in ufw's order.
        priorities = [rule.get("priority", 0) for rule in rules]
        self.assertEqual(priorities, sorted(priorities, reverse=True))

    def test_the_daemon_refuses(self):
        self.api.refuse("POST", "/v1/rules/import", 400,
                        "rule ufw-deny-out: no such user", "user")
        done = self.run_cli("rules", "import", "--from", "ufw",
                            os.path.join(CORPUS, "import_ufw"), expect=1)
        self.assertIn("rule ufw-deny-out: no such user", done.stderr)
        self.assertNotIn("imported", done.stdout)

    def test_what_this_version_cannot_say_is_left_out(self):
        path = self.file("x.lsrules", json.dumps({"rules": [
            {"action": "deny", "process": "/usr/bin/a", "via": "/usr/bin/b",
             "notes": "helper"},
            {"action": "deny", "remote-addresses": "192.0.2.1"}]}))
        done = self.run_cli("rules", "import", "--from", "lsrules", path)
        self.assertEqual([rule["name"] for rule in self.sent()],
                         ["lsrules-2"])
        self.assertRegex(done.stderr, "rule 'helper': unknown field 'parent'; "
                         "this version does not support it; rule left out: "
                         "what it turned away is left to the other rules")

    def test_nothing_is_left(self):
        path = self.file("x.lsrules", '{"rules": [{"action": "ask"}]}')
        done = self.run_cli("rules", "import", "--replace", "--from",
                            "lsrules", path, expect=1)
        self.assertIn("nothing is imported", done.stderr)
        self.assertEqual(self.api.calls, [])

    def test_priority_is_where_the_import_begins(self):
        self.run_cli("rules", "import", "--from", "ufw", "--priority", "20",
                     os.path.join(CORPUS, "import_ufw"))
        self.assertEqual(min(rule["priority"] for rule in self.sent()), 20)

    def test_the_app_of_settings(self):
        path = os.path.join(CORPUS, "import_portmaster/global.json")
        done = self.run_cli("rules", "import", "--from", "portmaster", path,
                            expect=1)
        self.assertIn("add --app any", done.stderr)
        self.run_cli("rules", "import", "--from", "portmaster", path, "--app",
                     "/usr/bin/x")
        self.assertEqual({rule["app"] for rule in self.sent()},
                         {"/usr/bin/x"})

    def test_a_file_from_stdin(self):
        self.run_cli("rules", "import", "--from", "lsrules", "-",
                     stdin='{"rules": [{"action": "deny"}]}')
        self.assertEqual(self.sent()[0]["app"], "any")

    def test_what_cannot_be_read(self):
        for words, text in (
                (["opensnitch", "/no/such"], "cannot read the directory"),
                (["ufw", "/no/such"], "cannot read /no/such/user.rules"),
                (["lsrules", "/no/such"], "cannot read /no/such"),
                (["portmaster", self.directory.name], "cannot read")):
            done = self.run_cli("rules", "import", "--from", *words, expect=1)
            self.assertIn(text, done.stderr)
        bad = self.file("bad.json", "{")
        done = self.run_cli("rules", "import", "--from", "lsrules", bad,
                            expect=1)
        self.assertIn(f"{bad}:1:2: no JSON", done.stderr)
        self.assertEqual(self.api.calls, [])

    def test_usage(self):
        for words in ([], ["--from", "opensnitch"], ["--from", "zonealarm",
                                                     "/x"],
                      ["--from", "ufw", "--list", "x", "/x"],
                      ["--user", "alice", "/x"], ["--from"]):
            self.run_cli("rules", "import", *words, expect=2)


class ExportTest(cli_test.CliTest):
    RULES = {"rules": samples.RULES["rules"] + [
        {"name": "builtin-loopback", "policy": "allow", "app": "any",
         "to": ["loopback"], "origin": "builtin", "read_only": True},
        {"name": "web", "policy": "reject", "app": "any", "enabled": True,
         "to": ["internet", "192.0.2.0/24", "192.0.2.0/25"],
         "not_to": ["198.51.100.0/24", "2001:db8::/32"],
         "port": [80, "443-444", 443], "protocol": ["tcp", "udp"],
         "user": ["0"], "interface": ["eth0"]},
        {"name": "home", "policy": "local-only", "app": "any",
         "not_port": [25], "group": ["100"]}]}

    def test_json_is_what_the_api_takes(self):
        self.api.answer("GET", "/v1/rules", self.RULES)
        out = json.loads(self.run_cli("rules", "export", "--to",
                                      "json").stdout)
        self.assertEqual([rule["name"] for rule in out["rules"]],
                         ["curl-web", "no-wget", "web", "home"])
        for rule in out["rules"]:
            self.assertFalse({"origin", "read_only", "index"} & set(rule))

    def test_nft_takes_what_we_print(self):
        self.api.answer("GET", "/v1/rules", self.RULES)
        out = self.run_cli("rules", "export", "--to", "nft").stdout
        self.assertIn("# not here: curl-web: allow /usr/bin/curl", out)
        self.assertIn("reject with tcp reset", out)
        inside = ["unshare", "-rn", "nft", "-c", "-f", "-"]
        probe = "table inet x { chain y { counter accept; } }"
        if not shutil.which("nft") or subprocess.run(
                inside, input=probe, text=True, capture_output=True,
                check=False).returncode:
            self.skipTest("nft cannot be asked here")
        done = subprocess.run(inside, input=out, text=True,
                              capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr + out)

    def test_usage(self):
        self.run_cli("rules", "export", "--to", "yaml", expect=2)


def write_golden():
    for expected, words in GOLDEN.items():
        words, where = dry_run(*words)
        out = subprocess.run([cli_test.SALLYPORT, "--socket", "/no/such",
                              *words], cwd=where, check=True,
                             capture_output=True, text=True).stdout
        with open(os.path.join(CORPUS, expected), "w",
                  encoding="utf-8") as file:
            file.write(without_end(out))


if __name__ == "__main__":
    cli_test.SALLYPORT = os.path.abspath(sys.argv.pop(1))
    if sys.argv[1:] == ["--write"]:
        write_golden()
    else:
        unittest.main()
