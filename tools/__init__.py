"""Workstation tools, run as `python -m tools.<name>`; never installed on the device."""
