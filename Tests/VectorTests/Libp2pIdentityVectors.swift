import ChoraleBase
import Codec
import Crypto
import Foundation
import PeerIdentity
import TestSupport
import Testing

/// Checkers for keys, envelopes and node records of `libp2p/`.
enum Libp2pIdentityVectors {
    static let checkers: [String: VectorChecker] = [
        "libp2p/enr.json": nodeRecords,
        "libp2p/keys.json": keys,
        "libp2p/keys-invalid.json": invalidKeys,
        "libp2p/signed-peer-record.json": signedPeerRecords,
        "libp2p/tls-certificates.json": tlsSignatures,
    ]

    private static func keys(_ path: String) throws -> Int {
        let vectors = try Vectors.json(path)["vectors"].array
        for vector in vectors {
            let name = try vector["name"].string
            let encoded = try vector["public_key_protobuf"].hex
            let key = try PublicKey(protobuf: encoded)
            #expect("\(key.type)".lowercased() == (try vector["type"].string.lowercased()))
            #expect(key.encoded == encoded, "\(name)")
            let id = key.peerID
            #expect(id.multihash == (try vector["peer_id_multihash"].hex), "\(name)")
            #expect(id.description == (try vector["peer_id"].string), "\(name)")
            #expect(id.cid == (try vector["peer_id_cid"].string), "\(name)")
            #expect(try PeerID(text: vector["peer_id_cid"].string) == id)
            let inlined = try id.inlinedKey()
            #expect(inlined == (encoded.count <= 42 ? key : nil))

            if let field = vector.optional("private_key_protobuf") {
                try checkPrivate(SecretBytes(copying: try field.hex), of: key, vector)
            }
            if let signature = try vector.optional("signature")?.hex {
                let message = try vector["message"].hex
                #expect(key.verify(signature: signature, message: message), "\(name)")
                #expect(!key.verify(signature: signature, message: message + [0]), "\(name)")
                for index in signature.indices {
                    var changed = signature
                    changed[index] ^= 1
                    #expect(!key.verify(signature: changed, message: message), "\(name) \(index)")
                }
            }
        }
        return vectors.count
    }

    private static func checkPrivate(
        _ protobuf: SecretBytes,
        of key: PublicKey,
        _ vector: JSON
    ) throws {
        let name = try vector["name"].string
        #expect(try IdentityKey.publicKey(ofProtobuf: protobuf) == key, "\(name)")
        switch key {
        case .ecdsa, .rsa:
            #expect(throws: KeyError.cannotSign(key.type)) { try IdentityKey(protobuf: protobuf) }
        case .ed25519, .secp256k1:
            let identity = try IdentityKey(protobuf: protobuf)
            #expect(identity.publicKey == key, "\(name)")
            #expect(identity.peerID == key.peerID, "\(name)")
            let again = identity.protobuf
            // The old 96-byte form is read, never written.
            if again.count == protobuf.count {
                #expect(again.isEqual(to: protobuf), "\(name)")
            } else {
                #expect(protobuf.count == 100 && again.count == 68, "\(name)")
            }
            #expect(try IdentityKey(protobuf: again).publicKey == key, "\(name)")
            if let signature = try vector.optional("signature")?.hex {
                let message = try vector["message"].hex
                #expect(identity.sign(message) == signature, "\(name)")
            }
        }
    }

