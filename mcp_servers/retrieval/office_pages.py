"""Slides and Word pages as LibreOffice lays them out, where it is installed: a PDF of the file."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

from mcp_servers.home import dure_home
from mcp_servers.retrieval.decoding import Unreadable

_SECONDS = 180.0  # to start LibreOffice for the first time and lay out a long file
_KEPT = 20  # files laid out, the latest


def renderer() -> str | None:
    """LibreOffice's program, or None."""
    return shutil.which("soffice") or shutil.which("libreoffice")


def laid_out(path: Path, sha256: str) -> Path:
    """The file as a PDF, made once; `sha256` is that of its bytes. Raises `Unreadable`."""
    program = renderer()
    assert program is not None
    kept = dure_home() / "cache" / "pages"
    target = kept / f"{sha256}.pdf"
    if target.is_file():
        return target
    kept.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept) as aside:
        # A profile of its own: a LibreOffice that is open would take the file over.
        command = [program, f"-env:UserInstallation={Path(aside, 'profile').as_uri()}"]
        command += ["--headless", "--norestore", "--convert-to", "pdf", "--outdir", aside]
        copy = Path(aside, f"document{path.suffix.lower()}")
        shutil.copyfile(path, copy)
        try:
            done = subprocess.run(
                [*command, str(copy)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Unreadable(f"LibreOffice could not lay the file out ({error}).") from None
        made = copy.with_suffix(".pdf")
        if done.returncode or not made.is_file():
            said = done.stderr.decode("utf-8", "replace").strip()[:200]
            raise Unreadable(f"LibreOffice could not lay the file out ({said or 'no reason'}).")
        made.replace(target)
    for old in sorted(kept.glob("*.pdf"), key=lambda p: p.stat().st_mtime)[:-_KEPT]:
        old.unlink(missing_ok=True)
    return target
