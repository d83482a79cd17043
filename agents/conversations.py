"""Conversations on disk: LangGraph's SQLite checkpointer, and what the chat asks of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiosqlite
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver


@asynccontextmanager
async def open_conversations(home: Path) -> AsyncIterator[AsyncSqliteSaver]:
    """The checkpointer over `conversations.sqlite`. A step is on disk before the next begins."""
    async with aiosqlite.connect(home / "conversations.sqlite") as connection:
        await connection.execute("PRAGMA journal_mode=WAL")
        await connection.execute("PRAGMA synchronous=NORMAL")
        await connection.execute("PRAGMA busy_timeout=5000")
        saver = AsyncSqliteSaver(connection)
        await saver.setup()
        yield saver


async def names(saver: AsyncSqliteSaver) -> list[str]:
    """Conversation names, the latest used first. Checkpoint ids grow with time."""
    query = "SELECT thread_id FROM checkpoints GROUP BY thread_id ORDER BY MAX(checkpoint_id) DESC"
    async with saver.conn.execute(query) as cursor:
        return [str(row[0]) async for row in cursor]


async def prune(saver: AsyncSqliteSaver, thread: str, keep: int) -> None:
    """Keep a conversation's latest checkpoints; each holds the whole state, so none is missed."""
    old = (
        "SELECT checkpoint_id FROM checkpoints WHERE thread_id = :thread AND checkpoint_ns = '' "
        "ORDER BY checkpoint_id DESC LIMIT -1 OFFSET :keep"
    )
    values = {"thread": thread, "keep": keep}
    for table in ("writes", "checkpoints"):
        await saver.conn.execute(
            f"DELETE FROM {table} WHERE thread_id = :thread AND checkpoint_id IN ({old})", values
        )
        # Steps inside a specialist are only needed while its turn is under way.
        await saver.conn.execute(
            f"DELETE FROM {table} WHERE thread_id = :thread AND checkpoint_ns != ''", values
        )
    await saver.conn.commit()
