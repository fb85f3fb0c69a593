"""README's commands, run as a reader would: installed, with default paths, in
a mount namespace where /usr, /etc, /var and /run are copies to spoil."""

import os
import shutil
import signal
import subprocess
import sys

import kernel
from daemon import Daemon
from lab import Skip

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import readme_test  # pylint: disable=wrong-import-position

UNIT = '/usr/lib/systemd/system/sallyport.service'
SETUP = 'sudo() { "$@"; }\nset -e\n'


def spoil(lab):
    """Overlays whose upper halves are in memory."""
    memory = f'{lab.dir}/memory'
    os.makedirs(memory)
    kernel.mount('tmpfs', memory, 'tmpfs')
    for path in ('/usr', '/etc', '/var'):
        upper, work = f'{memory}{path}/upper', f'{memory}{path}/work'
        os.makedirs(upper)
        os.makedirs(work)
        kernel.mount('overlay', path, 'overlay', 0,
                     f'lowerdir={path},upperdir={upper},workdir={work}')
    kernel.mount('tmpfs', '/run', 'tmpfs', 0, 'mode=0755')


class Service:
    """What systemd would do with the unit, as far as README needs it."""

    def __init__(self, lab):
        self._lab = lab
        self._daemon = None

    def start(self):
        unit = dict(line.split('=', 1)
                    for line in kernel.read(UNIT).splitlines() if '=' in line)
        user, group = unit['User'], unit['Group']
        for path in ('/run/sallyport', '/var/lib/sallyport'):
            os.makedirs(path, mode=0o750, exist_ok=True)
            shutil.chown(path, user, group)
        held = '-all' + ''.join(
            ',+' + name.lower().removeprefix('cap_')
            for name in unit['AmbientCapabilities'].split())
        self._daemon = Daemon(self._lab, events=False)
        self._daemon.socket = '/run/sallyport/api.sock'
        self._daemon.command = lambda: [
            'setpriv', f'--reuid={user}', f'--regid={group}',
            '--clear-groups', f'--inh-caps={held}', f'--ambient-caps={held}',
            f'--bounding-set={held}', *unit['ExecStart'].split()]
        self._lab.daemons.append(self._daemon)
        self._daemon.start()

    def stop(self):
        if self._daemon.process.poll() is None:  # `sallyport off` may have
            self._daemon.process.send_signal(signal.SIGTERM)
        assert self._daemon.process.wait(15 * kernel.SCALE) == 0


def build_directory():
    top = os.environ['SPT_BIN']
    if not os.path.exists(f'{top}/build.ninja'):
        raise Skip(f'{top} is not a build directory')
    return top


def test_readme_commands(lab):
    text = readme_test.read_readme()
    if text is None:
        raise Skip('there is no README.md')
    build = build_directory()
    spoil(lab)
    service = Service(lab)
    for command in readme_test.commands(text):
        way = readme_test.how(command)
        print(f'$ {command}    ({way})')
        if way == readme_test.START:
            service.start()
        elif way == readme_test.STOP:
            service.stop()
        elif way == readme_test.RUN:
            shell(command.replace('build-release', build))
    assert not os.path.exists(UNIT), 'uninstalled, and yet there'


def shell(command):
    done = subprocess.run(['bash', '-c', SETUP + command], text=True,
                          capture_output=True, check=False,
                          timeout=60 * kernel.SCALE, cwd='/',
                          env=dict(os.environ, PATH='/usr/local/sbin:'
                                   '/usr/local/bin:/usr/sbin:/usr/bin'),
                          stdin=subprocess.DEVNULL)
    print(done.stdout + done.stderr)
    assert done.returncode == 0, (command, done)
