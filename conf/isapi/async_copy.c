/* Sends back what is sent to it, of any size, and blocks no thread meanwhile: an asynchronous ISAPI extension in C.
 *
 *     isapy cc async_copy.c
 *
 * One operation is under way at a time: a read, then the write of what was read, and so on. Each ends in `completed`, on
 * some thread of the worker; HttpExtensionProc has long returned by then. The memory belongs to the request and is freed
 * with its end.
 */
#include <httpext.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct {
    BOOL is_writing;
    char data[32768];
} Copy;

BOOL GetExtensionVersion(HSE_VERSION_INFO *version)
{
    version->dwExtensionVersion = HSE_VERSION;
    snprintf(version->lpszExtensionDesc, sizeof version->lpszExtensionDesc, "Asynchronous copy, a sample of isapy");
    return TRUE;
}

static void end(EXTENSION_CONTROL_BLOCK *ecb, Copy *copy, DWORD status)
{
    free(copy);
    ecb->ServerSupportFunction(ecb->ConnID, HSE_REQ_DONE_WITH_SESSION, &status, NULL, NULL);
    /* the block is gone: nothing may touch it any more */
}

static void read_more(EXTENSION_CONTROL_BLOCK *ecb, Copy *copy)
{
    DWORD size = sizeof copy->data, flags = HSE_IO_ASYNC;
    copy->is_writing = FALSE;
    if (!ecb->ServerSupportFunction(ecb->ConnID, HSE_REQ_ASYNC_READ_CLIENT, copy->data, &size, &flags))
        end(ecb, copy, HSE_STATUS_ERROR);
}

static void write_back(EXTENSION_CONTROL_BLOCK *ecb, Copy *copy, void *data, DWORD size)
{
    copy->is_writing = TRUE;
    if (!ecb->WriteClient(ecb->ConnID, data, &size, HSE_IO_ASYNC))
        end(ecb, copy, HSE_STATUS_ERROR);
}

static void completed(EXTENSION_CONTROL_BLOCK *ecb, PVOID context, DWORD size, DWORD error)
{
    Copy *copy = context;
    if (error != ERROR_SUCCESS)
        end(ecb, copy, HSE_STATUS_ERROR);
    else if (copy->is_writing)
        read_more(ecb, copy);
    else if (size == 0)
        end(ecb, copy, HSE_STATUS_SUCCESS);
    else
        write_back(ecb, copy, copy->data, size);
}

DWORD HttpExtensionProc(EXTENSION_CONTROL_BLOCK *ecb)
{
    char headers[] = "Content-Type: application/octet-stream\r\n\r\n";
    Copy *copy = malloc(sizeof *copy);
    if (copy == NULL)
        return HSE_STATUS_ERROR;
    if (!ecb->ServerSupportFunction(ecb->ConnID, HSE_REQ_IO_COMPLETION, (LPVOID)completed, NULL, (LPDWORD)copy)
        || !ecb->ServerSupportFunction(ecb->ConnID, HSE_REQ_SEND_RESPONSE_HEADER, "200 OK", NULL, (LPDWORD)headers)) {
        free(copy);
        return HSE_STATUS_ERROR;
    }
    if (ecb->cbAvailable > 0)
        write_back(ecb, copy, ecb->lpbData, ecb->cbAvailable);
    else
        read_more(ecb, copy);
    return HSE_STATUS_PENDING;
}
