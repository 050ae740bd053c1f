"""Finds robots, tasks, terms and the like by name, whichever package brings them.

An installed package declares what it brings as entry points, in its pyproject.toml::

    [project.entry-points."sim2edge.tasks"]
    HopperVelocity = "my_robot.task:HopperVelocity"

A module that is not installed registers it when it is imported, by ``TASKS.register(name)``;
``sim2edge --import MODULE`` imports one in the command and in every process that it starts. What
belongs to sim2edge itself comes in by the same door: see its pyproject.toml.
"""

import importlib
import importlib.machinery
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from importlib.machinery import ModuleSpec
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType
from typing import Any, Generic, TypeVar

from edge_runtime.errors import UserError, suggestion

IMPORT = "SIM2EDGE_IMPORT"
"""Environment variable that child processes inherit: FOLDER:MODULE,MODULE, or MODULE,MODULE for the
working folder; several are parted by semicolons. The last colon ends a folder, for no module's name
has one."""
_OWN = frozenset({"edge_runtime", "sim", "policies", "sim2edge_ros"})  # our top packages

_under_way: list[str] = []  # what `import_modules` imports at this moment

T = TypeVar("T")


class Registry(Generic[T]):
    """Holds the things of one kind by name; each is imported when it is first asked for.

    Args:
        group: its entry-point group, as ``sim2edge.tasks``.
        kind: what one is called in messages, as ``task``.
        fits: whether an object is one of this kind.
        wanted: what an object of this kind is, for the message that refuses another.
        error: what is raised for a name that nothing has.
    """

    def __init__(
        self,
        group: str,
        kind: str,
        fits: Callable[[Any], bool] = callable,
        wanted: str = "something to call",
        error: type[UserError] = UserError,
    ) -> None:
        self.group, self.kind = group, kind
        self._fits, self._wanted, self._error = fits, wanted, error
        # Name: module, thing, and the module's import, which a reload makes anew.
        self._registered: dict[str, tuple[str, T, ModuleSpec | None]] = {}
        self._found: dict[str, T] = {}
        self.observers: list[Callable[[str], None]] = []
        """Each is called with the name of whatever is registered from now on."""

    def register(self, name: str, module: str = "") -> Callable[[T], T]:
        """Returns a decorator that gives a thing its name; as a call, ``register(name)(thing)``.

        Args:
            name: what commands call it.
            module: where it comes from; by default the module that calls this.

        Raises:
            UserError: another module has registered the name, or this one for another thing; to
                run it again, as a reload or a notebook does, replaces the thing.
        """
        module = module or sys._getframe(1).f_globals["__name__"]
        spec = getattr(sys.modules.get(module), "__spec__", None)

        def take(thing: T) -> T:
            before, other, of = self._registered.get(name, (module, thing, spec))
            if before != module or (other is not thing and spec is not None and of is spec):
                raise self._claimed_twice(name, [before, module])
            self._registered[name] = module, thing, spec
            self._found.pop(name, None)
            for observer in self.observers:
                observer(name)
            return thing

        return take

    def __iter__(self) -> Iterator[str]:
        """Iterates over all names, sorted."""
        import_modules()
        declared = (point.name for point in _declared(self.group))
        return iter(sorted({*declared, *self._registered}))

    def __contains__(self, name: object) -> bool:
        return name in list(self)

    def find(self, name: str) -> T:
        """Finds the thing of a name.

        Raises:
            UserError: nothing has it, two packages claim it, or its package cannot be imported.
        """
        import_modules()
        if name not in self._found:
            self._found[name] = self._load(name)
        return self._found[name]

    def _load(self, name: str) -> T:
        points = {_package(point): point for point in _declared(self.group) if point.name == name}
        if name not in self._registered:
            if not points:
                raise self.unknown(name)
            first, *others = (_load_entry_point(point, self.kind) for point in points.values())
            if any(other is not first for other in others):
                raise self._claimed_twice(name, list(points))
            if name not in self._registered:  # else importing its module has registered it
                return self._checked(name, first, next(iter(points)))
        module, thing, _ = self._registered[name]
        for package, point in points.items():
            if _top(point.value) == _top(module):
                continue
            loaded = _load_entry_point(point, self.kind)  # the same, if the package re-exports it
            if loaded is not thing and getattr(loaded, "__module__", None) != module:
                raise self._claimed_twice(name, [package, f"module '{module}'"])
        return self._checked(name, thing, f"module '{module}'")

    def _checked(self, name: str, thing: T, source: str) -> T:
        if not self._fits(thing):
            raise UserError(
                f"{self.kind} '{name}' of {source} is {type(thing).__name__!r}, not {self._wanted}"
            )
        return thing

    def unknown(self, name: str, known: Iterable[str] = ()) -> UserError:
        """Returns the error for a name that nothing has, with a suggestion among the known ones."""
        hint = suggestion(name, known or self)
        if not any(_top(point.value) in _OWN for point in _declared(self.group)):
            hint = (
                "the entry points of sim2edge itself are missing, for it was installed in another "
                "version: 'pip install' it again (in a checkout, 'pip install --no-deps -e .')"
            )
        return self._error(f"unknown {self.kind} '{name[:80]}'; {hint}")  # a forged one may be long

    def _claimed_twice(self, name: str, sources: Sequence[str]) -> UserError:
        return UserError(
            f"{self.kind} '{name}' is brought by {' and by '.join(sources)}; "
            "remove one, or give it another name"
        )


