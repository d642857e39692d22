"""What Dagger has and rootlet has not. The names are there, so that a module that speaks of one is loaded and all else of it
runs; who uses one is told so, and what to do instead."""

from __future__ import annotations

from ._errors import InvalidQueryError, nearest
from ._values import Type

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

# The types of Dagger's API, of its releases up to 0.21, but for those that are here.
TYPES = frozenset(
    "Binding BuildArg ChangesetMergeConflict ChangesetsMergeConflict Check CheckGroup Cloud DiffStat DiffStatKind Engine "
    "EngineCache EngineCacheEntry EngineCacheEntrySet EnumTypeDef EnumValueTypeDef Env EnvFile Error ErrorValue Exportable "
    "FieldTypeDef Function FunctionArg FunctionCachePolicy FunctionCall FunctionCallArgValue GeneratedCode Generator "
    "GeneratorGroup HTTPState HealthcheckConfig InputTypeDef InterfaceTypeDef JSONValue LLM LLMTokenUsage ListTypeDef Module "
    "ModuleConfigClient ModuleSource ModuleSourceExperimentalFeature ModuleSourceKind Node ObjectTypeDef PipelineLabel Query "
    "SDKConfig ScalarTypeDef SearchResult SearchSubmatch Socket SourceMap Syncer Terminal TypeDef TypeDefKind Up UpGroup "
    "Volume Workspace".split()
)

_DOCKERFILE = (
    "write its lines as steps (`from_`, `with_exec`, `with_file`), or build the image elsewhere and begin with it"
)
_MODELS = "rootlet asks no language model"
_SOCKET = "what listens on this machine is reached over its network by a container without services"
_INSTEAD = {
    "build": _DOCKERFILE,
    "docker_build": _DOCKERFILE,
    "llm": _MODELS,
    "env": _MODELS,
    "current_env": _MODELS,
    "with_unix_socket": _SOCKET,
    "unix_socket": _SOCKET,
    "terminal": "put it into a container, whose `terminal` ends a line of `rootlet call`",
    "with_annotation": "a label says the same: `with_label`",
    "tunnel": "`up` serves on a port of this machine",
    "service": _SOCKET,
    "experimental_with_gpu": "a rootlet has no devices",
    "experimental_with_all_gp_us": "a rootlet has no devices",
    "pipeline": "steps need no name: leave it out",
    "import_": 'begin with the archive: `from_("archive:PATH")`',
    "as_git": "run git in a container that has the directory",
    "as_module": "install the module, and call it by `dag.NAME()`",
    "module_source": "install the module, and call it by `dag.NAME()`",
    "current_workspace": "take a directory as an argument, with a `DefaultPath`",
}
"""What to do instead of a method."""
_METHODS = frozenset(
    "as_env_file as_git as_json as_module as_module_source as_patch build changeset cloud current_env current_function_call "
    "current_type_defs current_workspace diff_stats docker_build docker_healthcheck engine env env_file error "
    "chown container_image experimental_with_all_gp_us experimental_with_gpu export_image find_up function generated_code generators import_ json llm "
    "module module_source node pipeline search service source_map sshfs_volume terminal tunnel type_def unix_socket with_changeset "
    "with_changesets with_default_terminal_cmd with_docker_healthcheck with_env_file_variables with_annotation with_changes with_error with_mounted_volume "
    "with_patch with_patch_file with_replaced with_unix_socket with_volatile_variable without_annotation without_docker_healthcheck without_unix_socket without_volatile_variable".split()
)


class Absent(Type):
    """A type of Dagger's that rootlet has not. Annotations may speak of it; there are no values of it."""

    __slots__ = ()

    def __init__(self, *_: object, **__: object) -> None:
        raise InvalidQueryError(f"{type(self).__name__} is nothing that rootlet has")


def type_named(name: str) -> type[Absent]:
    """The stand-in of a type."""
    return type(name, (Absent,), {"__slots__": (), "__module__": "rootlet.functions"})


def method(of: str, name: str, known: Iterable[str], otherwise: str) -> AttributeError:
    """That something has no such method; ``otherwise`` says what to do where it is neither a slip nor one of Dagger's."""
    if name in _METHODS:
        error = AttributeError(f"{of} has no {name!r}: it is one of Dagger's that rootlet has not")
        # Told with the failure of a function.
        setattr(error, "hint", _INSTEAD.get(name))
        return error
    near = nearest(name, [one for one in known if not one.startswith("_")])
    return AttributeError(f"{of} has no {name!r}: {near or otherwise}")
