import Attestation
import ChoraleBase
import ChoraleTypes
import Codec
import Consensus
import Crypto
@testable import Execution
import MadeEnclaves
import Operations
import PeerIdentity
import TransactionPool

@testable import Chain

/// Chains that talk over a network in virtual time, each with its own store, journal and clock.
///
/// Everything is the real thing but sockets, disks and threads: blocks are executed, signatures checked.
final class ChainNetwork {
    struct Options {
        var validators = 4
        var observers = 0
        /// By index: those that keep no state.
        var stateless: Set<Int> = []
        var delay: ClosedRange<Int> = 1...20
        /// Of 100 messages.
        var loss = 0
        var seed: UInt64 = 1
        var epochLength: UInt64 = 32
        var inlineSizeMax = 256 << 10
        /// Each clock is off by at most this, in milliseconds.
        var clockSkew = 0
        /// Accounts beside those that the chain needs; one has many slots, some have a few and a code.
        var accounts = 0
        /// Whether there is the operations contract, and a kind.
        var hasOperations = false
    }

    /// Proven in parts of which each has one proof of type 64.
    static func kind() throws -> KindRecord {
        try KindRecord(
            number: 1, capability: 7, policy: .proof, isDeterministic: true, proofTypes: [64],
            inputSizeMax: 1 << 20, outputSizeMax: 1 << 16, partsMax: 8, ttlMax: 600)
    }

    /// Judged by a committee.
    static func committeeKind() throws -> KindRecord {
        try KindRecord(
            number: 2, capability: 7, policy: .committee, isDeterministic: true, proofTypes: [],
            inputSizeMax: 1 << 20, outputSizeMax: 1 << 16, partsMax: 8, ttlMax: 600)
    }

    /// Enclaves speak before there are proofs.
    static func enclaveKind() throws -> KindRecord {
        try KindRecord(
            number: 3, capability: 7, policy: .enclaveThenProof, isDeterministic: true,
            proofTypes: [64, 83], inputSizeMax: 1 << 20, outputSizeMax: 1 << 16, partsMax: 8,
            ttlMax: 600)
    }

    static func enclaves(epochLength: UInt64) -> EnclaveParameters {
        EnclaveParameters(
            rules: MadeEnclave.rules,
            allowed: [
                AllowedEnclave(
                    kind: 3,
                    AllowedMeasurement(measurement: MadeEnclave.measurement, epochs: 0...1000))
            ], epochLength: epochLength, verifier: MadeEnclave.verifier)
    }

    enum Message {
        case gossip(ChainTopic, [UInt8])
        case direct(ChainMessage)
        case body([UInt8])
    }

    private enum Event {
        case deliver(from: Int, to: Int, Message)
        case input(Int, life: Int, ChainInput)
        case timeout(Int, life: Int)
    }

    private struct Entry {
        let at: Int64
        let number: Int
        let event: Event
    }

    let options: Options
    let parameters: ChainParameters
    let genesis: StateStore
    let accounts: [Secp256k1.PrivateKey]
    private(set) var hosts: [Host] = []
    private var queue: [Entry] = []
    private var number = 0
    private(set) var time: Int64 = 1_000_000_000
    var random: DeterministicRandom
    /// Those who cannot talk to each other: each host's side.
    var sides: [Int: Int] = [:]
    /// Breaks messages of whoever lies.
    var tamper: ((Int, Message) -> Message?)?

    /// Changes what a host answers about checkpoints and their states, for one who lies.
    var tamperServed: ((Int, ChainRequest, ServedAnswer) -> ServedAnswer)?

    /// What others say to a host about a block: why not to vote for it.
    var opinion: ((Int, BlockContents) -> String?)?

    /// What a builder that lies makes of a payload for somebody else.
    var alterPayload: ((Int, BuiltPayload) -> BuiltPayload?)?

    static let wallOffset: Int64 = 1_800_000_000_000

