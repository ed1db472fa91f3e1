import Chain
import ChoraleBase
import ChoraleTypes
import Codec
import Consensus
import Crypto
import Execution
import Operations

/// Where a simulated chain begins: its accounts, its contracts, its first validators, and what can be sent to it.
struct ChainGenesis {
    static let digest: [UInt8] = [0x51, 0x1A, 0x00, 0x01]
    static let chainID: UInt64 = 1337
    static let stake: UInt64 = 32_000_000_000

    let seed: UInt64
    let parameters: ChainParameters
    let state: StateStore
    let balances: [Address: UInt256]
    /// Whose transactions flow.
    let accounts: [Secp256k1.PrivateKey]

    /// - Parameters:
    ///   - time: of the genesis.
    ///   - validators: the first so many keys validate from the first block on.
    ///   - operations: nil for a chain without the operations contract.
    init(
        seed: UInt64, time: WallTime, validators: Int, epochLength: UInt64,
        operations: OperationParameters? = nil
    ) {
        self.seed = seed
        accounts = (0..<4).map { Self.account(seed: seed, number: $0) }
        var alloc: [Address: StateStore.Entry] = [:]
        // An ether; those who bond need more.
        let balance: UInt64 = (operations == nil ? 1 : 10) * 1_000_000_000_000_000_000
        for key in accounts { alloc[Address(key.publicKey)] = .init(balance: UInt256(balance)) }
        if operations != nil {
            alloc[Self.operationsContract] = .init(nonce: 1, code: OperationsContract.code)
        }
        alloc[.mainnetDepositContract] = .init(nonce: 1, code: Self.depositCode)
        alloc[Self.exitContract] = .init(nonce: 1, code: Self.exitCode)
        for words in [
            // Consolidations (EIP-7251), block hashes (EIP-2935), beacon roots (EIP-4788): contracts that
            // answer with nothing, where the rules want a contract.
            UInt256(0, 0x0000_BBDD, 0xC7CE_4886_42FB_579F, 0x8B00_F3A5_9000_7251),
            UInt256(0, 0x0000_F908, 0x27F1_C53A_10CB_7A02, 0x335B_1753_2000_2935),
            UInt256(0, 0x000F_3DF6, 0xD732_807E_F131_9FB7, 0xB8BB_8522_D0BE_AC02),
        ] {
            alloc[Address(words)] = .init(nonce: 1, code: [0x00])
        }
        do {
            state = try StateStore(alloc)
        } catch {
            preconditionFailure("a genesis state: \(error)")
        }
        balances = alloc.mapValues(\.balance)
        let registered = (0..<validators).map {
            RegisteredValidator(
                key: Self.bytes(Self.validatorKey(seed: seed, number: $0)), stake: Self.stake,
                address: Self.owner(of: $0))
        }
        guard let network = NetworkDigest(Self.digest) else {
            preconditionFailure("a digest has four bytes")
        }
        parameters = ChainParameters(
            network: network, genesisID: SHA256.hash(Array("chorale-sim/genesis".utf8)),
            genesisTime: time, genesisHeader: Self.header(state.root, time),
            rules: .always(.prague, blobs: .prague, chainID: Self.chainID), validators: registered,
            blockInterval: .seconds(1), epochLength: epochLength, gasLimitTarget: 30_000_000,
            operations: operations)
    }

    private static func header(_ stateRoot: Bytes32, _ time: WallTime) -> Header {
        var writer = RLPWriter()
        let list = writer.beginList()
        writer.bytes(Bytes32.zero.bytes)
        writer.bytes(Header.emptyOmmersHash.bytes)
        writer.bytes([UInt8](repeating: 0, count: 20))
        writer.bytes(stateRoot.bytes)
        writer.bytes(Trie.emptyRoot.bytes)
        writer.bytes(Trie.emptyRoot.bytes)
        writer.bytes([UInt8](repeating: 0, count: Header.bloomSize))
        writer.integer(0)
        writer.integer(0)
        writer.integer(30_000_000)
        writer.integer(0)
        writer.integer(UInt64(time.seconds))
        writer.bytes([])
        writer.bytes(Bytes32.zero.bytes)
        writer.bytes([UInt8](repeating: 0, count: 8))
        writer.integer(1_000_000_000)
        writer.bytes(Trie.emptyRoot.bytes)
        writer.integer(0)
        writer.integer(0)
        writer.bytes(Bytes32.zero.bytes)
        writer.bytes(ExecutionRequests.hash([]).bytes)
        writer.endList(list)
        do {
            return try Header(writer.bytes.span)
        } catch {
            preconditionFailure("a header of this program: \(error)")
        }
    }

    /// What an empty disk begins with.
    func store(keepsState: Bool) -> MemoryChainStore {
        let store = MemoryChainStore()
        store.add(codes: state.codes)
        do {
            let write = try BlockProcessor<MemoryChainStore>.genesisWrite(
                parameters,
                state: keepsState
                    ? MemoryChainStore.genesisState(state, header: parameters.genesisHeader) : nil)
            try store.write(write, sync: true)
        } catch {
            preconditionFailure("a genesis of this program: \(error)")
        }
        return store
    }

    // MARK: Keys. In a simulation, and only there, they come from the seed.

    static func validatorKey(seed: UInt64, number: Int) -> Ed25519.PrivateKey {
        Ed25519.PrivateKey(
            seed: Simulation.secret("validator", seed: seed, number: UInt64(number)))
    }

    static func bytes(_ key: Ed25519.PrivateKey) -> SigningKeyBytes {
        guard let bytes = SigningKeyBytes(scheme: .ed25519, bytes: key.publicKey.bytes) else {
            preconditionFailure("a key has 32 bytes")
        }
        return bytes
    }

