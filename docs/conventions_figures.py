"""Draw the pictures of the page of conventions. What they show is what the kernels return.

python docs/conventions_figures.py
"""

import math
from collections.abc import Callable
from pathlib import Path

import torch
from drawing import AXES, INK, PALE, Drawing, Point
from torch import Tensor

from armillary.drawing.picture_items import image_picture
from armillary.drawing.sheets import Picture, contact_sheet, write_png
from armillary.kernels.cameras import (
    back_project,
    intrinsics,
    invert_intrinsics,
    pixel_coordinates,
    rays,
    transform_points,
)
from armillary.kernels.mesh_pictures import CAMERA_FROM_WORLD, rotation_of_view
from armillary.kernels.rotations import rotation_from_euler_zyx
from armillary.kernels.sampling import identity_grid, resize_points
from armillary.kernels.shading import lambert, normals_from_depth
from armillary.nn.spheres.grids import SphereGrid, driscoll_healy, points, soft
from armillary.nn.spheres.harmonics import spherical_harmonics
from armillary.nn.spheres.rotation import rotation_from_euler_zyz

_LIGHT = "#e08a00"
# The sphere as it is looked at: z up, x to the left and near.
_SPHERE_TURN = CAMERA_FROM_WORLD @ rotation_of_view(-2.1, 0.38)
View = Callable[[Tensor], list[Point]]


def main() -> None:
    """Write every picture beside the others of the site."""
    folder = Path(__file__).parent / "_static"
    for name, drawn in pictures().items():
        (folder / name).write_text(drawn, encoding="utf-8")
    write_png(folder / "conventions-harmonics.png", harmonics())


def pictures() -> dict[str, str]:
    """Return file name to content."""
    drawn = {
        "camera": camera(),
        "pixels": pixels(),
        "depth": depth(),
        "light": light(),
        "rotations": rotations(),
        "sphere": sphere(),
    }
    return {f"conventions-{name}.svg": str(drawing) for name, drawing in drawn.items()}


def camera() -> Drawing:
    """The camera's frame, the picture as a plane before it, and an object in its own frame."""
    sheet = Drawing(680, 330, title="Camera frame: x right, y down, z forward; an object frame placed by R and t")
    turn = rotation_from_euler_zyx(_angles(0.35, 0.0, 0.0)) @ rotation_from_euler_zyx(_angles(0.0, 0.95, 0.0))
    view = _view(turn, at=(95.0, 215.0), scale=125.0)
    looking = intrinsics(math.radians(55.0), height=3, width=4, focal="edges", dtype=torch.float64)
    eye = torch.zeros(3, dtype=torch.float64)
    edges = pixel_coordinates(4, 5, dtype=torch.float64) - 0.5  # of pixels: the corners of a 3 x 4 picture's pixels
    plane = torch.cat((edges, torch.ones(4, 5, 1, dtype=torch.float64)), dim=-1) @ invert_intrinsics(looking).T * 1.6
    for corner in (plane[0, 0], plane[0, -1], plane[-1, 0], plane[-1, -1]):
        sheet.path(view(torch.stack((eye, corner))), colour=PALE)
    for line in (*plane, *plane.transpose(0, 1)):
        sheet.path(view(line), colour="#888", width=1.0)
    _axes(sheet, view, torch.eye(3, dtype=torch.float64), start=eye, length=0.62)
    pose = torch.cat(
        (rotation_from_euler_zyx(torch.tensor([0.2, 0.7, 0.15], dtype=torch.float64)), torch.zeros(3, 1)), 1
    )
    pose[:, 3] = torch.tensor([0.15, -0.1, 3.1])
    _cube(sheet, lambda corners: view(transform_points(pose, corners)))
    _axes(sheet, view, pose[:, :3], start=pose[:, 3], length=0.85)
    start, end = view(torch.stack((eye, pose[:, 3])))
    sheet.path([start, end], dashed=True, colour="#888")
    sheet.text(((start[0] + 2 * end[0]) / 3, (start[1] + 2 * end[1]) / 3 + 16), "t", colour="#555")
    sheet.text((start[0] - 14, start[1] - 34), "camera", colour="#555")
    sheet.text((end[0] + 50, end[1] + 140), "object: x_camera = R @ x_object + t", colour="#555")
    low = view(plane[-1, 2:3])[0]
    sheet.text((low[0], low[1] + 26), "picture", colour="#555")
    return sheet