    private static func invalidKeys(_ path: String) throws -> Int {
        let vectors = try Vectors.json(path)["vectors"].array
        for vector in vectors {
            // This reader refuses what breaks the deterministic encoding, too.
            #expect(["reject", "strict-reject"].contains(try vector["expect"].string))
            let bytes = try vector["hex"].hex
            let name = try vector["name"].string
            if try vector["kind"].string == "public" {
                #expect(throws: KeyError.self, "\(name)") { try PublicKey(protobuf: bytes) }
            } else {
                let secret = SecretBytes(copying: bytes)
                #expect(throws: KeyError.self, "\(name)") { try IdentityKey(protobuf: secret) }
                #expect(throws: KeyError.self, "\(name)") {
                    try IdentityKey.publicKey(ofProtobuf: secret)
                }
            }
        }
        return vectors.count
    }

    private static func signedPeerRecords(_ path: String) throws -> Int {
        let vectors = try Vectors.json(path)["vectors"].array
        for vector in vectors {
            let name = try vector["name"].string
            let bytes = try vector["envelope"].hex
            switch try vector["expect"].string {
            case "accept":
                let record = try PeerRecord.open(bytes)
                #expect(record.peerID.description == (try vector["peer_id"].string), "\(name)")
                #expect(record.sequence == (try vector["seq"].uint64), "\(name)")
                let addresses = try vector["addresses"].array.map { try $0.string }
                #expect(record.addresses.map(\.text) == addresses, "\(name)")
                #expect(record.droppedAddressCount == 0)

                let secret = SecretBytes(copying: try vector["private_key"].hex)
                let key = try IdentityKey(protobuf: secret)
                let sealed = PeerRecord(
                    peerID: key.peerID, sequence: record.sequence, addresses: record.addresses
                ).seal(with: key)
                #expect(sealed.payload == (try vector["payload"].hex), "\(name)")
                #expect(sealed.signature == (try vector["signature"].hex), "\(name)")
                #expect(sealed.encoded == bytes, "\(name)")
                let signed = try vector["signed_bytes"].hex
                #expect(
                    sealed.publicKey.verify(signature: sealed.signature, message: signed),
                    "\(name)")
            case "reject":
                #expect(throws: PeerRecord.OpenError.self, "\(name)") {
                    try PeerRecord.open(bytes)
                }
            default:
                // `bad-multiaddr`: the address is dropped, and counted.
                let record = try PeerRecord.open(bytes)
                #expect(record.addresses.isEmpty, "\(name)")
                #expect(record.droppedAddressCount == 1, "\(name)")
            }
        }
        return vectors.count
    }

    private static func nodeRecords(_ path: String) throws -> Int {
        let file = try Vectors.json(path)
        for vector in try file["valid"].array {
            let text = try vector["text"].string
            let record = try NodeRecord(text: text)
            #expect(record.text == text)
            #expect(record.bytes == (try vector["rlp"].hex), "\(text)")
            #expect(record.sequence == (try vector["seq"].uint64), "\(text)")
            #expect(record.nodeID.bytes == (try vector["node_id"].hex), "\(text)")
            #expect(record.publicKey.compressed == (try vector["secp256k1"].hex), "\(text)")
            #expect(record.signature == (try vector["signature"].hex), "\(text)")
            let pairs = try vector["pairs"]
            #expect(record.pairs.map { String(decoding: $0.key, as: UTF8.self) } == pairs.keys)
            for key in pairs.keys {
                let value = try pairs[key]
                // Lists have no byte string.
                #expect(record[key] == (value.value is String ? try value.hex : nil), "\(key)")
            }
            #expect(try record.ip?.description == vector.optional("ip")?.string, "\(text)")
            #expect(try record.ip6?.description == vector.optional("ip6")?.string, "\(text)")
            let ports: [(String, UInt16?)] = [
                ("tcp", record.tcp), ("udp", record.udp), ("quic", record.quic),
                ("tcp6", record.tcp6), ("udp6", record.udp6),
            ]
            for (name, port) in ports {
                #expect(try port.map(Int.init) == vector.optional(name)?.int, "\(name) \(text)")
            }
            if let secret = try vector.optional("private_key")?.hex {
                let key = try Secp256k1.PrivateKey(SecretBytes(copying: secret))
                let signed = try NodeRecord(
                    signing: record.pairs, sequence: record.sequence, with: key)
                #expect(signed == record, "\(text)")
            }
        }
        for vector in try file["invalid"].array {
            let text = try vector["text"].string
            let reason = try vector["reason"].string
            #expect(throws: NodeRecord.RecordError.self, "\(reason)") {
                try NodeRecord(text: text)
            }
        }
        return try file["valid"].array.count + file["invalid"].array.count
    }

    /// The part of a libp2p certificate that is about identity.
    ///
    /// The X.509 around it comes with QUIC, a later issue.
    private static func tlsSignatures(_ path: String) throws -> Int {
        let vectors = try Vectors.json(path)["vectors"].array
        for vector in vectors {
            let name = try vector["name"].string
            let key = try PublicKey(protobuf: try vector["host_key_protobuf"].hex)
            #expect(key.peerID.description == (try vector["peer_id_of_host_key"].string))
            let message =
                Array("libp2p-tls-handshake:".utf8) + (try vector["certificate_key_spki"].hex)
            let verified = key.verify(
                signature: try vector["extension_signature"].hex, message: message)
            #expect(verified == (try vector["extension_signature_valid"].bool), "\(name)")
        }
        return vectors.count
    }
}
