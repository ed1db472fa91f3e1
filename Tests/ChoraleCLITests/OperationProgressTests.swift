import ChoraleBase
import Codec
import Crypto
import Inference
import Testing

@testable import ChoraleCLI

/// What `chorale op` makes of what a node says.
@Suite struct OperationProgressTests {
    typealias Phase = OperationProgress.Phase

    static func operation(
        _ status: String, progress: Int = 0, executors: Int = 0, certified: Int? = nil,
        of count: Int = 5
    ) -> JSONValue {
        var object: JSONObject = [
            "status": .string(status), "progress": JSONValue(progress),
            "executors": .array((0..<executors).map { .object(["key": JSONValue($0)]) }),
            "commitment": .null,
        ]
        if let certified {
            object["commitment"] = .object([
                "partCount": JSONValue(count), "partsCertified": JSONValue(certified),
            ])
        }
        return .object(object)
    }

    @Test func phasesFollowFromTheNodesAnswer() {
        let cases: [(JSONValue, OperationProgress)] = [
            (Self.operation("requested"), .init(.included, of: 5)),
            (Self.operation("requested", executors: 2), .init(.elected, of: 5)),
            (Self.operation("requested", progress: 100, executors: 1), .init(.executed, of: 5)),
            (
                Self.operation("requested", progress: 640, executors: 1),
                .init(.proven, done: 3, of: 5)
            ),
            (
                Self.operation("requested", progress: 1000, executors: 1),
                .init(.proven, done: 5, of: 5)
            ),
            (Self.operation("committed", certified: 0), .init(.committed, of: 5)),
            (Self.operation("frozen", certified: 2), .init(.verified, done: 2, of: 5)),
            (Self.operation("certified", certified: 5), .init(.certified, of: 5)),
            (Self.operation("settled", certified: 5), .init(.settled, of: 5)),
        ]
        for (operation, progress) in cases {
            #expect(OperationProgress(operation, partCount: 5) == progress)
        }
        // Nobody has said how many parts there are.
        let unknown = OperationProgress(
            Self.operation("requested", progress: 500, executors: 1), partCount: nil)
        #expect(unknown.phase == .executed && unknown.text == "executed")
    }

    /// An executor says ⌊100 + 900 · n / m⌋ when n of m parts are proven.
    @Test func everyRenewalNamesItsParts() {
        for count in 1...64 {
            for proven in 0...count {
                let said = 100 + 900 * proven / count
                #expect(OperationProgress.proven(progress: said, of: count) == proven)
            }
        }
        #expect(OperationProgress.proven(progress: 65_535, of: 3) == 3)
        #expect(OperationProgress.proven(progress: 0, of: 3) == 0)
    }

    @Test func theShareAscendsFromPhaseToPhase() {
        var last = -1.0
        for phase in Phase.allCases where phase != .justified {
            for done in phase.isCounted ? Array(1...4) : [0] {
                let share = OperationProgress(phase, done: done, of: 4).share
                #expect(share > last && share <= 1)
                last = share
            }
        }
        #expect(last == 1)
        // Without proofs.
        let phases: [Phase] = [
            .submitted, .included, .elected, .committed, .justified, .certified, .settled,
        ]
        #expect(Phase.allCases.filter(OperationProgress(.settled, of: 0).takes) == phases)
        let shares = phases.map { OperationProgress($0, of: 0).share }
        #expect(zip(shares, shares.dropFirst()).allSatisfy { $0 < $1 } && shares.last == 1)
    }

    @Test func aCommitteesOperationHasItsOwnPhases() {
        let justified = Self.operation("justified", executors: 1, certified: 0, of: 0)
        let progress = OperationProgress(justified, partCount: 0)
        #expect(progress == .init(.justified, of: 0) && progress.text == "justified")
        var timeline = OperationTimeline()
        _ = timeline.note(.init(.submitted, of: 0), at: 0)
        #expect(
            timeline.note(progress, at: 3).map(\.text)
                == ["included", "elected", "committed", "justified"])
        #expect(
            timeline.note(.init(.settled, of: 0), at: 4).map(\.text) == ["certified", "settled"])
    }

    @Test func skippedPhasesAreTold() {
        var timeline = OperationTimeline()
        let told = [
            timeline.note(.init(.submitted, of: 2), at: 0),
            timeline.note(.init(.submitted, of: 2), at: 1),
            timeline.note(.init(.committed, of: 2), at: 3),
            timeline.note(.init(.verified, done: 1, of: 2), at: 4),
            timeline.note(.init(.verified, done: 2, of: 2), at: 5),
        ]
        #expect(
            told.map { $0.map(\.text) } == [
                ["submitted"], [],
                ["included", "elected", "executed", "proven 2/2", "committed"], ["verified 1/2"],
                ["verified 2/2"],
            ])
        #expect(timeline.reached.map(\.seconds) == [0, 3, 3, 3, 3, 3, 4])
        // A commitment that was wrong leads back.
        let back = timeline.note(.init(.elected, of: 2), at: 9)
        #expect(back.map(\.phase) == [.elected])
        #expect(timeline.reached.map(\.phase) == [.submitted, .included, .elected])
        #expect(timeline.table.lines.last == "elected    9.0 s  6.0 s")
    }

    @Test(arguments: [20, 40, 80, 300]) func aBarKeepsToItsLine(width: Int) {
        for phase in Phase.allCases {
            let line = ProgressDrawing.bar(
                .init(phase, done: 3, of: 64), seconds: 1234.5,
                detail: "waiting\u{1b}[2J for an executor", width: width, frame: 7)
            #expect(line.count < max(21, width))
            #expect(!line.contains("\u{1b}"))
        }
    }

    @Test func aBarMoves() {
        let start = ProgressDrawing.bar(
            .init(.submitted, of: 2), seconds: 0, detail: "", width: 80, frame: 0)
        let end = ProgressDrawing.bar(
            .init(.settled, of: 2), seconds: 12, detail: "", width: 80, frame: 0)
        #expect(start.contains("░░░░░░░░") && !end.contains("░"))
        #expect(end.hasPrefix("✔") && end.hasSuffix("settled  12.0 s"))
        let line = ProgressDrawing.line(.init(.proven, done: 3, of: 5), 5.12, "")
        #expect(line == "proven 3/5    5.1 s")
    }

    @Test func anOutputIsShownWithItsLargest() throws {
        let report = OutputReport(QuantisedVector.int32([-7, 900, 3]).encoded())
        #expect(report.lines == ["output  3 values of int32: -7 900 3", "largest at index 1"])
        #expect(report.fields["values"] == .array([.integer(-7), .integer(900), .integer(3)]))
        #expect(report.fields["largest"] == .integer(1))
        #expect(
            report.fields["outputHash"]
                == .string("0x\(Keccak256.hash(QuantisedVector.int32([-7, 900, 3]).encoded()))"))
        let long = OutputReport(QuantisedVector.int8([Int8](repeating: 1, count: 100)).encoded())
        #expect(long.lines[0].hasSuffix(" … 68 more"))
        #expect(OutputReport([1, 2, 3]).lines[0].hasPrefix("output  3 bytes"))
    }
}

