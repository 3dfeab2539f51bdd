"""Depth of a grid mesh seen from another viewpoint, differentiable, in plain tensor operations.

The mesh has one vertex per pixel of a depth map and two triangles per cell: (i, j), (i+1, j), (i, j+1) and (i, j+1),
(i+1, j), (i+1, j+1). Faces are numbered row by row, all of the first kind before all of the second. Both orientations
are drawn.

Camera frame: x right, y down, z forward; depth is z, not the distance along the ray. Pixel (i, j) has its centre at the
integer coordinates (x, y) = (j, i), and what is drawn is the surface exactly there: no average over the pixel, no
half-pixel shift. The identity pose returns the depth map, border included.

Two steps. Which face a pixel sees is found without gradient, in float32: every face proposes the pixel centres in its
bounding box, and the nearest one wins; of equally near ones, that with the lower number. Depth is then where the
pixel's ray meets the plane of that face, with gradient to its three vertices. Occlusion boundaries have no gradient of
their own. Vertices are moved in float64 whatever comes in: a turn about a point far from the camera cancels large
numbers, and a steep face would magnify the rounding.

Coverage is inclusive by a few roundings of the pixel coordinates, so that neither shared edges nor the border of the
mesh lose pixels; a face thinner than that is not drawn: its neighbours cover its pixels. A face with a vertex
at z <= 0, or one that is not finite, is not drawn either.
"""

import itertools
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.autograd.function import once_differentiable

from armillary.kernels.cameras import invert_intrinsics, require_depth_and_camera
from armillary.kernels.sampling import pixels_to_grid

_FACES_PER_BLOCK = {"cpu": 2**16, "cuda": 2**23}  # a processor's cache; a device's memory
_CANDIDATES_PER_BLOCK = {"cpu": 2**17, "cuda": 2**23}
_ROUNDINGS = 4  # half-width of the inclusive edge, in roundings of a float32 pixel coordinate
_UNSEEN = 0x7F800000 << 32  # keys from here on hold an infinite depth, or none


def render_depth(
    depth: Float[Tensor, "*#batch 1 height width"],
    pose: Float[Tensor, "*#batch 3 4"],
    camera: Float[Tensor, "*#batch 3 3"],
    *,
    size: tuple[int, int] | None = None,
) -> tuple[Float[Tensor, "*#batch 1 rows columns"], Bool[Tensor, "*#batch 1 rows columns"]]:
    r"""Return the depth of the mesh over ``depth`` after the motion ``pose``, and the mask of visible pixels.

    Vertex :math:`v = R\, d\, K^{-1} (x, y, 1)^T + t`; a pixel's ray meets the plane of its visible face at
    :math:`z = \sum_k \lambda_k z_k` with the barycentric coordinates :math:`\lambda` of the point in space, and
    :math:`\partial z / \partial v_k = \lambda_k n / \langle n, r \rangle` for the normal n and the ray r.

    Args:
        depth: of the canonical view, which ``camera`` sees with the identity pose; any unit. A pixel that is not
            finite removes its faces, and gets no gradient.
        pose: ``x_camera = R @ x_canonical + t``, t in the unit of the depth.
        camera: intrinsics in pixels, shared by both views.
        size: rows and columns to draw, as those of ``depth`` when None.

    Returns:
        Depth, 0 where nothing is seen; and the mask of what is seen. The leading axes are those that the three
        arguments broadcast to.

    Raises:
        ValueError: a shape differs from the annotation, the mesh has fewer than two rows or columns, or the dtypes
            differ.

    Undefined: the gradient where visibility changes. It stays finite there, on faces seen edge-on as well.

    Source: the z-buffer of Kato et al. 2018, arXiv:1711.07566. Deviates: pixel centres at integers, no 2 x 2
    sub-samples, the plane's exact gradient, added up in a fixed order.

    >>> depth, camera = torch.full((1, 3, 3), 2.0), torch.tensor([[2.0, 0.0, 1.0], [0.0, 2.0, 1.0], [0.0, 0.0, 1.0]])
    >>> away = torch.cat((torch.eye(3), torch.tensor([[0.0], [0.0], [2.0]])), dim=1)  # twice as far: half as large
    >>> render_depth(depth, away, camera)[0].tolist()
    [[[0.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 0.0]]]
    """
    require_depth_and_camera(depth, camera)
    _require_mesh(depth, pose, camera)
    batch = torch.broadcast_shapes(depth.shape[:-3], pose.shape[:-2], camera.shape[:-2])
    height, width = depth.shape[-2:]
    rows, columns = size if size is not None else (height, width)
    flat_depth = depth.expand(*batch, 1, height, width).reshape(-1, height, width).double()
    flat_pose = pose.expand(*batch, 3, 4).reshape(-1, 3, 4).double()
    flat_camera = camera.expand(*batch, 3, 3).reshape(-1, 3, 3).double()

    sound = flat_depth.isfinite()
    inverse = invert_intrinsics(flat_camera)
    vertices = _move(torch.where(sound, flat_depth, 0.0), flat_pose, inverse)
    with torch.no_grad():
        face = _visible_faces(vertices, sound, flat_camera, size=(rows, columns))
    rays = _rays(inverse, rows, columns)
    z = _RayPlane.apply(vertices.flatten(-2), rays, face, width, depth.dtype)
    shape = (*batch, 1, rows, columns)
    return z.reshape(shape), (z > 0).reshape(shape)


