/* ISAPI filters: the entry points of a library, the filter context, and the structure of every notification.
 * Names, numbers and layouts are those that Microsoft published.
 *
 * What lies between the lines `isapy: begin` and `isapy: end` is read by isapy itself, too.
 */
#ifndef ISAPY_HTTPFILT_H
#define ISAPY_HTTPFILT_H

#include "wintypes.h"

#ifdef __cplusplus
extern "C" {
#endif

/* isapy: begin */
#define HTTP_FILTER_REVISION 0x00060000
#define SF_MAX_USERNAME 257
#define SF_MAX_PASSWORD 257
#define SF_MAX_AUTH_TYPE 33
#define SF_MAX_FILTER_DESC_LEN 257

/* what HttpFilterProc returns */
#define SF_STATUS_REQ_FINISHED 0x08000000
#define SF_STATUS_REQ_FINISHED_KEEP_CONN 0x08000001
#define SF_STATUS_REQ_NEXT_NOTIFICATION 0x08000002
#define SF_STATUS_REQ_HANDLED_NOTIFICATION 0x08000003
#define SF_STATUS_REQ_ERROR 0x08000004
#define SF_STATUS_REQ_READ_NEXT 0x08000005

/* HTTP_FILTER_VERSION.dwFlags: notifications, ports, priority */
#define SF_NOTIFY_SECURE_PORT 0x00000001
#define SF_NOTIFY_NONSECURE_PORT 0x00000002
#define SF_NOTIFY_SEND_RESPONSE 0x00000040
#define SF_NOTIFY_END_OF_REQUEST 0x00000080
#define SF_NOTIFY_END_OF_NET_SESSION 0x00000100
#define SF_NOTIFY_LOG 0x00000200
#define SF_NOTIFY_SEND_RAW_DATA 0x00000400
#define SF_NOTIFY_ACCESS_DENIED 0x00000800
#define SF_NOTIFY_URL_MAP 0x00001000
#define SF_NOTIFY_AUTHENTICATION 0x00002000
#define SF_NOTIFY_PREPROC_HEADERS 0x00004000
#define SF_NOTIFY_READ_RAW_DATA 0x00008000
#define SF_NOTIFY_AUTH_COMPLETE 0x04000000
#define SF_NOTIFY_ORDER_LOW 0x00020000
#define SF_NOTIFY_ORDER_DEFAULT 0x00020000
#define SF_NOTIFY_ORDER_MEDIUM 0x00040000
#define SF_NOTIFY_ORDER_HIGH 0x00080000
#define SF_NOTIFY_ORDER_MASK 0x000e0000

/* HTTP_FILTER_ACCESS_DENIED.dwReason */
#define SF_DENIED_LOGON 0x00000001
#define SF_DENIED_RESOURCE 0x00000002
#define SF_DENIED_FILTER 0x00000004
#define SF_DENIED_APPLICATION 0x00000008
#define SF_DENIED_BY_CONFIG 0x00010000

enum SF_REQ_TYPE {
    SF_REQ_SEND_RESPONSE_HEADER = 0,
    SF_REQ_ADD_HEADERS_ON_DENIAL = 1,
    SF_REQ_SET_NEXT_READ_SIZE = 2,
    SF_REQ_SET_PROXY_INFO = 3,
    SF_REQ_GET_CONNID = 4,
    SF_REQ_SET_CERTIFICATE_INFO = 5,
    SF_REQ_GET_PROPERTY = 6,
    SF_REQ_NORMALIZE_URL = 7,
    SF_REQ_DISABLE_NOTIFICATIONS = 8
};

enum SF_PROPERTY_IIS {
    SF_PROPERTY_SSL_CTXT = 0,
    SF_PROPERTY_INSTANCE_NUM_ID = 1
};

typedef struct _HTTP_FILTER_VERSION {
    DWORD dwServerFilterVersion;
    DWORD dwFilterVersion;
    CHAR lpszFilterDesc[SF_MAX_FILTER_DESC_LEN];
    DWORD dwFlags;
} HTTP_FILTER_VERSION, *PHTTP_FILTER_VERSION;

typedef struct _HTTP_FILTER_CONTEXT {
    DWORD cbSize;
    DWORD Revision;
    PVOID ServerContext;
    DWORD ulReserved;
    BOOL fIsSecurePort;
    PVOID pFilterContext;
    BOOL (*GetServerVariable)(struct _HTTP_FILTER_CONTEXT *pfc, LPSTR lpszVariableName, LPVOID lpvBuffer,
                              LPDWORD lpdwSize);
    BOOL (*AddResponseHeaders)(struct _HTTP_FILTER_CONTEXT *pfc, LPSTR lpszHeaders, DWORD dwReserved);
    BOOL (*WriteClient)(struct _HTTP_FILTER_CONTEXT *pfc, LPVOID Buffer, LPDWORD lpdwBytes, DWORD dwReserved);
    void *(*AllocMem)(struct _HTTP_FILTER_CONTEXT *pfc, DWORD cbSize, DWORD dwReserved);
    BOOL (*ServerSupportFunction)(struct _HTTP_FILTER_CONTEXT *pfc, enum SF_REQ_TYPE sfReq, PVOID pData, ULONG_PTR ul1,
                                  ULONG_PTR ul2);
} HTTP_FILTER_CONTEXT, *PHTTP_FILTER_CONTEXT;

typedef struct _HTTP_FILTER_RAW_DATA {
    PVOID pvInData;
    DWORD cbInData;
    DWORD cbInBuffer;
    DWORD dwReserved;
} HTTP_FILTER_RAW_DATA, *PHTTP_FILTER_RAW_DATA;

typedef struct _HTTP_FILTER_PREPROC_HEADERS {
    BOOL (*GetHeader)(struct _HTTP_FILTER_CONTEXT *pfc, LPSTR lpszName, LPVOID lpvBuffer, LPDWORD lpdwSize);
    BOOL (*SetHeader)(struct _HTTP_FILTER_CONTEXT *pfc, LPSTR lpszName, LPSTR lpszValue);
    BOOL (*AddHeader)(struct _HTTP_FILTER_CONTEXT *pfc, LPSTR lpszName, LPSTR lpszValue);
    DWORD HttpStatus;
    DWORD dwReserved;
} HTTP_FILTER_PREPROC_HEADERS, *PHTTP_FILTER_PREPROC_HEADERS;

typedef HTTP_FILTER_PREPROC_HEADERS HTTP_FILTER_SEND_RESPONSE, *PHTTP_FILTER_SEND_RESPONSE;

typedef struct _HTTP_FILTER_AUTHENT {
    CHAR *pszUser;
    DWORD cbUserBuff;
    CHAR *pszPassword;
    DWORD cbPasswordBuff;
} HTTP_FILTER_AUTHENT, *PHTTP_FILTER_AUTHENT;

typedef struct _HTTP_FILTER_AUTH_COMPLETE_INFO {
    BOOL (*GetHeader)(struct _HTTP_FILTER_CONTEXT *pfc, LPSTR lpszName, LPVOID lpvBuffer, LPDWORD lpdwSize);
    BOOL (*SetHeader)(struct _HTTP_FILTER_CONTEXT *pfc, LPSTR lpszName, LPSTR lpszValue);
    BOOL (*AddHeader)(struct _HTTP_FILTER_CONTEXT *pfc, LPSTR lpszName, LPSTR lpszValue);
    BOOL (*GetUserToken)(struct _HTTP_FILTER_CONTEXT *pfc, HANDLE *phToken);
    DWORD HttpStatus;
    BOOL fResetAuth;
    DWORD dwReserved;
} HTTP_FILTER_AUTH_COMPLETE_INFO, *PHTTP_FILTER_AUTH_COMPLETE_INFO;

typedef struct _HTTP_FILTER_URL_MAP {
    const CHAR *pszURL;
    CHAR *pszPhysicalPath;
    DWORD cbPathBuff;
} HTTP_FILTER_URL_MAP, *PHTTP_FILTER_URL_MAP;

typedef struct _HTTP_FILTER_URL_MAP_EX {
    const CHAR *pszURL;
    CHAR *pszPhysicalPath;
    DWORD cbPathBuff;
    DWORD dwFlags;
    DWORD cchMatchingPath;
    DWORD cchMatchingURL;
    const CHAR *pszScriptMapEntry;
} HTTP_FILTER_URL_MAP_EX, *PHTTP_FILTER_URL_MAP_EX;

typedef struct _HTTP_FILTER_ACCESS_DENIED {
    const CHAR *pszURL;
    const CHAR *pszPhysicalPath;
    DWORD dwReason;
} HTTP_FILTER_ACCESS_DENIED, *PHTTP_FILTER_ACCESS_DENIED;

typedef struct _HTTP_FILTER_LOG {
    const CHAR *pszClientHostName;
    const CHAR *pszClientUserName;
    const CHAR *pszServerName;
    const CHAR *pszOperation;
    const CHAR *pszTarget;
    const CHAR *pszParameters;
    DWORD dwHttpStatus;
    DWORD dwWin32Status;
    DWORD dwBytesSent;
    DWORD dwBytesRecvd;
    DWORD msTimeForProcessing;
} HTTP_FILTER_LOG, *PHTTP_FILTER_LOG;

/* what the library exports; TerminateFilter is optional */
BOOL GetFilterVersion(HTTP_FILTER_VERSION *pVer);
DWORD HttpFilterProc(HTTP_FILTER_CONTEXT *pfc, DWORD NotificationType, LPVOID pvNotification);
BOOL TerminateFilter(DWORD dwFlags);
/* isapy: end */

#ifdef __cplusplus
}
#endif
#endif