def pixels() -> Drawing:
    """Centres of pixels in pixels and on the grid, and where they go when a picture is made smaller."""
    sheet = Drawing(680, 320, title="Pixel centres at integer coordinates; grid positions; resizing")
    height, width, cell, left, top = 4, 5, 44.0, 70.0, 78.0

    def place(x: float, y: float) -> Point:
        return left + (x + 0.5) * cell, top + (y + 0.5) * cell

    for k in range(height + 1):
        sheet.path([place(-0.5, k - 0.5), place(width - 0.5, k - 0.5)], colour=PALE)
    for k in range(width + 1):
        sheet.path([place(k - 0.5, -0.5), place(k - 0.5, height - 0.5)], colour=PALE)
    grid = identity_grid(height, width, dtype=torch.float64)
    for x, y in pixel_coordinates(height, width).flatten(0, 1).tolist():
        sheet.dot(place(x, y))
    for x in range(width):
        sheet.text((place(x, 0)[0], top - 12), f"{x}")
        sheet.text((place(x, 0)[0], top + height * cell + 22), _number(grid[0, x, 0]), colour=AXES[2])
    for y in range(height):
        sheet.text((left - 12, place(0, y)[1] + 5), f"{y}", anchor="end")
        sheet.text(
            (left + width * cell + 10, place(0, y)[1] + 5), _number(grid[y, 0, 1]), colour=AXES[2], anchor="start"
        )
    sheet.arrow((left, top - 34), (left + 56, top - 34), colour=AXES[0]).text(
        (left + 66, top - 30), "x", colour=AXES[0]
    )
    sheet.arrow((left - 40, top), (left - 40, top + 56), colour=AXES[1]).text(
        (left - 40, top + 72), "y", colour=AXES[1]
    )
    sheet.dot(place(-0.5, -0.5), colour=AXES[0], radius=3.5)
    sheet.text((left - 6, top - 8), "(-½, -½)", colour=AXES[0], anchor="end", size=11)
    sheet.text(
        (left + width * cell / 2, top + height * cell + 42), "the same centres on a grid, from -1 to 1", colour=AXES[2]
    )
    _resized(sheet, left=400.0, top=112.0)
    return sheet


def _resized(sheet: Drawing, *, left: float, top: float) -> None:
    """A row of eight pixels above the same row of four."""
    span = 240.0
    sheet.text((left + span / 2, top - 34), "resized by s = ½: x becomes (x + ½) s - ½")
    for row, count in ((0, 8), (1, 4)):
        down, cell = top + row * 92.0, span / count
        for k in range(count + 1):
            sheet.path([(left + k * cell, down), (left + k * cell, down + 28)], colour=PALE)
        for edge in (down, down + 28):
            sheet.path([(left, edge), (left + span, edge)], colour=PALE)
        for x in range(count):
            sheet.dot((left + (x + 0.5) * cell, down + 14))
            sheet.text((left + (x + 0.5) * cell, down - 6 if row == 0 else down + 44), f"{x}", size=11)
    centres = torch.stack((torch.arange(8.0), torch.zeros(8)), dim=-1)
    moved = resize_points(centres, 0.5)[:, 0]
    for x in (0, 3, 6):
        end = (left + (float(moved[x]) + 0.5) * span / 4, top + 92.0)
        sheet.arrow((left + (x + 0.5) * span / 8, top + 30), end, colour=AXES[2], width=1.5)
        sheet.text((end[0] + 4, end[1] - 12), _number(moved[x]), colour=AXES[2], anchor="start", size=11)


