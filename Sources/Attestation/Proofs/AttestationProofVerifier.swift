import ChoraleBase
import Codec
public import ProofSystems

/// Checks attestations behind the interface of all proof systems: one for each kind.
///
/// The program of a key is the enclave's measurement, its artefact the rules. The enclave must vouch for
/// the statement's binding as its output, so that it vouches for plan, key and input too.
public struct AttestationProofVerifier: ProofVerifier {
    public let kind: AttestationKind
    private let verifier: AttestationVerifier

    public init(_ kind: AttestationKind) {
        self.kind = kind
        verifier = AttestationVerifier()
    }

    public init(_ kind: AttestationKind, _ verifier: AttestationVerifier) {
        self.kind = kind
        self.verifier = verifier
    }

    /// For tests, which have roots of their own.
    init(_ kind: AttestationKind, anchors: TrustAnchors) {
        self.init(kind, AttestationVerifier(anchors: anchors))
    }

    public var type: ProofType { ProofType(rawValue: kind.rawValue) }

    public var proofSizeMax: Int { AttestationProof.encodedSizeMax }

    public func prepare(_ artefact: Span<UInt8>) throws(ArtefactError) -> AttestationRules {
        do {
            return try AttestationRules(ssz: artefact)
        } catch {
            throw .refused("\(error)")
        }
    }

    /// What an enclave must vouch for to prove `statement`.
    public static func attested(_ statement: ProofStatement) -> AttestationStatement {
        AttestationStatement(
            operation: statement.operation, part: statement.part, output: statement.binding,
            key: statement.prover)
    }

    public func verify(
        _ proof: Span<UInt8>, of statement: ProofStatement, key rules: AttestationRules
    ) -> ProofVerdict {
        do throws(ProofFault) {
            _ = try attestation(in: proof, of: statement, key: rules)
            return .valid
        } catch {
            return .invalid(error)
        }
    }

    /// As ``verify(_:of:key:)``, with what the evidence says besides: which platform it was.
    public func attestation(
        in proof: Span<UInt8>, of statement: ProofStatement, key rules: AttestationRules
    ) throws(ProofFault) -> VerifiedAttestation {
        let parts: AttestationProof
        let collateral: Collateral
        let evidence: Evidence
        do {
            parts = try AttestationProof(ssz: proof)
            collateral = try Collateral(decoding: parts.collateral.bytes)
            evidence = try Evidence(kind: kind, bytes: parts.evidence.bytes)
        } catch {
            throw ProofFault(.malformed, "\(error)")
        }
        guard rules.times.contains(parts.time) else {
            throw ProofFault(.expired, "judged at \(parts.time), outside of the rules")
        }
        let now = WallTime(milliseconds: Int64(parts.time))
        let attestation: VerifiedAttestation
        do {
            attestation = try verifier.verify(evidence, with: collateral, now: now)
        } catch {
            throw ProofFault(error.reason, error)
        }
        let measurement = EnclaveMeasurement(kind: kind, digest: statement.key.program)
        do {
            try rules.policy(allowing: measurement).check(
                attestation, says: Self.attested(statement), epoch: 0, now: now)
        } catch {
            throw ProofFault(error.reason, error)
        }
        return attestation
    }
}

extension AttestationFault {
    /// Among the reasons that all proof systems share.
    var reason: ProofFault.Reason {
        switch self {
        case .evidenceTooLarge, .collateralDoesNotFit: .malformed
        case .notYetValid, .expired, .revoked, .platform(.revoked),
            .platform(.quotingEnclaveRevoked), .platform(.moduleRevoked):
            .expired
        case .quote(let fault):
            switch fault {
            case .reportSignature, .keyBinding, .signature: .check
            default: .malformed
            }
        case .report(let fault):
            switch fault {
            case .signature, .reportedTCB, .chipID: .check
            default: .malformed
            }
        case .document(let fault): fault == .signature ? .check : .malformed
        case .certificate, .chain, .revocationList, .statement, .platform: .check
        }
    }
}

extension PolicyRefusal {
    /// Among the reasons that all proof systems share.
    var reason: ProofFault.Reason {
        switch self {
        case .otherStatement: .notBound
        case .measurementNotAllowed, .measurementNotInForce, .debuggable, .migratable: .program
        case .requestedByHost, .revocationListMissing: .check
        case .notCurrent, .platformRevoked, .statusMissing, .status, .advisory, .evaluationNumber,
            .collateralTooOld, .productNotAllowed, .firmwareTooOld, .documentTooOld,
            .documentFromTheFuture:
            .expired
        }
    }
}
