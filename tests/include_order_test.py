#!/usr/bin/python3
"""Checks the form of the tree: who includes whom (DESIGN.md, Folders), that
every *_test.cc is built, and the size of files.

Prints one line per check, `ok NAME` or `FAILED NAME: why`; exit 1 if one
failed. --sizes also prints the longest files.
"""

import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
MAY_INCLUDE = {
    'rules': {'rules'},
    'proc': {'proc', 'rules'},
    'engine': {'engine', 'proc', 'rules'},
    'src': {'src', 'engine', 'proc', 'rules'},
    'tools': {'tools', 'rules'},
    'tests': {'tests', 'tools', 'src', 'engine', 'proc', 'rules', 'bench'},
    'bench': {'tests', 'tools', 'src', 'engine', 'proc', 'rules', 'bench'},
}
# rules/ is pure: no system calls, no threads of its own.
RULES_FORBID_HEADER = re.compile(r'<(sys/|linux/|net/|unistd|fcntl|fstream)')
RULES_FORBID_WORD = re.compile(r'std::(j?thread\b[^:]|async|ifstream)')
LINES_MAX = 400  # a wish (STYLE habit 4); beyond twice that it is an error
INCLUDE = re.compile(r'^\s*#\s*include\s+(["<][^">]+[">])', re.MULTILINE)


def sources():
    """(path from the root, text) of all C++ files of the tree."""
    for folder in MAY_INCLUDE:
        for directory, _, names in os.walk(f'{ROOT}/{folder}'):
            for name in sorted(names):
                if name.endswith(('.h', '.cc')):
                    path = f'{directory}/{name}'
                    with open(path, encoding='utf-8') as file:
                        yield os.path.relpath(path, ROOT), file.read()


def check_include_order(files):
    wrong = []
    for path, text in files:
        folder = path.split('/')[0]
        for include in INCLUDE.findall(text):
            target = include[1:-1]
            if include[0] == '"':
                other = target.split('/')[0]
                if other in MAY_INCLUDE and other not in MAY_INCLUDE[folder]:
                    wrong.append(f'{path} includes {target}')
                elif '/' not in target:
                    wrong.append(f'{path}: {target} is not written from the '
                                 'root of the tree')
            elif folder == 'rules' and RULES_FORBID_HEADER.match(include):
                wrong.append(f'{path} includes {include}: rules/ is pure')
        word = RULES_FORBID_WORD.search(text)
        if folder == 'rules' and word:
            wrong.append(f'{path} has {word.group(0)}: rules/ is pure')
    return wrong


def check_tests_registered(files):
    """STYLE habit 17: a test that is listed nowhere is never built."""
    listed = ''
    for directory, _, names in os.walk(f'{ROOT}/tests'):
        if 'meson.build' in names:
            with open(f'{directory}/meson.build', encoding='utf-8') as file:
                listed += file.read()
    return [f'{path} is in no meson.build' for path, _ in files
            if path.startswith('tests/') and path.endswith('_test.cc')
            and os.path.basename(path) not in listed]


def check_guards(files):
    wrong = []
    for path, text in files:
        if path.endswith('.h'):
            guard = 'SALLYPORT_' + re.sub(r'[/.]', '_', path).upper() + '_'
            if f'#ifndef {guard}\n#define {guard}\n' not in text:
                wrong.append(f'{path}: the guard is not {guard}')
    return wrong


def check_sizes(files):
    return [f'{path}: {text.count(chr(10))} lines' for path, text in files
            if text.count('\n') > 2 * LINES_MAX]


def main():
    files = list(sources())
    failed = False
    for check in (check_include_order, check_tests_registered, check_guards,
                  check_sizes):
        wrong = check(files)
        failed = failed or bool(wrong)
        print(f'FAILED {check.__name__}:\n  ' + '\n  '.join(wrong) if wrong
              else f'ok {check.__name__}')
    if '--sizes' in sys.argv:
        lengths = sorted(((text.count('\n'), path) for path, text in files),
                         reverse=True)
        for length, path in lengths:
            if length > LINES_MAX:
                print(f'  {length} lines: {path}')
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
