"""Conformance kit for plugins. Light.

``armillary plugins verify NAME`` runs it; in a test file it is one line, ``test_conformance = conformance("NAME")``. What is
checked comes from the registry: a component that the plugin declares tomorrow is checked tomorrow.
"""

from armillary_testing.report import Outcome, Report
from armillary_testing.verify import conformance, verify

__all__ = ["Outcome", "Report", "conformance", "verify"]
