"""Tree of verbs, with their help texts. A verb's module is imported when the verb is called."""

from cyclopts import App

from armillary.cli.help import HelpFormatter
from armillary.version import __version__

_FORMATTER = HelpFormatter()

app = App(
    name="armillary",
    help="Learn the 3D geometry of a kind of object from pictures without labels.\n\n"
    "armillary VERB --help lists the arguments of a verb, armillary recipes list the recipes. With any verb, --plugin FILE adds "
    "the part classes of a Python file: the loss of my_loss.py is my-loss:NAME.",
    help_format="plaintext",
    help_formatter=_FORMATTER,
    group_commands="Verbs",
    group_parameters="Flags",
    version=__version__,
    usage="Usage: armillary VERB [ARGUMENTS] [FLAGS]",
    suppress_keyboard_interrupt=False,  # main() reports it
)


def _group(name: str, help: str, *, order: int) -> App:
    group = App(
        name=name,
        help=help,
        group_commands="Verbs",
        group_parameters="Flags",
        usage=f"Usage: armillary {name} VERB [ARGUMENTS] [FLAGS]",
        version_flags=(),
        sort_key=order,
    )
    app.command(group)
    return group


def _verb(parent: App, name: str, usage: str, help: str, *, order: int, module: str = "") -> None:
    words = name if parent is app else f"{parent.name[0]} {name}"
    function = f"{name}_" if name in ("list", "show") else name  # not the names of Python's own
    parent.command(
        f"armillary.cli.{module or words.split()[0]}:{function}",
        name=name,
        help=help,
        sort_key=order,
        usage=f"Usage: armillary {words} {usage}".rstrip(),
        group_parameters="Flags",
        version_flags=(),
    )


_verb(
    app,
    "demo",
    "[FLAGS]",
    "Train every installed method on pictures that it makes itself; write one page.\n\n"
    "Each method makes its own procedural generator, learns from it, is measured on pictures that it has not seen, and "
    "exports a mesh if it makes surfaces: at most two minutes per method on two cores. Data and runs of "
    "an earlier demo are kept; its data are used again.",
    order=1,
)
_verb(
    app,
    "train",
    "RECIPE --data DIR --out RUN [FLAGS]",
    "Train a recipe on a folder of pictures.\n\n"
    "Everything goes into the folder of the run, which can be moved. SIGINT and SIGTERM end it after its step, with a "
    "checkpoint; after these, or after a crash, --resume continues from the newest good checkpoint:\n\n"
    "    armillary train unsup3d:quick --data faces --out runs/faces\n"
    "    armillary train --resume runs/faces --data faces --steps 20000\n\n"
    "Each of these overrides those before it: --recipe, --set, --use, --weight, --without.",
    order=2,
)
_verb(
    app,
    "evaluate",
    "RUN --data DIR [FLAGS]",
    "Measure a run beside trivial baselines.\n\n"
    "The recipe's evaluators need ground truth in the folder. The figures are kept in the run and in its report.html.",
    order=3,
)
_verb(
    app,
    "report",
    "RUN",
    "Write the page and the card of a run again.\n\n"
    "Both are made of the files in the folder of the run: its metrics, previews, films and results. Training and evaluate "
    "write them; this repeats it if that failed, or if the run is still under way.",
    order=4,
)
_verb(
    app,
    "predict",
    "RUN PATHS ... --out DIR [FLAGS]",
    "Find the geometry of new pictures.\n\n"
    "For each picture an npz with every output and PNGs to look at; for poses, light and key points a CSV table over all "
    "pictures. A file that cannot be read is named and skipped; the status is 1 if none could be read.\n\n"
    "--views draws new views of the object, if the method can render them: for each picture "
    "ID-views.png, a grid of elevations and azimuths, and ID-views.webp, one turn; of a mesh with its true views beside. "
    "--animate draws the surfaces that a method finds, turned and in new light.",
    order=5,
)
_verb(
    app,
    "pose",
    "RUN A B [FLAGS]",
    "Print the rotation from the object of A to that of B.\n\n"
    "A and B are pictures, or meshes where the method takes them. The method's signals on the sphere are correlated over all "
    "rotations; a method that finds rotations or poses compares those of both pictures. Runners-up are printed: a symmetric "
    "object has several equal rotations.",
    order=6,
)
_verb(
    app,
    "export",
    "RUN IMAGE [FLAGS]",
    "Turn one picture into a textured mesh.\n\n"
    "GLB and OBJ carry a texture, PLY a colour at each vertex; all carry normals. The file is read again and compared "
    "before it replaces an older one.",
    order=7,
)

_verb(
    app,
    "compare",
    "[RECIPE ...] --data DIR [FLAGS]",
    "Train several recipes on the same data with the same budget; one table.\n\n"
    "One run per recipe and seed, all measured by the same evaluators: those that suit every recipe, or those of --only. "
    "Trivial baselines, parameters, seconds per step and peak memory are listed beside. The folder of --out keeps runs, table and "
    "page; the same command continues after an interruption, and more recipes, seeds or evaluators are added to it. A recipe "
    "that fails is a row with its error.\n\n"
    "A recipe may carry patches, here and wherever a recipe is named: another recipe, whose change to the one that both extend "
    "is made; a TOML file; a setting.\n\n"
    "    armillary compare unsup3d:quick unsup3d:quick+no-confidence \\\n"
    "        flat=unsup3d:quick+losses.smoothness.weight=0 --data faces --seeds 0,1 --steps 2000\n"
    "    armillary compare '*:quick' --data faces --seconds 300",
    order=8,
)

