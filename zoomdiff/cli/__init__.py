"""The command line: `zoomdiff` and `python -m zoomdiff`, with one command for each thing that the library does."""

from collections.abc import Callable
from typing import Annotated

import typer

import zoomdiff
from zoomdiff.cli.large import export
from zoomdiff.cli.model import split, train
from zoomdiff.cli.place import context, open_app, realism
from zoomdiff.cli.weeks import generate, refine, reproduce
from zoomdiff.errors import ZoomDiffError

BAD_INPUT, INTERRUPTED = 2, 130  # exit codes
Command = tuple[Callable[..., None], str]  # with its summary in --help, where a longer one is cut off
COMMANDS: dict[str, Command] = {  # in the order of --help
    "generate": (generate, "Generate a week of traffic of a region."),
    "export": (export, "Write a week of any size, or a part, in other formats."),
    "reproduce": (reproduce, "Make the week of a file or a store again."),
    "refine": (refine, "Refine known or measured traffic."),
    "context": (context, "Write what the model knows of a region."),
    "train": (train, "Train or fine-tune the model."),
    "split": (split, "Set ground for testing apart."),
    "realism": (realism, "Compare traffic with open measurements."),
    "app": (open_app, "Open the app in a browser."),
}

app = typer.Typer(
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,  # importing rich takes longer than all else that --help does
    no_args_is_help=True,
    context_settings={"max_content_width": 120},
    help=zoomdiff.__doc__,
)
for name, (command, summary) in COMMANDS.items():
    app.command(name, short_help=summary)(command)


@app.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", help="Print the version.", is_eager=True)] = False,
) -> None:
    if version:
        typer.echo(f"zoomdiff {zoomdiff.__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line; bad input ends it with one sentence and exit code 2, Ctrl-C with one and 130."""
    try:
        app()
        return
    except ZoomDiffError as error:
        typer.echo(f"Error: {error}", err=True)
        raise SystemExit(BAD_INPUT) from error
    except SystemExit as left:
        if left.code != INTERRUPTED:
            raise
    # Here the command's frames are gone, and with them its progress bars, which have ended their lines.
    typer.echo("Interrupted: what was not finished is not written.", err=True)
    raise SystemExit(INTERRUPTED)
