/* What a CGI request costs at least: for each connection a process that reads a head, starts one and the same program
   with posix_spawn, reads what it writes to the end, waits for it and sends that on. No log, no limits, no environment
   but three variables, one way of writing an answer. Whatever serves CGI can be measured against it.

   Usage: bare_cgi PORT PROGRAM */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { HEAD_BYTES = 16384, OUTPUT_BYTES = 65536, CONNECTIONS_WAITING = 1024 };

static char *const variables[] = {"GATEWAY_INTERFACE=CGI/1.1", "SERVER_PROTOCOL=HTTP/1.1", "REQUEST_METHOD=GET", NULL};

/* Read until an empty line; 0 when the client has gone. */
static int read_head(int connection)
{
    static char head[HEAD_BYTES + 1];
    size_t length = 0;
    while (length < HEAD_BYTES) {
        ssize_t count = read(connection, head + length, HEAD_BYTES - length);
        if (count <= 0)
            return 0;
        length += (size_t)count;
        head[length] = '\0';
        if (strstr(head, "\r\n\r\n") != NULL)
            return 1;
    }
    return 0;
}

/* Run the program and gather its output: how many bytes there are, or -1. */
static ssize_t run(char *program, char *output)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return -1;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    char *const arguments[] = {program, NULL};
    pid_t child;
    int problem = posix_spawn(&child, program, &actions, NULL, arguments, variables);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    ssize_t length = 0, count = 0;
    while (problem == 0 && length < OUTPUT_BYTES && (count = read(ends[0], output + length, OUTPUT_BYTES - (size_t)length)) > 0)
        length += count;
    close(ends[0]);
    int status = 1;
    if (problem != 0 || waitpid(child, &status, 0) != child || status != 0)
        return -1;
    return length;
}

/* The program's head becomes the response's, with what HTTP wants beside it. */
static int answer(int connection, const char *output, ssize_t length)
{
    static char response[OUTPUT_BYTES + 256];
    static const char blank[] = "\r\n\r\n";
    const char *end = length < 0 ? NULL : memmem(output, (size_t)length, blank, 4);
    if (end == NULL)
        return 0;
    size_t head = (size_t)(end - output), body = (size_t)length - head - 4;
    int start = snprintf(response, 256, "HTTP/1.1 200 OK\r\nServer: bare\r\nContent-Length: %zu\r\n", body);
    memcpy(response + start, output, (size_t)length);
    size_t size = (size_t)start + (size_t)length;
    return write(connection, response, size) == (ssize_t)size;
}

static void serve(int connection, char *program)
{
    static char output[OUTPUT_BYTES];
    while (read_head(connection) && answer(connection, output, run(program, output)))
        ;
}

int main(int count, char **arguments)
{
    if (count != 3)
        return 2;
    signal(SIGCHLD, SIG_IGN); /* nobody waits for the connections' processes */
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(arguments[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(listening, (struct sockaddr *)&address, sizeof address) != 0 || listen(listening, CONNECTIONS_WAITING) != 0)
        return 1;
    for (;;) {
        int connection = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
        if (connection < 0)
            continue;
        setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL); /* a connection ends with the server */
            close(listening);
            signal(SIGCHLD, SIG_DFL);
            serve(connection, arguments[2]);
            _exit(0);
        }
        close(connection);
    }
}
