/* The smallest compiled CGI program. */
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    const char *query = getenv("QUERY_STRING");
    printf("Content-Type: text/plain\n\nHello from C, %s\n", query ? query : "(none)");
    return 0;
}
