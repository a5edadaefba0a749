"""Public data sets: small files in the published layout, errors, and the real files where they are."""

import numpy as np
import pytest

from zoomdiff.errors import DataError
from zoomdiff.realism.datasets import read_nanchang, read_nanjing

RNG = np.random.default_rng(5)


def nanchang_arrays() -> dict[str, np.ndarray]:
    return {
        "traffic": RNG.integers(0, 1000, (3, 9, 2, 4)).astype(np.float32),
        "user": RNG.random((3, 9, 2, 4), np.float32),
        "poi": RNG.integers(0, 9, (3, 5, 2, 4), np.int32),
        "split": np.array(["train", "val", "test"]),
        "minutes": np.array(30),
    }


def test_nanchang_keeps_every_value_in_its_place(tmp_path):
    arrays = nanchang_arrays()
    np.savez(tmp_path / "nc.npz", **arrays)
    some = read_nanchang(tmp_path / "nc.npz")
    np.testing.assert_array_equal(some.grid(), np.moveaxis(arrays["traffic"], 0, 1))
    np.testing.assert_array_equal(some.users.reshape(9, 3, 2, 4), np.moveaxis(arrays["user"], 0, 1))
    np.testing.assert_array_equal(some.poi.T.reshape(5, 3, 2, 4), np.moveaxis(arrays["poi"], 0, 1))
    assert some.split.reshape(3, 8).tolist() == [["train"] * 8, ["val"] * 8, ["test"] * 8]
    assert some.minutes == 30 and some.hourly().traffic.shape == (4, 24)


def test_files_of_another_kind_are_refused(tmp_path):
    arrays = nanchang_arrays()
    del arrays["split"]
    np.savez(tmp_path / "nc.npz", **arrays)
    np.save(tmp_path / "array.npy", np.zeros((504, 560)))
    (tmp_path / "text.npy").write_text("time,bytes")
    for read, name, sentence in (
        (read_nanchang, "nc.npz", "nc.npz has no array 'split': give the .npz file of UoMo."),
        (read_nanchang, "array.npy", "array.npy is a single array: give the .npz file of UoMo."),
        (read_nanchang, "text.npy", "text.npy cannot be read as a numpy file."),
        (read_nanchang, "none.npz", "none.npz cannot be read as a numpy file."),
        (read_nanjing, "nc.npz", "nc.npz is not an array of (504, 560, 1): give MobileNJ.npy of NPDiff."),
        (read_nanjing, "array.npy", "array.npy is not an array of (504, 560, 1): give MobileNJ.npy of NPDiff."),
    ):
        with pytest.raises(DataError) as error:
            read(tmp_path / name)
        assert str(error.value) == sentence


def test_a_header_that_asks_for_terabytes_is_one_sentence(tmp_path):
    np.save(tmp_path / "huge.npy", np.zeros((504, 560, 1)))
    data = (tmp_path / "huge.npy").read_bytes()
    (tmp_path / "huge.npy").write_bytes(data.replace(b"(504, 560, 1), }      ", b"(504, 560, 9000000), }"))
    with pytest.raises(DataError, match=r"^huge.npy needs more than 1.5 GB of memory to read"):
        read_nanjing(tmp_path / "huge.npy")


def test_the_real_nanchang(shared_data):
    some = read_nanchang(shared_data / "traffic" / "nanchang_patches" / "uomo_NC.npz")
    assert some.traffic.shape == (399, 592) and some.grid_shape == (37, 4, 4) and some.poi.shape == (592, 23)
    assert some.active.sum() == 413 and not some.missing.any()
    assert dict(zip(*np.unique(some.split[::16], return_counts=True), strict=True)) == {
        "test": 5,
        "train": 28,
        "val": 4,
    }
    hours = some.hourly()
    day = hours.traffic[:192].sum(1).reshape(8, 24)
    assert day.mean(0).argmax() == 12 and day.mean(0).argmin() == 4  # so it begins at midnight
    assert hours.users[:192].sum(1).reshape(8, 24).mean(0).argmax() in (16, 17, 18)


def test_the_real_nanjing(shared_data):
    folder = shared_data / "traffic" / "nanjing_grid"
    some = read_nanjing(folder / "MobileNJ.npy")
    assert some.traffic.shape == (504, 560) and some.active.sum() == 507
    weekday, hour = np.load(folder / "MobileNJ_ts.npy").T
    np.testing.assert_array_equal(some.hour_of_week(), 24 * weekday + hour)
    day = some.traffic.sum(1).reshape(21, 24).sum(1)
    holiday = np.flatnonzero(~some.ordinary.reshape(21, 24).any(1))
    assert holiday.tolist() == [5, *range(9, 16), 18]
    assert day[9:16].max() < 0.95 * day[16:].min()  # the whole holiday is below all days after it
    log = np.log(some.grid().mean(0) + 0.01)  # rows of 28: neighbours across rows are alike, too
    assert np.corrcoef(log[1:].ravel(), log[:-1].ravel())[0, 1] > 0.3


def test_nanchang_begins_on_the_weekday_of_nanjing(shared_data):
    """What `read_nanchang` infers: shifted against Nanjing by whole days, its days fit best without a shift."""
    nanchang = read_nanchang(shared_data / "traffic" / "nanchang_patches" / "uomo_NC.npz").hourly().traffic[:192]
    nanjing = read_nanjing(shared_data / "traffic" / "nanjing_grid" / "MobileNJ.npy").traffic

    def from_day_to_day(traffic):
        day = np.log(traffic.sum(1)).reshape(8, 24)
        return (day - day.mean(0)).ravel()

    fit = [
        np.corrcoef(from_day_to_day(nanchang), from_day_to_day(nanjing[24 * d : 24 * d + 192]))[0, 1] for d in range(14)
    ]
    assert np.argmax(fit) == 0 and fit[0] > 0.9 > sorted(fit)[-2]
