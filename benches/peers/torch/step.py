"""Times a training step of PyTorch on the fastest device that it has, and prints one JSON line.

    python step.py MODEL BATCH WIDTHxHEIGHT STEPS [THREADS]

MODEL is torchvision's resnet18, resnet50, deeplabv3_resnet50 or fasterrcnn_resnet50_fpn. A step is forward, loss, backward and SGD
with momentum, batch norm in train mode: the median of STEPS after two warm-up steps. On a GPU in f32, where it has TF32 without and
with it, and in f16 by autocast with a loss scale and channels last; on the CPU in f32.
"""

import contextlib
import json
import os
import statistics
import sys
import time

import torch
import torchvision

WARM_UP = 2
CLASSES = 1000


def device():
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def workload(name, batch, width, height, on):
    """The network, and a function from it to its loss."""
    images = torch.randn(batch, 3, height, width, device=on)
    if name.startswith("fasterrcnn"):
        model = torchvision.models.detection.__dict__[name](
            weights=None, weights_backbone=None, num_classes=2, min_size=min(width, height), max_size=max(width, height))
        box = torch.tensor([[0.1 * width, 0.1 * height, 0.4 * width, 0.4 * height],
                            [0.5 * width, 0.5 * height, 0.8 * width, 0.8 * height]], device=on)
        targets = [{"boxes": box, "labels": torch.ones(2, dtype=torch.int64, device=on)} for _ in range(batch)]
        return model, lambda net: sum(net(list(images), targets).values())
    if name.startswith("deeplabv3"):
        model = torchvision.models.segmentation.__dict__[name](weights=None, weights_backbone=None, num_classes=1)
        mask = torch.zeros(batch, 1, height, width, device=on)
        mask[..., : width // 2] = 1
        criterion = torch.nn.BCEWithLogitsLoss()
        return model, lambda net: criterion(net(images)["out"], mask)
    model = torchvision.models.__dict__[name](num_classes=CLASSES)
    labels = torch.arange(batch, device=on) * 37 % CLASSES
    criterion = torch.nn.CrossEntropyLoss()
    return model, lambda net: criterion(net(images), labels)


def images_per_second(name, batch, width, height, steps, on, maths):
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = maths == "tf32"
    torch.backends.cudnn.benchmark = True
    model, loss_of = workload(name, batch, width, height, on)
    half = maths == "f16"
    model = model.to(on, memory_format=torch.channels_last if half else torch.contiguous_format).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.001, momentum=0.9)
    scaler = torch.cuda.amp.GradScaler(enabled=half and on.type == "cuda")
    seconds = []
    for _ in range(WARM_UP + steps):
        start = time.perf_counter()
        optimizer.zero_grad()
        with torch.autocast(on.type, dtype=torch.float16) if half else contextlib.nullcontext():
            loss = loss_of(model)
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
        loss.item()
        seconds.append(time.perf_counter() - start)
    return batch / statistics.median(seconds[WARM_UP:])


def main():
    name, batch, size, steps = sys.argv[1:5]
    width, height = map(int, size.split("x"))
    torch.set_num_threads(int(sys.argv[5]) if len(sys.argv) > 5 else os.cpu_count())
    on = device()
    maths = {"cuda": ["f32", "tf32", "f16"], "mps": ["f32", "f16"], "cpu": ["f32"]}[on.type]
    speeds = {m: images_per_second(name, int(batch), width, height, int(steps), on, m) for m in maths}
    print(json.dumps({
        "peer": f"torch-{torch.__version__}",
        "device": torch.cuda.get_device_name() if on.type == "cuda" else on.type,
        "threads": torch.get_num_threads(),
        "img_per_s": speeds,
    }))


if __name__ == "__main__":
    main()
