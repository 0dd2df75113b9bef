/* Answers that a library may keep while its proc runs, and everything that may come between. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <httpext.h>

#ifdef QUICK
ISAPY_QUICK_PROC
#endif

#define IS(what) (strcmp(ecb->lpszQueryString, what) == 0)

BOOL GetExtensionVersion(HSE_VERSION_INFO *version)
{
    version->dwExtensionVersion = HSE_VERSION;
    return TRUE;
}

static BOOL head(EXTENSION_CONTROL_BLOCK *ecb, char *status, char *headers)
{
    HSE_SEND_HEADER_EX_INFO info = {status, headers, 0, 0, TRUE};
    return ecb->ServerSupportFunction(ecb->ConnID, HSE_REQ_SEND_RESPONSE_HEADER_EX, &info, NULL, NULL);
}

static BOOL say(EXTENSION_CONTROL_BLOCK *ecb, const char *text)
{
    DWORD size = (DWORD)strlen(text);
    return ecb->WriteClient(ecb->ConnID, (LPVOID)text, &size, HSE_IO_SYNC);
}

static void *on_a_thread(void *argument)
{
    say((EXTENSION_CONTROL_BLOCK *)argument, "b");
    return NULL;
}

static void fill(EXTENSION_CONTROL_BLOCK *ecb)
{
    char text[3001];
    int number;
    for (number = 0; number < 5; number++) {
        memset(text, 'a' + number, 3000);
        text[3000] = 0;
        say(ecb, text);
    }
}

DWORD HttpExtensionProc(EXTENSION_CONTROL_BLOCK *ecb)
{
    char text[200];
    DWORD size = sizeof text;
    pthread_t thread;
    if (IS("old")) {
        ecb->ServerSupportFunction(ecb->ConnID, HSE_REQ_SEND_RESPONSE_HEADER, "202 Accepted", NULL,
                                   (LPDWORD) "X-Old: 1\r\n\r\n");
        return say(ecb, "old") ? HSE_STATUS_SUCCESS : HSE_STATUS_ERROR;
    }
    if (strncmp(ecb->lpszQueryString, "head-", 5) == 0) {
        snprintf(text, sizeof text, "X-Number: %s\r\n\r\n", ecb->lpszQueryString + 5);
        return head(ecb, "200 OK", text) && say(ecb, "number") ? HSE_STATUS_SUCCESS : HSE_STATUS_ERROR;
    }
    if (IS("broken")) {
        BOOL done = head(ecb, "200 OK", "no field\r\n\r\n");
        DWORD code = GetLastError();
        snprintf(text, sizeof text, "%d %u", done, code);
        head(ecb, "200 OK", "X-Kept: 1\r\n\r\n");
        return say(ecb, text) ? HSE_STATUS_SUCCESS : HSE_STATUS_ERROR;
    }
    if (!head(ecb, "200 OK", "X-Kept: 1\r\n\r\n"))
        return HSE_STATUS_ERROR;
    if (IS("twice")) {
        BOOL done = head(ecb, "200 OK", "X-Kept: 1\r\n\r\n");
        snprintf(text, sizeof text, "%d %u", done, GetLastError());
        say(ecb, text);
    } else if (IS("thread")) {
        say(ecb, "a");
        pthread_create(&thread, NULL, on_a_thread, ecb);
        pthread_join(thread, NULL);
        say(ecb, "c");
    } else if (IS("long")) {
        fill(ecb);
    } else if (IS("variable")) {
        say(ecb, "[");
        ecb->GetServerVariable(ecb->ConnID, "HTTP_X_SAID", text, &size);
        say(ecb, text);
        say(ecb, "]");
    } else if (IS("function")) {
        say(ecb, "before ");
        ecb->ServerSupportFunction(ecb->ConnID, HSE_APPEND_LOG_PARAMETER, "kept-and-logged", NULL, NULL);
        say(ecb, "after");
    } else if (IS("asynchronous")) {
        say(ecb, "x");
        size = 1;
        snprintf(text, sizeof text, "%d", ecb->WriteClient(ecb->ConnID, "y", &size, HSE_IO_ASYNC));
        say(ecb, text);
    } else if (IS("none")) {
        return HSE_STATUS_SUCCESS;
    } else if (IS("error")) {
        say(ecb, "a page of its own");
        return HSE_STATUS_ERROR;
    }
    return HSE_STATUS_SUCCESS;
}
