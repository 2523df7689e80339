"""The commands of `armlift policy` that show what was learned, and choose what answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import click
from rich.table import Table

from engine.commands import actor_option, experiment_argument, reason_option, server_option
from engine.commands.telling import in_a_line, moment, show
from engine.errors import InvalidRequest, SnapshotRefused, UnknownExperiment
from engine.experiments import Experiment, ExperimentState
from engine.learned import Learned, Summary, shown, summarised
from engine.on_average import OnAverage, cases_of, on_average
from engine.policies import LearningPolicy
from engine.ports import Reader
from engine.records import Snapshot
from engine.service.management import Management
from engine.snapshots import verify
from engine.storage import open_reader, open_snapshots

_N_VARIANTS = 20
"""So many variants are shown, those of the highest predictions."""

hash_argument = click.argument("snapshot", metavar="HASH")
shadow_option = click.option("--shadow", "is_shadow", is_flag=True, help="Of the shadow policy.")


@click.command("list")
@experiment_argument
@shadow_option
@click.option("--log", type=click.Path(path_type=Path), help="A store's directory: reads the files alone.")
@server_option
def list_snapshots(experiment: str, is_shadow: bool, log: Path | None, server: str) -> None:
    """List the latest ten snapshots of what an experiment's policy learned, and say which one answers.

    \b
    Examples:
      armlift policy list home-offer
      armlift policy list home-offer --log armlift-store
    """
    found = _from_files(experiment, is_shadow, log) if log else _from_server(experiment, is_shadow, server)
    state, summaries = found
    table = Table("snapshot", "", "rewards", "warm", "learned to", "epoch", "on top of", "bytes", "by", box=None)
    for each in summaries:
        counts = f"{each.n_rewards:,}", f"{each.n_warm:,}", moment(each.learned_to) if each.learned_to else "-"
        place = str(each.epoch), shown(each.parent), f"{each.n_bytes:,}", each.library
        table.add_row(shown(each.hash), "live" if each.is_live else "", *counts, *place)
    show(table, "nothing is learned yet")
    if state.pinned and not is_shadow:
        click.echo(f"pinned to {shown(state.snapshot)} until: armlift policy follow {experiment} --reason ...")


@click.command("show")
@experiment_argument
@click.argument("snapshot", metavar="[HASH]", default="")
@shadow_option
@click.option("--log", required=True, type=click.Path(path_type=Path), help="The directory of a store.")
def show_snapshot(experiment: str, snapshot: str, is_shadow: bool, log: Path) -> None:
    """Show what a snapshot learned from, and on average over the log's latest draws what it predicts and why.

    Without a hash it is the one that answers now.

    \b
    Examples:
      armlift policy show home-offer --log armlift-store
      armlift policy show home-offer 3fa1c2 --log armlift-store
    """
    with _opened(log) as (reader, learned):
        state = _state(reader, experiment, log)
        found = learned.named(state, snapshot or _live(state, is_shadow))
        _say_what(summarised(found, state), state)
        served = state.experiment.shadowed if found.is_shadow else state.experiment
        if served is not None:
            _say_averages(reader, served, found)


@click.command()
@experiment_argument
@hash_argument
@server_option
@actor_option
@reason_option
def rollback(experiment: str, snapshot: str, server: str, actor: str, reason: str) -> None:
    """Let an earlier snapshot answer, and go on to, while the policy learns: six digits of its hash will do.

    \b
    Example:
      armlift policy rollback home-offer 3fa1c2 --reason "the new one sells less"
    """
    with Management(server, actor) as management:
        pinned = management.pin(experiment, snapshot, reason)
    click.echo(f"{experiment} answers by {_said(pinned)}, whatever is learned")
    click.echo(f"go on with: armlift policy follow {experiment} --reason ...")


@click.command()
@experiment_argument
@server_option
@actor_option
@reason_option
def follow(experiment: str, server: str, actor: str, reason: str) -> None:
    """Let the newest snapshot answer, and each newer one from now on.

    \b
    Example:
      armlift policy follow home-offer --reason "mended"
    """
    with Management(server, actor) as management:
        newest = management.unpin(experiment, reason)
    click.echo(f"{experiment} answers by {_said(newest) if newest else 'nothing learned'}, and by each newer snapshot")


def _from_server(experiment: str, is_shadow: bool, server: str) -> tuple[ExperimentState, list[Summary]]:
    with Management(server, "") as management:
        return management.get(experiment), management.snapshots(experiment, is_shadow=is_shadow)


def _from_files(experiment: str, is_shadow: bool, log: Path) -> tuple[ExperimentState, list[Summary]]:
    with _opened(log) as (reader, learned):
        state = _state(reader, experiment, log)
        return state, [summarised(each, state) for each in learned.listed(state, is_shadow=is_shadow)]


@contextmanager
def _opened(log: Path) -> Iterator[tuple[Reader, Learned]]:
    with closing(open_reader(log)) as reader, closing(open_snapshots(log)) as snapshots:
        yield reader, Learned(snapshots, reader)


def _state(reader: Reader, experiment: str, log: Path) -> ExperimentState:
    state = reader.state(experiment)
    if state is None:
        raise UnknownExperiment(f"there is no experiment {experiment!r} in {log}: check its name")
    return state


def _live(state: ExperimentState, is_shadow: bool) -> str:
    live = state.shadow_snapshot if is_shadow else state.snapshot
    if not live:
        raise InvalidRequest(f"nothing that {state.experiment.experiment_id!r} learned answers yet: name a snapshot")
    return live


def _said(summary: Summary) -> str:
    return f"{shown(summary.hash)} ({', then '.join(_lessons(summary))})"


def _lessons(summary: Summary) -> Iterator[str]:
    if summary.n_warm:
        yield f"{summary.n_warm:,} warm lessons"
    if summary.learned_to:
        yield f"{summary.n_rewards:,} rewards until {moment(summary.learned_to)}"


def _say_what(summary: Summary, state: ExperimentState) -> None:
    standing = f"live{' and pinned' if state.pinned else ''}" if summary.is_live else "not live"
    _line("snapshot", f"{summary.hash}, {standing}")
    _line("learned from", ", then ".join(_lessons(summary)))
    _line("on top of", f"{shown(summary.parent)}, epoch {summary.epoch}")
    _line("written by", f"{summary.library}, {summary.n_bytes:,} bytes")
    _line("configured", " ".join(summary.arguments))


def _line(name: str, finding: str) -> None:
    click.echo(f"{name + ':':14}{finding}")


def _say_averages(reader: Reader, experiment: Experiment, snapshot: Snapshot) -> None:
    try:
        policy = verify(snapshot, experiment)
    except SnapshotRefused as refused:
        _line("predicts", f"nothing any more: {refused}")
        return
    assert isinstance(policy, LearningPolicy), "verified, a snapshot is of a policy that learns"
    averages = on_average(policy, cases_of(reader, experiment, snapshot))
    click.echo(f"\npredicted on average over {averages.n:,} context{'s' if averages.n > 1 else ''}:")
    show(_predictions(averages), "nothing")
    if averages.sizes:
        click.echo("\nfields of the context that move it, up or down:")
        show(_reasons(averages), "nothing")


def _predictions(averages: OnAverage) -> Table:
    table = Table("variant", "reward", box=None)
    for name in _by_size(averages.predicted)[:_N_VARIANTS]:
        table.add_row(in_a_line(name), f"{averages.predicted[name]:.4f}")
    return table


def _reasons(averages: OnAverage) -> Table:
    table = Table("field", "by", "most for", "most against", box=None)
    for field in _by_size(averages.sizes):
        moved = averages.because[field]
        names = _by_size(moved)
        table.add_row(field, f"{averages.sizes[field]:.4f}", _moved(moved, names[0], 1), _moved(moved, names[-1], -1))
    return table


def _moved(moved: Mapping[str, float], name: str, sign: int) -> str:
    return f"{in_a_line(name)} {moved[name]:+.4f}" if moved[name] * sign > 0 else "-"


def _by_size(numbers: Mapping[str, float]) -> list[str]:
    return sorted(numbers, key=lambda name: -numbers[name])


COMMANDS: Mapping[str, click.Command] = {
    "list": list_snapshots,
    "show": show_snapshot,
    "rollback": rollback,
    "follow": follow,
}
