"""ai.onnx.ml: what scikit-learn's estimators become. Weights are small multiples of a power of two wherever a label
depends on a sum, so that the sum is the same in every engine."""

import numpy as np

from ..element_types import DOUBLE, FLOAT, STRING
from ..graph import Graph, Value
from .recipe import recipe

INT64, INT32 = np.dtype("int64"), np.dtype("int32")
DOMAIN = "ai.onnx.ml"
NUMBERS = (FLOAT, DOUBLE, INT64, INT32)


def ml(*ops: str) -> list[str]:
    """The recipes' names: operators of ONNX itself may be called the same."""
    return [f"{DOMAIN}.{op}" for op in ops]


def table(g: Graph, dtype: np.dtype, *, exact: bool = False) -> Value:
    """Rows of features."""
    return g.operand(
        dtype, least=2, most=2, low=-50, high=50, exact=exact, fits=lambda v: 0 < v.shape[-1] <= 40 and v.array.size > 0
    )


def eighths(g: Graph, *shape: int) -> list[float]:
    """Numbers that add up without rounding."""
    return (g.rng.integers(-40, 41, shape) / 8).reshape(-1).tolist()


def exact_table(g: Graph, dtype: np.dtype = FLOAT) -> Value:
    """Rows of such numbers."""
    rows, features = g.within(1, 9), g.within(1, 12)
    return g.enter(np.asarray(eighths(g, rows, features)).reshape(rows, features).astype(dtype))


@recipe(*ml("Scaler"))
def scaler(g: Graph, op: str) -> None:
    """One offset and scale for all features or one for each."""
    x = table(g, g.pick(*NUMBERS))
    count = g.pick(1, x.shape[-1])
    offset, scale = ([g.uniform(-3, 3) for _ in range(count)] for _ in range(2))
    g.node("Scaler", [x], cancels=60, domain=DOMAIN, offset=offset, scale=scale)


@recipe(*ml("Normalizer"))
def normalizer(g: Graph, op: str) -> None:
    """By the largest, the sum, or the length; numbers of one sign, for the largest of others is onnxruntime's own."""
    x = g.operand(FLOAT, least=2, most=2, low=0.25, high=50, fits=lambda v: v.array.size > 0)
    g.node("Normalizer", [x], domain=DOMAIN, norm=g.pick("MAX", "L1", "L2"))


@recipe(*ml("Binarizer"))
def binarizer(g: Graph, op: str) -> None:
    """Above the threshold or not."""
    x = g.operand(FLOAT, least=1, exact=True)
    g.node("Binarizer", [x], kind="decides", domain=DOMAIN, threshold=g.uniform(-1, 1))


@recipe(*ml("Imputer"))
def imputer(g: Graph, op: str) -> None:
    """Numbers in the place of NaN or of another number."""
    x = exact_table(g)
    array = np.where(g.rng.random(x.shape) < 0.2, np.float32(np.nan if (missing := g.chance(0.5)) else 7.5), x.array)
    values = [g.uniform(-2, 2) for _ in range(g.pick(1, x.shape[-1]))]
    replaced = float("nan") if missing else 7.5
    g.node(
        "Imputer",
        [g.enter(array)],
        kind="moves",
        domain=DOMAIN,
        imputed_value_floats=values,
        replaced_value_float=replaced,
    )


@recipe(*ml("OneHotEncoder"))
def one_hot_encoder(g: Graph, op: str) -> None:
    """Numbers or texts."""
    if g.chance(0.5):
        x = g.operand(INT64, least=1, most=2)
        g.node("OneHotEncoder", [x], kind="moves", domain=DOMAIN, cats_int64s=[3, -2, 0, 5], zeros=1)
    else:
        x = g.operand(STRING, least=1, most=2)
        g.node("OneHotEncoder", [x], kind="moves", domain=DOMAIN, cats_strings=["a", "", "an owl"], zeros=1)


@recipe(*ml("LabelEncoder"))
def label_encoder(g: Graph, op: str) -> None:
    """From numbers or texts to the other, with a default."""
    if g.chance(0.5):
        x = g.operand(INT64)
        keys = {"keys_int64s": [1, -3, 4, 0]}
    else:
        x = g.operand(STRING)
        keys = {"keys_strings": ["a", "B", "1.5", ""]}
    values, default = g.pick(
        ({"values_strings": ["w", "x", "", "z"]}, {"default_string": "none"}),
        ({"values_floats": [0.5, -1.5, 2.0, 0.0]}, {"default_float": -7.5}),
    )
    g.node("LabelEncoder", [x], kind="moves", domain=DOMAIN, **keys, **values, **default)


@recipe(*ml("ArrayFeatureExtractor"))
def array_feature_extractor(g: Graph, op: str) -> None:
    """Some columns, some of them twice."""
    x = table(g, g.pick(*NUMBERS))
    places = g.rng.integers(0, x.shape[-1], g.within(1, 6))
    g.node("ArrayFeatureExtractor", [x, g.ints(places.tolist())], kind="moves", domain=DOMAIN)


