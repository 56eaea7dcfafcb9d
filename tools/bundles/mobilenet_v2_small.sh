#!/bin/sh
# Build the bundle models/mobilenet_v2_small: half the width at 160×160, from the labelled images (EDGE_MDDA_DATA) and the
# network of the bundle mobilenet_v2, which it starts from and learns from.
# A training that was cut off goes on where it stopped when this is run again.
set -eu
cd "$(dirname "$0")/../.."
python -m tools.thinning models/checkpoints/purified.ckpt --width 0.5 --out runs/small_start.ckpt
python -m tools.train tools/recipes/small.toml --weights runs/small_start.ckpt --teacher models/checkpoints/purified.ckpt --out runs/small
# The prior's share, chosen on val: the best mean of accuracy and balanced accuracy, as it is and behind EDGE.
python -m tools.convert runs/small/best.ckpt --out models/mobilenet_v2_small --recipe tools/recipes/small.toml --prior-correction 0.7 --side 160
python -m tools.card models/mobilenet_v2_small --float runs/small/model_float.tflite --recipe tools/recipes/small.toml --plain models/plain.json --seeds 5
python -m tools.doubt models/mobilenet_v2_small --checkpoint models/checkpoints/small.ckpt
