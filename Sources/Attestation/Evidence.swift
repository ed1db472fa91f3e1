public import ChoraleBase
public import Codec
import Crypto

/// What the hardware signed, not yet looked at: a quote, a report, a document.
public struct Evidence: Hashable, Sendable {
    public let kind: AttestationKind
    /// At most ``AttestationKind/evidenceSizeMax``.
    public let bytes: [UInt8]

    public init(kind: AttestationKind, bytes: [UInt8]) throws(AttestationFault) {
        guard bytes.count <= kind.evidenceSizeMax else {
            throw .evidenceTooLarge(size: bytes.count, limit: kind.evidenceSizeMax)
        }
        self.kind = kind
        self.bytes = bytes
    }
}

/// What evidence is checked against beside itself: statements of the hardware's maker.
///
/// Nothing of it is trusted for where it came from; all of it is signed.
public enum Collateral: Hashable, Sendable {
    /// For evidence that carries all it needs: documents of AWS.
    case none
    case intel(IntelCollateral)
    case amd(AMDCollateral)

    /// Largest encoding, in bytes: the sum of the limits of ``IntelCollateral``, with room for AMD's.
    public static let encodedSizeMax = 768 << 10

    /// Why bytes are not an encoding.
    public enum DecodeError: Error, Hashable, Sendable {
        case tooLarge(size: Int, limit: Int)
        case empty
        case unknownForm(UInt8)
        /// Something follows ``Collateral/none``.
        case trailingBytes(Int)
        case malformed(SSZError)
    }

    /// A byte for the form, and the container's SSZ. One encoding for each value.
    public var encoded: [UInt8] {
        switch self {
        case .none: [0]
        case .intel(let collateral): [1] + collateral.sszEncoded()
        case .amd(let collateral): [2] + collateral.sszEncoded()
        }
    }

    /// The name by which an attestation refers to its collateral: SHA-256 of the encoding.
    public var digest: Bytes32 { SHA256.hash(encoded) }

    public init(decoding bytes: [UInt8]) throws(DecodeError) {
        guard bytes.count <= Self.encodedSizeMax else {
            throw .tooLarge(size: bytes.count, limit: Self.encodedSizeMax)
        }
        guard let form = bytes.first else { throw .empty }
        let rest = bytes.span.extracting(droppingFirst: 1)
        do {
            switch form {
            case 0:
                guard rest.isEmpty else { throw DecodeError.trailingBytes(rest.count) }
                self = .none
            case 1: self = .intel(try IntelCollateral(ssz: rest))
            case 2: self = .amd(try AMDCollateral(ssz: rest))
            default: throw DecodeError.unknownForm(form)
            }
        } catch let error as SSZError {
            throw .malformed(error)
        } catch let error as DecodeError {
            throw error
        } catch {
            preconditionFailure("decoding throws one of two errors: \(error)")
        }
    }
}

/// What Intel's provisioning certification service says of a platform.
///
/// Specification: Intel SGX and TDX Provisioning Certification Service API, version 4.
public struct IntelCollateral: Hashable, Sendable {
    /// The value of `tcbInfo`, exactly as it was served: its signature is over these bytes.
    public var tcbInfo: SSZByteList<65536>
    /// r‖s, big-endian.
    public var tcbInfoSignature: SSZByteVector<64>
    /// PEM, the leaf first, the root last.
    public var tcbInfoIssuerChain: SSZByteList<16384>
    /// The value of `enclaveIdentity` of the quoting enclave, exactly as it was served.
    public var quotingEnclaveIdentity: SSZByteList<65536>
    /// r‖s, big-endian.
    public var quotingEnclaveIdentitySignature: SSZByteVector<64>
    public var quotingEnclaveIdentityIssuerChain: SSZByteList<16384>
    /// Certificates of platforms that are revoked, in DER.
    public var platformRevocationList: SSZByteList<262144>
    public var platformRevocationListIssuerChain: SSZByteList<16384>
    /// Certificates of authorities that are revoked, in DER.
    public var rootRevocationList: SSZByteList<65536>

