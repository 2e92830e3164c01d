/* Frames over a stream socket, without ever blocking on the other end. */
#include "wire/wire_internal.h"

#include "core/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEADER_BYTES 5
#define READ_BYTES   ((size_t)64 << 10)
#define READS_A_PUMP 64 /* lets the caller look at frames while a large one arrives */

void mico_channel_open(mico_channel *c, int fd)
{
    *c = (mico_channel){.fd = fd};
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

void mico_channel_close(mico_channel *c)
{
    if (c->fd >= 0)
        close(c->fd);
    mico_writer_free(&c->out);
    free(c->in);
    *c = (mico_channel){.fd = -1, .ended = true};
}

bool mico_channel_unsent(const mico_channel *c)
{
    return c->out_at < c->out.len;
}

static void send_some(mico_channel *c)
{
    while (mico_channel_unsent(c)) {
        ssize_t n = send(c->fd, c->out.bytes + c->out_at, c->out.len - c->out_at,
                         MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n > 0)
            c->out_at += (size_t)n;
        else if (n < 0 && errno == EINTR)
            continue;
        else if (n < 0 && (errno == EAGAIN || errno == ENOBUFS))
            return;
        else
            break; /* the peer left; reading gets its last words, then says so */
    }
    c->out.len = c->out_at = 0;
}

void mico_channel_send(mico_channel *c, mico_message type, const void *bytes, size_t n)
{
    uint8_t header[HEADER_BYTES] = {(uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16),
                                    (uint8_t)(n >> 24), (uint8_t)type};
    size_t need = c->out.len + HEADER_BYTES + n;

    if (c->ended)
        return;
    if (need > c->out.capacity) {
        c->out.bytes = mico_xrealloc(c->out.bytes, need, 1);
        c->out.capacity = need;
    }
    memcpy(c->out.bytes + c->out.len, header, HEADER_BYTES);
    if (n > 0)
        memcpy(c->out.bytes + c->out.len + HEADER_BYTES, bytes, n);
    c->out.len = need;
    send_some(c);
}

static void receive_some(mico_channel *c)
{
    if (c->in_at > 0) {
        c->in_len -= c->in_at;
        memmove(c->in, c->in + c->in_at, c->in_len);
        c->in_at = 0;
    }
    for (int i = 0; i < READS_A_PUMP; i++) {
        ssize_t n;

        if (c->in_capacity - c->in_len < READ_BYTES) {
            c->in_capacity = 2 * c->in_capacity + READ_BYTES;
            c->in = mico_xrealloc(c->in, c->in_capacity, 1);
        }
        n = recv(c->fd, c->in + c->in_len, READ_BYTES, MSG_DONTWAIT);
        if (n > 0)
            c->in_len += (size_t)n;
        else if (n < 0 && errno == EINTR)
            continue;
        else if (n < 0 && (errno == EAGAIN || errno == ENOBUFS))
            return;
        else {
            c->ended = true;
            return;
        }
    }
}

void mico_channel_pump(mico_channel *c)
{
    if (c->fd < 0)
        return;
    send_some(c);
    receive_some(c);
}

bool mico_channel_take(mico_channel *c, mico_frame *frame)
{
    size_t have = c->in_len - c->in_at, n;
    const uint8_t *p;

    if (c->broken || have < HEADER_BYTES)
        return false;
    p = c->in + c->in_at;
    n = (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16 | (size_t)p[3] << 24;
    if (n > MICO_MESSAGE_LIMIT) {
        c->broken = true;
        return false;
    }
    if (have - HEADER_BYTES < n)
        return false;
    *frame = (mico_frame){(mico_message)p[4], p + HEADER_BYTES, n};
    c->in_at += HEADER_BYTES + n;
    return true;
}

bool mico_channel_wait(mico_channel *c, double timeout_s)
{
    bool usable = c != NULL && !c->ended;
    struct pollfd f = {.fd = usable ? c->fd : -1, .events = POLLIN};
    struct timespec t = {0};
    bool interrupted;

    if (timeout_s >= 0) {
        t.tv_sec = (time_t)timeout_s;
        t.tv_nsec = (long)((timeout_s - (double)t.tv_sec) * 1e9);
    }
    if (usable && mico_channel_unsent(c))
        f.events |= POLLOUT;
    interrupted = ppoll(&f, usable ? 1 : 0, timeout_s >= 0 ? &t : NULL, NULL) < 0 &&
                  errno == EINTR;
    if (usable)
        mico_channel_pump(c);
    return !interrupted;
}
