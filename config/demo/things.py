"""What is labeled in the demo: pictures, sounds and sentences, all drawn from numbers."""

from __future__ import annotations

import io
import math
import random

import numpy as np
import soundfile
from PIL import Image, ImageDraw

SHAPES = ("circle", "square", "triangle", "star")
TOPICS = ("praise", "complaint", "question")
RATE = 8000
_COLORS = ("#1d3557", "#e63946", "#2a9d8f", "#f4a261", "#6d597a")
_GROUNDS = ("#f1faee", "#fefae0", "#edf2f4")
_SENTENCES = {
    "praise": [
        "The {thing} works better than I hoped.",
        "Thank you for the {thing}, my family loves it.",
        "I would buy this {thing} again.",
    ],
    "complaint": [
        "The {thing} broke on the second day.",
        "Nobody answers my letters about the {thing}.",
        "The {thing} came without half of its parts.",
    ],
    "question": [
        "How do I clean the {thing}?",
        "Does the {thing} fit a smaller table?",
        "Where can I have the {thing} repaired?",
    ],
}
_THINGS = ("lamp", "kettle", "bicycle", "blanket", "radio", "ladder", "coat", "clock", "grill")


def _chance(what: str, number: int) -> random.Random:
    return random.Random(f"{what} {number}")  # noqa: S311 - no secret


def shape(number: int) -> str:
    """The shape in a picture."""
    return _chance("shape", number).choice(SHAPES)


def picture(number: int) -> bytes:
    """A picture with one shape, as PNG."""
    chance = _chance("picture", number)
    image = Image.new("RGB", (240, 180), chance.choice(_GROUNDS))
    draw = ImageDraw.Draw(image)
    x, y, size = chance.randint(70, 170), chance.randint(60, 120), chance.randint(25, 50)
    color = chance.choice(_COLORS)
    for _ in range(40):  # some noise, so that it is a picture and not a pictogram
        a, b = chance.randint(0, 239), chance.randint(0, 179)
        draw.ellipse((a, b, a + 3, b + 3), fill=chance.choice(_COLORS))
    name = shape(number)
    if name == "circle":
        draw.ellipse((x - size, y - size, x + size, y + size), fill=color)
    else:
        corners = {"square": 4, "triangle": 3, "star": 10}[name]
        turn = chance.random() * math.tau
        points = []
        for corner in range(corners):
            radius = size * (0.45 if name == "star" and corner % 2 else 1)
            angle = turn + math.tau * corner / corners
            points.append((x + radius * math.cos(angle), y + radius * math.sin(angle)))
        draw.polygon(points, fill=color)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def tones(number: int) -> list[str]:
    """The tones of a sound, each ``high`` or ``low``."""
    chance = _chance("tones", number)
    return [chance.choice(["high", "low"]) for _ in range(chance.randint(4, 9))]


def sound(number: int) -> bytes:
    """High and low tones one after the other, as WAV: something that everybody can write down."""
    parts = [np.zeros(RATE // 4)]
    for tone in tones(number):
        time = np.arange(int(RATE * 0.45)) / RATE
        wave = np.sin(math.tau * (880 if tone == "high" else 330) * time)
        parts += [
            0.4 * wave * np.minimum(1, 12 * np.minimum(time, time[::-1])),
            np.zeros(RATE // 4),
        ]
    noise = np.random.default_rng(number).normal(0, 0.01, sum(map(len, parts)))
    out = io.BytesIO()
    soundfile.write(out, (np.concatenate(parts) + noise).astype("float32"), RATE, format="WAV")
    return out.getvalue()


def topic(number: int) -> str:
    """What a sentence is."""
    return _chance("topic", number).choice(TOPICS)


def sentence(number: int) -> str:
    """A sentence of a customer."""
    chance = _chance("sentence", number)
    return chance.choice(_SENTENCES[topic(number)]).format(thing=chance.choice(_THINGS))


def wrong(right: str, among: tuple[str, ...], chance: random.Random) -> str:
    """Another one of the options."""
    return chance.choice([one for one in among if one != right])
