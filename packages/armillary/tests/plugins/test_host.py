"""The host: what is asked for is loaded, whole or not at all, and what fails hurts nothing else."""

import logging
import sys
import textwrap

import pytest

from armillary.errors import PluginError, UnknownNameError
from armillary.plugins.catalogue import FIRST_PARTY, install_hint
from armillary.plugins.host import KINDS, Host, first_line, interface_of, kind_of
from armillary.specs import EncoderSpec

HEAD = """
import sys
from typing import TypedDict

from armillary import ports
from armillary.interfaces import Encoder, Head
from armillary.plugins.hookspecs import hookimpl
from {package}.parts import Net, Out

def encoder(name="net", base=Encoder):
    class Made(base, name=name):
        def forward(self, image: ports.Image) -> Out: ...

    return Made

class Untyped(Encoder, name="untyped"):
    def forward(self, image) -> Out: ...

"""


def hook(body: str, *, name: str = "armillary_components", mark: str = "@hookimpl") -> str:
    """Return a plugin module whose hook has this body."""
    return HEAD + f"{mark}\ndef {name}():\n" + textwrap.indent(body, "    ")


def refusal(site, id: str = "rings") -> str:
    """Return the message with which the plugin is refused."""
    with pytest.raises(PluginError) as caught:
        site.host().load(id)
    return str(caught.value)


# --- what loads


def test_a_component_loads_its_plugin_alone(site):
    site.install("a")
    site.install("b")
    spec = site.host().component("encoders", "a:net")
    assert isinstance(spec, EncoderSpec)
    assert "armillary_a.plugin" in sys.modules
    assert "armillary_b" not in sys.modules


def test_a_plugin_is_asked_once(site):
    site.install("rings", hook("print('asked', file=sys.stderr)\nreturn [encoder()]"))
    host = site.host()
    assert host.load("rings") is host.load("rings")
    assert host.component("encoder", "rings:net") is host.component("encoders", "rings:net")


def test_components_come_from_every_plugin_that_loads(site):
    site.install("a")
    site.install("b", "import nothing_of_this_name")
    site.install("c")
    host = site.host()
    assert [id for id in host.components("encoders") if not id.startswith("std:")] == ["a:net", "c:net"]
    assert list(host.failures) == ["b"]
    assert "No module named 'nothing_of_this_name'" in host.failures["b"]


@pytest.mark.parametrize(
    "body",
    [
        "return [encoder('a'), encoder('b')]",
        "return (encoder('a'), encoder('b'))",
        "yield encoder('a')\nyield encoder('b')",
    ],
)
def test_a_hook_returns_a_list_a_tuple_or_yields(site, body):
    site.install("rings", hook(body))
    assert list(site.host().load("rings").components["encoder"]) == ["a", "b"]


def test_one_name_may_stand_for_two_kinds(site):
    site.install("rings", hook("return [encoder(), encoder(base=Head)]"))
    host = site.host()
    assert host.component("encoder", "rings:net") is not host.component("head", "rings:net")


def test_an_optional_hook_of_a_later_core_is_passed_over(site):
    later = "@hookimpl(optionalhook=True)\ndef armillary_viewers():\n    return []\n"
    site.install("rings", hook("return [encoder()]\n") + later)
    assert list(site.host().load("rings").components) == ["encoder"]


def test_blocked_plugins_are_not_imported_and_not_failures(site):
    site.install("a")
    host = site.host(ARMILLARY_BLOCK="a")
    with pytest.raises(PluginError, match=r"plugin 'a' .* is blocked: ARMILLARY_BLOCK names it"):
        host.component("encoder", "a:net")
    assert host.failures == {}
    assert "armillary_a" not in sys.modules


def test_incompatible_plugins_are_not_imported(site):
    site.install("a", requires=["armillary>=99"])
    with pytest.raises(PluginError, match=r"armillary-a 1\.0.*is incompatible: needs armillary>=99"):
        site.host().load("a")
    assert "armillary_a" not in sys.modules


def test_plugins_in_conflict_are_not_imported(site):
    site.install("a", distribution="one")
    site.install("a", distribution="two")
    with pytest.raises(PluginError, match=r"claimed by one 1\.0 .* and two 1.0"):
        site.host().load("a")
    assert "armillary_a" not in sys.modules


