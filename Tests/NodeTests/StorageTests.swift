import ChoraleBase
import ChoraleTypes
import Codec
import Crypto
import PeerIdentity
import Swarm
import Testing

@testable import Bodies
@testable import Node

/// A node whose store answers what a test wants, request by request.
private struct StoreBench: ~Copyable {
    private(set) var node: Node
    private(set) var now = Now(instant: .zero, wall: WallTime(milliseconds: 1_800_000_000_000))
    /// Requests without an answer, oldest first.
    private(set) var requests: [(id: StoreRequestID, request: StoreRequest)] = []
    /// What was told about the store: `failed` with the reason, and `recovered`.
    private(set) var told: [String] = []
    private(set) var replies: [Reply] = []

    init() {
        let configuration = NodeConfiguration(
            identity: IdentityKey(
                ed25519Seed: SecretBytes(copying: [UInt8](repeating: 1, count: 32))),
            noiseStaticKey: SecretBytes(copying: [UInt8](repeating: 2, count: 32)),
            networkDigest: [1, 2, 3, 4], addressPolicy: .local, seed: 1)
        node = Node(configuration: configuration, now: now)
        give(.start)
    }

    mutating func give(_ input: NodeInput) {
        var inputs = [input]
        while !inputs.isEmpty {
            var outputs: [NodeOutput] = []
            node.handle(inputs.removeFirst(), now: now, into: &outputs)
            for output in outputs {
                switch output {
                case .store(let id, let request): requests.append((id, request))
                case .event(.storeFailed(let reason)): told.append("failed: \(reason)")
                case .event(.storeRecovered): told.append("recovered")
                case .run(let job): inputs.append(.finished(job.run(wall: now.wall)))
                case .reply(_, let reply, _): replies.append(reply)
                default: break
                }
            }
        }
    }

    mutating func pass(_ duration: Duration) {
        now = Now(
            instant: now.instant.advanced(by: duration), wall: now.wall.advanced(by: duration))
        give(.timeout)
    }

    /// Answers every request that waits, and those that the answers cause.
    mutating func answer(_ reply: (StoreRequest) -> StoreReply) {
        while !requests.isEmpty {
            let (id, request) = requests.removeFirst()
            give(.stored(id, reply(request)))
        }
    }

    mutating func publish(_ number: UInt64) {
        let body = [UInt8](repeating: UInt8(truncatingIfNeeded: number), count: 1000)
        give(.command(CommandID(number), .publishBody(kind: "generic", bytes: body)))
    }
}

/// What a store that works says.
private func works(_ request: StoreRequest) -> StoreReply {
    switch request {
    case .write: .written
    case .get: .value(nil)
    case .scan: .rows([], more: false)
    case .checkpoint: .checkpointed
    }
}

private func addsData(_ request: StoreRequest) -> Bool {
    guard case .write(let writes, _) = request else { return false }
    return writes.contains { if case .put = $0 { true } else { false } }
}

@Suite struct StorageTests {
    static let failures: [StoreFailure] = [
        .diskFull(path: "/x"), .corrupt("block 7"), .inputOutput("too many open files"),
        .overloaded(waiting: 1, limit: 1),
    ]

    /// A full disk lets the deletes pass that a refused write causes. They end nothing.
    @Test(arguments: failures)
    func aFaultIsToldOnceAndEndsWithAWriteThatAddsData(_ failure: StoreFailure) {
        var bench = StoreBench()
        bench.answer(works)
        var deletes = 0
        bench.publish(1)
        bench.answer { request in
            if addsData(request) { return .failed(failure) }
            deletes += 1
            return works(request)
        }
        #expect(deletes == 1)
        var told = bench.told
        #expect(told == ["failed: \(failure)"])
        // Intake stopped with the failure, so the next write is a probe.
        bench.pass(.seconds(11))
        let probes = bench.requests.filter { addsData($0.request) }.count
        #expect(probes == 1)
        bench.answer(works)
        told = bench.told
        #expect(told == ["failed: \(failure)", "recovered"])
    }

