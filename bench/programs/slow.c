/* Writes a line, and then takes its time: until whoever asked has left, ten minutes at most. */
#include <stdio.h>
#include <unistd.h>

int main(void)
{
    if (fputs("Content-Type: text/plain\r\n\r\nstarted\n", stdout) < 0 || fflush(stdout))
        return 1;
    return (int)sleep(600);
}
