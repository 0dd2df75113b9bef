"""Who takes part in a request, as frozen values: the entries of handlers, isapiFilters, modules and their old forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from host.config.names import is_managed_type


@dataclass(frozen=True, slots=True, kw_only=True)
class Handler:
    """One entry of `handlers`, in force. Text attributes as IIS spells them; `worker/handler_map.py` compiles it."""

    name: str
    path: str
    verb: str
    modules: str = ""
    script_processor: str = ""
    resource_type: str = "Unspecified"
    require_access: str = "Script"
    pre_condition: str = ""
    allow_path_info: bool = False
    response_buffer_limit: int = 4194304
    type: str = ""  # module:Class of a managed handler
    threading_model: str = "Free"
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """One entry of `isapiFilters`: a drop-in's name or the path of its file."""

    name: str
    path: str = ""  # empty: the file of that name in the filter folders
    enabled: bool = True
    enable_cache: bool = False
    pre_condition: str = ""
    is_server_wide: bool = True  # false: listed for a site; runs behind every server-wide filter, whatever its priority


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One entry of `modules` (a pipeline plugin, by name or by file, or a managed class) or of `httpModules`."""

    name: str
    type: str = ""  # path of its file, or module:Class; empty: the file of that name in the plugin folders
    pre_condition: str = ""

    @property
    def is_managed(self) -> bool:
        """Whether `type` names a managed class."""
        return is_managed_type(self.type)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpHandler:
    """One entry of `httpHandlers`."""

    verb: str
    path: str
    type: str