def inverse_warp_grid(
    depth: Float[Tensor, "*#batch 1 rows columns"],
    pose: Float[Tensor, "*#batch 3 4"],
    camera: Float[Tensor, "*#batch 3 3"],
    *,
    size: tuple[int, int] | None = None,
) -> Float[Tensor, "*#batch rows columns 2"]:
    r"""Return, for each pixel of the moved view, the position of the same point in the canonical view.

    :math:`u = \pi(K\, R^T (z\, K^{-1} (x, y, 1)^T - t))`. ``sample(canonical, grid)`` then draws the canonical picture
    as the moved view sees it.

    Args:
        depth: of the moved view, as :func:`render_depth` returns it.
        pose: of the moved view, ``x_camera = R @ x_canonical + t``; R must be a rotation.
        camera: intrinsics in pixels, shared by both views.
        size: rows and columns of the canonical view, as those of ``depth`` when None.

    Returns:
        Sampling positions, in [-1, 1] inside of the canonical view. Where depth <= 0, or where the point lies behind
        the canonical camera, the position is (-2, -2), which reads as zero, without gradient.

    Raises:
        ValueError: a shape differs from the annotation, or the dtypes differ.

    >>> from armillary.kernels.sampling import identity_grid
    >>> camera = torch.tensor([[2.0, 0.0, 1.0], [0.0, 2.0, 1.0], [0.0, 0.0, 1.0]])
    >>> torch.allclose(inverse_warp_grid(torch.ones(1, 3, 3), torch.eye(3, 4), camera), identity_grid(3, 3), atol=1e-6)
    True
    """
    require_depth_and_camera(depth, camera)
    _require_pose_and_dtypes(depth, pose, camera)
    batch = torch.broadcast_shapes(depth.shape[:-3], pose.shape[:-2], camera.shape[:-2])
    rows, columns = depth.shape[-2:]
    height, width = size if size is not None else (rows, columns)
    flat_depth = depth.expand(*batch, 1, rows, columns).reshape(-1, rows, columns)
    flat_pose = pose.expand(*batch, 3, 4).reshape(-1, 3, 4)
    flat_camera = camera.expand(*batch, 3, 3).reshape(-1, 3, 3)
    turned = flat_pose[..., :3].transpose(-1, -2)
    back = torch.cat((turned, -(turned * flat_pose[:, None, :, 3]).sum(-1, keepdim=True)), dim=-1)
    seen = flat_depth > 0
    points = _move(torch.where(seen, flat_depth, 1.0), back, invert_intrinsics(flat_camera))
    seen = seen & (points[:, 2] > 0)
    pixels = _project(points, seen, flat_camera)
    grid = pixels_to_grid(pixels.movedim(1, -1), height=height, width=width)
    return torch.where(seen[..., None], grid, -2.0).reshape(*batch, rows, columns, 2)


