# A filter and an extension in one module: the filter leads a folder to the extension, which hands on what is not its own.
from isapi import isapicon, threaded_extension
from isapi.simple import SimpleFilter
from urllib.parse import quote

virtualdir = b"/python"


class Extension(threaded_extension.ThreadPoolExtension):
    "Python sample redirector"

    def Dispatch(self, ecb):
        url = ecb.GetServerVariable("URL").decode("ascii")
        if url.startswith("/python/pass"):
            ecb.IOCompletion(self.executed, "the argument")
            ecb.ExecURL(None, None, None, None, None, isapicon.HSE_EXEC_URL_IGNORE_CURRENT_INTERCEPTOR)
            return
        if url.startswith("/python/other"):
            ecb.IOCompletion(self.executed, "the argument")
            ecb.ExecURL("/page.txt", None, None, None, None, isapicon.HSE_EXEC_URL_IGNORE_CURRENT_INTERCEPTOR)
            return
        if url.startswith("/python/away"):
            ecb.Redirect("http://example.com/there?x=1")
        else:
            ecb.SendResponseHeaders("200 OK", "Content-Type: text/plain\r\n\r\n", False)
            ecb.WriteClient("asked for " + url)
        ecb.DoneWithSession()

    def executed(self, ecb, argument, count, error):
        status, substatus, win32 = ecb.GetExecURLStatus()
        ecb.LogData = "|%s %d.%d %d" % (argument, status, substatus, error)
        ecb.DoneWithSession()


class Filter(SimpleFilter):
    "Leads /old to /python"
    filter_flags = (
        isapicon.SF_NOTIFY_PREPROC_HEADERS
        | isapicon.SF_NOTIFY_SEND_RESPONSE
        | isapicon.SF_NOTIFY_URL_MAP
        | isapicon.SF_NOTIFY_LOG
        | isapicon.SF_NOTIFY_ORDER_DEFAULT
        | isapicon.SF_NOTIFY_NONSECURE_PORT
    )

    def HttpFilterProc(self, fc):
        kind = fc.NotificationType
        if kind == isapicon.SF_NOTIFY_PREPROC_HEADERS:
            fc.FilterContext = (fc.FilterContext or 0) + 1
            headers = fc.GetData()
            url = headers.GetHeader("url")
            if url.startswith(b"/old/"):
                headers.SetHeader("url", "/python/" + quote(url[5:].decode("latin-1")))
                headers.AddHeader("X-Led:", "yes")
                return isapicon.SF_STATUS_REQ_HANDLED_NOTIFICATION
            if url == b"/finish":
                fc.SendResponseHeader("403 By The Filter", "Content-Length: 4\r\n\r\n")
                fc.WriteClient("stop")
                return isapicon.SF_STATUS_REQ_FINISHED
            if url == b"/fail":
                raise RuntimeError("the filter fails")
        elif kind == isapicon.SF_NOTIFY_SEND_RESPONSE:
            fc.AddResponseHeaders("X-Requests: %d\r\n" % fc.FilterContext)
            try:
                fc.GetData()
            except ValueError:
                pass
        elif kind == isapicon.SF_NOTIFY_URL_MAP:
            found = fc.GetData()
            if found.URL == b"/mapped.txt":
                found.PhysicalPath = found.PhysicalPath.replace(b"mapped", b"page")
        elif kind == isapicon.SF_NOTIFY_LOG:
            fc.GetData().ClientUserName = b"somebody"
        return None


def __FilterFactory__():
    return Filter()


def __ExtensionFactory__():
    return Extension()
