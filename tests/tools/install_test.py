#!/usr/bin/python3
"""The unit and what `meson install` puts beside it.

    install_test.py BUILD_DIR
"""
import configparser
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD = None


def run(*words, **more):
    return subprocess.run(words, capture_output=True, text=True, timeout=120,
                          check=False, **more)


class InstalledTest(unittest.TestCase):
    """A copy of the build tree's install step, below a directory of ours."""

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory(prefix="sp-install-")
        cls.root = cls.directory.name
        done = run("meson", "install", "-C", BUILD, "--no-rebuild",
                   "--destdir", cls.root)
        assert done.returncode == 0, done.stdout + done.stderr

    @classmethod
    def tearDownClass(cls):
        cls.directory.cleanup()

    def find(self, name):
        found = [os.path.join(at, name) for at, _, files in os.walk(self.root)
                 if name in files]
        return found

    def one(self, name, parent):
        found = [path for path in self.find(name)
                 if os.path.basename(os.path.dirname(path)) == parent]
        self.assertEqual(len(found), 1, (name, parent, found))
        return found[0]

    def unit(self):
        return self.one("sallyport.service", "system")

    def test_everything_is_in_place(self):
        for name, parent in (("sallyport", "bin"), ("sallyportd", "sbin"),
                             ("sallyport.conf", "sysusers.d"),
                             ("sallyport.conf", "tmpfiles.d"),
                             ("sallyport.conf", "sysctl.d"),
                             ("sallyport.conf", "modules-load.d"),
                             ("sallyport", "completions")):
            self.one(name, parent)
        path = os.path.join(self.root, "etc/sallyport/sallyport.toml")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o644)
        self.assertTrue(os.path.isdir(os.path.join(
            self.root, "etc/sallyport/rules.d")))

    def test_the_admins_configuration_is_kept(self):
        path = os.path.join(self.root, "etc/sallyport/sallyport.toml")
        with open(path, "a", encoding="utf-8") as file:
            file.write("# mine\n")
        done = run("meson", "install", "-C", BUILD, "--no-rebuild",
                   "--destdir", self.root)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(path, encoding="utf-8") as file:
            self.assertTrue(file.read().endswith("# mine\n"))

    def test_the_unit_starts_what_was_installed(self):
        parser = configparser.ConfigParser(strict=False, interpolation=None)
        parser.optionxform = str
        parser.read(self.unit())
        daemon = parser["Service"]["ExecStart"]
        self.assertTrue(os.access(self.root + daemon, os.X_OK), daemon)
        self.assertNotIn("ExecStopPost", parser["Service"])
        for key, value in (("Type", "notify"), ("WatchdogSec", "10"),
                           ("Restart", "always"), ("RestartSec", "200ms")):
            self.assertEqual(parser["Service"][key], value)
        self.assertEqual(parser["Unit"]["StartLimitIntervalSec"], "0")
        with open(self.unit(), encoding="utf-8") as file:
            text = file.read()
        self.assertNotIn("@sbindir@", text)
        for line in ("Before=network-pre.target", "Wants=network-pre.target",
                     "DefaultDependencies=no"):
            self.assertIn(f"\n{line}\n", text)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze")
    def test_security_is_2_5_or_better(self):
        done = run("systemd-analyze", "security", "--offline=true",
                   "--threshold=25", "--no-pager", self.unit())
        self.assertEqual(done.returncode, 0, done.stdout[-300:] + done.stderr)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze")
    def test_systemd_finds_no_fault(self):
        # verify looks for the binary; here it lives below our root.
        with open(self.unit(), encoding="utf-8") as file:
            text = re.sub(r"(?m)^ExecStart=", f"ExecStart={self.root}",
                          file.read())
        path = os.path.join(self.root, "sallyport.service")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        done = run("systemd-analyze", "verify", path)
        lines = [line for line in done.stderr.splitlines()
                 if "sallyport" in line]
        self.assertEqual((done.returncode, lines), (0, []))

    @unittest.skipUnless(shutil.which("systemd-sysusers"), "no sysusers")
    def test_users_and_directories(self):
        os.makedirs(os.path.join(self.root, "etc"), exist_ok=True)
        done = run("systemd-sysusers", f"--root={self.root}",
                   self.one("sallyport.conf", "sysusers.d"))
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(os.path.join(self.root, "etc/passwd"),
                  encoding="utf-8") as file:
            self.assertIn("sallyport:", file.read())
        done = run("systemd-tmpfiles", "--create", f"--root={self.root}",
                   self.one("sallyport.conf", "tmpfiles.d"))
        self.assertEqual(done.returncode, 0, done.stderr)
        state = os.stat(os.path.join(self.root, "var/lib/sallyport/rules.d"))
        self.assertEqual(state.st_mode & 0o777, 0o750)


if __name__ == "__main__":
    BUILD = sys.argv.pop(1)
    unittest.main()