def _move(
    depth: Float[Tensor, "items height width"], pose: Float[Tensor, "items 3 4"], inverse: Float[Tensor, "items 3 3"]
) -> Float[Tensor, "items 3 height width"]:
    """Return back-projected and moved points, one component after the other.

    By components rather than by a matrix product: every place in a batch is rounded alike.
    """
    height, width = depth.shape[-2:]
    turn = (pose[:, :, :3, None] * inverse[:, None]).sum(-2)[..., None, None]  # R K^-1
    x = torch.arange(width, dtype=depth.dtype, device=depth.device)
    y = torch.arange(height, dtype=depth.dtype, device=depth.device)[:, None]
    rays = turn[:, :, 0] * x + (turn[:, :, 1] * y + turn[:, :, 2])
    return torch.addcmul(pose[:, :, 3, None, None], rays, depth[:, None])


def _project(
    points: Float[Tensor, "items 3 height width"],
    seen: Bool[Tensor, "items height width"],
    camera: Float[Tensor, "items 3 3"],
) -> Float[Tensor, "items 2 height width"]:
    """Return pixel coordinates; those of z = 1 where not seen."""
    x, y, z = points.unbind(1)
    inverse = torch.where(seen, z, 1.0).reciprocal()
    entries = camera[..., None, None]
    u = (entries[:, 0, 0] * x + entries[:, 0, 1] * y) * inverse + entries[:, 0, 2]
    v = entries[:, 1, 1] * y * inverse + entries[:, 1, 2]
    return torch.stack((u, v), dim=1)


def _rays(inverse: Float[Tensor, "items 3 3"], rows: int, columns: int) -> Float[Tensor, "items 2 pixels"]:
    """Return x and y of the ray (x, y, 1) through every pixel centre, row by row."""
    entries = inverse[:, :2, :, None, None]
    x = torch.arange(columns, dtype=inverse.dtype, device=inverse.device)
    y = torch.arange(rows, dtype=inverse.dtype, device=inverse.device)[:, None]
    return (entries[:, :, 0] * x + (entries[:, :, 1] * y + entries[:, :, 2])).flatten(-2)


