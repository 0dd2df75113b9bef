# An extension as people wrote them for pywin32: every request gets a page that says what the server knows.
import sys

if hasattr(sys, "isapidllhandle"):
    import win32traceutil

from isapi import ExtensionError, isapicon, threaded_extension
from isapi.simple import SimpleExtension
import winerror


class Extension(SimpleExtension):
    "Shows server variables"

    def HttpExtensionProc(self, ecb):
        query = ecb.QueryString
        if query == b"raise":
            raise ValueError("as asked <for>")
        if query == b"none":
            return None
        if query == b"error":
            return isapicon.HSE_STATUS_ERROR
        ecb.SendResponseHeaders("200 OK", "Content-Type: text/plain\r\n\r\n", 0)
        if query == b"variables":
            for name in ("REQUEST_METHOD", "SCRIPT_NAME", "PATH_INFO", "QUERY_STRING", "UNICODE_SERVER_PROTOCOL"):
                print("%s=%r" % (name, ecb.GetServerVariable(name)), file=ecb)
            try:
                ecb.GetServerVariable("foo bar")
            except ExtensionError as details:
                assert details.errno == winerror.ERROR_INVALID_INDEX, details
                print(details.funcname, ecb.GetServerVariable("foo bar", "by default"), file=ecb)
        elif query == b"body":
            data = ecb.AvailableData + ecb.ReadClient()
            ecb.WriteClient("%d %d %d" % (ecb.TotalBytes, ecb.AvailableBytes, len(data)))
        elif query == b"misuse":
            for misuse in (
                lambda: setattr(ecb, "Version", 1),
                lambda: setattr(ecb, "Other", 1),
                lambda: ecb.LogData,
                lambda: ecb.WriteClient(3),
                lambda: ecb.GetServerVariable(b"URL"),
                lambda: ecb.ExecURL(None, None, None, 1, None, 0),
            ):
                try:
                    misuse()
                    ecb.write("nothing raised\n")
                except Exception as error:
                    ecb.write(type(error).__name__ + "\n")
            ecb.LogData = "|from the extension"
        elif query == b"map":
            ecb.WriteClient(ecb.MapURLToPath("/page.txt"))
        ecb.close()
        try:
            ecb.write("after the end")
        except RuntimeError:
            pass
        return isapicon.HSE_STATUS_SUCCESS

    def TerminateExtension(self, status):
        print("terminated with", status)


def __ExtensionFactory__():
    return Extension()


if __name__ == "__main__":
    from isapi.install import *

    params = ISAPIParameters()
    sm = [ScriptMapParams(Extension="*", Flags=0)]
    vd = VirtualDirParameters(Name="simple", Description="A sample", ScriptMaps=sm, ScriptMapUpdate="replace")
    params.VirtualDirs = [vd]
    HandleCommandLine(params)
