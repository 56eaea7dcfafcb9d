"""Work that goes on by itself: images that arrive in a folder, assessed by a process that may crash or hang.

`watch` is the loop. It finds images in `arrivals`, has them assessed by the child process that `supervisor` keeps
alive, puts reports on the `shelf` and keeps a `journal`, so that a power cut loses and repeats nothing; `notify` tells
systemd. Only the child, `worker`, loads a model or decodes an image.
"""
