#pragma once
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/prctl.h>
#include <uv.h>

// Limits how much the kernel takes that it has not yet sent, so that what is queued behind it can
// still be overtaken.
static inline int chorale_set_notsent_lowat(int fd, int bytes) {
    return setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &bytes, sizeof bytes);
}

// Names the calling thread. prctl is variadic.
static inline void chorale_name_thread(const char *name) {
    (void)prctl(PR_SET_NAME, name, 0L, 0L, 0L);
}

// glibc declares these in an enumeration, which Swift finds in whichever module it met first.
static const int chorale_sock_stream = SOCK_STREAM;
static const int chorale_sock_dgram = SOCK_DGRAM;
static const int chorale_sock_nonblock = SOCK_NONBLOCK;
