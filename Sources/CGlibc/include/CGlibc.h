#pragma once

// What glibc has beyond POSIX. In a compiled file and without system headers here: a module that defines
// _GNU_SOURCE would have other definitions of common types than every other module.

// mallopt(3). Zero for a parameter that this glibc does not know.
int chorale_set_arena_max(int count);
int chorale_set_mmap_threshold(int size);
int chorale_set_trim_threshold(int size);

// Unmaps the unwritable pages of the program and its libraries; whichever is used again comes back
// from the page cache.
void chorale_release_images(void);

// Names the calling thread, for tools such as `top -H`; the kernel keeps 15 bytes of it.
void chorale_name_current_thread(const char *name);
