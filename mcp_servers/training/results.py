"""What the training server's tools answer, as types that models and clients read."""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import TypedDict

from mcp_servers.jobs import Status


class RunState(TypedDict):
    """A run, or a job that works on one, as it stands. Figures that do not exist yet are null.

    `name` is what the result is called, `run` the job's id. Seconds are of wall time, without
    pauses.
    """

    run: str
    name: str
    kind: Literal["train", "evaluate", "merge", "export", "push"]
    status: Status
    message: str
    base: str
    method: str
    data: list[str]
    step: int
    steps: int
    epoch: float | None
    loss: float | None
    eval_loss: float | None
    learning_rate: float | None
    tokens_per_second: float | None
    seconds: float
    seconds_left: float | None
    result: dict[str, Any] | None
    error: str | None
    folder: str


class Logs(TypedDict):
    """The last lines of a run's log."""

    run: str
    lines: list[str]


class Curve(TypedDict):
    """The curve of a run: a PNG, the same in characters for a terminal, and its figures."""

    run: str
    picture: str
    terminal: str
    steps: list[int]
    loss: list[float]
    eval_steps: list[int]
    eval_loss: list[float]


class RunRow(TypedDict):
    """One run among those compared; `settings` are those in which they differ."""

    run: str
    name: str
    status: Status
    base: str
    method: str
    steps: int
    loss: float | None
    eval_loss: float | None
    perplexity: float | None
    tokens_per_second: float | None
    seconds: float
    settings: dict[str, Any]


class Comparison(TypedDict):
    """Several runs side by side; `same_data` says whether their losses can be compared."""

    runs: list[RunRow]
    table: str
    picture: str
    same_data: bool


class Sample(TypedDict):
    """One question answered before and after; `seen` rows were trained on."""

    question: str
    expected: str
    before: str
    after: str
    seen: bool
    token_f1_before: float
    token_f1_after: float


class Samples(TypedDict):
    """Answers before and after training, side by side."""

    run: str
    samples: list[Sample]


class Part(TypedDict):
    """One part of the memory that training takes, in bytes."""

    part: str
    bytes: int


class Estimate(TypedDict):
    """What a run would take here; `advice` says what to change where it does not fit."""

    base: str
    method: str
    parameters: int
    trainable: int
    memory: list[Part]
    memory_total: int
    memory_free: int
    device: str
    fits: bool
    rows: int
    tokens_per_step: int
    steps: int
    seconds: float
    probed: bool
    advice: list[str]


class Deleted(TypedDict):
    """What is gone."""

    run: str
    name: str
    folders: list[str]
