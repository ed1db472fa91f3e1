import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import Execution
import ExecutorAgent
import Node
import Operations
import OrderedCollections
import PartVerification
import PeerIdentity
import Subproof

/// A chain with executors, and a user who asks them.
///
/// Executor `i` has account `i`, the user the last one. The user's host follows the chain and publishes what
/// requests are about.
final class OperationNetwork {
    struct Options {
        /// 2: without proofs. 3: enclaves speak first.
        var kind: UInt16 = 1
        /// What kind 3 needs.
        var enclaves: EnclaveParameters?
        /// Of executors, by their number.
        var attesters: [Int: any EnclaveAttester] = [:]
        var executorCount = 3
        var executorFaults: [Int: ExecutorConfiguration.Fault] = [:]
        /// Of as many validators as may fail.
        var partFault: PartConfiguration.Fault?
    }

    let chain: ChainNetwork
    let checker: OperationChecker
    private let load: TransactionLoad
    private let model: OperationModel
    private let kind: UInt16
    private var questionCount: UInt64 = 0
    private var isModelPublished = false

    private var run: ScenarioRun { chain.run }
    private var simulation: Simulation { chain.simulation }
    private var user: HostIndex { chain.followers[0] }
    private var userAccount: Int { chain.genesis.accounts.count - 1 }
    var executors: [HostIndex] { chain.executors }

    init(
        _ run: ScenarioRun, _ model: OperationModel, _ options: Options = Options(),
        _ change: (inout ChainNetwork.Options) -> Void = { _ in }
    ) {
        self.model = model
        kind = options.kind
        var settings = ChainNetwork.Options()
        settings.operations = ChainGenesis.operationParameters(options.enclaves)
        settings.executors = options.executorCount
        settings.executorFaults = options.executorFaults
        settings.partFault = options.partFault
        change(&settings)
        chain = ChainNetwork(run, settings)
        precondition(
            options.executorCount < chain.genesis.accounts.count,
            "an account for each, and one more")
        for (number, attester) in options.attesters {
            run.simulation.chain(of: chain.executors[number])?.attester = attester
        }
        load = TransactionLoad(chain)
        checker = OperationChecker(run, chain)
        simulation.onSettle = { [unowned self] host, settlement, output in
            settle(host, settlement, output)
        }
    }

    func key(of executor: HostIndex) -> Bytes32 {
        guard let key = simulation.identity(of: executor).ed25519 else {
            preconditionFailure("hosts have Ed25519 keys")
        }
        return key.publicKey
    }

    func host(of key: Bytes32) -> HostIndex? { executors.first { self.key(of: $0) == key } }

    // MARK: Transactions

    private func settle(_ host: HostIndex, _ settlement: Settlement, _ output: [UInt8]) {
        guard let account = executors.firstIndex(of: host),
            !checker.isSettled(settlement.operation)
        else { return }
        send(.settle(settlement, output: output), from: account)
    }

    private func send(_ call: ContractCall, from account: Int, value: UInt64 = 0) {
        load.give(
            chain.genesis.call(call, from: account, nonce: load.next(account), value: value))
    }

    /// Sends a call, and again as long as the chain does not show it: what a host had is lost with it.
    private func insist(
        _ call: ContractCall, from account: Int, value: UInt64, until isThere: @escaping () -> Bool
    ) {
        guard !isThere() else { return }
        send(call, from: account, value: value)
        simulation.after(.seconds(6)) { [weak self] in
            self?.insist(call, from: account, value: value, until: isThere)
        }
    }

    // MARK: Story

    /// Starts everything, and registers the executors.
    @discardableResult
    func begin(over interval: Duration? = nil, within limit: Duration = .seconds(30)) -> Bool {
        chain.startAll(over: interval)
        guard chain.expectProgress("the chain begins", heights: 2, within: limit) else {
            return false
        }
        for (number, host) in executors.enumerated() {
            let registration = chain.genesis.registration(
                of: simulation.identity(of: host), recipient: Self.recipient(number))
            let key = key(of: host)
            insist(registration.call, from: number, value: registration.value) { [unowned self] in
                checker.registry.executors[key] != nil
            }
        }
        let count = executors.count
        let isThere = simulation.run(
            until: { checker.registry.executors.count == count }, limit: limit)
        run.check(
            "executors are registered", isThere, "\(checker.registry.executors.count) of \(count)")
        return isThere
    }

    /// Who is paid for what an executor does.
    static func recipient(_ executor: Int) -> Address {
        Address(UInt256(0xE000_0000 + UInt64(executor)))
    }

    /// Publishes the bodies and requests one more operation.
    ///
    /// - Parameters:
    ///   - ttl: in blocks.
    ///   - fee: in wei.
    /// - Returns: what the checker calls it.
    @discardableResult
    func request(ttl: UInt64 = 60, fee: UInt64 = 1_000_000_000) -> Bytes32 {
        publish(model.file, again: isModelPublished)
        isModelPublished = true
        let question = model.question(seed: run.parameters.seed &* 1000 &+ questionCount)
        questionCount += 1
        publish(question.body, again: false)
        publishAgain(question)
        guard let reference = ContentReference(kind: .generic, bytes: question.body) else {
            preconditionFailure("a body is not too large")
        }
        checker.expect(question)
        insist(
            .request(
                kind: kind, inputHash: question.inputHash, inputRoot: reference.root,
                inputSize: UInt64(question.body.count), ttl: ttl), from: userAccount, value: fee
        ) { [unowned self] in checker.isRequested(question.inputHash) }
        return question.inputHash
    }

    /// A user whose request nobody executes looks after what it is about: a power cut may have taken it.
    private func publishAgain(_ question: OperationModel.Question) {
        simulation.after(.seconds(30)) { [weak self] in
            guard let self,
                checker.operation(of: question.inputHash).map(checker.isSettled) != true
            else { return }
            publish(model.file, again: false)
            publish(question.body, again: false)
            publishAgain(question)
        }
    }

    private func publish(_ bytes: [UInt8], again: Bool) {
        guard !again, simulation.isRunning(user) else { return }
        simulation.command(
            user, .publishBody(kind: "generic", bytes: bytes), keepsReplies: false)
    }

    /// Requires that everything that was requested is settled within its time.
    @discardableResult
    func expectSettled(_ name: String, within limit: Duration) -> Bool {
        let start = simulation.now
        let isSettled = simulation.run(
            until: { checker.isEverythingSettled }, limit: limit, every: .milliseconds(100))
        run.check(name, isSettled, checker.progress)
        run.measure(name, start.duration(to: simulation.now))
        return isSettled
    }

    /// What is true at the end of every story.
    func report() {
        let asked = chain.validators.filter { chain.honest.contains($0) }.compactMap {
            host -> UInt64? in
            guard simulation.isRunning(host) else { return nil }
            let id = simulation.command(host, .proofs)
            guard case .proofs(let info) = simulation.result(of: id).replies.last else {
                return nil
            }
            return info.counters.pool.verifications
        }
        if !asked.isEmpty {
            run.measure(
                "proofs verified by an honest validator",
                Double(asked.reduce(0, +)) / Double(asked.count), "")
            run.measure("the most", Double(asked.max() ?? 0), "")
        }
        checker.report()
        chain.report()
    }
}