def depth() -> Drawing:
    """A wall seen from above: one depth, many distances."""
    sheet = Drawing(680, 260, title="Depth is measured along z, not along the ray")
    looking = intrinsics(math.radians(75.0), height=3, width=7, dtype=torch.float64)
    wall = torch.full((1, 3, 7), 2.0, dtype=torch.float64)
    seen = back_project(wall, looking)[1]
    lengths = (wall[0, 0] * rays(looking, height=3, width=7)[1].norm(dim=-1)).tolist()

    def place(x: float, z: float) -> Point:
        return 340.0 + 125.0 * x, 222.0 - 78.0 * z

    sheet.path([place(-2.0, 2.0), place(2.0, 2.0)], colour="#888", width=5.0)
    for (x, _, z), length in zip(seen.tolist(), lengths, strict=True):
        sheet.path([place(0.0, 0.0), place(x, z)], colour=PALE)
        sheet.text((place(x, z)[0], place(x, z)[1] - 14), f"{length:.2f}", colour="#777")
        sheet.dot(place(x, z))
    sheet.text((place(-2.0, 2.0)[0] - 6, place(0, 2.0)[1] - 14), "along the ray", colour="#777", anchor="end")
    sheet.text((place(-2.0, 2.0)[0] - 6, place(0, 2.0)[1] + 14), "depth 2.00", anchor="end")
    for x, _, z in seen.tolist():
        sheet.text((place(x, z)[0] + 4, place(x, z)[1] + 20), _number(z), size=11, anchor="start")
    sheet.arrow(place(0.0, 0.0), place(0.0, 0.72), colour=AXES[2]).text((352.0, 172.0), "z", colour=AXES[2])
    sheet.arrow(place(0.0, 0.0), place(0.45, 0.0), colour=AXES[0]).text((408.0, 226.0), "x", colour=AXES[0])
    sheet.dot(place(0.0, 0.0), radius=4.0).text((340.0, 246.0), "camera, seen from above", colour="#555")
    return sheet


def light() -> Drawing:
    """A bump seen from above, with its normals, a light and the shading that it gives."""
    sheet = Drawing(
        680, 290, title="Normals face the viewer; the light's direction points from the surface to the light"
    )
    count = 49
    looking = intrinsics(math.radians(60.0), height=3, width=count, dtype=torch.float64)
    across = rays(looking, height=3, width=count)[0, :, 0]
    surface = (2.0 - 0.55 * torch.exp(-(across / 0.22).square())).expand(1, 3, count)
    normals = normals_from_depth(surface, looking)
    direction = torch.tensor([-0.6, 0.0, -0.8], dtype=torch.float64)
    shading = lambert(normals, torch.cat((torch.tensor([0.2, 0.7], dtype=torch.float64), direction)))[0, 1].tolist()
    seen = back_project(surface, looking)[1]

    def place(x: float, z: float) -> Point:
        return 340.0 + 190.0 * x, 262.0 - 112.0 * z

    sheet.path([place(x, z) for x, _, z in seen.tolist()], colour="#777", width=13.0)
    for k in range(count - 1):
        grey = round(255 * min((shading[k] + shading[k + 1]) / 2, 1.0))
        ends = [place(seen[j, 0].item(), seen[j, 2].item()) for j in (k, k + 1)]
        sheet.path(ends, colour=f"rgb({grey},{grey},{grey})", width=10.0)
    for k in range(3, count, 6):
        x, _, z = seen[k].tolist()
        nx, _, nz = normals[:, 1, k].tolist()
        start = place(x, z)
        sheet.arrow(start, (start[0] + 42 * nx, start[1] - 42 * nz), colour=AXES[2], width=1.5)
    start = place(seen[18, 0].item(), seen[18, 2].item())
    end = (start[0] + 150 * direction[0].item(), start[1] - 150 * direction[2].item())
    sheet.arrow(start, end, colour=_LIGHT, width=2.5).text(
        (end[0] - 8, end[1] + 4), "to the light", colour=_LIGHT, anchor="end"
    )
    sheet.text((600.0, 140.0), "normals: z < 0", colour=AXES[2])
    sheet.text((590.0, 22.0), "shading = ambient + diffuse max(0, n · l)", colour="#555", anchor="end")
    sheet.arrow(place(0.0, 0.0), place(0.0, 0.42), colour=AXES[2]).text((352.0, 220.0), "z", colour=AXES[2])
    sheet.arrow(place(0.0, 0.0), place(0.3, 0.0), colour=AXES[0]).text((408.0, 266.0), "x", colour=AXES[0])
    sheet.dot(place(0.0, 0.0), radius=4.0).text((340.0, 284.0), "camera, seen from above", colour="#555")
    return sheet


