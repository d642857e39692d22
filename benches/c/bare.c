/* Runs a program in a directory by chroot alone, as a user, from a small prepared process: what a program costs on the
 * bare tree.
 *
 *     bare ROOT UID PROGRAM ARGUMENTS...
 *
 * Answers on standard output are 8 bytes each: one when it is ready, and for each byte that comes on standard input the
 * nanoseconds that the program took. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static uint64_t one_round(const char *root, uid_t uid, char **argv)
{
	char *envp[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", NULL };
	uint64_t begin = now();
	int status;
	pid_t child = vfork();
	if (child == 0) {
		int null = open("/dev/null", O_RDWR);
		dup2(null, 0);
		dup2(null, 1);
		if (chroot(root) == 0 && chdir("/") == 0 && setgroups(0, NULL) == 0 && setresgid(uid, uid, uid) == 0 &&
		    setresuid(uid, uid, uid) == 0)
			execve(argv[0], argv, envp);
		_exit(127);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0 || status != 0)
		_exit(125);
	return now() - begin;
}

/* Programs want a /dev. It is bound in a mount namespace of our own, so that nobody else sees it. */
static int bind_dev(const char *root)
{
	char dev[4096];
	if (snprintf(dev, sizeof dev, "%s/dev", root) >= (int)sizeof dev)
		return -1;
	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return -1;
	return mount("/dev", dev, NULL, MS_BIND | MS_REC, NULL);
}

int main(int argc, char **argv)
{
	char byte;
	uint64_t took = 0;
	if (argc < 4)
		return 2;
	if (bind_dev(argv[1]) < 0) {
		perror("bare: /dev");
		return 1;
	}
	while (write(1, &took, sizeof took) == sizeof took && read(0, &byte, 1) == 1)
		took = one_round(argv[1], atoi(argv[2]), argv + 3);
	return 0;
}
