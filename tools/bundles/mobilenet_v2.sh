#!/bin/sh
# Build the bundle models/mobilenet_v2 from the labelled images (EDGE_MDDA_DATA) and the pretrained backbone.
# A training that was cut off goes on where it stopped when this is run again.
set -eu
cd "$(dirname "$0")/../.."
python -m tools.train tools/recipes/plain.toml --weights mobilenet_v2_pretrained.npz --out runs/plain
# The plain model, for the comparison in the card: int8 as well, the prior's share chosen on val.
python -m tools.convert runs/plain/best.ckpt --out runs/plain/bundle --recipe tools/recipes/plain.toml --prior-correction 0.7
python -m tools.evaluate runs/plain/bundle/model.tflite --split test --out models/plain.json
# The shipped one.
python -m tools.train tools/recipes/purified.toml --weights runs/plain/best.ckpt --out runs/purified
python -m tools.convert runs/purified/best.ckpt --out models/mobilenet_v2 --recipe tools/recipes/purified.toml --prior-correction 0.25
python -m tools.card models/mobilenet_v2 --float runs/purified/model_float.tflite --recipe tools/recipes/purified.toml --plain models/plain.json --seeds 5
python -m tools.doubt models/mobilenet_v2 --checkpoint runs/purified/best.ckpt
