# Makes forest.txt: what scikit-learn's trees and forests say (python3 make_forest.py > forest.txt).
#
# Single trees see all samples and features, so they are fully determined where no two
# splits are equally good; points whose prediction depends on how such ties end are left
# out. Forests are random: only their skill is recorded.
import platform

import numpy as np
import sklearn
from sklearn.ensemble import RandomForestRegressor
from sklearn.tree import DecisionTreeRegressor

WIDTHS = np.array([1, 1.58, 2, 3, 4, 5, 6, 7, 8])


def make(rng, n, n_features):
    scale = 2.0 ** rng.integers(-2, 3, n_features)  # exact in the float32 of scikit-learn
    codes = rng.integers(0, len(WIDTHS), (n, n_features))
    x = WIDTHS[codes] * scale
    loss = (rng.uniform(0.2, 1, n_features) * 4.0 ** -(WIDTHS[codes] / 2)).sum(axis=1)
    return scale, codes, x, np.exp(-loss) + rng.normal(0, 0.01, n)


def put(name, depth, scale, codes, y, test, predicted):
    print(name, len(y), len(scale), len(predicted), depth or 0)
    print(*(repr(float(s)) for s in scale))
    for c, v in [*zip(codes, y), *zip(test, predicted)]:
        print(*c, repr(float(v)))


def tree_case(seed, n, n_features, depth):
    rng = np.random.default_rng(seed)
    scale, codes, x, y = make(rng, n, n_features)
    test = rng.integers(0, len(WIDTHS), (300, n_features))
    # noise far below the signal lets equally good splits win by turns
    noise = np.vstack([0 * y, rng.normal(0, 1e-10, (60, n))])
    trees = [DecisionTreeRegressor(max_depth=depth, random_state=s).fit(x, y + e)
             for s, e in enumerate(noise)]
    p = np.array([t.predict(WIDTHS[test] * scale) for t in trees])
    clear = np.ptp(p, axis=0) < 1e-8
    put("tree", depth, scale, codes, y, test[clear], p[0][clear])


def forest_case(seed, n, n_features, depth, trees):
    rng = np.random.default_rng(seed)
    scale, codes, x, y = make(rng, n + 400, n_features)
    skill, spread = [], []
    for s in range(8):
        f = RandomForestRegressor(trees, max_depth=depth, max_features="sqrt", random_state=s)
        f.fit(x[:n], y[:n])
        each = np.array([t.predict(x[n:]) for t in f.estimators_])
        skill.append(1 - ((each.mean(axis=0) - y[n:]) ** 2).sum() / ((y[n:] - y[n:].mean()) ** 2).sum())
        spread.append(each.std(axis=0).mean())
    put("forest", depth, scale, codes[:n], y[:n], codes[n:], y[n:])
    print(trees, *(repr(float(f(v))) for v in (skill, spread) for f in (np.mean, np.std)))


print(f"# make_forest.py, scikit-learn {sklearn.__version__}, numpy {np.__version__}, "
      f"Python {platform.python_version()}: python3 make_forest.py > forest.txt")
tree_case(1, 60, 1, None)
tree_case(2, 200, 4, None)
tree_case(3, 300, 10, 5)
tree_case(4, 40, 3, None)
forest_case(5, 200, 12, 5, 250)
forest_case(6, 120, 24, None, 100)