    init(_ options: Options = Options()) throws {
        self.options = options
        random = DeterministicRandom(seed: options.seed)
        accounts = (0..<4).map { Self.account(UInt8($0 + 1)) }
        var alloc: [Address: StateStore.Entry] = [:]
        for key in accounts {
            alloc[Address(key.publicKey)] = .init(
                balance: UInt256(
                    (options.hasOperations ? 10 : 1) * 1_000_000_000_000_000_000))
        }
        // Contracts that answer with nothing, where the rules want a contract.
        for text in [
            "00000961Ef480Eb55e80D19ad83579A64c007002",
            "0000BBdDc7CE488642fb579F8B00f3a590007251",
            "0000F90827F1C53a10cb7A02335B175320002935",
            "000F3df6D732807Ef1319fB7B8bB8522d0Beac02",
        ] {
            let bytes = try Hex.decode(text)
            alloc[Address(bytes.span)!] = .init(nonce: 1, code: [0x00])
        }
        if options.hasOperations {
            alloc[Address(OperationsContract.address.bytes.span)!] = .init(
                nonce: 1, code: OperationsContract.code)
        }
        for number in 0..<options.accounts {
            var entry = StateStore.Entry(nonce: UInt64(number), balance: UInt256(UInt64(number)))
            let slots = number == 0 ? options.accounts : number.isMultiple(of: 16) ? 20 : 0
            for slot in 0..<slots {
                entry.storage[UInt256(UInt64(slot))] = UInt256(UInt64(number + slot + 1))
            }
            if slots > 0 { entry.code = [0x60, UInt8(number / 16 % 256), 0x50, 0x00] }
            alloc[Address(UInt256(UInt64(0xF000_0000 + number)))] = entry
        }
        genesis = try StateStore(alloc)
        let rules = ChainRules.always(.prague, blobs: .prague, chainID: 1337)
        let start = WallTime(milliseconds: Self.wallOffset)
        let header = Header(
            parentHash: .zero, ommersHash: Header.emptyOmmersHash, coinbase: .zero,
            stateRoot: genesis.root, transactionsRoot: Trie.emptyRoot,
            receiptsRoot: Trie.emptyRoot, bloom: [UInt8](repeating: 0, count: 256),
            difficulty: .zero, number: 0, gasLimit: 30_000_000, gasUsed: 0,
            timestamp: UInt64(start.seconds), extraData: [], mixHash: .zero, nonce: 0,
            baseFeePerGas: UInt256(1_000_000_000),
            withdrawalsRoot: Trie.emptyRoot, blobGasUsed: 0, excessBlobGas: 0,
            parentBeaconRoot: .zero, requestsHash: ExecutionRequests.hash([]))
        let keys = (0..<options.validators).map { Self.validatorKey($0) }
        parameters = ChainParameters(
            network: NetworkDigest([1, 2, 3, 4])!, genesisID: SHA256.hash([9]), genesisTime: start,
            genesisHeader: header, rules: rules,
            validators: keys.enumerated().map {
                RegisteredValidator(
                    key: Self.bytes($1), stake: 100, address: Address(UInt256(UInt64($0 + 1))))
            }, blockInterval: .seconds(1), epochLength: options.epochLength,
            gasLimitTarget: 30_000_000,
            operations: options.hasOperations
                ? try OperationParameters(
                    network: NetworkDigest([1, 2, 3, 4])!,
                    kinds: [Self.kind(), Self.committeeKind(), Self.enclaveKind()],
                    bondDelay: 700, enclaves: Self.enclaves(epochLength: options.epochLength))
                : nil)
        for index in 0..<options.validators + options.observers {
            let skew =
                options.clockSkew == 0
                ? 0 : random.integer(in: -options.clockSkew...options.clockSkew)
            let host = try Host(
                index, self, key: index < options.validators ? keys[index] : nil,
                keepsState: !options.stateless.contains(index), skew: skew)
            hosts.append(host)
        }
    }

    static func validatorKey(_ index: Int) -> Ed25519.PrivateKey {
        Ed25519.PrivateKey(
            seed: SecretBytes(copying: SHA256.hash([UInt8(index & 255), UInt8(index >> 8), 7])))
    }

