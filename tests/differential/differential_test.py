"""A few hundred random graphs on Attune and on the references; `make differential` runs many more."""

import numpy as np
import pytest
from onnx import defs, helper

from differential import campaign, known_differences, minimize, rounding, runner
from differential.graph import Graph
from differential.recipes import RECIPES

# Operators that no graph may contain, and why.
LEFT_OUT = {
    "Bernoulli": "random",
    "ImageDecoder": "not supported",
    "Multinomial": "random",
    "RandomNormal": "random",
    "RandomNormalLike": "random",
    "RandomUniform": "random",
    "RandomUniformLike": "random",
}
# Of ai.onnx.ml.
LEFT_OUT_OF_LEARNING = {
    "CastMap": "takes a map",
    "CategoryMapper": "is LabelEncoder for two types, without a reference",
    "DictVectorizer": "takes a map",
    "SVMClassifier": "labels depend on rounded sums",
    "SVMRegressor": "compared with scikit-learn's",
    "TreeEnsemble": "the newest form of TreeEnsembleRegressor, of a later version of the domain",
    "ZipMap": "gives maps",
}


@pytest.mark.parametrize("block", range(8))
def test_random_graphs_give_what_the_references_give(block: int) -> None:
    outcomes = [campaign.try_seed(seed) for seed in range(20 * block, 20 * (block + 1))]
    failures = [outcome.failure for outcome in outcomes if outcome.failure]
    assert not failures, "\n\n".join(failures)
    assert sum(len(outcome.operators) for outcome in outcomes) > 60


def test_each_operator_has_a_recipe() -> None:
    names = {schema.name for schema in defs.get_all_schemas_with_history() if not schema.domain}
    kinds = ("Sequence", "Optional")
    missing = {name for name in names - set(RECIPES) if not any(kind in name for kind in kinds)}
    assert missing == set(LEFT_OUT)
    learning = {schema.name for schema in defs.get_all_schemas_with_history() if schema.domain == "ai.onnx.ml"}
    assert {name for name in learning if f"ai.onnx.ml.{name}" not in RECIPES} == set(LEFT_OUT_OF_LEARNING)


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_each_recipe_gives_nodes(name: str) -> None:
    outcomes = [campaign.try_seed(seed, name) for seed in range(3)]
    assert not [outcome.failure for outcome in outcomes if outcome.failure]
    assert any(outcome.operators for outcome in outcomes), outcomes[-1].unusable


def test_the_same_seed_gives_the_same_graph() -> None:
    one, other = (campaign.random_graph(7) for _ in range(2))
    assert one.model().SerializeToString() == other.model().SerializeToString()
    assert one.model() != campaign.random_graph(8).model()


def test_a_known_difference_has_a_reason() -> None:
    lists = (known_differences.ONNXRUNTIME_WRONG, known_differences.ONNX_WRONG, known_differences.MISSING)
    for known in (known for known_list in lists for known in known_list):
        assert known.reason
        assert all(defs.has(op) for op in known.ops)


def wrong_graph() -> Graph:
    """Five nodes, the third of which is taken for something that it is not."""
    graph = Graph(0, opset=17)
    x = graph.enter(np.arange(6, dtype=np.float32).reshape(2, 3))
    (a,) = graph.node("Relu", [x], kind="moves")
    (b,) = graph.node("Neg", [a], kind="moves")
    (c,) = graph.node("Transpose", [b], kind="moves", perm=[1, 0])
    (d,) = graph.node("Abs", [c], kind="moves")
    (e,) = graph.node("Concat", [d, d], kind="moves", axis=0)
    for value, array in ((c, c.array + 1), (d, np.abs(c.array + 1)), (e, np.concatenate([np.abs(c.array + 1)] * 2))):
        value.array = array
        value.shaken = [array] * rounding.SAMPLES
    return graph


def test_a_failure_becomes_small() -> None:
    graph = wrong_graph()
    model = graph.model()
    found = runner.failure(model, graph.values)
    assert found is not None
    small, why = minimize.minimize(graph, model, found[0])
    assert [node.op_type for node in small.graph.node] == ["Transpose"]
    assert "6 of 6 elements" in why
    assert "Transpose" in minimize.describe(small, graph.values)


@pytest.mark.parametrize(
    ("result", "wrong"),
    [
        (np.float32([1, 2]), None),
        (np.float32([1, 2 + 1e-6]), None),
        (np.float32([1, 2 + 1e-4]), "1 of 2 elements"),
        (np.float32([[1, 2]]), "shape"),
        (np.float64([1, 2]), "type"),
        (np.float32([1, np.nan]), "1 of 2 elements"),
    ],
)
def test_a_result_is_judged_by_rounding(result: np.ndarray, wrong: str | None) -> None:
    nominal = np.float32([1, 2])
    rng = np.random.default_rng(0)
    shaken = [rounding.shake(nominal, rng) for _ in range(rounding.SAMPLES)]
    assert not rounding.is_exact(nominal, shaken)
    found = rounding.difference(result, nominal, shaken)
    assert (found is None) == (wrong is None)
    assert wrong is None or wrong in str(found)


def test_what_did_not_round_must_be_the_same() -> None:
    nominal = np.float32([1, np.nan, np.inf])
    exact = [nominal] * rounding.SAMPLES
    assert rounding.difference(nominal.copy(), nominal, exact) is None
    assert rounding.difference(np.nextafter(nominal, np.float32(9)), nominal, exact) is not None
    integers = helper.np_dtype_to_tensor_dtype(np.dtype("int32"))
    assert integers and rounding.difference(np.int32([1]), np.int32([2]), [np.int32([2])]) is not None
