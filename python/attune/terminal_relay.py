"""Shows a notebook what a command draws on a terminal, while it draws."""

import os
import threading
from typing import TextIO

_WIPE_LINE = "\r\x1b[K"


class TerminalRelay:
    """A pseudo-terminal for a command's stderr; what is written to it goes on to `stream` at once.

    Used by one thread; another one, the relay's own, writes to `stream` until `finish`.
    """

    def __init__(self, stream: TextIO) -> None:
        self._read_end, self.write_end = os.openpty()
        self._stream = stream
        self._text = ""
        self._thread = threading.Thread(target=self._relay, name="attune-terminal-relay", daemon=True)
        self._thread.start()

    def finish(self) -> str:
        """After the command's end: what it has said last, a progress bar that it wiped left out."""
        os.close(self.write_end)
        self._thread.join()
        os.close(self._read_end)
        return self._text.rpartition(_WIPE_LINE)[2].replace("\r\n", "\n")

    def _relay(self) -> None:
        while True:
            try:
                part = os.read(self._read_end, 4096)
            except OSError:  # nobody has the other end any more
                return
            if not part:
                return
            text = part.decode("utf-8", "replace")
            self._text = (self._text + text)[-65536:]
            self._stream.write(text)
            self._stream.flush()


def is_notebook(stream: TextIO | None) -> bool:
    """Whether `stream` is shown by Jupyter, which is no terminal but moves back to a line's start as one."""
    return stream is not None and type(stream).__module__.partition(".")[0] == "ipykernel"
