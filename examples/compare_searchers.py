"""Compare searchers on a small classifier of handwritten digits; about 20 seconds, without network or GPU.

python examples/compare_searchers.py [--seeds 3] [--reuse RUN] [--out DIR]
"""

import argparse

import modeldebug


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare two searchers, and no search at all, on digits.")
    parser.add_argument("--seeds", type=int, default=3, help="how many repeats")
    parser.add_argument("--reuse", help="a run of the preset tiny whose models are taken over")
    parser.add_argument("--out", help="the folder; runs/DATE-compare if not given")
    args = parser.parse_args()

    comparison = modeldebug.compare(
        entrants=["beta-noise", "margin"], budget="2k", seeds=args.seeds, preset="tiny", reuse=args.reuse, out=args.out
    )

    print("images with an error of the classifier, found with 2,000 queries, and how many are drift:")
    for row in comparison.rows:
        found, drift = row["distinct"], row["drift_share"]
        likely = "" if found["low"] is None else f" ({found['low']:.0f} to {found['high']:.0f})"
        share = "-" if drift["mean"] is None else f"{drift['mean']:.0%}"
        print(f"  {row['name']:<12} {found['mean']:5.1f}{likely}, drift {share}")
    for found in comparison.results["differences"]:
        if found["metric"] == "distinct" and found["real"]:
            more, fewer = (found["one"], found["other"]) if found["mean"] > 0 else (found["other"], found["one"])
            print(f"more than chance: {more} finds more than {fewer}")
    print(f"report: {comparison.report()}")


if __name__ == "__main__":
    main()
