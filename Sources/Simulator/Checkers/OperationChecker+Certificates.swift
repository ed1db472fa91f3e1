import Chain
import ChoraleBase
import ChoraleTypes
import Codec
import Consensus
import Subproof

/// What certificates and evidence are worth, wherever they are.
extension OperationChecker {
    func note(_ id: SubProofID, isValid: Bool, _ place: String) {
        if let known = certified[id], known != isValid {
            conflicts.append("\(place): part \(id.part) valid \(isValid), and elsewhere \(known)")
        }
        certified[id] = isValid
        guard let proof = proofs[id] else {
            badCertificates.append("\(place): of a proof that no commitment names")
            return
        }
        if isValid != proof.isGood {
            badCertificates.append("\(place): part \(id.part) of \(proof.executor): \(isValid)")
        }
    }

    /// Nobody is slashed for a verdict but those that are wrong on purpose.
    func read(_ evidence: SubProofEvidence, _ place: String) {
        let root =
            switch evidence {
            case .reject(let evidence): evidence.claim.vote.content.validatorsRoot
            case .falseVerdict(let evidence): evidence.claim.vote.content.validatorsRoot
            case .equivocation(let pair): pair.valid.content.validatorsRoot
            case .outputEquivocation(let pair): pair.first.content.validatorsRoot
            case .falseOutput(let evidence): evidence.vote.content.validatorsRoot
            }
        guard let culprit = network.checker.set(root: root)?[evidence.validator] else {
            badSlashes.append("\(place): evidence against nobody")
            return
        }
        if network.isLiar(culprit.key) {
            slashedValidators.insert(culprit.key)
        } else {
            badSlashes.append("\(place): evidence against an honest validator")
        }
    }

    /// A certificate is a quorum of what those validators really signed.
    func read(_ certificate: SubProofCertificate, _ place: String) {
        note(certificate.id, isValid: certificate.verdict.isValid, place)
        let verdicts = Dictionary(
            uniqueKeysWithValues: certificate.votes.map { ($0.validator, $0.verdict) })
        check(
            certificate.signers, certificate.tranche, setRoot: certificate.validatorsRoot, place,
            verify: { set, network in
                try certificate.verifySignatures(validators: set, network: network)
            },
            isSigned: { validator, key in
                self.signed[Place(validator: key, proof: certificate.id)] == verdicts[validator]
            })
    }

    /// What every certificate is: of a known set, its signatures good, a quorum, and what its honest signers really
    /// signed.
    ///
    /// - Parameter isSigned: whether an honest validator was asked to sign what the certificate says that it did.
    func check(
        _ signers: ValidatorBits, _ tranche: Tranche, setRoot: Bytes32, _ place: String,
        verify: (ValidatorSet, NetworkDigest) throws -> Void,
        isSigned: (ValidatorIndex, Bytes32) -> Bool
    ) {
        guard let set = network.checker.set(root: setRoot), signers.count == set.count else {
            badCertificates.append("\(place): of an unknown set")
            return
        }
        do {
            try verify(set, network.genesis.parameters.network)
        } catch {
            badCertificates.append("\(place): \(error)")
        }
        var stake: UInt64 = 0
        for (position, validator) in set.validators.enumerated() where signers[position] {
            stake += validator.stake
            guard !network.isLiar(validator.key), let key = Bytes32(validator.key.bytes) else {
                continue
            }
            if !isSigned(ValidatorIndex(position), key) {
                badCertificates.append("\(place): a vote that validator \(position) did not sign")
            }
        }
        // Counted here once more, by the table of docs/subproofs.md.
        let count = signers.setCount
        let isQuorum =
            switch tranche {
            case .first: 3 * count > 2 * min(32, set.count)
            case .second: 2 * count > min(128, set.count)
            case .everyone: 3 * stake > 2 * set.validators.reduce(0) { $0 + $1.stake }
            }
        if !isQuorum { badCertificates.append("\(place): \(count) of \(set.count), \(tranche)") }
    }

    /// What nodes have on their disks now is to agree with all the rest.
    func readDisks() {
        for host in network.honest {
            for row in run.simulation.hosts[host.rawValue].disk.values(of: .subproof)
            where row.key.count == SubproofRow.keySize {
                guard let row = try? SubproofRow(key: row.key.span, value: row.value.span) else {
                    badCertificates.append("\(name(host)): a row that is none")
                    continue
                }
                if case .certificate(let certificate) = row.content {
                    note(
                        certificate.id, isValid: certificate.verdict.isValid,
                        "\(name(host))'s disk")
                }
            }
        }
    }
}
