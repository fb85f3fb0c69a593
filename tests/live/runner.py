#!/usr/bin/python3
"""Runs the live tests: each in a process and in network namespaces of its own.

    runner.py --bin DIR [--build DIR] [--jobs N] [--json FILE] [--verbose]
              [--write-cases FILE] [PATTERN...]

A PATTERN selects tests by a part of module.name, or by a case id. Needs root; without
it, or without a kernel feature, tests are skipped and say why. Exit 1 if any
test failed.
"""

import argparse
import importlib
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
TEST_SECONDS = 60  # longest life of one test, before SPT_SCALE


def load_tests(patterns):
    """Imports test_*.py; the functions in order of their files."""
    found = []
    for name in sorted(os.listdir(HERE)):
        if name.startswith('test_') and name.endswith('.py'):
            module = importlib.import_module(name[:-3])
            found += [value for key, value in vars(module).items()
                      if key.startswith('test_') and callable(value)]
    return [test for test in found if not patterns or any(
        pattern in f'{test.__module__}.{test.__name__}' or pattern in getattr(test, 'case_ids', ())
        for pattern in patterns)]


def compile_senders(directory):
    """senders/*.c into `directory`, only what is older than its source."""
    os.makedirs(directory, exist_ok=True)
    source_dir = f'{HERE}/senders'
    for name in sorted(os.listdir(source_dir)):
        source, target = f'{source_dir}/{name}', f'{directory}/{name[:-2]}'
        if name.endswith('.c') and (
                not os.path.exists(target) or
                os.path.getmtime(target) < os.path.getmtime(source)):
            compiler = shlex.split(os.environ.get('CC', 'cc'))
            subprocess.run([*compiler, '-O1', '-Wall', '-Wextra', '-pthread',
                            '-o', target, source], check=True)


class Running:
    """One test in its own process."""

    def __init__(self, test, directory):
        self.test = test
        self.begin = time.monotonic()
        self.output_path = f'{directory}/output'
        os.makedirs(directory)
        self._pipe, end = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._pipe)
            self._child(directory, end)
        os.close(end)

    def _child(self, directory, end):
        state, reason = 'failed', ''
        try:
            os.setsid()
            output = os.open(self.output_path, os.O_CREAT | os.O_WRONLY)
            for fd in (1, 2):
                os.dup2(output, fd)
            state, reason = run_in_lab(self.test, f'{directory}/lab')
        except BaseException:  # pylint: disable=broad-except
            reason = traceback.format_exc()
        with os.fdopen(end, 'w', encoding='utf-8') as pipe:
            json.dump([state, reason], pipe)
        os._exit(0)

    def finished(self):
        """None while it runs; else (state, reason)."""
        import kernel
        limit = getattr(self.test, 'seconds', TEST_SECONDS) * kernel.SCALE
        if not os.waitpid(self.pid, os.WNOHANG)[0]:
            if time.monotonic() - self.begin < limit:
                return None
            kill_tree(self.pid)
            os.waitpid(self.pid, 0)
            os.close(self._pipe)
            return 'failed', f'did not end within {limit:.0f} s'
        with os.fdopen(self._pipe, encoding='utf-8') as pipe:
            text = pipe.read()
        return tuple(json.loads(text)) if text else ('failed', 'it died')

    def output(self):
        with open(self.output_path, encoding='utf-8',
                  errors='replace') as file:
            return file.read()


def kill_tree(pid):
    import kernel
    import signal
    for child in kernel.children_of(pid):
        kill_tree(child)
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run_in_lab(test, directory):
    import kernel
    import lab as laboratory
    kernel.become_subreaper()
    lab = None
    try:
        lab = laboratory.Lab(directory)
        test(lab)
        lab.check()
        return 'passed', ''
    except laboratory.Skip as skip:
        return 'skipped', str(skip)
    except BaseException:
        if lab:
            for daemon in lab.daemons:
                print(f'--- daemon in {daemon.dir}:\n{daemon.output()}')
        raise
    finally:
        if lab:
            lab.close()


