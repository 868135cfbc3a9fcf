"""Operators on strings."""

import numpy as np

from ..element_types import STRING
from ..graph import Graph
from .recipe import recipe


@recipe("StringConcat")
def string_concat(g: Graph, op: str) -> None:
    """Of operands that broadcast."""
    one = g.operand(STRING)
    g.node(op, [one, g.operand(STRING, g.broadcast(one.shape))], kind="moves")


@recipe("StringSplit")
def string_split(g: Graph, op: str) -> None:
    """At white space, or at a delimiter."""
    texts = np.array(["a b c", " a  b ", "", "a,b,,c", ",", "one"], dtype=object)
    x = g.enter(texts[g.rng.integers(len(texts), size=g.shape(1, 2))])
    choices = {"delimiter": g.pick(",", " ", "b"), "maxsplit": g.within(1, 3)}
    g.node(op, [x], 2, kind="moves", **{name: value for name, value in choices.items() if g.chance(0.5)})


@recipe("StringNormalizer")
def string_normalizer(g: Graph, op: str) -> None:
    """Stop words dropped, case changed."""
    words = np.array(["monday", "Tuesday", "WEDNESDAY", "thursday", "a"], dtype=object)
    x = g.enter(words[g.rng.integers(len(words), size=(g.within(1, 6),))])
    case = g.pick("NONE", "LOWER", "UPPER")
    attributes = {"case_change_action": case, "is_case_sensitive": g.within(0, 1), "stopwords": ["monday", "a"]}
    g.node(op, [x], kind="moves", **attributes)


@recipe("RegexFullMatch")
def regex_full_match(g: Graph, op: str) -> None:
    """RE2's expressions."""
    patterns = ("[a-z]+", "a.*", "", r"\\d+(\\.\\d+)?", "(a|B)?", ".*l")
    g.node(op, [g.operand(STRING)], kind="moves", pattern=g.pick(*patterns))


@recipe("TfIdfVectorizer")
def tf_idf_vectorizer(g: Graph, op: str) -> None:
    """Counts of n-grams."""
    rows = g.pick((6,), (2, 6))
    x = g.enter(g.rng.integers(1, 6, rows).astype(g.pick(np.int64, np.int32)))
    attributes = {"mode": g.pick("TF", "IDF", "TFIDF"), "min_gram_length": g.within(1, 2), "max_gram_length": 2}
    pool = {"ngram_counts": [0, 3], "pool_int64s": [1, 2, 4, 1, 2, 3, 4], "ngram_indexes": [0, 2, 1, 4, 3]}
    weights = {"weights": [g.uniform(0.5, 2) for _ in range(5)]} if g.chance(0.6) else {}
    g.node(op, [x], max_skip_count=g.within(0, 2), **attributes, **pool, **weights)
