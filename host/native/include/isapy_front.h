/* What a library brings along so that an everyday answer needs no way into isapy: `httpext.h` includes it.
 *
 * A head that isapy has accepted before, and a few writes, are kept here while HttpExtensionProc runs; isapy takes them
 * when it returns. Everything else goes to isapy's own callbacks, which take over first what is kept. Nobody has to call
 * anything of this, and ISAPY_NO_FRONT, defined before the include, leaves it out: all calls are then isapy's.
 */
#ifndef ISAPY_FRONT_H
#define ISAPY_FRONT_H

/* isapy: begin */
#define ISAPY_KEPT_BYTES 8192
#define ISAPY_HEADS 16
#define ISAPY_HEAD_BYTES 480

/* What the proc of one request has sent. Only the thread that is in the proc writes, and only while it is not taken. */
typedef struct _ISAPY_KEPT {
    HCONN ConnID;
    DWORD nHead; /* which of the known heads was sent; 0: none */
    DWORD cbBody;
    DWORD cbRoom;
    DWORD fTaken; /* isapy has taken it: everything goes there from now on */
    DWORD fLocked;
    BYTE abBody[ISAPY_KEPT_BYTES];
} ISAPY_KEPT;

typedef struct _ISAPY_HEAD {
    DWORD cbStatus;
    DWORD cbHeaders;
    BOOL fKeepConn;
    CHAR achTexts[ISAPY_HEAD_BYTES]; /* the status, then the header */
} ISAPY_HEAD;

/* Of the library: isapy's own callbacks, and the heads that it has accepted. They only become more. */
typedef struct _ISAPY_FRONT {
    const EXTENSION_CONTROL_BLOCK *pTemplate;
    DWORD nHeads;
    ISAPY_HEAD aHeads[ISAPY_HEADS];
} ISAPY_FRONT;

ISAPY_FRONT *isapy_front_1(void);
ISAPY_KEPT **isapy_kept_1(void);
DWORD isapy_call_1(ISAPY_KEPT *pKept, EXTENSION_CONTROL_BLOCK *pECB, uintptr_t nConnection, const char *pszTexts,
                   DWORD cbMethod, DWORD cbQuery, DWORD cbPath, DWORD cbTranslated, DWORD cbType,
                   DWORD (*pfnProc)(EXTENSION_CONTROL_BLOCK *pECB));
void isapy_take_1(ISAPY_KEPT *pKept);
DWORD isapy_learn_1(const char *pszStatus, DWORD cbStatus, const char *pszHeaders, DWORD cbHeaders, BOOL fKeepConn);
/* isapy: end */

#ifndef ISAPY_NO_FRONT
#define ISAPY_WEAK __attribute__((weak, visibility("default")))

ISAPY_WEAK ISAPY_FRONT *isapy_front_1(void)
{
    static ISAPY_FRONT front;
    return &front;
}

/* What the proc that this thread is in keeps. */
ISAPY_WEAK ISAPY_KEPT **isapy_kept_1(void)
{
    static __thread ISAPY_KEPT *kept;
    return &kept;
}

static inline DWORD isapy_length(const char *text, DWORD limit)
{
    DWORD length = 0;
    if (text)
        while ((!limit || length < limit) && text[length])
            length++;
    return length;
}

static inline BOOL isapy_lock(ISAPY_KEPT *kept)
{
    while (__atomic_exchange_n(&kept->fLocked, 1, __ATOMIC_ACQUIRE))
        ;
    return TRUE;
}

static inline void isapy_unlock(ISAPY_KEPT *kept) { __atomic_store_n(&kept->fLocked, 0, __ATOMIC_RELEASE); }

/* The number of that head, if it is known: one that is not goes to isapy, which says whether it is one. */
static inline DWORD isapy_known_head(const char *status, DWORD status_size, const char *headers, DWORD headers_size,
                                     BOOL keeps)
{
    ISAPY_FRONT *front = isapy_front_1();
    DWORD number, count = __atomic_load_n(&front->nHeads, __ATOMIC_ACQUIRE);
    for (number = 0; number < count; number++) {
        ISAPY_HEAD *head = &front->aHeads[number];
        if (head->cbStatus == status_size && head->cbHeaders == headers_size && !head->fKeepConn == !keeps &&
            (!status_size || !__builtin_memcmp(head->achTexts, status, status_size)) &&
            (!headers_size || !__builtin_memcmp(head->achTexts + status_size, headers, headers_size)))
            return number + 1;
    }
    return 0;
}

