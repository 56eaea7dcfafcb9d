"""A camera, live: the newest frame is assessed, again and again, and what comes out is shown and written down.

`source` says what a camera is, and finds the one that is meant: `video` by OpenCV, `picamera` by picamera2. `newest`
grabs its frames in a thread and keeps the last, `live` is the loop, `view` and `window` are what a person sees of it.
"""
