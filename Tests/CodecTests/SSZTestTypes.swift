import ChoraleBase
import Codec

/// `VarTestStruct` of the consensus-specs generic SSZ tests.
struct VarTestStruct: SSZContainer, Equatable {
    var a: UInt16
    var b: SSZList<UInt16, 1024>
    var c: UInt8

    static let sszLayout = SSZLayout(UInt16.self, SSZList<UInt16, 1024>.self, UInt8.self)

    init(a: UInt16, b: SSZList<UInt16, 1024>, c: UInt8) {
        self.a = a
        self.b = b
        self.c = c
    }

    func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(a)
        fields.visit(b)
        fields.visit(c)
    }

    init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        a = try fields.next(in: input)
        b = try fields.next(in: input)
        c = try fields.next(in: input)
    }
}

/// `ForkData` of the consensus specifications, the start of whose root is a fork digest.
struct ForkData: SSZContainer, Equatable {
    var currentVersion: SSZByteVector<4>
    var genesisValidatorsRoot: Bytes32

    static let sszLayout = SSZLayout(SSZByteVector<4>.self, Bytes32.self)

    init(currentVersion: SSZByteVector<4>, genesisValidatorsRoot: Bytes32) {
        self.currentVersion = currentVersion
        self.genesisValidatorsRoot = genesisValidatorsRoot
    }

    func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(currentVersion)
        fields.visit(genesisValidatorsRoot)
    }

    init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        currentVersion = try fields.next(in: input)
        genesisValidatorsRoot = try fields.next(in: input)
    }
}

/// An integer and a root, as `Checkpoint`.
struct Pair: SSZContainer, Equatable {
    var slot: UInt64
    var root: Bytes32

    static let sszLayout = SSZLayout(UInt64.self, Bytes32.self)

    init(_ slot: UInt8) {
        self.slot = UInt64(slot)
        root = Bytes32(storage: .init(repeating: slot))
    }

    func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(slot)
        fields.visit(root)
    }

    init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        slot = try fields.next(in: input)
        root = try fields.next(in: input)
        guard slot != 13 else { throw .invalidValue("slot") }
    }
}

/// Two variable fields, one of them a list of variable elements.
struct Tagged: SSZContainer, Equatable {
    var author: SSZByteList<8>
    var tags: SSZList<SSZByteList<4>, 3>
    var flag: Bool

    static let sszLayout = SSZLayout(
        SSZByteList<8>.self, SSZList<SSZByteList<4>, 3>.self, Bool.self)

    init(author: [UInt8], tags: [[UInt8]], flag: Bool) {
        self.author = SSZByteList(author)!
        self.tags = SSZList(tags.map { SSZByteList($0)! })!
        self.flag = flag
    }

    func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(author)
        fields.visit(tags)
        fields.visit(flag)
    }

    init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        author = try fields.next(in: input)
        tags = try fields.next(in: input)
        flag = try fields.next(in: input)
    }
}

extension SSZDecodable {
    /// Decodes an array; the tests' macros cannot hold spans.
    static func decoded(_ bytes: [UInt8]) throws(SSZError) -> Self { try Self(ssz: bytes.span) }
}

extension SSZEncodable {
    var root: String { hashTreeRoot(TestSHA256.self).description }
}
