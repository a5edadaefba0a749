"""Where weights come from: the package, a path, an address; and what is refused."""

import hashlib
import json
import pickle
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch
from safetensors.torch import load_file, save_file

from zoomdiff import weights as addresses
from zoomdiff.checkpoint import SHIPPED, load_model, new_network, save_model
from zoomdiff.diffusion.design import Design, setting
from zoomdiff.diffusion.drdm import DRDM
from zoomdiff.diffusion.prior import LevelStats, ResidualPrior
from zoomdiff.diffusion.rhythm import Rhythm
from zoomdiff.errors import CheckpointError
from zoomdiff.levels import S4T4

NO_SHA = "0" * 64


def untrained(name: str = "S4T4", **size: int) -> DRDM:
    hierarchy, nodes = setting(name)
    network = new_network(hierarchy, Design(nodes=nodes), **{"channels": 8, "blocks": 1} | size)
    return DRDM(network, ResidualPrior(hierarchy, 2e5, (LevelStats(1.5, 1.0, -1.5, 5.0, 0.5),) * len(hierarchy)))


@pytest.fixture
def files(tmp_path) -> Path:
    """Weights with their JSON."""
    path = tmp_path / "published" / "mine.safetensors"
    save_model(replace(untrained(), trained_on="rain"), path)
    return path


@pytest.fixture
def server(files):
    """Serves the folder of `files`: (address of the weights, number of requests by name, replies instead of files)."""
    asked, instead = Counter(), {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            name = self.path.strip("/")
            asked[name] += 1
            status, headers, body = instead.get(name, (200, {}, None))
            if body is None and status == 200:
                body = (files.parent / name).read_bytes()
            self.send_response(status)
            for header, value in ({"Content-Length": str(len(body or b""))} | headers).items():
                self.send_header(header, value)
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *args):
            pass

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=running.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{running.server_port}/{files.name}", asked, instead
    running.shutdown()
    running.server_close()


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("ZOOMDIFF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def refused(words: str, source, **options) -> None:
    """load_model raises one sentence with these words."""
    with pytest.raises(CheckpointError, match=words) as found:
        load_model(source, device="cpu", **options)
    text = str(found.value)
    assert text.endswith((".", "...")) and "\n" not in text


def test_without_a_source_the_shipped_weights_are_loaded():
    model = load_model(device="cpu")
    assert model.sha256 == sha256(SHIPPED) and model.trained_on.startswith("simulated")


@pytest.mark.parametrize("kind", [str, Path])
def test_a_path_is_text_or_a_path_and_may_be_checked(files, kind):
    assert load_model(kind(files), device="cpu", sha256=sha256(files).upper()).trained_on == "rain"
    refused("not 000000000000", kind(files), sha256=NO_SHA)


def test_an_address_is_downloaded_once_and_checked_at_each_use(files, server, cache):
    address, asked, _ = server
    first, again = (load_model(address, device="cpu", sha256=sha256(files)) for _ in range(2))
    assert asked == {"mine.safetensors": 1, "mine.json": 1}
    entry = cache / "weights" / sha256(files)
    assert [folder.name for folder in entry.parent.iterdir()] == [sha256(files)]
    assert first.sha256 == again.sha256 == sha256(files) and again.trained_on == "rain"
    for damaged in ("mine.safetensors", "mine.json"):
        (entry / damaged).write_bytes(b"{}")
        load_model(address, device="cpu", sha256=sha256(files))
        assert (entry / damaged).read_bytes() == (files.parent / damaged).read_bytes()
    assert asked == {"mine.safetensors": 3, "mine.json": 3}


def test_weights_in_the_cache_need_no_network(files, server, cache, monkeypatch):
    address, _, _ = server
    load_model(address, device="cpu", sha256=sha256(files))
    monkeypatch.setattr(addresses, "urlopen", lambda *args, **options: pytest.fail("asked the network"))
    assert load_model(address, device="cpu", sha256=sha256(files)).trained_on == "rain"


def test_what_is_not_whole_or_another_file_leaves_nothing(files, server, cache):
    address, _, instead = server
    whole = files.read_bytes()
    for body, headers in ((whole[:-100], {}), (whole[:-100], {"Content-Length": str(len(whole))}), (b"other", {})):
        instead[files.name] = 200, headers, body
        refused("not downloaded whole or is another file", address, sha256=sha256(files))
    instead.clear()
    instead["mine.json"] = 404, {}, b""
    refused("mine.json cannot be downloaded .*404.*check the address", address, sha256=sha256(files))
    instead.clear()
    instead[files.name] = 302, {"Location": "http://zoomdiff.invalid/mine.safetensors"}, b""
    refused("cannot be downloaded", address, sha256=sha256(files))
    assert not list((cache / "weights").iterdir())


def test_a_json_that_is_too_long_is_not_downloaded(files, server, cache, monkeypatch):
    monkeypatch.setattr(addresses, "MOST_JSON", 100)
    refused("more than 100 bytes", server[0], sha256=sha256(files))


def test_what_it_was_trained_on_is_text(files):
    about = files.with_suffix(".json")
    about.write_text(json.dumps(json.loads(about.read_text()) | {"trained_on": ["rain"]}))
    refused("or their JSON are damaged: restore both files", files)


def test_offline_gets_one_sentence(cache):
    refused("connect to the internet, or give the path", "http://127.0.0.1:9/mine.safetensors", sha256=NO_SHA)


def test_a_cache_that_cannot_be_written_gets_one_sentence(files, server, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("ZOOMDIFF_CACHE", str(tmp_path / "file"))
    refused("cache .* cannot be written .*set ZOOMDIFF_CACHE", server[0], sha256=sha256(files))


@pytest.mark.parametrize(
    ("address", "options", "words"),
    [
        ("https://example.org/a.safetensors", {}, "give the SHA-256 of a.safetensors as sha256"),
        ("https://example.org/a.safetensors", {"sha256": "abc"}, "'abc' is not a SHA-256: give 64"),
        ("http://example.org/a.safetensors", {"sha256": NO_SHA}, "by https only"),
        ("ftp://example.org/a.safetensors", {"sha256": NO_SHA}, "by https only"),
        ("file:///tmp/a.safetensors", {"sha256": NO_SHA}, "by https only"),
        ("https://example.org/a.pt", {"sha256": NO_SHA}, r"a\.pt is not a \.safetensors file"),
    ],
)
def test_addresses_that_cannot_be_used(address, options, words, cache):
    refused(words, address, **options)


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".bin"])
def test_other_kinds_of_files_are_never_unpickled(tmp_path, suffix):
    class Bomb:
        def __reduce__(self):
            return Path.touch, (tmp_path / "exploded",)

    for name in (f"model{suffix}", "model.safetensors"):
        (tmp_path / name).write_bytes(pickle.dumps(Bomb()))
        (tmp_path / "model.json").write_text("{}")
        refused("is not a .safetensors file" if suffix in name else "damaged", tmp_path / name)
    assert not (tmp_path / "exploded").exists()


