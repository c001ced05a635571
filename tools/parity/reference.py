"""What PyTorch computes, for parity.py and model_fixtures.py: ResNet with its features, DeepLabV3, Faster
R-CNN (detection.py), masked losses, split batch norm, and the training loops of `mtpret run-steps`.

Everything works in the data type of the model it is given, so that float64 serves as the truth and
float32 as the measure of what float32 can reach. Needs torch and torchvision.
"""
import copy

import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torchvision.models._utils import IntermediateLayerGetter
from torchvision.models.segmentation.deeplabv3 import ASPP, DeepLabV3
from torchvision.models.segmentation.fcn import FCNHead

import detection

LAYERS = ("layer1", "layer2", "layer3", "layer4")
HEADS = ("fc.", "classifier.", "aux_classifier.", "backbone.fpn.", "rpn.", "roi_heads.")


def resnet(name, classes):
    """torchvision's ResNet with `classes` outputs, weights as torchvision initialises them."""
    return getattr(torchvision.models, name)(weights=None, num_classes=classes)


def encoder(name, dim=128):
    """The ResNet with MoCo v2's projection head: fc.0, ReLU, fc.2."""
    model = resnet(name, 1)
    width = model.fc.in_features
    model.fc = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, dim))
    return model


def dilate_basic_blocks(model, output_stride):
    """torchvision's replace_stride_with_dilation for basic blocks, which torchvision refuses: the first
    convolution of a layer keeps the dilation before it, all others have the layer's own."""
    dilation = 1
    for stride, layer in zip((16, 32), (model.layer3, model.layer4)):
        if stride <= output_stride:
            continue
        before, dilation = dilation, 2 * dilation
        for number, block in enumerate(layer):
            for conv, apart in ((block.conv1, before if number == 0 else dilation), (block.conv2, dilation)):
                conv.stride, conv.padding, conv.dilation = (1, 1), (apart, apart), (apart, apart)
            if block.downsample is not None:
                block.downsample[0].stride = (1, 1)
    return model


