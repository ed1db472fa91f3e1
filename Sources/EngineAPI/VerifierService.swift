public import ChoraleBase
public import Codec
public import Execution
public import JSONRPC

/// A committed chain, as ``VerifierService`` reads it. Every call sees whole blocks.
public protocol CommittedChain: AnyObject {
    associatedtype Tries: TrieNodeSource, CodeSource

    /// Of the last block.
    func height() throws(SourceFailure) -> UInt64
    func number(of hash: Bytes32) throws(SourceFailure) -> UInt64?
    /// nil for one that is not there, or not any more.
    func block(at number: UInt64) throws(SourceFailure) -> (block: Block, hash: Bytes32)?
    func header(at number: UInt64) throws(SourceFailure) -> (header: Header, hash: Bytes32)?
    /// The state's tries after a block; nil where they are not kept.
    func tries(after number: UInt64) throws(SourceFailure) -> Tries?
    /// What executing a block needs; nil where its parent's state is not kept.
    func witness(of number: UInt64) throws(SourceFailure) -> Witness?
}

/// The engine's calls for whoever wants a second opinion from a node whose head is decided by a consensus of its
/// own: payloads are verified, nothing is chosen or built.
///
/// `engine_newPayload` is answered from the chain when the block is part of it, else by executing it on its
/// parent's state, if that is held; nothing of it is kept. Stateless calls are ``StatelessService``'s. A
/// forkchoice is refused.
///
/// A function of the request and of what it reads; one thread at a time.
///
/// Specification: Ethereum execution APIs, engine, "Paris" to "Osaka"; proposal 557 for witnesses.
public final class VerifierService<Chain: CommittedChain> {
    private let chain: Chain
    private let rules: ChainRules
    private let version: EngineClientVersion
    /// Bodies asked for at once; the specification wants 32 at least.
    private let bodyCountMax = 1024

    public init(_ chain: Chain, rules: ChainRules, version: EngineClientVersion) {
        self.chain = chain
        self.rules = rules
        self.version = version
    }

    /// What can be called, as consensus clients are told.
    public static var capabilities: [String] {
        EngineMethods.newPayload + EngineMethods.stateless + EngineMethods.bodies
    }

    public func answer(_ request: RPCRequest) throws(RPCError) -> JSONValue {
        let (method, params) = (request.method, request.params)
        typealias Version = StatelessPayloadRequest.Version
        for (prefix, withWitness) in [
            ("engine_newPayloadV", false), ("engine_newPayloadWithWitnessV", true),
        ] {
            if let version = Version(method: method, prefix: prefix), version != .v5 {
                return try newPayload(method, version, params, withWitness: withWitness)
            }
        }
        if method.hasPrefix("engine_forkchoiceUpdated") || method.hasPrefix("engine_getPayloadV") {
            throw .consensusDecides
        }
        switch method {
        case "engine_getPayloadBodiesByHashV1":
            var bodies: [JSONValue] = []
            for hash in try PayloadBodies.hashes(params, countMax: bodyCountMax) {
                bodies.append(PayloadBodies.json(try read(try chain.block(hash))))
            }
            return .array(bodies)
        case "engine_getPayloadBodiesByRangeV1":
            let range = try PayloadBodies.range(
                params, latest: try read(try chain.height()), countMax: bodyCountMax)
            guard let range else { return .array([]) }
            var bodies: [JSONValue] = []
            for number in range {
                bodies.append(PayloadBodies.json(try read(try chain.block(at: number)?.block)))
            }
            return .array(bodies)
        case "engine_getClientVersionV1": return try version.answer(params)
        case "engine_exchangeCapabilities":
            return try EngineMethods.exchange(params, Self.capabilities)
        default:
            throw .unknownMethod(
                method, nearest: NearestName.of(method, among: Self.capabilities))
        }
    }

    /// Reads the chain, whose failures are answers of their own.
    private func read<Value>(
        _ body: @autoclosure () throws(SourceFailure) -> Value
    ) throws(RPCError) -> Value {
        do throws(SourceFailure) {
            return try body()
        } catch {
            throw .internalError("\(error)")
        }
    }

    private func newPayload(
        _ method: String, _ version: StatelessPayloadRequest.Version, _ params: JSONValue?,
        withWitness: Bool
    ) throws(RPCError) -> JSONValue {
        let payload: NewPayload
        switch try NewPayload.read(method, version, params, rules) {
        case .payload(let found): payload = found
        case .refused(let status): return status.json
        }
        if let number = try read(try chain.number(of: payload.hash)) {
            var status = PayloadStatus.valid(payload.hash)
            if withWitness { status.witness = try read(try chain.witness(of: number))?.rlp() }
            return status.json
        }
        return try verdict(payload, withWitness: withWitness).json
    }

    /// Executes a block that is not part of the chain, if its parent is and has its state here.
    private func verdict(
        _ payload: NewPayload, withWitness: Bool
    ) throws(RPCError) -> PayloadStatus {
        let parentHash = payload.block.header.parentHash
        guard let number = try read(try chain.number(of: parentHash)),
            let parent = try read(try chain.header(at: number))?.header,
            let tries = try read(try chain.tries(after: number))
        else { return .syncing }
        var hashes: [UInt64: Bytes32] = [:]
        var encodings: [UInt64: [UInt8]] = [:]
        for ancestor in (number < 255 ? 0 : number - 255)...number {
            guard let (header, hash) = try read(try chain.header(at: ancestor)) else { continue }
            hashes[ancestor] = hash
            encodings[ancestor] = header.encoded
        }
        let trie = TrieState(root: parent.stateRoot, source: tries, blockHashes: hashes)
        let result: Result<ExecutedBlock, BlockRejection>
        do throws(StateError) {
            result = try ExecutedBlock.make(
                payload.block, size: payload.size, payload.hash, after: parent, rules, on: trie,
                ancestors: encodings, withWitness: withWitness)
        } catch {
            throw .internalError("\(error)")
        }
        switch result {
        case .success(let executed):
            var status = PayloadStatus.valid(payload.hash)
            status.witness = executed.witness
            return status
        case .failure(let rejection):
            return PayloadStatus(
                status: .invalid, latestValid: parentHash, error: "\(rejection)")
        }
    }
}

extension CommittedChain {
    fileprivate func block(_ hash: Bytes32) throws(SourceFailure) -> Block? {
        guard let number = try number(of: hash) else { return nil }
        return try block(at: number)?.block
    }
}
