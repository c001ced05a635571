/* dxc.exe DLL [LIST]: compiles every HLSL file of LIST with `dxcompiler.dll`, as wgpu does. Without LIST
 * it only says which version the DLL is. See list.h for LIST and the answers. */
#include "list.h"

/* A COM object; its methods are called by their place in the table. */
typedef struct Object {
    void **methods;
} Object;
#define METHOD(object, place, ...) ((HRESULT (WINAPI *)(Object *, ##__VA_ARGS__))(object)->methods[place])

/* Places of the methods, those of IUnknown and of the interface's parents included. */
enum {
    QUERY_INTERFACE = 0,
    RELEASE = 2,
    GET_VERSION = 3,    /* IDxcVersionInfo */
    COMPILE = 3,        /* IDxcCompiler3 */
    GET_STATUS = 3,     /* IDxcResult, from IDxcOperationResult */
    GET_ERRORS = 5,     /* the same */
    GET_POINTER = 3,    /* IDxcBlob */
    GET_SIZE = 4,       /* the same */
};

static const GUID CLSID_DxcCompiler =
    {0x73e22d93, 0xe6ce, 0x47f3, {0xb5, 0xbf, 0xf0, 0x66, 0x4f, 0x39, 0xc1, 0xb0}};
static const GUID IID_IDxcCompiler3 =
    {0x228b4687, 0x5a6a, 0x4730, {0x90, 0x0c, 0x97, 0x02, 0xb2, 0x20, 0x3f, 0x54}};
static const GUID IID_IDxcResult =
    {0x58346cda, 0xdde7, 0x4497, {0x94, 0x61, 0x6f, 0x87, 0xaf, 0x5e, 0x06, 0x59}};
static const GUID IID_IDxcVersionInfo =
    {0xb04f5b50, 0x2059, 0x4f12, {0xa8, 0xff, 0xa1, 0xe0, 0xcd, 0xe1, 0xcc, 0x7e}};

typedef struct {
    const void *text;
    SIZE_T size;
    UINT encoding;
} Buffer;

static Object *compiler;

static void release(Object *object)
{
    if (object)
        METHOD(object, RELEASE)(object);
}

/* Compiles once; true if there is code. `said` becomes a copy of what the compiler says. */
static int run(const char *source, const char *text, size_t size, const char *entry, const char *profile,
    LPCWSTR warnings, char **said)
{
    WCHAR name[MAX_PATH], wide_entry[256], wide_profile[16];
    MultiByteToWideChar(CP_UTF8, 0, source, -1, name, MAX_PATH);
    MultiByteToWideChar(CP_UTF8, 0, entry, -1, wide_entry, 256);
    MultiByteToWideChar(CP_UTF8, 0, profile, -1, wide_profile, 16);
    /* What wgpu-hal passes outside of debugging, for a device without types of 16 bits; -Ges is strictness. */
    LPCWSTR args[] = {name, L"-E", wide_entry, L"-T", wide_profile, L"-HV", L"2018", warnings, L"-Ges",
#ifndef _WIN32
        L"-Vd", /* Beside the library for Linux lies none that signs, and DXC would say so each time. */
#endif
    };
    Buffer buffer = {text, size, CP_UTF8};
    Object *result = NULL, *errors = NULL;
    HRESULT status = METHOD(compiler, COMPILE, Buffer *, LPCWSTR *, UINT, void *, const GUID *, void **)(
        compiler, &buffer, args, sizeof args / sizeof *args, NULL, &IID_IDxcResult, (void **)&result);
    if (status >= 0) {
        METHOD(result, GET_STATUS, HRESULT *)(result, &status);
        METHOD(result, GET_ERRORS, Object **)(result, &errors);
    }
    if (errors) {
        size_t length = ((SIZE_T (WINAPI *)(Object *))errors->methods[GET_SIZE])(errors);
        *said = calloc(length + 1, 1);
        memcpy(*said, ((void *(WINAPI *)(Object *))errors->methods[GET_POINTER])(errors), length);
        release(errors);
    } else { /* Without words of the compiler there is still the code of its error. */
        *said = calloc(32, 1);
        snprintf(*said, 32, "error 0x%08lx", (unsigned long)status);
    }
    release(result);
    return status >= 0;
}

static int compile(const char *source, const char *text, size_t size, const char *entry, const char *profile)
{
    char *said, *still;
    int compiled = run(source, text, size, entry, profile, L"-Wuninitialized", &said);
    /* wgpu silences warnings and takes anything that is said then for a refusal. */
    if (compiled && *said) {
        compiled = run(source, text, size, entry, profile, L"-no-warnings", &still) && !*still;
        if (!compiled) {
            free(said);
            said = still;
        } else
            free(still);
    }
    compiled = answer(source, compiled, said, "uninitialized");
    free(said);
    return compiled;
}

int main(int count, char **args)
{
    plain_output();
    if (count != 2 && count != 3) {
        printf("usage: dxc.exe DLL [LIST]\n");
        return 2;
    }
    HRESULT (WINAPI *create)(const GUID *, const GUID *, void **) = find(args[1], "DxcCreateInstance");
    if (create(&CLSID_DxcCompiler, &IID_IDxcCompiler3, (void **)&compiler) < 0) {
        printf("%s: no IDxcCompiler3\n", args[1]);
        return 2;
    }
    if (count == 3)
        return compile_list(args[2]);
    Object *version;
    UINT major, minor;
    if (METHOD(compiler, QUERY_INTERFACE, const GUID *, void **)(
            compiler, &IID_IDxcVersionInfo, (void **)&version) >= 0) {
        METHOD(version, GET_VERSION, UINT *, UINT *)(version, &major, &minor);
        printf("DXC %u.%u\n", major, minor);
    }
    return 0;
}
