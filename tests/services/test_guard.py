import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.services.server_process import wait_until

_RUN = """
import sys, time
from pathlib import Path
from tests.services.guard import Guard
from tests.services.server_process import ServerProcess
folder = Path(sys.argv[1])
guard = Guard()
guard.watch_folder(folder)
server = ServerProcess(guard, ["sleep", "600"], {"PATH": "/usr/bin:/bin"}, folder / "log")
server.start()
print(server._process.pid, flush=True)
time.sleep(600)
"""


def _gone(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return status.rsplit(")", 1)[1].split()[0] == "Z"


def test_servers_and_folders_of_a_killed_run_go_away(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    run = subprocess.Popen(
        [sys.executable, "-c", _RUN, str(folder)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    with run:
        assert run.stdout is not None
        pid = int(run.stdout.readline())
        assert not _gone(pid)
        run.send_signal(signal.SIGKILL)
    wait_until(lambda: _gone(pid), 20, "the end of the server")
    wait_until(lambda: not folder.exists(), 20, "the end of the folder")
