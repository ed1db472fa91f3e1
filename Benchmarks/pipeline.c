// The yardstick of one-stream throughput: length-prefixed frames sealed with ChaCha20-Poly1305 from
// libcrypto, written through TCP loopback by one process and opened in place by another.
//
// No handshake, no multiplexing, no event loop: what is left is the cipher, the copies of the kernel
// and the scheduler. A node cannot be faster than this with the same cipher and frame size.
//
//     pipeline BYTES [FRAME_SIZE] [FRAMES_PER_WRITE]
//
// Prints one JSON object: seconds from the first write to the last frame opened, and the CPU seconds
// of both processes.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TAG_SIZE = 16, LENGTH_SIZE = 2, FRAME_SIZE_MAX = 65519, READ_SIZE = 1 << 20 };

static void fail(const char *what) {
    fprintf(stderr, "pipeline: %s: %s\n", what, strerror(errno));
    exit(1);
}

static double seconds(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static double cpu_seconds(int who) {
    struct rusage usage;
    getrusage(who, &usage);
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6 +
           (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
}

static const unsigned char key[32] = {1, 2, 3, 4, 5, 6, 7, 8};

static EVP_CIPHER_CTX *cipher(int encrypts) {
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    if (!context || !EVP_CipherInit_ex(context, EVP_chacha20_poly1305(), NULL, key, NULL, encrypts))
        fail("cipher");
    return context;
}

static void set_nonce(EVP_CIPHER_CTX *context, uint64_t counter, int encrypts) {
    unsigned char nonce[12] = {0};
    memcpy(nonce + 4, &counter, sizeof counter);
    if (!EVP_CipherInit_ex(context, NULL, NULL, NULL, nonce, encrypts)) fail("nonce");
}

static void write_frames(int socket, uint64_t total, size_t frame_size, size_t per_write) {
    EVP_CIPHER_CTX *context = cipher(1);
    size_t capacity = (LENGTH_SIZE + frame_size + TAG_SIZE) * per_write;
    unsigned char *buffer = malloc(capacity);
    unsigned char *payload = calloc(1, frame_size);
    if (!buffer || !payload) fail("malloc");
    uint64_t counter = 0;
    while (total > 0) {
        size_t used = 0;
        for (size_t index = 0; index < per_write && total > 0; index++) {
            size_t size = total < frame_size ? (size_t)total : frame_size;
            size_t sealed = size + TAG_SIZE;
            buffer[used] = (unsigned char)(sealed >> 8);
            buffer[used + 1] = (unsigned char)sealed;
            unsigned char *body = buffer + used + LENGTH_SIZE;
            int written = 0, last = 0;
            set_nonce(context, counter++, 1);
            if (!EVP_EncryptUpdate(context, body, &written, payload, (int)size) ||
                !EVP_EncryptFinal_ex(context, body + written, &last) ||
                !EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG_SIZE, body + size))
                fail("seal");
            used += LENGTH_SIZE + sealed;
            total -= size;
        }
        for (size_t sent = 0; sent < used;) {
            ssize_t count = write(socket, buffer + sent, used - sent);
            if (count < 0) fail("write");
            sent += (size_t)count;
        }
    }
}

static void read_frames(int socket, uint64_t total) {
    EVP_CIPHER_CTX *context = cipher(0);
    unsigned char *buffer = malloc(READ_SIZE);
    if (!buffer) fail("malloc");
    uint64_t counter = 0;
    size_t held = 0;
    while (total > 0) {
        ssize_t count = read(socket, buffer + held, READ_SIZE - held);
        if (count <= 0) fail("read");
        held += (size_t)count;
        size_t start = 0;
        while (held - start >= LENGTH_SIZE) {
            size_t sealed = (size_t)buffer[start] << 8 | buffer[start + 1];
            if (held - start < LENGTH_SIZE + sealed) break;
            unsigned char *body = buffer + start + LENGTH_SIZE;
            size_t size = sealed - TAG_SIZE;
            int opened = 0, last = 0;
            set_nonce(context, counter++, 0);
            if (!EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG_SIZE, body + size) ||
                !EVP_DecryptUpdate(context, body, &opened, body, (int)size) ||
                !EVP_DecryptFinal_ex(context, body + opened, &last))
                fail("open");
            total -= size;
            start += LENGTH_SIZE + sealed;
        }
        memmove(buffer, buffer + start, held - start);
        held -= start;
    }
}

int main(int count, char **arguments) {
    if (count < 2) {
        fprintf(stderr, "usage: pipeline BYTES [FRAME_SIZE] [FRAMES_PER_WRITE]\n");
        return 2;
    }
    uint64_t total = strtoull(arguments[1], NULL, 10);
    size_t frame_size = count > 2 ? strtoul(arguments[2], NULL, 10) : 16384;
    size_t per_write = count > 3 ? strtoul(arguments[3], NULL, 10) : 16;
    if (total == 0 || frame_size == 0 || frame_size > FRAME_SIZE_MAX || per_write == 0) {
        fprintf(stderr, "pipeline: sizes are 1 to %d for a frame, and at least 1 otherwise\n",
                FRAME_SIZE_MAX);
        return 2;
    }

    int listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t address_size = sizeof address;
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) ||
        listen(listener, 1) || getsockname(listener, (struct sockaddr *)&address, &address_size))
        fail("listen");

    double start = seconds();
    pid_t writer = fork();
    if (writer < 0) fail("fork");
    if (writer == 0) {
        int outgoing = socket(AF_INET, SOCK_STREAM, 0);
        int on = 1;
        if (outgoing < 0 || connect(outgoing, (struct sockaddr *)&address, sizeof address))
            fail("connect");
        setsockopt(outgoing, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        write_frames(outgoing, total, frame_size, per_write);
        close(outgoing);
        _exit(0);
    }
    int incoming = accept(listener, NULL, NULL);
    if (incoming < 0) fail("accept");
    read_frames(incoming, total);
    double wall = seconds() - start;
    int status = 0;
    waitpid(writer, &status, 0);
    if (status != 0) return 1;
    printf("{\"bytes\": %llu, \"seconds\": %.6f, \"writer_cpu\": %.6f, \"reader_cpu\": %.6f}\n",
           (unsigned long long)total, wall, cpu_seconds(RUSAGE_CHILDREN), cpu_seconds(RUSAGE_SELF));
    return 0;
}
