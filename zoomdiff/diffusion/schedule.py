"""Noise schedules and step budgets (paper Sec. IV-B2, IV-C; method.md section 2).

Stage k of K owns the diffusion steps n in [N_k, N_{k-1}); m = n - N_k is the local step. `abar` is the share of the
signal that is left. A state at m = 0 is clean, one at m = M is pure noise: sampling starts there.
"""

import torch

TOTAL_STEPS = 600  # N of the paper's S4T4


def nodes(stages: int, total_steps: int = TOTAL_STEPS) -> list[int]:
    """N_0 = N > N_1 > ... > N_K = 0, stages of equal length (RGP `uniform`): [600, 450, 300, 150, 0]."""
    return [total_steps * (stages - k) // stages for k in range(stages + 1)]


def segmented_noise(stage_steps: int) -> torch.Tensor:
    """SN (Eq. 15): abar at m = 0..M, 1 - m / M. It is 1 (clean) at the stage's node and 0 (pure noise) at its end."""
    return 1 - torch.arange(stage_steps + 1) / stage_steps


def few_steps(stage_steps: int, budget: int) -> list[int]:
    """`budget` even strides from m = M down to m = 0: budget + 1 local steps, first M, last 0."""
    if not 1 <= budget <= stage_steps:
        raise ValueError(f"a stage of {stage_steps} steps cannot be walked in {budget} strides")
    return [round(stage_steps * (budget - i) / budget) for i in range(budget + 1)]
