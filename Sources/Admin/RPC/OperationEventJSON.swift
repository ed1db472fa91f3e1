import ChoraleBase
import ChoraleTypes
public import Codec
public import ExecutorAgent
public import PartVerification
import Subproof

extension PartEvent {
    /// Stable.
    public var name: String {
        switch self {
        case .pool(let event): event.name
        case .unverifiable: "operation_unverifiable"
        case .verified: "proof_verified"
        case .fault: "validator_fault"
        case .muted: "signer_muted"
        case .signingFailed: "part_signing_failed"
        case .attested: "part_attested"
        case .enclaveRefused: "enclave_refused"
        case .contradicted: "enclave_contradicts"
        case .enclaveRevoked: "enclave_revoked"
        }
    }

    public var fields: JSONObject {
        switch self {
        case .pool(let event): return event.fields
        case .unverifiable(let operation, let reason):
            return ["operation": .string("0x\(operation)"), "reason": .string(reason)]
        case .verified(let operation, let part, let isValid, let elapsed):
            return [
                "operation": .string("0x\(operation)"), "part": JSONValue(Int(part)),
                "isValid": .bool(isValid), "elapsedMs": ReplyJSON.milliseconds(elapsed),
            ]
        case .fault(let operation, let validator):
            return [
                "operation": .string("0x\(operation)"),
                "validator": JSONValue(Int(validator.rawValue)),
            ]
        case .muted(let signer):
            switch signer {
            case .validator(let key): return ["validatorKey": .string(Hex.encode(key.bytes))]
            case .prover(let key): return ["prover": .string("0x\(key)")]
            }
        case .signingFailed: return [:]
        case .attested(let operation, let part, let enclave):
            return [
                "operation": .string("0x\(operation)"), "part": JSONValue(Int(part)),
                "enclave": .string("0x\(enclave)"),
            ]
        case .enclaveRefused(let operation, let part, let reason):
            return [
                "operation": .string("0x\(operation)"), "part": JSONValue(Int(part)),
                "reason": .string(reason),
            ]
        case .contradicted(let operation, let part):
            return ["operation": .string("0x\(operation)"), "part": JSONValue(Int(part))]
        case .enclaveRevoked(let enclave): return ["enclave": .string("0x\(enclave)")]
        }
    }
}

extension SubproofEvent {
    fileprivate var name: String {
        switch self {
        case .opened: "operation_opened"
        case .expanded: "parts_expanded"
        case .contested: "part_contested"
        case .certified: "part_certified"
        case .overturned: "part_overturned"
        case .outvoted: "part_outvoted"
        case .conflicting: "part_conflicting"
        case .abstained: "part_abstained"
        case .statusChanged: "part_status"
        case .operationCertified: "operation_certified"
        case .operationRejected: "operation_rejected"
        case .operationExpired: "operation_expired"
        case .justified: "operation_justified"
        case .disputed: "operation_disputed"
        case .fastPathFinal: "operation_fast_path_final"
        }
    }

    private static func fields(_ id: SubProofID) -> JSONObject {
        ["operation": .string("0x\(id.operation)"), "part": JSONValue(Int(id.part))]
    }

    fileprivate var fields: JSONObject {
        switch self {
        case .opened(let operation, let parts):
            return ["operation": .string("0x\(operation)"), "parts": JSONValue(parts)]
        case .expanded(let operation, let tranche, let parts):
            return [
                "operation": .string("0x\(operation)"), "tranche": .string("\(tranche)"),
                "parts": JSONValue(parts),
            ]
        case .certified(let id, let isValid, let tranche):
            var object = Self.fields(id)
            object["isValid"] = .bool(isValid)
            object["tranche"] = .string("\(tranche)")
            return object
        case .outvoted(let id, let own):
            var object = Self.fields(id)
            object["own"] = .string("\(own)")
            return object
        case .abstained(let id, let reason):
            var object = Self.fields(id)
            object["reason"] = .string("\(reason)")
            return object
        case .contested(let id), .overturned(let id), .conflicting(let id): return Self.fields(id)
        case .statusChanged(let operation, let part, let level, let isFrozen):
            return [
                "operation": .string("0x\(operation)"), "part": JSONValue(Int(part)),
                "level": .string("\(level)"), "isFrozen": .bool(isFrozen),
            ]
        case .operationRejected(let operation, let part):
            return ["operation": .string("0x\(operation)"), "part": JSONValue(Int(part))]
        case .operationCertified(let operation), .operationExpired(let operation),
            .disputed(let operation):
            return ["operation": .string("0x\(operation)")]
        case .justified(let operation, let output, let tranche):
            return [
                "operation": .string("0x\(operation)"), "outputHash": .string("0x\(output)"),
                "tranche": .string("\(tranche)"),
            ]
        case .fastPathFinal(let operation, let output):
            return [
                "operation": .string("0x\(operation)"), "outputHash": .string("0x\(output)"),
            ]
        }
    }
}

extension ExecutorEvent {
    /// Stable.
    public var name: String {
        switch self {
        case .elected: "executor_elected"
        case .began: "execution_began"
        case .executed: "executed"
        case .proven: "part_proven"
        case .attested: "execution_attested"
        case .notAttested: "execution_not_attested"
        case .committed: "execution_committed"
        case .settling: "settling"
        case .settled: "execution_settled"
        case .failed: "execution_failed"
        case .dropped: "execution_dropped"
        }
    }

    public var fields: JSONObject {
        switch self {
        case .elected(let operation, let rank, let turn):
            return [
                "operation": .string("0x\(operation)"), "rank": JSONValue(rank),
                "turn": JSONValue(turn),
            ]
        case .executed(let operation, let elapsed, let parts):
            return [
                "operation": .string("0x\(operation)"), "parts": JSONValue(parts),
                "elapsedMs": ReplyJSON.milliseconds(elapsed),
            ]
        case .proven(let operation, let part, let count, let elapsed):
            return [
                "operation": .string("0x\(operation)"), "part": JSONValue(part),
                "of": JSONValue(count), "elapsedMs": elapsed.map(ReplyJSON.milliseconds) ?? .null,
            ]
        case .attested(let operation, let part):
            return ["operation": .string("0x\(operation)"), "part": JSONValue(part)]
        case .notAttested(let operation, let part, let reason):
            return [
                "operation": .string("0x\(operation)"), "part": JSONValue(part),
                "reason": .string(reason),
            ]
        case .failed(let operation, let reason):
            return ["operation": .string("0x\(operation)"), "reason": .string(reason)]
        case .began(let operation), .committed(let operation), .settling(let operation),
            .settled(let operation), .dropped(let operation):
            return ["operation": .string("0x\(operation)")]
        }
    }
}