    static func bytes(_ key: Ed25519.PrivateKey) -> SigningKeyBytes {
        SigningKeyBytes(scheme: .ed25519, bytes: key.publicKey.bytes)!
    }

    static func account(_ number: UInt8) -> Secp256k1.PrivateKey {
        try! Secp256k1.PrivateKey(SecretBytes(copying: SHA256.hash([number, 3])))
    }

    func peer(_ index: Int) -> PeerID { IdentityKey(Self.validatorKey(index)).peerID }
    func index(of peer: PeerID) -> Int? { hosts.firstIndex { $0.peer == peer } }

    /// Adds a host that begins at a checkpoint; it is not started.
    func addLate(
        _ checkpoint: CheckpointID, keepsState: Bool = true, key: Ed25519.PrivateKey? = nil
    ) throws -> Host {
        let host = try Host(
            hosts.count, self, key: key, keepsState: keepsState, skew: 0, checkpoint: checkpoint)
        hosts.append(host)
        return host
    }

    // MARK: Time

    func start() {
        for host in hosts { host.start() }
        for host in hosts { introduce(host.index) }
    }

    /// Tells a host of all others, and them of it.
    func introduce(_ index: Int) {
        for other in hosts where other.index != index {
            guard other.isUp else { continue }
            post(
                10,
                .input(
                    index, life: hosts[index].life,
                    .peerConnected(
                        other.peer, other.status, buildsPayloads: other.keepsState))
            )
            post(
                10,
                .input(
                    other.index, life: other.life,
                    .peerConnected(
                        hosts[index].peer, hosts[index].status,
                        buildsPayloads: hosts[index].keepsState)))
        }
    }

    private func post(_ delay: Int, _ event: Event) {
        number += 1
        let entry = Entry(at: time + Int64(delay) * 1_000_000, number: number, event: event)
        // A heap by time, then by order.
        queue.append(entry)
        var place = queue.count - 1
        while place > 0 {
            let parent = (place - 1) / 2
            guard isBefore(queue[place], queue[parent]) else { break }
            queue.swapAt(place, parent)
            place = parent
        }
    }

    private func isBefore(_ one: Entry, _ other: Entry) -> Bool {
        (one.at, one.number) < (other.at, other.number)
    }

    private func pop() -> Entry? {
        guard !queue.isEmpty else { return nil }
        queue.swapAt(0, queue.count - 1)
        let first = queue.removeLast()
        var place = 0
        while true {
            var best = place
            for child in [2 * place + 1, 2 * place + 2]
            where child < queue.count && isBefore(queue[child], queue[best]) { best = child }
            guard best != place else { return first }
            queue.swapAt(place, best)
            place = best
        }
    }

    func run(milliseconds: Int, until condition: () -> Bool = { false }) {
        let end = time + Int64(milliseconds) * 1_000_000
        while let next = queue.first, next.at <= end {
            guard let entry = pop() else { break }
            time = max(time, entry.at)
            perform(entry.event)
            if condition() { return }
        }
        time = max(time, end)
    }

    private func perform(_ event: Event) {
        switch event {
        case .deliver(let from, let to, let message):
            guard sides[from, default: 0] == sides[to, default: 0] else { return }
            hosts[to].receive(message, from: from)
        case .input(let index, let life, let input):
            guard hosts[index].life == life, hosts[index].isUp else { return }
            hosts[index].handle(input)
        case .timeout(let index, let life):
            guard hosts[index].life == life, hosts[index].isUp else { return }
            hosts[index].timerFired()
        }
    }

    // MARK: For hosts

    func send(_ message: Message, from: Int, to: Int) {
        guard to != from else { return }
        if random.integer(in: 0...99) < options.loss { return }
        guard let message = tamper.map({ $0(from, message) }) ?? message else { return }
        post(random.integer(in: options.delay), .deliver(from: from, to: to, message))
    }

