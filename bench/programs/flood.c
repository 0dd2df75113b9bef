/* An answer of 100 MB (10^8 bytes), written in pieces of 64 KiB. */
#include <stdio.h>
#include <unistd.h>

#define TOTAL 100000000L

static char piece[65536];

int main(void)
{
    long left = TOTAL;

    printf("Content-Type: application/octet-stream\r\nContent-Length: %ld\r\n\r\n", TOTAL);
    if (fflush(stdout))
        return 1;
    while (left > 0) {
        ssize_t count = write(1, piece, left < (long)sizeof piece ? (size_t)left : sizeof piece);
        if (count < 0)
            return 1;
        left -= count;
    }
    return 0;
}
