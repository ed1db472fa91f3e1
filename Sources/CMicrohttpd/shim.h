#pragma once
#include <microhttpd.h>

struct chorale_mhd_options {
    MHD_AccessHandlerCallback handler;
    /* Called once for each request that `handler` has seen. */
    MHD_RequestCompletedCallback completed;
    MHD_NotifyConnectionCallback connection;
    void *context;
    unsigned int connection_limit;
    unsigned int timeout_seconds;
    /* Bounds the head of a request, for each connection. */
    size_t memory_limit;
};

/* MHD_start_daemon is variadic, which Swift does not import. One thread of its own, on a socket that
   listens already; requests may be suspended while somebody else works for them. */
static inline struct MHD_Daemon *
chorale_mhd_start(int listener, const struct chorale_mhd_options *options)
{
    return MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
        options->handler, options->context,
        MHD_OPTION_LISTEN_SOCKET, (MHD_socket) listener,
        MHD_OPTION_NOTIFY_COMPLETED, options->completed, options->context,
        MHD_OPTION_NOTIFY_CONNECTION, options->connection, options->context,
        MHD_OPTION_CONNECTION_LIMIT, options->connection_limit,
        MHD_OPTION_CONNECTION_TIMEOUT, options->timeout_seconds,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, options->memory_limit,
        MHD_OPTION_END);
}

/* Variadic and a union besides. */
static inline int
chorale_mhd_descriptor(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    return info == NULL ? -1 : (int) info->connect_fd;
}
