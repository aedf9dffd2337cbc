"""Tune a PyTorch training on all cores: bad ones pause early, and a killed script goes on where it was."""

import os
import tempfile
from pathlib import Path

import torch

from zoo.search import Categorical, Float, Int, Space, Study
from zoo.search.run import run

X = torch.rand(2000, 2, generator=torch.Generator().manual_seed(0)) * 4 - 2
Y = (3 * X[:, :1]).sin() * X[:, 1:]


def train(trial):
    torch.manual_seed(trial.seed)
    width, rate = trial.params["width"], trial.params["rate"]
    net = torch.nn.Sequential(torch.nn.Linear(2, width), torch.nn.Tanh(), torch.nn.Linear(width, 1))
    optimiser = getattr(torch.optim, trial.params["optimiser"])(net.parameters(), lr=rate)
    if trial.checkpoint:  # it was paused, or its worker died
        net.load_state_dict(torch.load(f"{trial.checkpoint}/net.pt", weights_only=True))
    for epoch in range(trial.step + 1, 19):
        for rows in torch.randperm(1600).split(32):
            optimiser.zero_grad()
            torch.nn.functional.mse_loss(net(X[rows]), Y[rows]).backward()
            optimiser.step()
        with tempfile.TemporaryDirectory() as folder:
            torch.save(net.state_dict(), f"{folder}/net.pt")
            trial.report(epoch, torch.nn.functional.mse_loss(net(X[1600:]), Y[1600:]).item(), checkpoint=folder)


if __name__ == "__main__":
    out = Path(os.environ.get("ZOO_EXAMPLE_OUT") or tempfile.mkdtemp(prefix="zoo-example-"))
    space = Space(width=Int(4, 128, log=True), rate=Float(1e-4, 1, log=True), optimiser=Categorical("Adam", "SGD"))
    with Study.open(out / "study.journal", space, budget=20, stopper="rungs", seed=0) as study:
        run(study, train, resources={"cpu": 1})
        print(f"best {study.best.params} loss {study.best.value:.4f} in {study.checkpoint(study.best.number)}")