    func answer(_ index: Int, after milliseconds: Int, _ input: ChainInput) {
        post(milliseconds, .input(index, life: hosts[index].life, input))
    }

    func setTimer(_ index: Int, at instant: MonotonicInstant) {
        let delay = max(0, (instant.nanoseconds - time + 999_999) / 1_000_000)
        post(Int(min(delay, 1_000_000)), .timeout(index, life: hosts[index].life))
    }

    // MARK: Truth

    var heights: [UInt64] { hosts.map(\.height) }

    /// Heights at which two hosts committed different blocks.
    var forks: [UInt64] {
        var names: [UInt64: Bytes32] = [:]
        var forks: Set<UInt64> = []
        for host in hosts {
            for (height, id) in host.committed {
                if let other = names[height], other != id { forks.insert(height) }
                names[height] = id
            }
        }
        return forks.sorted()
    }

    func transfer(from: Int, to: Address, nonce: UInt64, value: UInt64 = 1) -> [UInt8] {
        transaction(from: from, to: to, nonce: nonce, value: UInt256(value), gas: 21_000)
    }

    func call(_ call: ContractCall, from: Int, nonce: UInt64, value: UInt64 = 0) -> [UInt8] {
        transaction(
            from: from, to: Address(OperationsContract.address.bytes.span)!, nonce: nonce,
            value: UInt256(value), gas: 500_000, data: call.data)
    }

    private func transaction(
        from: Int, to: Address, nonce: UInt64, value: UInt256, gas: UInt64, data: [UInt8] = []
    ) -> [UInt8] {
        var transaction = Transaction(
            kind: .dynamicFee, chainID: UInt256(1337), nonce: nonce,
            maxPriorityFeePerGas: UInt256(1_000_000_000), maxFeePerGas: UInt256(10_000_000_000),
            gasLimit: gas, to: to, value: value, data: data)
        let (signature, recoveryID) = accounts[from].signRecoverable(
            digest: transaction.signingHash)
        transaction.yParity = recoveryID
        transaction.r = UInt256(Bytes32(signature[..<32])!)
        transaction.s = UInt256(Bytes32(signature[32...])!)
        return transaction.encoded
    }
}

extension ChainNetwork {
    /// One node of the network.
    final class Host {
        let index: Int
        let peer: PeerID
        let key: Ed25519.PrivateKey?
        let store = MemoryChainStore()
        /// Where an empty store begins.
        let checkpoint: CheckpointID?
        let keepsState: Bool
        let skew: Int
        unowned let network: ChainNetwork
        private(set) var life = 0
        private(set) var isUp = false
        private var chain: Box?
        private var processor: ChainProcessor<MemoryChainStore>?
        var journal: Journal
        private var seen: Set<Bytes32> = []
        private var pendingGossip: [ChainGossipID: (topic: ChainTopic, bytes: [UInt8])] = [:]
        private var nextGossip: UInt64 = 0
        private var serves: [BlockServeID: (peer: Int, request: ChainRequestID, life: Int)] = [:]
        private var served: [BlockServeID: ChainRequest] = [:]
        /// Limits are as nodes are shipped, but for this.
        var change: (inout ChainLimits) -> Void = { _ in }
        private var nextServe: UInt64 = 0
        private var bodies: [Bytes32: [UInt8]] = [:]
        private var isHandling = false
        private var inputs: [ChainInput] = []
        /// Height to name, over all lives.
        private(set) var committed: [UInt64: Bytes32] = [:]
        private(set) var reports: [CommitReport] = []
        private(set) var events: [String] = []
        private(set) var operationChanges: [OperationChange] = []
        private(set) var slashedForParts: [SigningKeyBytes] = []
        private(set) var evidenceSeen = 0
        private(set) var submissions: [Result<Bytes32, PoolRejection>] = []
        private(set) var penalties: [PeerID: [String]] = [:]

        private final class Box {
            var chain: Chain
            init(_ chain: consuming Chain) { self.chain = chain }
        }

