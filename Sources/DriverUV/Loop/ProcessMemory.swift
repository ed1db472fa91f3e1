import CGlibc

/// What a long-lived process tells the C library and the kernel about its memory.
public enum ProcessMemory {
    /// Keeps glibc from holding on to memory that is free. To be called before threads are started.
    ///
    /// By default each thread allocates from an arena of its own, up to eight for each core, and
    /// blocks that were once large make glibc keep ever larger ones. Here few threads allocate, and
    /// large blocks are chunks of bodies that come in bursts: two arenas, and blocks from 128 KiB on
    /// go back to the kernel when they are freed.
    public static func boundHeap() {
        // Each returns zero only for parameters that this glibc does not know.
        _ = chorale_set_arena_max(2)
        _ = chorale_set_mmap_threshold(128 << 10)
        _ = chorale_set_trim_threshold(256 << 10)
    }

    /// Makes glibc keep what was freed for the next who asks. To be called before threads are started.
    ///
    /// For programs that do the same over and over with buffers of megabytes: by default each is mapped
    /// anew, and every page of it faults. Up to 64 MiB stay with each arena.
    ///
    /// - Parameter threadCount: threads that allocate; each has an arena of its own.
    public static func keepHeap(threadCount: Int) {
        _ = chorale_set_arena_max(Int32(clamping: threadCount))
        // The largest that glibc accepts.
        _ = chorale_set_mmap_threshold(32 << 20)
        _ = chorale_set_trim_threshold(64 << 20)
    }

    /// Lets go of the pages of code and constants that only starting needed.
    ///
    /// Loading a program touches most of its libraries, and for each page that is used the kernel maps
    /// fifteen around it. They are clean copies of files: what is used again is mapped again, at less
    /// than a microsecond for sixteen pages. Nothing that was written to is touched.
    public static func releaseStartUpPages() { chorale_release_images() }
}
