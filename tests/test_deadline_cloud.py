"""The submitter of AWS Deadline Cloud, the vendor's own, against a stub of its service on the loopback.

It wants a Python of its own (its pins and openjd-cli's exclude each other): MCDENOISE_DEADLINE names its
program, `make` puts it into .tools/deadline.
"""

import http.server
import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mcdenoise.__main__ import main

TOOL = Path(__file__).parent.parent / ".tools" / "deadline" / "bin" / "deadline"
DEADLINE = os.environ.get("MCDENOISE_DEADLINE") or shutil.which("deadline", path=TOOL.parent)
FARM, QUEUE, JOB = (f"{kind}-{'0' * 32}" for kind in ("farm", "queue", "job"))


class Service(http.server.BaseHTTPRequestHandler):
    """Knows one queue, takes any job, and says that it was made."""

    taken: list[dict[str, Any]]

    def do_GET(self) -> None:
        made = {"farmId": FARM, "queueId": QUEUE, "createdAt": "2026-01-01T00:00:00Z", "createdBy": "test"}
        if "/jobs/" in self.path:
            done = {"lifecycleStatus": "CREATE_COMPLETE", "lifecycleStatusMessage": "", "priority": 1}
            self.answer({**made, **done, "jobId": JOB, "name": "shot"})
        elif self.path.endswith(QUEUE):
            self.answer({**made, "displayName": "queue", "status": "IDLE", "defaultBudgetAction": "NONE"})
        else:
            self.answer({**made, "displayName": "farm", "kmsKeyArn": "", "environments": []})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or "{}")
        if self.path.endswith("/jobs"):
            self.taken.append(body)
        self.answer({"jobId": JOB})

    def answer(self, content: dict[str, Any]) -> None:
        text = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """The jobs that the stub was given; no other service is asked, no credentials are needed."""
    Service.taken = []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
    for name, value in {
        "HOME": str(tmp_path), "AWS_ENDPOINT_URL_DEADLINE": f"http://127.0.0.1:{server.server_port}",
        "AWS_DISABLE_HOST_PREFIX_INJECTION": "true", "AWS_DEFAULT_REGION": "us-west-2",
        "AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y", "AWS_EC2_METADATA_DISABLED": "true",
        "DEADLINE_CLOUD_TELEMETRY_OPT_OUT": "true",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Service.taken
    server.shutdown()
    server.server_close()


@pytest.mark.slow
@pytest.mark.skipif(not DEADLINE, reason="no submitter: make .tools/deadline/installed")
def test_deadline_clouds_submitter_sends_the_template_and_its_folders(
    tmp_path: Path, service: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "clean").mkdir()
    words = ["in/shot.####.exr", "--frames", "1-60", "-o", "clean/", "--strength", "0.5"]
    assert main(["farm", "export", "openjd", "-o", "job", "--", *words]) == 0
    command = [str(DEADLINE), "bundle", "submit", "job", "--yes", "--farm-id", FARM, "--queue-id", QUEUE]
    told = subprocess.run(command, capture_output=True, text=True, timeout=250)
    assert told.returncode == 0, told.stdout + told.stderr
    (job,) = service
    sent = json.loads(job["template"])
    assert sent == json.loads((tmp_path / "job" / "template.json").read_text())
    assert job["parameters"] == {
        "InputFolder": {"path": f"{tmp_path}/in"}, "OutputFolder": {"path": f"{tmp_path}/clean"},
    }  # fmt: skip
