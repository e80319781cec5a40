"""`hstore run`: any command as the objective, unedited."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hstore.cli.ask import search_options
from hstore.cli.printing import print_json, print_note, print_text
from hstore.cli.session import INTERRUPTED, writing
from hstore.store.keep_output import KEEP_OUTPUT

if TYPE_CHECKING:
    from hstore.cli.session import Session
    from hstore.engine.ask_tell import Search
    from hstore.engine.asked_trial import AskedTrial
    from hstore.workers.command import CommandLine, LossSource
    from hstore.workers.command_run import CommandRun


TERMINATED = 143
WAKE_SECONDS = 0.5
"""How often the main thread looks whether a signal came."""
MAXIMISED = " (maximised)"
"""Behind the command in the name of an objective whose losses are the negated numbers."""


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("experiment")
@click.argument("command", nargs=-1, type=click.UNPROCESSED, required=True)
@search_options
@click.option("--jobs", "-j", type=click.IntRange(1), default=1, show_default=True, help="How many run at a time.")
@click.option(
    "--loss", default="last-line", show_default=True, metavar="WHERE",
    help="last-line, a regular expression, json:FILE, status, time, size or size:FILE.",
)  # fmt: skip
@click.option("--maximise", is_flag=True, help="Look for the largest number instead of the smallest.")
@click.option(
    "--report", metavar="REGEX", help="Report the number in each line that matches, or step and number, for --pruner."
)
@click.option("--timeout", type=click.FloatRange(min=0, min_open=True), help="Seconds that one trial may take.")
@click.option("--keep-output", type=click.Choice(KEEP_OUTPUT), default="always", show_default=True)
@click.option("--scratch", type=click.Path(path_type=Path), help="Keep each trial's folder below this one.")
@click.option("--accept-change", is_flag=True, help="Go on although the command, --loss, … differ from before.")
@click.option("--json", "as_json", is_flag=True, help="Print the best trial as one JSON object.")
@click.pass_obj
def run(
    session: Session,
    experiment: str,
    command: tuple[str, ...],
    algo: str | None,
    max_evals: int | None,
    seed: int | None,
    pruner: str | None,
    record_diff: bool,
    jobs: int,
    loss: str,
    maximise: bool,
    report: str | None,
    timeout: float | None,
    keep_output: str,
    scratch: Path | None,
    accept_change: bool,
    as_json: bool,
) -> None:
    """Search for the parameters with which COMMAND does best; each trial runs it once.

    Its words hold ranges: {lr:log(1e-5, 1)}, {n:int(1, 8)}, {p:float(0, 1)}, {opt:adam|sgd}, and
    {m:float(0, 1) if opt=sgd}, which is left out with the option before it where it does not apply. {lr} repeats a
    value. The command sees $HSTORE_EXPERIMENT, $HSTORE_TRIAL, $HSTORE_PARAMS (JSON) and $HSTORE_SCRATCH, a folder of
    its own, in which FILE is looked for. One that exits with another status than 0 has failed. The same line again
    continues the search; one with another command, --loss or --maximise is refused. Without -n there are 100 trials.

    \b
    hstore run train -n 50 -j 4 -- ./train.sh --lr '{lr:log(1e-5, 1)}' --layers '{n:int(1, 8)}'
    hstore run pack -n 30 --loss size -- xz -c --lzma2=preset='{preset:int(0, 9)}',lc='{lc:int(0, 3)}' data.tar
    hstore run net --report 'val_loss=' --pruner median -- python train.py --opt '{opt:adam|sgd}'
    hstore run net2 --report 'epoch (\\d+): loss=(\\S+)' --pruner median -- python train.py --lr '{lr:log(1e-5, 1)}'
    """
    from hstore.engine.ask_tell import search
    from hstore.engine.provenance.command_line import without_secrets
    from hstore.engine.search.control import LIMITS_REACHED
    from hstore.engine.space.notation import space_of
    from hstore.workers.command import CommandLine, LossSource, pattern

    session.refuse_file(experiment)
    session.check_new(experiment)
    line = CommandLine(command)
    if not line.ranges:
        raise click.UsageError("the command has no range to search, such as '{lr:log(1e-5, 1)}'")
    if line.is_one_word_of_many():
        raise click.UsageError("the whole command is one word: leave out the quotes around it, or begin it with sh -c")
    if (program := line.missing_program()) is not None:
        raise click.UsageError(f"{program!r} cannot be run here: check its name, and that it is executable")
    source = LossSource.of(loss)
    if report is not None:
        pattern(report)
    if scratch is not None:
        with writing(str(scratch)):
            scratch.mkdir(parents=True, exist_ok=True)
    shown = without_secrets(command)
    name = " ".join(shown) + (MAXIMISED if maximise else "")
    measures = {"direction": "maximise" if maximise else "minimise", "--loss": loss, "command": shlex.join(shown)}
    if report is not None:
        measures["--report"] = report
    with search(
        space_of(line.ranges), algo, experiment=experiment, store=session.store, max_evals=max_evals or 100,
        rstate=seed, pruner=pruner, evaluated_by=name,
        program_files=line.program_files(), record_diff=record_diff, measures=measures,
        accepts_change=accept_change,
    ) as opened:  # fmt: skip
        trials = CommandTrials(
            opened, line, source, sign=-1.0 if maximise else 1.0, report=report, timeout=timeout,
            keep_output=keep_output, scratch=scratch,
        )  # fmt: skip
        try:
            with _interrupted_by_term():
                trials.run_all(min(jobs, max_evals or 100))
        except KeyboardInterrupt as interrupt:
            n = opened.experiment.state.ended
            print_note(f"stopped after {n} trial{'' if n == 1 else 's'}; the same line continues {experiment!r}")
            raise click.exceptions.Exit(TERMINATED if isinstance(interrupt, _Terminated) else INTERRUPTED) from None
        state = opened.experiment.state
        if state.status == "paused":
            print_note(
                f"{experiment!r} is paused; after `hstore resume {shlex.quote(experiment)}` the same line goes on"
            )
        elif state.status == "finished" and state.why not in LIMITS_REACHED:
            print_note(f"{experiment!r} is finished ({state.why})")
        best = opened.best  # raises AllTrialsFailed
        said = {"tid": best.tid, "loss": best.loss, "params": dict(best.params)}
        if as_json:
            print_json(said)
        else:
            from hstore.cli.table import named

            value = "" if best.loss is None else f"{trials.sign * best.loss:.6g}"
            print_text(f"best: trial {best.tid}, {value}, of {opened.experiment.state.ended}  {named(best.params)}")
            print_text(shlex.join(line.filled(best.params)))  # to be typed as it is


class _Terminated(KeyboardInterrupt):
    """SIGTERM came: the commands are ended as at Ctrl-C, and not left behind."""


@contextmanager
def _interrupted_by_term() -> Iterator[None]:
    """Have SIGTERM raise `_Terminated` in the body, where this is the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def terminate(number: int, frame: object) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@dataclass
