"""A small morphable model, so that the tests need no file that nobody may ship; and the physics engine, where it is."""

from pathlib import Path

import numpy as np
import pytest

EXPRESSIONS = ("jawOpen", "mouthSmile_L", "mouthSmile_R", "mouthLeft", "mouthRight")


def egg(rows: int, columns: int, radii: tuple[float, float, float], centre: tuple[float, float, float]):
    """Return vertices and triangles of an ellipsoid, counter-clockwise from outside (x right, y up, z front)."""
    polar = np.linspace(0.05, np.pi - 0.05, rows)[:, None]
    around = np.linspace(-np.pi, np.pi, columns)[None]
    shape = [np.sin(polar) * np.sin(around), np.cos(polar) * np.ones_like(around), np.sin(polar) * np.cos(around)]
    vertices = np.stack(shape, axis=-1).reshape(-1, 3) * radii + centre
    row, column = np.meshgrid(np.arange(rows - 1), np.arange(columns - 1), indexing="ij")
    a = (row * columns + column).ravel()
    b, c, d = a + 1, a + columns, a + columns + 1
    return vertices, np.concatenate([np.stack([a, c, b], 1), np.stack([b, c, d], 1)])


def write_model(path: Path, *, leave_out: str = "", change: dict | None = None) -> Path:
    """Write an egg with two eyes and a mouth pouch, with the arrays of a morphable model."""
    face, triangles = egg(33, 65, (7.5, 10.0, 6.0), (0.0, 0.6, 5.0))
    parts, faces, regions = [face], [triangles], [np.zeros(len(face))]
    for x in (-3.2, 3.2):
        eye, more = egg(9, 17, (1.2, 1.2, 1.2), (x, 3.3, 9.3))
        faces.append(more + sum(map(len, parts)))
        parts.append(eye)
        regions.append(np.full(len(eye), 4))
    pouch, more = egg(9, 17, (2.0, 1.5, 2.0), (0.0, -3.5, 7.0))
    faces.append(more + sum(map(len, parts)))
    parts.append(pouch)
    regions.append(np.full(len(pouch), 2))
    vertices = np.concatenate(parts)
    names = 68
    angle = np.linspace(0, 2 * np.pi, names, endpoint=False)
    wanted = np.stack([3 * np.cos(angle), 3 * np.sin(angle), np.full(names, 10.0)], axis=1)
    wanted[48:60] = np.stack([2 * np.cos(angle[:12] * 5.6), -3 + np.sin(angle[:12] * 5.6), np.full(12, 10.0)], axis=1)
    landmarks = ((wanted[:, None] - face[None]) ** 2).sum(axis=2).argmin(axis=1)
    smooth = np.exp(-(((vertices - (0, 0, 10)) / 5) ** 2).sum(axis=1))[:, None]
    identity = np.stack([smooth * v * 0.3 for v in np.eye(3)[[1, 2, 2, 1]]])
    identity[3] *= vertices[:, :1] ** 2 / 20
    expression = np.stack([smooth * v * 0.4 for v in np.eye(3)[[1, 1, 1, 0, 0]]])
    expression[1] *= 1 / (1 + np.exp(-2 * vertices[:, :1]))
    expression[2] *= 1 / (1 + np.exp(2 * vertices[:, :1]))
    arrays = {
        "vertices": vertices.astype(np.float32),
        "triangles": np.concatenate(faces).astype(np.uint16),
        "region": np.concatenate(regions).astype(np.uint8),
        "narrow_face": np.abs(vertices[:, 0]) < 6.0,
        "identity_modes": identity.astype(np.float16),
        "expression_modes": expression.astype(np.float16),
        "expression_names": np.array(EXPRESSIONS),
        "landmarks68": landmarks.astype(np.int32),
        "albedo_base": np.clip(180 + 8 * vertices, 20, 250).astype(np.uint8),
    }
    arrays |= change or {}
    np.savez_compressed(path, **{key: value for key, value in arrays.items() if key != leave_out})
    return path


@pytest.fixture
def write(tmp_path: Path):
    """A function that writes a small morphable model, whole or without one array, and returns its path."""
    return lambda name, **options: write_model(tmp_path / name, **options)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The path of the small morphable model."""
    return write_model(tmp_path_factory.mktemp("model") / "egg.npz")


@pytest.fixture
def engine():
    """The physics engine; a test that needs it is skipped, and counted, without it."""
    return pytest.importorskip("pymunk", reason="pymunk is not installed: pip install 'armillary-synthetic[arm]'")
