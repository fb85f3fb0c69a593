"""An app: a copy of Python at a path of its own, so that rules tell it from
others, running agent.py, which does what the test tells it.

    curl = lab.app('curl')
    curl.run('result = tcp("10.77.0.2", 80)')     # waits for the answer
    curl.start('...'); ...; curl.result()          # or does not
"""

import json
import os
import shutil
import signal
import subprocess
import sys

from kernel import SCALE, process_state, wait_until

_PYTHON = os.path.realpath(sys.executable)
_HERE = os.path.dirname(os.path.abspath(__file__))


class AppError(Exception):
    """What the code raised in the app."""


class App:
    def __init__(self, lab, name, uid=None, path=None, preset=None):
        self.path = path or f'{lab.dir}/bin/{name}'
        if not os.path.lexists(self.path):
            shutil.copy(_PYTHON, self.path)
        agent = f'{lab.dir}/agent.py'
        if not os.path.exists(agent):
            shutil.copy(f'{_HERE}/agent.py', agent)
        options = {} if uid is None else {'user': uid, 'group': uid,
                                          'extra_groups': []}
        self._process = subprocess.Popen(
            [self.path, '-BsS', agent], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, env={'PYTHONHOME': sys.base_prefix},
            preexec_fn=preset, **options)
        self.pid = self._process.pid
        self.run('result = 0')

    def start(self, code):
        self._process.stdin.write(json.dumps(code).encode() + b'\n')
        self._process.stdin.flush()

    def result(self):
        line = self._process.stdout.readline()
        if not line:
            raise AppError(f'{self.path} ended: {self._process.wait()}')
        answer = json.loads(line)
        if 'error' in answer:
            raise AppError(answer['error'])
        return answer['result']

    def run(self, code):
        self.start(code)
        return self.result()

    # What most tests need; `dst` an address, answers as in agent.py.
    def tcp(self, dst, port, timeout=1.0, **more):
        return self.run(f'result = tcp({dst!r}, {port}, {timeout * SCALE}, '
                        f'**{more!r})')

    def udp(self, dst, port, **more):
        return self.run(f'result = udp({dst!r}, {port}, **{more!r})')

    def ping(self, dst, timeout=1.0):
        return self.run(f'result = ping({dst!r}, {timeout * SCALE})')

    def wait_end(self):
        return self._process.wait(10 * SCALE)

    def wait_state(self, state):
        wait_until(lambda: process_state(self.pid) == state,
                   f'{self.path} to be in state {state}')

    def close(self):
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
