"""Several processes for one run, by `accelerate launch` (chapters 8.4 to 8.7).

8.4.1's DataParallel is left out: PyTorch itself advises DistributedDataParallel even on one
machine. 8.6's `default_auto_wrap_policy` is gone from PyTorch; accelerate wraps each layer.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from mcp_servers.torch_runtime import threads
from mcp_servers.training.methods import precision
from mcp_servers.training.settings import Settings


def wanted(settings: Settings) -> bool:
    """Whether the run needs a launcher and does not run under it yet."""
    several = settings.processes > 1 or settings.strategy in ("fsdp", "deepspeed")
    return several and not launched()


def launched() -> bool:
    """Whether this process is one of several that the launcher started."""
    return "RANK" in os.environ


def command(folder: Path, module: str, settings: Settings) -> list[str]:
    """`accelerate launch ... -m module folder`."""
    number = precision(settings)
    words = [
        sys.executable,
        "-m",
        "accelerate.commands.launch",
        f"--num_processes={settings.processes}",
        "--num_machines=1",
        f"--mixed_precision={'no' if number == 'fp32' else number}",
        "--dynamo_backend=no",
        f"--main_process_port={_free_port()}",
        f"--num_cpu_threads_per_process={max(1, threads() // settings.processes)}",
    ]
    if settings.strategy == "fsdp":
        words += [
            "--use_fsdp",
            "--fsdp_version=2",
            "--fsdp_auto_wrap_policy=TRANSFORMER_BASED_WRAP",
            "--fsdp_state_dict_type=FULL_STATE_DICT",
        ]
    elif settings.strategy == "deepspeed":
        words += ["--use_deepspeed", f"--zero_stage={settings.zero_stage}"]
    else:
        # This starts plain torchrun. `--cpu` would want MPI; on a machine without a GPU the
        # trainer's own `use_cpu` makes the processes talk over gloo.
        words += ["--multi_gpu"]
    return [*words, "-m", module, str(folder)]


def become_launcher(folder: Path, module: str, settings: Settings) -> None:
    """Turn this process into the launcher, which keeps its id: whoever watches the job sees it."""
    words = command(folder, module, settings)
    sys.stdout.flush()
    os.execv(words[0], words)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port
