/* The conformance application (application.py) as an ISAPI extension in C. */
#include <httpext.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PIECE 65536
#define TEXT "Content-Type: text/plain; charset=utf-8\r\n"
#define JSON "Content-Type: application/json\r\n"
#define BINARY "Content-Type: application/octet-stream\r\n"

typedef EXTENSION_CONTROL_BLOCK Block;

static unsigned char pattern[PIECE];

/* --- SHA-256 (FIPS 180-4) */

typedef struct {
    uint32_t state[8];
    unsigned char block[64];
    uint64_t length;
} Digest;

static const uint32_t K[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01,
    0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
    0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08,
    0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static uint32_t turn(uint32_t word, int count)
{
    return word >> count | word << (32 - count);
}

static void digest_block(Digest *digest)
{
    uint32_t words[64], s[8];
    for (int i = 0; i < 16; i++)
        words[i] = (uint32_t)digest->block[4 * i] << 24 | (uint32_t)digest->block[4 * i + 1] << 16
                   | (uint32_t)digest->block[4 * i + 2] << 8 | digest->block[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = words[i - 15], b = words[i - 2];
        words[i] = words[i - 16] + (turn(a, 7) ^ turn(a, 18) ^ a >> 3) + words[i - 7]
                   + (turn(b, 17) ^ turn(b, 19) ^ b >> 10);
    }
    memcpy(s, digest->state, sizeof s);
    for (int i = 0; i < 64; i++) {
        uint32_t one = s[7] + (turn(s[4], 6) ^ turn(s[4], 11) ^ turn(s[4], 25)) + ((s[4] & s[5]) ^ (~s[4] & s[6])) + K[i]
                       + words[i];
        uint32_t two = (turn(s[0], 2) ^ turn(s[0], 13) ^ turn(s[0], 22)) + ((s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]));
        memmove(s + 1, s, 7 * sizeof *s);
        s[4] += one;
        s[0] = one + two;
    }
    for (int i = 0; i < 8; i++)
        digest->state[i] += s[i];
}

static void digest_bytes(Digest *digest, const unsigned char *data, size_t size)
{
    while (size--) {
        digest->block[digest->length++ % 64] = *data++;
        if (digest->length % 64 == 0)
            digest_block(digest);
    }
}

static void digest_end(Digest *digest, char *text)
{
    uint64_t bits = digest->length * 8;
    unsigned char tail[8];
    digest_bytes(digest, (const unsigned char *)"\x80", 1);
    while (digest->length % 64 != 56)
        digest_bytes(digest, (const unsigned char *)"", 1);
    for (int i = 0; i < 8; i++)
        tail[i] = (unsigned char)(bits >> (56 - 8 * i));
    digest_bytes(digest, tail, 8);
    for (int i = 0; i < 8; i++)
        sprintf(text + 8 * i, "%08x", digest->state[i]);
}

/* --- what the control block does */

static BOOL begin(Block *ecb, int status, const char *fields)
{
    char line[16], head[8192];
    snprintf(line, sizeof line, "%d As it is", status);
    snprintf(head, sizeof head, "%s\r\n", fields);
    HSE_SEND_HEADER_EX_INFO info = {line, head, (DWORD)strlen(line), (DWORD)strlen(head), TRUE};
    return ecb->ServerSupportFunction(ecb->ConnID, HSE_REQ_SEND_RESPONSE_HEADER_EX, &info, NULL, NULL);
}

static BOOL put(Block *ecb, const void *data, size_t size)
{
    DWORD count = (DWORD)size;
    return size == 0 || ecb->WriteClient(ecb->ConnID, (void *)data, &count, HSE_IO_SYNC);
}

static BOOL put_text(Block *ecb, const char *text)
{
    return put(ecb, text, strlen(text));
}

/* The next piece of the body: what came with the request first. 0 at its end. */
static DWORD take(Block *ecb, char *buffer, DWORD *ahead)
{
    DWORD size = PIECE;
    if (*ahead < ecb->cbAvailable) {
        size = ecb->cbAvailable - *ahead < PIECE ? ecb->cbAvailable - *ahead : PIECE;
        memcpy(buffer, ecb->lpbData + *ahead, size);
        *ahead += size;
        return size;
    }
    return ecb->ReadClient(ecb->ConnID, buffer, &size) ? size : 0;
}

static void variable(Block *ecb, const char *name, char *value, DWORD size)
{
    if (!ecb->GetServerVariable(ecb->ConnID, (char *)name, value, &size))
        *value = 0;
}

/* A value of the query, decoded. */
static const char *asked(Block *ecb, const char *name, char *value, size_t size)
{
    const char *at = ecb->lpszQueryString;
    size_t length = strlen(name), used = 0;
    *value = 0;
    for (; at != NULL; at = (at = strchr(at, '&')) ? at + 1 : NULL)
        if (strncmp(at, name, length) == 0 && at[length] == '=')
            break;
    if (at == NULL)
        return value;
    for (at += length + 1; *at && *at != '&' && used + 1 < size; at++) {
        if (*at == '%') {
            char digits[3] = {at[1], at[2], 0};
            value[used++] = (char)strtol(digits, NULL, 16);
            at += 2;
        } else {
            value[used++] = *at;
        }
    }
    value[used] = 0;
    return value;
}

static void wait_for(const char *path)
{
    for (int i = 0; i < 24000 && access(path, F_OK) != 0; i++)
        usleep(5000);
}

/* --- what is asked for */

