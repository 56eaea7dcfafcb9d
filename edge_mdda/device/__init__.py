"""What a board is, how fast and how hot it runs, and whether it is well: `edge-mdda profile`, `compare`, `doctor`.

Readers take a `system.System`, so that tests read the recorded files and commands of boards that are not at hand. What
a board does not expose is None, which is shown as "unknown": never a crash, never a guess.
"""
