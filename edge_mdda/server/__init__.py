"""The package as a service over HTTP, for the screen of a dermoscope, firmware that is not Python, and the bench.

`routes` is the API, in FastAPI, whose OpenAPI description `schemas` completes. A request passes the `gate` (host name,
token, metrics, one line of log), has its body read by `body`, waits in the `line` for the one worker, a child process
(`edge_mdda.service.supervisor`) that runs `task`, and is answered with what the worker says, with JSON where something
is wrong (`problems`), and published to whoever listens (`events`); the `archive`, if asked for, keeps the image.
`serving` runs it all under uvicorn, which the extra `edge-mdda[serve]` brings.

Only the worker decodes pixels or runs a model. Nothing is stored unless asked, no log line holds a byte of an image.
"""
