"""A command as objective: its words, its run, its loss."""

import math
import sys
from pathlib import Path

import pytest

from hstore.store.errors import InvalidValue
from hstore.workers.command import CommandLine, LossSource, numbers, reports
from hstore.workers.command_run import KEPT_BYTES, CommandFailed, CommandRun


def test_values_take_the_place_of_ranges_and_what_does_not_apply_goes_with_its_option() -> None:
    line = CommandLine(("a", "--lr={lr:log(1e-5, 1)}", "--m", "{m:float(0, 1) if o=x}", "{o:x|y}", "{lr}", '{"k": 1}'))
    assert list(line.ranges) == ["lr", "m", "o"]
    assert line.filled({"lr": 0.5, "o": "y"}) == ["a", "--lr=0.5", "y", "0.5", '{"k": 1}']
    assert line.filled({"lr": 1e-05, "o": "x", "m": 1}) == ["a", "--lr=1e-05", "--m", "1", "x", "1e-05", '{"k": 1}']


def test_one_label_with_two_ranges_is_refused() -> None:
    with pytest.raises(InvalidValue, match="x has two ranges"):
        _ = CommandLine(("{x:a|b}", "{x:a|c}")).ranges


@pytest.mark.parametrize(
    ("source", "program", "loss"),
    [
        ("last-line", "print('epoch 1'); print(0.25)", 0.25),
        ("last-line", "print('final loss: 2.5e-1')", 0.25),
        ("last-line", 'print(\'{"loss": 3, "epochs": 9}\')', 3),
        (r"loss=(\S+)", "print('loss=3'); print('loss=-2.5'); print('done')", -2.5),
        ("val_loss", "print('val_loss: 7.5, acc: 1')", 7.5),
        ("size", "print('12345', end='')", 5),
        ("status", "raise SystemExit(3)", 3),
        ("size:out", "open(folder + '/out', 'w').write('xyz')", 3),
        ("json:out.json", "open(folder + '/out.json', 'w').write('{\"loss\": 4}')", 4),
    ],
)
def test_the_loss_is_found_where_it_is_said_to_be(source: str, program: str, loss: float, tmp_path: Path) -> None:
    run = CommandRun(
        words=[sys.executable, "-ISc", f"folder = {str(tmp_path)!r}; {program}"], folder=tmp_path, environment={}
    )
    run.run()
    assert LossSource.of(source).find(run)["loss"] == loss


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("last-line", "holds no number"),
        ("loss=", "nothing that it printed has a number at"),
        ("json:none", "it left no"),
    ],
)
def test_a_loss_that_is_not_there_is_a_failure_that_says_so(source: str, said: str, tmp_path: Path) -> None:
    run = CommandRun(words=["echo", "done"], folder=tmp_path, environment={})
    run.run()
    with pytest.raises(CommandFailed, match=said):
        LossSource.of(source).find(run)


def test_a_command_that_is_not_there_takes_too_long_or_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="cannot run no-such-program"):
        CommandRun(words=["no-such-program"], folder=tmp_path, environment={}).run()
    with pytest.raises(CommandFailed, match=r"longer than 0\.1 seconds"):
        CommandRun(words=["sleep", "60"], folder=tmp_path, environment={}, timeout=0.1).run()
    graceful = "trap 'echo 1; exit 0' TERM; while true; do sleep 0.1; done"
    with pytest.raises(CommandFailed, match=r"longer than 0\.1 seconds"):
        CommandRun(words=["sh", "-c", graceful], folder=tmp_path, environment={}, timeout=0.1).run()
    stopped = CommandRun(
        words=["sh", "-c", "while true; do echo 1; done"], folder=tmp_path, environment={}, on_line=lambda _: True
    )
    stopped.run()
    assert stopped.is_stopped
    assert len(stopped.output) < 2**17


def test_numbers_are_found_behind_a_pattern_or_in_its_group() -> None:
    assert numbers("loss", "loss = 1e-3, loss: -2 loss none") == [1e-3, -2]
    assert numbers(r"acc (\d+)%", "acc 91% acc 92%") == [91, 92]

    assert numbers("(?i)LOSS=", "loss=0.5") == [0.5]
    assert numbers("loss.*=", "loss of all=0.25") == [0.25]
    assert numbers(r"\d+\.\d+", "it is 0.25") == [0.25]
    assert numbers(r"a=(\d+)|loss=(\S+)", "loss=0.5") == [0.5]
    assert numbers("loss", '{"loss": 0.5}, loss information') == [0.5]
    assert numbers("val=", "val=\x1b[32m0.5\x1b[0m") == [0.5]
    assert numbers(r"acc=\S+", "acc=0.5 acc=high") == [0.5]
    assert numbers(r"(val_)?loss=(\S+)", "val_loss=0.5, loss=0.25") == [0.25], "0.5, is no number"
    assert numbers(r"(\w+) (?P<value>\d+)", "7 8") == [8]


