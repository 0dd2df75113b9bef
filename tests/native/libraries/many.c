/* An extension for tests: the query string says what it does, or how it misbehaves. TRACE: a file for what happens
 * outside requests. */
#define _GNU_SOURCE
#include <httpext.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <unistd.h>

#define IS(what) (strcmp(ecb->lpszQueryString, what) == 0)

static int versions;

#ifdef QUICK
ISAPY_QUICK_PROC
#endif

static void trace(const char *text)
{
    FILE *file = fopen(TRACE, "a");
    if (file != NULL) {
        fprintf(file, "%s\n", text);
        fclose(file);
    }
}

#ifdef CRASH_AT_LOAD
__attribute__((constructor)) static void at_load(void) { raise(SIGSEGV); }
#endif
#ifdef UNRESOLVED
void nobody_defines_this(void);
void (*needs_it)(void) = nobody_defines_this;
#endif

BOOL GetExtensionVersion(HSE_VERSION_INFO *version)
{
    version->dwExtensionVersion = HSE_VERSION;
    strcpy(version->lpszExtensionDesc, "many things");
    versions++;
    trace("version");
#ifdef REFUSES
    SetLastError(ERROR_ACCESS_DENIED);
    return FALSE;
#else
    return TRUE;
#endif
}

BOOL TerminateExtension(DWORD flags)
{
    char line[32];
    snprintf(line, sizeof line, "terminate %u", flags);
    trace(line);
    return TRUE;
}

static BOOL support(EXTENSION_CONTROL_BLOCK *ecb, DWORD request, LPVOID buffer, LPDWORD size, void *kind)
{
    return ecb->ServerSupportFunction(ecb->ConnID, request, buffer, size, kind);
}

static void head(EXTENSION_CONTROL_BLOCK *ecb, const char *status, const char *headers)
{
    HSE_SEND_HEADER_EX_INFO info = {status, headers, (DWORD)strlen(status), (DWORD)strlen(headers), TRUE};
    support(ecb, HSE_REQ_SEND_RESPONSE_HEADER_EX, &info, NULL, NULL);
}

static BOOL put(EXTENSION_CONTROL_BLOCK *ecb, const char *text)
{
    DWORD size = (DWORD)strlen(text);
    return ecb->WriteClient(ecb->ConnID, (LPVOID)text, &size, HSE_IO_SYNC);
}

#define PUT(...)                                                                                                       \
    do {                                                                                                               \
        char line_[1024];                                                                                              \
        snprintf(line_, sizeof line_, __VA_ARGS__);                                                                    \
        put(ecb, line_);                                                                                               \
    } while (0)

static const char PLAIN[] = "Content-Type: text/plain\r\n\r\n";

/* --- what it does */

static void fields(EXTENSION_CONTROL_BLOCK *ecb)
{
    head(ecb, "200 OK", PLAIN);
    PUT("%u %x %s [%s] [%s] [%s] %u %u [%s] %d\n", ecb->cbSize, ecb->dwVersion, ecb->lpszMethod, ecb->lpszQueryString,
        ecb->lpszPathInfo, ecb->lpszPathTranslated, ecb->cbTotalBytes, ecb->cbAvailable, ecb->lpszContentType, versions);
}

static void variables(EXTENSION_CONTROL_BLOCK *ecb)
{
    static char *names[] = {"REQUEST_METHOD", "SERVER_PROTOCOL", "HTTP_X_TEST", "APPL_MD_PATH", "NO_SUCH", "HTTP_NONE"};
    char value[256];
    WCHAR wide[64];
    DWORD size, index;
    head(ecb, "200 OK", PLAIN);
    for (index = 0; index < 6; index++) {
        size = sizeof value;
        if (ecb->GetServerVariable(ecb->ConnID, names[index], value, &size))
            PUT("%s=%s %u\n", names[index], value, size);
        else
            PUT("%s!%u\n", names[index], GetLastError());
    }
    size = 3;
    BOOL fits = ecb->GetServerVariable(ecb->ConnID, "REQUEST_METHOD", value, &size);
    PUT("short %d %u %u\n", fits, GetLastError(), size);
    fits = ecb->GetServerVariable(ecb->ConnID, "REQUEST_METHOD", value, &size);
    PUT("exact %d %u\n", fits, size);
    size = sizeof wide;
    fits = ecb->GetServerVariable(ecb->ConnID, "UNICODE_REQUEST_METHOD", wide, &size);
    PUT("wide %d %u %c%c%c %d\n", fits, size, wide[0], wide[1], wide[2], wide[3]);
}

