import Chain
import ChoraleBase
import ChoraleTypes
import Crypto
import EngineAPI
import Execution
import Store

/// Final blocks and the state after the last of them, in a chain's database.
final class DiskEngineBase: EngineBase {
    private let database: ChainDatabase
    private let reader: ChainReader
    private(set) var head: Header

    /// Opens the database, and writes the genesis into an empty one.
    init(directory: String, _ genesis: ExecutionGenesis) throws(Failure) {
        do throws(StoreOpenError) {
            database = try ChainDatabase.open(directory: directory, network: genesis.blockHash)
        } catch {
            throw Failure("\(error)")
        }
        reader = database.makeReader()
        head = genesis.header
        do throws(Failure) {
            if database.head == nil { try Self.begin(database, genesis) }
            if let height = database.height, height > genesis.header.number {
                head = try Self.header(reader, height)
            }
        } catch {
            database.close()
            throw error
        }
    }

    func close() { database.close() }

    private static func begin(
        _ database: ChainDatabase, _ genesis: ExecutionGenesis
    ) throws(Failure) {
        let header = genesis.header
        let block = Block(
            header: header, transactions: [], withdrawals: header.withdrawalsRoot == nil ? nil : [])
        do throws(StoreFailure) {
            try GenesisImport.run(genesis.accounts, into: database)
            try database.write(
                Self.write(
                    block, genesis.blockHash,
                    ExecutionWrite(
                        header: header, stateRoot: genesis.stateRoot, transactionHashes: [],
                        receipts: [], changes: [], newNodes: [])), sync: true)
        } catch {
            throw Failure("the genesis could not be written: \(error)")
        }
    }

    /// A block that has no consensus block: it is called by its own hash.
    private static func write(
        _ block: Block, _ hash: Bytes32, _ execution: ExecutionWrite
    ) -> BlockWrite {
        BlockWrite(
            block: StoredBlock(
                height: block.header.number, blockID: hash, blockHash: hash, block: [],
                payload: block.encoded, commit: []), execution: execution, head: [])
    }

    private static func header(_ reader: ChainReader, _ height: UInt64) throws(Failure) -> Header {
        do throws(ChainReadError) {
            if let found = try reader.header(at: height) { return found.header }
        } catch {
            throw Failure("\(error)")
        }
        throw Failure("the chain's database has no block \(height): restore a backup")
    }

    // MARK: Reading

    /// What is not kept any more is as what never was.
    private func read<Value>(
        _ body: () throws(ChainReadError) -> Value?
    ) throws(SourceFailure) -> Value? {
        do throws(ChainReadError) {
            return try body()
        } catch {
            switch error {
            case .pruned, .stateless: return nil
            case .unavailable(let detail): throw .unavailable(detail)
            }
        }
    }

    func block(_ hash: Bytes32) throws(SourceFailure) -> Block? {
        guard let number = try read({ () throws(ChainReadError) in try reader.number(of: hash) }),
            let found = try read({ () throws(ChainReadError) in try reader.payload(at: number) })
        else { return nil }
        do throws(BlockError) {
            return try Block(found.payload.span)
        } catch {
            throw .damaged("block \(number): \(error)")
        }
    }

    func header(at number: UInt64) throws(SourceFailure) -> (hash: Bytes32, header: Header)? {
        try read { () throws(ChainReadError) in
            try reader.header(at: number).map { ($0.hash, $0.header) }
        }
    }

    func receipts(at number: UInt64) throws(SourceFailure) -> [Receipt]? {
        try read { () throws(ChainReadError) in try reader.receipts(at: number) }
    }

    func location(
        of transaction: Bytes32
    ) throws(SourceFailure) -> (number: UInt64, index: Int)? {
        try read { () throws(ChainReadError) in try reader.location(of: transaction) }
    }

    func state(after number: UInt64) throws(SourceFailure) -> (any StateReader)? {
        try read { () throws(ChainReadError) in try reader.state(after: number) }
    }

    func appendNode(_ hash: Bytes32, to bytes: inout [UInt8]) throws(SourceFailure) -> Bool {
        try database.appendNode(hash, to: &bytes)
    }

    func code(_ hash: Bytes32) throws(SourceFailure) -> Code? { try database.code(hash) }

    // MARK: Writing

    func add(_ final: FinalizedBlock) throws(SourceFailure) {
        let header = final.block.header
        let execution = ExecutionWrite(
            header: header, stateRoot: header.stateRoot,
            transactionHashes: final.block.transactions.map { Keccak256.hash($0.encoded) },
            receipts: final.receipts, changes: final.changes, newNodes: final.nodes)
        do throws(StoreFailure) {
            try database.write(Self.write(final.block, final.hash, execution), sync: true)
        } catch {
            throw .unavailable("\(error)")
        }
        head = header
    }
}
