"""What training on pictures shares: drawings as tensors, and the step that an optimiser takes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from mcp_servers.drawings import painting
from mcp_servers.drawings.scenes import Scene
from mcp_servers.torch_runtime import torch

Report = Callable[[int, int, str], None]  # done, total, what it says
_WARM_UP, _LAST_RATE, _LONGEST_GRADIENT = 100, 0.02, 1.0


class Optimiser:
    """AdamW over so many steps, its rate by `_rate_at`, gradients clipped to a norm of 1.

    `taken` counts the steps; whoever restores `adam` from a checkpoint sets it too. Those of the
    learnt that are `matrices` (convolutions among them) go by Muon instead, at the same rate, and
    are not for checkpoints.
    """

    def __init__(
        self,
        learnt: Iterable[torch.nn.Parameter],
        rate: float,
        steps: int,
        weight_decay: float = 0.0,
        matrices: Iterable[torch.nn.Parameter] = (),
    ) -> None:
        self._learnt = list(learnt)
        self._rate, self._steps = rate, steps
        # Muon takes two dimensions only: of a kernel, a view as the matrix that it is.
        self._flat = {each: torch.nn.Parameter(each.data.flatten(1)) for each in matrices}
        rest = [each for each in self._learnt if each not in self._flat]
        self.adam = torch.optim.AdamW(rest, rate, weight_decay=weight_decay)
        self._optimisers: list[torch.optim.Optimizer] = [self.adam]
        if self._flat:
            muon = torch.optim.Muon(
                self._flat.values(), rate, weight_decay, adjust_lr_fn="match_rms_adamw"
            )
            self._optimisers.append(muon)
        self.taken = 0

    def step(self, loss: torch.Tensor) -> None:
        """Go one step down the loss's gradient."""
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._learnt, _LONGEST_GRADIENT)
        for each, flat in self._flat.items():
            flat.grad = None if each.grad is None else each.grad.flatten(1)
        for optimiser in self._optimisers:
            for group in optimiser.param_groups:
                group["lr"] = self._rate * _rate_at(self.taken, self._steps)
            optimiser.step()
        for each in self._learnt:
            each.grad = None
        self.taken += 1


def pixels(scenes: list[Scene]) -> torch.Tensor:
    """The drawings, shape (n, 3, 64, 64), from -1 to 1."""
    import numpy as np

    drawn = np.stack([np.asarray(painting.paint(scene)) for scene in scenes])
    return torch.from_numpy(drawn).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def _rate_at(step: int, steps: int) -> float:
    """The share of the learning rate at a step: a linear rise, then half a cosine down to 2%.

    It rises over 100 steps, over a fifth of them where they are few.
    """
    rise = min(_WARM_UP, max(1, steps // 5))
    if step < rise:
        return (step + 1) / rise
    done = (step - rise) / max(1, steps - rise)
    return _LAST_RATE + (1 - _LAST_RATE) * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))
