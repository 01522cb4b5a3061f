"""Debug a small classifier of handwritten digits from Python; a little over a minute, without network or GPU.

python examples/quickstart.py [--preset defuse] [--out DIR]
"""

import argparse

import modeldebug


def main() -> None:
    parser = argparse.ArgumentParser(description="Debug a classifier of scikit-learn's digits.")
    parser.add_argument("--preset", default="defuse", help="tiny: the same in seconds, on too little data")
    parser.add_argument("--out", help="the run folder; runs/DATE-NAME if not given")
    args = parser.parse_args()

    run = modeldebug.run(plugins="defuse", preset=args.preset, out=args.out)

    print(f"{len(run.regions)} regions of look-alike images that the classifier gets wrong")
    for region in run.regions:
        print(
            f"  images of {region.label}, most often classified as {region.predicted}: "
            f"{region.weight:.1%} of all failures, purity {region.purity:.2f}"
        )
    before, after = (run.results["region_accuracy"][key] for key in ("before", "after"))
    if after is None:
        print(f"nothing was corrected: {run.results['correction_skipped']}")
    else:
        print(f"accuracy on new images from these regions: {before:.1%}; after correction {after:.1%}")
    print(f"report: {run.report()}")


if __name__ == "__main__":
    main()