static void count_body(EXTENSION_CONTROL_BLOCK *ecb)
{
    unsigned long long total = ecb->cbAvailable, sum = 0;
    static __thread unsigned char buffer[65536];
    DWORD index, size;
    for (index = 0; index < ecb->cbAvailable; index++)
        sum += ecb->lpbData[index];
    for (;;) {
        size = sizeof buffer;
        if (!ecb->ReadClient(ecb->ConnID, buffer, &size)) {
            head(ecb, "400 Bad Request", PLAIN);
            return;
        }
        if (size == 0)
            break;
        for (index = 0; index < size; index++)
            sum += buffer[index];
        total += size;
    }
    head(ecb, "200 OK", PLAIN);
    PUT("%llu %llu %u\n", total, sum, ecb->cbTotalBytes);
}

static DWORD stream(EXTENSION_CONTROL_BLOCK *ecb)
{
    static char block[65536];
    DWORD size, number;
    memset(block, 'x', sizeof block);
    head(ecb, "200 OK", "Content-Type: application/octet-stream\r\n\r\n");
    for (number = 0; number < 160; number++) { /* 10 MB: more than any buffer on the way */
        size = sizeof block;
        if (!ecb->WriteClient(ecb->ConnID, block, &size, HSE_IO_SYNC)) {
            char line[64];
            snprintf(line, sizeof line, "write failed %u", GetLastError());
            trace(line);
            return HSE_STATUS_ERROR;
        }
    }
    return HSE_STATUS_SUCCESS;
}

/* The client's certificate: without room, and with it. */
static void certificate(EXTENSION_CONTROL_BLOCK *ecb)
{
    static BYTE room[8192];
    CERT_CONTEXT_EX info = {{0, NULL, 0, NULL, NULL}, 0, 0};
    BOOL done = support(ecb, HSE_REQ_GET_CERT_INFO_EX, &info, NULL, NULL);
    PUT("without room %d %u %d\n", done, done ? 0 : GetLastError(), info.CertContext.cbCertEncoded > 0);
    info.CertContext.pbCertEncoded = room;
    info.cbAllocated = sizeof room;
    done = support(ecb, HSE_REQ_GET_CERT_INFO_EX, &info, NULL, NULL);
    PUT("with room %d %u %u %u ", done, info.CertContext.cbCertEncoded, info.CertContext.dwCertEncodingType,
        info.dwCertificateFlags);
    for (DWORD at = 0; at < info.CertContext.cbCertEncoded; at++)
        PUT("%02x", room[at]);
}

