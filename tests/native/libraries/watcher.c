/* A filter for tests: takes every notification, uses every callback, and misbehaves for some URLs.
 * TRACE: a file to which it writes what happens outside requests. MAPPED: the file behind /mapped. */
#include <httpfilt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    int requests;
    char walk[512];
    char facts[1024];
} Session;

static void trace(const char *text)
{
    FILE *file = fopen(TRACE, "a");
    if (file != NULL) {
        fprintf(file, "%s\n", text);
        fclose(file);
    }
}

BOOL GetFilterVersion(HTTP_FILTER_VERSION *version)
{
    if (version->dwServerFilterVersion < HTTP_FILTER_REVISION)
        return FALSE;
    version->dwFilterVersion = HTTP_FILTER_REVISION;
    strcpy(version->lpszFilterDesc, "watches everything");
    version->dwFlags = SF_NOTIFY_ORDER_MEDIUM | SF_NOTIFY_NONSECURE_PORT | SF_NOTIFY_PREPROC_HEADERS | SF_NOTIFY_URL_MAP
                       | SF_NOTIFY_AUTHENTICATION | SF_NOTIFY_AUTH_COMPLETE | SF_NOTIFY_ACCESS_DENIED
                       | SF_NOTIFY_SEND_RESPONSE | SF_NOTIFY_SEND_RAW_DATA | SF_NOTIFY_END_OF_REQUEST | SF_NOTIFY_LOG
                       | SF_NOTIFY_END_OF_NET_SESSION;
#ifdef RAW
    version->dwFlags |= SF_NOTIFY_READ_RAW_DATA;
#endif
    trace("version");
    return TRUE;
}

BOOL TerminateFilter(DWORD flags)
{
    char line[64];
    snprintf(line, sizeof line, "terminate %u", flags);
    trace(line);
    return TRUE;
}

static Session *session_of(HTTP_FILTER_CONTEXT *context)
{
    if (context->pFilterContext == NULL)
        context->pFilterContext = calloc(1, sizeof(Session));
    return context->pFilterContext;
}

static void note(Session *session, const char *name)
{
    strncat(session->walk, name, sizeof session->walk - strlen(session->walk) - 1);
    strncat(session->walk, " ", sizeof session->walk - strlen(session->walk) - 1);
}

/* How the callbacks fail, as text for a header field. */
static void look_at_errors(HTTP_FILTER_CONTEXT *context, HTTP_FILTER_PREPROC_HEADERS *headers, Session *session)
{
    char small[2], name[512];
    DWORD size = sizeof small, needed, code_small, code_unknown, code_colon, code_absent, code_request;
    BOOL all;

    all = context->GetServerVariable(context, "SERVER_NAME", small, &size);
    code_small = GetLastError(), needed = size, size = sizeof name;
    all |= context->GetServerVariable(context, "NO_SUCH_THING", name, &size);
    code_unknown = GetLastError(), size = sizeof name;
    all |= headers->GetHeader(context, "Host", name, &size);
    code_colon = GetLastError(), size = sizeof name;
    all |= headers->GetHeader(context, "X-Nowhere:", name, &size);
    code_absent = GetLastError();
    all |= context->ServerSupportFunction(context, (enum SF_REQ_TYPE)99, NULL, 0, 0);
    code_request = GetLastError(), size = sizeof name;
    if (!context->GetServerVariable(context, "SERVER_NAME", name, &size) || size != needed)
        strcpy(name, "(none)");
    snprintf(session->facts, sizeof session->facts, "%d %u %u %u %u %u %s %u", all, code_small, code_unknown, code_colon,
             code_absent, code_request, name, context->cbSize);
}

static DWORD on_headers(HTTP_FILTER_CONTEXT *context, HTTP_FILTER_PREPROC_HEADERS *headers)
{
    Session *session = session_of(context);
    char url[1024], text[] = "the filter's own";
    DWORD size = sizeof url, identity = 0, site = 0;

    session->requests++;
    session->walk[0] = session->facts[0] = 0;
    note(session, "headers");
    if (!headers->GetHeader(context, "url", url, &size))
        return SF_STATUS_REQ_ERROR;
    if (strcmp(url, "/errors") == 0) {
        look_at_errors(context, headers, session);
        headers->SetHeader(context, "url", "/page.txt");
    } else if (strcmp(url, "/finished") == 0) {
        if (!context->ServerSupportFunction(context, SF_REQ_GET_CONNID, &identity, 0, 0)
            || !context->ServerSupportFunction(context, SF_REQ_GET_PROPERTY, &site, SF_PROPERTY_INSTANCE_NUM_ID, 0))
            return SF_STATUS_REQ_ERROR;
        snprintf(url, sizeof url, "Content-Type: text/plain\r\nX-Site: %u\r\n\r\n", site);
        context->ServerSupportFunction(context, SF_REQ_SEND_RESPONSE_HEADER, "202 Taken", (ULONG_PTR)url, 0);
        size = sizeof text - 1;
        context->WriteClient(context, text, &size, 0);
        return SF_STATUS_REQ_FINISHED_KEEP_CONN;
    } else if (strcmp(url, "/error") == 0) {
        SetLastError(1234);
        return SF_STATUS_REQ_ERROR;
    } else if (strcmp(url, "/strange") == 0) {
        return 7;
    } else if (strcmp(url, "/crash") == 0) {
        raise(SIGSEGV);
    } else if (strcmp(url, "/quiet") == 0) {
        context->ServerSupportFunction(context, SF_REQ_DISABLE_NOTIFICATIONS, NULL,
                                       SF_NOTIFY_SEND_RAW_DATA | SF_NOTIFY_URL_MAP, 0);
        headers->SetHeader(context, "url", "/page.txt");
    } else if (strcmp(url, "/added") == 0) {
        headers->SetHeader(context, "url", "/page.txt");
        headers->AddHeader(context, "X-Added:", "one");
        headers->SetHeader(context, "X-Remove:", "");
        size = sizeof url;
        if (headers->GetHeader(context, "X-Remove:", url, &size) || GetLastError() != ERROR_INVALID_INDEX)
            return SF_STATUS_REQ_ERROR;
        context->AddResponseHeaders(context, "X-One: 1\r\nX-Two: 2\r\n", 0);
    }
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}