def import_everywhere(names: Sequence[str]) -> None:
    """Imports modules of the working folder, here and in every process that this one starts.

    Raises:
        UserError: one is no module's name, or cannot be imported.
    """
    for name in names:
        if not all(map(str.isidentifier, name.split("."))):
            raise UserError(
                f"'{name}' is no module's name; give words with dots between, as 'my_robot.task'"
            )
    wanted = _wanted()
    wanted.setdefault(os.getcwd(), []).extend(names)
    parts = [f"{folder}:{','.join(dict.fromkeys(modules))}" for folder, modules in wanted.items()]
    os.environ[IMPORT] = ";".join(parts)
    _import_modules.cache_clear()
    import_modules()


def import_modules() -> None:
    """Imports what `IMPORT` names, once in a process; done before anything is looked up.

    What a module looks up while it is imported itself does not begin with the modules after it,
    which may need this one whole.

    Raises:
        UserError: a module cannot be imported.
    """
    if not _under_way:
        _import_modules()


@cache
def _import_modules() -> None:
    for folder, names in _wanted().items():
        if not os.path.isdir(folder):
            raise UserError(f"{IMPORT} names the folder '{folder}', which is not there")
        for name in names:
            _under_way.append(name)
            try:
                import_user_module(name, folder)
            finally:
                _under_way.clear()


def _wanted() -> dict[str, list[str]]:
    """Returns the modules that `IMPORT` names, by the folder in which they are found."""
    wanted: dict[str, list[str]] = {}
    for part in filter(None, os.environ.get(IMPORT, "").split(";")):
        folder, _, names = part.rpartition(":")
        wanted.setdefault(folder or os.getcwd(), []).extend(filter(None, names.split(",")))
    return wanted


def import_user_module(name: str, folder: str) -> ModuleType:
    """Imports a module of the user's, found in a folder where no installed one has its name.

    Raises:
        UserError: there is none, or it raises an error.
    """
    if not any(isinstance(f, _FolderFinder) and f.folder == folder for f in sys.meta_path):
        sys.meta_path.append(_FolderFinder(folder))
    try:
        return importlib.import_module(name)
    except UserError:
        raise
    except Exception as error:
        absent = error.name if isinstance(error, ModuleNotFoundError) else None
        if absent and f"{name}.".startswith(f"{absent}."):
            raise UserError(f"no module '{name}' is installed or in {folder}") from None
        raise UserError(f"module '{name}' cannot be imported: {_reason(error)}") from error


class _FolderFinder:
    """Finds modules in a folder after everything else, so that they shadow nothing.

    On `sys.path` a user's own sim.py would come before ours where sim2edge is installed editable.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if path is not None:  # a submodule, which its package knows how to find
            return None
        return importlib.machinery.PathFinder.find_spec(name, [self.folder], target)


_entry_points = cache(entry_points)  # reading those of all installed packages takes a while


@cache
def _declared(group: str) -> tuple[EntryPoint, ...]:
    return tuple(_entry_points().select(group=group))


def _load_entry_point(point: EntryPoint, kind: str) -> Any:
    if _top(point.value) in _OWN:
        return point.load()  # what is missing of ours is an extra, which the front door names
    try:
        return point.load()
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"{_package(point)} is broken: its {kind} '{point.name}' ({point.value}) cannot be "
            f"imported: {_reason(error)}"
        ) from error


def _top(module: str) -> str:
    """Returns the top package of a module, or of an entry point's value."""
    return module.partition(":")[0].partition(".")[0].strip()


def _package(point: EntryPoint) -> str:
    return f"package '{point.dist.name if point.dist else _top(point.value)}'"


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
