import Glibc

/// How many files and sockets the process may have open.
public enum ProcessDescriptors {
    /// Raises the soft limit as far as the hard limit allows, without privileges.
    ///
    /// Distributions start processes with 1,024, for programs that still use `select`.
    /// - Returns: the limit now in force; `Int.max` when there is none.
    @discardableResult
    public static func raiseLimit() -> Int {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return 1024 }
        if limit.rlim_cur < limit.rlim_max {
            var raised = limit
            raised.rlim_cur = raised.rlim_max
            if setrlimit(resource, &raised) == 0 { limit = raised }
        }
        return Int(clamping: limit.rlim_cur)
    }
}