    /// A node with nothing to write must not stay unhealthy.
    @Test func aQuietNodeFindsOutByItselfThatItsStoreWorks() throws {
        var bench = StoreBench()
        bench.answer(works)
        bench.publish(1)
        bench.answer { addsData($0) ? .failed(.diskFull(path: "/x")) : works($0) }
        bench.pass(.seconds(11))
        let requests = bench.requests.map { $0.request }
        #expect(requests.filter(addsData).count == 1)
        bench.answer { _ in .failed(.diskFull(path: "/x")) }
        var told = bench.told
        #expect(told.count == 1)
        let nextDeadline = bench.node.nextDeadline
        let deadline = try #require(nextDeadline)
        let limit = bench.now.instant.advanced(by: .seconds(10))
        #expect(deadline <= limit)
        bench.pass(.seconds(11))
        bench.answer(works)
        told = bench.told
        #expect(told.last == "recovered")
        // And then it is quiet again.
        bench.pass(.seconds(11))
        let isQuiet = bench.requests.isEmpty
        #expect(isQuiet)
    }

    @Test func aBackupThatFailsIsTheCommandsErrorOnly() {
        var bench = StoreBench()
        bench.answer(works)
        bench.give(.command(CommandID(1), .backup(directory: "/there")))
        bench.answer { request in
            guard case .checkpoint = request else { return works(request) }
            return .failed(.inputOutput("/there exists"))
        }
        let told = bench.told
        #expect(told.isEmpty)
        guard case .failed(let failure) = bench.replies.first else {
            Issue.record("\(bench.replies)")
            return
        }
        #expect(failure.message.contains("/there exists"))
    }

    // MARK: Rows of the last run

    /// Whether a body that is announced now would be taken, which needs the manifests to be known.
    private static func isIntakeOpen(_ bench: borrowing StoreBench) -> Bool {
        bench.node.bodies.isLoaded
    }

    @Test func aReadErrorAtStartIsNotAnEmptyDatabase() {
        var bench = StoreBench()
        let error = StoreReply.failed(.inputOutput("bad sector"))
        bench.answer { request in
            if case .scan(.witness, _, _, _, _) = request { return error }
            return works(request)
        }
        var told = bench.told
        #expect(told.count == 1)
        var isOpen = Self.isIntakeOpen(bench)
        #expect(!isOpen)
        // As often as it fails, with growing pauses.
        var attempts = 0
        for _ in 0..<600 {
            bench.pass(.seconds(1))
            bench.answer { request in
                guard case .scan(.witness, _, _, _, _) = request else { return works(request) }
                attempts += 1
                return error
            }
        }
        #expect((10...20).contains(attempts))
        isOpen = Self.isIntakeOpen(bench)
        #expect(!isOpen)
        // Writes work, but the node is not what it should be: still a fault.
        told = bench.told
        #expect(told.count == 1)
        bench.pass(.seconds(61))
        bench.answer(works)
        isOpen = Self.isIntakeOpen(bench)
        #expect(isOpen)
        bench.pass(.seconds(11))
        bench.answer(works)
        told = bench.told
        #expect(told.last == "recovered")
    }

    @Test func withoutKnownPeersTheNodeGoesOnAfterSomeAttempts() {
        var bench = StoreBench()
        var attempts = 0
        for _ in 0..<60 {
            bench.answer { request in
                guard case .scan(.peer, _, _, _, _) = request else { return works(request) }
                attempts += 1
                return .failed(.inputOutput("bad sector"))
            }
            bench.pass(.seconds(1))
        }
        #expect(attempts == 5)
        bench.answer(works)
        let told = bench.told
        #expect(told.last == "recovered")
    }

    /// The second page fails once: the first is not read again, and nothing is lost.
    @Test func aFailedPageIsAskedForAgainWhereItWas() {
        var bench = StoreBench()
        var starts: [[UInt8]] = []
        var failuresLeft = 1
        for _ in 0..<3 {
            bench.answer { request in
                guard case .scan(.witness, let from, _, _, _) = request else {
                    return works(request)
                }
                starts.append(from)
                if from.isEmpty { return .rows([StoreRow(key: [7], value: [1])], more: true) }
                guard failuresLeft == 0 else {
                    failuresLeft -= 1
                    return .failed(.inputOutput("bad sector"))
                }
                return .rows([], more: false)
            }
            bench.pass(.seconds(1))
        }
        #expect(starts == [[], [7, 0], [7, 0]])
        let isOpen = Self.isIntakeOpen(bench)
        #expect(isOpen)
    }
}
