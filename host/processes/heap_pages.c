/* Pages of Python's heap that say what they said before the fork are shared again.

   Python counts references up and down again in the objects it touches, so many pages that a forked process has copied
   say the same as before. Memory of a process's own cannot be exchanged for its parent's; pages of a file can be given
   back (MADV_DONTNEED), and are the file's again. So the heap is laid down in a file in memory, once, before anybody is
   forked, and mapped from there, each process's writes its own. Everything happens inside one call, which no Python
   code interrupts. `shared_heap.py` says who calls, and why nobody else writes meanwhile. */

#define _GNU_SOURCE
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define FILE_NAME "isapy-heap"
#define MAPPED_NAME "/memfd:" FILE_NAME
#define SCRATCH_BYTES (4u << 20)   /* of addresses; what is not touched costs nothing */
#define TEXT_BYTES (2u << 20)      /* of it, for the list of mappings */
#define RUNS 4096
#define POOL_BYTES 16384u          /* POOL_SIZE of CPython 3.10 to 3.13 where addresses have 64 bits */
#define POOL_HEADER_BYTES 48u
#define ALIGNMENT 16u
#define SIZE_CLASSES 32u
#define MAX_ARENAS (1u << 20)
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 8u
#endif
#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22 /* Linux 5.14; before, each page is mapped when it is asked for */
#endif

/* obmalloc.c: struct pool_header */
struct pool_header {
    uint64_t count;  /* an unsigned int, and a pointer's room for it */
    uint64_t free_block, next, previous;
    uint32_t arena, size_class, next_offset, max_next_offset;
};

struct run {
    uintptr_t start;
    size_t bytes;
};

struct mapping {
    uintptr_t start, end;
    char permissions[5];
    unsigned long offset, inode;
    const char *name;
};

struct scratch {
    char text[TEXT_BYTES];
    struct run runs[RUNS];
};

