"""scikit-learn's estimators and pipelines, converted by skl2onnx: Attune predicts what scikit-learn predicts."""

import warnings
from typing import Any

import attune
import numpy as np
import onnx
import onnxruntime
import pytest
import skl2onnx
from skl2onnx.common.data_types import DictionaryType, FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.datasets import make_classification, make_regression
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.feature_extraction import DictVectorizer
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import ElasticNet, LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    RobustScaler,
    StandardScaler,
)
from sklearn.svm import SVC, SVR, LinearSVC, NuSVC, OneClassSVM
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

ROWS = (1, 3, 8, 57, 300)


def make_node(*args: Any, **attributes: Any) -> onnx.NodeProto:
    """skl2onnx 1.20 writes booleans into lists of integers, which onnx 1.23 refuses."""
    for name, value in attributes.items():
        if isinstance(value, list):
            attributes[name] = [int(item) if isinstance(item, (bool, np.bool_)) else item for item in value]
    return onnx.helper.make_node(*args, **attributes)


def convert(model: Any, types: list[tuple[str, Any]], options: dict[int, Any] | None = None) -> bytes:
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        patch.setattr("skl2onnx.common._container.make_node", make_node)
        proto = skl2onnx.convert_sklearn(model, initial_types=types, options=options, target_opset=17)
    return proto.SerializeToString()


def session(model: Any, types: list[tuple[str, Any]]) -> attune.InferenceSession:
    has_map = hasattr(model, "classes_") and not isinstance(model, LinearSVC)
    options = {id(model): {"zipmap": False}} if has_map else None
    return attune.InferenceSession(convert(model, types, options), providers=["CPUExecutionProvider"])


def classes(count: int = 3) -> tuple[np.ndarray, np.ndarray]:
    x, y = make_classification(
        600, 12, n_informative=8, n_classes=count, n_clusters_per_class=2, random_state=count, flip_y=0.05
    )
    return x.astype(np.float32), y


def numbers(targets: int = 1) -> tuple[np.ndarray, np.ndarray]:
    x, y = make_regression(600, 12, n_targets=targets, noise=5, random_state=targets)
    return x.astype(np.float32), y / 50


CLASSIFIERS = {
    "tree": DecisionTreeClassifier(random_state=0),
    "forest": RandomForestClassifier(100, random_state=0),
    "extra_trees": ExtraTreesClassifier(30, max_depth=9, random_state=0),
    "boosting": GradientBoostingClassifier(n_estimators=40, random_state=0),
    "hist_boosting": HistGradientBoostingClassifier(max_iter=40, random_state=0),
    "logistic": LogisticRegression(),
    "svc_rbf": SVC(),
    "svc_poly": SVC(kernel="poly", degree=2, coef0=0.5),
    "svc_linear": SVC(kernel="linear", decision_function_shape="ovo"),
    "nu_svc": NuSVC(nu=0.3),
    "linear_svc": LinearSVC(),
    "scaled_svc": make_pipeline(StandardScaler(), SVC()),
    "normalized_logistic": make_pipeline(Normalizer("l1"), LogisticRegression()),
}