_data = _group("data", "Make, convert, check and describe folders of pictures.", order=10)
_verb(
    _data,
    "make",
    "GENERATOR OUT [FLAGS]",
    "Make pictures with ground truth: depth, masks, normals, albedo, poses, light, landmarks.\n\n"
    "The same seed gives the same bytes on one machine, whatever the number of workers and shards. A call that was "
    "interrupted is continued by the same call. Settings: armillary components show GENERATOR",
    order=1,
)
_verb(
    _data,
    "check",
    "DIR [FLAGS]",
    "List the faults of a folder, file by file.\n\n"
    "Pictures, and other files that an installed data set reads: of meshes their categories, which are refused and which are "
    "mended as they are read. Nothing is changed. The status is 1 if there is an error.",
    order=2,
)
_verb(
    _data,
    "convert",
    "FOLDER OUT [FLAGS]",
    "Convert annotated pictures to a data folder.\n\n"
    "FOLDER holds annotations.npz (arrays id or filename, landmarks, and optionally visible and pose_para) and the "
    "pictures; or it is a COCO JSON file of key points with its pictures beside it. Nothing is guessed: the meaning of a larger "
    "z must be typed.\n\n"
    "    armillary data convert aflw2000 faces --larger-z nearer --block 25",
    order=4,
    module="convert",
)
_verb(_data, "info", "DIR [FLAGS]", "List the contents of a folder, without decoding its pictures.", order=3)

_recipes = _group("recipes", "Recipes and their settings.", order=11)
_verb(
    _recipes,
    "list",
    "[FLAGS]",
    "List the installed recipes.\n\n"
    "Each method has paper (the published run), quick (about 5 minutes), demo (2 minutes) and smoke (for tests).",
    order=1,
)
_verb(
    _recipes,
    "show",
    "RECIPE [FLAGS]",
    "Print a recipe with everything that it extends, as TOML.\n\n"
    "A file of it can be changed and trained: armillary recipes show unsup3d:quick > mine.toml",
    order=2,
)
_verb(
    _recipes,
    "explain",
    "RECIPE [FLAGS]",
    "Print the origin of each value of a recipe: what set it, and its paper or code.",
    order=3,
)
_verb(
    _recipes,
    "diff",
    "RECIPE OTHER [FLAGS]",
    "Say in which settings two recipes differ, defaults included.",
    order=4,
)
_verb(
    _recipes,
    "check",
    "[RECIPE ...] [FLAGS]",
    "Say whether the parts of a recipe fit and its settings are right.\n\n"
    "Nothing is built. All installed recipes are checked where none is named; the status is 1 where one is broken.",
    order=5,
)

_components = _group("components", "Parts of methods: what they take and give.", order=12)
_verb(_components, "list", "[FLAGS]", "List the installed parts, with the ports that they take and give.", order=1)
_verb(_components, "show", "ID [FLAGS]", "Print a part: its ports, and its settings with units and sources.", order=2)

_plugins = _group("plugins", "What is installed, and what is broken.", order=13)
_verb(
    _plugins,
    "list",
    "[FLAGS]",
    "List what is installed.\n\nThis reads metadata alone: no plugin is imported. ARMILLARY_BLOCK=a,b leaves plugins out, "
    "ARMILLARY_ONLY=a all others.",
    order=1,
)
_verb(_plugins, "show", "ID [FLAGS]", "Print what a plugin offers.", order=2)
_verb(
    _plugins,
    "doctor",
    "[FLAGS]",
    "Load each plugin in a process of its own, and say what is broken.\n\n"
    "Everything that a plugin names is imported. The status is 1 where a plugin, or a part of one, cannot be used.",
    order=3,
)

_verb(
    _plugins,
    "verify",
    "NAME [FLAGS]",
    "Say whether a plugin is what it declares.\n\n"
    "Needs the conformance kit: pip install armillary-testing. Level 0 reads the metadata, 1 holds the plugin to what it "
    "declares, 2 runs its parts on tiny tensors, 3 tries its recipes. The status is 1 where something failed, or where less "
    "could be looked at than the plugin declares.",
    order=4,
)

_verb(
    _plugins,
    "freeze",
    "[ID ...] [FLAGS]",
    "Write the manifest of a plugin into its package.\n\n"
    "With an up-to-date manifest its components are listed and checked without importing it. A manifest is out of date as soon as "
    "a source file of the package changes; the package is then imported instead, which is slower. With --check nothing is "
    "written, and the status is 1 if a manifest is missing or old.",
    order=5,
)

_assets = _group("assets", "Files that recipes need and nobody may ship.", order=14)
_verb(
    _assets,
    "add",
    "NAME FILE",
    "Register the path of a file for this user.\n\nRecipes that need it find it by its name: "
    "armillary assets add vgg16 vgg16-397923af.pth",
    order=1,
)
_verb(_assets, "list", "[FLAGS]", "List the files that are known, and those that installed parts ask for.", order=2)

_new = _group("new", "Begin a part of one's own.", order=15)
_verb(
    _new,
    "plugin",
    "NAME [FLAGS]",
    "Write a package with one part that works, for its author to change.\n\n"
    "It installs, passes armillary plugins verify and its own tests at once; its README lists what to change, and with which "
    "command to try the part inside a published method. Nothing is overwritten.\n\n"
    "    armillary new plugin mine --kind renderer\n"
    "    python -m pip install -e armillary-mine\n"
    "    armillary train unsup3d:smoke --data heads --out runs/mine --use renderer=mine:renderer",
    order=1,
)
