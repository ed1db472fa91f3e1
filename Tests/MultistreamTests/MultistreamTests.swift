import ChoraleBase
import Testing

@testable import Multistream

private let header: [UInt8] = [0x13] + Array("/multistream/1.0.0\n".utf8)
private let refusal: [UInt8] = [3, 0x6E, 0x61, 0x0A]

private func token(_ text: String) -> [UInt8] {
    Varint.encoded(UInt64(text.utf8.count + 1)) + Array(text.utf8) + [0x0A]
}

/// What a negotiation came to, whichever the side.
private enum Outcome: Equatable {
    case pending(output: [UInt8])
    case agreed(String, rest: [UInt8], output: [UInt8])
    case failed(NegotiationError, output: [UInt8])
}

/// Presents `pieces` one after the other; what is not consumed is the application's.
private func drive(
    _ pieces: [[UInt8]],
    _ receive: (Span<UInt8>, inout [UInt8]) throws(NegotiationError) -> NegotiationProgress
) -> Outcome {
    var output: [UInt8] = []
    var rest: [UInt8] = []
    var agreed: String?
    for piece in pieces {
        guard agreed == nil else {
            rest += piece
            continue
        }
        do throws(NegotiationError) {
            let progress = try receive(piece.span, &output)
            agreed = progress.agreed
            if agreed == nil { #expect(progress.consumed == piece.count) }
            rest += piece[progress.consumed...]
        } catch {
            return .failed(error, output: output)
        }
    }
    guard let agreed else { return .pending(output: output) }
    return .agreed(agreed, rest: rest, output: output)
}

private func listen(
    _ pieces: [[UInt8]],
    supported: [String] = ["/a", "/b"],
    limits: NegotiationLimits = .init()
) -> Outcome {
    var machine = ListenerNegotiation(supported: ProtocolTable(supported), limits: limits)
    return drive(pieces) { (input, output) throws(NegotiationError) in
        try machine.receive(input, into: &output)
    }
}

private func dial(_ pieces: [[UInt8]], protocols: [String] = ["/a", "/b"]) -> Outcome {
    var machine = DialerNegotiation(protocols: protocols)
    return drive(pieces) { (input, output) throws(NegotiationError) in
        try machine.receive(input, into: &output)
    }
}

/// Every way to cut `bytes` once, and one cut between all bytes.
private func cuts(_ bytes: [UInt8]) -> [[[UInt8]]] {
    var all = [[bytes], bytes.map { [$0] }]
    for index in 1..<max(1, bytes.count) {
        all.append([Array(bytes[..<index]), Array(bytes[index...])])
    }
    return all
}

struct Row: Sendable, CustomTestStringConvertible {
    let testDescription: String
    fileprivate let input: [UInt8]
    fileprivate let expected: Outcome

    fileprivate init(_ name: String, _ input: [UInt8], _ expected: Outcome) {
        testDescription = name
        self.input = input
        self.expected = expected
    }
}

@Suite struct ListenerNegotiationTests {
    static let rows = [
        Row("nothing yet", [], .pending(output: [])),
        Row("half a header", Array(header.prefix(9)), .pending(output: [])),
        Row("a header is answered before any proposal", header, .pending(output: header)),
        Row(
            "a supported name", header + token("/b"),
            .agreed("/b", rest: [], output: header + token("/b"))),
        Row(
            "application bytes behind the proposal are left", header + token("/a") + [1, 2, 3],
            .agreed("/a", rest: [1, 2, 3], output: header + token("/a"))),
        Row(
            "an unsupported name, then a supported one", header + token("/x") + token("/a"),
            .agreed("/a", rest: [], output: header + refusal + token("/a"))),
        Row("ls is refused", header + token("ls"), .pending(output: header + refusal)),
        Row(
            "a name that only starts like a supported one", header + token("/a2"),
            .pending(output: header + refusal)),
        Row(
            "a newline inside a name", header + token("/a\n"), .pending(output: header + refusal)),
        Row("na is not a name", header + token("na"), .pending(output: header + refusal)),
        Row(
            "another version", token("/multistream/2.0.0"), .failed(.unknownVersion, output: [])),
        Row("a proposal without a header", token("/a"), .failed(.unknownVersion, output: [])),
        Row(
            "HTTP", Array("GET / HTTP/1.1\r\n".utf8) + [UInt8](repeating: 0x20, count: 80),
            .failed(.missingNewline, output: [])),
        Row("a length of zero", [0], .failed(.emptyToken, output: [])),
        Row(
            "a token that is only a newline", header + [1, 10], .pending(output: header + refusal)),
        Row(
            "no newline at the end", header + [2, 0x2F, 0x61],
            .failed(.missingNewline, output: header)),
        Row("a length that is not minimal", [0x93, 0x00], .failed(.malformedLength, output: [])),
        Row(
            "a length of three bytes", [0x80, 0x80, 0x01], .failed(.malformedLength, output: [])),
        Row(
            "one byte over the cap, refused at its length", header + [0x81, 0x08],
            .failed(.tokenTooLong(size: 1025, limit: 1024), output: header)),
        Row(
            "exactly the cap", header + token("/" + String(repeating: "x", count: 1022)),
            .pending(output: header + refusal)),
    ]

    @Test(arguments: rows) func answers(_ row: Row) {
        for pieces in cuts(row.input) { #expect(listen(pieces) == row.expected) }
    }

    @Test func proposalsEnd() {
        let limits = NegotiationLimits(proposalCountMax: 3)
        let input = header + token("/1") + token("/2") + token("/3")
        #expect(
            listen([input], limits: limits)
                == .pending(output: header + refusal + refusal + refusal))
        #expect(
            listen([input + token("/a")], limits: limits)
                == .failed(
                    .tooManyProposals(limit: 3), output: header + refusal + refusal + refusal))
    }

    @Test func consumesNothingAfterTheEnd() throws {
        var machine = ListenerNegotiation(supported: ProtocolTable(["/a"]))
        var output: [UInt8] = []
        let first = try machine.receive((header + token("/a")).span, into: &output)
        #expect(first.agreed == "/a")
        let second = try machine.receive(header.span, into: &output)
        #expect(second == NegotiationProgress(consumed: 0, agreed: nil))

        var failed = ListenerNegotiation(supported: ProtocolTable(["/a"]))
        #expect(throws: NegotiationError.emptyToken) { try failed.receive([0].span, into: &output) }
        let after = try failed.receive(header.span, into: &output)
        #expect(after == NegotiationProgress(consumed: 0, agreed: nil))
    }

    @Test(arguments: UInt64(0)..<500) func survivesNoise(seed: UInt64) {
        var random = DeterministicRandom(seed: seed)
        var input = header + token("/x") + token("/a")
        for _ in 0..<(1 + random.below(4)) {
            input[random.below(input.count)] = UInt8(random.below(256))
        }
        let whole = listen([input])
        for pieces in cuts(input) {
            switch (whole, listen(pieces)) {
            case (.failed(let first, _), .failed(let second, _)): #expect(first == second)
            case (let first, let second): #expect(first == second)
            }
        }
    }
}

