"""One recipe an operator: how to add a valid node of it to a graph."""

from . import elementwise, images, indexing, moving, patterns, products, quantized, reducing, signal, text
from .recipe import RECIPES

__all__ = [
    "RECIPES",
    "elementwise",
    "images",
    "indexing",
    "moving",
    "patterns",
    "products",
    "quantized",
    "reducing",
    "signal",
    "text",
]
