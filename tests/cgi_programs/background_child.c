/* Answers and ends, but leaves a child in a session of its own that keeps the output open. The child's number is the
 * body; with a query of "length" its Content-Length says where the body ends. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
    const char *query = getenv("QUERY_STRING");
    const char *length = query && strcmp(query, "length") == 0 ? "Content-Length: 10\n" : "";
    pid_t child = fork();
    if (child == 0) {
        setsid();
        for (;;)
            pause();
    }
    printf("Content-Type: text/plain\n%s\n%-9d\n", length, (int)child);
    return 0;
}
