"""An ISAPI extension in C, built by `isapy cc`; every write is sent at once."""

from tests.conformance.handlers.kind import HandlerKind

KIND = HandlerKind(
    name="native",
    url="/x.native",
    files={},
    libraries={"isapi/native.so": "native_application.c"},
    handlers='<add name="Native" path="*.native" verb="*" modules="IsapiModule" allowPathInfo="true" '
    'responseBufferLimit="0" scriptProcessor="{folder}/isapi/native.so" />',
    notices_silent_client=False,  # its thread sleeps: the client is seen at the next write
    error_event="",  # HSE_STATUS_ERROR is an answer, not a crash: page and log name it, as in IIS
)
