"""How far is generated traffic from the true one? The paper's four metrics, and those of spread, rhythm and scales.

`truth` and `generated` are volumes (T, H, W) or (T, n) of the same cells: T steps of a week, any unit; a score that has
a unit is in theirs. `ensemble` (S, *truth.shape) holds S samples of the same week. Arrays that do not belong together
raise ValueError. All arithmetic is in float64: sums of squared bytes lose digits in float32, their products overflow.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations

import numpy as np
from scipy.signal import periodogram
from scipy.stats import wasserstein_distance

from zoomdiff.levels import Hierarchy, aggregate, gaps

BAND = (0.1, 0.9)  # P10-P90, as shares


def mae(truth: np.ndarray, generated: np.ndarray) -> float:
    """Mean absolute error over all steps and cells (Sec. V-A2).

    Examples
    --------
    >>> mae(np.full((24, 2, 2), 3.0), np.full((24, 2, 2), 5.0))
    2.0
    """
    truth, generated = _pair(truth, generated)
    return float(np.abs(generated - truth).mean())


def rmse(truth: np.ndarray, generated: np.ndarray) -> float:
    """Root of the mean squared error over all steps and cells (Sec. V-A2)."""
    truth, generated = _pair(truth, generated)
    return float(np.sqrt(np.square(generated - truth).mean()))


def sprmse(truth: np.ndarray, generated: np.ndarray) -> float:
    """Spatial RMSE: the RMSE of the cells' means over time (Sec. V-A2), hence never above the RMSE.

    The paper's formula has no normalisation, so neither has this: it is in the unit of the volumes.
    """
    truth, generated = _pair(truth, generated)
    return rmse(truth.mean(0, keepdims=True), generated.mean(0, keepdims=True))


def psnr(truth: np.ndarray, generated: np.ndarray, *, peak: float | None = None) -> float:
    """Peak signal-to-noise ratio 10 log10(L^2 / MSE) in dB (Sec. V-A2); infinite where nothing differs.

    The paper calls L "the maximum possible value of the data", and traffic has none: `peak` is the largest true volume
    unless given (give that of the whole data set to compare regions). MSE is the square of `rmse`.

    Raises ValueError if the peak is not positive.
    """
    truth, generated = _pair(truth, generated)
    peak = truth.max() if peak is None else peak
    if peak <= 0:
        raise ValueError(f"the peak of the PSNR must be positive, not {peak:g}")
    error = rmse(truth, generated)
    return float(20 * np.log10(peak / error)) if error else float("inf")


def over_seeds(
    metric: Callable[[np.ndarray, np.ndarray], float], truth: np.ndarray, samples: Iterable[np.ndarray]
) -> tuple[float, float]:
    """(mean, variance) of metric(truth, sample) over samples of different seeds, as in the paper's Tables I and II.

    The variance is the unbiased one (S - 1 below); the paper does not say which it takes.

    Raises ValueError if there are fewer than two samples.
    """
    scores = [metric(truth, sample) for sample in samples]
    if len(scores) < 2:
        raise ValueError(f"a variance over seeds takes at least two samples, not {len(scores)}")
    return float(np.mean(scores)), float(np.var(scores, ddof=1))


def rv_coefficient(a: np.ndarray, b: np.ndarray) -> float:
    """RV-coefficient of two multivariate series (Eq. 1): 0 for orthogonal ones, 1 for equal up to rotation and scale.

    a (m, p) and b (m, q): the same m rows (e.g. hours), any columns (e.g. the cells of two levels). NaN if one is all
    zero. Eq. 1 as printed does not centre the columns, so that volumes, all positive, score high even if unrelated; for
    the RV of Robert & Escoufier 1976 (doi:10.2307/2347233) pass `a - a.mean(0)` and `b - b.mean(0)`.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.ndim != 2 or b.ndim != 2 or len(a) != len(b):
        raise ValueError(f"the RV-coefficient takes two matrices of the same number of rows, not {a.shape}, {b.shape}")
    gram_a, gram_b = a @ a.T, b @ b.T  # (m, m)
    norms = np.linalg.norm(gram_a) * np.linalg.norm(gram_b)  # the trace of a squared Gram matrix is its squared norm
    return float(np.vdot(gram_a, gram_b) / norms) if norms else float("nan")


