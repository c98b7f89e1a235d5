"""Make the sample cohort: eight synthetic short-axis heart stacks from two made-up scanners.

Run ``python make_sample_data.py [FOLDER]`` with numpy, scipy and nibabel. The result depends on
nothing but the seed. Lengths are in mm; arrays are in display order (I, P, L), which here means
(slice from base to apex, image row, image column), until they are written.
"""

import gzip
import sys
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import numpy.typing as npt
from scipy import ndimage

Array = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
SEED = 20260
IN_PLANE, THROUGH_PLANE = 3, 4  # samples per voxel, for partial volume
RV, MYOCARDIUM, LV = 1, 2, 3


@dataclass(frozen=True, kw_only=True)
class Scanner:
    """Contrast, sharpness and noise of one site; intensities relative to 1."""

    name: str
    blood: float
    muscle: float
    fat: float
    liver: float
    lung: float
    blur_px: float
    noise: float
    bias: float
    gain: float


SITE_A = Scanner(
    name="siteA", blood=0.92, muscle=0.34, fat=0.98, liver=0.46, lung=0.07,
    blur_px=0.55, noise=0.045, bias=0.30, gain=620.0,
)  # fmt: skip
SITE_B = Scanner(
    name="siteB", blood=0.70, muscle=0.41, fat=0.60, liver=0.52, lung=0.10,
    blur_px=0.75, noise=0.062, bias=0.55, gain=1450.0,
)  # fmt: skip


@dataclass(frozen=True)
class Recipe:
    """What is chosen by hand for one case; everything else is drawn from its seed."""

    scanner: Scanner
    shape: tuple[int, int, int]
    spacing: tuple[float, float, float]
    phase: float
    """0 end-diastole, 1 end-systole."""
    orientation: str
    """Axis codes of the written voxel order."""
    angles_deg: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Rotation of the stack about the world's x, y, z; non-zero makes it oblique."""


OBLIQUE_A, OBLIQUE_B = (-24.0, 19.0, 12.0), (18.0, -21.0, 8.0)
# scanner, shape, spacing, motion phase, voxel order on disk, rotation
RECIPES = (
    Recipe(SITE_A, (10, 96, 96), (8.0, 1.6, 1.6), 0.0, "LPS"),
    Recipe(SITE_A, (10, 96, 96), (8.0, 1.6, 1.6), 1.0, "LPS", OBLIQUE_A),
    Recipe(SITE_A, (11, 96, 96), (8.0, 1.5, 1.5), 0.5, "RAS"),
    Recipe(SITE_A, (10, 96, 92), (8.0, 1.6, 1.6), 0.2, "LAS"),
    Recipe(SITE_B, (9, 88, 96), (10.0, 1.75, 1.75), 0.1, "LPS"),
    Recipe(SITE_B, (9, 88, 96), (10.0, 1.75, 1.75), 0.9, "RAS", OBLIQUE_B),
    Recipe(SITE_B, (9, 96, 88), (10.0, 1.75, 1.75), 0.4, "PLI"),
    Recipe(SITE_B, (9, 88, 96), (9.0, 1.9, 1.9), 0.7, "LPS"),
)


# Left atrium, right atrium, aortic root, pulmonary trunk: right, down, size; flattening.
VESSELS = np.array(
    [
        [0.42, 0.45, 0.72, 1.25],
        [-0.80, 0.40, 0.62, 0.90],
        [-0.12, -0.22, 0.46, 1.00],
        [-0.42, -0.95, 0.44, 1.20],
    ]
)


@dataclass(frozen=True, kw_only=True)
class Anatomy:
    """One heart and its neighbours. Angles in radians from image right, clockwise."""

    center_x: float
    center_y: float
    drift_x: float
    drift_y: float
    base_z: float
    length: float
    radius: float
    wall: float
    septum: float
    rv_reach: float
    rv_width: float
    rv_apex: float
    rv_base: float
    fat: float
    chest_y: float
    dome_y: float
    lobes: Array
    """(3 surfaces, 5 harmonics, 2): cosine and sine amplitudes relative to the radius."""
    papillary: Array
    """(2, 3): angle from the septum, distance over the radius, size."""
    vessels: Array
    """(4, 4): atria and great vessels: right, down, size over the radius; flattening."""


