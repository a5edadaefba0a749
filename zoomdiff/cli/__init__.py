"""The command line: `zoomdiff` and `python -m zoomdiff`, with one command for each thing that the library does."""

import os
import sys
from collections.abc import Callable
from io import TextIOWrapper
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import zoomdiff
from zoomdiff.cli.large import export
from zoomdiff.cli.model import split, train
from zoomdiff.cli.place import context, open_app, realism
from zoomdiff.cli.weeks import generate, refine, reproduce
from zoomdiff.errors import OptionError, ZoomDiffError, printable

BAD_INPUT, INTERRUPTED = 2, 130  # exit codes
USAGE_ERROR: type[Exception] = typer.BadParameter.__bases__[0]  # click's, or that of the copy in newer typer
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


class Commands(TyperGroup):
    """The commands; what a usage error quotes of the command line cannot steer the terminal."""

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override]  # typer's class is a click.Context
        """Run a command."""
        try:
            return super().invoke(ctx)
        except USAGE_ERROR as error:
            error.message = printable(error.message)  # type: ignore[attr-defined]
            raise


app = typer.Typer(
    cls=Commands,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,  # importing rich takes longer than all else that --help does
    no_args_is_help=True,
    context_settings={"max_content_width": 120},
    help=zoomdiff.__doc__,
)
for name, (command, summary) in COMMANDS.items():
    app.command(name, short_help=summary)(command)


def _print_version(wanted: bool) -> None:
    """As a callback of the option, for the program's own one is not called where no command is named."""
    if wanted:
        typer.echo(f"zoomdiff {zoomdiff.__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """Options of the program itself."""


def _check_working_directory() -> None:
    """Raise OptionError where there is none: MKL ends the process in it, with words of its makers."""
    try:
        os.getcwd()
    except OSError as error:
        raise OptionError("The working directory is deleted or cannot be opened: change to another one.") from error


def main() -> None:
    """Run the command line; bad input ends it with one sentence and exit code 2, Ctrl-C with one and 130."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that is not in UTF-8
    try:
        _check_working_directory()
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
