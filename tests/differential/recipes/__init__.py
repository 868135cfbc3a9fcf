"""One recipe an operator: how to add a valid node of it to a graph."""

from . import (
    elementwise,
    flow,
    fused,
    images,
    indexing,
    learning,
    moving,
    patterns,
    products,
    quantized,
    recurrent,
    reducing,
    signal,
    text,
)
from .recipe import RECIPES

__all__ = [
    "RECIPES",
    "elementwise",
    "flow",
    "fused",
    "images",
    "indexing",
    "learning",
    "moving",
    "patterns",
    "products",
    "quantized",
    "recurrent",
    "reducing",
    "signal",
    "text",
]
