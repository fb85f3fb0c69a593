#!/usr/bin/python3
"""Checks that the manual pages speak of every verb, flag, configuration key and
rule field that the sources know, and that groff takes them without a warning.

Prints one line per check, `ok NAME` or `FAILED NAME: why`.
"""

import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def read(path):
    with open(os.path.join(ROOT, path), encoding='utf-8') as file:
        return file.read()


def words(path):
    return {word.lstrip('-') for word in
            re.findall(r'[a-z0-9_.-]+', read(path))}


def missing(wanted, page):
    lost = sorted(set(wanted) - words(page))
    assert wanted, f'nothing found in the sources for {page}'
    return f'{page} says nothing of {", ".join(lost)}' if lost else ''


def verbs():
    """Of main.cc's table, and the rules verb's own."""
    return (re.findall(r'^\s*\{"([a-z-]+)",', read('tools/main.cc'), re.M) +
            re.findall(r'"([a-z]+)", "[a-z ,:]+', read('tools/verb_rules.cc')))


def flags(*paths):
    return {flag for path in paths
            for flag in re.findall(r'"(?:-\w,)?--([a-z][a-z-]+)', read(path))}


def cli_flags():
    tools = os.path.join(ROOT, 'tools')
    return flags(*(f'tools/{name}' for name in os.listdir(tools)
                   if name.startswith('verb_') or name == 'main.cc'))


def config_keys():
    return re.findall(r'^\s*\{\{"([a-z_.]+)",', read('src/config.cc'), re.M)


def rule_fields():
    table = read('rules/rule_schema.cc').split('RuleField kFields[]', 1)[1]
    return re.findall(r'\{"([a-z0-9_]+)", k', table)


def renders():
    if not shutil.which('groff'):
        return ''
    for page in ('sallyport.8', 'sallyportd.8', 'sallyport.toml.5',
                 'sallyport-rules.5'):
        done = subprocess.run(
            ['groff', '-mandoc', '-ww', '-z', '-Tutf8',
             os.path.join(ROOT, 'man', page)],
            capture_output=True, text=True, check=False)
        if done.returncode or done.stderr:
            return f'{page}: {done.stderr.strip()}'
    return ''


CHECKS = {
    'man_verbs': lambda: missing(verbs(), 'man/sallyport.8'),
    'man_cli_flags': lambda: missing(
        cli_flags(), 'man/sallyport.8'),
    'man_daemon_flags': lambda: missing(
        flags('src/config.cc', 'src/config_flags.cc'),
        'man/sallyportd.8'),
    'man_config_keys': lambda: missing(config_keys(),
                                       'man/sallyport.toml.5'),
    'man_rule_fields': lambda: missing(rule_fields(), 'man/sallyport-rules.5'),
    'man_renders': renders,
}


def main():
    bad = 0
    for name, check in CHECKS.items():
        why = check()
        print(f'FAILED {name}: {why}' if why else f'ok {name}')
        bad += bool(why)
    return bad > 0


if __name__ == '__main__':
    sys.exit(main())