@recipe(*ml("FeatureVectorizer"))
def feature_vectorizer(g: Graph, op: str) -> None:
    """Columns behind each other."""
    first = table(g, FLOAT)
    others = [g.operand(FLOAT, (first.shape[0], g.within(1, 5))) for _ in range(g.within(0, 2))]
    widths = [value.shape[1] for value in (first, *others)]
    g.node("FeatureVectorizer", [first, *others], kind="moves", domain=DOMAIN, inputdimensions=widths)


@recipe(*ml("LinearRegressor"))
def linear_regressor(g: Graph, op: str) -> None:
    """One target or several."""
    x = table(g, FLOAT)
    targets = g.within(1, 4)
    coefficients = [g.uniform(-2, 2) for _ in range(targets * x.shape[1])]
    intercepts = [g.uniform(-2, 2) for _ in range(targets)] if g.chance(0.7) else [0.0] * targets
    g.node(
        "LinearRegressor",
        [x],
        cancels=4000,
        domain=DOMAIN,
        targets=targets,
        coefficients=coefficients,
        intercepts=intercepts,
    )


@recipe(*ml("LinearClassifier"))
def linear_classifier(g: Graph, op: str) -> None:
    """Labels and scores."""
    x = exact_table(g)
    classes = g.within(3, 6)
    g.node(
        "LinearClassifier",
        [x],
        2,
        kind="decides",
        domain=DOMAIN,
        coefficients=eighths(g, classes, x.shape[1]),
        intercepts=eighths(g, classes),
        classlabels_ints=list(range(10, 10 + classes)),
        post_transform="NONE",
    )


def trees(g: Graph, features: int) -> tuple[dict[str, list], list[tuple[int, int]]]:
    """Attributes of some random trees, and their leaves: which tree and node."""
    names = ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids")
    columns: dict[str, list] = {f"nodes_{name}": [] for name in (*names, "missing_value_tracks_true")}
    leaves = []
    mode = g.pick("BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ")
    for tree in range(g.within(1, 8)):
        count = 1

        def grow(node: int, depth: int, tree: int = tree) -> None:
            nonlocal count
            is_leaf = depth == 0 or g.chance(0.2)
            children = (0, 0) if is_leaf else (count, count + 1)
            count += 0 if is_leaf else 2
            kind = "LEAF" if is_leaf else mode
            row = (tree, node, g.within(0, features - 1), g.within(-40, 40) / 8, kind, *children, g.within(0, 1))
            for column, entry in zip(columns.values(), row, strict=True):
                column.append(entry)
            if is_leaf:
                leaves.append((tree, node))
            for child in () if is_leaf else children:
                grow(child, depth - 1)

        grow(0, g.within(0, 4))
    order = sorted(
        range(len(columns["nodes_treeids"])), key=lambda k: (columns["nodes_treeids"][k], columns["nodes_nodeids"][k])
    )
    return {name: [column[k] for k in order] for name, column in columns.items()}, leaves


# onnxruntime gives 0 for a target that no leaf of a sample's scores, whatever the base value, and its label is one of
# the classes that some do; so each leaf scores all of them.


@recipe(*ml("TreeEnsembleRegressor"))
def tree_ensemble_regressor(g: Graph, op: str) -> None:
    """Sums, least and largest of what the leaves say."""
    x = exact_table(g)
    targets = g.within(1, 3)
    nodes, leaves = trees(g, x.shape[1])
    g.node(
        "TreeEnsembleRegressor",
        [x],
        kind="decides",
        domain=DOMAIN,
        **nodes,
        n_targets=targets,
        target_treeids=[tree for tree, _ in leaves for _ in range(targets)],
        target_nodeids=[node for _, node in leaves for _ in range(targets)],
        target_ids=[*range(targets)] * len(leaves),
        target_weights=eighths(g, len(leaves) * targets),
        aggregate_function=g.pick("SUM", "MIN", "MAX"),
        base_values=eighths(g, targets) if g.chance(0.5) else [0.0] * targets,
    )


@recipe(*ml("TreeEnsembleClassifier"))
def tree_ensemble_classifier(g: Graph, op: str) -> None:
    """Labels and scores of three classes or more."""
    x = exact_table(g)
    classes = g.within(3, 5)
    nodes, leaves = trees(g, x.shape[1])
    g.node(
        "TreeEnsembleClassifier",
        [x],
        2,
        kind="decides",
        domain=DOMAIN,
        **nodes,
        class_treeids=[tree for tree, _ in leaves for _ in range(classes)],
        class_nodeids=[node for _, node in leaves for _ in range(classes)],
        class_ids=[*range(classes)] * len(leaves),
        class_weights=eighths(g, len(leaves) * classes),
        classlabels_strings=[f"class {k}" for k in range(classes)],
        post_transform="NONE",
    )