def test_steps_are_found_with_what_is_reported() -> None:
    assert reports(r"epoch (\d+): loss=(\S+)", "epoch 3: loss=0.5\nepoch 1: loss=nope") == [(3, 0.5)]
    assert reports(r"(?P<value>\S+) at (?P<step>\S+)", "0.5 at 7, 1 at 1.5") == [(None, 0.5), (None, 1.0)]
    assert reports(r"(?P<step>\d+) (\S+)", "7 0.5") == [(7, 0.5)]
    assert reports("loss=", "loss=0.5") == reports(r"(val_)?loss=(\S+)", "loss=0.5") == [(None, 0.5)]


@pytest.mark.parametrize(
    ("line", "loss"),
    [
        ("loss 0.5, see info", 0.5), ("finance 0.5 banana, nan-free", 0.5), ("best 0.5 (resnet50)", 0.5), ("0.5s", 0.5),
        ("\x1b[31mloss: 0.5\x1b[0m", 0.5), ("loss: 0.5\r", 0.5), ("v1.2.3: -.5", -0.5), ("loss -inf", -math.inf),
        ("loss 0.5 at 2024-11-05 12:30, 3/10", 0.5), ("\u22120.5", -0.5), ("0.25,0.5", 0.5),
    ],
)  # fmt: skip
def test_the_last_number_of_a_line_is_no_part_of_a_word_or_of_a_colour(line: str, loss: float, tmp_path: Path) -> None:
    run = CommandRun(words=["printf", "%s\n", line], folder=tmp_path, environment={})
    run.run()
    assert LossSource.of("last-line").find(run) == {"loss": loss}


@pytest.mark.parametrize("line", ["3,5", "loss 1,234.5", "1_000", "0x1F", "epoch 3/10", "2024-11-05"])
def test_a_part_of_a_number_is_no_loss(line: str, tmp_path: Path) -> None:
    run = CommandRun(words=["printf", "%s\n", line], folder=tmp_path, environment={})
    run.run()
    with pytest.raises(CommandFailed, match=r"no number|two ways"):
        LossSource.of("last-line").find(run)
    assert numbers("loss=", "loss=3,5 loss=1_000 loss=0x1F loss=0.5,0.25") == [0.5]


def test_a_loss_is_found_before_much_else_that_is_printed_and_the_output_stays_short(tmp_path: Path) -> None:
    run = CommandRun(
        words=["sh", "-c", "echo loss=2; seq 50000; head -c 300000 /dev/zero"], folder=tmp_path, environment={}
    )
    run.run()
    assert LossSource.of("loss=").find(run) == {"loss": 2}
    assert len(run.output) <= KEPT_BYTES
    assert run.printed_bytes > 500_000


def test_what_a_command_leaves_behind_in_the_background_is_not_waited_for(tmp_path: Path) -> None:
    left = CommandRun(words=["sh", "-c", "sleep 600 & echo 7"], folder=tmp_path, environment={})
    left.run()
    assert (left.status, left.stdout) == (0, "7\n")


def test_a_command_that_a_signal_ended_says_which(tmp_path: Path) -> None:
    killed = CommandRun(words=["sh", "-c", "kill -9 $$"], folder=tmp_path, environment={})
    killed.run()
    with pytest.raises(CommandFailed, match="it was ended by SIGKILL"):
        LossSource.of("status").find(killed)


def test_what_the_shell_means_by_braces_behind_a_dollar_stays() -> None:
    line = CommandLine(("echo ${HOME:-/} ${x} {x:int(1, 2)}",))
    assert line.filled({"x": 1}) == ["echo ${HOME:-/} ${x} 1"]


@pytest.mark.parametrize("wrong", ["loss=(", "", "x*"])
def test_a_pattern_that_finds_nothing_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidValue, match="regular expression"):
        LossSource.of(wrong)
