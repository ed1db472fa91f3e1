import CAres

/// Why a name has no answer.
public enum ResolverError: Error, Hashable, Sendable {
    /// The name does not exist.
    case nameNotFound
    /// The name exists and has no record of the kind asked for.
    case noRecords
    /// Not a name that DNS could hold.
    case malformedName
    /// No server answered in time.
    case timedOut
    /// The servers could not be reached, or refused.
    case serverUnreachable
    /// The servers failed (SERVFAIL, NOTIMP).
    case serverFailed
    /// A server's reply made no sense.
    case malformedReply
    /// `Resolver.Limits.waitingCountMax` queries wait already.
    case tooManyQueries
    /// The resolver was closed.
    case closed
    /// Anything else, with the code of c-ares.
    case other(Int32)

    /// - Parameter status: of c-ares, and not success.
    init(status: Int32) {
        switch status {
        case ARES_ENOTFOUND, ARES_ENONAME: self = .nameNotFound
        case ARES_ENODATA: self = .noRecords
        case ARES_EBADNAME, ARES_EBADQUERY: self = .malformedName
        case ARES_ETIMEOUT: self = .timedOut
        case ARES_ECONNREFUSED, ARES_EREFUSED, ARES_EOF: self = .serverUnreachable
        case ARES_ESERVFAIL, ARES_ENOTIMP, ARES_EFORMERR: self = .serverFailed
        case ARES_EBADRESP, ARES_EBADSTR: self = .malformedReply
        case ARES_EDESTRUCTION, ARES_ECANCELLED: self = .closed
        default: self = .other(status)
        }
    }
}
