/* The few Windows types, constants and macros that ISAPI's structures speak of, for Linux.
 *
 * DWORD is 32 bits and BOOL an int, as on Windows: only so do the structures of httpext.h and httpfilt.h have the
 * published layout on a 64-bit Linux (where `unsigned long` has 64 bits). Sources of Windows that include
 * <windows.h> for these types alone compile as they are.
 *
 * What lies between the lines `isapy: begin` and `isapy: end` is read by isapy itself, too.
 */
#ifndef ISAPY_WINTYPES_H
#define ISAPY_WINTYPES_H

#include <stddef.h>
#include <stdint.h>

/* isapy: begin */
typedef uint32_t DWORD;
typedef int BOOL;
typedef uint8_t BYTE;
typedef char CHAR;
typedef uint16_t WORD;
typedef uint16_t USHORT;
typedef uint16_t WCHAR; /* UTF-16; the wchar_t of Linux has 32 bits and is another type */
typedef int32_t LONG;
typedef int32_t HRESULT;
typedef uint32_t UINT;
typedef uint32_t ULONG;
typedef uint64_t ULONGLONG;
typedef uintptr_t ULONG_PTR;
typedef void *PVOID;
typedef void *LPVOID;
typedef char *LPSTR;
typedef const char *LPCSTR;
typedef WCHAR *LPWSTR;
typedef const WCHAR *LPCWSTR;
typedef BYTE *LPBYTE;
typedef DWORD *LPDWORD;
typedef DWORD *PDWORD;
typedef BOOL *LPBOOL;
typedef void *HANDLE; /* of a file: its descriptor, see ISAPY_HANDLE */
typedef void *HMODULE;

#define TRUE 1
#define FALSE 0
#define MAX_PATH 260

#define NO_ERROR 0
#define ERROR_SUCCESS 0
#define ERROR_INVALID_FUNCTION 1
#define ERROR_FILE_NOT_FOUND 2
#define ERROR_PATH_NOT_FOUND 3
#define ERROR_ACCESS_DENIED 5
#define ERROR_INVALID_HANDLE 6
#define ERROR_NOT_ENOUGH_MEMORY 8
#define ERROR_INVALID_DATA 13
#define ERROR_OUTOFMEMORY 14
#define ERROR_HANDLE_EOF 38
#define ERROR_NOT_SUPPORTED 50
#define ERROR_NETNAME_DELETED 64
#define ERROR_INVALID_PARAMETER 87
#define ERROR_CALL_NOT_IMPLEMENTED 120
#define ERROR_INSUFFICIENT_BUFFER 122
#define ERROR_NO_DATA 232
#define ERROR_MORE_DATA 234
#define ERROR_NO_MORE_ITEMS 259
#define ERROR_OPERATION_ABORTED 995
#define ERROR_IO_PENDING 997
#define ERROR_CONNECTION_INVALID 1229
#define ERROR_INVALID_INDEX 1413
#define ERROR_INTERNAL_ERROR 1359
#define WSAEINVAL 10022
#define WSAECONNABORTED 10053
#define WSAECONNRESET 10054
/* isapy: end */

#define WINAPI
#define APIENTRY
#define CALLBACK
#define VOID void
#define CONST const
#define IN
#define OUT

#define INVALID_HANDLE_VALUE ((HANDLE)(intptr_t)-1)
#define ISAPY_HANDLE(descriptor) ((HANDLE)(intptr_t)(descriptor)) /* the HANDLE of an open file of this process */
#define ISAPY_DESCRIPTOR(handle) ((int)(intptr_t)(handle))

#define MAKELONG(low, high) ((LONG)(((WORD)(low)) | ((DWORD)((WORD)(high))) << 16))
#define LOWORD(value) ((WORD)((DWORD)(value) & 0xffff))
#define HIWORD(value) ((WORD)((DWORD)(value) >> 16))

#define ISAPY_EXPORT __attribute__((visibility("default")))
#ifndef __declspec
#define __declspec(what) ISAPY_DECLSPEC_##what
#define ISAPY_DECLSPEC_dllexport ISAPY_EXPORT
#define ISAPY_DECLSPEC_dllimport
#define ISAPY_DECLSPEC_thread __thread
#endif

/* The last error of this thread. isapy writes it when a callback returns FALSE. The library brings the place itself
 * (one of it, however many of its files include this header), so nothing has to be linked: isapy finds it by its name. */
#ifdef __cplusplus
extern "C" {
#endif
/* isapy: begin */
DWORD *isapy_last_error(void);
/* isapy: end */
__attribute__((weak, visibility("default"))) DWORD *isapy_last_error(void)
{
    static __thread DWORD code;
    return &code;
}
#ifdef __cplusplus
}
#endif

static inline DWORD GetLastError(void) { return *isapy_last_error(); }
static inline void SetLastError(DWORD code) { *isapy_last_error() = code; }

#endif
