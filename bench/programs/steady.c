/* A client that asks for a path at a steady pace, in turn on a kept connection and on a new one, and writes for each
   request how many microseconds after it was due its whole answer was there; -1 when there was none with status 200.

   Usage: steady PORT PATH COUNT INTERVAL_MICROSECONDS. Requests that are not begun half a minute after the last was due
   have failed. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_BYTES = 65536, ANSWER_SECONDS = 10, GRACE_MICROSECONDS = 30000000 };

static long now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * 1000000L + at.tv_nsec / 1000;
}

static void wait_until(long due)
{
    long left = due - now();
    if (left > 0) {
        struct timespec pause = {left / 1000000L, left % 1000000L * 1000};
        nanosleep(&pause, NULL);
    }
}

static int connect_to(int port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct timeval most = {ANSWER_SECONDS, 0};
    int yes = 1, connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connection < 0)
        return -1;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof most);
    if (connect(connection, (struct sockaddr *)&address, sizeof address) == 0)
        return connection;
    close(connection);
    return -1;
}

enum outcome { FAILED, ANSWERED, ANSWERED_LAST };

/* Answered with 200 and as many bytes as announced; such an answer has a length, and is short. */
static enum outcome asks(int connection, const char *request, size_t size)
{
    static char answer[ANSWER_BYTES + 1];
    size_t length = 0, whole = 0;
    int is_last = 0;
    if (send(connection, request, size, MSG_NOSIGNAL) != (ssize_t)size)
        return FAILED;
    while (whole == 0 || length < whole) {
        ssize_t count = recv(connection, answer + length, ANSWER_BYTES - length, 0);
        if (count <= 0)
            return FAILED;
        length += (size_t)count;
        answer[length] = '\0';
        const char *end = strstr(answer, "\r\n\r\n");
        if (whole == 0 && end != NULL) {
            const char *field = strcasestr(answer, "\r\nContent-Length:");
            const char *close = strcasestr(answer, "\r\nConnection: close");
            if (field == NULL || field > end)
                return FAILED;
            is_last = close != NULL && close < end;
            whole = (size_t)(end + 4 - answer) + strtoul(field + 17, NULL, 10);
        }
    }
    if (length <= 12 || memcmp(answer + 9, "200", 3) != 0)
        return FAILED;
    return is_last ? ANSWERED_LAST : ANSWERED;
}

int main(int count, char **arguments)
{
    if (count != 5)
        return 2;
    int port = atoi(arguments[1]), kept = -1;
    long requests = atol(arguments[3]), interval = atol(arguments[4]);
    char request[1024];
    int size = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", arguments[2], port);
    if (size < 0 || size >= (int)sizeof request)
        return 2;
    long began = now(), end = began + requests * interval + GRACE_MICROSECONDS;
    for (long number = 0; number < requests; number++) {
        long due = began + number * interval;
        wait_until(due);
        int is_kept = number % 2 == 0;
        int connection = is_kept && kept >= 0 ? kept : now() < end ? connect_to(port) : -1;
        enum outcome outcome = connection >= 0 && now() < end ? asks(connection, request, (size_t)size) : FAILED;
        printf("%ld\n", outcome != FAILED ? now() - due : -1L);
        if (is_kept && outcome == ANSWERED)
            kept = connection;
        else {
            if (connection >= 0)
                close(connection);
            if (is_kept)
                kept = -1;
        }
    }
    return 0;
}
