"""The tree of verbs. A verb's module is imported when the verb is called."""

from cyclopts import App

from armillary import __version__
from armillary.cli.help import HelpFormatter


def _group(name: str, help: str) -> App:
    return App(name=name, help=help, version_flags=())


app = App(
    name="armillary",
    help="Learn the 3D geometry of a kind of object from pictures without labels.",
    help_epilogue="armillary VERB --help says what a verb takes. A run begins with: armillary recipes list",
    help_format="plaintext",
    help_formatter=HelpFormatter(),
    help_on_error=False,
    version=__version__,
    usage="Usage: armillary VERB [ARGUMENTS] [FLAGS]",
    sort_key=None,
)

_data = _group("data", "Make, check and describe folders of pictures.")
_plugins = _group("plugins", "What is installed, and what is broken.")
_components = _group("components", "Parts of methods: what they take and give.")
_recipes = _group("recipes", "Recipes: what is trained, and with which settings.")
_assets = _group("assets", "Files that recipes need and nobody may ship.")

for _order, _app in enumerate((_data, _recipes, _components, _plugins, _assets), start=10):
    _app.sort_key = _order
    app.command(_app)


def _verb(parent: App, name: str, usage: str, help: str, *, order: int) -> None:
    group = parent.name[0] if parent is not app else ""
    module = f"armillary.cli.{group or name}"
    words = f"{group} {name}".strip()
    parent.command(
        f"{module}:{name + '_' if name in ('list', 'show') else name}",
        name=name,
        help=help,
        sort_key=order,
        usage=f"Usage: armillary {words} {usage}".rstrip(),
        version_flags=(),
    )


_verb(
    app,
    "demo",
    "[--out DIR] [--method ID ...]",
    "Train every installed method on its own data; write one page.",
    order=1,
)
_verb(app, "train", "RECIPE --data DIR --out RUN [FLAGS]", "Train a recipe on a folder of pictures.", order=2)
_verb(app, "evaluate", "RUN --data DIR [FLAGS]", "Measure a run beside trivial baselines.", order=3)
_verb(app, "predict", "RUN PATHS ... --out DIR [FLAGS]", "Find the geometry of new pictures.", order=4)
_verb(app, "export", "RUN IMAGE --format glb|ply|obj [FLAGS]", "Turn one picture into a textured mesh.", order=5)

_verb(_data, "make", "WORLD OUT [FLAGS]", "Make pictures with ground truth.", order=1)
_verb(_data, "check", "DIR [--json]", "Say what is wrong with a folder, file by file.", order=2)
_verb(_data, "info", "DIR [--json]", "Say what is in a folder.", order=3)

_verb(_recipes, "list", "[--json]", "List the installed recipes.", order=1)
_verb(_recipes, "show", "RECIPE [FLAGS]", "Print a recipe, resolved.", order=2)
_verb(_recipes, "explain", "RECIPE [FLAGS]", "Say where each value of a recipe comes from.", order=3)
_verb(_recipes, "check", "[RECIPE ...] [FLAGS]", "Say whether the parts of a recipe fit.", order=4)

_verb(_components, "list", "[--kind KIND] [--fits RECIPE.SLOT]", "List the installed parts.", order=1)
_verb(_components, "show", "ID [--json]", "Print a part: ports, settings, sources.", order=2)

_verb(_plugins, "list", "[--json]", "List what is installed; nothing is imported.", order=1)
_verb(_plugins, "show", "ID [--json]", "Print what a plugin offers.", order=2)
_verb(_plugins, "doctor", "[--json]", "Load each plugin in a process of its own, and say what is broken.", order=3)

_verb(_assets, "add", "NAME FILE", "Remember where a file lies.", order=1)
_verb(_assets, "list", "[--json]", "List the files that are known.", order=2)
