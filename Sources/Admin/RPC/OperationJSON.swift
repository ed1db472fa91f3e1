import ChoraleBase
import ChoraleTypes
import Codec
import ExecutorAgent
import Node
import Operations
import PartVerification
import Subproof

/// How operations look in JSON. Wei are texts of digits: they do not fit an integer of JSON. Names of
/// members are stable.
extension ReplyJSON {
    /// One operation of a list: what its parts have come to, without each part.
    static func summary(_ info: OperationInfo) -> JSONObject { object(info, listsParts: false) }

    /// One operation, with all of its parts.
    static func object(_ info: OperationInfo) -> JSONObject { object(info, listsParts: true) }

    private static func object(_ info: OperationInfo, listsParts: Bool) -> JSONObject {
        let (status, end) = word(for: info.outcome)
        return [
            "operation": hex(info.operation), "kind": JSONValue(Int(info.kind)),
            "requester": .string("0x\(Hex.encode(info.requester.bytes))"),
            "requestedAt": JSONValue(info.requestedAt), "expiry": JSONValue(info.expiry),
            "fee": .string("\(info.fee)"), "status": .string(status),
            "endedAt": end.map { JSONValue($0) } ?? .null,
            "executors": .array(
                info.executors.map { candidate in
                    .object([
                        "key": hex(candidate.key), "turn": JSONValue(candidate.turn),
                        "isRefused": .bool(candidate.isRefused),
                    ])
                }),
            "progress": JSONValue(Int(info.progress)),
            "commitment": info.commitment.map { .object(object($0, listsParts: listsParts)) }
                ?? .null,
            "confirmation": .string(word(for: info.confirmation)),
            "isDisputed": .bool(info.isDisputed),
            "committee": info.committee.map { .object(object($0)) } ?? .null,
            "unchallengedAt": info.unchallengedAt.map { JSONValue($0) } ?? .null,
        ]
    }

    private static func object(_ committee: CommitteeInfo) -> JSONObject {
        [
            "tranche": .string(word(for: committee.tranche)), "votes": JSONValue(committee.votes),
            "asked": JSONValue(committee.asked),
            "outputHash": committee.outputHash.map(hex) ?? .null,
            "certifiedBy": committee.certifiedBy.map { .string(word(for: $0)) } ?? .null,
            "ownOutputHash": committee.ownOutputHash.map(hex) ?? .null,
            "isDisputed": .bool(committee.isDisputed),
        ]
    }

    private static func object(
        _ commitment: OperationInfo.CommitmentInfo, listsParts: Bool
    ) -> JSONObject {
        let parts = commitment.parts
        var object: JSONObject = [
            "executor": hex(commitment.executor), "height": JSONValue(commitment.height),
            "outputHash": hex(commitment.outputHash),
            "outputSize": JSONValue(commitment.outputSize),
            "outputRoot": commitment.outputRoot.map(hex) ?? .null,
            "price": .string("\(commitment.price)"), "partCount": JSONValue(parts.count),
            "partsCertified": JSONValue(parts.count(where: \.isCertified)),
            "partsOnChain": JSONValue(parts.count(where: \.isOnChain)),
        ]
        guard listsParts else { return object }
        object["parts"] = .array(
            parts.enumerated().map { index, part in .object(self.object(part, index: index)) })
        return object
    }

    private static func object(_ part: OperationInfo.PartInfo, index: Int) -> JSONObject {
        [
            "part": JSONValue(index), "proofType": JSONValue(Int(part.proofType)),
            "proofSize": JSONValue(part.proofSize), "tranche": .string(word(for: part.tranche)),
            "votes": JSONValue(part.votes), "asked": JSONValue(part.asked),
            "isCertified": .bool(part.isCertified), "verdict": verdict(part.verdict),
            "ownVerdict": verdict(part.ownVerdict), "isContested": .bool(part.isContested),
            "level": .string(word(for: part.level)), "isOnChain": .bool(part.isOnChain),
        ]
    }

    static func object(_ info: AssignmentInfo) -> JSONObject {
        [
            "operation": hex(info.operation), "part": JSONValue(Int(info.part)),
            "validators": .array(info.validators.map { JSONValue(Int($0.rawValue)) }),
            "isOurs": .bool(info.isOurs),
        ]
    }

