"""`holdfast inbox`, `approve`, `reject`, `answer`, `resume`: calls that wait for somebody, and what comes of them."""

# pyright: basic
# (arguments and answers are whatever a user has)

from __future__ import annotations

import getpass
import json
from collections.abc import Callable
from typing import Any

import click
from rich.text import Text
from rich.tree import Tree

import holdfast
from holdfast.agents.continuation import CallPart, FramePart
from holdfast.agents.handing import continuation_of
from holdfast.cli import render
from holdfast.cli.grid import Grid
from holdfast.cli.jsontext import plain, print_json, print_json_list
from holdfast.cli.run_commands import named_in, value_of
from holdfast.cli.surface import reports, store_option
from holdfast.errors import InvalidValue, NotFound

ARGS_SHOWN = 200

by_option = click.option(
    "--by", metavar="NAME", default=getpass.getuser, show_default="who is logged in", help="Who decides."
)


@click.command(short_help="List the calls that wait for somebody.")
@click.argument("call_id", metavar="[CALL]", required=False)
@click.option("--approver", metavar="NAME", help="Those on which NAME may decide.")
@click.option("--run", "run_id", metavar="RUN", help="Those of one run.")
@store_option
@reports
def inbox(call_id: str | None, approver: str | None, run_id: str | None, url: str, *, as_json: bool) -> None:
    """List the calls of all runs that wait for a decision; with CALL show that one, decided or not."""
    with holdfast.connect(url, create=False) as db:
        if call_id is not None:
            _print_call(db.inbox.get(call_id), as_json=as_json)
            return
        found = db.inbox(approver=approver, run_id=run_id)
        if as_json:
            print_json_list(told(call) for call in found)
            return
    if not found:
        click.echo("nothing waits")
        return
    table = Grid("call", "run", "what", "state", "who", "expires", "message")
    for call in found:
        state = "in doubt" if call.state == "in_doubt" else call.kind
        expires = "" if call.expires_at is None else render.moment(call.expires_at)
        table.add_row(
            call.id, call.run_id, _called(call), state, ", ".join(call.approvers) or "anybody", expires, call.message
        )
    for column in (0, 1, 3):
        table.keep_whole(column)
    table.print(render.console())


def told(call: holdfast.InboxCall) -> dict[str, Any]:
    """Return a call as JSON values."""
    hidden = ("decide", "seen")
    shown = {name: getattr(call, name) for name in call.__slots__ if name not in hidden}
    decided = call.decided
    said = None if decided is None else {name: plain(getattr(decided, name)) for name in decided.__slots__}
    return {**{name: plain(value) for name, value in shown.items()}, "decided": said}


def _called(call: holdfast.InboxCall) -> str:
    """Return what is called, and with what, for people."""
    return f"{call.name}({_arguments(call.args)})"


def _arguments(args: Any) -> str:  # noqa: ANN401
    if not isinstance(args, dict):
        return str(args)
    shown = ", ".join(f"{name}={json.dumps(plain(value), ensure_ascii=False)}" for name, value in args.items())
    return shown if len(shown) <= ARGS_SHOWN else f"{shown[:ARGS_SHOWN]}…"


def _print_call(call: holdfast.InboxCall, *, as_json: bool) -> None:
    if as_json:
        print_json(told(call))
        return
    lines = [
        f"call {call.id} of run {call.run_id}: {call.state.replace('_', ' ')}",
        f"  {_called(call)}",
        *([f"  asked by {' > '.join(filter(None, [call.agent, *call.path]))}"] if call.agent else []),
        *([f"  {call.message}"] if call.message else []),
        f"  asked at {render.moment(call.requested_at)} UTC"
        + (f", expires at {render.moment(call.expires_at)} UTC" if call.expires_at else ""),
        f"  {', '.join(call.approvers) or 'anybody'} may decide",
    ]
    if call.decided is not None:
        lines.append(f"  {_decision(call)}")
    if call.schema is not None and call.decided is None:
        lines.append(f"  what fits: {json.dumps(plain(call.schema))}")
    for line in lines:
        render.console().print(Text(render.printable(line)), soft_wrap=True)


def _decision(call: holdfast.InboxCall) -> str:
    """Return what was decided, by whom and when."""
    decided = call.decided
    if decided is None:
        return call.state.replace("_", " ")
    value = "" if decided.value is None else f" with {json.dumps(plain(decided.value), ensure_ascii=False)}"
    said = f": {decided.message}" if decided.message else ""
    forged = "" if decided.is_genuine is not False else " (NOT what was signed)"
    return f"{call.state} by {decided.by} at {render.moment(decided.at)} UTC{value}{said}{forged}"


def _decided(
    url: str, call_id: str, decide: Callable[[holdfast.InboxCall], holdfast.InboxCall], *, as_json: bool
) -> None:
    """Decide on a call, and say what became of it and of its run."""
    with holdfast.connect(url, create=False) as db:
        call = decide(db.inbox.get(call_id))
        status = db.run(call.run_id).status
    if as_json:
        print_json({**told(call), "run_status": status})
        return
    click.echo(render.printable(f"{_called(call)} is {_decision(call)}; run {call.run_id} is {status}"))


