#pragma once
#include <microhttpd.h>

/* MHD_start_daemon is variadic, which Swift does not import. One thread of its own, on a socket that
   listens already; `memory_limit` bounds the head of a request, per connection. */
static inline struct MHD_Daemon *
chorale_mhd_start(int listener, MHD_AccessHandlerCallback handler, void *context,
                  unsigned int connection_limit, unsigned int timeout_seconds,
                  size_t memory_limit)
{
    return MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO, 0, NULL, NULL, handler, context,
        MHD_OPTION_LISTEN_SOCKET, (MHD_socket) listener,
        MHD_OPTION_CONNECTION_LIMIT, connection_limit,
        MHD_OPTION_CONNECTION_TIMEOUT, timeout_seconds,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, memory_limit,
        MHD_OPTION_END);
}
