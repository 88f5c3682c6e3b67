"""A photograph with a shallow depth of field, from a sharp picture and its depth.

Light from a point that is out of focus fills a disc on the sensor, whose radius follows from the depth; 0 is in focus.
The disc belongs to the point that the light comes from, so this is a scatter. Where sharp and blurred parts of a scene
meet, more or less light arrives than at an even surface. Dividing by what a white scene would give evens that out. What
is hidden behind a near object stays unknown, so edges of near blurred things are not exact.

The scene, balls on a chequered floor, is rendered here, so that its depth is known.
"""

from __future__ import annotations

import numpy as np
from shared import Array, options, show

import kernelscape as ks

ROWS, COLUMNS = 280, 420
FOCUS, APERTURE = 4.4, 50.0
BALLS = [
    (-1.35, 2.9, 0.62, (0.85, 0.25, 0.2)),
    (0.15, 4.4, 0.7, (0.95, 0.75, 0.2)),
    (0.1, 6.0, 0.8, (0.25, 0.6, 0.3)),
    (2.3, 8.3, 0.9, (0.2, 0.4, 0.85)),
    (-3.2, 9.5, 1.0, (0.6, 0.3, 0.7)),
    (0.9, 14.0, 1.1, (0.9, 0.5, 0.2)),
]
"""Across, away, radius and colour; each lies on the floor."""
LIGHT = np.array([-0.5, 0.75, -0.43])


def rendered(rows: int, columns: int) -> tuple[Array, Array]:
    """A picture with linear brightness, of shape (rows, columns, 3), and the distance of each pixel."""
    y, x = np.mgrid[:rows, :columns]
    rays = np.stack([(x - columns / 2) / rows, (0.42 * rows - y) / rows, np.full(y.shape, 1.1)], axis=-1)
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    eye = np.array([0.0, 1.5, 0.0])
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = np.where(rays[..., 1] < 0, -eye[1] / rays[..., 1], np.inf)
        place = eye + np.where(np.isfinite(depth), depth, 0)[..., np.newaxis] * rays
    chequered = (np.floor(place[..., 0]) + np.floor(place[..., 2])) % 2
    floor = np.where(chequered == 0, 0.75, 0.25)[..., np.newaxis] * np.ones(3)
    sky = np.array([0.5, 0.65, 0.9]) * (0.8 + rays[..., 1:2])
    image = np.where((depth < 60)[..., np.newaxis], floor * shadows(place), sky)
    for across, away, radius, colour in BALLS:
        centre = np.array([across, radius, away])
        along = rays @ (centre - eye)
        room = along**2 - (np.sum((centre - eye) ** 2) - radius**2)
        near = along - np.sqrt(np.maximum(room, 0))
        hit = (room > 0) & (near < depth)
        normal = (eye + near[..., np.newaxis] * rays - centre) / radius
        shade = 0.25 + 0.75 * np.clip(normal @ LIGHT, 0, 1)
        half = LIGHT - rays
        shine = np.clip(np.sum(normal * half, axis=-1) / np.linalg.norm(half, axis=-1), 0, 1) ** 1500
        ball = shade[..., np.newaxis] * np.array(colour) + 12 * shine[..., np.newaxis]
        image, depth = np.where(hit[..., np.newaxis], ball, image), np.where(hit, near, depth)
    return np.asarray(image, np.float32), np.minimum(depth, 60)


def shadows(place: Array) -> Array:
    """How much light arrives at places on the floor."""
    light = np.ones(place.shape[:2])
    for across, away, radius, _ in BALLS:
        towards = np.array([across, radius, away]) - place
        along = towards @ LIGHT
        distance = np.sqrt(np.maximum(np.sum(towards**2, axis=-1) - along**2, 0))
        light *= np.where(along > 0, np.clip((distance - 0.85 * radius) / (0.3 * radius), 0.3, 1), 1)
    return light[..., np.newaxis]


def main() -> None:
    chosen = options(__doc__)
    rows, columns = (ROWS, COLUMNS) if chosen.extent is None else (chosen.extent, chosen.extent)
    scene, depth = rendered(rows, columns)
    radius = np.asarray(APERTURE * rows / ROWS * abs(1 / FOCUS - 1 / depth), np.float32)
    field = ks.kernels.Disc(radius)
    light = ks.convolve(scene, field, form="scatter", axes=(0, 1))
    white = ks.convolve(np.ones_like(radius), field, form="scatter")
    result = light / white[..., np.newaxis]
    print(
        f"depth of field: radii from {radius.min():.2f} to {radius.max():.1f} pixels, "
        f"light {light.sum() / scene.sum():.4f} of what there was"
    )
    show(chosen.picture, *(np.asarray(np.rint(255 * np.clip(i, 0, 1) ** (1 / 2.2)), np.uint8) for i in (scene, result)))


if __name__ == "__main__":
    main()
