// The side that answers.
//
//     header awaited ──header──▶ proposal awaited ──supported──▶ agreed
//                                   ▲    │ unsupported, or `ls`
//                                   └─na─┘
//
// 1. The header is answered with ours at once, so one segment with header and proposal is answered
//    by one segment with header and agreement.
// 2. Every proposal is answered, also when the dialer has already closed its half of the stream.
// 3. At most `proposalCountMax` proposals are answered.
// 4. After `agreed` or a thrown error the machine consumes nothing more.
//
// Memory: at most one unfinished token.

/// Agrees on a protocol as the side that accepted the stream.
public struct ListenerNegotiation: Sendable {
    private enum State: Equatable, Sendable { case headerAwaited, proposalAwaited, agreed, failed }

    private let supported: ProtocolTable
    private let limits: NegotiationLimits
    private var state = State.headerAwaited
    private var proposalCount = 0
    private var reader = TokenReader()

    public init(supported: ProtocolTable, limits: NegotiationLimits = .init()) {
        self.supported = supported
        self.limits = limits
    }

    /// Takes what the dialer sent; appends what must be sent back.
    ///
    /// - Returns: how much belonged to the negotiation, and the protocol when it is agreed.
    public mutating func receive(
        _ input: Span<UInt8>,
        into output: inout [UInt8]
    ) throws(NegotiationError) -> NegotiationProgress {
        do throws(NegotiationError) {
            var offset = 0
            while state == .headerAwaited || state == .proposalAwaited,
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
        guard state == .proposalAwaited else {
            guard text == Multistream.headerText else { throw .unknownVersion }
            state = .proposalAwaited
            Multistream.append(Multistream.headerText, to: &output)
            return nil
        }
        proposalCount += 1
        guard proposalCount <= limits.proposalCountMax else {
            throw .tooManyProposals(limit: limits.proposalCountMax)
        }
        guard let name = supported.name(of: text) else {
            // Also the answer to `ls`: listing is optional, and refusing it is how peers learn that
            // we do not list.
            Multistream.append(Multistream.refusalText, to: &output)
            return nil
        }
        state = .agreed
        Multistream.append(text, to: &output)
        return name
    }
}