/* Every support function that needs no state, and what it says. */
static void supported(EXTENSION_CONTROL_BLOCK *ecb)
{
    char url[512] = "/page.txt";
    BOOL yes = FALSE, done;
    DWORD size = sizeof url, value = 99;
    HANDLE token = NULL;
    HSE_URL_MAPEX_INFO map;
    HSE_UNICODE_URL_MAPEX_INFO wide_map;
    HSE_TRACE_INFO trace_info;
    WCHAR wide[8] = {'/', 'p', 0};
    HSE_VECTOR_ELEMENT element = {HSE_VECTOR_ELEMENT_TYPE_MEMORY_BUFFER, "kept", 0, 4};
    HSE_EXEC_URL_STATUS status;

    head(ecb, "200 OK", PLAIN);
    done = support(ecb, HSE_REQ_MAP_URL_TO_PATH, url, &size, NULL);
    PUT("map %d %d %u\n", done, strstr(url, "/wwwroot/page.txt") != NULL, size - (DWORD)strlen(url));
    strcpy(url, "/page.txt"), size = 4;
    done = support(ecb, HSE_REQ_MAP_URL_TO_PATH, url, &size, NULL);
    PUT("map short %d %u\n", done, GetLastError());
    size = 9;
    done = support(ecb, HSE_REQ_MAP_URL_TO_PATH_EX, "/page.txt?and more", &size, &map);
    PUT("mapex %d %d %x\n", done, strstr(map.lpszPath, "page.txt") != NULL, map.dwFlags & HSE_URL_FLAGS_READ);
    done = support(ecb, HSE_REQ_MAP_UNICODE_URL_TO_PATH_EX, wide, NULL, &wide_map);
    PUT("wide %d %c\n", done, wide_map.lpszPath[0]);
    done = support(ecb, HSE_REQ_IS_CONNECTED, &yes, NULL, NULL);
    PUT("connected %d %d\n", done, yes);
    done = support(ecb, HSE_REQ_IS_KEEP_CONN, &yes, NULL, NULL);
    PUT("keep %d %d\n", done, yes);
    done = support(ecb, HSE_REQ_IS_IN_PROCESS, &value, NULL, NULL);
    PUT("process %d %u\n", done, value);
    strcpy(url, "/a/./b/../%63?x");
    done = support(ecb, HSE_REQ_NORMALIZE_URL, url, NULL, NULL);
    PUT("normal %d %s\n", done, url);
    done = support(ecb, HSE_REQ_GET_IMPERSONATION_TOKEN, &token, NULL, NULL);
    PUT("token %d %d\n", done, token != NULL);
    done = support(ecb, HSE_REQ_ADD_FRAGMENT_TO_CACHE, &element, (LPDWORD)wide, NULL);
    size = sizeof url;
    done &= support(ecb, HSE_REQ_READ_FRAGMENT_FROM_CACHE, url, &size, wide);
    PUT("fragment %d %u %.4s\n", done, size, url);
    done = support(ecb, HSE_REQ_REMOVE_FRAGMENT_FROM_CACHE, wide, NULL, NULL);
    yes = support(ecb, HSE_REQ_READ_FRAGMENT_FROM_CACHE, url, &size, wide);
    PUT("removed %d %d %u\n", done, yes, GetLastError());
    done = support(ecb, HSE_REQ_GET_TRACE_INFO, &trace_info, NULL, NULL);
    PUT("trace %d %d\n", done, trace_info.fTraceRequest);
    done = support(ecb, HSE_REQ_GET_EXEC_URL_STATUS, &status, NULL, NULL);
    PUT("no child %d %u\n", done, GetLastError());
    done = support(ecb, HSE_REQ_GET_CERT_INFO_EX, url, NULL, NULL);
    PUT("certificate %d %u\n", done, GetLastError());
    done = support(ecb, HSE_REQ_GET_CONFIG_OBJECT, url, NULL, NULL);
    PUT("refused %d %u\n", done, GetLastError());
    done = support(ecb, HSE_REQ_ASYNC_READ_CLIENT, url, &size, NULL);
    PUT("no flag %d %u\n", done, GetLastError());
    support(ecb, HSE_APPEND_LOG_PARAMETER, "logged-by-c", NULL, NULL);
    strcpy(ecb->lpszLogData, " and-log-data");
    ecb->dwHttpStatusCode = 206;
}

static void vector(EXTENSION_CONTROL_BLOCK *ecb)
{
    int file = open("/proc/self/comm", O_RDONLY);
    char name[] = TRACE ".vector";
    int other = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
    HSE_VECTOR_ELEMENT elements[3] = {
        {HSE_VECTOR_ELEMENT_TYPE_MEMORY_BUFFER, "-first ", 1, 6},
        {HSE_VECTOR_ELEMENT_TYPE_FILE_HANDLE, ISAPY_HANDLE(other), 2, 5},
        {HSE_VECTOR_ELEMENT_TYPE_MEMORY_BUFFER, " last", 0, 5},
    };
    HSE_RESPONSE_VECTOR send = {HSE_IO_SYNC | HSE_IO_SEND_HEADERS | HSE_IO_FINAL_SEND, "203 Vector",
                                "Content-Type: text/plain\r\n\r\n", 3, elements};
    if (write(other, "..file..", 8) != 8 || !support(ecb, HSE_REQ_VECTOR_SEND, &send, NULL, NULL))
        PUT("vector failed %u\n", GetLastError());
    close(file);
    close(other);
}

