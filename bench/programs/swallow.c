/* Reads its whole body and says how long it was; a body of another length than was announced is an error. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char piece[65536];

int main(void)
{
    const char *announced = getenv("CONTENT_LENGTH");
    long wanted = announced ? atol(announced) : 0, total = 0;
    ssize_t count;

    while (total < wanted && (count = read(0, piece, sizeof piece)) > 0)
        total += count;
    if (total != wanted)
        fputs("Status: 500 Wrong Length\r\n", stdout);
    return printf("Content-Type: text/plain\r\n\r\nbytes: %ld\n", total) < 0;
}