def crps(truth: np.ndarray, ensemble: np.ndarray) -> float:
    """Continuous ranked probability score, mean over all values: E|X - y| - E|X - X'| / 2.

    The fair estimator (Ferro 2014, doi:10.1002/qj.2270): X' is never X itself, so that the score does not depend on the
    number of samples. Where all samples agree, as a single one does, it is their MAE.
    """

    def of_step(y: np.ndarray, samples: np.ndarray) -> float:  # (...), (S, ...)
        s = len(samples)
        below = np.arange(1, s)
        # In order, the gap above the i-th is part of the distance of each of these i to each of the s - i further up.
        spread = np.tensordot(below * (s - below), np.diff(np.sort(samples, axis=0), axis=0), 1)
        return float(np.abs(samples - y).mean() - spread.mean() / (s * max(s - 1, 1)))

    return float(np.mean([of_step(y, samples) for y, samples in _steps(truth, ensemble)]))


def energy_score(truth: np.ndarray, ensemble: np.ndarray) -> float:
    """The CRPS of a cell's whole week (Gneiting & Raftery 2007, doi:10.1198/016214506000001437), mean over cells.

    E||X - y|| - E||X - X'|| / 2 with the Euclidean norm over the T steps, estimated as fairly as `crps`. Unlike that,
    it sees whether the hours of a week belong together.
    """
    _check_ensemble(truth, ensemble)

    def distance(x: np.ndarray, y: np.ndarray) -> float:  # mean over cells
        return float(np.linalg.norm(np.subtract(x, y, dtype=np.float64), axis=0).mean())

    to_truth = np.mean([distance(sample, truth) for sample in ensemble])
    between = [distance(x, y) for x, y in combinations(ensemble, 2)]
    return float(to_truth - (np.mean(between) / 2 if between else 0))


def coverage(truth: np.ndarray, ensemble: np.ndarray) -> float:
    """Share of true values within [P10, P90] of the ensemble, bounds included: 0.8 if it is calibrated.

    Zeros that truth and samples share count as covered. Quantiles are Weibull's, rank / (S + 1), as with them 0.8 holds
    for few samples too (within 0.02 from S = 9; numpy's default gives 0.71 at 16). Below 9 the samples span less.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> truth, ensemble = rng.gamma(2, size=(168, 8, 8)), rng.gamma(2, size=(20, 168, 8, 8))
    >>> round(coverage(truth, ensemble), 1)
    0.8
    """

    def of_step(y: np.ndarray, samples: np.ndarray) -> float:
        low, high = np.quantile(samples, BAND, axis=0, method="weibull")
        return float(((low <= y) & (y <= high)).mean())

    return float(np.mean([of_step(y, samples) for y, samples in _steps(truth, ensemble)]))


def wasserstein(truth: np.ndarray, generated: np.ndarray, *, log_scale: bool = False) -> float:
    """Wasserstein-1 distance of the two distributions of single values, wherever and whenever they occur.

    Shapes may differ (`generated` may be an ensemble). In the unit of the volumes, or of ln(1 + volume) with
    `log_scale`, where quiet cells count as much as busy ones.
    """
    truth, generated = _values(truth), _values(generated)
    if log_scale:
        truth, generated = np.log1p(truth), np.log1p(generated)
    return float(wasserstein_distance(truth, generated))


def spread_ratio(truth: np.ndarray, generated: np.ndarray) -> float:
    """Standard deviation of the generated ln(1 + volume) over that of the true ones; below 1 it is too smooth.

    Over all values; shapes may differ (`generated` may be an ensemble). NaN if the true ones are all the same.
    """
    truth, generated = np.log1p(_values(truth)), np.log1p(_values(generated))
    return float(generated.std() / truth.std()) if np.ptp(truth) else float("nan")