def draw_anatomy(rng: np.random.Generator, recipe: Recipe) -> Anatomy:
    """Draw one heart; systole shortens it, narrows its cavity and thickens its wall."""
    stack_length = recipe.shape[0] * recipe.spacing[0]
    length = rng.uniform(58, 68) * (1 - 0.13 * recipe.phase)
    spread = np.array([0.035, 0.045, 0.030, 0.016, 0.010])[None, :, None]
    return Anatomy(
        center_x=rng.uniform(4, 18),
        center_y=rng.uniform(-10, 8),
        drift_x=rng.uniform(-0.05, 0.20),
        drift_y=rng.uniform(-0.05, 0.16),
        base_z=rng.uniform(0.35, 0.65) * (stack_length - length),
        length=length,
        radius=rng.uniform(26.5, 35) * (1 - 0.07 * recipe.phase),
        wall=rng.uniform(7, 10.5) * (1 + 0.5 * recipe.phase),
        septum=np.pi + rng.uniform(-0.55, 0.45),
        rv_reach=rng.uniform(0.62, 0.95) * (1 - 0.16 * recipe.phase),
        rv_width=rng.uniform(1.08, 1.42) * (1 - 0.10 * recipe.phase),
        rv_apex=rng.uniform(0.74, 0.93),
        rv_base=rng.uniform(-8, 5),
        fat=rng.uniform(2.0, 6.5),
        chest_y=rng.uniform(-72, -62),
        dome_y=rng.uniform(40, 58),
        lobes=rng.normal(size=(3, 5, 2)) * spread,
        papillary=np.stack(
            [
                np.array([1.9, 4.3]) + rng.normal(size=2) * 0.25,
                rng.uniform(0.55, 0.82, size=2),
                rng.uniform(3.2, 5.2, size=2),
            ],
            axis=1,
        ),
        vessels=VESSELS + rng.normal(size=VESSELS.shape) * np.array([0.09, 0.09, 0.06, 0.10]),
    )


def wavy(lobes: Array, theta: Array) -> Array:
    """Relative radius of an outline that is not quite round."""
    order = np.arange(1, len(lobes) + 1)
    waves = lobes[:, 0] * np.cos(theta[..., None] * order)
    return 1 + (waves + lobes[:, 1] * np.sin(theta[..., None] * order)).sum(axis=-1)


def taper(depth: float, length: float) -> float:
    """Radius over the basal radius at a depth below the base: a blunt half ellipsoid."""
    t = depth / length
    return float((1 - t**2.4) ** 0.5 * (1 - 0.10 * (1 - t) ** 4)) if 0 <= t < 1 else 0.0


def smooth_noise(rng: np.random.Generator, shape: tuple[int, ...], sigma: float) -> Array:
    """Gaussian noise of unit variance with a correlation length of `sigma` samples."""
    noise = ndimage.gaussian_filter(rng.normal(size=shape), sigma, mode="wrap")
    return np.asarray(noise / noise.std())


@dataclass(frozen=True, kw_only=True)
class Textures:
    """Smooth random fields on the fine in-plane grid, one set per case."""

    coarse: Array
    fine: Array
    speckle: Array


def paint_level(
    anatomy: Anatomy, scanner: Scanner, textures: Textures, x: Array, y: Array, depth: float
) -> tuple[Array, npt.NDArray[np.uint8]]:
    """Intensities and classes of one infinitely thin level, `depth` below the base."""
    image = paint_neighbours(anatomy, scanner, textures, x, y, depth)
    labels = np.zeros(x.shape, dtype=np.uint8)
    dx = x - anatomy.center_x - anatomy.drift_x * depth
    dy = y - anatomy.center_y - anatomy.drift_y * depth
    r, theta = np.hypot(dx, dy), np.arctan2(dy, dx)
    blood = scanner.blood * (1 + 0.06 * textures.coarse)
    muscle = scanner.muscle * (1 + 0.05 * textures.fine)
    if depth < 0:
        image = paint_above_base(anatomy, scanner, image, blood, dx, dy, depth)
    epi = anatomy.radius * taper(depth, anatomy.length) * wavy(anatomy.lobes[0], theta)
    rv = rv_distance(anatomy, dx, dy, depth)
    fat = anatomy.fat * np.clip(0.6 + 0.9 * textures.coarse, 0, 2.2)
    image = np.where((rv < fat + 2.5) | (r < epi + fat * (epi > 0)), scanner.fat, image)
    image = np.where((rv < 2.5) | (r < epi), muscle, image)
    in_rv = (rv < 0) & (r > epi)
    trabeculae = (textures.speckle > 0.9) & (rv > -9)
    image = np.where(in_rv, np.where(trabeculae, muscle * 1.25, blood * 0.97), image)
    labels[in_rv] = RV
    wall = anatomy.wall * (1 + 0.12 * np.cos(theta - anatomy.septum + 1.2))
    endo_length = anatomy.length - 1.1 * anatomy.wall
    endo = (anatomy.radius - wall) * taper(depth, endo_length) * wavy(anatomy.lobes[1], theta)
    in_lv = (r < endo) & (r < epi - 3)
    labels[r < epi] = MYOCARDIUM
    labels[in_lv] = LV
    ragged = endo - 1.6 - 1.6 * textures.speckle
    image = np.where(in_lv, np.where(r < ragged, blood, 0.5 * (muscle + blood)), image)
    return paint_papillary(anatomy, image, muscle, in_lv, endo, dx, dy, depth), labels


