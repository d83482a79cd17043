"""Train the embedded picture models: `python -m mcp_servers.drawings.train clip|vae|diffusion`.

The diffusion model needs the other two in the same --out first, also to go on from another one.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mcp_servers.drawings.learning import Report

_SEED = 65
_EVERY = 10.0  # seconds between two lines of progress
_STEPS = {"clip": 2500, "vae": 5000, "diffusion": 10_000}
_BATCH = {"clip": 128, "vae": 16, "diffusion": 32}


def main(arguments: list[str] | None = None) -> None:
    """Train one model and write its folder."""
    parser = argparse.ArgumentParser(prog="train", description=__doc__)
    parser.add_argument("model", choices=[*_STEPS])
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(__file__).with_name("models"),
        help="where the models go; the packaged ones are replaced where nothing is given",
    )
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--scenes", type=int, default=60_000, help="drawings that diffusion learns")
    parser.add_argument(
        "--start", type=Path, help="a folder of such a model to go on from (of a vae, its decoder)"
    )
    parser.add_argument("--seed", type=int, default=_SEED)
    given = parser.parse_args(arguments)
    steps = given.steps or _STEPS[given.model]
    batch = given.batch or _BATCH[given.model]
    given.out.mkdir(parents=True, exist_ok=True)
    report = _reporter(time.monotonic())
    match given.model:
        case "clip":
            from mcp_servers.drawings import clip_learning

            clip_learning.train(given.out / "clip", given.start, steps, batch, given.seed, report)
        case "vae":
            from mcp_servers.drawings import vae_learning

            vae_learning.train(given.out / "vae", given.start, steps, batch, given.seed, report)
        case "diffusion":
            from mcp_servers.drawings import diffusion_learning

            diffusion_learning.train(
                given.out / "diffusion",
                diffusion_learning.Parts(given.out / "vae", given.out / "clip", given.start),
                steps,
                batch,
                given.scenes,
                given.seed,
                report,
            )


def _reporter(began: float) -> Report:
    """Writes a line of progress to standard error every ten seconds."""
    last = began

    def report(done: int, total: int, said: str) -> None:
        nonlocal last
        now = time.monotonic()
        if done == total or now - last >= _EVERY:
            last = now
            print(f"{done}/{total} in {now - began:.0f} s: {said}", file=sys.stderr, flush=True)

    return report


if __name__ == "__main__":
    main()
