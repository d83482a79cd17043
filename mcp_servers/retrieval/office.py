"""What an Office file really is, before its parser opens it."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import BinaryIO

from mcp_servers.retrieval.decoding import Unreadable

ZIP = b"PK\x03\x04"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"  # before 2007, and encrypted files since
_MAX_XML = 100_000_000  # bytes once unpacked; a tree of it takes ten times that
_MAX_UNPACKED = 1_000_000_000
_ENCRYPTED = "EncryptedPackage".encode("utf-16-le")
_MAIN_PARTS = {
    "word/document.xml": (".docx", "a Word file"),
    "ppt/presentation.xml": (".pptx", "a PowerPoint file"),
    "xl/workbook.xml": (".xlsx", "an Excel file"),
}
# What cannot be read, and what its own program can save it as.
SAVE_AS = {
    ".doc": ".docx",
    ".dot": ".docx",
    ".rtf": ".docx",
    ".odt": ".docx",
    ".hwp": ".docx or PDF",
    ".hwpx": ".docx or PDF",
    ".ppt": ".pptx",
    ".pps": ".pptx",
    ".odp": ".pptx",
    ".xls": ".csv",
    ".xlsx": ".csv",
    ".ods": ".csv",
}


def check_office(path: Path, suffix: str) -> None:
    """Raises `Unreadable` unless the file is, whole and unencrypted, what its suffix says.

    `suffix` is .docx or .pptx.
    """
    with path.open("rb") as file:
        start = file.read(8)
        if start == OLE:
            raise Unreadable(_old_or_encrypted(file, suffix))
    if not start.startswith(ZIP):
        name = "Word" if suffix == ".docx" else "PowerPoint"
        raise Unreadable(f"The file is no {name} file, whatever its name says. Check what it is.")
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise broken(error, suffix) from None
    _check_kind({member.filename for member in members}, suffix)
    unpacked = sum(member.file_size for member in members)
    xml = sum(m.file_size for m in members if m.filename.endswith((".xml", ".rels")))
    if xml > _MAX_XML or unpacked > _MAX_UNPACKED:
        raise Unreadable(
            f"The file unpacks to {unpacked / 1e6:,.0f} MB, which is too much. Split it."
        )


def broken(error: BaseException, suffix: str) -> Unreadable:
    """The reason for a file that its parser cannot take."""
    reason = str(error).rstrip(".") or type(error).__name__
    name = "Word" if suffix == ".docx" else "PowerPoint"
    return Unreadable(f"The {name} file is broken ({reason}). Open it and save it again.")


def under_another_name(start: bytes, path: Path) -> str | None:
    """Why a file that is read as text is none, if it is an Office file."""
    if start.startswith(OLE):
        return "The file is an old Office file. Save it as .docx, .pptx or .csv."
    if not start.startswith(ZIP):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            _check_kind(set(archive.namelist()), "")
    except Unreadable as reason:
        return str(reason)
    except (zipfile.BadZipFile, OSError, ValueError):
        pass
    return "The file is an archive, not a document. Unpack it and add the folder."


def _check_kind(names: set[str], suffix: str) -> None:
    for part, (own, what) in _MAIN_PARTS.items():
        if part in names:
            if own == suffix:
                return
            mend = f"Rename it to end in {own}." if own not in SAVE_AS else "Save it as .csv."
            raise Unreadable(f"The file is {what} under another name. {mend}")
    if suffix:
        raise Unreadable("The file is an archive, not an Office file. Check what it is.")


def _old_or_encrypted(file: BinaryIO, suffix: str) -> str:
    before = b""
    while block := file.read(1 << 20):
        if _ENCRYPTED in before[-64:] + block:
            return "The file is encrypted. Save a copy without its password."
        before = block
    return f"The file is in the format from before 2007 under another name. Save it as {suffix}."
