"""Loading: a written source as a module of this process, its lines known to tracebacks."""

import linecache
from types import ModuleType

from dualnet.backends.source.document import Document


def module_of(document: Document) -> ModuleType:
    """Return the module that a document's source defines; the source is what the writer wrote, never what was read."""
    name = f"<port of {document.root}>"
    linecache.cache[name] = (len(document.source), None, document.source.splitlines(keepends=True), name)
    module = ModuleType(f"ported_{document.root}")
    exec(compile(document.source, name, "exec"), module.__dict__)
    return module