static void transmitted(EXTENSION_CONTROL_BLOCK *ecb, PVOID context, DWORD size, DWORD error)
{
    char line[64];
    snprintf(line, sizeof line, "transmitted %u %u", size, error);
    trace(line);
    close((int)(intptr_t)context);
    support(ecb, HSE_REQ_DONE_WITH_SESSION, NULL, NULL, NULL);
}

static DWORD transmit(EXTENSION_CONTROL_BLOCK *ecb)
{
    int file = open(TRACE ".file", O_RDWR | O_CREAT | O_TRUNC, 0600);
    HSE_TF_INFO info = {0};
    if (write(file, "0123456789", 10) != 10)
        return HSE_STATUS_ERROR;
    info.pfnHseIO = transmitted;
    info.pContext = (PVOID)(intptr_t)file;
    info.hFile = ISAPY_HANDLE(file);
    info.pszStatusCode = "200 OK";
    info.Offset = 2, info.BytesToWrite = 5;
    info.pHead = "Content-Type: text/plain\r\n\r\n", info.HeadLength = (DWORD)strlen(info.pHead);
    info.pTail = "<end>", info.TailLength = 5;
    info.dwFlags = HSE_IO_ASYNC | HSE_IO_SEND_HEADERS;
    return support(ecb, HSE_REQ_TRANSMIT_FILE, &info, NULL, NULL) ? HSE_STATUS_PENDING : HSE_STATUS_ERROR;
}

static void child_done(EXTENSION_CONTROL_BLOCK *ecb, PVOID context, DWORD size, DWORD error)
{
    HSE_EXEC_URL_STATUS status = {0, 0, 0};
    char line[64];
    (void)context, (void)size;
    support(ecb, HSE_REQ_GET_EXEC_URL_STATUS, &status, NULL, NULL);
    snprintf(line, sizeof line, "child %u %u", status.uHttpStatusCode, error);
    trace(line);
    support(ecb, HSE_REQ_DONE_WITH_SESSION, NULL, NULL, NULL);
}

static DWORD exec(EXTENSION_CONTROL_BLOCK *ecb)
{
    HSE_EXEC_URL_INFO info = {0};
    info.pszUrl = "/page.txt", info.pszMethod = "GET";
    support(ecb, HSE_REQ_IO_COMPLETION, (LPVOID)child_done, NULL, NULL);
    return support(ecb, HSE_REQ_EXEC_URL, &info, NULL, NULL) ? HSE_STATUS_PENDING : HSE_STATUS_ERROR;
}

static DWORD custom_error(EXTENSION_CONTROL_BLOCK *ecb)
{
    HSE_CUSTOM_ERROR_INFO info = {"404 Not Found", 0, FALSE};
    if (!support(ecb, HSE_REQ_SEND_CUSTOM_ERROR, &info, NULL, NULL)) {
        head(ecb, "404 Not Found", PLAIN);
        PUT("no page: %u\n", GetLastError());
    }
    return HSE_STATUS_SUCCESS;
}

/* --- threads of its own */

static void *finish(void *argument)
{
    EXTENSION_CONTROL_BLOCK *ecb = argument;
    DWORD status = HSE_STATUS_SUCCESS;
    head(ecb, "200 OK", PLAIN);
    PUT("from a thread of the library\n");
    support(ecb, HSE_REQ_DONE_WITH_SESSION, &status, NULL, NULL);
    return NULL;
}

static void *crash_later(void *argument)
{
    (void)argument;
    raise(SIGABRT);
    return NULL;
}

static DWORD start(EXTENSION_CONTROL_BLOCK *ecb, void *(*what)(void *), BOOL waits)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, what, ecb) != 0)
        return HSE_STATUS_ERROR;
    if (waits)
        pthread_join(thread, NULL); /* done before the proc has said that it is pending */
    else
        pthread_detach(thread);
    return HSE_STATUS_PENDING;
}

/* --- misuse */

static EXTENSION_CONTROL_BLOCK *dead;

