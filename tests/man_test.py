#!/usr/bin/python3
"""Checks the manual pages: man_test.py [BUILD_DIR]

Every verb, option and value that the programs in BUILD_DIR tell of with --help
stands on their page, and nothing stands there that they do not know. The same
for configuration keys and rule fields, which the sources know. And groff (or
mandoc) takes the pages without a warning.

Prints one line per check, `ok NAME`, `FAILED NAME: why` or `skipped NAME: why`.
"""

import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PAGES = ('sallyport.8', 'sallyportd.8', 'sallyport.toml.5',
         'sallyport-rules.5')
# Macros of mdoc(7) that end the run of words of a .Fl or .Cm on their line.
CALLABLE = {'Ar', 'Cm', 'Dq', 'Ev', 'Fl', 'Li', 'Nm', 'Ns', 'Op', 'Pa', 'Pq',
            'Xr'}


class Skipped(Exception):
    """This machine lacks what the check needs."""


def read(path):
    with open(os.path.join(ROOT, path), encoding='utf-8') as file:
        return file.read()


# --- a page -----------------------------------------------------------------

class Item:
    """One .It with what follows it, or what stands outside of lists: runs of
    (macro, words), and of these the ones in its first line."""

    def __init__(self, section, head=None):
        self.section = section
        self.runs = runs(head) if head else []
        self.head_runs = list(self.runs)

    def words(self, macro):
        return [word for name, words in self.runs if name == macro
                for word in words]

    def flags(self):
        return {f'-{word}' for word in self.words('Fl') if word[0] == '-'}

    def names(self):
        """['rules remove', 'rules enable'] of `.It Cm rules remove | enable`."""
        macro, words = self.head_runs[0]
        if macro != 'Cm':
            return []
        names = []
        for phrase in ' '.join(words).split(' , '):
            first, *others = phrase.split(' | ')
            stem = first.split()[:-1]
            names += [first] + [' '.join(stem + [word]) for word in others]
        return names


def runs(line):
    """[('Cm', ['mode']), ('Op', []), ('Cm', ['monitor', '|', 'enforce'])]"""
    found = []
    for word in line.split():
        if word in CALLABLE:
            found.append((word, []))
        elif found:
            found[-1][1].append(word)
    return found


def items(page):
    section, item = '', Item('')
    found = [item]
    for line in read(f'man/{page}').splitlines():
        macro, _, rest = line.partition(' ')
        if macro in ('.Sh', '.Ss'):
            section = rest
        if macro == '.It':
            item = Item(section, rest)
            found.append(item)
        elif macro in ('.El', '.Sh', '.Ss'):
            item = Item(section)
            found.append(item)
        elif line.startswith('.'):
            item.runs += runs(line[1:])
    return found


def plain(words):
    """Without the punctuation of mdoc."""
    return {word for word in words if re.match(r'\w', word)}


# --- a program --------------------------------------------------------------

def help_of(program, *words):
    done = subprocess.run([program, *words, '--help'], capture_output=True,
                          text=True, check=True, timeout=60,
                          stdin=subprocess.DEVNULL)
    return done.stdout


def long_options(text):
    return set(re.findall(r'^  (?:-\w,)?(--[a-z][a-z-]*)', text, re.M))


def commands(program, *words):
    """{'': help, 'rules': help, 'rules show': help...}"""
    text = help_of(program, *words)
    found = {' '.join(words): text}
    below = text.partition('\nSubcommands:\n')[2].partition('\n\n')[0]
    for name in re.findall(r'^  (\S+)', below, re.M):
        found |= commands(program, *words, name)
    return found


def built(name):
    if len(sys.argv) < 2:
        raise Skipped('no build directory given')
    path = os.path.join(sys.argv[1], name)
    if not os.access(path, os.X_OK):
        raise Skipped(f'{path} is not built')
    return path


def cli():
    return commands(built('tools/sallyport'))


def cli_items():
    """Those of a verb, with the verbs they name."""
    return [(item, item.names()) for item in items('sallyport.8')
            if item.head_runs and item.names()]


# --- the checks: each gives what is wrong -----------------------------------

def verbs():
    known = set(cli()) - {''}
    named = {name for _, names in cli_items() for name in names}
    # `rules [list]`: the subcommand stands behind its verb.
    named |= {f'{name} {word}' for item, names in cli_items() for name in names
              for word in item.words('Cm') if f'{name} {word}' in known}
    return ([f'{name} is not on the page' for name in known - named] +
            [f'there is no verb {name}' for name in named - known])


