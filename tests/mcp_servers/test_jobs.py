"""Long work as jobs: started at once, watched, cancelled, and honest when killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mcp_servers import jobs
from mcp_servers.errors import EngineError
from mcp_servers.home import process_started
from tests.conftest import ROOT, environment, eventually

pytestmark = pytest.mark.slow  # processes, waited for

COUNTING = "tests.mcp_servers.counting"
LONG = {"total": 100_000, "pause": 0.01}


@pytest.fixture(autouse=True)
def own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("DURE_HOME", str(tmp_path))
    monkeypatch.chdir(ROOT)
    return tmp_path


def running(job: str) -> bool:
    state = jobs.state(job)
    assert state["status"] == "running", state
    return state["done"] > 0


def ended(job: str) -> jobs.JobState | None:
    state = jobs.state(job)
    return state if state["status"] != "running" else None


@pytest.mark.timed
def test_starting_answers_in_under_a_second_with_an_id(own_home: Path) -> None:
    began = time.monotonic()
    started = jobs.start("count", COUNTING, LONG)
    assert time.monotonic() - began < 1
    try:
        assert started["status"] == "running"
        assert started["job"].startswith("count-")
        spec = own_home / "jobs" / started["job"] / "spec.json"
        assert json.loads(spec.read_text(encoding="utf-8")) == LONG
    finally:
        os.kill(started["pid"], signal.SIGKILL)


def test_a_job_reports_its_steps_and_ends_with_its_result() -> None:
    job = jobs.start("count", COUNTING, {"total": 7})["job"]
    state = eventually(lambda: ended(job), what="the job's end")
    assert state["status"] == "done"
    assert state["result"] == {"counted": 7}
    assert (state["done"], state["total"], state["error"]) == (6, 7, None)


def test_a_cancelled_job_stops_at_its_next_step_and_stays_cancelled() -> None:
    job = jobs.start("count", COUNTING, LONG)["job"]
    eventually(lambda: running(job), what="the first step")
    jobs.cancel(job)
    state = eventually(lambda: ended(job), what="the job's end")
    assert state["status"] == "cancelled"
    assert jobs.cancel(job)["status"] == "cancelled"


def test_a_terminated_job_is_cancelled_too() -> None:
    job = jobs.start("count", COUNTING, LONG)["job"]
    eventually(lambda: running(job), what="the first step")
    os.kill(jobs.state(job)["pid"], signal.SIGTERM)
    assert eventually(lambda: ended(job), what="the job's end")["status"] == "cancelled"


def test_a_killed_job_has_failed_and_names_its_log(own_home: Path) -> None:
    job = jobs.start("count", COUNTING, LONG)["job"]
    eventually(lambda: running(job), what="the first step")
    os.kill(jobs.state(job)["pid"], signal.SIGKILL)
    state = eventually(lambda: ended(job), what="the job's end")
    assert state["status"] == "failed"
    log = own_home / "jobs" / job / "log.txt"
    assert str(log) in str(state["error"])
    assert log.exists()


def test_a_killed_job_has_failed_for_other_processes_too(own_home: Path) -> None:
    """Its parent may live on without reaping it: the chat that started it, for one."""
    script = (
        "import sys; from mcp_servers import jobs; "
        f"print(jobs.start('count', {COUNTING!r}, {LONG!r})['job'], flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment(own_home),
    )
    try:
        assert parent.stdout is not None
        job = parent.stdout.readline().strip()
        eventually(lambda: running(job), what="the first step")
        os.kill(jobs.state(job)["pid"], signal.SIGKILL)
        assert eventually(lambda: ended(job), what="the job's end")["status"] == "failed"
    finally:
        parent.communicate()


def test_a_job_outlives_the_process_that_started_it(own_home: Path) -> None:
    script = (
        "from mcp_servers import jobs; "
        f"print(jobs.start('count', {COUNTING!r}, {{'total': 50, 'pause': 0.01}})['job'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=environment(own_home),
        check=True,
    )
    job = done.stdout.strip()
    assert eventually(lambda: ended(job), what="the job's end")["status"] == "done"


def test_a_failure_that_can_be_mended_is_told_as_it_is() -> None:
    job = jobs.start("count", COUNTING, {"fail": "mendable"})["job"]
    state = eventually(lambda: ended(job), what="the job's end")
    assert (state["status"], state["error"]) == (
        "failed",
        "There is nothing to count. Give a total.",
    )


def test_an_unexpected_failure_leaves_its_traceback_in_the_log(own_home: Path) -> None:
    job = jobs.start("count", COUNTING, {"fail": "badly"})["job"]
    state = eventually(lambda: ended(job), what="the job's end")
    log = own_home / "jobs" / job / "log.txt"
    assert state["status"] == "failed"
    assert str(log) in str(state["error"])
    assert "ZeroDivisionError" in log.read_text()


def test_jobs_are_listed_newest_first() -> None:
    assert jobs.listing() == []
    first = jobs.start("count", COUNTING, {"total": 1})["job"]
    eventually(lambda: ended(first), what="the first job's end")
    second = jobs.start("count", COUNTING, {"total": 1})["job"]
    eventually(lambda: ended(second), what="the second job's end")
    assert jobs.listing() == [second, first]


@pytest.mark.parametrize("job", ["count-1", "", "../../etc", ".", "a/b", "x" * 300])
def test_an_unknown_job_is_refused(job: str, own_home: Path) -> None:
    (own_home / "jobs").mkdir()
    with pytest.raises(EngineError, match=r"no job|not a job id"):
        jobs.state(job)
    with pytest.raises(EngineError, match=r"no job|not a job id"):
        jobs.cancel(job)


def test_a_paused_job_goes_on_from_where_it_was() -> None:
    job = jobs.start("count", COUNTING, {"total": 200, "pause": 0.005})["job"]
    eventually(lambda: running(job), what="the first step")
    jobs.pause(job)
    state = eventually(lambda: ended(job), what="the pause")
    assert state["status"] == "paused"
    assert 0 < state["done"] < 200
    again = jobs.resume(job, COUNTING)
    assert again["status"] == "running"
    assert again["job"] == job
    state = eventually(lambda: ended(job), what="the job's end")
    assert state["status"] == "done"
    assert state["result"] == {"counted": 200}


def test_a_killed_job_can_be_resumed_and_a_running_or_done_one_cannot() -> None:
    job = jobs.start("count", COUNTING, LONG)["job"]
    with pytest.raises(EngineError, match=r"is running\. Only a job that stopped"):
        jobs.resume(job, COUNTING)
    eventually(lambda: running(job), what="the first step")
    os.kill(jobs.state(job)["pid"], signal.SIGKILL)
    eventually(lambda: ended(job), what="the death to be noticed")
    resumed = jobs.resume(job, COUNTING)
    pid = eventually(lambda: jobs.state(job)["pid"], what="the new process to have the job")
    assert pid == resumed["pid"]
    jobs.cancel(job)
    state = eventually(lambda: ended(job), what="the cancel")
    assert state["status"] == "cancelled"


def told(home: Path, **changes: object) -> str:
    """A job that says it runs, without a process of its own."""
    folder = home / "jobs" / "count-1"
    folder.mkdir(parents=True)
    now = time.time()
    state = {"job": "count-1", "kind": "count", "status": "running", "error": None}
    state |= {"message": "", "done": 1, "total": 2, "started": now, "updated": now, **changes}
    (folder / "state.json").write_text(json.dumps(state))
    (folder / "spec.json").write_text(json.dumps({"total": 2}))
    return "count-1"


def test_another_process_with_the_number_of_a_dead_one_is_not_the_job(own_home: Path) -> None:
    job = told(own_home)
    pid = own_home / "jobs" / job / "pid"
    pid.write_text(f"{os.getpid()} {process_started(os.getpid())}")
    assert jobs.state(job)["status"] == "running"
    assert jobs.state(job)["pid"] == os.getpid()
    pid.write_text(f"{os.getpid()} 1")  # as after a restart of the machine
    assert jobs.state(job)["status"] == "failed"
    assert jobs.resume(job, COUNTING)["status"] == "running"
    assert eventually(lambda: ended(job), what="the job's end")["status"] == "done"


def test_a_job_that_never_got_a_process_has_failed(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert jobs.state(told(own_home))["status"] == "running"  # it may be starting
    shutil.rmtree(own_home / "jobs")
    assert jobs.state(told(own_home, updated=time.time() - 60))["status"] == "failed"
    monkeypatch.setattr(sys, "executable", str(own_home / "absent"))
    with pytest.raises(EngineError, match="could not be started"):
        jobs.start("count", COUNTING, LONG)
    job = jobs.listing()[0]
    assert jobs.state(job)["status"] == "failed"
    assert "absent" in str(jobs.state(job)["error"])


def test_a_second_process_leaves_a_running_job_alone(
    own_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = jobs.start("count", COUNTING, LONG)["job"]
    eventually(lambda: running(job), what="the first step")
    folder = own_home / "jobs" / job
    pid = (folder / "pid").read_text()
    monkeypatch.setattr(jobs, "_PATIENCE", 0.1)
    monkeypatch.setattr(sys, "argv", ["count", str(folder)])
    jobs.work(lambda _: pytest.fail("it works on the job too"))
    assert jobs.state(job)["status"] == "running"
    assert (folder / "pid").read_text() == pid
    jobs.cancel(job)
    assert eventually(lambda: ended(job), what="the cancel")["status"] == "cancelled"


def test_the_time_of_a_job_does_not_count_its_pauses(own_home: Path) -> None:
    began = time.time() - 7200
    job = told(own_home, status="paused", started=began, updated=began + 60)
    assert jobs.seconds(jobs.state(job)) == pytest.approx(60)
    jobs.resume(job, COUNTING)
    state = eventually(lambda: ended(job), what="the job's end")
    assert 60 < jobs.seconds(state) < 90
