#!/usr/bin/python3
"""Opens a results file as its users do (h5py, xarray) and checks that it keeps its promises.

usage: check_results.py RESULTS.h5 [minimum number of trials a study]

Exit status: 0 good, 1 a promise is broken, 77 h5py or xarray is not installed.
"""
import sys

try:
    import h5py
    import numpy as np
    import xarray as xr
except ImportError as missing:
    print("skipped:", missing)
    sys.exit(77)

TRIAL = {
    "trial": "i8", "duplicate_of": "i8", "images": "i8", "correct": "i8", "worker": "i8",
    "attempts": "i8", "proposed_at": "i8", "finished_at": "i8", "state": "i1",
    "feasible": "i1", "accuracy": "f8", "loss": "f8", "violation": "f8",
    "best_so_far": "f8", "seconds": "f8", "reason": "O",
}
CHECK = {
    "check": "i8", "name": "O", "mode": "i1", "split": "i1", "trial": "i8", "images": "i8",
    "correct": "i8", "accuracy": "f8", "loss": "f8", "seconds": "f8", "reason": "O",
    "state": "i1",
}
START = {
    "start": "i8", "when": "O", "host": "O", "ranks": "i8", "version": "O", "argv": "O",
    "libraries": "O", "environment": "O", "ended": "O",
}
STATES = "pending done refused crashed timeout out-of-memory bad-output infrastructure"


def need(good, text):
    if not good:
        print("%s: %s" % (sys.argv[1], text))
        sys.exit(1)


def plain_types(name, thing):
    """Only what netCDF4 reads: integers, float64, variable-length UTF-8 strings."""
    if not isinstance(thing, h5py.Dataset):
        return
    text = h5py.check_string_dtype(thing.dtype)
    if text is not None:
        need(text.length is None and text.encoding == "utf-8", name + ": string type")
    else:
        need(thing.dtype.kind in "iu" or thing.dtype == "f8", name + ": type")
    if thing.maxshape and thing.maxshape[0] is None:
        need(thing.chunks[0] == 1024, name + ": chunks")
        need(thing.compression == "gzip" and thing.shuffle, name + ": filters")
        need(thing.fletcher32 or text is not None, name + ": checksum")


def columns(group, wanted, dimension):
    n = len(group[dimension])
    for name, kind in wanted.items():
        need(name in group, "%s/%s is missing" % (group.name, name))
        column = group[name]
        need(column.dtype == kind, "%s has type %s" % (column.name, column.dtype))
        need(column.shape == (n,), "%s has shape %s" % (column.name, column.shape))
        if name != dimension:
            need(column.dims[0][0] == group[dimension], column.name + ": dimension scale")
    need((group[dimension][:] == np.arange(n)).all(), dimension + " is not 0, 1, 2, ...")
    return n


def check_outcomes(group):
    state, images, correct = (group[k][:] for k in ("state", "images", "correct"))
    accuracy = group["accuracy"][:]
    done = state == 1
    need(group["state"].attrs["flag_meanings"] == STATES, "flag_meanings of state")
    need((group["state"].attrs["flag_values"] == np.arange(8)).all(), "flag_values")
    need(np.isnan(accuracy[~done]).all(), "an accuracy of what is not done")
    need((accuracy[done] == correct[done] / images[done]).all(), "accuracy")
    need(np.isnan(group["loss"][:][~done]).all(), "a loss of what is not done")


def check_front(group, cost):
    accuracy, front = group["accuracy"][:], group["front"][:]
    allowed = (group["feasible"][:] == 1) & (group["state"][:] == 1)
    need(allowed[front].all(), "front holds an infeasible trial")
    for i in front:
        better = allowed & (accuracy >= accuracy[i]) & (cost <= cost[i])
        better &= (accuracy > accuracy[i]) | (cost < cost[i])
        need(not better.any(), "trial %d of the front is dominated" % i)


def check_study(path, group, least):
    n = columns(group, TRIAL, "trial")
    need(n >= least, "%s has %d trials" % (group.name, n))
    layers = len(group["layer"])
    for bits in ("weight_bits", "act_bits"):
        need(group[bits].shape == (n, layers), bits + ": shape")
        need(group[bits].dims[0][0] == group["trial"], bits + ": rows")
        need(group[bits].dims[1][0] == group["layer"], bits + ": layers")
        need(group[bits].attrs["ternary_code"] == 15, bits + ": ternary_code")
        need(np.isin(group[bits][:], [1, 2, 3, 4, 5, 6, 7, 8, 15]).all(), bits)
    check_outcomes(group)
    accuracy = np.where(group["feasible"][:] == 1, group["accuracy"][:], np.nan)
    best = np.fmax.accumulate(accuracy) if n else accuracy
    need(np.array_equal(best, group["best_so_far"][:], equal_nan=True), "best_so_far")
    need(((group["violation"][:] > 0) != (group["feasible"][:] == 1)).all(), "feasible")
    dup = group["duplicate_of"][:]
    for i in np.flatnonzero(dup >= 0):
        same = all((group[b][i] == group[b][dup[i]]).all() for b in ("weight_bits", "act_bits"))
        need(dup[i] < i and same, "trial %d is no duplicate" % i)
    problem = group["problem"]
    names = problem["cost_column"].asstr()[:] if "cost_column" in problem else []
    for name in names:
        need(group[name].shape == (n,) and group[name].dtype == "f8", "cost " + name)
    if len(names):
        check_front(group, group[names[problem.attrs["front_cost"]]][:])
    for key in ("name", "key", "searcher", "profile", "objective", "constraints", "complete", "digest"):
        need(key in group.attrs, "attribute " + key)
    checks = group["checks"]
    columns(checks, CHECK, "check")
    check_outcomes(checks)

    with xr.open_dataset(path, group=group.name) as ds:
        for coordinate in ("trial", "layer"):
            need(coordinate in ds.coords, "xarray sees no coordinate " + coordinate)
        need(ds["weight_bits"].dims == ("trial", "layer"), "xarray: dims of weight_bits")
        missing = [k for k in list(TRIAL) + list(names) if k not in ds.variables]
        need(not missing, "xarray does not see %s" % missing)
        frame = ds[["accuracy", "state", "reason"]].to_dataframe()
        need(len(frame) == n, "pandas: rows")
    with xr.open_dataset(path, group=checks.name) as ds:
        need(ds["act_bits"].dims == ("check", "layer"), "xarray: dims of checks")
    return n


def main():
    path, least = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0
    with h5py.File(path, "r") as f:
        need(f.attrs["mico_format"] == 1, "mico_format")
        for key in ("title", "created", "digest", "complete"):
            need(key in f.attrs, "root attribute " + key)
        need(len(f.attrs["digest"]) == 16, "digest")
        f.visititems(plain_types)
        need(len(f["job"].asstr()[()]) > 0, "job")
        starts = columns(f["provenance/starts"], START, "start")
        need(starts > 0, "no start")
        need(len(f["network/layer"]) == len(f["network/macs"]), "network")
        order = sorted(f["studies"].values(), key=lambda g: g.attrs["index"])
        trials = [check_study(path, g, least) for g in order]
        print("%s: %d studies, trials %s, digest %s" % (path, len(order), trials, f.attrs["digest"]))


main()
