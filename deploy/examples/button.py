"""A button and three lights on a Raspberry Pi: press, and the light says what `edge-mdda serve` makes of the picture.

    python3 button.py [--capture 'rpicam-still --nopreview --immediate --output -']

    green   there is an answer          amber   there is a report, and a reason to doubt it
    red     there is no report          all     a picture is taken and assessed

The button lies between GPIO 17 and ground, the lights, with resistors, between GPIO 22, 27, 24 and ground. Pins come
from gpiozero (`sudo apt install python3-gpiozero`, or `pip install gpiozero lgpio`), which has mock pins for tests.
"""

from __future__ import annotations

import argparse
import shlex
import subprocess
import sys
from collections.abc import Callable
from typing import Any, Literal

from assess import ADDRESS, Refused, assess, doubts
from gpiozero import LED, Button

BUTTON, LIGHTS = 17, {"answer": 22, "doubt": 27, "error": 24}
CAPTURE = "rpicam-still --nopreview --immediate --output -"
SECONDS = 30

State = Literal["answer", "doubt", "error", "busy", "idle"]


class Panel:
    """The button and the lights; a class because gpiozero gives pins back when its objects are closed."""

    def __init__(self) -> None:
        self.button = Button(BUTTON, bounce_time=0.02)
        self.lights = {state: LED(pin) for state, pin in LIGHTS.items()}

    def show(self, state: State) -> None:
        """Switch on the light of a state, all of them for "busy", none for "idle"."""
        for name, light in self.lights.items():
            light.value = state in (name, "busy")

    def close(self) -> None:
        """Switch everything off and give the pins back."""
        self.show("idle")
        for device in (self.button, *self.lights.values()):
            device.close()


def capture(command: str) -> bytes:
    """A picture: what a command writes to its standard output.

    Raises:
        OSError, subprocess.SubprocessError: there is no such command, or it failed or hung.
    """
    return subprocess.run(shlex.split(command), check=True, stdout=subprocess.PIPE, timeout=SECONDS).stdout


def once(panel: Panel, take: Callable[[], bytes], ask: Callable[[bytes], dict[str, Any]]) -> State:
    """Take a picture, have it assessed and show what came of it; whatever goes wrong is a red light."""
    panel.show("busy")
    state: State = "error"
    try:
        reasons = doubts(ask(take()))
        state = "doubt" if reasons else "answer"
        print("; ".join(reasons) or "answered", flush=True)
    except (OSError, subprocess.SubprocessError, Refused) as error:
        print(f"button.py: {error}", file=sys.stderr, flush=True)
    finally:
        panel.show(state)
    return state


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--capture", default=CAPTURE, help="a command that writes a JPEG to its standard output")
    parser.add_argument("--address", default=ADDRESS)
    given = parser.parse_args()
    panel = Panel()
    try:
        while True:
            panel.button.wait_for_press()
            once(panel, lambda: capture(given.capture), lambda image: assess(image, given.address))
            panel.button.wait_for_release()
    except KeyboardInterrupt:
        pass
    finally:
        panel.close()


if __name__ == "__main__":
    main()
