"""The program `parley`: its commands, and the help that teaches them."""

import typer

from pipeline.cli import (
    asyncapi,
    audit,
    dead,
    engine,
    export,
    feedback,
    intents,
    log,
    looking,
    persona,
    prompts,
    replay,
    report,
    running,
    stopping,
    token,
    trace,
    turns,
)

app = typer.Typer(
    name="parley",
    help="A voice assistant made of independent workers on a message bus, each of whose steps is kept.\n\n"
    'Begin with `parley up` in one terminal and `parley say "hello"` in another; `parley doctor` says what is missing.',
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command()(running.up)
app.command()(running.stage)
app.command()(running.gateway)
app.command()(turns.say)
app.command()(turns.hear)
app.command()(stopping.stop_turn)
app.command()(feedback.feedback)
app.command()(intents.classify)
app.command()(looking.topology)
app.command()(asyncapi.asyncapi)
app.command()(looking.status)
app.command()(looking.metrics)
app.command()(looking.doctor)
app.command()(trace.trace)
app.command()(report.report)
app.command()(token.token)
app.command()(audit.audit)
app.add_typer(log.app, name="log")
app.add_typer(export.app, name="export")
app.add_typer(replay.app, name="replay")
app.add_typer(persona.app, name="persona")
app.add_typer(engine.app, name="engine")
app.add_typer(dead.app, name="dead")
app.add_typer(intents.app, name="intents")
app.add_typer(prompts.app, name="prompts")


def main() -> None:
    """The console entry."""
    app()
