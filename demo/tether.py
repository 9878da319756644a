"""``python -m demo.tether COMMAND``: becomes the command, which Linux ends when the demo itself is killed."""

import ctypes
import os
import signal
import sys

LINUX_PR_SET_PDEATHSIG = 1

if __name__ == "__main__":
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(LINUX_PR_SET_PDEATHSIG, signal.SIGTERM)
    os.execvp(sys.argv[1], sys.argv[1:])