    private static func account(seed: UInt64, number: Int) -> Secp256k1.PrivateKey {
        do {
            return try Secp256k1.PrivateKey(
                Simulation.secret("account", seed: seed, number: UInt64(number)))
        } catch {
            preconditionFailure("a hash that is no key: \(error)")
        }
    }

    /// Who may take a validator's stake out.
    static func owner(of validator: Int) -> Address {
        Address(UInt256(0xA000_0000 + UInt64(validator)))
    }

    // MARK: Transactions

    func transfer(from: Int, nonce: UInt64, to: Address, value: UInt64) -> [UInt8] {
        transaction(from: from, nonce: nonce, to: to, value: value, gas: 21_000, data: [])
    }

    /// Registers a validator, or adds to its stake.
    ///
    /// - Parameter isSigned: whether the validator has signed it, as it must to register.
    func deposit(
        from: Int, nonce: UInt64, validator: Int, amount: UInt64, isSigned: Bool = true
    ) -> [UInt8] {
        let key = Self.validatorKey(seed: seed, number: validator)
        let credentials = Bytes32(
            [UInt8](repeating: 0, count: 12) + Self.owner(of: validator).storage.span.copied())
        guard let credentials else { preconditionFailure("32 bytes") }
        let message = DepositMessage(
            key: key.publicKey, credentials: credentials, amount: amount)
        var signature = [UInt8](repeating: 0, count: 64)
        if isSigned { signature = key.sign(message.signedMessage(network: parameters.network)) }
        var data: [UInt8] = []
        func word(_ value: UInt64) {
            data += [UInt8](repeating: 0, count: 24)
            data.appendBigEndian(value)
        }
        for offset: UInt64 in [160, 256, 320, 384, 512] { word(offset) }
        word(48)
        data += key.publicKey.bytes
        data += [UInt8](repeating: 0, count: 32)
        word(32)
        data += credentials.bytes
        word(8)
        data.appendLittleEndian(amount)
        data += [UInt8](repeating: 0, count: 24)
        word(96)
        data += signature + [UInt8](repeating: 0, count: 32)
        word(8)
        data += [UInt8](repeating: 0, count: 32)
        return transaction(
            from: from, nonce: nonce, to: .mainnetDepositContract, value: 0, gas: 250_000,
            data: data)
    }

    /// Takes all of a validator's stake out.
    func exit(from: Int, nonce: UInt64, validator: Int) -> [UInt8] {
        let key = Self.validatorKey(seed: seed, number: validator).publicKey.bytes
        let request =
            Self.owner(of: validator).storage.span.copied() + key
            + [UInt8](repeating: 0, count: 16 + 8)
        return transaction(
            from: from, nonce: nonce, to: Self.exitContract, value: 0, gas: 250_000,
            data: request + [UInt8](repeating: 0, count: 96 - request.count))
    }

    func transaction(
        from: Int, nonce: UInt64, to: Address, value: UInt64, gas: UInt64, data: [UInt8]
    ) -> [UInt8] {
        var transaction = Transaction(
            kind: .dynamicFee, chainID: UInt256(Self.chainID), nonce: nonce,
            maxPriorityFeePerGas: UInt256(1_000_000_000), maxFeePerGas: UInt256(20_000_000_000),
            gasLimit: gas, to: to, value: UInt256(value), data: data)
        let (signature, recoveryID) = accounts[from].signRecoverable(
            digest: transaction.signingHash)
        guard let r = Bytes32(signature[..<32]), let s = Bytes32(signature[32...]) else {
            preconditionFailure("a signature has 64 bytes")
        }
        transaction.yParity = recoveryID
        transaction.r = UInt256(r)
        transaction.s = UInt256(s)
        return transaction.encoded
    }

    // MARK: Contracts

    /// Logs its input as a deposit: `CALLDATACOPY(0, 0, size); LOG1(0, size, topic)`.
    private static let depositCode: [UInt8] =
        [0x36, 0x5F, 0x5F, 0x37, 0x7F]
        + Keccak256.hash(Array("DepositEvent(bytes,bytes,bytes,bytes,bytes)".utf8)).bytes
        + [0x36, 0x5F, 0xA1, 0x00]

    /// EIP-7002.
    private static let exitContract = Address(
        UInt256(0, 0x0000_0961, 0xEF48_0EB5_5E80_D19A, 0xD835_79A6_4C00_7002))

    /// Keeps the last request that anybody made, whosever the stake is, and gives it to the system once.
    private static let exitCode: [UInt8] =
        // if caller is the system: go to 48
        [0x33, 0x73] + [UInt8](repeating: 0xFF, count: 19) + [0xFE, 0x14, 0x60, 0x30, 0x57]
        // slots 1 to 3 = input; slot 0 = 1; stop
        + [0x5F, 0x35, 0x60, 0x01, 0x55, 0x60, 0x20, 0x35, 0x60, 0x02, 0x55]
        + [0x60, 0x40, 0x35, 0x60, 0x03, 0x55, 0x60, 0x01, 0x5F, 0x55, 0x00]
        // 48: if slot 0: go to 55; stop
        + [0x5B, 0x5F, 0x54, 0x60, 0x37, 0x57, 0x00]
        // 55: slot 0 = 0; return 76 bytes of slots 1 to 3
        + [0x5B, 0x5F, 0x5F, 0x55, 0x60, 0x01, 0x54, 0x5F, 0x52]
        + [0x60, 0x02, 0x54, 0x60, 0x20, 0x52, 0x60, 0x03, 0x54, 0x60, 0x40, 0x52]
        + [0x60, 0x4C, 0x5F, 0xF3]
}
