import ChoraleBase
import Codec

extension FuzzTarget {
    static let codecTargets: [FuzzTarget] = [
        FuzzTarget(
            "varint", "an unsigned varint; encodes to the bytes it was read from", sizeMax: 16,
            seeds: { [0, 1, 127, 128, 300, 1 << 32, (1 << 63) - 1].map(Varint.encoded) },
            run: varint),
        FuzzTarget(
            "frames", "length-prefixed frames of a stream; the same however cut, memory bounded",
            seeds: {
                [
                    VarintFrame.encoded([1, 2, 3]),
                    VarintFrame.encoded([]) + VarintFrame.encoded([UInt8](0..<200)),
                    VarintFrame.encoded([UInt8](repeating: 7, count: 300)),
                ]
            }, run: frames),
        FuzzTarget(
            "protobuf", "the walker over protobuf fields; writes back to the same fields",
            seeds: {
                var writer = ProtobufWriter()
                writer.varint(1, 300)
                writer.fixed32(2, 5)
                writer.fixed64(3, 6)
                writer.bytes(4, [1, 2, 3])
                return [writer.bytes, [0x08, 0x80, 0x00]]
            }, run: protobuf),
        FuzzTarget(
            "rlp", "RLP; canonical, so that it encodes to what was read",
            seeds: {
                [
                    [0x80], [0xC0], [0xC3, 1, 2, 3], [0x83, 1, 2, 3],
                    RLPValue.list([.bytes([1]), .list([.bytes([]), .bytes([0x80])])]).encoded(),
                    RLPValue.bytes([UInt8](repeating: 9, count: 70)).encoded(),
                ]
            }, run: rlp),
        FuzzTarget(
            "snappy-block", "one snappy block; what it decodes to survives a round trip",
            seeds: {
                [
                    Snappy.encode([UInt8](0..<64).span),
                    Snappy.encode([UInt8](repeating: 5, count: 5000).span),
                ]
            }, run: snappyBlock),
        FuzzTarget(
            "snappy-frames", "a snappy framed stream; the same however cut, data bounded",
            seeds: {
                [
                    SnappyFrameEncoder.encoded([UInt8](0..<64).span),
                    SnappyFrameEncoder.encoded([UInt8](repeating: 5, count: 70_000).span),
                    SnappyFrameEncoder.encoded([UInt8]().span),
                ]
            }, run: snappyFrames),
    ]

    private static func varint(_ input: [UInt8], _ findings: inout Findings) {
        do throws(Varint.DecodeError) {
            guard let decoded = try Varint.decode(input.span) else {
                return findings.note("varint", "partial")
            }
            require(
                Varint.encoded(decoded.value) == Array(input.prefix(decoded.size)),
                "another encoding of \(decoded.value)")
            require(Varint.encodedSize(decoded.value) == decoded.size, "another size")
            findings.note("varint", size: decoded.size)
        } catch {
            findings.note("varint", error)
        }
    }

    private struct Frames: Equatable {
        var frames: [[UInt8]] = []
        var error: FramingError?
        var endError: FramingError?
    }

    private static func frames(_ input: [UInt8], _ findings: inout Findings) {
        let sizeMax = 512
        let result = sameHoweverCut(input, "the frame assembler") { pieces in
            var assembler = VarintFrameAssembler(frameSizeMax: sizeMax)
            var result = Frames()
            feeding: for piece in pieces {
                var offset = 0
                do throws(FramingError) {
                    while let frame = try assembler.next(in: piece.span, from: &offset) {
                        switch frame {
                        case .inPlace(let range): result.frames.append(Array(piece[range]))
                        case .assembled(let bytes): result.frames.append(bytes)
                        }
                    }
                } catch {
                    result.error = error
                    break feeding
                }
                require(offset == piece.count, "bytes were left")
                require(assembler.bufferedSize <= sizeMax, "more is held than a frame")
            }
            do throws(FramingError) { try assembler.end() } catch { result.endError = error }
            return result
        }
        var encoded: [UInt8] = []
        for frame in result.frames {
            require(frame.count <= sizeMax, "a frame over the limit")
            VarintFrame.append(frame.span, to: &encoded)
        }
        require(input.starts(with: encoded), "frames that were not sent")
        if result.endError == nil { require(input == encoded, "bytes that are in no frame") }
        findings.note("frames", (result.error, result.endError))
        findings.note("frames", size: result.frames.count)
    }

