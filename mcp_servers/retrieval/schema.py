"""The tables of an index's database, and how older ones become today's."""

from __future__ import annotations

import sqlite3
import uuid

VERSION = 3  # of the schema; the first had neither paths nor chunking, the second no headings
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS documents (
    id INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT UNIQUE NOT NULL, title TEXT NOT NULL,
    sha256 TEXT NOT NULL, added TEXT NOT NULL, chunking TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS paths (
    path TEXT PRIMARY KEY, document INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
    folder TEXT);
CREATE TABLE IF NOT EXISTS pages (
    document INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
    number INTEGER, text TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS chunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document INTEGER NOT NULL REFERENCES documents ON DELETE CASCADE,
    page INTEGER, text TEXT NOT NULL, hash BLOB NOT NULL, heading TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS vectors (hash BLOB PRIMARY KEY, vector BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS pages_document ON pages (document, number);
CREATE INDEX IF NOT EXISTS chunks_document ON chunks (document);
CREATE INDEX IF NOT EXISTS chunks_hash ON chunks (hash);
CREATE INDEX IF NOT EXISTS paths_document ON paths (document);
CREATE INDEX IF NOT EXISTS documents_sha256 ON documents (sha256);
"""


def migrate(database: sqlite3.Connection) -> None:
    """Make the tables there are not, and bring older ones up to today's."""
    with database:
        database.execute("BEGIN IMMEDIATE")
        held = {
            table: {row[1] for row in database.execute(f"PRAGMA table_info({table})")}
            for table in ("documents", "chunks")
        }
        for table, column in (("documents", "chunking"), ("chunks", "heading")):
            if held[table] and column not in held[table]:
                database.execute(
                    f"ALTER TABLE {table} ADD COLUMN {column} TEXT NOT NULL DEFAULT ''"
                )
        for statement in _SCHEMA.split(";"):
            database.execute(statement)
        if held["documents"]:
            database.execute(
                "INSERT OR IGNORE INTO paths SELECT source, id, NULL FROM documents "
                "WHERE id NOT IN (SELECT document FROM paths)"
            )
        database.executemany(
            "INSERT OR IGNORE INTO meta VALUES (?, ?)", [("stamp", uuid.uuid4().hex), ("graph", "")]
        )
        database.execute(f"PRAGMA user_version = {VERSION}")