static inline BOOL isapy_keep_head(ISAPY_KEPT *kept, const char *status, DWORD status_limit, const char *headers,
                                   DWORD headers_limit, BOOL keeps)
{
    BOOL is_kept = FALSE;
    DWORD number = isapy_known_head(status, isapy_length(status, status_limit), headers,
                                    isapy_length(headers, headers_limit), keeps);
    if (number && isapy_lock(kept)) {
        if (!kept->fTaken && !kept->nHead) {
            kept->nHead = number;
            is_kept = TRUE;
        }
        isapy_unlock(kept);
    }
    return is_kept;
}

static inline BOOL isapy_keep_body(ISAPY_KEPT *kept, LPVOID data, DWORD size)
{
    BOOL is_kept = FALSE;
    isapy_lock(kept);
    if (!kept->fTaken && kept->nHead && size <= kept->cbRoom - kept->cbBody) {
        __builtin_memcpy(kept->abBody + kept->cbBody, data, size);
        kept->cbBody += size;
        is_kept = TRUE;
    }
    isapy_unlock(kept);
    return is_kept;
}

static inline BOOL isapy_write_client(HCONN connection, LPVOID data, LPDWORD size, DWORD flags)
{
    ISAPY_KEPT *kept = *isapy_kept_1();
    if (kept && kept->ConnID == connection && data && size && *size && !(flags & HSE_IO_ASYNC) &&
        isapy_keep_body(kept, data, *size))
        return TRUE;
    return isapy_front_1()->pTemplate->WriteClient(connection, data, size, flags);
}

static inline BOOL isapy_support_function(HCONN connection, DWORD request, LPVOID buffer, LPDWORD size, LPDWORD kind)
{
    ISAPY_KEPT *kept = *isapy_kept_1();
    if (kept && kept->ConnID == connection) {
        if (request == HSE_REQ_SEND_RESPONSE_HEADER_EX && buffer) {
            HSE_SEND_HEADER_EX_INFO *info = (HSE_SEND_HEADER_EX_INFO *)buffer;
            if (isapy_keep_head(kept, info->pszStatus, info->cchStatus, info->pszHeader, info->cchHeader,
                                info->fKeepConn))
                return TRUE;
        } else if (request == HSE_REQ_SEND_RESPONSE_HEADER) {
            if (isapy_keep_head(kept, (const char *)buffer, 0, (const char *)kind, 0, TRUE))
                return TRUE;
        }
    }
    return isapy_front_1()->pTemplate->ServerSupportFunction(connection, request, buffer, size, kind);
}

/* Fill the block (its texts lie behind it) and call the proc. */
ISAPY_WEAK DWORD isapy_call_1(ISAPY_KEPT *kept, EXTENSION_CONTROL_BLOCK *block, uintptr_t connection,
                              const char *texts, DWORD method, DWORD query, DWORD path, DWORD translated, DWORD type,
                              DWORD (*proc)(EXTENSION_CONTROL_BLOCK *))
{
    ISAPY_KEPT **current = isapy_kept_1(), *before = *current;
    char *at = (char *)(block + 1);
    DWORD status;
    *block = *isapy_front_1()->pTemplate;
    __builtin_memcpy(at, texts, (size_t)method + query + path + translated + type + 6);
    block->ConnID = (HCONN)connection;
    if (kept)
        kept->ConnID = block->ConnID;
    block->lpszMethod = at;
    block->lpszQueryString = at += method + 1;
    block->lpszPathInfo = at += query + 1;
    block->lpszPathTranslated = at += path + 1;
    block->lpszContentType = at += translated + 1;
    block->lpbData = (LPBYTE)(at + type + 1);
    block->WriteClient = isapy_write_client;
    block->ServerSupportFunction = isapy_support_function;
    *current = kept;
    status = proc(block);
    *current = before;
    return status;
}

/* Know that head from now on; its number, or 0 when there is no room. One thread at a time. */
ISAPY_WEAK DWORD isapy_learn_1(const char *status, DWORD status_size, const char *headers, DWORD headers_size,
                               BOOL keeps)
{
    ISAPY_FRONT *front = isapy_front_1();
    DWORD number = front->nHeads;
    ISAPY_HEAD *head = &front->aHeads[number];
    if (number == ISAPY_HEADS || status_size > ISAPY_HEAD_BYTES || headers_size > ISAPY_HEAD_BYTES - status_size)
        return 0;
    head->cbStatus = status_size;
    head->cbHeaders = headers_size;
    head->fKeepConn = keeps;
    __builtin_memcpy(head->achTexts, status, status_size);
    __builtin_memcpy(head->achTexts + status_size, headers, headers_size);
    __atomic_store_n(&front->nHeads, number + 1, __ATOMIC_RELEASE);
    return number + 1;
}

/* Nothing more is kept. On any thread. */
ISAPY_WEAK void isapy_take_1(ISAPY_KEPT *kept)
{
    isapy_lock(kept);
    kept->fTaken = TRUE;
    isapy_unlock(kept);
}
#endif

#endif
