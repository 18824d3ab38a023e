"""Checks of an exported graph."""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import onnx
import torch
from mmengine.config import Config
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from medseg.engine.building import build_model, data_sample
from medseg.errors import UserError
from medseg.io import read_json

#: What TensorRT's parser takes, with its source and version.
TENSORRT_FILE = Path(__file__).with_name('tensorrt_operators.json')


def nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """Nodes of a graph and of the graphs inside its control flow."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in ([attribute.g] if attribute.HasField('g') else []) + list(
                    attribute.graphs):
                yield from nodes(inner)


def drop_identities(model: onnx.ModelProto) -> None:
    """Let the readers of an ``Identity`` read what it copies, in place.

    The exporter stores equal weights once and hands them out through ``Identity`` nodes, which
    ONNX Runtime 1.23 can lose when it simplifies the graph ("is not a graph input, initializer,
    or output of a previous node").
    """
    kept = {output.name for output in model.graph.output}
    copies = {node.output[0]: node.input[0] for node in model.graph.node
              if node.op_type == 'Identity' and node.output[0] not in kept}
    for node in nodes(model.graph):
        for i, name in enumerate(node.input):
            while name in copies:
                name = copies[name]
            node.input[i] = name
    remaining = [node for node in model.graph.node if node.output[0] not in copies]
    del model.graph.node[:]
    model.graph.node.extend(remaining)


def operators(model: onnx.ModelProto) -> Counter[str]:
    """How often each operator occurs; those outside the standard with their domain."""
    return Counter(f'{node.domain}::{node.op_type}' if node.domain not in ('', 'ai.onnx')
                   else node.op_type for node in nodes(model.graph))


def check_standard(model: onnx.ModelProto) -> None:
    """Refuse operators that need a plug-in.

    Raises:
        UserError: Names them.
    """
    foreign = sorted(name for name in operators(model) if '::' in name)
    if foreign:
        raise UserError(f'the exported graph needs operators beyond standard ONNX: '
                        f'{", ".join(foreign)}; it would not run without plug-ins')


def tensorrt_objections(model: onnx.ModelProto) -> list[str]:
    """What TensorRT's published list of operators does not cover; empty if nothing.

    A covered operator can still be refused for its types or shapes, which only a build tells.
    """
    known = read_json(TENSORRT_FILE)
    found = [f'operator {name}' for name in sorted(operators(model))
             if name not in known['supported']]
    opset = next(entry.version for entry in model.opset_import if entry.domain in ('', 'ai.onnx'))
    if not known['opsets'][0] <= opset <= known['opsets'][1]:
        found.append(f'opset {opset}')
    return found


class _Touched(TorchDispatchMode):
    """Remembers the memory of every tensor that any operation reads."""

    def __init__(self) -> None:
        super().__init__()
        self.memory: set[int] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.memory.update(leaf.untyped_storage().data_ptr()
                           for leaf in tree_leaves((args, kwargs or {}))
                           if isinstance(leaf, torch.Tensor))
        return func(*args, **(kwargs or {}))


@torch.no_grad()
def unused_in_prediction(model: nn.Module, height: int, width: int) -> set[str]:
    """Names of weights that predicting does not read: those of training-only branches.

    Args:
        model (nn.Module): A detector in eval mode, not fused.
        height, width (int): Size of an input it takes.
    """
    touched = _Touched()
    with touched:
        model(torch.rand(1, 3, height, width), [data_sample(height, width)], mode='predict')
    return {name for name, value in model.state_dict(keep_vars=True).items()
            if value.is_floating_point()
            and value.untyped_storage().data_ptr() not in touched.memory}


def training_only(config: Config, height: int, width: int) -> set[str]:
    """:func:`unused_in_prediction` of a config's model, with random weights."""
    return unused_in_prediction(build_model(config), height, width)


def check_training_only(model: onnx.ModelProto, unused: Iterable[str]) -> None:
    """Refuse a graph that holds something of training-only branches.

    The exporter names initializers after weights, and nodes after the modules they come from.

    Args:
        model (onnx.ModelProto): The graph.
        unused (Iterable[str]): See :func:`training_only`.

    Raises:
        UserError: Names what it holds.
    """
    unused = set(unused)
    weights = {item.name for item in model.graph.initializer}
    scopes = tuple(f'/{name.rpartition(".")[0].replace(".", "/")}/' for name in unused)
    held = sorted(unused & weights) + sorted(
        node.name for node in nodes(model.graph) if node.name.startswith(scopes))
    if held:
        raise UserError('the exported graph holds training-only parts, which should have been '
                        f'dropped by fuse(): {", ".join(held[:5])}')


def tensorrt_report(file: Path) -> str:
    """One line on what TensorRT's published list says of a file."""
    version = read_json(TENSORRT_FILE)['tensorrt']
    objections = tensorrt_objections(onnx.load(file))
    if objections:
        return f'not in the list of TensorRT {version}: {", ".join(objections)}'
    return (f'every operator is in the list of TensorRT {version}; '
            'an engine was not built here')
