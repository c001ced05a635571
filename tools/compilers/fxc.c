/* fxc.exe DLL [LIST]: compiles every HLSL file of LIST with `d3dcompiler_47.dll`, as wgpu does where it
 * finds no DXC. Without LIST it only says which version the DLL is. See list.h for LIST and the answers. */
#include "list.h"

/* ID3DBlob: bytes that the compiler returns. */
typedef struct Blob {
    struct {
        void *QueryInterface, *AddRef;
        ULONG (WINAPI *Release)(struct Blob *);
        void *(WINAPI *GetBufferPointer)(struct Blob *);
        SIZE_T (WINAPI *GetBufferSize)(struct Blob *);
    } *methods;
} Blob;

static HRESULT (WINAPI *D3DCompile)(const void *text, SIZE_T size, const char *name, const void *defines,
    void *include, const char *entry, const char *profile, UINT flags, UINT flags2, Blob **code, Blob **said);

/* The one flag that wgpu-hal sets outside of debugging. */
#define ENABLE_STRICTNESS (1 << 11)

static int compile(const char *source, const char *text, size_t size, const char *entry, const char *profile)
{
    Blob *code = NULL, *said = NULL;
    HRESULT result = D3DCompile(
        text, size, source, NULL, NULL, entry, profile, ENABLE_STRICTNESS, 0, &code, &said);
    /* Without words of the compiler there is still the code of its error. */
    char number[32];
    snprintf(number, sizeof number, "error 0x%08lx", (unsigned long)result);
    /* X4000: use of a potentially uninitialised variable. The words end with a zero. */
    int compiled = answer(
        source, result >= 0 && code, said ? said->methods->GetBufferPointer(said) : number, "X4000");
    if (code)
        code->methods->Release(code);
    if (said)
        said->methods->Release(said);
    return compiled;
}

/* The version that is written into the DLL. */
static void print_version(const char *dll)
{
    DWORD size = GetFileVersionInfoSizeA(dll, NULL);
    void *info = calloc(size + 1, 1);
    VS_FIXEDFILEINFO *fixed;
    UINT length;
    if (GetFileVersionInfoA(dll, 0, size, info) && VerQueryValueA(info, "\\", (void **)&fixed, &length))
        printf("FXC %u.%u.%u.%u\n", HIWORD(fixed->dwFileVersionMS), LOWORD(fixed->dwFileVersionMS),
            HIWORD(fixed->dwFileVersionLS), LOWORD(fixed->dwFileVersionLS));
    free(info);
}

int main(int count, char **args)
{
    plain_output();
    if (count != 2 && count != 3) {
        printf("usage: fxc.exe DLL [LIST]\n");
        return 2;
    }
    D3DCompile = find(args[1], "D3DCompile");
    if (count == 3)
        return compile_list(args[2]);
    print_version(args[1]);
    return 0;
}