static BOOL tell_facts(Block *ecb)
{
    char script[1024], own[256], text[4096];
    variable(ecb, "SCRIPT_NAME", script, sizeof script);
    variable(ecb, "HTTP_X_OWN", own, sizeof own);
    snprintf(text, sizeof text,
             "{\"method\": \"%s\", \"script_name\": \"%s\", \"path_info\": \"%s\", \"query\": \"%s\","
             " \"fields\": {\"x-own\": \"%s\"}}",
             ecb->lpszMethod, script, ecb->lpszPathInfo, ecb->lpszQueryString, own);
    return begin(ecb, 200, JSON) && put_text(ecb, text);
}

static BOOL digest_body(Block *ecb)
{
    Digest digest = {{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19},
                     {0},
                     0};
    char buffer[PIECE], hex[65], text[160];
    DWORD ahead = 0, size;
    while ((size = take(ecb, buffer, &ahead)) > 0)
        digest_bytes(&digest, (unsigned char *)buffer, size);
    uint64_t length = digest.length;
    digest_end(&digest, hex);
    snprintf(text, sizeof text, "{\"sha256\": \"%s\", \"length\": %llu}", hex, (unsigned long long)length);
    return begin(ecb, 200, JSON) && put_text(ecb, text);
}

static BOOL echo(Block *ecb)
{
    char buffer[PIECE];
    DWORD ahead = 0, size;
    if (!begin(ecb, 200, BINARY))
        return FALSE;
    while ((size = take(ecb, buffer, &ahead)) > 0)
        if (!put(ecb, buffer, size))
            return FALSE;
    return TRUE;
}

static BOOL down(Block *ecb, long size)
{
    char value[16], fields[128];
    snprintf(fields, sizeof fields, BINARY "Content-Length: %ld\r\n", size);
    if (!begin(ecb, 200, *asked(ecb, "chunked", value, sizeof value) ? BINARY : fields))
        return FALSE;
    for (long at = 0; at < size; at += PIECE)
        if (!put(ecb, pattern, size - at < PIECE ? (size_t)(size - at) : PIECE))
            return FALSE;
    return TRUE;
}

static BOOL many_fields(Block *ecb, int count)
{
    char raw[16384], fields[8192] = TEXT, text[16];
    int seen = 0;
    variable(ecb, "ALL_RAW", raw, sizeof raw);
    for (char *line = raw; line != NULL; line = (line = strstr(line, "\r\n")) ? line + 2 : NULL)
        seen += strncmp(line, "X-In-", 5) == 0;
    for (int i = 0; i < count; i++)
        sprintf(fields + strlen(fields), "X-Out-%d: %s\r\n", i, "vvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvvv");
    strcat(fields, "Set-Cookie: a=1\r\nSet-Cookie: b=2\r\n");
    snprintf(text, sizeof text, "%d", seen);
    return begin(ecb, 200, fields) && put_text(ecb, text);
}

static BOOL status(Block *ecb, int code)
{
    char text[32];
    snprintf(text, sizeof text, "status %d\n", code);
    return begin(ecb, code, TEXT) && (code == 204 || code == 304 || put_text(ecb, text));
}

static BOOL answer(Block *ecb, const char *action)
{
    char value[1024];
    if (strcmp(action, "facts") == 0)
        return tell_facts(ecb);
    if (strcmp(action, "digest") == 0)
        return digest_body(ecb);
    if (strcmp(action, "echo") == 0)
        return echo(ecb);
    if (strcmp(action, "down") == 0)
        return down(ecb, atol(asked(ecb, "size", value, sizeof value)));
    if (strcmp(action, "fields") == 0)
        return many_fields(ecb, atoi(asked(ecb, "count", value, sizeof value)));
    if (strcmp(action, "status") == 0)
        return status(ecb, atoi(asked(ecb, "code", value, sizeof value)));
    if (strcmp(action, "ignore") == 0)
        return begin(ecb, 200, TEXT) && put_text(ecb, "ignored\n");
    if (strcmp(action, "empty") == 0)
        return begin(ecb, 200, TEXT);
    if (strcmp(action, "stream") == 0) {
        if (!begin(ecb, 200, TEXT) || !put_text(ecb, "one\n"))
            return FALSE;
        wait_for(asked(ecb, "until", value, sizeof value));
        return put_text(ecb, "two\n");
    }
    if (strcmp(action, "endless") == 0) {
        BOOL goes_on = begin(ecb, 200, TEXT);
        while (goes_on)
            goes_on = put(ecb, pattern, PIECE);
    }
    return FALSE; /* error */
}

BOOL GetExtensionVersion(HSE_VERSION_INFO *version)
{
    for (int i = 0; i < PIECE; i++)
        pattern[i] = (unsigned char)i;
    version->dwExtensionVersion = HSE_VERSION;
    snprintf(version->lpszExtensionDesc, sizeof version->lpszExtensionDesc, "Conformance application");
    return TRUE;
}

DWORD HttpExtensionProc(Block *ecb)
{
    char action[32];
    asked(ecb, "action", action, sizeof action);
    if (strcmp(action, "error_after") == 0) { /* an extension cuts an answer by closing its connection */
        char until[1024];
        begin(ecb, 200, TEXT "Content-Length: 100\r\n");
        put_text(ecb, "begun\n");
        wait_for(asked(ecb, "until", until, sizeof until));
        return HSE_STATUS_ERROR;
    }
    return answer(ecb, action) ? HSE_STATUS_SUCCESS_AND_KEEP_CONN : HSE_STATUS_ERROR;
}

BOOL TerminateExtension(DWORD flags)
{
    (void)flags;
    return TRUE;
}
