#!/usr/bin/python3
"""tests/CASES.md lists every case that must be covered, none without a test,
and names no test that is not there."""

import importlib
import os
import re
import sys

ROOT = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, f'{ROOT}/live')


def main():
    cases = importlib.import_module('cases')
    with open(f'{ROOT}/CASES.md', encoding='utf-8') as file:
        rows = dict(re.findall(r'^\| ([ABF]\d\d) \|(.*)\|$', file.read(),
                               re.MULTILINE))
    source = ''
    for name in os.listdir(f'{ROOT}/live'):
        if name.startswith('test_'):
            with open(f'{ROOT}/live/{name}', encoding='utf-8') as file:
                source += file.read()
    wrong = [f'{ident} is missing' for ident in cases.REQUIRED
             if ident not in rows]
    for ident, row in rows.items():
        names = re.findall(r'`(test_\w+)`', row)
        if not names or 'FAILING' in row:
            wrong.append(f'{ident}:{row}')
        wrong += [f'{ident}: {name} is gone' for name in names
                  if f'def {name}(' not in source]
    # And the other way round: every test that carries an id stands in its row.
    for ids, name in re.findall(
            r"^@case\(((?:'[ABF]\d\d'(?:, )?)+).*\)\n(?:@.*\n)*def (\w+)",
            source, re.MULTILINE):
        wrong += [f'{ident}: {name} is not listed (tests/run --live '
                  '--write-cases)' for ident in re.findall(r'[ABF]\d\d', ids)
                  if f'`{name}`' not in rows.get(ident, '')]
    print('\n'.join(f'FAILED cases: {text}' for text in wrong) or
          f'ok cases: {len(rows)} rows')
    sys.exit(1 if wrong else 0)


if __name__ == '__main__':
    main()
