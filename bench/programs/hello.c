/* The least a CGI program can do: what is measured is the server and the start of a process. */
#include <stdio.h>

int main(void)
{
    return fputs("Content-Type: text/plain\r\n\r\nHello from C\n", stdout) < 0;
}
