"""A whole model as one GGUF file: tokenizer and template from its base's file, weights its own.

That needs a base whose GGUF is here, which every embedded one has. Of other models llama.cpp's
own scripts make a file, since each tokenizer needs its own reading there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp_servers import weights
from mcp_servers.errors import EngineError
from mcp_servers.home import write_atomically
from mcp_servers.training import bases, gguf_layout
from mcp_servers.training.gguf_layout import SCRIPTS, Layout

if TYPE_CHECKING:
    import gguf

    from mcp_servers.training.bases import Base

KINDS = ("f32", "f16", "bf16", "q8_0")
_RECORD = "gguf.json"


def convert_beside(folder: Path, kind: str = "f16", base: Base | None = None) -> Path:
    """`convert_model` to `<folder>.gguf`, and its record in the folder: from what it was made.

    By the record an adapter that was trained on the folder's weights knows the file as its base.
    """
    path = convert_model(folder, folder.with_name(f"{folder.name}.gguf"), kind, base)
    made = {"gguf_sha256": weights.sha256(path), "weights_sha256": bases.weights_hash(folder)}
    write_atomically(folder / _RECORD, json.dumps(made, indent=1))
    return path


def convert_model(folder: Path, out: Path, kind: str = "f16", base: Base | None = None) -> Path:
    """Write the model in a folder (safetensors) as one GGUF file, and return its path.

    `kind` is how matrices are stored; vectors stay float32. `base` is what it was made from, by
    default what the folder's passport names.
    Raises `EngineError` for an unknown kind, a folder without a passport or with other tokens
    than its base, an architecture that is not built in, and a full disk.
    """
    if kind not in KINDS:
        raise EngineError(f"There is no kind {kind!r}. Choose from: {', '.join(KINDS)}.")
    layout = gguf_layout.read(folder)
    source = _source(base or _base(folder), layout)
    aside = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _write(folder, aside, out.stem, kind, layout, source)
        aside.replace(out)
    except OSError as error:
        raise EngineError(
            f"{out} cannot be written ({error}). Free some space or name another place."
        ) from None
    finally:
        aside.unlink(missing_ok=True)
    return out


def _base(folder: Path) -> Base:
    try:
        passport = json.loads((folder / "passport.json").read_text(encoding="utf-8"))
        return bases.resolve(str(passport["base"]))
    except (OSError, ValueError, KeyError, TypeError):
        raise EngineError(
            f"{folder} has no passport that names its base, and tokenizers are copied from a "
            f"base's GGUF. Use {SCRIPTS}."
        ) from None


def _source(base: Base, layout: Layout) -> gguf.GGUFReader:
    """The GGUF of the base, checked to be of the same architecture."""
    import gguf

    if base.gguf is None:
        raise EngineError(
            f"The base {base.name} has no GGUF file to copy the tokenizer from. Use {SCRIPTS}."
        )
    source = gguf.GGUFReader(base.gguf)
    if source.fields["general.architecture"].contents() != layout.architecture:
        raise EngineError(
            f"The model is a {layout.architecture} and its base {base.name} is not. "
            "Name the base that it was made from."
        )
    return source


def _write(
    folder: Path, out: Path, name: str, kind: str, layout: Layout, source: gguf.GGUFReader
) -> None:
    import gguf
    import numpy as np

    with _tensors(folder) as tensors:
        plan = _plan(folder, tensors, layout, kind, source)
        writer = gguf.GGUFWriter(out, layout.architecture)
        _describe(writer, folder, name, kind, source)
        for tensor, (_, shape, stored) in plan.items():
            block, size = gguf.GGML_QUANT_SIZES[stored]
            nbytes = int(np.prod(shape)) // block * size
            writer.add_tensor_info(tensor, shape, np.dtype(np.float32), nbytes, stored)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for key, _, stored in plan.values():  # one at a time: a model may not fit twice
            module = key.removesuffix(".weight").removesuffix(".bias")
            values = layout.rows(module, tensors[key].get_tensor(key).float().numpy())
            writer.write_tensor_data(gguf.quantize(values, stored))
        writer.close()


def _describe(
    writer: gguf.GGUFWriter, folder: Path, name: str, kind: str, source: gguf.GGUFReader
) -> None:
    """The base's metadata, tokenizer included, under the model's own name and template."""
    import gguf

    template = folder / "chat_template.jinja"
    own = {gguf.Keys.General.ARCHITECTURE, gguf.Keys.General.NAME, gguf.Keys.General.FILE_TYPE}
    if template.is_file():
        own.add(gguf.Keys.Tokenizer.CHAT_TEMPLATE)
        writer.add_chat_template(template.read_text(encoding="utf-8"))
    for key, field in source.fields.items():
        if not key.startswith("GGUF.") and key not in own:
            inner = field.types[-1] if len(field.types) > 1 else None
            writer.add_key_value(key, field.contents(), field.types[0], inner)
    writer.add_name(name)
    stored = ("ALL_" if kind == "f32" else "MOSTLY_") + kind.upper()
    writer.add_file_type(gguf.LlamaFileType[stored])


def _plan(
    folder: Path, tensors: dict[str, Any], layout: Layout, kind: str, source: gguf.GGUFReader
) -> dict[str, tuple[str, tuple[int, ...], gguf.GGMLQuantizationType]]:
    """For each tensor of the file: the folder's name of it, its shape and how it is stored."""
    import gguf

    plan = {}
    for key, file in tensors.items():
        if key == "lm_head.weight" and layout.tied:
            continue
        module, _, what = key.rpartition(".")
        shape = tuple(file.get_slice(key).get_shape())
        stored = gguf.GGMLQuantizationType.F32
        if len(shape) > 1 and shape[-1] % gguf.GGML_QUANT_SIZES[_stored(kind)][0] == 0:
            stored = _stored(kind)
        plan[f"{layout.name(module)}.{what}"] = (key, shape, stored)
    wanted = {t.name: tuple(int(n) for n in reversed(t.shape)) for t in source.tensors}
    wrong = [name for name, (_, shape, _) in plan.items() if wanted.get(name) != shape]
    wrong += wanted.keys() - plan.keys() - {"output.weight"}  # absent where it is the embedding
    if wrong:
        raise EngineError(
            f"{folder} does not have the tensors of its base ({', '.join(sorted(wrong)[:3])}): "
            f"its tokens or layers were changed. Use {SCRIPTS}."
        )
    return plan


@contextmanager
def _tensors(folder: Path) -> Iterator[dict[str, Any]]:
    """Every tensor's name with the open safetensors file that holds it."""
    from mcp_servers.torch_runtime import torch as torch  # safetensors reads bfloat16 through it

    # isort: split
    from safetensors import SafetensorError, safe_open

    paths = sorted(folder.glob("model*.safetensors"))
    if not paths:
        raise EngineError(f"{folder} holds no safetensors weights. Name the folder of a model.")
    with ExitStack() as stack:
        try:
            files = [stack.enter_context(safe_open(path, framework="pt")) for path in paths]
        except (SafetensorError, OSError) as error:
            raise EngineError(f"{folder} is broken ({error}). Train or merge it again.") from None
        yield {key: file for file in files for key in file.offset_keys()}


def _stored(kind: str) -> gguf.GGMLQuantizationType:
    import gguf

    return gguf.GGMLQuantizationType[kind.upper()]
