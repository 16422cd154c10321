"""A contract type for import-linter: what a package may reach.

import-linter's own types forbid named modules. The map of the code also needs the opposite, "this and nothing else",
and "this library only there"; both are one rule:

    the modules of ``source_modules`` (but not of ``exempt_modules``)
    import from ``targets`` (default: everything outside their own package)
    directly only what is in ``allowed`` or comes with Python.

Python's own modules count as targets only where ``targets`` names them.
"""

from __future__ import annotations

import sys
from typing import cast

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output


class ReachContract(Contract):
    """Named modules import only what the contract allows; see the module's text for its fields."""

    type_name = "reach"

    # import-linter puts the parsed values in the place of the fields
    source_modules = cast("list[str]", fields.ListField(subfield=fields.StringField()))
    exempt_modules = cast("list[str]", fields.ListField(subfield=fields.StringField(), required=False, default=[]))
    targets = cast("list[str]", fields.ListField(subfield=fields.StringField(), required=False, default=[]))
    allowed = cast("list[str]", fields.ListField(subfield=fields.StringField(), required=False, default=[]))

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Whether no source module imports a target that is not allowed."""
        violations = [
            (importer, imported, graph.get_import_details(importer=importer, imported=imported))
            for importer in sorted(graph.modules)
            if is_within(importer, self.source_modules) and not is_within(importer, self.exempt_modules)
            for imported in sorted(graph.find_modules_directly_imported_by(importer))
            if not self._may_import(importer, imported)
        ]
        return ContractCheck(kept=not violations, metadata={"violations": violations})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print each import that breaks the contract with its lines."""
        for importer, imported, details in check.metadata["violations"]:
            lines = ", ".join(str(detail["line_number"]) for detail in details)
            output.print_error(f"- {importer} -> {imported} (l.{lines})", bold=False)
        output.new_line()

    def _may_import(self, importer: str, imported: str) -> bool:
        if is_within(imported, self.allowed):
            return True
        if self.targets:
            return not is_within(imported, self.targets)
        own = [module for module in self.source_modules if is_within(importer, [module])]
        return imported in sys.stdlib_module_names or is_within(imported, own)


def is_within(module: str, packages: list[str]) -> bool:
    """Whether ``module`` is one of ``packages`` or inside one."""
    return any(module == package or module.startswith(f"{package}.") for package in packages)