@Suite struct DialerNegotiationTests {
    static let rows = [
        Row("nothing yet", [], .pending(output: [])),
        Row("the header alone", header, .pending(output: [])),
        Row(
            "the first proposal is accepted", header + token("/a"),
            .agreed("/a", rest: [], output: [])),
        Row(
            "application bytes behind the answer are left", header + token("/a") + [0, 0],
            .agreed("/a", rest: [0, 0], output: [])),
        Row(
            "the second proposal is accepted", header + refusal + token("/b"),
            .agreed("/b", rest: [], output: token("/b"))),
        Row(
            "every proposal is refused", header + refusal + refusal,
            .failed(.refused, output: token("/b"))),
        Row(
            "another name than the one proposed", header + token("/b"),
            .failed(.unexpectedAnswer, output: [])),
        Row("an answer without a header", token("/a"), .failed(.unknownVersion, output: [])),
        Row("a second header", header + header, .failed(.unexpectedAnswer, output: [])),
        Row("a length of zero", header + [0], .failed(.emptyToken, output: [])),
        Row(
            "a huge token", [0xFF, 0x7F],
            .failed(.tokenTooLong(size: 16_383, limit: 1024), output: [])),
    ]

    @Test(arguments: rows) func understands(_ row: Row) {
        for pieces in cuts(row.input) { #expect(dial(pieces) == row.expected) }
    }

    @Test func startsInOnePiece() {
        let lazy = DialerNegotiation(protocols: ["/a"])
        var output: [UInt8] = []
        lazy.start(into: &output)
        #expect(output == header + token("/a"))
        #expect(lazy.isLazy)
        #expect(!DialerNegotiation(protocols: ["/a", "/b"]).isLazy)
    }

    struct Pair: Sendable {
        let dialer: [String]
        let listener: [String]
        let agreed: String?
    }

    static let pairs = [
        Pair(dialer: ["/a"], listener: ["/a"], agreed: "/a"),
        Pair(dialer: ["/a"], listener: ["/b"], agreed: nil),
        Pair(dialer: ["/x", "/y", "/b"], listener: ["/a", "/b"], agreed: "/b"),
        Pair(dialer: ["/b", "/a"], listener: ["/a", "/b"], agreed: "/b"),
        Pair(dialer: ["/x", "/y"], listener: [], agreed: nil),
    ]

    @Test(arguments: pairs) func bothSidesAgree(_ pair: Pair) throws {
        var dialer = DialerNegotiation(protocols: pair.dialer)
        var listener = ListenerNegotiation(supported: ProtocolTable(pair.listener))
        var toListener: [UInt8] = []
        dialer.start(into: &toListener)
        var dialerAgreed: String?
        var listenerAgreed: String?
        var refused = false
        while !toListener.isEmpty, !refused {
            var toDialer: [UInt8] = []
            let heard = try listener.receive(toListener.span, into: &toDialer)
            listenerAgreed = listenerAgreed ?? heard.agreed
            toListener = []
            do throws(NegotiationError) {
                let progress = try dialer.receive(toDialer.span, into: &toListener)
                dialerAgreed = dialerAgreed ?? progress.agreed
            } catch {
                #expect(error == .refused)
                refused = true
            }
        }
        #expect(dialerAgreed == pair.agreed)
        #expect(listenerAgreed == pair.agreed)
        #expect(refused == (pair.agreed == nil))
    }
}

@Suite struct ProtocolTableTests {
    @Test func findsExactBytesOnly() {
        let names = (0..<50).map { "/p/\($0)" } + ["/p/7", "/caf\u{E9}"]
        let table = ProtocolTable(names)
        #expect(table.names.count == 51)
        for name in names { #expect(table.name(of: Array(name.utf8)) == name) }
        #expect(table.name(of: Array("/p/50".utf8)) == nil)
        #expect(table.name(of: []) == nil)
        // Equal as Swift strings, but other bytes.
        #expect(table.name(of: Array("/cafe\u{301}".utf8)) == nil)
    }

    @Test func equalStringsWithOtherBytesAreBothKept() {
        #expect(ProtocolTable(["/caf\u{E9}", "/cafe\u{301}"]).names.count == 2)
    }

    @Test func checksNames() {
        #expect(throws: Multistream.NameError.noLeadingSlash) { try Multistream.check("a") }
        #expect(throws: Multistream.NameError.noLeadingSlash) { try Multistream.check("") }
        #expect(throws: Multistream.NameError.containsNewline) { try Multistream.check("/a\n") }
        #expect(throws: Multistream.NameError.tooLong(size: 1025, limit: 1024)) {
            try Multistream.check("/" + String(repeating: "x", count: 1023))
        }
        #expect(throws: Never.self) {
            try Multistream.check("/" + String(repeating: "x", count: 1022))
        }
    }
}
