#define _GNU_SOURCE
#include <pthread.h>

#include "CGlibc.h"

void chorale_name_current_thread(const char *name) { pthread_setname_np(pthread_self(), name); }
