"""The robustness laboratory: attacks against defences on real images, cached for each image.

`python -m tools.robustness run` fills a store, and `table`, `figures` and `verdict` report what is in it. The way
through it: `plan` lists what is missing as jobs of one image; `cluster` has them done, here or by many workers; `work`
does one; `store` keeps what comes out; `results` reads it back.
"""
