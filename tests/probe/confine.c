/*
 * Becomes another program under a system call filter, so that tests can play a host that forbids things. In C for the same
 * reason as hostile.c. The filter is made elsewhere (tests/support/hosts/filter.rs), for which this prints the numbers.
 *
 *     confine calls                       name and number of each system call of this machine
 *     confine FILTER PROGRAM [ARGUMENT]…  FILTER is a file: an array of struct sock_filter
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
    const char *name;
    int number;
} calls[] = {
#include "calls.h"
};

static struct sock_filter instructions[BPF_MAXINSNS];

static int failed(const char *what) {
    fprintf(stderr, "confine: %s: %s\n", what, strerror(errno));
    return 126;
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "calls") == 0) {
        for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
            printf("%s %d\n", calls[i].name, calls[i].number);
        return 0;
    }
    if (argc < 3) return fprintf(stderr, "confine: a filter and a program, please\n"), 2;
    int file = open(argv[1], O_RDONLY | O_CLOEXEC);
    ssize_t size = file < 0 ? -1 : read(file, instructions, sizeof instructions);
    if (size <= 0) return failed(argv[1]);
    struct sock_fprog program = {size / sizeof *instructions, instructions};
    /* Root may load one as a container's runtime does, and setuid programs keep their power. Anybody else pays with it. */
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0 &&
        (errno != EACCES || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
         syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0))
        return failed("seccomp");
    execvp(argv[2], argv + 2);
    return failed(argv[2]);
}
