#!/usr/bin/python3
"""README's commands: every command in a ```sh block has a line in the table
below that says how it is tested, so that none can rot unnoticed.

Run alone it checks that the table and README.md speak of the same commands;
tests/live/test_readme.py runs those marked RUN in a laboratory, in the order
of README.md, against an installed-like daemon.
"""

import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))

# How a command is tested. RUN: in the laboratory, by a shell, exit code 0
# wanted; START and STOP: there too, done by hand in systemd's place (the real
# one is in tests/vm/systemd_test). Anything else says where.
RUN, START, STOP = 'run', 'start', 'stop'
COMMANDS = [
    (r'tools/quickstart( --host)?', '.ci/run'),
    (r'tests/run', 'this very run'),
    (r'tools/install-deps build', 'tests/run begins with it'),
    (r'meson setup build-release|ninja -C build-release', 'tools/quickstart'),
    (r'meson install -C build-release --no-rebuild', RUN),
    (r'systemd-sysusers|systemd-tmpfiles --create', RUN),
    (r'systemctl daemon-reload', 'tests/vm/systemd_test'),
    (r'systemctl enable --now sallyport', START),
    (r'systemctl disable --now sallyport', STOP),
    (r'ninja -C build-release uninstall', RUN),
    (r'sallyport (mode learn|learn (show|apply)\b.*)',
     'tests/live/test_learn.py'),
    (r'sallyport (rules import --from .*|confirm)',
     'tests/live/test_import.py, tests/tools/import_test.py'),
    (r'sallyport (status|rules|violations|stats|doctor|version|explain|mode|'
     r'allow|deny|reject|local-only|events|history|off)\b.*', RUN),
]


def blocks(text):
    return re.findall(r'^```sh\n(.*?)^```', text, re.MULTILINE | re.DOTALL)


def commands(text):
    """One string per command: comments and prompts taken off, continued lines
    and here-documents whole."""
    found = []
    for block in blocks(text):
        lines = iter(block.splitlines())
        for line in lines:
            command = re.sub(r'^[$#] ', '', line)
            command = re.sub(r'\s+# .*$', '', command)
            if not command.strip() or command.startswith('#'):
                continue
            while command.endswith('\\'):
                command = command[:-1].rstrip() + ' ' + next(lines).lstrip()
            here = re.search(r"<<-?'?(\w+)'?", command)
            while here and not command.endswith('\n' + here.group(1)):
                command += '\n' + next(lines)
            found.append(re.sub(r'^sudo ', '', command))
    return found


def how(command):
    """What the table says of it; None if it says nothing."""
    for pattern, way in COMMANDS:
        if re.fullmatch(pattern, command, re.DOTALL):
            return way
    return None


def read_readme():
    path = f'{ROOT}/README.md'
    if not os.path.exists(path):
        return None
    with open(path, encoding='utf-8') as file:
        return file.read()


def main():
    text = read_readme()
    if text is None:
        print('skipped readme: there is no README.md')
        return
    unknown = [command for command in commands(text) if how(command) is None]
    for command in unknown:
        print(f'FAILED readme: no test knows `{command}`')
    if not unknown:
        print('ok readme: every command is known to a test')
    sys.exit(1 if unknown else 0)


if __name__ == '__main__':
    main()
