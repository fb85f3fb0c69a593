"""README's commands, run as a reader would: the daemon with its default paths,
in a mount namespace where /etc, /run and /var/lib are copies to spoil."""

import os
import shutil
import subprocess
import sys

import kernel
from daemon import Daemon, program
from lab import Skip

sys.path.append(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import readme_test  # pylint: disable=wrong-import-position

SETUP = '''
sudo() { "$@"; }
set -e
'''


def overlay(lab, path):
    name = path.strip('/').replace('/', '-')
    upper, work = f'{lab.dir}/up/{name}', f'{lab.dir}/work/{name}'
    os.makedirs(upper)
    os.makedirs(work)
    kernel.mount('overlay', path, 'overlay', 0,
                 f'lowerdir={path},upperdir={upper},workdir={work}')


def test_readme_commands(lab):
    text = readme_test.read_readme()
    if text is None:
        raise Skip('there is no README.md')
    # An overlay may not lie upon what it is made of: use memory.
    os.makedirs(f'{lab.dir}/up', exist_ok=True)
    os.makedirs(f'{lab.dir}/work', exist_ok=True)
    kernel.mount('tmpfs', '/run', 'tmpfs')
    for path in ('/etc', '/var/lib', '/usr/bin', '/usr/sbin'):
        overlay(lab, path)
    shutil.copy(program('sallyport'), '/usr/bin/sallyport')
    shutil.copy(program('sallyportd'), '/usr/sbin/sallyportd')
    for path in ('/etc/sallyport/rules.d', '/var/lib/sallyport',
                 '/run/sallyport'):
        os.makedirs(path, exist_ok=True)
    daemon = Daemon(lab, events=False)
    daemon.socket = '/run/sallyport/api.sock'
    daemon.command = lambda: ['/usr/sbin/sallyportd', '--mode', 'monitor']
    lab.daemons.append(daemon)
    daemon.start()
    for command in readme_test.commands(text):
        if readme_test.how(command) != readme_test.RUN:
            continue
        done = subprocess.run(['bash', '-c', SETUP + command], text=True,
                              capture_output=True, check=False, timeout=30,
                              stdin=subprocess.DEVNULL)
        print(f'$ {command}\n{done.stdout}{done.stderr}')
        assert done.returncode == 0, (command, done)
