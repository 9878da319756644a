"""Something to upload that a browser can play."""

import io
import math
import struct
import wave

RATE = 8_000


def tone(seconds: float, hertz: float = 440.0) -> bytes:
    """A WAV file."""
    samples = (int(8_000 * math.sin(2 * math.pi * hertz * number / RATE)) for number in range(int(seconds * RATE)))
    file = io.BytesIO()
    with wave.open(file, "wb") as recording:
        recording.setnchannels(1)
        recording.setsampwidth(2)
        recording.setframerate(RATE)
        recording.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
    return file.getvalue()
