#!/usr/bin/python3
"""`sallyport watch` on a terminal: a pseudo terminal and a fake control API."""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import sys
import tempfile
import termios
import time
import unittest

import samples
from fake_api import FakeApi, Stream

SALLYPORT = None
ENTER = "\x1b[?1049h"
LEAVE = "\x1b[?1049l"
DEADLINE_S = 20


class Screen:
    """The child behind a terminal of its own; what it drew is in `text`."""

    def __init__(self, socket, rows=12, columns=120, **env):
        self.master, self.slave = pty.openpty()
        self.resize(rows, columns)
        self.before = termios.tcgetattr(self.slave)
        self.text = ""
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
            for fd in (0, 1, 2):
                os.dup2(self.slave, fd)
            os.closerange(3, 64)
            os.execve(SALLYPORT, ["sallyport", "--socket", socket, "watch"],
                      dict(os.environ, TERM="xterm", TZ="UTC", **env))

    def resize(self, rows, columns):
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ,
                    struct.pack("HHHH", rows, columns, 0, 0))

    def read(self, timeout):
        if not select.select([self.master], [], [], timeout)[0]:
            return False
        self.text += os.read(self.master, 65536).decode(errors="replace")
        return True

    def wait_for(self, pattern):
        end = time.monotonic() + DEADLINE_S
        while not re.search(pattern, self.text):
            if time.monotonic() > end:
                raise AssertionError(f"no {pattern!r} in {self.text!r}")
            self.read(0.2)

    def wait_for_frame(self, pattern):
        """The first whole frame that shows `pattern`."""
        end = time.monotonic() + DEADLINE_S
        while True:
            for frame in re.findall(r"\x1b\[H(.*?)\x1b\[J", self.text, re.S):
                if re.search(pattern, frame):
                    return frame
            if time.monotonic() > end:
                raise AssertionError(f"no {pattern!r} in {self.text!r}")
            self.read(0.2)

    def key(self, key):
        os.write(self.master, key.encode())

    def finish(self):
        """Exit status of the child, once it has ended."""
        end = time.monotonic() + DEADLINE_S
        while True:
            while self.read(0):
                pass
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                break
            if time.monotonic() > end:
                os.kill(self.pid, signal.SIGKILL)
                os.waitpid(self.pid, 0)
                raise AssertionError(f"does not end: {self.text!r}")
            self.read(0.1)
        while self.read(0):
            pass
        return status

    def close(self):
        os.close(self.master)
        os.close(self.slave)


class WatchTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory(prefix="sp-watch-")
        self.addCleanup(self.directory.cleanup)
        self.api = FakeApi(self.directory.name)
        self.addCleanup(self.close_api)
        self.api.answer("GET", "/v1/version", {"version": "0"})
        self.api.answer("GET", "/v1/status", samples.STATUS)
        self.api.answer("GET", "/v1/stats", samples.STATS)
        monitor = samples.event("allow", path="/usr/bin/nc", second=3)
        monitor["verdict"]["would_deny"] = True
        self.api.answer("GET", "/v1/events", Stream(
            [samples.event(), samples.event("allow", "/usr/bin/curl", 2),
             monitor], stays_open=True))

    def close_api(self):
        if self.api:
            self.api.close()
        self.api = None

    def watch(self, **more):
        screen = Screen(self.api.path, **more)
        self.addCleanup(screen.close)
        return screen

    def assert_restored(self, screen):
        self.assertEqual(screen.text.count(ENTER), screen.text.count(LEAVE))
        self.assertGreater(screen.text.rfind(LEAVE),
                           screen.text.rfind("Sallyport  "))
        self.assertEqual(termios.tcgetattr(screen.slave), screen.before)

    def test_shows_header_and_flows_newest_first_and_q_quits(self):
        screen = self.watch()
        screen.wait_for(r"enforce +0 flows/s +verdict p50 41 us p99 120 us")
        frame = screen.wait_for_frame("would deny")
        self.assertLess(frame.index("/usr/bin/nc"), frame.index("curl"))
        self.assertLess(frame.index("curl"), frame.index("/usr/bin/wget"))
        self.assertIn("\x1b[31mdeny", frame)
        self.assertIn("\x1b[32mallow", frame)
        screen.key("q")
        self.assertEqual(screen.finish(), 0)
        self.assert_restored(screen)

    def test_fits_into_any_size_and_follows_a_resize(self):
        for rows, columns in ((1, 1), (3, 20), (5, 40), (60, 300)):
            screen = self.watch(rows=rows, columns=columns, NO_COLOR="1")
            screen.wait_for(r"\x1b\[H[^\x1b]*\x1b\[K")
            screen.text = screen.text[:screen.text.index("\x1b[H")]
            screen.resize(8, 77)
            frame = screen.wait_for_frame("q quit")
            lines = frame.replace("\r", "").split("\n")
            self.assertEqual(len(lines), 8)
            for line in lines:
                self.assertLessEqual(len(line.replace("\x1b[K", "")), 77)
            screen.key("q")
            self.assertEqual(screen.finish(), 0)
            self.assert_restored(screen)

    def test_pause_keeps_the_rows(self):
        screen = self.watch()
        screen.wait_for("would deny")
        screen.key("p")
        screen.wait_for("PAUSED")
        screen.key("q")
        self.assertEqual(screen.finish(), 0)

    def test_signals_give_the_terminal_back(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            screen = self.watch()
            screen.wait_for("would deny")
            os.kill(screen.pid, number)
            self.assertEqual(screen.finish(), 0)
            self.assert_restored(screen)
        for number in (signal.SIGABRT, signal.SIGSEGV, signal.SIGQUIT):
            screen = self.watch()
            screen.wait_for("would deny")
            os.kill(screen.pid, number)
            self.assertEqual(os.WTERMSIG(screen.finish()), number)
            self.assert_restored(screen)

    def test_ctrl_z_gives_the_terminal_back_until_continued(self):
        screen = self.watch()
        screen.wait_for("would deny")
        screen.key("\x1a")
        screen.wait_for(re.escape(LEAVE))
        _, status = os.waitpid(screen.pid, os.WUNTRACED)
        self.assertTrue(os.WIFSTOPPED(status))
        self.assertEqual(termios.tcgetattr(screen.slave), screen.before)
        os.kill(screen.pid, signal.SIGCONT)
        screen.wait_for(re.escape(LEAVE) + "(.|\n)*" + re.escape(ENTER) +
                        "(.|\n)*q quit")
        screen.key("q")
        self.assertEqual(screen.finish(), 0)
        self.assert_restored(screen)

    def test_says_when_the_daemon_goes_and_comes_back(self):
        screen = self.watch()
        screen.wait_for("would deny")
        path = self.api.path
        self.close_api()
        screen.wait_for(r"\(trying again\)")
        screen.text = ""
        self.api = FakeApi(os.path.dirname(path))
        self.api.answer("GET", "/v1/status", samples.STATUS)
        self.api.answer("GET", "/v1/stats", samples.STATS)
        self.api.answer("GET", "/v1/events", Stream(
            [samples.event(path="/usr/bin/back")], stays_open=True))
        screen.wait_for("/usr/bin/back")
        screen.wait_for("enforce +0 flows/s")
        screen.key("q")
        self.assertEqual(screen.finish(), 0)

    def test_no_daemon_leaves_the_screen_alone(self):
        screen = Screen("/nowhere/api.sock")
        self.addCleanup(screen.close)
        self.assertEqual(os.WEXITSTATUS(screen.finish()), 3)
        self.assertNotIn(ENTER, screen.text)
        self.assertIn("not reachable", screen.text)

    def test_A38_names_cannot_draw(self):
        self.api.answers[("GET", "/v1/events")][1].end.set()
        self.api.answer("GET", "/v1/events", Stream(
            [samples.event(path="/tmp/\x1b]0;x\x07\u202e\nb")],
            stays_open=True))
        screen = self.watch(columns=200)
        screen.wait_for(r"\\x1b\]0;x\\x07\\u\{202e\}\\x0ab")
        self.assertNotIn("\x1b]", screen.text)
        self.assertNotIn("\u202e", screen.text)
        screen.key("q")
        self.assertEqual(screen.finish(), 0)


if __name__ == "__main__":
    SALLYPORT = sys.argv.pop(1)
    unittest.main()
