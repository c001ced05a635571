"""Times a ResNet training step of PyTorch on the CPU and prints one JSON line.

    python step.py DEPTH BATCH SIZE STEPS [THREADS]

A step is forward, cross-entropy, backward and SGD with momentum, f32, batch norm in train mode: the median of STEPS
after two warm-up steps.
"""

import json
import os
import statistics
import sys
import time

import torch
import torchvision

WARM_UP = 2
CLASSES = 1000


def main():
    depth, batch, size, steps = map(int, sys.argv[1:5])
    torch.set_num_threads(int(sys.argv[5]) if len(sys.argv) > 5 else os.cpu_count())
    torch.manual_seed(0)
    model = getattr(torchvision.models, f"resnet{depth}")(num_classes=CLASSES).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    criterion = torch.nn.CrossEntropyLoss()
    images = torch.randn(batch, 3, size, size)
    labels = torch.arange(batch) * 37 % CLASSES
    seconds = []
    for _ in range(WARM_UP + steps):
        start = time.perf_counter()
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
        loss.item()
        seconds.append(time.perf_counter() - start)
    print(json.dumps({
        "peer": f"torch-{torch.__version__}",
        "threads": torch.get_num_threads(),
        "img_per_s": batch / statistics.median(seconds[WARM_UP:]),
    }))


if __name__ == "__main__":
    main()
