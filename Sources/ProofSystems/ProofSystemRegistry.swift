public import ChoraleBase
import Crypto

/// The proof systems and set-up artefacts that this node has.
///
/// A value: workers get a copy, which shares storage. Changing it means handing out a new one.
///
/// What is not here is *unsupported*, never invalid: whether a proof is valid must not depend on which
/// version a node runs or what it has downloaded. A node that cannot tell abstains.
///
/// Specification: mechanisms row 0.6.
public struct ProofSystemRegistry: Sendable {
    /// What the registry takes.
    public struct Limits: Hashable, Sendable {
        /// Largest artefact, in bytes: keys of Groth16 and PLONK have kilobytes, matrices of a circuit
        /// of 2²⁰ constraints some tens of megabytes.
        public var artefactSizeMax = 64 << 20
        /// All artefacts together, in bytes. What verifiers make of one is at most a few times larger.
        public var artefactsSizeMax = 256 << 20

        public init() {}
    }

    private struct System: Sendable {
        let proofSizeMax: Int
        let prepare: @Sendable (Span<UInt8>) throws(ArtefactError) -> PreparedKey
        /// By the artefact's SHA-256; zero for none.
        var keys: [Bytes32: PreparedKey] = [:]
        var sizes: [Bytes32: Int] = [:]
    }

    /// A verifier with one of its keys.
    private struct PreparedKey: Sendable {
        let verify: @Sendable (Span<UInt8>, ProofStatement) -> ProofVerdict
    }

    public let limits: Limits
    private var systems: [ProofType: System] = [:]
    private var mergers: [ProofType: any ProofMerger] = [:]

    /// Size of all artefacts, in bytes.
    public private(set) var artefactsSize = 0

    public init(limits: Limits = Limits()) { self.limits = limits }

    /// The types that proofs can be checked of, in order.
    public var types: [ProofType] { systems.keys.sorted() }

    /// Adds a proof system.
    ///
    /// - Precondition: there is none of its type yet.
    public mutating func register(_ verifier: some ProofVerifier) {
        let type = verifier.type
        precondition(systems[type] == nil, "two verifiers of \(type)")
        var system = System(
            proofSizeMax: verifier.proofSizeMax,
            prepare: { artefact throws(ArtefactError) in
                let key = try verifier.prepare(artefact)
                return PreparedKey { proof, statement in
                    verifier.verify(proof, of: statement, key: key)
                }
            })
        // A system that needs no set-up takes the empty artefact, which zero stands for.
        let nothing: [UInt8] = []
        if let key = try? system.prepare(nothing.span) { system.keys[.zero] = key }
        systems[type] = system
    }

    /// Adds what merges proofs of one type.
    public mutating func register(merger: some ProofMerger) { mergers[merger.type] = merger }

    /// What merges proofs of a type, or nil where they cannot be merged.
    public func merger(for type: ProofType) -> (any ProofMerger)? { mergers[type] }

    /// Decodes and keeps a set-up artefact for proofs of `type`.
    ///
    /// - Returns: its SHA-256, by which statements name it. One that is here already is not decoded
    ///   again.
    @discardableResult
    public mutating func addArtefact(
        _ bytes: Span<UInt8>, for type: ProofType
    ) throws(ArtefactError) -> Bytes32 {
        guard let system = systems[type] else { throw .unknownType(type) }
        guard bytes.count > 0, bytes.count <= limits.artefactSizeMax else {
            throw .size(found: bytes.count, limit: limits.artefactSizeMax)
        }
        let hash = SHA256.hash(bytes)
        if system.keys[hash] != nil { return hash }
        let free = limits.artefactsSizeMax - artefactsSize
        guard bytes.count <= free else { throw .full(needed: bytes.count, free: free) }
        let key = try system.prepare(bytes)
        systems[type]?.keys[hash] = key
        systems[type]?.sizes[hash] = bytes.count
        artefactsSize += bytes.count
        return hash
    }

    /// Forgets an artefact, if it is here.
    public mutating func removeArtefact(_ hash: Bytes32, for type: ProofType) {
        guard let size = systems[type]?.sizes.removeValue(forKey: hash) else { return }
        systems[type]?.keys[hash] = nil
        artefactsSize -= size
    }

    /// Whether proofs under this key can be checked.
    public func supports(_ key: VerifierKey) -> Bool {
        systems[key.type]?.keys[key.artefact] != nil
    }

    /// Checks that `proof` proves `statement`.
    public func verify(_ proof: Span<UInt8>, of statement: ProofStatement) -> ProofVerdict {
        let type = statement.key.type
        guard let system = systems[type] else { return .unsupported(.type(type)) }
        guard let key = system.keys[statement.key.artefact] else {
            return .unsupported(.artefact(statement.key.artefact))
        }
        guard proof.count > 0, proof.count <= system.proofSizeMax else {
            return .invalid(
                ProofFault(.size, "\(proof.count) bytes, at most \(system.proofSizeMax)"))
        }
        return key.verify(proof, statement)
    }
}