class CommandTrials:
    """The trials of one search, each a run of the command."""

    search: Search
    line: CommandLine
    source: LossSource
    sign: float = 1.0
    report: str | None = None
    timeout: float | None = None
    keep_output: str = "always"
    scratch: Path | None = None
    _runs: dict[int, tuple[AskedTrial, CommandRun]] = field(default_factory=dict)
    _is_interrupted: threading.Event = field(default_factory=threading.Event)

    def run_all(self, jobs: int) -> None:
        """Run trials, *jobs* at a time, until there is none left; Ctrl-C stops them, and they are queued again."""
        with ThreadPoolExecutor(jobs, thread_name_prefix="run") as pool:
            try:
                running = {pool.submit(self._run_some) for _ in range(jobs)}
                while running:  # a signal that another thread was given is heard when this one wakes up
                    ended, running = wait(running, timeout=WAKE_SECONDS, return_when=FIRST_COMPLETED)
                    for each in ended:
                        each.result()
                    self._stop_unwanted()
            except BaseException:
                self._is_interrupted.set()
                for _, run in list(self._runs.values()):
                    run.stop()
                raise

    def _stop_unwanted(self) -> None:
        """End commands whose trials a person has cancelled or queued again, also if they print nothing."""
        from hstore.store.errors import HstoreError

        for trial, run in list(self._runs.values()):
            with suppress(HstoreError):  # while the store is away the commands go on
                if not run.is_stopped and self._is_to_end(trial):
                    run.stop()

    def _is_to_end(self, trial: AskedTrial) -> bool:
        """Return whether the command of *trial* is in vain. A search that is paused or stopped lets it finish."""
        return trial.should_stop() and (trial.is_pruned or not trial.is_held)

    def _run_some(self) -> None:
        while not self._is_interrupted.is_set():
            trial = self.search.ask()
            if trial is None:
                return
            self._run_one(trial)

    def _run_one(self, trial: AskedTrial) -> None:
        from hstore.engine.space.notation import flat
        from hstore.store.errors import InvalidResult, InvalidValue
        from hstore.workers.command_run import CommandFailed, CommandRun

        values = flat(trial.config)
        folder = self._folder(trial.tid)
        run = CommandRun(
            words=self.line.filled(values), folder=folder, environment=self._environment(trial, values, folder),
            timeout=self.timeout, on_line=lambda text: self._report(trial, text),
        )  # fmt: skip
        self._runs[trial.tid] = trial, run
        try:
            run.run()
            if self._is_interrupted.is_set():
                trial.give_back("interrupted")
                return
            if self._is_to_end(trial) and (trial.is_held or run.is_stopped):
                if trial.is_held:
                    self._keep(trial, run, has_failed=False)
                    trial.tell()
                return
            if run.status != 0 and self.source.kind != "status":
                raise CommandFailed(run.complaint)
            result = self.source.find(run)
            self._keep(trial, run, has_failed=False)
            try:
                trial.tell(self._signed(result))
            except (InvalidResult, InvalidValue) as error:  # the second for what cannot be attached
                raise CommandFailed(str(error)) from None
        except CommandFailed as error:
            self._keep(trial, run, has_failed=True)
            trial.fail(f"CommandFailed: {error}")
        finally:
            self._runs.pop(trial.tid, None)
            if self.scratch is None:
                shutil.rmtree(folder, ignore_errors=True)

    def _signed(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """Return the *result* of a command with losses of which the smallest is looked for."""
        from hstore.engine.evaluation.results import number, numbers_of

        signed = dict(result)
        if self.sign < 0:
            if (loss := number(signed.get("loss"))) is not None:
                signed["loss"] = -loss
            if losses := numbers_of(signed.get("losses")):
                signed["losses"] = [-loss for loss in losses]
        return signed

    def _report(self, trial: AskedTrial, text: str) -> bool:
        """Report what a line says; return whether the command is to stop."""
        from hstore.workers.command import reports

        for step, value in reports(self.report, text) if self.report is not None else []:
            last = trial.last_report
            following = 0 if last is None else last[0] + 1
            trial.report(following if step is None else step, self.sign * value)
        return self._is_to_end(trial)

    def _folder(self, tid: int) -> Path:
        if self.scratch is None:
            return Path(tempfile.mkdtemp(prefix=f"hstore-trial-{tid}-"))
        folder = self.scratch.absolute() / str(tid)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _environment(self, trial: AskedTrial, values: Mapping[str, Any], folder: Path) -> dict[str, str]:
        return {
            "HSTORE_EXPERIMENT": self.search.experiment.name, "HSTORE_TRIAL": str(trial.tid),
            "HSTORE_PARAMS": json.dumps(values), "HSTORE_SCRATCH": str(folder),
        }  # fmt: skip

    def _keep(self, trial: AskedTrial, run: CommandRun, *, has_failed: bool) -> None:
        from hstore.store.attachments import OUTPUT

        is_wanted = self.keep_output == "always" or (has_failed and self.keep_output == "failed")
        if is_wanted and (output := run.output):
            trial.attachments[OUTPUT] = output.encode()