def autocorrelation_distance(truth: np.ndarray, generated: np.ndarray, lags: Sequence[int] = range(1, 49)) -> float:
    """Mean absolute difference, over `lags` in steps, of the two mean autocorrelations of cells; 0 to 2.

    The default lags are 1 to 48 h of hourly traffic. Correlations are the usual estimate, with the mean and variance of
    the cell's whole series; cells that never change have none and are left out. NaN if no cell changes.

    Raises ValueError if a lag is not from 1 to T - 1.
    """
    truth, generated = _pair(truth, generated)
    if len(lags) == 0 or min(lags) < 1 or max(lags) >= len(truth):
        raise ValueError(f"lags must be from 1 to {len(truth) - 1} steps, as the series has {len(truth)}")

    def mean_autocorrelation(series: np.ndarray) -> np.ndarray:  # (T, n) -> (lags,)
        series = series - series.mean(0)
        variance = np.einsum("tn,tn->n", series, series)
        return np.array([(np.einsum("tn,tn->n", series[:-lag], series[lag:]) / variance).mean() for lag in lags])

    difference = mean_autocorrelation(_changing_cells(generated)) - mean_autocorrelation(_changing_cells(truth))
    return float(np.abs(difference).mean())


def spectrum_distance(truth: np.ndarray, generated: np.ndarray) -> float:
    """Part of the variance over time that sits at other frequencies: 0 the same spectrum, 1 none in common.

    A cell's spectrum p_f is the share of frequency f in its variance (periodogram without the mean, sum 1), so that
    busy cells count no more than quiet ones. The distance is half the sum over f of |difference| of the two means over
    cells. Cells that never change have no spectrum and are left out; NaN if no cell changes.
    """
    truth, generated = _pair(truth, generated)

    def mean_spectrum(series: np.ndarray) -> np.ndarray:  # (T, n) -> (T // 2 + 1,)
        _, power = periodogram(series, axis=0)  # of the series without its mean
        mean: np.ndarray = (power / power.sum(0)).mean(1)
        return mean

    difference = mean_spectrum(_changing_cells(generated)) - mean_spectrum(_changing_cells(truth))
    return float(np.abs(difference).sum() / 2)


def cross_scale_gap(levels: Sequence[np.ndarray], hierarchy: Hierarchy) -> float:
    """Largest relative disagreement between consecutive levels of volumes, coarse to fine; 0 with conservation.

    That of two levels is the sum over coarse values of |sum of the finer ones - value|, over the coarse total (`gaps`).
    """
    if len(levels) != len(hierarchy):
        raise ValueError(f"{len(levels)} arrays are not the {len(hierarchy)} levels of the hierarchy")
    levels = [np.asarray(level, np.float64) for level in levels]
    for k in range(len(levels) - 1):
        summed = aggregate(levels[k + 1], *hierarchy.between(k, k + 1)).shape
        if summed != levels[k].shape:
            raise ValueError(f"level {k + 1} sums to {summed}, but level {k} is {levels[k].shape}")
    return float(np.max(gaps(levels, hierarchy), initial=0.0))  # np.max keeps a NaN, max may not


def _values(x: np.ndarray) -> np.ndarray:
    """All values of `x` in a row."""
    values = np.asarray(x, np.float64).ravel()
    if not values.size:
        raise ValueError("an empty array has no distribution")
    return values


def _pair(truth: np.ndarray, generated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both in float64, if they are volumes of the same steps and cells."""
    truth, generated = np.asarray(truth, np.float64), np.asarray(generated, np.float64)
    if truth.ndim < 2 or not truth.size or truth.shape != generated.shape:
        raise ValueError(f"not two equal shapes (T, H, W) or (T, n): truth {truth.shape}, generated {generated.shape}")
    return truth, generated


def _check_ensemble(truth: np.ndarray, ensemble: np.ndarray) -> None:
    if truth.ndim < 2 or not ensemble.size or ensemble.shape[1:] != truth.shape:
        raise ValueError(f"an ensemble of truth {truth.shape} must be (S, *truth.shape), not {ensemble.shape}")


def _steps(truth: np.ndarray, ensemble: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Truth (...) and samples (S, ...) of each step: a large ensemble is copied and sorted one step at a time."""
    _check_ensemble(truth, ensemble)
    for t in range(len(truth)):
        yield truth[t].astype(np.float64), ensemble[:, t].astype(np.float64)


def _changing_cells(x: np.ndarray) -> np.ndarray:
    """(T, n) the cells of (T, ...) that ever change; one column of NaN, for a NaN result, if none does."""
    cells = x.reshape(len(x), -1)
    cells = cells[:, np.ptp(cells, 0) != 0]
    return cells if cells.size else np.full((len(x), 1), np.nan)