static DWORD on_response(HTTP_FILTER_CONTEXT *context, HTTP_FILTER_SEND_RESPONSE *response)
{
    Session *session = session_of(context);
    char count[32], status[64];
    DWORD size = sizeof status;

    note(session, "response");
    snprintf(count, sizeof count, "%d %u", session->requests, response->HttpStatus);
    response->SetHeader(context, "X-Walk:", session->walk);
    response->AddHeader(context, "X-Count:", count);
    if (session->facts[0])
        response->SetHeader(context, "X-Facts:", session->facts);
    if (response->GetHeader(context, "status", status, &size))
        response->SetHeader(context, "X-Status:", status);
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}

static DWORD on_map(HTTP_FILTER_CONTEXT *context, HTTP_FILTER_URL_MAP *map)
{
    note(session_of(context), "map");
    if (strcmp(map->pszURL, "/mapped") == 0 && sizeof MAPPED <= map->cbPathBuff)
        strcpy(map->pszPhysicalPath, MAPPED);
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}

static DWORD on_authentication(HTTP_FILTER_CONTEXT *context, HTTP_FILTER_AUTHENT *authentication)
{
    note(session_of(context), "authentication");
    if (strcmp(authentication->pszUser, "alias") == 0 && authentication->cbUserBuff >= SF_MAX_USERNAME)
        strcpy(authentication->pszUser, "alice");
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}

static DWORD on_auth_complete(HTTP_FILTER_CONTEXT *context, HTTP_FILTER_AUTH_COMPLETE_INFO *info)
{
    HANDLE token = NULL;
    note(session_of(context), info->GetUserToken(context, &token) && token != NULL ? "complete" : "tokenless");
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}

static DWORD on_raw_data(HTTP_FILTER_CONTEXT *context, HTTP_FILTER_RAW_DATA *data)
{
    char *longer, *at = data->pvInData;
    DWORD index;
    note(session_of(context), "raw");
    for (index = 0; index < data->cbInData; index++)
        if (at[index] >= 'a' && at[index] <= 'z')
            at[index] -= 32;
    longer = context->AllocMem(context, data->cbInData + 1, 0);
    if (longer == NULL)
        return SF_STATUS_REQ_ERROR;
    memcpy(longer, at, data->cbInData);
    longer[data->cbInData] = '!';
    data->pvInData = longer;
    data->cbInData = data->cbInBuffer = data->cbInData + 1;
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}

static DWORD on_log(HTTP_FILTER_CONTEXT *context, HTTP_FILTER_LOG *log)
{
    char *target = context->AllocMem(context, 64, 0);
    if (strcmp(log->pszTarget, "/added") == 0 && target != NULL) {
        snprintf(target, 64, "/counted-%u-%u-%u", log->dwBytesSent, log->dwBytesRecvd, log->msTimeForProcessing);
        log->pszTarget = target;
    }
    if (strcmp(log->pszTarget, "/secret") == 0 && target != NULL) {
        strcpy(target, "/hidden-by-filter");
        log->pszTarget = target;
        log->dwHttpStatus = 299;
    }
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}

#ifdef RAW
static DWORD on_read(HTTP_FILTER_RAW_DATA *data)
{
    char *found = memmem(data->pvInData, data->cbInData, "/rawd.txt", 9);
    if (found != NULL)
        memcpy(found, "/page.txt", 9);
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}
#endif

DWORD HttpFilterProc(HTTP_FILTER_CONTEXT *context, DWORD notification, LPVOID data)
{
    char line[64];
    switch (notification) {
    case SF_NOTIFY_PREPROC_HEADERS: return on_headers(context, data);
    case SF_NOTIFY_URL_MAP: return on_map(context, data);
    case SF_NOTIFY_AUTHENTICATION: return on_authentication(context, data);
    case SF_NOTIFY_AUTH_COMPLETE: return on_auth_complete(context, data);
    case SF_NOTIFY_SEND_RESPONSE: return on_response(context, data);
    case SF_NOTIFY_SEND_RAW_DATA: return on_raw_data(context, data);
    case SF_NOTIFY_LOG: return on_log(context, data);
#ifdef RAW
    case SF_NOTIFY_READ_RAW_DATA: return on_read(data);
#endif
    case SF_NOTIFY_ACCESS_DENIED:
        snprintf(line, sizeof line, "denied %s %u", ((HTTP_FILTER_ACCESS_DENIED *)data)->pszURL,
                 ((HTTP_FILTER_ACCESS_DENIED *)data)->dwReason);
        trace(line);
        break;
    case SF_NOTIFY_END_OF_REQUEST:
        trace("end of request");
        break;
    case SF_NOTIFY_END_OF_NET_SESSION:
        snprintf(line, sizeof line, "end of session %d", session_of(context)->requests);
        trace(line);
        free(context->pFilterContext);
        context->pFilterContext = NULL;
        break;
    }
    return SF_STATUS_REQ_NEXT_NOTIFICATION;
}
