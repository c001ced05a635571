/* What dxc.c takes from windows.h, on Linux, where DXC is a shared library with the same interfaces: there wide letters have 32
 * bits, and calls no convention of their own. */
#include <dlfcn.h>
#include <locale.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

typedef int32_t HRESULT;
typedef uint32_t UINT;
typedef size_t SIZE_T;
typedef wchar_t WCHAR;
typedef const wchar_t *LPCWSTR;
typedef void *HMODULE;
typedef struct {
    uint32_t data1;
    uint16_t data2, data3;
    uint8_t data4[8];
} GUID;
#define WINAPI
#define MAX_PATH 4096
#define CP_UTF8 65001

#define LoadLibraryA(name) dlopen(name, RTLD_NOW)
#define GetProcAddress dlsym
#define GetLastError() 0ul
#define MultiByteToWideChar(page, flags, from, length, to, most) mbstowcs(to, from, most)