def deeplab(name, classes, output_stride=8, rates=(12, 24, 36), aux=False):
    """torchvision's DeepLabV3 on `deeplabv3_resnet50`, and its parts on `deeplabv3_resnet18`; no dropout."""
    resnet = name.removeprefix("deeplabv3_")
    if resnet == "resnet50":
        dilated = [False, output_stride <= 8, output_stride <= 16]
        backbone = torchvision.models.resnet50(weights=None, replace_stride_with_dilation=dilated)
    else:
        backbone = dilate_basic_blocks(torchvision.models.resnet18(weights=None), output_stride)
    width = backbone.fc.in_features
    returned = {"layer3": "aux", "layer4": "out"} if aux else {"layer4": "out"}
    classifier = nn.Sequential(
        ASPP(width, list(rates)),
        nn.Conv2d(256, 256, 3, padding=1, bias=False),
        nn.BatchNorm2d(256),
        nn.ReLU(),
        nn.Conv2d(256, classes, 1),
    )
    model = DeepLabV3(IntermediateLayerGetter(backbone, returned), classifier, FCNHead(width // 2, classes) if aux else None)
    for module in model.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
    return model


def in_dtype(model, state, dtype):
    """A copy of the model in `dtype`, holding `state` (strictly by name)."""
    model = copy.deepcopy(model).to(dtype)
    model.load_state_dict(state, strict=True)
    return model


def moved_by_rounding(state, seed):
    """The weights, each moved by at most one unit in the last place of float32."""
    random = torch.Generator().manual_seed(seed)
    moved = {}
    for name, tensor in state.items():
        if tensor.is_floating_point():
            noise = 2 * torch.rand(tensor.shape, generator=random, dtype=torch.float64) - 1
            tensor = (tensor.double() * (1 + noise * 2.0**-23)).float()
        moved[name] = tensor
    return moved


def repeated(x, dtype):
    """A grey batch as three equal channels, as `run-model` takes it."""
    return (x.repeat(1, 3, 1, 1) if x.shape[1] == 1 else x).to(dtype)


def evaluate(model, x):
    """logits and features.2..5 (after layer1..4), or a DeepLab's out and aux, with running statistics."""
    found, hooks = {}, []
    if isinstance(model, DeepLabV3):
        with torch.no_grad():
            return dict(model.eval()(x))
    for level, layer in enumerate(LAYERS, 2):
        keep = lambda _module, _input, output, key=f"features.{level}": found.__setitem__(key, output)
        hooks.append(getattr(model, layer).register_forward_hook(keep))
    model.eval()
    with torch.no_grad():
        found["logits"] = model(x)
    for hook in hooks:
        hook.remove()
    return found


def class_loss(logits, target):
    """Mean cross-entropy for int64 targets; for float ones mean BCE over those that are not NaN."""
    if not target.is_floating_point():
        return F.cross_entropy(logits, target)
    known = ~torch.isnan(target)
    return F.binary_cross_entropy_with_logits(logits[known], target[known].to(logits.dtype))


def mask_loss(logits, target):
    """Per-pixel cross-entropy for int64 targets; for float ones soft Dice with smooth 1, mean over images."""
    if not target.is_floating_point():
        return F.cross_entropy(logits, target)
    p, t, image = torch.sigmoid(logits), target.to(logits.dtype), (1, 2, 3)
    return (1 - (2 * (p * t).sum(image) + 1) / (p.sum(image) + t.sum(image) + 1)).mean()


def losses_of(model, x, target):
    """What a training step adds up, by name; a detector's target is (tensors of the file, ending of their names)."""
    if isinstance(model, detection.FasterRCNN):
        return detection.losses(model, x, *target)
    out = model(x)
    if not isinstance(model, DeepLabV3):
        return {"class": class_loss(out, target)}
    weights = {"out": ("mask", 1.0), "aux": ("aux", 0.5)}
    return {weights[k][0]: weights[k][1] * mask_loss(logits, target) for k, logits in out.items()}


def running_statistics(model):
    """Every running_mean and running_var under its name."""
    return {k: v.detach().clone() for k, v in model.state_dict().items() if ".running_" in k}


def train_once(model, x, target):
    """One forward and backward pass in training mode: (loss, running statistics, gradients)."""
    model.train()
    loss = sum(losses_of(model, x, target).values())
    loss.backward()
    return loss.item(), running_statistics(model), {k: p.grad for k, p in model.named_parameters()}


class SplitBatchNorm2d(nn.BatchNorm2d):
    """Batch norm whose training statistics run over `splits` consecutive parts of the batch; the new
    running statistics are the mean of those that the parts would leave (MoCo's SplitBatchNorm)."""

    splits = 1

    def forward(self, x):
        if not self.training or self.splits == 1:
            return super().forward(x)
        parts, means, variances = [], [], []
        for part in x.chunk(self.splits):
            mean, variance = self.running_mean.clone(), self.running_var.clone()
            parts.append(F.batch_norm(part, mean, variance, self.weight, self.bias, True, self.momentum, self.eps))
            means.append(mean)
            variances.append(variance)
        self.running_mean.copy_(torch.stack(means).mean(0))
        self.running_var.copy_(torch.stack(variances).mean(0))
        self.num_batches_tracked += 1
        return torch.cat(parts)


def split_batch_norm(model, splits):
    """Makes every batch norm of the model a SplitBatchNorm2d, in place."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.__class__ = SplitBatchNorm2d
            module.splits = splits
    return model


def sgd(model, settings):
    """torch.optim.SGD over all parameters, and the function that adds L2-SP's gradient before a step:
    alpha (w - w0) on the backbone's weights, beta w on the head's; biases and batch norm are left."""
    optimiser = torch.optim.SGD(
        model.parameters(),
        lr=settings["optim.lr"],
        momentum=settings.get("optim.momentum", 0.0),
        weight_decay=settings.get("optim.weight_decay", 0.0),
    )
    alpha, beta = settings.get("l2sp.alpha", 0.0), settings.get("l2sp.beta", 0.0)
    anchor = {k: p.detach().clone() for k, p in model.named_parameters()}

    def step():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1:
                with torch.no_grad():
                    parameter.grad += beta * parameter if name.startswith(HEADS) else alpha * (parameter - anchor[name])
        optimiser.step()

    return optimiser, step


def supervised_steps(model, batches, settings):
    """Yields the loss of each step; batches are pairs (x, target)."""
    model.train()
    optimiser, step = sgd(model, settings)
    for x, target in batches:
        optimiser.zero_grad()
        loss = sum(losses_of(model, x, target).values())
        loss.backward()
        step()
        yield loss.item()


def moco_steps(query, batches, queue, settings):
    """Yields the loss of each step; batches are pairs (view 1, view 2), the queue is [128, K].

    In a step: queries, EMA of the key encoder, keys, logits, loss, enqueue, update. The key encoder
    starts as a copy; the EMA covers parameters, its batch norms keep their own running statistics.
    """
    splits = int(settings.get("moco.bn_splits", 1))
    query = split_batch_norm(query, splits).train()
    key = copy.deepcopy(query)
    optimiser, step = sgd(query, settings)
    momentum, temperature = settings["moco.momentum"], settings["moco.temperature"]
    queue, head = queue.clone(), 0
    for view1, view2 in batches:
        optimiser.zero_grad()
        q = F.normalize(query(view1))
        with torch.no_grad():
            for old, new in zip(key.parameters(), query.parameters()):
                old.mul_(momentum).add_(new, alpha=1 - momentum)
            k = F.normalize(key(view2))
        logits = torch.cat([(q * k).sum(1, keepdim=True), q @ queue.clone()], 1) / temperature
        loss = F.cross_entropy(logits, torch.zeros(len(q), dtype=torch.long))
        queue[:, head : head + len(k)] = k.T
        head = (head + len(k)) % queue.shape[1]
        loss.backward()
        step()
        yield loss.item()


def train_steps(model, task, tensors, settings, steps, after=lambda step: None):
    """The losses of `steps` steps on the batches of a run-steps file; `after(step)` is called after each."""
    dtype = next(model.parameters()).dtype
    if task == "moco":
        batches = ((repeated(tensors[f"view1.{t}"], dtype), repeated(tensors[f"view2.{t}"], dtype)) for t in range(steps))
        losses = moco_steps(model, batches, tensors["queue"].to(dtype), settings)
    else:
        target = lambda t: (tensors, f".{t}") if task == "detect" else tensors[f"target.{t}"]
        batches = ((repeated(tensors[f"x.{t}"], dtype), target(t)) for t in range(steps))
        losses = supervised_steps(model, batches, settings)
    trace = []
    for step, loss in enumerate(losses):
        trace.append(loss)
        after(step)
    return trace


def relative_l2(got, want):
    """|got - want| / |want| over all elements, in float64."""
    got, want = got.double(), want.double()
    return float((got - want).norm() / want.norm().clamp_min(1e-300))
