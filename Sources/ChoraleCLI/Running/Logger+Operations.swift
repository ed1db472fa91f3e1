import Admin
import ChoraleBase
import ChoraleTypes
import Codec
import ExecutorAgent
import PartVerification
import Subproof
import Telemetry

/// Lines about operations that are executed once. What peers can cause at will is for `debug`.
extension Logger {
    func log(_ event: PartEvent) {
        switch event {
        case .pool(let event): log(event)
        case .unverifiable(let operation, let reason):
            warning(
                "an operation cannot be verified here",
                [.operation: LogValue(operation), .reason: LogValue(reason)])
        case .verified(let operation, let part, let isValid, let elapsed):
            debug(
                isValid ? "proof verified" : "proof refused",
                [
                    .operation: LogValue(operation), .part: LogValue(Int(part)),
                    .milliseconds: LogValue(elapsed.wholeMilliseconds),
                ])
        case .fault(let operation, let validator):
            warning(
                "a validator has voted falsely",
                [.operation: LogValue(operation), .validator: LogValue(validator.rawValue)])
        case .muted(let signer):
            warning("no more work is spent on a signer", [.key: LogValue("\(signer)")])
        case .signingFailed:
            error("votes on parts cannot be signed: the database takes nothing")
        case .attested(let operation, let part, let enclave):
            debug(
                "an enclave vouches for a part",
                [
                    .operation: LogValue(operation), .part: LogValue(Int(part)),
                    .key: LogValue(enclave),
                ])
        case .enclaveRefused(let operation, let part, let reason):
            debug(
                "evidence of an enclave refused",
                [
                    .operation: LogValue(operation), .part: LogValue(Int(part)),
                    .reason: LogValue(reason),
                ])
        case .contradicted(let operation, let part):
            warning(
                "an enclave contradicts what was committed to",
                [.operation: LogValue(operation), .part: LogValue(Int(part))])
        case .enclaveRevoked(let enclave):
            warning("a proof contradicts an enclave", [.key: LogValue(enclave)])
        }
    }

    private func log(_ event: SubproofEvent) {
        switch event {
        case .certified(let id, let isValid, let tranche):
            debug(
                isValid ? "part certified" : "part certified bad",
                [
                    .operation: LogValue(id.operation), .part: LogValue(Int(id.part)),
                    .detail: LogValue("\(tranche)"),
                ])
        case .operationCertified(let operation):
            info("operation certified", [.operation: LogValue(operation)])
        case .operationRejected(let operation, let part):
            warning(
                "operation rejected",
                [.operation: LogValue(operation), .part: LogValue(Int(part))])
        case .outvoted(let id, let own):
            error(
                "this node's verifier says otherwise than a certificate",
                [
                    .operation: LogValue(id.operation), .part: LogValue(Int(id.part)),
                    .verdict: LogValue("\(own)"),
                ])
        case .conflicting(let id):
            error(
                "two certificates contradict each other: more than a third of the stake is faulty",
                [.operation: LogValue(id.operation), .part: LogValue(Int(id.part))])
        case .abstained(let id, let reason):
            info(
                "not voting on a part",
                [
                    .operation: LogValue(id.operation), .part: LogValue(Int(id.part)),
                    .reason: LogValue("\(reason)"),
                ])
        case .opened, .expanded, .contested, .overturned, .statusChanged, .operationExpired,
            .justified, .disputed, .fastPathFinal:
            debug("operation", [.detail: LogValue("\(event)")])
        }
    }

    func log(_ event: ExecutorEvent) {
        switch event {
        case .elected(let operation, let rank, let turn):
            info(
                rank == 0 ? "elected to execute" : "elected as standby",
                [.operation: LogValue(operation), .height: LogValue(turn)])
        case .began(let operation): info("executing", [.operation: LogValue(operation)])
        case .executed(let operation, let elapsed, let parts):
            info(
                "executed",
                [
                    .operation: LogValue(operation), .count: LogValue(parts),
                    .milliseconds: LogValue(elapsed.wholeMilliseconds),
                ])
        case .proven(let operation, let part, let count, let elapsed):
            debug(
                "part proven",
                [
                    .operation: LogValue(operation), .part: LogValue(part), .limit: LogValue(count),
                    .milliseconds: LogValue(elapsed?.wholeMilliseconds ?? 0),
                ])
        case .attested(let operation, let part):
            debug(
                "our enclave vouches for a part",
                [.operation: LogValue(operation), .part: LogValue(part)])
        case .notAttested(let operation, let part, let reason):
            warning(
                "our enclave does not vouch for a part",
                [
                    .operation: LogValue(operation), .part: LogValue(part),
                    .reason: LogValue(reason),
                ])
        case .committed(let operation): info("committed to", [.operation: LogValue(operation)])
        case .settling(let operation): info("settling", [.operation: LogValue(operation)])
        case .settled(let operation): info("settled", [.operation: LogValue(operation)])
        case .failed(let operation, let reason):
            warning(
                "an operation cannot be executed",
                [.operation: LogValue(operation), .reason: LogValue(reason)])
        case .dropped(let operation):
            info("not executing any more", [.operation: LogValue(operation)])
        }
    }
}