def _visible_faces(
    vertices: Float[Tensor, "items 3 height width"],
    sound: Bool[Tensor, "items height width"],
    camera: Float[Tensor, "items 3 3"],
    *,
    size: tuple[int, int],
) -> Int[Tensor, "items pixels"]:
    """Return the index of the nearest face at every pixel centre, -1 if none.

    Works through the items in blocks of a bounded number of faces: a block's tables stay in the processor's cache.
    """
    rows, columns = size
    items, _, height, width = vertices.shape
    faces = 2 * (height - 1) * (width - 1)
    step = max(1, _limit(_FACES_PER_BLOCK, vertices.device) // faces)
    nearest = torch.full((items, rows * columns), _UNSEEN, dtype=torch.int64, device=vertices.device)
    for first in range(0, items, step):
        block = slice(first, first + step)
        picture = _pictures(vertices[block].float(), sound[block], camera[block].float())
        table, counts, start = _face_table(picture, _edge_width(camera[block], size), size)
        flat = nearest[block].view(-1)
        for some in _ranges(counts, _limit(_CANDIDATES_PER_BLOCK, vertices.device)):
            target, key = _candidates(table, counts, start, some, columns)
            flat.scatter_reduce_(0, target, key, "amin")
    number = nearest & 0xFFFFFFFF
    number -= (torch.arange(items, device=number.device) % step * faces)[:, None]
    return torch.where(nearest >= _UNSEEN, -1, number)


def _pictures(
    vertices: Float[Tensor, "items 3 height width"],
    sound: Bool[Tensor, "items height width"],
    camera: Float[Tensor, "items 3 3"],
) -> Float[Tensor, "3 items height width"]:
    """Return pixel coordinates x and y and inverse depth of the vertices; nan for those that may not be drawn."""
    x, y, z = vertices.unbind(1)
    inverse = torch.where(sound & (z > 0), z, torch.nan).reciprocal()
    entries = camera[..., None, None]
    u = (entries[:, 0, 0] * x + entries[:, 0, 1] * y) * inverse + entries[:, 0, 2]
    v = entries[:, 1, 1] * y * inverse + entries[:, 1, 2]
    return torch.stack((u, v, inverse))


def _edge_width(camera: Float[Tensor, "items 3 3"], size: tuple[int, int]) -> Float[Tensor, "items 1 1 1"]:
    """Return how far outside of an edge a pixel centre still counts: a few roundings of the terms of its coordinate."""
    scale = torch.maximum(camera[:, 0, 0].abs(), camera[:, 1, 1].abs()).clamp_min(max(size)).float()
    return (_ROUNDINGS * torch.finfo(torch.float32).eps * scale)[:, None, None, None]


def _face_table(
    picture: Float[Tensor, "3 items height width"], edge: Float[Tensor, "items 1 1 1"], size: tuple[int, int]
) -> tuple[Float[Tensor, "11 faces"], Int[Tensor, "2 faces"], Int[Tensor, " faces"]]:
    """Return edges, depth, pixel box and first pixel of every face in the picture.

    Twice the area that a point P spans with an edge is affine in P, and so is inverse depth. Their values are those at
    the first pixel of the box. The areas with the first two edges have the edge's width added and so has their sum
    with the third, so that a pixel belongs to the face where none of the three is negative.
    """
    rows, columns = size
    (u0, v0, w0), (u1, v1, w1), (u2, v2, w2) = _corners(picture)
    left, across = _span((u0, u1, u2), edge, columns)
    top, down = _span((v0, v1, v2), edge, rows)
    x0, y0, x1, y1 = u1 - u0, v1 - v0, u2 - u1, v2 - v1
    area = x0 * y1 - y0 * x1
    sign = area.sign()
    f0, f1, signed = w1 - w0, w2 - w1, area.reciprocal()
    slope_x, slope_y = (f0 * y1 - f1 * y0) * signed, (f1 * x0 - f0 * x1) * signed

    b0, b1, sign = x0 * sign, x1 * sign, -sign
    a0, a1 = y0 * sign, y1 * sign
    # The sum of absolute values: between the length and 1.41 times that.
    width0, width1 = (a0.abs() + b0.abs()) * edge, (a1.abs() + b1.abs()) * edge
    width2 = ((a0 + a1).abs() + (b0 + b1).abs()) * edge
    drawn = area.abs() > torch.maximum(torch.maximum(width0, width1), width2)
    dx, dy = left - u0, top - v0
    columns_of_table = (
        a0 * dx + b0 * dy + width0,
        a0,
        b0,
        a1 * (left - u1) + b1 * (top - v1) + width1,
        a1,
        b1,
        area.abs() + (width0 + width1 + width2),
        w0 + slope_x * dx + slope_y * dy,
        slope_x,
        slope_y,
        torch.maximum(torch.maximum(w0, w1), w2),
    )
    item = torch.arange(u0.shape[0], device=u0.device)[:, None, None, None]
    start = (item * rows + top.long()) * columns + left.long()
    counts = torch.stack((across, torch.where(drawn, across * down, 0.0))).long()
    return torch.stack(columns_of_table).flatten(1), counts.flatten(1), start.flatten()


def _candidates(
    table: Float[Tensor, "11 faces"],
    counts: Int[Tensor, "2 faces"],
    start: Int[Tensor, " faces"],
    some: slice,
    columns: int,
) -> tuple[Int[Tensor, " candidates"], Int[Tensor, " candidates"]]:
    """Return, for each pixel centre in the box of each face, the pixel, and depth and face packed in one number.

    A positive float32 orders as its bits do, so the smallest key is the nearest face, and of those the first.
    """
    across, number = counts[:, some]
    ends = number.cumsum(0)
    total = int(ends[-1])
    # The face of a candidate is the number of faces that end before it; much faster than repeat_interleave.
    face = torch.zeros(total + 1, dtype=torch.int64, device=ends.device)
    face = face.scatter_add_(0, ends, torch.ones_like(ends)).cumsum(0)[:-1]
    offset = torch.arange(total, device=face.device) - (ends - number).index_select(0, face)
    across = across.index_select(0, face)
    down = torch.div(offset, across, rounding_mode="floor")
    right = offset - down * across
    target = start[some].index_select(0, face).add_(down * columns).add_(right)
    x, y = right.float(), down.float()
    e0, a0, b0, e1, a1, b1, whole, w, p, q, nearest = table[:, some].index_select(1, face)
    e0 = e0.addcmul_(a0, x).addcmul_(b0, y)
    e1 = e1.addcmul_(a1, x).addcmul_(b1, y)
    w = torch.minimum(w.addcmul_(p, x).addcmul_(q, y), nearest)
    least = torch.minimum(torch.minimum(e0, e1), torch.minimum(whole - e0 - e1, w))
    depth = torch.where(least > 0, w, 0.0).reciprocal_()  # nan compares false: infinite, hence not seen
    return target, depth.view(torch.int32).long().mul_(1 << 32).add_(face).add_(some.start)


class _RayPlane(torch.autograd.Function):
    """Depth at which each pixel's ray meets the plane of its face, 0 without a face."""

    @staticmethod
    def forward(
        ctx: Any,
        vertices: Float[Tensor, "items 3 points"],
        rays: Float[Tensor, "items 2 pixels"],
        face: Int[Tensor, "items pixels"],
        width: int,
        dtype: torch.dtype,
    ) -> Float[Tensor, "items pixels"]:
        seen = face >= 0
        index = _vertices_of(face, vertices.shape[-1], width)[:, None].expand(-1, 3, -1, -1)
        corners = vertices.gather(2, index.flatten(-2)).unflatten(-1, (3, -1))
        # Sheared along the ray, so that it runs through the origin of (x, y): small numbers, little rounding.
        x, y = torch.addcmul(corners[:, :2], corners[:, 2:], rays[:, :, None], value=-1).to(dtype).unbind(1)
        z, rays = corners[:, 2].to(dtype), rays.to(dtype)
        (x0, x1, x2), (y0, y1, y2) = x.unbind(1), y.unbind(1)
        areas = torch.stack((x1 * y2 - y1 * x2, x2 * y0 - y2 * x0, x0 * y1 - y0 * x1), dim=1)
        whole = areas.sum(1)
        drawn = seen & (whole.abs() > torch.finfo(whole.dtype).tiny)
        inverse = torch.where(drawn, whole, torch.inf).reciprocal()
        weights = (areas * inverse[:, None]).clamp_(0, 1)
        weights = weights / weights.sum(1, keepdim=True).clamp_min_(0.5)
        f1, f2 = (z[:, 1:] - z[:, :1]).unbind(1)
        slope_x = ((y1 - y0) * f2 - f1 * (y2 - y0)) * inverse
        slope_y = (f1 * (x2 - x0) - (x1 - x0) * f2) * inverse
        slope_z = torch.where(seen, 1 - slope_x * rays[:, 0] - slope_y * rays[:, 1], 0.0)
        depth = (weights * z).sum(1)
        ctx.save_for_backward(face, weights, torch.stack((slope_x, slope_y, slope_z), dim=1), depth)
        ctx.points, ctx.width = vertices.shape[-1], width
        return depth

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Float[Tensor, "items pixels"]) -> tuple[Tensor | None, ...]:
        face, weights, normal, depth = ctx.saved_tensors
        pull = normal * torch.where(face >= 0, grad, 0.0)[:, None]
        to_vertices = to_rays = None
        if ctx.needs_input_grad[0]:
            index = _vertices_of(face, ctx.points, ctx.width)[:, None].expand(-1, 3, -1, -1)
            shares = pull[:, :, None] * weights[:, None]
            to_vertices = pull.new_zeros(*pull.shape[:2], ctx.points)
            to_vertices.scatter_add_(2, index.flatten(-2), shares.flatten(-2))
        if ctx.needs_input_grad[1]:
            to_rays = -depth[:, None] * pull[:, :2]
        return to_vertices, to_rays, None, None, None


