"""``python -m tests.trials``: a hostile trial of the program, seeded; prints what happened that must not, counted.

    python -m tests.trials            some minutes
    python -m tests.trials --short    what the suite runs, a minute or two
    python -m tests.trials --only files --seed 7
    xvfb-run -a python -m tests.trials --only openings --count 200

The exit code is 0 when every count is 0.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from app.end_signals import ENDING_SIGNALS
from app.environment import prepare_process
from tests.trials.counts import Outcome, table

GROUPS = ("files", "writers", "kills", "planted", "networks", "signals", "commands", "openings")
IN_SHORT = ("files", "writers", "kills", "planted", "commands", "openings")


def main() -> int:
    """Runs the trial."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--cases", default="", metavar="PATTERN", help="commands whose names match this alone")
    parser.add_argument("--count", type=int, default=20, help="windows to open and close (default: %(default)s)")
    parser.add_argument("--only", nargs="+", choices=GROUPS)
    options = parser.parse_args()
    prepare_process()
    for number in ENDING_SIGNALS:
        if signal.getsignal(number) is signal.SIG_IGN:  # under nohup, where the program would rightly ignore it, too
            signal.signal(number, signal.SIG_DFL)
    outcomes: list[Outcome] = []
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="handlive-trial-") as scratch:
        for group in options.only or (IN_SHORT if options.short else GROUPS):
            for outcome in _run(group, Path(scratch), options):
                outcomes.append(outcome)
                if outcome.finding is not None:
                    print(f"{outcome.finding.value}: {outcome.group}, {outcome.case}: {outcome.detail}", flush=True)
    print(f"\nSeed {options.seed}, {len(outcomes)} cases in {time.monotonic() - started_s:.0f} s\n\n{table(outcomes)}")
    return int(any(outcome.finding is not None for outcome in outcomes))


def _run(group: str, scratch: Path, options: argparse.Namespace) -> Iterator[Outcome]:
    from tests.trials.command_trial import try_commands
    from tests.trials.file_trial import try_files
    from tests.trials.network_trial import try_networks
    from tests.trials.process_trial import try_kills, try_planted_code, try_signals, try_two_writers
    from tests.trials.window_trial import try_openings, try_signals_to_windows

    seed, short = options.seed, options.short
    if group == "files":
        yield from try_files(scratch, seed, 4 if short else 40)
    elif group == "writers":
        yield from try_two_writers(scratch, 30 if short else 300)
    elif group == "kills":
        yield from try_kills(scratch, seed, 2 if short else 30)
    elif group == "planted":
        yield from try_planted_code(scratch)
    elif group == "networks":
        yield from try_networks(scratch)
    elif group == "signals":
        yield from try_signals(scratch)
        yield from try_signals_to_windows(scratch)
    elif group == "openings":
        yield from try_openings(scratch, seed, min(options.count, 4) if short else options.count)
    else:
        yield from try_commands(scratch, seed, every=12 if short else 1, pattern=options.cases)


if __name__ == "__main__":
    sys.exit(main())
