"""Training sets made in a process of their own, which survives the chat that started it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid

from agents.datasets import JOB_LOG, Dataset, dataset_names, state_of
from graphs.language import Language
from graphs.training_requests import Wanted
from mcp_servers.home import dure_home
from prompts import say

_SHOWN = 5  # sets in an answer about how far they are


class DatasetJobs:
    """Starts `dure dataset make` detached. `spec` is the chat model that shall write."""

    def __init__(self, spec: str) -> None:
        self._spec = spec

    def start(self, wanted: Wanted) -> str:
        """Start a set under a new name and give the name; its output is in `JOB_LOG` there."""
        home = dure_home()
        name = time.strftime("%Y%m%d-%H%M%S-") + uuid.uuid4().hex[:4]
        folder = home / "datasets" / name
        folder.mkdir(parents=True)
        words = ["dataset", "make", "--name", name, "--model", self._spec]
        words += ["--limit", str(wanted.limit), "--kinds", ",".join(wanted.kinds)]
        if wanted.source:
            words += ["--source", wanted.source]
        if wanted.distractors:
            words += ["--distractors", str(wanted.distractors)]
        with (folder / JOB_LOG).open("ab") as log:
            subprocess.Popen(
                [sys.executable, "-P", "-m", "agents.cli", *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "DURE_HOME": str(home)},
            )
        return name

    def state(self, language: Language) -> str:
        """The latest sets, a line each."""
        home = dure_home()
        lines = [f"- {state_of(Dataset(home, name))}" for name in dataset_names(home)[:_SHOWN]]
        return "\n".join([say("training_sets", language), "", *lines]) if lines else ""