        init(
            _ index: Int, _ network: ChainNetwork, key: Ed25519.PrivateKey?, keepsState: Bool,
            skew: Int, checkpoint: CheckpointID? = nil
        ) throws {
            self.index = index
            self.checkpoint = checkpoint
            self.network = network
            self.key = key
            self.keepsState = keepsState
            self.skew = skew
            peer = network.peer(index)
            journal = Journal(key: key, network: network.parameters.network)
            let parameters = network.parameters
            guard checkpoint == nil else { return }
            let state =
                keepsState
                ? MemoryChainStore.genesisState(network.genesis, header: parameters.genesisHeader)
                : nil
            if keepsState { store.add(codes: network.genesis.codes) }
            try store.write(
                BlockProcessor<MemoryChainStore>.genesisWrite(parameters, state: state), sync: true)
        }

        var height: UInt64 { chain?.chain.head.height ?? 0 }
        var head: ChainHead? { chain?.chain.head }
        var isSyncing: Bool? { (chain?.chain.info(now: now.instant)).map { $0.sync != nil } }
        var counters: ChainCounters { chain?.chain.counters ?? ChainCounters() }
        var executionCount: UInt64 { processor?.blocks?.executionCount ?? 0 }
        var info: ChainInfo? { chain?.chain.info(now: now.instant) }
        var poolCount: Int { chain?.chain.pool.count ?? 0 }
        var status: ChainStatus {
            chain?.chain.status
                ?? ChainStatus(height: 0, blockID: network.parameters.genesisID, earliest: 0)
        }

        private var now: Now {
            Now(
                instant: MonotonicInstant(nanoseconds: network.time),
                wall: WallTime(
                    milliseconds: ChainNetwork.wallOffset + network.time / 1_000_000
                        + Int64(skew)))
        }

        func start() {
            isUp = true
            life += 1
            seen = []
            let parameters = network.parameters
            let processor = try! ChainProcessor(
                parameters, store: store, .init(keepsState: keepsState, key: key),
                checkpoint: checkpoint)
            self.processor = processor
            var configuration = ChainConfiguration(
                parameters: parameters, localKey: key.map(ChainNetwork.bytes),
                keepsState: keepsState)
            configuration.crossValidates = network.opinion != nil
            configuration.limits.inlineSizeMax = network.options.inlineSizeMax
            configuration.checkpoint = processor.blocks == nil ? checkpoint : nil
            change(&configuration.limits)
            configuration.timing.propose = .milliseconds(600)
            configuration.timing.prevote = .milliseconds(300)
            configuration.timing.precommit = .milliseconds(300)
            configuration.timing.roundIncrement = .milliseconds(200)
            chain = Box(
                Chain(
                    configuration, head: try! processor.head(), earliest: store.earliest ?? 0,
                    checkpoint: processor.checkpoint,
                    seed: network.options.seed &* 1000 &+ UInt64(index)))
            handle(.start(key == nil ? nil : journal.recovery()))
        }

        /// Loses everything that was not synced.
        func crash() {
            isUp = false
            life += 1
            chain = nil
            processor = nil
            store.crash()
            journal.crash()
            pendingGossip = [:]
            serves = [:]
            bodies = [:]
        }

        func submit(_ encoding: [UInt8]) { handle(.submit(SubmissionID(0), encoding)) }

        func receive(_ message: Message, from: Int) {
            guard isUp else { return }
            switch message {
            case .gossip(let topic, let bytes):
                guard seen.insert(SHA256.hash(Array(topic.rawValue.utf8) + bytes)).inserted else {
                    return
                }
                let id = ChainGossipID(nextGossip)
                nextGossip += 1
                pendingGossip[id] = (topic, bytes)
                handle(.gossip(id, topic, bytes, from: network.peer(from)))
            case .direct(let message):
                handle(.message(message, from: network.peer(from)))
            case .body(let bytes):
                for kind in [BodyKind.block, .witness] {
                    if let reference = ContentReference(kind: kind, bytes: bytes) {
                        bodies[reference.root] = bytes
                        handle(.bodyArrived(root: reference.root))
                        break
                    }
                }
            }
        }

