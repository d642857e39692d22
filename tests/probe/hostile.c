/*
 * Tries what a hostile program inside a root would try, and prints one line of JSON for each attempt:
 *
 *     {"try":"mount a tmpfs","errno":"EPERM"}
 *
 * "ok" in place of an errno means that the kernel let it through. In C because no safe library of Rust offers these
 * calls, and the project allows unsafe code in one place only. Each attempt runs in a child of its own, so that one
 * which succeeds (a new namespace, another user) does not change what the next one finds.
 */
#define _GNU_SOURCE
#include <asm/unistd.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define TIOCLINUX_PASTE 3

/* A terminal to push characters into: the caller's, which is what an attack would aim at. */
static int terminal(void) {
    int fd = open("/dev/tty", O_RDWR);
    return fd >= 0 ? fd : 0;
}

static long push_character(unsigned long request) {
    char c = '\n';
    return syscall(SYS_ioctl, terminal(), request, &c);
}

static long tiocsti(void) { return push_character(TIOCSTI); }
/* The kernel takes 32 bits of the request; a filter that compares 64 is deceived. */
static long tiocsti_high_bits(void) { return push_character(TIOCSTI | (1UL << 40)); }

static long tioclinux(void) {
    char what = TIOCLINUX_PASTE;
    return syscall(SYS_ioctl, terminal(), (unsigned long)TIOCLINUX, &what);
}

static long mount_tmpfs(void) { return mount("none", "/tmp", "tmpfs", 0, ""); }
static long mount_proc(void) { return mount("none", "/tmp", "proc", 0, ""); }
static long mount_bind(void) { return mount("/", "/tmp", NULL, MS_BIND | MS_REC, NULL); }
static long remount_root(void) { return mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL); }
static long unmount_proc(void) { return umount2("/proc", MNT_DETACH); }
static long new_user_namespace(void) { return unshare(CLONE_NEWUSER); }
static long new_mount_namespace(void) { return unshare(CLONE_NEWNS); }
static long new_net_namespace(void) { return unshare(CLONE_NEWNET); }

/* glibc's clone3 would need a stack; the kernel needs only the structure. */
static long clone3_user_namespace(void) {
    uint64_t args[11] = {CLONE_NEWUSER, 0, 0, 0, SIGCHLD};
    long child = syscall(SYS_clone3, args, sizeof args);
    if (child == 0) _exit(0);
    return child < 0 ? -1 : 0;
}

static long join_namespaces_of_1(void) {
    int fd = open("/proc/1/ns/mnt", O_RDONLY);
    return fd < 0 ? -1 : setns(fd, 0);
}

static long root_of_1(void) { return open("/proc/1/root/etc/passwd", O_RDONLY); }
static long memory_of_1(void) { return open("/proc/1/mem", O_RDWR); }
static long executable_of_1(void) { return open("/proc/1/exe", O_WRONLY); }
static long descriptors_of_1(void) { return open("/proc/1/fd", O_RDONLY | O_DIRECTORY); }
/* What they lead to, whatever it is. Their names alone are numbers. */
static long follow_descriptor_of_1(void) {
    DIR *descriptors = opendir("/proc/1/fd");
    if (!descriptors) return -1;
    errno = ENOENT;
    for (struct dirent *entry; (entry = readdir(descriptors));)
        if (entry->d_name[0] != '.' && openat(dirfd(descriptors), entry->d_name, O_PATH) >= 0) return 0;
    return -1;
}

static long ptrace_1(void) { return ptrace(PTRACE_SEIZE, 1, NULL, NULL); }

static long steal_descriptor_of_1(void) {
    int fd = syscall(SYS_pidfd_open, 1, 0);
    return fd < 0 ? -1 : syscall(SYS_pidfd_getfd, fd, 0, 0);
}

/* Signals from inside its pid namespace do not reach pid 1 unless it handles them; it must survive even so. */
static long kill_1(void) { return kill(1, SIGKILL); }

/* chroot does not change the work directory: a second one, and `..` leads past the first. */
static long chroot_escape(void) {
    if (mkdir("/tmp/.hostile", 0700) < 0 && errno != EEXIST) return -1;
    int result = chroot("/tmp/.hostile");
    int error = errno;
    if (result == 0) result = chdir("../../../../../../..") < 0 || chroot(".") < 0 ? -1 : 0;
    else rmdir("/tmp/.hostile");
    errno = error;
    return result;
}

static long make_disk_node(void) {
    int result = mknod("/tmp/.disk", S_IFBLK | 0600, makedev(8, 0));
    if (result == 0) unlink("/tmp/.disk");
    return result;
}

