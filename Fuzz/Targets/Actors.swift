import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import PeerIdentity

/// Keys, peers and addresses that every run has in common.
enum Actors {
    static let keys: [IdentityKey] = (1...8).map { number in
        IdentityKey(ed25519Seed: SecretBytes(copying: [UInt8](repeating: UInt8(number), count: 32)))
    }
    static let secp256k1: Secp256k1.PrivateKey = {
        do {
            return try Secp256k1.PrivateKey(
                SecretBytes(copying: [UInt8](repeating: 0x42, count: 32)))
        } catch { fatalError("a secret in range: \(error)") }
    }()
    static let peers: [PeerID] = keys.map(\.peerID)
    static let addresses: [Multiaddr] = (0..<8).map { index in
        .tcp(
            ip: .ip4(IPv4Address(8, 8, UInt8(index * 16), UInt8(index + 1))),
            port: UInt16(4001 + index))
    }
    static let networkDigest: [UInt8] = [1, 2, 3, 4]
    static let network = must(SSZByteVector<4>(networkDigest))

    static func secret(_ byte: UInt8) -> SecretBytes {
        SecretBytes(copying: [UInt8](repeating: byte, count: 32))
    }

    static let peerRecord = PeerRecord(
        peerID: peers[1], sequence: 7, addresses: Array(addresses.prefix(3))
    ).seal(with: keys[1]).encoded

    static let proverKey = Ed25519.PrivateKey(seed: secret(0x31))

    static let proverRecord: [UInt8] = proverIdentity(sequence: 1).sszEncoded()

    static func proverIdentity(sequence: UInt64) -> ProverIdentityRecord {
        let issued = UInt64(Now.start.wall.seconds)
        return ProverIdentityContent(
            network: network, proverKey: proverKey.publicKey, subject: .epoch(9), position: 3,
            addresses: must(
                SSZList(addresses.prefix(2).map { must(SSZByteList<128>($0.bytes)) })),
            sequence: sequence, issued: issued, expiry: issued + 1800
        ).signed(with: proverKey)
    }

    static let proverRecordKey = ProverIdentityContent.recordKey(
        network: network, proverKey: proverKey.publicKey)
}

func must<Value>(_ value: Value?) -> Value {
    guard let value else { fatalError("a constant that is none") }
    return value
}
