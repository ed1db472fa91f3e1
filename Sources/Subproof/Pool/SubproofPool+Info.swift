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

extension SubproofPool {
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
                level: state.status.level)
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
