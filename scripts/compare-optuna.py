#!/usr/bin/python3
"""Optuna's TPE and NSGA-II on a table of mico bench-table, beside `mico compare`.

  scripts/compare-optuna.py jobs/tables/lenet.h5 --limits 0.3,0.5,0.7 --seeds 20 --budget 512 \
      -o results/optuna-runs.csv
  mico compare jobs/tables/compare.ini --limits 0.3,0.5,0.7 --seeds 20 --also results/optuna-runs.csv

Needs Debian's python3-optuna (3.1) and python3-h5py. Each layer's weight and activation width is one
parameter, the limit is a constraint as Optuna's users state it (constraints_func), infeasible
schemes cost an evaluation (--reject: they are refused at no cost). Each trial is an evaluation, as
Optuna runs it; --free-repeats answers repeated schemes at no cost, as mico-sweep does. Either way
a run ends after twenty times its budget of proposals. Writes a line
a run with what `mico compare --also` reads; prints medians over the seeds.
"""
import argparse
import csv
import itertools
import math
import os
import statistics
import sys
import time

import h5py
import numpy as np
import optuna

WIDTHS = [1, 15, 2, 3, 4, 5, 6, 7, 8]  # the index of a width in cost tables; 15 is ternary
REFUSED = 2**32 - 1


class Table:
    def __init__(self, path):
        with h5py.File(path, "r") as f:
            if "mico_table" not in f.attrs:
                sys.exit(f"{path}: not a table of mico bench-table")
            p = f["problem"]
            self.options = [[int(w) for w in row if w] for row in p["options"][:]]
            self.variable_of = [int(v) for v in p["variable_of"][:]]
            self.layers = int(p.attrs["layers"])
            self.costs = [c.decode() if isinstance(c, bytes) else c for c in p["cost"][:]]
            self.cost_table = p["cost_table"][:]
            self.cost_constant = p["cost_constant"][:]
            self.correct = f["correct"][:]
            self.images = int(f.attrs["images"])
        self.name = os.path.splitext(os.path.basename(path))[0]

    def cost(self, metric, bits):
        m, total = self.costs.index(metric), float(self.cost_constant[self.costs.index(metric)])
        for l in range(self.layers):
            total += self.cost_table[m, l, WIDTHS.index(bits[l]), WIDTHS.index(bits[self.layers + l])]
        return total

    def bits(self, levels):
        return [self.options[v][levels[v]] for v in self.variable_of]

    def index(self, levels):
        at = 0
        for v, level in enumerate(levels):
            at = at * len(self.options[v]) + level
        return at

    def optimum(self, metric, limit):
        best = 0
        for at, levels in enumerate(itertools.product(*(range(len(o)) for o in self.options))):
            c = int(self.correct[at])
            if c != REFUSED and c > best and self.cost(metric, self.bits(levels)) <= limit:
                best = c
        return best


def make_sampler(name, seed):
    def constraints(trial):
        return (trial.user_attrs["excess"],)

    if name == "optuna-tpe":
        return optuna.samplers.TPESampler(seed=seed, constraints_func=constraints)
    if name == "optuna-nsga2":
        return optuna.samplers.NSGAIISampler(seed=seed, constraints_func=constraints)
    if name == "optuna-random":
        return optuna.samplers.RandomSampler(seed=seed)
    sys.exit(f"unknown method {name}; there are optuna-tpe, optuna-nsga2, optuna-random")


def run(table, metric, limit, method, seed, budget, reject, free_repeats):
    """(evaluations, proposals, improvements, seconds of the sampler)"""
    study = optuna.create_study(sampler=make_sampler(method, seed), direction="maximize")
    seen, best, improvements, proposals, spent = {}, 0, [], 0, 0.0
    evaluations = 0
    while evaluations < budget and proposals < 20 * budget:
        start = time.process_time()
        trial = study.ask()
        levels = [trial.suggest_int(f"v{v}", 0, len(o) - 1) for v, o in enumerate(table.options)]
        spent += time.process_time() - start
        proposals += 1
        excess = table.cost(metric, table.bits(levels)) / limit - 1
        trial.set_user_attr("excess", excess)
        at = table.index(levels)
        known = at in seen
        free = (known and free_repeats) or (reject and excess > 0)
        seen[at] = True
        if not free:
            evaluations += 1
        correct = int(table.correct[at])
        if excess <= 0 and correct != REFUSED and correct > best and not known:
            best = correct
            improvements.append((evaluations, correct))
        start = time.process_time()
        if correct == REFUSED or (reject and excess > 0):
            study.tell(trial, state=optuna.trial.TrialState.FAIL)
        else:
            study.tell(trial, correct / table.images)
        spent += time.process_time() - start
    return evaluations, proposals, improvements, spent


def reached(improvements, optimum, images, points):
    for evaluations, correct in improvements:
        if (optimum - correct) * 1000 <= points * 10 * images + 1e-6:
            return evaluations
    return math.inf


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("table")
    p.add_argument("--limits", default="0.3,0.5,0.7", help="shares of the reference scheme's cost")
    p.add_argument("--metric", default="bops")
    p.add_argument("--methods", default="optuna-tpe,optuna-nsga2")
    p.add_argument("--seeds", type=int, default=5)
    p.add_argument("--budget", type=int, default=512)
    p.add_argument("--reject", action="store_true", help="infeasible schemes are free")
    p.add_argument("--free-repeats", action="store_true", help="repeated schemes are free")
    p.add_argument("-o", "--output", default="results/optuna-runs.csv")
    args = p.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    import warnings
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)

    table = Table(args.table)
    whole = table.cost(args.metric, [8] * 2 * table.layers)
    os.makedirs(os.path.dirname(args.output) or ".", exist_ok=True)
    with open(args.output, "w", newline="") as f:
        out = csv.writer(f, lineterminator="\n")
        out.writerow("case method seed evaluations proposals search_s improvements".split())
        for share in args.limits.split(","):
            case = f"{table.name}, {args.metric} <= {share.strip()} of w8a8"
            limit = float(share) * whole
            optimum = table.optimum(args.metric, limit)
            print(f"{case}: optimum {100 * optimum / table.images:.2f} %")
            print(f"  {'method':14} {'optimum':>9} {'runs':>5} {'-0.1':>9} {'runs':>5} {'-0.5':>9} {'runs':>5}"
                  f"  {'regret':>6} {'ms/ask':>9}")
            for method in args.methods.split(","):
                runs = []
                for seed in range(1, args.seeds + 1):
                    n, proposals, improvements, spent = run(
                        table, args.metric, limit, method, seed, args.budget, args.reject,
                        args.free_repeats)
                    runs.append((improvements, 1e3 * spent / proposals))
                    out.writerow([case, method, seed, n, proposals, f"{spent:.6f}",
                                  ";".join(f"{e}:{c}" for e, c in improvements)])
                    f.flush()
                text = f"  {method:14}"
                for points in (0, 0.1, 0.5):
                    counts = [reached(i, optimum, table.images, points) for i, _ in runs]
                    median = statistics.median(counts)
                    text += f" {'>%d' % args.budget if math.isinf(median) else '%g' % median:>9}"
                    text += f" {sum(map(math.isfinite, counts)):5d}"
                regret = statistics.median(
                    100 * (optimum - (i[-1][1] if i else 0)) / table.images for i, _ in runs)
                print(text + f"  {regret:6.2f} {np.mean([ms for _, ms in runs]):9.3f}", flush=True)


if __name__ == "__main__":
    main()
