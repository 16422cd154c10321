"""What to do about a type that does not exist."""

from __future__ import annotations

from collections.abc import Iterable

from vnf_descriptors import types
from vnf_descriptors.context import Context
from vnf_descriptors.implied_imports import file_of, subject_of
from vnf_descriptors.report import quote
from vnf_descriptors.suggest import did_you_mean


def missing_type(context: Context, section: str, name: str, more: Iterable[str] = ()) -> str:
    """The file of the standard that defines the type, a similar name, or an import that failed; empty without any."""
    subject = subject_of(section, name)
    for each in context.templates.standard if subject is not None else ():
        if subject in types.SUBJECTS[each.subject]:
            return f"Edition {types.EDITIONS[-1]} of the standard knows it, but {each.edition} is imported"
    if subject is not None:
        return f"Import '{file_of(subject)}', which defines it"
    similar = did_you_mean(name, [*more, *context.types.names(section)])
    unusable = next(iter(context.templates.unusable), None)
    if not similar and unusable is not None:
        return f"It may stand in {quote(unusable)}, which cannot be used"
    return similar
