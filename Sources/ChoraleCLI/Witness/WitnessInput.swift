import ArgumentParser
import ChoraleBase
import Codec
import Conformance
import Execution

/// Which chain's rules hold.
struct ChainOptions: ParsableArguments {
    @Option(
        help: """
            mainnet, sepolia or hoodi. (default: what the file says, else mainnet)
            """)
    var network: String?

    @Option(
        help: ArgumentHelp(
            "Rules of one fork, whatever the time: Paris, Shanghai, Cancun, Prague, Osaka, BPO1, BPO2.",
            valueName: "name"))
    var fork: String?

    @Option(help: ArgumentHelp("The chain id, with --fork. (default: 1)", valueName: "number"))
    var chainId: UInt64?

    @Option(
        help: ArgumentHelp(
            "Rules from the `config` of a genesis file, in geth's form.", valueName: "file"))
    var genesis: String?

    func validate() throws {
        guard [network, fork, genesis].count(where: { $0 != nil }) <= 1 else {
            throw ValidationError("give one of --network, --fork and --genesis")
        }
        if let network, ChainRules.named(network) == nil {
            throw ValidationError("--network is mainnet, sepolia or hoodi, not `\(network)`")
        }
        if let fork, Networks.fork(fork) == nil {
            let names = Networks.forks.map(\.name).joined(separator: ", ")
            throw ValidationError("--fork is one of \(names), not `\(fork)`")
        }
        if chainId != nil, fork == nil {
            throw ValidationError("--chain-id belongs to --fork")
        }
    }

    /// nil when nothing was said.
    func rules() throws(Failure) -> ChainRules? {
        if let network { return ChainRules.named(network) }
        if let fork { return Networks.rules(fork, chainID: chainId ?? 1) }
        guard let genesis else { return nil }
        let bytes = try Files.read(genesis, sizeMax: WitnessInput.fileSizeMax)
        let document = try WitnessInput.json(bytes, genesis)
        do throws(GenesisConfigError) {
            return try ChainRules(genesis: document)
        } catch {
            throw Failure("\(genesis): \(error)")
        }
    }
}

/// A file that could be read and has no block, or no witness, in it.
struct MalformedInput: Error {
    let path: String
    let failure: StatelessFailure
}

/// A block with its witness as files have them.
struct WitnessInput {
    /// nil where only the witness is given.
    var block: (block: Block, size: Int)?
    var witness: WitnessDocument
    var rules: ChainRules

    /// A witness of 64 MiB in hexadecimal, and its block.
    static let fileSizeMax = 160 << 20

    static let jsonLimits = {
        var limits = JSONValue.Limits()
        limits.valueCountMax = 4 << 20
        return limits
    }()

    /// - Parameters:
    ///   - files: a block and a witness; or one that holds both, or only a witness.
    ///   - needsBlock: whether the block may be missing.
    /// - Throws: ``Failure`` or ``MalformedInput``.
    init(_ files: [String], _ chain: ChainOptions, needsBlock: Bool) throws {
        guard let last = files.last, files.count <= 2 else {
            throw Failure.usage("give a block and a witness, or one file that holds both")
        }
        let contents = try Self.contents(last)
        var said = try chain.rules()
        if files.count == 2 {
            block = try Self.block(Self.contents(files[0]), files[0])
            witness = try Self.witness(contents, last)
        } else if let both = try Self.both(contents, last) {
            block = both.block
            witness = both.witness
            said = said ?? both.rules
        } else {
            guard !needsBlock else {
                throw Failure.usage("\(last) holds no block: give the block's file before it")
            }
            witness = try Self.witness(contents, last)
        }
        rules = said ?? .mainnet
    }

    static func contents(_ path: String) throws(Failure) -> [UInt8] {
        let bytes =
            path == "-"
            ? try Files.readStandardInput(sizeMax: fileSizeMax)
            : try Files.read(path, sizeMax: fileSizeMax)
        guard Gzip.isPacked(bytes) else { return bytes }
        do throws(Gzip.DecodeError) {
            return try Gzip.unpacked(bytes, sizeMax: fileSizeMax)
        } catch {
            throw Failure("\(path): \(error)")
        }
    }

    // MARK: One at a time

    /// A block's RLP: as it is, in hexadecimal, or as the answer of `debug_getRawBlock`.
    static func block(
        _ contents: [UInt8], _ path: String
    ) throws -> (block: Block, size: Int) {
        let bytes = try encoding(contents, path)
        do throws(BlockError) {
            return (try Block(bytes.span), bytes.count)
        } catch {
            throw MalformedInput(path: path, failure: .block(error))
        }
    }

    /// Bytes of RLP from what may be text of them.
    static func encoding(_ contents: [UInt8], _ path: String) throws(Failure) -> [UInt8] {
        guard let first = contents.first, first < 0x80 else { return contents }
        var text = String(decoding: contents, as: UTF8.self)
        if first == UInt8(ascii: "{") || first == UInt8(ascii: "\"") {
            let document = try json(contents, path)
            guard let digits = document.string ?? document["result"]?.string else {
                throw Failure("\(path) is JSON without hexadecimal digits as its `result`")
            }
            text = digits
        }
        while text.last?.isWhitespace == true { text.removeLast() }
        do throws(Hex.DecodeError) {
            return try Hex.decode(text)
        } catch {
            throw Failure("\(path) is neither RLP nor hexadecimal text: \(error)")
        }
    }

    static func json(_ contents: [UInt8], _ path: String) throws(Failure) -> JSONValue {
        do throws(JSONError) {
            return try JSONValue(parsing: contents, limits: jsonLimits)
        } catch {
            throw Failure("\(path) is not JSON: \(error)")
        }
    }

    private static func witness(
        _ contents: [UInt8], _ path: String
    ) throws(MalformedInput) -> WitnessDocument {
        do throws(WitnessError) {
            return try WitnessDocument(contents)
        } catch {
            throw MalformedInput(path: path, failure: .witness(error))
        }
    }

    // MARK: Both in one

    private typealias Both = (
        block: (block: Block, size: Int), witness: WitnessDocument, rules: ChainRules?
    )

    /// A test case, with members `block` and `witness`; nil for anything else.
    private static func both(_ contents: [UInt8], _ path: String) throws -> Both? {
        guard contents.first == UInt8(ascii: "{") else { return nil }
        let document = try json(contents, path)
        guard let digits = document["block"]?.string, document["witness"] != nil else {
            return nil
        }
        let bytes: [UInt8]
        do throws(Hex.DecodeError) {
            bytes = try Hex.decode(digits)
        } catch {
            throw Failure("\(path): `block` is not hexadecimal: \(error)")
        }
        // A chain of its own says all of its rules; the names of the others stand for theirs.
        var own: ChainRules?
        if document["config"] != nil {
            do throws(GenesisConfigError) {
                own = try ChainRules(genesis: document)
            } catch {
                throw Failure("\(path): \(error)")
            }
        }
        let rules =
            own ?? document["network"]?.string.flatMap { ChainRules.named($0) }
            ?? document["fork"]?.string.flatMap {
                Networks.rules($0, chainID: document["chainId"]?.uint64 ?? 1)
            }
        return (try block(bytes, path), try witness(contents, path), rules)
    }
}

extension MalformedInput {
    /// For commands that need the content to go on.
    var asFailure: Failure { Failure("\(path): \(failure)") }
}
