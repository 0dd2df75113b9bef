/* For sources that include <windows.h>: what of it ISAPI needs. */
#ifndef ISAPY_WINDOWS_H
#define ISAPY_WINDOWS_H
#include "wintypes.h"
#endif