def _corners(
    grid: Float[Tensor, "3 items height width"],
) -> tuple[
    Float[Tensor, "3 items 2 rows columns"],
    Float[Tensor, "3 items 2 rows columns"],
    Float[Tensor, "3 items 2 rows columns"],
]:
    """Return values at the three vertices of every face, by item, kind, row and column of its cell."""
    a, b, c, d = grid[..., :-1, :-1], grid[..., 1:, :-1], grid[..., :-1, 1:], grid[..., 1:, 1:]
    return torch.stack((a, c), dim=2), torch.stack((b, b), dim=2), torch.stack((c, d), dim=2)


def _vertices_of(face: Int[Tensor, "items pixels"], points: int, width: int) -> Int[Tensor, "items 3 pixels"]:
    """Return the indices of the three vertices of each face, in the module's order; any for face -1."""
    cells = (points // width - 1) * (width - 1)
    second = (face >= cells).to(face.dtype)
    cell = face.clamp_min(0) - second * cells
    corner = cell + torch.div(cell, width - 1, rounding_mode="floor")
    return torch.stack((corner + second, corner + width, corner + 1 + second * width), dim=1)


def _span(
    corners: tuple[Tensor, Tensor, Tensor], margin: Tensor, pixels: int
) -> tuple[Float[Tensor, "*faces"], Float[Tensor, "*faces"]]:
    """Return first pixel and number of pixels of each face along one axis, within the picture; integers."""
    low = torch.minimum(torch.minimum(*corners[:2]), corners[2])
    high = torch.maximum(torch.maximum(*corners[:2]), corners[2])
    first = (low - margin).ceil_().clamp_(0, pixels)
    count = (high + margin).floor_().clamp_(-1, pixels - 1).sub_(first).add_(1).clamp_(min=0)
    return first, count


def _ranges(counts: Int[Tensor, "2 faces"], limit: int) -> list[slice]:
    """Yield consecutive ranges, together all faces that count, each with a sum up to ``limit`` and one face more."""
    ends = counts[1].cumsum(0)
    total = int(ends[-1])
    steps = torch.arange(limit, total + limit, limit, device=counts.device)
    cuts = [0, *torch.searchsorted(ends, steps, right=True).tolist()]
    return [slice(first, last) for first, last in itertools.pairwise(cuts) if first < last]


def _limit(limits: dict[str, int], device: torch.device) -> int:
    return limits.get(device.type, limits["cuda"])


def _require_mesh(depth: Tensor, pose: Tensor, camera: Tensor) -> None:
    _require_pose_and_dtypes(depth, pose, camera)
    if min(depth.shape[-2:]) < 2:
        raise ValueError(f"a mesh needs two rows and two columns, got {tuple(depth.shape[-2:])}")


def _require_pose_and_dtypes(depth: Tensor, pose: Tensor, camera: Tensor) -> None:
    if pose.shape[-2:] != (3, 4):
        raise ValueError(f"pose must be [*batch 3 4], got {tuple(pose.shape)}")
    if not depth.dtype == pose.dtype == camera.dtype or depth.dtype not in (torch.float32, torch.float64):
        raise ValueError(
            f"depth, pose and camera must all be float32 or all float64, got {depth.dtype}, {pose.dtype}, {camera.dtype}"
        )
