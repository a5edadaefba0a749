"""Where the network runs. What needs a GPU is skipped where there is none."""

import shutil

import numpy as np
import pytest
import torch

from zoomdiff import device
from zoomdiff.checkpoint import new_network
from zoomdiff.context import UEC, build_uec
from zoomdiff.context.procedural import procedural_map
from zoomdiff.diffusion.drdm import DRDM
from zoomdiff.diffusion.prior import LevelStats, ResidualPrior
from zoomdiff.errors import OptionError
from zoomdiff.generation import TILE, ensemble, generate, tile_of
from zoomdiff.inputs import conditions_of
from zoomdiff.levels import S4T4
from zoomdiff.region import Region
from zoomdiff.sampling import Sampling

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
needs_compiler = pytest.mark.skipif(not shutil.which("g++"), reason="no C++ compiler here")


def untrained(to: str = "cpu", blocks: int = 2) -> DRDM:
    """A small model whose outputs are not all zero."""
    torch.manual_seed(0)
    network = new_network(channels=16, blocks=blocks)
    for head in network.unfold:
        torch.nn.init.normal_(head.weight, std=0.1)
    stats = tuple(LevelStats(1.5, 1.0, -1.5, 5.0, spread) for spread in (1.0, 0.4, 0.4, 0.4))
    return DRDM(network.to(to).eval(), ResidualPrior(S4T4, 2e5, stats))


@pytest.fixture(scope="module")
def town() -> UEC:
    layers = procedural_map(5, kilometres=1.6)
    return build_uec(layers, Region.from_bbox(layers.extent))


def test_a_device_that_is_not_there_gets_one_sentence():
    with pytest.raises(OptionError, match="no device 'tpu'"):
        device.pick_device("tpu")


def test_people_can_read_what_it_runs_on():
    assert device.name_of(torch.device("cpu")).startswith("CPU, ")


@pytest.mark.parametrize("seeds", [[3, 4], [4, 3, 5]])
def test_a_sample_does_not_depend_on_its_company(town, seeds):
    model = untrained()
    together = ensemble(model, town, seeds, sampling=Sampling(steps=3))
    for seed, week in zip(seeds, together, strict=True):
        np.testing.assert_array_equal(
            week.volumes[-1], generate(model, town, seed=seed, sampling=Sampling(steps=3)).volumes[-1]
        )


def test_the_number_of_threads_does_not_show(town):
    model, threads, weeks = untrained(), torch.get_num_threads(), []
    try:
        for number in (1, 2, 3):
            torch.set_num_threads(number)
            weeks.append(generate(model, town, sampling=Sampling(steps=3)).volumes[-1])
    finally:
        torch.set_num_threads(threads)
    for week in weeks[1:]:
        np.testing.assert_array_equal(week, weeks[0])


def test_tiles_fit_into_the_memory_of_a_gpu():
    model = untrained()
    assert tile_of(model, 1, None) == TILE
    sides = [tile_of(model, samples, 80 * 2**30) for samples in (1, 4, 16)]
    assert sides[0] > sides[1] > sides[2] > TILE and all(side % 8 == 0 for side in sides)
    assert sides[0] / sides[1] == pytest.approx(2, rel=0.02), "four samples take the room of four tiles"


@needs_compiler
def test_compiled_it_denoises_alike(town):
    """One level only: the others compile the same code for their own shapes."""
    conditions, state = conditions_of(town, "europe").at_level(S4T4, 1), torch.randn(1, 42, 8, 8)
    conditions = conditions.map(lambda x: x[..., :8, :8])
    clean = []
    for compiled in (False, True):
        model = untrained(blocks=1)
        if compiled:
            device.compile_network(model.network, model.device)
        with torch.inference_mode(), device.autocast(model.device):
            clean.append(model.denoiser(torch.zeros_like(state), conditions, 1)(state, torch.tensor(0.5)))
    assert not torch.allclose(clean[0], 0.5**0.5 * state, atol=1e-2), "the network has a say"
    torch.testing.assert_close(clean[1], clean[0], rtol=0.05, atol=0.05)  # bf16 rounds at other places


def test_without_a_compiler_compiling_is_refused_in_one_sentence(monkeypatch):
    monkeypatch.setattr(device.shutil, "which", lambda name: None)
    with pytest.raises(OptionError, match=r"C\+\+ compiler"):
        device.compile_network(untrained().network, torch.device("cpu"))


@needs_cuda
def test_the_same_week_on_cuda(town):
    a, b = (generate(untrained(to), town, seed=1, sampling=Sampling(steps=3)).volumes[-1] for to in ("cpu", "cuda"))
    assert np.corrcoef(np.log1p(a).ravel(), np.log1p(b).ravel())[0, 1] > 0.99


@needs_cuda
def test_samples_go_together_through_a_gpu(town):
    torch.cuda.reset_peak_memory_stats()
    weeks = ensemble(untrained("cuda"), town, range(4), sampling=Sampling(steps=2))
    assert torch.cuda.max_memory_allocated() > 0
    assert len({week.volumes[-1].tobytes() for week in weeks}) == 4