static struct scratch *
scratch_memory(void)
{
    void *place = mmap(NULL, SCRATCH_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return place == MAP_FAILED ? NULL : place;
}

/* The text of /proc/self/maps; 0 when it cannot be had whole. */
static int
read_mappings(char *text)
{
    int file = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    size_t length = 0;
    ssize_t count = -1;
    if (file < 0)
        return 0;
    while (length < TEXT_BYTES - 1 && (count = read(file, text + length, TEXT_BYTES - 1 - length)) > 0)
        length += (size_t)count;
    close(file);
    text[length] = 0;
    return count == 0;
}

/* The next line of the text; NULL behind the last one. The name is empty where there is none. */
static char *
next_mapping(char *text, struct mapping *found)
{
    char *end = strchr(text, '\n');
    int name_at = 0;
    if (end == NULL)
        return NULL;
    *end = 0;
    if (sscanf(text, "%" SCNxPTR "-%" SCNxPTR " %4s %lx %*s %lu %n", &found->start, &found->end, found->permissions,
               &found->offset, &found->inode, &name_at) < 5)
        return NULL;
    found->name = text + name_at;
    return end + 1;
}

static int
is_heap_file(const struct mapping *one)
{
    return strncmp(one->name, MAPPED_NAME, sizeof MAPPED_NAME - 1) == 0;
}

/* Whether a pool of Python's small objects begins there: all that its header says must fit together. */
static int
is_pool(uintptr_t place)
{
    const struct pool_header *pool = (const struct pool_header *)place;
    uint32_t bytes = (pool->size_class + 1) * ALIGNMENT;
    return pool->size_class < SIZE_CLASSES && pool->max_next_offset == POOL_BYTES - bytes && pool->arena < MAX_ARENAS &&
           pool->next_offset >= POOL_HEADER_BYTES && pool->next_offset <= POOL_BYTES &&
           (pool->next_offset - POOL_HEADER_BYTES) % bytes == 0 &&
           (uint32_t)pool->count <= (POOL_BYTES - POOL_HEADER_BYTES) / bytes &&
           (pool->free_block == 0 || pool->free_block - place < POOL_BYTES);
}

/* All pools of this process, as few runs as there are; 0 when the heap is in a file already. */
static int
find_pools(struct scratch *scratch)
{
    struct mapping one;
    char *text = scratch->text;
    int count = 0;
    while ((text = next_mapping(text, &one)) != NULL) {
        if (is_heap_file(&one))
            return 0;
        if (one.inode || *one.name || strcmp(one.permissions, "rw-p") || one.start == (uintptr_t)scratch)
            continue;
        for (uintptr_t place = (one.start + POOL_BYTES - 1) & ~(uintptr_t)(POOL_BYTES - 1);
             place + POOL_BYTES <= one.end && count < RUNS; place += POOL_BYTES) {
            struct run *last = scratch->runs + count - 1;
            if (!is_pool(place))
                continue;
            if (count && last->start >= one.start && last->start + last->bytes == place)
                last->bytes += POOL_BYTES;
            else
                scratch->runs[count++] = (struct run){place, POOL_BYTES};
        }
    }
    return count;
}

/* A file in memory that holds the runs, one behind the other, and that nobody can change; -1 when it cannot be had. */
static int
write_file(const struct run *runs, int count)
{
    int file = memfd_create(FILE_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (file < 0 && errno == EINVAL) /* before Linux 6.3 */
        file = memfd_create(FILE_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (file < 0)
        return -1;
    for (int i = 0; i < count; i++)
        for (size_t done = 0; done < runs[i].bytes;) {
            ssize_t bytes = write(file, (const char *)runs[i].start + done, runs[i].bytes - done);
            if (bytes <= 0) {
                close(file);
                return -1;
            }
            done += (size_t)bytes;
        }
    if (fcntl(file, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
        close(file);
        return -1;
    }
    return file;
}

/* Map all pages of the file there, which whoever is forked inherits: it takes less than as many faults. */
static void
map_all(uintptr_t start, size_t bytes)
{
    madvise((void *)start, bytes, MADV_POPULATE_READ);
}

/* The runs come from the file from now on. Its second mapping is what pages are compared with. */
static size_t
map_file(int file, const struct run *runs, int count)
{
    size_t bytes = 0;
    for (int i = 0; i < count; i++)
        bytes += runs[i].bytes;
    if (mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, file, 0) == MAP_FAILED)
        return 0;
    bytes = 0;
    for (int i = 0; i < count; i++) {
        if (mmap((void *)runs[i].start, runs[i].bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file,
                 (off_t)bytes) == MAP_FAILED)
            abort(); /* whether what was there is still there, nobody knows */
        map_all(runs[i].start, runs[i].bytes);
        bytes += runs[i].bytes;
    }
    return bytes;
}

static PyObject *
lay_down(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    struct scratch *scratch = scratch_memory();
    size_t bytes = 0;
    int count = 0, file;
    if (scratch != NULL && sysconf(_SC_PAGESIZE) <= (long)POOL_BYTES && read_mappings(scratch->text))
        count = find_pools(scratch);
    if (count && (file = write_file(scratch->runs, count)) >= 0) {
        bytes = map_file(file, scratch->runs, count);
        close(file);
    }
    if (scratch != NULL)
        munmap(scratch, SCRATCH_BYTES);
    return PyLong_FromSize_t(bytes);
}

/* Whether the file is mapped as it was laid down, and where. */
static int
find_image(char *text, struct mapping *found)
{
    struct mapping one;
    int is_found = 0;
    char *next;
    for (; (next = next_mapping(text, &one)) != NULL; text = next) {
        if (!is_found && is_heap_file(&one) && !strcmp(one.permissions, "r--p") && one.offset == 0) {
            *found = one;
            is_found = 1;
        }
        next[-1] = '\n'; /* it is read again */
    }
    return is_found;
}

/* Give back what is the same as in the file. `pages` is /proc/self/pagemap, or -1: which of them are this process's
   own is not known then, and all are compared. Returns how many bytes are the file's now (also those that
   were, then). */
static size_t
give_back_equals(uintptr_t start, size_t bytes, const char *image, int pages, size_t page)
{
    size_t given = 0, same_from = 0;
    uint64_t flags[512];
    for (size_t at = 0; at <= bytes; at += page) {
        size_t number = at / page;
        int is_same = 0;
        if (at < bytes) {
            if (pages >= 0 && number % 512 == 0 &&
                pread(pages, flags, sizeof flags, (off_t)((start + at) / page * 8)) != (ssize_t)sizeof flags)
                pages = -1;
            int is_own = pages < 0 || (flags[number % 512] >> 61 & 5) == 4; /* present, and not of a file */
            is_same = is_own && memcmp((const char *)start + at, image + at, page) == 0;
        }
        if (is_same)
            continue;
        if (at > same_from && madvise((void *)(start + same_from), at - same_from, MADV_DONTNEED) == 0)
            given += at - same_from;
        same_from = at + page;
    }
    return given;
}

static PyObject *
give_back(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    struct scratch *scratch = scratch_memory();
    struct mapping image = {0}, one;
    size_t given = 0;
    if (scratch != NULL && read_mappings(scratch->text) && find_image(scratch->text, &image)) {
        size_t bytes = image.end - image.start;
        int pages = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
        for (char *text = scratch->text; (text = next_mapping(text, &one)) != NULL;)
            if (one.inode == image.inode && is_heap_file(&one) && !strcmp(one.permissions, "rw-p") &&
                one.offset + (one.end - one.start) <= bytes) {
                given += give_back_equals(one.start, one.end - one.start, (const char *)image.start + one.offset, pages,
                                          (size_t)sysconf(_SC_PAGESIZE));
                map_all(one.start, one.end - one.start);
            }
        madvise((void *)image.start, bytes, MADV_DONTNEED); /* not even its page tables stay */
        if (pages >= 0)
            close(pages);
    }
    if (scratch != NULL)
        munmap(scratch, SCRATCH_BYTES);
    return PyLong_FromSize_t(given);
}

static PyMethodDef methods[] = {
    {"lay_down", lay_down, METH_NOARGS, NULL},
    {"give_back", give_back, METH_NOARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "heap_pages", .m_size = 0, .m_methods = methods,
};

PyMODINIT_FUNC
PyInit_heap_pages(void)
{
    return PyModule_Create(&definition);
}
