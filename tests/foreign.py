"""Small networks as other people bring them, in every format, and images that they tell apart.

The network sees colours alone, of which each of four kinds of image has its own, so that a wrong range, order of
channels or order of labels changes what it says. Its weights are set by hand, not trained.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from edge_mdda import image

SIDE = 32
LABELS = ("red", "green", "blue", "grey")
# Mean colour of each kind, RGB in [0, 1].
COLOURS = np.array([[0.75, 0.3, 0.35], [0.25, 0.7, 0.35], [0.35, 0.3, 0.8], [0.45, 0.45, 0.45]], np.float32)


def network(low=0.0, high=1.0, colour="RGB", softmax=False):
    """A small convolutional network fed images in [low, high], NCHW: logits grow as the mean colour nears a kind's."""
    torch.manual_seed(0)
    small = nn.Sequential(
        nn.Conv2d(3, 3, 3, stride=2, padding=1, groups=3, bias=False),
        nn.BatchNorm2d(3),
        nn.Conv2d(3, 8, 1),
        nn.ReLU6(),
        nn.Conv2d(8, 8, 3, padding=1, groups=8),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, len(LABELS)),
        *([nn.Softmax(1)] if softmax else []),
    ).eval()
    centres = torch.from_numpy(COLOURS if colour == "RGB" else COLOURS[:, ::-1].copy())
    with torch.no_grad():
        for depthwise in (small[0], small[4]):  # blurs
            depthwise.weight.copy_((1 + 0.05 * torch.randn_like(depthwise.weight)) / 9)
        small[2].weight.zero_()
        small[2].bias.zero_()
        for channel in range(3):  # back to [0, 1], kept above 0 by ReLU6
            small[2].weight[channel, channel] = 1 / (high - low)
            small[2].bias[channel] = -low / (high - low)
        small[4].bias.zero_()
        # -40 |x - c|² but for what is the same in all kinds.
        small[7].weight[:] = 0
        small[7].weight[:, :3] = 80 * centres
        small[7].bias.copy_(-40 * (centres**2).sum(1))
    return small


def pictures(count=24, side=SIDE):
    """Noisy images of each kind in turn, uint8 RGB (count, side, side, 3), and their class indices."""
    random = np.random.default_rng(0)
    kinds = np.arange(count) % len(LABELS)
    unit = COLOURS[kinds][:, None, None] + random.normal(0, 0.05, (count, side, side, 3))
    return (np.clip(unit, 0, 1) * 255).round().astype(np.uint8), kinds


def folder(path, count=24):
    """Write the pictures as files of a plain folder."""
    path.mkdir()
    pixels, _ = pictures(count)
    for position, picture in enumerate(pixels):
        (path / f"{position:03}.png").write_bytes(image.encode_png(picture))
    return path


def labels_file(path, labels=LABELS):
    path.write_text("".join(f"{label}\n" for label in labels))
    return path


def pt2(path, **options):
    torch.export.save(torch.export.export(network(**options), (torch.zeros(1, 3, SIDE, SIDE),)), path)
    return path


def pickled(path, **options):
    torch.save(network(**options), path)
    return path


