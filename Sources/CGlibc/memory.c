#define _GNU_SOURCE
#include "CGlibc.h"

#include <elf.h>
#include <link.h>
#include <malloc.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

int chorale_set_arena_max(int count) { return mallopt(M_ARENA_MAX, count); }

int chorale_set_mmap_threshold(int size) { return mallopt(M_MMAP_THRESHOLD, size); }

int chorale_set_trim_threshold(int size) { return mallopt(M_TRIM_THRESHOLD, size); }

// Whether the loader changed pages of segments that may not be written: they differ from the file.
static int chorale_has_text_relocations(const struct dl_phdr_info *info) {
    for (int index = 0; index < info->dlpi_phnum; index++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[index];
        if (segment->p_type != PT_DYNAMIC) continue;
        const ElfW(Dyn) *entry = (const ElfW(Dyn) *)(info->dlpi_addr + segment->p_vaddr);
        for (; entry->d_tag != DT_NULL; entry++) {
            if (entry->d_tag == DT_TEXTREL) return 1;
            if (entry->d_tag == DT_FLAGS && (entry->d_un.d_val & DF_TEXTREL)) return 1;
        }
    }
    return 0;
}

static int chorale_release_image(struct dl_phdr_info *info, size_t size, void *context) {
    (void)size;
    // The kernel's own page has no name and no file.
    int is_program = *(int *)context;
    *(int *)context = 0;
    if (!is_program && (info->dlpi_name == NULL || info->dlpi_name[0] != '/')) return 0;
    if (chorale_has_text_relocations(info)) return 0;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (int index = 0; index < info->dlpi_phnum; index++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[index];
        if (segment->p_type != PT_LOAD || (segment->p_flags & PF_W)) continue;
        // Whole pages of this segment alone: the first and the last may be shared with a writable one.
        uintptr_t start = (info->dlpi_addr + segment->p_vaddr + page - 1) & ~(page - 1);
        uintptr_t end = (info->dlpi_addr + segment->p_vaddr + segment->p_filesz) & ~(page - 1);
        if (start < end) (void)madvise((void *)start, end - start, MADV_DONTNEED);
    }
    return 0;
}

void chorale_release_images(void) {
    int is_program = 1;
    dl_iterate_phdr(chorale_release_image, &is_program);
}
