// The side that proposes.
//
//     start ──▶ header awaited ──header──▶ answer awaited ──proposal──▶ agreed
//                                             ▲     │ na
//                                             └─next┴──none left──▶ refused (throws)
//
// 1. The header and the first proposal leave in one piece (`start`): nobody waits for a header.
// 2. At most one proposal is unanswered.
// 3. With a single protocol the caller may put application bytes behind the proposal at once
//    (`isLazy`); the two answer tokens are still consumed before the first byte it may read.
// 4. After `agreed` or a thrown error the machine consumes nothing more.
//
// Memory: the protocol names, and at most one unfinished token.

/// Agrees on a protocol as the side that opened the stream.
public struct DialerNegotiation: Sendable {
    private enum State: Equatable, Sendable { case headerAwaited, answerAwaited, agreed, failed }

    private let protocols: [String]
    private let limits: NegotiationLimits
    private var proposed = 0
    private var state = State.headerAwaited
    private var reader = TokenReader()

    /// - Parameter protocols: names in order of preference.
    /// - Precondition: at least one; each passes ``Multistream/check(_:)``.
    public init(protocols: [String], limits: NegotiationLimits = .init()) {
        precondition(!protocols.isEmpty, "a dialer proposes at least one protocol")
        self.protocols = protocols
        self.limits = limits
    }

    /// Whether application bytes may follow the first proposal without waiting for the answer.
    ///
    /// True for a single protocol: there is nothing to choose, so a refusal fails the stream with
    /// or without them.
    public var isLazy: Bool { protocols.count == 1 }

    /// Appends the header and the first proposal.
    ///
    /// Called once, before anything else is written to the stream.
    public func start(into output: inout [UInt8]) {
        Multistream.append(Multistream.headerText, to: &output)
        Multistream.append(Array(protocols[0].utf8), to: &output)
    }

    /// Takes what the listener sent; appends what must be sent back.
    ///
    /// - Returns: how much belonged to the negotiation, and the protocol when it is agreed.
    public mutating func receive(
        _ input: Span<UInt8>,
        into output: inout [UInt8]
    ) throws(NegotiationError) -> NegotiationProgress {
        do throws(NegotiationError) {
            var offset = 0
            while state == .headerAwaited || state == .answerAwaited,
                let text = try reader.next(in: input, at: &offset, limits: limits)
            {
                if let agreed = try answer(text, into: &output) {
                    return NegotiationProgress(consumed: offset, agreed: agreed)
                }
            }
            return NegotiationProgress(consumed: offset, agreed: nil)
        } catch {
            state = .failed
            throw error
        }
    }

    private mutating func answer(
        _ text: [UInt8],
        into output: inout [UInt8]
    ) throws(NegotiationError) -> String? {
        guard state == .answerAwaited else {
            guard text == Multistream.headerText else { throw .unknownVersion }
            state = .answerAwaited
            return nil
        }
        if text.elementsEqual(protocols[proposed].utf8) {
            state = .agreed
            return protocols[proposed]
        }
        guard text == Multistream.refusalText else { throw .unexpectedAnswer }
        guard proposed + 1 < protocols.count else { throw .refused }
        proposed += 1
        Multistream.append(Array(protocols[proposed].utf8), to: &output)
        return nil
    }
}