def levels(**fields) -> list[dict]:
    """Those of S4T4 as JSON has them, with other values of some fields."""
    return [asdict(level) | {name: values[k] for name, values in fields.items()} for k, level in enumerate(S4T4)]


def edit(files: Path, **changes) -> None:
    text = files.with_suffix(".json")
    text.write_text(json.dumps(json.loads(text.read_text()) | changes))


def test_weights_of_other_levels_or_size_than_their_json(files, tmp_path):
    for other in (untrained("S3T4"), untrained(channels=12), untrained(blocks=2)):
        save_model(other, tmp_path / "other.safetensors")
        (tmp_path / "other.json").write_bytes(files.with_suffix(".json").read_bytes())
        refused("other levels or another size than their JSON", tmp_path / "other.safetensors")


@pytest.mark.parametrize("size", [{"channels": 10**9}, {"channels": 60_000}, {"blocks": 10**9}, {"blocks": -1}])
def test_a_json_that_asks_for_an_enormous_network_gets_none(files, size, monkeypatch):
    edit(files, network={"channels": 8, "blocks": 1} | size)
    made = []
    init = torch.nn.Linear.__init__

    def watched(self, *args, **options):
        init(self, *args, **options)
        made.append(self.weight.device.type)

    monkeypatch.setattr(torch.nn.Linear, "__init__", watched)
    refused("other levels or another size|damaged", files)
    assert set(made) <= {"meta"}


