"""Steps of plain SGD, by all ranks that torchrun started: `sgd_ranks.py PAIRS/ OUT.safetensors NETWORK`.

Adam divides by the size of a gradient, which makes differences in the last bits large; so does bfloat16.
"""

import contextlib
import sys
from pathlib import Path

import small
import torch

from mcdenoise import checkpoint, dataset, engine, losses, networks, ranks, trainer

folder, out, network = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
build = networks.build
networks.build = lambda name, given: build(name, given or small.recipe(name))
engine.precision = lambda _: contextlib.nullcontext()
settings = small.settings(network=network, batch=4, steps=6, learning_rate=0.1)
loss, device = losses.find(settings.loss, is_target_noisy=True), torch.device("cpu")
objective = trainer.weighted(loss, settings)
pairs, _ = dataset.load(folder)
with ranks.joined(device) as together:
    state = trainer.start(settings, out, device, together)
    began = [value.clone() for value in state.network.parameters()]
    state.optimizer = torch.optim.SGD(state.network.parameters(), settings.learning_rate)
    for batch in trainer.batches(pairs, settings, state):
        trainer.update(state, batch, objective, settings, device)
    moved = max(float((a - b).abs().max()) for a, b in zip(began, state.network.parameters(), strict=True))
    if not together.rank:
        checkpoint.save_model(out, state.network, {"moved": moved})
