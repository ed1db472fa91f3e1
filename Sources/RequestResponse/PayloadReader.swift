import ChoraleBase
import Codec

/// Reads a size and the Snappy frames that hold so many bytes, as they arrive.
///
/// Memory: what the frames that came decode to, at most the limit; one unfinished frame. The size
/// is compared with the limit before anything else and reserves nothing.
struct PayloadReader: Sendable {
    private enum State: Sendable {
        case size(value: UInt64, count: Int)
        case frames(size: Int, SnappyFrameDecoder)
    }

    private let sizeMax: Int
    private var state: State = .size(value: 0, count: 0)
    private var payload: [UInt8] = []

    init(sizeMax: Int) { self.sizeMax = sizeMax }

    var bufferedSize: Int {
        if case .frames(_, let decoder) = state { return payload.count + decoder.bufferedSize }
        return payload.count
    }

    /// Takes bytes up to the end of the payload.
    ///
    /// - Returns: the payload, after which the reader is of no more use; nil when `input` is used up.
    mutating func next(
        in input: Span<UInt8>,
        from offset: inout Int
    ) throws(RequestFault) -> [UInt8]? {
        while true {
            switch state {
            case .size(var value, var count):
                guard offset < input.count else { return nil }
                let byte = input[offset]
                offset += 1
                value |= UInt64(byte & 0x7F) << UInt64(7 * count)
                count += 1
                guard byte < 0x80 else {
                    guard count < Varint.encodedSizeMax else { throw .sizeMalformed }
                    state = .size(value: value, count: count)
                    continue
                }
                guard byte != 0 || count == 1 else { throw .sizeMalformed }
                guard value <= UInt64(sizeMax) else {
                    throw .payloadTooLarge(size: value, limit: sizeMax)
                }
                guard value > 0 else { return [] }
                let size = Int(value)
                state = .frames(
                    size: size, SnappyFrameDecoder(limits: .init(dataSize: size)))
            case .frames(let size, var decoder):
                // The decoder's buffer must have one owner while it grows.
                state = .size(value: 0, count: 0)
                defer { state = .frames(size: size, decoder) }
                do throws(SnappyError) {
                    while payload.count < size {
                        guard try decoder.next(in: input, from: &offset, into: &payload) else {
                            return nil
                        }
                    }
                } catch {
                    throw .payloadDamaged
                }
                return payload
            }
        }
    }
}

enum Payload {
    static func append(_ payload: Span<UInt8>, to bytes: inout [UInt8]) {
        Varint.append(UInt64(payload.count), to: &bytes)
        guard !payload.isEmpty else { return }
        SnappyFrameEncoder.append(payload, to: &bytes)
    }
}
