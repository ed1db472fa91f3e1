import Chain
import ChoraleBase
import ChoraleTypes
import Codec
import Node
import OrderedCollections
import Subproof

/// What committees say of operations without proofs, wherever it is.
extension OperationChecker {
    /// An honest validator is about to sign.
    func observe(_ host: HostIndex, _ key: Bytes32, _ content: CommitteeVoteContent) {
        let place = "\(name(host)) on an output"
        let seat = Seat(
            validator: key, commitment: content.commitment,
            validatorsRoot: content.validatorsRoot)
        if let known = outputs[seat], known != content.outputHash {
            doubleSignatures.append("\(place): \(content.outputHash) after \(known)")
        }
        outputs[seat] = content.outputHash
        guard let judged = judged[content.commitment] else {
            badVerdicts.append("\(place): of a commitment that no block has")
            return
        }
        if content.outputHash != rightOutput(of: content.operation) {
            badVerdicts.append("\(place): \(content.outputHash)")
        }
        let row = SubproofRow(height: judged.height, content: .committeeIntent(content))
        let disk = run.simulation.hosts[host.rawValue].disk
        if disk.syncedValue(.subproof, row.key) != row.value {
            unsynced.append("\(place): what it is about to sign is not on its disk")
        }
    }

    /// A certificate is a quorum of what those validators really signed, and right.
    func read(_ certificate: FastPathCertificate, _ place: String) {
        let content = certificate.content
        if content.outputHash != rightOutput(of: content.operation) {
            badCertificates.append("\(place): of output \(content.outputHash)")
        }
        if judged[content.commitment] == nil {
            badCertificates.append("\(place): of a commitment that no block has")
        }
        check(
            certificate.signers, certificate.tranche, setRoot: content.validatorsRoot, place,
            verify: { set, network in
                try certificate.verifySignatures(validators: set, network: network)
            },
            isSigned: { _, key in
                let seat = Seat(
                    validator: key, commitment: content.commitment,
                    validatorsRoot: content.validatorsRoot)
                return self.outputs[seat] == content.outputHash
            })
    }

    /// Nobody honest disputes what is right.
    func read(_ dispute: CommitteeVote, _ place: String) {
        guard
            let validator = network.checker.set(root: dispute.content.validatorsRoot)?[
                dispute.validator]
        else {
            badCertificates.append("\(place): a dispute of nobody")
            return
        }
        disputeCount += 1
        let isWrong = dispute.outputHash != rightOutput(of: dispute.operation)
        if isWrong, !network.isLiar(validator.key) {
            badVerdicts.append("\(place): an honest validator disputes what is right")
        }
    }
}