def cli_flags():
    helps = cli()
    everywhere = long_options(helps[''])
    every_item = items('sallyport.8')
    wrong = []
    for option in everywhere - set().union(*(i.flags() for i in every_item)):
        wrong.append(f'{option} is not on the page')
    told = {name: set() for name in helps}
    for item in every_item:
        names = item.names() if item.head_runs else []
        for name in [name for name in names if name in helps] or ['']:
            told[name] |= item.flags()
    for name, text in helps.items():
        if name == '':
            continue
        known = long_options(text)
        wrong += [f'{name} {option} is not on the page'
                  for option in known - told[name] - everywhere]
        wrong += [f'there is no {name} {option}'
                  for option in told[name] - known - everywhere]
    wrong += [f'there is no {option}' for option in told[''] - everywhere]
    return wrong


def cli_words():
    """.Cm on the page: a verb, or a word of the help of the verb it is about."""
    helps = cli()
    verb_words = {word for name in helps for word in name.split()}
    wrong = []
    for item, names in cli_items():
        text = ' '.join(helps.get(name, '') for name in names)
        known = verb_words | set(re.findall(r'[\w-]+', text))
        wrong += [f'{names[0]} knows no {word}'
                  for word in plain(item.words('Cm')) - known]
    return wrong


def daemon_flags():
    text = help_of(built('src/sallyportd'))
    known = long_options(text)
    named = set().union(*(item.flags() for item in items('sallyportd.8')))
    return ([f'{flag} is not on the page' for flag in known - named] +
            [f'there is no {flag}' for flag in named - known])


def daemon_values():
    """`.It Fl -mode Cm monitor | enforce`: the words that --help quotes."""
    text = help_of(built('src/sallyportd'))
    wrong = []
    for item in items('sallyportd.8'):
        for flag in item.flags() if item.head_runs else ():
            line = re.search(rf'^  {flag} .*$', text, re.M)
            known = re.findall(r'"([a-z-]+)"', line.group()) if line else []
            if known:
                wrong += differences(flag, known, plain(item.words('Cm')))
    return wrong


def differences(what, known, named):
    return ([f'{what}: {word} is not on the page'
             for word in set(known) - set(named)] +
            [f'{what}: there is no {word}'
             for word in set(named) - set(known)])


def items_by_name(page):
    return {name: item for item in items(page) if item.head_runs
            for name in item.names()}


def config_keys():
    """{key: what the source says is expected}"""
    return dict(re.findall(r'^\s*\{\{"([a-z_.]+)",\s*"((?:[^"\\]|\\.)*)',
                           read('src/config.cc'), re.M))


def config():
    named = items_by_name('sallyport.toml.5')
    wrong = differences('configuration', config_keys(), named)
    for key, expected in config_keys().items():
        values = set(re.findall(r'\\"([a-z]+)\\"', expected))
        if values and key in named:
            told = plain(named[key].words('Cm')) - {key}
            wrong += differences(key, values, told)
    return wrong


def rule_fields():
    table = read('rules/rule_schema.cc').split('RuleField kFields[]', 1)[1]
    return differences('rule', re.findall(r'\{"([a-z0-9_]+)", k', table),
                       items_by_name('sallyport-rules.5'))


def renders():
    for command in (['groff', '-mandoc', '-ww', '-z', '-Tutf8'],
                    ['mandoc', '-Tlint', '-Wwarning']):
        if shutil.which(command[0]):
            break
    else:
        raise Skipped('neither groff nor mandoc is installed')
    wrong = []
    for page in PAGES:
        done = subprocess.run([*command, os.path.join(ROOT, 'man', page)],
                              capture_output=True, text=True, check=False)
        if done.returncode or done.stderr:
            wrong.append(f'{page}: {done.stdout}{done.stderr}'.strip())
    return wrong


CHECKS = {
    'man_verbs': verbs,
    'man_cli_flags': cli_flags,
    'man_cli_words': cli_words,
    'man_daemon_flags': daemon_flags,
    'man_daemon_values': daemon_values,
    'man_config_keys': config,
    'man_rule_fields': rule_fields,
    'man_renders': renders,
}


def main():
    bad = 0
    for name, check in CHECKS.items():
        try:
            wrong = check()
        except Skipped as why:
            print(f'skipped {name}: {why}')
            continue
        bad += bool(wrong)
        why = '; '.join(sorted(wrong))
        print(f'FAILED {name}: {why}' if wrong else f'ok {name}')
    return bad > 0


if __name__ == '__main__':
    sys.exit(main())
