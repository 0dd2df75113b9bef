/* A form, and what was typed into it: the smallest useful ISAPI extension in C.
 *
 *     isapy cc form_echo.c
 *
 *     <handlers>
 *       <add name="FormEcho" path="*.form" verb="GET,HEAD,POST" modules="IsapiModule"
 *            scriptProcessor="/srv/isapi/form_echo.so" requireAccess="Script" />
 *     </handlers>
 *     <isapiCgiRestriction><add path="/srv/isapi/form_echo.so" allowed="true" /></isapiCgiRestriction>
 */
#include <httpext.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_BYTES 65536

static const char FORM[] = "<form method=\"post\"><input name=\"name\" autofocus><button>Send</button></form>\n";

BOOL GetExtensionVersion(HSE_VERSION_INFO *version)
{
    version->dwExtensionVersion = HSE_VERSION;
    snprintf(version->lpszExtensionDesc, sizeof version->lpszExtensionDesc, "Form echo, a sample of isapy");
    return TRUE;
}

BOOL TerminateExtension(DWORD flags)
{
    (void)flags;
    return TRUE;
}

static int hexadecimal(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    if (digit >= 'a' && digit <= 'f')
        return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F')
        return digit - 'A' + 10;
    return -1;
}

/* Decode one name or value of a form in place. */
static void decode(char *text)
{
    char *to = text;
    for (; *text; text++) {
        if (*text == '+') {
            *to++ = ' ';
        } else if (*text == '%' && hexadecimal(text[1]) >= 0 && hexadecimal(text[2]) >= 0) {
            *to++ = (char)(hexadecimal(text[1]) * 16 + hexadecimal(text[2]));
            text += 2;
        } else {
            *to++ = *text;
        }
    }
    *to = 0;
}

static BOOL put(EXTENSION_CONTROL_BLOCK *ecb, const char *text)
{
    DWORD size = (DWORD)strlen(text);
    return ecb->WriteClient(ecb->ConnID, (LPVOID)text, &size, HSE_IO_SYNC);
}

/* Text that came from outside never goes into a page as it is. */
static BOOL put_escaped(EXTENSION_CONTROL_BLOCK *ecb, const char *text)
{
    char one[2] = {0, 0};
    BOOL goes_on = TRUE;
    for (; *text && goes_on; text++) {
        switch (*text) {
        case '&': goes_on = put(ecb, "&amp;"); break;
        case '<': goes_on = put(ecb, "&lt;"); break;
        case '>': goes_on = put(ecb, "&gt;"); break;
        case '"': goes_on = put(ecb, "&quot;"); break;
        default: one[0] = *text; goes_on = put(ecb, one);
        }
    }
    return goes_on;
}

/* The whole body: what came with the block, and what ReadClient gives until there is no more. NULL: it is too large. */
static char *read_body(EXTENSION_CONTROL_BLOCK *ecb)
{
    char *body = malloc(MOST_BYTES + 1);
    DWORD length = ecb->cbAvailable, size;
    if (body == NULL || length > MOST_BYTES) {
        free(body);
        return NULL;
    }
    memcpy(body, ecb->lpbData, length);
    while (length < ecb->cbTotalBytes) {
        size = MOST_BYTES - length;
        if (size == 0 || !ecb->ReadClient(ecb->ConnID, body + length, &size)) {
            free(body);
            return NULL;
        }
        if (size == 0)
            break;
        length += size;
    }
    body[length] = 0;
    return body;
}

static DWORD begin(EXTENSION_CONTROL_BLOCK *ecb, const char *status)
{
    HSE_SEND_HEADER_EX_INFO head = {0};
    head.pszStatus = status;
    head.pszHeader = "Content-Type: text/html; charset=utf-8\r\n\r\n";
    head.fKeepConn = TRUE;
    return ecb->ServerSupportFunction(ecb->ConnID, HSE_REQ_SEND_RESPONSE_HEADER_EX, &head, NULL, NULL)
               ? HSE_STATUS_SUCCESS
               : HSE_STATUS_ERROR;
}

DWORD HttpExtensionProc(EXTENSION_CONTROL_BLOCK *ecb)
{
    char *form, *field, *rest = NULL, *value;

    if (strcmp(ecb->lpszMethod, "POST") != 0)
        return begin(ecb, "200 OK") == HSE_STATUS_SUCCESS && put(ecb, FORM) ? HSE_STATUS_SUCCESS : HSE_STATUS_ERROR;
    if ((form = read_body(ecb)) == NULL) {
        ecb->dwHttpStatusCode = 413;
        begin(ecb, "413 Request Entity Too Large");
        return HSE_STATUS_SUCCESS;
    }
    begin(ecb, "200 OK");
    put(ecb, "<dl>\n");
    for (field = strtok_r(form, "&", &rest); field != NULL; field = strtok_r(NULL, "&", &rest)) {
        if ((value = strchr(field, '=')) != NULL)
            *value++ = 0;
        decode(field);
        put(ecb, "<dt>");
        put_escaped(ecb, field);
        put(ecb, "<dd>");
        if (value != NULL) {
            decode(value);
            put_escaped(ecb, value);
        }
        put(ecb, "\n");
    }
    put(ecb, "</dl>\n");
    free(form);
    return HSE_STATUS_SUCCESS;
}