def rotations() -> Drawing:
    """Angles one after the other, each about an axis that stays where it is."""
    sheet = Drawing(680, 400, title="Rotations are read from right to left, about axes that stay")
    camera_turn = rotation_from_euler_zyx(_angles(0.35, 0.0, 0.0)) @ rotation_from_euler_zyx(_angles(0.0, 0.6, 0.0))
    generator_turn = torch.from_numpy(_SPHERE_TURN)
    a, b, c = (math.radians(degrees) for degrees in (40.0, 30.0, 55.0))
    rows = (
        (
            "Camera frame, y down. R = Rz(c) Ry(b) Rx(a): rotation_from_euler_zyx((a, b, c))",
            ("R = 1", "a = 40° about x", "then b = 30° about y", "then c = 55° about z"),
            [rotation_from_euler_zyx(_angles(*some)) for some in ((0, 0, 0), (a, 0, 0), (a, b, 0), (a, b, c))],
            camera_turn,
        ),
        (
            "Sphere, z up. R = Rz(a) Ry(b) Rz(g): rotation_from_euler_zyz((a, b, g))",
            ("R = 1", "g = 40° about z", "then b = 30° about y", "then a = 55° about z"),
            [rotation_from_euler_zyz(_angles(*some)) for some in ((0, 0, 0), (0, 0, a), (0, b, a), (c, b, a))],
            generator_turn,
        ),
    )
    for row, (words, captions, steps, turn) in enumerate(rows):
        top = 200.0 * row
        sheet.text((20.0, top + 24), words, anchor="start")
        for column, (rotation, caption) in enumerate(zip(steps, captions, strict=True)):
            middle = (90.0 + 165.0 * column, top + 108)
            view = _view(turn, at=middle, scale=52.0)
            _axes(sheet, view, torch.eye(3, dtype=torch.float64), faint=True)
            _axes(sheet, view, rotation)
            sheet.text((middle[0], top + 188), caption, colour="#555")
    return sheet


def sphere() -> Drawing:
    """The sphere's frame, and the samples of the two grids of one bandwidth."""
    sheet = Drawing(
        680, 290, title="Sphere: z up, colatitude from +z, azimuth from +x towards +y; grids soft and driscoll_healy"
    )
    turn = torch.from_numpy(_SPHERE_TURN)
    columns = (
        ("colatitude θ, azimuth φ", None),
        ("soft, B = 4", soft(4)),
        ("driscoll_healy, B = 4", driscoll_healy(4)),
    )
    for column, (words, grid) in enumerate(columns):
        middle = (122.0 + 218.0 * column, 140.0)
        view = _view(turn, at=middle, scale=88.0)
        around = torch.linspace(0.0, 2 * math.pi, 73, dtype=torch.float64)
        rim = torch.stack((around.cos(), around.sin()), dim=-1).tolist()
        sheet.path([(middle[0] + 88 * x, middle[1] + 88 * y) for x, y in rim], colour=PALE)
        if grid is None:
            _frame_of_sphere(sheet, view, turn)
        else:
            _samples(sheet, view, turn, grid)
        sheet.text((middle[0], 276.0), words, colour="#555")
    return sheet


def harmonics() -> Picture:
    """The first three degrees as balls, degree by row and order by column: positive red, negative blue."""
    degrees, size = 3, 96
    axis = torch.linspace(-1.06, 1.06, size, dtype=torch.float64)
    down, right = torch.meshgrid(axis, axis, indexing="ij")
    inside = right.square() + down.square() <= 1.0
    away = -(1.0 - right.square() - down.square()).clamp_min(0.0).sqrt()
    places = torch.stack((right, down, away), dim=-1)[inside] @ torch.from_numpy(_SPHERE_TURN)
    values = spherical_harmonics(places, bandwidth=degrees)
    rows: list[list[Picture | None]] = [[None] * (2 * degrees - 1) for _ in range(degrees)]
    for l in range(degrees):
        for m in range(-l, l + 1):
            value = values[:, l * l + l + m]
            value = value / value.abs().max()
            red, blue = torch.tensor([[0.84, 0.24, 0.24], [0.2, 0.41, 0.84]], dtype=torch.float64)
            ball = torch.ones(size, size, 3, dtype=torch.float64)
            ball[inside] = 1.0 - value.abs()[:, None] * (1.0 - torch.where(value[:, None] > 0.0, red, blue))
            rows[l][degrees - 1 + m] = image_picture(ball.movedim(-1, 0).numpy())
    orders = [f"m = {m}" for m in range(1 - degrees, degrees)]
    return contact_sheet(rows, orders, cell=size, captions=[f"l = {l}" for l in range(degrees)])