def rv_distance(anatomy: Anatomy, dx: Array, dy: Array, depth: float) -> Array:
    """Distance from the right ventricle's outer outline, negative inside; in mm, roughly."""
    scale = taper(depth - anatomy.rv_base, anatomy.rv_apex * anatomy.length)
    if scale < 0.15:
        return np.full(dx.shape, 99.0)
    c, s = np.cos(anatomy.septum), np.sin(anatomy.septum)
    along, across = dx * c + dy * s, -dx * s + dy * c
    a = anatomy.radius * anatomy.rv_reach * (0.35 + 0.65 * scale)
    b = anatomy.radius * anatomy.rv_width * scale
    along = along - 0.85 * anatomy.radius * (0.45 + 0.55 * scale)
    angle = np.arctan2(across / b, along / a)
    reach = np.hypot(along / a, across / b) / wavy(1.6 * anatomy.lobes[2], angle)
    return np.asarray((reach - 1) * np.minimum(a, b))


def paint_papillary(
    anatomy: Anatomy, image: Array, muscle: Array, in_lv: Mask, endo: Array, dx: Array, dy: Array,
    depth: float,
) -> Array:  # fmt: skip
    """Two papillary muscles; they belong to the cavity, as clinical contours have it."""
    if not 0.2 < depth / anatomy.length < 0.78:
        return image
    for angle, distance, size in anatomy.papillary:
        angle = angle + anatomy.septum
        center = distance * float(endo.mean())
        spot = np.hypot(dx - center * np.cos(angle), (dy - center * np.sin(angle)) * 1.25)
        image = np.where(in_lv & (spot < size), 1.08 * muscle, image)
    return image


def paint_above_base(
    anatomy: Anatomy,
    scanner: Scanner,
    image: Array,
    blood: Array,
    dx: Array,
    dy: Array,
    depth: float,
) -> Array:
    """Atria and great vessels in mediastinal fat: bright like the cavities, but no class."""
    radius = anatomy.radius * (1 + 0.006 * depth)
    bed = np.hypot((dx + 0.25 * radius) / 1.25, (dy + 0.1 * radius) / 1.1)
    image = np.where(bed < 0.95 * radius, 0.55 * scanner.fat, image)
    for right, down, size, flat in anatomy.vessels:
        r = np.hypot((dx - right * radius) / flat, (dy - down * radius) * flat)
        image = np.where(r < size * radius + 2.0, scanner.muscle, image)
        image = np.where(r < size * radius, 0.95 * blood, image)
    return image


def paint_neighbours(
    anatomy: Anatomy, scanner: Scanner, textures: Textures, x: Array, y: Array, depth: float
) -> Array:
    """Lung, chest wall with ribs, liver, spleen and the descending aorta."""
    image = scanner.lung * (1 + 0.25 * textures.fine)
    from_center = np.hypot(x - 25, y - anatomy.chest_y - 165) + 2.0 * textures.coarse
    ribs = np.sin(np.arctan2(y - anatomy.chest_y - 165, x - 25) * 13 + depth * 0.06) > 0.55
    image = np.where(from_center > 146, scanner.muscle * 1.05, image)
    image = np.where((from_center > 149) & (from_center < 155) & ribs, 0.75 * scanner.fat, image)
    image = np.where(from_center > 157, scanner.fat, image)
    image = np.where(from_center > 165, 0.02, image)
    dome = anatomy.dome_y - 0.42 * max(depth, 0.0) + 3 * textures.coarse
    liver = y > dome + 0.010 * (x + 35) ** 2
    vessels = 0.22 * scanner.blood * (textures.speckle > 1.5)
    image = np.where(liver, scanner.liver * (1 + 0.05 * textures.fine) + vessels, image)
    spleen = np.hypot((x - 58) / 1.3, y - anatomy.dome_y - 26 + 0.25 * depth) < 26
    image = np.where(spleen & ~liver, 1.25 * scanner.liver, image)
    aorta = np.hypot(x - 42, y - 58)
    image = np.where(aorta < 14, scanner.muscle, image)
    return np.where(aorta < 11.5, 0.96 * scanner.blood, image)


