public import ChoraleBase
public import Codec

/// What a body is.
///
/// A struct rather than an enum, because kinds will be added: an announcement of an unknown kind is
/// well formed, and merely of no use to this version.
public struct BodyKind: RawRepresentable, Hashable, Sendable {
    public let rawValue: UInt8

    public init(rawValue: UInt8) { self.rawValue = rawValue }

    /// Anything; its users know what.
    public static let generic = BodyKind(rawValue: 0)
    /// What a block's execution reads.
    public static let witness = BodyKind(rawValue: 1)
    public static let proof = BodyKind(rawValue: 2)
    public static let block = BodyKind(rawValue: 3)

    /// Every kind this version knows, with its name on command lines and in metrics.
    public static let named: [(name: String, kind: BodyKind)] = [
        ("generic", .generic), ("witness", .witness), ("proof", .proof), ("block", .block),
    ]

    /// The kind that is called `name`, or nil.
    public init?(name: String) {
        guard let entry = Self.named.first(where: { $0.name == name }) else { return nil }
        self = entry.kind
    }

    public var isKnown: Bool { Self.named.contains { $0.kind == self } }
}

extension BodyKind: CustomStringConvertible {
    public var description: String {
        Self.named.first { $0.kind == self }?.name ?? "kind-\(rawValue)"
    }
}

extension BodyKind: SSZEncodable, SSZDecodable {
    public static var sszFixedSize: Int? { 1 }
    public static var isSSZBasic: Bool { true }

    public func sszEncode(into bytes: inout [UInt8]) { rawValue.sszEncode(into: &bytes) }

    public func hashTreeRoot<Hash: SHA256Hashing>(_ hash: Hash.Type) -> Bytes32 {
        rawValue.hashTreeRoot(hash)
    }

    public init(ssz input: Span<UInt8>) throws(SSZError) {
        self.init(rawValue: try UInt8(ssz: input))
    }
}
