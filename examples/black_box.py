"""Debug a model that is behind a web address and answers with probabilities: about half a minute.

A server in this process stands for it: a logistic regression of scikit-learn's digits, which speaks JSON. modeldebug
sees the address alone. It has no gradients to follow and no weights to correct, so it searches by `margin-evolution`.

    python examples/black_box.py [--out DIR]
"""

import argparse
import json
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.utils.data import TensorDataset

import modeldebug


class Remote(nn.Module):
    """A classifier that is asked over the network: images (n, c, h, w) in [0, 1] to probabilities (n, k)."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self.address = address

    def forward(self, x: Tensor) -> Tensor:
        # each image is sent once: batches are filled up with copies
        pixels, rows = torch.unique(x.detach().cpu().flatten(1), dim=0, return_inverse=True)
        body = json.dumps({"images": pixels.unflatten(1, x.shape[1:]).tolist()}).encode()
        request = urllib.request.Request(self.address, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            probabilities = torch.tensor(json.load(answer)["probabilities"])
        return probabilities[rows].to(x.device)


def serve(model: LogisticRegression) -> ThreadingHTTPServer:
    """The model at a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:  # the name that http.server calls
            images = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["images"]
            probabilities = model.predict_proba(np.array(images).reshape(len(images), -1))
            body = json.dumps({"probabilities": probabilities.tolist()}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: a line for each request would hide the run."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main() -> None:
    parser = argparse.ArgumentParser(description="Debug a model behind a web address.")
    parser.add_argument("--out", help="the run folder; runs/DATE-tiny if not given")
    args = parser.parse_args()

    digits = load_digits()
    images, labels = (digits.images[:, None] / 16).astype(np.float32), digits.target
    known, new = slice(0, 700), slice(700, 1000)
    model = LogisticRegression(max_iter=500).fit(images[known].reshape(700, -1), labels[known])
    data = {  # the test images are new to the model
        part: TensorDataset(torch.from_numpy(images[rows]), torch.from_numpy(labels[rows]))
        for part, rows in (("train", known), ("test", new))
    }

    server = serve(model)
    remote = Remote(f"http://127.0.0.1:{server.server_port}/classify")
    run = modeldebug.run(
        remote,
        data,
        preset="tiny",  # so that the example is quick; leave it out for your own
        settings={
            "searcher": {"use": "margin-evolution", "pairs": 5},
            "search": {"origins": 200, "start": "right"},
        },
        out=args.out,
    )
    server.shutdown()
    server.server_close()

    search = run.results["search"]
    print(f"{search['failures']} failures from {search['distinct_origins']} images; {search['genuine']} are genuine")
    print(f"{search['queries']} queries of the search, {search['screening_queries']} to find where it can start")
    for region in run.regions:
        print(f"region: {region.label}, most often classified as {region.predicted}")
    print(f"nothing was corrected: {run.results['correction_skipped']}")
    print(f"report: {run.report()}")


if __name__ == "__main__":
    main()