# --- what is refused


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (
            "import nothing_of_this_name",
            "cannot be imported: ModuleNotFoundError: No module named 'nothing_of_this_name'",
        ),
        ("def broken(:", "cannot be imported: SyntaxError"),
        ("raise RuntimeError('first line\\nsecond line')", "cannot be imported: RuntimeError: first line"),
        ("raise ValueError", "cannot be imported: ValueError"),
        ("import sys\nsys.exit(3)", "cannot be imported: SystemExit: 3"),
        ("raise BaseException('odd')", "cannot be imported: BaseException: odd"),
        ("import asyncio\nraise asyncio.CancelledError", "cannot be imported: CancelledError"),
        ("x = 1", "armillary_rings.plugin defines no part"),
        (hook("return 1 / 0"), "armillary_components failed: ZeroDivisionError"),
        (hook("sys.exit('no')"), "armillary_components failed: SystemExit: no"),
        (hook("yield encoder()\nraise OSError('later')"), "armillary_components failed: OSError: later"),
        (hook("return 42"), "armillary_components returned int 42, not a list"),
        (hook("return None"), "armillary_components returned None, not a list"),
        (hook("return 'net'"), "armillary_components returned str 'net', not a list"),
        (hook("return {'net': encoder()}"), "armillary_components returned a dict, not a list"),
        (hook("return encoder()"), "returned the class armillary_rings.plugin.encoder.<locals>.Made, not a list"),
        (hook("return [encoder(), 42]"), "armillary_components returned int 42 in its list, not a part"),
        (hook("return [Encoder]"), "returned the class armillary.interfaces.network.Encoder in its list, not a part"),
        (hook("return [encoder(), encoder()]"), "two components of kind encoder are named 'net'"),
        (hook("return [encoder('Net Work')]"), "name 'Net Work'"),
        (hook("return [Untyped]"), "Untyped.forward: argument 'image' has no annotation, not a port type"),
        (
            hook("return []", name="armillary_componets"),
            "there is no hook 'armillary_componets'; did you mean 'armillary_components'?",
        ),
        (hook("return []", name="something_else"), "there is no hook 'something_else'"),
        (hook("return []", mark=""), "armillary_components is not marked with @hookimpl"),
        (HEAD + "@hookimpl\ndef armillary_components(width):\n    return []", "Argument(s) {'width'} are declared"),
        (HEAD + "@hookimpl(wrapper=True)\ndef armillary_components():\n    yield", "incompatible with yield/wrapper"),
    ],
)
def test_a_broken_plugin_says_who_which_version_where_and_what(site, source, reason):
    site.install("rings", source, version="1.4")
    site.install("good")
    message = refusal(site)
    assert message.startswith(f"plugin 'rings' (armillary-rings 1.4, {site.folder.resolve()})")
    assert reason in message
    assert "\n" not in message
    host = site.host()
    assert "good:net" in host.components("encoder")
    assert set(host.failures) == {"rings"}


def test_a_failure_is_raised_each_time_with_its_cause(site):
    site.install("rings", "import sys\nsys.counter = getattr(sys, 'counter', 0) + 1\nraise RuntimeError('no')")
    host = site.host()
    for _ in range(2):
        with pytest.raises(PluginError, match="RuntimeError: no") as caught:
            host.load("rings")
        assert isinstance(caught.value.__cause__, RuntimeError)
    assert sys.__dict__.pop("counter") == 1


def test_nothing_is_kept_of_a_plugin_whose_hook_fails_late(site):
    """The first part was right; it is not kept."""
    site.install("rings", hook("yield encoder()\nraise RuntimeError('late')"))
    host = site.host()
    assert not [id for id in host.components("encoder") if id.startswith("rings")]
    with pytest.raises(PluginError, match="armillary_components failed: RuntimeError: late"):
        host.component("encoder", "rings:net")


