"""Which case of CASES.md which test proves, and the table made of it.

    @case('A24')                      proves the row
    @case('A11', pinned='why')        pins a limit: documented, not solved
    @alone                            not beside another test (measures time)
"""

import dataclasses

REQUIRED = (
    'A01 A04 A05 A17 A18 A21 A22 A24 A25 A26 A27 A31 A32 A38 A39 A42 '
    'B04 B05 B06 B07 B09 B12 B13 B14 B15 B16 B17 B18 B19 B21 B23 B27 B29 '
    'F01 F02 F05 F06 F07 F08 F11 F13 F14 F16 F28 F29 F32 F33 F39 F40').split()


def case(*ids, pinned=None):
    def mark(function):
        function.case_ids = getattr(function, 'case_ids', ()) + ids
        if pinned:
            function.case_pinned = pinned
        return function
    return mark


def alone(function):
    function.run_alone = True
    return function


@dataclasses.dataclass
class Outcome:
    test: object      # the function
    state: str        # passed, failed, skipped
    reason: str = ''


def table(outcomes):
    """Markdown: one line per id."""
    lines = ['# Cases proven', '',
             'Written by `tests/run --live --write-cases`; the ids are those '
             'of the list of cases the', 'project keeps. One line per id: '
             'the tests, and what they showed where they last ran.', '',
             '| id | state | tests |', '|---|---|---|']
    ids = set(REQUIRED).union(*(getattr(o.test, 'case_ids', ())
                                for o in outcomes))
    for ident in sorted(ids):
        mine = [o for o in outcomes
                if ident in getattr(o.test, 'case_ids', ())]
        tests = ', '.join(f'`{o.test.__name__}`' for o in mine)
        lines.append(f'| {ident} | {_state(mine)} | {tests} |')
    return '\n'.join(lines) + '\n'


def _state(outcomes):
    passed = [o for o in outcomes if o.state == 'passed']
    limits = [getattr(o.test, 'case_pinned', '') for o in passed]
    skipped = sorted({o.reason for o in outcomes if o.state == 'skipped'})
    parts = []
    if any(o.state == 'failed' for o in outcomes):
        parts.append('FAILING')
    elif not outcomes:
        parts.append('no test')
    elif not passed:
        parts.append('skipped')
    elif all(limits):
        parts.append('pinned limit')
    else:
        parts.append('proven')
    parts += [f'limit: {limit}' for limit in sorted(set(limits)) if limit]
    parts += [f'skipped: {reason}' for reason in skipped]
    return '; '.join(parts)