    static func object(_ info: ProofsInfo) -> JSONObject {
        let counters = info.counters
        let pool = counters.pool
        return [
            "partsSeen": JSONValue(counters.partsSeen),
            "operationsCertified": JSONValue(counters.operationsCertified),
            "operationsRejected": JSONValue(counters.operationsRejected),
            "verifications": JSONValue(pool.verifications),
            "verificationMs": milliseconds(counters.verificationTime),
            "verdictsValid": JSONValue(pool.verdictsValid),
            "verdictsReject": JSONValue(pool.verdictsReject),
            "abstentions": JSONValue(pool.abstentions),
            "votesPublished": JSONValue(counters.votesPublished),
            "votesReceived": JSONValue(counters.votesReceived),
            "votesDropped": JSONValue(pool.droppedTotal),
            "certificatesMade": JSONValue(pool.certificatesMade),
            "certificatesPublished": JSONValue(counters.certificatesPublished),
            "certificatesReceived": JSONValue(counters.certificatesReceived),
            "attestationsReceived": JSONValue(counters.attestationsReceived),
            "attestationsVerified": JSONValue(counters.attestationsVerified),
            "evidenceFound": JSONValue(pool.evidenceFound),
            "signersMuted": JSONValue(pool.signersMuted),
            "proofsFetched": JSONValue(counters.proofsFetched),
            "proofBytesFetched": JSONValue(counters.proofBytesFetched),
            "proofsServed": JSONValue(counters.proofsServed),
            "proofsShelved": JSONValue(counters.proofsShelved),
            "shelfSize": JSONValue(counters.shelfSize),
            "silentValidators": .array(
                info.silentValidators.prefix(64).map { entry in
                    .object([
                        "validator": .string("0x\(Hex.encode(entry.validator.bytes))"),
                        "score": JSONValue(Int(entry.score)), "asked": JSONValue(entry.asked),
                        "silent": JSONValue(entry.silent),
                    ])
                }),
            "executor": info.executor.map { .object(object($0)) } ?? .null,
        ]
    }

    static func object(_ info: ExecutorInfo) -> JSONObject {
        [
            "key": hex(info.key), "bondGwei": info.bond.map { JSONValue($0) } ?? .null,
            "jobs": .array(
                info.jobs.map { job in
                    .object([
                        "operation": hex(job.operation), "rank": JSONValue(job.rank),
                        "state": .string(job.state), "proven": JSONValue(job.proven),
                        "parts": JSONValue(job.parts),
                    ])
                }),
            "executed": JSONValue(info.executed), "proven": JSONValue(info.proven),
            "committed": JSONValue(info.committed), "settled": JSONValue(info.settled),
            "failed": JSONValue(info.failed), "executionMs": milliseconds(info.executionTime),
            "provingMs": milliseconds(info.provingTime),
        ]
    }

    // MARK: Words

    private static func hex(_ name: Bytes32) -> JSONValue { .string("0x\(name)") }

    private static func verdict(_ isValid: Bool?) -> JSONValue {
        isValid.map { .string($0 ? "valid" : "reject") } ?? .null
    }

    /// How far it has come, and the height of its end.
    private static func word(
        for outcome: OperationInfo.Outcome
    ) -> (status: String, end: UInt64?) {
        switch outcome {
        case .settled(let height): ("settled", height)
        case .expired(let height): ("expired", height)
        case .open(let status): (word(for: status), nil)
        }
    }

    private static func word(for status: OperationStatus) -> String {
        switch status {
        case .requested: "requested"
        case .committed: "committed"
        case .certified: "certified"
        case .justified: "justified"
        case .frozen: "frozen"
        case .settled: "settled"
        case .expired: "expired"
        }
    }

    static func word(for tranche: Tranche) -> String {
        switch tranche {
        case .first: "first"
        case .second: "second"
        case .everyone: "everyone"
        }
    }

    static func word(for level: ConfirmationLevel) -> String {
        switch level {
        case .none: "none"
        case .teeConfirmed: "tee_confirmed"
        case .quorumVerified: "quorum_verified"
        case .proofFinal: "proof_final"
        }
    }
}
