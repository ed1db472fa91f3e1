import ChoraleBase
import ChoraleTypes
import Crypto
import PeerIdentity
import Swarm
import Testing

@testable import Node

/// Reports of cross-validation on their way to the store.
@Suite struct ValidationReportTests {
    private static func node() -> Node {
        let configuration = NodeConfiguration(
            identity: IdentityKey(
                ed25519Seed: SecretBytes(copying: [UInt8](repeating: 1, count: 32))),
            noiseStaticKey: SecretBytes(copying: [UInt8](repeating: 2, count: 32)),
            networkDigest: [1, 2, 3, 4], addressPolicy: .local, seed: 1)
        var node = Node(configuration: configuration, now: now)
        var outputs: [NodeOutput] = []
        node.handle(.start, now: now, into: &outputs)
        return node
    }

    private static let now = Now(
        instant: .zero, wall: WallTime(milliseconds: 1_800_000_000_000))

    /// What is written for a report.
    private static func writes(
        _ node: inout Node, _ height: UInt64, block: UInt64 = 0, size: Int = 10
    ) -> [StoreWrite] {
        var outputs: [NodeOutput] = []
        let report = ValidationReport(
            height: height, block: bytes32(block), text: [UInt8](repeating: 0x20, count: size))
        node.handle(.validationReported(report), now: now, into: &outputs)
        return outputs.flatMap { output -> [StoreWrite] in
            if case .store(_, .write(let writes, sync: false)) = output { writes } else { [] }
        }
    }

    private static func bytes32(_ number: UInt64) -> Bytes32 {
        var bytes = [UInt8](repeating: 0, count: 24)
        bytes.appendBigEndian(number)
        return Bytes32(bytes)!
    }

    private static func key(_ height: UInt64) -> [UInt8] {
        var key: [UInt8] = []
        key.appendBigEndian(height)
        return key
    }

    @Test func aReportIsOneRow() {
        var node = Self.node()
        let writes = Self.writes(&node, 7, block: 9)
        let key = Self.key(7) + Self.bytes32(9).bytes
        #expect(
            writes == [
                .put(.validation, key: key, value: [UInt8](repeating: 0x20, count: 10))
            ])
    }

    /// A proposer of rubbish in each of a thousand rounds, and one whose verifiers are talkative.
    @Test func rowsOfAHeightAndTheirSizesAreBounded() {
        var node = Self.node()
        let counts = (0..<1000 as Range<UInt64>).map {
            Self.writes(&node, 7, block: $0).count
        }
        #expect(counts.reduce(0, +) == ValidationReport.perHeightMax)
        #expect(Self.writes(&node, 8).count == 1)
        #expect(Self.writes(&node, 9, size: ValidationReport.textSizeMax + 1).isEmpty)
        #expect(Self.writes(&node, 9, size: ValidationReport.textSizeMax).count == 1)
    }

    /// Whatever the heights, what is left is of the last ones, and what is deleted is of none of these.
    @Test(arguments: [UInt64(1), 3, 100, 5000])
    func oldHeightsGo(step: UInt64) {
        var node = Self.node()
        let kept = ValidationReport.heightCountMax
        var deletedBelow: UInt64 = 0
        for height in stride(from: 1 as UInt64, through: 20_000, by: Int(step)) {
            for case .deleteRange(.validation, let from, let end) in Self.writes(&node, height) {
                #expect(from == Self.key(0))
                let below = end.span.loadBigEndian(UInt64.self, at: 0)
                #expect(below + kept <= height)
                #expect(below > deletedBelow)
                deletedBelow = below
            }
            #expect(height <= deletedBelow + kept + 64)
        }
    }

    @Test func withoutAChainThereAreNone() {
        var node = Self.node()
        var outputs: [NodeOutput] = []
        node.handle(
            .command(CommandID(1), .validations(height: nil)), now: Self.now, into: &outputs)
        let replies = outputs.compactMap { output -> CommandFailure.Kind? in
            if case .reply(_, .failed(let failure), isLast: true) = output {
                failure.kind
            } else {
                nil
            }
        }
        #expect(replies == [.unavailable])
    }
}