        func timerFired() {
            guard let deadline = chain?.chain.nextDeadline, deadline <= now.instant else {
                return
            }
            handle(.timeout)
        }

        func handle(_ input: ChainInput) {
            inputs.append(input)
            guard !isHandling else { return }
            isHandling = true
            defer { isHandling = false }
            while !inputs.isEmpty {
                guard let chain else { return inputs = [] }
                var outputs: [ChainOutput] = []
                chain.chain.handle(inputs.removeFirst(), now: now, into: &outputs)
                for output in outputs { perform(output) }
            }
            if let deadline = chain?.chain.nextDeadline { network.setTimer(index, at: deadline) }
        }

        private func perform(_ output: ChainOutput) {
            switch output {
            case .publish(let topic, let bytes):
                seen.insert(SHA256.hash(Array(topic.rawValue.utf8) + bytes))
                spread(.gossip(topic, bytes))
            case .verdict(let id, let verdict):
                guard let message = pendingGossip.removeValue(forKey: id) else {
                    preconditionFailure("a verdict on nothing")
                }
                if verdict == .accept { spread(.gossip(message.topic, message.bytes)) }
            case .send(let message, let peer):
                if let to = network.index(of: peer) {
                    network.send(.direct(message), from: index, to: to)
                }
            case .verify(let verification):
                network.answer(index, after: 0, .verified(verification.run()))
            case .process(let task):
                guard let processor else { return }
                network.answer(index, after: 2, .answered(processor.perform(task)))
            case .journal(let order):
                network.answer(index, after: 1, .journaled(journal.perform(order)))
            case .ask(let id, let peer, let request, _):
                guard let to = network.index(of: peer), network.hosts[to].isUp,
                    network.sides[to, default: 0] == network.sides[index, default: 0]
                else {
                    network.answer(index, after: 50, .requestEnded(id, .failed))
                    return
                }
                network.hosts[to].ask(id, request, from: index, life: life)
            case .serveContents(let id, let contents):
                guard let serve = serves.removeValue(forKey: id) else { return }
                let delay = network.random.integer(in: network.options.delay)
                if let contents {
                    network.reply(serve, after: delay, .contentsReceived(serve.request, contents))
                    network.reply(serve, after: delay, .requestEnded(serve.request, .finished))
                } else {
                    network.reply(serve, after: delay, .requestEnded(serve.request, .failed))
                }
            case .serveBlocks(let id, let encodings):
                guard let serve = serves.removeValue(forKey: id) else { return }
                let delay = network.random.integer(in: network.options.delay)
                for encoding in encodings {
                    let block = try! CommittedBlock(ssz: encoding.span)
                    network.reply(
                        serve, after: delay,
                        .blockReceived(serve.request, block, size: encoding.count))
                }
                network.reply(serve, after: delay, .requestEnded(serve.request, .finished))
            case .servePayload(let id, let built):
                guard let serve = serves.removeValue(forKey: id) else { return }
                let delay = network.random.integer(in: network.options.delay)
                if let built {
                    let built = network.alterPayload?(index, built) ?? built
                    network.reply(serve, after: delay, .payloadReceived(serve.request, built))
                }
                network.reply(
                    serve, after: delay,
                    .requestEnded(serve.request, built == nil ? .failed : .finished))
            case .served(let id, let answer):
                guard let serve = serves.removeValue(forKey: id),
                    let request = served.removeValue(forKey: id)
                else { return }
                reply(serve, request, network.tamperServed?(index, request, answer) ?? answer)
            case .publishBody(_, _, let bytes):
                spread(.body(bytes))
            case .readBody(let root):
                network.answer(index, after: 1, .bodyRead(root: root, bodies[root]))
            case .penalize(let peer, let text): penalties[peer, default: []].append(text)
            case .crossValidate(let contents, _):
                let refusal = network.opinion?(index, contents)
                network.answer(
                    index, after: 5, .crossValidated(contents.block.id, refusal: refusal))
            case .submitted(_, let result): submissions.append(result)
            case .statusChanged: break
            case .event(let event): note(event)
            }
        }

