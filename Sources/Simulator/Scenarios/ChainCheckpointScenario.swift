import Chain
import ChoraleBase
import ChoraleTypes
import Codec
import Execution
import Node

/// Latecomers that begin at a checkpoint.
public struct ChainCheckpointScenario: Scenario {
    public static let name = "chain-checkpoint"
    public static let summary =
        "two observers join by a checkpoint while transactions flow, one peer lies about the state, one leaves, and power fails"
    public static let durationMeaning = "how long the chain goes on before"
    public static let defaults = ScenarioParameters(nodes: 4, seed: 1, duration: .seconds(20))
    public static let nodesMin = 4

    public let parameters: ScenarioParameters

    public init(_ parameters: ScenarioParameters) { self.parameters = parameters }

    public func run(in run: ScenarioRun) {
        let simulation = run.simulation
        var options = ChainNetwork.Options()
        options.observers = 2
        let network = ChainNetwork(run, options)
        let load = TransactionLoad(network)
        network.startAll()
        network.expectProgress("the chain begins", heights: 2, within: .seconds(30))
        load.flow(for: parameters.duration + .seconds(60), every: .milliseconds(400))
        simulation.run(for: parameters.duration)
        let source = network.validators[0]
        let isThere = simulation.run(
            until: { self.checkpoint(of: source, network) != nil }, limit: .seconds(30))
        guard let checkpoint = checkpoint(of: source, network) else {
            run.check("there is a checkpoint", false, "after \(network.checker.height) heights")
            return
        }
        run.check("there is a checkpoint", isThere, "\(checkpoint)")

        // An observer lies about half of what it is asked.
        let liar = network.network.nodes[parameters.nodes]
        network.network.accuse(liar)
        var lies = StateLies(seed: run.random.next())
        simulation.chain(of: liar)?.tamper = { lies.answer($0, $1) }
        simulation.conditions.lossPerMille = run.random.below(30)

        let late = network.addLate(checkpoint)
        let second = network.addLate(checkpoint)
        simulation.start(late)
        simulation.after(run.random.duration(below: .seconds(2))) { simulation.start(second) }
        // Power fails while the state comes, at any moment; and the other observer leaves.
        for _ in 0..<run.random.below(4) {
            simulation.after(run.random.duration(below: .seconds(3))) {
                if simulation.isRunning(late) { simulation.crash(late) }
            }
        }
        let leaving = network.network.nodes[parameters.nodes + 1]
        simulation.after(run.random.duration(below: .seconds(3))) { simulation.kill(leaving) }
        simulation.run(for: .seconds(4))
        if !simulation.isRunning(late) { simulation.start(late) }
        simulation.conditions.lossPerMille = 0
        simulation.start(leaving)
        network.expectProgress(
            "the latecomers are there, and all commit", heights: 3, within: .seconds(60))
        for host in [late, second] { check(host, checkpoint, network, run) }
        run.measure("lies about the state", Double(lies.told), "")
        network.report()
    }

    private func checkpoint(of host: HostIndex, _ network: ChainNetwork) -> CheckpointID? {
        let now = network.simulation.clock
        return (network.simulation.withNode(host) { $0.chainInfo(now: now) } ?? nil)?.checkpoint
    }

    /// What a latecomer has on its disk is what a validator has that was there all the time.
    private func check(
        _ host: HostIndex, _ checkpoint: CheckpointID, _ network: ChainNetwork, _ run: ScenarioRun
    ) {
        guard let store = run.simulation.chain(of: host)?.store,
            let origin = run.simulation.chain(of: network.validators[0])?.store
        else { return }
        let found = StateCopy(store, at: checkpoint.height)
        let expected = StateCopy(origin, at: checkpoint.height)
        run.check(
            "n\(host.rawValue) has the state of the checkpoint", found == expected && found != nil,
            "\(found?.entries.count ?? 0) of \(expected?.entries.count ?? 0) entries")
        run.check(
            "n\(host.rawValue) has no block of before", store.earliest == checkpoint.height,
            "from \(store.earliest ?? 0)")
        var isSame = true
        var height = checkpoint.height
        while let block = try? store.block(at: height), isSame {
            isSame = (try? origin.block(at: height))?.blockHash == block.blockHash
            height += 1
        }
        run.check(
            "n\(host.rawValue) has the same blocks from there", isSame,
            "\(height - checkpoint.height)")
    }
}

/// All entries of a state, read from its tries.
private struct StateCopy: Equatable {
    private(set) var entries: [[StateRange.Entry]] = []

    init?(_ store: MemoryChainStore, at height: UInt64) {
        guard let encoding = try? store.header(at: height),
            let root = try? Header(encoding.span).stateRoot,
            let accounts = try? StateRange(of: root, from: .zero, sizeMax: .max / 2, in: store)
        else { return nil }
        entries.append(accounts.entries)
        for entry in accounts.entries {
            guard let account = Account(rlp: entry.value.span),
                let slots = try? StateRange(
                    of: account.storageRoot, from: .zero, sizeMax: .max / 2, in: store)
            else { return nil }
            entries.append(slots.entries)
            guard account.codeHash != Account.emptyCodeHashBytes else { continue }
            guard let code = try? store.code(account.codeHash) else { return nil }
            entries.append([.init(key: account.codeHash, value: code.bytes)])
        }
    }
}

/// What somebody answers who wants another state to be believed, or none.
struct StateLies {
    private var random: DeterministicRandom
    private(set) var told = 0

    init(seed: UInt64) { random = DeterministicRandom(seed: seed) }

    mutating func answer(_ task: ChainTask, _ bytes: [UInt8]) -> [UInt8]? {
        guard random.chance(1, in: 2) else { return bytes }
        told += 1
        guard case .readState = task, let answer = try? StateRangeAnswer(ssz: bytes.span) else {
            return random.chance(1, in: 2) ? nil : flipped(bytes)
        }
        var ranges = answer.ranges
        var codes = answer.codes
        switch random.below(5) {
        case 0: return nil
        case 1: return flipped(bytes)
        case 2 where !codes.isEmpty: codes[0] = codes[0] + [0]
        case 3 where !ranges.isEmpty: ranges[0].proof.append([0xC0])
        default:
            guard !ranges.isEmpty, !ranges[0].entries.isEmpty else { return flipped(bytes) }
            ranges[0].entries.remove(at: random.below(ranges[0].entries.count))
        }
        return StateRangeAnswer(ranges: ranges, codes: codes)?.sszEncoded()
    }

    private mutating func flipped(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        let bit = random.below(8 * bytes.count)
        bytes[bit / 8] ^= 1 << UInt8(bit % 8)
        return bytes
    }
}
