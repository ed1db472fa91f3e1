import ChoraleBase
import Crypto
public import HTTP
public import ProofSystems

/// A proof node as a verifier, for types that this program cannot check itself.
///
/// The operator names the node, and its word is this validator's word: it belongs on the same machine, or
/// on one as well kept. A node that cannot be asked, or answers what the API does not have, makes the
/// validator abstain: only "VALID" and "INVALID" are verdicts.
///
/// Specification: mechanisms section 3.6.
public struct RemoteVerifier: ProofVerifier {
    public let client: ProofNodeClient
    public let type: ProofType
    private let cancellation: HTTPClient.Cancellation?

    public init(
        client: ProofNodeClient, type: ProofType, cancellation: HTTPClient.Cancellation? = nil
    ) {
        self.client = client
        self.type = type
        self.cancellation = cancellation
    }

    public var proofSizeMax: Int { client.limits.proofSizeMax }

    /// The node has its own set-up: no artefact is needed, and none is taken.
    public func prepare(_ artefact: Span<UInt8>) throws(ArtefactError) {
        guard artefact.count == 0 else {
            throw .refused("a remote verifier has its own set-up")
        }
    }

    public func verify(
        _ proof: Span<UInt8>, of statement: ProofStatement, key: ()
    ) -> ProofVerdict {
        do {
            let isValid = try client.verify(
                proof.copied(), root: type.requestRoot(of: statement), type: type,
                cancellation: cancellation)
            return isValid ? .valid : .invalid(ProofFault(.check, "the proof node says INVALID"))
        } catch {
            return .unsupported(.variant(type, "\(error)"))
        }
    }

    /// Why a node is not asked for verdicts.
    public enum ProbeFailure: Error, Hashable, Sendable {
        case unreachable(ProofNodeError)
        /// It does not check this type.
        case cannotVerify(ProofType)
        /// It found nonsense valid: it checks nothing.
        case acceptsAnything
    }

    /// Asks the node whether it checks the type, and gives it a proof that can be none. Before the node is
    /// used, and now and then.
    ///
    /// - Parameter seed: drawn anew for each probe, so that nobody can know the probes.
    public func probe(seed: UInt64) throws(ProbeFailure) {
        var random = DeterministicRandom(seed: seed)
        let nonsense = (0..<256).map { _ in UInt8(truncatingIfNeeded: random.next()) }
        do {
            let capabilities = try client.capabilities(cancellation: cancellation)
            guard capabilities.contains(where: { $0.type == type && $0.canVerify }) else {
                throw ProbeFailure.cannotVerify(type)
            }
            let isValid = try client.verify(
                nonsense, root: SHA256.hash(nonsense), type: type, cancellation: cancellation)
            if isValid { throw ProbeFailure.acceptsAnything }
        } catch let failure as ProbeFailure {
            throw failure
        } catch let error as ProofNodeError {
            // Saying that the bytes are no proof is as good as INVALID.
            if case .refused(let status, _) = error, status < 500 { return }
            throw .unreachable(error)
        } catch {
            throw .unreachable(.malformed("\(error)"))
        }
    }
}