def _frame_of_sphere(sheet: Drawing, view: View, turn: Tensor) -> None:
    equator = torch.linspace(0.0, 2 * math.pi, 73, dtype=torch.float64)
    circle = torch.stack((equator.cos(), equator.sin(), torch.zeros_like(equator)), dim=-1)
    near = (circle @ turn.T)[:, 2] < 0.0
    for k in range(72):
        if near[k] and near[k + 1]:
            sheet.path(view(circle[k : k + 2]), colour="#999", width=1.0)
    _axes(sheet, view, torch.eye(3, dtype=torch.float64), length=1.28)
    theta, phi = math.radians(50.0), math.radians(65.0)
    part = torch.linspace(0.0, 1.0, 25, dtype=torch.float64)
    down = torch.stack(
        ((theta * part).sin() * math.cos(phi), (theta * part).sin() * math.sin(phi), (theta * part).cos()), -1
    )
    along = torch.stack(((phi * part).cos(), (phi * part).sin(), torch.zeros_like(part)), -1)
    sheet.path(view(down), colour=_LIGHT, width=2.5).path(view(along), colour=_LIGHT, width=2.5)
    flat = torch.tensor([[math.cos(phi), math.sin(phi), 0.0]], dtype=torch.float64)
    sheet.path(view(torch.cat((down[-1:], flat))), colour=_LIGHT, width=1.0, dashed=True)
    sheet.dot(view(down[-1:])[0], colour=_LIGHT, radius=4.0)
    for line, word, shift in ((down, "θ", (-12.0, 4.0)), (along, "φ", (0.0, 18.0))):
        x, y = view(line[12:13])[0]
        sheet.text((x + shift[0], y + shift[1]), word, colour=_LIGHT, size=15)


def _samples(sheet: Drawing, view: View, turn: Tensor, grid: SphereGrid) -> None:
    samples = points(grid, dtype=torch.float64)
    for row in samples:
        for place, sample in zip(view(row), row, strict=True):
            behind = (turn @ sample)[2] > 1e-9
            sheet.dot(place, radius=1.5 if behind else 3.0, colour=PALE if behind else INK)
    for sample in samples[:, 0]:  # azimuth 0
        if (turn @ sample)[2] <= 1e-9:
            sheet.dot(view(sample[None])[0], radius=3.0, colour=AXES[0])
    _axes(
        sheet,
        view,
        torch.eye(3, dtype=torch.float64)[:, 2:],
        names="z",
        start=torch.tensor([0.0, 0.0, 1.0]),
        length=0.28,
        colours=AXES[2:],
    )


def _view(turn: Tensor, *, at: Point, scale: float) -> View:
    """Return what projects points in parallel: turned so that x is right, y down and z away from who looks."""

    def view(places: Tensor) -> list[Point]:
        seen = places.to(torch.float64) @ turn.T
        return [(at[0] + scale * x, at[1] + scale * y) for x, y in seen[:, :2].tolist()]

    return view


def _axes(
    sheet: Drawing,
    view: View,
    columns: Tensor,
    *,
    start: Tensor | None = None,
    length: float = 1.0,
    faint: bool = False,
    names: str = "xyz",
    colours: tuple[str, ...] = AXES,
) -> None:
    """Draw the columns of a matrix as arrows with their names."""
    origin = torch.zeros(3, dtype=torch.float64) if start is None else start.to(torch.float64)
    for column, name, colour in zip(columns.T, names, colours, strict=True):
        tail, tip, beyond = view(torch.stack((origin, origin + length * column, origin + (length + 0.18) * column)))
        if faint:
            sheet.path([tail, tip], colour=PALE, dashed=True)
        else:
            sheet.arrow(tail, tip, colour=colour).text((beyond[0], beyond[1] + 4), name, colour=colour)


def _cube(sheet: Drawing, view: View) -> None:
    half = 0.42
    corners = half * torch.tensor([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=torch.float64)
    seen = view(corners)
    for i in range(8):
        for bit in (1, 2, 4):
            if not i & bit:
                sheet.path([seen[i], seen[i | bit]], colour="#888", width=1.0)


def _angles(*angles: float) -> Tensor:
    return torch.tensor(angles, dtype=torch.float64)


def _number(value: Tensor | float) -> str:
    return f"{float(value):.2f}".rstrip("0").rstrip(".").replace("-0.", "-0.")


if __name__ == "__main__":
    main()
