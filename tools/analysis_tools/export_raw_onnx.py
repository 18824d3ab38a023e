"""Write the raw network of a config as ONNX, fused or not, to measure its latency.

The outputs are those of a raw export of tools/deploy.py: boxes decoded to input pixels, scores
after the sigmoid, coefficients, prototypes; batch 1, one size. The file has no metadata, so the
runtime refuses it. Unlike tools/deploy.py this also writes the form before fusing, and needs no
checkpoint: weights are random, with statistics of the network's own activations.

example:
  python tools/analysis_tools/export_raw_onnx.py configs/lmsfa/lmsfa-n_1xb8-300e_peld.py n.onnx
"""
from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path

import onnx
import torch
from mmengine.config import DictAction
from torch import Tensor, nn

from medseg.cli import load_config, reports_user_errors
from medseg.deploy.graph import drop_identities
from medseg.engine import compat
from medseg.engine.building import build_model
from medseg.engine.fuse import fuse_model
from medseg.errors import UserError
from medseg.io import replacing
from medseg.models.prototype_head import PrototypeHead

OUTPUTS = ('boxes', 'scores', 'coefficients', 'prototypes')
OPSET = 17


class RawNetwork(nn.Module):
    """A detector with a prototype head, up to what NMS starts from."""

    def __init__(self, model: nn.Module, prototypes_last: bool = False) -> None:
        super().__init__()
        self.model = model
        self.prototypes_last = prototypes_last

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Image (B, 3, H, W) to (B, A, 4), (B, A, classes), (B, A, P) and (B, P, H/4, W/4), or,
        with ``prototypes_last``, (B, H/4, W/4, P)."""
        head = self.model.mask_head
        scores, dists, coefficients, prototypes = self.model._forward(image)[0]
        boxes = head._decode_boxes(head._flatten(dists, 4 * head.reg_max), head._priors(scores))
        if self.prototypes_last:
            prototypes = prototypes.permute(0, 2, 3, 1)
        return (boxes, head._flatten(scores, head.num_classes).sigmoid(),
                head._flatten(coefficients, head.num_protos), prototypes)


@torch.no_grad()
def settle(model: nn.Module, passes: int = 10) -> None:
    """Give BatchNorms the statistics of the network's own activations.

    Without them numbers explode or vanish on the way, and arithmetic on denormal numbers is slow.
    """
    model.train()
    for _ in range(passes):
        model._forward(torch.rand(2, 3, 160, 160))
    model.eval()


@torch.no_grad()
def export(model: nn.Module, path: Path, size: tuple[int, int],
           prototypes_last: bool = False) -> None:
    """Write the ONNX file beside its target and rename it.

    Args:
        model (nn.Module): Detector in eval mode.
        path (Path): Target.
        size (tuple[int, int]): Height and width, multiples of 32.
        prototypes_last (bool): See :class:`RawNetwork`.
    """
    with replacing(path) as part:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # remarks on tracing shapes; one size is wanted here
            torch.onnx.export(
                RawNetwork(model, prototypes_last), (torch.rand(1, 3, *size),), str(part),
                dynamo=False, opset_version=OPSET, input_names=['input'],
                output_names=list(OUTPUTS))
        graph = onnx.load(part)
        drop_identities(graph)
        onnx.save(graph, part)


@reports_user_errors
def main(argv: Sequence[str] | None = None) -> int:
    """Export; returns 0, or 2 on wrong input."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config of a model with a prototype head')
    parser.add_argument('out', type=Path, help='ONNX file to write')
    parser.add_argument('--no-fuse', action='store_true', help='the form before fusing')
    parser.add_argument('--prototypes-last', action='store_true',
                        help='prototypes as (1, h, w, P) instead of (1, P, h, w)')
    parser.add_argument('--size', type=int, nargs='+', default=[640], metavar='N',
                        help='side, or height and width, of the input (default: 640)')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, metavar='KEY=VALUE',
                        help='override settings of the config')
    args = parser.parse_args(argv)
    if len(args.size) > 2 or any(side < 32 or side % 32 for side in args.size):
        parser.error(f'--size {args.size}: must be one or two multiples of 32')
    compat.setup()
    torch.manual_seed(0)
    model = build_model(load_config(args.config, args.cfg_options))
    if not isinstance(getattr(model, 'mask_head', None), PrototypeHead):
        raise UserError(f'{args.config}: has no prototype head; export it with tools/deploy.py')
    settle(model)
    if not args.no_fuse:
        fuse_model(model)
    export(model, args.out, (args.size[0], args.size[-1]), args.prototypes_last)
    print(args.out)
    return 0


if __name__ == '__main__':
    raise SystemExit(main())