static void use_the_dead(EXTENSION_CONTROL_BLOCK *ecb)
{
    char buffer[16];
    DWORD size = sizeof buffer, status = HSE_STATUS_SUCCESS, codes[4];
    BOOL any;
    SetLastError(0);
    any = dead->WriteClient(dead->ConnID, "late", &size, HSE_IO_SYNC), codes[0] = GetLastError();
    any |= dead->ReadClient(dead->ConnID, buffer, &size), codes[1] = GetLastError();
    any |= dead->GetServerVariable(dead->ConnID, "URL", buffer, &size), codes[2] = GetLastError();
    any |= support(dead, HSE_REQ_DONE_WITH_SESSION, &status, NULL, NULL), codes[3] = GetLastError();
    head(ecb, "200 OK", PLAIN);
    PUT("%d %u %u %u %u %s\n", any, codes[0], codes[1], codes[2], codes[3], dead->lpszMethod);
}

static void nonsense(EXTENSION_CONTROL_BLOCK *ecb)
{
    DWORD size = 10, codes[5];
    BOOL any = ecb->WriteClient(ecb->ConnID, NULL, &size, HSE_IO_SYNC);
    codes[0] = GetLastError();
    any |= ecb->GetServerVariable(ecb->ConnID, NULL, NULL, NULL), codes[1] = GetLastError();
    any |= support(ecb, HSE_REQ_SEND_RESPONSE_HEADER_EX, NULL, NULL, NULL), codes[2] = GetLastError();
    any |= ecb->WriteClient((HCONN)0x1234567, "x", &size, HSE_IO_SYNC), codes[3] = GetLastError();
    any |= support(ecb, 4711, NULL, NULL, NULL), codes[4] = GetLastError();
    head(ecb, "200 OK", PLAIN);
    PUT("%d %u %u %u %u %u\n", any, codes[0], codes[1], codes[2], codes[3], codes[4]);
}

DWORD HttpExtensionProc(EXTENSION_CONTROL_BLOCK *ecb)
{
    if (IS("hello")) {
        head(ecb, "200 OK", PLAIN);
        put(ecb, "hello from C\n");
    } else if (IS("fields")) {
        fields(ecb);
    } else if (IS("variables")) {
        variables(ecb);
    } else if (IS("count")) {
        count_body(ecb);
    } else if (IS("stream")) {
        return stream(ecb);
    } else if (IS("supported")) {
        supported(ecb);
    } else if (IS("certificate")) {
        certificate(ecb);
    } else if (IS("vector")) {
        vector(ecb);
    } else if (IS("transmit")) {
        return transmit(ecb);
    } else if (IS("exec")) {
        return exec(ecb);
    } else if (IS("custom")) {
        return custom_error(ecb);
    } else if (IS("redirect")) {
        DWORD size = 9;
        support(ecb, HSE_REQ_SEND_URL_REDIRECT_RESP, "/page.txt?not this", &size, NULL);
    } else if (IS("thread")) {
        return start(ecb, finish, FALSE);
    } else if (IS("early")) {
        return start(ecb, finish, TRUE);
    } else if (IS("crash")) {
        raise(SIGSEGV);
    } else if (IS("null")) {
        volatile uintptr_t nowhere = 8;
        return *(volatile DWORD *)nowhere;
    } else if (IS("abort-thread")) {
        return start(ecb, crash_later, FALSE);
    } else if (IS("exit")) {
        _exit(7);
    } else if (IS("error")) {
        return HSE_STATUS_ERROR;
    } else if (IS("strange")) {
        return 77;
    } else if (IS("nothing")) {
        ecb->dwHttpStatusCode = 204;
    } else if (IS("die")) {
        dead = ecb;
        head(ecb, "200 OK", PLAIN);
    } else if (IS("dead")) {
        use_the_dead(ecb);
    } else if (IS("nonsense")) {
        nonsense(ecb);
    } else if (IS("hang")) {
        trace("hangs");
        for (;;)
            pause();
    } else if (IS("pending")) {
        trace("pending");
        return HSE_STATUS_PENDING;
    }
    return HSE_STATUS_SUCCESS;
}