        private func note(_ event: ChainEvent) {
            switch event {
            case .committed(let report):
                if let other = committed[report.height] {
                    precondition(other == report.blockID, "a height was committed twice")
                }
                committed[report.height] = report.blockID
                evidenceSeen += report.evidenceCount
                reports.append(report)
            case .consensus: break
            case .operations(let report):
                operationChanges += report.changes
                slashedForParts += report.slashed
            default: events.append("\(network.time / 1_000_000): \(event)")
            }
        }

        private func spread(_ message: Message) {
            for other in 0..<network.hosts.count {
                network.send(message, from: index, to: other)
            }
        }

        /// Travels as bytes, as between real nodes.
        private func reply(
            _ serve: (peer: Int, request: ChainRequestID, life: Int), _ request: ChainRequest,
            _ answer: ServedAnswer
        ) {
            let delay = network.random.integer(in: network.options.delay)
            var end = ChainRequestEnd.finished
            switch answer {
            case .absent: end = .unavailable
            case .busy: end = .failed
            case .item(let bytes):
                if case .checkpoint = request, let item = try? CheckpointAnswer(ssz: bytes.span) {
                    network.reply(serve, after: delay, .checkpointReceived(serve.request, item))
                } else if case .state = request, let item = try? StateRangeAnswer(ssz: bytes.span) {
                    network.reply(serve, after: delay, .stateReceived(serve.request, item))
                } else {
                    end = .malformed
                }
            }
            network.reply(serve, after: delay, .requestEnded(serve.request, end))
        }

        private func ask(_ id: ChainRequestID, _ request: ChainRequest, from: Int, life: Int) {
            let serve = BlockServeID(nextServe)
            nextServe += 1
            serves[serve] = (from, id, life)
            served[serve] = request
            handle(.serve(serve, network.peer(from), request))
        }
    }

    fileprivate func reply(
        _ serve: (peer: Int, request: ChainRequestID, life: Int), after delay: Int,
        _ input: ChainInput
    ) {
        post(delay, .input(serve.peer, life: serve.life, input))
    }
}

/// A validator's files in memory: what was not synced is lost in a crash.
struct Journal {
    let key: Ed25519.PrivateKey?
    let network: NetworkDigest
    private var records: [ConsensusRecord] = []
    private var syncedCount = 0
    private var guardian = SigningGuard(freshFrom: 0)
    /// Positions and what was signed there, over all lives.
    private(set) var signed: [SigningPosition: [UInt8]] = [:]
    /// Why nothing is written, while nothing is.
    var failure: String?

    init(key: Ed25519.PrivateKey?, network: NetworkDigest) {
        self.key = key
        self.network = network
    }

    func recovery() -> ConsensusRecovery {
        ConsensusRecovery(
            records: records,
            lastSigned: guardian.signature.bytes.isEmpty ? nil : guardian.last)
    }

    mutating func crash() { records.removeSubrange(syncedCount...) }

    mutating func perform(_ order: JournalOrder) -> JournalAnswer {
        if let failure { return JournalAnswer(id: order.id, signed: [], failure: failure) }
        records += order.records
        if order.needsSync || !order.requests.isEmpty { syncedCount = records.count }
        var answers: [JournalAnswer.Signed] = []
        for request in order.requests {
            guard let key else { continue }
            let message = request.message(network: network)
            let hash = SHA256.hash(message)
            var signature: SignatureBytes?
            switch guardian.decide(request.position, messageHash: hash) {
            case .sign:
                let made = SignatureBytes(key.sign(message))!
                guardian.signed(request.position, messageHash: hash, signature: made)
                precondition(signed[request.position] == nil, "signed twice")
                signed[request.position] = message
                signature = made
            case .reuse(let known): signature = known
            case .refuse: break
            }
            answers.append(.init(request: request, signature: signature))
        }
        return JournalAnswer(id: order.id, signed: answers, failure: nil)
    }
}