def why_not():
    """A reason that forbids all live tests; '' if there is none."""
    if os.geteuid():
        return 'needs root'
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            import capture
            import kernel
            kernel.NetNs()
            capture.nft('table inet probe { }')
            subprocess.run(['ip', 'link', 'add', 'type', 'veth'], check=True,
                           stderr=subprocess.DEVNULL)
            import referee
            code = 0 if (referee.xt_queue_works() or
                         referee.native_queue_works()) else 2
        except (OSError, AssertionError, subprocess.CalledProcessError):
            pass
        os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return ('', 'needs network namespaces, veth, nftables and the programs '
            'ip and nft', 'the kernel can queue packets in neither way (nft '
            'queue, xt NFQUEUE)')[code]


def run_all(tests, jobs, report):
    """Runs the tests, `jobs` at a time, those that measure time alone."""
    import cases
    outcomes = []
    reason = why_not()
    if reason:
        for test in tests:
            outcomes.append(cases.Outcome(test, 'skipped', reason))
            report(outcomes[-1], 0, '')
        return outcomes
    with tempfile.TemporaryDirectory(prefix='spt-') as top:
        os.chmod(top, 0o755)
        together = [t for t in tests if not getattr(t, 'run_alone', False)]
        apart = [t for t in tests if getattr(t, 'run_alone', False)]
        numbers = iter(range(len(tests)))
        for group, width in ((together, jobs), (apart, 1)):
            run_group(group, width, top, numbers, outcomes, report)
    return outcomes


def run_group(waiting, width, top, numbers, outcomes, report):
    import cases
    running = []
    while waiting or running:
        while waiting and len(running) < width:
            running.append(Running(waiting.pop(0), f'{top}/{next(numbers)}'))
        time.sleep(0.005)
        for one in list(running):
            end = one.finished()
            if end:
                running.remove(one)
                outcomes.append(cases.Outcome(one.test, *end))
                report(outcomes[-1], time.monotonic() - one.begin,
                       one.output())


def print_outcome(outcome, seconds, output, verbose):
    ids = ' '.join(getattr(outcome.test, 'case_ids', ()))
    word = {'passed': 'ok     ', 'failed': 'FAILED ',
            'skipped': 'skipped'}[outcome.state]
    tail = f': {outcome.reason}' if outcome.state == 'skipped' else ''
    print(f'{word} {seconds:5.2f} s  {outcome.test.__name__}'
          f'{f"  [{ids}]" if ids else ""}{tail}', flush=True)
    if outcome.state == 'failed' or (verbose and output):
        print(f'{outcome.reason}\n{output}'.rstrip(), flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--bin', required=True,
                        help='directory with sallyportd and sallyport')
    parser.add_argument('--build', default='/tmp/sallyport-senders')
    parser.add_argument('--jobs', type=int, default=2)
    parser.add_argument('--json')
    parser.add_argument('--verbose', action='store_true')
    parser.add_argument('--write-cases')
    parser.add_argument('patterns', nargs='*')
    options = parser.parse_args()
    os.environ['SPT_BIN'] = os.path.abspath(options.bin)
    os.environ['SPT_SENDERS'] = os.path.abspath(options.build)
    sys.path.insert(0, HERE)
    sys.dont_write_bytecode = True
    compile_senders(options.build)
    import cases
    outcomes = run_all(load_tests(options.patterns), options.jobs,
                       lambda *a: print_outcome(*a, options.verbose))
    counts = {state: sum(o.state == state for o in outcomes)
              for state in ('passed', 'failed', 'skipped')}
    if options.json:
        with open(options.json, 'w', encoding='utf-8') as file:
            json.dump(counts, file)
    if options.write_cases:
        with open(options.write_cases, 'w', encoding='utf-8') as file:
            file.write(cases.table(outcomes))
    print('live: {passed} passed, {failed} failed, {skipped} skipped'.format(
        **counts))
    sys.exit(1 if counts['failed'] else 0)


if __name__ == '__main__':
    main()
