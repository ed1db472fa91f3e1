import Glibc

enum Processors {
    /// Those that are running, at least one.
    static var count: Int { max(Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))), 1) }
}
