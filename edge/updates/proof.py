"""Tests a bundle in a process of its own, so that one that crashes the interpreter is merely refused.

python -m edge.updates.proof BUNDLE RECIPE RUNTIME
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from edge.errors import BundleError, LeukoscopeError

if TYPE_CHECKING:
    from edge.config import Config

_TIMEOUT_S = 120.0  # some hundred times what the slowest Pi takes


def prove(path: Path, config: Config) -> None:
    """Load a bundle as the daemon would, golden inputs and all. Raises BundleError with what was wrong."""
    acting = os.getuid() != os.geteuid()  # for the owner of the folder, whose rights are then all it gets
    try:
        done = subprocess.run(  # noqa: S603
            [
                # -P: nothing that lies in the folder that this was called in is run.
                *(sys.executable, "-P", "-m", "edge.updates.proof"),
                *(str(path), config.masking.recipe, config.model.runtime),
            ],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
            user=os.geteuid() if acting else None,
            group=os.getegid() if acting else None,
        )
    except subprocess.TimeoutExpired:
        raise BundleError(f"did not answer its golden inputs within {_TIMEOUT_S:.0f} s") from None
    if done.returncode:
        said = done.stderr.strip().splitlines()
        ended = f"brought the process down (status {done.returncode})"
        # A crash prints nothing itself: what is there was printed before it, about something else.
        raise BundleError((said[-1] if said and done.returncode == 1 else ended).removeprefix(f"{path}: "))


def main() -> str | None:
    """Test the bundle on the command line; return what is wrong with it in one sentence, or None."""
    from edge.analyzer import Analyzer  # noqa: PLC0415 (only this process needs them)
    from edge.naming.classifier import Classifier  # noqa: PLC0415

    path, recipe, runtime = sys.argv[1:]
    try:
        Analyzer(Classifier.load(Path(path), runtime=runtime), "study" if recipe == "study" else "found")
    except LeukoscopeError as error:
        return str(error)
    return None


if __name__ == "__main__":
    sys.exit(main())  # a sentence goes to standard error, with status 1
