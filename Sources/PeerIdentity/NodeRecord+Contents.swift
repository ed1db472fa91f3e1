public import ChoraleBase
public import Codec
public import Crypto

extension NodeRecord {
    /// What a node says about itself, for signing a record.
    public struct Contents: Hashable, Sendable {
        public var ip: IPv4Address?
        public var tcp: UInt16?
        public var udp: UInt16?
        public var quic: UInt16?
        public var ip6: IPv6Address?
        public var tcp6: UInt16?
        public var udp6: UInt16?
        public var quic6: UInt16?
        /// Four bytes that name network and fork (`cho`).
        public var forkDigest: [UInt8]?
        /// One bit for each role (`rol`).
        public var roles: UInt32?
        /// Whether the node makes proofs (`pvr`).
        public var isProver = false

        public init() {}
    }

    /// Signs a record of `contents`.
    ///
    /// - Throws: ``RecordError/tooLarge(size:limit:)`` for a fork digest that is too long; nothing
    ///   else comes near the limit.
    public init(
        signing contents: Contents,
        sequence: UInt64,
        with key: Secp256k1.PrivateKey
    ) throws(RecordError) {
        func integer(_ value: some FixedWidthInteger & UnsignedInteger) -> [UInt8] {
            var bytes: [UInt8] = []
            bytes.appendBigEndian(UInt64(value))
            return Array(bytes.drop(while: { $0 == 0 }))
        }
        var values: [(key: String, value: [UInt8]?)] = [
            ("id", Array("v4".utf8)),
            ("secp256k1", key.publicKey.compressed),
            ("ip", contents.ip?.bytes),
            ("tcp", contents.tcp.map(integer)),
            ("udp", contents.udp.map(integer)),
            ("quic", contents.quic.map(integer)),
            ("ip6", contents.ip6?.bytes),
            ("tcp6", contents.tcp6.map(integer)),
            ("udp6", contents.udp6.map(integer)),
            ("quic6", contents.quic6.map(integer)),
            ("cho", contents.forkDigest),
            ("rol", contents.roles.map(integer)),
            ("pvr", contents.isProver ? [1] : nil),
        ]
        values.sort { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
        let pairs = values.compactMap { key, value in
            value.map { Pair(key: Array(key.utf8), encodedValue: Self.encoded($0)) }
        }
        try self.init(signing: pairs, sequence: sequence, with: key)
    }

    public var ip: IPv4Address? { self["ip"].flatMap { IPv4Address(bytes: $0.span) } }
    public var ip6: IPv6Address? { self["ip6"].flatMap { IPv6Address(bytes: $0.span) } }
    public var tcp: UInt16? { port("tcp") }
    public var udp: UInt16? { port("udp") }
    public var quic: UInt16? { port("quic") }
    public var tcp6: UInt16? { port("tcp6") }
    public var udp6: UInt16? { port("udp6") }
    public var quic6: UInt16? { port("quic6") }

    /// `cho`: names network and fork. Nil unless it has four bytes.
    public var forkDigest: [UInt8]? { self["cho"].flatMap { $0.count == 4 ? $0 : nil } }

    /// `rol`: one bit for each role. Nil when absent or of more than 32 bits.
    public var roles: UInt32? {
        self["rol"].flatMap(Self.integer).flatMap { UInt32(exactly: $0) }
    }

    /// `pvr`: whether the node says it makes proofs.
    public var isProver: Bool { self["pvr"] == [1] }

    /// Ports are numbers, yet records with leading zeros are about (`0000` in sigp/enr's tests).
    private func port(_ key: String) -> UInt16? {
        guard let bytes = self[key], bytes.count <= 2 else { return nil }
        return bytes.reduce(0) { $0 << 8 | UInt16($1) }
    }

    /// What discovery calls the node: Keccak-256 of the uncompressed key.
    public var nodeID: Bytes32 { Keccak256.hash(publicKey.uncompressed) }

    /// What libp2p calls the node.
    public var peerID: PeerID { PublicKey.secp256k1(publicKey).peerID }

    /// Where libp2p reaches the node, without peer id: TCP first, IPv4 first.
    ///
    /// A port without a family counts for IPv6 too where no IPv6 one is given (EIP-778). `udp` is
    /// the port of discovery and no address of ours.
    public var multiaddrs: [Multiaddr] {
        let hosts: [(ip: IPAddress?, tcp: UInt16?, quic: UInt16?)] = [
            (ip.map(IPAddress.ip4), tcp, quic),
            (ip6.map(IPAddress.ip6), tcp6 ?? tcp, quic6 ?? quic),
        ]
        var addresses: [Multiaddr] = []
        for host in hosts {
            guard let ip = host.ip else { continue }
            if let port = host.tcp, port != 0 { addresses.append(.tcp(ip: ip, port: port)) }
        }
        for host in hosts {
            guard let ip = host.ip else { continue }
            if let port = host.quic, port != 0 { addresses.append(.quic(ip: ip, port: port)) }
        }
        return addresses
    }
}
