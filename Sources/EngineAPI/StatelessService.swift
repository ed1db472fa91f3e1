import ChoraleBase
public import Codec
public import Execution
public import JSONRPC

/// Answers calls that execute blocks statelessly: nothing is remembered but codes.
///
/// A value of the rules and a function of the request; no clock, no socket. One thread at a time.
public struct StatelessService {
    /// What can be called.
    public static let methods =
        StatelessPayloadRequest.Version.allCases.map(\.method) + [executeBlock, listMethods]

    public static let executeBlock = "chorale_executeBlock"
    static let listMethods = "rpc_methods"

    private let execution: StatelessExecution

    public init(_ execution: StatelessExecution) { self.execution = execution }

    public func answer(_ request: RPCRequest) throws(RPCError) -> JSONValue {
        if let version = StatelessPayloadRequest.Version(method: request.method) {
            return try executePayload(version, request.params)
        }
        switch request.method {
        case Self.executeBlock: return try executeBlock(request.params)
        case Self.listMethods: return JSONValue(Self.methods)
        default:
            throw .unknownMethod(
                request.method,
                nearest: NearestName.of(request.method, among: Self.methods))
        }
    }

    // MARK: Calls

    private func executePayload(
        _ version: StatelessPayloadRequest.Version, _ params: JSONValue?
    ) throws(RPCError) -> JSONValue {
        let request = try StatelessPayloadRequest(version, params)
        let fork = execution.rules.epoch(at: request.payload.timestamp).fork
        guard version.covers(fork) else {
            throw .unsupportedFork(version.method, fork, at: request.payload.timestamp)
        }
        let block: Block
        do throws(PayloadError) {
            block = try request.block()
        } catch {
            return Self.payloadStatus(nil, "\(error)")
        }
        do throws(StatelessFailure) {
            let verdict = try execution.verdict(
                block, size: block.encoded.count, try Self.witness(request.witness))
            return Self.payloadStatus(verdict.roots, nil)
        } catch {
            return Self.payloadStatus(nil, "\(error)")
        }
    }

    /// `statelessPayloadStatusV1`. The roots of what is invalid are zero, as other clients have them.
    private static func payloadStatus(
        _ roots: StatelessVerdict.Roots?, _ error: String?
    ) -> JSONValue {
        .object([
            "status": .string(roots == nil ? "INVALID" : "VALID"),
            "stateRoot": .string("0x\(roots?.stateRoot ?? .zero)"),
            "receiptsRoot": .string("0x\(roots?.receiptsRoot ?? .zero)"),
            "validationError": JSONValue(error),
        ])
    }

    private func executeBlock(_ params: JSONValue?) throws(RPCError) -> JSONValue {
        guard let block = params?["block"], let witness = params?["witness"] else {
            throw .parameters(
                "`\(Self.executeBlock)` takes `block`, RLP in hexadecimal, and `witness`, "
                    + "in hexadecimal or as the object that debug_executionWitness gives")
        }
        let encoding = try EngineValue(block, name: "block").bytes
        let isObject = witness.object != nil
        let bytes =
            isObject ? witness.encoded : try EngineValue(witness, name: "witness").bytes
        do throws(StatelessFailure) {
            let verdict = try execution.verdict(
                encoding.span, try Self.witness(bytes, isJSON: isObject))
            return Self.blockStatus(verdict.roots, nil)
        } catch {
            return Self.blockStatus(nil, "\(error)")
        }
    }

    private static func blockStatus(
        _ roots: StatelessVerdict.Roots?, _ error: String?
    ) -> JSONValue {
        .object([
            "status": .string(roots == nil ? "INVALID" : "VALID"),
            "stateRoot": JSONValue(roots.map { "0x\($0.stateRoot)" }),
            "receiptsRoot": JSONValue(roots.map { "0x\($0.receiptsRoot)" }),
            "gasUsed": roots.map { JSONValue($0.gasUsed) } ?? .null,
            "validationError": JSONValue(error),
        ])
    }

    private static func witness(
        _ bytes: [UInt8], isJSON: Bool = false
    ) throws(StatelessFailure) -> Witness {
        do throws(WitnessError) {
            return try isJSON ? Witness(json: bytes) : Witness(rlp: bytes)
        } catch {
            throw .witness(error)
        }
    }
}
