"""Faster R-CNN for parity.py: torchvision's model without its transform, with given samples.

`given_samples` lets torchvision draw anchors and proposals once; `losses` then trains on these, so that two
implementations can be compared. `forward` and `losses` work in the data type of the model.
"""
import json
import os
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torchvision.models.detection import FasterRCNN
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.roi_heads import fastrcnn_loss
from torchvision.models.detection.rpn import concat_box_prediction_layers
from torchvision.ops import FrozenBatchNorm2d, box_iou


def model(name, classes, frozen=False):
    """torchvision's Faster R-CNN called `name`, weights as torchvision initialises them."""
    resnet = name.removeprefix("fasterrcnn_").removesuffix("_fpn")
    norm = FrozenBatchNorm2d if frozen else nn.BatchNorm2d
    backbone = resnet_fpn_backbone(backbone_name=resnet, weights=None, norm_layer=norm, trainable_layers=5)
    return FasterRCNN(backbone, classes)


def wrapped(x):
    """A batch whose images fill it."""
    return ImageList(x, [tuple(x.shape[-2:])] * len(x))


def targets_of(tensors, n, at="", dtype=torch.float32):
    return [{"boxes": tensors[f"boxes{at}.{i}"].to(dtype), "labels": tensors[f"labels{at}.{i}"]} for i in range(n)]


def evaluate(detector, x):
    """boxes.i, scores.i, labels.i."""
    detector.eval()
    images = wrapped(x)
    with torch.no_grad():
        features = detector.backbone(x)
        proposals, _ = detector.rpn(images, features)
        found, _ = detector.roi_heads(features, proposals, images.image_sizes)
    return {f"{key}.{i}": value for i, one in enumerate(found) for key, value in one.items()}


def given_samples(detector, x, targets, most, at=""):
    """What a run-model file says of samples: anchors as the model draws them, and `most` proposals of each
    image, those with a true box first."""
    detector.train()
    images, masks = wrapped(x), []
    sampler = detector.rpn.fg_bg_sampler

    def kept(labels):
        masks.append(sampler(labels))
        return masks[-1]

    tensors = {}
    with torch.no_grad():
        features = detector.backbone(x)
        detector.rpn.fg_bg_sampler = kept
        proposals, _ = detector.rpn(images, features, targets)
        detector.rpn.fg_bg_sampler = sampler
        proposals, _, labels, _ = detector.roi_heads.select_training_samples(proposals, targets)
    for i, (positive, negative) in enumerate(zip(*masks[0])):
        tensors[f"rpn.sampled_pos{at}.{i}"] = torch.where(positive)[0]
        tensors[f"rpn.sampled_neg{at}.{i}"] = torch.where(negative)[0]
        order = torch.argsort(-(labels[i] > 0).float(), stable=True)[: most - i]  # not as many in all images
        tensors[f"roi.proposals{at}.{i}"] = proposals[i][order].float().contiguous()
    return tensors


def losses(detector, x, tensors, at=""):
    """The four losses by name, on the given samples."""
    n, dtype = len(x), x.dtype
    targets, images = targets_of(tensors, n, at, dtype), wrapped(x)
    features = detector.backbone(x)
    maps = list(features.values())
    logits, deltas = detector.rpn.head(maps)
    anchors = detector.rpn.anchor_generator(images, maps)
    logits, deltas = concat_box_prediction_layers(logits, deltas)
    labels, matched = detector.rpn.assign_targets_to_anchors(anchors, targets)

    def masks(kind):
        return [torch.zeros(len(a), dtype=torch.uint8).index_fill_(0, tensors[f"rpn.sampled_{kind}{at}.{i}"], 1)
                for i, a in enumerate(anchors)]

    sampler = detector.rpn.fg_bg_sampler
    detector.rpn.fg_bg_sampler = lambda _: (masks("pos"), masks("neg"))
    wanted = detector.rpn.box_coder.encode(matched, anchors)
    objectness, rpn_box = detector.rpn.compute_loss(logits, deltas, labels, wanted)
    detector.rpn.fg_bg_sampler = sampler

    heads = detector.roi_heads
    proposals = [tensors[f"roi.proposals{at}.{i}"].to(dtype) for i in range(n)]
    boxes, classes = [t["boxes"] for t in targets], [t["labels"] for t in targets]
    matches, labels = heads.assign_targets_to_proposals(proposals, boxes, classes)
    none = torch.zeros(1, 4, dtype=dtype)
    wanted = heads.box_coder.encode([(b if len(b) else none)[m] for b, m in zip(boxes, matches)], proposals)
    pooled = heads.box_head(heads.box_roi_pool(features, proposals, images.image_sizes))
    class_, box = fastrcnn_loss(*heads.box_predictor(pooled), labels, wanted)
    return {"objectness": objectness, "rpn_box": rpn_box, "class": class_, "box": box}


