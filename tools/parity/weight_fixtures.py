#!/usr/bin/env python3
"""Writes tests/fixtures/weights: small files as PyTorch saves them (Debian: python3-torch).

moco.pth       zip, a MoCo checkpoint: weights below state_dict, module.encoder_q.
legacy.pth     the pickle stream of PyTorch before 1.6: f16, bf16, f64, a transposed view
malicious.pth  zip whose pickle asks for os.system("touch mtpret_was_here")
malicious_legacy.pth  the same as a pickle stream
expanded.pth   zip of one number that says it is a tensor of 4 GiB
"""
import os
import pathlib

import torch

out = pathlib.Path(__file__).resolve().parents[2] / "tests/fixtures/weights"
out.mkdir(parents=True, exist_ok=True)


def ramp(*shape, dtype=torch.float32):
    """0, 1/8, 2/8, ...: exact in every floating type used here."""
    count = torch.Size(shape).numel()
    return (torch.arange(count, dtype=torch.float32) / 8).reshape(shape).to(dtype)


def encoder(sign):
    return {
        "conv1.weight": sign * ramp(2, 1, 3, 3),
        "bn1.weight": sign * ramp(2),
        "bn1.bias": sign * ramp(2),
        "bn1.running_mean": sign * ramp(2),
        "bn1.running_var": ramp(2) + 1,
        "bn1.num_batches_tracked": torch.tensor(7),
    }


state = {f"module.encoder_q.{name}": value for name, value in encoder(1).items()}
state |= {f"module.encoder_k.{name}": value for name, value in encoder(-1).items()}
state["module.queue"] = ramp(4, 8)
torch.save({"epoch": 3, "arch": "tiny", "state_dict": state}, out / "moco.pth")

legacy = {
    "conv1.weight": ramp(2, 1, 3, 3, dtype=torch.float16),
    "fc.weight": ramp(3, 2).t(),
    "fc.bias": ramp(2, dtype=torch.float64),
    "bn1.weight": ramp(2, dtype=torch.bfloat16),
    "bn1.num_batches_tracked": torch.tensor(7),
}
torch.save(legacy, out / "legacy.pth", _use_new_zipfile_serialization=False)


class Malicious:
    def __reduce__(self):
        return os.system, ("touch mtpret_was_here",)


attack = {"conv1.weight": ramp(2), "optimizer": Malicious()}
torch.save(attack, out / "malicious.pth")
torch.save(attack, out / "malicious_legacy.pth", _use_new_zipfile_serialization=False)

torch.save({"conv1.weight": torch.zeros(1).expand(1 << 30)}, out / "expanded.pth")
