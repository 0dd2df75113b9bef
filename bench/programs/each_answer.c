/* A client that asks for a path over kept connections and writes, for each answer, when it was due and how long it took:
   two numbers of 64 bits, nanoseconds of the monotonic clock.

   Usage: each_answer PORT PATH CONNECTIONS SECONDS RATE. At RATE 0 each connection asks again as soon as it has its
   answer; otherwise so many requests are due in a second, over all connections, however late the answers are. A
   connection that ends is opened anew; what it has not answered, and each status but 200, is counted on standard error. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_BYTES = 65536, AT_ONCE = 64, TICK_MILLISECONDS = 100, SLACK_NANOSECONDS = 1000 };
static const uint64_t SECOND = 1000000000u;

struct connection {
    int socket, is_busy;
    uint64_t due;
    size_t length, whole;
    char answer[ANSWER_BYTES + 1];
};

static char request[1024];
static size_t request_size;
static struct sockaddr_in address = {.sin_family = AF_INET};
static int poll;
static long errors;

static uint64_t now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * SECOND + (uint64_t)at.tv_nsec;
}

static void open_connection(struct connection *connection)
{
    int yes = 1;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    connection->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    connection->is_busy = 0;
    if (connection->socket < 0 || connect(connection->socket, (struct sockaddr *)&address, sizeof address) != 0) {
        perror("each_answer: connect");
        exit(1);
    }
    setsockopt(connection->socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    epoll_ctl(poll, EPOLL_CTL_ADD, connection->socket, &event);
}

static void ask(struct connection *connection, uint64_t due)
{
    connection->due = due;
    connection->is_busy = 1;
    connection->length = connection->whole = 0;
    if (send(connection->socket, request, request_size, MSG_NOSIGNAL) != (ssize_t)request_size)
        shutdown(connection->socket, SHUT_RDWR); /* its end is read, and counted there */
}

/* Whether the answer is whole now. A connection that has ended is another one afterwards. */
static int hears(struct connection *connection)
{
    ssize_t count = recv(connection->socket, connection->answer + connection->length,
                         ANSWER_BYTES - connection->length, 0);
    if (count <= 0) {
        errors += connection->is_busy;
        close(connection->socket);
        open_connection(connection);
        return 0;
    }
    connection->length += (size_t)count;
    connection->answer[connection->length] = '\0';
    const char *end = strstr(connection->answer, "\r\n\r\n");
    if (connection->whole == 0 && end != NULL) {
        const char *field = strcasestr(connection->answer, "\r\nContent-Length:");
        connection->whole = (size_t)(end + 4 - connection->answer);
        if (field != NULL && field < end)
            connection->whole += strtoul(field + 17, NULL, 10);
        errors += memcmp(connection->answer + 9, "200", 3) != 0;
    }
    return connection->whole > 0 && connection->length >= connection->whole;
}

/* Ask for what is due, as far as connections are free; gives when the next request will be. */
static uint64_t ask_for_due(struct connection *connections, int count, uint64_t due, uint64_t period)
{
    static int last;
    for (int tried = 0; tried < count && due <= now();) {
        last = (last + 1) % count;
        if (connections[last].is_busy) {
            tried++;
            continue;
        }
        ask(&connections[last], due);
        due += period;
        tried = 0;
    }
    return due;
}

int main(int argument_count, char **arguments)
{
    if (argument_count != 6)
        return 2;
    int count = atoi(arguments[3]), size;
    double seconds = atof(arguments[4]), rate = atof(arguments[5]);
    address.sin_port = htons((uint16_t)atoi(arguments[1]));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    size = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\n\r\n", arguments[2], arguments[1]);
    if (size < 0 || size >= (int)sizeof request || count < 1)
        return 2;
    request_size = (size_t)size;
    prctl(PR_SET_TIMERSLACK, SLACK_NANOSECONDS); /* or each request would be due 50 microseconds later than it is */
    poll = epoll_create1(EPOLL_CLOEXEC);
    struct connection *connections = calloc((size_t)count, sizeof *connections);
    for (int number = 0; number < count; number++)
        open_connection(&connections[number]);
    uint64_t begin = now(), end = begin + (uint64_t)(seconds * 1e9), due = begin;
    uint64_t period = rate > 0 ? (uint64_t)(1e9 / rate) : 0;
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(poll, EPOLL_CTL_ADD, timer, &event);
    while (now() < end) {
        if (period > 0) {
            due = ask_for_due(connections, count, due, period);
            struct itimerspec at = {.it_value = {(time_t)(due / SECOND), (long)(due % SECOND)}};
            int is_late = due <= now(); /* nobody is free: the next answer is waited for, no moment */
            timerfd_settime(timer, TFD_TIMER_ABSTIME, is_late ? &(struct itimerspec){0} : &at, NULL);
        } else
            for (int number = 0; number < count; number++)
                if (!connections[number].is_busy)
                    ask(&connections[number], now());
        struct epoll_event events[AT_ONCE];
        int ready = epoll_wait(poll, events, AT_ONCE, TICK_MILLISECONDS);
        for (int number = 0; number < ready; number++) {
            struct connection *connection = events[number].data.ptr;
            uint64_t expired;
            if (connection == NULL) {
                if (read(timer, &expired, sizeof expired) < 0)
                    continue; /* it has been set anew meanwhile */
            } else if (hears(connection)) {
                uint64_t answer[2] = {connection->due, now() - connection->due};
                fwrite(answer, sizeof answer, 1, stdout);
                connection->is_busy = 0;
            }
        }
    }
    fprintf(stderr, "%ld\n", errors);
    return 0;
}
