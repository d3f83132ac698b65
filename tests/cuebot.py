"""A stub of Cuebot, run by a Python that has opencue-pycue and opencue-rqd: takes the job specification that
the real pycue sends, and has the real rqd run its frames, one after the other.

`cuebot.py SPEC.xml FOLDER/` prints each frame's exit status as JSON: {"0000-denoise": 0, ...}.
"""

import json
import os
import queue
import re
import socket
import subprocess
import sys
from concurrent import futures
from pathlib import Path
from xml.etree import ElementTree

import grpc
from opencue_proto import (
    cue_pb2,
    cue_pb2_grpc,
    job_pb2,
    job_pb2_grpc,
    report_pb2,
    report_pb2_grpc,
    rqd_pb2,
    rqd_pb2_grpc,
)

SECONDS = 200


class Cuebot(
    cue_pb2_grpc.CueInterfaceServicer,
    job_pb2_grpc.JobInterfaceServicer,
    report_pb2_grpc.RqdReportInterfaceServicer,
):
    """What it was sent."""

    def __init__(self):
        self.specs, self.started, self.ended = queue.Queue(), queue.Queue(), queue.Queue()

    def GetSystemStats(self, request, context):
        return cue_pb2.CueGetSystemStatsResponse()

    def LaunchSpecAndWait(self, request, context):
        self.specs.put(request.spec)
        name = ElementTree.fromstring(request.spec).find("job").get("name")
        jobs = job_pb2.JobSeq(jobs=[job_pb2.Job(id="1", name=name)])
        return job_pb2.JobLaunchSpecAndWaitResponse(jobs=jobs)

    def ReportRqdStartup(self, request, context):
        self.started.put(request)
        return report_pb2.RqdReportRqdStartupResponse()

    def ReportStatus(self, request, context):
        return report_pb2.RqdReportStatusResponse()

    def ReportRunningFrameCompletion(self, request, context):
        self.ended.put(request.frame_complete_report)
        return report_pb2.RqdReportRunningFrameCompletionResponse()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def frames(spec):
    """Name and command of each, as Cuebot puts numbers in place of tokens; `range` is a plain one."""
    layer = next(ElementTree.fromstring(spec).iter("layer"))
    first, last = re.fullmatch(r"(\d+)-(\d+)", layer.findtext("range")).groups()
    for number in range(int(first), int(last) + 1):
        yield f"{number:04}-{layer.get('name')}", layer.findtext("cmd").replace("#IFRAME#", str(number))


def run(rqd, cuebot, name, command, folder):
    frame = rqd_pb2.RunFrame(
        resource_id="1", job_id="1", frame_id=name, layer_id="1", job_name="shot", frame_name=name,
        show="testing", shot="shot", user_name="daemon", uid=1000, gid=1000, num_cores=100,
        command=command, log_dir=str(folder), job_temp_dir=str(folder),
        environment={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    rqd.LaunchFrame(rqd_pb2.RqdStaticLaunchFrameRequest(run_frame=frame))
    return cuebot.ended.get(timeout=SECONDS).exit_status


def main(spec, folder):
    cuebot, ports = Cuebot(), (free_port(), free_port())
    server = grpc.server(futures.ThreadPoolExecutor(4))
    cue_pb2_grpc.add_CueInterfaceServicer_to_server(cuebot, server)
    job_pb2_grpc.add_JobInterfaceServicer_to_server(cuebot, server)
    report_pb2_grpc.add_RqdReportInterfaceServicer_to_server(cuebot, server)
    server.add_insecure_port(f"127.0.0.1:{ports[0]}")
    server.start()
    (folder / "rqd.conf").write_text(
        f"[Override]\nOVERRIDE_CUEBOT=127.0.0.1\nCUEBOT_GRPC_PORT={ports[0]}\nRQD_GRPC_PORT={ports[1]}\n"
        "OVERRIDE_HOSTNAME=127.0.0.1\nOVERRIDE_NIMBY=False\n"
    )
    program = Path(sys.executable).with_name("rqd")
    with (folder / "rqd.log").open("w") as log:
        rqd = subprocess.Popen([program, "--nimbyoff", "-c", folder / "rqd.conf"], stdout=log, stderr=log)
    try:
        launch = "import sys, opencue; opencue.api.launchSpecAndWait(open(sys.argv[1]).read())"
        told = {"CUEBOT_HOSTS": f"127.0.0.1:{ports[0]}"}
        subprocess.run([sys.executable, "-c", launch, spec], check=True, env={**os.environ, **told})
        cuebot.started.get(timeout=SECONDS)
        with grpc.insecure_channel(f"127.0.0.1:{ports[1]}") as channel:
            stub = rqd_pb2_grpc.RqdInterfaceStub(channel)
            ended = {
                name: run(stub, cuebot, name, command, folder)
                for name, command in frames(cuebot.specs.get_nowait())
            }
        print(json.dumps(ended))
    finally:
        rqd.kill()
        rqd.wait()
        server.stop(None)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
