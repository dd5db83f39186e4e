/* A workload that looks for a way to evidence. Prints "found nothing" and ends 0 only if there is none. */
#define _GNU_SOURCE
#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static int found;

static void report(const char *what) {
    printf("found %s\n", what);
    found++;
}

static void descriptors(void) {
    for (int fd = 3; fd < 1024; fd++)
        if (fcntl(fd, F_GETFD) != -1) report("an inherited descriptor");
}

static void agent(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0) return;
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) report("the platform's socket");
    close(fd);
}

static void parent(void) {
    DIR *folder = opendir("/proc/1/fd");
    if (folder) {
        while (readdir(folder)) {}
        report("the descriptors of PID 1");
    }
    if (ptrace(PTRACE_ATTACH, 1, 0, 0) == 0) report("ptrace of PID 1");
    long pidfd = syscall(SYS_pidfd_open, 1, 0);
    if (pidfd >= 0 && syscall(SYS_pidfd_getfd, (int)pidfd, 3, 0) >= 0) report("pidfd_getfd");
    if (open("/proc/1/mem", O_RDONLY) >= 0) report("the memory of PID 1");
}

static void devices(void) {
    const char *paths[] = {"/dev/sev-guest", "/dev/tdx_guest", "/dev/sgx_enclave", "/dev/nsm", "/dev/tpm0",
                           "/dev/mem", "/dev/vda", "/sys/kernel/config/tsm", "/run/casemate"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (access(paths[i], F_OK) == 0) report(paths[i]);
}

static void escapes(void) {
    if (mount("none", "/tmp", "tmpfs", 0, 0) == 0) report("mount");
    if (unshare(CLONE_NEWUSER) == 0) report("a new user namespace");
    if (mknod("/run/vda", S_IFBLK | 0600, (254 << 8)) == 0) report("mknod");
    if (setuid(0) == 0) report("uid 0");
    if (open("/usr/bin/evil", O_CREAT | O_WRONLY, 0755) >= 0) report("a writable root");
}

int main(int argc, char **argv) {
    descriptors();
    if (argc > 1) agent(argv[1]);
    parent();
    devices();
    escapes();
    if (found == 0) printf("found nothing\n");
    return found != 0;
}
