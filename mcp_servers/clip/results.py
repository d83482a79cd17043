"""What the server's tools return."""

from __future__ import annotations

from typing_extensions import TypedDict

from mcp_servers import jobs


class Unusable(TypedDict):
    """A file that is no picture for the model, and why."""

    picture: str
    reason: str


class Row(TypedDict):
    """A picture against every text, in the order of `texts`; `best` is the likeliest text."""

    picture: str
    cosines: list[float]
    logits: list[float]
    probabilities: list[float]
    best: str


class Similarity(TypedDict):
    """Cosines; logits, which are `logit_scale` * cosine; and their softmax over the texts.

    So a picture's probabilities add up to 1 even where no text fits (`probabilities_mean` says
    so): the cosine tells whether one does. `markdown` is the table of cosines and probabilities.
    """

    model: str
    texts: list[str]
    logit_scale: float
    probabilities_mean: str
    rows: list[Row]
    skipped: list[Unusable]
    markdown: str
    notes: list[str]


class Label(TypedDict):
    """A label, how likely it is among all, and its cosine with the picture."""

    label: str
    probability: float
    cosine: float


class Classified(TypedDict):
    """A picture's labels, likeliest first; `label` is the first of them."""

    picture: str
    label: str
    labels: list[Label]


class Classification(TypedDict):
    """Labels of pictures without training; `templates` are the sentences that labels stood in."""

    model: str
    templates: list[str]
    pictures: list[Classified]
    skipped: list[Unusable]
    markdown: str
    notes: list[str]


class Found(TypedDict):
    """A picture of an index; `score` is a cosine, `copies` other files of the same bytes."""

    picture: str
    score: float
    copies: list[str]


class PicturesFound(TypedDict):
    """Pictures for a text or a picture, best first."""

    index: str
    model: str
    query: str
    results: list[Found]
    pictures: int
    notes: list[str]


class TextFound(TypedDict):
    """A text and its cosine with the picture."""

    text: str
    score: float


class TextsFound(TypedDict):
    """Texts for a picture, best first, of so many."""

    model: str
    picture: str
    results: list[TextFound]
    texts: int
    notes: list[str]


class Group(TypedDict):
    """Files that show the same.

    `similarity` is the lowest cosine with the first file, 1 for equal bytes.
    """

    files: list[str]
    exact: bool
    similarity: float


class Duplicates(TypedDict):
    """Groups of files that are equal (by their bytes), or nearly so (by cosine)."""

    index: str
    threshold: float
    exact: int
    near: int
    groups: list[Group]
    notes: list[str]


class Listing(TypedDict):
    """What an index holds: files, and those that could not be opened."""

    index: str
    model: str
    folders: list[str]
    pictures: list[str]
    total: int
    unusable: list[Unusable]


class Index(TypedDict):
    """An index of pictures: files, different pictures, the model whose vectors it holds."""

    index: str
    model: str
    files: int
    pictures: int
    unusable: int
    dimension: int
    bytes: int
    folders: list[str]


class Started(TypedDict):
    """A job that was started; ask job about it."""

    job: str
    name: str
    status: jobs.Status
    notes: list[str]


class Removed(TypedDict):
    """An index that is gone."""

    index: str
