public import ChoraleBase
import Codec
public import ProofSystems

/// What a proof node says when a proof is there, or will not be.
public enum ProofNodeEvent: Hashable, Sendable {
    case complete(root: Bytes32, type: ProofType)
    case failure(root: Bytes32, type: ProofType, reason: FailureReason, message: String)

    public enum FailureReason: String, Hashable, Sendable {
        case witnessTimeout = "witness_timeout"
        case provingTimeout = "proving_timeout"
        case provingError = "proving_error"
        case internalError = "internal_error"
        /// A reason that this version does not know.
        case other
    }
}

extension ProofNodeEvent {
    /// What an event says, or nil for one that this version does not know.
    ///
    /// - Throws: ``ProofNodeError/malformed(_:)``.
    public init?(_ event: ServerSentEvents.Event) throws(ProofNodeError) {
        do {
            guard let decoded = try ProofNodeMessage.event(event) else { return nil }
            self = decoded
        } catch {
            throw .malformed(error.detail)
        }
    }
}

/// What a proof node can do with one type of proofs.
public struct ProofNodeCapability: Hashable, Sendable {
    public let type: ProofType
    public let canProve: Bool
    public let canVerify: Bool
}

/// Messages of the API, decoded strictly in what is used and leniently in what is not: members that later
/// versions add are skipped.
///
/// Specification: eth-act/zkboost `openapi.json`.
enum ProofNodeMessage {
    /// Why a message was refused.
    struct Malformed: Error, Hashable {
        let detail: String
    }

    static func object(_ bytes: [UInt8]) throws(Malformed) -> JSONObject {
        let value: JSONValue
        do {
            value = try JSONValue(parsing: bytes)
        } catch {
            throw Malformed(detail: "\(error)")
        }
        guard let object = value.object else {
            throw Malformed(detail: "\(value.kind) where an object belongs")
        }
        return object
    }

    static func root(in object: JSONObject) throws(Malformed) -> Bytes32 {
        guard let text = object["new_payload_request_root"]?.string, text.hasPrefix("0x"),
            text.utf8.count == 66, text.utf8.dropFirst(2).allSatisfy(isLowerHex),
            let bytes = try? Hex.decode(text.dropFirst(2)), let root = Bytes32(bytes)
        else { throw Malformed(detail: "no root of 0x and 64 lower-case digits") }
        return root
    }

    private static func isLowerHex(_ byte: UInt8) -> Bool {
        0x30...0x39 ~= byte || 0x61...0x66 ~= byte
    }

    static func type(in object: JSONObject) throws(Malformed) -> ProofType {
        guard let name = object["proof_type"]?.string else {
            throw Malformed(detail: "no proof_type")
        }
        guard let type = ProofType(name: name) else {
            throw Malformed(detail: "an unknown proof_type")
        }
        return type
    }

    /// Nil for events that this version does not know.
    static func event(_ event: ServerSentEvents.Event) throws(Malformed) -> ProofNodeEvent? {
        switch event.name {
        case "proof_complete":
            let object = try object([UInt8](event.data.utf8))
            return .complete(root: try root(in: object), type: try type(in: object))
        case "proof_failure":
            let object = try object([UInt8](event.data.utf8))
            guard let reason = object["reason"]?.string, let message = object["error"]?.string
            else { throw Malformed(detail: "a failure without reason") }
            return .failure(
                root: try root(in: object), type: try type(in: object),
                reason: ProofNodeEvent.FailureReason(rawValue: reason) ?? .other,
                message: String(message.prefix(512)))
        default: return nil
        }
    }

    static func capabilities(_ bytes: [UInt8]) throws(Malformed) -> [ProofNodeCapability] {
        guard let entries = try object(bytes)["proof_types"]?.array else {
            throw Malformed(detail: "no proof_types")
        }
        guard entries.count <= 256 else { throw Malformed(detail: "more types than numbers") }
        var capabilities: [ProofNodeCapability] = []
        for entry in entries {
            guard let object = entry.object, let name = object["proof_type"]?.string,
                let canProve = object["can_prove"]?.bool,
                let canVerify = object["can_verify"]?.bool
            else { throw Malformed(detail: "a type without its members") }
            // A newer node's type is none of ours.
            guard let type = ProofType(name: name) else { continue }
            capabilities.append(
                ProofNodeCapability(type: type, canProve: canProve, canVerify: canVerify))
        }
        return capabilities
    }

    static func isValid(_ bytes: [UInt8]) throws(Malformed) -> Bool {
        switch try object(bytes)["status"]?.string {
        case "VALID": return true
        case "INVALID": return false
        default: throw Malformed(detail: "a status that is neither VALID nor INVALID")
        }
    }

    /// What an error says, as far as it can be read.
    static func message(_ bytes: [UInt8]) -> String {
        let text = (try? object(bytes))?["message"]?.string
        return String((text ?? String(decoding: bytes.prefix(256), as: UTF8.self)).prefix(256))
    }
}