@click.command(short_help="Allow a call that waits.")
@click.argument("call_id", metavar="CALL")
@click.option("--args", "args", metavar="JSON", help="Arguments instead of those asked for: '{\"amount\": 50}'.")
@click.option("--message", metavar="TEXT", default="", help="What is kept with the decision.")
@by_option
@store_option
@reports
def approve(call_id: str, args: str | None, message: str, by: str, url: str, *, as_json: bool) -> None:
    """Allow CALL: its run goes on with it when a worker or `holdfast resume` takes it up."""
    given = value_of(args, "--args")
    _decided(url, call_id, lambda call: call.approve(by=by, args=given, message=message, via="cli"), as_json=as_json)


@click.command(short_help="Refuse a call that waits.")
@click.argument("call_id", metavar="CALL")
@click.argument("message", required=False, default="")
@by_option
@store_option
@reports
def reject(call_id: str, message: str, by: str, url: str, *, as_json: bool) -> None:
    """Refuse CALL: it is not made, and whoever asked for it is told MESSAGE, and goes on."""
    _decided(url, call_id, lambda call: call.reject(message, by=by, via="cli"), as_json=as_json)


@click.command(short_help="Answer a call that waits.")
@click.argument("call_id", metavar="CALL")
@click.argument("answer_text", metavar="[ANSWER]", required=False)
@click.option("--did-not-happen", is_flag=True, help="Of a call in doubt: it is to be made again.")
@by_option
@store_option
@reports
def answer(call_id: str, answer_text: str | None, by: str, url: str, *, did_not_happen: bool, as_json: bool) -> None:
    """Answer CALL with ANSWER: JSON, or else text. Of a call in doubt that is what it returned."""
    if did_not_happen and answer_text is not None:
        raise click.UsageError("a call that did not happen returned nothing; leave ANSWER away")

    def decide(call: holdfast.InboxCall) -> holdfast.InboxCall:
        is_doubt = call.kind == "doubt"
        if did_not_happen and not is_doubt:
            raise InvalidValue(f"call {call.id} of {call.name} is not in doubt; answer it with ANSWER")
        given = None if answer_text is None else _json_or_text(answer_text)
        found: holdfast.InboxCall = call.answer(
            (None if did_not_happen else holdfast.Happened(given)) if is_doubt else given, by=by, via="cli"
        )
        return found

    _decided(url, call_id, decide, as_json=as_json)


def _json_or_text(text: str) -> Any:  # noqa: ANN401
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


@click.command(short_help="Go on with a run of an agent.")
@click.argument("agent", metavar="MODULE:AGENT")
@click.argument("run_id", metavar="RUN")
@store_option
@reports
def resume(agent: str, run_id: str, url: str, *, as_json: bool) -> None:
    """Go on with RUN by the agent of a Python module, until it is complete, or waits again."""
    found = named_in(agent)[0][1]
    if not isinstance(found, holdfast.Agent):
        raise InvalidValue(f"{agent!r} is no Agent; `holdfast worker` works on the runs of functions")
    with holdfast.connect(url, create=False) as db:
        came = found.resume(db, run_id)
        if as_json:
            print_json(_outcome(came))
        elif isinstance(came, holdfast.Done):
            click.echo(render.printable(str(came.output), keep="\n"))
        else:
            click.echo(render.printable(f"run {run_id} waits for {came.why}"))


def _outcome(came: holdfast.Done | holdfast.Suspended) -> dict[str, Any]:
    if isinstance(came, holdfast.Done):
        return {"run_id": came.run_id, "status": "complete", "output": plain(came.output)}
    return {"run_id": came.run_id, "status": "suspended", "why": came.why, "calls": [told(call) for call in came.calls]}


def print_frames(db: holdfast.Store, run_id: str, *, as_json: bool) -> None:
    """Print a run as a tree: its agents, each with the calls of the turn that is not over. Raises NotFound."""
    info = db.run(run_id).info
    known = {call.id: call for call in db.inbox.of_run(run_id)}
    try:
        root = continuation_of(db.run(run_id).loop.place, run_id).root if info.status != "complete" else None
    except NotFound:
        root = None
    if as_json:
        print_json({"run": info, "calls": [told(call) for call in known.values()]})
        return
    told_why = {"suspended": f": waits for {info.why}", "failed": f": {info.why}"}
    why = told_why.get(info.status, "")
    tree = Tree(Text(render.printable(f"run {run_id} is {info.status}{why}")))
    if root is not None:
        _add_frame(tree, root, known)
    else:
        for call in known.values():
            tree.add(Text(render.printable(f"{_called(call)}  call {call.id}: {_decision(call)}")))
    render.console().print(tree)


def _add_frame(tree: Tree, frame: FramePart, known: dict[str, holdfast.InboxCall]) -> None:
    history = frame.history
    turns = f"{render.count(history.turns, 'turn')}, {render.count(history.count, 'message')}"
    mine = tree.add(Text(render.printable(f"{frame.agent.get('name', '')} ({frame.agent.get('model', '')}): {turns}")))
    for call in frame.calls:
        branch = mine.add(Text(render.printable(_part(call, known.get(call.inbox)))))
        if call.child is not None:
            _add_frame(branch, call.child, known)


def _part(part: CallPart, call: holdfast.InboxCall | None) -> str:
    """Return what is known of a call of a turn, for people."""
    if call is not None:
        state = _decision(call) if call.decided is not None else f"{call.kind}, {call.state.replace('_', ' ')}"
        return f"{_called(call)}  call {call.id}: {state}"
    result = "" if part.result is None else f": {part.result[:ARGS_SHOWN]}"
    return f"{part.name}  {part.state}{result}"
