"""Downloads: from the first mirror that works, checked, and with a way out where there is no network."""

import hashlib
import sys

import pooch
import pytest
import requests
from modeldebug_datasets import mnist
from modeldebug_datasets.download import Files, Remote, _Progress
from modeldebug_datasets.gtsrb import Gtsrb
from modeldebug_datasets.settings import GtsrbConfig, IdxConfig, SvhnConfig
from modeldebug_datasets.svhn import Svhn
from published import write_idx

from modeldebug import DataError, rng_for

CONTENT = b"what the file holds" * 1000


class Network:
    """Stands in for pooch's downloader: what lies under an address (an error is raised), and what was asked for."""

    def __init__(self):
        self.files, self.asked = {}, []

    def downloader(self, progressbar, chunk_size, timeout):
        def fetch(url, output_file, pooch):
            self.asked.append(url)
            if url not in self.files:
                raise requests.exceptions.ConnectionError("the network is unreachable")
            if isinstance(self.files[url], Exception):
                raise self.files[url]
            progressbar.total = len(self.files[url])
            progressbar.update(chunk_size)
            progressbar.reset()
            progressbar.update(progressbar.total)
            progressbar.close()
            with open(output_file, "wb") as file:
                file.write(self.files[url])

        return fetch


@pytest.fixture
def network(monkeypatch, tmp_path):
    """No network but this one, and an empty cache folder."""
    monkeypatch.setenv("MODELDEBUG_CACHE", str(tmp_path / "cache"))
    network = Network()
    monkeypatch.setattr(pooch, "HTTPDownloader", network.downloader)
    return network


def remote(*urls):
    return Remote("data.gz", hashlib.md5(CONTENT).hexdigest(), urls)


def get(*urls):
    return Files("Data", [remote(*urls)], (), None, "datasets:data").get(slice(None))[0]


def test_file_is_fetched_once(network):
    network.files["http://one/data.gz"] = CONTENT
    assert get("http://one/data.gz").read_bytes() == CONTENT
    assert get("http://one/data.gz").read_bytes() == CONTENT
    assert network.asked == ["http://one/data.gz"]


def test_next_mirror_is_asked_where_one_is_dead_or_gives_other_bytes(network):
    network.files |= {"http://two/data.gz": b"<html>", "http://three/data.gz": CONTENT}
    urls = ("http://one/data.gz", "http://two/data.gz", "http://three/data.gz")
    assert get(*urls).read_bytes() == CONTENT
    assert network.asked == list(urls)


def test_file_of_other_bytes_is_never_kept(network, tmp_path):
    network.files["http://one/data.gz"] = CONTENT[:-1]
    with pytest.raises(DataError, match=r"data\.gz of Data could not be downloaded") as caught:
        get("http://one/data.gz")
    assert "its checksum differs" in str(caught.value)
    assert not [file for file in (tmp_path / "cache").rglob("*") if file.is_file()]


@pytest.mark.parametrize("error", [requests.exceptions.InvalidSchema, requests.exceptions.InvalidProxyURL])
def test_a_proxy_that_cannot_be_used_is_told_as_such(network, error):
    network.files["http://one/data.gz"] = error("what is wrong with the proxy")
    with pytest.raises(DataError, match="what is wrong with the proxy") as caught:
        get("http://one/data.gz")
    assert "checksum" not in str(caught.value)


def test_file_that_was_damaged_later_is_fetched_again(network):
    network.files["http://one/data.gz"] = CONTENT
    get("http://one/data.gz").write_bytes(b"damaged")
    assert get("http://one/data.gz").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("source", "url", "folder"),
    [
        (mnist.Mnist(IdxConfig()), "https://ossci-datasets.s3.amazonaws.com/mnist/train-images", "data/MNIST"),
        (mnist.FashionMnist(IdxConfig()), "amazonaws.com/train-images-idx3-ubyte.gz", "data/FashionMNIST"),
        (Svhn(SvhnConfig()), "http://ufldl.stanford.edu/housenumbers/train_32x32.mat", "data/SVHN"),
        (Gtsrb(GtsrbConfig()), "/daaeac0d7ce1152aea9b61d9f1e19370/GTSRB-Training_fixed.zip", "data/GTSRB"),
    ],
)
def test_without_a_network_it_is_said_what_to_get_and_what_to_type(network, source, url, folder):
    with pytest.raises(DataError, match="could not be downloaded") as caught:
        source.load(rng_for(0))
    for words in (url, "; put them into one folder", f"--set dataset.root={folder}", "the network is unreachable"):
        assert words in str(caught.value)
    assert caught.value.exit_code == 2


def test_downloaded_data_are_converted_and_then_need_neither_network_nor_downloads(
    network, tmp_path, monkeypatch, capsys
):
    checksums = {}
    for name in mnist.Mnist.md5:
        file = write_idx(tmp_path / "server") / name
        network.files[f"{mnist.Mnist.mirrors[1]}{file.name}"] = file.read_bytes()
        checksums[file.name] = hashlib.md5(file.read_bytes()).hexdigest()
    monkeypatch.setattr(mnist.Mnist, "md5", checksums)
    assert len(mnist.Mnist(IdxConfig(validation=50)).load(rng_for(0)).train) == 150
    assert len(capsys.readouterr().err.splitlines()) == 4, "one line for each file"
    network.files.clear()
    for file in (tmp_path / "cache" / "downloads" / "MNIST").iterdir():
        file.unlink()
    assert len(mnist.Mnist(IdxConfig(validation=50)).load(rng_for(0)).train) == 150


def test_progress_on_a_terminal_is_told_now_and_then(network, monkeypatch, capsys):
    times = iter(range(0, 100, 2))
    monkeypatch.setattr("modeldebug_datasets.download.time.monotonic", lambda: 1.0 + next(times))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    network.files["http://one/data.gz"] = CONTENT
    progress = _Progress("data.gz", "http://one/data.gz")
    progress.total = 4_000_000
    for _ in range(4):
        progress.update(1_000_000)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "downloading data.gz (4.0 MB) from http://one/data.gz"
    assert lines[1:] == ["downloading data.gz:  75 % of 4.0 MB"]
