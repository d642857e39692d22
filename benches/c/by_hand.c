/* One fresh root, one command, its end: the fewest system calls that do it, from a small process that already sits in
 * the user namespace. What the library is measured against.
 *
 *     by_hand LOWER UID GID PROGRAM
 *
 * Answers on standard output are 8 bytes each: one when it waits for its id maps, one when it is ready, and for each
 * byte that comes on standard input the nanoseconds that one round took. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what)
{
	fprintf(stderr, "by_hand: %s: %s\n", what, strerror(errno));
	_exit(125);
}

#define MUST(call) do { if ((call) < 0) die(#call); } while (0)

static int clone_tree(const char *path)
{
	return syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
}

static void attach(int tree, const char *path)
{
	MUST(syscall(SYS_move_mount, tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH));
	close(tree);
}

static const char *const NODES[] = { "/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty" };
enum { NODE_COUNT = sizeof NODES / sizeof *NODES };

/* The tree that every root is cloned from: a few mounts, so that copying them is cheap. */
static void small_tree(int lower, int proc, const int *nodes)
{
	MUST(mount("small", "/proc", "tmpfs", 0, "mode=0755"));
	MUST(chdir("/proc"));
	MUST(syscall(SYS_pivot_root, ".", "."));
	MUST(umount2(".", MNT_DETACH));
	MUST(chdir("/"));
	const char *const places[] = { "/proc", "/dev", "/lower", "/root", "/up" };
	for (size_t i = 0; i < sizeof places / sizeof *places; i++)
		MUST(mkdir(places[i], 0755));
	attach(proc, "/proc");
	attach(lower, "/lower");
	MUST(mount("dev", "/dev", "tmpfs", MS_NOSUID, "mode=0755"));
	for (int i = 0; i < NODE_COUNT; i++) {
		MUST(mknod(NODES[i], S_IFREG | 0666, 0));
		attach(nodes[i], NODES[i]);
	}
}

/* pid 1 of the new namespaces: it becomes the program itself, so nothing is left to be told about. */
static void inside(uid_t uid, gid_t gid, char *program)
{
	MUST(mount("up", "/up", "tmpfs", 0, "mode=0755"));
	MUST(mkdir("/up/u", 0755));
	MUST(mkdir("/up/w", 0755));
	MUST(mount("root", "/root", "overlay", 0, "lowerdir=/lower,upperdir=/up/u,workdir=/up/w,userxattr"));
	MUST(mount("proc", "/root/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL));
	MUST(mount("/dev", "/root/dev", NULL, MS_MOVE, NULL));
	MUST(chdir("/root"));
	MUST(syscall(SYS_pivot_root, ".", "."));
	MUST(umount2(".", MNT_DETACH));
	MUST(setgroups(0, NULL));
	MUST(setresgid(gid, gid, gid));
	MUST(setresuid(uid, uid, uid));
	char *argv[] = { program, NULL }, *envp[] = { "PATH=/bin", NULL };
	execve(program, argv, envp);
	die(program);
}

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static uint64_t one_round(uid_t uid, gid_t gid, char *program)
{
	struct clone_args args = {
		.flags = CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS,
		.exit_signal = SIGCHLD,
	};
	uint64_t begin = now();
	int status;
	pid_t child = syscall(SYS_clone3, &args, sizeof args);
	MUST(child);
	if (child == 0)
		inside(uid, gid, program);
	MUST(waitpid(child, &status, 0));
	uint64_t end = now();
	if (status != 0)
		die("the command");
	return end - begin;
}

static void tell(uint64_t number)
{
	if (write(1, &number, sizeof number) != sizeof number)
		_exit(1);
}

int main(int argc, char **argv)
{
	if (argc != 5)
		return 2;
	uid_t uid = atoi(argv[2]);
	gid_t gid = atoi(argv[3]);
	char byte;
	/* Root's layers may lie where only root may walk; another's namespace may only clone what is its own. */
	int lower = geteuid() == 0 ? clone_tree(argv[1]) : -1;
	MUST(unshare(CLONE_NEWUSER));
	tell(0);
	if (read(0, &byte, 1) != 1)
		return 1;
	MUST(setresgid(0, 0, 0));
	MUST(setresuid(0, 0, 0));
	MUST(prctl(PR_SET_DUMPABLE, 1));
	MUST(unshare(CLONE_NEWNS));
	if (lower < 0)
		MUST(lower = clone_tree(argv[1]));
	int proc, nodes[NODE_COUNT];
	MUST(proc = syscall(SYS_open_tree, AT_FDCWD, "/proc", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE));
	for (int i = 0; i < NODE_COUNT; i++)
		MUST(nodes[i] = clone_tree(NODES[i]));
	MUST(unshare(CLONE_NEWNS));
	small_tree(lower, proc, nodes);
	tell(0);
	while (read(0, &byte, 1) == 1)
		tell(one_round(uid, gid, argv[4]));
	return 0;
}
