// libuv, and the C facilities its Swift side needs and Swift's Glibc module leaves out.
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>
#include <uv.h>

// GNU extensions: defining _GNU_SOURCE here would give Swift a second, different fd_set.
extern int accept4(int descriptor, struct sockaddr *address, socklen_t *length, int flags);
extern int pthread_setname_np(pthread_t thread, const char *name);

// A word that tells threads apart, in one instruction and without a call.
static inline unsigned long apus_thread_word(void) {
    return (unsigned long)__builtin_thread_pointer();
}

// The runtime's address of the task that runs on this thread, or null. The Swift function for it,
// `withUnsafeCurrentTask`, takes some 1,800 instructions: the layout of its result is not known.
extern void *swift_task_getCurrent(void) __attribute__((swiftcall));
static inline unsigned long apus_task_word(void) {
    return (unsigned long)swift_task_getCurrent();
}

// The following functions on sockets avoid the C library's cancellation points, which our threads
// don't need. Errors have the same form as libuv's.

// send(2): the bytes taken. It costs the kernel some 3 % less than write(2) for small frames: a
// socket's own way in, and no look at file positions and watches.
static inline long apus_send(int socket, const void *bytes, size_t count) {
    long taken;
    do {
        taken = syscall(SYS_sendto, socket, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL, NULL, 0);
    } while (taken < 0 && errno == EINTR);
    return taken < 0 ? -(long)errno : taken;
}

// Sends as apus_send does, when more bytes follow at once: the kernel waits for these before it
// sends a packet that isn't full.
static inline long apus_send_more(int socket, const void *bytes, size_t count) {
    const int flags = MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE;
    long taken;
    do {
        taken = syscall(SYS_sendto, socket, bytes, count, flags, NULL, 0);
    } while (taken < 0 && errno == EINTR);
    return taken < 0 ? -(long)errno : taken;
}

// The same as apus_send of several parts, in one call.
static inline long apus_send_parts(int socket, struct iovec *parts, size_t count) {
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = count};
    long taken;
    do {
        taken = syscall(SYS_sendmsg, socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    } while (taken < 0 && errno == EINTR);
    return taken < 0 ? -(long)errno : taken;
}

// recv(2): the bytes received, 0 at the end of the stream.
static inline long apus_receive(int socket, void *bytes, size_t count) {
    long received;
    do {
        received = syscall(SYS_recvfrom, socket, bytes, count, MSG_DONTWAIT, NULL, NULL);
    } while (received < 0 && errno == EINTR);
    return received < 0 ? -(long)errno : received;
}

// Returns the bytes that a socket's peer has not acknowledged; 0 on an error.
static inline int apus_unacknowledged(int socket) {
    int count = 0;
    return ioctl(socket, TIOCOUTQ, &count) < 0 ? 0 : count;
}

// Bytes that a TCP socket's peer has acknowledged since the connection was made; -1 where the
// kernel doesn't count them, as for a Unix-domain socket.
static inline long apus_acknowledged(int socket) {
    // The front of Linux's struct tcp_info, which only grows at its end. The C library's own
    // declaration is older than the last field.
    struct {
        unsigned char states[8];
        unsigned int counts[24];
        unsigned long long pacing_rate, pacing_rate_max, bytes_acknowledged;
    } info;
    socklen_t size = sizeof info;
    if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) < 0 || size < sizeof info)
        return -1;
    return (long)info.bytes_acknowledged;
}

// The bytes that a TCP socket has received and sent, each counted once, and the smoothed
// round-trip time in microseconds. Returns false where the kernel doesn't count them, as for a
// Unix-domain socket.
static inline _Bool apus_traffic(int socket, unsigned long *received, unsigned long *sent,
                                 unsigned int *round_trip) {
    struct {
        unsigned char states[8];
        unsigned int counts[24];
        unsigned long long pacing_rate, pacing_rate_max, bytes_acknowledged, bytes_received;
        unsigned int segment_counts[6];
        unsigned long long delivery_rate, times[3];
        unsigned int delivered[2];
        unsigned long long bytes_sent, bytes_sent_again;
    } info;
    socklen_t size = sizeof info;
    if (getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) < 0 || size < sizeof info)
        return 0;
    *received = info.bytes_received;
    *sent = info.bytes_sent - info.bytes_sent_again;
    *round_trip = info.counts[15];
    return 1;
}

// Has the processor fetch memory that is about to be used; any address will do.
static inline void apus_prefetch(const void *memory) { __builtin_prefetch(memory); }

// The cores that the calling thread may use, as a mask of the first 64; 0 on an error.
static inline unsigned long apus_allowed_cores(void) {
    unsigned long mask[16] = {0};
    return syscall(SYS_sched_getaffinity, 0, sizeof mask, mask) < 0 ? 0 : mask[0];
}

// Restricts the calling thread, and the threads that it starts, to the cores of a mask. Returns 0
// or the errno.
static inline int apus_allow_cores(unsigned long mask) {
    unsigned long masks[16] = {mask};
    return syscall(SYS_sched_setaffinity, 0, sizeof masks, masks) < 0 ? errno : 0;
}

// Opens a path below a folder for reading (openat2(2), Linux 5.6). Neither `..` nor a symbolic link
// leads out of the folder. With `only_look`, the file isn't really opened (O_PATH), which has no
// effect on a FIFO or a device. Returns the descriptor, or a negative errno.
static inline int apus_open_beneath(int folder, const char *path, int only_look) {
    struct {
        unsigned long long flags, mode, resolve;
    } how = {0, 0, 0x02 /* RESOLVE_NO_MAGICLINKS */ | 0x08 /* RESOLVE_BENEATH */};
    how.flags = O_CLOEXEC | (only_look ? 010000000 /* O_PATH */ : O_RDONLY | O_NONBLOCK | O_NOCTTY);
    long descriptor = syscall(437 /* SYS_openat2, on all architectures */, folder, path, &how,
                              sizeof how);
    return descriptor < 0 ? -errno : (int)descriptor;
}

// Opens one name in a folder without following a symbolic link, as the function above does.
static inline int apus_open_name(int folder, const char *name, int only_look) {
    int flags = O_CLOEXEC | O_NOFOLLOW
        | (only_look ? 010000000 /* O_PATH */ : O_RDONLY | O_NONBLOCK | O_NOCTTY);
    int descriptor = openat(folder, name, flags);
    return descriptor < 0 ? -errno : descriptor;
}