def onnx(path, **options):
    """Nodes as PyTorch's exporters write them."""
    import onnx as library
    from onnx import TensorProto, helper, numpy_helper

    small = network(**options)
    arrays = {}

    def keep(name, tensor):
        arrays[name] = tensor.detach().numpy()
        return name

    norm, linear = small[1], small[7]
    conv = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}
    nodes = [
        helper.make_node("Conv", ["image", keep("w0", small[0].weight)], ["a"], strides=[2, 2], group=3, **conv),
        helper.make_node(
            "BatchNormalization",
            [
                "a",
                keep("scale", norm.weight),
                keep("shift", norm.bias),
                keep("mean", norm.running_mean),
                keep("var", norm.running_var),
            ],
            ["b"],
        ),
        helper.make_node("Conv", ["b", keep("w2", small[2].weight), keep("b2", small[2].bias)], ["c"]),
        helper.make_node("Clip", ["c", keep("zero", torch.tensor(0.0)), keep("six", torch.tensor(6.0))], ["d"]),
        helper.make_node("Conv", ["d", keep("w4", small[4].weight), keep("b4", small[4].bias)], ["e"], group=8, **conv),
        helper.make_node("GlobalAveragePool", ["e"], ["f"]),
        # The roundabout way to a flat tensor: shape, its first size, and a concatenation.
        helper.make_node("Shape", ["f"], ["shape"]),
        helper.make_node("Gather", ["shape", keep("first", torch.tensor(0))], ["batch"]),
        helper.make_node("Unsqueeze", ["batch", keep("axis", torch.tensor([0]))], ["batches"]),
        helper.make_node("Concat", ["batches", keep("rest", torch.tensor([-1]))], ["flat"], axis=0),
        helper.make_node("Reshape", ["f", "flat"], ["g"]),
        helper.make_node("Gemm", ["g", keep("w7", linear.weight), keep("b7", linear.bias)], ["h"], transB=1),
    ]
    if options.get("softmax"):
        nodes.append(helper.make_node("Softmax", ["h"], ["probabilities"], axis=1))
    output = nodes[-1].output[0]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", len(LABELS)])],
        [numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    library.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def keras_layers(keras, softmax=False, **options):
    """The same network of Keras layers, its weights copied."""
    small = network(**options)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            layers.ZeroPadding2D(1),
            layers.DepthwiseConv2D(3, strides=2, use_bias=False),
            layers.BatchNormalization(epsilon=small[1].eps),
            layers.Conv2D(8, 1),
            layers.ReLU(max_value=6.0),
            layers.DepthwiseConv2D(3, padding="same"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(len(LABELS), activation="softmax" if softmax else None),
        ]
    )
    array = {index: small[index].weight.detach().numpy() for index in (0, 2, 4, 7)}
    bias = {index: small[index].bias.detach().numpy() for index in (2, 4, 7)}
    norm = [value.detach().numpy() for value in (*small[1].parameters(), small[1].running_mean, small[1].running_var)]
    _, first, batch_norm, pointwise, _, second, _, dense = model.layers
    first.set_weights([array[0].transpose(2, 3, 0, 1)])
    batch_norm.set_weights(norm)
    pointwise.set_weights([array[2].transpose(2, 3, 1, 0), bias[2]])
    second.set_weights([array[4].transpose(2, 3, 0, 1), bias[4]])
    dense.set_weights([array[7].T, bias[7]])
    return model


def saved_model(path, low=0.0, high=1.0, colour="RGB", softmax=False):
    """A SavedModel of plain TensorFlow operations, no Keras."""
    import tensorflow as tf

    small = network(low, high, colour)
    weight = {index: small[index].weight.detach().numpy() for index in (0, 2, 4, 7)}
    bias = {index: small[index].bias.detach().numpy() for index in (2, 4, 7)}
    module = tf.Module()
    module.kernel = tf.Variable(weight[2].transpose(2, 3, 1, 0))

    def call(image):
        x = tf.nn.depthwise_conv2d(
            image, weight[0].transpose(2, 3, 0, 1), (1, 2, 2, 1), [[0, 0], [1, 1], [1, 1], [0, 0]]
        )
        x = tf.nn.relu6(tf.nn.conv2d(x, module.kernel, 1, "SAME") + bias[2])
        x = tf.nn.depthwise_conv2d(x, weight[4].transpose(2, 3, 0, 1), (1, 1, 1, 1), "SAME") + bias[4]
        x = tf.reduce_mean(x, (1, 2)) @ weight[7].T + bias[7]
        return {"output": tf.nn.softmax(x) if softmax else x}

    module.call = tf.function(call, input_signature=[tf.TensorSpec((None, SIDE, SIDE, 3), tf.float32, "image")])
    tf.saved_model.save(module, str(path), signatures=module.call)
    return path
