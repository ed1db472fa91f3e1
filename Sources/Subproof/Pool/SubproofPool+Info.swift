public import ChoraleBase
public import ChoraleTypes
import Codec
import OrderedCollections

/// A part, as this node sees it: for those who watch.
public struct SubproofPartInfo: Hashable, Sendable {
    /// Who is asked.
    public var tranche: Tranche
    /// Votes heard, or those of the certificate.
    public var votes: Int
    public var asked: Int
    /// Of the certificate.
    public var verdict: Bool?
    /// Of our own verifier.
    public var ownVerdict: Bool?
    public var isContested: Bool
    public var level: ConfirmationLevel
}

/// A committee's operation, as this node sees it.
public struct CommitteeInfo: Hashable, Sendable {
    /// Who is asked.
    public var tranche: Tranche
    /// Votes heard, or those of the certificate.
    public var votes: Int
    public var asked: Int
    /// Of the certificate; nil while there is none.
    public var outputHash: Bytes32?
    public var certifiedBy: Tranche?
    /// What we found ourselves; nil when we were not asked, cannot execute it, or have not finished.
    public var ownOutputHash: Bytes32?
    public var isDisputed: Bool
}

extension SubproofPool {
    /// nil for an operation that is not open, or has proofs.
    public func committee(of operation: Bytes32) -> CommitteeInfo? {
        guard let index = operationIndex(operation), let committee = operations[index].committee
        else { return nil }
        return CommitteeInfo(
            tranche: committee.asked,
            votes: max(committee.votes.count, committee.certificate?.signatures.count ?? 0),
            asked: committee.asked.size(of: committee.rule.validators.count),
            outputHash: committee.certificate?.content.outputHash,
            certifiedBy: committee.certificate?.tranche, ownOutputHash: committee.ownOutput,
            isDisputed: committee.isDisputed)
    }

    /// How many operations are open.
    public var operationCount: Int { operations.count }
    /// How many parts they have together.
    public var partCount: Int { operations.reduce(0) { $0 + $1.parts.count } }

    /// In their order; nil for an operation that is not open.
    ///
    /// - Complexity: O(parts · validators / 8).
    public func parts(of operation: Bytes32) -> [SubproofPartInfo]? {
        guard let index = operationIndex(operation) else { return nil }
        return operations[index].parts.map { state in
            SubproofPartInfo(
                tranche: state.asked,
                votes: max(state.votes.count, state.certificate?.signatures.count ?? 0),
                asked: state.asked.size(of: state.rule.validators.count),
                verdict: state.certificate?.verdict.isValid,
                ownVerdict: state.ownVerdict?.isValid, isContested: state.isContested,
                level: state.status.level(of: state.context.output))
        }
    }

    /// The first tranche of each part, as they are asked; nil for an operation that is not open.
    public func members(of operation: Bytes32) -> [[ValidatorIndex]]? {
        guard let index = operationIndex(operation) else { return nil }
        return operations[index].context.rules.map { $0.order.members(of: .first) }
    }

    /// Ourselves in an operation's set.
    public func local(in operation: Bytes32) -> ValidatorIndex? {
        operationIndex(operation).flatMap { operations[$0].local }
    }
}
