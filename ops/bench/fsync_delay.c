/* A slow disk: every call that waits for it takes 2 ms longer while the file DELAY_FLAG exists.
 * Compiled and loaded into the database's process (LD_PRELOAD) by src/slow_disk.rs. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

static void wait_for_the_disk(void)
{
    int before = errno;
    if (access(DELAY_FLAG, F_OK) == 0) {
        struct timespec left = { 0, 2000000 };
        while (nanosleep(&left, &left) != 0 && errno == EINTR) {
        }
    }
    errno = before;
}

int fsync(int file)
{
    static int (*next)(int);
    if (!next)
        next = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    wait_for_the_disk();
    return next(file);
}

int fdatasync(int file)
{
    static int (*next)(int);
    if (!next)
        next = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    wait_for_the_disk();
    return next(file);
}

int sync_file_range(int file, off64_t offset, off64_t bytes, unsigned int flags)
{
    static int (*next)(int, off64_t, off64_t, unsigned int);
    if (!next)
        next = (int (*)(int, off64_t, off64_t, unsigned int))dlsym(RTLD_NEXT, "sync_file_range");
    wait_for_the_disk();
    return next(file, offset, bytes, flags);
}
