"""What the server's tools return."""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import TypedDict

from mcp_servers import jobs
from mcp_servers.foundations.stages import Prediction, Stage

Method = Literal["greedy", "beam"]


class Started(TypedDict):
    """A job that trains `name`; `status` as in `job`."""

    job: str
    name: str
    status: jobs.Status


class Candidate(TypedDict):
    """One translation; `score` is the log probability by the length penalty; 0 is certain."""

    text: str
    log_probability: float
    score: float


class Translation(TypedDict):
    """`candidates` has the best first; `unknown` are words that training never showed."""

    source: str
    translation: str
    candidates: list[Candidate]
    method: Method
    tokens: list[str]
    unknown: list[str]
    translator: str
    notes: list[str]


class Explanation(TypedDict):
    """The stages of one attention layer and head; `picture` is the path of the heat map.

    `trained` is false where a small seeded model stood in; `markdown` tells it all as a text.
    """

    source: str
    target: str
    translator: str
    trained: bool
    attention: str
    layer: int
    head: int
    sizes: dict[str, int]
    stages: list[Stage]
    predictions: list[Prediction]
    picture: str
    markdown: str
    notes: list[str]


class Neighbour(TypedDict):
    """A word, its cosine to what was asked for (-1 to 1), and how often the texts have it."""

    word: str
    similarity: float
    count: int


class Nearest(TypedDict):
    """`word` is what was looked up, `composed` whether its vector came from n-grams alone."""

    word: str
    composed: bool
    neighbours: list[Neighbour]
    model: str
    notes: list[str]


class Analogy(TypedDict):
    """a is to b as c is to the first of `answers`: the words nearest to b - a + c."""

    question: str
    answers: list[Neighbour]
    model: str
    notes: list[str]


class Point(TypedDict):
    """A word's place; `group` is the word whose neighbour it is, or the word itself."""

    word: str
    x: float
    y: float
    group: str


class Plot(TypedDict):
    """`picture` is the path of a PNG; `method` is how the places were found."""

    model: str
    method: str
    points: list[Point]
    picture: str
    notes: list[str]


class Model(TypedDict):
    """A trained model; `about` holds its data, sizes and figures."""

    name: str
    kind: Literal["translator", "words"]
    folder: str
    about: dict[str, Any]


class Removed(TypedDict):
    """A model that is no longer there."""

    removed: str
    kind: str
