/* What fxc.c and dxc.c share: the list that they read and the words that they answer with.
 *
 * A list has a line `SOURCE<TAB>entry<TAB>profile` for each shader; all are compiled in one process,
 * because a start of Wine takes longer than a shader. The answer to a line is `ok SOURCE`, followed by
 * `warning SOURCE: …` for each use before initialisation, or `REFUSED SOURCE`, followed by what the
 * compiler says, indented by a tab. Exit 0: all compiled; 1: some were refused; 2: nothing could be tried. */
#ifdef _WIN32
#include <windows.h>
#include <fcntl.h>
#include <io.h>
#else
#include "elsewhere.h"
#endif
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Compiles one shader and answers for it; false if it is refused. */
static int compile(const char *source, const char *text, size_t size, const char *entry, const char *profile);

/* The next line of a text, without its end; NULL after the last. */
static char *next_line(char **rest)
{
    char *line = *rest;
    if (!line || !*line)
        return NULL;
    char *end = line + strcspn(line, "\r\n");
    *rest = end + strspn(end, "\r\n");
    *end = 0;
    return line;
}

/* Answers for a shader, given all that the compiler said of it; returns `compiled`. The words that
 * tell a use before initialisation from other warnings are the compiler's own. */
static int answer(const char *source, int compiled, char *said, const char *uninitialised)
{
    char *line;
    printf("%s %s\n", compiled ? "ok" : "REFUSED", source);
    while ((line = next_line(&said))) {
        if (!compiled)
            printf("\t%s\n", line);
        else if (strstr(line, "warning") && strstr(line, uninitialised))
            printf("warning %s: %s\n", source, line);
    }
    fflush(stdout);
    return compiled;
}

/* The bytes of a file and a zero behind them; NULL if it cannot be read. */
static char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    fseek(file, 0, SEEK_END);
    *size = ftell(file);
    rewind(file);
    char *bytes = malloc(*size + 1);
    *size = fread(bytes, 1, *size, file);
    bytes[*size] = 0;
    fclose(file);
    return bytes;
}

/* The DLL's function of this name. Ends the program where there is none, for then nothing can be tried. */
static void *find(const char *dll, const char *name)
{
    HMODULE module = LoadLibraryA(dll);
    void *function = module ? (void *)GetProcAddress(module, name) : NULL;
    if (!function) {
        printf("%s: no %s (error %lu)\n", dll, name, GetLastError());
        exit(2);
    }
    return function;
}

/* Compiles all that a list names; the exit status. */
static int compile_list(const char *list)
{
    size_t size;
    int refused = 0;
    char *line, *rest = read_file(list, &size);
    if (!rest) {
        printf("%s cannot be read\n", list);
        return 2;
    }
    while ((line = next_line(&rest))) {
        char *source = strtok(line, "\t"), *entry = strtok(NULL, "\t"), *profile = strtok(NULL, "\t");
        if (!profile) {
            printf("%s: a line without entry or profile: %s\n", list, line);
            return 2;
        }
        char *text = read_file(source, &size);
        if (text)
            refused += !compile(source, text, size, entry, profile);
        else
            refused += !answer(source, 0, (char[]){"cannot be read"}, "");
        free(text);
    }
    return refused > 0;
}

/* Lines end as they do elsewhere, not as on Windows; and paths are UTF-8. */
static void plain_output(void)
{
#ifdef _WIN32
    _setmode(_fileno(stdout), _O_BINARY);
#else
    setlocale(LC_CTYPE, "C.UTF-8");
#endif
}