    public init(
        tcbInfo: SSZByteList<65536>, tcbInfoSignature: SSZByteVector<64>,
        tcbInfoIssuerChain: SSZByteList<16384>, quotingEnclaveIdentity: SSZByteList<65536>,
        quotingEnclaveIdentitySignature: SSZByteVector<64>,
        quotingEnclaveIdentityIssuerChain: SSZByteList<16384>,
        platformRevocationList: SSZByteList<262144>,
        platformRevocationListIssuerChain: SSZByteList<16384>,
        rootRevocationList: SSZByteList<65536>
    ) {
        self.tcbInfo = tcbInfo
        self.tcbInfoSignature = tcbInfoSignature
        self.tcbInfoIssuerChain = tcbInfoIssuerChain
        self.quotingEnclaveIdentity = quotingEnclaveIdentity
        self.quotingEnclaveIdentitySignature = quotingEnclaveIdentitySignature
        self.quotingEnclaveIdentityIssuerChain = quotingEnclaveIdentityIssuerChain
        self.platformRevocationList = platformRevocationList
        self.platformRevocationListIssuerChain = platformRevocationListIssuerChain
        self.rootRevocationList = rootRevocationList
    }
}

extension IntelCollateral: SSZContainer {
    public static let sszLayout = SSZLayout(
        SSZByteList<65536>.self, SSZByteVector<64>.self, SSZByteList<16384>.self,
        SSZByteList<65536>.self, SSZByteVector<64>.self, SSZByteList<16384>.self,
        SSZByteList<262144>.self, SSZByteList<16384>.self, SSZByteList<65536>.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(tcbInfo)
        fields.visit(tcbInfoSignature)
        fields.visit(tcbInfoIssuerChain)
        fields.visit(quotingEnclaveIdentity)
        fields.visit(quotingEnclaveIdentitySignature)
        fields.visit(quotingEnclaveIdentityIssuerChain)
        fields.visit(platformRevocationList)
        fields.visit(platformRevocationListIssuerChain)
        fields.visit(rootRevocationList)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        tcbInfo = try fields.next(in: input)
        tcbInfoSignature = try fields.next(in: input)
        tcbInfoIssuerChain = try fields.next(in: input)
        quotingEnclaveIdentity = try fields.next(in: input)
        quotingEnclaveIdentitySignature = try fields.next(in: input)
        quotingEnclaveIdentityIssuerChain = try fields.next(in: input)
        platformRevocationList = try fields.next(in: input)
        platformRevocationListIssuerChain = try fields.next(in: input)
        rootRevocationList = try fields.next(in: input)
    }
}

/// The certificates that lead from a chip's key to AMD's root, each in DER.
///
/// Specification: AMD 57230, Versioned Chip Endorsement Key Certificate and KDS Interface.
public struct AMDCollateral: Hashable, Sendable {
    /// VCEK or VLEK.
    public var leaf: SSZByteList<4096>
    /// ASK or ASVK.
    public var intermediate: SSZByteList<4096>
    /// ARK.
    public var root: SSZByteList<4096>
    /// Signed by the ARK, with the intermediates that are revoked; empty for none.
    public var revocationList: SSZByteList<65536>

    public init(
        leaf: SSZByteList<4096>, intermediate: SSZByteList<4096>, root: SSZByteList<4096>,
        revocationList: SSZByteList<65536> = .init()
    ) {
        self.leaf = leaf
        self.intermediate = intermediate
        self.root = root
        self.revocationList = revocationList
    }
}

extension AMDCollateral: SSZContainer {
    public static let sszLayout = SSZLayout(
        SSZByteList<4096>.self, SSZByteList<4096>.self, SSZByteList<4096>.self,
        SSZByteList<65536>.self)

    public func sszFields(_ fields: inout some SSZFieldVisitor) {
        fields.visit(leaf)
        fields.visit(intermediate)
        fields.visit(root)
        fields.visit(revocationList)
    }

    public init(sszFields fields: inout SSZFieldReader, in input: Span<UInt8>) throws(SSZError) {
        leaf = try fields.next(in: input)
        intermediate = try fields.next(in: input)
        root = try fields.next(in: input)
        revocationList = try fields.next(in: input)
    }
}