@pytest.mark.parametrize("count", [2, 3])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers(name: str, count: int) -> None:
    x, y = classes(count)
    model = CLASSIFIERS[name].fit(x[:300], y[:300])
    run = session(model, [("x", FloatTensorType([None, x.shape[1]]))])
    has_probabilities = hasattr(model, "predict_proba")
    for rows in ROWS:
        batch = x[300 : 300 + rows]
        labels, scores = run.run(None, {"x": batch})
        assert np.array_equal(labels, model.predict(batch)), rows
        if has_probabilities:
            np.testing.assert_allclose(scores, model.predict_proba(batch), rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("count", [2, 4])
def test_labels_are_strings(count: int) -> None:
    x, y = classes(count)
    names = np.array(["ant", "bee", "cat", "dog"])[y]
    for model in (RandomForestClassifier(20, random_state=0), LogisticRegression(), SVC()):
        model.fit(x, names)
        run = session(model, [("x", FloatTensorType([None, x.shape[1]]))])
        assert np.array_equal(run.run(None, {"x": x})[0], model.predict(x))


@pytest.mark.parametrize("names", [None, ["dog", "cat", "bee", "ant"]], ids=["numbers", "names"])
@pytest.mark.parametrize("name", ["tree", "forest", "boosting", "logistic", "normalized_logistic"])
def test_default_options_give_a_dictionary_for_each_row(name: str, names: list[str] | None) -> None:
    x, y = classes(3)
    y = y if names is None else np.array(names)[y]
    model = CLASSIFIERS[name].fit(x[:300], y[:300])
    proto = convert(model, [("x", FloatTensorType([None, x.shape[1]]))])
    run = attune.InferenceSession(proto)
    reference = onnxruntime.InferenceSession(proto)
    assert [output.type for output in run.get_outputs()] == [output.type for output in reference.get_outputs()]
    for rows in ROWS:
        batch = x[300 : 300 + rows]
        labels, scores = run.run(None, {"x": batch})
        expected = reference.run(None, {"x": batch})[1]
        assert np.array_equal(labels, model.predict(batch)), rows
        assert [list(row) for row in scores] == [list(row) for row in expected]  # the keys, in the same order
        assert {type(item) for row in scores for pair in row.items() for item in pair} == {
            type(item) for row in expected for pair in row.items() for item in pair
        }
        values = np.array([[row[label] for label in model.classes_.tolist()] for row in scores])
        np.testing.assert_allclose(values, model.predict_proba(batch), rtol=1e-4, atol=2e-6)


def test_dictionaries_as_features() -> None:
    rows = [{"red": 1.5, "size": -2.0}, {"blue": 4.0}, {}, {"red": 0.5, "blue": 1.0, "size": 2.0}]
    model = make_pipeline(DictVectorizer(sparse=False), LinearRegression()).fit(rows, [1.0, 2.0, 3.0, 4.0])
    run = attune.InferenceSession(convert(model, [("x", DictionaryType(StringTensorType([1]), FloatTensorType([])))]))
    assert run.get_inputs()[0].type == "map(string,tensor(float))"
    for row in [*rows, {"unknown": 3.0, "size": 1.0}]:
        np.testing.assert_allclose(run.run(None, {"x": row})[0].reshape(-1), model.predict([row]), rtol=1e-5)


REGRESSORS = {
    "tree": DecisionTreeRegressor(random_state=0),
    "forest": RandomForestRegressor(100, random_state=0),
    "boosting": GradientBoostingRegressor(n_estimators=60, random_state=0),
    "hist_boosting": HistGradientBoostingRegressor(max_iter=60, random_state=0),
    "linear": LinearRegression(),
    "ridge": Ridge(),
    "elastic_net": ElasticNet(),
    "svr": SVR(),
    "svr_sigmoid": SVR(kernel="sigmoid", gamma=0.05, C=0.1),
}


@pytest.mark.parametrize("name", REGRESSORS)
def test_regressors(name: str) -> None:
    x, y = numbers()
    model = REGRESSORS[name].fit(x[:300], y[:300])
    run = session(model, [("x", FloatTensorType([None, x.shape[1]]))])
    for rows in ROWS:
        batch = x[300 : 300 + rows]
        (result,) = run.run(None, {"x": batch})
        np.testing.assert_allclose(result.reshape(-1), model.predict(batch), rtol=1e-4, atol=1e-5)


def test_several_targets() -> None:
    x, y = numbers(3)
    for model in (RandomForestRegressor(30, random_state=0), LinearRegression()):
        model.fit(x, y)
        (result,) = session(model, [("x", FloatTensorType([None, x.shape[1]]))]).run(None, {"x": x})
        np.testing.assert_allclose(result, model.predict(x), rtol=1e-4, atol=1e-5)


def test_missing_values_in_trees() -> None:
    """Of the trees that take them, skl2onnx converts only these with where they go."""
    x, y = classes()
    x[np.random.default_rng(0).random(x.shape) < 0.2] = np.nan
    model = HistGradientBoostingClassifier(max_iter=30, random_state=0).fit(x[:300], y[:300])
    labels, scores = session(model, [("x", FloatTensorType([None, x.shape[1]]))]).run(None, {"x": x[300:]})
    assert np.array_equal(labels, model.predict(x[300:]))
    np.testing.assert_allclose(scores, model.predict_proba(x[300:]), rtol=1e-4, atol=2e-6)


def test_one_class_svm() -> None:
    x, _ = numbers()
    model = OneClassSVM(gamma=0.05).fit(x[:300])
    labels, scores = session(model, [("x", FloatTensorType([None, x.shape[1]]))]).run(None, {"x": x})
    decisions = model.decision_function(x)
    np.testing.assert_allclose(scores.reshape(-1), decisions, atol=1e-4)
    clear = np.abs(decisions) > 1e-4
    assert np.array_equal(labels.reshape(-1)[clear], model.predict(x)[clear])


@pytest.mark.parametrize(
    "scaler", [StandardScaler(), MinMaxScaler(), MaxAbsScaler(), RobustScaler(), Normalizer(), Binarizer()], ids=repr
)
def test_scalers(scaler: Any) -> None:
    x, _ = numbers()
    scaler.fit(x)
    (result,) = session(scaler, [("x", FloatTensorType([None, x.shape[1]]))]).run(None, {"x": x})
    np.testing.assert_allclose(result, scaler.transform(x), rtol=1e-5, atol=1e-6)


def test_columns_of_numbers_and_names() -> None:
    rng = np.random.default_rng(0)
    size = rng.normal(size=(200, 2)).astype(np.float32)
    size[rng.random(size.shape) < 0.1] = np.nan
    color = rng.choice(["red", "green", "blue"], size=(200, 1)).astype(object)
    table = np.concatenate([size.astype(object), color], axis=1)
    numeric = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    columns = ColumnTransformer([("size", numeric, [0, 1]), ("color", OneHotEncoder(handle_unknown="ignore"), [2])])
    y = (np.nan_to_num(size[:, 0]) > 0) ^ (color[:, 0] == "red")
    model = make_pipeline(columns, LogisticRegression()).fit(table, y.astype(int))
    run = session(model, [("size", FloatTensorType([None, 2])), ("color", StringTensorType([None, 1]))])
    color[:5] = "violet"
    table[:, 2:] = color
    labels, scores = run.run(None, {"size": size, "color": color})
    assert np.array_equal(labels, model.predict(table))
    np.testing.assert_allclose(scores, model.predict_proba(table), rtol=1e-4, atol=1e-6)


def test_text() -> None:
    texts = ["the cat sat", "a dog ran far", "the dog sat", "cats run", "run far dog run", "sat the cat the dog"]
    y = np.array([0, 1, 1, 0, 1, 0])
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression()).fit(texts, y)
    run = session(model, [("text", StringTensorType([None]))])
    queries = [*texts, "the far cat", "nothing known"]
    labels, scores = run.run(None, {"text": np.array(queries, dtype=object)})
    assert np.array_equal(labels, model.predict(queries))
    np.testing.assert_allclose(scores, model.predict_proba(queries), rtol=1e-4, atol=1e-6)