static long sysrq(void) { return open("/proc/sysrq-trigger", O_WRONLY); }
static long core_pattern(void) { return open("/proc/sys/kernel/core_pattern", O_WRONLY); }
static long kernel_memory(void) { return open("/proc/kcore", O_RDONLY); }
static long host_uevent(void) { return open("/sys/kernel/uevent_helper", O_WRONLY); }
static long keyring(void) { return syscall(SYS_keyctl, KEYCTL_GET_KEYRING_ID, -4 /* the user's own */, 1); }
static long add_key(void) { return syscall(SYS_add_key, "user", "hostile", "x", 1, -3 /* the session's */); }
static long bpf(void) { return syscall(SYS_bpf, 0, NULL, 0); }
static long perf(void) { return syscall(SYS_perf_event_open, NULL, 0, -1, -1, 0); }
static long userfault(void) { return syscall(SYS_userfaultfd, 0); }
static long io_uring(void) { return syscall(SYS_io_uring_setup, 1, NULL); }
static long open_by_handle(void) { return syscall(SYS_open_by_handle_at, -1, NULL, 0); }
static long load_module(void) { return syscall(SYS_finit_module, -1, "", 0); }
static long kexec(void) { return syscall(SYS_kexec_load, 0, 0, NULL, 0); }
static long reboot_machine(void) { return syscall(SYS_reboot, 0xfee1dead, 672274793, 0 /* nothing */, NULL); }
static long set_clock(void) { return syscall(SYS_settimeofday, NULL, NULL) < 0 ? -1 : syscall(SYS_clock_settime, 0, NULL); }
static long set_host_name(void) { return sethostname("hostile", 7); }
static long swap_on(void) { return syscall(SYS_swapon, "/nowhere", 0); }
static long become_root(void) { return setuid(0); }
static long drop_groups(void) { return syscall(SYS_setgroups, 0, NULL); }
static long personality_32(void) { return syscall(SYS_personality, 0x0008 /* PER_LINUX32 */); }
static long raw_socket(void) { return socket(AF_INET, SOCK_RAW, 1); }
static long packet_socket(void) { return socket(AF_PACKET, SOCK_RAW, 0); }
static long virtual_machine_socket(void) { return socket(AF_VSOCK, SOCK_STREAM, 0); }

static const struct { const char *name; long (*attempt)(void); } attempts[] = {
    {"TIOCSTI", tiocsti},
    {"TIOCSTI with high bits", tiocsti_high_bits},
    {"TIOCLINUX", tioclinux},
    {"unshare user", new_user_namespace},
    {"unshare mnt", new_mount_namespace},
    {"unshare net", new_net_namespace},
    {"clone3 user", clone3_user_namespace},
    {"setns to pid 1", join_namespaces_of_1},
    {"root of pid 1", root_of_1},
    {"memory of pid 1", memory_of_1},
    {"executable of pid 1", executable_of_1},
    {"descriptors of pid 1", descriptors_of_1},
    {"follow a descriptor of pid 1", follow_descriptor_of_1},
    {"ptrace pid 1", ptrace_1},
    {"steal a descriptor of pid 1", steal_descriptor_of_1},
    {"kill pid 1", kill_1},
    {"chroot escape", chroot_escape},
    {"make a disk node", make_disk_node},
    {"sysrq-trigger", sysrq},
    {"core_pattern", core_pattern},
    {"kcore", kernel_memory},
    {"uevent_helper", host_uevent},
    {"keyctl", keyring},
    {"add_key", add_key},
    {"bpf", bpf},
    {"perf_event_open", perf},
    {"userfaultfd", userfault},
    {"io_uring_setup", io_uring},
    {"open_by_handle_at", open_by_handle},
    {"finit_module", load_module},
    {"kexec_load", kexec},
    {"reboot", reboot_machine},
    {"set the clock", set_clock},
    {"sethostname", set_host_name},
    {"swapon", swap_on},
    {"setuid 0", become_root},
    {"setgroups", drop_groups},
    {"personality", personality_32},
    {"raw socket", raw_socket},
    {"packet socket", packet_socket},
    {"vsock", virtual_machine_socket},
    /* Last, for the mounts that a success changes are everybody's. */
    {"mount a tmpfs", mount_tmpfs},
    {"mount a proc", mount_proc},
    {"bind the root", mount_bind},
    {"remount the root", remount_root},
    {"unmount /proc", unmount_proc},
};

/* The errno of one attempt, as the exit code of a child; a child that was killed reports its signal. */
static const char *outcome(long (*attempt)(void)) {
    static char killed[32];
    int status;
    pid_t child = fork();
    if (child < 0) return strerrorname_np(errno);
    if (child == 0) _exit(attempt() < 0 ? errno : 0);
    if (waitpid(child, &status, 0) < 0) return strerrorname_np(errno);
    if (WIFSIGNALED(status)) {
        snprintf(killed, sizeof killed, "SIG%s", sigabbrev_np(WTERMSIG(status)));
        return killed;
    }
    return WEXITSTATUS(status) == 0 ? "ok" : strerrorname_np(WEXITSTATUS(status));
}

/* Whether this is the machine's own pid namespace, whose number every Linux has. */
static int is_the_machine(void) {
    char name[64] = "";
    return readlink("/proc/self/ns/pid", name, sizeof name - 1) < 0 || strcmp(name, "pid:[4026531836]") == 0;
}

int main(void) {
    if (is_the_machine()) {
        fprintf(stderr, "hostile: not outside of a root: it would end the machine's pid 1\n");
        return 2;
    }
    /* A child must not print again what is still in the buffer. */
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (size_t i = 0; i < sizeof attempts / sizeof *attempts; i++) {
        const char *errno_name = outcome(attempts[i].attempt);
        printf("{\"try\":\"%s\",\"errno\":\"%s\"}\n", attempts[i].name, errno_name ? errno_name : "unknown");
        fflush(stdout);
    }
    return 0;
}
