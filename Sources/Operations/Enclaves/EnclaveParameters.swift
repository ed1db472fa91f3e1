public import Attestation
public import ChoraleBase
public import ChoraleTypes
public import Codec
import Crypto
public import ProofSystems

/// What all nodes of a chain agree on about enclaves, before it begins.
public struct EnclaveParameters: Hashable, Sendable {
    /// How evidence is judged.
    public let rules: AttestationRules
    /// SHA-256 of the rules: what statements name them by.
    public let artefact: Bytes32
    /// What may vouch in the beginning.
    public let allowed: [AllowedEnclave]
    /// Heights of an epoch, at least 1: measurements are allowed for some epochs.
    public let epochLength: UInt64
    private let verifier: AttestationVerifier

    /// - Precondition: at most ``EnclaveRegistry/allowedMax`` may vouch, and an epoch has a height.
    public init(
        rules: AttestationRules, allowed: [AllowedEnclave], epochLength: UInt64,
        verifier: AttestationVerifier = AttestationVerifier()
    ) {
        precondition(allowed.count <= EnclaveRegistry.allowedMax, "\(allowed.count) enclaves")
        precondition(epochLength >= 1, "an epoch has a block")
        self.rules = rules
        artefact = SHA256.hash(rules.sszEncoded())
        self.allowed = allowed
        self.epochLength = epochLength
        self.verifier = verifier
    }

    public func epoch(of height: UInt64) -> UInt64 { height / epochLength }

    /// Checks signature and evidence: what is wrong with the statement whoever looks at it, and whenever. Some
    /// milliseconds.
    ///
    /// - Returns: the platform that vouches for it.
    public func platform(
        of statement: EnclaveStatement, network: NetworkDigest
    ) throws(EnclaveFault) -> Bytes32 {
        let content = statement.content
        guard content.artefact == artefact else { throw .otherRules(content.artefact) }
        guard statement.isSigned(network: network) else { throw .badSignature(content.executor) }
        do throws(ProofFault) {
            let proof = content.body.proof.bytes
            return try AttestationProofVerifier(content.kind, verifier).attestation(
                in: proof.span, of: content.statement, key: rules
            ).platform
        } catch {
            throw .evidence(error)
        }
    }
}

/// Why a statement about an enclave counts for nothing.
public enum EnclaveFault: Error, Hashable, Sendable {
    /// The network takes no evidence.
    case noRules
    /// Judged by rules that are not the network's.
    case otherRules(Bytes32)
    case badSignature(Bytes32)
    case evidence(ProofFault)
    /// Nothing that may vouch for operations of this kind in this epoch.
    case notAllowed(EnclaveMeasurement, kind: UInt16, epoch: UInt64)
    /// A platform that has vouched for what a proof contradicts.
    case revoked(Bytes32)
}