@pytest.mark.parametrize(
    "changes",
    [
        {"hierarchy": []},
        {"hierarchy": [{"name": "bs", "title": "", "side": 0, "hours": 24}] * 4},
        {"hierarchy": "S4T4"},
        {"hierarchy": levels(name=("bs", "bs", "grid100", "grid50"))},
        {"hierarchy": levels(name=("bs", "cell", "grid50", "GRID50"))},
        {"hierarchy": levels(name=("../../evil", "cell", "grid100", "grid50"))},
        {"hierarchy": levels(title=("a\nb", "", "", ""))},
        {"hierarchy": levels(side=(4, 2, 1, 0.5))},
        {"hierarchy": levels(side=(100_000, 200, 100, 50))},
        {"hierarchy": levels() * 1000},
        {"scale": -1},
        {"scale": None},
        {"stats": []},
        {"stats": [{"mean": 0, "std": 0, "low": 0, "high": 0, "residual_std": 1}] * 4},
        {"stats": [{"mean": 1000, "std": 1, "low": 0, "high": 5, "residual_std": 1}] * 4},
        {"stats": [{"mean": -10, "std": 1, "low": 0, "high": 5, "residual_std": 1}] * 4},
        {"stats": [{"mean": 1, "std": 1, "low": 5, "high": 0, "residual_std": 1}] * 4},
        {"stats": [{"mean": "a", "std": 1, "low": 0, "high": 0, "residual_std": 1}] * 4},
        {"stats": [{"mean": 0, "std": 1, "low": 0, "high": 0, "residual_std": 1, "rhythm": {}}] * 4},
        {"design": {"nodes": [600, 0]}},
        {"design": {"nodes": [600.5, 450, 300, 150, 0]}},
        {"design": {"nodes": [10**12, 3, 2, 1, 0]}},
        {"design": {"prior": "magic", "nodes": [4, 3, 2, 1, 0]}},
        {"design": None},
        {"network": {}},
    ],
    ids=str,
)
def test_a_broken_json_gets_one_sentence(files, changes):
    edit(files, **changes)
    refused("damaged: restore both files", files)


NO_VALUES = ["NaN", "12", 1e999, 1e300, -1, 10**4000, 0.5, True, None, [], [None], {}, "../../evil"]


def leaves(node: object, path: tuple = ()) -> Iterator[tuple]:
    """The paths of all values in a JSON."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else None
    if items is None:
        yield path
    else:
        yield path
        for key, value in items:
            yield from leaves(value, (*path, key))


def put(node: object, path: tuple, value: object) -> object:
    """The same JSON with another value at a path."""
    if not path:
        return value
    copy = dict(node) if isinstance(node, dict) else list(node)
    copy[path[0]] = put(node[path[0]], path[1:], value)
    return copy


def loads_or_is_refused(files: Path) -> None:
    """Weights that load have numbers that can be used; all else is one sentence."""
    try:
        model = load_model(files, device="cpu")
    except CheckpointError as error:
        assert str(error).endswith(".") and "\n" not in str(error) and len(str(error)) < 500
    else:
        assert all(type(level.hours) is int and level.side >= 25 for level in model.hierarchy)
        for k, stats in enumerate(model.prior.stats):
            assert model.prior.decode(torch.tensor(stats.high), k).isfinite()
        names = {level.name for level in model.hierarchy}
        assert len(names) == len(model.hierarchy) and not any("/" in name for name in names)


@pytest.mark.parametrize("value", NO_VALUES, ids=lambda value: str(value)[:10])
def test_a_wrong_value_anywhere_in_the_json_is_one_sentence(value, tmp_path):
    files, model = tmp_path / "mine.safetensors", untrained()
    rhythms = [Rhythm.fit(torch.arange(200.0), torch.randn(S4T4.steps(k), 200)) for k in range(len(S4T4))]
    stats = tuple(replace(numbers, rhythm=rhythm) for numbers, rhythm in zip(model.prior.stats, rhythms, strict=True))
    save_model(replace(model, prior=replace(model.prior, stats=stats), trained_on="rain"), files)
    text = files.with_suffix(".json")
    about = json.loads(text.read_text())
    seen = set()
    for path in leaves(about):
        kind = tuple("number" if isinstance(key, int) else key for key in path)
        if kind not in seen:  # one of a kind: of each list the first
            seen.add(kind)
            text.write_text(json.dumps(put(about, path, value)).replace("Infinity", "1e999"))
            loads_or_is_refused(files)
    assert len(seen) > 40


def test_weights_that_are_no_numbers_are_refused(files):
    weights = load_file(files)
    weights["level.weight"][0, 0] = torch.nan
    save_file(weights, files)
    refused("damaged: restore both files", files)


@pytest.mark.parametrize("text", ["{", "[]", "null", '{"scale": NaN}', "[" * 100_000, "\udcff"])
def test_what_is_no_json_of_weights_gets_one_sentence(files, text):
    files.with_suffix(".json").write_bytes(text.encode(errors="surrogateescape"))
    refused(r"mine\.json is not the JSON of weights: restore both files", files)


def test_an_oversized_json_is_not_read(files):
    with files.with_suffix(".json").open("a") as file:
        file.write(" " * addresses.MOST_JSON)
    refused("more than 4,194,304 bytes: it is another kind of file", files)


def test_truncated_and_missing_files(files):
    files.write_bytes(files.read_bytes()[:-10])
    refused("damaged", files)
    files.with_suffix(".json").unlink()
    refused("need their JSON beside them", files)
