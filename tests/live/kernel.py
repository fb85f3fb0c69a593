"""System calls Python 3.11 has no name for, and small readers of /proc.

Namespaces are file descriptors, not names in /run/netns: when the process of a
test ends, however it ends, the kernel takes the namespaces, links and rules
back, so nothing can be left behind.
"""

import ctypes
import errno
import os
import time

CLONE_FILES, CLONE_NEWNS, CLONE_NEWNET = 0x400, 0x20000, 0x40000000
MS_REC, MS_PRIVATE = 0x4000, 1 << 18
PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)

class Skip(Exception):
    """The kernel or the machine lacks what the test needs."""


# Sanitizer builds are several times slower: every deadline is multiplied.
SCALE = float(os.environ.get('SPT_SCALE', '1'))


def _check(result):
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def unshare(flags):
    _check(_libc.unshare(flags))


def setns(fd, kind):
    _check(_libc.setns(fd, kind))


def mount(source, target, fstype, flags=0, data=''):
    _check(_libc.mount(source.encode(), target.encode(), fstype.encode(),
                       ctypes.c_ulong(flags), data.encode()))


def umount(target):
    _check(_libc.umount2(target.encode(), 2))


def become_subreaper():
    _check(_libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))


class NetNs:
    """A network namespace; `with ns:` moves the calling thread into it."""

    def __init__(self):
        """Makes a new one and leaves the calling thread in it."""
        unshare(CLONE_NEWNET)
        self.fd = os.open('/proc/thread-self/ns/net', os.O_RDONLY)
        self.inode = os.fstat(self.fd).st_ino
        self._back = []

    def enter(self):
        setns(self.fd, CLONE_NEWNET)

    def __enter__(self):
        self._back.append(os.open('/proc/thread-self/ns/net', os.O_RDONLY))
        self.enter()
        return self

    def __exit__(self, *_):
        back = self._back.pop()
        setns(back, CLONE_NEWNET)
        os.close(back)

    def path(self):
        return f'/proc/{os.getpid()}/fd/{self.fd}'


def now():
    return time.clock_gettime(time.CLOCK_MONOTONIC)


def wait_until(condition, what, seconds=5.0):
    """Polls until `condition()` is true and returns that value."""
    deadline = now() + seconds * SCALE
    while True:
        value = condition()
        if value:
            return value
        if now() > deadline:
            raise AssertionError(f'waited {seconds * SCALE:.1f} s for {what}')
        time.sleep(0.001)


def read(path):
    with open(path, encoding='utf-8', errors='surrogateescape') as file:
        return file.read()


def write(path, text):
    with open(path, 'w', encoding='utf-8') as file:
        file.write(str(text))


def sysctl(name, value):
    """Of the calling thread's network namespace where it is one of net/."""
    write('/proc/sys/' + name.replace('.', '/'), value)


def tainted():
    return int(read('/proc/sys/kernel/tainted'))


class QueueState:
    """One line of /proc/net/netfilter/nfnetlink_queue."""

    def __init__(self, line):
        fields = [int(field) for field in line.split()]
        (self.number, self.portid, self.waiting, _, self.copy_range,
         self.dropped, self.user_dropped, self.queued) = fields[:8]


def queues():
    """The queues of the calling thread's network namespace, by number."""
    lines = read('/proc/thread-self/net/netfilter/nfnetlink_queue')
    return {state.number: state
            for state in map(QueueState, lines.splitlines())}


def processes_in(namespace_inodes):
    """Pids of all processes whose network namespace is one of these."""
    found = []
    for name in os.listdir('/proc'):
        if not name.isdigit():
            continue
        try:
            if os.stat(f'/proc/{name}/ns/net').st_ino in namespace_inodes:
                if process_state(name) != 'Z':
                    found.append(int(name))
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.ESRCH, errno.EACCES):
                raise
    return found


def process_state(pid):
    return read(f'/proc/{pid}/stat').rsplit(')', 1)[1].split()[0]


def children_of(pid):
    try:
        return [int(child) for tid in os.listdir(f'/proc/{pid}/task')
                for child in read(f'/proc/{pid}/task/{tid}/children').split()]
    except OSError:
        return []