def make_case(
    rng: np.random.Generator, recipe: Recipe
) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.uint8]]:
    """Image and reference label map of one case, in display order."""
    anatomy = draw_anatomy(rng, recipe)
    num_slices, rows, columns = recipe.shape
    fine = (rows * IN_PLANE, columns * IN_PLANE)
    textures = Textures(
        coarse=smooth_noise(rng, fine, 26),
        fine=smooth_noise(rng, fine, 7),
        speckle=smooth_noise(rng, fine, 4.5),
    )
    signal = np.zeros(recipe.shape)
    labels = np.zeros(recipe.shape, dtype=np.uint8)
    for k in range(num_slices):
        shift = rng.normal(size=2)  # mm; each slice is another breath-hold
        y, x = np.meshgrid(
            centered(fine[0], recipe.spacing[1]) - shift[0],
            centered(fine[1], recipe.spacing[2]) - shift[1],
            indexing="ij",
        )
        depths = (k + (np.arange(THROUGH_PLANE) + 0.5) / THROUGH_PLANE) * recipe.spacing[0]
        levels = [
            paint_level(anatomy, recipe.scanner, textures, x, y, depth - anatomy.base_z)
            for depth in depths
        ]
        fractions = [
            pool(np.mean([label == value for _, label in levels], axis=0)) for value in range(4)
        ]
        labels[k] = np.argmax(fractions, axis=0)
        signal[k] = pool(np.mean([image for image, _ in levels], axis=0)) * rng.uniform(0.94, 1.06)
    return acquire(rng, recipe, signal), labels


def centered(count: int, spacing: float) -> Array:
    """Positions of `count` fine samples about the middle, in mm."""
    return (np.arange(count) + 0.5 - count / 2) * (spacing / IN_PLANE)


def pool(fine: Array) -> Array:
    """Mean over each voxel's samples: in-plane partial volume."""
    rows, columns = (size // IN_PLANE for size in fine.shape)
    return np.asarray(fine.reshape(rows, IN_PLANE, columns, IN_PLANE).mean(axis=(1, 3)))


def acquire(rng: np.random.Generator, recipe: Recipe, signal: Array) -> npt.NDArray[np.int16]:
    """Apply blur, coil shading, Rician noise and gain, as the scanner does."""
    scanner = recipe.scanner
    signal = ndimage.gaussian_filter(signal, (0, scanner.blur_px, scanner.blur_px))
    grid = np.stack(np.meshgrid(*(np.linspace(-1, 1, n) for n in signal.shape), indexing="ij"))
    slope = rng.normal(size=3) * np.array([0.25, 1.0, 1.0])
    slope *= scanner.bias / np.linalg.norm(slope)
    shading = np.tensordot(slope, grid, axes=1) + scanner.bias * 0.3 * (grid[1] ** 2 - grid[2] ** 2)
    shaded = signal * np.exp(shading)
    real, imaginary = rng.normal(size=(2, *signal.shape)) * scanner.noise
    magnitude = np.hypot(shaded + real, imaginary) * scanner.gain * rng.uniform(0.85, 1.15)
    return np.clip(np.round(magnitude), 0, 32767).astype(np.int16)


def affine_of(recipe: Recipe) -> Array:
    """Affine of the display order (I, P, L): the stack's middle lies at the world's origin."""
    to_ras = np.array([[0, 0, -1], [0, -1, 0], [-1, 0, 0]], dtype=float)
    matrix = rotation(recipe.angles_deg) @ to_ras @ np.diag(recipe.spacing)
    affine = np.eye(4)
    affine[:3, :3] = matrix
    affine[:3, 3] = -matrix @ ((np.array(recipe.shape) - 1) / 2)
    return affine


def rotation(angles_deg: tuple[float, float, float]) -> Array:
    """Rotation about x, then y, then z."""
    result = np.eye(3)
    for axis, angle in enumerate(np.deg2rad(angles_deg)):
        c, s = np.cos(angle), np.sin(angle)
        i, j = (axis + 1) % 3, (axis + 2) % 3
        step = np.eye(3)
        step[i, i], step[i, j], step[j, i], step[j, j] = c, -s, s, c
        result = step @ result
    return result


def write_nifti(path: Path, array_ipl: npt.NDArray[np.generic], recipe: Recipe) -> None:
    """Reorder to the recipe's orientation and write; the same input gives the same bytes."""
    image = nib.Nifti1Image(array_ipl, affine_of(recipe))
    now = nib.io_orientation(image.affine)
    image = image.as_reoriented(
        nib.orientations.ornt_transform(now, nib.orientations.axcodes2ornt(recipe.orientation))
    )
    image.header.set_xyzt_units("mm")
    image.set_qform(image.affine, code=1)
    image.set_sform(image.affine, code=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed:
        packed.write(image.to_bytes())


def make_cohort(folder: Path) -> list[str]:
    """Write images/ and labels/ below `folder` and return the case names."""
    names = []
    for number, recipe in enumerate(RECIPES, start=1):
        image, labels = make_case(np.random.default_rng([SEED, number]), recipe)
        name = f"heart_{number:02d}_{recipe.scanner.name}"
        write_nifti(folder / "images" / f"{name}.nii.gz", image, recipe)
        write_nifti(folder / "labels" / f"{name}.nii.gz", labels, recipe)
        names.append(name)
    return names


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    print(*make_cohort(target), sep="\n")