    private static func protobuf(_ input: [UInt8], _ findings: inout Findings) {
        for form in [ProtobufReader.Form.any, .deterministic] {
            var reader = ProtobufReader(input.span, form: form, limits: .init(fieldCountMax: 64))
            var writer = ProtobufWriter()
            var fields: [(UInt32, [UInt8]?)] = []
            do throws(ProtobufError) {
                while let field = try reader.next(in: input.span) {
                    switch field.value {
                    case .varint(let value): writer.varint(field.number, value)
                    case .fixed32(let value): writer.fixed32(field.number, value)
                    case .fixed64(let value): writer.fixed64(field.number, value)
                    case .bytes(let range):
                        require(range.upperBound <= input.count, "a field outside the message")
                        writer.bytes(field.number, input[range])
                    }
                    var bytes: [UInt8]?
                    if case .bytes(let range) = field.value { bytes = Array(input[range]) }
                    fields.append((field.number, bytes))
                }
            } catch {
                findings.note("protobuf", error)
                continue
            }
            require(fields.count <= 64, "more fields than allowed")
            if form == .deterministic {
                require(writer.bytes == input, "a deterministic message with another encoding")
            }
            let written = writer.bytes
            var again = ProtobufReader(written.span, form: .any)
            for (number, bytes) in fields {
                guard let field = try? again.next(in: written.span) else {
                    fatalError("property broken: a written field cannot be read")
                }
                require(field.number == number, "another field")
                if case .bytes(let range) = field.value {
                    require(Array(written[range]) == bytes, "another payload")
                }
            }
            findings.note("protobuf", size: fields.count)
        }
    }

    private static func rlp(_ input: [UInt8], _ findings: inout Findings) {
        do throws(RLPError) {
            let value = try RLPValue(input.span, limits: .init(depthMax: 8, itemCountMax: 64))
            require(value.encoded() == input, "RLP with two encodings")
            findings.note("rlp", value)
        } catch {
            findings.note("rlp", error)
        }
    }

    private static func snappyBlock(_ input: [UInt8], _ findings: inout Findings) {
        let sizeMax = 1 << 16
        do throws(SnappyError) {
            let data = try Snappy.decode(input.span, sizeMax: sizeMax)
            require(data.count <= sizeMax, "more data than allowed")
            require(Snappy.claimedSize(input.span) == data.count, "another size than was claimed")
            let block = Snappy.encode(data.span)
            require(block.count <= Snappy.encodedSizeMax(data.count), "a block over its bound")
            require(try Snappy.decode(block.span, sizeMax: sizeMax) == data, "another round trip")
            findings.note("block", size: data.count)
        } catch {
            findings.note("block", error)
        }
    }

    private struct Unframed: Equatable {
        var data: [UInt8] = []
        var error: SnappyError?
        var endError: SnappyError?
    }

    private static func snappyFrames(_ input: [UInt8], _ findings: inout Findings) {
        let limits = SnappyFrameDecoder.Limits(dataSize: 80_000)
        let result = sameHoweverCut(input, "the frame decoder") { pieces in
            var decoder = SnappyFrameDecoder(limits: limits)
            var result = Unframed()
            feeding: for piece in pieces {
                var offset = 0
                do throws(SnappyError) {
                    while try decoder.next(in: piece.span, from: &offset, into: &result.data) {}
                } catch {
                    result.error = error
                    break feeding
                }
                require(offset == piece.count, "bytes were left")
                require(decoder.bufferedSize <= 80_000, "more is held than a chunk")
            }
            do throws(SnappyError) { try decoder.end() } catch { result.endError = error }
            return result
        }
        require(result.data.count <= limits.dataSizeMax, "more data than allowed")
        if result.endError == nil {
            let again = try? unframed(SnappyFrameEncoder.encoded(result.data.span))
            require(again == result.data, "another round trip")
        }
        findings.note("snappy frames", (result.error, result.endError))
        findings.note("snappy frames", size: result.data.count)
    }

    private static func unframed(_ frames: [UInt8]) throws(SnappyError) -> [UInt8] {
        var decoder = SnappyFrameDecoder(limits: .init(dataSize: 80_000))
        var data: [UInt8] = []
        var offset = 0
        while try decoder.next(in: frames.span, from: &offset, into: &data) {}
        try decoder.end()
        return data
    }
}
