import ChoraleBase
public import Crypto
import Glibc
import JSONRPC

/// Why a secret could not be had from its file.
public enum TokenSecretError: Error, Hashable, Sendable {
    case unreadable(path: String, String)
    case notCreated(path: String, String)
    /// Not 32 bytes in hexadecimal.
    case malformed(path: String)
}

extension TokenSecretError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .unreadable(let path, let detail): "cannot read the secret \(path): \(detail)"
        case .notCreated(let path, let detail): "cannot create the secret \(path): \(detail)"
        case .malformed(let path):
            "\(path) is no secret: 32 bytes as 64 hexadecimal digits are expected"
        }
    }
}

/// `jwt.hex`: the secret that a consensus client and its engine share.
public enum TokenSecretFile {
    /// Reads the secret, or makes one with mode 0600 where there is no file.
    public static func open(
        _ path: String
    ) throws(TokenSecretError) -> (secret: SecretBytes, isNew: Bool) {
        if let secret = try read(path) { return (secret, false) }
        let isNew = try create(path)
        // Also when somebody else was quicker, whose secret is then the one.
        guard let secret = try read(path) else {
            throw .unreadable(path: path, String(cString: strerror(ENOENT)))
        }
        return (secret, isNew)
    }

    /// - Returns: nil when there is no file.
    public static func read(_ path: String) throws(TokenSecretError) -> SecretBytes? {
        // Nonblocking, so that a pipe does not hold whoever opens it.
        let file = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard file >= 0 else {
            if errno == ENOENT { return nil }
            throw .unreadable(path: path, String(cString: strerror(errno)))
        }
        defer { close(file) }
        var text = [UInt8](repeating: 0, count: 256)
        let size = Glibc.read(file, &text, text.count)
        guard size >= 0 else { throw .unreadable(path: path, String(cString: strerror(errno))) }
        guard size < text.count else { throw .malformed(path: path) }
        let spaces = Array(" \t\r\n".utf8)
        var digits = text[..<size]
        while let last = digits.last, spaces.contains(last) { digits.removeLast() }
        while let first = digits.first, spaces.contains(first) { digits.removeFirst() }
        if digits.starts(with: Array("0x".utf8)) { digits.removeFirst(2) }
        guard digits.count == 2 * JSONWebToken.secretSize,
            let bytes = try? Hex.decode(String(decoding: digits, as: UTF8.self))
        else { throw .malformed(path: path) }
        return SecretBytes(copying: bytes)
    }

    /// Written whole under another name and then linked: nobody reads half of it, and of two who make it
    /// at once one wins.
    ///
    /// - Returns: whether it was this call that made it.
    private static func create(_ path: String) throws(TokenSecretError) -> Bool {
        func failure() -> TokenSecretError {
            .notCreated(path: path, String(cString: strerror(errno)))
        }
        let draft = "\(path).\(getpid()).new"
        unlink(draft)
        let file = Glibc.open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw failure() }
        defer { unlink(draft) }
        let digits = SecretBytes.random(count: JSONWebToken.secretSize).withSpan {
            Array(Hex.encode($0.copied()).utf8)
        }
        let size = Glibc.write(file, digits, digits.count)
        let isKept = size == digits.count && fsync(file) == 0
        let isClosed = close(file) == 0
        guard isKept, isClosed else { throw failure() }
        guard link(draft, path) == 0 else {
            if errno == EEXIST { return false }
            throw failure()
        }
        return true
    }
}