@Suite struct OperationDrawingTests {
    static func part(_ index: Int, certified: Bool) -> JSONValue {
        .object([
            "part": JSONValue(index), "proofType": .integer(64), "proofSize": .integer(20_480),
            "tranche": .string("first"), "votes": .integer(3), "asked": .integer(4),
            "isCertified": .bool(certified), "verdict": certified ? .string("valid") : .null,
            "ownVerdict": .null, "isContested": .bool(!certified),
            "level": .string(certified ? "quorum_verified" : "none"), "isOnChain": .bool(certified),
        ])
    }

    static let operation: JSONValue = .object([
        "operation": .string("0x11"), "kind": .integer(1), "requester": .string("0xabcd"),
        "requestedAt": .integer(7), "expiry": .integer(307), "fee": .string("10000000000000000"),
        "status": .string("committed"), "endedAt": .null, "progress": .integer(100),
        "executors": .array([
            .object([
                "key": .string("0x22"), "turn": .integer(8), "isRefused": .bool(false),
            ])
        ]), "confirmation": .string("none"), "isDisputed": .bool(false),
        "commitment": .object([
            "executor": .string("0x22"), "height": .integer(12), "outputHash": .string("0x33"),
            "outputSize": .integer(52), "outputRoot": .string("0x44"),
            "price": .string("9000000000000000"), "partCount": .integer(2),
            "partsCertified": .integer(1), "partsOnChain": .integer(1),
            "parts": .array([part(0, certified: true), part(1, certified: false)]),
        ]),
    ])

    @Test func listsOperations() {
        let lines = OperationDrawing.list(.array([Self.operation]))
        #expect(lines.count == 2)
        #expect(
            lines[1].split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ")
                == "0x11 inference committed 7 307 0.01 ether 100 % 1/2")
    }

    @Test func showsEachPart() {
        let lines = OperationDrawing.details(Self.operation)
        let words = lines.map {
            $0.split(separator: " ", omittingEmptySubsequences: true).joined(separator: " ")
        }
        #expect(words.contains("status committed, to be settled until block 307"))
        #expect(words.contains("executor 0x22 from block 8"))
        #expect(words.contains("price 0.009 ether"))
        #expect(
            words.suffix(3) == [
                "PART PROOF SIZE TRANCHE VOTES CERTIFIED VERDICT OURS LEVEL ON CHAIN",
                "0 spartan 20.0 KiB first 3/4 yes valid - quorum_verified yes",
                "1 spartan 20.0 KiB first 3/4 no -, contested - none no",
            ])
    }

    /// A node of another version must not make the program trap.
    @Test func whatIsMissingIsADash() {
        #expect(OperationDrawing.details(.object([:])).count > 3)
        #expect(OperationDrawing.list(.array([.null, .object([:])])).count == 3)
        #expect(OperationDrawing.proofs(.null).count > 3)
        #expect(OperationDrawing.executor(.object(["jobs": .array([.null])])).count > 3)
        #expect(OperationDrawing.assignments(.array([])).count == 1)
    }

    @Test func etherIsReadAndWritten() {
        #expect(Ether.wei("1") == 1_000_000_000_000_000_000)
        #expect(Ether.wei("0.25") == 250_000_000_000_000_000)
        #expect(Ether.wei("0.000000000000000001") == 1)
        for text in ["", ".", "1.", ".5", "-1", "1e3", "0.0000000000000000001", "1.5.5", "+1"] {
            #expect(Ether.wei(text) == nil, "\(text)")
        }
        #expect(Ether.text(32_000_000_000_000_000_000) == "32 ether")
        #expect(Ether.text(10_000_000_000_000_000) == "0.01 ether")
        #expect(Ether.text(1_500_000_000) == "1.5 gwei")
        #expect(Ether.text(7) == "7 wei")
        #expect(Ether.digits("12") == 12 && Ether.digits("-1") == nil && Ether.digits("0x1") == nil)
    }
}
