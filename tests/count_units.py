#!/usr/bin/python3
"""Counts what `meson test` ran: count_units.py BUILD_DIR OUT.json

Every GoogleTest case counts once (the JSON files in BUILD_DIR/gtest say which
passed), every other test of meson once. A test program that left no report
has died: that is one failure.
"""

import json
import os
import sys


def gtest_counts(path):
    counts = {'passed': 0, 'failed': 0, 'skipped': 0}
    with open(path, encoding='utf-8') as file:
        report = json.load(file)
    for suite in report['testsuites']:
        for case in suite['testsuite']:
            if case.get('failures'):
                state = 'failed'
                print(f'FAILED  {suite["name"]}.{case["name"]}')
            elif case.get('result') in ('SKIPPED', 'SUPPRESSED'):
                state = 'skipped'
                print(f'skipped {suite["name"]}.{case["name"]}: '
                      f'{skip_reason(case)}')
            else:
                state = 'passed'
            counts[state] += 1
    return counts


def skip_reason(case):
    """What GTEST_SKIP() said, where GoogleTest keeps it."""
    for message in case.get('skipped', ()):
        return message.get('message', '').strip().splitlines()[-1]
    return 'disabled' if case.get('result') == 'SUPPRESSED' else 'see its log'


def main():
    build, out = sys.argv[1:]
    total = {'passed': 0, 'failed': 0, 'skipped': 0}
    with open(f'{build}/meson-logs/testlog.json', encoding='utf-8') as file:
        tests = [json.loads(line) for line in file]
    for test in tests:
        program = os.path.basename(test['command'][0])
        report = f'{build}/gtest/{program}.json'
        good = test['result'] in ('OK', 'EXPECTEDFAIL')
        if os.path.exists(report):
            counts = gtest_counts(report)
            if not good and not counts['failed']:
                counts['failed'] += 1  # it died at its end (a sanitizer)
                print(f'FAILED  {test["name"]}: exit {test["returncode"]}')
        else:
            state = {'SKIP': 'skipped'}.get(
                test['result'], 'passed' if good else 'failed')
            counts = dict.fromkeys(total, 0)
            counts[state] = 1
        for state, number in counts.items():
            total[state] += number
    with open(out, 'w', encoding='utf-8') as file:
        json.dump(total, file)
    print('units: {passed} passed, {failed} failed, {skipped} skipped'.format(
        **total))


if __name__ == '__main__':
    main()
