import Attestation
import ChoraleBase
import ChoraleTypes
import Codec
import Operations
import OrderedCollections

/// What an enclave says of the parts of an operation, for kinds that want it.
extension ExecutorAgent {
    /// nil when there is none, or the kind has no place for what it says.
    func attester(for assignment: Assignment) -> BoundAttester? {
        guard let attester = configuration.attester,
            let parameters = configuration.parameters.enclaves,
            assignment.limits.policy == .enclaveThenProof,
            assignment.limits.proofTypes.contains(attester.kind.rawValue)
        else { return nil }
        return BoundAttester(attester: attester, artefact: parameters.artefact)
    }

    /// An enclave has vouched for a part: it is signed, kept, and said at once.
    mutating func attested(
        _ name: Bytes32, _ part: Int, _ content: EnclaveStatementContent, _ job: ExecutorJobID,
        _ step: Assignment.Step?, into outputs: inout [ExecutorOutput]
    ) {
        guard case .proving(var proving)? = step, case .running(job) = proving.attestations[part]
        else { return }
        let statement = EnclaveStatement(
            signing: content, with: configuration.key, network: configuration.network)
        let body = statement.sszEncoded()
        recorded.insert(name)
        _ = store(
            .write(
                [
                    .put(
                        .execution, key: ExecutionRow.attestation(part: part).key(of: name),
                        value: body)
                ], sync: true), into: &outputs)
        proving.attestations[part] = .done(body)
        take(.proving(proving), name)
        outputs.append(.attest(statement))
        outputs.append(.event(.attested(operation: name, part: part)))
    }
}
