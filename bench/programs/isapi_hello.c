/* The smallest answer of a native ISAPI extension; -DQUICK: on the event loop. */
#include <httpext.h>

#ifdef QUICK
ISAPY_QUICK_PROC
#endif

BOOL GetExtensionVersion(HSE_VERSION_INFO *version)
{
    version->dwExtensionVersion = HSE_VERSION;
    return TRUE;
}

DWORD HttpExtensionProc(EXTENSION_CONTROL_BLOCK *ecb)
{
    HSE_SEND_HEADER_EX_INFO head = {"200 OK", "Content-Type: text/plain\r\n\r\n", 6, 28, TRUE};
    DWORD size = 12;
    ecb->ServerSupportFunction(ecb->ConnID, HSE_REQ_SEND_RESPONSE_HEADER_EX, &head, NULL, NULL);
    ecb->WriteClient(ecb->ConnID, "hello world\n", &size, HSE_IO_SYNC);
    return HSE_STATUS_SUCCESS;
}