def test_ctrl_c_is_not_swallowed(site):
    site.install("rings", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        site.host().load("rings")


def test_what_a_plugin_prints_does_not_reach_standard_output(site, capsys, caplog):
    site.install("rings", "print('welcome')\n" + hook("print('asked')\nreturn [encoder()]"))
    with caplog.at_level(logging.WARNING, logger="armillary.plugins.host"):
        offer = site.host().load("rings")
    assert offer.printed == "welcome\nasked\n"
    assert capsys.readouterr().out == ""
    assert "plugin 'rings'" in caplog.text
    assert "welcome" in caplog.text


# --- names


@pytest.mark.parametrize(
    ("kind", "id", "message"),
    [
        ("encoder", "rings:nte", "unknown encoder 'rings:nte': did you mean 'rings:net'?"),
        ("encoder", "rinsg:net", "no plugin 'rinsg' is installed; did you mean 'rings'?"),
        ("encoder", "net", "write plugin:component; did you mean 'rings:net'?"),
        ("encoder", 3, "encoder 3: write plugin:component"),
        ("encoder", ":net", "encoder ':net': write plugin:component"),
        ("head", "rings:net", "'rings:net' is of kind encoder, not head"),
        ("encodr", "rings:net", "unknown kind of component 'encodr': did you mean 'encoder'?"),
        ("recipe", "spherical:quick", "unknown recipe 'spherical:quick': .*pip install armillary-spherical"),
        ("recipe", "sphericl:quick", "did you mean 'spherical'\\? pip install armillary-spherical"),
        ("encoder", "zzz:net", "installed are: std, rings"),
        ("encoder", "rings:qqqqqq", "has rings:net"),
        ("loss", "rings:qqqqqq", "has no loss at all"),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(site, kind, id, message):
    site.install("rings")
    with pytest.raises(UnknownNameError, match=message.replace("?", r"\?") if "\\" not in message else message):
        site.host().component(kind, id)


def test_an_unknown_plugin_lists_what_is_installed(site):
    with pytest.raises(UnknownNameError, match="unknown plugin 'zzz': installed are: std"):
        site.host().record("zzz")


def test_kinds_are_known_by_plural_and_singular():
    assert {kind_of(name) for name in ("loss", "losses")} == {"loss"}
    assert [kind_of(f"{kind}s") for kind in KINDS if kind != "loss"] == [kind for kind in KINDS if kind != "loss"]


def test_every_first_party_plugin_says_how_to_install_it():
    for plugin, known in FIRST_PARTY.items():
        assert install_hint(plugin) == f"pip install {known.distribution}"
    assert install_hint("unsup3d") == "pip install armillary-unsup3d"
    assert install_hint("nobody") == ""


def test_first_line_of_an_error():
    assert first_line(ValueError("\n  a\nb")) == "ValueError: a"
    assert first_line(ValueError()) == "ValueError"


def test_an_error_whose_text_fails_is_named_by_its_type(site):
    """Making the message of one plugin must not hurt the others."""
    mute = "class Mute(Exception):\n    def __str__(self):\n        return 1 / 0\n    __repr__ = __str__\n"
    site.install("raises", mute + "raise Mute")
    site.install("returns", mute + hook("return Mute()"))
    site.install("lists", mute + hook("return [Mute()]"))
    host = site.host()
    host.components("encoder")
    assert host.failures["raises"].endswith("cannot be imported: Mute")
    assert host.failures["returns"].endswith("armillary_components returned a Mute, not a list")
    assert host.failures["lists"].endswith(
        "returned a Mute in its list, not a part (a class of armillary.interfaces with a name in its header) or a RecipeSpec"
    )


# --- resolution


def test_a_target_resolves_to_its_class_and_config(site):
    site.install("rings")
    host = site.host()
    found = host.resolve(host.component("encoder", "rings:net"))
    assert (found.id, found.cls.__name__, found.config.__name__) == ("rings:net", "Net", "NetConfig")
    assert issubclass(found.cls, interface_of("encoder"))
    assert host.resolve(found.spec) is found


def test_every_kind_but_the_recipe_has_an_interface():
    for kind in KINDS:
        if kind != "recipe":
            assert interface_of(kind).__name__.lower() == kind


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("armillary_rings.parts:Nte", "target armillary_rings.parts:Nte does not exist: .* did you mean 'Net'"),
        ("armillary_rings.prats:Net", "target armillary_rings.prats:Net: ModuleNotFoundError"),
        ("armillary_rings.failing:Net", "target armillary_rings.failing:Net: RuntimeError: no weights"),
        ("armillary_rings.leaving:Net", "target armillary_rings.leaving:Net: SystemExit: 2"),
        ("armillary_rings.parts:Out", "parts.Out, not a subclass of .*Encoder"),
        ("armillary_rings.more:function", "not a subclass of .*Encoder"),
        ("armillary_rings.more:Unbuilt", "is abstract: it does not define forward"),
    ],
)
def test_a_target_that_is_not_there_or_not_of_its_kind_is_refused(site, target, reason):
    """As with a manifest that somebody else wrote."""
    files = {
        "failing.py": "raise RuntimeError('no weights')",
        "leaving.py": "import sys\nsys.exit(2)",
        "more.py": "from armillary.interfaces.network import Encoder\n"
        "class Unbuilt(Encoder):\n    pass\ndef function():\n    pass\n",
    }
    site.install("rings", files=files)
    with pytest.raises(PluginError, match=reason) as caught:
        site.host().resolve(EncoderSpec(name="net", target=target))
    assert "encoder net" in str(caught.value)


def test_a_module_without_the_hook_offers_the_parts_that_it_defines(site):
    site.install(
        "rings", "from {package}.parts import PARTS_ARE_ELSEWHERE", files={"parts.py": "PARTS_ARE_ELSEWHERE = 1"}
    )
    assert "defines no part" in refusal(site)
    site.install(
        "whole",
        HEAD.replace(
            'class Untyped(Encoder, name="untyped"):\n    def forward(self, image)',
            'class Typed(Encoder, name="typed"):\n    def forward(self, image: ports.Image)',
        ),
    )
    assert list(site.host().load("whole").components["encoder"]) == ["typed"]


def test_a_spec_of_nobody_resolves_under_its_own_name():
    with pytest.raises(PluginError, match=r"^encoder net: target no_such_module:Net"):
        Host([]).resolve(EncoderSpec(name="net", target="no_such_module:Net"))


# --- observers

OBSERVER = """
from armillary.plugins.hookspecs import hookimpl

seen = []

@hookimpl
def armillary_step_ended(step, metrics):
    seen.append((step, metrics))
    if step == {fails}:
        raise RuntimeError("disk full")
"""


def test_observers_are_told_and_one_that_raises_is_dropped_with_one_report(site):
    site.install("steady", OBSERVER.replace("{fails}", "-1"))
    site.install("fragile", OBSERVER.replace("{fails}", "1"))
    reports = []
    observers = site.host().observers(["fragile", "steady"], report=reports.append)
    for step in range(4):
        observers.notify("armillary_step_ended", run=None, stage="", step=step, metrics={})
    assert observers.ids == ("steady",)
    assert [step for step, _ in sys.modules["armillary_steady.plugin"].seen] == [0, 1, 2, 3]
    assert [step for step, _ in sys.modules["armillary_fragile.plugin"].seen] == [0, 1]
    (report,) = reports
    assert report.endswith("observer dropped, armillary_step_ended raised RuntimeError: disk full")
    assert "armillary-fragile 1.0" in report


def test_a_dropped_observer_is_a_warning_where_nobody_takes_the_report(site, caplog):
    site.install("fragile", OBSERVER.replace("{fails}", "0"))
    site.host().observers(["fragile"]).notify("armillary_step_ended", run=None, stage="", step=0, metrics={})
    assert "observer dropped" in caplog.text


def test_events_that_nobody_observes_are_nothing(site):
    site.install("steady", OBSERVER.replace("{fails}", "-1"))
    observers = site.host().observers(["steady"])
    observers.notify("armillary_run_finished", run=None, outcome="finished")
    assert observers.ids == ("steady",)


def test_an_event_without_what_its_hook_tells_is_the_callers_fault(site):
    site.install("steady", OBSERVER.replace("{fails}", "-1"))
    observers = site.host().observers(["steady"])
    with pytest.raises(TypeError, match="outcome"):
        observers.notify("armillary_run_finished", run=None)
    assert observers.ids == ("steady",)


def test_a_plugin_that_observes_nothing_is_refused_as_observer(site):
    site.install("rings")
    with pytest.raises(PluginError, match="observes nothing"):
        site.host().observers(["rings"])


def test_an_unknown_event_is_refused():
    with pytest.raises(ValueError, match="did you mean 'armillary_step_ended'"):
        Host([]).observers([]).notify("armillary_step_ende")
