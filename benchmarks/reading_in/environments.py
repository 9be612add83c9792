"""The peers' environments, one each, made by pip from requirements/NAME.txt.

Rule: torch alone comes first, so that what follows does not take a build for GPUs.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

REQUIREMENTS = Path(__file__).with_name("requirements")


def python_of(work: Path, name: str) -> Path:
    return Path(sys.executable) if name == "ours" else work / "env" / name / "bin" / "python"


def install(work: Path, name: str) -> str | None:
    """Why it could not be installed, if so. What was installed from the same lines before is left as it is."""
    if name == "ours":
        return None
    requirements = REQUIREMENTS / f"{name}.txt"
    folder, python = work / "env" / name, python_of(work, name)
    done = folder / "installed.txt"
    if done.exists() and done.read_text(encoding="utf-8") == requirements.read_text(encoding="utf-8"):
        return None
    if not python.exists():
        print(f"making an environment for {name}", file=sys.stderr)
        venv.create(folder, with_pip=True)
    torch = next(line for line in requirements.read_text(encoding="utf-8").splitlines() if line.startswith("torch=="))
    for words in ([torch], ["-r", str(requirements)]):
        result = subprocess.run(
            [str(python), "-m", "pip", "install", "-q", *words], capture_output=True, text=True, check=False
        )
        if result.returncode:
            return (result.stderr.strip().splitlines() or ["no reason given"])[-1]
    shutil.copyfile(requirements, done)
    return None


def version(name: str, distribution: str) -> str:
    """The one that a peer's lines pin."""
    lines = (REQUIREMENTS / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return next(line.partition("==")[2] for line in lines if line.partition("==")[0] == distribution)


def variables(root: Path, threads: int) -> dict[str, str]:
    """The environment of a worker: no network, so many threads, Tesseract's own language data for those that look."""
    chosen = {
        "PYTHONPATH": str(root),
        "OMP_NUM_THREADS": str(threads),
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    data = _tesseract_data()
    return dict(os.environ) | chosen | ({"TESSDATA_PREFIX": data} if data else {})


def _tesseract_data() -> str | None:
    """The folder of its language data, which `--list-langs` names in quotes; None without Tesseract."""
    program = shutil.which("tesseract")
    if program is None:
        return None
    said = subprocess.run([program, "--list-langs"], capture_output=True, text=True, check=False).stdout
    parts = said.split('"')
    return parts[1].rstrip("/") if len(parts) > 2 else None
