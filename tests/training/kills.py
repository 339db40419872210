"""Kill a training at random moments, resume it until it is complete, and compare it with an uninterrupted one.

``python -m tests.training.kills KILLS FOLDER`` prints the kills, the runs, and where the kills were. The interpreter is
forked for each attempt, so that the imports are paid once.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time

import numpy as np

import formulations as fm
from formulations.training import EarlyStopping, Plateau

EPOCHS = 8
CASES = {
    "momentum": {"momentum": 0.9, "nesterov": True, "l2": 0.01},
    "adam": {"optimizer": "adam", "learning_rate": 0.05, "class_weight": "balanced"},
    "stopping": {"early_stopping": EarlyStopping(3), "schedule": Plateau(patience=1), "learning_rate": 2.0},
}


def train(case: str, path: str | None) -> bytes:
    """Train, and return all that a training leaves behind but its times."""
    rng = np.random.default_rng(0)
    X, labels = rng.normal(size=(30, 3)), np.arange(30) % 3
    net = fm.Network.random([3, 4, 3], ["tanh", "softmax"], seed=0)
    options = {"epochs": EPOCHS, "batch_size": 4, "learning_rate": 0.1, "seed": 1} | CASES[case]
    kept = {"checkpoint": path, "checkpoint_every": "0.0001s"} if path else {}
    history = fm.sgd(net, X, labels, validation=(X[:9] + 0.5, labels[:9]), **options, **kept)
    results = history.to_dict()
    for epoch in results["epochs"]:
        del epoch["seconds"]
    return net.vector.tobytes() + repr(results).encode()


def attempt(case: str, path: str, result: str, delay: float) -> bool:
    """Train in a process that is killed after a delay; return whether it was."""
    child = os.fork()
    if not child:
        try:
            found = train(case, path)
            with open(f"{result}.part", "wb") as file:
                file.write(found)
            os.replace(f"{result}.part", result)
        except BaseException as caught:
            print("failed:", repr(caught), flush=True)
            os._exit(1)
        os._exit(0)
    deadline = time.monotonic() + delay
    while time.monotonic() < deadline:
        if os.waitpid(child, os.WNOHANG) != (0, 0):
            return False
        time.sleep(0.0005)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def main(kills: int, folder: str) -> None:
    random.seed(0)
    # A killed process loses nothing that it has written, and waiting for the disk takes most of the time.
    os.fsync = lambda _: None
    expected, seconds = {}, {}
    for case in CASES:
        expected[case] = train(case, None)
        start = time.monotonic()
        attempt(case, os.path.join(folder, f"{case}.npz"), os.path.join(folder, f"{case}.result"), float("inf"))
        seconds[case] = time.monotonic() - start
    done = runs = within = 0
    while done < kills or runs < len(CASES):
        case = list(CASES)[runs % len(CASES)]
        path, result = os.path.join(folder, f"{runs}.npz"), os.path.join(folder, f"{runs}.result")
        while not os.path.exists(result):
            if attempt(case, path, result, random.uniform(0.0, 0.7 * seconds[case])):
                done += 1
                if os.path.exists(path):
                    with np.load(path) as held:
                        within += len(held["steps"]) > 0
            elif not os.path.exists(result):
                sys.exit("a process failed")
        with open(result, "rb") as file:
            if file.read() != expected[case]:
                sys.exit(f"{case}: the resumed run differs from the uninterrupted one")
        runs += 1
    left = [name for name in os.listdir(folder) if name.startswith(".formulations-")]
    print(f"{done} kills, {runs} runs, {within} within an epoch, {len(left)} files left behind")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
