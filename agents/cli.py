"""The command line. Each command is a module of its own, imported when it is used."""

from __future__ import annotations

import importlib
import io
import sys

import click

from agents.errors import ApprovalNeeded, DureError, UsageError

_COMMANDS = {
    "chat": "Talk with Dure in the terminal.",
    "ask": "Ask once and print the answer.",
    "search": "Find passages of your documents, and why they were found.",
    "call": "Call one tool directly and print its result.",
    "tools": "List the tools of every server.",
    "dataset": "Make training data from your documents.",
    "train": "Fine-tune a model on your rows; follow and judge the run.",
    "models": "List the chat models and which one would answer.",
    "doctor": "Check the installation and say how to mend it.",
    "mcp": "Serve the engines to MCP clients; install into Claude or Cursor.",
    "eval": "Measure again what the README says of Dure.",
}


class _LazyGroup(click.Group):
    """Lists its commands without importing them: `dure --help` must be quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"agents.commands.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="dure", prog_name="dure")
def cli() -> None:
    """Dure (두레): a multi-agent system that runs on your own machine, in Korean and English.

    \b
    Start here:
      dure chat                                   talk; /help shows what it can do
      dure ask "TP 40, FP 5, FN 5일 때 F1은?"       one answer, one exit status
      dure call regex.findall pattern='\\d+' text='a1 b22'
      dure train start faq.csv                    fine-tune on your own rows
      dure mcp install claude                     its tools in Claude Desktop

    \b
    Settings come from flags, DURE_* variables or config.toml in the Dure folder
    (DURE_HOME says where). Results go to standard output, everything else to
    standard error. Exit status: 0 answered, 1 failed, 2 wrong usage,
    3 approval needed and not given.
    """


def main() -> None:
    """Entry point: a failure that the user can mend is one line, never a traceback."""
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # a stray byte in a piped log is no reason to fail
    try:
        status = cli.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        click.echo("dure: interrupted", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.exit(141)
    except ApprovalNeeded as error:
        _fail(error, 3)
    except UsageError as error:
        _fail(error, 2)
    except DureError as error:
        _fail(error, 1)
    sys.exit(status if isinstance(status, int) else 0)


def _fail(error: DureError, status: int) -> None:
    click.echo(f"dure: {error}", err=True)
    sys.exit(status)


if __name__ == "__main__":
    main()