def boxes(n, size, classes, seed):
    """True boxes of n images of a size (height, width); the second image has none."""
    random, tensors = np.random.default_rng(seed), {}
    for i in range(n):
        count = 0 if i == 1 else 2 + i % 3
        side = random.uniform(12, 0.6 * min(size), (count, 2))
        corner = random.uniform(0, 1, (count, 2)) * (np.array(size[::-1]) - side)
        tensors[f"boxes.{i}"] = torch.tensor(np.concatenate([corner, corner + side], 1), dtype=torch.float32).reshape(-1, 4)
        tensors[f"labels.{i}"] = torch.tensor(random.integers(1, classes, count), dtype=torch.int64)
    return tensors


def films(count, side):
    """Real films with tuberculosis as x [N, 3, side, side] and their boxes; None where the folder that
    MTPRET_DATA names lacks them."""
    from PIL import Image

    root = Path(os.environ.get("MTPRET_DATA", "/nowhere")) / "TBX11K"
    found = sorted(root.glob("annotations/json/*train*.json"))
    if not found:
        return None
    coco = json.loads(found[0].read_text())
    of = {}
    for a in coco["annotations"]:
        of.setdefault(a["image_id"], []).append(a)
    x, tensors = [], {}
    for image in coco["images"]:
        path = root / "imgs" / image["file_name"]
        if len(x) == count or image["id"] not in of or not path.exists():
            continue
        film = Image.open(path).convert("L").resize((side, side), Image.BILINEAR)
        scale, i = side / np.array([image["width"], image["height"]] * 2), len(x)
        corners = np.array([[a["bbox"][0], a["bbox"][1], a["bbox"][0] + a["bbox"][2], a["bbox"][1] + a["bbox"][3]] for a in of[image["id"]]])
        tensors[f"boxes.{i}"] = torch.tensor(corners * scale, dtype=torch.float32)
        tensors[f"labels.{i}"] = torch.tensor([min(a["category_id"], 2) for a in of[image["id"]]], dtype=torch.int64)
        x.append((np.asarray(film, dtype=np.float32) / 255 - 0.5) / 0.25)
    tensors["x"] = torch.tensor(np.stack(x))[:, None].repeat(1, 3, 1, 1)
    return tensors


def scaled(detector, x):
    """The detector with its last layers scaled until objectness, classes and boxes differ from place to place as
    after training, so that scores exceed 0.05 and few candidates are alike."""
    detector.eval()
    head, predictor = detector.rpn.head, detector.roi_heads.box_predictor
    wanted = {head.cls_logits: 3.0, head.bbox_pred: 0.3, predictor.cls_score: 2.0, predictor.bbox_pred: 1.0}
    for layer, deviation in wanted.items():
        seen = []
        hook = layer.register_forward_hook(lambda _module, _input, output: seen.append(output.flatten()))
        evaluate(detector, x)
        hook.remove()
        with torch.no_grad():
            scale = deviation / torch.cat(seen).std()
            layer.weight.mul_(scale)
            layer.bias.mul_(scale)
    return detector


def unmatched(got, want, images, iou=0.99, score=1e-3):
    """(detections without a counterpart of the same label, box and score in the other list, all)."""
    lone = total = 0
    for i in range(images):
        ours, theirs = ({k: d[f"{k}.{i}"].double() for k in ("boxes", "scores", "labels")} for d in (got, want))
        fits = box_iou(ours["boxes"], theirs["boxes"]) >= iou
        fits &= (ours["scores"][:, None] - theirs["scores"]).abs() <= score
        fits &= ours["labels"][:, None] == theirs["labels"]
        lone += int((~fits.any(1)).sum() + (~fits.any(0)).sum())
        total += len(ours["scores"]) + len(theirs["scores"])
    return lone, total
