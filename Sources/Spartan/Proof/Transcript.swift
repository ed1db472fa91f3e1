internal import ChoraleBase
internal import Crypto

/// Everything said so far, from which challenges are drawn (Fiat–Shamir).
///
/// A chain of SHA-512: each message is hashed after the state with its label, and both with their
/// lengths, so that no two sequences of messages look alike. A challenge is a message, too.
struct Transcript: Sendable {
    private var state: [UInt8]

    init(_ domain: String) { state = SHA512.hash(Array(domain.utf8)) }

    private mutating func absorb(kind: UInt8, _ label: String, _ message: [UInt8]) {
        var header = [kind]
        let label = Array(label.utf8)
        header.appendLittleEndian(UInt32(label.count))
        header += label
        header.appendLittleEndian(UInt64(message.count))
        var hasher = SHA512.Hasher()
        hasher.update(state)
        hasher.update(header)
        hasher.update(message)
        state = hasher.finish()
    }

    mutating func absorb(_ label: String, _ message: [UInt8]) {
        absorb(kind: 0, label, message)
    }

    mutating func absorb(_ label: String, _ scalars: [Scalar]) {
        var message: [UInt8] = []
        message.reserveCapacity(Scalar.size * scalars.count)
        for scalar in scalars { scalar.append(to: &message) }
        absorb(label, message)
    }

    mutating func challenge(_ label: String) -> Scalar {
        absorb(kind: 1, label, [])
        // What is given away is not the state, so that it says nothing of later challenges.
        return Scalar(wide: SHA512.hash([2] + state).span)
    }

    mutating func challenges(_ label: String, count: Int) -> [Scalar] {
        (0..<count).map { _ in challenge(label) }
    }
}
