/* Old links still work, and every answer says so: an ISAPI filter in C.
 *
 *     isapy cc old_links.c
 *
 *     <isapiFilters><filter name="old_links" path="/srv/isapi/old_links.so" /></isapiFilters>
 *
 * /old/... is answered by /..., a robot that calls itself BadBot gets 403, and what was asked for under its old name
 * gets the header field X-Old-Link.
 */
#include <httpfilt.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char PREFIX[] = "/old/";

BOOL GetFilterVersion(HTTP_FILTER_VERSION *version)
{
    version->dwFilterVersion = HTTP_FILTER_REVISION;
    snprintf(version->lpszFilterDesc, sizeof version->lpszFilterDesc, "Old links, a sample of isapy");
    version->dwFlags = SF_NOTIFY_ORDER_HIGH | SF_NOTIFY_SECURE_PORT | SF_NOTIFY_NONSECURE_PORT
                       | SF_NOTIFY_PREPROC_HEADERS;
    return TRUE;
}

BOOL TerminateFilter(DWORD flags)
{
    (void)flags;
    return TRUE;
}

static DWORD refuse(HTTP_FILTER_CONTEXT *context)
{
    char text[] = "No robots of that kind.\n";
    DWORD size = sizeof text - 1;
    context->ServerSupportFunction(context, SF_REQ_SEND_RESPONSE_HEADER, "403 Forbidden",
                                   (ULONG_PTR) "Content-Type: text/plain\r\n\r\n", 0);
    context->WriteClient(context, text, &size, 0);
    return SF_STATUS_REQ_FINISHED_KEEP_CONN;
}

static DWORD on_headers(HTTP_FILTER_CONTEXT *context, HTTP_FILTER_PREPROC_HEADERS *headers)
{
    char agent[256], url[4096], line[4200];
    DWORD size = sizeof agent;

    if (headers->GetHeader(context, "User-Agent:", agent, &size) && strncasecmp(agent, "BadBot", 6) == 0)
        return refuse(context);
    size = sizeof url;
    if (!headers->GetHeader(context, "url", url, &size)) /* longer than that: no old link was */
        return SF_STATUS_REQ_NEXT_NOTIFICATION;
    if (strncmp(url, PREFIX, sizeof PREFIX - 1) == 0) {
        snprintf(line, sizeof line, "X-Old-Link: %s\r\n", url);
        if (!context->AddResponseHeaders(context, line, 0)
            || !headers->SetHeader(context, "url", url + sizeof PREFIX - 2))
            return SF_STATUS_REQ_ERROR;
    }
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}

DWORD HttpFilterProc(HTTP_FILTER_CONTEXT *context, DWORD notification, LPVOID data)
{
    if (notification == SF_NOTIFY_PREPROC_HEADERS)
        return on_headers(context, data);
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}
